"""What virt-vsmmu plan writes, libvirt starts, and all devices in it interrupt."""

import guest
import machine
import virsh

PLAN = """
    virt-vsmmu plan --this-host --device {first} --device {second} --spare-ports 1 --into /run/rig/plain.xml >/run/rig/planned.xml
    virt-vsmmu check --this-host /run/rig/planned.xml
    virsh -q -c qemu:///system create /run/rig/planned.xml
"""


def test_a_planned_domain_works(emulated_host, libvirt):
    emulated_host.give_to_vfio(machine.A_NVME_1, machine.B_NVME_1)
    libvirt.host.write("/run/rig/plain.xml", virsh.domain(vsmmus=[], devices=[], name="planned"))
    libvirt.host.run("set -e" + PLAN.format(first=machine.A_NVME_1, second=machine.B_NVME_1))
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
