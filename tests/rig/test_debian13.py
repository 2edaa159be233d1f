"""Debian 13's libvirt 11.3 with the backported QEMU 11.1: it loses what makes a vSMMU accelerated."""

import shlex
import xml.etree.ElementTree as ET

import pytest

import conftest
import machine
import virsh

pytestmark = pytest.mark.long_tail


@pytest.fixture(scope="module")
def libvirt():
    with conftest.boot(image="trixie") as host:
        yield virsh.Libvirt(host)


def test_silently_lost_accel_and_iommufd_are_reported(libvirt):
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


def adapt(host, xml, *options):
    """What `virt-vsmmu adapt`, built for arm64, makes of a domain in the host."""
    host.write("/run/rig/given.xml", xml)
    return host.run(f"virt-vsmmu adapt {shlex.join(options)} /run/rig/given.xml").out


def adapt_back(host, xml):
    return adapt(host, xml, "--lift")


def vsmmus_and_hostdevs(xml):
    """What a domain says of these, whoever wrote it."""
    devices = ET.fromstring(xml).find("devices")
    smmus = [smmu.find("driver").attrib for smmu in devices.iterfind("iommu")]
    return smmus, [(hostdev.find("driver").get("iommufd"), hostdev.find("address").get("bus"))
                   for hostdev in devices.iterfind("hostdev")]


def test_lowered_a_device_works_at_start_and_hotplugged_and_the_domain_is_shown_as_written(libvirt):
    """libvirt 11.3 passes an accelerated vSMMU to QEMU: `virt-vsmmu adapt`, strategy of the stand-in."""
    cold, hot = virsh.Device(machine.A_NVME_1, bus=2), virsh.Device(machine.A_NVME_2, 3, "<driver name='vfio'/>")
    xml = virsh.domain(devices=[cold])
    lowered = adapt(libvirt.host, xml, "--target", "this")
    assert adapt_back(libvirt.host, lowered).strip() == xml.strip()
    libvirt.virsh("undefine", "--nvram", "rig", check=False)
    defined = libvirt.define(lowered)
    assert defined.status == 0, defined.out
    assert vsmmus_and_hostdevs(adapt_back(libvirt.host, libvirt.virsh("dumpxml", "rig").out)) == (
        [{"pciBus": "1", "accel": "on"}], [("yes", "0x02")])
    started = libvirt.virsh("start", "rig", check=False)
    assert started.status == 0, started.out
    console = libvirt.console("rig")
    console.wait_until_ready()
    attached = libvirt.attach("rig", hot)
    assert attached.status == 0, attached.out
    report = console.report_until(lambda report: len(report.data) == 2)
    assert report.works("0000:09:00.0", machine.MARKERS[machine.A_NVME_1]), report.text
    assert report.works("0000:0a:00.0", machine.MARKERS[machine.A_NVME_2]), report.text
    assert report.devices["0000:09:00.0"]["smmu"] == report.devices["0000:0a:00.0"]["smmu"] != "none"
    live = vsmmus_and_hostdevs(adapt_back(libvirt.host, libvirt.virsh("dumpxml", "rig").out))
    assert live == ([{"pciBus": "1", "accel": "on"}], [("yes", "0x02"), ("yes", "0x03")])
    libvirt.virsh("destroy", "rig")
