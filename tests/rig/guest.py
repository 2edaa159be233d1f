"""A guest in the emulated host (L2), started by plain QEMU or by libvirt."""

import pathlib
import re
import shlex
import sys

import qmp

# What it shares with the guests of other tests, for programs that are not started by pytest too.
sys.path.append(str(pathlib.Path(__file__).parent.parent))
from console import Console, Died  # noqa: E402

DIRECTORY = pathlib.PurePath("/run/rig")
FIRMWARE = "/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd"
VARIABLES = "/usr/share/AAVMF/AAVMF_VARS.fd"
# Without these Linux 7.2 gives the bridge window of a device that is there to one that is hotplugged, and the first hangs.
KERNEL_ARGUMENTS = "console=ttyAMA0 quiet panic=-1 pci=hpiosize=0,hpmmioprefsize=0"
DOORBELL = 0x08090040  # GITS_TRANSLATER of the machine 'virt'

EXPLICIT = "ats=off,ril=on,ssidsize=0,oas=44,cmdqv=off"


def vsmmu(bus_number=8, name="1", ports=2, options=EXPLICIT, devices=()):
    """QEMU arguments: a root bus with an accelerated SMMUv3, hotplug ports, and devices on the first ones."""
    arguments = [
        "-device", f"pxb-pcie,id=pcie.{name},bus=pcie.0,bus_nr={bus_number}",
        "-device", f"arm-smmuv3,primary-bus=pcie.{name},id=smmuv3.{name},accel=on" + (f",{options}" if options else ""),
    ]
    for port in range(1, ports + 1):
        arguments += ["-device", f"pcie-root-port,id=port{name}.{port},bus=pcie.{name},chassis={10 * bus_number + port}"]
    for number, bdf in enumerate(devices, 1):
        arguments += ["-device", f"vfio-pci,id=dev{name}.{number},host={bdf},bus=port{name}.{number},iommufd=iommufd0"]
    return arguments


IOMMUFD = ["-object", "iommufd,id=iommufd0"]
MACHINE = ["-machine", "virt,gic-version=3", "-accel", "kvm"]


class Guest:
    """A guest of plain QEMU. `arguments` are all that decides machine, accelerator and devices."""

    def __init__(self, host, arguments, name="guest", memory_mib=320, kernel_arguments="", paused=False):
        self.host = host
        self.directory = DIRECTORY / name
        self.log = self.directory / "qemu.log"
        self.console = self.monitor = None
        command = [
            "qemu-system-aarch64", "-name", name, "-cpu", "host", "-smp", "1", "-m", f"{memory_mib}M", "-display", "none",
            "-nodefaults", "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}",
            "-drive", f"if=pflash,unit=1,format=raw,file={self.directory}/variables.fd",
            "-kernel", "/rig/Image", "-initrd", "/rig/guest.cpio", "-append", f"{KERNEL_ARGUMENTS} {kernel_arguments}",
            *arguments,
            "-serial", f"unix:{self.directory}/console,server=on,wait=off",
            "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
            *(["-S"] if paused else []),
        ]
        self.pid = int(host.run(f"""
            rm -rf {self.directory} && mkdir -p {self.directory} && cp {VARIABLES} {self.directory}/variables.fd
            cd {self.directory}
            setsid {shlex.join(command)} >qemu.log 2>&1 </dev/null &
            until [ -S qmp ] && [ -S console ] || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
            echo $!""").out.split()[-1])
        try:
            self.console = Console(host.unix(self.directory / "console"))
            # QEMU greets when all devices are there and the machine is ready to run.
            self.monitor = qmp.Monitor(host.unix(self.directory / "qmp"))
        except (OSError, qmp.Refused):
            said = host.read(self.log)
            self.stop()
            raise Died(said) from None

    def boot(self):
        """Waits for the guest to be up; the seconds since its kernel started."""
        return self.console.wait_until_ready()

    def said(self):
        """What QEMU has said on its standard error, traces included."""
        return self.host.read(self.log)

    def attach(self, name, bdf, port):
        self.monitor.execute("device_add", driver="vfio-pci", id=name, host=bdf, bus=port, iommufd="iommufd0")

    def detach(self, name):
        self.monitor.execute("device_del", id=name)
        self.monitor.wait_for("DEVICE_DELETED", device=name)

    def msi_gpa(self, name="smmuv3.1"):
        return self.monitor.execute("qom-get", path=f"/machine/peripheral/{name}", property="msi-gpa")

    def stop(self):
        for part in (self.monitor, self.console and self.console.connection):
            if part:
                part.close()
        self.host.run(f"kill -KILL {self.pid}; while kill -0 {self.pid}; do sleep 0.05; done", check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def routes(text):
    """Of a QEMU log with the trace kvm_arm_fixup_msi_route: pairs of the address in the guest's MSI and the GPA for KVM."""
    return [(int(iova, 16), int(gpa, 16))
            for iova, gpa in re.findall(r"MSI iova = (0x\w+) is translated into (0x\w+)", text)]


TRACES = ["-trace", "smmuv3_accel_*", "-trace", "kvm_arm_fixup_msi_route", "-trace", "iommufd_backend_alloc_*"]
