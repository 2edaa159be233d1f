"""libvirt's clients work through virt-vsmmu-connect as without it, and every end is a clear one."""

import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import uuid

import pytest

import bed
import wire
from waiting import await_true, measure
from wire import Listener, Recorder, Transport

GUEST = """
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory>
  <os><type arch='aarch64' machine='virt'>hvm</type>{kernel}</os>
  <cpu mode='custom'><model>cortex-a57</model></cpu>
  <devices>{devices}</devices>
</domain>"""
SERIAL = "<serial type='pty'/>"

# What comes in on the PL011 at 0x9000000 goes out on it, small letters as large ones.
ECHO = struct.pack("<7I",
                   0xD2A12001,  # movz x1, #0x900, lsl #16
                   0xB9401822,  # ldr w2, [x1, #0x18]
                   0x3727FFE2,  # tbnz w2, #4, -4
                   0xB9400023,  # ldr w3, [x1]
                   0x521B0063,  # eor w3, w3, #0x20
                   0xB9000023,  # str w3, [x1]
                   0x17FFFFFB)  # b -20


@pytest.fixture(scope="module")
def command(connect, libvirt_daemon, tmp_path_factory):
    """What a URI names as its command."""
    return wire.write_script(tmp_path_factory.mktemp("command") / "connect", connect, "-U", libvirt_daemon.socket)


@pytest.fixture(scope="module")
def uri(command):
    return f"qemu+ext:///system?command={command}"


def write_guest(directory, name, kernel="", devices=""):
    """The same guest whenever it has the same name."""
    path = directory / f"{name}.xml"
    path.write_text(GUEST.format(name=name, uuid=uuid.uuid5(uuid.NAMESPACE_DNS, name), kernel=kernel, devices=devices))
    return path


def run_virsh(uri, *arguments, environment=None, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(["virsh", "--quiet", "-c", uri, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}, **options)


def virsh(uri, *arguments, **options):
    run = run_virsh(uri, *arguments, **options)
    assert run.returncode == 0, run.stderr
    return run.stdout


@contextlib.contextmanager
def guest(uri, name, directory, kernel="", devices=""):
    virsh(uri, "define", write_guest(directory, name, kernel, devices))
    try:
        yield name
    finally:
        run_virsh(uri, "destroy", name)
        virsh(uri, "undefine", name)


def children(command):
    """Processes that run virt-vsmmu-connect for the socket in the script @command."""
    wanted = pathlib.Path(command).read_text().split()[-2].strip("'")
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (entry.name.isdigit() and os.readlink(entry / "exe").endswith("/virt-vsmmu-connect")
                    and wanted.encode() in (entry / "cmdline").read_bytes().split(b"\0")[1:]):
                found.append(int(entry.name))
    return found


#
# What clients do
#


@pytest.mark.slow("virsh runs dozens of times, each way")
def test_virsh_sees_what_it_sees_without(libvirt_daemon, uri, directory):
    with guest(uri, "same", directory):
        for arguments in (["list", "--all"], ["dumpxml", "same"], ["capabilities"], ["domcapabilities"], ["net-list", "--all"],
                          ["nodedev-list"], ["dominfo", "same"], ["uri"], ["domstats", "same"]):
            through, direct = (virsh(where, *arguments) for where in (uri, libvirt_daemon.uri))
            assert through.strip()
            if arguments == ["uri"]:
                assert through != direct
            else:
                assert through == direct


def test_a_failing_call_fails_with_the_words_of_libvirt(libvirt_daemon, uri):
    through, direct = (run_virsh(where, "dominfo", "nobody") for where in (uri, libvirt_daemon.uri))
    assert through.returncode == direct.returncode == 1
    assert through.stderr == direct.stderr != ""


def test_events_come_through(uri, directory):
    watcher = subprocess.Popen(["virsh", "-c", uri, "event", "--all", "--loop", "--timeout", "10"], stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, text=True)
    # libvirt has no way to tell that the client is registered, so domains come until it has seen one.
    heard = []
    seen = threading.Thread(target=lambda: heard.append(next((line for line in watcher.stdout if "Undefined" in line), "")))
    seen.start()
    for i in range(1000):
        with guest(uri, f"event-{i}", directory):
            pass
        seen.join(timeout=0.05)
        if not seen.is_alive():
            break
    assert not seen.is_alive()
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=wire.PATIENCE)
    assert "lifecycle" in heard[0] and "event-" in heard[0]


def test_the_console_of_a_guest_goes_both_ways(libvirt_daemon, uri, directory):
    kernel = libvirt_daemon.directory / "run" / "echo.bin"
    kernel.write_bytes(ECHO)
    (libvirt_daemon.directory / "run" / "lock").mkdir(exist_ok=True)
    with guest(uri, "console", directory, kernel="<kernel>/run/echo.bin</kernel>", devices=SERIAL) as name:
        virsh(uri, "start", name)
        terminal, theirs = pty.openpty()
        console = subprocess.Popen(["virsh", "-c", uri, "console", name], stdin=theirs, stdout=theirs, stderr=theirs,
                                   start_new_session=True)
        os.close(theirs)
        seen = b""
        try:
            while b"Escape character" not in seen:
                seen += os.read(terminal, 4096)
            # From then on nothing that is typed is lost.
            await_true(lambda: not termios.tcgetattr(terminal)[3] & termios.ICANON)
            os.write(terminal, b"hello")
            while b"HELLO" not in seen:
                seen += os.read(terminal, 4096)
            os.write(terminal, b"\x1d")
            console.wait(timeout=wire.PATIENCE)
        finally:
            console.kill()
            os.close(terminal)


@pytest.fixture
def volume(libvirt_daemon):
    """A volume that is as large as what a test uploads."""
    virsh(libvirt_daemon.uri, "pool-create-as", "pool", "dir", "--target", "/run")
    virsh(libvirt_daemon.uri, "vol-create-as", "pool", "volume", "64M")
    yield "volume"
    virsh(libvirt_daemon.uri, "vol-delete", "volume", "pool")
    virsh(libvirt_daemon.uri, "pool-destroy", "pool")


def test_64_mib_go_up_and_down_in_a_stream(uri, volume, tmp_path):
    data = os.urandom(1 << 20) * 64
    (tmp_path / "up").write_bytes(data)
    virsh(uri, "vol-upload", volume, tmp_path / "up", "--pool", "pool")
    virsh(uri, "vol-download", volume, tmp_path / "down", "--pool", "pool")
    assert hashlib.sha256((tmp_path / "down").read_bytes()).digest() == hashlib.sha256(data).digest()


def test_50_connections_at_once(libvirt_daemon, uri, command):
    libvirt = libvirt_daemon.libvirt
    everyone = threading.Barrier(51)

    def use(_):
        connection = libvirt.open(uri)
        everyone.wait(timeout=60)
        versions = [connection.getLibVersion() for _ in range(20)]
        everyone.wait(timeout=60)
        connection.close()
        return set(versions)

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        work = [pool.submit(use, i) for i in range(50)]
        everyone.wait(timeout=60)
        running = children(command)
        everyone.wait(timeout=60)
        assert {frozenset(done.result()) for done in work} == {frozenset([libvirt_daemon.connection.getLibVersion()])}
    assert len(running) >= 50
    await_true(lambda: not set(children(command)) & set(running), what="the end of the connections")


def test_keepalive_goes_both_ways(libvirt_daemon, uri):
    libvirt = libvirt_daemon.libvirt
    libvirt.virEventRegisterDefaultImpl()
    stop = threading.Event()

    def run():
        timer = libvirt.virEventAddTimeout(50, lambda *_: None, None)
        while not stop.is_set():
            libvirt.virEventRunDefaultImpl()
        libvirt.virEventRemoveTimeout(timer)

    loop = threading.Thread(target=run)
    loop.start()
    try:
        connection = libvirt.open(uri)
        # Three seconds without an answer would end the connection.
        assert connection.setKeepAlive(1, 2) == 0
        measure(4)
        assert connection.isAlive() == 1
        assert connection.getLibVersion() > 0
        connection.close()
    finally:
        stop.set()
        loop.join()


FAKE_SSH = r"""#!/bin/sh
# What sshd does: the last argument is a command for the user's shell.
for word; do :; done
printf '%s\n' "$word" >>"$0.log"
exec sh -c "$word"
"""


def test_libvirt_takes_it_for_netcat_over_ssh(libvirt_daemon, command, connect, directory):
    ssh = directory / "ssh"
    ssh.write_text(FAKE_SSH)
    ssh.chmod(0o755)
    remote = f"qemu+ssh://host/system?proxy=netcat&netcat={connect}&command={ssh}&socket={libvirt_daemon.socket}"
    assert virsh(remote, "uri").strip().startswith("qemu+ssh://host/system")
    assert virsh(remote, "list", "--all") == virsh(libvirt_daemon.uri, "list", "--all")
    # libvirt asks whether there is -q, and gives it.
    assert f"'{connect}' $ARG -U {libvirt_daemon.socket}" in (directory / "ssh.log").read_text()
    probe = subprocess.run([connect, "-q"], capture_output=True, text=True, env={"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"})
    assert "requires an argument" in probe.stderr


def test_a_read_only_connection_is_read_only(uri, directory):
    assert virsh(uri, "--readonly", "list", "--all") == virsh(uri, "list", "--all")
    refused = run_virsh(uri, "--readonly", "define", write_guest(directory, "readonly"))
    assert refused.returncode == 1 and "read only access prevents" in refused.stderr


#
# Not one byte is another
#


class Witness:
    """A client's connection, with the relay in it or not, and what was said on either side of the relay."""

    def __init__(self, directory, daemon, program):
        self.listener = Listener(directory / "client")
        self.inner = Listener(directory / "daemon") if program else None
        self.uri = f"qemu:///system?socket={directory / 'client'}"
        self.outside = None
        self.inside = None
        self.transport = None
        self._daemon = daemon
        self._program = program
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        client = self.listener.accept()
        if self._program:
            self.transport = Transport(self._program, "-U", self.inner.path)
            self.inside = Recorder(self.inner.accept(), wire.connect(self._daemon.socket))
            self.outside = Recorder(client, self.transport.client)
        else:
            self.outside = Recorder(client, wire.connect(self._daemon.socket))

    def finish(self):
        """What the client said, and what it was told."""
        self._thread.join(timeout=wire.PATIENCE)
        recorders = [recorder for recorder in (self.outside, self.inside) if recorder]
        for recorder in recorders:
            recorder.join(timeout=wire.PATIENCE)
            assert not recorder.is_alive()
        if self.transport:
            assert self.transport.wait() == (0, "")
            assert self.outside.to_daemon == self.inside.to_daemon
            assert self.outside.to_client == self.inside.to_client
            self.inner.close()
        self.listener.close()
        return bytes(self.outside.to_daemon), bytes(self.outside.to_client)


def session(uri, directory):
    """Some of everything."""
    document = write_guest(directory, "bytes", devices=SERIAL)
    script = f"""define {document}; dumpxml bytes; list --all; dominfo nobody; capabilities; domcapabilities;
        start bytes --paused; domstate bytes; vol-download volume /dev/null --pool pool; destroy bytes; undefine bytes"""
    return run_virsh(uri, script.replace("\n", " ")).stdout


def headers(data):
    """Of all frames in the bytes."""
    found = []
    offset = 0
    while offset < len(data):
        found.append(wire.HEADER.unpack_from(data, offset))
        offset += found[-1][0]
    return found


def test_the_bytes_of_a_session_are_those_of_a_direct_one(libvirt_daemon, connect, directory, volume):
    direct = Witness(directory, libvirt_daemon, None)
    said = session(direct.uri, directory)
    direct_bytes = direct.finish()
    through = Witness(directory, libvirt_daemon, connect)
    assert session(through.uri, directory) == said
    # finish() compares what went in and what came out.
    through_bytes = through.finish()
    for one, other in zip(direct_bytes, through_bytes):
        calls, others = ([header for header in headers(data) if header[4] != wire.STREAM] for data in (one, other))
        assert calls == others
    assert sum(map(len, through_bytes)) > 64 << 20


def test_a_recorded_session_is_answered_as_directly(libvirt_daemon, connect, directory):
    witness = Witness(directory, libvirt_daemon, None)
    run_virsh(witness.uri, "list --all; capabilities; net-list --all; dominfo nobody")
    recorded, told = witness.finish()
    with Transport(connect, "-U", libvirt_daemon.socket) as transport:
        # Call by call, as libvirt closes a connection of which it is told the end.
        answered = b""
        while recorded:
            length = wire.HEADER.unpack_from(recorded)[0]
            transport.client.sendall(recorded[:length])
            header, payload = wire.read_frame(transport.client)
            answered += wire.HEADER.pack(*header) + payload
            recorded = recorded[length:]
        transport.client.close()
        assert transport.wait() == (0, "")
    assert answered == told


#
# Another client, and all that it can ask
#


def without_chance(value):
    """As text, but for addresses in memory and times."""
    return re.sub(r"0x[0-9a-f]{6,}|<creationTime>\d+", "N", repr(value))


def describe(value, libvirt, seen, depth=0):
    """What a value of python3-libvirt is, with all that it says of itself."""
    if isinstance(value, (list, tuple)):
        return [describe(item, libvirt, seen, depth) for item in value]
    if isinstance(value, dict):
        return {name: describe(item, libvirt, seen, depth) for name, item in value.items()}
    if not type(value).__name__.startswith("vir") or depth > 2:
        return without_chance(value)
    return explore(value, libvirt, seen, depth + 1)


# Ends the connection, changes with time, or leaves something behind.
NOT_CALLED = re.compile(r"close|unref|ref$|free|register|deregister|__|connect$|newStream|getURI|isEncrypted|isSecure|.*[sS]tats|"
                        r".*Time.*|.*[jJ]ob.*|.*Info$|info$|interfaceAddresses|.*MemoryStats|.*Pages|suspend|resume|shutdown|reset|reboot|"
                        r"destroy|undefine|create|managedSave|delete|abort|build|refresh|wipe|undefine|reAttach|dettach|change.*|"
                        r"finish|recv.*|send.*|abortJob|inject.*|core.*|save|PMWakeup|migrate.*|interfaceStats|isAlive|getFreeMemory|"
                        r"node.*Memory.*|nodeSuspend.*|setKeepAlive|.*[cC]allback.*|autostart|start|stop|c_pointer|vcpus$")


def explore(thing, libvirt, seen, depth=0):
    results = {}
    for name in sorted(dir(type(thing))):
        if NOT_CALLED.match(name) or not callable(getattr(thing, name)):
            continue
        try:
            value = getattr(thing, name)()
        except TypeError:
            continue
        except libvirt.libvirtError as error:
            value = (error.get_error_code(), error.get_error_domain(), str(error))
        seen.add(name)
        results[name] = describe(value, libvirt, seen, depth)
    return results


def use_test_driver(libvirt, uri):
    """Asks for everything that takes no arguments, then changes things and looks again."""
    seen = set()
    connection = libvirt.open(uri)
    results = [explore(connection, libvirt, seen)]
    domain = connection.lookupByName("test")
    xml = domain.XMLDesc().replace("<name>test</name>", "<name>other</name>")
    xml = re.sub(r"<uuid>.*</uuid>", "<uuid>11111111-2222-3333-4444-555555555555</uuid>", xml)
    other = connection.defineXML(xml)
    steps = [
        other.create, other.suspend, other.resume, lambda: other.setMemory(100000), lambda: other.snapshotCreateXML(
            "<domainsnapshot><name>s</name></domainsnapshot>").getName(),
        lambda: [s.getXMLDesc() for s in other.listAllSnapshots()], lambda: other.screenshot(connection.newStream(), 0),
        lambda: other.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "a title", None, None), lambda: other.metadata(
            libvirt.VIR_DOMAIN_METADATA_TITLE, None), lambda: other.attachDevice("<nonsense/>"), other.reboot, other.destroy,
        lambda: other.checkpointCreateXML("<domaincheckpoint/>").delete(), lambda: domain.setSchedulerParameters({"weight": 100}),
        domain.schedulerParameters, other.undefine, lambda: connection.networkLookupByName("default").XMLDesc(), lambda: connection.defineXML("<broken"),
        lambda: connection.storagePoolLookupByName("default-pool").createXML(
            "<volume><name>v</name><capacity>1000</capacity></volume>", 0).XMLDesc(),
        lambda: connection.lookupByUUIDString("11111111-2222-3333-4444-555555555555"),
    ]
    for step in steps:
        try:
            value = step()
        except libvirt.libvirtError as error:
            value = (error.get_error_code(), error.get_error_domain(), error.get_error_level(), str(error))
        results.append(without_chance(value))
    results.append(explore(connection, libvirt, seen))
    connection.close()
    return results, seen


def test_python_sees_the_same_of_the_test_driver(libvirt_daemon, command):
    """libvirt's test driver in the daemon, which starts from the same state for every connection."""
    libvirt = libvirt_daemon.libvirt
    direct, called = use_test_driver(libvirt, f"test+unix:///default?socket={libvirt_daemon.socket}")
    through, _ = use_test_driver(libvirt, f"test+ext:///default?command={command}")
    assert through == direct
    assert len(called) > 80


#
# What cannot be carried
#


BYTES_ONLY = """#!/usr/bin/python3
import os, socket, sys, threading
daemon = socket.socket(socket.AF_UNIX)
daemon.connect({path!r})
def copy(source, sink):
    while data := os.read(source, 65536):
        os.write(sink, data)
    os._exit(0)
threading.Thread(target=copy, args=(daemon.fileno(), 1)).start()
copy(0, daemon.fileno())
"""


@pytest.mark.parametrize("arguments", [
    ["create", "{document}", "--paused", "--pass-fds", "{descriptor}"],
    ["start", "descriptors", "--paused", "--pass-fds", "{descriptor}"],
    ["dom-fd-associate", "descriptors", "some", "--pass-fds", "{descriptor}"],
], ids=lambda arguments: arguments[0])
def test_file_descriptors_fail_as_in_any_ext_transport(libvirt_daemon, uri, directory, arguments):
    """As with a program that carries bytes and nothing else."""
    plain = directory / "plain"
    plain.write_text(BYTES_ONLY.format(path=str(libvirt_daemon.socket)))
    plain.chmod(0o755)
    with guest(uri, "descriptors", directory):
        other = write_guest(directory, "created")
        said = []
        for where in (uri, f"qemu+ext:///system?command={plain}"):
            with open(other) as some:
                words = [word.format(document=other, descriptor=some.fileno()) for word in arguments]
                refused = run_virsh(where, *words, pass_fds=[some.fileno()])
            assert refused.returncode == 1
            said.append(refused.stderr.replace(where, "URI"))
        assert said[0] == said[1]
        assert "file descriptors" in said[0]
        assert virsh(libvirt_daemon.uri, "list", "--name").strip() == ""


#
# What goes wrong
#


def test_a_wrong_program_or_version_is_for_the_daemon_to_refuse(libvirt_daemon, connect):
    for what in ({"program": 0x12345678}, {"version": 77}, {"procedure": 9999}):
        data = wire.frame(**{"procedure": wire.AUTH_LIST, **what})
        replies = []
        for peer in (wire.connect(libvirt_daemon.socket), Transport(connect, "-U", libvirt_daemon.socket).client):
            peer.sendall(data)
            replies.append(wire.read_frame(peer))
            peer.close()
        assert replies[0] == replies[1]
        assert replies[0][0][6] == 1


def test_virsh_that_is_killed_leaves_no_process_and_no_domain(libvirt_daemon, uri, command):
    client = subprocess.Popen(["virsh", "-c", uri, "event", "--all", "--loop"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    await_true(lambda: children(command), what="the connection")
    client.kill()
    client.wait()
    await_true(lambda: not children(command), what="the end of the connection")
    assert libvirt_daemon.connection.isAlive()


def test_a_real_daemon_that_is_killed_ends_virsh(debian_tree, connect, tmp_path):
    daemon = bed.Daemon()
    command = wire.write_script(tmp_path / "connect", connect, "-U", daemon.socket)
    client = subprocess.Popen(["virsh", "-c", f"qemu+ext:///system?command={command}", "event", "--all", "--loop"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    await_true(lambda: children(command), what="the connection")
    daemon.stop()
    assert client.wait(timeout=wire.PATIENCE) != 0
    assert not children(command)
