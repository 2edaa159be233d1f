"""Our findings and what libvirt, QEMU and the kernel really do, case by case; the table is in docs/rig.md."""

import pytest

import agreement
import builder
import machine
import virsh


@pytest.fixture(scope="module")
def libvirt(emulated_host):
    yield virsh.Libvirt(emulated_host)
    emulated_host.give_to_vfio(machine.A_NVME_1, machine.A_NVME_2, machine.B_NVME_1)


def errors(host, xml, *options):
    return {finding["rule"] for finding in virsh.check(host, xml, *options) if finding["severity"] == "error"}


@pytest.mark.parametrize("case", agreement.CASES, ids=lambda case: case.name)
def test_we_say_what_happens(libvirt, case):
    alone, here = errors(libvirt.host, case.xml), errors(libvirt.host, case.xml, "--this-host")
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
