"""No test that drives a program of ours passes with one that says nothing: such a test would not see it break.

Some cases of each test function run with stand-ins of all programs, which end at once with status 0, then 2. With VSMMU_ALL_STRENGTH
set all cases do, which takes a quarter of an hour.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).parent
# Of each test function; 0 is all of them.
EACH = 0 if "VSMMU_ALL_STRENGTH" in os.environ else 1
# What looks beside the program, and why.
EXCEPTIONS = {
    "test_units.py::": "systemd is asked about the units that are installed; no program runs",
    "test_layers.py::": "looks at objects and sources",
    "test_library.py::test_a_header": "looks at headers",
    "test_documents.py::test_installed_files": "asks meson",
    "test_completion.py::test_they_are_installed": "asks meson",
    "test_library.py::test_the_library_exports": "looks at the library",
    "test_library.py::test_the_program_in_the_documentation": "a program of the reader's runs, with the library",
    "test_abi.py::": "looks at the library",
    "test_introspection.py::": "Python runs, with the library",
    "test_msi_guest.py::test_the_interrupts_arrive": "shows that the guest itself works; the other tests compare the program with that",
}
# Those with guests or floods, whose fixtures take long: only with VSMMU_ALL_STRENGTH.
COSTLY = {"test_odd_xml.py", "test_spellings.py", "test_msi_guest.py", "test_watch.py", "test_changes.py", "test_connect_changes.py",
          "test_qemu_tree.py", "test_walk.py", "test_buses.py", "test_systembus.py"}
COSTLY_CASES = ["devices-8000000", "megabytes_of_everything", "50_connections", "bytes_of_a_session", "metadata_cost_no_memory", "thousands_of",
                "200_defined", "after_work", "idle_it"]


def make_stand_ins(build_dir, directory, status):
    """A build directory in which every program does nothing."""
    for path in build_dir.iterdir():
        if path.name not in ("tools", "tests"):
            (directory / path.name).symlink_to(path)
            continue
        (directory / path.name).mkdir()
        for program in path.iterdir():
            stand_in = directory / path.name / program.name
            if program.is_file() and os.access(program, os.X_OK):
                stand_in.write_text(f"#!/bin/sh\nexit {status}\n", encoding="ascii")
                stand_in.chmod(0o755)
            else:
                stand_in.symlink_to(program)
    (directory / "stand-ins").touch()


def files():
    """All that have tests which drive a program."""
    return [path for path in sorted(TESTS.glob("test_*.py")) if path != pathlib.Path(__file__)
            and not (EACH and path.name in COSTLY)]


@pytest.mark.slow("runs a case of each test function twice")
@pytest.mark.unsanitized("no program of ours runs")
@pytest.mark.parametrize("status", [0, 2])
def test_no_case_passes_with_a_program_that_says_nothing(status, build_dir, tmp_path):
    (tmp_path / "build").mkdir()
    make_stand_ins(build_dir, tmp_path / "build", status)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI"))} | {
        "VSMMU_BUILD_DIR": str(tmp_path / "build"), "VSMMU_PATIENCE": "1", "VSMMU_STRENGTH_EACH": str(EACH),
        "VSMMU_STRENGTH_REPORT": str(tmp_path / "report.json"), "PYTHONPATH": str(TESTS)}
    costly = ["-k", " and ".join(f"not {case}" for case in COSTLY_CASES)] if EACH else []
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "strength",
                          f"--basetemp={tmp_path / 'pytest'}", *costly, *files()], env=environment, capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stdout[-2000:] + run.stderr[-2000:]
    outcomes = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    excepted = {case for case in outcomes if any(name in case for name in EXCEPTIONS)}
    passed = sorted(case for case, report in outcomes.items() if report["outcome"] == "passed" and case not in excepted)
    print(f"{len(outcomes)} cases of {len({case.split('::')[0] for case in outcomes})} files with a program that ends with status {status}: "
          f"{len(passed)} pass, {len(excepted)} are exceptions")
    assert passed == []
    assert {path.name for path in files()} - {pathlib.Path(case.split("::")[0]).name for case in outcomes} == NOT_DRIVING


# Files whose tests drive no program, or one that they build themselves.
NOT_DRIVING = {"test_fuzz.py", "test_guide.py", "test_language.py", "test_mutants.py", "test_options.py", "test_releases.py", "test_tests.py",
               "test_translations.py", "test_virt_machine.py"}
