"""Every bad end of a connection through virt-vsmmu-connect is a clear one; the tests are client and daemon themselves."""

import os
import re
import socket
import struct
import subprocess
import threading

import pytest

import wire
from wire import Listener, Transport


@pytest.fixture
def peer(connect, directory):
    """The program between a test and a daemon that the test plays."""
    listener = Listener(directory / "socket")
    with Transport(connect, "-U", listener.path) as transport:
        transport.daemon = listener.accept()
        yield transport
        transport.daemon.close()
    listener.close()


USAGE = [
    (["--help"], 0, "Usage:"),
    (["--version"], 0, "virt-vsmmu-connect "),
    (["-q"], 2, "virt-vsmmu-connect: option requires an argument -- 'q'"),
    (["-q", "soon"], 2, "virt-vsmmu-connect: -q requires a number of seconds, or -1"),
    (["-q", "-2"], 2, "virt-vsmmu-connect: -q requires a number of seconds, or -1"),
    (["-q0", "-x"], 2, "virt-vsmmu-connect: unknown option; see 'virt-vsmmu-connect --help'"),
    (["-U", "/socket", "more"], 2, "virt-vsmmu-connect: unexpected argument; virt-vsmmu-connect accepts only options, see 'virt-vsmmu-connect --help'"),
]


@pytest.mark.parametrize("arguments, status, said", USAGE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_options(connect, arguments, status, said):
    run = subprocess.run([connect, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                         env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    assert run.returncode == status
    assert (run.stdout if status == 0 else run.stderr).startswith(said)


GARBAGE = [
    pytest.param(wire.frame(1, length=27), id="too-short"),
    pytest.param(wire.frame(1, length=0), id="nothing"),
    pytest.param(wire.frame(1, length=wire.LENGTH_MAX + 1), id="too-long"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="http"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 40, id="tls"),
    pytest.param(struct.pack(">I", 40) + bytes(range(100, 140)), id="encrypted"),
]


@pytest.mark.parametrize("data", GARBAGE)
@pytest.mark.parametrize("side", ["client", "daemon"])
def test_an_invalid_frame_ends_the_connection_with_an_error(peer, side, data):
    getattr(peer, side).sendall(data)
    for end in (peer.client, peer.daemon):
        assert wire.read_to_end(end) == b""
    status, error = peer.wait()
    assert status == 2
    assert re.fullmatch(r"virt-vsmmu-connect: invalid libvirt frame of \d+ bytes, .*\n", error)


def test_the_largest_frame_passes(peer):
    data = wire.frame(1, bytes(wire.LENGTH_MAX - wire.HEADER.size))
    sender = threading.Thread(target=peer.client.sendall, args=[data])
    sender.start()
    assert wire.read_exactly(peer.daemon, len(data)) == data
    sender.join()


def test_a_daemon_that_is_killed_in_a_call_is_named(peer):
    peer.client.sendall(wire.frame(2, b"12345678"))
    assert wire.read_frame(peer.daemon)[1] == b"12345678"
    peer.daemon.close()
    assert wire.read_to_end(peer.client) == b""
    assert peer.wait() == (2, "virt-vsmmu-connect: the libvirt daemon closed the connection without a reply; see its log\n")


GET_XML_DESC = 14  # whose reply is held back until it is whole, as the guard may change it


@pytest.mark.parametrize("procedure, comes_through", [(2, True), (GET_XML_DESC, False)], ids=["passed on", "held back"])
def test_a_daemon_that_is_killed_in_a_reply_is_named(peer, procedure, comes_through):
    half = wire.frame(procedure, b"12345678", type=wire.REPLY)[:-4]
    peer.client.sendall(wire.frame(procedure, bytes(28)))
    # What becomes of a reply is settled by the call, which has been seen then.
    assert wire.read_frame(peer.daemon)[0][3] == procedure
    peer.daemon.sendall(half)
    peer.daemon.close()
    assert wire.read_to_end(peer.client) == (half if comes_through else b"")
    status, error = peer.wait()
    assert status == 2 and "in the middle of a frame" in error


def test_a_client_that_is_killed_in_a_call_leaves_nothing(peer):
    peer.client.sendall(wire.frame(2, b"12345678") + wire.frame(2, b"12345678")[:-4])
    peer.client.close()
    said = wire.read_to_end(peer.daemon)
    assert said == wire.frame(2, b"12345678") + wire.frame(2, b"12345678")[:-4]
    status, error = peer.wait()
    assert status == 2 and "the client closed the connection in the middle of a frame" in error


def test_a_client_that_does_not_read_is_waited_for(peer):
    data = wire.frame(1, bytes(4 << 20), type=wire.REPLY)
    sender = threading.Thread(target=peer.daemon.sendall, args=[data])
    sender.start()
    # The other direction goes on.
    peer.client.sendall(wire.frame(2))
    assert wire.read_frame(peer.daemon)[0][3] == 2
    assert sender.is_alive()
    assert wire.read_exactly(peer.client, len(data)) == data
    sender.join()


def test_nothing_grows_in_a_long_connection(peer):
    def pass_on(source, sink, data):
        """Two threads, as a socket holds less than a large frame."""
        sender = threading.Thread(target=source.sendall, args=[data])
        sender.start()
        assert wire.read_exactly(sink, len(data)) == data
        sender.join()

    def exchange(n, size):
        for _ in range(n):
            pass_on(peer.client, peer.daemon, wire.frame(1, bytes(size)))
            pass_on(peer.daemon, peer.client, wire.frame(1, bytes(size), type=wire.REPLY))

    exchange(200, 1000)
    exchange(1, 400000)
    descriptors, resident = wire.count_descriptors(peer.process.pid), wire.resident_kib(peer.process.pid)
    exchange(3000, 1000)
    exchange(20, 400000)
    assert wire.count_descriptors(peer.process.pid) == descriptors
    assert wire.resident_kib(peer.process.pid) <= resident + 64
    if "VSMMU_SANITIZED" not in os.environ:
        assert resident < 8 * 1024


def test_file_descriptors_of_the_daemon_do_not_spoil_the_stream(peer):
    """A reply with descriptors has a byte for each after its end; the descriptors themselves are lost."""
    reply = wire.frame(350, struct.pack(">I", 2) + b"12345678", type=wire.REPLY_WITH_FDS)
    peer.daemon.sendall(reply)
    assert wire.read_exactly(peer.client, len(reply)) == reply
    descriptors = wire.count_descriptors(peer.process.pid)
    for _ in range(2):
        socket.send_fds(peer.daemon, [b"\0"], [0])
    peer.daemon.sendall(wire.frame(1, type=wire.REPLY))
    assert wire.read_exactly(peer.client, 2) == b"\0\0"
    assert wire.read_frame(peer.client)[0][3] == 1
    assert wire.count_descriptors(peer.process.pid) == descriptors
    peer.client.close()
    assert peer.wait() == (0, "")
