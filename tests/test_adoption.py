"""What virt-vsmmu plan --adopt makes of devices that a document has already, and that it leaves the rest alone."""

import copy
import json
import re
import xml.etree.ElementTree as ET

import pytest

from test_plan import GRACE, GUEST, assert_keeps, plan

GPUS = ("0009:01:00.0", "0019:01:00.0")
NIC = "0002:03:00.1"


def hostdev(address, inside="", driver=""):
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return (f"<hostdev mode='subsystem' type='pci' managed='yes'>{driver}<source><address domain='0x{domain}' bus='0x{bus}' "
            f"slot='0x{slot}' function='0x{function}'/></source>{inside}</hostdev>")


def guest(*devices, around=GUEST):
    return around.replace("    <!-- last -->", "\n".join(f"    {device}" for device in devices))


def adopt(program, xml, *options, host=GRACE, devices=()):
    return plan(program, host, devices, *(options or ["--adopt"]), "--into", "-", input=xml.encode())


def without_what_moves(xml):
    """The tree without SMMUv3s, and without where the host's devices are and how VFIO drives them."""
    root = ET.fromstring(xml.encode())
    devices = root.find("devices")
    for iommu in devices.findall("iommu"):
        if "smmuv3" in iommu.get("model").lower():
            devices.remove(iommu)
    for device in [*devices.findall("hostdev[@type='pci']"), *devices.findall("interface[@type='hostdev']")]:
        for name in ("address", "driver"):
            for child in device.findall(name):
                device.remove(child)
    for ioapic in root.findall("features/ioapic"):
        root.find("features").remove(ioapic)
    return root


def assert_adopted(program, before, after, host=GRACE, allowed=()):
    """The rest of the guest is there, nothing is wrong with it, and adopting it again changes nothing."""
    assert_keeps(without_what_moves(before), ET.fromstring(after.encode()))
    outcome = program.check("--host", host, "-", input=after.encode())
    assert [finding for finding in outcome.findings if finding["severity"] != "note" and finding["rule"] not in allowed] == []
    again = adopt(program, after, host=host)
    assert (again.status, again.out) == (0, after) and "nothing was changed" in again.err


def adopted(program, before, *options, **rest):
    outcome = adopt(program, before, *options, **{name: rest[name] for name in rest if name != "allowed"})
    assert outcome.status == 0, outcome.err
    assert_adopted(program, before, outcome.out, rest.get("host", GRACE), rest.get("allowed", ()))
    return outcome.out


def placed(xml):
    """The address on the host of each device that is behind an accelerated vSMMU, with the vSMMU's pciBus."""
    devices = ET.fromstring(xml.encode()).find("devices")
    buses = {int(bus.get("index")): bus for bus in devices.findall("controller[@type='pci'][@index]")}
    vsmmus = {int(driver.get("pciBus")) for driver in devices.findall("iommu[@model='smmuv3']/driver[@accel='on']")}
    found = {}
    for device in [*devices.findall("hostdev[@type='pci']"), *devices.findall("interface[@type='hostdev']")]:
        source, address = device.find("source/address"), device.find("address")
        if address is None:
            continue
        port = buses[int(address.get("bus"), 0)].find("address")
        root = int(port.get("bus"), 0) if port is not None else -1
        if root in vsmmus:
            parts = [int(source.get(name), 0) for name in ("domain", "bus", "slot", "function")]
            found["{:04x}:{:02x}:{:02x}.{:x}".format(*parts)] = root
    return found


def test_devices_move_behind_a_vsmmu_for_each_physical_smmu(program):
    xml = adopted(program, guest(*map(hostdev, (*GPUS, NIC))))
    found = placed(xml)
    assert set(found) == {*GPUS, NIC} and len(set(found.values())) == 3
    assert xml.count("iommufd='yes'") == 3 and xml.count("<hostdev ") == 3


def test_only_what_is_named_moves(program):
    document = guest(*map(hostdev, (*GPUS, NIC)))
    for options in (["--adopt=0019:01:00.0,0002:03:00.1"], ["--adopt", GPUS[1], "--adopt", NIC], [f"--adopt={GPUS[1]}", f"--adopt={NIC}"]):
        outcome = adopt(program, document, *options)
        assert outcome.status == 0, outcome.err
        assert set(placed(outcome.out)) == {GPUS[1], NIC}
        left, = (device for device in ET.fromstring(outcome.out.encode()).iterfind("devices/hostdev")
                 if device.find("source/address").get("domain") == "0x0009")
        assert left.find("driver") is None
        again = adopt(program, outcome.out, *options)
        assert (again.status, again.out) == (0, outcome.out)


def test_devices_are_adopted_and_added_together(program):
    xml = adopt(program, guest(hostdev(NIC)), devices=GPUS[:1]).out
    assert set(placed(xml)) == {NIC, GPUS[0]}


OLD = "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0' multifunction='on'/>"


@pytest.mark.parametrize("inside, driver", [
    ("", ""), (OLD, ""), ("<address type='pci'/>", "<driver name='vfio'/>"), ("", "<driver name='vfio' iommufd='no'/>"),
    (OLD, "<driver iommufd='on'/>"), ("", "<driver iommuFd='yes'/>"), ("", '<driver  name="vfio"   iommufd = "yes" />'),
    ("<boot order='1'/><alias name='ua-gpu'/><rom bar='off'/>", ""),
])
def test_whatever_the_device_looked_like(program, inside, driver):
    document = guest(hostdev(NIC, inside, driver))
    xml = adopted(program, document)
    device, = ET.fromstring(xml.encode()).findall("devices/hostdev")
    assert device.find("driver").get("iommufd") == "yes" and "iommuFd" not in xml and placed(xml).keys() == {NIC}
    assert len(device.findall("address")) == 1
    # What is not about the place is there, to the byte.
    kept = inside.replace(OLD, "").replace("<address type='pci'/>", "")
    assert kept in xml


def test_iommufd_of_the_domain_is_enough(program):
    document = guest(hostdev(NIC), hostdev(GPUS[0], driver="<driver iommufd='no'/>"))
    document = document.replace("  <vcpu>", "  <iommufd enabled='yes' fdgroup='iommu'/>\n  <vcpu>")
    xml = adopted(program, document)
    assert xml.count("iommufd='yes'") == 1 and "iommufd='no'" not in xml


def test_an_interface_moves_as_a_hostdev_does(program):
    source = ET.tostring(ET.fromstring(hostdev(NIC)).find("source"), encoding="unicode")
    xml = adopted(program, guest(f"<interface type='hostdev' managed='yes'>{source}<mac address='52:54:00:00:00:01'/></interface>"))
    assert placed(xml).keys() == {NIC} and "<mac address='52:54:00:00:00:01'/>" in xml


@pytest.mark.parametrize("iommu", [
    "<iommu model='smmuv3'/>",
    "<iommu model='smmuv3'><driver intremap='on' caching_mode='on' aw_bits='48' eim='off' iotlb='on'/></iommu>",
    "<iommu model='smmuv3'><driver accel='on' pciBus='0' intremap='on' caching_mode='on'/></iommu>",
    "<iommu model='smmuv3'><driver accel='on' pciBus='0' passthrough='on' xtsup='on' dma_translation='on'/></iommu>",
    "<iommu model='smmuv3'><driver accel='on' pciBus='200'/></iommu>",
    "<iommu model='smmuv3'><driver accel='on' ats='on'/></iommu>",
    "<iommu model='smmuv3'><driver pciBus='0'/></iommu>",
    "<iommu model='smmuv3'><driver accel='maybe' oas='50'/></iommu>",
    "<iommu model='smmuv3Dev' parentIdx='0' accel='on'/>",
    "<iommu model='nestedSmmuv3'/>",
    "<iommu model='smmuv3'><driver accel='on' pciBus='0'/></iommu><iommu model='smmuv3'><driver accel='on' pciBus='1'/></iommu>",
])
def test_an_smmuv3_that_no_device_can_use_is_replaced(program, iommu):
    document = guest(hostdev(GPUS[0]), iommu, "<controller type='pci' index='1' model='pcie-root-port'/>")
    xml = adopted(program, document)
    assert placed(xml).keys() == {GPUS[0]} and xml.count("<iommu ") == 1
    assert "was removed" in adopt(program, document).err


def test_options_of_other_iommus_are_removed_from_a_vsmmu_that_stays(program):
    good = adopted(program, guest(hostdev(GPUS[0])))
    bad = good.replace("accel='on'", "accel='on' intremap='on' eim='off'")
    outcome = adopt(program, bad)
    assert (outcome.status, outcome.out) == (0, good) and outcome.err.count("does not accept it for an SMMUv3") == 2


@pytest.mark.parametrize("option", ["intremap", "caching_mode", "eim", "iotlb", "aw_bits", "dma_translation", "passthrough", "xtsup"])
def test_each_option_that_check_reports_as_one_of_other_iommus_is_removed(option, program):
    good = adopted(program, guest(hostdev(GPUS[0])))
    bad = good.replace("accel='on'", f"accel='on' {option}='on'")
    assert any(f"'{option}' belongs to other IOMMU models" in finding["message"] for finding in program.check("-", input=bad.encode()).findings)
    outcome = adopt(program, bad)
    assert (outcome.status, outcome.out) == (0, good)


def test_misspelled_options_of_a_vsmmu_that_stays_are_renamed(program):
    good = adopted(program, guest(hostdev(GPUS[0])))
    outcome = adopt(program, good.replace("ssidsize=", "ssidSize="))
    assert outcome.status == 0 and "'ssidSize' was renamed to 'ssidsize'" in outcome.err
    assert ET.canonicalize(outcome.out.split("?>", 1)[1]) == ET.canonicalize(good.split("?>", 1)[1])


def test_a_vsmmu_with_a_value_that_libvirt_refuses_is_replaced(program):
    good = adopted(program, guest(hostdev(GPUS[0])))
    xml = adopted(program, good.replace("ats='on'", "ats='auto'"))
    assert xml.count("<iommu ") == 1 and placed(xml).keys() == {GPUS[0]} and "ats='on'" in xml


def test_a_device_behind_its_vsmmu_gets_iommufd_and_nothing_else(program):
    good = adopted(program, guest(hostdev(GPUS[0])))
    outcome = adopt(program, good.replace(" iommufd='yes'", ""))
    assert (outcome.status, outcome.out) == (0, good)


def test_a_device_behind_the_vsmmu_of_another_smmu_moves(program):
    nic = hostdev(NIC, "<address type='pci' bus='0x{:02x}' slot='0x00' function='0x0'/>")
    # A NIC on a free port below the bus of a GPU.
    document = adopt(program, guest(hostdev(GPUS[0])), "--adopt", "--spare-ports=1").out
    port = max(int(bus.get("index")) for bus in ET.fromstring(document.encode()).findall("devices/controller[@type='pci']"))
    document = document.replace("  </devices>", f"    {nic.format(port)}\n  </devices>")
    assert "host-smmu-mismatch" in program.check("--host", GRACE, "-", input=document.encode()).rules
    found = placed(adopted(program, document))
    assert set(found) == {GPUS[0], NIC} and found[GPUS[0]] != found[NIC]


def test_an_empty_vsmmu_is_taken(program):
    topology = ("<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>",
                "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='0x01' slot='0x00'/></controller>",
                "<iommu model='smmuv3'><driver pciBus='1' accel='on' ats='on' ril='off' ssidsize='20' oas='48'/></iommu>")
    # libvirt would put the emulated devices of the other guest there.
    bare = GUEST[:GUEST.index("    <disk")] + GUEST[GUEST.index("    <!-- last -->"):]
    bare = bare.replace("<controller type='pci' index='0' model='pcie-root'/>", 
                        "<controller type='pci' index='0' model='pcie-root'/><controller type='usb' model='none'/><memballoon model='none'/>")
    elsewhere = "<address type='pci' bus='0x00' slot='0x08' function='0x0'/>"
    xml = adopted(program, guest(*topology, hostdev(GPUS[0], elsewhere), around=bare))
    assert placed(xml) == {GPUS[0]: 1} and xml.count("<iommu ") == 1
    xml = adopted(program, guest(*topology, hostdev(GPUS[0], elsewhere), hostdev(NIC, elsewhere.replace("8", "9")), around=bare))
    assert len(set(placed(xml).values())) == 2 and xml.count("<iommu ") == 2


def test_a_guest_without_devices_of_the_host_stays_as_it_is(program):
    for document in (GUEST, guest("<iommu model='smmuv3'/>"), guest("<hostdev mode='subsystem' type='usb'/>"),
                     guest("<iommu model='smmuv3'><driver intremap='on'/></iommu>").replace("<acpi/>", "<acpi/><ioapic driver='qemu'/>")):
        outcome = adopt(program, document)
        assert (outcome.status, outcome.out) == (0, document)


def test_a_device_that_libvirt_keeps_from_the_guest_stays_so(program):
    document = guest(hostdev(NIC, "<address type='unassigned'/>"))
    assert adopt(program, document).out == document
    assert placed(adopt(program, document, f"--adopt={NIC}").out).keys() == {NIC}


@pytest.mark.parametrize("convert", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("  ", "\t"),
    lambda text: text.replace("\n", " ").replace("> <", "><"),
    lambda text: "\ufeff" + text,
], ids=["crlf", "tabs", "one-line", "byte-order-mark"])
def test_layout_of_the_document_is_kept(program, convert):
    document = convert(guest(hostdev(NIC, OLD), "<iommu model='smmuv3'/>"))
    xml = adopted(program, document)
    position = iter(xml)
    kept = document.replace("<iommu model='smmuv3'/>", "").replace(OLD, "").replace("/>", "")
    assert all(character in position for character in kept)


def many(program, count):
    """Facts of a host with so many functions behind each of two SMMUs, each in a group of its own."""
    facts = json.loads(GRACE.read_text(encoding="utf-8"))
    names = []
    for segment in ("0002", "0012"):
        pattern = next(device for device in facts["devices"] if device["address"] == f"{segment}:03:00.1")
        group = next(group for group in facts["groups"] if group["number"] == pattern["group"])
        for number in range(count):
            device = copy.deepcopy(pattern)
            device["address"] = f"{segment}:{0x40 + number // 8:02x}:00.{number % 8}"
            device["group"] = 1000 + len(names)
            names.append(device["address"])
            facts["devices"].append(device)
            facts["groups"].append(copy.deepcopy(group) | {"number": device["group"]})
    return facts, names


@pytest.mark.parametrize("count", [32, 100])
def test_many_devices_move_at_once(program, tmp_path, count):
    facts, names = many(program, count)
    host = tmp_path / "facts.json"
    host.write_text(json.dumps(facts), encoding="utf-8")
    xml = adopted(program, guest(*map(hostdev, names)), host=host)
    found = placed(xml)
    assert set(found) == set(names) and len(set(found.values())) == 2


@pytest.mark.parametrize("host, devices, options, reason", [
    ("grace", ["0009:07:00.0"], [], ":20: the host has no PCI function 0009:07:00.0"),
    ("grace", [GPUS[0]], ["--adopt=0019:01:00.0"], "the guest does not have 0019:01:00.0; add it with --device"),
    ("grace", [GPUS[0]], ["--adopt=0009:07:00.0"], "the host has no PCI function"),
    ("grace", [GPUS[0], "0009:00:00.0"], [], ":21: 0009:00:00.0 is a bridge or port"),
    ("small", ["0000:00:01.0"], [], ":20: 0000:00:01.0 has no SMMUv3 on the host"),
    ("shared-group", ["0000:24:00.0"], [], "shares IOMMU group"),
    ("small smmu0.capabilities.nesting=false", ["0000:21:00.0"], [], "does not support nested translation"),
    ("grace", [GPUS[0], GPUS[0]], [], "hostdev-duplicate"),
])
def test_what_cannot_be_adopted_is_one_error_and_nothing_is_written(program, facts, host, devices, options, reason):
    outcome = adopt(program, guest(*map(hostdev, devices)), *options, host=facts.file(host))
    assert (outcome.status, outcome.out) == (1, "") and reason in outcome.err
    assert outcome.err.count("virt-vsmmu: ") == 1


def test_a_place_on_the_host_that_libvirt_refuses_is_named(program):
    outcome = adopt(program, guest(hostdev(GPUS[0]).replace("bus='0x01'", "bus='gpu'")))
    assert (outcome.status, outcome.out) == (1, "") and "libvirt does not accept the value 'gpu'" in outcome.err


@pytest.mark.parametrize("options, reason", [
    (["--adopt"], "--adopt requires --into"),
    (["--adopt=gpu", "--into", "-"], "invalid PCI address 'gpu'"),
    (["--adopt=,0009:01:00.0", "--into", "-"], "invalid PCI address ''"),
])
def test_wrong_usage_says_what_is_wrong(program, options, reason):
    outcome = program.run("plan", "--host", GRACE, *options, input=GUEST.encode())
    assert (outcome.status, outcome.out) == (2, "") and reason in outcome.err


@pytest.mark.parametrize("strip", [
    lambda xml: re.sub(r"\s*<pcihole64[^>]*>\d+</pcihole64>", "", xml),
    lambda xml: re.sub(r"<pcihole64[^>]*>\d+</pcihole64>", "<pcihole64 unit='GiB'>512</pcihole64>", xml),
    lambda xml: re.sub(r"\s*<controller type='pci' index='0' model='pcie-root'>\s*<pcihole64[^>]*>\d+</pcihole64>\s*</controller>", "", xml),
], ids=["none", "too-small", "no-pcie-root"])
def test_a_guest_whose_devices_are_in_place_gets_the_pci_hole_that_they_need(strip, program):
    whole = adopted(program, guest(hostdev(GPUS[0]), hostdev(GPUS[1])))
    hole = re.search(r"<pcihole64[^>]*>(\d+)</pcihole64>", whole)
    assert hole is not None
    stripped = strip(whole)
    assert "host-pci-hole" in program.check("--host", GRACE, "-", input=stripped.encode()).rules
    after = adopted(program, stripped)
    assert re.search(r"<pcihole64[^>]*>(\d+)</pcihole64>", after)[1] == hole[1]
    assert placed(after) == placed(whole)
