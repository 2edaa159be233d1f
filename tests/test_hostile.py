"""Documents made to hurt: each ends soon and in bounded memory, with a clear error or ordinary findings.

None makes the program open another file or a connection.
"""

import functools
import json
import os
import re
import resource
import socket
import subprocess

import pytest

from program import DATA

# Sanitizers take address space without end, and time.
SANITIZED = "VSMMU_SANITIZED" in os.environ
SECONDS = 200 if SANITIZED else 20
MEMORY = 1 << 30
MIB = 1 << 20
LIMIT = 32 * MIB
GRACE = (DATA / "grace.xml").read_text(encoding="utf-8")
COMMANDS = {
    "check": ["check"],
    "json": ["check", "-f", "json"],
    "args": ["args"],
    "forced args": ["args", "--force"],
    "attach": ["check", "--attach", os.fspath(DATA / "rules" / "hotplug-bus-missing" / "devices" / "quiet.xml")],
    "graph": ["graph"],
}

# What a document leads to: xml-malformed; a refusal to read it at all; or the rules that speak of it, of which these are frequent.
MALFORMED, REFUSED = "malformed", "refused"
NOTHING, NOTED, EMPTY = "", "not-migratable", "vsmmu-empty no-free-hotplug-port not-migratable"
# Rules that are no errors.
NOTES = {"not-migratable", "no-free-hotplug-port"}


def domain(devices="", rest=""):
    """A virt guest with one accelerated vSMMU."""
    return (
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>"
        "<features><acpi/><gic version='3'/></features>"
        f"<devices><iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>{devices}</devices>"
        f"{rest}</domain>")


def guest_of(count, template):
    """A guest with so many devices; # in the template becomes the number of the device."""
    return domain("".join(template.replace("#", str(number)) for number in range(count)))


def grace_with(new, old="accel='on'"):
    """grace.xml with `new` in place of `old`."""
    assert GRACE.count(old) == 1
    return GRACE.replace(old, new)


def commandline(*arguments):
    """A guest with extra QEMU arguments."""
    lines = "".join(f"<qemu:arg value='{argument}'/>" for argument in arguments)
    return domain(rest=f"<qemu:commandline>{lines}</qemu:commandline>")


def controllers(parents):
    """A guest with the ports 1, 2, ... on the buses given."""
    ports = "".join(
        f"<controller type='pci' index='{index}' model='pcie-switch-{'up' if index % 2 else 'down'}stream-port'>"
        f"<address type='pci' bus='{parent}' slot='0'/></controller>" for index, parent in enumerate(parents, 1))
    return domain("<controller type='pci' index='0' model='pcie-root'/>" + ports)


def nested(depth):
    return domain(rest="<a>" * depth + "</a>" * depth)


def attributes(count):
    return " ".join(f"a{number}=''" for number in range(count))


def namespaces(depth, count, inner):
    """Elements in each other, each of which declares namespaces."""
    starts = (" ".join(f"xmlns:p{level}_{number}='u'" for number in range(count)) for level in range(depth))
    return domain(rest="".join(f"<n {start}>" for start in starts) + inner + "</n>" * depth)


def padded(size):
    """A valid document of that many bytes."""
    filler = "<!--" + "x" * 4000 + "-->\n"
    text = GRACE + filler * ((size - len(GRACE)) // len(filler))
    return text + "\n" * (size - len(text))


def laughs():
    """Entities that expand to a billion copies of the first."""
    entities = "".join(f"<!ENTITY l{level} '" + f"&l{level - 1};" * 10 + "'>" for level in range(1, 10))
    return f"<!DOCTYPE d [<!ENTITY l0 'lol'>{entities}]><domain><name>&l9;</name></domain>"


SMALL = {
    "empty": (MALFORMED, ""),
    "space": (MALFORMED, " \n\t"),
    "byte-order-mark-only": (MALFORMED, "\ufeff"),
    "one-bracket": (MALFORMED, "<"),
    "no-xml": (MALFORMED, "just text"),
    "json": (MALFORMED, '{"domain": {}}'),
    "program": (MALFORMED, "\x7fELF\2\1\1\0"),
    "text-before": (MALFORMED, "x" + GRACE),
    "text-after": (MALFORMED, GRACE + "x"),
    "two-documents": (MALFORMED, GRACE + GRACE),
    "late-declaration": (MALFORMED, " <?xml version='1.0'?>" + GRACE),
    "xml-2.0": (MALFORMED, "<?xml version='2.0'?>" + GRACE),
    "end-tag-only": (MALFORMED, "</domain>"),
    "unclosed-comment": (MALFORMED, "<!--" + GRACE),
    "unclosed-cdata": (MALFORMED, "<domain><![CDATA["),
    "unclosed-value": (MALFORMED, "<domain type='kvm"),
    "unclosed-instruction": (MALFORMED, "<?xml-stylesheet "),
    "less-than-in-value": (MALFORMED, "<domain type='<'/>"),
    "bare-ampersand": (MALFORMED, "<domain>&</domain>"),
    "character-0": (MALFORMED, "<domain>&#0;</domain>"),
    "character-1": (MALFORMED, "<domain>&#1;</domain>"),
    "surrogate": (MALFORMED, "<domain>&#xd800;</domain>"),
    "past-unicode": (MALFORMED, "<domain>&#x110000;</domain>"),
    "huge-character-number": (MALFORMED, f"<domain>&#{'9' * 10_000};</domain>"),
    "escape-in-text": (MALFORMED, "<domain>\x1b[31m</domain>"),
    "nul-first": (MALFORMED, "\0" + GRACE),
    "nul-in-text": (MALFORMED, grace_with("gra\0ce<", "grace<")),
    "nul-in-value": (MALFORMED, grace_with("accel='o\0n'")),
    "nul-in-tag": (MALFORMED, grace_with("<host\0dev", "<hostdev")),
    "nul-last": (MALFORMED, GRACE + "\0"),
    "nul-and-text-last": (MALFORMED, GRACE + "\0 and more"),
    "undeclared-entity": (MALFORMED, "<domain>&lol;</domain>"),
    "document-type": (MALFORMED, "<!DOCTYPE domain>" + GRACE),
    "internal-entity": (MALFORMED, "<!DOCTYPE d [<!ENTITY e 'x'>]><domain>&e;</domain>"),
    "default-attribute": (MALFORMED, "<!DOCTYPE domain [<!ATTLIST domain type CDATA 'kvm'>]><domain/>"),
    "billion-laughs": (MALFORMED, laughs()),
    "quadratic-entity": (MALFORMED, f"<!DOCTYPE d [<!ENTITY e '{'x' * 100_000}'>]><domain>{'&e;' * 100_000}</domain>"),
    "recursive-entity": (MALFORMED, "<!DOCTYPE d [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><domain>&a;</domain>"),
    "parameter-entity": (MALFORMED, "<!DOCTYPE d [<!ENTITY % a '<!ENTITY b \"x\">'>%a;]><domain>&b;</domain>"),
    "nested-100": (EMPTY, nested(100)),
    "nested-256": (MALFORMED, nested(256)),
    "nested-100000": (MALFORMED, nested(100_000)),
    "nested-never-closed": (MALFORMED, "<a>" * 100_000),
    "attributes-200": (EMPTY, domain(rest=f"<x {attributes(200)}/>")),
    "attributes-300": (MALFORMED, domain(rest=f"<x {attributes(300)}/>")),
    "attributes-after-quote": (MALFORMED, f"<domain><a '><x {attributes(300_000)}/><b '/></domain>"),
    "attributes-after-instruction": (MALFORMED, f"<domain><?><x {attributes(300_000)}/>?></domain>"),
    "attributes-after-comment": (MALFORMED, f"<domain><!-- ' --><x {attributes(300_000)}/></domain>"),
    "namespaces-40": ("ambiguous-xml vsmmu-empty no-free-hotplug-port not-migratable", namespaces(8, 5, "<p0_0:a/>")),
    "namespaces-20000": (MALFORMED, namespaces(100, 200, "<p0_0:a/>" * 100_000)),
    "namespace-undeclared": (NOTHING, "<domain><qemu:commandline><qemu:arg value='-S'/></qemu:commandline></domain>"),
    "long-element-name": (MALFORMED, f"<{'a' * 100_000}/>"),
    "long-prefix": (NOTHING, f"<domain {'a' * 60_000}:b='c'/>"),
    "cycle-of-one": ("pci-address-invalid not-migratable", controllers([1])),
    "cycle-of-two": ("pci-controller-order vsmmu-empty no-free-hotplug-port not-migratable", controllers([2, 1])),
    "cycle-of-254": ("pci-controller-order vsmmu-empty no-free-hotplug-port not-migratable", controllers([254, *range(1, 254)])),
    "chain-of-254": ("pci-controller-order vsmmu-empty no-free-hotplug-port not-migratable", controllers(range(254))),
    "chain-backwards": ("pci-controller-order vsmmu-empty no-free-hotplug-port not-migratable", controllers([*range(2, 255), 0])),
    "all-on-one-port": ("pci-address-invalid not-migratable", controllers([1] * 254)),
}

IOMMUFD = "<driver iommufd='yes'/>"
WRONG_VSMMU = "<iommu model='smmuv3'><driver ats='x' ril='x' cmdqv='x' oas='x' ssidsize='x' Oas='1'/></iommu>"
HOSTDEV = "<hostdev type='pci'><source><address bus='1'/></source></hostdev>"
OVERRIDE = ("<qemu:override><qemu:device alias='iommu0'><qemu:frontend>",
            "</qemu:frontend></qemu:device></qemu:override>")

LARGE = {
    "valid-30-mib": (NOTED, lambda: padded(30 * MIB)),
    "valid-32-mib": (NOTED, lambda: padded(LIMIT)),
    "one-byte-too-many": (REFUSED, lambda: padded(LIMIT + 1)),
    "33-mib": (REFUSED, lambda: "x" * 33 * MIB),
    "attributes-1000000": (MALFORMED, lambda: domain(rest=f"<x {attributes(1_000_000)}/>")),
    "text-9-mb": (EMPTY, lambda: domain(rest=f"<description>{'x' * 9_000_000}</description>")),
    "text-31-mib": (EMPTY, lambda: domain(rest=f"<description>{'x' * 31 * MIB}</description>")),
    "text-of-references": (EMPTY, lambda: domain(rest=f"<description>{'&#120;' * 1_000_000}</description>")),
    "text-with-comments": ("invalid-attribute-value not-migratable", lambda: grace_with(f"<vcpu>{'1<!---->' * 90_000}<", "<vcpu>16<")),
    "instructions": (EMPTY, lambda: domain(rest="<?a?>" * 6_000_000)),
    "comments": (EMPTY, lambda: domain(rest="<!---->" * 4_000_000)),
    "comments-and-text": (EMPTY, lambda: domain(rest="x<!---->" * 3_500_000)),
    "cdata": (EMPTY, lambda: domain(rest="<a><![CDATA[x]]></a>" * 150_000)),
    "brackets": (MALFORMED, lambda: "<" * 30 * MIB),
    "quotes": (MALFORMED, lambda: "<a " + "'" * 30 * MIB),
    "open-tags": (MALFORMED, lambda: "<a><b/>" * 4_000_000),
    "devices-8000000": (MALFORMED, lambda: guest_of(8_000_000, "<a/>")),
    "devices-300000": (MALFORMED, lambda: guest_of(300_000, "<rng model='virtio'/>")),
    "devices-190000": ("pci-address-invalid not-migratable", lambda: guest_of(190_000, "<rng model='virtio'/>")),
    "devices-of-190000-kinds": (EMPTY, lambda: guest_of(190_000, "<d#/>")),
    "vsmmus": (
        "pci-bus-shared too-many-findings", lambda: guest_of(95_000, "<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>")),
    "vsmmus-all-wrong": ("unknown-driver-attribute too-many-findings", lambda: guest_of(95_000, WRONG_VSMMU)),
    "iommus-of-other-models": (
        "pci-address-invalid iommu-models-mixed too-many-findings", lambda: guest_of(190_000, "<iommu model='virtio'/>")),
    "controllers": (
        "pci-address-invalid pci-bus-not-root not-migratable", lambda: guest_of(190_000, "<controller type='pci' model='pcie-root-port'/>")),
    "controllers-of-one-index": (
        "pci-address-invalid not-migratable", lambda: guest_of(190_000, "<controller type='pci' index='1' model='pcie-root-port'/>")),
    "controllers-of-190000-types": (EMPTY, lambda: guest_of(190_000, "<controller type='t#'/>")),
    "controllers-scsi": ("pci-address-invalid not-migratable", lambda: guest_of(190_000, "<controller type='scsi'/>")),
    "controllers-usb2": (
        "pci-address-invalid not-migratable", lambda: guest_of(190_000, "<controller type='usb' index='#' model='ich9-uhci1'/>")),
    "expanders": (
        "pci-address-invalid not-migratable", lambda: guest_of(256, "<controller type='pci' index='#' model='pcie-expander-bus'/>")),
    "hostdevs": ("pci-address-invalid hostdev-duplicate not-migratable too-many-findings", lambda: guest_of(60_000, HOSTDEV)),
    "hostdevs-with-address": (
        "pci-address-invalid hostdev-without-iommufd not-migratable too-many-findings", lambda: guest_of(95_000, "<hostdev type='pci'><address type='pci' bus='0' slot='9'/></hostdev>")),
    "hostdevs-scsi": ("pci-address-invalid not-migratable", lambda: guest_of(190_000, "<hostdev type='scsi'/>")),
    "disks-scsi": (
        "endpoint-auto-placed vsmmu-empty not-migratable", lambda: guest_of(95_000, "<disk><target dev='sd#' bus='scsi'/></disk>")),
    "disks-nvme": ("pci-address-invalid not-migratable", lambda: guest_of(95_000, "<disk><target dev='nvme#n1' bus='nvme'/></disk>")),
    "channels": ("pci-address-invalid not-migratable", lambda: guest_of(95_000, "<channel><target type='virtio'/></channel>")),
    "aliases": ("pci-address-invalid not-migratable", lambda: guest_of(95_000, "<rng model='virtio'><alias name='ua-#'/></rng>")),
    "arguments": (
        "vsmmu-empty no-free-hotplug-port commandline-conflict not-migratable too-many-findings", lambda: commandline(*["iommu=smmuv3"] * 190_000)),
    "arguments-of-commas": (EMPTY, lambda: commandline(*["-M", "," * 200] * 90_000)),
    "overrides": (
        "vsmmu-empty no-free-hotplug-port commandline-not-understood not-migratable too-many-findings", lambda: domain(rest=("<qemu:property name='ats'/>" * 190_000).join(OVERRIDE))),
    "value-9-mb-ats": ("not-migratable invalid-attribute-value", lambda: grace_with(f"accel='on' ats='{'9' * 9_000_000}'")),
    "value-11-mb-ats": ("not-migratable invalid-attribute-value", lambda: grace_with(f"accel='on' ats='{'9' * 11_000_000}'")),
    "value-9-mb-machine": (NOTED, lambda: grace_with(f"machine='virt-{'1' * 9_000_000}'", "machine='virt'")),
    "value-9-mb-disk": (NOTED, lambda: grace_with(f"dev='vd{'a' * 9_000_000}'", "dev='vda'")),
    "value-9-mb-alias": (NOTED, lambda: grace_with(f"{IOMMUFD}<alias name='ua-{'a' * 9_000_000}'/>", IOMMUFD)),
    "value-9-mb-model": (
        "pci-address-invalid not-migratable pci-bus-missing", lambda: grace_with(f"model='{'a' * 9_000_000}'", "model='pcie-expander-bus'")),
    "value-7-mb-rom": (NOTED, lambda: grace_with(f"{IOMMUFD}<rom file='{',&apos;' * 1_000_000}'/>", IOMMUFD)),
    "value-9-mb-nodeset": ("memory-node-missing not-migratable", lambda: grace_with(f"{IOMMUFD}<acpi nodeset='{'0-127,' * 1_500_000}1'/>", IOMMUFD)),
    "value-8-mb-argument": (
        "no-msi-controller vsmmu-empty no-free-hotplug-port not-migratable", lambda: commandline("-M", "its=off," * 1_000_000)),
    "value-9-mb-vcpu": ("invalid-attribute-value not-migratable", lambda: grace_with(f"<vcpu>{'9' * 9_000_000}<", "<vcpu>16<")),
}


def limit_resources():
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(program, command, document):
    """(status, stdout, stderr); a crash, or a limit of time or memory that is hit, fails the test."""
    process = subprocess.run([program.path, *COMMANDS[command], "-"], input=document, capture_output=True,
                             timeout=2 * SECONDS, preexec_fn=limit_resources, env={"LC_ALL": "C.UTF-8"})
    assert process.returncode in (0, 1, 2), f"ended by signal {-process.returncode}: {process.stderr[-300:]}"
    return process.returncode, process.stdout.decode("utf-8"), process.stderr.decode("utf-8")


def assert_one_error(text):
    assert re.match("virt-vsmmu: (<stdin>:|'<stdin>' )", text) and text.count("\n") == 1 and len(text) < 1000


def assert_malformed(command, status, out, err):
    if command == "json":
        assert (status, err) == (1, "")
        assert [finding["rule"] for finding in json.loads(out)["findings"]] == ["xml-malformed"]
    elif command in ("check", "attach"):
        assert (status, err) == (1, "")
        assert out.count("\n") == 3 and "[xml-malformed]" in out and len(out) < 1000
    else:
        assert (status, out) == (2, "")
        assert_one_error(err)


def rules_in(text):
    return set(re.findall(r" \[([a-z-]+)\]$", text, re.MULTILINE))


def assert_arguments(rules, is_forced, status, out, err):
    if not rules or is_forced and "pci-address-invalid" in rules:  # no vSMMU, or none that can exist
        assert (status, out) == (2, "")
        assert_one_error(err)
    elif is_forced or rules <= NOTES:
        assert (status, err) == (0, "") and out.startswith("-machine ") and "arm-smmuv3" in out
    else:
        assert (status, out) == (1, "") and rules_in(err) and rules_in(err) <= rules - NOTES


def assert_read(rules, command, status, out, err):
    if command.endswith("args"):
        assert_arguments(rules, command == "forced args", status, out, err)
        return
    assert (status, err) == (int(not rules <= NOTES), "")
    if command == "graph":
        assert out.startswith("digraph ") and out.endswith("}\n")
    elif command == "json":
        assert {finding["rule"] for finding in json.loads(out)["findings"]} == rules
    else:
        assert out.splitlines()[-1].startswith("1 document checked: ")
        assert rules_in(out) == rules if command == "check" else rules_in(out) >= rules


def assert_expected(expected, command, document, program):
    status, out, err = run(program, command, document)
    # Arguments hold the values of the document, findings do not.
    assert len(out) < 20 * MIB and len(err) < MIB
    if expected == REFUSED:
        assert status == 2
        assert_one_error(err)
    elif expected == MALFORMED:
        assert_malformed(command, status, out, err)
    else:
        assert_read(set(expected.split()), command, status, out, err)


@pytest.mark.slow("the program runs hundreds of times")
@pytest.mark.parametrize("command", ["check", "json", "args", "attach", "graph"])
@pytest.mark.parametrize("name", SMALL)
def test_a_small_hostile_document(name, command, program):
    expected, document = SMALL[name]
    assert_expected(expected, command, document.encode("utf-8"), program)


@functools.lru_cache(maxsize=1)
def large_document(name):
    return LARGE[name][1]().encode("utf-8")


@pytest.mark.slow("documents of megabytes")
@pytest.mark.parametrize("command", ["check", "forced args", "attach", "graph"])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_hostile_document(name, command, program):
    assert_expected(LARGE[name][0], command, large_document(name), program)


# Lowering and lifting

def lowered(devices="", overrides="", arguments="", metadata=""):
    """A guest with what lowering writes, so often that it hurts."""
    return domain(devices, (
        f"<qemu:override>{overrides}</qemu:override><qemu:commandline>{arguments}</qemu:commandline>"
        f"<metadata>{metadata}</metadata>")).replace(" accel='on'", "")


def override(alias, *properties):
    inside = "".join(f"<qemu:property name='{name}' type='string' value='{value}'/>" for name, value in properties)
    return f"<qemu:device alias='{alias}'><qemu:frontend>{inside}</qemu:frontend></qemu:device>"


def arguments(*values):
    return "".join(f"<qemu:arg value='{value}'/>" for value in values)


PORT = "<controller type='pci' index='#' model='pcie-root-port'><alias name='ua-x'/></controller>"
SMMU = ("driver", "arm-smmuv3"), ("primary-bus", "pcie.0")
ADAPTED = {
    "overrides-of-one": lambda: lowered(overrides=override("iommu0", ("ats", "on")) * 60_000),
    "stand-ins-of-one-name": lambda: lowered("".join(PORT.replace("#", str(index)) for index in range(1, 256)),
                                             override("ua-x", *SMMU) * 40_000),
    "many-stand-ins": lambda: lowered("".join(PORT.replace("#", str(index)) for index in range(1, 40_000))),
    "removed-properties": lambda: lowered(overrides="".join(
        override("iommu0", (f"p{number}", "x")).replace("type='string'", "type='remove'") for number in range(60_000))),
    "iommufd-of-each": lambda: lowered("<hostdev type='pci'><driver name='vfio'/></hostdev>" * 25_000, arguments=arguments(
        "-object", "iommufd,id=a", "-global", "vfio-pci.iommufd=a"), overrides="".join(
            override(f"hostdev{number}", ("iommufd", "")) for number in range(25_000))),
    "hostdevs-of-one-name": lambda: lowered(
        "<hostdev type='pci'><alias name='ua-x'/></hostdev>" * 25_000, overrides=override("ua-x", ("iommufd", "a")) * 25_000),
    "vsmmus-on-one-bus": lambda: lowered(arguments=arguments(
        "-device", "pxb-pcie,id=a,bus=pcie.0,addr=1e", "-device", "arm-smmuv3,primary-bus=a") * 40_000),
    "vsmmus-in-arguments": lambda: lowered(arguments="".join(arguments(
        "-device", f"pxb-pcie,id=a{number},bus=pcie.0,addr=1e", "-device", f"arm-smmuv3,primary-bus=a{number}")
        for number in range(40_000))),
    "initiators": lambda: lowered(HOSTDEV, arguments=arguments(
        "-object", "acpi-generic-initiator,id=a,pci-dev=hostdev0,node=1") * 90_000),
}


@pytest.mark.slow("documents of megabytes")
@pytest.mark.parametrize("command", [["adapt", "--target=libvirt=11.3"], ["adapt", "--lift"]], ids=["lower", "lift"])
@pytest.mark.parametrize("name", ADAPTED)
def test_a_large_hostile_document_is_lowered_and_lifted_soon(name, command, program):
    process = subprocess.run([program.path, *command, "-"], input=ADAPTED[name]().encode("utf-8"), capture_output=True,
                             timeout=2 * SECONDS, preexec_fn=limit_resources, env={"LC_ALL": "C.UTF-8"})
    assert process.returncode in (0, 1), process.stderr[-300:]
    if process.returncode == 0:
        assert process.stdout.startswith(b"<domain ") and process.stdout.rstrip().endswith(b"</domain>")
    else:
        assert process.stdout == b"" and process.stderr.startswith(b"virt-vsmmu: ")
    assert len(process.stdout) < LIMIT and len(process.stderr) < 10 * MIB


EVIL = [
    "&lt;iommu model=&apos;smmuv3&apos;&gt;&lt;driver pciBus=&apos;0&apos; accel=&apos;off&apos;/&gt;&lt;/iommu&gt;&lt;evil/&gt;",
    "&lt;qemu:commandline xmlns:qemu=&apos;http://libvirt.org/schemas/domain/qemu/1.0&apos;&gt;&lt;qemu:arg value=&apos;-evil&apos;/&gt;"
    "&lt;/qemu:commandline&gt;", "&lt;name&gt;evil&lt;/name&gt;", " iommufd=&apos;yes&apos; evil=&apos;&apos;", "&lt;!DOCTYPE a&gt;", "", "x"]
KEYS = ["metadata", "commandline", "override", "iommu0", "ua-iommu0", "iommufd", "hostdev0/iommufd", "hostdev0/acpi",
        "hostdev0/nodeset", "hostdev0/without-iommufd", "pcie.0/pcihole64", "controller1", "name", "domain"]
RAW = ["<iommu xmlns='' model='smmuv3'><driver pciBus='0' accel='on'/></iommu>",
       "<qemu:commandline><qemu:arg value='-device'/><qemu:arg value='arm-smmuv3,primary-bus=pcie.0'/></qemu:commandline>",
       "<qemu:override><qemu:device alias='iommu0'><qemu:frontend><qemu:property name='accel' type='bool' value='false'/>"
       "</qemu:frontend></qemu:device></qemu:override>", "<a xmlns='b'>" * 60 + "</a>" * 60]


@pytest.mark.slow("lifts and lowers many documents")
def test_metadata_changes_nothing_about_what_a_lowered_domain_is(program, tmp_path):
    """What the first version kept in metadata was pasted into the domain; now nothing is read there."""
    wrap = "<l:lowered xmlns:l='urn:libvirt-vsmmu:lowered:1'>{}</l:lowered>"
    metadata = [wrap.format(f"<l:original of='{key}' place='1'>{text}</l:original>") for key in KEYS for text in EVIL] + RAW
    guests = {
        "override": lambda text: lowered(HOSTDEV, override("iommu0", ("accel", "on")), "", text),
        "arguments": lambda text: lowered(HOSTDEV, "", arguments(
            "-device", "arm-smmuv3,primary-bus=pcie.0,accel=on", "-object", "iommufd,id=a", "-global", "vfio-pci.iommufd=a",
            "-machine", "highmem-mmio-size=1T"), text),
        "plain": lambda text: lowered(HOSTDEV, "", arguments("-name", "x"), text),
    }
    for name, guest in guests.items():
        expected = program.run("adapt", "--lift", input=guest("").encode()).out
        assert (expected == guest("")) == (name == "plain")
        for text in metadata:
            outcome = program.run("adapt", "--lift", input=guest(text).encode())
            kept = text.replace(" accel='on'", "")  # as lowered() has it
            assert outcome.out == expected.replace("<metadata></metadata>", f"<metadata>{kept}</metadata>"), (name, text)
    print(f"{len(guests) * len(metadata)} domains with hostile metadata")


def test_a_document_cut_off_anywhere_is_malformed(program, tmp_path):
    beginnings = [GRACE[:length].encode("utf-8") for length in range(len(GRACE.rstrip()))]
    beginnings += [GRACE.encode("utf-16")[:length] for length in range(200)]
    for number, beginning in enumerate(beginnings):
        (tmp_path / f"{number}.xml").write_bytes(beginning)
    outcome = program.check("-r", tmp_path)
    assert outcome.status == 1
    assert outcome.rules == ["xml-malformed"] * len(beginnings)
    assert len({finding["file"] for finding in outcome.findings}) == len(beginnings)


# Encodings

FOREIGN = grace_with("accel='on' ats='\u00fc'")


def declared(encoding, codec=None, text=FOREIGN):
    """A document that says it is in `encoding`, and is in `codec`."""
    return (f"<?xml version='1.0' encoding='{encoding}'?>" + text).encode(codec or encoding)


READABLE = {
    "utf-8": FOREIGN.encode("utf-8"),
    "utf-8-with-mark": FOREIGN.encode("utf-8-sig"),
    "utf-8-declared": declared("utf-8"),
    "utf-16-with-mark": FOREIGN.encode("utf-16"),
    "utf-16-be-with-mark": b"\xfe\xff" + FOREIGN.encode("utf-16-be"),
    "utf-16-le": FOREIGN.encode("utf-16-le"),
    "utf-16-be": FOREIGN.encode("utf-16-be"),
    "utf-16-declared": declared("UTF-16"),
    "utf-16-le-declared": declared("UTF-16LE"),
    "utf-16-declared-as-something-else": declared("UTF-7", "utf-16"),
    "latin-1": declared("ISO-8859-1"),
    "latin-1-in-lower-case": declared("iso-8859-1"),
    "windows-1252": declared("windows-1252"),
    "ascii": declared("US-ASCII", "utf-8", FOREIGN.replace("\u00fc", "&#252;")),
}

UNREADABLE = {
    "latin-1-undeclared": FOREIGN.encode("latin-1"),
    "latin-1-declared-as-utf-8": declared("UTF-8", "latin-1"),
    "utf-8-declared-as-ascii": declared("US-ASCII", "utf-8"),
    "utf-8-declared-as-utf-16": declared("UTF-16", "utf-8"),
    "utf-8-overlong": GRACE.encode().replace(b"grace<", b"gr\xc0\xafce<"),
    "utf-8-surrogate": GRACE.encode().replace(b"grace<", b"gr\xed\xa0\x80ce<"),
    "utf-8-cut-off": GRACE.encode().replace(b"grace<", b"grac\xe4\xb8<"),
    "utf-16-odd-length": FOREIGN.encode("utf-16")[:-1],
    "utf-16-lone-surrogate": FOREIGN.encode("utf-16") + b"\x00\xd8",
    "utf-16-lone-surrogate-after-much-text": ("\ufeff<domain>" + "\u4e2d" * 100_000).encode("utf-16-le") + b"\x00\xd8",
    "utf-16-two-marks": b"\xff\xfe" + FOREIGN.encode("utf-16"),
    "utf-16-nul": FOREIGN.encode("utf-16") + b"\0\0",
    "utf-32": FOREIGN.encode("utf-32"),
    "utf-32-le": FOREIGN.encode("utf-32-le"),
    "utf-32-be": FOREIGN.encode("utf-32-be"),
    "utf-7": declared("UTF-7"),
    "ebcdic": declared("IBM037", "cp037"),
    "ebcdic-undeclared": ("<?xml version='1.0'?>" + GRACE).encode("cp037"),
    "ebcdic-many-attributes": f"<?xml version='1.0'?><domain><x {attributes(300_000)}/></domain>".encode("cp037"),
    "long-name": declared("A" * 5000, "utf-8"),
    **{encoding: declared(encoding, "ascii", GRACE) for encoding in (
        "UTF-7", "ISO-2022-JP", "ISO-2022-KR", "HZ", "Shift_JIS", "GB18030", "Big5", "KOI8-R", "UCS-4", "UTF-32",
        "EBCDIC-US", "UTF-8//IGNORE", "klingon")},
}


@pytest.mark.parametrize("name", READABLE)
def test_a_supported_encoding_is_read(name, program):
    outcome = program.check("--ignore=not-migratable", "-", input=READABLE[name])
    [finding] = outcome.findings
    assert finding["rule"] == "invalid-attribute-value" and "\u00fc" in finding["message"]
    assert finding["line"] == FOREIGN[:FOREIGN.index("\u00fc")].count("\n") + 1


@pytest.mark.parametrize("command", ["check", "args", "graph"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_any_other_encoding_is_refused(name, command, program):
    assert_expected(MALFORMED, command, UNREADABLE[name], program)


# Files and hosts that a document names

XINCLUDE = "<domain xmlns:xi='http://www.w3.org/2001/XInclude'>"
INCLUDES = {
    "entity": "<!DOCTYPE domain [<!ENTITY e SYSTEM '{}'>]><domain><name>&e;</name></domain>",
    "public-entity": "<!DOCTYPE domain [<!ENTITY e PUBLIC 'x' '{}'>]><domain><name>&e;</name></domain>",
    "entity-in-value": "<!DOCTYPE domain [<!ENTITY e SYSTEM '{}'>]><domain type='&e;'/>",
    "parameter-entity": "<!DOCTYPE domain [<!ENTITY % e SYSTEM '{}'>%e;]><domain/>",
    "external-subset": "<!DOCTYPE domain SYSTEM '{}'><domain/>",
    "catalog": "<?oasis-xml-catalog catalog='{}'?><!DOCTYPE domain PUBLIC 'x' 'y'><domain/>",
    "xinclude": XINCLUDE + "<xi:include href='{}'/></domain>",
    "xinclude-text": XINCLUDE + "<name><xi:include parse='text' href='{}'/></name></domain>",
    "stylesheet": "<?xml-stylesheet type='text/xsl' href='{}'?><domain/>",
    "schema": "<domain xmlns:s='http://www.w3.org/2001/XMLSchema-instance' s:noNamespaceSchemaLocation='{}'/>",
    "base": "<domain xml:base='{}'/>",
}


def of_include(name):
    return MALFORMED if "DOCTYPE" in INCLUDES[name] else NOTHING


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", INCLUDES)
def test_no_file_that_a_document_names_is_read(name, command, program, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("<name>CONFIDENTIAL</name>", encoding="utf-8")
    for place in (secret.as_uri(), secret):
        document = INCLUDES[name].format(place).encode()
        assert_expected(of_include(name), command, document, program)
        assert all("CONFIDENTIAL" not in text for text in run(program, command, document)[1:])


@pytest.mark.parametrize("name", INCLUDES)
def test_no_host_that_a_document_names_is_asked(name, program):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        for scheme in ("http", "ftp"):
            place = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x"
            assert_expected(of_include(name), "check", INCLUDES[name].format(place).encode(), program)
        with pytest.raises(BlockingIOError):
            server.accept()
