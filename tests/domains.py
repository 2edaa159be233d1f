#!/usr/bin/python3
"""Domains for the tests: aarch64 `virt` guests that exercise how libvirt places devices on PCI, and guests with vSMMUs.

The same call always gives the same domains. Every device but the controllers carries an alias `ua-N`, by which it is
found again in what libvirt or our programs say about it.

As a program: domains.py OUTDIR writes each domain to OUTDIR/NAME.xml.
"""

import pathlib
import random
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass

RANDOM_PLACEMENTS = 160
RANDOM_WRONG_ADDRESSES = 24
RANDOM_VSMMUS = 48

TEMPLATE = """\
<domain type='qemu'>
  <name/>
  <maxMemory slots='16' unit='GiB'>64</maxMemory>
  <memory unit='GiB'>4</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu>4</vcpu>
  <os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><acpi/><gic version='3'/></features>
  <cpu mode='custom'>
    <model>max</model>
    <numa>
      <cell id='0' cpus='0-1' memory='2' unit='GiB'/>
      <cell id='1' cpus='2-3' memory='2' unit='GiB'/>
      <cell id='2' memory='0'/>
      <cell id='3' memory='0'/>
    </numa>
  </cpu>
  <devices><emulator>/usr/bin/qemu-system-aarch64</emulator></devices>
</domain>
"""


@dataclass(frozen=True)
class Domain:
    name: str
    xml: str


# Where a placeholder stands: {n} a number not used before in this domain, {nvme} the number of an
# NVMe controller, {letters} a target name not used before,
# {bdf} the source address of a host device not used before.
ENDPOINTS = {
    "disk-virtio": "<disk type='file'><source file='/images/{n}'/><target dev='vd{letters}' bus='virtio'/></disk>",
    "disk-scsi": "<disk type='file'><source file='/images/{n}'/><target dev='sd{letters}' bus='scsi'/></disk>",
    "disk-sata": "<disk type='file' device='cdrom'><target dev='sd{letters}' bus='sata'/></disk>",
    "disk-nvme": "<disk type='file'><source file='/images/{n}'/><target dev='nvme{nvme}n1' bus='nvme'/>"
                 "<serial>{n}</serial></disk>",
    "disk-without-bus": "<disk type='file'><source file='/images/{n}'/><target dev='vd{letters}'/></disk>",
    "net-without-model": "<interface type='user'/>",
    "net-hostdev": "<interface type='hostdev'><source><address type='pci' {bdf}/></source></interface>",
    "net-network": "<interface type='network'><source network='default'/></interface>",
    "net-vdpa": "<interface type='vdpa'><source dev='/dev/vhost-vdpa-{n}'/></interface>",
    "hostdev": "<hostdev mode='subsystem' type='pci' managed='yes'><source><address {bdf}/></source></hostdev>",
    "hostdev-iommufd": "<hostdev mode='subsystem' type='pci' managed='no'><driver iommufd='yes'/>"
                       "<source><address {bdf}/></source></hostdev>",
    "hostdev-unassigned": "<hostdev mode='subsystem' type='pci'><source><address {bdf}/></source>"
                          "<address type='unassigned'/></hostdev>",
    "hostdev-scsi": "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>"
                    "<address bus='0' target='{n}' unit='0'/></source></hostdev>",
    "mdev": "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
            "<address uuid='c2177883-f1bb-47f0-914d-{n:012d}'/></source></hostdev>",
    "filesystem": "<filesystem type='mount'><source dir='/srv'/><target dir='fs{n}'/></filesystem>",
    "virtiofs": "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='fs{n}'/></filesystem>",
    "watchdog": "<watchdog model='i6300esb' action='reset'/>",
    "panic": "<panic/>",
    "panic-pvpanic": "<panic model='pvpanic'/>",
    "shmem-plain": "<shmem name='shm{n}'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>",
    "shmem-doorbell": "<shmem name='shm{n}'><model type='ivshmem-doorbell'/><server path='/run/shm{n}'/>"
                      "<msi vectors='2'/></shmem>",
    "vsock-without-model": "<vsock><cid auto='yes'/></vsock>",
    "crypto": "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>",
    "iommu-virtio": "<iommu model='virtio'/>",
    "iommu-smmuv3": "<iommu model='smmuv3'/>",
    "memory-virtio-mem": "<memory model='virtio-mem'><target><size unit='GiB'>1</size><node>0</node>"
                         "<block unit='MiB'>2</block><requested unit='KiB'>0</requested></target></memory>",
    "memory-dimm": "<memory model='dimm'><target><size unit='GiB'>1</size><node>0</node></target></memory>",
    "pstore": "<pstore backend='acpi-erst'><path>/var/erst</path><size unit='KiB'>64</size></pstore>",
    "serial-pci": "<serial type='pty'><target type='pci-serial'/></serial>",
    "serial-system": "<serial type='pty'/>",
    "channel": "<channel type='unix'><target type='virtio' name='org.example.{n}'/></channel>",
    "console-virtio": "<console type='pty'><target type='virtio'/></console>",
    "graphics": "<graphics type='vnc'/>",
}
for _model in ("virtio", "virtio-transitional", "virtio-non-transitional"):
    ENDPOINTS |= {
        f"disk-{_model}-model": f"<disk type='file' model='{_model}'><source file='/images/{{n}}'/>"
                                "<target dev='vd{letters}' bus='virtio'/></disk>",
        f"rng-{_model}": f"<rng model='{_model}'><backend model='random'>/dev/urandom</backend></rng>",
        f"vsock-{_model}": f"<vsock model='{_model}'><cid auto='yes'/></vsock>",
        f"memballoon-{_model}": f"<memballoon model='{_model}'/>",
        f"filesystem-{_model}": f"<filesystem type='mount' model='{_model}'><source dir='/srv'/>"
                                "<target dir='fs{n}'/></filesystem>",
        f"scsi-host-{_model}": f"<hostdev mode='subsystem' type='scsi_host' model='{_model}'>"
                               "<source protocol='vhost' wwpn='naa.5{n:015d}'/></hostdev>",
    }
for _model in ("virtio", "virtio-transitional", "virtio-non-transitional", "e1000", "e1000e", "igb", "rtl8139",
               "vmxnet3", "82540EM", "Am79C973", "VIRTIO", "ne2k_pci", "pcnet", "lan9118", "spapr-vlan", "unheard-of"):
    ENDPOINTS[f"net-{_model}"] = f"<interface type='user'><model type='{_model}'/></interface>"
for _model in ("es1370", "ac97", "ich6", "ich9", "virtio", "sb16", "pcspk"):
    ENDPOINTS[f"sound-{_model}"] = f"<sound model='{_model}'/>"
for _model in ("virtio", "bochs", "vga", "cirrus", "ramfb", "none", "default"):
    ENDPOINTS[f"video-{_model}"] = f"<video><model type='{_model}'/></video>"
for _type in ("mouse", "tablet", "keyboard", "passthrough"):
    _source = "<source evdev='/dev/input/event0'/>" if _type == "passthrough" else ""
    ENDPOINTS[f"input-{_type}"] = f"<input type='{_type}' bus='virtio'>{_source}</input>"

# Only with a USB controller, which libvirt does not add by itself for this machine.
USB_DEVICES = {
    "usb-disk": "<disk type='file'><source file='/images/{n}'/><target dev='sd{letters}' bus='usb'/></disk>",
    "usb-keyboard": "<input type='keyboard' bus='usb'/>",
    "usb-hub": "<hub type='usb'/>",
    "usb-redirdev": "<redirdev bus='usb' type='tcp'><source mode='connect' host='localhost' service='4{n:03d}'/></redirdev>",
    "usb-smartcard": "<smartcard mode='passthrough' type='tcp'><source mode='bind' host='127.0.0.1' service='2001'/>"
                     "<protocol type='raw'/></smartcard>",
    "usb-hostdev": "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x{n:04x}'/></source>"
                   "</hostdev>",
    "usb-net": "<interface type='user'><model type='usb-net'/></interface>",
    "usb-sound": "<sound model='usb'/>",
}

USB_MODELS = ("", "qemu-xhci", "nec-xhci", "piix3-uhci", "piix4-uhci", "ehci", "pci-ohci", "none")
SCSI_MODELS = ("", "auto", "virtio-scsi", "virtio-transitional", "virtio-non-transitional", "lsilogic", "lsisas1068",
               "lsisas1078", "vmpvscsi", "dc390", "am53c974", "ibmvscsi")
SERIAL_MODELS = ("", "virtio", "virtio-transitional", "virtio-non-transitional")
ICH9_USB = (("ich9-ehci1", None), ("ich9-uhci1", 0), ("ich9-uhci2", 2), ("ich9-uhci3", 4))

# A domain can have one of these at most.
SINGLE = ("memballoon", "vsock", "panic", "pstore", "iommu", "graphics", "usb-smartcard", "serial-system")
PRIMARY_VIDEOS = ("video-bochs", "video-vga", "video-cirrus", "video-ramfb")
# Kinds that take no PCI address of their own, so none is given to them.
NOT_ON_PCI = ("disk-scsi", "disk-sata", "disk-nvme", "hostdev-unassigned", "hostdev-scsi", "iommu-smmuv3", "memory-dimm",
              "serial-system", "channel", "console-virtio", "graphics", "video-none", "video-ramfb", "sound-sb16",
              "sound-pcspk", "net-lan9118", "net-spapr-vlan", *USB_DEVICES)

# One of these with a virtio-mmio address makes libvirt prefer that for the other virtio devices; it then refuses those
# that exist on PCI only.
MMIO_DEVICES = ("rng-virtio", "disk-virtio", "net-virtio", "filesystem", "sound-virtio", "input-keyboard", "video-virtio",
                "crypto")
NEVER_ON_MMIO = ("memory-virtio-mem", "scsi-host")


def letters(number):
    """The letters of a disk's name: a, b, … z, aa, ab, …"""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("a") + rest) + name
    return name


class Builder:
    """Collects the devices of one domain."""

    def __init__(self, seed=0):
        self.random = random.Random(seed)
        self.devices = []
        self.number = 0
        self.kinds = []
        self.disk_letters = [letters(number) for number in range(40)]
        self.aliases = True
        self.machine = "virt"
        self.domain_children = ""

    def controller(self, kind, index=None, model=None, address=None, target=None, children="", **attributes):
        element = ET.SubElement(ET.Element("devices"), "controller", type=kind)
        if index is not None:
            element.set("index", str(index))
        if model:
            element.set("model", model)
        for name, value in attributes.items():
            element.set(name, str(value))
        if target is not None:
            node = target.pop("node", None)
            target_element = ET.SubElement(element, "target", {name: str(value) for name, value in target.items()})
            if node is not None:
                ET.SubElement(target_element, "node").text = str(node)
        element.extend(ET.fromstring(f"<x>{children}</x>"))
        self._address(element, address)
        self.devices.append(element)
        return index

    def pci(self, index, model, address=None, children="", **target):
        return self.controller("pci", index, model, address, target or None, children)

    def add(self, kind, address=None):
        return self.add_xml(ENDPOINTS.get(kind) or USB_DEVICES[kind], address, kind)

    def add_xml(self, template, address=None, kind=None):
        self.number += 1
        nvme = sum(kind == "disk-nvme" for kind in self.kinds)
        element = ET.fromstring(template.format(
            n=self.number, nvme=nvme, letters=self.disk_letters[self.number % 40],
            bdf=f"domain='0x0001' bus='0x{self.number:02x}' slot='0x00' function='0x0'"))
        if self.aliases:
            ET.SubElement(element, "alias", name=f"ua-{self.number:03d}")
        self._address(element, address)
        self.devices.append(element)
        self.kinds.append(kind)
        return element

    def _address(self, element, address):
        if address is None:
            return
        if isinstance(address, str):
            element.append(ET.fromstring(address))
            return
        names = ("bus", "slot", "function", "multifunction")
        ET.SubElement(element, "address", {"type": "pci"} | {
            name: value if name == "multifunction" else self._number(value)
            for name, value in zip(names, address) if value is not None})

    def _number(self, value):
        return self.random.choice((f"0x{value:02x}", f"{value:d}"))

    def domain(self, name):
        root = ET.fromstring(TEMPLATE)
        root.find("name").text = name
        root.find("os/type").set("machine", self.machine)
        root.extend(ET.fromstring(f"<x>{self.domain_children}</x>"))
        devices = root.find("devices")
        devices.extend(self.devices)
        ET.indent(root)
        return Domain(name, ET.tostring(root, encoding="unicode") + "\n")


#
# One device of each kind
#

def single_devices():
    for kind in ENDPOINTS:
        builder = Builder()
        builder.add(kind)
        yield builder.domain(f"only-{kind}")
    for kind in USB_DEVICES:
        builder = Builder()
        builder.controller("usb")
        builder.add(kind)
        yield builder.domain(f"only-{kind}")
    for kind, models in (("usb", USB_MODELS), ("scsi", SCSI_MODELS), ("virtio-serial", SERIAL_MODELS), ("sata", [""])):
        for model in models:
            builder = Builder()
            builder.controller(kind, 0, model)
            yield builder.domain(f"only-controller-{kind}-{model or 'without-model'}")
    for kind in ("rng-virtio", "watchdog", "hostdev-iommufd", "channel", "graphics"):
        builder = Builder()
        builder.pci(0, "pcie-root")
        builder.pci(1, "pcie-root-port")
        builder.add(kind)
        yield builder.domain(f"one-port-and-{kind}")


#
# Small topologies, each about one thing
#

TOPOLOGIES = {}


def topology(build):
    TOPOLOGIES[build.__name__.replace("_", "-")] = build
    return build


def ports(builder, *indexes):
    builder.pci(0, "pcie-root")
    for index in indexes:
        builder.pci(index, "pcie-root-port")


@topology
def nothing_at_all(builder):
    pass


@topology
def root_only(builder):
    builder.pci(0, "pcie-root")


@topology
def index_gap_is_filled_with_ports(builder):
    ports(builder, 5)
    builder.add("rng-virtio")


@topology
def root_is_added(builder):
    builder.pci(3, "pcie-root-port")
    builder.add("rng-virtio")


@topology
def controllers_without_index(builder):
    builder.pci(0, "pcie-root")
    for index in (None, 1, None, None):
        builder.pci(index, "pcie-root-port")
    builder.add("rng-virtio")


@topology
def expander_bus_numbers(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-expander-bus", busNr=200)
    builder.pci(2, "pcie-expander-bus")
    builder.pci(3, "pcie-expander-bus", busNr=100, node=1)
    builder.pci(4, "pcie-expander-bus")
    for index in range(1, 5):
        builder.pci(4 + index, "pcie-root-port", (index, 0))
    for _ in range(6):
        builder.add("rng-virtio")


@topology
def expander_bus_without_ports(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-expander-bus")
    builder.add("rng-virtio")


@topology
def port_before_its_expander_bus(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", (2, 0))
    builder.pci(2, "pcie-expander-bus")
    builder.add("rng-virtio")
    builder.add("rng-virtio")


@topology
def ports_overflow_into_expander_bus(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-expander-bus", (0, 31))
    for slot in range(1, 31):
        builder.add("rng-virtio", (0, slot))
    builder.pci(2, "pcie-root-port")
    builder.add("rng-virtio")


@topology
def bridge_without_port(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-to-pci-bridge")
    builder.add("watchdog")


@topology
def bridge_takes_the_port_of_a_gap(builder):
    builder.pci(0, "pcie-root")
    builder.pci(2, "pcie-to-pci-bridge")
    builder.add("watchdog")


@topology
def dmi_bridge(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "dmi-to-pci-bridge")
    builder.add("watchdog")


@topology
def dmi_bridge_on_expander_bus(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-expander-bus")
    builder.pci(2, "dmi-to-pci-bridge", (1, 3))
    builder.pci(3, "pci-bridge", (2, 1))
    builder.add("watchdog")
    builder.add("sound-ac97", (3, 5))


@topology
def dmi_bridge_and_pci_bridges(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "dmi-to-pci-bridge")
    builder.pci(2, "pci-bridge")
    builder.pci(3, "pci-bridge")
    builder.add("watchdog")
    builder.add("rng-virtio")


@topology
def pci_bridge_on_the_root_bus(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pci-bridge", (0, 3))
    builder.add("watchdog")


@topology
def pci_bridge_behind_a_port(builder):
    ports(builder, 1)
    builder.pci(2, "pci-bridge", (1, 0))
    builder.add("watchdog")


@topology
def switch(builder):
    ports(builder, 1)
    builder.pci(2, "pcie-switch-upstream-port")
    for index in range(3, 6):
        builder.pci(index, "pcie-switch-downstream-port")
    for _ in range(4):
        builder.add("rng-virtio")


@topology
def switch_without_port(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-switch-upstream-port")
    builder.pci(2, "pcie-switch-downstream-port")
    builder.add("rng-virtio")


@topology
def bridge_behind_a_switch(builder):
    ports(builder, 1)
    builder.pci(2, "pcie-switch-upstream-port")
    builder.pci(3, "pcie-switch-downstream-port")
    builder.pci(4, "pcie-to-pci-bridge")
    builder.add("watchdog")
    builder.add("rng-virtio")


@topology
def upstream_port_is_too_many(builder):
    ports(builder, 1)
    builder.pci(2, "pcie-switch-upstream-port")
    builder.pci(3, "pcie-switch-upstream-port")
    builder.add("rng-virtio")


@topology
def explicit_address_on_a_missing_bus(builder):
    builder.add("rng-virtio", (3, 0))
    builder.add("rng-virtio")


@topology
def explicit_pci_address_on_a_missing_bus(builder):
    builder.add("watchdog", (3, 1))
    builder.add("watchdog")


@topology
def explicit_pci_address_on_the_next_bus_is_moved(builder):
    builder.add("watchdog", (1, 1))
    builder.add("sound-ac97")


@topology
def explicit_pci_address_with_user_port(builder):
    ports(builder, 1)
    builder.add("watchdog", (2, 4))
    builder.add("rng-virtio")


@topology
def zero_address_is_no_address(builder):
    builder.add("rng-virtio", (0, 0, 0))
    builder.add("rng-virtio", (0, 0, 3))
    builder.add("rng-virtio", (None, None, 1, "on"))
    builder.add("rng-virtio", "<address type='pci'/>")
    builder.pci(1, "pcie-root-port", (0, 0, 1))


@topology
def partial_addresses(builder):
    builder.add("rng-virtio", "<address type='pci' bus='1'/>")
    builder.add("rng-virtio", "<address type='pci' slot='5'/>")
    builder.add("rng-virtio", "<address type='pci' domain='0' slot='010'/>")
    builder.add("rng-virtio", "<address type='pci' bus='0x02' function='1'/>")


@topology
def only_explicit_addresses_need_no_port(builder):
    builder.add("rng-virtio", (0, 4))
    builder.add("watchdog", (0, 31))


@topology
def functions_of_one_slot(builder):
    builder.add("rng-virtio", (0, 3, 0, "on"))
    builder.add("rng-virtio", (0, 3, 1))
    builder.add("watchdog", (0, 3, 7))
    builder.add("rng-virtio")


@topology
def function_one_alone_behind_a_port(builder):
    ports(builder, 1, 2)
    builder.add("rng-virtio", (1, 0, 1))
    builder.add("rng-virtio")


@topology
def ports_share_slots(builder):
    ports(builder, *range(1, 20))
    builder.add("rng-virtio")


@topology
def ports_fill_around_explicit_ones(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", (0, 1, 1))
    builder.pci(2, "pcie-root-port", (0, 2, 0))
    builder.pci(3, "pcie-root-port", (0, 2, 3))
    for index in range(4, 14):
        builder.pci(index, "pcie-root-port")
    builder.add("rng-virtio")


@topology
def ports_join_a_slot_that_a_port_opened(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", (0, 1, 1))
    builder.pci(2, "pcie-root-port")
    builder.add("rng-virtio", (0, 1, 0, "on"))
    builder.add("rng-virtio")


@topology
def ports_do_not_join_a_slot_that_a_disk_opened(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", (0, 1, 1))
    builder.pci(2, "pcie-root-port")
    builder.add("disk-virtio", (0, 1, 0, "on"))
    builder.add("rng-virtio")


@topology
def ports_and_a_usb_controller_listed_first(builder):
    builder.controller("usb", 0, "qemu-xhci", (0, 1, 0, "on"))
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", (0, 1, 1))
    builder.pci(2, "pcie-root-port")
    builder.add("rng-virtio")


@topology
def ports_and_a_usb_controller_listed_last(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", (0, 1, 1))
    builder.pci(2, "pcie-root-port")
    builder.controller("usb", 0, "qemu-xhci", (0, 1, 0, "on"))
    builder.add("rng-virtio")


@topology
def ports_with_hotplug_off(builder):
    builder.pci(0, "pcie-root")
    builder.pci(1, "pcie-root-port", hotplug="off")
    builder.pci(2, "pcie-root-port", hotplug="on", chassis=40, port=9)
    builder.add("rng-virtio")
    builder.add("rng-virtio")


@topology
def conventional_bus_overflows(builder):
    for _ in range(33):
        builder.add("sound-ac97")


@topology
def conventional_bus_overflows_twice(builder):
    for _ in range(64):
        builder.add("watchdog")


@topology
def explicit_bridge_overflows(builder):
    ports(builder, 1)
    builder.pci(2, "pcie-to-pci-bridge")
    for _ in range(32):
        builder.add("sound-ac97")


@topology
def express_device_on_a_conventional_bus(builder):
    ports(builder, 1)
    builder.pci(2, "pcie-to-pci-bridge")
    builder.pci(3, "dmi-to-pci-bridge")
    builder.add("rng-virtio", (2, 3))
    builder.add("rng-virtio", (3, 0))


@topology
def conventional_device_behind_a_port(builder):
    ports(builder, 1)
    builder.add("watchdog", (1, 0))


@topology
def integrated_devices_come_after_the_ports(builder):
    builder.add("iommu-virtio")
    builder.add("panic")
    for _ in range(10):
        builder.add("rng-virtio")


@topology
def integrated_devices_with_an_address(builder):
    builder.add("iommu-virtio", (0, 9))
    builder.add("panic", (0, 1))
    builder.add("rng-virtio")


@topology
def usb2_companions_share_a_slot(builder):
    for index in range(2):
        for model, start in ICH9_USB:
            builder.controller("usb", index, model, children="" if start is None else f"<master startport='{start}'/>")
    builder.add("usb-disk")


@topology
def usb2_companions_follow_an_explicit_one(builder):
    for model, start in reversed(ICH9_USB):
        builder.controller("usb", 0, model, (0, 4, 7) if start is None else None,
                           children="" if start is None else f"<master startport='{start}'/>")


@topology
def controllers_are_sorted_by_index_within_their_type(builder):
    builder.pci(0, "pcie-root")
    for kind, index in (("virtio-serial", 1), ("scsi", 2), ("virtio-serial", 0), ("scsi", 0), ("usb", 1), ("usb", 0)):
        builder.controller(kind, index)
    builder.controller("scsi")


@topology
def implied_controllers(builder):
    builder.add_xml("<disk type='file'><source file='/images/a'/><target dev='sdz' bus='scsi'/></disk>")
    builder.add("channel")
    builder.add_xml("<disk type='file'><source file='/images/b'/><target dev='sdg' bus='sata'/></disk>")
    builder.add("disk-nvme")
    builder.controller("usb")
    builder.add("usb-smartcard")


@topology
def implied_controllers_up_to_the_drive_address(builder):
    builder.add_xml("<disk type='file'><source file='/images/a'/><target dev='sda' bus='scsi'/></disk>",
                    "<address type='drive' controller='3' bus='0' target='0' unit='0'/>")
    builder.controller("scsi", 1, "lsilogic")


@topology
def implied_nvme_controllers(builder):
    for number in (2, 0, 1):
        builder.add_xml(f"<disk type='file'><source file='/images/{number}'/><target dev='nvme{number}n1' bus='nvme'/>"
                        f"<serial>{number}</serial></disk>")


@topology
def implied_controllers_for_scsi_hostdevs(builder):
    for _ in range(9):
        builder.add("hostdev-scsi")
    builder.add("disk-sata")


@topology
def implied_serial_controllers(builder):
    for _ in range(33):
        builder.add("channel")


@topology
def implied_serial_controllers_around_small_ones(builder):
    builder.controller("virtio-serial", 0, ports=1)
    builder.controller("virtio-serial", 2, ports=3)
    for _ in range(4):
        builder.add("channel")
    builder.add("console-virtio")


@topology
def implied_serial_controller_of_an_explicit_port(builder):
    builder.add("channel", "<address type='virtio-serial' controller='2' bus='0' port='1'/>")
    builder.add("channel")


@topology
def disks_are_sorted_by_target(builder):
    for name, bus in (("vdc", "virtio"), ("vdaa", "virtio"), ("sdb", "scsi"), ("vda", "virtio"), ("vdb", "virtio"),
                      ("sda", "virtio"), ("sdc", "scsi")):
        builder.add_xml(f"<disk type='file'><source file='/images/{name}'/><target dev='{name}' bus='{bus}'/></disk>")


@topology
def primary_video_comes_first(builder):
    for extra in ("", "heads='2'", "primary='yes'"):
        builder.add_xml(f"<video><model type='virtio' {extra}/></video>")


@topology
def hostdev_interfaces_come_before_hostdevs(builder):
    for kind in ("hostdev", "net-hostdev", "mdev", "hostdev-iommufd", "net-hostdev", "scsi-host-virtio"):
        builder.add(kind)


@topology
def graphics_imply_a_video(builder):
    builder.add("graphics")
    builder.add("watchdog")


@topology
def mdev_with_display(builder):
    builder.add("graphics")
    builder.add_xml("<hostdev mode='subsystem' type='mdev' model='vfio-pci' display='on'><source>"
                    "<address uuid='c2177883-f1bb-47f0-914d-000000000000'/></source></hostdev>")


@topology
def one_virtio_mmio_device_moves_the_others(builder):
    builder.add("rng-virtio", "<address type='virtio-mmio'/>")
    for kind in ("rng-virtio", "disk-virtio", "disk-scsi", "net-virtio", "net-virtio-transitional", "net-e1000e",
                 "filesystem", "vsock-virtio", "sound-virtio", "sound-ac97", "iommu-virtio", "video-virtio", "crypto",
                 "channel", "input-keyboard", "memballoon-virtio", "hostdev", "shmem-plain", "panic"):
        builder.add(kind)
    builder.controller("scsi", 1, "vmpvscsi")
    builder.controller("scsi", 2, "virtio-scsi", (0, 7))
    builder.controller("usb", 0)


@topology
def mmio_filesystem_moves_the_others(builder):
    builder.add("filesystem", "<address type='virtio-mmio'/>")
    builder.add("filesystem")
    builder.add("rng-virtio")


@topology
def one_of_everything(builder):
    builder.controller("usb")
    for kind in reversed((*ENDPOINTS, *USB_DEVICES)):
        unique = next((single for single in SINGLE if kind.startswith(single)), None)
        if kind in (*PRIMARY_VIDEOS, "video-none", "iommu-smmuv3") or (unique and any(
                (other or "").startswith(unique) for other in builder.kinds)):
            continue
        builder.add(kind)


def topologies():
    for name, build in TOPOLOGIES.items():
        builder = Builder(name)
        build(builder)
        yield builder.domain(name)


#
# Addresses that libvirt refuses
#

REFUSED = {
    "slot-out-of-range-of-a-port": lambda b: (ports(b, 1), b.add("rng-virtio", (1, 1))),
    "slot-out-of-range-everywhere": lambda b: b.add("rng-virtio", (0, 32)),
    "slot-0-of-a-bridge": lambda b: (ports(b, 1), b.pci(2, "pcie-to-pci-bridge"), b.add("watchdog", (2, 0))),
    "function-out-of-range": lambda b: b.add("rng-virtio", (0, 3, 8)),
    "bus-out-of-range": lambda b: b.add("rng-virtio", (256, 0)),
    "bus-far-away": lambda b: b.add("rng-virtio", (255, 0)),
    "other-pci-domain": lambda b: b.add("rng-virtio", "<address type='pci' domain='1' bus='0' slot='3'/>"),
    "not-a-number": lambda b: b.add("rng-virtio", "<address type='pci' slot='three'/>"),
    "negative-number": lambda b: b.add("rng-virtio", "<address type='pci' slot='-1'/>"),
    "double-use": lambda b: (b.add("rng-virtio", (0, 3)), b.add("watchdog", (0, 3))),
    "double-use-of-a-port": lambda b: (ports(b, 1), b.add("rng-virtio", (1, 0)), b.add("hostdev", (1, 0))),
    "double-use-of-a-function": lambda b: (b.add("rng-virtio", (0, 3, 2)), b.pci(1, "pcie-root-port", (0, 3, 2))),
    "double-use-by-usb2-companions": lambda b: (
        b.controller("usb", 0, "ich9-ehci1", (0, 4, 0)),
        b.controller("usb", 0, "ich9-uhci1", children="<master startport='0'/>")),
    "endpoint-on-an-expander-bus": lambda b: (
        b.pci(0, "pcie-root"), b.pci(1, "pcie-expander-bus"), b.add("rng-virtio", (1, 0))),
    "endpoint-on-an-upstream-port": lambda b: (
        ports(b, 1), b.pci(2, "pcie-switch-upstream-port"), b.add("rng-virtio", (2, 0))),
    "port-behind-a-port": lambda b: (ports(b, 1), b.pci(2, "pcie-root-port", (1, 0))),
    "port-behind-a-bridge": lambda b: (
        ports(b, 1), b.pci(2, "pcie-to-pci-bridge"), b.pci(3, "pcie-root-port", (2, 1))),
    "port-behind-itself": lambda b: (b.pci(0, "pcie-root"), b.pci(1, "pcie-root-port", (1, 0))),
    "expander-bus-behind-a-port": lambda b: (ports(b, 1), b.pci(2, "pcie-expander-bus", (1, 0))),
    "bridge-on-the-root-bus": lambda b: (b.pci(0, "pcie-root"), b.pci(1, "pcie-to-pci-bridge", (0, 5))),
    "upstream-port-on-the-root-bus": lambda b: (b.pci(0, "pcie-root"), b.pci(1, "pcie-switch-upstream-port", (0, 5))),
    "downstream-port-without-upstream": lambda b: (b.pci(0, "pcie-root"), b.pci(1, "pcie-switch-downstream-port")),
    "pci-bridge-behind-itself": lambda b: (b.pci(0, "pcie-root"), b.pci(1, "pci-bridge")),
    "pci-bridge-behind-a-later-bus": lambda b: (
        b.pci(0, "pcie-root"), b.pci(1, "pci-bridge", (2, 1)), b.pci(2, "dmi-to-pci-bridge")),
    "integrated-iommu-behind-a-port": lambda b: (ports(b, 1), b.add("iommu-virtio", (1, 0))),
    "integrated-panic-behind-a-port": lambda b: (ports(b, 1), b.add("panic", (1, 0))),
    "root-bus-is-full": lambda b: [b.add("rng-virtio", (0, slot)) for slot in range(1, 32)] + [b.add("rng-virtio")],
    "root-bus-is-full-for-an-integrated-device": lambda b: [
        b.add("rng-virtio", (0, slot)) for slot in range(1, 32)] + [b.add("iommu-virtio")],
    "root-bus-is-full-for-a-bridge": lambda b: [b.add("rng-virtio", (0, slot)) for slot in range(1, 32)] + [b.add("watchdog")],
    "more-ports-than-functions": lambda b: (b.pci(0, "pcie-root"), b.pci(249, "pcie-root-port")),
    "no-free-bus-number": lambda b: (
        b.pci(0, "pcie-root"), b.pci(1, "pcie-expander-bus", busNr=2), b.pci(2, "pcie-expander-bus")),
    "sound-that-has-no-bus": lambda b: b.add_xml("<sound model='ich7'/>"),
    "video-that-has-no-bus": lambda b: b.add_xml("<video><model type='gop'/></video>"),
    "virtio-disk-with-drive-address": lambda b: b.add("disk-virtio", "<address type='drive' controller='0'/>"),
    "scsi-disk-with-pci-address": lambda b: b.add("disk-scsi", (0, 3)),
}


def refusals():
    for name, build in REFUSED.items():
        builder = Builder(name)
        build(builder)
        yield builder.domain(f"refused-{name}")


#
# Random mixtures
#

class Tree:
    """PCI controllers chosen at random, and the addresses an endpoint can be given on them."""

    def __init__(self, builder):
        self.builder = builder
        self.random = builder.random
        self.next = 1
        self.free = {}
        self.unused_slot = {0: list(range(1, 32))}

    def index(self):
        if self.random.random() < 0.12:
            self.next += self.random.randint(1, 3)
        self.next += 1
        return self.next - 1

    def slot_on(self, bus, aggregate=False):
        """An explicit address on a bus, or none: then libvirt chooses."""
        if bus == 0 and self.random.random() < 0.6:
            return None
        slots = self.unused_slot[bus]
        slot = self.random.choice(slots)
        if not (aggregate and self.random.random() < 0.5):
            slots.remove(slot)
            return (bus, slot)
        functions = self.free.setdefault((bus, slot), list(range(8)))
        function = functions.pop(0 if self.random.random() < 0.8 else -1)
        if not functions:
            slots.remove(slot)
        return (bus, slot, function)

    def port(self, bus=0):
        target = {"hotplug": "off"} if self.random.random() < 0.15 else {}
        index = self.index()
        self.builder.pci(index, "pcie-root-port", self.slot_on(bus, aggregate=True), **target)
        return index

    def expander_bus(self):
        index = self.index()
        target = {}
        if self.random.random() < 0.3:
            target["node"] = self.random.randint(0, 3)
        self.builder.pci(index, "pcie-expander-bus", self.slot_on(0), **target)
        self.unused_slot[index] = list(range(32))
        return index

    def switch(self, bus):
        upstream = self.index()
        self.builder.pci(upstream, "pcie-switch-upstream-port", (self.port(bus), 0))
        self.unused_slot[upstream] = list(range(32))
        downstream = []
        for _ in range(self.random.randint(1, 4)):
            index = self.index()
            self.builder.pci(index, "pcie-switch-downstream-port", self.slot_on(upstream))
            downstream.append(index)
        return downstream

    def bridge(self, bus):
        index = self.index()
        self.builder.pci(index, "pcie-to-pci-bridge", (bus, 0))
        self.unused_slot[index] = list(range(1, 32))
        return index


def random_tree(builder):
    """Returns the buses that take endpoints at explicit addresses, each with its slots."""
    tree = Tree(builder)
    style = tree.random.choice(("none", "root", "ports", "ports", "mixed", "mixed", "mixed"))
    endpoint_buses = {0: tree.unused_slot[0]}
    if style == "none":
        return endpoint_buses
    if style == "root" or tree.random.random() < 0.8:
        builder.pci(0, "pcie-root")
    if style == "root":
        return endpoint_buses
    roots = [0]
    if style == "mixed":
        roots += [tree.expander_bus() for _ in range(tree.random.randint(0, 3))]
    for _ in range(tree.random.randint(1, 10)):
        endpoint_buses[tree.port(tree.random.choice(roots))] = [0]
    if style == "mixed" and tree.random.random() < 0.4:
        for index in tree.switch(tree.random.choice(roots)):
            endpoint_buses[index] = [0]
    if style == "mixed" and tree.random.random() < 0.5:
        bridge = tree.bridge(tree.port(tree.random.choice(roots)))
        endpoint_buses[bridge] = tree.unused_slot[bridge]
        if tree.random.random() < 0.4:
            inner = tree.index()
            builder.pci(inner, "pci-bridge", tree.slot_on(bridge))
            endpoint_buses[inner] = list(range(1, 32))
    if style == "mixed" and tree.random.random() < 0.2:
        dmi = tree.index()
        builder.pci(dmi, "dmi-to-pci-bridge", tree.slot_on(0))
        endpoint_buses[dmi] = list(range(32))
    return endpoint_buses


def take_address(builder, buses):
    """Takes an explicit address off the free ones; sometimes only a part of a slot."""
    bus = builder.random.choice([bus for bus in buses if buses[bus]])
    slot = buses[bus].pop(builder.random.randrange(len(buses[bus])))
    if (bus, slot) != (0, 0) and builder.random.random() < 0.1:
        return (bus, slot, builder.random.randint(0, 7))
    return (bus, slot)


def random_controllers(builder, buses, explicit):
    """Other controllers; returns whether there is a usable USB controller."""
    usb = False
    for kind, models in (("usb", USB_MODELS[:-1]), ("scsi", SCSI_MODELS), ("virtio-serial", SERIAL_MODELS), ("sata", [""])):
        for index in range(builder.random.choice((0, 0, 0, 1, 1, 2))):
            if builder.random.random() < 0.15:
                index = None
            model = builder.random.choice(models)
            on_pci = model != "ibmvscsi" and builder.random.random() < explicit
            builder.controller(kind, index, model, take_address(builder, buses) if on_pci else None)
            usb = usb or kind == "usb"
    if not usb and builder.random.random() < 0.15:
        usb = True
        for model, start in builder.random.sample(ICH9_USB, 4):
            builder.controller("usb", 0, model, children="" if start is None else f"<master startport='{start}'/>")
    return usb


def random_kinds(builder, usb):
    alone = (*PRIMARY_VIDEOS, "video-none")
    pool = [kind for kind in (*ENDPOINTS, *(USB_DEVICES if usb else ())) if kind not in alone]
    chosen = []
    for _ in range(builder.random.choice((1, 4, 8, 16, 30))):
        kind = builder.random.choice(pool)
        chosen.append(kind)
        single = next((single for single in SINGLE if kind.startswith(single)), None)
        if single:
            pool = [other for other in pool if not other.startswith(single)]
    return chosen


def random_placement(seed):
    builder = Builder(seed)
    builder.random.shuffle(builder.disk_letters)
    buses = random_tree(builder)
    explicit = builder.random.choice((0, 0.1, 0.5))
    usb = random_controllers(builder, buses, explicit)
    kinds = random_kinds(builder, usb)
    if builder.random.random() < 0.12:
        kinds = [kind for kind in kinds if not kind.startswith(NEVER_ON_MMIO)]
        builder.add(builder.random.choice(MMIO_DEVICES), "<address type='virtio-mmio'/>")
    for kind in kinds:
        address = None
        if kind not in NOT_ON_PCI and builder.random.random() < explicit:
            # These two are part of the root complex.
            integrated = kind.startswith(("iommu-virtio", "panic"))
            address = take_address(builder, {0: buses[0]} if integrated else buses)
        builder.add(kind, address)
    builder.random.shuffle(builder.devices)
    return builder


def random_placements():
    for seed in range(RANDOM_PLACEMENTS):
        yield random_placement(seed).domain(f"random-{seed:03d}")
    for seed in range(RANDOM_WRONG_ADDRESSES):
        builder = random_placement(1000 + seed)
        builder.add("rng-virtio", (builder.random.randint(0, 12), builder.random.choice((0, 0, 0, 1, 2)),
                                   builder.random.choice((0, 0, 1))))
        yield builder.domain(f"random-address-{seed:03d}")


#
# Guests with vSMMUs
#

HOLES = (("KiB", 1 << 30), ("MiB", 1 << 20), ("GiB", 512), ("TiB", 2), ("G", 1024), ("T", 1), (None, 1 << 29),
         ("bytes", 1 << 40), ("b", (1 << 38) + 1), ("KB", 1000), ("MB", 4096))
SMMU_ATTRIBUTES = {"ats": ("on", "off"), "ril": ("on", "off"), "ssidsize": ("0", "8", "20"), "oas": ("44", "48"),
                   "cmdqv": ("on", "off")}


class VsmmuGuest:
    """One guest chosen at random: 1 to 4 vSMMUs, and ports, switches, bridges and host devices below them."""

    def __init__(self, seed, aliases):
        self.builder = Builder(seed)
        self.builder.aliases = aliases
        self.random = self.builder.random
        self.next = 1
        self.boot_orders = iter(range(1, 100))
        self.endpoint_buses = []

    def chance(self, probability):
        return self.random.random() < probability

    def pci(self, model, address=None, children="", **target):
        index = self.next
        self.next += 1
        if self.chance(0.08):
            children += f"<alias name='ua-bus{index}'/>"
        self.builder.pci(index, model, address, children, **target)
        return index

    def root(self):
        children = ""
        if self.chance(0.6):
            unit, size = self.random.choice(HOLES)
            children = f"<pcihole64{f' unit={unit!r}' if unit else ''}>{size}</pcihole64>"
        self.builder.pci(0, "pcie-root", None, children)

    def expander_bus(self, number):
        target = {"busNr": 32 + 48 * number} if self.chance(0.6) else {}
        if self.chance(0.5):
            target["node"] = self.random.randint(0, 3)
        return self.pci("pcie-expander-bus", (0, 8 + number) if self.chance(0.3) else None, **target)

    def port_target(self, number):
        target = {}
        if self.chance(0.2):
            target["chassis"] = 100 + number
        if self.chance(0.2):
            target["port"] = self.random.choice(("0x21", "7"))
        if self.chance(0.3):
            target["hotplug"] = self.random.choice(("on", "off"))
        return target

    def ports(self, root):
        slots = self.random.sample(range(16, 31) if root == 0 else range(0, 32), 4)
        together = self.chance(0.3)
        for number in range(self.random.randint(1, 4)):
            address = None
            if root != 0 or self.chance(0.5):
                address = (root, slots[0], number, "on" if number == 0 else None) if together else (root, slots[number])
            target = self.port_target(self.next)
            if self.chance(0.1):
                target["memReserve"] = 64
            model = "<model name='ioh3420'/>" if self.chance(0.05) else ""
            self.below(self.pci("pcie-root-port", address, model, **target))

    def below(self, port):
        if self.chance(0.12):
            upstream = self.pci("pcie-switch-upstream-port", (port, 0))
            for number in range(self.random.randint(1, 3)):
                address = (upstream, number) if self.chance(0.7) else None
                self.endpoint_buses.append((self.pci("pcie-switch-downstream-port", address,
                                                     **self.port_target(self.next)), 0))
        elif self.chance(0.06):
            bridge = self.pci("pcie-to-pci-bridge", (port, 0))
            self.endpoint_buses.append((bridge, 3))
            if self.chance(0.5):
                self.endpoint_buses.append((self.pci("pci-bridge", (bridge, 5), chassisNr=50 + bridge), 4))
        else:
            self.endpoint_buses.append((port, 0))

    def smmu(self, bus, accelerated):
        driver = {"pciBus": str(bus)}
        if accelerated:
            driver["accel"] = "on"
            driver |= {name: self.random.choice(values) for name, values in SMMU_ATTRIBUTES.items() if self.chance(0.5)}
        elif self.chance(0.5):
            driver["accel"] = "off"
        attributes = " ".join(f"{name}='{value}'" for name, value in driver.items())
        self.builder.add_xml(f"<iommu model='smmuv3'><driver {attributes}/></iommu>")

    def hostdev(self, address):
        element = self.builder.add(self.random.choice(("hostdev-iommufd",) * 8 + ("hostdev",)), address)
        children = ""
        if self.chance(0.4):
            children += self.random.choice(("<rom bar='off'/>", "<rom bar='on'/>", "<rom file='/roms/a,b c.rom'/>",
                                            "<rom enabled='no'/>", "<rom bar='on' file='/roms/gpu.rom'/>"))
        if self.chance(0.3):
            children += f"<boot order='{next(self.boot_orders)}'/>"
        if self.chance(0.4):
            children += f"<acpi nodeset='{self.random.choice(('2', '0-3', '2-3', '1,3'))}'/>"
        elif self.chance(0.05):
            children += f"<acpi index='{self.builder.number}'/>"
        element.extend(ET.fromstring(f"<x>{children}</x>"))

    def hostdevs(self):
        for bus, slot in self.endpoint_buses:
            if self.chance(0.2):
                continue
            if self.chance(0.2):
                self.hostdev((bus, slot, 0, "on"))
                self.hostdev((bus, slot, self.random.randint(1, 7)))
            else:
                self.hostdev((bus, slot))
        if self.chance(0.3):
            self.hostdev(None)

    def build(self, name):
        self.root()
        on_root_bus = self.chance(0.25)
        count = self.random.randint(0 if on_root_bus else 1, 4 - on_root_bus)
        roots = [0] if on_root_bus else []
        if on_root_bus or self.chance(0.3):
            self.ports(0)
        for number in range(count):
            roots.append(self.expander_bus(number))
            self.ports(roots[-1])
        if self.chance(0.3):
            self.expander_bus(count)
        self.hostdevs()
        plain = self.random.choice([None, None, *roots[1:]])
        for root in self.random.sample(roots, len(roots)):
            self.smmu(root, accelerated=root != plain)
        for slot in range(1, self.random.randint(1, 4)):
            self.builder.add(self.random.choice(("rng-virtio", "disk-virtio")), (0, slot))
        self.builder.machine = self.random.choice(("virt", "virt", "virt-11.0", "virt-10.1"))
        if self.chance(0.1):
            self.builder.domain_children = "<iommufd enabled='yes'/>"
        return self.builder.domain(name)


def vsmmus(aliases=True):
    """Guests with vSMMUs; without aliases libvirt and we have to agree on the names of the devices too."""
    for seed in range(RANDOM_VSMMUS):
        yield VsmmuGuest(f"vsmmu {seed}", aliases).build(f"vsmmu-{seed:03d}{'' if aliases else '-unnamed'}")


def placements():
    yield from single_devices()
    yield from topologies()
    yield from refusals()
    yield from random_placements()
    yield from vsmmus()


def main():
    if len(sys.argv) != 2:
        sys.exit("Usage: domains.py OUTDIR")
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for domain in placements():
        (directory / f"{domain.name}.xml").write_text(domain.xml, encoding="utf-8")


if __name__ == "__main__":
    main()
