"""What QEMU's `virt` machine has and takes is in one place, and what rules and documents say of it is the same."""

import pathlib
import re

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
PLACE = "".join((SOURCE / "src" / "domain" / name).read_text() for name in ("virt-machine.h", "virt-machine.c"))
# Of eight digits, below the memory: 0x08090040.
ADDRESS = re.compile(r"\b0x(0?8[0-9a-f]{6}|0[9a-f][0-9a-f]{6}|[123][0-9a-f]{7})\b")
SOURCES = [path for pattern in ("src/*/*.[ch]", "tools/**/*.[ch]", "include/vsmmu/*.h") for path in sorted(SOURCE.glob(pattern))
           if not path.name.startswith("virt-machine.")]


def addresses(text):
    return {int(number, 16) for number in ADDRESS.findall(text)}


def constant(name):
    return int(re.search(rf"#define VSMMU_VIRT_{name} \(?(\d+)", PLACE).group(1))


def test_addresses_of_the_machine_are_found():
    assert {0x08000000, 0x080fffff, 0x08090040, 0x08020040, 0x09050000} <= addresses(PLACE)


@pytest.mark.parametrize("name", ["README.md", "docs/rules.rst", "src/msi/README.md", "src/verify/README.md"])
def test_documents_have_its_addresses(name):
    assert addresses((SOURCE / name).read_text()) <= addresses(PLACE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_other_source_has_an_address_of_it(path):
    """But in texts of rules, which are in docs/rules.rst, and in comments."""
    text = re.sub(r"/\*.*?\*/|N_ \((?:[^()\"]|\"(?:\\.|[^\"\\])*\")*\)", "", path.read_text(), flags=re.DOTALL)
    assert not addresses(text)


def test_rules_have_its_limits():
    rules = " ".join((SOURCE / "docs" / "rules.rst").read_text().split())
    assert f"default of {constant('HOLE_MIN')} GiB" in rules
    assert f"at most {constant('GICV2_VCPUS_MAX')} vCPUs" in rules
