"""libvirt puts everything where virt-vsmmu plan says, and nothing of the guest elsewhere than without the plan."""

import shlex
import xml.etree.ElementTree as ET

import pytest

from test_args import for_this_machine
from test_placement import placement
from test_plan import GUESTS, HOSTS, SEEDS, choice, into, planned


@pytest.mark.parametrize("seed", SEEDS)
def test_libvirt_keeps_the_addresses_of_a_new_guest(libvirt_daemon, program, facts, seed):
    devices, spare = choice(seed, HOSTS["grace"])
    xml = planned(program, facts.file("grace"), devices, f"--spare-ports={spare}")
    theirs = libvirt_daemon.place(for_this_machine(xml))
    assert set(placement(theirs)) == set(placement(xml))
    command_line = shlex.split(libvirt_daemon.command_line(for_this_machine(xml)))
    assert sum('"driver":"arm-smmuv3"' in argument and '"accel":true' in argument for argument in command_line) == \
        xml.count("<iommu ")
    assert sum('"driver":"vfio-pci"' in argument and '"iommufd":"iommufd0"' in argument for argument in command_line) == \
        len(devices)


def test_libvirt_gives_each_gpu_its_numa_nodes(libvirt_daemon, program, facts):
    gpus = ["0008:01:00.0", "0009:01:00.0", "0018:01:00.0", "0019:01:00.0"]
    xml = planned(program, facts.file("grace"), gpus, "--per-device", "--memory=8", "--vcpus=8")
    command_line = shlex.split(libvirt_daemon.command_line(for_this_machine(xml)))
    initiators = [argument for argument in command_line if "acpi-generic-initiator" in argument]
    assert len(initiators) == 8 * len(gpus)
    assert len([argument for argument in command_line if argument.startswith("node,")]) == 2 + 8 * len(gpus)
    assert len([argument for argument in command_line if argument.startswith("dist,")]) == (2 + 8 * len(gpus)) ** 2
    assert any("highmem-mmio-size=4294967296K" in argument for argument in command_line)


def planned_addresses(xml):
    """The placement that the plan wrote: its addresses name the domain, and those of the generated guests do not."""
    root = ET.fromstring(xml)
    for device in root.find("devices"):
        address = device.find("address")
        # Controllers without an index have the one that libvirt gives them.
        is_unnamed = device.tag == "controller" and device.get("index") is None
        if address is not None and (is_unnamed or not {"domain", "bus", "slot", "function"} <= set(address.keys())):
            device.remove(address)
    return placement(ET.tostring(root))


@pytest.mark.parametrize("domain", GUESTS, ids=lambda domain: domain.name)
def test_guest_keeps_what_it_has_and_where_it_is(libvirt_daemon, program, facts, domain, tmp_path):
    xml, _ = into(program, facts.file("grace"), domain, tmp_path, domain.name)
    if xml is None:
        return
    before = placement(libvirt_daemon.place(domain.xml))
    after = placement(libvirt_daemon.place(for_this_machine(xml)))
    assert [line for line in before if line not in after] == []
    assert [line for line in planned_addresses(xml) if line not in after] == []
