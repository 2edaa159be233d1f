"""What the emulated host is made of: its QEMU arguments, and the devices that tests pass through."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Knobs:
    """What a run may change; the rest is as in DEVICES."""

    canwbs: bool = True  # off: the kernel offers no nesting (IOMMU_VIOMMU_ALLOC fails)
    nesting: bool = True  # off: the SMMUs have stage 1 only
    kernel: str | None = None  # a release of builder.KERNELS, for the host and its guests; None: that of Debian sid
    msi_window: int = 0x8000000  # of the host's kernel; another one needs another kernel
    memory_mib: int = 3072
    cpus: int = 2

    @property
    def arguments_key(self):
        """Those that the host's IORT depends on."""
        return [self.nesting]


DISKS = ("nvme1", "nvme2", "nvme3", "nvme4", "group1", "group2", "switched", "unprotected", "intx")

# SMMU A serves buses 0x20 on, SMMU B buses 0x60 on, and pcie.0 has none. QEMU numbers the buses below a root bus in the
# order of its ports; BDF below are those that the host's Linux shows.
DEVICES = """
pxb-pcie,id=A,bus=pcie.0,bus_nr=0x20,numa_node=0
pxb-pcie,id=B,bus=pcie.0,bus_nr=0x60,numa_node=1
arm-smmuv3,primary-bus=A,{stage}
arm-smmuv3,primary-bus=B,{stage}
pcie-root-port,id=A1,bus=A,chassis=1
pcie-root-port,id=A2,bus=A,chassis=2
pcie-root-port,id=A3,bus=A,chassis=3
pcie-root-port,id=A4,bus=A,chassis=4
pcie-root-port,id=A5,bus=A,chassis=5
x3130-upstream,id=A5up,bus=A5
xio3130-downstream,id=A5down,bus=A5up,chassis=6,slot=1
pcie-root-port,id=B1,bus=B,chassis=7
pcie-root-port,id=B2,bus=B,chassis=8
pcie-root-port,id=B3,bus=B,chassis=9
pcie-root-port,id=B4,bus=B,chassis=10
pcie-root-port,id=C1,bus=pcie.0,chassis=11
nvme,bus=A1,serial=nvme1,drive=nvme1
nvme,bus=A2,serial=nvme2,drive=nvme2
igb,bus=A3,netdev=lan1,mac=52:54:00:00:23:00
nvme,bus=A4,addr=0.0,multifunction=on,serial=group1,drive=group1
nvme,bus=A4,addr=0.1,serial=group2,drive=group2
nvme,bus=A5down,serial=switched,drive=switched
nvme,bus=B1,serial=nvme3,drive=nvme3
nvme,bus=B2,serial=nvme4,drive=nvme4
igb,bus=B3,netdev=lan2,mac=52:54:00:00:63:00
virtio-blk-pci,bus=B4,serial=intx,drive=intx,vectors=0,disable-legacy=on,iommu_platform=on
nvme,bus=C1,serial=unprotected,drive=unprotected
"""

# As the host's Linux numbers them.
A_NVME_1 = "0000:21:00.0"
A_NVME_2 = "0000:22:00.0"
A_NIC = "0000:23:00.0"
A_GROUP_1 = "0000:24:00.0"  # two functions in one IOMMU group
A_GROUP_2 = "0000:24:00.1"
A_SWITCHED = "0000:27:00.0"  # in one IOMMU group with the switch port above it
B_NVME_1 = "0000:61:00.0"
B_NVME_2 = "0000:62:00.0"
B_NIC = "0000:63:00.0"
B_INTX = "0000:64:00.0"  # a disk that has neither MSI-X nor MSI
UNPROTECTED = "0000:01:00.0"  # behind no SMMU

MARKERS = {A_NVME_1: "RIG-NVME1", A_NVME_2: "RIG-NVME2", A_GROUP_1: "RIG-GROUP1", A_GROUP_2: "RIG-GROUP2",
           A_SWITCHED: "RIG-SWITCHED", B_NVME_1: "RIG-NVME3", B_NVME_2: "RIG-NVME4", B_INTX: "RIG-INTX",
           UNPROTECTED: "RIG-UNPROTECTED"}


def device_arguments(knobs):
    """The part that decides the IORT and all PCI addresses."""
    stage = "stage=nested" if knobs.nesting else "stage=1"
    arguments = []
    for line in DEVICES.format(stage=stage).split():
        arguments += ["-device", line]
    return arguments


def arguments(knobs, kernel, disk, payload, directory, port, initrd=None, append=""):
    """The whole QEMU command; paths are those inside the tools tree."""
    half = knobs.memory_mib // 2
    command = [
        "qemu-system-aarch64", "-name", "rig-host", "-M", "virt,virtualization=on,gic-version=3", "-cpu", "neoverse-n1",
        "-accel", "tcg,thread=multi", "-smp", str(knobs.cpus), "-m", f"{2 * half}M",
        "-object", f"memory-backend-ram,id=ram0,size={half}M", "-object", f"memory-backend-ram,id=ram1,size={half}M",
        "-numa", f"node,nodeid=0,memdev=ram0,cpus=0-{knobs.cpus - 1}", "-numa", "node,nodeid=1,memdev=ram1",
        "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
        "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd",
        "-drive", "if=pflash,unit=1,format=raw,snapshot=on,file=/usr/share/AAVMF/AAVMF_VARS.fd",
        "-kernel", kernel, "-append", f"root=/dev/vda rw console=ttyAMA0 quiet panic=-1 init=/init {append}",
        # The machine gives out its virtio-mmio transports from the last to the first, so Linux sees the last disk first.
        "-drive", f"if=none,id=payload,format=raw,readonly=on,file={payload}", "-device", "virtio-blk-device,drive=payload",
        "-drive", f"if=none,id=root,format=raw,snapshot=on,file={disk}", "-device", "virtio-blk-device,drive=root",
        "-netdev", f"user,id=shell,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:2222",
        "-device", "virtio-net-device,netdev=shell",
        "-netdev", "user,id=lan1,restrict=on", "-netdev", "user,id=lan2,restrict=on",
    ]
    for name in DISKS:
        command += ["-drive", f"if=none,id={name},format=raw,file={directory}/{name}.img"]
    if initrd:
        command += ["-initrd", initrd]
    return command + device_arguments(knobs)


def make_disks(directory):
    """The disks that are passed through; each begins with a line that says which it is."""
    for name in DISKS:
        path = directory / f"{name}.img"
        path.write_bytes(f"RIG-{name.upper()}\n".encode())
        with path.open("r+b") as file:
            file.truncate(16 << 20)
