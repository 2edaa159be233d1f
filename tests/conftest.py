"""Fixtures of the integration tests."""

import contextlib
import os
import pathlib

import pytest

import bed
import guests
from facts import Facts
from program import Program


def give_up(reason):
    """A machine without the means skips the test; continuous integration must have them."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def require_tree(suite):
    try:
        bed.require(suite=suite)
    except bed.Unavailable as error:
        give_up(str(error))


@contextlib.contextmanager
def running_daemon(suite, etc=None):
    """A libvirtd for as long as a fixture lives; see bed.Daemon."""
    try:
        daemon = bed.Daemon(suite, etc)
    except bed.Unavailable as error:
        give_up(str(error))
    try:
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def debian_tree():
    """The Debian tree with a libvirt that knows accelerated vSMMUs exists."""
    require_tree("sid")


@pytest.fixture(scope="session")
def older_debian_tree():
    """The Debian tree with a libvirt that does not know accelerated vSMMUs exists."""
    require_tree("trixie")


@pytest.fixture(scope="session")
def libvirt_daemon(debian_tree):
    """A running libvirtd: `.connection`, `.uri`, `.place(xml)`, `.command_line(xml)`, `.crash()`."""
    with running_daemon("sid") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def older_libvirt_daemon(older_debian_tree):
    """A running libvirtd that does not know accelerated vSMMUs."""
    with running_daemon("trixie") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def guest_daemon(libvirt_daemon):
    """The same libvirtd, with what guests.Guest boots with."""
    bed.require("guest")
    guests.provide(libvirt_daemon)
    return libvirt_daemon


@pytest.fixture(scope="session")
def build_dir():
    """Where meson built the programs under test."""
    default = pathlib.Path(__file__).parent.parent / "build"
    return pathlib.Path(os.environ.get("VSMMU_BUILD_DIR", default)).resolve()


@pytest.fixture(scope="session")
def program(build_dir):
    """virt-vsmmu."""
    return Program(build_dir / "tools" / "virt-vsmmu")


@pytest.fixture(scope="session")
def facts(program, tmp_path_factory):
    """Facts of hosts, by the words of facts.py."""
    return Facts(program, tmp_path_factory.mktemp("facts"))
