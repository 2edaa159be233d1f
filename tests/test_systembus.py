"""virt-vsmmud as it is installed, on the bus of a system: who starts it, whose it is, and who may ask it what."""

import os
import subprocess

import pytest

from means import give_up
from service import NAME, Signals
from systembus import CALLERS, SystemBus, Unavailable
from waiting import PATIENCE, await_true

OUR_ERROR = "org.vsmmu1.Error."
NO_LIBVIRT = OUR_ERROR + "Probe: cannot connect to libvirt at"
# Of each method: arguments, and what begins the answer of who may call it, or is in it as an error.
READS = {"Check": (("<'<domain/>'>", "{}"), "(@a(sssusss) [],)"),
         "Args": (("<'<domain/>'>", "{}"), OUR_ERROR + "Unsupported: "),
         "Adapt": (("<'<domain/>'>", "{'lift': <true>}"), "('<domain/>', @as [])"),
         "Plan": (("{'devices': <@as []>}",), "org.freedesktop.DBus.Error.InvalidArgs: specify at least one device"),
         "HostFacts": ((), "('{"), "ListVerdicts": ((), "(@aa{sv} [],)"),
         "Resolve": (("nobody", "{}"), NO_LIBVIRT),
         "org.freedesktop.DBus.Properties.Get": ((NAME, "Version"), "(<'"),
         "org.freedesktop.DBus.Properties.GetAll": ((NAME,), "({'")}
MANAGES = {"Verify": (("nobody", "", "{}"), NO_LIBVIRT)}
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
# Calls as fast as the bus takes them, on as many connections as is said, until its input ends; every other one wants no reply,
# and not one answer is read. It says when each connection has sent some, and in the end how many there were.
FLOOD = """
import sys, threading, dbus.bus
from dbus.lowlevel import MethodCallMessage
address, connections = sys.argv[1], int(sys.argv[2])
has_ended = threading.Event()

def flood(number):
    bus = dbus.bus.BusConnection(address)
    document = "<domain>" * (1000 if number % 2 else 10)
    sent = 0
    while not has_ended.is_set():
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
while not all(counts):
    has_ended.wait(0.01)
print("flooding", flush=True)
sys.stdin.read()
has_ended.set()
for thread in threads:
    thread.join()
print(sum(counts))
"""
# So many calls one after the other; then how many errors and the slowest in seconds.
ASK = """
import sys, time, dbus.bus
bus = dbus.bus.BusConnection(sys.argv[1])
waits, errors = [], []
for _ in range(int(sys.argv[2])):
    before = time.monotonic()
    try:
        bus.call_blocking("org.vsmmu1", "/org/vsmmu1", "org.vsmmu1", "ListVerdicts", "", (), timeout=60)
    except dbus.DBusException as error:
        errors.append(error.get_dbus_name())
    waits.append(time.monotonic() - before)
    time.sleep(0.02)  # slower than a rate that is too much for one caller
print(len(errors), max(waits))
"""
# More is for measuring.
CALLS = int(os.environ.get("VSMMU_FLOOD_CALLS", 100))

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
def test_who_may_call_which_method(caller, method, bus):
    may = caller == "root" or (caller == "member" and method in READS) or (
        caller == "operator" and method in MANAGES and bus.has_polkit)
    arguments, expected = (READS | MANAGES)[method]
    answer = bus.call(caller, method, *arguments)
    if may:
        assert answer.startswith((expected, f"Error: GDBus.Error:{expected}")), answer
    else:
        action = f"it requires the polkit action org.vsmmu1.{'read' if method in READS else 'manage'}"
        reason = action if bus.has_polkit else "this host has no polkit"
        assert f"{DENIED}: user {CALLERS[caller][0]} is not allowed to do this: {reason}" in answer


@pytest.mark.parametrize("caller", CALLERS)
def test_nobody_else_can_own_the_name(caller, bus):
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


@pytest.mark.slow("a flood has to last while others call")
@pytest.mark.parametrize("connections", [8])
def test_a_flood_of_unauthorized_calls_blocks_nobody(connections, bus):
    assert bus.call("member", "ListVerdicts") == "(@aa{sv} [],)"
    def start(caller, script, number):
        return subprocess.Popen(bus.as_user(caller, "/usr/bin/python3", "-c", script, bus.address, str(number)), cwd="/", text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    with start("stranger", FLOOD, connections) as flood:
        assert flood.stdout.readline() == "flooding\n"
        with start("member", ASK, CALLS) as ask:
            answers, _ = ask.communicate(timeout=CALLS + PATIENCE)
        assert flood.poll() is None
        n_hostile, _ = flood.communicate("", timeout=PATIENCE)
    n_errors, slowest = answers.split()
    print(f"{int(n_hostile)} hostile calls; of {CALLS} of a member {n_errors} failed, the slowest took {float(slowest):.3f} s")
    assert (flood.returncode, ask.returncode, int(n_errors)) == (0, 0, 0)
    await_true(lambda: DENIED in bus.call("stranger", "ListVerdicts"))
