"""virt-vsmmu msi of a domain that does not run: the way of each device's MSIs, the doorbell, and what could not be resolved."""

import json

import jsonschema
import pytest

from program import DATA

ROOT = DATA.parent.parent
SCHEMA = json.loads((ROOT / "schemas" / "msi.schema.json").read_text(encoding="utf-8"))
EXAMPLES = sorted((ROOT / "examples").glob("*.xml"))
# As the table has it
ITS, GICV2M, NONE, UNKNOWN = "0x08090040", "0x08020040", "-", "?"

# Buses 2 (pcie.0), 4 and 6 (two expanders) each take one device.
BUSES = """<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-expander-bus'/>
  <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='0' slot='2'/></controller>
  <controller type='pci' index='3' model='pcie-expander-bus'/>
  <controller type='pci' index='4' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>
  <controller type='pci' index='6' model='pcie-root-port'><address type='pci' bus='3' slot='0'/></controller>"""
HOSTDEV = """<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source><address domain='9' bus='1' slot='0'/></source>
  <address type='pci' bus='{}' slot='0'/></hostdev>"""
RNG = "<rng model='virtio'><address type='pci' bus='{}' slot='0'/></rng>"


def guest(*devices, gic="<gic version='3'/>", arguments="", machine="virt", kind="kvm"):
    options = f"<qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='{arguments}'/></qemu:commandline>" if arguments else ""
    return f"""<domain type='{kind}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>guest</name><memory>65536</memory>
  <os firmware='efi'><type arch='aarch64' machine='{machine}'>hvm</type></os><features><acpi/>{gic}</features>
  <devices>{BUSES}{''.join(devices)}</devices>{options}</domain>"""


def vsmmu(bus=None, accel=""):
    return f"<iommu model='smmuv3'><driver pciBus='{bus}'{accel and ' accel='}{accel}/></iommu>" if bus is not None else \
        "<iommu model='smmuv3'/>"


ACCELERATED = vsmmu(1, "'on'")
ALL = [RNG.format(2), HOSTDEV.format(4), RNG.format(6)]

# Guest; doorbell; vSMMU, path and forecast of each device; words in the reasons of those that cannot be resolved.
CASES = {
    "no-vsmmu": (guest(*ALL), ITS, ["identity up-to-guest"] * 3, []),
    "accelerated": (guest(*ALL, ACCELERATED), ITS,
                    ["identity up-to-guest", "iommu0 direct certain", "identity up-to-guest"], []),
    "gicv2": (guest(*ALL, ACCELERATED, gic="<gic version='2'/>"), GICV2M,
              ["identity up-to-guest", "iommu0 direct certain", "identity up-to-guest"], []),
    "msi-gicv2m": (guest(*ALL, ACCELERATED, arguments="msi=gicv2m"), GICV2M,
                   ["identity up-to-guest", "iommu0 direct certain", "identity up-to-guest"], []),
    "gic-of-the-host": (guest(*ALL, ACCELERATED, gic="<gic version='host'/>"), UNKNOWN,
                        ["identity up-to-guest", "iommu0 direct unresolvable", "identity up-to-guest"], ["depends on the host"]),
    "no-gic": (guest(*ALL, ACCELERATED, gic=""), UNKNOWN,
               ["identity up-to-guest", "iommu0 direct unresolvable", "identity up-to-guest"], ["<gic version='3'/>"]),
    "msi-off": (guest(*ALL, ACCELERATED, arguments="msi=off"), NONE,
                ["identity unresolvable", "iommu0 direct unresolvable", "identity unresolvable"],
                ["no MSI controller", "msi-doorbell-zero", "no MSI controller"]),
    "gicv5": (guest(RNG.format(2), arguments="gic-version=x-5"), NONE, ["identity unresolvable"], ["no MSI controller"]),
    "old-machine-without-kvm": (guest(RNG.format(2), machine="virt-6.1", kind="qemu"), NONE, ["identity unresolvable"],
                                ["no MSI controller"]),
    "emulated": (guest(RNG.format(2), RNG.format(4), RNG.format(6), vsmmu(0), vsmmu(3)), ITS,
                 ["iommu0 translated up-to-guest", "identity up-to-guest", "iommu1 translated up-to-guest"], []),
    "vfio-behind-emulated": (guest(HOSTDEV.format(4), vsmmu(1)), ITS, ["iommu0 translated unresolvable"], ["emulated SMMUv3"]),
    "of-the-machine": (guest(RNG.format(2), RNG.format(6), vsmmu()), ITS, ["iommu0 translated up-to-guest"] * 2, []),
    "virtio-iommu": (guest(RNG.format(2), HOSTDEV.format(6), "<iommu model='virtio'/>"), ITS,
                     ["translated up-to-guest"] * 2, []),
    "both-kinds": (guest(RNG.format(2), HOSTDEV.format(4), RNG.format(6), vsmmu(0), ACCELERATED), ITS,
                   ["iommu0 translated up-to-guest", "iommu1 direct certain", "identity up-to-guest"], []),
}


def ask(program, xml, *options):
    return program.run("msi", *options, "-", input=xml.encode())


@pytest.mark.parametrize("xml, doorbell, ways, words", CASES.values(), ids=CASES)
def test_each_device_has_its_way(xml, doorbell, ways, words, program):
    outcome = ask(program, xml, "--format", "json")
    seen = json.loads(outcome.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(seen)
    assert seen["machine"]["doorbell"] == (doorbell if doorbell in (ITS, GICV2M) else None)
    devices = [device for device in seen["devices"] if device["line"] and not device["name"].startswith("iommu")]
    assert [" ".join(filter(None, (device["vsmmu"], device["path"], device["forecast"]))) for device in devices] == ways
    reasons = [device["reason"] for device in devices if device["reason"]]
    assert len(reasons) == len(words) and all(word in reason for word, reason in zip(words, reasons))
    assert outcome.status == (1 if words else 0)


@pytest.mark.parametrize("xml, doorbell, ways, words", CASES.values(), ids=CASES)
def test_the_table_says_the_same(xml, doorbell, ways, words, program):
    outcome = ask(program, xml)
    title, *rows = outcome.out.splitlines()
    column = title.index("expected")
    assert (outcome.status, outcome.err) == (1 if words else 0, "")
    assert {row[column:].split()[0] for row in rows} == {doorbell}
    assert all(any(way.split()[-2] in row and way.split()[-1] in row for row in rows) for way in ways)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_resolved_or_refused(path, program):
    outcome = program.run("msi", path)
    assert outcome.status == int(path.stem in ("broken-first-try", "broken-lost-accel"))
    assert outcome.out.startswith("device ") and ("unresolvable: " in outcome.out) == (outcome.status == 1)
    assert outcome.err == ""


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("xml, word", [
    ("<network/>", "<network>"), (guest(machine="pc"), "virt"),
    (guest("<rng model='virtio'><address type='pci' bus='9' slot='40'/></rng>", RNG.format(9)), "PCI")])
def test_a_domain_without_msi_paths_is_refused(xml, word, program):
    outcome = ask(program, xml)
    assert (outcome.status, outcome.out) == (2, "") and word in outcome.err


def test_hostile_names_drive_no_terminal(program):
    rng = "<rng model='virtio'><alias name='ua-&#x9b;31m&#x202e;'/><address type='pci' bus='2' slot='0'/></rng>"
    outcome = ask(program, guest(rng))
    assert outcome.status == 0 and "ua-\\u009b31m\\u202e" in outcome.out
