"""virt-vsmmu-connect finds the daemon that libvirt's own client would find, and says it where there is none."""

import os
import pathlib
import re
import shutil
import struct
import subprocess

import pytest

import wire
from means import give_up
from wire import Listener, Transport

NOBODY = 65534
OPEN = 1

# $0 is a directory with what is to be in /run.
WITH_RUN = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /run && exec "$@"']
AS_NOBODY = ["env", "HOME=/nowhere", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

# What libvirt starts for a session: it goes into the background when its socket is there.
DAEMON = """#!/usr/bin/python3
import os, pathlib, socket, sys
pathlib.Path(os.environ["STARTED"]).write_text(" ".join(sys.argv[1:]))
if os.fork():
    os._exit(os.wait()[1] >> 8)
listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["XDG_RUNTIME_DIR"] + "/libvirt/virtqemud-sock")
listener.listen()
if os.fork():
    os._exit(0)
os.close(1), os.close(2)
peer, _ = listener.accept()
while data := peer.recv(65536):
    peer.sendall(data)
"""


@pytest.fixture(autouse=True)
def root():
    if os.geteuid() != 0:
        give_up("another /run than that of this machine needs root")


@pytest.fixture
def directory(directory):
    """What is to be in /run."""
    (directory / "libvirt").mkdir()
    return directory


@pytest.fixture
def session_connect(connect, directory):
    """By the other name, as it is installed."""
    link = directory / "virt-vsmmu-connect-session"
    link.symlink_to(connect)
    return link


def expect_connection(transport, listener):
    """What goes in comes out there."""
    call = wire.frame(wire.AUTH_LIST)
    transport.client.sendall(call)
    peer = listener.accept()
    assert wire.read_exactly(peer, len(call)) == call
    transport.client.close()
    peer.close()
    assert transport.wait() == (0, "")


def expect_refusal(transport, message):
    """libvirt's client shows users what its call fails with."""
    transport.client.sendall(wire.frame(wire.AUTH_LIST, serial=7))
    header, payload = wire.read_frame(transport.client)
    assert header[1:] == (wire.REMOTE, 1, wire.AUTH_LIST, wire.REPLY, 7, 1)
    status, said = transport.wait()
    assert status == 2
    assert re.fullmatch(f"virt-vsmmu-connect: {message}\n", said)
    assert said.removeprefix("virt-vsmmu-connect: ").strip().encode() in payload


@pytest.mark.parametrize("present, found", [
    (["libvirt-sock"], "libvirt-sock"),
    (["virtqemud-sock"], "virtqemud-sock"),
    (["libvirt-sock", "virtqemud-sock"], "virtqemud-sock"),
])
def test_the_system_is_the_socket_that_is_there(connect, directory, present, found):
    listeners = {name: Listener(directory / "libvirt" / name) for name in present}
    with Transport(connect, prefix=[*WITH_RUN, directory]) as transport:
        expect_connection(transport, listeners[found])


def test_a_missing_daemon_is_reported_with_the_sockets_tried(connect, directory):
    with Transport(connect, prefix=[*WITH_RUN, directory]) as transport:
        expect_refusal(transport, "no libvirt daemon is running: '/run/libvirt' has neither 'virtqemud-sock' nor 'libvirt-sock'; start virtqemud or libvirtd")


def test_a_dead_daemon_is_reported_with_its_socket(connect, directory):
    path = directory / "libvirt" / "libvirt-sock"
    Listener(path).socket.close()
    with Transport(connect, prefix=[*WITH_RUN, directory]) as transport:
        expect_refusal(transport, "cannot connect to the libvirt daemon at '/run/libvirt/libvirt-sock': Connection refused; .*")
    with Transport(connect, "-U", path) as transport:
        expect_refusal(transport, f"cannot connect to the libvirt daemon at '{path}': Connection refused; .*")
    with Transport(connect, "-U", "/" + "x" * 200) as transport:
        expect_refusal(transport, "cannot connect to the libvirt daemon at '/x*': File name too long; .*")


def test_a_permission_error_says_what_to_do(connect, directory):
    copy = shutil.copy(connect, directory)
    Listener(directory / "libvirt" / "virtqemud-sock").path.chmod(0o700)
    with Transport(copy, prefix=[*WITH_RUN, directory, *AS_NOBODY]) as transport:
        expect_refusal(transport, "no permission to connect to the libvirt daemon at '/run/libvirt/virtqemud-sock'; join the group .*")


def test_the_whole_message_reaches_the_user_of_virsh(connect, directory):
    command = wire.write_script(directory / "command", connect, "-U", "/nowhere")
    virsh = subprocess.run(["virsh", "-c", f"qemu+ext:///system?command={command}", "list"], capture_output=True, text=True)
    assert virsh.returncode == 1
    assert "cannot connect to the libvirt daemon at '/nowhere': No such file or directory; start libvirtd or virtqemud" in virsh.stderr


@pytest.mark.parametrize("name", ["libvirt-sock", "virtqemud-sock"])
def test_the_session_is_that_of_the_runtime_directory(session_connect, directory, name):
    listener = Listener(directory / "libvirt" / name)
    with Transport(session_connect, env={"XDG_RUNTIME_DIR": str(directory)}) as transport:
        expect_connection(transport, listener)


def test_the_session_is_found_without_the_environment(session_connect, directory):
    """libvirt passes none of it to its transports."""
    (directory / "user" / "0" / "libvirt").mkdir(parents=True)
    listener = Listener(directory / "user" / "0" / "libvirt" / "virtqemud-sock")
    with Transport(session_connect, env={"HOME": "/nowhere"}, prefix=["/usr/bin/" + WITH_RUN[0], *WITH_RUN[1:], directory]) as transport:
        expect_connection(transport, listener)


def test_a_session_without_a_daemon_gets_one(session_connect, directory):
    Listener(directory / "libvirt" / "libvirt-sock").socket.close()  # of one that has ended
    program = directory / "daemon"
    program.write_text(DAEMON)
    program.chmod(0o755)
    environment = {"XDG_RUNTIME_DIR": str(directory), "VIRTD_PATH": str(program), "STARTED": str(directory / "started")}
    with Transport(session_connect, env=environment) as transport:
        transport.client.sendall(wire.frame(wire.AUTH_LIST))
        assert wire.read_frame(transport.client)[0][3] == wire.AUTH_LIST
        assert (directory / "started").read_text() == "--timeout=120 --daemon"
        transport.client.close()
        assert transport.wait() == (0, "")


@pytest.mark.slow("five seconds are waited for a daemon that never comes, as libvirt does")
def test_a_daemon_that_cannot_be_started_is_named(session_connect, directory):
    environment = {"XDG_RUNTIME_DIR": str(directory), "LIBVIRTD_PATH": "/bin/false"}
    with Transport(session_connect, env=environment) as transport:
        expect_refusal(transport, "cannot start '/bin/false' for this session: .*")
    environment = {"XDG_RUNTIME_DIR": str(directory), "VIRTD_PATH": "/bin/true"}
    # It went into the background and was never seen again; libvirt too waits for 5 seconds.
    with Transport(session_connect, env=environment) as transport:
        expect_refusal(transport, f"cannot connect to the libvirt daemon at '{directory}/libvirt/virtqemud-sock': No such file .*")


def opening(name):
    """virConnectOpen, with the name of a URI or none."""
    text = b"" if name is None else struct.pack(">II", 1, len(name)) + name.encode() + bytes(-len(name) % 4)
    return wire.frame(OPEN, (text or struct.pack(">I", 0)) + struct.pack(">I", 0))


@pytest.mark.parametrize("user, name, is_refused", [
    (AS_NOBODY, "qemu:///session", True),
    (AS_NOBODY, "qemu:///session?no_verify=1", True),
    (AS_NOBODY, "qemu:///system", False),
    (AS_NOBODY, None, False),
    (AS_NOBODY, "qemu:///sessions", False),
    (AS_NOBODY, "no URI", False),
    ([], "qemu:///session", False),
])
def test_a_session_uri_is_refused_on_the_socket_of_the_system(connect, directory, user, name, is_refused):
    """The system's daemon would not say a word."""
    copy = shutil.copy(connect, directory)
    listener = Listener(directory / "libvirt" / "libvirt-sock")
    listener.path.chmod(0o777)
    with Transport(copy, prefix=[*WITH_RUN, directory, *user]) as transport:
        transport.client.sendall(opening(name) + wire.frame(2, serial=2))
        daemon = listener.accept()
        calls = sorted(wire.read_frame(daemon)[0][3] for _ in range(1 if is_refused else 2))
        assert calls == ([2] if is_refused else [OPEN, 2])
        if is_refused:
            header, payload = wire.read_frame(transport.client)
            assert header[3:] == (OPEN, wire.REPLY, 1, 1)
            assert b"use virt-vsmmu-connect-session as the command" in payload


def test_the_alias_works(libvirt_daemon, connect, build_dir, directory):
    """As for root, for whom libvirt reads only /etc/libvirt."""
    aliases = build_dir / "data" / "libvirt.conf"
    installed = pathlib.Path(re.search(r'"vsmmu=.*command=(.*)"', aliases.read_text())[1])
    shutil.copy(aliases, directory / "libvirt")
    wire.write_script(directory / installed.name, connect, "-U", libvirt_daemon.socket)
    script = 'mkdir -p "$2"; mount --bind "$0" /etc/libvirt && mount --bind "$1" "$2" && exec virsh -c vsmmu uri'
    virsh = subprocess.run(["unshare", "--mount", "sh", "-c", script, directory / "libvirt", directory, installed.parent],
                           capture_output=True, text=True)
    assert virsh.stdout.strip() == f"qemu+ext:///system?command={installed}", virsh.stderr
