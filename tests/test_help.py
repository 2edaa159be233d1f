"""What the programs say of themselves: --help in every language fits a terminal, and what is misspelled is recognized."""

import json
import os
import re
import shutil
import subprocess

import pytest

from means import give_up
from terminal import width

COMMANDS = ("check", "args", "adapt", "graph", "host", "plan", "msi", "verify", "watch", "explain")
HELP = [("virt-vsmmu", "--help"), *(("virt-vsmmu", command, "--help") for command in COMMANDS), ("virt-vsmmu", "help"),
        ("virt-vsmmud", "--help"), ("virt-vsmmu-hook", "--help"), ("virt-vsmmu-connect", "--help")]
LANGUAGES = {"en": "Usage", "de": "Befehle|Optionen|Aufruf|Gibt|Prüft|Findet|Zeigt|Schreibt|Erklärt|Berichtet|Überprüft|Überwacht|Zeichnet|Meldet"}


@pytest.fixture(scope="module")
def speaking(build_dir):
    """A function that runs a program in a language, with the catalogues of the build in the place of those installed."""
    options = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", build_dir], capture_output=True, check=True).stdout)
    prefix, folder = ([option["value"] for option in options if option["name"] == name][0] for name in ("prefix", "localedir"))
    place = os.path.join(prefix, folder)
    # The mount point may be missing, and may be made on a file system of the mount namespace only.
    there = place
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    mount = 'if [ "$1" != "$2" ]; then mount -t tmpfs none "$2" && mkdir -p "$1"; fi && mount --bind "$0" "$1" && shift 2 && exec "$@"'
    prepare = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]), "sh", "-c", mount, (build_dir / "po").resolve(), place, there]
    if shutil.which("unshare") is None or subprocess.run([*prepare, "true"], stderr=subprocess.DEVNULL).returncode:
        give_up("mount namespaces are not allowed here")

    def run(language, program, *arguments):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LANGUAGE": language}
        process = subprocess.run([*prepare, (build_dir / "tools" / program).resolve(), *arguments], capture_output=True, text=True,
                                 env=environment, timeout=60)
        return process.returncode, process.stdout, process.stderr

    return run


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_fits_80_columns(command, language, speaking):
    status, out, err = speaking(language, *command)
    assert (status, err) == (0, "")
    assert re.search(LANGUAGES[language], out)
    assert [line for line in out.splitlines() if width(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_with_a_command_explains_the_command(command, program):
    outcome = program.run("help", command)
    assert outcome == program.run(command, "--help") and f"virt-vsmmu {command}" in outcome.out


def test_help_alone_is_that_of_the_program(program):
    outcome = program.run("help")
    assert outcome == program.run("help", "--help") == program.run("--help") and "Commands:" in outcome.out


@pytest.mark.parametrize("arguments, message", [
    (["help", "nonsense"], "unknown command 'nonsense'; see 'virt-vsmmu --help'"),
    (["help", "chekc"], "unknown command 'chekc'; did you mean 'check'?"),
    (["help", "check", "args"], "unexpected argument 'args'; see 'virt-vsmmu --help'"),
    (["chekc"], "unknown command 'chekc'; did you mean 'check'?"),
    (["VERIFY"], "unknown command 'VERIFY'; did you mean 'verify'?"),
    (["frobnicate"], "unknown command 'frobnicate'; see 'virt-vsmmu --help'"),
    (["check", "--fromat=json", "-"], "unknown option '--fromat=json'; did you mean '--format'?"),
    (["check", "--thishost", "-"], "unknown option '--thishost'; did you mean '--this-host'?"),
    (["check", "--format", "json", "--recusrive", "-"], "unknown option '--recusrive'; did you mean '--recursive'?"),
    (["check", "--hlep"], "unknown option '--hlep'; did you mean '--help'?"),
    (["check", "--frobnicate"], "unknown option '--frobnicate'; see 'virt-vsmmu check --help'"),
    (["check", "-Z"], "unknown option '-Z'; see 'virt-vsmmu check --help'"),
    (["check", "--format", "jsn", "-"], "invalid value 'jsn' for --format; did you mean 'json'?"),
    (["check", "--format=yaml", "-"], "invalid value 'yaml' for --format; use one of text, json, sarif, checkstyle, gitlab"),
    (["check", "--color=olways", "-"], "invalid value 'olways' for --color; did you mean 'always'?"),
    (["graph", "-f", "sgv", "-"], "invalid value 'sgv' for --format; did you mean 'svg'?"),
    (["args", "--syntax=legcay", "-"], "invalid value 'legcay' for --syntax; did you mean 'legacy'?"),
    (["check", "--ignore=needs-kmv", "-"], "unknown rule 'needs-kmv'; did you mean 'needs-kvm'?"),
    (["check", "--ignore=no-such-thing", "-"], "unknown rule 'no-such-thing'; 'virt-vsmmu explain' lists all rules"),
    (["explain", "needs-kmv"], "unknown rule 'needs-kmv'; did you mean 'needs-kvm'?"),
])
def test_what_is_misspelled_is_recognized(arguments, message, program):
    outcome = program.run(*arguments)
    assert (outcome.status, outcome.out, outcome.err) == (2, "", f"virt-vsmmu: {message}\n")


def test_what_is_misspelled_is_recognized_in_german(speaking):
    assert speaking("de", "virt-vsmmu", "chekc") == (2, "", "virt-vsmmu: unbekannter Befehl 'chekc'; war 'check' gemeint?\n")


def test_the_daemon_recognizes_its_options(build_dir):
    process = subprocess.run([build_dir / "tools" / "virt-vsmmud", "--sesion"], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})
    assert (process.returncode, process.stderr) == (2, "virt-vsmmud: unknown option '--sesion'; did you mean '--session'?\n")


@pytest.mark.parametrize("option", ["--help", "-h", "--version", "-V"])
def test_the_hook_tells_who_it_is(option, build_dir):
    process = subprocess.run([build_dir / "tools" / "virt-vsmmu-hook", option], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("Usage:\n" if "h" in option else "virt-vsmmu-hook ")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_guest_may_be_called_like_an_option_of_the_hook(option, build_dir):
    """As libvirt calls it, the first argument is the name of a guest, whatever it is."""
    process = subprocess.run([build_dir / "tools" / "virt-vsmmu-hook", option, "prepare", "begin", "-"], input="<domain", capture_output=True,
                             text=True, timeout=60, env={"LC_ALL": "C.UTF-8", "VIRT_VSMMU_CONF": "/dev/null"})
    assert (process.returncode, process.stdout) == (1, "") and f"guest '{option}' was refused" in process.stderr
