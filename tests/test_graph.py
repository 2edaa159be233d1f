"""The picture of a guest: what Graphviz reads in it, that nothing in a document can break it, and its size."""

import html
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

import golden
from means import give_up
from program import DATA

GRACE = DATA / "grace.xml"
EXAMPLES = DATA.parent.parent / "examples"
CASES = sorted(DATA.glob("rules/*/*.xml"))

# What somebody might call a guest or a disk, to break out of a label.
HOSTILE = {
    "quote": 'a"b',
    "end of a string": '"]; evil [label="x',
    "end of a label": ">]; evil [label=<x",
    "backslash": "a\\b",
    "trailing backslash": "a\\",
    "escape of Graphviz": "\\N \\G \\L \\E \\n \\l",
    "newline": "a\nb",
    "tab": "a\tb",
    "element": "<b>bold</b>",
    "end of the table": "</td></tr></table>",
    "entity": "&amp; &lt; &#65; &nosuch;",
    "ampersand": "a&b",
    "comment": "/* a */ // b # c",
    "braces": "{a|b}",
    "control sequence": "\x9b31m",
    "right to left": "\u202ename",
    "beyond ASCII": "\u00fcml\u00e4ut \u2603 \U0001f600",
    "percent": "%s%n%d",
}


@pytest.fixture(scope="session")
def dot():
    """Graphviz; returns the graphs it reads in the text, as it lays them out."""
    if not shutil.which("dot"):
        give_up("the package graphviz is missing")

    def read(text):
        process = subprocess.run(["dot", "-Tdot_json"], input=text, capture_output=True, encoding="utf-8", timeout=100)
        assert (process.returncode, process.stderr) == (0, ""), process.stderr
        decoder, graphs, at = json.JSONDecoder(), [], 0
        while process.stdout[at:].strip():
            graph, at = decoder.raw_decode(process.stdout, at)
            while at < len(process.stdout) and process.stdout[at].isspace():
                at += 1
            graphs.append(Graph(graph))
        return graphs

    return read


class Graph:
    """Nodes by name, as the text in them; edges as pairs of names; boxes by name, as the names in them."""

    def __init__(self, graph):
        objects = graph.get("objects", [])
        self.nodes = {item["name"]: visible(item["label"]) for item in objects if "nodes" not in item}
        self.tooltips = {item["name"]: html.unescape(item["tooltip"]).replace("\\" * 4, "\\") for item in objects if "nodes" not in item}
        self.borders = {item["name"]: item["color"] for item in objects if "nodes" not in item}
        self.edges = {(objects[edge["tail"]]["name"], objects[edge["head"]]["name"]) for edge in graph.get("edges", [])}
        self.boxes = {item["name"]: {objects[number]["name"] for number in item["nodes"]}
                      for item in objects if "nodes" in item}
        self.list = visible(graph["label"])

    def find(self, text):
        """The one node that has the text."""
        name, = (name for name, label in self.nodes.items() if text in label)
        return name


def visible(label):
    return html.unescape(re.sub(r"<[^>]*>", "\n", label)).replace("\\\\", "\\")


def printable(text):
    """As virt-vsmmu shows it; see vsmmu_render_printable()."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u202e]", lambda match: f"\\u{ord(match[0]):04x}", text)


def draw(program, *arguments, **options):
    outcome = program.run("graph", *arguments, **options)
    assert outcome.status in (0, 1) and outcome.err == "", outcome.err
    return outcome.out


def gpus(count, spare=2, per_bus=1, extra=""):
    """A guest with so many GPUs, each with a root bus, a vSMMU and free ports of its own."""
    controllers, hostdevs, iommus, index = "", "", "", 2
    for number in range(count):
        root = index
        controllers += (f"<controller type='pci' index='{root}' model='pcie-expander-bus'>"
                        f"<target busNr='{8 + number * 15}'/></controller>\n")
        for port in range(spare + per_bus):
            index += 1
            controllers += (f"<controller type='pci' index='{index}' model='pcie-root-port'>"
                            f"<address type='pci' bus='{root}' slot='{port}'/></controller>\n")
            if port < per_bus:
                hostdevs += (f"<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source>"
                             f"<address domain='{number}' bus='1' slot='{port}' function='0'/></source>"
                             f"<address type='pci' bus='{index}' slot='0'/></hostdev>\n")
        iommus += f"<iommu model='smmuv3'><driver pciBus='{root}' accel='on'/></iommu>\n"
        index += 1
    return ("<domain type='kvm'><name>gpus</name><vcpu>4</vcpu><os firmware='efi'>"
            "<type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features><devices>"
            "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>"
            f"{controllers}{hostdevs}{iommus}{extra}</devices></domain>")


def facts(count, per_bus=1, wrong=False):
    """A host with an SMMU for each GPU of gpus(); the second GPU on the SMMU of the first when it is wrong."""
    smmus = [f"smmu3.0x{(number + 1) << 24:016x}" for number in range(count)]
    devices = [{"address": f"{number:04x}:01:{slot:02x}.0", "smmu": smmus[0 if wrong and number == 1 else number]}
               for number in range(count) for slot in range(per_bus)]
    known = {"value": True, "source": "given"}
    capabilities = {"nesting": known, "canwbs": known, "ats": known, "oas": {"value": 48, "source": "given"}}
    return json.dumps({
        "version": 1, "name": "gb200", "devices": devices,
        "smmus": [{"name": name, "numa_node": {"value": 1, "source": "given"}, "capabilities": capabilities}
                  for name in smmus]})


def test_buses_ports_and_devices_are_nodes(program, dot):
    graph, = dot(draw(program, GRACE))
    assert set(graph.nodes) == {"guest", "root0", "emulated0", "root2", "bus3", graph.find("hostdev"), "free2"}
    assert graph.edges == {("guest", "root0"), ("root0", "emulated0"), ("guest", "root2"), ("root2", "bus3"),
                           ("bus3", graph.find("hostdev")), ("root2", "free2")}
    assert graph.boxes == {"cluster_root0": {"root0", "emulated0"},
                           "cluster_root2": {"root2", "bus3", graph.find("hostdev"), "free2"}}


def test_nodes_say_what_they_are(program, dot):
    graph, = dot(draw(program, GRACE))
    for node, words in {
            "guest": ["grace", "'virt'", "16 vCPUs"],
            "root2": ["pcie-expander-bus with index 2", "bus number 64", "accelerated vSMMU 'iommu0'", "ats auto"],
            "bus3": ["pcie-root-port", "bus 3 at 02:00.0"],
            "free2": ["1 free port", "bus 4"],
            "emulated0": ["1 emulated device", "disk 'vda'"],
            graph.find("hostdev"): ["0009:01:00.0", "03:00.0"]}.items():
        assert all(word in graph.nodes[node] for word in words), graph.nodes[node]


def test_the_physical_smmus_of_the_guest_are_drawn(program, dot, tmp_path):
    (tmp_path / "host.json").write_text(facts(4), encoding="utf-8")
    graph, = dot(draw(program, "--host", tmp_path / "host.json", "-", input=gpus(2).encode()))
    assert {("smmu1000000", "host"), ("smmu2000000", "host"), (graph.find("0000:01:00.0"), "smmu1000000"),
            (graph.find("0001:01:00.0"), "smmu2000000")} <= graph.edges
    assert "smmu3000000" not in graph.nodes and "2 other SMMUs" in graph.nodes["host"]
    assert all(word in graph.nodes["smmu1000000"] for word in ("0x1000000", "NUMA node 1", "nested translation", "oas 48"))


def test_devices_that_the_host_does_not_have_are_drawn_without_an_smmu(program, dot, tmp_path):
    (tmp_path / "host.json").write_text(facts(1), encoding="utf-8")
    graph, = dot(draw(program, "--host", tmp_path / "host.json", "-", input=gpus(2).encode()))
    assert {edge for edge in graph.edges if edge[0].startswith("device")} == {(graph.find("0000:01:00.0"), "smmu1000000")}


def test_a_switch_is_drawn_port_by_port(program, dot):
    graph, = dot(draw(program, DATA / "rules" / "hostdev-outside-vsmmu" / "quiet-behind-switch.xml"))
    downstream, = (edge[0] for edge in graph.edges if edge[1] == graph.find("hostdev"))
    upstream, = (edge[0] for edge in graph.edges if edge[1] == downstream)
    assert "downstream" in graph.nodes[downstream] and "upstream" in graph.nodes[upstream]


def test_a_domain_without_an_accelerated_vsmmu_is_drawn_too(program, dot):
    path = DATA / "rules" / "not-migratable" / "quiet-emulated.xml"
    graph, = dot(draw(program, path))
    assert "guest" in graph.nodes and "no errors or warnings" in graph.list


# Pictures that are compared to the last attribute: the document, and whether it is drawn with examples/grace-host.json.
PICTURES = {
    "nic-only": (EXAMPLES / "nic-only.xml", True),
    "two-gpu-grace": (EXAMPLES / "two-gpu-grace.xml", True),
    "mismatched-smmus": (EXAMPLES / "mismatched-smmus.xml", True),
    "broken-topology": (EXAMPLES / "broken-topology.xml", False),
    "root-bus-with-an-error": (DATA / "rules" / "pxb-bus-range-overlap" / "fires.xml", False),
    "port-with-an-error": (DATA / "rules" / "pci-address-invalid" / "fires-slot-of-port.xml", False),
    "guest-with-an-error": (DATA / "rules" / "machine-not-virt" / "fires-sbsa.xml", False),
    "device-with-an-error": (DATA / "rules" / "hostdev-without-iommufd" / "fires.xml", False),
    "adrift": (DATA / "rules" / "pci-address-invalid" / "fires-expander-on-port.xml", False),
    "switch": (DATA / "rules" / "hostdev-outside-vsmmu" / "quiet-behind-switch.xml", False),
    "models-mixed": (DATA / "rules" / "iommu-models-mixed" / "fires-machine-wide.xml", False),
    "over-no-root-bus": (DATA / "rules" / "pci-bus-not-root" / "fires-port.xml", False),
    "bus-missing": (DATA / "rules" / "pci-bus-missing" / "fires.xml", False),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_one_that_was_found_right(name, program):
    path, is_with_host = PICTURES[name]
    host = ["--host", EXAMPLES / "grace-host.json"] if is_with_host else []
    golden.compare(DATA / "graph" / f"{name}.dot", draw(program, *host, path))


@pytest.mark.parametrize("name", ["partial-host", "many"])
def test_a_picture_of_a_synthetic_guest_is_the_one_that_was_found_right(name, program, tmp_path):
    """Facts that are not known are left out; names beyond the first few are counted."""
    host, count, spare = json.loads(facts(3)), 2, 1
    if name == "many":
        count, spare = 1, 14
    else:
        host["smmus"][0]["capabilities"] = {"nesting": {"value": False, "source": "given"},
                                            "ssidsize": {"value": 20, "source": "given"}}
        del host["name"], host["smmus"][0]["numa_node"]
    (tmp_path / "host.json").write_text(json.dumps(host), encoding="utf-8")
    disks = "".join(f"<disk type='file'><source file='/x'/><target dev='vd{letter}' bus='virtio'/></disk>"
                    for letter in "abcdefghijkl")
    text = draw(program, "--host", tmp_path / "host.json", "-", input=gpus(count, spare, extra=disks).encode())
    golden.compare(DATA / "graph" / f"{name}.dot", text)


def squeeze(text):
    return re.sub(r"\s+", " ", text)


@pytest.mark.slow("Graphviz draws hundreds of graphs")
def test_every_finding_of_every_case_is_marked_in_words_and_listed(program, dot):
    """All cases at once, because Graphviz takes longer to start than to draw."""
    cases = [path for path in CASES if path.parent.name not in ("xml-malformed", "ignored-rule-unknown")]
    graphs = dot("".join(draw(program, path) for path in cases))
    assert len(graphs) == len(cases) > 300
    for path, graph in zip(cases, graphs):
        labels = " ".join(map(squeeze, graph.nodes.values()))
        for finding in program.check(path).findings:
            word = finding["severity"]
            assert f"{word}: {finding['rule']}" in labels, f"{path}: {finding}"
            assert any(finding["message"] in tooltip for tooltip in graph.tooltips.values()), f"{path}: {finding}"
            if finding["severity"] != "note":
                listed = f"{word} on line {finding['line']}: {finding['message']} [{finding['rule']}]"
                assert listed in squeeze(graph.list) or "to show all" in graph.list, f"{path}: {finding}"


def test_what_is_wrong_has_another_colour_and_a_word(program, dot):
    graph, = dot(draw(program, DATA / "rules" / "hostdev-without-iommufd" / "fires.xml"))
    wrong = graph.find("hostdev 0009")
    assert "error:" in graph.nodes[wrong] and "hostdev-without-iommufd" in graph.nodes[wrong]
    assert list(graph.borders.values()).count(graph.borders[wrong]) == 1
    assert not any("error:" in label for name, label in graph.nodes.items() if name != wrong)


@pytest.mark.parametrize("count", [2, 16])
def test_the_number_of_nodes_follows_the_gpus_and_not_the_ports(count, program, dot):
    few, = dot(draw(program, "-", input=gpus(count, spare=1).encode()))
    many, = dot(draw(program, "-", input=gpus(count, spare=13).encode()))
    assert set(few.nodes) - {name for name in few.nodes if name.startswith("device")} == {
        name for name in many.nodes if not re.match(r"device|bus|root\d|free\d", name)} | {
        name for name in few.nodes if re.match(r"bus|root\d|free\d", name)}
    assert len(many.nodes) == len(few.nodes) == 2 + 4 * count + 1
    assert sum("13 free ports" in label for label in many.nodes.values()) == count


def test_numa_nodes_are_named(program, dot):
    """A planned guest with four GPUs and four NICs, on the machine that it is for."""
    host = DATA / "hosts" / "gb200.sysfs"
    gpus = ["0008:01:00.0", "0009:01:00.0", "0018:01:00.0", "0019:01:00.0"]
    nics = ["0000:03:00.1", "0002:03:00.1", "0010:03:00.1", "0012:03:00.1"]
    document = program.run("plan", "--host", host, *(f"--device={device}" for device in gpus + nics)).out
    graph, = dot(draw(program, "--host", host, "-", input=document.encode()))
    assert "NUMA node 0: vCPUs, 8 GiB" in graph.nodes["guest"] and "NUMA node 1: vCPUs, 8 GiB" in graph.nodes["guest"]
    assert "32 NUMA nodes for the memory of devices" in graph.nodes["guest"]
    for first, device in enumerate(gpus):
        assert f"memory: NUMA nodes {2 + 8 * first}-{9 + 8 * first}" in graph.nodes[graph.find(f"hostdev {device}")]
    assert not any("memory:" in graph.nodes[graph.find(f"hostdev {device}")] for device in nics)
    roots = [label for name, label in graph.nodes.items() if name.startswith("root") and "accelerated" in label]
    assert len(roots) == 6 and sum("NUMA node 0" in label for label in roots) == sum("NUMA node 1" in label for label in roots) == 3


@pytest.mark.parametrize("nodes, shown", [("1", "1"), ("1-3", "1-3"), ("1,3", "1,3"), ("0-1,3", "0-1,3"), ("1-3,^2", "1,3"), ("127", "127")])
def test_sets_of_numa_nodes_are_shown_as_ranges(nodes, shown, program, dot):
    document = GRACE.read_text(encoding="utf-8").replace("</source>", f"</source><acpi nodeset='{nodes}'/>", 1)
    document = document.replace("<devices>", "<cpu><numa>" + "<cell memory='0'/>" * 128 + "</numa></cpu><devices>")
    graph, = dot(draw(program, "-", input=document.encode()))
    assert any(re.search(rf"NUMA nodes {re.escape(shown)}(?![-,\d])", label) for name, label in graph.nodes.items() if name.startswith("device"))


def test_many_numa_nodes_are_counted(program, dot):
    document = GRACE.read_text(encoding="utf-8").replace("<devices>", "<cpu><numa>" + "<cell memory='1' unit='GiB'/>" * 20 + "</numa></cpu><devices>")
    graph, = dot(draw(program, "-", input=document.encode()))
    assert graph.nodes["guest"].count("1 GiB") == 8 and "and 12 more" in graph.nodes["guest"]


def test_emulated_devices_beside_the_vsmmus_are_one_node(program, dot):
    disks = "".join(f"<disk type='file'><source file='/x'/><target dev='vd{letter}' bus='virtio'/></disk>"
                    for letter in "abcdefghijkl")
    graph, = dot(draw(program, "-", input=gpus(1, spare=0, extra=disks).encode()))
    assert "12 emulated devices" in graph.nodes["emulated0"] and "and 6 more" in graph.nodes["emulated0"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_break_out_of_their_labels(name, program, dot, tmp_path):
    """The same nodes and edges as with a plain name, and the name there as it is."""
    reference = "".join(f"&#{ord(character)};" for character in HOSTILE[name])
    plain = GRACE.read_text(encoding="utf-8").replace("accel='on'", "accel='on' ats='PLAIN'").replace(
        "<name>grace</name>", "<name>PLAIN</name>").replace("dev='vda'", "dev='PLAIN'").replace(
        "machine='virt'", "machine='virt-PLAIN'").replace(
        "<iommu model='smmuv3'>", "<iommu model='smmuv3'><alias name='ua-PLAIN'/>")
    host = json.loads(facts(1)) | {"devices": [{"address": "0009:01:00.0", "smmu": f"smmu3.0x{1 << 24:016x}"}]}
    graphs = []
    for text, host_name in ((plain, "PLAIN"), (plain.replace("PLAIN", reference), HOSTILE[name])):
        (tmp_path / "host.json").write_text(json.dumps(host | {"name": host_name}), encoding="utf-8")
        graphs += dot(draw(program, "--host", tmp_path / "host.json", "-", input=text.encode()))
    expected, graph = graphs
    shown = printable(HOSTILE[name])
    assert set(graph.nodes) == set(expected.nodes) and graph.edges == expected.edges
    for node, label in expected.nodes.items():
        assert squeeze(graph.nodes[node]) == squeeze(label.replace("PLAIN", shown)), node
    assert shown in graph.nodes["guest"] and shown in graph.nodes["root2"] and shown in graph.nodes["host"]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_svg_is_well_formed_and_shows_names_as_they_are(name, program, dot):
    reference = "".join(f"&#{ord(character)};" for character in HOSTILE[name])
    document = GRACE.read_text(encoding="utf-8").replace("<name>grace</name>", f"<name>{reference}</name>").replace(
        "accel='on'", f"accel='on' ats='{reference}'")
    svg = ET.fromstring(draw(program, "--format", "svg", "-", input=document.encode()))
    texts = ["".join(element.itertext()).strip() for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert printable(HOSTILE[name]).replace("\u00a0", " ").strip() in texts
    # How often Graphviz takes escapes out of tooltips depends on its version.
    titles = [re.sub(r"\\+", r"\\", value) for element in svg.iter() for key, value in element.attrib.items()
              if key.endswith("title")]
    assert any(printable(HOSTILE[name]) in title for title in titles)


def test_an_svg_needs_graphviz_and_says_so(program, tmp_path):
    outcome = program.run("graph", "--format", "svg", GRACE, environment={"PATH": str(tmp_path)})
    assert (outcome.status, outcome.out) == (2, "")
    assert "graphviz" in outcome.err and "--format dot" in outcome.err and outcome.err.count("\n") == 1


def test_a_graphviz_that_fails_is_an_error(program, tmp_path):
    fake = tmp_path / "dot"
    fake.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    fake.chmod(0o755)
    outcome = program.run("graph", "--format", "svg", GRACE, environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (outcome.status, outcome.out) == (2, "") and str(fake) in outcome.err


def test_the_exit_status_is_that_of_check(program):
    assert program.run("graph", GRACE).status == 0
    assert program.run("graph", DATA / "rules" / "pasid-without-ats" / "fires.xml").status == 0
    assert program.run("graph", EXAMPLES / "broken-topology.xml").status == 1
    assert program.run("graph", DATA / "rules" / "xml-malformed" / "fires-cut-off.xml").status == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 99}', "<domain/>"])
def test_broken_host_facts_are_an_error(text, program, tmp_path):
    (tmp_path / "host.json").write_text(text, encoding="utf-8")
    outcome = program.run("graph", "--host", tmp_path / "host.json", GRACE)
    assert (outcome.status, outcome.out) == (2, "") and "host.json" in outcome.err


def test_a_device_of_another_physical_smmu_is_seen_at_its_edge(program, dot, tmp_path):
    host = json.loads(facts(2, per_bus=2))
    host["devices"][1]["smmu"] = host["smmus"][1]["name"]
    (tmp_path / "host.json").write_text(json.dumps(host), encoding="utf-8")
    text = draw(program, "--host", tmp_path / "host.json", "-", input=gpus(1, per_bus=2).encode())
    graph, = dot(text)
    right, wrong = graph.find("0000:01:00.0"), graph.find("0000:01:01.0")
    assert {(right, "smmu1000000"), (wrong, "smmu2000000")} <= graph.edges
    assert "error:\nhost-smmu-mismatch" in re.sub(r"\n+ *", "\n", graph.nodes[wrong])
    assert re.search(rf"{wrong} -> smmu2000000 .*style=dashed", text)
    assert re.search(rf"{right} -> smmu1000000 .*style=solid", text)


def test_more_devices_than_can_be_shown_are_counted(program):
    hostdev = "<hostdev type='pci'><address type='pci' bus='3' slot='0'/></hostdev>"
    text = draw(program, "-", input=gpus(2, extra=hostdev * 20000).encode())
    assert len(text) < 4 << 20 and text.count(" [label=") < 1100
    assert re.search(r"more \[label=.*\d+ more devices are not drawn", text)
