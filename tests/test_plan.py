"""What virt-vsmmu plan writes passes check with its host, is stable, and leaves the rest of a guest alone."""

import difflib
import json
import random
import re
import xml.etree.ElementTree as ET

import pytest

import domains
from program import DATA

EXAMPLES = DATA.parent.parent / "examples"
GRACE = EXAMPLES / "grace-host.json"
GPUS = ("0009:01:00.0", "0019:01:00.0")
NIC = "0002:03:00.1"
SEEDS = range(24)

# The words of facts.py for a host, and what of it a guest can have.
HOSTS = {
    "grace": ["0008:01:00.0", "0009:01:00.0", "0018:01:00.0", "0019:01:00.0", "0002:01:00.2", "0002:02:00.2", "0006:01:00.2",
              "0012:01:00.2", "0012:01:00.3", "0016:02:00.5", "0002:01:00.3", "0002:01:00.4"],
    "small": ["0000:21:00.0", "0000:22:00.0"],
    "small smmu0.capabilities.ats=null smmu0.capabilities.ril=null": ["0000:21:00.0", "0000:22:00.0"],
    "shared-group": ["0000:21:00.0", "0000:22:00.0"],
}


def plan(program, host, devices, *options, **rest):
    arguments = [f"--device={device}" for device in devices]
    return program.run("plan", "--host", host, *arguments, *options, **rest)


def planned(program, host, devices, *options, **rest):
    outcome = plan(program, host, devices, *options, **rest)
    assert outcome.status == 0, outcome.err
    return outcome.out


def assert_sound(program, host, devices, spare, xml, *options):
    """It has no errors and warnings, one vSMMU for each SMMU or device, the spare ports, and planning it again changes nothing."""
    outcome = program.check("--host", host, "-", input=xml.encode())
    assert [finding for finding in outcome.findings if finding["severity"] != "note"] == []
    if spare:
        assert "no-free-hotplug-port" not in outcome.rules
    assert xml.count("<iommu ") == len(set(devices)) if options else "host-smmu-shared" not in outcome.rules
    again = plan(program, host, devices, f"--spare-ports={spare}", "--into", "-", *options, input=xml.encode())
    assert (again.status, again.out) == (0, xml)
    assert again.err.count("behind an accelerated SMMUv3, on line ") == len(devices) and "nothing was changed" in again.err


def choice(seed, devices):
    chance = random.Random(f"plan {seed}")
    chosen = chance.sample(devices, chance.randint(1, len(devices)))
    # More ports than slots, where the guest has bus numbers for them.
    return chosen, chance.choice((0, 0, 1, 2, 5, 40 if len(chosen) < 5 else 3))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("host", HOSTS)
def test_new_guest_is_sound(program, facts, host, seed):
    devices, spare = choice(seed, HOSTS[host])
    path = facts.file(host)
    assert_sound(program, path, devices, spare, planned(program, path, devices, f"--spare-ports={spare}"))


@pytest.mark.parametrize("seed", SEEDS)
def test_each_device_can_have_a_vsmmu_of_its_own(program, facts, seed):
    devices, spare = choice(seed, HOSTS["grace"])
    # A guest has 256 bus numbers.
    spare = min(spare, 2)
    path = facts.file("grace")
    xml = planned(program, path, devices, f"--spare-ports={spare}", "--per-device")
    assert_sound(program, path, devices, spare, xml, "--per-device")


def test_devices_that_share_a_vsmmu_stay_behind_it(program):
    shared = planned(program, GRACE, ["0008:01:00.0", "0009:01:00.0"], "--spare-ports=1")
    outcome = plan(program, GRACE, ["0008:01:00.0", "0009:01:00.0"], "--spare-ports=1", "--per-device", "--into", "-", input=shared.encode())
    assert (outcome.status, outcome.out) == (0, shared)
    more = planned(program, GRACE, ["0008:01:00.0"], "--per-device")
    more = planned(program, GRACE, ["0009:01:00.0"], "--per-device", "--into", "-", input=more.encode())
    assert more.count("<iommu ") == 2


# Guests without anything of a host, as a user would bring them.
GUESTS = [domain for domain in domains.placements() if not domain.name.startswith("vsmmu")]


def for_kvm(xml):
    return xml.replace("<domain type=\"qemu\"", "<domain type=\"kvm\"").replace("<domain type='qemu'", "<domain type='kvm'")


def assert_keeps(before, after):
    """Everything of the tree `before` is in `after`, in its order and with its attributes and texts."""
    assert before.tag == after.tag and (before.text or "").strip() == (after.text or "").strip()
    assert before.attrib.items() <= after.attrib.items()
    candidates = iter(after)
    for child in before:
        match = next((other for other in candidates if other.tag == child.tag), None)
        assert match is not None, f"<{child.tag}> is gone"
        # Where devices are is asked of libvirt: it ignores an address that is not complete.
        if child.tag not in ("pcihole64", "address"):
            assert_keeps(child, match)


def into(program, host, domain, tmp_path, seed):
    """The plan for a generated guest, or None where it must be refused."""
    devices, spare = choice(seed, HOSTS["grace"])
    path = tmp_path / "guest.xml"
    path.write_text(for_kvm(domain.xml), encoding="utf-8")
    outcome = plan(program, host, devices, f"--spare-ports={spare}", "--into", path)
    if outcome.status == 1:
        assert outcome.out == "" and outcome.err.count("virt-vsmmu: ") == 1
        return None, outcome.err
    assert outcome.status == 0, outcome.err
    assert_keeps(ET.fromstring(for_kvm(domain.xml)), ET.fromstring(outcome.out))
    # What was wrong with the guest before may be so after.
    before = program.check("--host", host, path).findings
    findings = program.check("--host", host, "-", input=outcome.out.encode()).findings
    allowed = {finding["rule"] for finding in before} | {"hostdev-outside-vsmmu"}
    assert [finding for finding in findings if finding["severity"] != "note" and finding["rule"] not in allowed] == []
    again = plan(program, host, devices, f"--spare-ports={spare}", "--into", "-", input=outcome.out.encode())
    assert (again.status, again.out) == (0, outcome.out)
    return outcome.out, outcome.err


@pytest.mark.slow("plans for each of hundreds of guests")
def test_generated_guests_are_mostly_accepted(program, facts, tmp_path):
    """Guards the test above against guests that are refused for another reason than they should be."""
    host = facts.file("grace")
    outcomes = [into(program, host, domain, tmp_path, domain.name) for domain in GUESTS]
    refusals = [err for xml, err in outcomes if xml is None]
    assert len(GUESTS) - len(refusals) >= 120, "\n".join(refusals)
    assert any("its address was set to" in err for xml, err in outcomes if xml)


GUEST = """<?xml version="1.0"?>
<!-- mine -->
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>g&#252;est</name>
  <description><![CDATA[a < b]]></description>
  <metadata><my:thing xmlns:my="urn:x" a="1"   b='2'/></metadata>
  <memory unit="GiB">4</memory>
  <vcpu>4</vcpu>
  <os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><acpi/><gic version='3'/></features>
  <devices>
    <unknown   x='>' />
    <controller type='pci' index='0' model='pcie-root'/>
    <disk type='file'>
      <source file='/a'/> <!-- the disk -->
      <target dev='vda' bus='virtio'/>
    </disk>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>
    <!-- last -->
  </devices>
  <qemu:commandline><qemu:env name='A' value='B'/></qemu:commandline>
</domain>
"""


def changes(before, after):
    return [line for line in difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
            if line[0] in "+-"]


def test_difference_shows_only_additions(program):
    xml = planned(program, GRACE, [NIC], "--into", "-", input=GUEST.encode())
    removed = [line[2:].strip() for line in changes(GUEST, xml) if line[0] == "-"]
    # Elements that were empty or on one line have a child now.
    assert removed == ["<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
                       "<memballoon model='virtio'/>"]
    assert "<memballoon model='virtio'>\n      <address type='pci' " in xml
    assert "<target dev='vda' bus='virtio'/>\n      <address type='pci' " in xml


@pytest.mark.parametrize("convert", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("  ", "\t"),
    lambda text: text.replace("\n", " ").replace("> <", "><"),
    lambda text: "\ufeff" + text,
    lambda text: text.replace(" <!-- the disk -->", "").replace("    <!-- last -->\n", ""),
], ids=["crlf", "tabs", "one-line", "byte-order-mark", "no-comments"])
def test_layout_of_the_document_is_kept(program, convert):
    guest = convert(GUEST)
    xml = planned(program, GRACE, GPUS[:1], "--into", "-", input=guest.encode())
    assert_keeps(ET.fromstring(guest.encode()), ET.fromstring(xml.encode()))
    assert not re.search(r"(?<!\r)\n", xml) or "\r\n" not in guest
    # Whatever is added, the bytes of the guest are there in their order.
    position = iter(xml)
    assert all(character in position for character in guest.replace("/>", ""))


def test_vsmmu_of_another_smmu_stays_as_it_is(program):
    guest = (EXAMPLES / "two-gpu-grace.xml").read_text()
    xml = planned(program, GRACE, [NIC], "--into", EXAMPLES / "two-gpu-grace.xml")
    assert xml.count("<iommu ") == 3 and not [line for line in changes(guest, xml) if line[0] == "-"]


def test_free_ports_are_used_before_new_ones(program):
    first = planned(program, GRACE, ["0008:01:00.0"], "--spare-ports=1")
    second = planned(program, GRACE, ["0009:01:00.0"], "--into", "-", input=first.encode())
    assert second.count("<iommu ") == 1 and second.count("pcie-root-port") == first.count("pcie-root-port")
    third = planned(program, GRACE, ["0009:01:00.0"], "--spare-ports=2", "--into", "-", input=first.encode())
    assert third.count("pcie-root-port") == first.count("pcie-root-port") + 2


def driver(xml):
    attributes = dict(ET.fromstring(xml).find("devices/iommu/driver").attrib)
    assert attributes.pop("accel") == "on" and attributes.pop("pciBus")
    return attributes


@pytest.mark.parametrize("host, expected", [
    ("small", {"ats": "on", "ril": "off", "ssidsize": "20", "oas": "48", "cmdqv": "off"}),
    ("small smmu0.registers.idr5=0x74", {"ats": "on", "ril": "off", "ssidsize": "20", "oas": "44", "cmdqv": "off"}),
    ("small smmu0.registers.idr3=0x1400", {"ats": "on", "ril": "on", "ssidsize": "20", "oas": "48", "cmdqv": "off"}),
    ("small smmu0.capabilities.ats=false", {"ats": "off", "ril": "off", "ssidsize": "0", "oas": "48", "cmdqv": "off"}),
    ("small 0000:21:00.0.ats=true 0000:21:00.0.root_ats=false", {"ats": "off", "ril": "off", "ssidsize": "0", "oas": "48", "cmdqv": "off"}),
    ("small 0000:21:00.0.ats=true 0000:21:00.0.root_ats=true", {"ats": "on", "ril": "off", "ssidsize": "20", "oas": "48", "cmdqv": "off"}),
    ("small smmu0.capabilities.cmdqv=false", {"ats": "on", "ril": "off", "ssidsize": "20", "oas": "48"}),
    ("small smmu0.capabilities.cmdqv=null", {"ats": "on", "ril": "off", "ssidsize": "20", "oas": "48"}),
    ("small host.tools.qemu_cmdqv=false", {"ats": "on", "ril": "off", "ssidsize": "20", "oas": "48"}),
])
def test_options_are_those_of_the_host(program, facts, host, expected):
    assert driver(planned(program, facts.file(host), ["0000:21:00.0"])) == expected


def test_command_queue_goes_with_huge_pages(program):
    pages = GUEST.replace("  <vcpu>", "  <memoryBacking><hugepages/></memoryBacking>\n  <vcpu>")
    assert driver(planned(program, GRACE, GPUS[:1], "--into", "-", input=GUEST.encode()))["cmdqv"] == "off"
    assert driver(planned(program, GRACE, GPUS[:1], "--into", "-", input=pages.encode()))["cmdqv"] == "on"


def hole(xml):
    return ET.fromstring(xml).findtext("devices/controller[@model='pcie-root']/pcihole64")


@pytest.mark.parametrize("devices, expected", [
    ([NIC], None), (GPUS[:1], "1024"), (GPUS, "2048"), (["0008:01:00.0", "0018:01:00.0", *GPUS], "4096"),
])
def test_hole_is_a_power_of_two_that_holds_the_bars(program, devices, expected):
    assert hole(planned(program, GRACE, devices)) == expected


def managed(xml):
    return [hostdev.get("managed") for hostdev in ET.fromstring(xml).iterfind("devices/hostdev")]


@pytest.mark.parametrize("options, host, expected", [
    ([], "small", "yes"),
    (["--managed=yes"], "small 0000:21:00.0.driver=\"nvme\"", "yes"),
    (["--managed=no"], "small", "no"),
    # The driver of a virtual GPU gives it to VFIO itself.
    ([], "small 0000:21:00.0.driver=\"nvidia\" 0000:21:00.0.vfio=\"vfio0\"", "no"),
    ([], "small 0000:21:00.0.driver=\"nvme\" 0000:21:00.0.vfio=null", "yes"),
])
def test_libvirt_binds_the_device_unless_told_otherwise(program, facts, options, host, expected):
    assert managed(planned(program, facts.file(host), ["0000:21:00.0"], *options)) == [expected]


def test_a_device_of_another_driver_is_not_left_to_nobody(program, facts):
    outcome = plan(program, facts.file("small 0000:21:00.0.driver=\"nvme\" 0000:21:00.0.vfio=null"), ["0000:21:00.0"], "--managed=no")
    assert (outcome.status, outcome.out) == (1, "") and "host-driver-busy" in outcome.err


def test_new_guest_has_a_numa_node_for_each_of_the_host_with_a_device(program, facts):
    guest = ET.fromstring(planned(program, facts.file("grace"), ["0008:01:00.0", "0018:01:00.0"], "--memory=9", "--vcpus=7"))
    assert guest.findtext("memory") == "9" and guest.findtext("vcpu") == "7"
    assert [(node.get("cellid"), node.get("mode"), node.get("nodeset")) for node in guest.iterfind("numatune/memnode")] == \
        [("0", "strict", "0"), ("1", "strict", "1")]
    cells = [(cell.get("cpus"), cell.get("memory"), cell.get("unit")) for cell in guest.iterfind("cpu/numa/cell")]
    assert cells[:2] == [("0-3", "5", "GiB"), ("4-6", "4", "GiB")] and guest.find("cpu/topology") is None
    assert [bus.text for bus in guest.iterfind("devices/controller/target/node")] == ["0", "1"]
    one = ET.fromstring(planned(program, facts.file("grace"), ["0018:01:00.0"]))
    assert [node.get("nodeset") for node in one.iterfind("numatune/memnode")] == ["1"]
    assert [bus.text for bus in one.iterfind("devices/controller/target/node")] == ["0"]


def test_host_without_numa_nodes_has_a_guest_without(program, facts):
    guest = ET.fromstring(planned(program, facts.file("small smmu0.numa_node=null 0000:21:00.0.numa_node=null"), ["0000:21:00.0"]))
    assert guest.find("numatune") is None and guest.find("cpu/numa") is None


POOLS = "grace host.hugepages=" + json.dumps([{"size_kib": size, "total": free, "free": free} for size, free in (
    (2048, 64 * 512), (1048576, 20), (524288, 64), (16777216, 64))], separators=(",", ":"))


@pytest.mark.parametrize("options, devices, expected", [
    # 16 GiB of one node; half of them on each of two nodes; odd sizes.
    ([], GPUS[:1], "16777216"), ([], GPUS, "1048576"), (["--memory=21"], GPUS, "524288"), (["--memory=48"], GPUS, "2048"),
    (["--memory=100"], GPUS, None),
])
def test_huge_pages_are_the_largest_of_which_the_host_has_enough(program, facts, options, devices, expected):
    page = ET.fromstring(planned(program, facts.file(POOLS), devices, *options)).find("memoryBacking/hugepages/page")
    assert (page.get("size") if page is not None else None) == expected


def test_hole_of_the_guest_only_grows(program):
    for given, expected in (("512", "2048"), ("4096", "4096")):
        guest = GUEST.replace("model='pcie-root'/>", f"model='pcie-root'><pcihole64 unit='GiB'>{given}</pcihole64></controller>")
        outcome = plan(program, GRACE, GPUS, "--into", "-", input=guest.encode())
        assert hole(outcome.out) == expected and ("<pcihole64> was set" in outcome.err) == (given != expected)


NUMA = """<numatune><memnode cellid='0' mode='strict' nodeset='0'/><memnode cellid='1' mode='strict' nodeset='1'/></numatune>
  <cpu><numa><cell id='0' cpus='0-1' memory='2' unit='GiB'/><cell id='1' cpus='2-3' memory='2' unit='GiB'/></numa></cpu>
  <os firm"""


def test_bus_is_on_the_numa_node_whose_memory_is_on_that_of_the_smmu(program):
    guest = GUEST.replace("<os firm", NUMA)
    outcome = plan(program, GRACE, GPUS, "--into", "-", input=guest.encode())
    nodes = [bus.findtext("target/node") for bus in ET.fromstring(outcome.out).iterfind(
        "devices/controller[@model='pcie-expander-bus']")]
    assert nodes == ["0", "1"] and "NUMA node 0" not in outcome.err
    outcome = plan(program, GRACE, [NIC], "--into", "-", input=GUEST.encode())
    assert "<node>" not in outcome.out and "NUMA node 0 of the host" in outcome.err
    guest = GUEST.replace("<os firm", NUMA[NUMA.index("<cpu>"):])
    outcome = plan(program, GRACE, GPUS[1:], "--into", "-", input=guest.encode())
    assert "<node>1</node>" in outcome.out and "<numatune> does not bind" in outcome.err


def cells(xml):
    return {cell.get("id"): cell for cell in ET.fromstring(xml).iterfind("cpu/numa/cell")}


def distances(cell):
    return {sibling.get("id"): sibling.get("value") for sibling in cell.iterfind("distances/sibling")}


def nodesets(xml):
    return [acpi.get("nodeset") for acpi in ET.fromstring(xml).iterfind("devices/hostdev/acpi")]


@pytest.mark.parametrize("cpu", ["", "<cpu mode='host-passthrough'/>", "<cpu>\n    <topology sockets='4' cores='1' threads='1'/>\n  </cpu>",
                                 "<cpu mode='maximum'><numa/></cpu>"])
def test_memory_of_a_gpu_gets_nodes_in_a_guest_without(program, cpu):
    guest = GUEST.replace("<os firm", cpu + "<os firm")
    xml = planned(program, GRACE, GPUS[:1], "--into", "-", input=guest.encode())
    assert_keeps(ET.fromstring(guest.encode()), ET.fromstring(xml.encode()))
    found = cells(xml)
    assert list(found) == [str(i) for i in range(9)] and nodesets(xml) == ["1-8"]
    assert (found["0"].get("cpus"), found["0"].get("memory"), found["0"].get("unit")) == ("0-3", str(4 << 20), "KiB")
    assert all(found[str(i)].get("memory") == "0" and found[str(i)].get("cpus") is None for i in range(1, 9))
    assert distances(found["0"]) == {"0": "10", **{str(i): "80" for i in range(1, 9)}}
    assert distances(found["3"]) == {"0": "80", **{str(i): "10" if i == 3 else "11" for i in range(1, 9)}}
    again = plan(program, GRACE, GPUS[:1], "--into", "-", input=xml.encode())
    assert (again.status, again.out) == (0, xml)


def test_nodes_for_the_memory_of_a_gpu_come_after_those_of_the_guest(program):
    guest = GUEST.replace("<os firm", NUMA)
    one = planned(program, GRACE, GPUS[:1], "--into", "-", input=guest.encode())
    both = planned(program, GRACE, GPUS[1:], "--into", "-", input=one.encode())
    assert nodesets(one) == ["2-9"] and sorted(nodesets(both)) == ["10-17", "2-9"]
    found = cells(both)
    assert list(found) == [str(i) for i in range(18)]
    # One distance for each pair; those that were there stay.
    assert all(len(distances(found[str(i)])) == 18 for i in range(18))
    assert [distances(found["0"])[i] for i in ("0", "1", "2", "10")] == ["10", "40", "80", "120"]
    assert [distances(found["1"])[i] for i in ("0", "1", "2", "10")] == ["40", "10", "120", "80"]
    assert [distances(found["2"])[i] for i in ("0", "1", "2", "3", "10")] == ["80", "120", "10", "11", "40"]
    assert [distances(found["10"])[i] for i in ("0", "1", "2", "10", "11")] == ["120", "80", "40", "10", "11"]


def test_distances_of_the_guest_stay_as_they_are(program):
    cell = "<cell id='{}' cpus='{}' memory='2' unit='GiB'><distances><sibling id='{}' value='33'/></distances></cell>"
    numa = NUMA[:NUMA.index("<numa>")] + "<numa>" + cell.format(1, "2-3", 0) + cell.format(0, "0-1", 1) + "<interconnects/></numa></cpu><os firm"
    xml = planned(program, GRACE, GPUS[:1], "--into", "-", input=GUEST.replace("<os firm", numa).encode())
    found = cells(xml)
    assert list(found) == ["1", "0", *(str(i) for i in range(2, 10))]
    assert distances(found["0"]) == {"1": "33", **{str(i): "80" for i in range(2, 10)}}
    assert distances(found["1"]) == {"0": "33", **{str(i): "120" for i in range(2, 10)}}
    assert [child.tag for child in ET.fromstring(xml).find("cpu/numa")][-1] == "interconnects"


def test_buses_of_a_guest_without_nodes_are_on_its_first_one(program):
    bus = "<controller type='pci' index='1' model='pcie-expander-bus'>{}</controller>"
    for target in ("", "<target busNr='200'/>", "<target>\n      </target>"):
        guest = with_devices(bus.format(target))
        xml = planned(program, GRACE, GPUS[:1], "--into", "-", input=guest.encode())
        assert_keeps(ET.fromstring(guest.encode()), ET.fromstring(xml.encode()))
        found = ET.fromstring(xml).findall("devices/controller[@model='pcie-expander-bus']/target")
        assert [each.findtext("node") for each in found] == ["0", "0"] and len({each.get("busNr") for each in found}) == 2


def test_a_gpu_that_is_there_without_nodes_gets_them(program):
    xml = planned(program, GRACE, GPUS)
    bare = re.sub(r" *<acpi .*/>\n", "", xml)
    outcome = plan(program, GRACE, GPUS[:1], "--into", "-", input=bare.encode())
    assert outcome.status == 0 and nodesets(outcome.out) == ["18-25"] and "NUMA nodes 18 to 25 were added" in outcome.err
    adopted = program.run("plan", "--host", GRACE, "--adopt", "--into", "-", input=bare.encode())
    assert nodesets(adopted.out) == ["18-25", "26-33"]


def test_a_gpu_that_no_nodes_are_left_for_is_refused(program):
    many = "".join(f"<cell id='{i}' memory='1' unit='GiB'/>" for i in range(124))
    guest = GUEST.replace("<os firm", f"<cpu><numa>{many}</numa></cpu><os firm")
    outcome = plan(program, GRACE, GPUS[:1], "--into", "-", input=guest.encode())
    assert (outcome.status, outcome.out) == (1, "") and "needs 8 NUMA nodes of the guest, which has 124; QEMU supports 128" in outcome.err


def test_a_gpu_that_is_bound_already_is_left_to_its_driver(program, facts):
    assert managed(planned(program, GRACE, [GPUS[0], NIC])) == ["no", "yes"]
    host = facts.file('grace 0009:01:00.0.driver="nvidia" 0009:01:00.0.vfio=null')
    assert managed(planned(program, host, GPUS[:1])) == ["yes"]


def with_devices(xml):
    return GUEST.replace("    <!-- last -->", xml)


HOSTDEV = ("<hostdev mode='subsystem' type='pci'><source><address domain='0x9' bus='0x1' slot='0' function='0'/></source>"
           "</hostdev>")
EMPTY_VSMMU = "<controller type='pci' index='1' model='pcie-expander-bus'/><iommu model='smmuv3'><driver pciBus='1' accel='on' " \
              "ats='on' ril='on' ssidsize='0' oas='44'/></iommu>"


@pytest.mark.parametrize("host, device, guest, reason", [
    ("grace", "0009:07:00.0", None, "no PCI function 0009:07:00.0"),
    ("grace", "0009:00:00.0", None, "bridge or port"),
    ("small", "0000:00:01.0", None, "has no SMMUv3 on the host"),
    ("shared-group", "0000:24:00.0", None, "shares IOMMU group"),
    ("small smmu0.capabilities.nesting=false", "0000:21:00.0", None, "does not support nested translation"),
    ("small smmu0.registers.idr5=0x45", "0000:21:00.0", None, "host-granule"),
    ("grace", GPUS[0], with_devices(HOSTDEV), "already has 0009:01:00.0"),
    ("grace", GPUS[0], with_devices(EMPTY_VSMMU), "no device is behind it"),
    ("grace", GPUS[0], with_devices("<iommu model='virtio'/>"), "iommu-models-mixed"),
    ("grace", GPUS[0], GUEST.replace("<acpi/>", ""), "needs-acpi"),
    ("grace", GPUS[0], GUEST.replace("machine='virt'", "machine='sbsa-ref'"), "'virt'"),
    ("grace", GPUS[0], GUEST.replace("'kvm'", "'qemu'"), "needs-kvm"),
], ids=lambda value: str(value)[:24])
def test_an_impossible_plan_is_refused(program, facts, host, device, guest, reason):
    options = ("--into", "-") if guest else ()
    outcome = plan(program, facts.file(host), [device], *options, **({"input": guest.encode()} if guest else {}))
    assert (outcome.status, outcome.out) == (1, "") and reason in outcome.err


@pytest.mark.parametrize("options, reason", [
    (["--device", GPUS[0]], "--host"),
    (["--host", GRACE], "--device"),
    (["--host", GRACE, "--this-host", "--device", GPUS[0]], "cannot be used together"),
    (["--host", GRACE, "--device", GPUS[0], "guest.xml"], "--help"),
    (["--host", GRACE, "--device", "gpu"], "invalid PCI address 'gpu'"),
    (["--host", GRACE, "--device", GPUS[0], "--spare-ports", "129"], "0 to 128"),
    (["--host", GRACE, "--device", GPUS[0], "--spare-ports", "-1"], "0 to 128"),
    (["--host", GRACE, "--device", GPUS[0], "--into", "/nonexistent"], "cannot open"),
    (["--host", GRACE, "--device", GPUS[0], "--into", "-", "--name", "x"], "--name"),
    (["--host", GRACE, "--device", GPUS[0], "--name", "a/b"], "invalid guest name 'a/b'"),
    (["--host", GRACE, "--device", GPUS[0], "--name", "a\nb"], "libvirt rejects"),
    (["--host", GRACE, "--device", GPUS[0], "--name", ""], "invalid guest name ''"),
    (["--host", GRACE, "--device", GPUS[0], "--into", "-", "--memory", "4"], "--memory and --vcpus cannot be used"),
    (["--host", GRACE, "--device", GPUS[0], "--memory", "-1"], "1 to 65536"),
    (["--host", GRACE, "--device", GPUS[0], "--vcpus", "513"], "1 to 512"),
    (["--host", GRACE, "--device", GPUS[0], "--managed", "maybe"], "auto, yes, no"),
    (["--host", "/nonexistent", "--device", GPUS[0]], "/nonexistent"),
    (["--host", "-", "--device", GPUS[0], "--into", "-"], "standard input"),
    (["--host", GRACE, "--passive", "--device", GPUS[0]], "--this-host"),
], ids=lambda value: value if isinstance(value, str) else None)
def test_wrong_usage_says_what_is_wrong(program, options, reason):
    outcome = program.run("plan", *options)
    assert (outcome.status, outcome.out) == (2, "") and reason in outcome.err


@pytest.mark.parametrize("guest", [b"", b"<domain", b"<network/>", GUEST.encode("utf-16")],
                         ids=["empty", "broken", "network", "utf-16"])
def test_document_that_cannot_be_edited_is_an_error(program, guest):
    guest = guest.replace('encoding="utf-8"'.encode("utf-16"), b"")
    outcome = plan(program, GRACE, GPUS[:1], "--into", "-", input=guest)
    assert (outcome.status, outcome.out) == (2, "") and outcome.err.startswith("virt-vsmmu: ")


def test_devices_may_be_named_shortly_and_twice(program, facts):
    host = facts.file("small")
    assert planned(program, host, ["21:00.0", "0000:21:00.0"]) == planned(program, host, ["0000:21:00.0"])


def test_guest_is_not_too_small_for_its_numa_nodes(program):
    outcome = plan(program, GRACE, GPUS, "--vcpus=1")
    assert (outcome.status, outcome.out) == (1, "") and "at least 1 GiB and 1 vCPU" in outcome.err


def test_guest_has_the_name_that_is_given(program):
    xml = planned(program, GRACE, GPUS[:1], "--name", "a<b")
    assert ET.fromstring(xml).findtext("name") == "a<b"
