"""What virt-vsmmu plan writes, libvirt starts, and all devices in it interrupt."""

import pytest

import guest
import machine
import virsh

PLAN = """
    virt-vsmmu plan --this-host {devices} --spare-ports 1 --into /run/rig/plain.xml >/run/rig/planned.xml
    virt-vsmmu check --this-host /run/rig/planned.xml
    virsh -q -c qemu:///system create /run/rig/planned.xml
"""


DEVICES = (machine.A_NVME_1, machine.B_NVME_1)


def unprepared(devices):
    """As a program writes it that knows no vSMMU: devices anywhere, without iommufd, and an SMMUv3 for the whole machine."""
    xml = virsh.domain(vsmmus=[], devices=[], name="planned")
    elements = []
    for device in devices:
        domain, bus, rest = device.split(":")
        slot, function = rest.split(".")
        elements.append(f"<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x{domain}' bus='0x{bus}' "
                        f"slot='0x{slot}' function='0x{function}'/></source></hostdev>")
    driver = "<driver intremap='on' caching_mode='on' aw_bits='48' eim='off' iotlb='on'/>"
    return xml.replace("</devices>", "".join(elements) + f"<iommu model='smmuv3'>{driver}</iommu></devices>")


@pytest.mark.parametrize("options, there", [(" ".join(f"--device {device}" for device in DEVICES), ()), ("--adopt", DEVICES)],
                         ids=["added", "adopted"])
def test_a_planned_domain_works(emulated_host, libvirt, options, there):
    emulated_host.give_to_vfio(*DEVICES)
    plain = unprepared(there) if there else virsh.domain(vsmmus=[], devices=[], name="planned")
    libvirt.host.write("/run/rig/plain.xml", plain)
    libvirt.host.run("set -e" + PLAN.format(devices=options))
    try:
        console = libvirt.console("planned")
        console.wait_until_ready()
        report = console.report_until(lambda report: len(report.data) == 2)
        works = {marker: bdf for bdf, marker in report.data.items() if report.works(bdf, marker)}
        assert works.keys() == {machine.MARKERS[machine.A_NVME_1], machine.MARKERS[machine.B_NVME_1]}, report.text
        assert len({report.devices[bdf]["smmu"] for bdf in works.values()} - {"none"}) == 2
        for vsmmu in ("iommu0", "iommu1"):
            answer = libvirt.monitor("planned", '{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/%s", '
                                                '"property": "msi-gpa"}}' % vsmmu)
            assert f'"return":{guest.DOORBELL}' in answer.replace(" ", "")
    finally:
        libvirt.virsh("destroy", "planned", check=False)
