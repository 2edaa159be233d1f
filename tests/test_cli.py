"""What virt-vsmmu makes of its command line: arguments, files, exit status, where output goes."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess

import pytest

from program import DATA
from terminal import on_terminal
from waiting import PATIENCE, measure

COMMANDS = ("check", "args", "adapt", "graph", "host", "plan", "msi", "verify", "watch", "explain")
GRACE = DATA / "grace.xml"
EXAMPLES = DATA.parent.parent / "examples"
BROKEN = DATA / "rules" / "pci-bus-not-root" / "fires-port.xml"
WARNED = DATA / "rules" / "pasid-without-ats" / "fires.xml"
NETWORK = "<network><name>default</name></network>\n"
ESCAPE = "\x1b"


def split(shell):
    """As a shell does it; shlex does not know that a backslash continues a line."""
    return shlex.split(shell.replace(" \\\n-", " -"))


def assert_refused(outcome, *words):
    """Status 2, nothing on stdout, and one line on stderr that has all the words."""
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("virt-vsmmu: ") and outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err


# Help, version, and what is no command

@pytest.mark.parametrize("option", ["--help", "-h", "help"])
def test_help_names_every_command(option, program):
    outcome = program.run(option)
    assert (outcome.status, outcome.err) == (0, "")
    assert all(re.search(rf"^  {command} ", outcome.out, re.M) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_its_usage(command, program):
    outcome = program.run(command, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert f"virt-vsmmu {command}" in outcome.out and re.search("--format|--json|--lift", outcome.out)


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_one_line(option, program):
    outcome = program.run(option)
    assert (outcome.status, outcome.err) == (0, "")
    assert re.fullmatch(r"virt-vsmmu \d+\.\d+\.\d+\n", outcome.out)


@pytest.mark.parametrize("arguments, word", [
    ([], "--help"), (["chekc"], "chekc"), (["--frobnicate"], "--frobnicate"), ([""], "--help"), (["CHECK"], "CHECK")])
def test_anything_but_a_command_is_refused(arguments, word, program):
    assert_refused(program.run(*arguments), word)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("arguments, words", [
    (["--frobnicate", "-"], ["--frobnicate", "--help"]), (["-Z", "-"], ["-Z"]),
    (["--format=yaml", "-"], ["yaml", "--format"]), (["--format"], ["--format"])])
def test_an_unknown_option_or_value_is_refused(command, arguments, words, program):
    assert_refused(program.run(command, *arguments), *words)


@pytest.mark.parametrize("arguments, word", [
    (["check"], "--help"),
    (["check", "--color=sometimes", "-"], "sometimes"),
    (["check", "--ignore=no-such-rule", "-"], "no-such-rule"),
    (["check", "--target", "-"], "--help"),
    (["args"], "--help"),
    (["args", "a.xml", "b.xml"], "--help"),
    (["args", "--syntax=xml", "-"], "xml"),
    (["graph"], "--help"),
    (["graph", "a.xml", "b.xml"], "--help"),
    (["graph", "--host", "-", "-"], "standard input"),
    (["graph", "--passive", "-"], "--this-host"),
    (["graph", "--this-host", "--host", "a.json", "-"], "--this-host"),
    (["msi"], "--domain"),
    (["msi", "a.xml", "b.xml"], "--help"),
    (["msi", "--domain", "guest", "a.xml"], "cannot be used together"),
    (["msi", "--monitor", "a.xml"], "--domain"),
    (["msi", "--connect", "qemu:///session", "a.xml"], "--domain"),
])
def test_wrong_usage_is_refused(arguments, word, program):
    assert_refused(program.run(*arguments), word)


# Exit status

def test_status_is_0_when_only_notes_and_warnings_are_found(program):
    outcome = program.run("check", GRACE)
    assert outcome.status == 0 and " 0 errors, " in outcome.out
    assert program.run("check", WARNED).status == 0


def test_status_is_1_when_an_error_is_found(program):
    assert program.run("check", BROKEN).status == 1
    assert program.run("check", GRACE, WARNED, BROKEN).status == 1


def test_status_is_2_when_a_file_is_missing_and_the_others_are_checked(program):
    outcome = program.run("check", "no-such-file.xml", BROKEN)
    assert outcome.status == 2
    assert outcome.err.startswith("virt-vsmmu: cannot open 'no-such-file.xml': ") and outcome.err.count("\n") == 1
    assert "[pci-bus-not-root]" in outcome.out and "1 document checked" in outcome.out


@pytest.mark.parametrize("command", ["check", "args", "graph", "msi"])
def test_a_file_that_cannot_be_read_is_an_error(command, program, tmp_path):
    for path in (tmp_path / "missing.xml", GRACE / "below-a-file.xml"):
        outcome = program.run(command, path)
        assert outcome.status == 2 and str(path) in outcome.err


@pytest.mark.parametrize("arguments", [
    ["check", GRACE], ["check", "-f", "json", GRACE], ["check", "-f", "sarif", GRACE], ["args", GRACE], ["graph", GRACE], ["msi", GRACE],
    ["graph", "--format", "svg", GRACE], ["explain"],
    ["plan", "--host", EXAMPLES / "grace-host.json", "-d", "0009:01:00.0"],
    ["--help"], ["--version"]])
def test_status_is_2_when_the_output_cannot_be_written(arguments, program):
    with open("/dev/full", "w") as full:
        process = subprocess.run([program.path, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("virt-vsmmu: ")


@pytest.mark.parametrize("arguments", [["check", *[BROKEN] * 500], ["explain", "--format", "rst"], ["args", GRACE]])
def test_a_reader_that_goes_away_does_not_crash_the_program(arguments, program):
    process = subprocess.Popen([program.path, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().endswith(b"\n")
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait(PATIENCE) in (0, 1, 2, -signal.SIGPIPE)
    assert b"CRITICAL" not in error and b"Assert" not in error


# Files, directories, standard input

def test_documents_are_reported_in_the_order_given(program):
    outcome = program.run("check", BROKEN, GRACE, WARNED)
    files = [line.split(":")[0] for line in outcome.out.splitlines() if re.match(r"/.*:\d+: ", line)]
    assert [file for file, _ in itertools.groupby(files)] == [str(BROKEN), str(GRACE), str(WARNED)]
    assert outcome.out.endswith("3 documents checked: 1 error, 1 warning, 3 notes\n")


def test_the_order_does_not_depend_on_threads(program, tmp_path):
    for number in range(300):
        filler = "<rng model='virtio'/>" * (number * 7919 % 200)
        vsmmu = f"<iommu model='smmuv3'><driver accel='on' ats='{number}'/></iommu>"
        document = f"<domain><devices>{filler}{vsmmu}</devices></domain>"
        (tmp_path / f"{number:03}.xml").write_text(document, encoding="utf-8")
    first = program.check("-r", tmp_path)
    files = [finding["file"] for finding in first.findings]
    assert files == sorted(files) and len(set(files)) == 300
    assert all(program.check("-r", tmp_path).out == first.out for _ in range(4))


def test_a_directory_needs_the_option_that_searches_it(program, tmp_path):
    assert_refused(program.run("check", tmp_path), str(tmp_path), "-r")
    assert_refused(program.run("check", GRACE, tmp_path), str(tmp_path), "-r")


def test_a_directory_is_searched_in_sorted_order(program, tmp_path):
    broken = BROKEN.read_text(encoding="utf-8")
    for name in ("b.xml", "a.xml", "c/z.xml", "c/d/y.xml", "B.xml", "a/x.xml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(broken, encoding="utf-8")
    (tmp_path / "not-xml.txt").write_text("<domain", encoding="utf-8")
    (tmp_path / "directory.xml").mkdir()
    outcome = program.check("-r", tmp_path)
    files = [pathlib.Path(file).relative_to(tmp_path).as_posix() for file, _ in
             itertools.groupby(finding["file"] for finding in outcome.findings)]
    assert outcome.status == 1
    assert files == ["B.xml", "a.xml", "b.xml", "a/x.xml", "c/z.xml", "c/d/y.xml"]


def test_other_files_in_a_directory_are_skipped_and_counted(program, tmp_path):
    (tmp_path / "grace.xml").write_text(GRACE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "default.xml").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "pool.xml").write_text("<pool/>", encoding="utf-8")
    outcome = program.run("check", "-r", tmp_path)
    assert outcome.status == 0
    assert outcome.out.splitlines()[-2:] == ["1 document checked: 0 errors, 0 warnings, 1 note",
                                             "2 documents are not domains and were skipped"]


def test_a_named_file_that_is_not_a_domain_is_an_error(program, tmp_path):
    path = tmp_path / "default.xml"
    path.write_text(NETWORK, encoding="utf-8")
    assert program.check(path).rules == ["xml-malformed"]
    assert program.run("check", path).status == 1


def test_malformed_documents_in_a_directory_are_errors(program, tmp_path):
    (tmp_path / "cut-off.xml").write_text("<domain>", encoding="utf-8")
    outcome = program.check("-r", tmp_path)
    assert (outcome.status, outcome.rules) == (1, ["xml-malformed"])


def test_links_between_directories_do_not_make_the_search_endless(program, tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    (below / "grace.xml").write_text(GRACE.read_text(encoding="utf-8"), encoding="utf-8")
    (below / "up").symlink_to("..")
    (below / "self.xml").symlink_to("self.xml")
    (below / "dangling.xml").symlink_to("nowhere.xml")
    os.mkfifo(below / "pipe.xml")
    outcome = program.run("check", "-r", tmp_path)
    assert outcome.status == 0 and "1 document checked" in outcome.out


def test_links_to_documents_elsewhere_are_reported_and_not_followed(program, tmp_path):
    elsewhere, tree = tmp_path / "elsewhere.xml", tmp_path / "tree"
    elsewhere.write_bytes(BROKEN.read_bytes())
    tree.mkdir()
    (tree / "link.xml").symlink_to(elsewhere)
    outcome = program.run("check", "-r", tree)
    assert (outcome.status, outcome.out) == (0, "0 documents checked: 0 errors, 0 warnings, 0 notes\n")
    assert f"{tree}/link.xml is a symbolic link and is not followed" in outcome.err
    assert program.run("check", tree / "link.xml").status == 1


def test_a_deep_directory_is_searched(program, tmp_path):
    path = tmp_path
    for _ in range(200):
        path = path / "d"
        path.mkdir()
    (path / "grace.xml").write_text(GRACE.read_text(encoding="utf-8"), encoding="utf-8")
    assert "1 document checked" in program.run("check", "-r", tmp_path).out


def test_an_empty_directory_has_nothing_wrong(program, tmp_path):
    outcome = program.run("check", "-r", tmp_path)
    assert (outcome.status, outcome.out) == (0, "0 documents checked: 0 errors, 0 warnings, 0 notes\n")


def test_a_dash_reads_standard_input(program):
    outcome = program.check("-", input=BROKEN.read_bytes())
    assert outcome.status == 1
    assert {finding["file"] for finding in outcome.findings} == {"<stdin>"}
    assert program.run("args", "-", input=GRACE.read_bytes()).out == program.run("args", GRACE).out


def test_standard_input_may_be_closed(program):
    process = subprocess.run(["sh", "-c", '"$1" check - <&-', "sh", program.path], capture_output=True, text=True)
    assert process.returncode == 2 and process.stderr.startswith("virt-vsmmu: cannot open '<stdin>': ")


def test_a_file_may_be_named_like_an_option(program, tmp_path):
    (tmp_path / "--force").write_text(GRACE.read_text(encoding="utf-8"), encoding="utf-8")
    assert "1 document checked" in program.run("check", "--", "--force", cwd=tmp_path).out


def test_a_device_that_never_ends_is_not_read_to_the_end(program):
    outcome = program.run("check", "/dev/zero")
    assert outcome.status == 2 and "32 MiB" in outcome.err


# Options of check

def test_ignored_rules_are_neither_shown_nor_counted(program):
    outcome = program.run("check", "--ignore", "pci-bus-not-root", "-i", "not-migratable", BROKEN)
    assert (outcome.status, outcome.out) == (0, "1 document checked: 0 errors, 0 warnings, 0 notes\n")
    assert program.check("--ignore=not-migratable", BROKEN).rules == ["pci-bus-not-root"]


def with_policy(program, directory, text):
    """The program with the option --policy on the broken document, under this configuration."""
    (directory / "virt-vsmmu.conf").write_text(text, encoding="utf-8")
    return program.check("--policy", BROKEN, environment={"VIRT_VSMMU_CONF": str(directory / "virt-vsmmu.conf"),
                                                          "XDG_CONFIG_HOME": str(directory / "none")})


def test_a_policy_grades_the_rules(program, tmp_path):
    outcome = with_policy(program, tmp_path, "[rules]\npci-bus-not-root=note\nnot-migratable=off\n")
    assert outcome.status == 0
    assert [(finding["rule"], finding["severity"]) for finding in outcome.findings] == [("pci-bus-not-root", "note")]


def test_without_a_file_the_policy_changes_nothing(program, tmp_path):
    nowhere = {"VIRT_VSMMU_CONF": str(tmp_path / "none"), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    outcome = program.check("--policy", BROKEN, environment=nowhere)
    assert outcome == program.check(BROKEN) and "pci-bus-not-root" in outcome.rules


def test_a_broken_policy_is_refused(program, tmp_path):
    outcome = with_policy(program, tmp_path, "[rules]\npci-bus-not-rot=off\n")
    assert_refused(outcome, str(tmp_path), "pci-bus-not-rot", "did you mean 'pci-bus-not-root'")


def test_what_the_configuration_we_install_shows_is_the_default(program, tmp_path):
    text = (EXAMPLES.parent / "data" / "virt-vsmmu.conf").read_text(encoding="utf-8")
    keys = re.findall(r"^#([a-z-]+=\S+)$", text, re.M)
    assert keys == ["mode=enforce", "domains-decide=no", "adopt=no", "iommufd=add", "on-mismatch=report", "wait=5", "timeout=10",
                    "host-numa=warning"]
    assert with_policy(program, tmp_path, re.sub(r"^#([a-z-]+=)", r"\1", text, flags=re.M)).out == program.check(BROKEN).out
    assert program.run("explain", "host-numa").out.startswith("host-numa (warning,")


@pytest.mark.parametrize("arguments, environment, coloured", [
    ([], {}, True),
    ([], {"NO_COLOR": "1"}, False),
    ([], {"TERM": "xterm"}, True),
    ([], {"TERM": "dumb"}, False),
    (["--color=always"], {"TERM": "dumb"}, True),
    (["--color=auto"], {}, True),
    (["--color=always"], {"NO_COLOR": "1"}, True),
    (["--color=never"], {}, False),
])
def test_colours_on_a_terminal(arguments, environment, coloured, program):
    text, status = on_terminal(program, "check", *arguments, BROKEN, environment=environment)
    assert status == 1
    assert (ESCAPE in text) == coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == program.run("check", BROKEN).out


@pytest.mark.parametrize("arguments, coloured", [
    ([], False), (["--color=auto"], False), (["--color=always"], True), (["--color=never"], False)])
def test_colours_in_a_pipe(arguments, coloured, program):
    text = program.run("check", *arguments, BROKEN).out
    assert (ESCAPE in text) == coloured and "pci-bus-not-root" in text


def test_json_has_no_colours(program):
    outcome = program.check("--color=always", BROKEN)
    assert ESCAPE not in outcome.out and "pci-bus-not-root" in outcome.rules


@contextlib.contextmanager
def slow_document(path):
    """A pipe, and a function that writes grace.xml to it. Nobody waits for who opens the other end."""
    os.mkfifo(path)
    with open(os.open(path, os.O_RDWR), "wb", buffering=0) as pipe:
        def write(*_):
            if not pipe.closed:
                pipe.write(GRACE.read_bytes())
                pipe.close()

        yield write


def test_no_progress_is_shown_in_a_pipe(program, tmp_path):
    with slow_document(tmp_path / "slow") as write:
        process = subprocess.Popen([program.path, "check", tmp_path / "slow", GRACE], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        measure(2.4)  # Progress is due after two seconds.
        assert process.poll() is None
        write()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "") and "2 documents checked" in out


def test_progress_is_shown_on_a_terminal_and_cleared(program, tmp_path):
    with slow_document(tmp_path / "slow") as write:
        text, status = on_terminal(program, "check", tmp_path / "slow", GRACE, on_text=write)
    assert status == 0
    assert " of 2 documents checked" in text and "\r\x1b[K" in text
    assert text.endswith("2 documents checked: 0 errors, 0 warnings, 2 notes\n")


@pytest.mark.parametrize("target, rules", [
    ("libvirt=12.8,qemu=11.1", set()),
    ("qemu=11.1,libvirt=12.8", set()),
    ("libvirt=12.7", set()),
    ("qemu=11.1.0", set()),
    ("qemu=10", {"target-qemu-too-old"}),
    ("libvirt=12.6.99", {"target-libvirt-drops-accel"}),
    ("libvirt=12.6,qemu=11.0", {"target-libvirt-drops-accel", "target-qemu-no-auto"}),
    ("libvirt=12.9.0-1~bpo13+1,qemu=1:11.1.3+ds-1", set()),
    ("libvirt=11.9.0+nvidia4,qemu=11.0.0+nvidia1", set()),
    ("libvirt=11.9.0+nvidia4,qemu=10.1.0+nvidia1egmfix", {"target-qemu-no-auto"}),
    ("qemu=9.1.0-15.el9_6.2", {"target-qemu-too-old"}),
])
def test_a_target_switches_its_rules_on(target, rules, program):
    outcome = program.check("--target", target, GRACE)
    assert {rule for rule in outcome.rules if rule.startswith("target-")} == rules
    assert outcome.status == (1 if rules else 0)


@pytest.mark.parametrize("target", [
    "", "12.8", "This", "xen=4.17", "libvirt", "libvirt=", "libvirt=new", "libvirt=0", "libvirt=-1", "libvirt=1000.0",
    "libvirt=.8", "libvirt=12.", "libvirt=12.8.0.1", "libvirt=0x0c.8", "libvirt=12.8 ", "libvirt= 12.8", 
    "libvirt=12.8,", "libvirt=12.8,libvirt=12.7", "libvirt=12.8;qemu=11.1", "libvirt=12.8+", "libvirt=12.8nvidia4",
    "libvirt=1000:12.8", "libvirt=12.8+a/b", "/nonexistent/facts.json"])
def test_any_other_target_is_refused(target, program):
    assert_refused(program.run("check", "--target", target, GRACE), "libvirt=12.8,qemu=11.1")


@pytest.mark.parametrize("tools, rules", [
    ({"libvirt": "12.8.0", "qemu": "11.1.3"}, set()),
    ({"libvirt": "11.9.0+nvidia4", "qemu": "11.0.0+nvidia1"}, set()),
    ({"libvirt": "11.9.0", "libvirt_accel": True, "libvirt_iommufd": True, "qemu": "10.1.0", "qemu_accel": True, "qemu_auto": True, "qemu_cmdqv": True}, set()),
    ({"libvirt": "11.9.0", "qemu": "11.1.3"}, {"target-libvirt-drops-accel", "target-libvirt-no-iommufd", "target-device-acl"}),
    ({"qemu": "11.1.3", "qemu_accel": False}, {"target-qemu-too-old"}),
    ({"qemu": "10.1.0", "qemu_accel": True, "qemu_auto": False}, {"target-qemu-no-auto"}),
])
def test_the_target_can_be_the_facts_of_a_host(tools, rules, program, tmp_path):
    facts = tmp_path / "facts.json"
    given = {name: {"value": value, "source": "qemu"} if isinstance(value, bool) else value for name, value in tools.items()}
    facts.write_text(json.dumps({"version": 1, "tools": given}))
    outcome = program.check("--target", facts, DATA / "rules" / "target-libvirt-drops-accel" / "fires-debian-13.xml")
    assert {rule for rule in outcome.rules if rule.startswith("target-")} == rules
    assert json.loads(program.run("host", "--host", facts, "--json").out)["tools"] == {**json.loads(program.run("host", "--host", facts, "--json").out)["tools"], **given}


def test_facts_without_versions_are_no_target(program, tmp_path):
    facts = tmp_path / "facts.json"
    facts.write_text('{"version": 1}')
    assert_refused(program.run("check", "--target", facts, GRACE), "versions of libvirt and QEMU")


def test_a_domain_is_adapted_for_the_facts_of_a_host(program, tmp_path):
    """The libvirt of a vendor gets the domain as it is, the same release without it a lowered one."""
    facts = tmp_path / "facts.json"
    domain = DATA / "rules" / "target-libvirt-drops-accel" / "fires-debian-13.xml"
    facts.write_text(json.dumps({"version": 1, "tools": {"libvirt": "11.9.0+nvidia4", "qemu": "10.1.0+nvidia1egmfix"}}))
    assert "qemu:" not in program.run("adapt", "--target", facts, domain).out
    assert "qemu:commandline" in program.run("adapt", "--target", "libvirt=11.9.0,qemu=11.1", domain).out


def test_the_target_of_a_host_that_cannot_be_reached_is_refused(program):
    uri = "qemu:///system?socket=/nonexistent/libvirt-sock"
    outcome = program.run("check", "--target", "this", "--connect", uri, GRACE)
    assert outcome.status == 2 and outcome.out == ""
    assert "virt-vsmmu: " in outcome.err and "/nonexistent/libvirt-sock" in outcome.err


def test_the_target_of_this_host_is_that_of_its_libvirt(program):
    """libvirt's test driver needs no daemon and says that its hypervisor is version 0.0.2."""
    outcome = program.check("--target", "this", "--connect", "test:///default", GRACE)
    assert outcome.status == 1
    assert "target-qemu-too-old" in outcome.rules


# check --attach and --detach

FREE_PORT = "<hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source><address bus='7'/></source></hostdev>\n"
NO_BUS = FREE_PORT.replace("</hostdev>", "\n<address type='pci' bus='9' slot='0'/></hostdev>")


def test_findings_about_a_device_name_its_document_and_come_last(program, tmp_path):
    device = tmp_path / "device.xml"
    device.write_text(NO_BUS, encoding="utf-8")
    outcome = program.run("check", "--attach", device, GRACE)
    files = [line.split(":")[0] for line in outcome.out.splitlines() if line.startswith("/")]
    assert outcome.status == 1
    assert files == [str(GRACE), str(device)] and f"{device}:2: error: " in outcome.out


def test_a_device_may_come_from_standard_input(program):
    outcome = program.check("--attach", "-", GRACE, input=NO_BUS.encode())
    assert {(finding["rule"], finding["file"]) for finding in outcome.findings} == {
        ("hotplug-bus-missing", "<stdin>"), ("not-migratable", str(GRACE))}


def test_a_device_is_tried_on_every_domain(program, tmp_path):
    (tmp_path / "device.xml").write_text(NO_BUS, encoding="utf-8")
    outcome = program.check("--attach", tmp_path / "device.xml", GRACE, WARNED)
    assert outcome.rules.count("hotplug-bus-missing") == 2


def test_a_good_device_is_not_an_error(program):
    outcome = program.run("check", "-a", "-", GRACE, input=FREE_PORT.encode())
    assert outcome.status == 0 and "1 document checked: 0 errors" in outcome.out


def test_a_device_says_nothing_of_a_domain_without_accelerated_vsmmu(program):
    for option in ("--attach", "--detach"):
        guest = DATA / "rules" / "not-migratable" / "quiet-emulated.xml"
        assert program.check(option, "-", guest, input=NO_BUS.encode()).findings == []


def test_the_example_devices_are_what_they_say(program):
    guest = EXAMPLES / "hotplug-ready.xml"
    assert program.check("--attach", EXAMPLES / "devices" / "gpu.xml", guest).rules == ["not-migratable"]
    assert "hotplug-bus-missing" in program.check("--attach", EXAMPLES / "devices" / "broken-gpu.xml", guest).rules


@pytest.fixture(scope="module")
def grace_host(program, tmp_path_factory):
    """Facts of a host with an SMMU for each of two GPUs, and one more with two NICs."""
    path = tmp_path_factory.mktemp("host") / "host.json"
    smmus = [f"smmu3.0x{number:016x}" for number in (1 << 24, 2 << 24, 3 << 24)]
    places = {"0009:01:00.0": 0, "0019:01:00.0": 1, "0002:01:00.0": 2, "0002:02:00.0": 2}
    path.write_text(json.dumps({
        "version": 1, "smmus": [{"name": name} for name in smmus],
        "devices": [{"address": address, "smmu": smmus[number]} for address, number in sorted(places.items())],
    }), encoding="utf-8")
    return path


@pytest.mark.parametrize("second, nic, hint", [
    ("0x0002", "", "bus='0x07' slot='0x00'/>, a suitable free port"),
    ("0x0019", "", "one more pcie-expander-bus"),
    ("0x0002", "<address type='pci' bus='0x04' slot='0x00'/>", "bus='0x07' slot='0x00'/>, a suitable free port"),
])
def test_a_hint_names_the_port_behind_the_right_vsmmu(second, nic, hint, program, grace_host):
    """The first free port is behind the vSMMU of a GPU; the NIC belongs to the other one, if there is one for it."""
    guest = (DATA / "rules" / "hotplug-auto-placed" / "fires.xml").read_text(encoding="utf-8")
    assert guest.count("domain='0x0019'") == 1
    nic = NO_BUS.replace("<address bus='7'/>", "<address domain='2' bus='2' slot='0' function='0'/>").replace(
        "<address type='pci' bus='9' slot='0'/>", nic)
    path = grace_host.parent / "nic.xml"
    path.write_text(nic, encoding="utf-8")
    outcome = program.check("--host", grace_host, "--attach", path, "-",
                            input=guest.replace("domain='0x0019'", f"domain='{second}'").encode())
    finding, = (finding for finding in outcome.findings if finding["rule"] == "hotplug-smmu-mismatch")
    assert hint in finding["hint"]


@pytest.mark.parametrize("device, words", [
    ("", ["<stdin>:1", "empty"]),
    ("hostdev", ["<stdin>:1"]),
    ("<hostdev>", ["<stdin>:1"]),
    ("<domain type='kvm'/>", ["<stdin>:1", "<domain>"]),
    ("\n<banana/>", ["<stdin>:2", "<banana>"]),
    ("<!DOCTYPE hostdev [<!ENTITY e 'x'>]><hostdev/>", ["<stdin>:1"]),
    (FREE_PORT * 2, ["<stdin>:2"]),
    ("<hostdev " + "".join(f"a{number}='' " for number in range(300)) + "/>", ["256"]),
    ("<hostdev>" * 200 + "</hostdev>" * 200, ["<stdin>:1"]),
    ("<" + "x" * 100000 + "/>", ["..."]),
    ("<hostdev/>" + " " * (32 << 20), ["32 MiB"]),
], ids=range(11))
@pytest.mark.parametrize("option", ["--attach", "--detach"])
def test_an_invalid_device_document_is_refused(option, device, words, program):
    outcome = program.run("check", option, "-", GRACE, input=device.encode())
    assert_refused(outcome, *words)
    assert len(outcome.err) < 500


@pytest.mark.parametrize("arguments, word", [
    (["--attach", "a.xml", "--detach", "b.xml", GRACE], "--detach"),
    (["--attach", "a.xml", "--attach", "b.xml", GRACE], "--attach"),
    (["--detach", "-", "-"], "standard input"),
    (["--attach", "no-such-file.xml", GRACE], "no-such-file.xml"),
    (["--attach", "/", GRACE], "/"),
])
def test_one_device_document_at_a_time(arguments, word, program):
    assert_refused(program.run("check", *arguments), word)


# args

def test_arguments_are_printed_one_option_a_line(program):
    lines = program.run("args", GRACE).out.splitlines()
    assert all(line.endswith(" \\") for line in lines[:-1]) and not lines[-1].endswith("\\")
    assert all(re.match(r"-(machine|device|object) ", line) for line in lines)


def test_the_formats_hold_the_same_arguments(program):
    for syntax in ("json", "legacy"):
        shell = program.run("args", "--syntax", syntax, GRACE).out
        array = program.run("args", "--syntax", syntax, "--format", "json", GRACE).out
        assert split(shell) == json.loads(array)


def test_the_syntaxes_hold_the_same_properties(program):
    in_json = json.loads(program.run("args", "--format", "json", GRACE).out)
    legacy = json.loads(program.run("args", "--format", "json", "--syntax", "legacy", GRACE).out)
    assert in_json[:2] == legacy[:2] and in_json[2::2] == legacy[2::2]
    for braced, plain in zip(in_json[3::2], legacy[3::2]):
        kind, *properties = plain.split(",")
        expected = json.loads(braced)
        assert kind == expected.pop("driver", None) or expected.pop("qom-type")
        assert dict(item.split("=") for item in properties) == {
            name: {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
            for name, value in expected.items() if value != kind}


NASTY = [
    "plain", "with space", "it's", "'", "''\\''", 'say "hi"', "$HOME `id` $(id)", "back\\slash", "trailing\\",
    "a,b,,c", "-dash", "", "%s %d \\n", "new\nline", "tab\there", "\u00fcml\u00e4ut \u2603 \U0001f600",
    *[f"a{character}b" for character in ";&|<>(){}[]*?~#!$`\\\"'=^%"]]


def escape(text):
    entities = {"&": "&amp;", "<": "&lt;", "'": "&apos;", "\n": "&#10;", "\t": "&#9;", ">": "&gt;"}
    return "".join(entities.get(character, character) for character in text)


@pytest.mark.parametrize("syntax", ["json", "legacy"])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_arguments_survive_the_shell(syntax, locale, program):
    """Names with everything that a shell, JSON or QEMU's option syntax could misread."""
    for name in NASTY:
        rom = f"<driver iommufd='yes'/><rom file='/{escape(name)}'/>"
        document = GRACE.read_text(encoding="utf-8").replace("<driver iommufd='yes'/>", rom)
        options = {"input": document.encode(), "environment": {"LC_ALL": locale}}
        expected = json.loads(program.run("args", "--syntax", syntax, "--format", "json", "-", **options).out)
        shell = program.run("args", "--syntax", syntax, "-", **options).out
        assert split(shell) == expected
        printed = subprocess.run(["sh", "-c", "printf '%s\\0' " + shell], capture_output=True, check=True).stdout
        assert printed.decode("utf-8").split("\0")[:-1] == expected
        if syntax == "json":
            assert json.loads(expected[-1])["romfile"] == f"/{name}"
        else:
            assert expected[-1].endswith(",romfile=/" + name.replace(",", ",,"))


def test_arguments_are_refused_for_a_domain_with_errors(program):
    outcome = program.run("args", BROKEN)
    assert (outcome.status, outcome.out) == (1, "")
    assert "[pci-bus-not-root]" in outcome.err and "--force" in outcome.err
    assert "[not-migratable]" not in outcome.err


def test_warnings_do_not_stand_in_the_way_of_arguments(program):
    outcome = program.run("args", WARNED)
    assert (outcome.status, outcome.err) == (0, "") and outcome.out.startswith("-machine ")


def test_force_prints_arguments_all_the_same(program):
    path = DATA / "rules" / "needs-kvm" / "fires.xml"
    assert program.run("args", path).status == 1
    outcome = program.run("args", "--force", path)
    assert (outcome.status, outcome.err) == (0, "") and '"driver":"arm-smmuv3"' in outcome.out


@pytest.mark.parametrize("path", ["pci-bus-not-root/fires-port.xml", "pci-address-invalid/fires-used-twice.xml",
                                  "machine-not-virt/fires-x86.xml", "accel-without-pci-bus/fires.xml"])
def test_force_cannot_print_what_does_not_exist(path, program):
    assert_refused(program.run("args", "--force", DATA / "rules" / path))


def test_arguments_need_an_accelerated_vsmmu(program):
    assert_refused(program.run("args", DATA / "rules" / "not-migratable" / "quiet-emulated.xml"))


def test_a_host_device_that_libvirt_leaves_out_is_left_out(program):
    outcome = program.run("args", DATA / "rules" / "hostdev-outside-vsmmu" / "quiet-unassigned.xml")
    assert outcome.status == 0 and "arm-smmuv3" in outcome.out and "vfio-pci" not in outcome.out


# explain

def test_explain_lists_all_rules(program):
    outcome = program.run("explain")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+ +(error|warning|note)  +\S.*", line) for line in lines)
    assert {path.name for path in (DATA / "rules").iterdir()} <= {line.split()[0] for line in lines}


def test_explain_takes_several_rules(program):
    outcome = program.run("explain", "needs-kvm", "needs-acpi")
    assert outcome.out == program.run("explain", "needs-kvm").out + "\n" + program.run("explain", "needs-acpi").out


@pytest.mark.parametrize("typed, meant", [
    ("pci-bus-sharde", "pci-bus-shared"), ("needs-kmv", "needs-kvm"), ("NEEDS_KVM", "needs-kvm"),
    ("vsmmu-emtpy", "vsmmu-empty")])
def test_explain_suggests_the_rule_that_was_meant(typed, meant, program):
    assert_refused(program.run("explain", typed), typed, f"'{meant}'")


def test_explain_does_not_suggest_at_random(program):
    outcome = program.run("explain", "something-else-entirely")
    assert outcome.status == 2 and "virt-vsmmu explain" in outcome.err and "did you mean" not in outcome.err
