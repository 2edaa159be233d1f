"""The main thing in a minute: a guest that receives interrupts through an accelerated SMMUv3, and the doorbell KVM got."""

import builder
import guest
import machine

PORT_1, PORT_2 = "0000:09:00.0", "0000:0a:00.0"


def show(host):
    """Returns whether all was seen."""
    host.give_to_vfio(machine.A_NVME_1, machine.A_NVME_2)
    arguments = [*guest.MACHINE, *guest.IOMMUFD, *guest.vsmmu(options="", devices=[machine.A_NVME_1]), *guest.TRACES]
    builder.say("starting a KVM guest in it: " + " ".join(arguments[arguments.index("-device"):arguments.index("-trace")]))
    with guest.Guest(host, arguments) as vm:
        vm.boot()
        builder.say("the guest is up; hotplugging a second disk of the same SMMU")
        vm.attach("hotplugged", machine.A_NVME_2, "port1.2")
        report = vm.console.report_until(lambda report: PORT_2 in report.data)
        good = True
        for bdf, source in ((PORT_1, machine.A_NVME_1), (PORT_2, machine.A_NVME_2)):
            worked = report.works(bdf, machine.MARKERS[source])
            good &= worked
            print(f"\nguest {bdf}, host {source}: {'works' if worked else 'DOES NOT WORK'}")
            print(f"  first line of the disk: {report.data.get(bdf)}")
            for vector in report.vectors[bdf]:
                print(f"  {vector.name}: {vector.before} interrupts before reading it, {vector.after} after ({vector.kind})")
        said = vm.said()
        print(f"\nthe doorbell QEMU has for the vSMMU (msi-gpa): {vm.msi_gpa():#010x}")
        for iova, gpa in guest.routes(said):
            print(f"  the guest wrote {iova:#010x}, KVM was given {gpa:#010x}")
            good &= gpa == guest.DOORBELL
        print("\nwhat the physical SMMU translates with the guest's own tables:")
        for line in said.splitlines():
            if "install_ste" in line and "translate" in line:
                print(f"  {line}")
    return good and len(guest.routes(said)) > 0
