"""virt-vsmmu adapt: a domain means the same after it was lowered and lifted, in any number of rounds; what is there is shown."""

import pathlib
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

import domains
from program import DATA

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLE = (ROOT / "examples" / "two-gpu-grace.xml").read_text(encoding="utf-8")
TARGETS = ["libvirt=8.2", "libvirt=9.0", "libvirt=11.3,qemu=11.1", "libvirt=11.9.9", "libvirt=11.10", "libvirt=12.0",
           "libvirt=12.1", "libvirt=12.2", "libvirt=12.6", "libvirt=12.7"]
LOWERING = TARGETS[:-1]
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
NAMED, UNNAMED = list(domains.vsmmus()), list(domains.vsmmus(aliases=False))

#
# The meaning comes back
#


def one_line(xml):
    return re.sub(r">\s+<", "><", re.sub(r"<!--.*?-->", "", xml, flags=re.S))


def with_passthrough(containers):
    return EXAMPLE.replace("</domain>", f"{containers}</domain>")


# The same domain, written in other ways, and with things that lowering has to put its own beside.
WRITTEN = {
    "carriage returns": EXAMPLE.replace("\n", "\r\n"),
    "some carriage returns": EXAMPLE.replace(">\n    <", ">\r\n    <"),
    "tabs": EXAMPLE.replace("  ", "\t"),
    "one line": one_line(EXAMPLE),
    "no line break at the end": EXAMPLE.rstrip(),
    "quotes": EXAMPLE.replace("'", '"'),
    "other encoding": "<?xml version='1.0' encoding='ISO-8859-1'?>\n" + EXAMPLE.replace(
        "<name>", "<!-- gr\xfcn --><name>").replace("<iommu ", "<!-- bl\xe4ulich --><iommu ").replace(
        "<acpi nodeset", "<!-- \xf6ffnen --><acpi nodeset"),
    "comments": EXAMPLE.replace("<acpi nodeset", "<!-- nodes --> <acpi nodeset").replace("/>\n", "/> <!-- & < -->\n"),
    "references": EXAMPLE.replace("model='smmuv3'", "model='&#115;mmuv3'").replace("nodeset='1-8'", "nodeset='1&#45;8'"),
    "several on a line": EXAMPLE.replace("</iommu>\n", "</iommu> "),
    "empty metadata": EXAMPLE.replace("<vcpu>", "<metadata/>\n  <vcpu>"),
    "metadata with text": EXAMPLE.replace("<vcpu>", "<metadata >\n text </metadata>\n  <vcpu>"),
    "metadata": EXAMPLE.replace("<vcpu>", "<metadata><a xmlns='a'/><b xmlns='b'>c</b></metadata>\n  <vcpu>"),
    "empty passthrough": with_passthrough(f"  <q:override xmlns:q='{QEMU}'/>\n<q:commandline xmlns:q='{QEMU}'></q:commandline>"),
    "passthrough with a prefix": with_passthrough(
        f"<q:commandline xmlns:q='{QEMU}'>\n  <q:arg value='-name'/><q:arg value='x'/>\n</q:commandline>\n"
        f"<q:override xmlns:q='{QEMU}'><q:device alias='hostdev0'><q:frontend><q:property name='x-no-mmap' type='bool' "
        "value='true'/></q:frontend></q:device></q:override>\n"),
    "passthrough without a prefix": with_passthrough(
        f"<commandline xmlns='{QEMU}'><env name='A' value='b'/></commandline>"),
    "override of a vSMMU": with_passthrough(
        f"<qemu:override xmlns:qemu='{QEMU}'>\n  <qemu:device alias=\"iommu1\">\n<qemu:frontend><qemu:property "
        "name='ats' type='string' value='off'/></qemu:frontend></qemu:device></qemu:override>"),
    "alias that lowering gives": EXAMPLE.replace("</hostdev>", "<alias name='ua-iommu0'/></hostdev>", 1),
    "own alias": EXAMPLE.replace("</iommu>", "<alias name='ua-a'/></iommu>", 1),
    "no iommufd for one": EXAMPLE.replace("<driver name='vfio'/>", "<driver name='vfio' iommufd='no'/>").replace(
        "<source>\n        <address domain='0x0009'", "<driver iommufd='no'/><source>\n        <address domain='0x0009'"),
    "iommufd for none": EXAMPLE.replace("enabled='yes'", "enabled='no'"),
    "descriptors for iommufd": EXAMPLE.replace("enabled='yes'", "enabled='yes' fdgroup='f'"),
    "two devices elements": EXAMPLE.replace("<devices>", "<devices/><devices>"),
}


@pytest.fixture(scope="session")
def outcomes(build_dir, tmp_path_factory):
    """What comes of every domain that the tests have, for every target: {(name, target): outcome}."""
    directory = tmp_path_factory.mktemp("adapted")
    files = {}
    for path in [*(ROOT / "examples").rglob("*.xml"), *DATA.rglob("*.xml")]:
        # What is running has names that it loses when it is defined anew; what is lowered by hand is lifted first.
        if not re.search(r"<domain[^>]* id=", path.read_text(encoding="utf-8", errors="ignore")) and \
                not path.name.endswith(".lowered.xml"):
            files[str(path)] = str(path.relative_to(ROOT))
    texts = {domain.name: domain.xml for domain in [*domains.placements(), *UNNAMED]}
    for number, (name, xml) in enumerate([*texts.items(), *WRITTEN.items()]):
        path = directory / f"{number}.xml"
        path.write_bytes(xml.encode("iso-8859-1" if "ISO-8859" in xml else "utf-8"))
        files[str(path)] = name
    run = subprocess.run([build_dir / "tests" / "print-adapted", *TARGETS, "--", *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    return {(files[path], target): outcome for path, target, outcome in lines}


@pytest.mark.slow("hundreds of domains are lowered for each target and lifted again")
def test_lifting_gives_back_the_same_model_and_the_same_text_from_then_on_whatever_the_metadata(outcomes):
    good = ("unchanged", "lowered", "refused: ")
    wrong = {key: outcome for key, outcome in outcomes.items()
             if not outcome.startswith(good) or outcome.startswith("lowered twice")}
    assert wrong == {}
    lowered = sum(outcome.startswith("lowered") for outcome in outcomes.values())
    print(f"{len(outcomes)} domains and targets, {lowered} lowered and lifted")
    assert lowered > 1000


@pytest.mark.slow("hundreds of domains are lowered for each target and lifted again")
def test_every_domain_with_a_vsmmu_is_lowered_for_every_older_libvirt(outcomes):
    names = [domain.name for domain in (*NAMED, *UNNAMED)] + list(WRITTEN)
    not_lowered = {(name, target): outcomes[name, target] for name in names for target in LOWERING
                   if not outcomes[name, target].startswith("lowered")}
    # libvirt 11.10 knows a vSMMU, if not that it is accelerated, and 12.2 all about iommufd.
    assert all(target.split("=")[1].startswith(("11.10", "12.")) and "accel='on'" not in xml
               for name, target in not_lowered for xml in [next(d.xml for d in (*NAMED, *UNNAMED) if d.name == name)])
    assert all(outcomes[name, "libvirt=12.7"] == "unchanged" for name in names)


@pytest.mark.slow("hundreds of domains are lowered for each target and lifted again")
def test_a_domain_without_a_vsmmu_is_not_touched_whatever_the_libvirt(outcomes):
    names = [domain.name for domain in domains.placements() if "pciBus" not in domain.xml]
    assert len(names) > 100
    assert {outcomes[name, target] for name in names for target in TARGETS} == {"unchanged"}


#
# What is there is shown
#

HAND_WRITTEN = sorted(path.name.removesuffix(".lowered.xml") for path in (DATA / "adapt").glob("*.lowered.xml"))


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_a_domain_that_was_lowered_by_hand_is_shown_as_what_it_is(program, name):
    outcome = program.run("adapt", "--lift", DATA / "adapt" / f"{name}.lowered.xml")
    assert outcome.status == 0
    assert outcome.out == (DATA / "adapt" / f"{name}.lifted.xml").read_text(encoding="utf-8")
    assert ("stays" in outcome.err) == ("stays" in name)


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_a_domain_that_was_lowered_by_hand_is_not_lowered_again(program, name):
    path = DATA / "adapt" / f"{name}.lowered.xml"
    target = "libvirt=12.7" if name == "native" else "libvirt=11.10"
    assert program.run("adapt", f"--target={target}", path).out == path.read_text(encoding="utf-8")


def lower(program, xml, target="libvirt=11.3"):
    outcome = program.run("adapt", f"--target={target}", input=xml.encode())
    assert outcome.status == 0, outcome.err
    return outcome.out


def lift(program, xml):
    outcome = program.run("adapt", "--lift", input=xml.encode())
    assert outcome.status == 0, outcome.err
    return outcome.out


# What somebody changes in the lowered form with a virsh that knows nothing of us, and what the domain then says.
EDITED = {
    "option": ("name='ssidsize' type='string' value='20'", "name='ssidsize' type='string' value='8'", "ssidsize='20'",
               "ssidsize='8'"),
    "option taken away": ("<qemu:property name='ats' type='string' value='on'/>", "", " ats='on'", ""),
    "not accelerated": ("name='accel' type='bool' value='true'", "name='accel' type='bool' value='false'", "accel='on'",
                        "accel='off'"),
    "other bus": ("name='primary-bus' type='string' value='pci.4'", "name='primary-bus' type='string' value='pcie.0'",
                  "pciBus='4'", "pciBus='0'"),
    "hole": ("highmem-mmio-size=2147483648K", "highmem-mmio-size=4T", "<pcihole64 unit='KiB'>2147483648</pcihole64>",
             "<pcihole64 unit='KiB'>4294967296</pcihole64>"),
    "nodes": ("pci-dev=hostdev0,node=8", "pci-dev=hostdev0,node=12", "nodeset='1-8'", "nodeset='1-7,12'"),
    "no iommufd": (re.compile(r"<qemu:arg value='-(object|global)'/>\s*<qemu:arg value='(iommufd|vfio-pci).*?/>\s*"), "",
                   "  <iommufd enabled='yes'/>\n", ""),
}


@pytest.mark.parametrize("name", EDITED)
def test_what_was_changed_in_the_lowered_form_is_shown(program, name):
    old, new, shown_before, shown = EDITED[name]
    lowered = lower(program, EXAMPLE)
    before = lift(program, lowered)
    assert re.search(old, lowered) and shown_before in before
    changed = re.sub(old, new, lowered, count=0 if isinstance(old, re.Pattern) else 1)
    # What is written anew may have another place and indentation.
    words = [sorted(re.sub(r"([<>])\s*", r" \1 ", text).split())
             for text in (lift(program, changed), before.replace(shown_before, shown, 1))]
    assert words[0] == words[1]


def test_a_property_that_no_iommu_has_stays_an_override_of_the_vsmmu(program):
    lowered = lower(program, EXAMPLE).replace("<qemu:property name='accel'",
                                              "<qemu:property name='stage' type='string' value='1'/><qemu:property name='accel'", 1)
    root = ET.fromstring(lift(program, lowered))
    device, = root.iter(f"{{{QEMU}}}device")
    properties = [property.get("name") for property in device.iter(f"{{{QEMU}}}property")]
    assert device.get("alias") == "iommu0" and properties == ["stage"]
    again = ET.fromstring(lower(program, ET.tostring(root, encoding="unicode")))
    assert [device.get("alias") for device in again.iter(f"{{{QEMU}}}device")] == ["ua-iommu0", "ua-iommu1", "ua-iommu0"]


# The other one has no pciBus, and so nothing that is lowered.
BROKEN = [ROOT / "examples" / f"broken-{name}.xml" for name in ("first-try", "topology")]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
@pytest.mark.parametrize("target", ["libvirt=11.3", "libvirt=12.1"])
def test_a_lowered_domain_has_the_findings_of_the_domain_itself_at_its_own_lines(program, tmp_path, path, target):
    lowered = lower(program, path.read_text(encoding="utf-8"), target)
    (tmp_path / "lowered.xml").write_text(lowered, encoding="utf-8")
    expected, got = program.check(path), program.check(tmp_path / "lowered.xml")
    # An attribute that no SMMUv3 has is not carried, which is said.
    kinds = [sorted((finding["rule"], finding["severity"]) for finding in outcome.findings
                    if finding["rule"] != "unknown-driver-attribute") for outcome in (expected, got)]
    assert kinds[0] == kinds[1] and kinds[0]
    lines = lowered.splitlines()
    found = [lines[finding["line"] - 1] for finding in got.findings if finding["rule"] == "not-migratable"]
    assert found and all(("<controller" if target == "libvirt=11.3" else "<iommu") in line for line in found)


def test_lifting_goes_into_the_documents_that_have_a_domain_in_them(program):
    lowered = lower(program, EXAMPLE)
    lowered, original = (xml[xml.index("<domain"):] for xml in (lowered, lift(program, lowered)))
    for name in ("domainsnapshot", "domaincheckpoint", "domstatus"):
        frame = f"<?xml version='1.0'?>\n<{name}>\n <name>a</name> <!-- b -->\n{{}}\n{{}}</{name}>\n"
        inactive = [xml.replace("<domain ", "<inactiveDomain ").replace("</domain>", "</inactiveDomain>")
                    for xml in (lowered, original)]
        assert lift(program, frame.format(lowered, inactive[0])) == frame.format(original, inactive[1])


#
# The command
#

def test_what_lowering_drops_is_noted(program):
    outcome = program.run("adapt", "--target=libvirt=9.0", input=EXAMPLE.replace(
        "enabled='yes'", "enabled='yes' fdgroup='f'").replace("oas='48'", "oas='48' aw_bits='48'", 1).replace(
        "<target busNr='32'>", "<target busNr='32' memReserve='8'>").encode())
    assert outcome.status == 0
    assert all(word in outcome.err for word in ("fdgroup", "'aw_bits'", "memReserve"))
    assert all(line.startswith("virt-vsmmu: line ") for line in outcome.err.splitlines())


@pytest.mark.parametrize("target, words", [
    ("libvirt=8.1", "libvirt 8.2 or newer"), ("libvirt=11.3,qemu=10.2", "QEMU 11.0 or newer")])
def test_a_domain_that_no_strategy_fits_is_refused_with_what_to_do(program, target, words):
    outcome = program.run("adapt", "--target", target, input=EXAMPLE.encode())
    assert (outcome.status, outcome.out) == (1, "") and words in outcome.err


@pytest.mark.parametrize("arguments, words", [
    ([], "--target"), (["--lift", "--target=libvirt=11.3"], "--lift"), (["--target=libvirt"], "'libvirt'"),
    (["--target=qemu=11.1"], "has no libvirt version"), (["--lift", "a", "b"], "one document"),
    (["--target=libvirt=11.3", "--connect=test:///default"], "--target this"), (["--lift", "no-such-file"], "no-such-file")])
def test_what_cannot_be_carried_out_has_status_2(program, arguments, words):
    outcome = program.run("adapt", *arguments, input=EXAMPLE.encode())
    assert (outcome.status, outcome.out) == (2, "") and words in outcome.err


def test_a_file_and_standard_input_are_the_same(program, tmp_path):
    (tmp_path / "guest.xml").write_text(EXAMPLE, encoding="utf-8")
    lowered = lower(program, EXAMPLE)
    assert "<qemu:override" in lowered
    for path in (tmp_path / "guest.xml", "-"):
        assert program.run("adapt", "--target", "libvirt=11.3", path, input=EXAMPLE.encode()).out == lowered
