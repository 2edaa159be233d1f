"""Verdicts on real accelerated devices as they come and go, held against what the guest and KVM say."""

import json
import time

import pytest

import guest
import machine
import virsh

NAME = "watched"
PORT_1, PORT_2 = "0000:09:00.0", "0000:0a:00.0"
COLD = virsh.Device(machine.A_NVME_1, bus=2)
HOT = virsh.Device(machine.A_NVME_2, bus=3)
STRANGER = virsh.Device(machine.B_NVME_1, bus=3)
SMMU_A, SMMU_B = "smmu3.0x000000000c000000", "smmu3.0x000000000c020000"
NAMESPACE = "https://libvirt-vsmmu.example/schemas/policy/1"
SECONDS = 60
SECONDS_TO_GIVE_UP = 240  # the guest's NVMe driver, which then lets go of the device


class Watch:
    """virt-vsmmu watch in the host, that also does what the policy says."""

    FILE = "/run/rig/watch.json"

    def __init__(self, host):
        self.host = host
        self.seen = 0
        host.run(f"setsid virt-vsmmu watch --enforce --format json >{self.FILE} 2>&1 </dev/null & echo $! >/run/rig/watch.pid")

    def news(self):
        return [json.loads(line) for line in self.host.read(self.FILE).splitlines()]

    def skip(self):
        """Looks only at what comes from now on."""
        self.seen = len(self.news())

    def wait_for(self, event, alias=None, verdict=None, seconds=SECONDS):
        """The first news of that kind."""
        deadline = time.monotonic() + seconds
        while True:
            news = self.news()[self.seen:]
            for number, one in enumerate(news):
                if (one["event"], alias or one["alias"], verdict or one.get("device", {}).get("verdict")) == (
                        event, one["alias"], one.get("device", {}).get("verdict")):
                    self.seen += number + 1
                    return one
            if time.monotonic() > deadline:
                pytest.fail(f"no {event} {alias or ''} {verdict or ''} within {seconds} s: {json.dumps(news, indent=1)}")
            time.sleep(0.1)

    def stop(self):
        self.host.run("kill $(cat /run/rig/watch.pid)")


@pytest.fixture(scope="module")
def watch(emulated_host, libvirt):
    watching = Watch(emulated_host)
    watching.wait_for("connected")
    yield watching
    watching.stop()


@pytest.fixture(scope="module")
def console(libvirt, watch):
    """A running domain with one cold-plugged disk and one free port."""
    defined = libvirt.define(virsh.domain(name=NAME, devices=[COLD]))
    assert defined.status == 0, defined.out
    libvirt.virsh("start", NAME)
    libvirt.monitor(NAME, json.dumps({"execute": "trace-event-set-state",
                                      "arguments": {"name": "kvm_arm_fixup_msi_route", "enable": True}}))
    said = libvirt.console(NAME)
    said.wait_until_ready()
    yield said
    libvirt.virsh("destroy", NAME, check=False)
    libvirt.virsh("undefine", "--nvram", NAME)


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


def test_a_cold_plugged_device_is_verified_when_the_guest_has_its_driver_and_it_works(watch, console):
    said = watch.wait_for("verdict", "hostdev0", "verified")
    device = said["device"]
    assert (said["domain"], device["vsmmu"], device["smmu"], device["address"]) == (NAME, "iommu0", SMMU_A, PORT_1)
    assert device["doorbell"] == f"{guest.DOORBELL:#010x}"
    assert {name: one["outcome"] for name, one in evidence(said).items()}.items() >= dict.fromkeys(
        ["place", "smmu", "window", "doorbell", "log", "vectors"], "verified").items()
    report = console.report()
    assert report.works(PORT_1, machine.MARKERS[machine.A_NVME_1]), report.text


@pytest.mark.parametrize("cycles", [1, pytest.param(50, marks=pytest.mark.long_tail)])
def test_a_right_hotplug_is_verified_with_what_kvm_was_given_and_it_works(cycles, libvirt, watch, console):
    for cycle in range(cycles):
        before = len(libvirt.log(NAME))
        plug(libvirt, watch, HOT)
        said = watch.wait_for("verdict", "hostdev1", "verified")
        assert said["device"]["smmu"] == SMMU_A
        if cycle % 10 == 0:
            report = console.report_until(lambda report: PORT_2 in report.data)
            assert report.works(PORT_2, machine.MARKERS[machine.A_NVME_2]), report.text
            assert interrupts(report, PORT_2) > 0
        assert {gpa for _, gpa in guest.routes(libvirt.log(NAME)[before:])} == {int(said["device"]["doorbell"], 16)}
        unplug(libvirt, watch, HOT, "hostdev1")
    assert not [one for one in watch.news() if one.get("device", {}).get("verdict") == "mismatch"]


def test_verify_says_the_same_once_and_shows_the_route(emulated_host, console):
    said = emulated_host.run(f"virt-vsmmu verify --format json --monitor --wait 5 {NAME} hostdev0")
    device, = json.loads(said.out[said.out.index("{\n"):])["devices"]
    routes = {one["check"]: one for one in device["evidence"]}
    assert device["verdict"] == "verified"
    assert routes["route"]["outcome"] == "verified" and "0x08090040" in routes["route"]["text"]
    assert "QEMU offers it" in routes["doorbell"]["text"]


@pytest.mark.parametrize("is_driven", [False, pytest.param(True, marks=pytest.mark.long_tail)],
                         ids=["before-a-driver-has-it", "while-its-driver-tries"])
def test_a_device_of_another_smmu_is_a_mismatch_within_two_seconds_and_the_policy_detaches_it(is_driven, libvirt, watch, console):
    console.command(f"run echo {int(is_driven)} >/sys/bus/pci/drivers_autoprobe")
    libvirt.virsh("metadata", NAME, "--uri", NAMESPACE, "--key", "vsmmu", "--set", "<hotplug on-mismatch='detach'/>", "--live")
    plug(libvirt, watch, STRANGER)
    said = watch.wait_for("verdict", "hostdev1", "mismatch")
    assert said["elapsed_us"] < 2_000_000
    assert (said["device"]["smmu"], said["on_mismatch"]) == (SMMU_B, "detach")
    assert [finding["rule"] for finding in said["device"]["findings"]][:1] == ["host-smmu-mismatch"]
    assert SMMU_A in said["reason"] and SMMU_B in said["reason"]
    assert watch.wait_for("detaching", "hostdev1")["reason"] == said["reason"]
    watch.wait_for("removed", "hostdev1", seconds=SECONDS_TO_GIVE_UP)
    console.command("run echo 1 >/sys/bus/pci/drivers_autoprobe")
    report = console.report()
    assert PORT_2 not in report.devices and interrupts(report, PORT_2) == 0
    assert report.works(PORT_1, machine.MARKERS[machine.A_NVME_1]), report.text
    assert STRANGER.bdf.split(":")[1] not in libvirt.virsh("dumpxml", NAME).out.split("<hostdev")[-1]


def test_what_was_there_before_is_never_detached(emulated_host, libvirt, watch, console):
    assert not [one for one in watch.news() if one["event"] == "detaching" and one["alias"] == "hostdev0"]
    libvirt.virsh("destroy", NAME)
    watch.wait_for("removed", "hostdev0")
