"""Verdicts on real accelerated devices as they come and go, held against what the guest and KVM say."""

import json

import pytest

import guest
import machine
import virsh
from waiting import await_true

NAME = "watched"
PORT_1, PORT_2 = "0000:09:00.0", "0000:0a:00.0"
COLD = virsh.Device(machine.A_NVME_1, bus=2)
HOT = virsh.Device(machine.A_NVME_2, bus=3)
STRANGER = virsh.Device(machine.B_NVME_1, bus=3)
SMMU_A, SMMU_B = "smmu3.0x000000000c000000", "smmu3.0x000000000c020000"
NAMESPACE = "urn:libvirt-vsmmu:policy:1"
TRACE = "kvm_arm_fixup_msi_route"
SECONDS = 60
SECONDS_TO_GIVE_UP = 300  # the guest's NVMe driver, which then lets go of the device
CYCLES = 50


def until(about, condition, seconds=SECONDS):
    """What the condition gives, as soon as that is true."""
    return await_true(condition, seconds, about)


class Process:
    """A program that goes on in the host."""

    def __init__(self, host, name, command):
        self.host = host
        self.name = name
        self.command = command
        self.start()

    def start(self):
        self.pid = int(self.host.run(f"setsid {self.command} >/run/rig/{self.name}.out 2>/run/rig/{self.name}.err </dev/null & "
                                     "echo $!").out)

    def said(self, stream="out"):
        return self.host.read(f"/run/rig/{self.name}.{stream}")

    def stop(self):
        """It ends when it is told to."""
        self.host.run(f"kill {self.pid}; for i in $(seq 100); do kill -0 {self.pid} || exit 0; sleep 0.1; done; exit 1")


def footprint(host, pid):
    """Descriptors, KiB of memory and threads of a process. QEMU 11.1.3 by itself keeps one for the BAR of each device that was."""
    said = host.run(f"ls -l /proc/{pid}/fd | grep -vc /dmabuf: ; awk '/^(Threads|VmRSS):/ {{ print $2 }}' /proc/{pid}/status").out.split()
    return dict(zip(("descriptors", "rss", "threads"), map(int, said)))


class Watch(Process):
    """virt-vsmmu watch, as an operator has it in another terminal."""

    def __init__(self, host):
        self.seen = 0
        super().__init__(host, "watch", "virt-vsmmu watch --monitor --format json")

    def news(self):
        return [json.loads(line) for line in self.said().splitlines()]

    def skip(self):
        """Looks only at what comes from now on."""
        self.seen = len(self.news())

    def wait_for(self, event, alias=None, verdict=None, seconds=SECONDS):
        """The first news of that kind."""
        def find():
            for number, one in enumerate(self.news()[self.seen:], self.seen + 1):
                if one["event"] == event and alias in (None, one["alias"]) and verdict in (None, one.get("device", {}).get("verdict")):
                    self.seen = number
                    return one
            return None

        return until(lambda: f"{event} {alias} {verdict}: {json.dumps(self.news()[self.seen:], indent=1)}", find, seconds)


class Service(Process):
    """virt-vsmmud on the host's system bus, which also does what the policy says. Root may call it without polkit."""

    CALL = "timeout 30 busctl --system --json=short"

    def __init__(self, host):
        host.run("""
            mkdir -p /run/dbus
            sed '/<user>/d; /servicedirs/d; s|</busconfig>|<include>/rig/program/share/dbus-1/system.d/org.vsmmu1.conf</include>&|' \\
                /usr/share/dbus-1/system.conf >/run/rig/bus.conf
            setsid dbus-daemon --config-file /run/rig/bus.conf >/dev/null 2>&1 </dev/null""")
        super().__init__(host, "service", "/rig/program/sbin/virt-vsmmud")

    def call(self, method, *arguments):
        said = self.host.run(f"{self.CALL} call org.vsmmu1 /org/vsmmu1 org.vsmmu1 {method} {' '.join(arguments)} 2>/dev/null",
                             check=False).out
        return json.loads(said)["data"][0] if said else []

    def verdicts(self):
        """By alias."""
        return {verdict["device"]: verdict for verdict in (
            {name: value["data"] for name, value in one.items()} for one in self.call("ListVerdicts"))}

    def wait_for(self, **verdicts):
        """Until these are all that it knows: verdict by alias."""
        until(lambda: f"{verdicts}: {self.verdicts()} {self.said('err')}",
              lambda: {alias: one["verdict"] for alias, one in self.verdicts().items()} == verdicts)


@pytest.fixture(scope="module")
def service(emulated_host, libvirt):
    running = Service(emulated_host)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def watch(emulated_host, libvirt):
    watching = Watch(emulated_host)
    watching.wait_for("connected")
    yield watching
    watching.stop()


@pytest.fixture(scope="module")
def console(libvirt, watch, service):
    """A running domain with one cold-plugged disk and one free port."""
    defined = libvirt.define(virsh.domain(name=NAME, devices=[COLD]))
    assert defined.status == 0, defined.out
    libvirt.virsh("start", NAME)
    said = libvirt.console(NAME)
    said.wait_until_ready()
    yield said
    libvirt.virsh("destroy", NAME, check=False)
    libvirt.virsh("undefine", "--nvram", NAME)


@pytest.fixture
def hot(libvirt, watch, console):
    """The second disk, attached and verified; it is there until the end of the test."""
    plug(libvirt, watch, HOT)
    yield watch.wait_for("verdict", "hostdev1", "verified")
    unplug(libvirt, watch, HOT, "hostdev1")


def evidence(news):
    return {one["check"]: one for one in news["device"]["evidence"]}


def interrupts(report, bdf):
    return sum(vector.after for vector in report.vectors[bdf])


def plug(libvirt, watch, device):
    watch.skip()
    attached = libvirt.attach(NAME, device)
    assert attached.status == 0, attached.out


def unplug(libvirt, watch, device, alias):
    watch.skip()
    detached = libvirt.detach(NAME, device)
    assert detached.status == 0, detached.out
    watch.wait_for("removed", alias)


def assert_works(console, *ports):
    """What we call verified has interrupts that the guest counts, and nothing else is there."""
    markers = {PORT_1: machine.MARKERS[machine.A_NVME_1], PORT_2: machine.MARKERS[machine.A_NVME_2]}
    report = console.report_until(lambda report: all(report.works(port, markers[port]) for port in ports))
    for port in ports:
        assert report.works(port, markers[port]) and interrupts(report, port) > 0, report.text
    assert (PORT_2 in report.devices) == (PORT_2 in ports)


def is_traced(libvirt):
    command = {"execute": "trace-event-get-state", "arguments": {"name": TRACE}}
    return json.loads(libvirt.monitor(NAME, json.dumps(command)))["return"][0]["state"] == "enabled"


def trace(libvirt, enable):
    libvirt.monitor(NAME, json.dumps({"execute": "trace-event-set-state", "arguments": {"name": TRACE, "enable": enable}}))


def has_route(libvirt, said, before):
    """Whether KVM's route was caught; then it is what we say."""
    given = {gpa for _, gpa in guest.routes(libvirt.log(NAME)[before:])}
    route = evidence(said).get("route", {"outcome": None, "text": ""})
    if given:
        assert given == {guest.DOORBELL} == {int(said["device"]["doorbell"], 16)}
        assert route["outcome"] == "verified" and f"{guest.DOORBELL:#010x}" in route["text"]
    return bool(given)


def test_a_cold_plugged_device_is_verified_when_the_guest_has_its_driver_and_it_works(libvirt, service, watch, console):
    said = watch.wait_for("verdict", "hostdev0", "verified")
    device = said["device"]
    assert (said["domain"], device["vsmmu"], device["smmu"], device["address"]) == (NAME, "iommu0", SMMU_A, PORT_1)
    assert device["doorbell"] == f"{guest.DOORBELL:#010x}"
    assert {name: one["outcome"] for name, one in evidence(said).items()}.items() >= dict.fromkeys(
        ["place", "smmu", "window", "doorbell", "log", "vectors"], "verified").items()
    assert_works(console, PORT_1)
    service.wait_for(hostdev0="verified")
    verdict = service.verdicts()["hostdev0"]
    assert (verdict["domain"], verdict["host-smmu"], verdict["doorbell"]) == (NAME, SMMU_A, guest.DOORBELL)
    assert "route" not in evidence(said) and not is_traced(libvirt)


def test_a_right_hotplug_is_verified_with_what_kvm_was_given_and_it_works(libvirt, service, watch, console):
    before = len(libvirt.log(NAME))
    trace(libvirt, True)
    plug(libvirt, watch, HOT)
    said = watch.wait_for("verdict", "hostdev1", "verified")
    assert said["device"]["smmu"] == SMMU_A
    assert_works(console, PORT_1, PORT_2)
    assert has_route(libvirt, said, before)
    service.wait_for(hostdev0="verified", hostdev1="verified")
    unplug(libvirt, watch, HOT, "hostdev1")
    assert is_traced(libvirt), "what somebody else has switched on is left on"
    trace(libvirt, False)
    assert_works(console, PORT_1)
    service.wait_for(hostdev0="verified")


def test_verify_reports_the_same_once(emulated_host, console):
    said = emulated_host.run(f"virt-vsmmu verify --format json --monitor --wait 5 {NAME} hostdev0")
    device, = json.loads(said.out[said.out.index("{\n"):])["devices"]
    checks = {one["check"]: one for one in device["evidence"]}
    assert device["verdict"] == "verified" and "QEMU uses it for every" in checks["doorbell"]["text"]


def test_all_is_looked_at_again_after_libvirtd_and_virt_vsmmud_and_the_guest_restarted(emulated_host, libvirt, service, watch, console, hot):
    watch.skip()
    libvirt.stop()
    watch.wait_for("disconnected")
    # While nobody looks.
    console.command(f"run echo {PORT_2} >/sys/bus/pci/drivers/nvme/unbind")
    libvirt.start()
    watch.wait_for("verdict", "hostdev1", "unknown-yet")
    service.wait_for(hostdev0="verified", hostdev1="unknown-yet")
    service.stop()
    console.command(f"run echo {PORT_2} >/sys/bus/pci/drivers/nvme/bind")
    watch.wait_for("verdict", "hostdev1", "verified")
    assert_works(console, PORT_1, PORT_2)
    service.start()
    service.wait_for(hostdev0="verified", hostdev1="verified")
    console.connection.sendall(b"reboot\n")
    watch.wait_for("verdict", "hostdev1", "unknown-yet")
    console.wait_until_ready()
    watch.wait_for("verdict", "hostdev1", "verified")
    assert_works(console, PORT_1, PORT_2)
    service.wait_for(hostdev0="verified", hostdev1="verified")


@pytest.mark.long_tail
def test_fifty_hotplugs_leave_nothing_behind_and_each_verdict_is_right(emulated_host, libvirt, service, watch, console):
    qemu = emulated_host.read(f"/run/libvirt/qemu/{NAME}.pid").strip()
    processes = {"watch": watch.pid, "service": service.pid, "qemu": int(qemu)}
    before = None
    routes = 0
    for cycle in range(CYCLES):
        log = len(libvirt.log(NAME))
        plug(libvirt, watch, HOT)
        said = watch.wait_for("verdict", "hostdev1", "verified")
        assert_works(console, PORT_1, PORT_2)
        routes += has_route(libvirt, said, log)
        service.wait_for(hostdev0="verified", hostdev1="verified")
        unplug(libvirt, watch, HOT, "hostdev1")
        service.wait_for(hostdev0="verified")
        after = {name: footprint(emulated_host, pid) for name, pid in processes.items()}
        print(cycle, said["elapsed_us"], json.dumps(after), flush=True)
        if cycle == 4:  # what is only made once is made
            before = after
    print("routes seen:", routes)
    assert not [one for one in watch.news() if one.get("device", {}).get("verdict") == "mismatch"]
    assert not is_traced(libvirt)
    for name in processes:
        assert after[name]["descriptors"] <= before[name]["descriptors"], name
        assert after[name]["threads"] <= before[name]["threads"] + 2, name
        assert after[name]["rss"] <= before[name]["rss"] + 1024, name


@pytest.mark.parametrize("is_driven", [False, pytest.param(True, marks=pytest.mark.long_tail)],
                         ids=["before-a-driver-has-it", "while-its-driver-tries"])
def test_a_device_of_another_smmu_is_a_mismatch_within_two_seconds_and_the_policy_detaches_it(is_driven, libvirt, service, watch, console):
    console.command(f"run echo {int(is_driven)} >/sys/bus/pci/drivers_autoprobe")
    libvirt.virsh("metadata", NAME, "--uri", NAMESPACE, "--key", "vsmmu", "--set", "<hotplug on-mismatch='detach'/>", "--live")
    told = service.said("err")
    plug(libvirt, watch, STRANGER)
    said = watch.wait_for("verdict", "hostdev1", "mismatch")
    assert said["elapsed_us"] < 2_000_000
    assert said["device"]["smmu"] == SMMU_B
    assert [finding["rule"] for finding in said["device"]["findings"]][:1] == ["host-smmu-mismatch"]
    assert SMMU_A in said["reason"] and SMMU_B in said["reason"]
    watch.wait_for("removed", "hostdev1", seconds=SECONDS_TO_GIVE_UP)
    service.wait_for(hostdev0="verified")
    assert service.said("err").removeprefix(told).count(f"detaching 'hostdev1', as the policy requires: {said['reason']}") == 1
    console.command("run echo 1 >/sys/bus/pci/drivers_autoprobe")
    assert_works(console, PORT_1)
    assert interrupts(console.report(), PORT_2) == 0
    assert STRANGER.bdf.split(":")[1] not in libvirt.virsh("dumpxml", NAME).out.split("<hostdev")[-1]


def test_the_trace_of_routes_is_switched_on_for_a_hotplug_and_off_again(libvirt, watch, console):
    """On the port that the other one has left. A driver may be quicker than we; three times in a row it is not."""
    for _ in range(3):
        before = len(libvirt.log(NAME))
        plug(libvirt, watch, HOT)
        said = watch.wait_for("verdict", "hostdev1", "verified")
        until(lambda: "the trace is still on", lambda: not is_traced(libvirt))
        assert_works(console, PORT_1, PORT_2)
        unplug(libvirt, watch, HOT, "hostdev1")
        if has_route(libvirt, said, before):
            return
    pytest.fail("no route was seen")


def test_who_attaches_through_us_is_told_the_verdict(libvirt, service, watch, console):
    """The reply waits for virt-vsmmud, so the verdict is there with it."""
    through = libvirt.through_us()
    watch.skip()
    attached = through.attach(NAME, HOT)
    assert attached.status == 0, attached.out
    assert service.verdicts()["hostdev1"]["verdict"] == "verified"
    unplug(libvirt, watch, HOT, "hostdev1")


def test_who_attaches_a_wrong_device_through_us_gets_an_error_when_it_is_detached(emulated_host, libvirt, service, watch, console):
    """With a policy that does not refuse it before; as long as the guest is busy with it, virt-vsmmud is who detaches it."""
    through = libvirt.through_us()
    emulated_host.run("mkdir -p /root/.config && printf '[policy]\nmode=warn\n' >/root/.config/virt-vsmmu.conf")
    console.command("run echo 0 >/sys/bus/pci/drivers_autoprobe")
    libvirt.virsh("metadata", NAME, "--uri", NAMESPACE, "--key", "vsmmu", "--set", "<hotplug on-mismatch='detach'/>", "--live")
    watch.skip()
    try:
        attached = through.attach(NAME, STRANGER)
    finally:
        emulated_host.run("rm /root/.config/virt-vsmmu.conf")
    print(attached.out)
    assert attached.status != 0 and "operation failed: the device was attached and " in attached.out, attached.out
    assert "and is being detached again" in attached.out or (
        "guest is busy" in attached.out and "detach it immediately" in attached.out), attached.out
    assert SMMU_B in attached.out and "[host-smmu-mismatch]" in attached.out
    watch.wait_for("removed", "hostdev1", seconds=SECONDS_TO_GIVE_UP)
    console.command("run echo 1 >/sys/bus/pci/drivers_autoprobe")
    assert_works(console, PORT_1)


def test_what_was_there_before_is_never_detached(libvirt, service, watch, console):
    assert "detaching 'hostdev0'" not in service.said("err")
    libvirt.virsh("destroy", NAME)
    watch.wait_for("removed", "hostdev0")
    service.wait_for()
