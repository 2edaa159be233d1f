"""A device attached to a running guest comes where libvirt puts it, and is refused where libvirt refuses it."""

import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

GUEST = """<domain type='qemu'>
  <name>attach</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><gic version='3'/></features>
  <cpu mode='custom'><model>cortex-a57</model></cpu>
  <devices>
    <controller type='usb' model='none'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'>
      <target hotplug='off'/>
      <address type='pci' bus='1' slot='0'/>
    </controller>
    <controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>
    <controller type='pci' index='4' model='pcie-root-port'><address type='pci' bus='0' slot='3'/></controller>
    <controller type='pci' index='5' model='pcie-root-port'>
      <target hotplug='off'/>
      <address type='pci' bus='0' slot='4'/>
    </controller>
    <controller type='pci' index='6' model='pcie-switch-upstream-port'>
      <address type='pci' bus='4' slot='0'/>
    </controller>
    <controller type='pci' index='7' model='pcie-switch-downstream-port'>
      <address type='pci' bus='6' slot='0'/>
    </controller>
    <controller type='pci' index='8' model='pcie-switch-downstream-port'>
      <address type='pci' bus='6' slot='1'/>
    </controller>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
      <address type='pci' bus='8' slot='0'/>
    </rng>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def rng(**address):
    parts = "".join(f" {name}='{value}'" for name, value in address.items())
    where = f"<address type='pci'{parts}/>" if address else ""
    return f"<rng model='virtio'><backend model='random'>/dev/urandom</backend>{where}</rng>"


# In this order: the devices that libvirt takes stay. With what libvirt says, where it refuses.
ATTACHED = [
    ("bus that is not there", rng(bus=9, slot=0), "Only PCI buses up to 8"),
    ("port with hotplug off", rng(bus=2, slot=0), "doesn't support hotplug"),
    ("pcie-root", rng(bus=0, slot=9), "doesn't support hotplug"),
    ("expander bus", rng(bus=1, slot=5), "doesn't support hotplug"),
    ("upstream port", rng(bus=6, slot=5), "doesn't support hotplug"),
    ("address in use", rng(bus=8, slot=0), "double use of PCI Address"),
    ("other function of an address in use", rng(bus=8, slot=0, function=1), "function=0"),
    ("function 1", rng(bus=3, slot=0, function=1), "function=0"),
    ("slot 1 of a port", rng(bus=3, slot=1), "slot must be <= 0"),
    ("domain 1", rng(domain=1, bus=3, slot=0), "Only PCI domain 0"),
    ("IOMMU", "<iommu model='smmuv3'/>", "not supported"),
    ("memory balloon", "<memballoon model='virtio'/>", "not supported"),
    ("sound", "<sound model='ich9'/>", "not supported"),
    ("port", "<controller type='pci' index='9' model='pcie-root-port'/>", "modelName"),
    ("first without an address", rng(), None),
    ("given port", rng(bus=7, slot=0), None),
    ("nothing left", rng(), "No more available PCI slots"),
    ("address 0", rng(bus=0, slot=0), "No more available PCI slots"),
]
OUTCOMES = {
    "Only PCI buses": "NO-BUS", "doesn't support hotplug": "NO-HOTPLUG", "double use": "TAKEN",
    "No more available": "TAKEN", "function=0": "REFUSED", "slot must be": "REFUSED", "Only PCI domain": "REFUSED",
    "not supported": "UNSUPPORTED", "modelName": "UNSUPPORTED",
}


@pytest.fixture(scope="module")
def running(libvirt_daemon):
    """The guest, started and not running a single instruction."""
    libvirt = libvirt_daemon.libvirt
    domain = libvirt_daemon.connection.createXML(GUEST, libvirt.VIR_DOMAIN_START_PAUSED)
    yield domain
    domain.destroy()


def addresses(xml):
    """Where the random number generators of a domain are."""
    found = set()
    for address in ET.fromstring(xml).findall("devices/rng/address"):
        bus, slot, function = (int(address.get(part), 16) for part in ("bus", "slot", "function"))
        found.add(f"{bus:02x}:{slot:02x}.{function:x}")
    return found


def test_a_device_comes_where_libvirt_puts_it(running, libvirt_daemon, build_dir, tmp_path):
    """One test, because each device changes the guest that the next one is attached to."""
    libvirt = libvirt_daemon.libvirt
    for name, device, words in ATTACHED:
        before = running.XMLDesc()
        (tmp_path / "guest.xml").write_text(before, encoding="utf-8")
        (tmp_path / "device.xml").write_text(device, encoding="utf-8")
        ours = subprocess.run([build_dir / "tests" / "print-placement", "--attach", tmp_path / "device.xml",
                               tmp_path / "guest.xml"], capture_output=True, text=True, check=True).stdout.strip()
        try:
            running.attachDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            refusal = None
            expected, = addresses(running.XMLDesc()) - addresses(before)
        except libvirt.libvirtError as error:
            refusal = error.get_error_message()
            expected = next((outcome for text, outcome in OUTCOMES.items() if text in refusal), refusal)
        assert (refusal is None) == (words is None) and (words is None or re.search(re.escape(words), refusal)), name
        assert ours == expected, f"{name}: libvirt says {refusal}"


def test_a_bus_with_hotplug_off_takes_devices_at_start(libvirt_daemon, build_dir, tmp_path):
    """The counterpart: at start libvirt does put devices there."""
    xml = GUEST.replace("attach", "start").replace("<memballoon", rng() * 2 + "<memballoon")
    (tmp_path / "guest.xml").write_text(xml, encoding="utf-8")
    ours = subprocess.run([build_dir / "tests" / "print-placement", tmp_path / "guest.xml"],
                          capture_output=True, text=True, check=True).stdout
    expected = addresses(libvirt_daemon.place(xml))
    assert expected == {"02:00.0", "03:00.0", "08:00.0"}
    assert {line.split("\t")[1] for line in ours.splitlines() if line.startswith("rng")} == expected
