"""libvirt's qemu hook on a host that has all it looks for."""

import pytest

import machine
import virsh

GOOD = virsh.Device(machine.A_NVME_1, bus=2)
STRANGER = virsh.Device(machine.B_NVME_1, bus=3)
LINK = "/etc/libvirt/hooks/qemu.d/50-vsmmu"


@pytest.fixture(scope="module")
def hooked(libvirt):
    """libvirtd with the hook, which it looks for when it is told to reload; that it has done so it tells nobody."""
    libvirt.host.run(f"mkdir -p {LINK.rpartition('/')[0]}; ln -s /rig/program/sbin/virt-vsmmu-hook {LINK}; "
                     "pkill -HUP -x libvirtd; sleep 1")
    yield libvirt
    libvirt.host.run(f"rm {LINK}; pkill -HUP -x libvirtd; sleep 1")


def create(libvirt, *devices):
    libvirt.host.write("/run/rig/hooked.xml", virsh.domain("hooked", devices=devices))
    created = libvirt.virsh("create", "/run/rig/hooked.xml", "--paused", check=False)
    if created.status == 0:
        libvirt.virsh("destroy", "hooked")
    return created


def test_a_good_domain_starts_and_one_with_devices_of_two_smmus_does_not(hooked):
    assert create(hooked, GOOD).status == 0
    refused = create(hooked, GOOD, STRANGER)
    assert refused.status != 0
    assert f"guest 'hooked' was refused: {machine.B_NVME_1} is behind smmu3" in refused.out
    assert "[host-smmu-mismatch]" in refused.out and "hint: add a pcie-expander-bus" in refused.out
