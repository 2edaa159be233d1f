"""Two vSMMUs on the two SMMUs of the host. All that concerns them on QEMU's command line is what virt-vsmmu prints."""

import pytest

import guest
import machine
import virsh

XML = virsh.domain(vsmmus=[virsh.VSmmu(1, 8, ports=1), virsh.VSmmu(3, 0x20, virsh.EXPLICIT, ports=1)],
                   devices=[virsh.Device(machine.A_NVME_1, bus=2)])


@pytest.fixture(scope="module")
def vm(emulated_host):
    """One vSMMU with a cold-plugged disk of SMMU A, and an empty one, provisioned for what is hotplugged later."""
    findings = virsh.check(emulated_host, XML)
    assert not [finding for finding in findings if finding["severity"] != "note"], findings
    printed = virsh.arguments(emulated_host, XML)
    with guest.Guest(emulated_host, [*printed, "-accel", "kvm", *guest.TRACES], name="two") as running:
        running.boot()
        yield running


def test_a_device_hotplugged_behind_the_empty_vsmmu_works_beside_the_other(vm):
    assert vm.msi_gpa("iommu0") == vm.msi_gpa("iommu1") == guest.DOORBELL
    before = len(vm.said())
    vm.attach("hotplugged", machine.B_NVME_1, "pci.4")
    report = vm.console.report_until(lambda report: len(report.data) == 2)
    assert report.works("0000:09:00.0", machine.MARKERS[machine.A_NVME_1]), report.text
    assert report.works("0000:21:00.0", machine.MARKERS[machine.B_NVME_1]), report.text
    assert {gpa for _, gpa in guest.routes(vm.said()[before:])} == {guest.DOORBELL}
    assert not report.command_errors
    smmus = {report.devices[bdf]["smmu"] for bdf in ("0000:09:00.0", "0000:21:00.0")}
    assert len(smmus) == 2 and "none" not in smmus
