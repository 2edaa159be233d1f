"""The qemu hook refuses what cannot work on this host, in libvirt's own words, and leaves everything else alone."""

import contextlib
import os
import pathlib
import re
import select
import shlex
import signal
import socket
import subprocess
import syslog
import time
from xml.sax.saxutils import quoteattr

import pytest

import bed
import hosts
import machines
import odd
from conftest import require_trees, running_daemon
from means import give_up
from hook import Answer, Hook, guest, hostdev
from waiting import PATIENCE, await_true
from stuck import Stuck

unsanitized = pytest.mark.unsanitized("sanitizers take more memory than that")
A, A_OTHER, B = "0000:21:00.0", "0000:22:00.0", "0000:61:00.0"


GOOD = guest(A, A_OTHER)
TWO_SMMUS = guest(A, B)
EMULATED = guest(driver="pciBus='1'", kind="qemu")


@pytest.fixture(scope="module")
def make_hook(build_dir):
    """Hooks on hosts, by their entries."""
    if os.geteuid() != 0:
        give_up("the hook is shown a made-up host in a mount namespace, which needs root")
    made = []

    def make(entries):
        made.append(Hook(build_dir / "tools" / "virt-vsmmu-hook", entries))
        return made[-1]

    yield make
    for hook in made:
        hook.remove()


def emulated_host():
    """The captured machine with two SMMUs; devices of A are alone in their groups. Reading a whole host does not need the lists
    of the groups, so they are not in the listing."""
    entries = hosts.entries_of((hosts.LISTINGS / "emulated.sysfs").read_text(encoding="utf-8"))
    for path, target in list(entries.items()):
        device, name = os.path.split(path)
        if name == "iommu_group" and device.startswith("sys/devices/"):
            members = f"sys/kernel/iommu_groups/{os.path.basename(target)}/devices"
            entries[f"{members}/{os.path.basename(device)}"] = os.path.relpath(device, members)
    return entries


@pytest.fixture(scope="module")
def emulated(make_hook):
    return make_hook(emulated_host())


@pytest.fixture
def hook(emulated):
    """The hook on that machine, without configuration."""
    emulated.conf.unlink(missing_ok=True)
    emulated.read_log()
    return emulated


SILENCE = Answer(0, "", "", [])


def can_speak(hook):
    """Silence says something only of a program that can: whether this one refuses another guest, without configuration."""
    kept = hook.conf.read_text(encoding="utf-8") if hook.conf.exists() else None
    hook.conf.unlink(missing_ok=True)
    answer = hook.call(TWO_SMMUS)
    if kept is not None:
        hook.configure(kept)
    return answer.status == 1 and REFUSED in answer.err


def has_nothing_to_say(hook, xml, *call):
    return hook.call(xml, *call) == SILENCE and can_speak(hook)


#
# The hook alone
#

REFUSED = "guest 'guest' was refused: 0000:61:00.0 is behind smmu3.0x000000000c020000 on the host"


@pytest.mark.parametrize("operation", ["prepare", "migrate", "restore"])
def test_devices_of_two_smmus_are_refused(hook, operation):
    answer = hook.call(TWO_SMMUS, operation)
    assert (answer.status, answer.out) == (1, "")
    assert REFUSED in answer.err and "[host-smmu-mismatch]" in answer.err and "hint: add a" in answer.err
    assert len(answer.log) == 1 and "[host-smmu-mismatch]; hint: add a" in answer.log[0]


@pytest.mark.parametrize("operation", ["prepare", "migrate", "restore", "reconnect"])
@pytest.mark.parametrize("xml", [GOOD, EMULATED], ids=["good", "emulated vSMMU"])
def test_what_works_passes_silently(hook, operation, xml):
    assert has_nothing_to_say(hook, xml, operation)


@pytest.mark.parametrize("name", odd.METADATA)
@pytest.mark.parametrize("xml", [GOOD, EMULATED], ids=["good", "emulated vSMMU"])
def test_what_others_keep_in_metadata_keeps_no_guest_from_starting(hook, xml, name):
    """Whatever libvirt takes there: deeper, more of it, and in more namespaces than we read anywhere else."""
    metadata = re.search("<metadata>.*</metadata>", odd.METADATA[name], re.DOTALL)[0]
    assert has_nothing_to_say(hook, xml.replace("<name>", metadata + "<name>"))


@pytest.mark.parametrize("operation, phase", [
    ("start", "begin"), ("started", "begin"), ("stopped", "end"), ("release", "end"), ("attach", "begin"),
    ("prepare", "end"), ("something", "begin"),
])
def test_other_operations_are_none_of_its_business(hook, operation, phase):
    assert has_nothing_to_say(hook, TWO_SMMUS, operation, phase)


def with_arguments(xml, *arguments):
    lines = "".join(f"<qemu:arg value={quoteattr(argument)}/>" for argument in arguments)
    return (xml.replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ", 1)
            .replace("</domain>", f"<qemu:commandline>{lines}</qemu:commandline></domain>"))


PLAIN = guest(kind="kvm", driver="")
SPELLINGS = [("-device", "arm-smmuv3,primary-bus=pci.1,accel=y"), ("--device", "arm-smmuv3,primary-bus=pci.1,accel=on"),
             ("-device", '{"driver":"arm-smmuv3","primary-bus":"pci.1","accel":true}'), ("-global", "arm-smmu.accel=on"),
             ("-device", "arm-smmuv3,primary-bus=pci.1,accel=on,anything=1"), ("-readconfig", "/etc/x.conf")]


@pytest.mark.parametrize("arguments", SPELLINGS, ids=" ".join)
@pytest.mark.parametrize("xml", [PLAIN, EMULATED, GOOD], ids=["plain", "emulated", "accelerated"])
def test_a_vsmmu_in_another_spelling_is_refused(hook, xml, arguments):
    answer = hook.call(with_arguments(xml, *arguments))
    assert answer.status == 1 and "commandline-not-understood" in answer.err
    assert any("[commandline-not-understood]; hint: remove '-" in line for line in answer.log)


@pytest.mark.parametrize("xml", [PLAIN, EMULATED], ids=["plain", "emulated"])
def test_arguments_of_other_guests_pass_silently(hook, xml):
    xml = with_arguments(xml, "-fw_cfg", "name=opt/x,string=-device", "-device", "virtio-rng-pci,id=arm-smmuv3", "-object",
                         "iommufd,id=iommufd0", "-global", "vfio-pci.iommufd=iommufd0", "-set", "drive.d.cache=none", "-future")
    assert has_nothing_to_say(hook, xml)


def test_a_guest_that_runs_is_left_alone_and_the_log_says_what_is_wrong(hook):
    answer = hook.call(TWO_SMMUS, "reconnect")
    assert (answer.status, answer.out, len(answer.log)) == (0, "", 1)
    assert "[host-smmu-mismatch]" in answer.log[0] and "[host-smmu-mismatch]" in answer.err
    assert "was refused" not in answer.err


@unsanitized
def test_not_even_want_of_memory_kills_a_guest_that_runs(hook):
    document = TWO_SMMUS.replace("<name>", "<!--" + "x" * (30 << 20) + "--><name>")
    limited = ["prlimit", "--as=80000000", hook.script, "guest"]
    options = {"input": document.encode(), "capture_output": True}
    assert subprocess.run([*limited, "prepare", "begin", "-"], **options).returncode != 0
    assert subprocess.run([*limited, "reconnect", "begin", "-"], **options).returncode == 0


#
# What has no meaning, and what cannot be read
#

PLAIN = re.sub("<iommu .*\n", "", GOOD)
LOWERED = "urn:libvirt-vsmmu:lowered:1"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"

# By what they are; each is well-formed inside <metadata>, and the last ones are well-formed elsewhere too.
CONTENTS = {
    "129 deep": "".join(f"<a{i}>" for i in range(129)) + "".join(f"</a{i}>" for i in reversed(range(129))),
    "65 namespaces": "".join(f"<p{i}:a xmlns:p{i}='urn:{i}'/>" for i in range(65)),
    "257 attributes": "<a " + " ".join(f"a{i}=''" for i in range(257)) + "/>",
    "200,001 elements": "<a/>" * 200001,
    "8 MiB": f"<a>{'x' * (8 << 20)}</a>",
    "an end in an attribute": "<a b='</x></metadata>' c=\"/>'\"/>".replace("</x></", "&lt;/"),
    "an end in a comment": "<!-- </metadata></domain> <a '\" -->",
    "an end in CDATA": "<a><![CDATA[</metadata></domain><a '\"]]></a>",
    "an end in an instruction": "<?a </metadata></domain><b> ' ?>",
    "metadata in metadata": "<metadata><metadata/><x:metadata xmlns:x='urn:x'></x:metadata></metadata>",
    "a vSMMU": "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>",
    "arguments": f"<qemu:commandline xmlns:qemu='{QEMU}'><qemu:arg value='-device'/><qemu:arg value='arm-smmuv3,accel=on'/></qemu:commandline>",
    "originals": f"<v:lowered xmlns:v='{LOWERED}'><v:original of='metadata'>&lt;iommufd enabled='yes'/&gt;</v:original></v:lowered>",
    "slashes and quotes": "<a b='/' c=\"'\" >/&gt;'\"</a\n><b\n/>",
}
OPERATIONS = ["prepare", "migrate", "restore", "reconnect"]
MODES = ["enforce", "warn", "off"]


def with_metadata(xml, content):
    """Where libvirt has it; no line moves."""
    return xml.replace("</name>", f"</name><metadata>{content}</metadata>")


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_metadata_change_nothing(hook, content):
    lines = "\n" * content.count("\n")
    n_cases = 0
    for mode in MODES:
        hook.configure(f"[policy]\nmode={mode}\n")
        for operation in OPERATIONS:
            for xml in (PLAIN, EMULATED, GOOD, TWO_SMMUS):
                without = hook.call(xml.replace("</name>", "</name>" + lines), operation)
                assert hook.call(with_metadata(xml, content), operation) == without
                assert without.status == (expected(operation, mode) if xml == TWO_SMMUS else 0)
                assert xml == TWO_SMMUS or without == SILENCE
                n_cases += 1
    print(f"{n_cases} cases")


def test_only_the_metadata_of_the_domain_are_left_out(hook):
    """Not what has that name elsewhere, or another prefix, and not what comes behind."""
    for text in ("<devices><metadata/>", "<devices><metadata>", "<x:metadata xmlns:x='urn:x'/><devices>", "<metadatas/><devices>",
                "<metadata/><metadata></metadata><devices>"):
        document = TWO_SMMUS.replace("<devices>", text)
        if text.endswith("<metadata>"):
            document = document.replace("</devices>", "</metadata></devices>")
        assert hook.call(document).status == int(not text.endswith("<metadata>")), text


# As they may stand in a document that is too much for us; libvirt would not have most of them.
UNREADABLE = ["129 deep", "65 namespaces", "257 attributes", "200,001 elements"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused_where_it_may_concern_us(hook, name):
    n_cases = 0
    for mode in MODES:
        hook.configure(f"[policy]\nmode={mode}\n")
        for operation in OPERATIONS:
            for xml in (PLAIN, GOOD):
                answer = hook.call(xml.replace("</name>", f"</name><sysinfo>{CONTENTS[name]}</sysinfo>"), operation)
                is_said = xml == GOOD and mode != "off"
                assert answer.status == int(is_said and mode == "enforce" and operation != "reconnect")
                assert ("could not be checked" in answer.err) == (len(answer.log) == 1) == is_said
                n_cases += 1
    print(f"{n_cases} cases")


@unsanitized
@pytest.mark.parametrize("xml", [PLAIN, EMULATED, GOOD], ids=["plain", "emulated vSMMU", "good"])
def test_metadata_cost_no_memory(hook, xml):
    """96 MiB of it, as several calls of setMetadata can make of a guest, in an address space with less."""
    document = with_metadata(xml, f"<a>{'x' * (96 << 20)}</a>").encode()
    run = subprocess.run(["prlimit", "--as=80000000", hook.script, "guest", "prepare", "begin", "-"], input=document,
                         capture_output=True)
    assert (run.returncode, run.stderr) == (0, b"") and can_speak(hook)


def test_a_document_without_end_is_read_in_bounded_memory(hook):
    document = GOOD.replace("</name>", "</name><description>" + "x" * (33 << 20) + "</description>")
    for operation in OPERATIONS:
        answer = hook.call(document, operation)
        assert answer.status == int(operation != "reconnect") and "larger than 32 MiB" in answer.err


#
# What hangs, and what is broken around it
#

def read_to_end(pipe):
    """What is in a pipe, whose end must come: libvirt waits for it."""
    read = b""
    deadline = time.monotonic() + 20
    while True:
        assert select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0], "somebody has the pipe still"
        chunk = os.read(pipe.fileno(), 65536)
        if not chunk:
            return read
        read += chunk


class Call:
    """A call of the hook that goes on; `input` is not closed before wait()."""

    def __init__(self, hook, operation, xml=b"", prefix=(), **options):
        self.begun = time.monotonic()
        self.process = subprocess.Popen([*prefix, hook.script, "guest", operation, "begin", "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, **options)
        self.process.stdin.write(os.fsencode(xml))
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        return self

    def processes(self):
        """Of the hook, the youngest first; before them there are others, which make its file system."""
        def below(pid):
            with contextlib.suppress(OSError):
                for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    yield from below(int(child))
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                handled = int(re.search(r"^SigCgt:\s+(\w+)", status, re.MULTILINE)[1], 16)
                if "Name:\tvirt-vsmmu-hook\n" in status and handled >> (signal.SIGALRM - 1) & 1:
                    yield pid
        return list(below(self.process.pid))

    def kill(self, number, n_processes, which=0):
        """Sends a signal to one of its processes, once there are so many; Linux sleeps in what they wait for."""
        await_true(lambda: len(self.processes()) == n_processes)
        os.kill(self.processes()[which], number)

    def wait(self):
        """(status, standard error) and all pipes at their end, as libvirt waits for it; no longer than a hang may take."""
        status = self.process.wait(PATIENCE)
        assert read_to_end(self.process.stdout) == b""
        err = read_to_end(self.process.stderr).decode()
        self.seconds = time.monotonic() - self.begun
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return status, err


def expected(operation, mode="enforce"):
    return int(operation in OPERATIONS[:3] and mode == "enforce")


@unsanitized
def test_a_host_that_does_not_answer_blocks_nobody(make_hook):
    """A device in /sys hangs in the kernel, so that not even SIGKILL ends who looks."""
    calls = {}
    hooks = {mode: make_hook(emulated_host()) for mode in ("warn", "enforce")}
    with contextlib.ExitStack() as mounts:
        stuck = []
        for mode, hook in hooks.items():
            hook.configure(f"[policy]\nmode={mode}\n[hook]\ntimeout=2\n")
            try:
                stuck.append(mounts.enter_context(Stuck(hook.host / "sys/devices/pci0000:20/0000:20:00.0" / A)))
            except OSError as error:
                give_up(f"no file system that hangs can be mounted: {error}")
            for operation in OPERATIONS:
                calls[operation, mode] = Call(hook, operation, GOOD).close()
        for (operation, mode), call in calls.items():
            status, err = call.wait()
            assert status == expected(operation, mode), (operation, mode)
            assert "the check took longer than 2 seconds" in err, (operation, mode)
            assert call.seconds >= 2
        assert all(one.waiting for one in stuck)
    assert sum("took longer" in line for hook in hooks.values() for line in hook.read_log()) == len(calls)
    print(f"{len(calls)} cases")


@pytest.mark.slow("the hook itself waits for ten seconds")
@unsanitized
def test_a_check_that_does_not_end_blocks_nobody(hook, make_hook):
    """Input, a configuration, and processes that are stopped; all at once, as each waits for ten seconds."""
    hook.configure("[policy]\nmode=warn\n")
    blocked = make_hook(emulated_host())
    os.mkfifo(blocked.conf)
    late, unheard = "took longer than 10 seconds", "did not provide the complete XML within 10 seconds"
    calls = [("warn", operation, unheard, Call(hook, operation, GOOD)) for operation in OPERATIONS]
    calls.append(("warn", "started", "", Call(hook, "started", GOOD)))
    for operation in OPERATIONS:
        is_apart = operation == "reconnect"
        calls.append(("enforce", operation, late, Call(blocked, operation, GOOD).close()))
        calls.append(("enforce", operation, unheard, Call(blocked, operation, GOOD)))
        calls.append(("enforce", operation, late, Call(blocked, operation, TWO_SMMUS).close()))
        calls[-1][-1].kill(signal.SIGSTOP, 2 + is_apart)
    calls.append(("enforce", "reconnect", "", Call(blocked, "reconnect", GOOD)))
    calls[-1][-1].kill(signal.SIGSTOP, 2)
    for mode, operation, word, call in calls:
        status, err = call.wait()
        assert status == expected(operation, mode) and word in err, (mode, operation, word)
        assert (err != "") == (word != "") and call.seconds < 40
    hook.read_log()
    print(f"{len(calls)} cases")


@unsanitized
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT], ids=lambda number: number.name)
def test_whatever_becomes_of_the_check_there_is_an_answer(make_hook, number):
    """It waits for its configuration meanwhile."""
    hook = make_hook(emulated_host())
    os.mkfifo(hook.conf)
    for operation in OPERATIONS:
        call = Call(hook, operation, TWO_SMMUS).close()
        call.kill(number, 2 + (operation == "reconnect"))
        status, err = call.wait()
        assert status == expected(operation) and f"the check was terminated by signal {int(number)}" in err, operation


@unsanitized
@pytest.mark.parametrize("which", [0, 1], ids=["reader", "who waits for it"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV, signal.SIGKILL],
                         ids=lambda number: number.name)
def test_whatever_becomes_of_the_reader_a_running_guest_lives(hook, number, which):
    call = Call(hook, "reconnect", TWO_SMMUS)
    call.kill(number, 2, which)
    status, err = call.close().wait()
    # Who only waits lets the other one say what there is to say.
    assert which == 0 or status != 0 or "host-smmu-mismatch" in err
    hook.read_log()
    # Of libvirt's own process there is only one.
    assert status == 0 or (which == 1 and status == -number and number in (signal.SIGSEGV, signal.SIGKILL))


@unsanitized
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPIPE],
                         ids=lambda number: number.name)
def test_a_signal_refuses_a_start_and_kills_no_guest(hook, number):
    for operation in OPERATIONS:
        call = Call(hook, operation, GOOD)
        call.kill(number, 1 + (operation == "reconnect"), -1)
        if number == signal.SIGPIPE:
            assert call.close().wait() == (0, "") and can_speak(hook)
            continue
        if operation == "reconnect":
            call.close()
        status, err = call.wait()
        assert status == expected(operation), operation
        assert operation == "reconnect" or f"terminated by signal {int(number)}" in err


@unsanitized
def test_it_does_not_matter_what_the_hook_inherits(hook, build_dir):
    """Signals that are ignored and blocked, as libvirtd may have them; and closed descriptors."""
    def inherit():
        for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    for operation in OPERATIONS:
        # A shell in between is slow without SIGCHLD, so that it is on this host.
        run = subprocess.run([build_dir / "tools" / "virt-vsmmu-hook", "guest", operation, "begin", "-"], input=b"<domain",
                             preexec_fn=inherit, capture_output=True, timeout=60, env={"VIRT_VSMMU_CONF": "/nonexistent"})
        assert run.returncode == expected(operation) and b"could not be checked: <stdin>" in run.stderr
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        for operation in OPERATIONS:
            run = subprocess.run(["sh", "-c", f'exec "$0" guest {operation} begin - {closed}', hook.script], input=os.fsencode(TWO_SMMUS))
            assert run.returncode == expected(operation), (closed, operation)
            hook.read_log()


@unsanitized
def test_it_opens_nothing_that_it_does_not_need(hook):
    """While it waits for its input it has the three descriptors that libvirt gave it."""
    call = Call(hook, "prepare", TWO_SMMUS)
    await_true(lambda: len(call.processes()) == 1)
    await_true(lambda: sorted(os.listdir(f"/proc/{call.processes()[0]}/fd")) == ["0", "1", "2"])
    status, err = call.close().wait()
    assert status == 1 and REFUSED in err
    hook.read_log()


@unsanitized
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2],
                         ids=lambda number: number.name)
def test_a_signal_that_was_blocked_ends_the_wait_all_the_same(build_dir, number):
    """Without a shell in between, which would unblock it."""
    for operation in OPERATIONS[:3]:
        hook = subprocess.Popen([build_dir / "tools" / "virt-vsmmu-hook", "guest", operation, "begin", "-"], stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env={"VIRT_VSMMU_CONF": "/nonexistent"},
                                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {number}))
        with hook:
            await_true(lambda: handles_alarms(hook.pid))
            hook.send_signal(number)
            assert f"terminated by signal {int(number)}" in hook.stderr.read()
        assert hook.returncode == expected(operation), operation


def handles_alarms(pid):
    """Whether that process is a hook that is ready for signals."""
    handled = int(re.search(r"^SigCgt:\s+(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1], 16)
    return handled >> (signal.SIGALRM - 1) & 1


@unsanitized
@pytest.mark.slow("the hook is killed in each operation, and its processes may take five seconds to end")
def test_no_check_outlives_its_hook(make_hook):
    """It waits for its configuration, which nobody writes."""
    hook = make_hook(emulated_host())
    os.mkfifo(hook.conf)
    for operation in OPERATIONS:
        call = Call(hook, operation, TWO_SMMUS).close()
        n_processes = 2 + (operation == "reconnect")
        await_true(lambda: len(call.processes()) == n_processes)
        processes = call.processes()
        os.kill(processes[-1], signal.SIGKILL)
        # All end by themselves after ten seconds.
        await_true(lambda: not any(is_hook(pid) for pid in processes), 5)
        call.wait()


def is_hook(pid):
    """Whether that process is there, and more than a zombie."""
    try:
        return re.search(r"^State:\t([A-Z])", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1] not in "ZX"
    except OSError:
        return False


# What a shell puts in the place of standard input, and what is then said of it; a closed one becomes /dev/null.
NO_INPUT = {"<&-": "<stdin>", "</dev/null": "<stdin>", ">/dev/null 0>&1": "cannot read: Bad file descriptor", "</": "cannot read: Is a directory"}


@unsanitized
@pytest.mark.parametrize("redirection", NO_INPUT)
def test_input_that_cannot_be_read_refuses_a_start_and_kills_no_guest(hook, redirection):
    for operation in OPERATIONS:
        run = subprocess.run(["sh", "-c", f'exec "$0" guest {operation} begin - {redirection}', hook.script], capture_output=True,
                             text=True, timeout=60, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        assert run.returncode == expected(operation), operation
        assert "could not be checked: <stdin>" in run.stderr and NO_INPUT[redirection] in run.stderr
        assert ("cannot read" in run.stderr) == ("cannot read" in NO_INPUT[redirection])
        assert len(hook.read_log()) == 1


# A root directory that has all that the hook needs, but no /sys.
WITHOUT_SYS = """set -e
mount -t tmpfs none /mnt
for directory in /usr /bin /lib* /etc "$BUILD" "$HOOK"; do
  if [ -h "$directory" ]; then cp -P "$directory" /mnt; else mkdir -p "/mnt$directory"; mount --rbind "$directory" "/mnt$directory"; fi
done
mkdir /mnt/dev
mount --bind "$HOOK/host/dev" /mnt/dev
exec chroot /mnt "$BUILD/tools/virt-vsmmu-hook" guest "$0" begin -
"""


@unsanitized
@pytest.mark.parametrize("mode", MODES)
def test_a_host_that_cannot_be_looked_at_refuses_a_start_and_kills_no_guest(hook, build_dir, mode):
    hook.configure(f"[policy]\nmode={mode}\n")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "BUILD": str(build_dir.resolve()), "HOOK": str(hook.directory),
                   "VIRT_VSMMU_CONF": str(hook.conf)}
    for operation in OPERATIONS:
        run = subprocess.run(["unshare", "--mount", "sh", "-c", WITHOUT_SYS, operation], input=GOOD, capture_output=True, text=True,
                             timeout=60, env=environment)
        assert run.returncode == expected(operation, mode), (operation, run.stderr)
        assert ("could not be checked: '/' is not the root of a host" in run.stderr) == (mode != "off")
        assert ("was refused" in run.stderr) == bool(run.returncode)
        assert len(hook.read_log()) == (mode != "off")
    assert can_speak(hook)


@unsanitized
def test_a_log_that_nobody_reads_changes_no_answer(make_hook):
    calls = {}
    for mode in ("enforce", "warn"):
        hook = make_hook(emulated_host())
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with filler, contextlib.suppress(BlockingIOError):
            filler.connect(str(hook.host / "dev" / "log"))
            while True:
                filler.send(b"<3>x[1]: x")
        hook.configure(f"[policy]\nmode={mode}\n[hook]\ntimeout=1\n")
        for operation in OPERATIONS:
            for xml in (GOOD, TWO_SMMUS, "<domain"):
                calls[mode, operation, xml] = Call(hook, operation, xml).close()
    for (mode, operation, xml), call in calls.items():
        status, err = call.wait()
        assert status == (0 if xml == GOOD else expected(operation, mode)), (mode, operation)
        assert xml != TWO_SMMUS or mode == "warn" or operation == "reconnect" or REFUSED in err
    print(f"{len(calls)} cases")


def test_the_first_error_is_told_with_the_rules_of_all_others(hook):
    answer = hook.call(TWO_SMMUS.replace("<acpi/>", "").replace("type='kvm'", "type='qemu'"))
    first, hint, others = answer.err.splitlines()
    assert first.endswith("[needs-kvm]") and hint.startswith("    hint: ")
    assert others == "    and 2 more errors: needs-acpi, host-smmu-mismatch"
    assert [line.split("[")[1].split("]")[0] for line in answer.log] == ["needs-kvm", "needs-acpi", "host-smmu-mismatch"]


# A device on pcie.0, behind no vSMMU.
OUTSIDE = GOOD.replace("<memballoon", hostdev("0000:01:00.0", 0).replace("bus='0x00' slot='0x00'", "bus='0x00' slot='0x08'")
                       + "<memballoon")


@pytest.mark.parametrize("xml, mode, rule", [(OUTSIDE, "enforce", "hostdev-outside-vsmmu"),
                                             (TWO_SMMUS, "warn", "host-smmu-mismatch")], ids=["warning", "error"])
def test_a_warning_is_logged_once(hook, xml, mode, rule):
    """libvirt calls the hook for one guest to be restored, then to be prepared."""
    hook.configure(f"[policy]\nmode={mode}\n")
    assert hook.call(xml, "restore") == SILENCE
    answer = hook.call(xml)
    assert answer.status == 0
    assert [re.search(r"\[([a-z-]+)\]", line)[1] for line in answer.log] == [rule]
    assert answer.err == f"virt-vsmmu-hook: {answer.log[0]}\n"


def test_of_a_guest_that_runs_only_errors_are_told(hook):
    """A warning is for one that does not run yet."""
    assert hook.call(OUTSIDE, "reconnect") == SILENCE
    both = OUTSIDE.replace("<acpi/>", "")
    told = hook.call(both, "reconnect")
    assert told.status == 0 and re.findall(r"\[([a-z-]+)\]", told.err) == ["needs-acpi"] and len(told.log) == 1
    assert [re.search(r"\[([a-z-]+)\]", line)[1] for line in hook.call(both).log] == ["needs-acpi", "hostdev-outside-vsmmu"]
    assert hook.priorities == [syslog.LOG_DAEMON | syslog.LOG_ERR, syslog.LOG_DAEMON | syslog.LOG_WARNING]


@pytest.mark.parametrize("mode, status, n_logged", [("enforce", 1, 1), ("warn", 0, 1), ("off", 0, 0)])
def test_the_mode_says_whether_an_error_refuses(hook, mode, status, n_logged):
    hook.configure(f"[policy]\nmode={mode}\n")
    answer = hook.call(TWO_SMMUS)
    assert (answer.status, len(answer.log)) == (status, n_logged)
    assert can_speak(hook)


def test_rules_that_are_off_refuse_nothing(hook):
    hook.configure("[rules]\nhost-smmu-mismatch=off\n")
    assert has_nothing_to_say(hook, TWO_SMMUS)


@pytest.mark.parametrize("mode, status, n_logged", [("", 1, 1), ("mode=enforce", 1, 1), ("mode=warn", 0, 1), ("mode=off", 0, 0)])
@pytest.mark.parametrize("xml, rules, word", [
    (GOOD, "no-such-rule=off", "no-such-rule"),
    ("<domain", "", "not well-formed"),
    ("", "", "<stdin>"),
], ids=["broken configuration", "broken document", "no document"])
def test_what_cannot_be_checked_is_refused_under_enforce_and_always_said(hook, mode, status, n_logged, xml, rules, word):
    hook.configure(f"[policy]\n{mode}\n[rules]\n{rules}\n")
    answer = hook.call(xml)
    assert (answer.status, len(answer.log)) == (status, n_logged)
    assert n_logged == 0 or (word in answer.log[0] and word in answer.err)
    assert ("was refused because it could not be checked" in answer.err) == bool(status)
    assert hook.call(xml, "reconnect").status == 0
    assert has_nothing_to_say(hook, EMULATED)


def test_names_cannot_drive_a_terminal_or_forge_a_line_in_the_log(hook):
    answer = hook.call(TWO_SMMUS, guest="a\033[31m\nb")
    assert "guest 'a\\u001b[31m\\u000ab' was refused" in answer.err
    assert answer.log[0].startswith("guest 'a\\u001b[31m\\u000ab': ")


@pytest.mark.parametrize("operation", ["prepare", "started"])
def test_all_of_the_input_is_taken(hook, operation):
    """Or libvirt, or a pipe in a shell, would be left with a signal."""
    document = EMULATED.encode() + b"<!-- " + b"x" * (40 << 20) + b" -->"
    with subprocess.Popen([hook.script, "guest", operation, "begin", "-"], stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        process.stdin.write(document)
        process.stdin.close()
    assert process.returncode == expected(operation) and can_speak(hook)


@pytest.mark.parametrize("arguments", [[], ["guest"], ["guest", "prepare"]])
def test_other_uses_are_answered_with_the_right_one(hook, arguments):
    run = subprocess.run([hook.script, *arguments], capture_output=True, text=True)
    assert run.returncode == 2 and "usage: virt-vsmmu-hook GUEST OPERATION PHASE" in run.stderr


HOSTS = {"emulated": (emulated_host, A, A_OTHER, B, "0000:24:00.0", "0000:01:00.0", "0000:7f:00.0"),
         "grace": (lambda: machines.grace().entries(), "0009:01:00.0", "0008:01:00.0", "0002:01:00.2"),
         **{name: (lambda make=make: make().entries(), "0000:21:00.0", "0000:22:00.0", "0000:24:00.0", "0000:27:00.0")
            for name, make in machines.SMALL.items()}}


@pytest.mark.parametrize("name", HOSTS)
def test_what_is_read_for_one_guest_says_the_same_as_the_whole_host(make_hook, program, tmp_path, name):
    entries, *devices = HOSTS[name]
    hook = make_hook(entries())
    hook.configure("[policy]\nmode=warn\n")
    for pair in zip(devices, devices[1:] + devices[:1]):
        (tmp_path / "guest.xml").write_text(guest(*pair), encoding="utf-8")
        whole = program.check("--host", hook.host, tmp_path / "guest.xml").findings
        expected = [f"guest 'guest': {finding['message']} [{finding['rule']}]; hint: {finding['hint']}"
                    for finding in whole if finding["severity"] != "note"]
        assert hook.call(guest(*pair)).log == expected, pair


QEMU = """#!/bin/sh
case $* in
--version) echo "QEMU emulator version {version}" ;;
*arm-smmuv3*) printf "arm-smmuv3 options:\\n  accel=<bool>\\n  cmdqv=<OnOffAuto>\\n" ;;
*) printf "vfio-pci options:\\n  {vfio}=<any>\\n" ;;
esac
"""


@pytest.mark.parametrize(("version", "vfio", "rule"), [
    ("11.1.3", "iommufd", None), ("11.1.3", "host", "target-qemu-no-iommufd"), ("11.0.2", "iommufd", "target-qemu-no-auto")])
def test_the_emulator_that_will_be_started_is_asked(version, vfio, rule, emulated, tmp_path):
    emulated.configure("")
    emulator = tmp_path / "qemu"
    emulator.write_text(QEMU.format(version=version, vfio=vfio), encoding="utf-8")
    emulator.chmod(0o755)
    answer = emulated.call(guest(A, emulator=emulator))
    assert (answer.status != 0) == (rule is not None), answer.err
    assert rule is None or f"[{rule}]" in answer.err


#
# The hook of a real libvirtd
#

class Hooked:
    """A libvirtd with the hook, and what it calls its hooks with."""

    def __init__(self, hook, suite, directory):
        self.hook, self.suite, self.seen = hook, suite, directory / "seen"
        self.seen.mkdir()
        hooks = directory / "etc" / "hooks" / "qemu.d"
        hooks.mkdir(parents=True)
        seen = shlex.quote(f"/mnt{self.seen}")
        self.put(hooks / "10-record", f'#!/bin/sh\necho "$2 $3" >>{seen}/calls\ncat >{seen}/"$2".xml\n')
        self.put(hooks / "50-vsmmu", bed.script_for(hook.script, PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C"))
        self.etc = directory / "etc"

    @staticmethod
    def put(path, script):
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def run(self):
        return running_daemon(self.suite, self.etc)


@pytest.fixture(scope="module", params=[
    pytest.param(age, marks=pytest.mark.unsanitized("what the hook does for libvirt, it does alone too")) for age in ("newest", "oldest")])
def hooked(request, make_hook, tmp_path_factory):
    """The newest and the oldest libvirt, with the hook; `.daemon`, `.hook`, `.seen`."""
    suite = require_trees()[{"newest": -1, "oldest": 0}[request.param]]
    made = Hooked(make_hook(emulated_host()), suite, tmp_path_factory.mktemp("hooked"))
    with made.run() as daemon:
        made.daemon = daemon
        yield made


@pytest.fixture
def libvirtd(hooked):
    """The same, without configuration but for what TCG needs."""
    hooked.hook.configure("[rules]\nneeds-kvm=off\n")
    hooked.hook.read_log()
    return hooked


@pytest.fixture
def define(libvirtd, program, tmp_path):
    """Defines a domain as long as the test runs, lowered for a libvirt that does not know accelerated vSMMUs."""
    domains, libvirt = [], libvirtd.daemon.libvirt

    def define_one(xml):
        if libvirtd.suite == bed.oldest():
            (tmp_path / "guest.xml").write_text(xml, encoding="utf-8")
            xml = program.run("adapt", "--target", "libvirt=11.3,qemu=11.1", tmp_path / "guest.xml").out
        domains.append(libvirtd.daemon.connection.defineXML(xml).name())
        return domains[-1]

    yield define_one
    for name in domains:
        domain = libvirtd.daemon.connection.lookupByName(name)
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)


def virsh(libvirtd, *arguments):
    """(status, standard error) of the virsh of the tree."""
    run = subprocess.run(bed.command("exec", "virsh", "-c", f"qemu:///system?socket=/mnt{libvirtd.daemon.socket}", *arguments,
                                     suite=libvirtd.suite), capture_output=True, text=True, timeout=60)
    return run.returncode, run.stderr


def calls(libvirtd):
    return (libvirtd.seen / "calls").read_text(encoding="utf-8").split("\n")


def test_virsh_shows_why_a_start_is_refused(libvirtd, define):
    name = define(guest(A, B, kind="qemu"))
    status, error = virsh(libvirtd, "start", name)
    lines = error.splitlines()
    assert status == 1
    assert lines[0] == "error: Failed to start domain 'guest'"
    assert lines[1].startswith("error: Hook script execution failed: ")
    assert REFUSED in lines[1] and lines[1].endswith("[host-smmu-mismatch]")
    assert lines[2].startswith("    hint: add a pcie-expander-bus")
    assert len(libvirtd.hook.read_log()) == 1


@pytest.mark.parametrize("configuration, n_logged", [
    ("[policy]\nmode=warn\n", 2), ("[policy]\nmode=off\n", 0),
    ("[rules]\nneeds-kvm=off\nhost-smmu-mismatch=off\n", 0),
    ("[policy]\nmode=warn\n[rules]\nno-such-rule=off\n", 1),
])
def test_what_is_not_refused_comes_to_qemu(libvirtd, define, configuration, n_logged):
    """Which has its own reasons: there is no KVM, and none of the devices."""
    name = define(guest(A, B, kind="qemu"))
    assert REFUSED in virsh(libvirtd, "start", name)[1]
    libvirtd.hook.read_log()
    libvirtd.hook.configure(configuration)
    status, error = virsh(libvirtd, "start", name)
    assert status == 1 and "Hook script" not in error
    assert len(libvirtd.hook.read_log()) == n_logged


def test_a_broken_configuration_refuses_the_start_and_is_named(libvirtd, define):
    name = define(guest(A, kind="qemu"))
    libvirtd.hook.configure("[rules]\nneeds-kwm=off\n")
    status, error = virsh(libvirtd, "start", name)
    assert status == 1
    assert f"{libvirtd.hook.conf}: unknown rule 'needs-kwm'; did you mean 'needs-kvm'?" in error


@pytest.mark.slow("a guest starts and ends")
def test_a_guest_without_accelerated_vsmmus_lives_as_before(libvirtd, define, tmp_path):
    """Even when the configuration is broken."""
    name = define(EMULATED)
    libvirtd.hook.configure("nonsense")
    connection, libvirt = libvirtd.daemon.connection, libvirtd.daemon.libvirt
    domain = connection.lookupByName(name)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.save(f"/mnt{tmp_path}/saved")
    try:
        connection.restoreFlags(f"/mnt{tmp_path}/saved", None, libvirt.VIR_DOMAIN_SAVE_PAUSED)
    except libvirt.libvirtError as error:
        # This libvirt is too old for this QEMU there.
        assert libvirtd.suite == bed.oldest() and "migrate-incoming" in str(error)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain = restart(libvirtd, name)
    domain.destroy()
    assert libvirtd.hook.read_log() == []
    assert {"prepare begin", "start begin", "started begin", "stopped end", "release end", "restore begin",
            "reconnect begin"} <= set(calls(libvirtd))
    assert can_speak(libvirtd.hook)


def restart(libvirtd, name):
    """The domain after libvirtd died and came back, and has done with it what it does then."""
    before = calls(libvirtd).count("reconnect begin")
    libvirtd.daemon.crash()
    domain = libvirtd.daemon.connection.lookupByName(name)
    # Answered by QEMU, once libvirt has its connection to it again.
    domain.memoryStats()
    assert calls(libvirtd).count("reconnect begin") == before + 1
    return domain


# Runs a guest that has an accelerated vSMMU for all that libvirt knows, on a machine without KVM.
EMULATOR = """#!/bin/sh
for argument; do
  shift
  set -- "$@" "$(printf '%s' "$argument" | sed 's/,"accel":true//')"
done
exec /usr/bin/qemu-system-aarch64 "$@"
"""


@pytest.mark.slow("a guest starts, and libvirt is restarted")
def test_a_running_guest_survives_although_it_would_be_refused_now(libvirtd, define, tmp_path):
    """And the hook understands what libvirt tells its hooks of that guest all its life."""
    libvirtd.put(tmp_path / "emulator", EMULATOR)
    name = define(guest(kind="qemu", emulator=f"/mnt{tmp_path}/emulator"))
    status, error = virsh(libvirtd, "start", name, "--paused")
    assert status == 1 and "[vsmmu-empty]" in error
    libvirtd.hook.configure("[policy]\nmode=warn\n[rules]\nneeds-kvm=off\n")
    assert virsh(libvirtd, "start", name, "--paused") == (0, "")
    libvirtd.hook.configure("[rules]\nneeds-kvm=off\n")
    libvirtd.hook.read_log()
    domain = restart(libvirtd, name)
    assert domain.isActive()
    assert ["[vsmmu-empty]" in line for line in libvirtd.hook.read_log()] == [True]
    # For want of a second host, what libvirt would send there.
    libvirt = libvirtd.daemon.libvirt
    flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
    (libvirtd.seen / "migrate.xml").write_text(domain.XMLDesc(flags), encoding="utf-8")
    domain.destroy()
    for operation in ("prepare", "start", "started", "reconnect", "migrate", "stopped", "release"):
        answer = libvirtd.hook.call((libvirtd.seen / f"{operation}.xml").read_text(encoding="utf-8"))
        assert answer.status == 1 and "[vsmmu-empty]" in answer.err, operation
