"""The tests themselves keep to what README.md beside them says."""

import ast
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).parent
FILES = sorted(TESTS.glob("*.py"))
RIG = sorted(TESTS.glob("rig/*.py"))


def calls(path):
    """(name, line) of all that is called or marked in a file, with the module it is of."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


@pytest.mark.parametrize("path", FILES + RIG, ids=lambda path: str(path.relative_to(TESTS)))
def test_nothing_sleeps_but_what_waits_for_an_event(path):
    assert path.name in ("waiting.py", "console.py") or [line for name, line in calls(path) if name == "time.sleep"] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_there_is_one_way_to_skip(path):
    names = ("pytest.skip", "pytest.importorskip", "pytest.xfail", "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail")
    assert path.name == "means.py" or [(name, line) for name, line in calls(path) if name in names or name.startswith("unittest.")] == []


def test_meson_knows_every_file():
    text = (TESTS / "meson.build").read_text(encoding="utf-8")
    groups = re.search(r"^pytest_files = {\n(.*?)^}", text, re.MULTILINE | re.DOTALL)[1]
    known = [name for group in re.findall(r"\[(.*?)\]", groups, re.DOTALL) for name in re.findall(r"'(\w+)'", group)]
    assert sorted(known) == sorted(path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py"))
