"""What must make the other cases fail: a test bed that cannot fail proves nothing."""

import re

import pytest

import conftest
import guest
import machine
import virsh

PORT_1 = "0000:09:00.0"
ARGUMENTS = [*guest.MACHINE, *guest.IOMMUFD, *guest.vsmmu(devices=[machine.A_NVME_1])]
DOMAIN = virsh.domain(devices=[virsh.Device(machine.A_NVME_1, bus=2)])


@pytest.fixture
def disk(emulated_host):
    emulated_host.give_to_vfio(machine.A_NVME_1)
    return machine.A_NVME_1


def refusal(host):
    """What QEMU says when it does not start."""
    host.give_to_vfio(machine.A_NVME_1)
    with pytest.raises(guest.Died) as died, guest.Guest(host, ARGUMENTS, paused=True):
        pass
    return str(died.value)


def test_without_canwbs_the_kernel_offers_no_nesting():
    with conftest.boot(knobs=machine.Knobs(canwbs=False)) as host:
        assert "IOMMU_VIOMMU_ALLOC failed: Operation not supported" in refusal(host)
        ready = host.run("virt-vsmmu host", check=False)
        assert ready.status == 1 and re.search(r"coherent guest memory +: FAIL", ready.out), ready.out
        assert "host-no-nesting" in virsh.errors(host, DOMAIN, "--this-host")


@pytest.mark.long_tail
def test_with_stage_1_only_there_is_no_nesting_parent():
    with conftest.boot(knobs=machine.Knobs(nesting=False)) as host:
        assert "Failed to allocate hwpt: Operation not supported" in refusal(host)
        assert "features 0x01008305" in host.run("dmesg | grep oas").out
        assert "host-no-nesting" in virsh.errors(host, DOMAIN, "--this-host")


@pytest.mark.long_tail
def test_without_an_msi_controller_there_is_no_doorbell_and_no_msi(emulated_host, disk):
    with guest.Guest(emulated_host, [*ARGUMENTS, "-machine", "its=off"]) as vm:
        vm.boot()
        assert vm.msi_gpa() == 0
        report = vm.console.report()
        assert report.works(PORT_1, machine.MARKERS[disk]), report.text
        assert {vector.kind for vector in report.vectors[PORT_1]} == {"GICv3"}  # its pin


@pytest.mark.long_tail
def test_gicv2m_has_a_doorbell_of_its_own(emulated_host, disk):
    with guest.Guest(emulated_host, [*ARGUMENTS, "-machine", "msi=gicv2m"]) as vm:
        vm.boot()
        assert vm.msi_gpa() == 0x08020040
        report = vm.console.report()
        assert report.works(PORT_1, machine.MARKERS[disk]), report.text


@pytest.mark.long_tail
def test_an_msi_window_that_the_guest_is_not_told_of_swallows_all_interrupts():
    """QEMU always tells the guest of 0x08000000: the host writes its MSIs elsewhere, and the guest's tables have nothing there."""
    with conftest.boot(knobs=machine.Knobs(msi_window=0xA0000000)) as host:
        host.give_to_vfio(machine.A_NVME_1)
        assert "0x00000000a0000000 0x00000000a00fffff msi" in host.run(
            f"cat /sys/bus/pci/devices/{machine.A_NVME_1}/iommu_group/reserved_regions").out
        assert "host-msi-window" in virsh.errors(host, DOMAIN, "--this-host")
        # No completion of a command ever reaches the driver, so the guest is not up for minutes.
        with guest.Guest(host, ARGUMENTS) as vm:
            vm.console.wait_for(r"event: F_TRANSLATION client: 0000:09:00.0 sid: 0x900 .* iova: 0xa0000040", 120)
