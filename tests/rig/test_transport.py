"""Accelerated domains through virt-vsmmu-connect: they work with libvirt 12.8, and with 11.3, which would lose them."""

import types

import pytest

import conftest
import machine
import virsh

PORT_1, PORT_2 = "0000:09:00.0", "0000:0a:00.0"  # what stands on the two ports, as the guest numbers it


def bare(bdf):
    """A device as users write it first: no address, no iommufd."""
    domain, bus, slot = bdf.split(":")[0], bdf.split(":")[1], bdf.split(":")[2].split(".")[0]
    return types.SimpleNamespace(xml=f"""
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x0'/></source>
    </hostdev>""")


@pytest.fixture(scope="module", params=["sid", "trixie"])
def through(request):
    if request.param == "sid":
        yield request.getfixturevalue("libvirt").through_us()
        return
    with conftest.boot(image="trixie") as host:
        yield virsh.Libvirt(host).through_us()


@pytest.fixture(scope="module")
def console(through):
    """A guest with a disk of SMMU A and a free port behind the same vSMMU."""
    through.host.give_to_vfio(machine.A_NVME_1)
    defined = through.define(virsh.domain("through", devices=[virsh.Device(machine.A_NVME_1, bus=2)]))
    assert defined.status == 0, defined.out
    started = through.virsh("start", "through", check=False)
    assert started.status == 0, started.out
    console = through.console("through")
    console.wait_until_ready()
    yield console
    through.virsh("destroy", "through")
    through.virsh("undefine", "--nvram", "through")


def test_the_guest_works_and_is_shown_as_it_was_written(through, console):
    report = console.report()
    assert report.works(PORT_1, machine.MARKERS[machine.A_NVME_1]), report.text
    for options in ([], ["--inactive"]):
        shown = through.virsh("dumpxml", *options, "through").out
        assert "accel='on'" in shown and "iommufd='yes'" in shown and "qemu:" not in shown


def test_a_device_without_address_comes_behind_the_right_vsmmu_and_works(through, console):
    attached = through.attach("through", bare(machine.A_NVME_2))
    assert attached.status == 0, attached.out
    report = console.report_until(lambda report: PORT_2 in report.data)
    assert report.works(PORT_2, machine.MARKERS[machine.A_NVME_2]), report.text
    assert report.devices[PORT_2]["smmu"] == report.devices[PORT_1]["smmu"] != "none"
    detached = through.detach("through", bare(machine.A_NVME_2))
    assert "removed" in detached.out, detached.out


def test_a_device_of_the_other_smmu_is_refused_and_the_guest_unharmed(through, console):
    refused = through.attach("through", bare(machine.B_NVME_1))
    assert refused.status != 0 and "[hotplug-smmu-mismatch]" in refused.out, refused.out
    assert console.report().works(PORT_1, machine.MARKERS[machine.A_NVME_1])


def test_a_domain_with_devices_of_two_smmus_behind_one_vsmmu_still_needs_the_host_to_be_refused(through):
    """Definitions are checked without a host, since a domain may be defined before its devices are there."""
    xml = virsh.domain("both", devices=[virsh.Device(machine.A_NVME_1, bus=2), virsh.Device(machine.B_NVME_1, bus=3)])
    assert through.define(xml).status == 0
    assert "host-smmu-mismatch" in virsh.errors(through.host, xml, "--this-host")
    through.virsh("undefine", "--nvram", "both")
