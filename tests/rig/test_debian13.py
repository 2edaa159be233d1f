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


LOWERED = """
  <qemu:commandline>
    <qemu:arg value='-object'/><qemu:arg value='iommufd,id=iommufd0'/>
    <qemu:arg value='-global'/><qemu:arg value='vfio-pci.iommufd=iommufd0'/>
    <qemu:arg value='-device'/><qemu:arg value='pxb-pcie,id=root1,bus=pcie.0,addr=0x1e,bus_nr=8'/>
    <qemu:arg value='-device'/><qemu:arg value='arm-smmuv3,primary-bus=root1,id=vsmmu1,accel=on'/>
  </qemu:commandline>
  <qemu:override>
    <qemu:device alias='pci.1'><qemu:frontend>
      <qemu:property name='bus' type='string' value='root1'/>
      <qemu:property name='addr' type='string' value='0x0'/>
    </qemu:frontend></qemu:device>
    <qemu:device alias='pci.2'><qemu:frontend>
      <qemu:property name='bus' type='string' value='root1'/>
      <qemu:property name='addr' type='string' value='0x1'/>
    </qemu:frontend></qemu:device>
  </qemu:override>
</domain>
"""
PORTS = "".join(f"""
    <controller type='pci' index='{index}' model='pcie-root-port'>
      <address type='pci' domain='0x0000' bus='0x00' slot='{index + 1:#04x}' function='0x0'/>
    </controller>""" for index in (1, 2))


def test_with_the_vsmmu_in_qemu_arguments_a_device_works_at_start_and_hotplugged(libvirt):
    """What is to become of such a domain: DESIGN.md section 8, strategy 'commandline'."""
    plain = "<driver name='vfio'/>"
    cold, hot = virsh.Device(machine.A_NVME_1, 1, plain), virsh.Device(machine.A_NVME_2, 2, plain)
    xml = virsh.domain(vsmmus=[], devices=[cold], extra=PORTS).replace(
        "<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ").replace("</domain>\n", LOWERED)
    libvirt.virsh("undefine", "--nvram", "rig", check=False)
    defined = libvirt.define(xml)
    assert defined.status == 0, defined.out
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
    libvirt.virsh("destroy", "rig")
