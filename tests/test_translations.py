"""The translations: every file with messages is known, every language has all of them, their formats agree, a term has one
translation, and a new language is one file."""

import gettext
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from means import give_up

SOURCE = pathlib.Path(__file__).resolve().parent.parent
PO = SOURCE / "po"
FILES = [line for line in (PO / "POTFILES.in").read_text().splitlines() if not line.startswith("#")]
LANGUAGES = sorted(path.stem for path in PO.glob("*.po"))
GLOSSARIES = sorted(path.stem.removeprefix("glossary-") for path in PO.glob("glossary-*.tsv"))
# What is not translated: elements, what is quoted, paths, and values of attributes.
LITERAL = re.compile(r"<[^>]*>|(?<!\w)'[^']*'|\"[^\"]*\"|(?<!\w)/[\w/*.]+|\w+=\S+")
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


def terms(language):
    """(term, expression for it, expression for its translation) of a glossary."""
    for line in (PO / f"glossary-{language}.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            english, term, *forms = line.split("\t")
            # An abbreviation is not the word of the same letters.
            flags = re.NOFLAG if any(letter.isupper() for letter in english) else re.IGNORECASE
            yield english, re.compile(rf"(?<![\w-]){english}(?:s|es)?(?![\w-])", flags), re.compile("|".join([term.split(" (")[0], *forms]), re.IGNORECASE)


@pytest.mark.parametrize("language", GLOSSARIES)
def test_a_term_has_one_translation(language, tmp_path):
    if shutil.which("msgfmt") is None:
        give_up("there is no msgfmt")
    subprocess.run(["msgfmt", "-o", tmp_path / "messages.mo", PO / f"{language}.po"], check=True)
    with open(tmp_path / "messages.mo", "rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog
    messages = [(LITERAL.sub("''", key[0] if isinstance(key, tuple) else key), text) for key, text in catalog.items() if key]
    unused, others = [], []
    for english, wanted, translation in terms(language):
        found = [text for message, text in messages if wanted.search(message)]
        unused += [] if found else [english]
        others += [(english, text) for text in found if not translation.search(text)]
    assert (unused, others) == ([], [])


def test_a_new_language_is_one_file(template, tmp_path):
    """In a copy, with a language that nobody speaks: every message is translated by itself."""
    shutil.copytree(PO, tmp_path / "po")
    (tmp_path / "meson.build").write_text("project('libvirt-vsmmu')\nsubdir('po')\n")
    subprocess.run(["msgen", "--lang=tlh", "-o", tmp_path / "po/tlh.po", template], check=True)
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    subprocess.run(["meson", "setup", "--prefix=/usr", tmp_path / "build", tmp_path], check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(["meson", "compile", "-C", tmp_path / "build"], check=True, env=environment, stdout=subprocess.DEVNULL)
    output = subprocess.run(["meson", "introspect", "--installed", tmp_path / "build"], check=True, env=environment, capture_output=True).stdout
    assert sorted(json.loads(output).values()) == [f"/usr/share/locale/{language}/LC_MESSAGES/libvirt-vsmmu.mo" for language in sorted(LANGUAGES + ["tlh"])]
    assert len(list((tmp_path / "build").glob("po/tlh/LC_MESSAGES/*.mo"))) == 1
