"""The documents: what they show is what the programs print, and what they describe is what there is.

In a console block, commands behind '$ ' are run, all those of one document in one folder, and what is shown below them must be
what they print; '[...]' as the last line leaves the rest out, and where nothing is shown only the status matters. A block that
cannot be run says why in a comment before it: '<!-- not run: REASON -->' in Markdown, '.. not run: REASON' in
reStructuredText. VSMMU_REGENERATE=1 writes what is shown anew.
"""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import dataclass

import pytest

import golden
from means import give_up

PROJECT = pathlib.Path(__file__).parent.parent
DOCS = PROJECT / "docs"
PAGES = sorted(path for path in DOCS.glob("*.rst") if ":Manual section:" in path.read_text(encoding="utf-8"))
MARKDOWN = [PROJECT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")] + sorted(DOCS.glob("*.md"))
SHOWING = [path for path in PAGES + MARKDOWN if path.name != "CONTRIBUTING.md"]
# What the files of the manual pages' examples are.
FILES = {"host.json": "examples/grace-host.json", "guest.xml": "examples/two-gpu-grace.xml", "ready.xml": "examples/hotplug-ready.xml", "gpu.xml": "examples/devices/gpu.xml",
         "grace.json": "examples/grace-host.json"}
REST = "[...]"
# How many blocks there are that nothing can be run of: a new one is a decision.
NOT_RUN = {"hosts.md": 1, "tour.md": 4, "virt-vsmmu-connect.rst": 1, "virt-vsmmu-hook.rst": 2, "virt-vsmmu.rst": 5, "virt-vsmmud.rst": 1, "vsmmu.rst": 3}


def name(path):
    return path.name


@dataclass
class Command:
    prompt: str
    text: str
    shown: list


@dataclass
class Block:
    """Lines first to last (exclusive) of a document, in which there are commands."""
    first: int
    last: int
    indent: str
    reason: str
    commands: list

    @property
    def matters(self):
        """It runs something of ours, or shows what somebody printed."""
        return any(command.shown or re.search(r"(^|[|;&] *|^[A-Z_]+=\S+ )virt-vsmmu", command.text) for command in self.commands)


def commands_of(lines):
    commands, goes_on = [], False
    for line in lines:
        if goes_on:
            commands[-1].text += "\n" + line
        elif match := re.match(r"([$#]) (.*)", line):
            commands.append(Command(match[1], match[2], []))
        else:
            commands[-1].shown.append(line)
            continue
        goes_on = line.endswith("\\")
    for command in commands:
        while command.shown and not command.shown[-1].strip():
            command.shown.pop()
    return commands


def blocks_of(path):
    """The console blocks of a document; in Markdown they are fenced, in reStructuredText literal blocks that begin with a prompt."""
    lines = path.read_text(encoding="utf-8").splitlines()
    reason, at = "", 0
    while at < len(lines):
        if match := re.match(r"(?:<!--|\.\.) not run: (.*?)(?: -->)?$", lines[at]):
            reason = match[1]
        elif lines[at] == "```console":
            end = lines.index("```", at)
            yield Block(at + 1, end, "", reason, commands_of(lines[at + 1:end]))
            reason, at = "", end
        elif path.suffix == ".rst" and lines[at].endswith("::") and at + 2 < len(lines) and not lines[at].startswith(".."):
            indent = re.match(" *", lines[at + 2])[0]
            end = at + 2
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(indent)):
                end += 1
            while not lines[end - 1].strip():
                end -= 1
            if re.match(r" *[$#] ", lines[at + 2]):
                yield Block(at + 2, end, indent, reason, commands_of([line[len(indent):] for line in lines[at + 2:end]]))
                reason = ""
            at = end - 1
        at += 1


@pytest.fixture
def folder(tmp_path, build_dir):
    """A place to run commands in, with the examples and listings of hosts, and the programs in its PATH."""
    for place in ("examples", "tests"):
        (tmp_path / place).symlink_to(PROJECT / place)
    for given, example in FILES.items():
        shutil.copy(PROJECT / example, tmp_path / given)
    return tmp_path


def printed(command, folder, build_dir):
    """What a command prints, on both its outputs, and its status."""
    environment = {"PATH": f"{build_dir / 'tools'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "HOME": os.fspath(folder)}
    process = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], cwd=folder, env=environment, timeout=120,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.stdout.decode("utf-8").rstrip("\n").splitlines(), process.returncode


def body(block, outputs):
    """The lines of a block with these outputs of its commands."""
    for command, output in zip(block.commands, outputs):
        yield from f"{command.prompt} {command.text}".split("\n")
        if command.shown:
            is_cut = command.shown[-1] == REST
            yield from output[:len(command.shown) - 1] + [REST] if is_cut else output


def is_run(block):
    return block.matters and not block.reason


@pytest.mark.parametrize("path", [path for path in SHOWING if any(map(is_run, blocks_of(path)))], ids=name)
def test_what_is_shown_is_what_is_printed(path, folder, build_dir):
    lines = path.read_text(encoding="utf-8").splitlines()
    exact, at = [], 0
    for block in blocks_of(path):
        exact += lines[at:block.first]
        at = block.last
        if not is_run(block):
            exact += lines[block.first:block.last]
            continue
        outputs = []
        for command in block.commands:
            assert command.prompt == "$", f"{path}:{block.first}: what is for root is not run: say why, with 'not run:'"
            if "--format svg" in command.text and shutil.which("dot") is None:
                give_up("'dot' is missing; './run test' installs it")
            output, status = printed(command.text, folder, build_dir)
            assert status in (0, 1), f"{path}: '{command.text}' ends with {status}: {output}"
            outputs.append(output)
        exact += [(block.indent + line).rstrip() for line in body(block, outputs)]
    if exact != lines[:at]:
        golden.compare(path, "\n".join(exact + lines[at:]) + "\n")


def test_what_cannot_be_run_is_counted():
    counted = {path.name: sum(block.matters and not is_run(block) for block in blocks_of(path)) for path in SHOWING}
    assert {key: value for key, value in counted.items() if value} == NOT_RUN


def section(text, title):
    """What is below a heading of a manual page, as far as the next one of its kind or a higher one."""
    match = re.search(rf"^{re.escape(title)}\n([=-])\1+\n", text, re.M)
    assert match, title
    rest = text[match.end():]
    end = re.search(r"^.+\n={3,}$" if match[1] == "=" else r"^.+\n(={3,}|-{3,})$", rest, re.M)
    return rest[:end.start()] if end else rest


def described_options(text):
    """(option, whether it takes a value) of the definitions in a section."""
    for line in re.findall(r"^(``-.*)\n  \S", text, re.M):
        takes = re.search(r"\*[A-Z.a-z]+\*", line) is not None
        yield from ((option, takes) for option in re.findall(r"``(--?[\w-]+)``", line))


def offered_options(text):
    """The same of what --help prints."""
    for match in re.finditer(r"^  (-\w)?(?:, )?(--[\w-]+)?(=?\S*)(?: ([A-Z]+))?(?:  |$)", text, re.M):
        short, long, value, word = match.groups()
        if short or long:
            yield from ((option, bool(value) or word is not None) for option in (short, long) if option)


def compare_options(help_text, page_text):
    ignored = {("-h", False), ("--help", False), ("-V", False), ("--version", False)}
    assert set(described_options(page_text)) - ignored == set(offered_options(help_text)) - ignored


def commands_offered(program):
    return re.findall(r"^  ([a-z]+)  ", section_of_help(program.run("--help").out, "Commands:"), re.M)


def section_of_help(text, title):
    return text.split(title + "\n", 1)[1].split("\n\n", 1)[0] + "\n"


def test_all_commands_are_described(program):
    page = (DOCS / "virt-vsmmu.rst").read_text(encoding="utf-8")
    described = re.findall(r"^(\w+)\n-+$", section(page, "COMMANDS"), re.M)
    assert sorted(described) == sorted(commands_offered(program))


def test_all_options_of_the_commands_are_described(program):
    page = (DOCS / "virt-vsmmu.rst").read_text(encoding="utf-8")
    for command in commands_offered(program):
        compare_options(program.run(command, "--help").out, section(page, command))


@pytest.mark.parametrize("command", ["virt-vsmmud", "virt-vsmmu-connect", "virt-vsmmu-hook"])
def test_all_options_of_the_other_programs_are_described(command, build_dir):
    output = subprocess.run([build_dir / "tools" / command, "--help"], capture_output=True, check=True, encoding="utf-8",
                            env={"LC_ALL": "C.UTF-8"}).stdout
    compare_options(output, section((DOCS / f"{command}.rst").read_text(encoding="utf-8"), "OPTIONS"))


@pytest.mark.parametrize("command", ["virt-vsmmu", "virt-vsmmu-connect", "virt-vsmmu-hook"])
def test_all_exit_statuses_are_described(command, build_dir):
    output = subprocess.run([build_dir / "tools" / command, "--help"], capture_output=True, check=True, encoding="utf-8",
                            env={"LC_ALL": "C.UTF-8"}).stdout
    page = section((DOCS / f"{command}.rst").read_text(encoding="utf-8"), "EXIT STATUS")
    assert re.findall(r"\b(\d)\b", output.split("Exit status:")[1]) == re.findall(r"^(\d)$", page, re.M)


def test_all_environment_variables_are_described():
    sources = [path.read_text(encoding="utf-8") for folder in ("src", "tools") for path in PROJECT.glob(f"{folder}/**/*.c")]
    read = {variable for source in sources for line in re.findall(r".*g_getenv.*", source)
            for variable in re.findall(r'"([A-Z_]+)"', line)}
    pages = [path.read_text(encoding="utf-8") for path in PAGES]
    described = {variable for page in pages if "\nENVIRONMENT\n" in page
                 for line in re.findall(r"^(``[A-Z].*)\n  \S", section(page, "ENVIRONMENT"), re.M)
                 for variable in re.findall(r"``([A-Z_]+)``", line)}
    # GLib and gettext read these.
    assert described - read <= {"LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "XDG_CONFIG_HOME",
                                "XDG_DATA_DIRS"}
    assert read - described == set()


def test_the_keys_of_the_policy_are_described():
    """The commented file in /etc, the manual page and the program agree on the keys."""
    page = (DOCS / "virt-vsmmu.conf.rst").read_text(encoding="utf-8")
    sample = (PROJECT / "data/virt-vsmmu.conf").read_text(encoding="utf-8")
    for group in re.findall(r"^\[(\w+)\]$", sample, re.M):
        keys = re.findall(r"^#([\w-]+)=", sample.split(f"[{group}]")[1].split("\n[")[0], re.M)
        described = re.findall(r"^``([\w-]+)``$", section(page, f"[{group}]"), re.M)
        assert group == "rules" or sorted(keys) == sorted(described)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_page_has_its_sections(path):
    page = path.read_text(encoding="utf-8")
    number = re.search(r":Manual section: (\d)", page)[1]
    wanted = {"1": ["SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES"], "8": ["SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES"],
              "5": ["SYNOPSIS", "DESCRIPTION", "EXAMPLES"], "7": ["DESCRIPTION"]}[number]
    headings = re.findall(r"^([A-Z][A-Z -]+)\n=+$", page, re.M)
    assert len(headings) == len(set(headings))
    assert set(wanted) < set(headings) and headings[-1] == "SEE ALSO"


def pages_there_are():
    for path in PAGES:
        yield f"{path.stem}({re.search(r':Manual section: (.)', path.read_text(encoding='utf-8'))[1]})"


@pytest.mark.parametrize("path", PAGES + MARKDOWN + [PROJECT / "NEWS"], ids=name)
def test_pages_that_are_named_are_there(path):
    named = set(re.findall(r"\b(?:virt-)?vsmmu[\w.-]*\(\d\)", path.read_text(encoding="utf-8")))
    assert named - {"virt-vsmmu-connect-session(1)"} <= set(pages_there_are())


@pytest.mark.parametrize("path", MARKDOWN, ids=name)
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert missing == []


def test_rules_that_are_named_are_there(program):
    named = {rule for path in PAGES for listed in re.findall(r"Rules?: ([a-z,\s-]+)\.", path.read_text(encoding="utf-8"))
             for rule in re.split(r",\s+", listed)}
    assert named - set(program.rules()) == set()
    assert len(named) > 30


def test_all_build_options_are_described():
    options = re.findall(r"^option\('(\w+)'", (PROJECT / "meson_options.txt").read_text(encoding="utf-8"), re.M)
    described = re.findall(r"^\| `(\w+)` \|", (DOCS / "install.md").read_text(encoding="utf-8"), re.M)
    assert sorted(described) == sorted(options)


def test_the_news_begin_with_the_version(program):
    version = program.run("--version").out.split()[-1]
    assert (PROJECT / "NEWS").read_text(encoding="utf-8").splitlines()[0] == f"libvirt-vsmmu {version}"


def test_installed_files_are_described(build_dir):
    """What the pages say is in /usr is what meson puts there."""
    output = subprocess.run(["meson", "introspect", "--installed", build_dir], capture_output=True, check=True, encoding="utf-8").stdout
    installed = {re.sub("^/usr/(local/)?", "", path) for path in json.loads(output).values()}
    named = {path for page in PAGES for path in re.findall(r"``/usr/((?:share/(?:libvirt-vsmmu|dbus-1|polkit-1)|s?bin)/[\w./-]+\.\w+)``",
                                                           page.read_text(encoding="utf-8"))}
    assert named - installed == set()
    assert len(named) > 5


def test_html_pages_are_well_formed_and_their_links_lead_somewhere(tmp_path):
    if importlib.util.find_spec("docutils") is None:
        give_up("docutils is missing; './run test' installs it")
    subprocess.run([sys.executable, DOCS / "make-html", tmp_path, *PAGES], check=True, timeout=120)
    texts = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.html")}
    assert len(texts) == len(PAGES) + 1
    anchors = {name: set(re.findall(r'\bid="([^"]+)"', text)) for name, text in texts.items()}
    for page, text in texts.items():
        xml.etree.ElementTree.fromstring(text.split("\n", 1)[1].replace("&nbsp;", " "))
        links = [link.partition("#") for link in re.findall(r'href="([^":]+)"', text)]
        assert [link for link in links if (link[0] or page) not in texts or link[2] and link[2] not in anchors[link[0] or page]] == []
        assert page in ("index.html", "vsmmu-rules.7.html") or "vsmmu-rules.7.html" in [link[0] for link in links], page
