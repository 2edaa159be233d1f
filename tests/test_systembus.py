"""virt-vsmmud as it is installed, on the bus of a system: who starts it, whose it is, and who may ask it what."""

import os
import subprocess
import time

import pytest

from conftest import give_up
from service import NAME, Signals, await_true
from systembus import CALLERS, SystemBus, Unavailable

READS = {"Check": ("<'<domain/>'>", "{}"), "Args": ("<'<domain/>'>", "{}"), "Adapt": ("<'<domain/>'>", "{'lift': <true>}"),
         "Plan": ("{'devices': <@as []>}",), "HostFacts": (), "ListVerdicts": (), "Resolve": ("nobody", "{}"),
         "org.freedesktop.DBus.Properties.Get": (NAME, "Version"), "org.freedesktop.DBus.Properties.GetAll": (NAME,)}
MANAGES = {"Verify": ("nobody", "", "{}")}
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
# Thousands of calls, and not one answer read.
FLOOD = """
import sys, dbus.bus
from dbus.lowlevel import MethodCallMessage
bus = dbus.bus.BusConnection(sys.argv[1])
for _ in range(3000):
    message = MethodCallMessage("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "Check")
    message.append("<domain>" * 1000, dbus.Dictionary(signature="sv"), signature="va{sv}")
    bus.send_message(message)
bus.flush()
"""

pytestmark = pytest.mark.skipif("VSMMU_SANITIZED" in os.environ, reason="the user vsmmu cannot write the reports of sanitizers")


@pytest.fixture(scope="module", params=["with polkit", "without polkit"])
def bus(request, build_dir):
    has_polkit = request.param == "with polkit"
    try:
        bus = SystemBus(build_dir, has_polkit)
    except Unavailable as reason:
        give_up(str(reason))
    bus.has_polkit = has_polkit
    yield bus
    bus.stop()


def test_the_first_call_starts_it_as_its_own_user(bus):
    assert bus.call("root", "ListVerdicts") == "(@aa{sv} [],)"
    assert bus.owner == "vsmmu"


@pytest.mark.parametrize("caller", ["root", *CALLERS])
@pytest.mark.parametrize("method", [*READS, *MANAGES])
def test_who_may_call_what(caller, method, bus):
    may = caller == "root" or (caller == "member" and method in READS) or (
        caller == "operator" and method in MANAGES and bus.has_polkit)
    answer = bus.call(caller, method, *(READS | MANAGES)[method])
    if may:
        assert DENIED not in answer
    else:
        action = f"org.vsmmu1.{'read' if method in READS else 'manage'}"
        assert f"{DENIED}: user {CALLERS[caller][0]} may not do this: it needs the polkit action {action}" in answer


@pytest.mark.parametrize("caller", CALLERS)
def test_nobody_else_can_be_it(caller, bus):
    answer = bus.call(caller, "org.freedesktop.DBus.RequestName", NAME, "uint32 3", to=("org.freedesktop.DBus", "/"))
    assert f"{DENIED}:" in answer and "not allowed to own" in answer
    assert bus.owner == "vsmmu"


def test_only_who_may_read_hears_signals(bus):
    """They name guests and their devices."""
    ears = {caller: Signals(bus.address, bus.as_user(caller)) for caller in (*CALLERS, "root")}
    bus.change_facts()
    ears["root"].wait_for("HostFactsChanged")
    time.sleep(0.2)
    heard = {caller for caller, signals in ears.items() if "HostFactsChanged" in signals.stop()}
    assert heard - {"root"} == {"member"}


def test_a_flood_of_who_may_nothing_holds_up_nobody(bus):
    flood = subprocess.Popen(bus.as_user("stranger", "/usr/bin/python3", "-c", FLOOD, bus.address), cwd="/")
    waits = []
    while flood.poll() is None or len(waits) < 10:
        before = time.monotonic()
        assert bus.call("root", "ListVerdicts") == "(@aa{sv} [],)"
        waits.append(time.monotonic() - before)
    assert flood.returncode == 0
    print(f"slowest of {len(waits)} calls, gdbus starting included: {max(waits):.3f} s")
    assert max(waits) < 2
    await_true(lambda: DENIED in bus.call("stranger", "ListVerdicts"))
