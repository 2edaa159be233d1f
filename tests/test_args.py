"""The arguments we give QEMU for the vSMMU part of a domain are those that libvirt gives it."""

import json
import pathlib
import shlex
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import pytest

import domains

# An example whose accel has no root bus has no vSMMU, and so no arguments.
EXAMPLES = [path for path in sorted((pathlib.Path(__file__).parent.parent / "examples").glob("*.xml"))
            if ET.parse(path).find("devices/iommu/driver[@pciBus]") is not None]
CASES = [pytest.param(domain.xml, id=domain.name) for aliases in (True, False) for domain in domains.vsmmus(aliases)]
CASES += [pytest.param(path.read_text(encoding="utf-8"), id=f"example-{path.stem}") for path in EXAMPLES]

ALWAYS_OURS = ("pxb-pcie", "arm-smmuv3", "vfio-pci", "iommufd", "acpi-generic-initiator")
BRIDGES = ("pcie-root-port", "ioh3420", "x3130-upstream", "xio3130-downstream", "pcie-pci-bridge", "pci-bridge",
           "i82801b11-bridge")


@dataclass(frozen=True)
class Argument:
    """A -device or -object in JSON syntax; the order of the properties counts."""

    option: str
    properties: tuple

    @property
    def type(self):
        return self.properties[0][1]

    def get(self, name):
        return dict(self.properties).get(name)

    def with_property(self, position, name, value):
        properties = list(self.properties)
        properties.insert(position, (name, value))
        return Argument(self.option, tuple(properties))

    def __str__(self):
        return f"{self.option} {json.dumps(dict(self.properties))}"


def parse(argv):
    """The -device and -object arguments in JSON syntax, and the options of -machine.

    libvirt numbers generic initiators through the life of the daemon, so both sides are numbered anew.
    """
    arguments, machine, initiators = [], [], 0
    for option, value in zip(argv, argv[1:]):
        if option == "-machine":
            machine = value.split(",")
        if option in ("-device", "-object") and value.startswith("{"):
            argument = Argument(option, tuple(json.loads(value, object_pairs_hook=lambda pairs: pairs)))
            if argument.type == "acpi-generic-initiator":
                properties = dict(argument.properties) | {"id": f"gi{initiators}"}
                argument = Argument(option, tuple(properties.items()))
                initiators += 1
            arguments.append(argument)
    return arguments, machine


def host_addresses(placed_xml):
    """The address in the host of every PCI hostdev, by the id it has in QEMU."""
    hosts = {}
    for number, hostdev in enumerate(ET.fromstring(placed_xml).iterfind("devices/hostdev")):
        if hostdev.get("type") != "pci":
            continue
        alias = hostdev.find("alias")
        source = {name: int(value, 16) for name, value in hostdev.find("source/address").attrib.items() if name != "type"}
        hosts[alias.get("name") if alias is not None else f"hostdev{number}"] = (
            f"{source['domain']:04x}:{source['bus']:02x}:{source['slot']:02x}.{source['function']:x}")
    return hosts


def with_hosts(arguments, hosts):
    """libvirt passes open files instead of "host" when it starts a domain, and neither when it prints its command line."""
    return [argument.with_property(1, "host", hosts[argument.get("id")])
            if argument.type == "vfio-pci" and argument.get("host") is None else argument for argument in arguments]


def accelerated_roots(arguments):
    return {argument.get("primary-bus") for argument in arguments if argument.type == "arm-smmuv3" and argument.get("accel")}


def root_bus(argument, arguments):
    parents = {other.get("id"): other for other in arguments if other.type in BRIDGES}
    bus = argument.get("bus")
    while bus in parents:
        bus = parents[bus].get("bus")
    return bus


def belongs_to_us(argument, arguments):
    return argument.type in ALWAYS_OURS or (
        argument.type in BRIDGES and root_bus(argument, arguments) in accelerated_roots(arguments))


def for_this_machine(xml):
    """The same domain without what libvirt cannot offer on a build machine: KVM, the host's CPU, GIC and NUMA nodes, huge pages, a TPM."""
    root = ET.fromstring(xml)
    root.set("type", "qemu")
    cpu = root.find("cpu")
    if cpu is not None and cpu.get("mode") == "host-passthrough":
        cpu.set("mode", "maximum")
    for gic in root.iterfind("features/gic"):
        gic.set("version", gic.get("version").replace("host", "3"))
    for node in root.iterfind("numatune/*"):
        node.set("nodeset", "0")
    for parent, tag in (("memoryBacking", "hugepages"), ("devices", "tpm")):
        for element in root.findall(f"{parent}/{tag}"):
            root.find(parent).remove(element)
    return ET.tostring(root, encoding="unicode")


def our_arguments(build_dir, tmp_path, xml):
    path = tmp_path / "domain.xml"
    path.write_text(xml, encoding="utf-8")
    # Forced, because what the rules have to say about a domain is not the subject here.
    run = subprocess.run([build_dir / "tools" / "virt-vsmmu", "args", "--force", "--format", "json", path],
                         capture_output=True, text=True)
    assert run.returncode == 0, f"virt-vsmmu args ended with status {run.returncode}: {run.stderr}"
    return parse(json.loads(run.stdout))


def listing(arguments):
    return "\n".join(map(str, arguments))


@pytest.fixture
def arguments_of_both(libvirt_daemon, build_dir, tmp_path, request):
    """(ours, theirs, our machine options, their machine options) of the domain of this test."""
    xml = for_this_machine(request.param)
    placed = libvirt_daemon.place(xml)
    theirs, their_machine = parse(shlex.split(libvirt_daemon.command_line(placed)))
    ours, our_machine = our_arguments(build_dir, tmp_path, xml)
    return ours, with_hosts(theirs, host_addresses(placed)), our_machine, their_machine


@pytest.mark.parametrize("arguments_of_both", CASES, indirect=True)
def test_arguments_are_libvirts_in_libvirts_order(arguments_of_both):
    ours, theirs, _, _ = arguments_of_both
    invented = [argument for argument in ours if argument not in theirs]
    assert not invented, f"libvirt does not have:\n{listing(invented)}\nit has:\n{listing(theirs)}"
    forgotten = [argument for argument in theirs if belongs_to_us(argument, theirs) and argument not in ours]
    assert not forgotten, f"libvirt also has:\n{listing(forgotten)}\nwe have:\n{listing(ours)}"
    assert list(map(str, ours)) == [str(argument) for argument in theirs if argument in ours], "the order differs"


@pytest.mark.parametrize("arguments_of_both", CASES, indirect=True)
def test_machine_options_are_among_libvirts(arguments_of_both, request):
    _, _, ours, theirs = arguments_of_both
    domain = ET.fromstring(request.node.callspec.params["arguments_of_both"])
    assert ours[0] in (domain.find("os/type").get("machine"), theirs[0])
    assert set(ours[1:]) <= set(theirs[1:])
    # Without <gic> libvirt chooses a version by the host and the kind of domain.
    needed = ("highmem-mmio-size=",) if domain.find("features/gic") is None else ("highmem-mmio-size=", "gic-version=")
    assert {option for option in theirs[1:] if option.startswith(needed)} <= set(ours[1:])


def test_generated_guests_cover_what_arguments_depend_on(libvirt_daemon):
    """Guards the comparison above: each kind of argument and property occurs in what libvirt says about the guests."""
    seen = set()
    for aliases in (True, False):
        for domain in domains.vsmmus(aliases):
            placed = libvirt_daemon.place(domain.xml)
            arguments, machine = parse(shlex.split(libvirt_daemon.command_line(placed)))
            seen |= {(argument.type, name) for argument in arguments for name, _ in argument.properties}
            seen |= {option.split("=")[0] for option in machine}
    assert {(kind, "driver") for kind in BRIDGES if kind != "i82801b11-bridge"} <= seen
    assert {("arm-smmuv3", name) for name in ("accel", "ats", "ril", "ssidsize", "oas", "cmdqv")} <= seen
    assert {("vfio-pci", name) for name in ("host", "bootindex", "iommufd", "multifunction", "acpi-index", "rombar",
                                            "romfile")} <= seen
    assert {("pcie-root-port", name) for name in ("hotplug", "mem-reserve", "multifunction")} <= seen
    assert {("pxb-pcie", "numa_node"), ("acpi-generic-initiator", "node"), ("iommufd", "id"), "highmem-mmio-size"} <= seen
