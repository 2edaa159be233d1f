"""tests/mutants: what it changes, and what it makes of the outcome, with a program of a few lines."""

import json
import pathlib
import subprocess
import sys

import pytest

import mutation

MUTANTS = pathlib.Path(__file__).with_name("mutants")

# (function, what of it is mutated, {operator: [the texts that come out]})
OPERATORS = [
    ("gboolean\nf (int a, int b)\n{\n  return a == b;\n}\n",
     {"compare": ["return a != b;"], "return": ["return FALSE;", "return TRUE;"]}),
    ("static gboolean\nf (void)\n{\n  return TRUE;\n}\n", {"boolean": ["return FALSE;"]}),
    ("char *\nf (void)\n{\n  return g_strdup (name);\n}\n", {"return": ["return NULL;"]}),
    ("static guint\nf (void)\n{\n  return count;\n}\n", {"return": ["return 0;"]}),
    ("static const Foo *\nf (const Foo *x)\n{\n  return x;\n}\n", {"return": ["return NULL;"]}),
    ("void\nf (void)\n{\n  work (x,\n        y);\n}\n", {"drop-call": ["(void) 0;"], "early-return": ["return;"]}),
    ("int\nf (void)\n{\n  self->work (x);\n}\n", {"drop-call": ["(void) 0;"]}),
    ("void\nf (void)\n{\n  g_free (x);\n  g_ptr_array_unref (y);\n  g_string_free (z, TRUE);\n}\n", {}),
    ("void\nf (void)\n{\n  g_assert (a == 1);\n  g_return_if_fail (!b);\n}\n", {}),
    ("void\nf (void)\n{\n  guint x = y;\n  const Foo *z = w;\n  g_autofree char *v = u;\n}\n", {}),
    ("void\nf (void)\n{\n  a->b[i] = c;\n  *d = e;\n}\n", {"drop-assign": ["(void) 0;", "(void) 0;"]}),
    ("void\nf (void)\n{\n  a |= b;\n}\n", {"drop-assign": ["(void) 0;"], "arithmetic": ["a &= b;"]}),
    ("void\nf (void)\n{\n  if (a && !b)\n    c++;\n}\n",
     {"logic": ["if (a || !b)"], "drop-not": ["if (a && b)"], "invert": ["if (!(a && !b))"], "arithmetic": ["c--;"]}),
    ("void\nf (void)\n{\n  while (a)\n    ;\n}\n", {"invert": ["while (!(a))"]}),
    ("void\nf (void)\n{\n  x = a || b ? c : d;\n}\n",
     {"invert": ["x = !(a || b) ? c : d;"], "logic": ["x = a && b ? c : d;"], "drop-assign": ["(void) 0;"]}),
    ("int\nf (void)\n{\n  g (a > b, c <= d, -e, (int) *h, &i);\n}\n",
     {"compare": ["g (a >= b, c <= d, -e, (int) *h, &i);", "g (a > b, c < d, -e, (int) *h, &i);"], "drop-call": ["(void) 0;"]}),
    ("int\nf (void)\n{\n  g (a - b, c | d, e << f, h & i);\n}\n",
     {"arithmetic": ["g (a + b, c | d, e << f, h & i);", "g (a - b, c & d, e << f, h & i);", "g (a - b, c | d, e >> f, h & i);",
                     "g (a - b, c | d, e << f, h | i);"], "drop-call": ["(void) 0;"]}),
    ("void\nf (void)\n{\n  for (i = 0; i < n; i++)\n    ;\n}\n",
     {"constant": ["for (i = 1; i < n; i++)"], "compare": ["for (i = 0; i <= n; i++)"]}),
    ("void\nf (void)\n{\n  for (i = n; is_ready (i); i--)\n    ;\n}\n", {}),
    ("#define SIZE 0x2fU /* bytes */\n", {"constant": ["#define SIZE 0x30U /* bytes */"]}),
    ("#define NAME(x) ((x) + 1)\n", {}),
    ('/* a == 1 */ // b != 2\nstatic const char *x = "3 == 4";\n', {}),
    ("static const Rule rules[] = {\n  { 7, VSMMU_SEVERITY_ERROR },\n};\n",
     {"constant": ["{ 8, VSMMU_SEVERITY_ERROR },"], "severity": ["{ 7, VSMMU_SEVERITY_WARNING },"]}),
    ("typedef struct {\n  int a[3];\n} Foo;\nenum { A = 1 };\n", {}),
]

SOURCE = """
#include "toy.h"

int
toy_clamp (int x)
{
  if (x > 9)
    return 9;
  return x;
}

int
toy_unused (int x)
{
  return x == 3;
}
"""
MESON = """project('toy', 'c')
test('toy', executable('test-toy', 'tests/unit/test-toy.c', 'src/toy.c', include_directories: 'src'), suite: 'unit')
executable('toy', 'tools/toy.c', 'src/toy.c', include_directories: 'src')
"""
UNIT = '#include "toy.h"\nint main (void) { return !(toy_clamp (20) == 9 && toy_clamp (1) == 1%s); }\n'
TOOL = '#include <stdlib.h>\n#include "toy.h"\nint main (int argc, char **argv) { return toy_unused (atoi (argv[argc - 1])); }\n'
PYTEST = """import os, subprocess
def test_it():
    assert subprocess.run([os.environ["VSMMU_BUILD_DIR"] + "/toy", "3"]).returncode == 1
"""
EQUIVALENT = """# A comment.

file: src/toy.c
function: toy_clamp
line: if (x > 9)
mutated: if (x >= 9)
reason: 9 stays 9
"""


def shown(text):
    outcome = {}
    for mutant in mutation.of_source("src/a.c", text):
        outcome.setdefault(mutant.operator, []).append(mutant.mutated)
    return outcome


@pytest.mark.parametrize("text, expected", OPERATORS, ids=range(len(OPERATORS)))
def test_an_operator_changes_what_it_is_about_and_nothing_else(text, expected):
    assert shown(text) == expected


def test_every_operator_is_tried_here():
    assert {operator for _, expected in OPERATORS for operator in expected} == set(mutation.OPERATORS)


def test_a_mutant_is_known_again_when_lines_move_and_is_told_from_its_like():
    text = "void\nf (void)\n{\n  work ();\n  work ();\n}\n"
    before, after = mutation.of_source("a.c", text), mutation.of_source("a.c", f"/* more */\n\n{text}")
    assert [mutant.id for mutant in before] == [mutant.id for mutant in after]
    assert len({mutant.id for mutant in before}) == len(before) == 4
    assert [(mutant.nth, mutant.first_line) for mutant in after] == [(1, 6), (1, 6), (2, 7), (2, 7)]
    assert {mutant.apply(text) for mutant in before[2:]} == {
        f"void\nf (void)\n{{\n  work ();\n  {statement}\n}}\n" for statement in ("(void) 0;", "return;")}


def test_all_of_the_program_is_understood():
    root = MUTANTS.parent.parent
    files = [path for folder in ("src", "tools") for path in sorted((root / folder).rglob("*.c"))]
    for path in files:
        text = path.read_text(encoding="utf-8")
        mutants = mutation.of_source(str(path.relative_to(root)), text)
        assert len({mutant.id for mutant in mutants}) == len(mutants)
        assert all(mutant.apply(text) != text for mutant in mutants)
        assert mutants, path
    print(f"{len(files)} files")


class Toy:
    def __init__(self, directory):
        self.directory = directory
        self.write("meson.build", MESON)
        self.write("meson_options.txt", "option('introspection', type: 'feature', value: 'auto')\n")
        self.write("src/toy.c", SOURCE)
        self.write("src/toy.h", "int toy_clamp (int x);\nint toy_unused (int x);\n")
        self.write("tools/toy.c", TOOL)
        self.write("tests/unit/test-toy.c", UNIT % "")
        self.write("tests/test_cli.py", PYTEST)

    def write(self, name, text):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *arguments):
        """(status, {(original text, mutated text): outcome}, what was printed)."""
        report = self.directory / "build.json"
        outcome = subprocess.run([sys.executable, MUTANTS, "--tree", self.directory, "--path", "src/", "--json", report, *arguments],
                                 capture_output=True, text=True, timeout=300)
        assert outcome.stderr == ""
        mutants = {(mutant["original"], mutant["mutated"]): mutant["status"] for mutant in json.loads(report.read_text())}
        report.unlink()
        return outcome.returncode, mutants, outcome.stdout


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return Toy(tmp_path_factory.mktemp("toy"))


IF = "if (x > 9)"
CLAMP = {(IF, "if (x >= 9)"): "survived", (IF, "if (x > 10)"): "survived", (IF, "if (!(x > 9))"): "killed",
         ("return 9;", "return 10;"): "killed", ("return 9;", "return 0;"): "killed", ("return x;", "return 0;"): "killed"}
UNUSED = dict.fromkeys([("return x == 3;", "return x != 3;"), ("return x == 3;", "return x == 4;"), ("return x == 3;", "return 0;")], "uncovered")


@pytest.mark.slow("builds a program once for each of its mutants")
def test_a_run_tells_what_is_found_from_what_is_not(toy):
    before = (toy.directory / "src/toy.c").read_text()
    status, mutants, output = toy.run("--tests", "unit")
    assert (status, mutants) == (1, CLAMP | UNUSED)
    assert "0 of them to be tried" not in output and "src                        9           4           0           5           0       44.4%" in output
    assert (toy.directory / "src/toy.c").read_text() == before

    # The same again: nothing is tried twice.
    status, mutants, output = toy.run("--tests", "unit")
    assert (status, mutants) == (1, CLAMP | UNUSED) and "9 mutants of 12, 0 of them to be tried" in output

    # As if it had been stopped in the middle of writing the third result.
    results = toy.directory / "build-mutants/results.jsonl"
    lines = [line for line in results.read_text().splitlines() if line]
    results.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])
    status, mutants, output = toy.run("--tests", "unit")
    assert (status, mutants) == (1, CLAMP | UNUSED) and "7 of them to be tried" in output

    # Another kind of test, an explanation, and a better test: all is found.
    toy.write("tests/mutants-equivalent.txt", EQUIVALENT)
    toy.write("tests/unit/test-toy.c", UNIT % " && toy_clamp (10) == 9")
    status, mutants, output = toy.run()
    assert mutants == {**CLAMP, **dict.fromkeys(UNUSED, "killed"), (IF, "if (x >= 9)"): "equivalent", (IF, "if (x > 10)"): "killed"}
    assert status == 0 and "by test_cli.py" in output and "    100.0%" in output

    # An explanation of what is gone is named, and hides nothing.
    toy.write("tests/mutants-equivalent.txt", EQUIVALENT.replace("9", "8"))
    status, mutants, output = toy.run()
    assert (status, mutants[IF, "if (x >= 9)"]) == (1, "survived") and "no mutant any more" in output


def test_the_first_of_many_are_the_first_of_few(toy):
    def ids(*arguments):
        outcome = subprocess.run([sys.executable, MUTANTS, "--tree", toy.directory, "--list", *arguments], capture_output=True, text=True)
        return [line.split()[0] for line in outcome.stdout.splitlines()]

    assert ids("--count", "3") == ids("--count", "5")[:3] and ids("--seed", "2") != ids("--seed", "1")
    assert sorted(ids("--seed", "2")) == sorted(ids("--seed", "1"))
    assert ids("--only", ids()[4]) == ids()[4:5]
