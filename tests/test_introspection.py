"""libvsmmu from Python, as gi.repository.Vsmmu: domains, findings, errors, hosts and plans; and the example for readers."""

import os
import pathlib
import subprocess
import sys

import pytest
from means import give_up

SOURCE = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = SOURCE / "examples"
BROKEN = EXAMPLES / "broken-topology.xml"
HOST = EXAMPLES / "grace-host.json"


@pytest.fixture(scope="module")
def environment(build_dir):
    if not (build_dir / "src" / "Vsmmu-0.1.typelib").exists():
        give_up("libvsmmu is built without introspection (Debian: gobject-introspection, libgirepository1.0-dev)")
    if subprocess.run([sys.executable, "-c", "import gi"], capture_output=True).returncode != 0:
        give_up("Python has no gi (Debian: python3-gi)")
    return {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", "GI_TYPELIB_PATH": str(build_dir / "src"), "LD_LIBRARY_PATH": str(build_dir / "src"),
            "G_DEBUG": "fatal-criticals"}


@pytest.fixture
def python(environment):
    """Runs lines of Python with Vsmmu in a process of its own, which a wrong reference count would end."""
    def run(lines):
        before = "import gi, gc\ngi.require_version('Vsmmu', '0.1')\nfrom gi.repository import GLib, Vsmmu\n"
        done = subprocess.run([sys.executable, "-c", before + lines + "\ngc.collect()"], env=environment, capture_output=True, text=True, cwd=SOURCE)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.splitlines()
    return run


def test_the_findings_of_a_domain_are_those_of_the_program(python, build_dir):
    lines = python(f"""
for finding in Vsmmu.check_domain(Vsmmu.Domain.new_from_file({str(BROKEN)!r}), None):
    print(f"{{finding.get_file()}}:{{finding.get_line()}}: {{Vsmmu.severity_to_string(finding.get_severity())}}: {{finding.get_message()}} "
          f"[{{finding.get_rule().get_id()}}]")
    print(f"    hint: {{finding.get_hint()}}")
""")
    done = subprocess.run([build_dir / "tools" / "virt-vsmmu", "check", "--color", "never", BROKEN], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""})
    assert len(lines) > 10 and lines == [line for line in done.stdout.splitlines() if line][:len(lines)]


def test_findings_outlive_what_they_are_from(python):
    assert python(f"""
def look():
    options = Vsmmu.CheckOptions.new()
    options.set_host(Vsmmu.Host.new_from_file({str(HOST)!r}))
    options.set_target(Vsmmu.Target.new("libvirt=12.8,qemu=10.2"))
    gc.collect()
    return Vsmmu.check_data(open({str(BROKEN)!r}, "rb").read(), "guest.xml", options)[-1]

finding = look()
gc.collect()
print(finding.get_file(), finding.get_rule().get_id(), finding.get_element().startswith("/domain/"), finding.copy().get_line() == finding.get_line())
""")[0].startswith("guest.xml ")


@pytest.mark.parametrize(("call", "code"), [
    ("Vsmmu.Domain.new_from_data(b'<domain', 'bad.xml')", "XML"),
    ("Vsmmu.Domain.new_from_data(b'<network/>', 'bad.xml')", "NOT_DOMAIN"),
    ("Vsmmu.Domain.new_from_file('/nonexistent/bad.xml')", "READ"),
    ("Vsmmu.Host.new_from_data(b'{}', 'bad.xml')", "FACTS"),
    ("Vsmmu.Target.new('bad.xml')", "VALUE"),
    ("Vsmmu.CheckOptions.new().set_device(Vsmmu.HotplugAction.ATTACH, b'<domain/>', 'bad.xml')", "NOT_DEVICE"),
    ("Vsmmu.CheckOptions.new().set_schema('/nonexistent/bad.xml')", "READ"),
])
def test_bad_input_raises(python, call, code):
    assert python(f"""
try:
    {call}
except GLib.Error as error:
    print(error.matches(Vsmmu.error_quark(), Vsmmu.Error.{code}), "bad.xml" in error.message)
""") == ["True True"]


def test_a_guest_is_planned(python):
    lines = python(f"""
host = Vsmmu.Host.new_from_file({str(HOST)!r})
devices = [name for name in host.list_devices() if name.startswith("0009:")]
options = Vsmmu.PlanOptions.new()
options.set_name("planned")
options.set_spare_ports(1)
plan = Vsmmu.Plan.new(host, devices, options)
findings = plan.get_findings()
print(devices, [finding for finding in findings if finding.get_severity() == Vsmmu.Severity.ERROR], bool(findings))
domain = Vsmmu.Domain.new_from_data(plan.get_xml(), "plan")
print(domain.get_name(), domain.is_accelerated())
options.set_guest(plan.get_xml(), "plan")
print(Vsmmu.Plan.new(host, devices, options).get_xml() == plan.get_xml())
del plan
print(findings[0].get_file())
""")
    assert lines == ["['0009:01:00.0'] [] True", "planned True", "True", "the plan"]


def test_a_device_is_attached_and_a_rule_explained(python):
    assert python(f"""
options = Vsmmu.CheckOptions.new()
options.set_device(Vsmmu.HotplugAction.ATTACH, open({str(EXAMPLES / "devices" / "broken-gpu.xml")!r}, "rb").read(), "gpu.xml")
print({{finding.get_file() for finding in Vsmmu.check_domain(Vsmmu.Domain.new_from_file({str(EXAMPLES / "hotplug-ready.xml")!r}), options)}} >= {{"gpu.xml"}})
rule = Vsmmu.rules_find("vsmmu-empty")
print(rule.get_id(), rule.get_severity() == Vsmmu.Severity.ERROR, all((rule.get_title(), rule.get_explanation(), rule.get_source())))
print(Vsmmu.rules_find("nosuch"), Vsmmu.rules_get(10000))
""") == ["True", "vsmmu-empty True True", "None None"]


def test_the_example_says_what_the_program_says(environment, build_dir):
    done = subprocess.run([sys.executable, EXAMPLES / "check.py", BROKEN, HOST], env=environment, capture_output=True, text=True)
    program = subprocess.run([build_dir / "tools" / "virt-vsmmu", "check", "--color", "never", "--host", HOST, BROKEN], env=environment,
                             capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "") and len(done.stdout) > 1000 and program.stdout.startswith(done.stdout)


def test_the_example_says_what_it_cannot_read(environment):
    done = subprocess.run([sys.executable, EXAMPLES / "check.py", "/nonexistent/guest.xml"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "/nonexistent/guest.xml" in done.stderr and "Traceback" not in done.stderr
