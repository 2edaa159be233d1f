"""libvirt's RPC as bytes, and what stands in the way of them to see or spoil them."""

import os
import pathlib
import shlex
import socket
import struct
import subprocess
import threading

from waiting import PATIENCE

HEADER = struct.Struct(">7I")  # length, program, version, procedure, type, serial, status
REMOTE = 0x20008086
CALL, REPLY, MESSAGE, STREAM, CALL_WITH_FDS, REPLY_WITH_FDS = range(6)
LENGTH_MAX = 33554432 + 4
AUTH_LIST = 66  # the first thing that a client says


def frame(procedure, payload=b"", *, type=CALL, serial=1, program=REMOTE, version=1, status=0, length=None):
    """One frame; length when it is to lie."""
    size = HEADER.size + len(payload)
    return HEADER.pack(size if length is None else length, program, version, procedure, type, serial, status) + payload


def read_exactly(peer, size):
    data = bytearray()
    while len(data) < size:
        piece = peer.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError(f"{len(data)} of {size} bytes")
        data += piece
    return bytes(data)


def read_frame(peer):
    """The header and the payload of the next frame."""
    header = HEADER.unpack(read_exactly(peer, HEADER.size))
    return header, read_exactly(peer, header[0] - HEADER.size)


def read_to_end(peer):
    data = b""
    try:
        while piece := peer.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


class Listener:
    """A socket that stands where a daemon's would."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.socket.settimeout(PATIENCE)

    def accept(self):
        peer, _ = self.socket.accept()
        peer.settimeout(PATIENCE)
        return peer

    def close(self):
        self.socket.close()
        self.path.unlink()


class Transport:
    """virt-vsmmu-connect as libvirt starts it: one socket as standard input and output, nothing else."""

    def __init__(self, program, *arguments, env=None, prefix=()):
        self.client, theirs = socket.socketpair()
        self.client.settimeout(PATIENCE)
        self.process = subprocess.Popen([*prefix, str(program), *map(str, arguments)], stdin=theirs, stdout=theirs,
                                        stderr=subprocess.PIPE, text=True, env=env)
        theirs.close()

    def wait(self):
        """The exit status, and what was said on standard error."""
        _, error = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Recorder(threading.Thread):
    """Passes bytes between two sockets and keeps them, until both have ended."""

    def __init__(self, client, daemon):
        super().__init__(daemon=True)
        self.to_daemon = bytearray()
        self.to_client = bytearray()
        self._peers = [(client, daemon, self.to_daemon), (daemon, client, self.to_client)]
        self.start()

    def run(self):
        threads = [threading.Thread(target=self._copy, args=peers, daemon=True) for peers in self._peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for source, _, _ in self._peers:
            source.close()

    @staticmethod
    def _copy(source, sink, record):
        source.settimeout(None)
        try:
            while piece := source.recv(65536):
                record += piece
                sink.sendall(piece)
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def connect(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(PATIENCE)
    peer.connect(str(path))
    return peer


def write_script(path, *command, environment=None):
    """libvirt gives a command no arguments and hardly any environment, so a script has them."""
    words = [f"{name}={shlex.quote(str(value))}" for name, value in (environment or {}).items()]
    path.write_text("#!/bin/sh\n" + " ".join([*words, "exec", *map(shlex.quote, map(str, command)), '"$@"']) + "\n")
    path.chmod(0o755)
    return path


def count_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise ValueError(pid)
