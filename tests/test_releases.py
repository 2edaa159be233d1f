"""Which release of libvirt or QEMU brought what is in one table, and no text has another number."""

import pathlib
import re

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
TABLE = SOURCE / "src" / "domain" / "releases.c"
ROW = re.compile(r"^  \[VSMMU_FEATURE_(\w+)\] = (LIBVIRT|QEMU) \((\d+), (\d+)\),\s+/\* \S.* \*/$", re.MULTILINE)
# Linux has a table of its own, and is asked by facts of a host.
KERNELS = {f"{major}.{minor}" for major, minor in re.findall(r"= LINUX \((\d+), (\d+)\)", (SOURCE / "src" / "host" / "kernel.c").read_text())}
FEATURES = {name: f"{major}.{minor}" for name, _, major, minor in ROW.findall(TABLE.read_text())}

BUILD = re.compile(r"(?:LIBVIRT|QEMU)_BUILD \((\d+), (\d+), ")
BUILDS = {f"{major}.{minor}" for major, minor in BUILD.findall(TABLE.read_text())}
BUILDS |= {f"{number}.0" for number in BUILDS}

# Releases that something was tried with, and those that an example names.
TRIED = {"11.1", "11.1.3", "11.3", "12.8", "12.9", "12.8.0", "11.3.0"}
# The last ones without what the next one has.
LAST = {"11.9", "12.6", "6.1"}
# What nobody decides by here: hooks in qemu.d, the loop of events, a parameter of virDomainSaveParams(), the oldest schema of
# libvirt that ours goes over, and an error of libxml2.
ELSEWHERE = {"6.5", "6.0", "8.4", "9.0", "2.11"}

NUMBER = r"v?(\d+\.\d+(?:\.\d+)?)(?![\w%]|\.\d)"
MENTION = re.compile(rf"(?:libvirt|QEMU|[Ss]ince|older than|before|came with|from|and is)\s+{NUMBER}|{NUMBER}\s+(?:or|and)\s+newer|\b{NUMBER}\s+on\b")
MESSAGE = re.compile(r'(?<!N)_ ?\(\s*((?:"(?:\\.|[^"\\])*"\s*(?:PRI\w+\s*)?)+)\)')
TEXTS = [path for pattern in ("README.md", "NEWS", "data/org.vsmmu1.xml", "docs/*.rst", "docs/*.md", "include/vsmmu/*.h", "src/*/*.[ch]", "src/*/*.md", "tools/*.c", "tools/daemon/*.[ch]")
         for path in sorted(SOURCE.glob(pattern))]


def mentions(text):
    return {number for match in MENTION.finditer(text) for number in match.groups() if number}


def strings(text):
    """As the compiler joins them, so that no line end comes between."""
    return re.sub(r'"\s+"', "", text)


def test_each_feature_has_a_row():
    names = re.findall(r"^  VSMMU_FEATURE_(\w+),$", (SOURCE / "src" / "domain" / "releases.h").read_text(), re.MULTILINE)
    assert list(FEATURES) == names and len(names) > 5


@pytest.mark.parametrize(("text", "numbers"), [
    ("Since 12.1 libvirt opens it, and\n11.9 or newer", {"12.1", "11.9"}), ("older than 8.2", {"8.2"}), ("from 8.2 on", {"8.2"}),
    ("QEMU\n11.1.3", {"11.1.3"}), ("libvirt=11.3", set()), ("from 127.0.0.1", set()), ("%s or newer", set())])
def test_releases_in_a_text_are_found(text, numbers):
    assert mentions(text) == numbers


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_text_names_no_release_that_the_table_does_not_have(path):
    assert mentions(strings(path.read_text())) <= {*FEATURES.values()} | BUILDS | KERNELS | TRIED | LAST | ELSEWHERE


def test_the_sources_compare_with_the_table_only():
    files = {path.name for path in SOURCE.glob("src/*/*.c") if "VSMMU_VERSION_ENCODE (" in path.read_text()}
    assert files == {"kernel.c", "releases.c", "version.c"}


def test_messages_have_releases_as_values():
    """But for those that show how to write a target, and texts of rules, which have no values."""
    wrong = {path.name: found for path in SOURCE.glob("src/*/*.c") for message in MESSAGE.findall(path.read_text()) if (found := mentions(strings(message)))}
    assert not wrong
