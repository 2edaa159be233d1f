"""Expectations that are files: what the program shows, as it was last looked at and found right.

With VSMMU_REGENERATE=1 in the environment the files are written anew and the tests fail; look at what `git diff` shows,
and run them once more without.
"""

import difflib
import os

import pytest


def compare(path, text):
    """Compares a text with the file that has it."""
    if os.environ.get("VSMMU_REGENERATE"):
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} is regenerated; look at the difference and run the test without VSMMU_REGENERATE")
    assert path.is_file(), f"{path} is missing; run the test with VSMMU_REGENERATE=1 to make it"
    expected = path.read_text(encoding="utf-8")
    if text != expected:
        difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(path), "now", lineterm="")
        pytest.fail("\n".join(("VSMMU_REGENERATE=1 writes the file anew.", *difference)))
