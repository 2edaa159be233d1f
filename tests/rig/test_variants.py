"""The long tail: what else was seen to work, or to fail without a word."""

import contextlib

import pytest

import conftest
import console
import guest
import machine
from waiting import await_true

pytestmark = pytest.mark.long_tail

PORT_1, PORT_2 = "0000:09:00.0", "0000:0a:00.0"


@contextlib.contextmanager
def booted(host, devices, options=guest.EXPLICIT, seconds=console.SECONDS_TO_BOOT, **changes):
    """A guest with one vSMMU and these devices, all bound to vfio-pci."""
    host.give_to_vfio(*devices)
    arguments = [*guest.MACHINE, *guest.IOMMUFD, *guest.vsmmu(options=options, devices=devices), *guest.TRACES]
    with guest.Guest(host, arguments, **changes) as vm:
        vm.console.wait_until_ready(seconds)
        yield vm


def test_a_device_without_msi_interrupts_by_its_pin(emulated_host):
    with booted(emulated_host, [machine.B_INTX]) as vm:
        report = vm.console.report()
        assert report.works(PORT_1, machine.MARKERS[machine.B_INTX]), report.text
        assert [vector.kind for vector in report.vectors[PORT_1] if vector.after > vector.before] == ["GICv3"]
        assert not guest.routes(vm.said())


def test_a_virtual_function_of_a_network_card_works(emulated_host):
    nic = f"/sys/bus/pci/devices/{machine.A_NIC}"
    function = emulated_host.run(f"""
        busybox ip link set $(ls {nic}/net) up
        echo 2 >{nic}/sriov_numvfs
        basename $(readlink {nic}/virtfn0)""").out.split()[-1]
    try:
        with booted(emulated_host, [function]) as vm:
            vm.console.command("run ip addr add 10.0.2.20/24 dev eth0; ip link set eth0 up; "
                               "for i in $(seq 20); do grep -q 1 /sys/class/net/eth0/carrier && break; sleep 1; done; ping -c 5 10.0.2.2")
            report = vm.console.report()
            assert report.devices[PORT_1]["driver"] == "igbvf"
            assert sum(vector.after for vector in report.vectors[PORT_1]) > 0, report.text
            assert {gpa for _, gpa in guest.routes(vm.said())} == {guest.DOORBELL}
    finally:
        emulated_host.run(f"echo 0 >{nic}/sriov_numvfs", check=False)


def test_after_its_last_device_left_a_vsmmu_takes_a_device_of_another_smmu(emulated_host):
    """So the binding of a vSMMU to a physical SMMU is not for its life."""
    emulated_host.give_to_vfio(machine.B_NVME_1)
    with booted(emulated_host, [machine.A_NVME_1]) as vm:
        vm.detach("dev1.1")
        vm.attach("other", machine.B_NVME_1, "port1.1")
        report = vm.console.report_until(lambda report: PORT_1 in report.data)
        assert report.works(PORT_1, machine.MARKERS[machine.B_NVME_1]), report.text


def test_devices_of_two_smmus_at_start_take_the_whole_vsmmu_down(emulated_host):
    with booted(emulated_host, [machine.A_NVME_1, machine.B_NVME_1], seconds=400) as vm:
        report = vm.console.report(200)
        assert PORT_1 not in report.data and PORT_2 not in report.data
        said = vm.said()
        assert "Failed to attach GBPA hwpt" in said and "IOMMU_VDEVICE_ALLOC failed: Invalid argument" in said


def test_a_device_of_another_smmu_works_while_the_guest_does_not_translate(emulated_host):
    emulated_host.give_to_vfio(machine.B_NVME_1)
    with booted(emulated_host, [machine.A_NVME_1], kernel_arguments="iommu.passthrough=1") as vm:
        before = len(vm.said())
        vm.attach("stranger", machine.B_NVME_1, "port1.2")
        report = vm.console.report_until(lambda report: PORT_2 in report.data)
        assert report.works(PORT_2, machine.MARKERS[machine.B_NVME_1]), report.text
        assert not report.command_errors
        assert "failed" not in vm.said()[before:]


def words(vm, address, count):
    """32-bit words of guest physical memory or registers."""
    said = vm.monitor.execute("human-monitor-command", **{"command-line": f"xp /{count}wx {address:#x}"})
    return [int(word, 16) for line in said.splitlines() for word in line.split(":")[1].split()]


def bar(vm, name):
    """The guest physical address of a device's first BAR."""
    devices = [device for bus in vm.monitor.execute("query-pci") for device in bus["devices"]]
    while devices:
        device = devices.pop()
        if device["qdev_id"] == name:
            return device["regions"][0]["address"]
        devices += device.get("pci_bridge", {}).get("devices", [])
    raise LookupError(name)


def test_a_device_of_another_smmu_writes_into_guest_memory():
    """Where the guest's DMA addresses are guest physical addresses too, nothing stops the device, and nothing is said of
    it in the host."""
    with conftest.boot(knobs=machine.Knobs(memory_mib=4608)) as host:
        host.give_to_vfio(machine.B_NVME_1)
        with booted(host, [machine.A_NVME_1], memory_mib=3072) as vm:  # RAM up to 4 GiB
            top = range(0xFFF00000, 0x100000000, 0x1000)  # Linux takes DMA addresses from there
            before = {page: words(vm, page, 4) for page in top}
            vm.attach("stranger", machine.B_NVME_1, "port1.2")
            await_true(lambda: vm.said().count("IOMMU_VDEVICE_ALLOC failed") >= 2, what=vm.said)
            # The NVMe's own registers say where the guest told it to write completions of administrative commands.
            def find_queue():
                """None while it is not there yet, or not decoded yet."""
                queue = words(vm, bar(vm, "stranger") + 0x30, 1)[0]
                return queue if queue not in (0, 0xFFFFFFFF) else None
            queue = await_true(find_queue)
            assert queue in top, f"{queue:#x}"

            def find_entry():
                """The first one, once its phase is 1: the guest clears the queue before."""
                entry = words(vm, queue, 4)
                return entry if entry[3] & 0x10000 else None
            entry = await_true(find_entry)
            assert entry != before[queue]
            assert entry[2] == 1, [hex(word) for word in entry]  # queue head 1
            assert "F_TRANSLATION" not in host.run("dmesg").out


def test_a_device_that_is_not_alone_in_its_group_is_not_translated(emulated_host):
    for bdf, sibling in ((machine.A_GROUP_1, machine.A_GROUP_2), (machine.A_SWITCHED, None)):
        emulated_host.give_to_vfio(*filter(None, [sibling]))
        with booted(emulated_host, [bdf], seconds=300) as vm:
            report = vm.console.report_until(lambda report: report.command_errors)
            assert report.command_errors and PORT_1 not in report.data, report.text


def test_two_devices_of_one_group_do_not_start(emulated_host):
    devices = [machine.A_GROUP_1, machine.A_GROUP_2]
    with pytest.raises(guest.Died, match=f"error attach {machine.A_GROUP_2}.*Invalid argument"):
        with booted(emulated_host, devices):
            pass


def test_the_first_device_freezes_automatic_options_and_the_registers_show_them(emulated_host):
    with booted(emulated_host, [machine.A_NVME_1], options="") as vm:
        assert words(vm, 0x0C000000, 1) == [0x0D44101A]  # IDR0: no ATS
        assert vm.monitor.execute("qom-get", path="/machine/peripheral/smmuv3.1", property="ats") == "auto"


def test_a_shell_in_the_host_has_a_terminal_of_its_own(emulated_host):
    terminal = guest.Console(emulated_host.shell(rows=33, columns=99))
    terminal.connection.sendall(b"stty size; echo $((6*7)); exit\n")
    assert "33 99" in terminal.wait_for("^42$", 30)
