"""virt-vsmmud as it is installed, on the bus of a system: who starts it, whose it is, and who may ask it what."""

import os
import subprocess

import pytest

from means import give_up
from service import NAME, Signals
from systembus import CALLERS, SystemBus, Unavailable
from waiting import await_true

READS = {"Check": ("<'<domain/>'>", "{}"), "Args": ("<'<domain/>'>", "{}"), "Adapt": ("<'<domain/>'>", "{'lift': <true>}"),
         "Plan": ("{'devices': <@as []>}",), "HostFacts": (), "ListVerdicts": (), "Resolve": ("nobody", "{}"),
         "org.freedesktop.DBus.Properties.Get": (NAME, "Version"), "org.freedesktop.DBus.Properties.GetAll": (NAME,)}
MANAGES = {"Verify": ("nobody", "", "{}")}
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
# Calls as fast as the bus takes them, on as many connections and for as many seconds as is said; every other one wants no reply,
# and not one answer is read.
FLOOD = """
import sys, threading, time, dbus.bus
from dbus.lowlevel import MethodCallMessage
address, connections, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + seconds

def flood(number):
    bus = dbus.bus.BusConnection(address)
    document = "<domain>" * (1000 if number % 2 else 10)
    sent = 0
    while time.monotonic() < end:
        message = MethodCallMessage("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "Check")
        message.append(document, dbus.Dictionary(signature="sv"), signature="va{sv}")
        message.set_no_reply(sent % 2 == 0)
        bus.send_message(message)
        sent += 1
        if sent % 50 == 0:
            bus.flush()
    counts[number] = sent

counts = [0] * connections
threads = [threading.Thread(target=flood, args=[number]) for number in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(counts))
"""
# Calls one after the other until its input ends; then how many, how many errors and the slowest in seconds.
ASK = """
import select, sys, time, dbus.bus
bus = dbus.bus.BusConnection(sys.argv[1])
waits, errors = [], []
while not select.select([sys.stdin], [], [], 0.02)[0]:
    before = time.monotonic()
    try:
        bus.call_blocking("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "ListVerdicts", "", (), timeout=60)
    except dbus.DBusException as error:
        errors.append(error.get_dbus_name())
    waits.append(time.monotonic() - before)
print(len(waits), len(errors), max(waits))
"""
# Of the longer variant, which is for measuring.
FLOOD_SECONDS = float(os.environ.get("VSMMU_FLOOD_SECONDS", 3))

pytestmark = pytest.mark.unsanitized("the user vsmmu cannot write the reports of sanitizers")


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
    # Everybody hears that it ends, and not before what it said.
    bus.end_service()
    for signals in ears.values():
        signals.wait_for("does not have an owner")
    heard = {caller for caller, signals in ears.items() if "HostFactsChanged" in signals.stop()}
    assert heard - {"root"} == {"member"}


@pytest.mark.parametrize("connections", [8])
def test_a_flood_of_who_may_nothing_holds_up_nobody(connections, bus):
    assert bus.call("member", "ListVerdicts") == "(@aa{sv} [],)"
    flood, ask = (subprocess.Popen(bus.as_user(caller, "/usr/bin/python3", "-c", script, bus.address, *arguments), cwd="/", text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                  for caller, script, arguments in (("stranger", FLOOD, [str(connections), str(FLOOD_SECONDS)]), ("member", ASK, [])))
    n_hostile, _ = flood.communicate(timeout=120)
    answers, _ = ask.communicate("", timeout=120)
    n_calls, n_errors, slowest = answers.split()
    print(f"{int(n_hostile)} hostile calls; of {n_calls} of a member {n_errors} failed, the slowest took {float(slowest):.3f} s")
    assert flood.returncode == 0 and ask.returncode == 0
    assert (int(n_calls) > 10, int(n_errors), float(slowest) < 2) == (True, 0, True)
    await_true(lambda: DENIED in bus.call("stranger", "ListVerdicts"))
