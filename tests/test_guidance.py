"""What virt-vsmmu plan writes for Grace machines is what the guides publish, point by point, and docs/guidance.md says so.

The published guest of four GPUs is in tests/data/guidance/. VSMMU_REGENERATE=1 writes the tables of docs/guidance.md anew.
"""

import pathlib
import re
import xml.etree.ElementTree as ET

import pytest

import golden
import hosts
from program import DATA
from test_plan import plan

DOCUMENT = pathlib.Path(__file__).parent.parent / "docs" / "guidance.md"
PUBLISHED = DATA / "guidance" / "four-gb200-gpus.xml"
GPUS = ["0008:01:00.0", "0009:01:00.0", "0018:01:00.0", "0019:01:00.0"]
NICS = ["0000:03:00.1", "0002:03:00.1", "0010:03:00.1", "0012:03:00.1"]
# The whole of the published guest, as far as it is on the command line.
OPTIONS = ["--per-device", "--memory=894", "--vcpus=120"]
GIB = {"KiB": 1 << 20, "GiB": 1}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The directory of a machine of tests/data/hosts, unpacked once."""
    made = {}

    def make(name):
        if name not in made:
            listing = (hosts.LISTINGS / f"{name}.sysfs").read_text(encoding="utf-8")
            made[name] = hosts.write(hosts.entries_of(listing), tmp_path_factory.mktemp(name) / "root")
        return made[name]
    return make


def driver(name):
    return lambda guest: sorted({iommu.find("driver").get(name, "-") for iommu in guest.iterfind("devices/iommu")})


def hole(guest):
    element = guest.find("devices/controller[@model='pcie-root']/pcihole64")
    return "-" if element is None else f"{int(element.text) // GIB[element.get('unit')] / 1024:g} TiB"


def buses(guest):
    """The devices behind each vSMMU, by the root bus that it is on."""
    ports = {port.get("index"): int(port.find("address").get("bus"), 16)
             for port in guest.iterfind("devices/controller[@model='pcie-root-port']")}
    behind = {iommu.find("driver").get("pciBus"): 0 for iommu in guest.iterfind("devices/iommu")}
    for hostdev in guest.iterfind("devices/hostdev"):
        behind[str(ports[str(int(hostdev.find("address").get("bus"), 16))])] += 1
    return behind


def nodes(guest):
    return [bus.findtext("target/node", "-") for bus in guest.iterfind("devices/controller[@model='pcie-expander-bus']")]


def memory_nodes(guest):
    return [(node.get("cellid"), node.get("mode"), node.get("nodeset")) for node in guest.iterfind("numatune/memnode")]


def distances(guest):
    return {(cell.get("id"), sibling.get("id")): sibling.get("value")
            for cell in guest.iterfind("cpu/numa/cell") for sibling in cell.iterfind("distances/sibling")}


def nodesets(guest):
    return [hostdev.find("acpi").get("nodeset") for hostdev in guest.iterfind("devices/hostdev") if hostdev.find("acpi") is not None]


def cells(guest):
    return [(cell.get("id"), cell.get("cpus", "-"), "no memory" if cell.get("memory") == "0" else f"{int(cell.get('memory')) // GIB[cell.get('unit')]} GiB")
            for cell in guest.iterfind("cpu/numa/cell")]


def sockets(guest):
    return " x ".join(guest.find("cpu/topology").get(name) for name in ("sockets", "cores", "threads"))


def hostdev(name):
    return lambda guest: sorted({element.get(name, "-") for element in guest.iterfind("devices/hostdev")})


def links(guest):
    return sorted({f"{each.get('name')}={each.get('value')}" for each in guest.iter() if each.tag.endswith("}property")}) or "-"


def bus_numbers(guest):
    return [bus.find("target").get("busNr") for bus in guest.iterfind("devices/controller[@model='pcie-expander-bus']")]


def pages(guest):
    return guest.find("memoryBacking/hugepages/page").get("size") + " KiB"


# What is compared, how it is read, and why it differs; None where it must be the same.
POINTS = [
    ("a root bus and a vSMMU for each GPU", lambda guest: list(buses(guest).values()), None),
    ("`<node>` of the root buses", nodes, None),
    ("`<numatune>`", memory_nodes, None),
    ("CPUs and memory of the cells", cells, None),
    ("distances of the cells", distances, None),
    ("`<acpi nodeset>` of the GPUs", nodesets, None),
    ("`<pcihole64>`", hole, None),
    ("sockets x cores x threads", sockets, None),
    ("huge pages", pages, None),
    ("`ats`", driver("ats"), None),
    ("`ril`", driver("ril"), None),
    ("`ssidsize`", driver("ssidsize"), None),
    ("`oas`", driver("oas"), None),
    ("`cmdqv`", driver("cmdqv"), None),
    ("`managed`", hostdev("managed"), None),
    ("`busNr` of the root buses", bus_numbers,
     "The published numbers leave room for one port each. These leave it for ports to come, and are as far apart as the number of buses permits."),
    ("link of the ports (`x-speed`, `x-width`)", links,
     "QEMU's ports have 16 GT/s and 32 lanes, and show the speed and width of the device behind them as those of the link. "
     "Setting them needs `<qemu:override>`, with which libvirt marks the guest as tainted."),
]

# Machine, GPUs, other devices, and the published size of the hole with its source, where there is one.
KUBEVIRT = "KubeVirt"
GUIDE = "NVIDIA"
MACHINES = [
    ("gb200", GPUS[:1], [], "1 TiB", KUBEVIRT), ("gb200", GPUS[:1], NICS[:1], None, None),
    ("gb200", GPUS[:2], [], "2 TiB", KUBEVIRT), ("gb200", GPUS[:2], NICS[:2], None, None),
    ("gb200", GPUS, [], "4 TiB", KUBEVIRT), ("gb200", GPUS, NICS, "4 TiB", GUIDE),
    ("gb200", [], NICS, None, None),
    ("gb200-fallback", GPUS, [], "4 TiB", KUBEVIRT),
    ("gh200", ["0009:01:00.0"], [], "1 TiB", KUBEVIRT), ("gh200", ["0009:01:00.0"], ["0000:01:00.0"], None, None),
    ("grace-java-island", [], ["0002:01:00.0"], None, None),
    ("gb10", ["000f:01:00.0"], [], None, None), ("gb10", [], ["0000:01:00.0"], None, None),
    ("rk3588-dt", [], ["0000:01:00.0"], None, None),
]


def shown(value):
    """A value for a table: short, with what is alike once."""
    if isinstance(value, dict):
        return ", ".join(sorted(set(value.values()), key=int))
    if isinstance(value, str):
        return value
    values = [" ".join(each) if isinstance(each, tuple) else str(each) for each in value]
    memoryless = [each for each in values if each.endswith("no memory")]
    return ", ".join([each for each in values if each not in memoryless] + ([f"{len(memoryless)} without"] if memoryless else []))


def table(heads, rows):
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, ["---"] * len(heads), *rows])


def guest_of(program, tree, machine, devices, *options):
    outcome = plan(program, tree(machine), devices, *options)
    return outcome, ET.fromstring(outcome.out) if outcome.status == 0 else None


def four_gpus(program, tree):
    return guest_of(program, tree, "gb200", GPUS, *OPTIONS)[1]


@pytest.mark.parametrize("name, read", [(name, read) for name, read, reason in POINTS if reason is None])
def test_four_gpus_are_as_published(program, tree, name, read):
    assert read(four_gpus(program, tree)) == read(ET.parse(PUBLISHED).getroot())


def summary(outcome, guest):
    """What the guest of a machine has, or why there is none."""
    if guest is None:
        reason = re.sub(r"^(virt-vsmmu|the plan:\d+: error): | \[[a-z-]+\]$", "", outcome.err.splitlines()[0])
        return ["none: " + reason, "", "", "", ""]
    return [", ".join(map(str, buses(guest).values())), ", ".join(nodes(guest)), shown(nodesets(guest)) or "-", hole(guest),
            " ".join(f"{name}={'/'.join(driver(name)(guest))}" for name in ("ats", "ril", "ssidsize", "oas", "cmdqv"))]


@pytest.mark.parametrize("machine, gpus, others, published, source", MACHINES)
def test_each_machine_gets_what_is_published_for_it(program, tree, machine, gpus, others, published, source):
    """No errors, and no warnings but about the kernel of the machine; the size of the hole is that of the guides."""
    outcome, guest = guest_of(program, tree, machine, gpus + others)
    if guest is None:
        assert outcome.out == "" and published is None
        return
    findings = program.check("--host", tree(machine), "-", input=outcome.out.encode()).findings
    assert {finding["rule"] for finding in findings if finding["severity"] != "note"} <= {"host-kernel", "host-gpu-in-use"}
    assert published in (None, hole(guest))
    assert nodesets(guest) == [f"{first}-{first + 7}" for first in range(len(cells(guest)) - 8 * len(gpus), len(cells(guest)), 8)]
    # Nothing is left to do that the command could have done itself.
    assert "virt-vsmmu: " not in outcome.err


def test_the_document_has_what_is_written(program, tree):
    published, guest = ET.parse(PUBLISHED).getroot(), four_gpus(program, tree)
    points = table(["point", "published", "written", ""], [
        [name, shown(read(published)), "the same" if read(guest) == read(published) else shown(read(guest)), reason or ""]
        for name, read, reason in POINTS])
    machines = table(["machine", "GPUs", "others", "devices behind each vSMMU", "`<node>`", "`<acpi nodeset>`", "`<pcihole64>`", "options", "published hole"], [
        [machine, str(len(gpus)), str(len(others)), *summary(*guest_of(program, tree, machine, gpus + others)),
         f"{published} ({source})" if published else "-"]
        for machine, gpus, others, published, source in MACHINES])
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, rows in (("points", points), ("machines", machines)):
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        text = text[:text.index(start) + len(start)] + rows + text[text.index(end):]
    golden.compare(DOCUMENT, text)
