"""The table of what QEMU writes about SMMUv3, iommufd, ATS, PASID, CMDQV and dma-buf has what the real QEMU can write, and
nothing that it cannot: a new release's new text is noticed here.

The strings of the program are in its read-only data, each with a zero behind it.
"""

import functools
import re
import subprocess

import pytest

import bed
from conftest import require_trees
from program import DATA

SUITES = sorted(bed.names())
EMULATOR = "usr/bin/qemu-system-aarch64"
STRING = re.compile(rb"(?<![^\0])[\t\n\x20-\x7e]{6,}+\0")
SUBJECT = re.compile(r"smmu|iommufd|viommu|vdevice|hwpt|veventq|cmdqv|dma-?buf|iommu_|accel=on|\bhiodi\b|\bATS\b|\bats=|\bSTE\b|PASID|\bpasid\b|VINTF", re.IGNORECASE)
EVENT = re.compile(r"_TRACE_(\w+)_EVENT")
IRRELEVANT = DATA / "qemu-texts" / "irrelevant.txt"


def strip(text):
    """As the table has it: without what is at the end for the next line."""
    return text.rstrip(" \n")


@functools.cache
def read(suite):
    """The strings of the QEMU of a tree; none without it."""
    path = bed.directory(suite) / EMULATOR
    return {found[:-1].decode("ascii") for found in STRING.findall(path.read_bytes() if path.exists() else b"")}


@pytest.fixture(params=SUITES)
def strings(request):
    require_trees()
    return read(request.param)


@pytest.fixture(scope="module")
def table(build_dir):
    """Of each text in the table, whether only an older QEMU has it."""
    lines = subprocess.run([build_dir / "tests" / "print-qemu-texts"], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t", 1) for line in lines]
    assert len(rows) > 90
    return {text: age == "old" for age, text in rows}


@pytest.fixture(scope="module")
def irrelevant():
    return {line for line in IRRELEVANT.read_text(encoding="ascii").splitlines() if line and not line.startswith("# ")}


def messages(strings):
    """Those about our subjects that are more than a name. A trace begins with that of its event."""
    events = {found[1] for text in strings if (found := EVENT.fullmatch(text))}
    return {strip(text) for text in strings if " " in strip(text) and SUBJECT.search(text) and text.split()[0].upper() not in events}


def test_qemu_has_each_text_of_the_table(strings, table):
    have = {strip(text) for text in strings}
    assert {text for text, is_old in table.items() if not is_old} - have == set()
    assert {text for text, is_old in table.items() if is_old} & have == set()


def test_each_text_of_qemu_is_in_the_table_or_irrelevant(strings, table, irrelevant):
    """A new text: give it a row in src/libvirt/qemu-texts.c, or a line in tests/data/qemu-texts/irrelevant.txt."""
    assert {text.replace("\n", " ") for text in messages(strings)} - set(table) - irrelevant == set()


def test_what_is_irrelevant_is_not_in_the_table_and_is_there(table, irrelevant):
    assert not irrelevant & set(table)
    found = {strip(text).replace("\n", " ") for suite in SUITES for text in read(suite)}
    assert not found or irrelevant - found == set()


@pytest.mark.parametrize(("text", "is_message"), [
    ("Host SMMUv3 supports something new %d\n", True), ("vfio: new ATS trouble", True), ("smmuv3_new_event sid=%d", False),
    ("smmuv3_accel_name", False), ("virtio-net: something else", False)])
def test_a_new_text_would_be_noticed(text, is_message):
    assert messages({text, "_TRACE_SMMUV3_NEW_EVENT_EVENT"}) == ({strip(text)} if is_message else set())
