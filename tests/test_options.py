"""The build options: what each leaves out, and that nothing else goes with it."""

import json
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
OPTIONS = dict(re.findall(r"^option\('(\w+)', type: '(\w+)'", (SOURCE / "meson_options.txt").read_text(encoding="utf-8"), re.MULTILINE))
# What is installed with an option only.
PARTS = {
    "connect": {"virt-vsmmu-connect", "virt-vsmmu-connect.1", "virt-vsmmu-connect-session", "virt-vsmmu-connect-session.1", "libvirt.conf"},
    "daemon": {"virt-vsmmud", "virt-vsmmud.8", "org.vsmmu1.xml", "org.vsmmu1.conf", "org.vsmmu1.service", "org.vsmmu1.policy",
               "org.vsmmu1.rules", "virt-vsmmud.service", "virt-vsmmu-facts.service", "vsmmu.conf", "_virt-vsmmud"},
    "hook": {"virt-vsmmu-hook", "virt-vsmmu-hook.8", "50-vsmmu"},
    "polkit": {"org.vsmmu1.policy", "org.vsmmu1.rules"},
    "systemd": {"virt-vsmmud.service", "virt-vsmmu-facts.service", "vsmmu.conf"},
    "introspection": {"Vsmmu-0.1.gir", "Vsmmu-0.1.typelib"},
    "man": {"vsmmu.7", "vsmmu-rules.7", "virt-vsmmu.1", "virt-vsmmu-connect.1", "virt-vsmmu-connect-session.1", "virt-vsmmu.conf.5", "virt-vsmmu-hook.8", "virt-vsmmud.8"},
    "nls": {"libvirt-vsmmu.mo"},
    "tests": set(),
}
NEEDED_BY = {"connect": ["tests"], "daemon": ["tests", "polkit", "systemd"], "hook": ["tests"]}


def configure(directory, *options):
    return subprocess.run(["meson", "setup", directory, SOURCE, "--prefix=/usr", *options], capture_output=True, text=True)


def introspect(directory, what):
    return json.loads((directory / "meson-info" / f"intro-{what}.json").read_text(encoding="utf-8"))


def installed(directory):
    """Names of files; those that are renamed, as they come to be called."""
    return {pathlib.Path(path).name for path in introspect(directory, "installed").values()}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    directory = tmp_path_factory.mktemp("everything")
    run = configure(directory, *(f"-D{name}=enabled" for name in PARTS))
    assert run.returncode == 0, run.stdout
    return installed(directory)


def test_each_is_tested():
    assert sorted(PARTS) == sorted(name for name, kind in OPTIONS.items() if kind == "feature")


@pytest.mark.slow("configures the build")
def test_tests_without_a_program_are_refused_with_the_reason(tmp_path):
    run = configure(tmp_path, "-Dhook=disabled", "-Dtests=enabled")
    assert run.returncode == 1 and "the tests need all programs: connect, daemon and hook" in run.stdout


@pytest.mark.slow("configures the build for each option")
@pytest.mark.parametrize("option", PARTS)
def test_an_option_leaves_out_its_own_and_nothing_else(option, everything, tmp_path):
    left_out = [option, *NEEDED_BY.get(option, [])]
    run = configure(tmp_path, *(f"-D{name}={'disabled' if name in left_out else 'enabled'}" for name in PARTS))
    assert run.returncode == 0, run.stdout
    assert everything - installed(tmp_path) == PARTS[option]
    assert ("test-xml" in {target["name"] for target in introspect(tmp_path, "targets")}) == ("tests" not in left_out)


@pytest.mark.slow("builds the library and the program")
def test_without_everything_the_program_is_left(tmp_path):
    run = configure(tmp_path, *(f"-D{name}=disabled" for name, kind in OPTIONS.items() if kind == "feature"), "-Doptimization=0", "-Ddebug=false")
    assert run.returncode == 0, run.stdout
    subprocess.run(["ninja", "-C", tmp_path], check=True, capture_output=True)
    run = subprocess.run([tmp_path / "tools" / "virt-vsmmu", "--version"], check=True, capture_output=True, text=True)
    assert run.stdout.startswith("virt-vsmmu ")
    assert {name for name in installed(tmp_path) if "vsmmud" in name or "connect" in name or "hook" in name} == set()
