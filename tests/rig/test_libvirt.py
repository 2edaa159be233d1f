"""The same through libvirt: define, start, attach, detach, destroy."""

import json
import re

import pytest

import guest
import machine
import virsh

PORT_1, PORT_2 = "0000:09:00.0", "0000:0a:00.0"
COLD = virsh.Device(machine.A_NVME_1, bus=2)
HOT = virsh.Device(machine.A_NVME_2, bus=3)
STRANGER = virsh.Device(machine.B_NVME_1, bus=3)


@pytest.fixture(scope="module")
def console(emulated_host, libvirt):
    """A running domain with one cold-plugged disk and one free port."""
    xml = virsh.domain(devices=[COLD])
    assert [finding["rule"] for finding in virsh.check(emulated_host, xml)] == ["not-migratable"]
    defined = libvirt.define(xml)
    assert defined.status == 0, defined.out
    libvirt.virsh("start", "rig")
    # The trace is what KVM is told; libvirt puts it into the domain's log.
    libvirt.monitor("rig", json.dumps({"execute": "trace-event-set-state",
                                       "arguments": {"name": "kvm_arm_fixup_msi_route", "enable": True}}))
    said = libvirt.console("rig")
    said.wait_until_ready()
    yield said
    libvirt.virsh("destroy", "rig")
    libvirt.virsh("undefine", "--nvram", "rig")


def attach_errors(libvirt, device):
    """What we say of attaching it to the running domain on this host."""
    libvirt.host.write("/run/rig/attached.xml", device.xml)
    said = libvirt.host.run("virsh -c qemu:///system dumpxml rig >/run/rig/live.xml; virt-vsmmu check --this-host "
                            "--format json --attach /run/rig/attached.xml /run/rig/live.xml", check=False).out
    return [finding["rule"] for finding in json.loads(said)["findings"] if finding["severity"] == "error"]


def test_a_domain_starts_and_its_device_interrupts(libvirt, console):
    report = console.report()
    assert report.works(PORT_1, machine.MARKERS[machine.A_NVME_1]), report.text
    arguments = libvirt.host.run("tr '\\0' '\\n' </proc/$(cat /run/libvirt/qemu/rig.pid)/cmdline").out
    assert '{"driver":"arm-smmuv3","primary-bus":"pci.1","id":"iommu0","accel":true}' in arguments
    answer = libvirt.monitor("rig", '{"execute":"qom-get","arguments":{"path":"/machine/peripheral/iommu0","property":"msi-gpa"}}')
    assert json.loads(answer)["return"] == guest.DOORBELL


def assert_verified(libvirt, device, report, bdf, bdf_on_host):
    """It is what KVM was told of each vector that the guest has, whatever the guest wrote."""
    routes = guest.routes(libvirt.log("rig"))
    assert (device["address"], device["host"], device["vsmmu"]) == (bdf, bdf_on_host, "iommu0")
    assert (device["path"], device["verdict"]) == ("direct", "verified")
    assert len(device["enabled"]) == len(report.vectors[bdf]) > 0
    for vector in device["enabled"]:
        assert (int(vector["address"], 16), int(vector["gpa"], 16)) in routes
        assert int(vector["gpa"], 16) == guest.DOORBELL != int(vector["address"], 16)


def test_each_vector_of_the_running_guest_is_verified(libvirt, console):
    devices, seen = virsh.observe(libvirt.host, "rig", "--monitor")
    assert devices.keys() == {"hostdev0"} and not seen["findings"]
    assert seen["vsmmus"] == [{"alias": "iommu0", "accelerated": True, "msi_gpa": f"{guest.DOORBELL:#010x}"}]
    assert_verified(libvirt, devices["hostdev0"], console.report(), PORT_1, COLD.bdf)


def test_attach_and_detach(libvirt, console):
    assert attach_errors(libvirt, HOT) == []
    before = len(libvirt.log("rig"))
    attached = libvirt.attach("rig", HOT)
    assert attached.status == 0, attached.out
    report = console.report_until(lambda report: PORT_2 in report.data)
    assert report.works(PORT_2, machine.MARKERS[machine.A_NVME_2]), report.text
    assert {gpa for _, gpa in guest.routes(libvirt.log("rig")[before:])} == {guest.DOORBELL}
    devices, _ = virsh.observe(libvirt.host, "rig")
    assert devices["hostdev0"]["verdict"] == "verified"
    assert_verified(libvirt, devices["hostdev1"], report, PORT_2, HOT.bdf)
    detached = libvirt.detach("rig", HOT)
    assert detached.status == 0 and "device-removed" in detached.out, detached.out
    report = console.report()
    assert PORT_2 not in report.devices
    assert report.works(PORT_1, machine.MARKERS[machine.A_NVME_1]), report.text
    assert HOT.bdf.split(":")[1] not in re.findall(r"bus='0x(\w\w)'", libvirt.virsh("dumpxml", "rig").out)


def test_it_cannot_be_saved_as_we_note(libvirt, console):
    saved = libvirt.virsh("save", "rig", "/run/rig/saved", check=False)
    assert saved.status != 0 and "Migration not supported with SMMUv3 accelerator mode enabled" in saved.out


def test_libvirt_says_nothing_of_a_device_of_another_smmu_and_we_do(libvirt, console):
    assert attach_errors(libvirt, STRANGER) == ["hotplug-smmu-mismatch"]
    before = len(libvirt.log("rig"))
    attached = libvirt.attach("rig", STRANGER)
    assert attached.status == 0 and "error" not in attached.out, attached.out
    report = console.report_until(lambda report: len(report.command_errors) >= 2)
    assert len(report.command_errors) == 2 and PORT_2 not in report.data
    said = [line for line in libvirt.log("rig")[before:].splitlines() if "qemu-system" in line]
    assert [line.split(": ", 1)[1] for line in said] == ["IOMMU_VDEVICE_ALLOC failed: Invalid argument"] * 2
    assert "VDEVICE" not in libvirt.host.read("/var/log/libvirtd.log")
    # The way of its interrupts is right, and the guest has enabled some: what is wrong is not to be seen there.
    stranger = virsh.observe(libvirt.host, "rig")[0]["hostdev1"]
    assert (stranger["path"], stranger["host"]) == ("direct", STRANGER.bdf)
    assert stranger["verdict"] in ("verified", "idle")
