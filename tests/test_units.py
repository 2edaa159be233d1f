"""What systemd makes of the units and of the user that are installed."""

import re
import shutil
import subprocess

import pytest

from means import give_up
from systembus import install

UNITS = ["virt-vsmmud.service", "virt-vsmmu-facts.service"]
EXPOSURE = 2.0


@pytest.fixture(scope="module")
def installed(build_dir, tmp_path_factory):
    """The directory that is / of what is installed, and where in it that is."""
    for program in ("systemd-analyze", "systemd-sysusers"):
        if shutil.which(program) is None:
            give_up(f"'{program}' is missing; './run test' installs it")
    root = tmp_path_factory.mktemp("installed")
    return root, root / install(build_dir, root).relative_to("/")


@pytest.fixture
def units(installed, tmp_path):
    """Files of the units, whose programs are where they are installed now."""
    root, prefix = installed
    for name in UNITS:
        text = (prefix / "lib/systemd/system" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(f"/{prefix.relative_to(root)}/", f"{prefix}/"), encoding="utf-8")
    return [tmp_path / name for name in UNITS]


def test_systemd_has_nothing_to_say_about_the_units(units):
    outcome = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout + outcome.stderr) == (0, "")


@pytest.mark.parametrize("number", range(len(UNITS)), ids=UNITS)
def test_a_unit_is_hardened(number, units):
    outcome = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", units[number]], capture_output=True, text=True)
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", outcome.stdout)
    assert overall and float(overall[1]) <= EXPOSURE, outcome.stdout + outcome.stderr


def test_its_user_is_made_once_and_may_connect_to_libvirt(installed, tmp_path):
    _, prefix = installed
    (tmp_path / "etc").mkdir()
    before = None
    for _ in range(2):
        subprocess.run(["systemd-sysusers", "--root", tmp_path, prefix / "lib/sysusers.d/vsmmu.conf"], check=True, capture_output=True)
        files = {name: (tmp_path / "etc" / name).read_text(encoding="utf-8") for name in ("passwd", "group")}
        assert before in (None, files)
        before = files
    assert re.search(r"^vsmmu:x:\d+:\d+:virt-vsmmud:/:/usr/sbin/nologin$", before["passwd"], re.MULTILINE)
    assert re.search(r"^libvirt:x:\d+:vsmmu$", before["group"], re.MULTILINE)
