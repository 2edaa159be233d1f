"""Fixtures of the cases that run in the emulated host."""

import os
import pathlib

import pytest

import builder
import host
import virsh


def pytest_addoption(parser):
    parser.addoption("--rig-all", action="store_true", help="run the long tail of the emulated host's cases too")
    parser.addoption("--rig-kernels", action="store_true", help="run the cases with other kernels too, each of which is built first")


def pytest_configure(config):
    config.addinivalue_line("markers", "long_tail: takes minutes, or another host; only with --rig-all")
    config.addinivalue_line("markers", "every_kernel: with a kernel that is neither the default nor a limit; only with --rig-kernels")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if pathlib.Path(__file__).parent in item.path.parents and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.slow("waits for an emulated host, and for guests in it"))
    unwanted = {marker for marker, option in (("long_tail", "--rig-all"), ("every_kernel", "--rig-kernels"))
                if not config.getoption(option, False)}
    if unwanted:
        left = [item for item in items if not any(item.get_closest_marker(marker) for marker in unwanted)]
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
    """The host with libvirt 12.8 and two nested SMMUs. A test binds the devices it needs."""
    with boot() as running:
        yield running


@pytest.fixture(scope="session")
def libvirt(emulated_host):
    """Its libvirtd."""
    return virsh.Libvirt(emulated_host)
