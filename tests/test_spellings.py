"""Whether an SMMUv3 is accelerated is seen however it is said: each spelling is given to the real QEMU, and to us.

QEMU without KVM stops when it makes an accelerated SMMUv3, and says so; else it gets to the last device, which does not
exist. What a domain says in elements and overrides is given to QEMU as the real libvirt writes it.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest

import bed
import spellings
from program import DATA

pytestmark = pytest.mark.slow("QEMU starts for each spelling")

ANSWERS = {"on": "SMMUv3 accel=on requires KVM", "off": "'end' is not a valid device model name"}
END = '{"driver":"end"}'
# The last of the devices, which libvirt would make before those of the arguments in JSON.
EXPANDER = '{"driver":"pxb-pcie","bus_nr":64,"id":"pci.2","bus":"pcie.0","addr":"0x5"}'
JOBS = 2
OPTIONS_OF_LIBVIRT = ("-device", "-global", "-set", "-readconfig")

CASES = list(spellings.all_cases())


def script_of(jobs):
    """Starts each QEMU and prints its number and what it said last."""
    lines = ["q() { n=$1; shift; printf '%s\\t' $n; timeout 60 qemu-system-aarch64 -nodefaults -S -display none -m 64M -M virt \"$@\" "
             "</dev/null 2>&1 | tr '\\n\\t' '  ' | tail -c 4000; echo; }"]
    for number, (arguments, files) in jobs:
        lines += [f"printf %s {shlex.quote(text)} >{shlex.quote(name)}" for name, text in files.items()]
        lines.append(f"q {number} {shlex.join(arguments)} -device {shlex.quote(END)}")
    return "\n".join(lines)


def ask_qemu(jobs):
    """number → "on", "off", or what QEMU said when it refused."""
    process = subprocess.run(bed.command("exec", "bash", "-s"), input=script_of(jobs), capture_output=True, text=True, errors="replace",
                             check=True)
    said = dict(line.split("\t", 1) for line in process.stdout.splitlines() if "\t" in line)
    return {int(number): next((answer for answer, words in ANSWERS.items() if words in text), text.strip()) for number, text in said.items()}


def libvirts_arguments(daemon, case):
    """The options of libvirt's command line that are about devices, with those of the user; %NULL when libvirt refuses the domain."""
    try:
        argv = shlex.split(daemon.command_line(case.xml()))
    except daemon.libvirt.libvirtError:
        return None
    return [word for option, value in zip(argv, argv[1:]) if option.replace("--", "-") in OPTIONS_OF_LIBVIRT for word in (option, value)]


@pytest.fixture(scope="module")
def answers(debian_tree, libvirt_daemon):
    """number of the case → what QEMU makes of it"""
    jobs = []
    for number, case in enumerate(CASES):
        arguments = libvirts_arguments(libvirt_daemon, case) if case.needs_libvirt else ["-device", EXPANDER, *case.arguments]
        if arguments is not None:
            jobs.append((number, (arguments, case.files)))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        results = pool.map(ask_qemu, [jobs[start::JOBS] for start in range(JOBS)])
        return {number: answer for result in results for number, answer in result.items()}


def rules_by_file(program, paths):
    rules = collections.defaultdict(set)
    for finding in program.check(*paths).findings:
        rules[finding["file"]].add(finding["rule"])
    return rules


@pytest.fixture(scope="module")
def verdicts(program, tmp_path_factory):
    """number of the case → the rules that have findings, for the document as it is and lifted, and the lifted document"""
    directory = tmp_path_factory.mktemp("spellings")
    paths = [directory / f"{number}.xml" for number in range(len(CASES))]
    lifted = [directory / f"{number}-lifted.xml" for number in range(len(CASES))]
    for path, case in zip(paths, CASES):
        path.write_text(case.xml(), encoding="utf-8")
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for path, outcome in zip(lifted, pool.map(lambda path: program.run("adapt", "--lift", path), paths)):
            assert outcome.status == 0, outcome.err
            path.write_text(outcome.out, encoding="utf-8")
    rules = rules_by_file(program, paths + lifted)
    return [(rules[str(path)], rules[str(other)], other.read_text(encoding="utf-8")) for path, other in zip(paths, lifted)]


def is_seen(rules):
    """The rules ran: the domains of all cases lack what one of them wants."""
    return "needs-acpi" in rules


def show(number, answers):
    case = CASES[number]
    return f"{case.name}: {shlex.join(case.arguments)} {case.overrides or ''} {case.capabilities or ''}: QEMU {answers.get(number)}"


def test_what_qemu_accelerates_is_seen(answers, verdicts):
    accelerated = [number for number, answer in answers.items() if answer == "on"]
    missed = [show(number, answers) for number in accelerated if not is_seen(verdicts[number][0])]
    assert not missed, "\n".join(missed)
    # QEMU says which these are; a change of QEMU must not leave the test with nothing to compare.
    groups = collections.Counter(CASES[number].name.split("-")[0] for number in accelerated)
    assert groups.keys() >= {"legacy", "json", "global", "set", "config", "libvirt", "alignment"}
    print(f"{len(CASES)} spellings; QEMU accelerates {len(accelerated)}: {dict(groups)}")


def test_what_lifting_leaves_of_it_is_an_error(answers, verdicts):
    for number, answer in answers.items():
        _, rules, lifted = verdicts[number]
        if answer == "on":
            assert is_seen(rules), show(number, answers)
            assert "commandline-not-understood" in rules or "accel='on'" in lifted, show(number, answers)


def test_what_qemu_does_not_accelerate_has_no_findings(answers, verdicts):
    # What is harmless is so even where it cannot start here, for want of a /dev/iommu.
    quiet = [number for number, case in enumerate(CASES)
             if (answers.get(number) == "off" and not case.is_unclear) or case.name.startswith("harmless")]
    for number in quiet:
        assert verdicts[number][:2] == (set(), set()), show(number, answers)
    print(f"{len(quiet)} that are not accelerated have no findings")
    assert len(quiet) > 100


def test_what_libvirt_and_qemu_refuse_is_known(answers):
    """Most spellings start: a mistake in the arguments of all would make them compare nothing."""
    refused = [number for number in range(len(CASES)) if answers.get(number) not in ANSWERS]
    print(f"{len(refused)} are refused by libvirt or QEMU")
    if os.environ.get("VSMMU_SHOW_REFUSED"):
        print("\n".join(show(number, answers) for number in refused))
    assert len(refused) < len(CASES) / 2
    assert not [show(number, answers) for number in refused if CASES[number].name.startswith(("harmless", "machine"))
                and "iommufd" not in str(CASES[number].arguments)]


def test_the_table_of_options_is_that_of_qemu(debian_tree):
    """Each option that QEMU has, and no other, and whether it takes a value: in the words of the program's own help and errors."""
    source = (pathlib.Path(__file__).parent.parent / "src" / "domain" / "arguments.c").read_text(encoding="utf-8")
    known = {name: takes == "TRUE" for name, takes in re.findall(r'^  \{ "([^"]+)", (TRUE|FALSE), VSMMU_OPTION_', source, re.MULTILINE)}
    script = "\n".join(f"printf '%s\\t' {name}; timeout 60 qemu-system-aarch64 -{name} {'' if takes else '-no-such-option'} 2>&1 </dev/null "
                       "| tr '\\n' ' '; echo" for name, takes in known.items())
    script += "\nprintf 'every\\t'; qemu-system-aarch64 -help | grep '^-' | tr '\\n' '|'"
    said = dict(line.split("\t", 1) for line in subprocess.run(bed.command("exec", "bash", "-s"), input=script, capture_output=True, text=True,
                                                              check=True).stdout.splitlines())
    for name, takes in known.items():
        assert ("requires an argument" if takes else "-no-such-option: invalid option") in said[name], (name, said[name])
    shown = {name for line in said["every"].split("|") for name in re.findall(r"(?:^|/| or )--?([A-Za-z][\w-]*)", line.split("  ")[0])}
    assert len(shown) > 100 and not shown - known.keys()
    print(f"{len(known)} options, {len(known.keys() - shown)} of which -help does not show")


def test_the_classes_are_those_of_qemu(debian_tree):
    """What an SMMUv3 and a VFIO device of QEMU are besides, so that -global reaches them by that name."""
    source = (pathlib.Path(__file__).parent.parent / "src" / "domain" / "reach.c").read_text(encoding="utf-8")
    listed = {name: set(re.findall('"([^"]+)"', text)) for name, text in
              re.findall(r"const (smmu|vfio)_classes\[\] = \{(.*?)\};", source, re.DOTALL)}

    def ask(*commands):
        text = "".join(json.dumps({"execute": name, "arguments": arguments}) + "\n"
                       for name, arguments in (("qmp_capabilities", {}), *commands, ("quit", {})))
        process = subprocess.run(bed.command("exec", "qemu-system-aarch64", "-M", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"),
                                 input=text, capture_output=True, text=True, check=True)
        return [json.loads(line)["return"] for line in process.stdout.splitlines() if '"return"' in line][1:-1]

    every = [kind["name"] for kind in ask(("qom-list-types", {"abstract": True}))[0]]
    kinds = dict(zip(every, ask(*(("qom-list-types", {"implements": name}) for name in every))))
    for name, driver in (("smmu", "arm-smmuv3"), ("vfio", "vfio-pci"), ("vfio", "vfio-pci-nohotplug")):
        classes = {kind for kind, members in kinds.items() if driver in (member["name"] for member in members)}
        assert classes <= listed[name]
    assert listed["smmu"] == {kind for kind, members in kinds.items() if "arm-smmuv3" in (member["name"] for member in members)}
    print(f"{len(every)} classes")


UNCLEAR = sorted((DATA / "rules" / "commandline-not-understood").glob("fires*.xml"))


def test_all_subcommands_agree_on_what_is_not_understood(program):
    """It is in the findings of “check”; “args” refuses for it, “graph” counts it, and “msi” knows no way of any MSI."""
    for path in UNCLEAR:
        assert program.check(path).status == 1, path
        arguments = program.run("args", path)
        assert arguments.status == 1 and not arguments.out and "[commandline-not-understood]" in arguments.err, path
        assert program.run("graph", path).status == 1, path
        devices = json.loads(program.run("msi", "--format", "json", path).out)["devices"]
        assert {device["forecast"] for device in devices} == {"unresolvable"}, path
    print(f"{len(UNCLEAR)} documents")
