"""A systemd-journald of its own, for programs that are to write to it."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from waiting import PATIENCE, await_true

PROGRAM = pathlib.Path("/lib/systemd/systemd-journald")
ENTER = 'mount --bind "$1" /run && exec "$2"'


class Journal:
    """Nothing of the machine's own journal is touched: /run is another one in its mount namespace."""

    def __init__(self):
        # The path of a socket must be short.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="journal-"))
        # Without it, it would write to /var.
        (self.directory / "log" / "journal").mkdir(parents=True)
        self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", ENTER, "-", self.directory, PROGRAM],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_true((self.directory / "systemd/journal/stdout").exists)
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def is_available():
        return os.geteuid() == 0 and PROGRAM.exists() and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0

    @property
    def inside(self):
        """A command goes after this."""
        return ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt"]

    def open_stderr(self, name):
        """A descriptor for stderr, as systemd gives it to a service."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(str(self.directory / "systemd/journal/stdout"))
        stream.sendall(f"{name}\n\n6\n1\n0\n0\n0\n".encode())
        return stream

    def entries(self, *matches):
        """All entries with these fields, oldest first."""
        shown = subprocess.run(["journalctl", "--directory", self.directory / "log" / "journal", "--output=json", "--all", "--quiet", *matches],
                               capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in shown.splitlines()]

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.directory, ignore_errors=True)
