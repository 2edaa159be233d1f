"""Fixtures of the integration tests."""

import contextlib
import os
import pathlib
import tempfile

import pytest

import bed
import guests
from facts import Facts
from means import give_up
from program import Program

SLOW = 5
slow = []
MARKERS = {
    "unsanitized(reason)": "not with sanitizers, and why",
    "long(reason)": "for measuring: only with VSMMU_LONG set",
    "slow(reason)": "takes more than five seconds, and why",
}


def pytest_configure(config):
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")


def pytest_collection_modifyitems(config, items):
    """What is not meant to run in a way of running the tests is no test of it, and is not skipped."""
    unmeant = {"unsanitized": "VSMMU_SANITIZED" in os.environ, "long": "VSMMU_LONG" not in os.environ}
    left = [item for item in items if not any(applies and item.get_closest_marker(name) for name, applies in unmeant.items())]
    config.hook.pytest_deselected(items=[item for item in items if item not in left])
    items[:] = left


def require_trees():
    """The names of the Debian trees, the oldest libvirt first."""
    try:
        return bed.suites()
    except bed.Unavailable as error:
        give_up(str(error))


def pytest_runtest_logreport(report):
    """Keeps what took long, for the summary."""
    if report.when == "call" and report.duration > SLOW:
        reasons = [text for name, text in report.user_properties if name == "slow"]
        slow.append((report.duration, report.nodeid, reasons[0] if reasons else "NOBODY SAYS WHY: it needs the marker slow(reason)"))


def pytest_runtest_setup(item):
    if marker := item.get_closest_marker("slow"):
        item.user_properties.append(("slow", marker.args[0]))


def pytest_terminal_summary(terminalreporter):
    if slow:
        terminalreporter.section(f"tests that took more than {SLOW} seconds, and why")
    for duration, name, reason in sorted(slow, reverse=True):
        terminalreporter.write_line(f"{duration:6.1f} s  {name}: {reason}")


def pytest_sessionfinish(session, exitstatus):
    """Tells "meson test" when all that there is was skipped."""
    if "VSMMU_SKIP_STATUS" in os.environ and exitstatus == 0:
        outcomes = session.config.pluginmanager.get_plugin("terminalreporter").stats
        if outcomes.get("skipped") and not outcomes.get("passed"):
            session.exitstatus = int(os.environ["VSMMU_SKIP_STATUS"])


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
    """The name of the Debian tree with the newest libvirt."""
    return require_trees()[-1]


@pytest.fixture(scope="session")
def older_debian_tree():
    """The name of the Debian tree with a libvirt that does not know accelerated vSMMUs."""
    return require_trees()[0]


@pytest.fixture(scope="session")
def libvirt_daemon(debian_tree):
    """A running libvirtd: `.connection`, `.uri`, `.place(xml)`, `.command_line(xml)`, `.crash()`."""
    with running_daemon(debian_tree) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def older_libvirt_daemon(older_debian_tree):
    """A running libvirtd that does not know accelerated vSMMUs."""
    with running_daemon(older_debian_tree) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def daemons_between():
    """A running libvirtd of each tree whose libvirt is neither the newest nor the oldest, by the tree's name."""
    with contextlib.ExitStack() as stack:
        yield {suite: stack.enter_context(running_daemon(suite)) for suite in require_trees()[1:-1]}


@pytest.fixture(scope="session")
def guest_daemon(libvirt_daemon):
    """The same libvirtd, with what guests.Guest boots with."""
    bed.require_guest()
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
def connect(build_dir):
    """virt-vsmmu-connect."""
    return build_dir / "tools" / "virt-vsmmu-connect"


@pytest.fixture
def directory():
    """For sockets, whose paths must be short, and for everybody to enter."""
    with tempfile.TemporaryDirectory(prefix="vsmmu-", dir="/tmp") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture(scope="session")
def facts(program, tmp_path_factory):
    """Facts of hosts, by the words of facts.py."""
    return Facts(program, tmp_path_factory.mktemp("facts"))
