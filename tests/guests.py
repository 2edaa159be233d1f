"""arm64 guests under TCG that libvirt starts: Debian's kernel, UEFI and ACPI, disks behind a vSMMU and behind none."""

import contextlib
import os
import pathlib
import re
import shutil
import socket

import bed
from console import Console

L2 = pathlib.Path(__file__).parent / "rig" / "l2"
PER_BUS = "<iommu model='smmuv3'><driver pciBus='1'/></iommu>"
MACHINE_WIDE = "<iommu model='smmuv3'/>"
DISK_BYTES = 1 << 20
NEXT_PORT = 7  # the controller of the port that is free

# By alias: where the guest has them. The second bus of each pair is behind the expander bus, and so behind a vSMMU.
BEHIND = {"nvme0": "0000:21:00.0", "virtio-disk0": "0000:22:00.0"}
OUTSIDE = {"nvme1": "0000:01:00.0", "virtio-disk1": "0000:02:00.0", "rng0": "0000:03:00.0"}


def disk(name, target, bus, controller, iommu=""):
    return f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'{iommu}/><source file='/run/{name}-{target}'/><target dev='{target}' bus='{bus}'/>{controller}
    </disk>"""


def at(bus):
    return f"<address type='pci' bus='{bus}' slot='0'/>"


def domain(name, iommu):
    on = " iommu='on'"
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>512</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='aarch64' machine='virt'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd</loader>
    <nvram template='/usr/share/AAVMF/AAVMF_VARS.fd'>/run/{name}-variables</nvram>
    <kernel>/run/Image</kernel><initrd>/run/initrd</initrd><cmdline>console=ttyAMA0 quiet panic=-1</cmdline>
  </os>
  <features><acpi/><gic version='3'/></features>
  <cpu mode='custom'><model>cortex-a57</model></cpu>
  <devices>
    <controller type='usb' model='none'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>
    <controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>
    <controller type='pci' index='4' model='pcie-root-port'><address type='pci' bus='0' slot='2'/></controller>
    <controller type='pci' index='5' model='pcie-root-port'><address type='pci' bus='0' slot='3'/></controller>
    <controller type='pci' index='6' model='pcie-root-port'><address type='pci' bus='0' slot='4'/></controller>
    <controller type='pci' index='{NEXT_PORT}' model='pcie-root-port'><address type='pci' bus='1' slot='2'/></controller>
    <controller type='nvme' index='0'><serial>behind</serial>{at(2)}</controller>
    <controller type='nvme' index='1'><serial>outside</serial>{at(4)}</controller>
    {disk(name, "nvme0n1", "nvme", "<address type='drive' controller='0' bus='0' target='0' unit='0'/>")}
    {disk(name, "nvme1n1", "nvme", "<address type='drive' controller='1' bus='0' target='0' unit='0'/>")}
    {disk(name, "vda", "virtio", at(3), on)}
    {disk(name, "vdb", "virtio", at(5), on)}
    <rng model='virtio'><driver{on}/><backend model='random'>/dev/urandom</backend>{at(6)}</rng>
    <serial type='unix'><source mode='bind' path='/run/{name}-console'/></serial>
    <memballoon model='none'/>
    {iommu}
  </devices>
  <qemu:commandline>
    <qemu:arg value='-trace'/><qemu:arg value='smmuv3_translate_success'/>
    <qemu:arg value='-D'/><qemu:arg value='/run/{name}-trace'/>
  </qemu:commandline>
</domain>"""


def provide(daemon):
    """Puts what guests boot with where the daemon's QEMU sees it."""
    shutil.copy(bed.GUEST / "Image", daemon.run)
    bed.make_initrd(daemon.run / "initrd", L2)


class Guest:
    """A guest that runs and is up, or one that is paused before its first instruction."""

    def __init__(self, daemon, name, iommu, paused=False):
        self.daemon = daemon
        self.iommu = iommu
        # No other test run on this machine has one of this name.
        self.name = name = f"{name}-{os.getpid()}"
        for target in ("nvme0n1", "nvme1n1", "vda", "vdb", "vdc"):
            (daemon.run / f"{name}-{target}").write_bytes(f"disk {target}\n".encode().ljust(DISK_BYTES, b"\0"))
        self.domain = daemon.connection.createXML(domain(name, iommu),
                                                  daemon.libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(daemon.run / f"{name}-console"))
        self.console = Console(self.socket)
        if not paused:
            self.console.wait_until_ready()

    @property
    def pid(self):
        """Of its QEMU, which has another number in the daemon's PID namespace."""
        return next(int(process.parent.name) for process in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                    if f"guest={self.name},".encode() in process.read_bytes())

    def run(self, script):
        """What a script on one line prints in the guest."""
        said = self.console.command(f"run {script}")
        return said.removesuffix("rig end\n")

    def interrupt(self):
        """Reads from every disk on every CPU."""
        self.run("for cpu in 1 2; do for disk in /dev/nvme?n1 /dev/vd?; do "
                 "taskset $cpu dd if=$disk of=/dev/null bs=4096 count=4 iflag=direct 2>/dev/null; done; done")

    @contextlib.contextmanager
    def programmed(self, bdf, address, is_counting=False):
        """An NVMe disk without its driver, in whose place the first vector is enabled; its data may be another at every
        moment."""
        self.run(f"cd /sys/bus/pci/devices/{bdf}; echo {bdf} >driver/unbind; echo 1 >enable; printf '\\200' | dd of=config bs=1 "
                 "seek=67 conv=notrunc 2>/dev/null; rm -f /dev/mem /stop*; ln -s $PWD/resource0 /dev/mem; "
                 f"devmem 0x2000 32 {address:#x}; devmem 0x2008 32 0; devmem 0x200c 32 0")
        if is_counting:
            # What it says must not fill the console, on which QEMU would wait for a reader.
            self.run("(data=0; until [ -e /stop ]; do devmem 0x2008 32 $data; data=$((data + 1)); done; touch /stopped) "
                     ">/dev/null 2>&1 &")
        try:
            yield
        finally:
            if is_counting:
                self.run("touch /stop; until [ -e /stopped ]; do sleep 0.01; done")
            self.run(f"echo {bdf} >/sys/bus/pci/drivers/nvme/bind")

    def translated(self):
        """By stream id and IOVA, what QEMU's own SMMUv3 translated to."""
        text = (self.daemon.run / f"{self.name}-trace").read_text()
        return {(int(sid, 16), int(iova, 16)): int(gpa, 16) for sid, iova, gpa in
                re.findall(r"smmuv3_translate_success .* sid=(0x\w+) iova=(0x\w+) translated=(0x\w+)", text)}

    def taints(self):
        return " ".join(self.domain.messages(self.daemon.libvirt.VIR_DOMAIN_MESSAGE_TAINTING))

    def signal(self, number):
        """Sends its QEMU a signal."""
        os.kill(self.pid, number)

    def stop(self):
        self.socket.close()
        try:
            self.domain.destroy()
        except self.daemon.libvirt.libvirtError:
            pass
