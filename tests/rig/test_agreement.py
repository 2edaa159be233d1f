"""Our findings and what libvirt, QEMU and the kernel really do, case by case; the table is in docs/rig.md."""

import pytest

import agreement
import builder
import machine
import virsh


@pytest.fixture(scope="module", autouse=True)
def idle_disks(emulated_host):
    """One behind each SMMU, so that its registers can be read while another is in use."""
    emulated_host.give_to_vfio(machine.A_NVME_2, machine.B_NVME_2)


@pytest.mark.parametrize("case", agreement.CASES, ids=lambda case: case.name)
def test_we_say_what_happens(libvirt, case):
    alone, here = virsh.errors(libvirt.host, case.xml), virsh.errors(libvirt.host, case.xml, "--this-host")
    libvirt.host.write("/run/rig/case.xml", case.xml)
    created = libvirt.virsh("create", "/run/rig/case.xml", "--paused", check=False)
    if created.status == 0:
        libvirt.virsh("destroy", "rig")
    assert (created.status != 0) == bool(case.says), created.out
    assert case.says in created.out
    if case.host_rule:
        assert not alone and case.rule in here
    elif case.rule:
        assert case.rule in alone and alone <= here
    else:
        assert not here


def test_the_table_in_the_documentation_is_this_one():
    assert agreement.table() in (builder.PROJECT / "docs/rig.md").read_text()
