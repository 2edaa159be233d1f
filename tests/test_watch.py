"""virt-vsmmu verify and watch on a real libvirt, with a guest behind an emulated vSMMU: devices come, go and come again."""

import json
import os
import re
import signal
import subprocess
import time

import dbus
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

import bed
import guests
from means import give_up
from journal import Journal
from program import DATA
from service import Client, Service, Signals
from waiting import PATIENCE, await_idle, await_true, measure

pytestmark = pytest.mark.slow("guests boot, and libvirt is killed and replaced")

DOORBELL = "0x08090040"  # GITS_TRANSLATER of the machine 'virt'
SCHEMA = json.loads((DATA.parent.parent / "schemas" / "verification.schema.json").read_text(encoding="utf-8"))
NEXT_ALIAS = "virtio-disk2"
NEXT_ADDRESS = "0000:23:00.0"


class Watch:
    """virt-vsmmu watch, and what it said so far."""

    def __init__(self, program, uri, directory, *options):
        self.path = directory / "news"
        self.seen = 0
        with self.path.open("w") as file:
            self.process = subprocess.Popen([program.path, "watch", "--connect", uri, "--format", "json", *options], stdout=file,
                                            stderr=subprocess.STDOUT)

    def news(self):
        text = self.path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def skip(self):
        """Looks only at what comes from now on."""
        self.seen = len(self.news())

    def wait_for(self, event, alias=None, verdict=None):
        """The first news of that kind."""
        def find():
            for number, one in enumerate(self.news()[self.seen:]):
                if one["event"] == event and alias in (None, one["alias"]) and verdict in (None, one.get("device", {}).get("verdict")):
                    self.seen += number + 1
                    return one
            assert self.process.poll() is None, self.path.read_text()
            return None

        return await_true(find, what=lambda: f"{event} {alias} {verdict}, after\n{self.path.read_text()}\nwhich")

    def switches(self):
        """How often it was given a CPU of its own will."""
        statuses = [(task / "status").read_text() for task in (self.path.parent / f"/proc/{self.process.pid}/task").iterdir()]
        return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1]) for status in statuses)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def watch(guest_daemon, program, tmp_path_factory):
    watching = Watch(program, guest_daemon.uri, tmp_path_factory.mktemp("watch"))
    watching.wait_for("connected")
    yield watching
    assert watching.stop() == 0


@pytest.fixture(scope="module")
def guest(guest_daemon, watch):
    running = guests.Guest(guest_daemon, "watch", guests.PER_BUS)
    yield running
    running.stop()


def plug(guest):
    guest.domain.attachDeviceFlags(disk(guest), guest.daemon.libvirt.VIR_DOMAIN_AFFECT_LIVE)


def unplug(guest):
    guest.domain.detachDeviceFlags(disk(guest), guest.daemon.libvirt.VIR_DOMAIN_AFFECT_LIVE)


def disk(guest):
    return guests.disk(guest.name, "vdc", "virtio", guests.at(guests.NEXT_PORT), " iommu='on'")


def counts(guest, address):
    guest.interrupt()
    return sum(guest.interrupts()[address])


def test_devices_behind_the_vsmmu_are_verified_once_the_guest_is_up_and_work(watch, guest):
    for alias, address in guests.BEHIND.items():
        said = watch.wait_for("verdict", alias, "verified")
        device = said["device"]
        assert (said["domain"], device["vsmmu"], device["address"], device["doorbell"]) == (guest.name, "iommu0", address, DOORBELL)
        assert counts(guest, address) > 0
        watch.seen = 0
    assert not {one["alias"] for one in watch.news()} & guests.OUTSIDE.keys()
    watch.skip()


def test_a_hotplugged_device_is_verified_and_works(watch, guest):
    watch.skip()
    plug(guest)
    said = watch.wait_for("verdict", NEXT_ALIAS, "verified")
    assert said["device"]["address"] == NEXT_ADDRESS
    assert said["reads"]["peeks"] < 100 and said["reads"]["bytes"] < 1 << 18
    assert counts(guest, NEXT_ADDRESS) > 0


def test_nothing_is_done_while_nothing_happens(watch, guest):
    """Threads of the pool that have nothing to do end after 15 seconds; that is a wake-up each."""
    before = watch.switches()
    measure(3)
    assert watch.switches() - before <= 8


def test_libvirt_may_crash_in_between(watch, guest, guest_daemon):
    watch.skip()
    guest_daemon.crash()
    watch.wait_for("disconnected")
    watch.wait_for("connected")
    guest.domain = guest_daemon.connection.lookupByName(guest.name)
    unplug(guest)
    watch.wait_for("removed", NEXT_ALIAS)
    plug(guest)
    watch.wait_for("verdict", NEXT_ALIAS, "verified")
    assert "mismatch" not in {one.get("device", {}).get("verdict") for one in watch.news()}


def test_verify_reports_once(program, guest, watch):
    outcome = program.run("verify", "--connect", guest.daemon.uri, "--format", "json", "--wait", "10", guest.name)
    assert (outcome.status, outcome.err) == (0, "")
    said = json.loads(outcome.out)
    jsonschema.validate(said, SCHEMA)
    assert {device["alias"]: device["verdict"] for device in said["devices"]}.items() >= dict.fromkeys(
        guests.BEHIND | guests.OUTSIDE | {NEXT_ALIAS: None}, "verified").items()
    assert not guest.taints().count("monitor")
    text = program.run("verify", "--connect", guest.daemon.uri, guest.name, NEXT_ALIAS).out
    assert text.splitlines()[1].split() == [NEXT_ALIAS, NEXT_ADDRESS, "-", "iommu0", "-", DOORBELL, "verified"]
    assert all(re.search(rf"^  {check} +verified ", text, re.MULTILINE) for check in ("place", "doorbell", "vectors"))


def test_a_wrong_vector_is_a_mismatch(program, guest):
    with guest.programmed(guests.BEHIND["nvme0"], 0xdead0040):
        outcome = program.run("verify", "--connect", guest.daemon.uri, "--format", "json", guest.name, "nvme0")
    device, = json.loads(outcome.out)["devices"]
    assert (outcome.status, device["verdict"]) == (1, "mismatch")
    assert [finding["rule"] for finding in device["findings"]] == ["msi-address-unmapped"]


def test_what_is_unknown_yet_is_waited_for(program, guest):
    guest.run(f"echo {guests.BEHIND['nvme0']} >/sys/bus/pci/drivers/nvme/unbind")
    arguments = ["verify", "--connect", guest.daemon.uri, "--format", "json", guest.name, "nvme0"]
    outcome = program.run(*arguments)
    assert (outcome.status, json.loads(outcome.out)["devices"][0]["verdict"]) == (1, "unknown-yet")
    with subprocess.Popen([program.path, *arguments, "--wait", "30"], stdout=subprocess.PIPE) as waiting:
        await_idle(waiting.pid)
        guest.run(f"echo {guests.BEHIND['nvme0']} >/sys/bus/pci/drivers/nvme/bind")
        said = json.loads(waiting.stdout.read())
    assert (waiting.returncode, said["devices"][0]["verdict"]) == (0, "verified")


def test_a_vector_that_changes_all_the_time_is_no_verdict(program, guest):
    """A guest under TCG may stand still for as long as two passes take; it is wrong then, and never right."""
    verdicts = []
    with guest.programmed(guests.BEHIND["nvme0"], 0xdead0040, is_counting=True):
        while "unknown-yet" not in verdicts and len(verdicts) < 10:
            outcome = program.run("verify", "--connect", guest.daemon.uri, "--format", "json", guest.name, "nvme0")
            device, = json.loads(outcome.out)["devices"]
            assert outcome.status == 1
            verdicts.append(device["verdict"])
    assert verdicts[-1] == "unknown-yet" and set(verdicts[:-1]) <= {"mismatch"}
    assert device["findings"] == []
    assert {one["check"]: one["text"] for one in device["evidence"]}["vectors"].startswith("the guest changed the data")


def test_a_hung_qemu_is_reported_and_blocks_nothing_else(program, guest, guest_daemon, watch, tmp_path):
    paths = [tmp_path / name for name in ("hasty", "patient")]
    for path in paths:
        path.mkdir()
    guest.signal(signal.SIGSTOP)
    try:
        hasty, patient = (Watch(program, guest_daemon.uri, path) for path in paths)
        with subprocess.Popen([program.path, "verify", "--connect", guest_daemon.uri, guest.name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as verify:
            for watching in hasty, patient:
                watching.wait_for("connected")
            # What waits for QEMU is not waited for at the end.
            assert hasty.stop() == 0
            other = guests.Guest(guest_daemon, "other", guests.PER_BUS, paused=True)
            try:
                assert patient.wait_for("verdict", "nvme0", "unknown-yet")["domain"] == other.name
            finally:
                other.stop()
            patient.wait_for("removed", "nvme0")
            # Which comes after all that.
            said = patient.wait_for("failed")
            assert said["domain"] == guest.name and "has not responded for 10 seconds" in said["reason"]
            out, err = verify.communicate(timeout=PATIENCE)
            assert (verify.returncode, out) == (2, "") and f"'{guest.name}' has not responded for 10 seconds" in err
    finally:
        guest.signal(signal.SIGCONT)
    assert patient.wait_for("verdict", "nvme0", "verified")["domain"] == guest.name
    assert patient.stop() == 0


@pytest.mark.parametrize("arguments, word", [
    (["nobody"], "nobody"), (["{guest}", "nothing"], "nothing"), ([], "--help"), (["a", "b", "c"], "--help"),
    (["--wait", "-1", "{guest}"], "--wait")])
def test_what_cannot_be_verified_is_refused(arguments, word, program, guest):
    outcome = program.run("verify", "--connect", guest.daemon.uri, *(one.format(guest=guest.name) for one in arguments))
    assert (outcome.status, outcome.out) == (2, "") and word in outcome.err


@pytest.fixture(scope="module")
def journal():
    if not Journal.is_available():
        give_up("systemd-journald cannot be run here")
    journal = Journal()
    yield journal
    journal.stop()


@pytest.fixture
def service(guest, build_dir, journal, tmp_path):
    """A virt-vsmmud that watches the guest and knows all devices."""
    service = Service(build_dir / "tools" / "virt-vsmmud", tmp_path, "--metrics", tmp_path / "vsmmu.prom", uri=guest.daemon.uri,
                      journal=journal)
    service.client = Client(service.address)
    await_true(lambda: verdicts_of(service) == dict.fromkeys([*guests.BEHIND, NEXT_ALIAS], "verified"))
    yield service
    service.client.close()
    assert service.stop() == 0


def verdicts_of(service):
    return {str(verdict["device"]): str(verdict["verdict"]) for verdict in service.client.ListVerdicts()}


def test_the_daemon_knows_the_same_and_verifies_on_request(service, guest):
    verdict, = service.client.Verify(guest.name, "nvme0", {})
    assert (verdict["device"], verdict["vsmmu"], verdict["verdict"]) == ("nvme0", "iommu0", "verified")
    assert {str(verdict["device"]) for verdict in service.client.Verify(guest.name, "", {})} == {*guests.BEHIND, NEXT_ALIAS}
    assert '"gpa" : "0x08090040"' in service.client.Resolve(guest.name, {})
    assert service.client.get("Connections") == [(guest.daemon.uri, "connected")]
    for domain, options, word in (("nobody", {}, "nobody"), (guest.name, {"connection": "qemu+ssh://evil/system"}, "is not monitored")):
        with pytest.raises(dbus.DBusException, match=word):
            service.client.Verify(domain, "", options)


def test_whoever_listens_hears_of_each_change(service, guest, watch, journal, tmp_path):
    signals = Signals(service.address)
    try:
        unplug(guest)
        assert f"'device': <'{NEXT_ALIAS}'>" in signals.wait_for("VerdictChanged", "<'gone'>")
        plug(guest)
        assert f"'device': <'{NEXT_ALIAS}'>" in signals.wait_for("VerdictChanged", "<'verified'>")
        with guest.programmed(guests.BEHIND["nvme0"], 0xdead0040):
            service.client.Verify(guest.name, "nvme0", {})
            heard = signals.wait_for("DoorbellMismatch")
            assert "'device': <'nvme0'>" in heard and "'msi-address-unmapped'" in heard
            await_true(lambda: metrics_in(tmp_path / "vsmmu.prom") == {"verified": 2, "mismatch": 1, "unknown-yet": 0})
        service.client.Verify(guest.name, "nvme0", {})
        signals.wait_for("VerdictChanged", "'device': <'nvme0'>", "<'verified'>")
    finally:
        signals.stop()
    mismatch, = journal.entries("VSMMU_VERDICT=mismatch")
    assert {field: mismatch[field] for field in ("VSMMU_CONNECTION", "VSMMU_DOMAIN", "VSMMU_UUID", "VSMMU_DEVICE", "VSMMU_RULE")} == {
        "VSMMU_CONNECTION": guest.daemon.uri, "VSMMU_DOMAIN": guest.name, "VSMMU_UUID": guest.domain.UUIDString(),
        "VSMMU_DEVICE": "nvme0", "VSMMU_RULE": "msi-address-unmapped"}
    assert mismatch["PRIORITY"] == "4" and "do not arrive" in mismatch["MESSAGE"].splitlines()[0]
    assert journal.entries(f"MESSAGE_ID={mismatch['MESSAGE_ID']}") == [mismatch]
    assert {entry["VSMMU_DEVICE"] for entry in journal.entries("VSMMU_VERDICT=verified")} == {*guests.BEHIND, NEXT_ALIAS}


POLICY = "urn:libvirt-vsmmu:policy:1"


@pytest.fixture
def lenient(guest, guest_daemon):
    """The guest with metadata that want mismatches ignored."""
    libvirt = guest_daemon.libvirt
    change = lambda text: guest.domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, "vsmmu", POLICY,
                                                   libvirt.VIR_DOMAIN_AFFECT_LIVE)
    change("<hotplug on-mismatch='ignore'/>")
    yield guest
    change(None)


def test_metadata_cannot_silence_a_mismatch(service, lenient, journal, tmp_path):
    """It is logged, counted and signalled, and the log says that the metadata do not apply."""
    signals = Signals(service.address)
    try:
        with lenient.programmed(guests.BEHIND["nvme0"], 0xdead0040):
            service.client.Verify(lenient.name, "nvme0", {})
            assert "'on-mismatch': <'report'>" in signals.wait_for("DoorbellMismatch")
            assert verdicts_of(service)["nvme0"] == "mismatch"
            await_true(lambda: "\nvsmmu_mismatches_total 1\n" in (tmp_path / "vsmmu.prom").read_text())
        service.client.Verify(lenient.name, "nvme0", {})
        signals.wait_for("VerdictChanged", "'device': <'nvme0'>", "<'verified'>")
    finally:
        signals.stop()
    await_true(lambda: "\nvsmmu_mismatches_total 1\n" in (tmp_path / "vsmmu.prom").read_text())
    assert any("'report' applies" in entry["MESSAGE"] and lenient.name in entry["MESSAGE"]
               for entry in journal.entries("PRIORITY=5"))
    assert {entry["VSMMU_DEVICE"] for entry in journal.entries("VSMMU_VERDICT=mismatch")} == {"nvme0"}


@pytest.mark.parametrize("action, is_overruled", [("ignore", True), ("report", False), ("detach", False)])
def test_a_domain_may_be_stricter_and_the_watcher_says_when_it_may_not(program, guest, guest_daemon, tmp_path, action, is_overruled):
    libvirt = guest_daemon.libvirt
    guest.domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, f"<hotplug on-mismatch='{action}'/>", "vsmmu", POLICY,
                             libvirt.VIR_DOMAIN_AFFECT_LIVE)
    try:
        with guest.programmed(guests.BEHIND["nvme0"], 0xdead0040):
            watching = Watch(program, guest_daemon.uri, tmp_path, "--enforce")
            said = watching.wait_for("verdict", "nvme0", "mismatch")
    finally:
        guest.domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, "vsmmu", POLICY, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert said["on_mismatch"] == ("report" if is_overruled else action)
    assert said.get("overruled") == ("ignore" if is_overruled else None)
    # It was there before, and is none of the host's: no policy detaches it.
    assert not {"detaching", "detach-failed"} & {one["event"] for one in watching.news()}
    assert watching.stop() == 0


N_STOPPED = 13


@pytest.mark.long("so many guests that hang")
def test_many_guests_that_hang_stop_nobody_else(program, guest_daemon, tmp_path):
    stopped = [guests.Guest(guest_daemon, f"stopped{number}", guests.PER_BUS, paused=True) for number in range(N_STOPPED)]
    try:
        for one in stopped:
            one.signal(signal.SIGSTOP)
        watching = Watch(program, guest_daemon.uri, tmp_path)
        silent = set()
        while silent != {one.name for one in stopped}:
            silent.add(watching.wait_for("failed")["domain"])
        other = guests.Guest(guest_daemon, "moving", guests.PER_BUS, paused=True)
        try:
            assert watching.wait_for("verdict", "nvme0", "unknown-yet")["domain"] == other.name
        finally:
            other.stop()
        assert watching.stop() == 0
    finally:
        for one in stopped:
            one.signal(signal.SIGCONT)
            one.stop()


def metrics_in(path):
    """What Prometheus' own parser makes of the verdicts."""
    families = {family.name: family for family in text_string_to_metric_families(path.read_text(encoding="ascii"))}
    assert [families[f"vsmmu_{name}"].type for name in ("verdicts", "last_check_timestamp_seconds", "check_errors")] == [
        "gauge", "gauge", "counter"]
    checked, = families["vsmmu_last_check_timestamp_seconds"].samples
    assert abs(time.time() - checked.value) < 600
    return {sample.labels["verdict"]: sample.value for sample in families["vsmmu_verdicts"].samples}


def test_libvirt_may_be_replaced_by_another_version(program, guest, guest_daemon, tmp_path):
    """The old one is stopped, and the new one, which has guests, then serves on the same path."""
    link = tmp_path / "run"
    old = bed.Daemon(bed.oldest())
    try:
        assert old.connection.getLibVersion() < guest_daemon.connection.getLibVersion()
        link.symlink_to(old.run)
        watching = Watch(program, f"qemu:///system?socket={link}/libvirt/libvirt-sock", tmp_path)
        watching.wait_for("connected")
        assert len(watching.news()) == 1
        link.unlink()
        link.symlink_to(guest_daemon.run)
    finally:
        old.stop()
    watching.wait_for("disconnected")
    watching.wait_for("connected")
    for alias in sorted(guests.BEHIND):
        watching.wait_for("verdict", alias)
        watching.seen = 0
    assert {one["device"]["verdict"] for one in watching.news() if one["event"] == "verdict"} == {"verified"}
    assert watching.stop() == 0


def test_a_guest_that_dies_while_it_is_looked_at_is_forgotten(watch, guest):
    watch.skip()
    unplug(guest)
    watch.wait_for("removed", NEXT_ALIAS)
    plug(guest)
    os.kill(guest.pid, signal.SIGKILL)
    assert {watch.wait_for("removed")["alias"] for _ in guests.BEHIND} >= set(guests.BEHIND) - {NEXT_ALIAS}
    assert watch.process.poll() is None


def test_a_missing_daemon_is_reported_and_waited_for(program, tmp_path):
    watching = Watch(program, f"qemu:///system?socket={tmp_path}/none", tmp_path)
    said = watching.wait_for("disconnected")
    assert f"{tmp_path}/none" in said["reason"]
    measure(1.2)  # It tries again each second, and says no more of it.
    assert len(watching.news()) == 1
    assert watching.stop() == 0
