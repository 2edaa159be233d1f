"""Debian 13's libvirt 11.3 with the backported QEMU 11.1: it loses what makes a vSMMU accelerated."""

import pytest

import conftest
import machine
import virsh

pytestmark = pytest.mark.long_tail


@pytest.fixture(scope="module")
def libvirt():
    with conftest.boot(image="trixie") as host:
        yield virsh.Libvirt(host)


def test_accel_and_iommufd_are_lost_without_a_word_and_we_say_so(libvirt):
    assert "library: libvirt 11.3" in libvirt.virsh("version").out
    xml = virsh.domain(devices=[virsh.Device(machine.A_NVME_1, bus=2)])
    defined = libvirt.define(xml)
    assert defined.status == 0 and "error" not in defined.out
    kept = libvirt.virsh("dumpxml", "rig").out
    assert "<iommu model='smmuv3'" in kept and "accel" not in kept and "iommufd" not in kept
    found = {finding["rule"] for finding in virsh.check(libvirt.host, xml, "--target", "this")}
    assert {"target-libvirt-drops-accel", "target-libvirt-no-iommufd"} <= found


def test_and_the_domain_does_not_start(libvirt):
    libvirt.host.give_to_vfio(machine.A_NVME_1)
    libvirt.define(virsh.domain(devices=[virsh.Device(machine.A_NVME_1, bus=2)]))
    started = libvirt.virsh("start", "rig", check=False)
    assert started.status != 0 and "requires iommu MAP notifier" in started.out
