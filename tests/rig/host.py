"""A running emulated host (L1)."""

import dataclasses
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import builder
import machine

SECONDS_TO_BOOT = 180


@dataclasses.dataclass(frozen=True)
class Result:
    status: int
    out: str


class CommandFailed(Exception):
    """A command in the host ended with a status other than 0."""


class Host:
    """Boots the host of an image; use it as a context manager, or call stop()."""

    def __init__(self, image="sid", knobs=machine.Knobs()):
        initrd, payload = builder.build(image, knobs)
        self.image = image
        self.knobs = knobs
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=builder.CACHE))
        self.console = self.directory / "console"
        inside = f"/rig/{self.directory.name}"
        machine.make_disks(self.directory)
        (self.directory / "payload").write_bytes(payload)
        self.port = free_port()
        command = machine.arguments(knobs, f"/rig/{builder.kernel_path(knobs.kernel, knobs.msi_window).name}", f"/rig/disk-{image}",
                                    f"{inside}/payload", inside, self.port, f"/rig/{initrd.name}" if initrd else None)
        start = time.monotonic()
        with self.console.open("w") as console:
            self.process = subprocess.Popen([builder.HERE / "enter", builder.CACHE / "tools", builder.CACHE, *command],
                                            stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - start

    def _wait_until_ready(self):
        deadline = time.monotonic() + SECONDS_TO_BOOT
        while "RIG-READY" not in (said := self.console.read_text(errors="replace")):
            if builder.has_ended(self.process, 0.1) or time.monotonic() > deadline:
                raise builder.Failed("the emulated host did not start; its last words:\n" + "\n".join(said.splitlines()[-10:]))

    def _connect(self, request, seconds=30):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=seconds)
        connection.sendall(request)
        return connection

    def run(self, script, seconds=120, check=True):
        """Runs a script of bash in the host; its output and errors together. What goes on in the background after it
        must have closed both."""
        script = script.encode()
        deadline = time.monotonic() + seconds
        output = b""
        with self._connect(b"run %d\n" % len(script) + script) as connection:
            while not (trailer := re.search(rb"\nrig-status (\d+)\n\Z", output)):
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                try:
                    piece = connection.recv(1 << 16)
                except TimeoutError:
                    raise TimeoutError(f"after {seconds} s in the host: {script.decode()}\n{output.decode(errors='replace')}")
                if not piece:
                    raise ConnectionError(f"the host hung up on: {script.decode()}")
                output += piece
        result = Result(int(trailer[1]), output[:trailer.start()].decode(errors="replace"))
        if check and result.status:
            raise CommandFailed(f"status {result.status} of: {script.decode()}\n{result.out}")
        return result

    def unix(self, path):
        """A connection to a socket in the host."""
        return self._connect(f"unix {path}\n".encode())

    def shell(self, rows, columns):
        """A connection to a shell on a terminal of that size."""
        connection = self._connect(f"shell {rows} {columns}\n".encode())
        connection.settimeout(None)
        return connection

    def write(self, path, text):
        self.run(f"mkdir -p {pathlib.PurePath(path).parent} && cat >{path} <<'RIG-END-OF-FILE'\n{text}\nRIG-END-OF-FILE")

    def read(self, path):
        return self.run(f"cat {path}").out

    def give_to_vfio(self, *bdfs):
        """Binds functions to vfio-pci."""
        self._bind("vfio-pci", bdfs)

    def take_back(self, *bdfs):
        """Binds functions to the driver that the host itself would choose."""
        self._bind("", bdfs)

    def _bind(self, driver, bdfs):
        self.run("\n".join(f"""
            device=/sys/bus/pci/devices/{bdf}
            if [ "$(basename "$(readlink $device/driver)")" != "{driver or 'any'}" ]; then
                [ ! -e $device/driver ] || echo {bdf} >$device/driver/unbind
                echo {driver} >$device/driver_override
                echo {bdf} >/sys/bus/pci/drivers_probe
            fi
            [ -e $device/driver ] || exit 1""" for bdf in bdfs))

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
