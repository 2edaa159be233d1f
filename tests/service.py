"""virt-vsmmud on a bus of its own, as clients see it."""

import os
import pathlib
import re
import subprocess
import tempfile

import dbus
import dbus.bus

from waiting import PATIENCE, await_true

PATH = "/org/vsmmu1"
NAME = "org.vsmmu1"
PROPERTIES = "org.freedesktop.DBus.Properties"
MIB = 1024 * 1024
# libvirt's own test driver, whose virConnectRegisterCloseCallback() forgets what it was given; a sanitizer sees that.
URI = "qemu:///session?socket=/nowhere" if "VSMMU_SANITIZED" in os.environ else "test:///default"


def memory_file(text):
    """A descriptor as clients send it for a large document."""
    descriptor = os.memfd_create("document")
    os.write(descriptor, text.encode())
    return dbus.types.UnixFd(os.fdopen(descriptor))


def refusal_of(call, *arguments, **options):
    """(name, text) of the error that a call is answered with."""
    try:
        call(*arguments, **options)
    except dbus.DBusException as error:
        return error.get_dbus_name(), error.get_dbus_message()
    raise AssertionError("the call was answered without an error")


def error_of(call, *arguments, **options):
    """Its name."""
    return refusal_of(call, *arguments, **options)[0]


class Client:
    """A connection of its own to a bus, and the methods of org.vsmmu1 on it."""

    def __init__(self, address):
        self.bus = dbus.bus.BusConnection(address)

    def call(self, method, *arguments, interface=NAME, signature=None):
        return self.bus.call_blocking(NAME, PATH, interface, method, SIGNATURES[method] if signature is None else signature,
                                      arguments, timeout=60)

    def __getattr__(self, method):
        if method not in SIGNATURES:
            raise AttributeError(method)
        return lambda *arguments: self.call(method, *arguments)

    def get(self, name):
        return self.call("Get", NAME, name, interface=PROPERTIES, signature="ss")

    def ask_bus(self, method, *arguments, interface="org.freedesktop.DBus", signature=""):
        return self.bus.call_blocking("org.freedesktop.DBus", "/org/freedesktop/DBus", interface, method, signature, arguments)

    def subscribers(self, owner):
        """Processes that get all signals of a connection."""
        rules = self.ask_bus("GetAllMatchRules", interface="org.freedesktop.DBus.Debug.Stats")
        names = [name for name, of_one in rules.items() if f"type='signal',sender='{owner}'" in of_one]
        return [int(self.ask_bus("GetConnectionUnixProcessID", name, signature="s")) for name in names]

    def close(self):
        self.bus.close()


def try_connect(address):
    """A Client, or None as long as nobody listens there: a socket has a file before that."""
    try:
        return Client(address)
    except dbus.DBusException:
        return None


SIGNATURES = {"Check": "va{sv}", "Args": "va{sv}", "Adapt": "va{sv}", "Plan": "a{sv}", "HostFacts": "", "Resolve": "sa{sv}",
              "Verify": "ssa{sv}", "ListVerdicts": ""}


class Signals:
    """What gdbus hears of virt-vsmmud from now on."""

    def __init__(self, address, command=()):
        self.seen = 0
        self.file = tempfile.NamedTemporaryFile(mode="w")
        self.process = subprocess.Popen([*command, "gdbus", "monitor", "--address", address, "--dest", NAME], stdout=self.file, cwd="/")
        owner = await_true(lambda: re.search(r" is owned by (:\S+)\n", "".join(self.heard())))[1]
        # It subscribes after it said so; only the bus can tell, and only root or who runs it.
        client = Client(address)
        await_true(lambda: self.process.pid in client.subscribers(owner))
        client.close()

    def heard(self):
        """Its lines so far."""
        return pathlib.Path(self.file.name).read_text(encoding="utf-8").splitlines(keepends=True)

    def wait_for(self, *words):
        """The next one with all these words."""
        def find():
            for number, line in enumerate(self.heard()[self.seen:]):
                if line.endswith("\n") and all(word in line for word in words):
                    self.seen += number + 1
                    found.append(line)
                    return True
            return False

        found = []
        await_true(find)
        return found[0]

    def stop(self):
        """All that it heard."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        heard = "".join(self.heard())
        self.file.close()
        return heard


class Service:
    """virt-vsmmud --session on a bus of a session; it watches the guest of libvirt's own test driver, or others.

    It runs in a Journal, where there is one.
    """

    def __init__(self, program, directory, *options, environment=None, uri=URI, journal=None, limits=None):
        self.address = f"unix:path={directory}/bus"
        self.errors = (directory / "stderr").open("w+b") if journal is None else journal.open_stderr("virt-vsmmud")
        self.daemon = None
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "DBUS_SESSION_BUS_ADDRESS": self.address,
                       "HOME": str(directory), **(environment or {})}
        self.bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--address", self.address],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            client = await_true(lambda: try_connect(self.address))
            self.daemon = subprocess.Popen([*([] if journal is None else journal.inside), *([] if limits is None else limits.inside), program, "--session", "--connect", uri, *options], env=environment, stdout=subprocess.DEVNULL,
                                           stderr=self.errors)
            await_true(lambda: client.bus.name_has_owner(NAME) or self.daemon.poll() is not None)
            client.close()
            assert self.daemon.poll() is None, f"virt-vsmmud ended with {self.daemon.returncode}: {self.said}"
        except BaseException:
            self.stop()
            raise

    @property
    def said(self):
        """What it said on stderr."""
        self.errors.flush()
        return pathlib.Path(self.errors.name).read_text(encoding="utf-8")

    def status(self, field):
        """A number of /proc/PID/status."""
        for line in pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    @property
    def switches(self):
        """How often any of its threads waited so far."""
        total = 0
        for thread in pathlib.Path(f"/proc/{self.daemon.pid}/task").iterdir():
            for line in (thread / "status").read_text(encoding="ascii").splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
        return total

    @property
    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def stop(self):
        """Its exit status."""
        for process in (self.daemon, self.bus):
            if process is not None:
                process.terminate()
                process.wait(PATIENCE)
        self.errors.close()
        return self.daemon.returncode if self.daemon is not None else None


class Limits:
    """What the unit of virt-vsmmud lets it have: processes started by `inside` are in a cgroup with MemoryMax= and TasksMax=."""

    def __init__(self, unit, name):
        text = unit.read_text(encoding="utf-8")
        self.memory = int(re.search(r"^MemoryMax=(\d+)M$", text, re.MULTILINE)[1]) * MIB
        self.tasks = int(re.search(r"^TasksMax=(\d+)$", text, re.MULTILINE)[1])
        root = pathlib.Path("/sys/fs/cgroup")
        self.is_unified = (root / "cgroup.controllers").exists()
        wanted = {"memory": ("memory.max", "memory.limit_in_bytes", self.memory), "pids": ("pids.max", "pids.max", self.tasks)}
        self.places = {}
        try:
            for controller, (new, old, value) in wanted.items():
                place = root / name if self.is_unified else root / controller / name
                place.mkdir(exist_ok=True)
                self.places[controller] = place
                (place / (new if self.is_unified else old)).write_text(str(value), encoding="ascii")
            if self.is_unified:
                (self.places["memory"] / "memory.swap.max").write_text("0", encoding="ascii")
        except OSError:
            self.remove()
            self.places = {}

    @property
    def inside(self):
        """What comes before a command; without cgroups it has as much address space."""
        if not self.places:
            return ["prlimit", f"--as={self.memory}"]
        files = " ".join(f"{place}/cgroup.procs" for place in dict.fromkeys(self.places.values()))
        return ["sh", "-c", f'for file in {files}; do echo $$ >$file; done; exec "$@"', "-"]

    def remove(self):
        for place in dict.fromkeys(self.places.values()):
            if place.exists():
                place.rmdir()
