"""The file .vsmmu, which has the options of check for a folder and what is below it."""

import json
import os
import shutil

import pytest

from means import give_up
from program import DATA

EXAMPLES = DATA.parent.parent / "examples"
GRACE, HOST = DATA / "grace.xml", EXAMPLES / "grace-host.json"


@pytest.fixture
def check(program, tmp_path):
    """Runs check in the folder a/b of a repository whose file is given; (status, rules, what it complained of)."""
    (tmp_path / ".git").mkdir()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    shutil.copy(GRACE, below / "guest.xml")

    def run(text, *arguments, document="guest.xml", cwd=below):
        if text is not None:
            (tmp_path / ".vsmmu").write_bytes(text if isinstance(text, bytes) else text.encode())
        outcome = program.run("check", "--format=json", *arguments, document, cwd=cwd)
        rules = [finding["rule"] for finding in json.loads(outcome.out)["findings"]] if outcome.out else None
        return outcome.status, rules, outcome.err.replace(f"{tmp_path}{os.sep}", "")

    return run


def test_without_a_file_everything_is_found(check):
    assert check(None) == (0, ["not-migratable"], "")


@pytest.mark.parametrize("text", [
    "ignore=not-migratable\n", "# a comment\n\n  ignore = not-migratable  ", "severity=warning", "ignore=needs-kvm\nignore=not-migratable\r\n"])
def test_options_come_from_a_folder_above(text, check):
    assert check(text) == (0, [], "")


def test_the_command_line_is_stronger(check):
    assert check("severity=error", "--severity=note")[1] == ["not-migratable"]
    assert check("ignore=needs-kvm", "--ignore=not-migratable")[1] == []
    assert check("ignore=not-migratable", "--no-config")[1] == ["not-migratable"]


def test_a_file_is_named_from_where_the_options_are(check, tmp_path):
    shutil.copy(HOST, tmp_path / "facts.json")
    mismatched = EXAMPLES / "mismatched-smmus.xml"
    assert "host-smmu-mismatch" in check("host=facts.json", document=mismatched)[1]
    assert "host-smmu-mismatch" in check(f"host={HOST}", document=mismatched)[1]


def test_yes_and_no(check, tmp_path):
    (tmp_path / "a" / "b" / "network.xml").write_text("<network/>", encoding="utf-8")
    assert check("domains-only=yes", document="network.xml") == (0, [], "")
    assert check("domains-only=no", document="network.xml")[1] == ["xml-malformed"]


def test_nothing_above_the_repository_is_read(check, tmp_path):
    inner = tmp_path / "a" / ".git"
    inner.mkdir()
    assert check("ignore=not-migratable")[1] == ["not-migratable"]
    inner.rmdir()
    assert check(None)[1] == []


def test_the_nearest_file_counts(check, tmp_path):
    (tmp_path / "a" / ".vsmmu").write_text("ignore=needs-kvm", encoding="utf-8")
    assert check("ignore=not-migratable")[1] == ["not-migratable"]


FAULTS = {
    "ignor=x": ".vsmmu:1: unknown option 'ignor'; did you mean 'ignore'?",
    "\nxyz": ".vsmmu:2: unknown option 'xyz'; use one of host, target, schema, schema-file, domains-only, ignore, severity",
    "this-host=yes": ".vsmmu:1: unknown option 'this-host'; use one of host, target, schema, schema-file, domains-only, ignore, severity",
    "attach=device.xml": ".vsmmu:1: unknown option 'attach'; use one of host, target, schema, schema-file, domains-only, ignore, severity",
    "schema=maybe": ".vsmmu:1: invalid value 'maybe' for 'schema'; use yes or no",
    "ignore": ".vsmmu:1: 'ignore' has no value; write ignore=VALUE",
    "ignore= ": ".vsmmu:1: 'ignore' has no value; write ignore=VALUE",
    "ignore=nonsense": "unknown rule 'nonsense'; 'virt-vsmmu explain' lists all rules",
    "severity=fatal": "invalid value 'fatal' for --severity; use one of note, warning, error",
    "host=nosuch.json": "cannot open 'nosuch.json': No such file or directory",
    "#" * 70_000: "cannot read '.vsmmu': File too large",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:20])
def test_what_is_wrong_is_said_and_nothing_checked(text, check):
    assert check(text) == (2, None, f"virt-vsmmu: {FAULTS[text]}\n")


@pytest.mark.parametrize("text", [b"\x1b]0;x\x07=1", b"\xff\xfe=x", b"ignore=\x9b31m", "x\u202ey=1".encode()])
def test_what_is_odd_does_not_reach_the_terminal(text, check):
    status, _, err = check(text)
    assert status == 2 and err.count("\n") == 1 and err.rstrip("\n").isprintable()


@pytest.mark.parametrize("make, fault", [(os.mkfifo, "'.vsmmu' is not a regular file"), (os.mkdir, "cannot read '.vsmmu': Is a directory")])
def test_what_is_no_file_is_refused(make, fault, check, tmp_path):
    make(tmp_path / ".vsmmu")
    assert check(None) == (2, None, f"virt-vsmmu: {fault}\n")


def test_the_file_of_another_user_is_not_obeyed(check, tmp_path):
    if os.geteuid() != 0:
        give_up("only root can give a file away")
    (tmp_path / ".vsmmu").write_text("ignore=not-migratable", encoding="utf-8")
    os.chown(tmp_path / ".vsmmu", 65534, 65534)
    assert check(None) == (2, None, "virt-vsmmu: '.vsmmu' belongs to another user and was not read; use --no-config to do without it\n")
    assert check(None, "--no-config")[0] == 0


def test_help_is_shown_whatever_is_wrong(check, program, tmp_path):
    check("nonsense")
    outcome = program.run("check", "--help", cwd=tmp_path)
    assert outcome.status == 0 and outcome.out.startswith("Usage:")


@pytest.mark.parametrize("command", ["args", "graph"])
def test_other_commands_do_not_read_it(command, program, tmp_path):
    (tmp_path / ".vsmmu").write_text("nonsense", encoding="utf-8")
    outcome = program.run(command, GRACE, cwd=tmp_path)
    assert outcome.status == 0 and "smmu" in outcome.out.lower()
