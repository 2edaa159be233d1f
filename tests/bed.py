"""The real libvirts and QEMUs in their Debian trees, as tests see them: see tests/bed/bed."""

import contextlib
import functools
import lzma
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile

from waiting import await_true

BED = pathlib.Path(__file__).parent / "bed" / "bed"
CACHE = pathlib.Path(os.environ.get("VSMMU_CACHE", "/var/cache/libvirt-vsmmu"))
GUEST = CACHE / "guest"
SECONDS_TO_START = 60


class Unavailable(Exception):
    """This machine cannot run the bed; the text says why."""


class Failed(Exception):
    """The bed should run here and does not; the text says what it said."""


def names():
    """The trees, whether they are made or not, in no order."""
    return run([str(BED), "list"]).split()


@functools.cache
def suites():
    """The trees, the oldest libvirt first. Makes those that are not there, which takes a minute or two."""
    require_means()
    run([str(BED), "build"])
    return names()


def directory(suite):
    """The root directory of a tree."""
    return CACHE / suite


def oldest():
    """The tree whose libvirt does not know accelerated vSMMUs."""
    return suites()[0]


def newest():
    return suites()[-1]


def command(*arguments, suite=None):
    """A command of the bed in a tree, without a name that with the newest libvirt."""
    return [str(BED), "--suite", suite or newest(), *arguments]


def script_for(program, **environment):
    """A script that runs a program of this machine from inside a tree, in nothing but this environment."""
    assignments = " ".join(shlex.quote(f"{name}={value}") for name, value in environment.items())
    return f'#!/bin/sh\nexec env -i {assignments} chroot /mnt {shlex.quote(str(program))} "$@"\n'


def require_means():
    if os.geteuid() != 0:
        raise Unavailable("the libvirt test bed needs root")
    if not shutil.which("debootstrap"):
        raise Unavailable("the libvirt test bed needs debootstrap")


def require_guest():
    """Fetches what guests boot with, if it is not there yet."""
    run(command("guest"))


def run(words):
    """What a command of the bed prints."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(words)} failed: {done.stderr.strip()}")
    return done.stdout


def make_initrd(path, init):
    """An initial RAM disk of Debian's arm64 busybox and modules and the files in the directory `init`, among them /init."""
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        shutil.copytree(init, root, dirs_exist_ok=True)
        (root / "bin").mkdir()
        shutil.copy(GUEST / "busybox", root / "bin")
        (root / "modules").mkdir()
        for module in (GUEST / "modules").iterdir():
            (root / "modules" / module.stem).write_bytes(lzma.decompress(module.read_bytes()))
        names = "\n".join(str(name.relative_to(root)) for name in sorted(root.rglob("*")))
        with path.open("wb") as file:
            subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], cwd=root, input=names.encode(), stdout=file, check=True)


def processes_below(pid):
    """The ids of all descendants of a process."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    return [descendant for child in map(int, children) for descendant in (child, *processes_below(child))]


class Daemon:
    """A libvirtd of its own, and a connection to it from outside the tree.

    `etc` is a directory whose files are copied over its /etc/libvirt.
    """

    def __init__(self, suite=None, etc=None):
        try:
            import libvirt
        except ImportError as error:
            raise Unavailable(f"the python3-libvirt package is missing ({error})") from error
        self.libvirt = libvirt
        # Not in pytest's temporary directory: the path of a socket must be short.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bed-"))
        self.log = self.directory / "log"
        run = self.directory / "run"
        run.mkdir()
        # It is /run in the tree.
        self.run = run
        self.socket = run / "libvirt" / "libvirt-sock"
        self.uri = f"qemu:///system?socket={self.socket}"
        self.connection = None
        with self.log.open("w") as log:
            options = [] if etc is None else ["--etc", str(etc)]
            self.process = subprocess.Popen(command("daemon", "--until-eof", *options, str(run), suite=suite),
                                            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        try:
            libvirt.registerErrorHandler(lambda context, error: None, None)
            self._connect()
        except BaseException:
            self.stop()
            raise

    def _connect(self):
        def is_connected():
            if self.process.poll() is not None:
                raise Failed(f"libvirtd did not start; its last words:\n{self._last_words()}")
            with contextlib.suppress(self.libvirt.libvirtError):
                self.connection = self.libvirt.open(self.uri)
            return self.connection is not None

        await_true(is_connected, SECONDS_TO_START, lambda: f"libvirtd, whose last words are\n{self._last_words()}\nand which")

    def _last_words(self):
        return "\n".join(self.log.read_text().splitlines()[-5:])

    def crash(self):
        """Kills libvirtd as a fault of its own would, guests being left alone, and waits until another one serves."""
        pid, = (pid for pid in processes_below(self.process.pid)
                if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "libvirtd\n")
        os.kill(pid, signal.SIGKILL)
        self.connection = None
        self._connect()

    def place(self, xml):
        """The definition libvirt makes of a domain: its persistent XML, addresses assigned. The domain is not kept."""
        domain = self.connection.defineXML(xml)
        try:
            return domain.XMLDesc(self.libvirt.VIR_DOMAIN_XML_INACTIVE)
        finally:
            domain.undefineFlags(self.libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)

    def command_line(self, xml):
        """The QEMU command line libvirt makes of a domain, as one string quoted for a shell."""
        return self.connection.domainXMLToNative("qemu-argv", xml)

    def stop(self):
        if self.connection is not None:
            self.connection.close()
        self.process.stdin.close()
        self.process.wait()
        # The kernel may still be ending the last processes, which may still remove their files.
        shutil.rmtree(self.directory, ignore_errors=True)
