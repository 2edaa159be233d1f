"""Makes what the emulated host needs, from Debian packages, in a cache outside the work tree.

Each step is done again only when its inputs changed: they are hashed, and the hash is kept in CACHE/steps. A step that
was interrupted starts over, but the kernel, which continues.
"""

import base64
import contextlib
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.parse
import urllib.request

import iort
import machine

HERE = pathlib.Path(__file__).parent
PROJECT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("VSMMU_CACHE", "/var/cache/libvirt-vsmmu")) / "rig"
MIRROR = os.environ.get("VSMMU_DEBIAN_MIRROR", "http://deb.debian.org/debian")
SEARCH_PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"  # sudo and cron may leave these out
JOBS = len(os.sched_getaffinity(0))
FREE_BYTES = 8 << 30  # after a build with both images it is 7 GiB
HEARTBEAT_SECONDS = 30

TOOLS_SUITE = "sid"
TOOLS_PACKAGES = """
    gcc-aarch64-linux-gnu gcc libc6-dev make bc flex bison libelf-dev libssl-dev cpio xz-utils mmdebstrap e2fsprogs
    python3 ca-certificates meson ninja-build pkgconf gettext libglib2.0-dev-bin libtirpc-dev rpcsvc-proto
    linux-source qemu-system-arm qemu-efi-aarch64 qemu-utils ipxe-qemu
""".split()

# Only unpacked, so that nothing foreign runs here; the development files are for the programs built for the image.
IMAGE_PACKAGES = """
    base-files base-passwd libc-bin bash dash coreutils util-linux mount grep sed gawk findutils procps hostname pciutils socat
    busybox-static strace gzip
    qemu-system-arm qemu-efi-aarch64 qemu-utils libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
    libc6-dev libglib2.0-dev libxml2-dev libjson-glib-dev libsmartcols-dev libvirt-dev libtirpc-dev
""".split()


@dataclasses.dataclass(frozen=True)
class Image:
    """The root file system of an emulated host."""

    suite: str
    packages: tuple
    newer: str = ""  # a suite that QEMU and its firmware come from instead

    @property
    def sources(self):
        lines = [f"deb {MIRROR} {self.suite} main"]
        if self.newer:
            lines.append(f"deb {MIRROR} {self.newer} main")
        return lines


IMAGES = {
    "sid": Image("sid", (*IMAGE_PACKAGES, "libvirt-daemon-common", "libvirt-daemon-log", "libvirt-common")),
    "trixie": Image("trixie", (*IMAGE_PACKAGES, "libvirt-daemon-common", "libvirt-daemon-log", "libvirt-common"),
                    newer="trixie-backports"),
}


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A release of Linux whose source Debian's pool has, whether a suite still lists it or not."""

    version: str  # of the package linux-source-RELEASE
    sha256: str  # of its file: no index that is signed has it
    without: tuple = ()  # options of kernel.config that it does not take

    def url(self, release):
        return f"{MIRROR}/pool/main/l/linux/" + urllib.parse.quote(f"linux-source-{release}_{self.version}_all.deb")


WITHOUT_P2PDMA = ("ZONE_DEVICE", "MEMORY_HOTREMOVE", "PCI_P2PDMA")
# Beside that of the tools' suite, which is the default.
KERNELS = {
    "6.18": Kernel("6.18.15-1~bpo13+1", "1638c9e5f4307c722231d8000e30cd2fa2fb71f55e081ff9eecfd0a756955c18",
                   without=WITHOUT_P2PDMA),
    "6.19": Kernel("6.19.14-1~bpo13+1", "027344f5c615c16df534878d7e434639d3bf7702c67bd41123be815e0953133b",
                   without=WITHOUT_P2PDMA),
    "7.1": Kernel("7.1.13-1~bpo13+1", "50166eae1af0dd300ad3f74e7829bb4bbff71038eb4934625c713d021eb03258"),
    "7.2": Kernel("7.2.12-1~bpo13+1", "73ca6c22599ba411ab3179642d33501ca2c90174e13c3c8d86e996ea1cbf2a8f"),
    "7.3": Kernel("7.3.4-1~bpo13+1", "703e369ddd4cce971452f5a593ee55df3a5c10c83caf0fa0df039633ed181ee3",
                  without=("PROC_SYSCTL",)),
}


class Unavailable(Exception):
    """This machine cannot have the rig; the text says why."""


class Failed(Exception):
    """The rig should be had here, but a step failed; the text says which and where to look."""


def say(text):
    print(f"rig: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def require():
    """What no step can do without."""
    if os.geteuid() != 0:
        raise Unavailable("the rig enters Debian trees and mounts in namespaces of its own, which needs root; run it as root")
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("setpriv", "util-linux")):
        if not shutil.which(program, path=SEARCH_PATH):
            raise Unavailable(f"'{program}' is missing; install it with 'apt-get install {package}'")


def require_space():
    CACHE.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(CACHE).free
    if free < FREE_BYTES:
        raise Unavailable(f"{CACHE} has {free / 2**30:.1f} GiB free and the rig needs {FREE_BYTES >> 30}; "
                          "make room, or set VSMMU_CACHE to another place")


@contextlib.contextmanager
def exclusive():
    """One build at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*inputs):
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def content(*paths):
    """What files hold, for a digest."""
    return [path.read_text() for path in paths]


def has_ended(process, seconds):
    """Whether a process ends within that time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


class Log:
    """Where a step's commands write, and how they are watched."""

    def __init__(self, name, measure=None):
        (CACHE / "logs").mkdir(parents=True, exist_ok=True)
        self.path = CACHE / "logs" / f"{name}.log"
        self.path.write_text("")
        self.name = name
        self.measure = measure

    def run(self, command, what=None):
        """Runs a command, shows that it is alive, and raises Failed with its last words."""
        start = time.monotonic()
        with self.path.open("a") as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT)
            try:
                while not has_ended(process, HEARTBEAT_SECONDS):
                    progress = f", {self.measure(self.path)}" if self.measure else ""
                    say(f"  {self.name}: {minutes(time.monotonic() - start)}{progress}")
            except BaseException:
                process.kill()
                process.wait()
                raise
        if process.returncode:
            last = [line for line in self.path.read_text(errors="replace").splitlines() if line.strip()][-3:]
            raise Failed(f"{self.name}: {what or command[0]} failed with status {process.returncode}; its last words:\n  "
                         + "\n  ".join(last) + f"\nAll of it: {self.path}")

    def in_tools(self, *command):
        self.run([HERE / "enter", CACHE / "tools", CACHE, *command], what=" ".join(map(str, command))[:60])


def step(name, about, inputs, action, makes=None):
    """Does the action unless it was done with the same inputs and what it makes, in the cache, is still there. Returns the
    digest, for steps that build on it."""
    record = CACHE / "steps" / f"{name}.json"
    key = digest(name, inputs)
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads(record.read_text())["inputs"] == key and (CACHE / (makes or name)).exists():
            return key
    require_space()
    say(f"{name}: {about}")
    start = time.monotonic()
    action()
    seconds = round(time.monotonic() - start, 1)
    record.parent.mkdir(parents=True, exist_ok=True)
    unfinished = record.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"inputs": key, "seconds": seconds, "made": time.strftime("%F %T")}))
    unfinished.rename(record)
    say(f"{name}: done in {minutes(seconds)}")
    return key


def remove(path):
    if path.is_dir() and not path.is_symlink():
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)
    else:
        path.unlink(missing_ok=True)


#
# The steps
#


def tools():
    """A Debian tree with cross compiler, kernel source, mmdebstrap, QEMU and firmware."""
    tree = CACHE / "tools"

    def make():
        log = Log("tools")
        unfinished = CACHE / "tools.unfinished"
        remove(unfinished)
        isolated = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
        log.run(["env", f"PATH={SEARCH_PATH}", *isolated, "debootstrap", "--variant=minbase", TOOLS_SUITE, unfinished, MIRROR],
                what="debootstrap")
        policy = unfinished / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        # A mirror that is a frozen copy serves a Release file that has run out.
        apt = ["apt-get", "-q", "-y", "-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Sandbox::User=root", "-o",
               "Dpkg::Use-Pty=0"]
        for command in (["update"], ["install", "--no-install-recommends", *TOOLS_PACKAGES], ["clean"]):
            log.run([HERE / "enter", unfinished, CACHE, *apt, *command], what=f"apt-get {command[0]}")
        remove(tree)
        unfinished.rename(tree)

    return step("tools", f"cross compiler, kernel source, QEMU and firmware of Debian {TOOLS_SUITE} (about 350 MB)",
                [TOOLS_SUITE, TOOLS_PACKAGES], make)


def download(url, sha256, path):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as error:
        raise Failed(f"cannot download {url}: {error}") from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise Failed(f"{url} has the SHA-256 {found}, not {sha256}")


def kernel_source(release, log):
    """A directory with the source of a release, unpacked; what was compiled in it before is kept."""
    source = kernel_source_path(release)
    if (source / ".unpacked").exists():
        return source
    remove(source)
    source.mkdir()
    if release is None:
        tar = "/usr/src/linux-source-*.tar.xz"
    else:
        download(KERNELS[release].url(release), KERNELS[release].sha256, source / "package.deb")
        log.in_tools("dpkg-deb", "--extract", f"/rig/{source.name}/package.deb", f"/rig/{source.name}/package")
        tar = f"/rig/{source.name}/package/usr/src/linux-source-*.tar.xz"
    log.in_tools("sh", "-ec", f"tar -C /rig/{source.name} --strip-components=1 -xf {tar}")
    for name in ("package.deb", "package"):
        remove(source / name)
    (source / ".unpacked").touch()
    return source


def kernel_source_path(release):
    return CACHE / ("linux" if release is None else f"linux-{release}")


def kernel_config(release):
    """kernel.config without what this release does not take."""
    without = {f"CONFIG_{name}" for name in KERNELS[release].without} if release else set()
    return "".join(line for line in (HERE / "kernel.config").read_text().splitlines(keepends=True)
                   if line.split("=")[0] not in without)


def kernel(release=None, msi_window=machine.Knobs.msi_window):
    """One unpatched kernel for the host and its guest; another MSI window needs one changed number."""
    key = tools()
    path = kernel_path(release, msi_window)
    config = kernel_config(release)

    def compiled(log):
        done = sum(" CC " in line for line in log.open(errors="replace"))
        return f"{done} of about 1,250 files"

    def make():
        log = Log(path.name, compiled)
        source = kernel_source(release, log)
        (CACHE / "kernel.config").write_text(config)
        header = source / "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.h"
        text = re.sub(r"(#define MSI_IOVA_BASE\s+)0x\w+", rf"\g<1>{msi_window:#x}", header.read_text())
        if f"{msi_window:#x}" not in text:
            raise Failed(f"MSI_IOVA_BASE is not in {header} any more; see arm_smmu_get_resv_regions()")
        if text != header.read_text():
            header.write_text(text)
        make_command = f"make -C /rig/{source.name} -j{JOBS} ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-"
        log.in_tools("sh", "-ec", f"{make_command} KCONFIG_ALLCONFIG=/rig/kernel.config allnoconfig")
        wanted = [line for line in config.splitlines() if line.startswith("CONFIG_")]
        lost = set(wanted) - set((source / ".config").read_text().splitlines()) - {f for f in wanted if f.endswith("=n")}
        if lost:
            raise Failed(f"this kernel does not take {', '.join(sorted(lost))} of kernel.config; find what they depend on now")
        log.in_tools("sh", "-ec", f"{make_command} Image")
        shutil.copy(source / "arch/arm64/boot/Image", path)
        # 2 GB for each of those that are built once.
        if release is not None:
            remove(source)

    return step(path.name, f"Linux {release or 'of Debian ' + TOOLS_SUITE} with IOMMUFD, for the host and its guest "
                "(9 minutes on 2 cores)", [key, [config], msi_window, *([KERNELS[release].version] if release else [])], make)


def kernel_path(release=None, msi_window=machine.Knobs.msi_window):
    name = "kernel" if release is None else f"kernel-{release}"
    return CACHE / (name if msi_window == machine.Knobs.msi_window else f"{name}-{msi_window:#x}")


def tree(name):
    """The packages of an image, unpacked."""
    key = tools()
    image = IMAGES[name]

    def make():
        log = Log(f"tree-{name}")
        remove(CACHE / f"tree-{name}")
        newer = ["--aptopt=APT::Default-Release \"%s\"" % image.newer] if image.newer else []
        log.in_tools("mmdebstrap", "--variant=extract", "--arch=arm64", "--mode=root",
                     "--skip=check/empty,check/qemu,output/dev", "--aptopt=Acquire::Check-Valid-Until \"false\"",
                     "--aptopt=APT::Install-Recommends \"false\"", "--aptopt=APT::Sandbox::User \"root\"", *newer,
                     f"--include={','.join(image.packages)}", image.suite, f"/rig/tree-{name}", *image.sources)
        finish_tree(CACHE / f"tree-{name}")

    return step(f"tree-{name}", f"libvirt and QEMU of Debian {image.suite} for arm64 (about 150 MB)",
                [key, dataclasses.asdict(image), "1"], make)


def finish_tree(root):
    """What maintainer scripts would have done, as far as it is needed, and less to carry."""
    for directory in ("doc", "man", "locale", "info", "icons", "lintian", "gtk-doc", "gir-1.0"):
        remove(root / "usr/share" / directory)
    for firmware in (root / "usr/share/AAVMF").glob("*.fd"):
        if firmware.name not in ("AAVMF_CODE.no-secboot.fd", "AAVMF_CODE.fd", "AAVMF_VARS.fd"):
            firmware.unlink()
    for name in ("passwd", "group"):
        if not (root / "etc" / name).exists():
            shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    with (root / "etc/passwd").open("a") as passwd:
        passwd.write("libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n")
    with (root / "etc/group").open("a") as group:
        group.write("libvirt-qemu:x:64055:\nkvm:x:900:\nlibvirt:x:901:\n")
    if not (root / "var/run").is_symlink():
        remove(root / "var/run")
        (root / "var/run").symlink_to("/run")
    if not (root / "usr/bin/awk").exists():
        (root / "usr/bin/awk").symlink_to("gawk")
    (root / "rig").mkdir(exist_ok=True)
    init = root / "init"
    init.write_text("#!/bin/sh\n/usr/bin/busybox mount -t tmpfs rig /rig\n"
                    "/usr/bin/busybox tar -xf /dev/vdb -C /rig\nexec /rig/l1/init\n")
    init.chmod(0o755)


def disk(name):
    """The image as a disk; the headers and static libraries stay behind."""
    key = tree(name)

    def make():
        log = Log(f"disk-{name}")
        unfinished = CACHE / f"disk-{name}.unfinished"
        remove(unfinished)
        log.in_tools("sh", "-ec", f"""
            size=$(du -sm --one-file-system /rig/tree-{name} | cut -f1)
            mke2fs -q -t ext2 -d /rig/tree-{name} /rig/{unfinished.name} $((size * 12 / 10 + 200))M""")
        unfinished.rename(CACHE / f"disk-{name}")

    return step(f"disk-{name}", "a file system image of it", [key, "1"], make)


def hw_info():
    """The program in l1/hw-info.c, static: the kernel's headers of an older image do not have what it needs."""
    key = tree("sid")

    def make():
        Log("hw-info").in_tools("aarch64-linux-gnu-gcc", "--sysroot=/rig/tree-sid", "-static", "-O1", "-Wall", "-Werror",
                                "-o", "/rig/hw-info", "/project/tests/rig/l1/hw-info.c")

    step("hw-info", "a program that asks the kernel for an SMMU's registers", [key, content(HERE / "l1/hw-info.c")], make)


def guest():
    """The initial RAM disk of the guest in the emulated host."""
    key = tree("sid")

    def make():
        log = Log("guest")
        directory = CACHE / "guest.unfinished"
        remove(directory)
        (directory / "bin").mkdir(parents=True)
        shutil.copy(CACHE / "tree-sid/usr/bin/busybox", directory / "bin")
        for file in ("init", "report"):
            shutil.copy(HERE / "l2" / file, directory)
        log.in_tools("sh", "-ec", "cd /rig/guest.unfinished && find . | cpio -o -H newc --quiet >/rig/guest.cpio")
        remove(directory)

    return step("guest", "the guest's initial RAM disk", [key, content(HERE / "l2/init", HERE / "l2/report")], make,
                makes="guest.cpio")


CROSS_FILE = """
[binaries]
c = 'aarch64-linux-gnu-gcc'
strip = 'aarch64-linux-gnu-strip'
pkg-config = 'pkg-config'
glib-compile-resources = '/usr/bin/glib-compile-resources'
gdbus-codegen = '/usr/bin/gdbus-codegen'
[built-in options]
c_args = ['--sysroot={root}']
c_link_args = ['--sysroot={root}']
prefix = '/rig/program'
libdir = 'lib'
[properties]
sys_root = '{root}'
pkg_config_libdir = ['{root}/usr/lib/aarch64-linux-gnu/pkgconfig', '{root}/usr/share/pkgconfig']
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""


def program(name):
    """The project's own programs, built for the image. Always asked of ninja, which knows best."""
    key = tree(name)
    build = CACHE / f"build-{name}"

    def configure():
        remove(build)
        cross = CACHE / f"cross-{name}.ini"
        cross.write_text(CROSS_FILE.format(root=f"/rig/tree-{name}"))
        Log(f"setup-{name}").in_tools("meson", "setup", "--cross-file", f"/rig/{cross.name}", f"/rig/{build.name}", "/project")

    step(f"build-{name}", "the project's build for arm64", [key, CROSS_FILE, str(PROJECT)], configure)
    log = Log(f"program-{name}")
    start = time.monotonic()
    log.in_tools("ninja", "-C", f"/rig/{build.name}")
    target = CACHE / f"program-{name}"
    remove(target)
    log.in_tools("meson", "install", "--no-rebuild", "--quiet", "--destdir", f"/rig/{target.name}", "-C", f"/rig/{build.name}")
    if time.monotonic() - start > 5:
        say(f"program-{name}: built in {minutes(time.monotonic() - start)}")


def acpi(knobs):
    """The host's own IORT with CANWBS, which depends on its devices: the host is started once to read it."""
    key = digest(kernel(), disk("sid"), knobs.arguments_key, machine.DEVICES)
    path = CACHE / f"acpi-{digest(knobs.arguments_key)}.cpio"

    def make():
        log = Log(path.stem)
        directory = CACHE / "acpi.unfinished"
        remove(directory)
        tables = directory / "kernel/firmware/acpi"
        tables.mkdir(parents=True)
        machine.make_disks(directory)
        (directory / "payload").write_bytes(payload("sid"))
        command = machine.arguments(knobs, "/rig/kernel", "/rig/disk-sid", "/rig/acpi.unfinished/payload",
                                    "/rig/acpi.unfinished", 0, append="rig=iort")
        log.in_tools("timeout", "120", *command)
        found = re.search(r"IORT-BEGIN\s(.*)IORT-END", log.path.read_text(errors="replace"), re.DOTALL)
        if not found:
            raise Failed(f"the emulated host did not print its IORT; see {log.path}")
        (tables / "iort.aml").write_bytes(iort.with_canwbs(base64.b64decode(found[1])))
        log.in_tools("sh", "-ec", f"cd /rig/acpi.unfinished && find kernel | cpio -o -H newc --quiet >/rig/{path.name}")
        remove(directory)

    step(path.stem, "the host's IORT, with CANWBS (starts it once)", [key, content(HERE / "iort.py")], make, makes=path.name)
    return path


def payload(image, release=None):
    """A tar file with everything of ours for the host, for its second disk."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(HERE / "l1", "l1")
        tar.add(kernel_path(release), "Image")
        tar.add(CACHE / "guest.cpio", "guest.cpio")
        tar.add(CACHE / "hw-info", "hw-info")
        installed = CACHE / f"program-{image}/rig/program"
        if installed.exists():
            tar.add(installed, "program")
    size = -len(file.getvalue()) % 512
    return file.getvalue() + bytes(size)


def build(image="sid", knobs=machine.Knobs()):
    """Everything that a host with this image and these knobs needs: its initial RAM disk, or None, and its payload, which
    a build for another checkout may replace in the cache at once."""
    require()
    with exclusive():
        kernel(knobs.kernel)
        if knobs.msi_window != machine.Knobs.msi_window:
            kernel(knobs.kernel, knobs.msi_window)
        disk(image)
        hw_info()
        guest()
        program(image)
        return acpi(knobs) if knobs.canwbs else None, payload(image, knobs.kernel)


def versions(image="sid"):
    """Package versions in an image, from dpkg's own list."""
    status = (CACHE / f"tree-{image}/var/lib/dpkg/status").read_text()
    wanted = ("libvirt-daemon", "qemu-system-arm", "qemu-efi-aarch64")
    return {name: version for name, version in re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)", status, re.MULTILINE)
            if name in wanted}


def report():
    """How long each step took when it was last done."""
    for record in sorted((CACHE / "steps").glob("*.json")):
        about = json.loads(record.read_text())
        print(f"  {record.stem:24} {minutes(about['seconds']):>6}  {about['made']}")
