"""The fuzz targets take their own corpora; tests/fuzz/fuzz says what it did and what it found."""

import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import give_up

FUZZ = pathlib.Path(__file__).parent / "fuzz" / "fuzz"
TARGETS = sorted(path.stem.removeprefix("fuzz-") for path in FUZZ.parent.glob("fuzz-*.c"))
TOY = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
static volatile int seen;
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size >= 2 && data[0] == 'g' && data[1] == 'o')
    seen++;
  if (CRASHES && size == 5 && memcmp (data, "crash", 5) == 0)
    abort ();
  return 0;
}
"""
# As the targets do it, in each of the ways in which GLib says that something is wrong.
CLAIM = r"""
#include <stdint.h>
#include "stop.h"
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size > 0 && data[0] == 'e')
    g_error ("an error");
  if (size > 0 && data[0] == 'c')
    g_critical ("a criticism");
  if (size > 0 && data[0] == 'w')
    g_warning ("a warning");
  return 0;
}
"""


def fuzz(*arguments):
    if shutil.which("clang") is None:
        give_up("'clang' is missing; './run test' installs it")
    return subprocess.run([FUZZ, *map(str, arguments)], capture_output=True, text=True, timeout=900)


def rows(output):
    """The table: name → its other cells."""
    lines = [line.split() for line in output.splitlines() if not line.startswith("fuzz:")]
    assert lines[0] == ["target", "executions", "per", "second", "edges", "features", "corpus", "findings"]
    return {line[0]: line[1:] for line in lines[1:]}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Two targets: one takes anything, and one that crashes."""
    directory = tmp_path_factory.mktemp("toys")
    if shutil.which("clang") is None:
        give_up("'clang' is missing; './run test' installs it")
    (directory / "toy.c").write_text(TOY)
    for name, crashes in ("good", 0), ("bad", 1):
        subprocess.run(["clang", "-O1", "-fsanitize=fuzzer", f"-DCRASHES={crashes}", directory / "toy.c", "-o",
                        directory / f"fuzz-{name}"], check=True)
    return directory


@pytest.fixture
def toys(programs, tmp_path):
    """Runs the fuzzer on some of them, with corpora of their own."""
    for name in "good", "bad":
        (tmp_path / "corpora" / f"corpus-{name}").mkdir(parents=True)
    (tmp_path / "corpora/bad.dict").write_text('"crash"\n')

    def run(*arguments):
        return fuzz("--programs", programs, "--corpora", tmp_path / "corpora", "--output", tmp_path / "output",
                    *arguments)
    run.corpora = tmp_path / "corpora"
    return run


@pytest.mark.slow("builds the library with sanitizers, when nothing is built yet, for the fuzzing of ./run test too")
def test_every_target_takes_its_corpus():
    process = fuzz("--runs", 0)
    assert process.returncode == 0, process.stderr
    table = rows(process.stdout)
    assert sorted(table) == TARGETS
    for name, (executions, _, edges, features, _, findings) in table.items():
        corpus = FUZZ.parent / ("corpus" if name == "domain" else f"corpus-{name}")
        assert len(list(corpus.iterdir())) > 0, name
        assert int(executions) >= len(list(corpus.iterdir())), name
        assert int(edges) > 1 and int(features) > 1 and findings == "0", name
    print(f"{len(table)} targets, {sum(int(row[0]) for row in table.values())} inputs")


def test_a_finding_is_told_with_its_reproducer(toys):
    (toys.corpora / "corpus-bad/seed").write_bytes(b"crasi")
    process = toys("--target", "good", "--target", "bad", "--runs", 200000)
    assert process.returncode == 1
    table = rows(process.stdout)
    assert table["good"][-1] == "0" and table["bad"][-1] == "1"
    assert int(table["good"][0]) >= 200000 and int(table["bad"][0]) < 200000
    command = re.search(r"^fuzz: a finding in bad; run it again with: (.*)$", process.stderr, re.M)[1]
    assert pathlib.Path(shlex.split(command)[1]).read_bytes() == b"crash"
    assert subprocess.run(command, shell=True, capture_output=True).returncode != 0
    assert not re.search("a finding in good", process.stderr)


@pytest.fixture(scope="module")
def claim(tmp_path_factory):
    directory = tmp_path_factory.mktemp("claim")
    if shutil.which("clang") is None:
        give_up("'clang' is missing; './run test' installs it")
    (directory / "claim.c").write_text(CLAIM)
    glib = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0"], check=True, capture_output=True, text=True)
    subprocess.run(["clang", "-O1", "-fsanitize=fuzzer", f"-I{FUZZ.parent}", directory / "claim.c", "-o",
                    directory / "claim", *glib.stdout.split()], check=True)
    return directory / "claim"


@pytest.mark.parametrize("seed", ["e", "c", "w"])
def test_the_input_of_what_glib_complains_of_is_kept(claim, tmp_path, seed):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/seed").write_text(seed)
    process = subprocess.run([claim, "-runs=0", f"-artifact_prefix={tmp_path}/", tmp_path / "corpus"], timeout=60)
    assert process.returncode != 0
    assert [path.read_text() for path in tmp_path.glob("crash-*")] == [seed]


def test_a_corpus_changes_only_when_asked_and_stays_small(toys):
    corpus = toys.corpora / "corpus-good"
    (corpus / "named").write_bytes(b"x" * 40)
    (corpus / ("0" * 40)).write_bytes(b"x" * 50)
    before = sorted(path.name for path in corpus.iterdir())
    assert toys("--target", "good", "--runs", 100000).returncode == 0
    assert sorted(path.name for path in corpus.iterdir()) == before
    assert toys("--target", "good", "--runs", 100000, "--keep").returncode == 0
    after = {path.name: path.read_bytes() for path in corpus.iterdir()}
    assert "named" in after and "0" * 40 not in after
    assert any(text.startswith(b"go") for text in after.values()) and len(after) < 10


def test_a_target_that_is_not_there(toys):
    for arguments in ("--target", "nosuch"), ("--runs", "x"), ("--seconds", "0"):
        assert toys(*arguments).returncode == 2, arguments
    process = fuzz("--target", "nosuch")
    assert process.returncode == 2 and "unknown target 'nosuch'" in process.stderr
