"""Fixtures of the cases that run in the emulated host."""

import os

import pytest

import builder
import host
import machine


def pytest_addoption(parser):
    parser.addoption("--rig-all", action="store_true", help="run the long tail of the emulated host's cases too")


def pytest_configure(config):
    config.addinivalue_line("markers", "long_tail: takes minutes, or another host; only with --rig-all")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--rig-all"):
        left = [item for item in items if not item.get_closest_marker("long_tail")]
        config.hook.pytest_deselected(items=[item for item in items if item not in left])
        items[:] = left


def boot(**arguments):
    """A machine without the means skips the test; continuous integration must have them."""
    try:
        return host.Host(**arguments)
    except builder.Unavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def emulated_host():
    """The host with libvirt 12.8 and two nested SMMUs; the disks A_NVME_1, A_NVME_2 and B_NVME_1 are with vfio-pci."""
    with boot() as running:
        running.give_to_vfio(machine.A_NVME_1, machine.A_NVME_2, machine.B_NVME_1)
        yield running
