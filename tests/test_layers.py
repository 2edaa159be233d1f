"""The folders of src/ use each other as the table in docs/architecture.md says, and nothing in one goes in a circle."""

import pathlib
import re
import subprocess
from collections import defaultdict

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| `(\w+)/` \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def read_table(text):
    """{folder: folders that it may use}, each also what those may use, in the order of the table."""
    table = {}
    for folder, uses in ROW.findall(text):
        direct = set() if uses == "nothing of ours" else set(re.findall(r"\w+", uses))
        assert direct <= table.keys(), f"{folder} uses {', '.join(sorted(direct - table.keys()))}, which is no row above it"
        table[folder] = direct.union(*(table[name] for name in direct))
    return table


TABLE = read_table((SOURCE / "docs" / "architecture.md").read_text())


def includes():
    """(file, header) of ours, for each #include in src/."""
    for path in sorted((SOURCE / "src").glob("*/*.[ch]")):
        for header in re.findall(r'^#include "(\w+/[\w-]+\.h)"$', path.read_text(), re.MULTILINE):
            if not header.startswith(("vsmmu/", "src/")):
                yield f"{path.parent.name}/{path.name}", header


@pytest.fixture(scope="module")
def symbols(build_dir):
    """{object: {object: symbols of that it refers to}}; an object is folder/file.c."""
    defined, wanted = {}, {}
    for path in [*(build_dir / "src").glob("libvsmmu-internal.a.p/[a-z]*_*.c.o"), *(build_dir / "src" / "rpc").glob("libvsmmu-rpc.a.p/*.c.o")]:
        if path.name.startswith("meson-generated"):
            continue
        name = path.name.removesuffix(".o").replace("_", "/", 1) if path.parent.name == "libvsmmu-internal.a.p" else f"rpc/{path.name.removesuffix('.o')}"
        output = subprocess.run(["nm", "--format=posix", path], check=True, capture_output=True, text=True).stdout
        wanted[name] = set()
        for symbol, kind in (line.split()[:2] for line in output.splitlines()):
            if kind == "U":
                wanted[name].add(symbol)
            elif kind in "TDBRC":
                defined[symbol] = name
    uses = {name: defaultdict(set) for name in wanted}
    for name, names in wanted.items():
        for symbol in names & defined.keys():
            if defined[symbol] != name:
                uses[name][defined[symbol]].add(symbol)
    assert len(uses) > 100 and sum(map(len, uses.values())) > 300
    return uses


def test_the_table_has_every_folder_and_no_other():
    assert set(TABLE) == {path.parent.name for path in (SOURCE / "src").glob("*/*.[ch]")}


def test_a_table_with_an_arrow_upwards_is_refused():
    with pytest.raises(AssertionError, match="below uses above, which is no row above it"):
        read_table("| `below/` | what | above |\n| `above/` | what | nothing of ours |\n")


def test_includes_go_where_the_table_says():
    wrong = [f"{name} includes {header}" for name, header in includes()
             if (uses := header.split("/")[0]) != (folder := name.split("/")[0]) and uses not in TABLE[folder]]
    assert not wrong, "\n".join(wrong)


def test_calls_go_where_the_table_says(symbols):
    """Also those of functions that a public header declares."""
    wrong = [f"{name} uses {other}: {', '.join(sorted(names))}" for name, others in symbols.items() for other, names in others.items()
             if (uses := other.split("/")[0]) != (folder := name.split("/")[0]) and uses not in TABLE[folder]]
    assert not wrong, "\n".join(wrong)


def test_no_row_allows_what_nobody_does(symbols):
    """Directly: what a folder uses of one that it reaches through another is in no row of its own."""
    done = defaultdict(set)
    for name, header in includes():
        done[name.split("/")[0]].add(header.split("/")[0])
    for name, others in symbols.items():
        done[name.split("/")[0]].update(other.split("/")[0] for other in others)
    text = (SOURCE / "docs" / "architecture.md").read_text()
    for folder, uses in ROW.findall(text):
        if uses != "nothing of ours":
            assert set(re.findall(r"\w+", uses)) <= done[folder], folder


def test_files_of_a_folder_do_not_go_in_a_circle(symbols):
    below = {}

    def reach(name, above):
        assert name not in above, " uses ".join([*above[above.index(name):], name])
        if name not in below:
            inside = [other for other in symbols[name] if other.split("/")[0] == name.split("/")[0]]
            below[name] = set(inside).union(*(reach(other, [*above, name]) for other in inside))
        return below[name]

    for name in symbols:
        reach(name, [])
