"""Tables: whole in a pipe, and as wide as the terminal where there is one; wide characters take two columns."""

import os
import re
import signal

import pytest

from program import DATA
from terminal import on_terminal, width

EXAMPLES = DATA.parent.parent / "examples"
FACTS = EXAMPLES / "grace-host.json"
TABLES = [["host", "--devices", "--host", FACTS], ["explain"], ["msi", EXAMPLES / "two-gpu-grace.xml"]]


@pytest.mark.parametrize("arguments", TABLES, ids=lambda arguments: arguments[0])
def test_a_pipe_has_a_line_for_each_row_whatever_the_terminal(arguments, program):
    outcome = program.run(*arguments, environment={"COLUMNS": "40"})
    assert outcome == program.run(*arguments) and outcome.out


@pytest.mark.parametrize("arguments", TABLES, ids=lambda arguments: arguments[0])
def test_a_wide_terminal_has_what_a_pipe_has(arguments, program):
    text, status = on_terminal(program, *arguments, columns=200)
    assert (status, text) == (0, program.run(*arguments).out) and text


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
@pytest.mark.parametrize("arguments", TABLES, ids=lambda arguments: arguments[0])
def test_a_table_fits_the_terminal(arguments, columns, program):
    text, status = on_terminal(program, *arguments, columns=columns)
    assert status == 0 and text
    # What is not in a table is broken by the terminal itself.
    assert [line for line in text.splitlines() if width(line) > columns and " : PASS (" not in line] == []


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
@pytest.mark.parametrize("arguments", TABLES, ids=lambda arguments: arguments[0])
def test_a_narrow_terminal_loses_nothing_and_breaks_no_word(arguments, columns, program):
    text, _ = on_terminal(program, *arguments, columns=columns)
    assert set(text.split()) == set(program.run(*arguments).out.split()) != set()


def test_what_does_not_fit_beside_is_below_with_its_row(program):
    text, _ = on_terminal(program, "host", "--host", FACTS, columns=80)
    _, first, second = text.split("\n\n")
    names = re.findall(r"^smmu\S+", program.run("host", "--host", FACTS).out, re.M)
    assert first.startswith("SMMU ") and second.startswith("SMMU ") and len(names) == 10
    assert re.findall(r"^smmu\S+", first, re.M) == re.findall(r"^smmu\S+", second, re.M) == names
    assert re.search(r"0006:03:00.0\n {50,}0006:03:00.1\n {50,}0006:03:00.2\n", second)


@pytest.mark.parametrize("name", ["\u4e2d\u6587", "\u00fcml\u00e4ut", "a", "u\u0308"])
def test_columns_are_straight_with_wide_characters(name, program):
    document = (EXAMPLES / "two-gpu-grace.xml").read_text(encoding="utf-8")
    document = document.replace("</hostdev>", f"<alias name='ua-{name}'/></hostdev>", 1)
    lines = program.run("msi", "-", input=document.encode()).out.splitlines()
    assert f"ua-{name} " in "\n".join(lines)
    assert len({width(line[:line.index("0x08090040" if row else "expected")]) for row, line in enumerate(lines)}) == 1


def test_a_locale_without_the_characters_shows_question_marks(program):
    document = (EXAMPLES / "two-gpu-grace.xml").read_text(encoding="utf-8").replace("</hostdev>", "<alias name='ua-\u4e2d'/></hostdev>", 1)
    assert "ua-?  " in program.run("msi", "-", input=document.encode(), environment={"LC_ALL": "C"}).out


@pytest.mark.parametrize("terminal, is_live", [("xterm", True), ("dumb", False)])
def test_watch_draws_a_table_where_a_terminal_can(terminal, is_live, program):
    """Without a guest, there are the titles."""
    processes = []

    def stop(text):
        if b"connected test:///default" in text:
            os.kill(processes[0].pid, signal.SIGINT)

    text, status = on_terminal(program, "watch", "-c", "test:///default", environment={"TERM": terminal}, on_text=stop, on_start=processes.append)
    assert status == 0 and " connected test:///default" in text
    assert ("\x1b[2J" in text) == is_live and bool(re.search(r"domain +device +vSMMU +host SMMU", text)) == is_live
