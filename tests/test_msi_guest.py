"""virt-vsmmu msi --domain on real guests: what it says of each vector is what QEMU does with it."""

import json
import re
import signal
import subprocess

import jsonschema
import pytest

import guests
from program import DATA
from waiting import PATIENCE, await_true

pytestmark = pytest.mark.slow("guests boot")

DOORBELL = 0x08090040  # GITS_TRANSLATER of the machine 'virt'
SCHEMA = json.loads((DATA.parent.parent / "schemas" / "guest.schema.json").read_text(encoding="utf-8"))


class Observer:
    """virt-vsmmu msi --domain, for one guest."""

    def __init__(self, program, guest):
        self.program = program
        self.guest = guest

    def run(self, *options):
        return self.program.run("msi", "--domain", self.guest.name, "--connect", self.guest.daemon.uri, *options)

    def look(self, *options):
        """What it prints as JSON."""
        outcome = self.run("--format", "json", *options)
        assert outcome.status in (0, 1) and (options or not outcome.err), outcome.err
        seen = json.loads(outcome.out)
        jsonschema.validate(seen, SCHEMA)
        assert (outcome.status == 1) == (bool(seen["findings"]) or "unstable" in {device["verdict"] for device in seen["devices"]})
        return seen

    def devices(self, *options):
        return {device["alias"]: device for device in self.look(*options)["devices"]}


@pytest.fixture(scope="module", params=[guests.PER_BUS, guests.MACHINE_WIDE], ids=["per-bus", "machine-wide"])
def observer(request, guest_daemon, program):
    guest = guests.Guest(guest_daemon, "msi", request.param)
    guest.interrupt()
    yield Observer(program, guest)
    guest.stop()


def test_every_vector_that_the_guest_enabled_leads_to_the_doorbell(observer):
    guest = observer.guest
    counts = guest.interrupts()
    devices = observer.devices()
    assert {alias: device["address"] for alias, device in devices.items()} == guests.BEHIND | guests.OUTSIDE
    for alias, device in devices.items():
        is_served = guest.iommu == guests.MACHINE_WIDE or alias in guests.BEHIND
        assert (device["path"], device["vsmmu"]) == (("translated", "iommu0") if is_served else ("identity", None))
        assert len(device["enabled"]) == len(counts[device["address"]]) > 1
        assert {vector["gpa"] for vector in device["enabled"]} == {f"{DOORBELL:#010x}"}
        assert (device["verdict"], device["host"]) == ("verified", None)
        # Where a vSMMU translates, Linux maps the doorbell elsewhere.
        assert all((int(vector["address"], 16) != DOORBELL) == is_served for vector in device["enabled"])


def test_the_interrupts_arrive(observer):
    """The counterpart: what we call right, works."""
    counts = observer.guest.interrupts()
    for bdf in (guests.BEHIND | guests.OUTSIDE).values():
        assert sum(count > 0 for count in counts[bdf]) >= len(counts[bdf]) - 1 > 0, "one is for changes of the configuration"


def test_qemu_translates_each_address_to_what_we_say(observer):
    translated = observer.guest.translated()
    behind = [device for device in observer.devices().values() if device["path"] == "translated"]
    assert len(behind) == {guests.PER_BUS: 2, guests.MACHINE_WIDE: 5}[observer.guest.iommu]
    for device in behind:
        for vector in device["enabled"]:
            assert translated[vector["device_id"], int(vector["address"], 16)] == int(vector["gpa"], 16)
    # What is behind none never gets there.
    identity = {int(device["address"][5:7], 16) for device in observer.devices().values() if device["path"] == "identity"}
    assert not identity & {stream_id >> 8 for stream_id, _ in translated}


def test_the_table_says_it_in_a_line_for_each_device(observer):
    outcome = observer.run()
    assert (outcome.status, outcome.err) == (0, "")
    title, *rows = outcome.out.splitlines()
    assert title.split() == ["device", "guest", "host", "vSMMU", "path", "vectors", "GPA", "expected", "verdict"]
    rows = {row.split()[0]: row.split()[1:] for row in rows}
    assert rows.keys() == (guests.BEHIND | guests.OUTSIDE).keys()
    for alias, (address, host, vsmmu, path, vectors, kind, gpa, expected, verdict) in rows.items():
        assert (address, host) == ((guests.BEHIND | guests.OUTSIDE)[alias], "-")
        assert (gpa, expected, verdict) == (f"{DOORBELL:#010x}", f"{DOORBELL:#010x}", "verified")


def test_looking_does_not_taint(observer):
    observer.look()
    assert "monitor" not in observer.guest.taints()


@pytest.mark.parametrize("alias, address", [("nvme0", 0xdead0040), ("nvme1", 0x40000000)])
def test_a_vector_with_another_address_is_wrong(observer, alias, address):
    guest = observer.guest
    with guest.programmed((guests.BEHIND | guests.OUTSIDE)[alias], address):
        seen = observer.look()
        text = observer.run().out
    verdicts = {device["alias"]: device["verdict"] for device in seen["devices"]}
    assert verdicts == dict.fromkeys(guests.BEHIND | guests.OUTSIDE, "verified") | {alias: "wrong"}
    finding, = seen["findings"]
    is_identity = guest.iommu == guests.PER_BUS and alias in guests.OUTSIDE
    assert finding["rule"] == ("msi-address-wrong-target" if is_identity else "msi-address-unmapped")
    assert f"{address:#x}" in finding["message"] and "vector 0" in finding["message"]
    assert is_identity or re.search(r"stage 1: the address is not mapped \[F_TRANSLATION, level \d", finding["message"])
    assert finding["message"] in text
    assert observer.devices()[alias]["verdict"] == "verified"


def test_a_guest_that_changes_its_vectors_all_the_time_is_unstable(observer):
    with observer.guest.programmed(guests.BEHIND["nvme0"], DOORBELL, is_counting=True):
        outcome = observer.run()
    assert outcome.status == 1
    row, = (row for row in outcome.out.splitlines() if row.startswith("nvme0"))
    assert "unstable: " in row and outcome.out.count("verified") == 4
    assert observer.devices()["nvme0"]["verdict"] == "verified"


def test_a_stream_that_bypasses_the_smmu_needs_the_doorbell_itself(observer):
    guest = observer.guest
    bdf = guests.BEHIND["nvme0"]
    guest.run(f"cd /sys/bus/pci/drivers/nvme; echo {bdf} >unbind; echo identity >/sys/bus/pci/devices/{bdf}/iommu_group/type; "
              f"echo {bdf} >bind")
    disk = observer.devices()["nvme0"]
    assert (disk["path"], disk["verdict"]) == ("translated", "verified")
    assert {int(vector["address"], 16) for vector in disk["enabled"]} == {DOORBELL}


def test_a_hotplugged_device_is_verified_when_the_guest_has_it(observer):
    """The last that looks at all devices: to unplug it would take six seconds."""
    guest = observer.guest
    libvirt = guest.daemon.libvirt
    xml = guests.disk(guest.name, "vdc", "virtio", guests.at(guests.NEXT_PORT), " iommu='on'")
    guest.domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    guest.run("until [ -e /dev/vdc ]; do sleep 0.1; done")
    guest.interrupt()
    disk = observer.devices()["virtio-disk2"]
    assert (disk["verdict"], disk["address"], len(disk["enabled"])) == ("verified", "0000:23:00.0", 3)
    if disk["path"] == "translated":
        vector = disk["enabled"][1]
        assert guest.translated()[vector["device_id"], int(vector["address"], 16)] == DOORBELL


def test_the_monitor_is_asked_only_on_request_and_taints(observer):
    """The last with a guest: it stays tainted."""
    seen = observer.look("--monitor")
    per_bus = observer.guest.iommu == guests.PER_BUS
    # QEMU offers a doorbell only for one that is accelerated.
    assert [smmu["msi_gpa"] for smmu in seen["vsmmus"]] == {
        guests.PER_BUS: ["0x00000000"], guests.MACHINE_WIDE: [None]}[observer.guest.iommu]
    outcome = observer.run("--monitor")
    assert ("tainted" in outcome.err) == ("no doorbell" in outcome.out) == per_bus
    assert ("monitor" in observer.guest.taints()) == per_bus


@pytest.fixture
def paused(guest_daemon, program):
    """A guest that has not executed a single instruction."""
    guest = guests.Guest(guest_daemon, "paused", guests.PER_BUS, paused=True)
    yield Observer(program, guest)
    guest.stop()


def test_a_guest_that_has_numbered_no_bus_yet_has_no_devices(paused):
    devices = paused.devices()
    assert {device["verdict"] for device in devices.values()} == {"absent"}
    assert {device["address"] for device in devices.values()} == {None}


def test_a_guest_that_dies_while_it_is_read_is_told(paused):
    paused.guest.signal(signal.SIGSTOP)
    command = [paused.program.path, "msi", "--domain", paused.guest.name, "--connect", paused.guest.daemon.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        # libvirt waits for QEMU's monitor.
        await_true(lambda: paused.guest.domain.controlInfo()[0] == paused.guest.daemon.libvirt.VIR_DOMAIN_CONTROL_OCCUPIED)
        assert process.poll() is None, "it should be waiting for QEMU"
        paused.guest.signal(signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"virt-vsmmu: cannot read the memory of the domain '{paused.guest.name}' at 0x4010000000")


def test_a_guest_can_be_named_by_uuid_and_id(paused):
    for name in (paused.guest.domain.UUIDString(), str(paused.guest.domain.ID())):
        outcome = paused.program.run("msi", "--domain", name, "--connect", paused.guest.daemon.uri)
        assert (outcome.status, outcome.err) == (0, "")


def test_a_connection_that_may_only_read_is_refused(paused):
    uri = paused.guest.daemon.uri + "-ro"
    outcome = paused.program.run("msi", "--domain", paused.guest.name, "--connect", uri)
    assert (outcome.status, outcome.out) == (2, "")
    assert "cannot read the memory" in outcome.err and "read only" in outcome.err


def test_a_domain_that_does_not_run_is_refused(guest_daemon, program):
    domain = guest_daemon.connection.defineXML(guests.domain("shut-off", guests.PER_BUS))
    try:
        outcome = program.run("msi", "--domain", "shut-off", "--connect", guest_daemon.uri)
    finally:
        domain.undefineFlags(guest_daemon.libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "virt-vsmmu: the domain 'shut-off' is not running; start it first\n"


def test_a_domain_that_is_not_there_is_refused(guest_daemon, program):
    outcome = program.run("msi", "--domain", "no\nbody", "--connect", guest_daemon.uri)
    assert (outcome.status, outcome.out) == (2, "")
    assert "cannot find the domain 'no\\u000abody': Domain not found" in outcome.err and outcome.err.count("\n") == 1


def test_a_daemon_that_is_not_there_is_told(program, tmp_path):
    outcome = program.run("msi", "--domain", "web", "--connect", f"qemu:///system?socket={tmp_path}/none")
    assert (outcome.status, outcome.out) == (2, "")
    assert "cannot connect to libvirt" in outcome.err and f"{tmp_path}/none" in outcome.err
