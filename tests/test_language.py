"""Messages, comments and documents are plain English, and tests/language.py looks at all of them."""

import re
import shutil

import pytest

import language

BANNED = "silently without a word"
# In each kind of place: the first file of a name, and where in it the construction goes.
PLACES = {
    "message": ("tools/check.c", r'\b_ \("'),
    "message of several literals": ("src/check/commandline.c", r'N?_ \("[^"]*"\n +"'),
    "title of a rule": ("src/check/msi.c", r'N_ \("'),
    "plural": ("tools/check.c", r'ngettext \("[^"]*",\s*"'),
    "help of an option": ("tools/check.c", r"do not open VFIO devices"),
    "comment of a public header": ("include/vsmmu/msi.h", r"reference-counted"),
    "comment": ("src/msi/resolver.c", r"While one thread resolves"),
    "comment of a structure": ("src/host/binding.h", r"of VFIO devices"),
    "README": ("README.md", r"This is a first try"),
    "NEWS": ("NEWS", r"libvirt"),
    "manual page": ("docs/virt-vsmmu.rst", r"The exit status"),
    "document": ("docs/tour.md", r"libvirt"),
    "document of a folder": ("src/check/README.md", r"rule"),
    "interface on D-Bus": ("data/org.vsmmu1.xml", r"guest"),
    "polkit": ("data/org.vsmmu1.policy", r"Authentication|Ask|Verify|Read"),
    "configuration": ("data/virt-vsmmu.conf", r"policy|guest|finding"),
    "unit": ("data/virt-vsmmud.service.in", r"(?<=Description=)\S+"),
    "completion": ("data/*completion*/*virt-vsmmu*", r"(?m)^ *# [A-Z]\w+"),
    "schema of XML": ("schemas/vsmmu-domain.rng", r"It is not a PCI device"),
    "schema of JSON": ("schemas/host-facts.schema.json", r"Version of the QEMU program"),
    "build option": ("meson_options.txt", r"(?<=description: ')"),
    "example": ("examples/nic-only.xml", r"user space drivers"),
}


def test_everything_is_plain_english():
    assert list(language.findings()) == []


@pytest.mark.parametrize("place", PLACES)
def test_a_banned_construction_is_found_everywhere(place, tmp_path):
    pattern, where = PLACES[place]
    path = sorted(language.SOURCE.glob(pattern))[0]
    name, text = str(path.relative_to(language.SOURCE)), path.read_text(encoding="utf-8")
    anchor = re.search(where, text)
    assert anchor, f"{name} does not have '{where}' any more"
    line = text.count("\n", 0, anchor.end()) + 1
    for path in (name, "tests/language.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(language.SOURCE / path, tmp_path / path)
    (tmp_path / name).write_text(f"{text[:anchor.end()]} {BANNED} {text[anchor.end():]}", encoding="utf-8")
    assert list(language.findings(tmp_path)) == [f"{name}:{line}: 'without a word': silently"]


def test_a_construction_is_found_across_lines():
    source = 'int\nf (void)\n{\n  /* It is dropped without\n   * a word. */\n  complain (_("dropped "\n               "without a"\n               " word"));\n}\n'
    passages = [(passage.text, passage.line_at(passage.text.index("without"))) for passage in language.passages_of_c(source)]
    assert passages == [("It is dropped without a word.", 4), ("dropped without a word", 7)]


def test_what_programs_print_is_left_to_them():
    document = "a\n\n```console\n$ virt-vsmmu check\nwithout a word\n```\n\n    $ virsh\n    without a word\n\nb"
    assert "word" not in language.without_output(document)
    assert language.without_output(document).count("\n") == document.count("\n")
