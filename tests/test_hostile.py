"""Documents made to hurt: each ends soon, in bounded memory, with a clear error or ordinary findings, and opens nothing else."""

import functools
import json
import resource
import socket
import subprocess

import pytest

from program import DATA, Program

SECONDS = 20
MEMORY = 1 << 30
MIB = 1 << 20
LIMIT = 32 * MIB
QEMU = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
GRACE = (DATA / "grace.xml").read_text(encoding="utf-8")
COMMANDS = {"check": ["check"], "json": ["check", "-f", "json"], "args": ["args"], "forced args": ["args", "--force"]}

# What a document leads to: xml-malformed, a refusal to read it at all, whatever the rules have to say, or one of these, which
# may differ between releases of libxml2.
MALFORMED, REFUSED, READ, ANY = "malformed", "refused", "read", "any"


@pytest.fixture(scope="session")
def program(build_dir):
    return Program(build_dir / "tools" / "virt-vsmmu")


def limit_resources():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def domain(devices="", rest="", start="<domain type='kvm'>"):
    """A virt guest with one accelerated vSMMU."""
    return (f"{start}<os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features>"
            f"<devices><iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>{devices}</devices>{rest}</domain>")


def nested(depth, element="a"):
    return domain(rest=f"<{element}>" * depth + f"</{element}>" * depth)


def attributes(count):
    return " ".join(f"a{number}=''" for number in range(count))


def padded(size):
    """A valid document of that many bytes."""
    filler = "<!--" + "x" * 4000 + "-->\n"
    text = GRACE + filler * ((size - len(GRACE)) // len(filler))
    return text + "\n" * (size - len(text))


def controllers(parents):
    """PCI ports with the indexes 1, 2, … on the buses given, and something on the last of them."""
    return domain("<controller type='pci' index='0' model='pcie-root'/>" + "".join(
        f"<controller type='pci' index='{index}' model='pcie-switch-{'up' if index % 2 else 'down'}stream-port'>"
        f"<address type='pci' bus='{parent}' slot='0'/></controller>" for index, parent in enumerate(parents, 1)))


def namespaces(depth, count, inner):
    """Elements in each other, each of which declares namespaces."""
    starts = (" ".join(f"xmlns:p{level}_{number}='u'" for number in range(count)) for level in range(depth))
    return "".join(f"<n {start}>" for start in starts) + inner + "</n>" * depth


def commandline(*arguments):
    """A guest with extra QEMU arguments."""
    lines = "".join(f"<qemu:arg value='{argument}'/>" for argument in arguments)
    return domain(start=f"<domain{QEMU}>", rest=f"<qemu:commandline>{lines}</qemu:commandline>")


def with_value(text, old="accel='on'"):
    assert GRACE.count(old) == 1
    return GRACE.replace(old, text)


LAUGHS = "".join(f"<!ENTITY l{level} '" + f"&l{level - 1};" * 10 + "'>" for level in range(1, 10))

SMALL = {
    "empty": (MALFORMED, ""), "space": (MALFORMED, " \n\t"), "byte-order-mark-only": (MALFORMED, "\ufeff"), "one-bracket": (MALFORMED, "<"),
    "no-xml": (MALFORMED, "just text"), "leading-text": (MALFORMED, "x" + GRACE), "trailing-text": (MALFORMED, GRACE + "x"),
    "two-documents": (MALFORMED, GRACE + GRACE), "late-declaration": (MALFORMED, " <?xml version='1.0'?>" + GRACE),
    "xml-2.0": (ANY, "<?xml version='2.0'?>" + GRACE), "elf": (MALFORMED, "\x7fELF\2\1\1\0"), "json": (MALFORMED, '{"domain": {}}'),
    "lone-end-tag": (MALFORMED, "</domain>"), "unclosed-comment": (MALFORMED, "<!--" + GRACE), "unclosed-cdata": (MALFORMED, "<domain><![CDATA["),
    "unclosed-value": (MALFORMED, "<domain type='kvm"), "unclosed-instruction": (MALFORMED, "<?xml-stylesheet "),
    "less-than-in-value": (MALFORMED, "<domain type='<'/>"), "bare-ampersand": (MALFORMED, "<domain>&</domain>"),
    "character-0": (MALFORMED, "<domain>&#0;</domain>"), "character-1": (MALFORMED, "<domain>&#1;</domain>"),
    "surrogate": (MALFORMED, "<domain>&#xd800;</domain>"), "past-unicode": (MALFORMED, "<domain>&#x110000;</domain>"),
    "huge-character": (MALFORMED, f"<domain>&#{'9' * 10_000};</domain>"), "escape-in-text": (MALFORMED, "<domain>\x1b[31m</domain>"),
    "nul-first": (MALFORMED, "\0" + GRACE), "nul-in-text": (MALFORMED, GRACE.replace("grace<", "gra\0ce<")),
    "nul-in-value": (MALFORMED, GRACE.replace("accel='on'", "accel='o\0n'")), "nul-in-tag": (MALFORMED, GRACE.replace("<hostdev", "<host\0dev")),
    "nul-last": (MALFORMED, GRACE + "\0"), "undeclared-entity": (MALFORMED, "<domain>&lol;</domain>"),
    "document-type": (MALFORMED, "<!DOCTYPE domain>" + GRACE), "internal-entity": (MALFORMED, "<!DOCTYPE d [<!ENTITY e 'x'>]><domain>&e;</domain>"),
    "default-attribute": (MALFORMED, "<!DOCTYPE domain [<!ATTLIST domain type CDATA 'kvm'>]><domain/>"),
    "billion-laughs": (MALFORMED, f"<!DOCTYPE d [<!ENTITY l0 'lol'>{LAUGHS}]><domain><name>&l9;</name></domain>"),
    "quadratic-entity": (MALFORMED, f"<!DOCTYPE d [<!ENTITY e '{'x' * 100_000}'>]><domain>{'&e;' * 100_000}</domain>"),
    "recursive-entity": (MALFORMED, "<!DOCTYPE d [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><domain>&a;</domain>"),
    "parameter-entity": (MALFORMED, "<!DOCTYPE d [<!ENTITY % a '<!ENTITY b \"x\">'>%a;]><domain>&b;</domain>"),
    "nested-256": (MALFORMED, nested(256)), "nested-100000": (MALFORMED, nested(100_000)), "nested-never-closed": (MALFORMED, "<a>" * 100_000),
    "nested-100": (READ, nested(100)),
    "attributes-200": (READ, domain(rest=f"<x {attributes(200)}/>")), "attributes-300": (MALFORMED, domain(rest=f"<x {attributes(300)}/>")),
    "attributes-after-quote": (MALFORMED, f"<domain><a '><x {attributes(300_000)}/><b '/></domain>"),
    "attributes-after-instruction": (MALFORMED, f"<domain><?><x {attributes(300_000)}/>?></domain>"),
    "attributes-after-comment": (MALFORMED, f"<domain><!-- ' --><x {attributes(300_000)}/></domain>"),
    "namespaces": (MALFORMED, domain(rest=namespaces(100, 200, "<p0_0:a/>" * 100_000))), "namespaces-40": (READ, domain(rest=namespaces(8, 5, "<p0_0:a/>"))),
    "namespace-undeclared": (READ, domain(rest="<qemu:commandline><qemu:arg value='-S'/></qemu:commandline>")),
    "long-element-name": (ANY, f"<{'a' * 100_000}/>"), "long-prefix": (ANY, f"<domain {'a' * 60_000}:b='c'/>"),
    "cycle-of-one": (READ, controllers([1])), "cycle-of-two": (READ, controllers([2, 1])), "cycle-of-254": (READ, controllers([254, *range(1, 254)])),
    "chain-of-254": (READ, controllers(range(254))), "chain-backwards": (READ, controllers([*range(2, 255), 0])),
    "all-on-one-port": (READ, controllers([1] * 254)),
}

LARGE = {
    "valid-30-mib": (READ, lambda: padded(30 * MIB)), "valid-32-mib": (READ, lambda: padded(LIMIT)),
    "one-byte-too-many": (REFUSED, lambda: padded(LIMIT + 1)), "33-mib": (REFUSED, lambda: "x" * 33 * MIB),
    "attributes-1000000": (MALFORMED, lambda: domain(rest=f"<x {attributes(1_000_000)}/>")),
    "text-9-mb": (READ, lambda: domain(rest=f"<description>{'x' * 9_000_000}</description>")),
    "text-of-many-references": (READ, lambda: domain(rest=f"<description>{'&#120;' * 1_000_000}</description>")),
    "text-31-mib": (ANY, lambda: domain(rest=f"<description>{'x' * 31 * MIB}</description>")),
    "instructions": (ANY, lambda: domain(rest="<?a?>" * 6_000_000)), "comments": (ANY, lambda: domain(rest="<!---->" * 4_000_000)),
    "comments-and-text": (ANY, lambda: domain(rest="x<!---->" * 3_500_000)), "cdata": (ANY, lambda: domain(rest="<a><![CDATA[x]]></a>" * 150_000)),
    "brackets": (MALFORMED, lambda: "<" * 30 * MIB), "quotes": (MALFORMED, lambda: "<a " + "'" * 30 * MIB),
    "open-tags": (MALFORMED, lambda: "<a><b/>" * 4_000_000), "empty-devices": (ANY, lambda: domain("<a/>" * 8_000_000)),
    "devices-300000": (ANY, lambda: domain("<rng model='virtio'/>" * 300_000)), "devices-190000": (READ, lambda: domain("<rng model='virtio'/>" * 190_000)),
    "kinds-of-devices": (READ, lambda: domain("".join(f"<d{number}/>" for number in range(190_000)))),
    "vsmmus": (READ, lambda: domain("<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>" * 95_000)),
    "vsmmus-wrong": (READ, lambda: domain("<iommu model='smmuv3'><driver ats='x' ril='x' cmdqv='x' oas='x' ssidsize='x' Oas='1'/></iommu>" * 95_000)),
    "vsmmus-other-models": (READ, lambda: domain("<iommu model='virtio'/>" * 190_000)),
    "controllers": (READ, lambda: domain("<controller type='pci' model='pcie-root-port'/>" * 190_000)),
    "controllers-one-index": (READ, lambda: domain("<controller type='pci' index='1' model='pcie-root-port'/>" * 190_000)),
    "controllers-scsi": (READ, lambda: domain("<controller type='scsi'/>" * 190_000)),
    "controllers-kinds": (READ, lambda: domain("".join(f"<controller type='t{number}'/>" for number in range(190_000)))),
    "controllers-usb2": (READ, lambda: domain("".join(f"<controller type='usb' index='{n}' model='ich9-uhci1'/>" for n in range(190_000)))),
    "expanders": (READ, lambda: domain("".join(f"<controller type='pci' index='{n}' model='pcie-expander-bus'/>" for n in range(1, 256)))),
    "hostdevs": (READ, lambda: domain("<hostdev type='pci'><source><address bus='1'/></source></hostdev>" * 60_000)),
    "hostdevs-placed": (READ, lambda: domain("<hostdev type='pci'><address type='pci' bus='0' slot='9'/></hostdev>" * 95_000)),
    "disks-scsi": (READ, lambda: domain("".join(f"<disk><target dev='sd{chr(97 + n % 26) * (n % 9 + 1)}' bus='scsi'/></disk>" for n in range(95_000)))),
    "disks-nvme": (READ, lambda: domain("".join(f"<disk><target dev='nvme{n}n1' bus='nvme'/></disk>" for n in range(95_000)))),
    "hostdevs-scsi": (READ, lambda: domain("<hostdev type='scsi'/>" * 190_000)),
    "channels": (READ, lambda: domain("<channel><target type='virtio'/></channel>" * 95_000)),
    "aliases": (READ, lambda: domain("".join(f"<rng model='virtio'><alias name='ua-{n}'/></rng>" for n in range(95_000)))),
    "arguments": (READ, lambda: commandline(*["iommu=smmuv3"] * 190_000)),
    "machine-arguments": (READ, lambda: commandline(*["-M", "," * 200] * 90_000)),
    "overrides": (READ, lambda: domain(start=f"<domain{QEMU}>", rest="<qemu:override><qemu:device alias='iommu0'><qemu:frontend>"
                                       + "<qemu:property name='ats'/>" * 190_000 + "</qemu:frontend></qemu:device></qemu:override>")),
    "value-9-mb-pciBus": (READ, lambda: with_value(f"ats='{'9' * 9_000_000}'")), "value-11-mb": (ANY, lambda: with_value(f"ats='{'9' * 11_000_000}'")),
    "value-9-mb-machine": (READ, lambda: GRACE.replace("machine='virt'", f"machine='virt-{'1' * 9_000_000}'")),
    "value-9-mb-disk": (READ, lambda: GRACE.replace("dev='vda'", f"dev='vd{'a' * 9_000_000}'")),
    "value-9-mb-alias": (READ, lambda: GRACE.replace("<target dev='vda'", f"<alias name='ua-{'a' * 9_000_000}'/><target dev='vda'")),
    "value-9-mb-model": (READ, lambda: GRACE.replace("model='pcie-expander-bus'", f"model='{'a' * 9_000_000}'")),
    "value-9-mb-rom": (READ, lambda: GRACE.replace("<driver iommufd='yes'/>", f"<driver iommufd='yes'/><rom file='{',&apos;' * 1_000_000}'/>")),
    "value-9-mb-nodeset": (READ, lambda: GRACE.replace("<driver iommufd='yes'/>", f"<driver iommufd='yes'/><acpi nodeset='{'0-127,' * 1_500_000}1'/>")),
    "value-9-mb-argument": (READ, lambda: commandline("-M", "its=off," * 1_000_000)),
    "text-9-mb-vcpu": (READ, lambda: GRACE.replace("<vcpu>16<", f"<vcpu>{'9' * 9_000_000}<")),
    "text-in-pieces": (READ, lambda: GRACE.replace("<vcpu>16<", f"<vcpu>{'1<!---->' * 90_000}<")),
}


def run(program, command, document):
    """(status, stdout, stderr) under limits of time and memory; a crash or a limit that is hit fails the test."""
    process = subprocess.Popen([program.path, *COMMANDS[command], "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=limit_resources, env={"LC_ALL": "C.UTF-8"})
    try:
        out, err = process.communicate(document, timeout=2 * SECONDS)
    finally:
        process.kill()
    assert process.returncode in (0, 1, 2), f"ended by signal {-process.returncode}: {err[-300:]}"
    return process.returncode, out.decode("utf-8"), err.decode("utf-8")


def assert_one_error(text):
    assert text.startswith("virt-vsmmu: <stdin>:") and text.count("\n") == 1 and len(text) < 1000


def assert_expected(expected, command, document, program):
    status, out, err = run(program, command, document)
    assert len(out) < 20 * MIB and len(err) < MIB
    if expected == REFUSED:
        assert status == 2
        assert_one_error(err)
    elif expected == MALFORMED and command in ("args", "forced args"):
        assert (status, out) == (2, "")
        assert_one_error(err)
    elif expected == MALFORMED:
        assert (status, err) == (1, "")
        if command == "json":
            assert [finding["rule"] for finding in json.loads(out)["findings"]] == ["xml-malformed"]
        else:
            assert out.count("\n") == 3 and "[xml-malformed]" in out and len(out) < 1000
    elif expected == READ:
        assert "xml-malformed" not in out and "<stdin>:1: not well-formed" not in err


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("command", ["check", "json", "args"])
def test_a_small_hostile_document(name, command, program):
    expected, document = SMALL[name]
    assert_expected(expected, command, document.encode("utf-8"), program)


@functools.lru_cache(maxsize=1)
def large_document(name):
    return LARGE[name][1]().encode("utf-8")


@pytest.mark.parametrize("command", ["check", "forced args"])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_hostile_document(name, command, program):
    assert_expected(LARGE[name][0], command, large_document(name), program)


def test_a_document_cut_off_anywhere_is_malformed(program, tmp_path):
    """Every beginning of a document, shorter ones in UTF-16 as well."""
    for length in range(len(GRACE.rstrip())):
        (tmp_path / f"{length}.xml").write_text(GRACE[:length], encoding="utf-8")
    for length in range(0, 200):
        (tmp_path / f"utf-16-{length}.xml").write_bytes(GRACE.encode("utf-16")[:length])
    outcome = program.check("-r", tmp_path)
    assert outcome.status == 1
    assert outcome.rules == ["xml-malformed"] * (len(GRACE.rstrip()) + 200)
    assert len({finding["file"] for finding in outcome.findings}) == len(outcome.findings)


# Encodings

FOREIGN = GRACE.replace("accel='on'", "accel='on' ats='\u00fc'")
READABLE = {
    "utf-8-with-mark": FOREIGN.encode("utf-8-sig"), "utf-8-declared": b"<?xml version='1.0' encoding='utf-8'?>" + FOREIGN.encode("utf-8"),
    "utf-16-with-mark": FOREIGN.encode("utf-16"), "utf-16-le": FOREIGN.encode("utf-16-le"), "utf-16-be": FOREIGN.encode("utf-16-be"),
    "utf-16-be-with-mark": b"\xfe\xff" + FOREIGN.encode("utf-16-be"),
    "utf-16-declared": ("<?xml version='1.0' encoding='UTF-16'?>" + FOREIGN).encode("utf-16"),
    "utf-16-le-declared": ("<?xml version='1.0' encoding='UTF-16LE'?>" + FOREIGN).encode("utf-16-le"),
    "latin-1": b"<?xml version='1.0' encoding='ISO-8859-1'?>" + FOREIGN.encode("latin-1"),
    "latin-1-lower-case": b"<?xml version='1.0' encoding='iso-8859-1'?>" + FOREIGN.encode("latin-1"),
    "windows-1252": b"<?xml version='1.0' encoding='windows-1252'?>" + FOREIGN.encode("cp1252"),
    "ascii": b"<?xml version='1.0' encoding='US-ASCII'?>" + FOREIGN.encode("ascii", "xmlcharrefreplace"),
}
UNREADABLE = {
    "latin-1-undeclared": FOREIGN.encode("latin-1"), "latin-1-declared-as-utf-8": b"<?xml version='1.0' encoding='UTF-8'?>" + FOREIGN.encode("latin-1"),
    "utf-8-overlong": GRACE.encode().replace(b"grace<", b"gr\xc0\xafce<"), "utf-8-surrogate": GRACE.encode().replace(b"grace<", b"gr\xed\xa0\x80ce<"),
    "utf-8-cut-off": GRACE.encode().replace(b"grace<", b"grac\xe4\xb8<"), "declared-utf-16": b"<?xml version='1.0' encoding='UTF-16'?>" + GRACE.encode(),
    "utf-16-odd-length": FOREIGN.encode("utf-16")[:-1], "utf-16-lone-surrogate": FOREIGN.encode("utf-16") + b"\x00\xd8",
    "utf-16-surrogate-after-much-text": b"\xff\xfe" + ("<domain>" + "\u4e2d" * 100_000).encode("utf-16-le") + b"\x00\xd8",
    "utf-16-two-marks": b"\xff\xfe" + FOREIGN.encode("utf-16"), "utf-32-le": FOREIGN.encode("utf-32-le"), "utf-32-be": FOREIGN.encode("utf-32-be"),
    "utf-32-with-mark": FOREIGN.encode("utf-32"), "ebcdic": ("<?xml version='1.0'?>" + GRACE).encode("cp037"),
    "ebcdic-declared": ("<?xml version='1.0' encoding='IBM037'?>" + GRACE).encode("cp037"),
    "ebcdic-many-attributes": f"<?xml version='1.0'?><domain><x {attributes(300_000)}/></domain>".encode("cp037"),
    **{name: f"<?xml version='1.0' encoding='{name}'?>{GRACE}".encode() for name in (
        "UTF-7", "ISO-2022-JP", "ISO-2022-KR", "HZ", "Shift_JIS", "GB18030", "Big5", "UCS-4", "UTF-32", "EBCDIC-US", "KOI8-R", "klingon", "A" * 5000)},
    "utf-7": b"<?xml version='1.0' encoding='UTF-7'?>" + GRACE.encode("utf-7"),
    "utf-8-look-alike": f"<?xml version='1.0' encoding='UTF-8//IGNORE'?>{GRACE}".encode(),
}


@pytest.mark.parametrize("name", READABLE)
def test_a_supported_encoding_is_read(name, program):
    [finding] = [finding for finding in program.check("-", input=READABLE[name]).findings if finding["rule"] != "not-migratable"]
    assert finding["rule"] == "invalid-attribute-value" and "\u00fc" in finding["message"]
    assert finding["line"] == FOREIGN[:FOREIGN.index("\u00fc")].count("\n") + 1


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("command", ["check", "args"])
def test_any_other_encoding_is_refused(name, command, program):
    assert_expected(MALFORMED, command, UNREADABLE[name], program)


# Files and hosts that a document names

@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("<name>CONFIDENTIAL</name>", encoding="utf-8")
    return path


INCLUDES = {
    "external-entity": "<!DOCTYPE domain [<!ENTITY e SYSTEM '{}'>]><domain><name>&e;</name></domain>",
    "public-entity": "<!DOCTYPE domain [<!ENTITY e PUBLIC 'x' '{}'>]><domain><name>&e;</name></domain>",
    "entity-in-value": "<!DOCTYPE domain [<!ENTITY e SYSTEM '{}'>]><domain type='&e;'/>",
    "external-subset": "<!DOCTYPE domain SYSTEM '{}'><domain/>",
    "parameter-entity": "<!DOCTYPE domain [<!ENTITY % e SYSTEM '{}'>%e;]><domain/>",
    "xinclude": "<domain xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='{}'/></domain>",
    "xinclude-text": "<domain xmlns:xi='http://www.w3.org/2001/XInclude'><name><xi:include parse='text' href='{}'/></name></domain>",
    "stylesheet": "<?xml-stylesheet type='text/xsl' href='{}'?><domain/>",
    "schema-location": "<domain xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:noNamespaceSchemaLocation='{}'/>",
    "catalog": "<?oasis-xml-catalog catalog='{}'?><!DOCTYPE domain PUBLIC 'x' 'y'><domain/>",
    "base": "<domain xml:base='{}'/>",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", INCLUDES)
def test_no_file_that_a_document_names_is_read(name, command, program, secret):
    for place in (secret.as_uri(), str(secret), "secret"):
        status, out, err = run(program, command, INCLUDES[name].format(place).encode())
        assert "CONFIDENTIAL" not in out + err
        assert status in (0, 1, 2) and (status != 0 or "ENTITY" not in INCLUDES[name])


@pytest.mark.parametrize("name", INCLUDES)
def test_no_host_that_a_document_names_is_asked(name, program):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        for scheme in ("http", "ftp"):
            run(program, "check", INCLUDES[name].format(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x").encode())
        with pytest.raises(BlockingIOError):
            server.accept()
