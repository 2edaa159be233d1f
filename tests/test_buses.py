"""Which SMMUv3 serves a device, and under which stream id, is what the real QEMU says: behind ports, switches, bridges to
conventional PCI and expanders.

A device of QEMU writes to an address, and QEMU's trace says which SMMUv3 saw that, and from whom. The first SMMUv3 lets
everything through and the others nothing, so that one can tell.
"""

import re
import subprocess
from dataclasses import dataclass

import pytest

import smmu

ADDRESS = 0x08020040
DRIVERS = {"pcie-expander-bus": "pxb-pcie", "pcie-root-port": "pcie-root-port", "pcie-to-pci-bridge": "pcie-pci-bridge",
           "pci-bridge": "pci-bridge", "dmi-to-pci-bridge": "i82801b11-bridge", "pcie-switch-upstream-port": "x3130-upstream",
           "pcie-switch-downstream-port": "xio3130-downstream"}
NUMBERS = {"pcie-root-port": "chassis", "pci-bridge": "chassis_nr", "pcie-switch-downstream-port": "chassis"}


@dataclass(frozen=True)
class Controller:
    """What is at (bus, slot), and the number of the bus behind it."""

    model: str
    bus: int
    slot: int
    number: int

    @property
    def is_expander(self):
        return self.model == "pcie-expander-bus"

    def argument(self, index):
        number = f",bus_nr={self.number}" if self.is_expander else ""
        if self.model in NUMBERS:
            number = f",{NUMBERS[self.model]}={index}"
        return f"{DRIVERS[self.model]},id=bus{index},bus={bus_name(self.bus)},addr={self.slot:x}.0{number}"

    def xml(self, index):
        number = f"<target busNr='{self.number}'/>" if self.is_expander else ""
        return (f"<controller type='pci' index='{index}' model='{self.model}'>{number}"
                f"<address type='pci' bus='{self.bus}' slot='{self.slot}'/></controller>")


def bus_name(index):
    return f"bus{index}" if index else "pcie.0"


# By index from 1 on: expanders, and below them and below pcie.0 everything that makes a bus.
CONTROLLERS = [
    Controller("pcie-expander-bus", 0, 0x10, 0x40), Controller("pcie-expander-bus", 0, 0x11, 0x80),
    Controller("pcie-root-port", 0, 2, 0x05), Controller("pcie-to-pci-bridge", 3, 0, 0x06),
    Controller("pci-bridge", 4, 5, 0x07), Controller("pcie-root-port", 1, 0, 0x41),
    Controller("pcie-switch-upstream-port", 6, 0, 0x42), Controller("pcie-switch-downstream-port", 7, 3, 0x43),
    Controller("pcie-root-port", 1, 1, 0x50), Controller("pcie-to-pci-bridge", 9, 0, 0x51),
    Controller("dmi-to-pci-bridge", 0, 4, 0x09), Controller("pci-bridge", 11, 6, 0x0a),
    Controller("pcie-root-port", 2, 0, 0x81), Controller("dmi-to-pci-bridge", 2, 7, 0x90),
]
# Devices as (index of the bus, slot)
DEVICES = [(0, 6), (4, 2), (5, 9), (8, 0), (10, 3), (10, 30), (11, 1), (12, 4), (13, 0), (14, 31)]
# Buses with an SMMUv3 of their own, or whether the machine has one
GUESTS = {"one-on-each-bus": [0, 1, 2], "not-on-one-expander": [0, 1], "on-one-expander": [1], "on-pcie.0": [0],
          "of-the-machine": None, "none": []}


def number_of(bus):
    return CONTROLLERS[bus - 1].number if bus else 0


def last_number(index):
    """The last bus number that a bridge leads to."""
    below = [last_number(other) for other, controller in enumerate(CONTROLLERS, 1) if controller.bus == index]
    return max([CONTROLLERS[index - 1].number, *below])


def bridges_to(bus):
    """The bridges on the way from a root bus to a bus."""
    while bus and not CONTROLLERS[bus - 1].is_expander:
        yield CONTROLLERS[bus - 1]
        bus = CONTROLLERS[bus - 1].bus


def start_qemu(buses):
    devices = [controller.argument(index) for index, controller in enumerate(CONTROLLERS, 1)]
    devices += [f"arm-smmuv3,primary-bus={bus_name(bus)}" for bus in buses or []]
    devices += [f"iommu-testdev,bus={bus_name(bus)},addr={slot:x}.0" for bus, slot in DEVICES]
    qemu = smmu.Qemu(devices, smmu.Memory(), ",iommu=smmuv3" if buses is None else "")
    for number, bus in enumerate(buses or []):
        gbpa = smmu.PLATFORM_BUS + number * smmu.SMMU_SIZE + smmu.GBPA
        qemu.execute(f"writel {gbpa:#x} {smmu.GBPA_UPDATE | (0 if bus == 0 else smmu.GBPA_ABORT):#x}")
    for index, controller in enumerate(CONTROLLERS, 1):
        if not controller.is_expander:
            qemu.number_bridge(number_of(controller.bus), controller.slot, controller.number, last_number(index))
    return qemu


def ask_qemu(qemu, bus, slot):
    """What becomes of a write: "none" when no SMMUv3 sees it, or what the one that does makes of it, and the stream id."""
    # One device at a time, so that all can be at the same address.
    for bridge in bridges_to(bus):
        qemu.open_bridge(number_of(bridge.bus), bridge.slot, smmu.BARS)
    trace = smmu.Device(qemu, number_of(bus), slot, 0, smmu.BARS).write(ADDRESS)
    qemu.write_config(number_of(bus), slot, 0, 0x04, 0)
    for bridge in bridges_to(bus):
        qemu.open_bridge(number_of(bridge.bus), bridge.slot, 0)
    for name, pattern in (("through", smmu.UNTRANSLATED), ("abort", smmu.ABORT)):
        if match := pattern.search(trace):
            return name, int(match[1], 16)
    return "none", None


def ask_us(build_dir, tmp_path, buses):
    """The same from our resolver, for all devices."""
    iommus = "<iommu model='smmuv3'/>" if buses is None else "".join(
        f"<iommu model='smmuv3'><driver pciBus='{bus}'/></iommu>" for bus in buses)
    xml = tmp_path / "guest.xml"
    xml.write_text(f"""<domain type='qemu'><name>guest</name><memory>65536</memory>
        <os><type arch='aarch64' machine='virt'>hvm</type></os><features><gic version='2'/></features>
        <devices><controller type='pci' index='0' model='pcie-root'/>
        {''.join(controller.xml(index) for index, controller in enumerate(CONTROLLERS, 1))}
        {''.join(f"<rng model='virtio'><address type='pci' bus='{bus}' slot='{slot}'/></rng>" for bus, slot in DEVICES)}
        {iommus}</devices></domain>""", encoding="utf-8")
    numbers = [f"{index:x}={controller.number:x}" for index, controller in enumerate(CONTROLLERS, 1)]
    run = subprocess.run([build_dir / "tests" / "resolve", xml, f"{ADDRESS:x}", *numbers], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [line.split(maxsplit=1)[1] for line in run.stdout.splitlines() if line.startswith("rng ")]


def read_route(line):
    if line.startswith("error"):
        match = re.search("0x[0-9a-f]+ of StreamID 0x([0-9a-f]+) is not translated: the SMMU is disabled", line)
        assert match, line
        return "abort", int(match[1], 16)
    path, gpa, device_id = line.split()
    assert int(gpa, 16) == ADDRESS
    return {"identity": ("none", None), "translated": ("through", int(device_id, 16))}[path]


@pytest.mark.parametrize("buses", GUESTS.values(), ids=GUESTS)
def test_devices_are_served_as_in_qemu(buses, debian_tree, build_dir, tmp_path):
    with start_qemu(buses) as qemu:
        expected = [ask_qemu(qemu, bus, slot) for bus, slot in DEVICES]
    assert [read_route(line) for line in ask_us(build_dir, tmp_path, buses)] == expected
    served = [kind != "none" for kind, _ in expected]
    assert all(served) if buses in (None, [0, 1, 2]) else not all(served)
