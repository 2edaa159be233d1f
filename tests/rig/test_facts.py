"""The facts of this host that the rest of the suite works on are still those of this host."""

import json
import os
import re

import pytest

import builder
import conftest
import machine

pytestmark = pytest.mark.long_tail

LISTING = builder.PROJECT / "tests/data/hosts/emulated.sysfs"
REGISTERS = builder.PROJECT / "tests/data/hosts/emulated.hw-info.json"
RECORD = "VSMMU_RECORD" in os.environ


@pytest.fixture(scope="module")
def host():
    """One that nothing was done to, but that a disk behind each SMMU is with vfio-pci."""
    with conftest.boot() as running:
        running.give_to_vfio(machine.A_NVME_1, machine.B_NVME_1)
        yield running


def compare(path, now, volatile):
    if RECORD:
        path.write_text(now)
    assert re.sub(volatile, "", now) == re.sub(volatile, "", path.read_text()), f"to record it anew, set VSMMU_RECORD; {path}"


def test_the_files_of_the_host(host):
    listing = host.run("virt-vsmmu host --passive --collect - 2>/dev/null").out
    # The times of kernel messages, which kernel it is, and what its tools answer, which the registers are recorded beside.
    compare(LISTING, listing, r"(?<=kmsg \| )[^;]*|osrelease = .*|(?s:\[virt-vsmmu\].*)|# end of the listing\n")


def test_the_registers_of_its_smmus(host):
    replies = [json.loads(host.run(f"/rig/hw-info {bdf}").out) for bdf in (machine.A_NVME_1, machine.B_NVME_1)]
    compare(REGISTERS, json.dumps(replies, indent=2) + "\n", r"\Z")
