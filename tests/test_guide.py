"""The guide of docs/architecture.md to a driver option is followed for a made-up one, in a copy of the sources."""

import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
GUIDE = (SOURCE / "docs" / "architecture.md").read_text(encoding="utf-8")
SWITCH = ("cmdqv", "hwpt")

# In the order of the guide: the file, a line, and what comes after it for the option hwpt. The last place is for tests with libvirt.
PLACES = [
    ("src/domain/device.h", "  VsmmuSwitch cmdqv;\n", "  VsmmuSwitch hwpt;\n"),
    ("src/domain/options.c", '  { "cmdqv", VSMMU_DRIVER_SWITCH, offsetof (VsmmuIommu, cmdqv), FALSE, 0, 0, 0 },\n',
     '  { "hwpt", VSMMU_DRIVER_SWITCH, offsetof (VsmmuIommu, hwpt), FALSE, 0, 0, 0 },\n'),
    ("schemas/vsmmu-domain.rng", '<attribute name="cmdqv">\n              <ref name="virOnOff"/>\n            </attribute>\n          </optional>\n',
     '          <optional>\n            <attribute name="hwpt">\n              <ref name="virOnOff"/>\n            </attribute>\n          </optional>\n'),
    ("src/check/document.c", '      N_ ("accel, ats, ril and cmdqv are \'on\' or \'off\'', ", and so is hwpt"),
    ("tests/domains.py", None, None),
]


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL).group(1)


def steps(title):
    """The file that each numbered step of a section names first."""
    return [re.search(r"`([\w./-]+/[\w./-]+\.\w+)`", step).group(1) for step in re.split(r"^\d\. ", section(title), flags=re.MULTILINE)[1:]]


def test_the_guide_has_these_places_and_no_more_than_five():
    assert steps("How to add a driver option") == [name for name, _, _ in PLACES] and len(PLACES) <= 5


@pytest.mark.slow("it builds the library, without optimization")
@pytest.mark.unsanitized("the program is another one")
def test_who_follows_the_guide_has_an_option_that_is_handled_everywhere(tmp_path):
    """test-options goes through the table of options, and looks at each in reader, rules, arguments, lowering, lifting, picture and schema."""
    copy = tmp_path / "source"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("build*", ".git", "__pycache__", "rig"), symlinks=True)
    for name, line, added in PLACES:
        if line is not None:
            text = (copy / name).read_text(encoding="utf-8")
            assert text.count(line) == 1, f"{name}: the place for the option is gone"
            (copy / name).write_text(text.replace(line, line + added), encoding="utf-8")

    def run(*command, **options):
        done = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    run("meson", "setup", "build", "-Doptimization=0", "-Ddebug=false")
    run("ninja", "-C", "build", "tools/virt-vsmmu", "tests/unit/test-options")
    (copy / "docs" / "rules.rst").write_text(run("build/tools/virt-vsmmu", "explain", "--format", "rst", env={"LC_ALL": "C.UTF-8", "LANGUAGE": ""}))
    tested = run("build/tests/unit/test-options", env={"LC_ALL": "C.UTF-8", "G_TEST_SRCDIR": str(copy)})
    for what in ("rules", "arguments", "adapt", "drawn-and-documented"):
        assert re.search(rf"^ok \d+ /options/hwpt/{what}$", tested, re.MULTILINE), tested
