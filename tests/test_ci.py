"""What CI systems take from us: the hook of pre-commit and GitHub's problem matcher."""

import json
import os
import re
import shutil
import subprocess

import pytest

from means import give_up
from program import DATA

SOURCE = DATA.parent.parent
GOOD, BROKEN = DATA / "grace.xml", SOURCE / "examples" / "broken-topology.xml"
MATCHERS = json.loads((SOURCE / "data" / "github-problem-matcher.json").read_text(encoding="utf-8"))["problemMatcher"]


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@localhost", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    """A repository with what ours has for pre-commit."""
    folder = tmp_path_factory.mktemp("hooks")
    git(folder, "init", "-q")
    shutil.copy(SOURCE / ".pre-commit-hooks.yaml", folder)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "hooks")
    return folder


@pytest.fixture
def pre_commit(hooks, program, tmp_path):
    """Tries the hook on the files of a new repository; (status, what it printed)."""
    def run(files):
        repository = tmp_path / "repository"
        repository.mkdir()
        for name, content in files.items():
            (repository / name).write_text(content, encoding="utf-8")
        git(repository, "init", "-q")
        git(repository, "add", ".")
        environment = {"PATH": f"{program.path.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["pre-commit", "try-repo", "--verbose", hooks, "virt-vsmmu", "--all-files"], cwd=repository, env=environment,
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    if shutil.which("pre-commit") is None:
        give_up("pre-commit is not installed")
    return run


def test_pre_commit_passes_good_domains_and_what_is_no_domain(pre_commit):
    status, out = pre_commit({"guest.xml": GOOD.read_text(encoding="utf-8"), "network.xml": "<network/>", "readme.md": "<domain"})
    assert status == 0 and re.search(r"check domains with accelerated SMMUv3s\.+Passed", out), out
    assert re.findall(r"^\S+?:\d+: .*", out, re.M) == [line for line in out.splitlines() if line.startswith("guest.xml:") and "[not-migratable]" in line] != []


def test_pre_commit_stops_a_domain_with_errors(pre_commit, program):
    status, out = pre_commit({"good.xml": GOOD.read_text(encoding="utf-8"), "guest.xml": BROKEN.read_text(encoding="utf-8")})
    assert status == 1 and re.search(r"\.+Failed", out), out
    for finding in program.check("--severity=error", BROKEN).findings:
        assert f"guest.xml:{finding['line']}: error: {finding['message']} [{finding['rule']}]\n" in out


def test_pre_commit_stops_what_is_no_xml(pre_commit):
    status, out = pre_commit({"guest.xml": "<domain><devices></domain>"})
    assert status == 1 and "guest.xml:1: error: " in out and "[xml-malformed]" in out


def matched(line):
    """What GitHub shows of a line, as the documentation of its problem matchers says; the expressions are plain in every dialect."""
    for matcher in MATCHERS:
        [pattern] = matcher["pattern"]
        found = re.search(pattern["regexp"], line)
        if found:
            parts = {name: found[number] for name, number in pattern.items() if name != "regexp"}
            return {"severity": matcher.get("severity"), **parts}
    return None


def test_every_finding_is_matched_by_github_and_nothing_else_is(program):
    cases = [*sorted(DATA.glob("rules/*/fires*.xml"))[:120], GOOD, BROKEN]
    lines = program.run("check", *cases).out.splitlines()
    expected = [{"file": finding["file"], "line": str(finding["line"]), "message": finding["message"], "code": finding["rule"],
                 "severity": {"note": "notice"}.get(finding["severity"], finding["severity"])} for finding in program.check(*cases).findings]
    assert [found for found in map(matched, lines) if found] == expected
    assert {found["severity"] for found in expected} == {"notice", "warning", "error"}


def test_a_domain_is_passed_over_only_if_it_is_none(program, tmp_path):
    (tmp_path / "network.xml").write_text("<network/>", encoding="utf-8")
    (tmp_path / "cut.xml").write_text("<domain", encoding="utf-8")
    network, cut = tmp_path / "network.xml", tmp_path / "cut.xml"
    assert program.check(network).rules == ["xml-malformed"]
    assert program.run("check", "--domains-only", network, GOOD).out.endswith("1 document is not a domain and was skipped\n")
    outcome = program.check("--domains-only", network, cut)
    assert (outcome.status, outcome.rules, json.loads(outcome.out)["summary"]["files"]) == (1, ["xml-malformed"], 1)
