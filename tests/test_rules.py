"""Each rule fires on the documents made for it, where they say so, and is quiet on their close neighbours.

tests/data/rules/RULE/fires*.xml and quiet*.xml; in them stand, as comments,
  here: SEVERITY ELEMENT   a finding of RULE is expected on this line, once for each comment
  also: RULE …             other rules that have errors or warnings in this document
  target: TARGET           check with --target TARGET
  target-host: FACTS       check with --target and these facts, in the words of tests/facts.py
  host: FACTS              check with --host and these facts, in the words of tests/facts.py
  attach: FILE             check with --attach, or with “detach” with --detach; FILE is beside the document, in a
                           directory of its own, and may have “here” comments too
What the findings of all cases of a rule say, and their hints, is in RULE/expected.txt; see golden.py for how to renew it.
"""

import collections
import functools
import os
import pathlib
import re
import xml.parsers.expat
from dataclasses import dataclass

import pytest

import golden
from means import give_up
from program import DATA

CASES = [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in sorted(DATA.glob("rules/*/*.xml"))]
FIRING = [case for case in CASES if case.values[0].stem.startswith("fires")]
QUIET = [case for case in CASES if case.values[0].stem.startswith("quiet")]
GRACE = DATA / "grace.xml"
# The schema has tests of its own; too-many-findings takes a thousand of them, see below; those of msi are about running guests.
CHECKED_ELSEWHERE = {"schema-violation", "too-many-findings", "msi-doorbell-zero", "msi-doorbell-mismatch",
                     "msi-doorbell-not-controller", "msi-window-mismatch", "msi-address-unmapped", "msi-address-wrong-target",
                     "msi-device-on-other-bus", "vsmmu-attach-failed"}

# In the other cases, the GPUs of the machine "grace" have no memory of their own, which needs much in a guest.
ABOUT_GPUS = {"host-memory-nodes", "host-pci-hole", "host-vfio-driver", "host-gpu-in-use", "host-gpu-options", "host-egm"}

# libxml2's words, which differ from version to version.
LIBXML2 = re.compile(r"(?<=not well-formed XML: ).+")
EXPECTED = re.compile(r"<!-- here: (\S+) (\S+) -->")
ALSO = re.compile(r"<!-- also: ([a-z0-9 -]+) -->")
TARGET = re.compile(r"<!-- target: (\S+) -->")
TARGET_HOST = re.compile(r"<!-- target-host: (.+?) -->", re.DOTALL)
DEVICE = re.compile(r"<!-- (attach|detach): (\S+) -->")
HOST = re.compile(r"<!-- host: (.+?) -->", re.DOTALL)


def words_of(path, host):
    """The host that a case means."""
    return host if path.parent.name in ABOUT_GPUS else re.sub("^grace", "without-memory", host)


@pytest.fixture(scope="session")
def findings_of(program, facts):
    """The findings of a case; one process checks all cases with its options."""
    def options_of(path):
        text = path.read_text(encoding="utf-8")
        target, host, device = TARGET.search(text), HOST.search(text), DEVICE.search(text)
        options = ["--target", target[1]] if target else []
        if host:
            options += ["--host", facts.file(words_of(path, host[1]))]
        options += ["--target", facts.file(asked[1])] if (asked := TARGET_HOST.search(text)) else []
        return tuple(options + ([f"--{device[1]}", path.parent / device[2]] if device else []))

    @functools.cache
    def cases():
        options = {case.values[0]: options_of(case.values[0]) for case in CASES}
        return options, {same: [path for path in options if options[path] == same] for same in options.values()}

    @functools.cache
    def check(options):
        paths = cases()[1][options]
        # What is found in a device document belongs to its case, which is alone with its options.
        if any(option in ("--attach", "--detach") for option in options):
            return {path: program.check(*options, path).findings for path in paths}
        findings = program.check(*options, *paths).findings
        assert {finding["file"] for finding in findings} <= set(map(str, paths))
        return {path: [finding for finding in findings if finding["file"] == str(path)] for path in paths}

    return lambda path: check(cases()[0][path])[path]


def documents(path):
    """The document of a case, and its device document if it has one."""
    device = DEVICE.search(path.read_text(encoding="utf-8"))
    return [path, path.parent / device[2]] if device else [path]


def expected_places(path):
    """(file, line, severity, element) of every finding that the documents ask for."""
    return collections.Counter((str(document), number, severity, element) for document in documents(path)
                               for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1)
                               for severity, element in EXPECTED.findall(line))


def places(findings, rule):
    return collections.Counter((finding["file"], finding["line"], finding["severity"], finding["element"])
                               for finding in findings if finding["rule"] == rule)


def element_lines(document):
    """The first and last line of every element, by its path: /domain[1]/devices[1]/iommu[2]."""
    parser = xml.parsers.expat.ParserCreate()
    lines, stack, counts = {}, [""], [collections.Counter()]

    def start(name, _):
        counts[-1][name] += 1
        stack.append(f"{stack[-1]}/{name}[{counts[-1][name]}]")
        counts.append(collections.Counter())
        lines[stack[-1]] = [parser.CurrentLineNumber]

    def end(_):
        lines[stack.pop()].append(parser.CurrentLineNumber)
        counts.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(document, True)
    return lines


def full_path(element):
    return re.sub(r"([^]/])(?=/|$)", r"\1[1]", element)


@pytest.mark.parametrize("path", FIRING)
def test_rule_fires_exactly_where_the_document_says(path, findings_of):
    expected = expected_places(path)
    assert expected, "the document marks no line"
    assert places(findings_of(path), path.parent.name) == expected


@pytest.mark.parametrize("path", QUIET)
def test_rule_is_quiet_on_the_neighbour(path, findings_of):
    assert not places(findings_of(path), path.parent.name)


@pytest.mark.parametrize("path", CASES)
def test_no_other_rule_has_errors_or_warnings(path, findings_of):
    also = ALSO.search(path.read_text(encoding="utf-8"))
    others = {finding["rule"] for finding in findings_of(path) if finding["severity"] != "note"} - {path.parent.name}
    assert others == (set(also[1].split()) if also else set())


@pytest.mark.parametrize("path", CASES)
def test_findings_have_a_hint_and_lie_in_the_element_they_name(path, findings_of):
    for finding in findings_of(path):
        assert finding["message"].strip() and finding["hint"].strip(), finding
        if finding["rule"] == "xml-malformed":
            continue
        lines = element_lines(pathlib.Path(finding["file"]).read_bytes())
        assert full_path(finding["element"]) in lines, f"no such element: {finding}"
        first, last = lines[full_path(finding["element"])]
        assert first <= finding["line"] <= last, finding


def described(path, findings):
    """The findings of a case as expected.txt has them."""
    lines = [path.name]
    for finding in findings:
        # It is said of every case; how, its own cases pin.
        if finding["rule"] == "not-migratable" != path.parent.name:
            continue
        file = pathlib.Path(finding["file"]).relative_to(path.parent)
        message = LIBXML2.sub("(libxml2's words)", finding["message"])
        lines += [f"  {file}:{finding['line']} {finding['element']}",
                  f"    {finding['severity']}: {message} [{finding['rule']}]",
                  f"    hint: {finding['hint']}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("rule", sorted({case.values[0].parent.name for case in CASES}))
def test_findings_say_what_was_found_right(rule, findings_of):
    paths = sorted(DATA.glob(f"rules/{rule}/*.xml"))
    text = "\n".join(described(path, findings_of(path)) for path in paths)
    golden.compare(DATA / "rules" / rule / "expected.txt", text.replace(f"{DATA}{os.sep}", ""))


def test_every_rule_has_cases_of_both_kinds(program):
    rules = set(program.rules()) - CHECKED_ELSEWHERE
    assert {case.values[0].parent.name for case in FIRING} == rules
    assert {case.values[0].parent.name for case in QUIET} == rules


def test_the_base_of_all_cases_has_no_findings_but_notes(program):
    assert program.check(GRACE).rules == ["not-migratable"]


@dataclass(frozen=True)
class Notation:
    """Values of one attribute or element; `template` replaces `text` of grace.xml.

    Not compared with libvirt is what libvirt 9.0 of Debian 12 does not know yet, and what its test driver crashes on.
    """

    name: str
    text: str
    template: str
    good: tuple
    bad: tuple
    is_compared: bool = True

    def document(self, value):
        grace = GRACE.read_text(encoding="utf-8")
        assert grace.count(self.text) == 1
        return grace.replace(self.text, self.template.format(value))


DRIVER = "pciBus='2' accel='on'"
ROOT = "<controller type='pci' index='0' model='pcie-root'/>"
PORT = "<controller type='pci' index='1' model='pcie-root-port'/>"
GUEST_ADDRESS = "<address type='pci' bus='0x03' slot='0x00'/>"
HOST_ADDRESS = "<address domain='0x0009' bus='0x01' slot='0x00' function='0x0'/>"
NOT_WHOLE = ("", " ", "x", "-1", "1.0", "3 ", "1,0", "99999999999999999999")
SWITCH_GOOD, SWITCH_BAD = ("on", "off"), ("", "ON", "yes", "true", "1", "auto", "on ", " on")


def in_root(text):
    return ROOT.replace("/>", f">{text}</controller>")


def in_port(text):
    return PORT.replace("/>", f">{text}</controller>")


def in_numa(text):
    return f"<cpu><numa>{text}</numa></cpu><vcpu>"


NOTATIONS = [
    Notation("pciBus", DRIVER, "pciBus='{}' accel='on'",
             ("2", "02", "+2", " 2"), (*NOT_WHOLE, "0x2", "256"), False),
    Notation("ssidsize", DRIVER, DRIVER + " ssidsize='{}'",
             ("0", "1", "20", "+7", " 7", "010"), (*NOT_WHOLE, "0x14", "21", "auto"), False),
    Notation("oas", DRIVER, DRIVER + " oas='{}'",
             ("44", "48", "+44", " 48", "048"), (*NOT_WHOLE, "0x2c", "0", "42", "52", "64", "auto"), False),
    *[Notation(name, DRIVER, DRIVER + f" {name}='{{}}'",
               SWITCH_GOOD, SWITCH_BAD, False) for name in ("ats", "ril", "cmdqv")],
    Notation("accel", DRIVER, "pciBus='2' ats='on' accel='{}'", SWITCH_GOOD, SWITCH_BAD, False),
    Notation("hostdev iommufd", "<driver iommufd='yes'/>", "<driver iommufd='{}'/>",
             ("yes", "no"), ("", "on", "off", "YES", "1"), False),
    Notation("iommufd", "<vcpu>", "<iommufd enabled='{}'/><vcpu>",
             ("yes", "no"), ("", "on", "off", "YES", "1"), False),
    Notation("guest bus", GUEST_ADDRESS, "<address type='pci' bus='{}' slot='0'/>",
             ("3", "0x3", "0X03", "03", "+3", " 3"), (*NOT_WHOLE, "0x", "09", "0x100", "256")),
    Notation("guest slot", GUEST_ADDRESS, "<address type='pci' bus='3' slot='{}'/>",
             ("0", "0x0", "00"), (*NOT_WHOLE, "08", "0x20", "32")),
    Notation("guest function", GUEST_ADDRESS, "<address type='pci' bus='3' slot='0' function='{}'/>",
             ("0", "7", "0x7", "07"), (*NOT_WHOLE, "8", "0x8")),
    Notation("guest domain", GUEST_ADDRESS, "<address type='pci' domain='{}' bus='3' slot='0'/>",
             ("0", "0x0000"), (*NOT_WHOLE, "0x100000000")),
    Notation("multifunction", GUEST_ADDRESS, "<address type='pci' bus='3' slot='0' multifunction='{}'/>",
             SWITCH_GOOD, ("", "ON", "yes", "1")),
    Notation("host bus", HOST_ADDRESS, "<address domain='9' bus='{}' slot='0' function='0'/>",
             ("1", "0x1f", "010", "255"), (*NOT_WHOLE, "0x", "09", "0x100")),
    Notation("host slot", HOST_ADDRESS, "<address domain='9' bus='1' slot='{}' function='0'/>",
             ("31", "0x1f", "037"), (*NOT_WHOLE, "32", "040")),
    Notation("host function", HOST_ADDRESS, "<address domain='9' bus='1' slot='0' function='{}'/>",
             ("7",), (*NOT_WHOLE, "8")),
    Notation("host domain", HOST_ADDRESS, "<address domain='{}' bus='1' slot='0' function='0'/>",
             ("0xffffffff", "65536"), (*NOT_WHOLE, "0x100000000")),
    Notation("controller index", PORT, "<controller type='pci' index='{}' model='pcie-root-port'/>",
             ("1", "01", "+1", " 1", "010", "255"), (*NOT_WHOLE, "0x1", "256")),
    Notation("busNr", "<target busNr='64'/>", "<target busNr='{}'/>",
             ("64", "0x40", "0100", "+64", " 64"), (*NOT_WHOLE, "0", "09", "255", "256")),
    Notation("node", "<target busNr='64'/>", "<target busNr='64'><node>{}</node></target>",
             ("0", "1", " 1", "<!-- two -->2"), (*NOT_WHOLE[1:], "0x1")),
    Notation("chassis", PORT, in_port("<target chassis='{}'/>"),
             ("0", "255", "0xff"), (*NOT_WHOLE, "09", "256")),
    Notation("port", PORT, in_port("<target port='{}'/>"), ("0", "255", "0xff"), (*NOT_WHOLE, "09", "256")),
    Notation("hotplug", PORT, in_port("<target hotplug='{}'/>"), SWITCH_GOOD, ("", "ON", "yes", "1")),
    Notation("pcihole64", ROOT, in_root("<pcihole64 unit='GiB'>{}</pcihole64>"),
             ("1024", "+1024", " 1024", "0001024", "<!-- one TiB -->1024"),
             ("x", "-1", "1024.0", "1024 ", "1T", "0x400")),
    Notation("pcihole64 unit", ROOT, in_root("<pcihole64 unit='{}'>1073741824</pcihole64>"),
             ("KiB", "kib", "K", "k", ""), ("gibibyte", "KiBi", "x", "Ki", " KiB")),
    Notation("rom bar", GUEST_ADDRESS, "<rom bar='{}'/>" + GUEST_ADDRESS, SWITCH_GOOD, ("", "yes", "1")),
    Notation("boot order", GUEST_ADDRESS, "<boot order='{}'/>" + GUEST_ADDRESS,
             ("1", "+7", "010"), (*NOT_WHOLE, "0", "0x1")),
    Notation("acpi index", GUEST_ADDRESS, "<acpi index='{}'/>" + GUEST_ADDRESS,
             ("1", "16383"), (*NOT_WHOLE, "0", "0x1")),
    Notation("acpi nodeset", GUEST_ADDRESS, "<acpi nodeset='{}'/>" + GUEST_ADDRESS,
             ("1", "2-9", "0,3", "2-9,^4", "2-9,3-5", "127", " 1 - 2 ", "1,"),
             ("x", "9-2", "-1", "1-", "0-128", "16384", "", "^3", "^2-3", "^ 2", ",1", "1,,2", "1 2", "+2", "0x2",
              ",".join(["0-127"] * 2000) + ",128"), False),
    Notation("cell", "<vcpu>", in_numa("<cell id='{}' memory='4'/><cell memory='0'/>"),
             ("0", "+0", " 0", "00"), (*NOT_WHOLE, "0x0", "2", "1")),
    Notation("cell cpus", "<vcpu>", in_numa("<cell cpus='{}' memory='4'/>"),
             ("0-3", "0,3", "^1", " 0 - 3 ", "15", "0,"), ("", "x", "3-0", "^0-1", "16384", "0x1", "0 1")),
    Notation("sibling", "<vcpu>", in_numa("<cell memory='4'><distances><sibling id='{}' value='20'/></distances></cell>"
                                          "<cell memory='0'/>"),
             ("1", "+1", "01"), (*NOT_WHOLE, "2", "0", "0x1"), False),
    Notation("distance", "<vcpu>", in_numa("<cell memory='4'><distances><sibling id='1' value='{}'/></distances></cell>"
                                           "<cell memory='0'/>"),
             ("11", "255", "+20"), (*NOT_WHOLE, "10", "0", "256", "0x14"), False),
    Notation("distance to itself", "<vcpu>", in_numa("<cell memory='4'><distances><sibling id='0' value='{}'/></distances>"
                                                     "</cell>"),
             ("10", "+10"), (*NOT_WHOLE, "11", "0", "256"), False),
    Notation("numatune", "<vcpu>", "<numatune><memory mode='strict' nodeset='{}'/></numatune><vcpu>",
             ("0", "0-1", "0,1", "0,"), ("", "x", "^0", "1-0", "16384")),
    Notation("memnode", "<vcpu>", "<numatune><memnode cellid='{}' nodeset='0'/></numatune>" + in_numa("<cell memory='4'/>"),
             ("0", "+0"), (*NOT_WHOLE, "0x0")),
    Notation("gic", "<gic version='3'/>", "<gic version='{}'/>", ("host", "2", "3"), ("", "03", "4", "HOST")),
    Notation("vcpu", "<vcpu>16</vcpu>", "<vcpu>{}</vcpu>",
             ("8", "+8", " 8", "08", "8<!-- all -->"), (*NOT_WHOLE, "0", "0x8"), False),
]


def values(kind):
    return [pytest.param(notation, value, id=f"{notation.name}-{value!r}")
            for notation in NOTATIONS for value in getattr(notation, kind)]


@pytest.fixture(scope="module")
def invalid_values(program, tmp_path_factory):
    """What is found of a value; one process checks all of them."""
    directory = tmp_path_factory.mktemp("values")
    paths = {(notation.name, value): directory / f"{number}.xml"
             for number, (notation, value) in enumerate(case.values for case in values("good") + values("bad"))}
    for notation, value in (case.values for case in values("good") + values("bad")):
        paths[notation.name, value].write_bytes(notation.document(value).encode())
    findings = collections.defaultdict(list)
    for finding in program.check(*paths.values()).findings:
        findings[finding["file"]].append(finding)
    return lambda notation, value: [finding for finding in findings[str(paths[notation.name, value])]
                                    if finding["rule"] in ("invalid-attribute-value", "xml-malformed")]


@pytest.mark.parametrize("notation, value", values("good"))
def test_a_value_that_libvirt_takes_is_valid(notation, value, invalid_values):
    assert not invalid_values(notation, value)


@pytest.mark.parametrize("notation, value", values("bad"))
def test_a_value_that_libvirt_or_qemu_does_not_take_is_one_error(notation, value, invalid_values):
    assert [finding["severity"] for finding in invalid_values(notation, value)] == ["error"]


@pytest.fixture(scope="module")
def libvirt_takes():
    """Whether libvirt's own parser takes a document; its test driver needs no daemon."""
    try:
        import libvirt
    except ImportError as error:
        give_up(f"the python3-libvirt package is missing ({error})")
    libvirt.registerErrorHandler(lambda context, error: None, None)
    connection = libvirt.open("test:///default")

    def takes(document):
        document = document.replace("type='kvm'", "type='test'", 1).replace(" firmware='efi'", "")
        try:
            connection.defineXML(document).undefine()
            return True
        except libvirt.libvirtError:
            return False

    yield takes
    connection.close()


@pytest.mark.parametrize("notation", [
    pytest.param(notation, id=notation.name) for notation in NOTATIONS if notation.is_compared])
def test_libvirt_itself_takes_the_good_values_and_refuses_the_bad_ones(notation, libvirt_takes):
    assert [value for value in notation.good if not libvirt_takes(notation.document(value))] == []
    assert [value for value in notation.bad if libvirt_takes(notation.document(value))] == []


def guest(devices, rest="", start="<domain type='kvm'>", arch="aarch64", machine="virt", vcpu=16):
    return (f"{start}<name>guest</name><vcpu>{vcpu}</vcpu><os><type arch='{arch}' machine='{machine}'>hvm</type></os>"
            f"<devices>{devices}</devices>{rest}</domain>")


EMULATED = "<domain type='qemu'>"
WITH_QEMU = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
HOSTDEV = ("<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source>"
           "</hostdev>")
NOT_ACCELERATED = {
    "empty-domain": "<domain/>",
    "empty-devices": "<domain type='kvm'><devices/></domain>",
    "container": "<domain type='lxc'><os><type>exe</type><init>/bin/sh</init></os><devices/></domain>",
    "plain": guest("<disk type='file'><target dev='vda' bus='virtio'/></disk><interface type='user'/>", start=EMULATED),
    "machine-wide-smmuv3": guest("<iommu model='smmuv3'/><memballoon model='virtio'/>", start=EMULATED),
    "smmuv3-with-bus": guest("<iommu model='smmuv3'><driver pciBus='0'/></iommu><memballoon model='virtio'/>"),
    "smmuv3-with-accel-off": guest("<iommu model='smmuv3'><driver pciBus='9' accel='off'/></iommu>" * 2),
    "virtio-iommu": guest("<iommu model='virtio'/><controller type='pci' index='0' model='pcie-root'>"
                          "<pcihole64 unit='GiB'>3</pcihole64></controller>", machine="virt-10.0"),
    "intel-iommu": guest("<iommu model='intel'><driver intremap='on' iotlb='on'/></iommu>" + HOSTDEV,
                         arch="x86_64", machine="q35"),
    "intel-iommu-with-accel": guest("<iommu model='intel'><driver accel='on'/></iommu>", arch="x86_64", machine="q35"),
    "broken-in-other-ways": guest("<controller type='pci' index='0' model='pcie-root-port'/>"
                                  "<rng model='virtio'><address type='pci' bus='77' slot='99'/></rng>",
                                  "<iommufd enabled='maybe'/>", vcpu="many"),
    "accel-elsewhere": guest("<video><model type='virtio'><acceleration accel3d='yes'/></model></video>",
                             "<metadata><iommu model='smmuv3' xmlns='http://example.org/'><driver accel='on'/></iommu>"
                             "</metadata>"),
    "arguments": guest("", "<qemu:commandline><qemu:arg value='-M'/><qemu:arg value='its=off'/></qemu:commandline>",
                       WITH_QEMU),
}


@pytest.mark.parametrize("target", [None, "libvirt=11.3,qemu=10.2"])
@pytest.mark.parametrize("name", NOT_ACCELERATED)
def test_a_domain_without_accelerated_vsmmu_has_no_finding(name, target, program):
    outcome = program.check(*(["--target", target] if target else []), "-", input=NOT_ACCELERATED[name].encode())
    assert (outcome.status, outcome.findings) == (0, [])


def with_unknown_attributes(count):
    """grace.xml with so many options that libvirt does not know, on vSMMUs of one option each."""
    vsmmus = "<iommu model='smmuv3'><driver accel='off' accelerate='on'/></iommu>\n" * count
    return GRACE.read_text(encoding="utf-8").replace("    <iommu", vsmmus + "    <iommu")


def test_findings_past_the_thousandth_are_counted_in_one_of_their_own(program):
    assert "too-many-findings" not in program.check("-", input=with_unknown_attributes(200).encode()).rules
    outcome = program.check("-", input=with_unknown_attributes(1200).encode())
    last = [finding for finding in outcome.findings if finding["rule"] == "too-many-findings"]
    assert len(outcome.findings) == 1001
    assert [finding["severity"] for finding in last] == ["error"]


def test_every_rule_is_explained(program):
    rules = program.rules()
    assert rules
    for rule in rules:
        outcome = program.run("explain", rule)
        assert (outcome.status, outcome.err) == (0, "")
        head, explanation, source = outcome.out.rstrip("\n").split("\n\n")
        first, *title = head.splitlines()
        assert re.fullmatch(re.escape(rule) + r" \((error|warning|note), (document|guest|host|target|hotplug|msi)\)", first)
        assert all(text.strip() for text in (*title, explanation, source)) and not title[-1].endswith("."), rule


def test_rule_ids_are_kebab_case_and_unique(program):
    rules = program.rules()
    assert len(rules) == len(set(rules)) > 30
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", rule) for rule in rules)


def test_the_documented_rules_are_those_of_the_program(program):
    documented = (DATA.parent.parent / "docs" / "rules.rst").read_text(encoding="utf-8")
    assert program.run("explain", "--format", "rst").out == documented


@pytest.mark.parametrize("count, wrong", [(128, []), (129, [("128", 129)]), (2000, [("128", 129)])])
@pytest.mark.parametrize("numbered", [True, False])
def test_qemu_has_128_numa_nodes(count, wrong, numbered, program):
    cells = "".join(f"<cell id='{number}' memory='0'/>" if numbered else "<cell memory='0'/>" for number in range(count))
    document = (DATA / "grace.xml").read_text(encoding="utf-8").replace("<devices>", f"<cpu><numa>{cells}</numa></cpu><devices>")
    found = [finding for finding in program.check("-S", "error", "-", input=document.encode()).findings]
    assert [finding["element"] for finding in found] == [f"/domain/cpu/numa/cell[{ordinal}]" for _, ordinal in wrong]
    assert all("0 to 127" in finding["hint"] and (not numbered or f"'{number}'" in finding["message"])
               for finding, (number, _) in zip(found, wrong))
