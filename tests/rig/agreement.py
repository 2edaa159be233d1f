"""For each rule that only a machine with an accelerated SMMUv3 enforces: a domain, our findings, and what really happens;
and the same of one good guest with each kernel.

Run as a program it prints the tables in docs/rig.md.
"""

import dataclasses

import builder
import machine
import virsh

COLD = virsh.Device(machine.A_NVME_1, bus=2)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    rule: str  # that we find; empty for none of our errors
    says: str  # libvirt and QEMU, among other words, when the domain is created; empty: it starts
    xml: str
    host_rule: bool = False  # found only with the facts of the host


def vsmmu(options, devices=(COLD,), **changes):
    return virsh.domain(vsmmus=[virsh.VSmmu(1, 8, options)], devices=devices, **changes)


RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend>{}</rng>"
ON_PORT_2 = "<address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>"
MACHINE_WIDE = "<iommu model='smmuv3'/>"
PLAIN_VFIO = "<driver name='vfio'/>"

CASES = [
    Case("one cold-plugged device, all options left to QEMU", "", "", vsmmu("")),
    Case("no device at start, all options given", "", "", vsmmu(virsh.EXPLICIT, devices=())),
    Case("no device at start, options left to QEMU", "vsmmu-empty",
         "'auto' properties requires at least one cold-plugged VFIO device", vsmmu("", devices=())),
    Case("no device at start, cmdqv='on'", "cmdqv-vsmmu-empty", "requires at least one cold-plugged VFIO device",
         vsmmu("cmdqv='on'", devices=())),
    Case("an emulated device on a port below the vSMMU", "emulated-endpoint",
         "Emulated endpoint devices are not allowed when using arm-smmuv3,accel=on", vsmmu("", extra=RNG.format(ON_PORT_2))),
    Case("an emulated device without address, and a free port there", "endpoint-auto-placed",
         "Emulated endpoint devices are not allowed when using arm-smmuv3,accel=on", vsmmu("", extra=RNG.format(""))),
    Case("a VFIO device without iommufd", "hostdev-without-iommufd",
         "vfio-pci endpoint devices without an iommufd backend not allowed",
         vsmmu("", [dataclasses.replace(COLD, driver=PLAIN_VFIO)])),
    Case("iommufd off for the domain", "iommufd-disabled", "vfio-pci endpoint devices without an iommufd backend not allowed",
         vsmmu("", [dataclasses.replace(COLD, driver=PLAIN_VFIO)], top="<iommufd enabled='no'/>")),
    Case("one host device twice", "hostdev-duplicate", "Hostdev already exists in the domain configuration",
         vsmmu("", [COLD, dataclasses.replace(COLD, bus=3)])),
    Case("accel='on' without pciBus", "accel-without-pci-bus", "requires iommu MAP notifier",
         virsh.domain(vsmmus=[virsh.VSmmu(1, 8)], devices=[COLD]).replace("pciBus='1' ", "")),
    Case("TCG instead of KVM", "needs-kvm", "requires KVM with kernel-irqchip=on",
         vsmmu("", kind="qemu").replace("mode='host-passthrough'", "mode='maximum'")),
    Case("UEFI, but no ACPI", "needs-acpi", "SMMUv3 with accel=on not supported for DT", vsmmu("", features="<gic version='3'/>")),
    Case("neither UEFI nor ACPI", "needs-uefi", "SMMUv3 with accel=on not supported for DT",
         vsmmu("", features="<gic version='3'/>", firmware=False)),
    Case("ssidsize='21'", "invalid-attribute-value", "Parameter 'ssidsize' does not accept value '21'", vsmmu("ssidsize='21'")),
    Case("oas='42'", "invalid-attribute-value", "only implements auto, 44 bit, or 48 bit OAS", vsmmu("oas='42'")),
    Case("a second SMMU on the root bus", "pci-bus-shared", "An iommu is already attached to this bus",
         vsmmu("", extra="<iommu model='smmuv3'><driver pciBus='1'/></iommu>")),
    Case("pciBus names a root port", "pci-bus-not-root", "should be attached to a default PCIe root complex",
         vsmmu("").replace("pciBus='1'", "pciBus='3'")),
    Case("ats='on', and the host has none", "host-ats", "Host SMMUv3 doesn't support Address Translation Services",
         vsmmu("ats='on'"), host_rule=True),
    Case("oas='48', and the host has 44", "host-oas", "Host SMMUv3 supports only 44-bit IPA, but the vSMMU OAS implies 48-bit IPA", vsmmu("oas='48'"), host_rule=True),
    Case("ssidsize='20', and the host has none", "host-ssidsize", "Host SMMUv3 SSIDSIZE not compatible (host=0, QEMU=20)",
         vsmmu("ssidsize='20'"), host_rule=True),
    Case("cmdqv='on', and the host has none", "host-cmdqv", "CMDQV requested but not supported", vsmmu("cmdqv='on'"), host_rule=True),
    Case("a device that shares its IOMMU group with a driver's", "host-group-shared",
         "Operation not permitted", vsmmu("", [virsh.Device(machine.A_GROUP_1, bus=2)]),
         host_rule=True),
    Case("a device behind no SMMU", "host-device-without-smmu", "cannot find VFIO device for PCI device 0000:01:00.0", vsmmu("", [virsh.Device(machine.UNPROTECTED, bus=2)]),
         host_rule=True),
    Case("devices of two SMMUs behind one vSMMU", "host-smmu-mismatch", "",
         vsmmu("", [COLD, virsh.Device(machine.B_NVME_1, bus=3)]), host_rule=True),
    Case("a device that is not there", "host-device-missing", "Device 0000:7f:00.0 not found", vsmmu("", [virsh.Device("0000:7f:00.0", bus=2)]),
         host_rule=True),
]


@dataclasses.dataclass(frozen=True)
class KernelCase:
    """A good guest on a host with another kernel."""

    release: str  # of builder.KERNELS
    rule: str  # as in Case
    says: str
    is_limit: bool = False  # the last that fails, the first that works, the newest: in the long tail


KERNELS = [
    KernelCase("6.18", "host-kernel", "No such file or directory", is_limit=True),
    KernelCase("6.19", "", "", is_limit=True),
    KernelCase("7.1", "", ""),
    KernelCase("7.2", "", ""),
    KernelCase("7.3", "", "", is_limit=True),
]


def kernel_table():
    lines = ["| kernel of host and guest | our finding | what really happens |", "|---|---|---|"]
    for case in KERNELS:
        rule = f"`{case.rule}` (with `--host`)" if case.rule else "none"
        happens = f"QEMU stops: “Failed to set vIOMMU … {case.says}”" if case.says else "the guest starts, and its device works"
        lines.append(f"| {builder.KERNELS[case.release].version.split('-')[0]} | {rule} | {happens} |")
    return "\n".join(lines) + "\n"


def table():
    lines = ["| domain | our finding | what really happens |", "|---|---|---|"]
    for case in CASES:
        rule = f"`{case.rule}`" if case.rule else "none"
        host = " (with `--host`)" if case.host_rule else ""
        lines.append(f"| {case.name} | {rule}{host} | {f'“{case.says}”' if case.says else 'starts'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), kernel_table(), sep="\n", end="")
