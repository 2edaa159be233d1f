"""An older libvirt makes of a lowered domain what a newer one makes of the domain itself, and lifting shows that."""

import difflib
import json
import shlex
import xml.etree.ElementTree as ET

import libvirt_qemu
import pytest

import domains
from test_adapt import lift, lower
from test_args import EXAMPLES, for_this_machine

# What such an example lacks is chosen at random, or has no meaning and is shown all the same.
CASES = [(domain.name, domain.xml) for aliases in (True, False) for domain in domains.vsmmus(aliases)]
CASES += [(path.stem, path.read_text(encoding="utf-8")) for path in EXAMPLES
          if "<interface" not in path.read_text(encoding="utf-8")]
# libvirt 11.3 itself; and the newest one, which takes what is meant for older ones too.
PAIRS = [("libvirt=11.3", "older", CASES), ("libvirt=11.10", "newer", CASES[::4]), ("libvirt=12.1", "newer", CASES[1::8])]
ALL = [pytest.param(target, which, xml, id=f"{target}-{name}") for target, which, cases in PAIRS for name, xml in cases]


@pytest.fixture(scope="module")
def daemons(libvirt_daemon, older_libvirt_daemon):
    return {"newer": libvirt_daemon, "older": older_libvirt_daemon}


def canonical(element):
    """An element with everything in an order that does not count."""
    attributes = "".join(f" {name}={value!r}" for name, value in sorted(element.attrib.items()))
    children = sorted("\n" + canonical(child) for child in element)
    return f"<{element.tag}{attributes}>{(element.text or '').strip()}" + "".join(children).replace("\n", "\n  ")


def meaning(xml):
    root = ET.fromstring(xml)
    for name in ("uuid", "metadata"):
        for element in root.findall(name):
            root.remove(element)
    return canonical(root)


def assert_same(expected, got):
    if expected != got:
        lines = difflib.unified_diff(expected.splitlines(), got.splitlines(), "newer libvirt", "lowered", lineterm="", n=2)
        pytest.fail("\n".join(lines), pytrace=False)


def arguments(command_line):
    """What QEMU makes of a command line, as far as adapting has to do with it."""
    argv, devices, initiators, machine, backend = shlex.split(command_line), [], set(), {}, ""
    for option, value in zip(argv, argv[1:]):
        if value.startswith("{"):
            properties = json.loads(value)
        else:
            first, *rest = value.split(",")
            properties = {"driver" if option == "-device" else "qom-type": first, **dict(part.split("=") for part in rest if "=" in part)}
        if option == "-machine":
            machine |= dict(part.split("=") for part in value.split(",") if part.startswith(("iommu=", "highmem-mmio-size=")))
        elif option == "-global" and value.startswith("vfio-pci.iommufd="):
            backend = value.partition("=")[2]
        elif option == "-device":
            devices.append(properties)
        elif option == "-object" and properties["qom-type"] == "acpi-generic-initiator":
            initiators.add((properties["pci-dev"], int(properties["node"])))
    for properties in devices:
        if properties["driver"] == "vfio-pci":
            # libvirt passes open files to QEMU, or the address.
            properties.pop("host", None)
            properties["iommufd"] = bool(properties.get("iommufd", backend))
        elif properties["driver"] == "arm-smmuv3":
            properties["id"] = properties["id"].replace("ua-iommu", "iommu")
    return devices, initiators, machine


def comparable(command_line):
    devices, initiators, machine = arguments(command_line)
    lines = [json.dumps({name: str(value) for name, value in properties.items()}, sort_keys=True) for properties in devices]
    return "\n".join([*sorted(lines), *map(str, sorted(initiators)), str(machine)])


def buses_before_what_is_on_them(devices):
    """QEMU needs each bus before what is on it, and a vSMMU before the endpoints below it."""
    seen, endpoints = {"pcie.0"}, False
    for properties in devices:
        if properties["driver"] == "arm-smmuv3":
            assert properties["primary-bus"] in seen and not endpoints
        elif properties["driver"] in ("pxb-pcie", "pcie-root-port", "ioh3420", "x3130-upstream", "xio3130-downstream"):
            seen.add(properties["id"])
        elif properties["driver"] == "vfio-pci":
            endpoints = True
    return True


@pytest.mark.parametrize("target, which, xml", ALL)
def test_libvirt_makes_the_same_guest_of_the_lowered_domain(daemons, program, target, which, xml):
    xml = for_this_machine(xml)
    native = daemons["newer"].place(xml)
    placed = daemons[which].place(lower(program, xml, target))
    lifted = lift(program, placed)
    assert_same(meaning(native), meaning(lifted))
    assert_same(comparable(daemons["newer"].command_line(native)), comparable(daemons[which].command_line(placed)))
    assert buses_before_what_is_on_them(arguments(daemons[which].command_line(placed))[0])
    # dumpxml, edit, define: nothing changes.
    assert_same(meaning(placed), meaning(daemons[which].place(lower(program, lifted, target))))


def is_valid(daemon, xml):
    try:
        domain = daemon.connection.defineXMLFlags(xml, daemon.libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    except daemon.libvirt.libvirtError as error:
        assert "failed to validate" in error.get_error_message()
        return False
    domain.undefineFlags(daemon.libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    return True


def test_the_schema_of_an_older_libvirt_takes_a_lowered_domain(daemons, program):
    domains_here = [for_this_machine(xml) for _, xml in CASES[:30]]
    valid = [xml for xml in domains_here if is_valid(daemons["newer"], xml)]
    assert len(valid) > 5
    assert all(is_valid(daemons["older"], lower(program, xml)) for xml in valid)


def test_what_the_user_passes_through_himself_still_counts(older_libvirt_daemon, program):
    qemu = "http://libvirt.org/schemas/domain/qemu/1.0"
    xml = EMULATED.replace("</domain>", f"""
      <qemu:commandline xmlns:qemu='{qemu}'><qemu:arg value='-name'/><qemu:arg value='mine'/></qemu:commandline>
      <qemu:override xmlns:qemu='{qemu}'><qemu:device alias='ua-second'><qemu:frontend>
        <qemu:property name='accel' type='bool' value='true'/></qemu:frontend></qemu:device></qemu:override></domain>""")
    placed = older_libvirt_daemon.place(lower(program, xml))
    command_line = older_libvirt_daemon.command_line(placed)
    assert "-name mine" in command_line
    smmus = [device for device in arguments(command_line)[0] if device["driver"] == "arm-smmuv3"]
    assert [smmu.get("accel") for smmu in smmus] == [None, True]
    lifted = ET.fromstring(lift(program, placed))
    assert [argument.get("value") for argument in lifted.iter(f"{{{qemu}}}arg")] == ["-name", "mine"]
    assert [driver.get("accel") for driver in lifted.iterfind("devices/iommu/driver")] == [None, "on"]
    assert not list(lifted.iter(f"{{{qemu}}}device"))


#
# A guest that runs
#

EMULATED = """<domain type='qemu'>
  <name>emulated</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><gic version='3'/></features>
  <devices>
    <controller type='pci' index='0' model='pcie-root'>
      <pcihole64 unit='TiB'>1</pcihole64>
    </controller>
    <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>
    <controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>
    <controller type='pci' index='4' model='pcie-expander-bus'><target busNr='64'/></controller>
    <controller type='pci' index='5' model='pcie-root-port'><address type='pci' bus='4' slot='0'/></controller>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
      <address type='pci' bus='2' slot='0'/>
    </rng>
    <iommu model='smmuv3'><driver pciBus='1'/></iommu>
    <iommu model='smmuv3'><driver pciBus='4' accel='off'/><alias name='ua-second'/></iommu>
  </devices>
</domain>
"""
DEVICE = "<rng model='virtio'><backend model='random'>/dev/urandom</backend><address type='pci' bus='{}' slot='0'/></rng>"


@pytest.fixture(scope="module")
def running(older_libvirt_daemon, program):
    """The lowered guest, started and not running a single instruction."""
    domain = older_libvirt_daemon.connection.createXML(lower(program, EMULATED),
                                                       older_libvirt_daemon.libvirt.VIR_DOMAIN_START_PAUSED)
    yield domain
    domain.destroy()


def ask(domain, command, **arguments):
    reply = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": command, "arguments": arguments}), 0)
    return json.loads(reply)["return"]


def bus_of(domain, device):
    return ask(domain, "qom-get", path=f"/machine/peripheral/{device}", property="parent_bus")


def test_qemu_has_the_vsmmus_ports_and_devices_of_the_users_domain(running):
    smmus = {name: ask(running, "qom-get", path=f"/machine/peripheral/{name}", property="primary-bus")
             for name in ("ua-iommu0", "ua-second")}
    assert smmus["ua-iommu0"] == bus_of(running, "pci.2") == bus_of(running, "pci.3")
    assert smmus["ua-second"] == bus_of(running, "pci.5") != smmus["ua-iommu0"]
    assert bus_of(running, "rng0") == "/machine/peripheral/pci.2/pci.2"
    assert ask(running, "qom-get", path="/machine", property="highmem-mmio-size") == 1 << 40
    # And nothing besides: the stand-ins are on no bus.
    assert {device["name"] for device in ask(running, "qom-list", path="/machine/peripheral")
            if device["type"].startswith("child<")} == {
        "pci.1", "pci.2", "pci.3", "pci.4", "pci.5", "ua-iommu0", "ua-second", "rng0"}


def test_a_device_is_attached_and_detached_behind_the_port_that_the_user_names(running, older_libvirt_daemon):
    live = older_libvirt_daemon.libvirt.VIR_DOMAIN_AFFECT_LIVE
    for port in (3, 5):
        running.attachDeviceFlags(DEVICE.format(port), live)
        assert bus_of(running, "rng1") == f"/machine/peripheral/pci.{port}/pci.{port}"
        # A guest that has not looked at its ports yet has no say.
        running.detachDeviceFlags(DEVICE.format(port), live)
        assert "rng1" not in running.XMLDesc()


def test_nothing_is_put_on_a_stand_in(running, older_libvirt_daemon):
    libvirt = older_libvirt_daemon.libvirt
    anywhere = DEVICE[:DEVICE.index("<address")] + "</rng>"
    for port in (3, 5):
        running.attachDeviceFlags(anywhere, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        assert f"bus='{port:#04x}' slot='0x00'" in running.XMLDesc()
    with pytest.raises(libvirt.libvirtError, match="No more available PCI slots"):
        running.attachDeviceFlags(anywhere, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def test_the_live_domain_is_shown_with_the_names_that_qemu_has(running, program):
    lifted = ET.fromstring(lift(program, running.XMLDesc()))
    assert [(driver.get("pciBus"), driver.get("accel")) for driver in lifted.iterfind("devices/iommu/driver")] == [
        ("1", None), ("4", "off")]
    assert [alias.get("name") for alias in lifted.iterfind("devices/iommu/alias")] == ["ua-iommu0", "ua-second"]
    assert lifted.find("metadata") is None and "qemu" not in "".join(element.tag for element in lifted)
    hole = lifted.find("devices/controller/pcihole64")
    assert (hole.text, hole.get("unit")) == ("1073741824", "KiB")
