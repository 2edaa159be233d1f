"""The translations: every file with messages is known, every language has all of them, and their formats agree."""

import pathlib
import re
import shutil
import subprocess

import pytest

from means import give_up

SOURCE = pathlib.Path(__file__).resolve().parent.parent
PO = SOURCE / "po"
FILES, LANGUAGES = ([line for line in (PO / name).read_text().splitlines() if not line.startswith("#")] for name in ("POTFILES.in", "LINGUAS"))
KEYWORDS = ("_", "N_", "ngettext:1,2", "g_dngettext:2,3")
MESSAGE = re.compile(r"\b(?:N?_|ngettext|g_dngettext) \(\s*(?:\w+,\s*)?\"")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """All messages of the sources."""
    if shutil.which("xgettext") is None:
        give_up("there is no xgettext")
    path = tmp_path_factory.mktemp("po") / "messages.pot"
    subprocess.run(["xgettext", "--from-code=UTF-8", "--keyword", *(f"--keyword={keyword}" for keyword in KEYWORDS), "-o", path, *FILES], cwd=SOURCE, check=True)
    return path


def test_every_file_with_messages_is_known():
    sources = (path for pattern in ("src/**/*.c", "tools/**/*.c") for path in SOURCE.glob(pattern))
    assert sorted(FILES) == FILES == sorted(str(path.relative_to(SOURCE)) for path in sources if MESSAGE.search(path.read_text()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_message(language, template):
    found = subprocess.run(["msgcmp", PO / f"{language}.po", template], stderr=subprocess.PIPE, text=True)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_formats_agree(language, tmp_path):
    if shutil.which("msgfmt") is None:
        give_up("there is no msgfmt")
    subprocess.run(["msgfmt", "--check", "-o", tmp_path / "messages.mo", PO / f"{language}.po"], check=True)
