"""Completion: what the hidden command says that a word may become, and what bash, zsh and fish make of it."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from means import give_up
from program import DATA
from waiting import PATIENCE

PROJECT = DATA.parent.parent
FACTS = PROJECT / "examples" / "grace-host.json"
COMMANDS = ["check", "args", "adapt", "msi", "verify", "watch", "host", "plan", "graph", "explain"]
# libvirt's driver for tests has a guest of these; it needs no daemon.
NODE = """<node><domain type='test'><name>arm</name><memory>1048576</memory>
  <os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features><devices>
  <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='100'/></controller>
  <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>
  <iommu model='smmuv3'><driver accel='on' pciBus='1'/></iommu>
  <hostdev mode='subsystem' type='pci' managed='no'><source><address domain='9' bus='1' slot='0' function='0'/></source>
  <alias name='ua-gpu'/><address type='pci' bus='2' slot='0'/></hostdev></devices></domain></node>
"""


@pytest.fixture
def asked(program):
    """The program, which completes something."""
    assert program.run("complete", "--", "ch").out.startswith("check\t")
    return program


@pytest.fixture
def complete(asked, tmp_path):
    """Candidates and their descriptions for the last of the words."""
    def run(*words):
        outcome = asked.run("complete", "--", *words, cwd=tmp_path)
        assert (outcome.status, outcome.err) == (0, "")
        return dict(line.split("\t", 1) for line in outcome.out.splitlines())

    return run


def test_commands_have_their_summaries(complete, program):
    offered = complete("")
    assert list(offered) == [*COMMANDS, "help"]
    assert all(f"  {command} " in program.run("--help").out and offered[command] in program.run("--help").out for command in COMMANDS)
    assert list(complete("ch")) == ["check"] and complete("nonsense") == {} and complete("nonsense", "") == {}
    assert list(complete("help", "")) == COMMANDS and complete("help", "check", "") == {}
    assert list(complete("-")) == ["--help", "--version"]


def test_it_is_hidden(program, complete):
    assert "complete" not in program.run("--help").out and complete("comp") == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_those_of_its_help(command, complete, program):
    lines = re.findall(r"^  (?:(-\w), )?(--[\w-]+)(=\S*)?  +(\S.*)$", program.run(command, "--help").out, re.M)
    help_options = {name + ("=" if value else ""): text for _, name, value, text in lines if name != "--help"}
    letters = {letter for letter, *_ in lines if letter not in ("", "-h")}
    assert {name: text for name, text in complete(command, "--").items() if name != "--help"} == help_options
    assert set(complete(command, "-")) == {*help_options, *letters, "--help"}
    assert set(complete(command, "--h")) == {"--help", *(["--host="] if "--host=" in help_options else [])}


@pytest.mark.parametrize("words, candidates", [
    (["check", "--format", ""], ["text", "json", "sarif", "checkstyle", "gitlab"]),
    (["check", "-f", "j"], ["json"]),
    (["check", "-sf", "j"], ["json"]),
    (["check", "--format=s"], ["--format=sarif"]),
    (["check", "--color", "a"], ["auto", "always"]),
    (["graph", "--format="], ["--format=dot", "--format=svg"]),
    (["args", "-s", ""], ["json", "legacy"]),
    (["explain", "-f", ""], ["text", "rst"]),
    (["check", "--target="], ["--target=this", "--target=libvirt=", "--target=qemu="]),
    (["watch", "-c", "qemu:///s"], ["qemu:///system", "qemu:///session"]),
    (["check", "--ignore", "needs-"], ["needs-kvm", "needs-acpi", "needs-uefi"]),
    (["check", "--ignore=needs-k"], ["--ignore=needs-kvm"]),
    (["explain", "needs-"], ["needs-kvm", "needs-acpi", "needs-uefi"]),
    (["explain", "needs-kvm", "needs-a"], ["needs-acpi"]),
    (["explain", "--", "needs-a"], ["needs-acpi"]),
    (["check", "--frobnicate="], []), (["check", "--this-host="], []), (["args", "--", "--f"], [":files"]),
    (["verify", "-w", ""], []), (["host", ""], []), (["plan", ""], []), (["args", "a.xml", ""], []),
])
def test_values_and_operands(words, candidates, complete):
    assert list(complete(*words)) == candidates


def test_rules_have_their_titles(complete, program):
    assert complete("explain", "needs-kvm") == {"needs-kvm": "The domain does not use KVM"}
    assert list(complete("explain", "")) == program.rules()


@pytest.mark.parametrize("words, pattern, before", [
    (["check", ""], "*.xml", ""), (["check", "a.xml", "b"], "*.xml", ""), (["check", "-"[:0]], "*.xml", ""), (["msi", ""], "*.xml", ""),
    (["adapt", "--lift", ""], "*.xml", ""), (["plan", "--into", ""], "*.xml", ""), (["check", "--attach=d"], "*.xml", "--attach="),
    (["host", "-H", "x"], "*.json", ""), (["plan", "--host=x"], "*.json", "--host="), (["check", "--schema-file", ""], "*", ""),
])
def test_files_are_left_to_the_shell(words, pattern, before, complete):
    assert complete(*words) == {":files": f"{pattern}\t{before}"}


@pytest.mark.parametrize("host", [["--host", FACTS], ["-H", FACTS], [f"--host={FACTS}"], [f"-H{FACTS}"]], ids=lambda words: words[0][:7])
def test_devices_are_those_of_the_host(host, complete):
    assert complete("plan", *host, "-d", "0009") == {"0009:01:00.0": "10de:2941 nvgrace_gpu_vfio_pci smmu3.0x0000000005000000"}
    assert len(complete("plan", *host, "--device=")) == 18


def test_without_a_host_there_are_no_devices(complete):
    assert complete("plan", "-d", "") == complete("plan", "--host", "no-such-file", "-d", "") == complete("plan", "--host", "-", "-d", "") == {}


def test_domains_and_aliases_are_those_of_libvirt(complete, tmp_path):
    (tmp_path / "node.xml").write_text(NODE, encoding="utf-8")
    uri = f"test://{tmp_path}/node.xml"
    assert list(complete("verify", "--connect", uri, "")) == ["arm"] == list(complete("msi", f"-c{uri}", "-d", "a"))
    assert complete("verify", "-c", uri, "arm", "") == {"ua-gpu": "0009:01:00.0"}
    assert complete("verify", "-c", uri, "none", "") == complete("verify", "-c", uri, "arm", "ua-gpu", "") == {}


@pytest.mark.parametrize("uri", ["qemu:///system?socket=/no/such/socket", "nonsense", "test+unix:///no/such"])
def test_a_libvirt_that_cannot_be_reached_has_no_domains(uri, complete):
    assert complete("verify", "-c", uri, "") == complete("msi", "-c", uri, "-d", "") == {}


def test_a_libvirt_that_may_ask_for_a_password_is_not_asked(asked, tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n", encoding="utf-8")
    ssh.chmod(0o755)
    outcome = asked.run("complete", "--", "verify", "-c", "qemu+ssh://host/system", "", environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "") and not (tmp_path / "called").exists()


def test_what_takes_too_long_is_not_offered(asked, tmp_path):
    os.mkfifo(tmp_path / "host.json")
    start = time.monotonic()
    outcome = asked.run("complete", "--", "plan", "--host", tmp_path / "host.json", "-d", "")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "") and time.monotonic() - start < PATIENCE


# The shells

@pytest.fixture
def folder(tmp_path):
    for name in ("host.json", "my facts.json", "guest.xml"):
        (tmp_path / name).touch()
    shutil.copy(FACTS, tmp_path / "grace.json")
    (tmp_path / "more").mkdir()
    return tmp_path


class Terminal:
    """An interactive shell that knows our completion, and has been told to be quiet."""

    def __init__(self, command, setup, folder, build_dir):
        if shutil.which(command[0]) is None:
            give_up(f"there is no {command[0]}; './run test' installs it")
        environment = {"PATH": f"{(build_dir / 'tools').resolve()}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "TERM": "dumb", "INPUTRC": "/dev/null",
                       "HOME": os.fspath(folder), "PS1": "", "HISTFILE": ""}
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, cwd=folder, env=environment, start_new_session=True)
        os.close(follower)
        for line in setup:
            self.type(line + "\r")
        self.type("printf '<%s>\\n' rea''dy\r")
        self.wait_for("<ready>")

    def type(self, text):
        os.write(self.leader, text.encode())

    def wait_for(self, pattern):
        """What was written up to the pattern."""
        text, deadline = "", time.monotonic() + PATIENCE
        while not re.search(pattern, text):
            assert select.select([self.leader], [], [], max(0, deadline - time.monotonic()))[0], f"'{pattern}' is not in: {text}"
            text += os.read(self.leader, 65536).decode(errors="replace").replace("\r", "")
        return text

    def words(self, line):
        """The words of a command line, of which the last is completed with Tab; END shows whether a space is there."""
        # What prints the words goes to the beginning of the line.
        self.type(f"{line}\tEND\x01printf '<%s>' \x05\r")
        return re.findall("<([^>]*)>", self.wait_for(r"<virt-vsmmu>.*END.*>"))[-len(line.split()) - 2:]

    def close(self):
        os.close(self.leader)
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["bash", "zsh"])
def terminal(request, folder, build_dir):
    setups = {
        "bash": (["bash", "--norc", "--noprofile", "-i"], [f"source {PROJECT}/data/bash-completion/virt-vsmmu", "bind 'set bell-style none'"]),
        "zsh": (["zsh", "-f", "-i"], [f"fpath=({PROJECT}/data/zsh-completion $fpath)", "autoload -Uz compinit", "compinit -u -D", "unsetopt beep prompt_cr",
                                      "bindkey -e"]),
    }
    terminal = Terminal(*setups[request.param], folder, build_dir)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("line, words", [
    ("virt-vsmmu expl", ["explain", "END"]),
    ("virt-vsmmu help expl", ["help", "explain", "END"]),
    ("virt-vsmmu check --form", ["check", "--format=END"]),
    ("virt-vsmmu check --format=sa", ["check", "--format=sarif", "END"]),
    ("virt-vsmmu check --format sa", ["check", "--format", "sarif", "END"]),
    ("virt-vsmmu explain needs-k", ["explain", "needs-kvm", "END"]),
    ("virt-vsmmu watch -c qemu:///sys", ["watch", "-c", "qemu:///system", "END"]),
    ("virt-vsmmu check --host ho", ["check", "--host", "host.json", "END"]),
    ("virt-vsmmu check --host=ho", ["check", "--host=host.json", "END"]),
    ("virt-vsmmu check --host my", ["check", "--host", "my facts.json", "END"]),
    ("virt-vsmmu check gu", ["check", "guest.xml", "END"]),
    ("virt-vsmmu plan --host grace.json -d 0009", ["plan", "--host", "grace.json", "-d", "0009:01:00.0", "END"]),
    ("virt-vsmmu plan --host=grace.json --device=0009:", ["plan", "--host=grace.json", "--device=0009:01:00.0", "END"]),
])
def test_a_shell_completes_a_word(line, words, terminal):
    assert terminal.words(line)[-len(words):] == words


def test_zsh_shows_descriptions(folder, build_dir):
    terminal = Terminal(["zsh", "-f", "-i"], [f"fpath=({PROJECT}/data/zsh-completion $fpath)", "autoload -Uz compinit", "compinit -u -D", "unsetopt beep"],
                        folder, build_dir)
    terminal.type("virt-vsmmu check -\t\t")
    terminal.wait_for(r"--schema-file= +-- +validate against this domain.rng")
    terminal.close()


@pytest.mark.parametrize("line, expected", [
    ("virt-vsmmu expl", ["explain\texplain a rule and how to fix its findings"]),
    ("virt-vsmmu check --form", ["--format=\ttext (default), json, sarif, checkstyle or gitlab"]),
    ("virt-vsmmu check --format=sa", ["--format=sarif"]),
    ("virt-vsmmu check --host ", ["grace.json", "host.json", "more/", "my facts.json"]),
    ("virt-vsmmu check --host=ho", ["--host=host.json"]),
    ("virt-vsmmu check ", ["guest.xml", "more/"]),
    ("virt-vsmmu plan --host grace.json -d 0009", ["0009:01:00.0\t10de:2941 nvgrace_gpu_vfio_pci smmu3.0x0000000005000000"]),
])
def test_fish_offers_the_same(line, expected, folder, build_dir):
    if shutil.which("fish") is None:
        give_up("there is no fish; './run test' installs it")
    script = f"source {PROJECT}/data/fish-completion/virt-vsmmu.fish; complete -C '{line}'"
    environment = {"PATH": f"{(build_dir / 'tools').resolve()}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "HOME": os.fspath(folder)}
    output = subprocess.run(["fish", "--no-config", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (output.stderr, [line.rstrip() for line in output.stdout.splitlines()]) == ("", expected)


def test_they_are_installed_where_shells_look(build_dir):
    listed = subprocess.run(["meson", "introspect", "--installed", build_dir], capture_output=True, check=True, text=True).stdout
    for place in ("bash-completion/completions/virt-vsmmu", "/_virt-vsmmu", "fish/vendor_completions.d/virt-vsmmu.fish"):
        assert re.search(rf'{re.escape(place)}"', listed), place
    assert pathlib.Path(PROJECT / "data/zsh-completion/_virt-vsmmu").read_text(encoding="utf-8").startswith("#compdef virt-vsmmu\n")
