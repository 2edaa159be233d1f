"""What virt-vsmmu finds out about the emulated host, beside what is known of it and what the kernel says itself."""

import json
import re

import jsonschema
import pytest

import builder
import machine

SMMU_A, SMMU_B = "smmu3.0x000000000c000000", "smmu3.0x000000000c020000"


@pytest.fixture(scope="module")
def facts(emulated_host):
    """As root, with an idle disk of each SMMU at vfio-pci."""
    emulated_host.give_to_vfio(machine.A_NVME_1, machine.B_NVME_1)
    found = json.loads(emulated_host.run("virt-vsmmu host --json").out)
    jsonschema.validate(found, json.loads((builder.PROJECT / "schemas/host-facts.schema.json").read_text()))
    return found


def test_registers_are_those_the_kernel_gives(emulated_host, facts):
    smmus = {smmu["name"]: smmu for smmu in facts["smmus"]}
    assert smmus.keys() == {SMMU_A, SMMU_B}
    for name, bdf in ((SMMU_A, machine.A_NVME_1), (SMMU_B, machine.B_NVME_1)):
        said = json.loads(emulated_host.run(f"/rig/hw-info {bdf}").out)
        found = smmus[name]["registers"]
        assert [found[f"idr{number}"]["value"] for number in range(6)] == said["idr"]
        assert found["idr0"]["source"] == "iommufd" and smmus[name]["probed"] in {device["address"] for device in facts["devices"] if device["smmu"] == name}


def test_each_device_is_behind_its_smmu(emulated_host, facts):
    behind = {device["address"]: device["smmu"] for device in facts["devices"]}
    assert behind[machine.A_NVME_2] == SMMU_A and behind[machine.B_NIC] == SMMU_B and behind[machine.UNPROTECTED] is None


def test_no_device_is_taken_from_its_driver(emulated_host):
    drivers = "for device in /sys/bus/pci/devices/*; do echo $device $(readlink $device/driver); done"
    before = emulated_host.run(drivers).out
    emulated_host.run("virt-vsmmu host")
    assert emulated_host.run(drivers).out == before


def test_this_host_is_ready_and_says_so(emulated_host):
    emulated_host.give_to_vfio(machine.A_NVME_1, machine.B_NVME_1)
    said = emulated_host.run("virt-vsmmu host", check=False)
    assert said.status == 0 and "FAIL" not in said.out, said.out
    assert re.search(rf"{SMMU_A} +[0?] +yes", said.out) and re.search(rf"{SMMU_B} +[1?] +yes", said.out), said.out
