"""A published guest with four GPUs has nothing wrong on the machine that it is for, and a rule names whatever is taken away from it."""

import functools
import re

import pytest

import hosts
from program import DATA

GUEST = (DATA / "published" / "four-gb200-gpus.xml").read_text(encoding="utf-8")
MACHINES = sorted(path.stem for path in hosts.LISTINGS.glob("*.sysfs") if path.stem.startswith(("gb", "gh200", "grace", "rk3588")))
GPUS = ("0x0008", "0x0009", "0x0018", "0x0019")
# The kernel of this vendor may have what accelerated SMMUv3s need; there are no registers to say so.
USUAL = {"host-kernel"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("machines")
    return functools.cache(lambda name: hosts.write(
        hosts.entries_of((hosts.LISTINGS / f"{name}.sysfs").read_text(encoding="utf-8")), directory / name))


@pytest.fixture(scope="module")
def found(program, machine):
    """The rules that have errors or warnings, once for each document, on the machine that the guest is for."""
    host = machine("gb200")

    def rules(document):
        findings = program.check("--host", host, "-", input=document.encode()).findings
        return {finding["rule"] for finding in findings if finding["severity"] != "note"}

    return rules


def without(pattern, replacement="", count=1):
    return re.sub(pattern, replacement, GUEST, count=count, flags=re.DOTALL)


TAKEN_AWAY = [
    ("the hole", without(r"<pcihole64.*?</pcihole64>"), "host-pci-hole"),
    ("half of the hole", without("4294967296", "2147483648"), "host-pci-hole"),
    ("huge pages", without(r"<memoryBacking>.*?</memoryBacking>"), "cmdqv-small-pages"),
    ("the last cell", without(r"<cell id='33'.*?</cell>").replace("<sibling id='33' value='11'/>", "")
     .replace("<sibling id='33' value='40'/>", "").replace("<sibling id='33' value='80'/>", "")
     .replace("<sibling id='33' value='120'/>", ""), "memory-node-missing"),
    ("all NUMA nodes", without(r"<numa>.*?</numa>"), "memory-node-missing"),
    ("distances", without(r"<distances>.*?</distances>", count=0), "memory-node-distance"),
    ("firmware", without(" firmware='efi'"), "needs-uefi"),
    ("ACPI", without(r"<acpi/>"), "needs-acpi"),
    *[(f"nodes of GPU {number}", without(rf"<acpi nodeset='{nodes}'/>"), "host-memory-nodes")
      for number, nodes in enumerate(("2-9", "10-17", "18-25", "26-33"))],
    ("all nodes but one", without("nodeset='2-9'", "nodeset='2'"), "host-memory-nodes"),
    ("nodes of its own", without("nodeset='2-9'", "nodeset='0'"), "memory-node-in-use"),
    ("the nodes of another", without("nodeset='10-17'", "nodeset='2-9'"), "memory-node-shared"),
    ("nodes that are there", without("nodeset='26-33'", "nodeset='90-97'"), "memory-node-missing"),
    *[(f"iommufd of {gpu}", without(rf"(domain='{gpu}'.*?)<driver iommufd='yes'/>", r"\1"), "hostdev-without-iommufd")
      for gpu in GPUS],
    *[(f"the vSMMU of bus {bus}", without(rf"<iommu model='smmuv3'><driver pciBus='{bus}'.*?</iommu>"), "hostdev-outside-vsmmu")
      for bus in (2, 4, 6, 8)],
    *[(f"the node of bus {number}", without(rf"<target busNr='{number}'><node>.</node></target>", f"<target busNr='{number}'/>"),
       "host-numa") for number in (33, 35, 65, 67)],
    ("the right node", without(r"(<target busNr='33'><node>)0", r"\g<1>1"), "host-numa"),
    ("ATS", without("ats='on'", "ats='off'"), "host-gpu-options"),
    ("PASIDs", without("ssidsize='20'", "ssidsize='0'"), "host-gpu-options"),
    ("ril='off'", without("ril='off'", "ril='on'"), "host-ril"),
]


def test_the_published_guest_has_nothing_wrong(found):
    assert found(GUEST) == USUAL


@pytest.mark.parametrize("document, rule", [pytest.param(document, rule, id=name) for name, document, rule in TAKEN_AWAY])
def test_what_is_taken_away_is_named(found, document, rule):
    assert document != GUEST
    assert rule in found(document)


@pytest.mark.parametrize("name", MACHINES)
def test_another_machine_does_not_have_the_devices(program, machine, name):
    rules = {finding["rule"] for finding in program.check("--host", machine(name), "-", input=GUEST.encode()).findings
             if finding["severity"] == "error"}
    assert ("host-device-missing" in rules) == (not name.startswith("gb200"))


@pytest.mark.parametrize("text, is_valid", [
    (",".join(["2-9"] * 5000), True), (",".join(f"{number}" for number in range(2, 10)) + ",10,^10", True), ("2-9,2-9,5", True),
    ("9-2", False), ("2-9,^1-3", False), ("2-99999999999", False), ("2-9,", True), ("2,,9", False)])
def test_a_node_set_is_right_or_one_error(program, text, is_valid):
    findings = program.check("-", input=without("nodeset='2-9'", f"nodeset='{text}'").encode()).findings
    assert [finding["severity"] for finding in findings if finding["rule"] == "invalid-attribute-value"] == ["error"] * (not is_valid)
