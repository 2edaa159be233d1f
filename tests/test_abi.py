"""The ABI of libvsmmu is the one in tests/data/abi/, so that a change of it is seen and meant.

After a change that is meant: VSMMU_REGENERATE=1 /usr/bin/python3 -m pytest tests/test_abi.py, and read the difference.
"""

import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
from means import give_up

SOURCE = pathlib.Path(__file__).resolve().parent.parent
KEPT = SOURCE / "tests" / "data" / "abi" / "libvsmmu.abi"
RENEW = "VSMMU_REGENERATE=1 /usr/bin/python3 -m pytest tests/test_abi.py"
OPTIONS = ["--exported-interfaces-only", "--no-elf-needed", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--drop-undefined-syms",
           "--type-id-style", "hash"]


def references(element):
    return {value for part in element.iter() for name, value in part.attrib.items() if name in ("type-id", "naming-typedef-id")}


def public(corpus):
    """abidw's description with what a program sees: a type with a tag (struct _VsmmuHost) is opaque, whatever the library has in it."""
    for tag in corpus.iter("class-decl"):
        if tag.get("name").startswith("_Vsmmu"):
            for part in list(tag):
                tag.remove(part)
            tag.attrib.pop("size-in-bits", None)
            tag.set("is-declaration-only", "yes")
    types = {element.get("id"): element for element in corpus.iter() if element.get("id") is not None}
    needed = {reference for function in corpus.iter("function-decl") for reference in references(function)}
    todo = list(needed)
    while todo:
        found = references(types[todo.pop()]) - needed
        needed |= found
        todo += found
    for part in list(corpus.iter("abi-instr")):
        for element in list(part):
            if element.tag != "function-decl" and element.get("id") not in needed:
                part.remove(element)
        if len(part) == 0:
            corpus.remove(part)
    ET.indent(corpus)
    return ET.tostring(corpus, encoding="unicode") + "\n"


@pytest.fixture(scope="module")
def built(build_dir):
    for tool in ("abidw", "abidiff"):
        if shutil.which(tool) is None:
            give_up(f"there is no {tool} (Debian: abigail-tools)")
    library = next(path for path in (build_dir / "src").glob("libvsmmu.so.*.*.*") if path.is_file())
    done = subprocess.run(["abidw", *OPTIONS, library], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = public(ET.fromstring(done.stdout))
    if text.count("<function-decl") == 0:
        give_up(f"{library.name} was built without debug information, from which its ABI is read")
    return text


def compare(text, tmp_path):
    """(status, what abidiff says) of a library with the ABI @text beside the one that is kept."""
    path = tmp_path / "built.abi"
    path.write_text(text)
    done = subprocess.run(["abidiff", "--no-architecture", "--harmless", KEPT, path], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_the_abi_is_the_one_that_is_kept(built, tmp_path):
    if os.environ.get("VSMMU_REGENERATE"):
        KEPT.write_text(built)
        pytest.fail(f"{KEPT} is written anew: read the difference, and run again without VSMMU_REGENERATE")
    status, changes = compare(built, tmp_path)
    assert status == 0, f"The ABI of libvsmmu is another than the one in {KEPT.relative_to(SOURCE)}. Where that is meant: {RENEW}\n{changes}"


def test_the_headers_and_the_abi_have_the_same_functions(built):
    names = re.findall(r"^    (vsmmu_\w+);$", (SOURCE / "src" / "libvsmmu.map").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"<function-decl name=\"(\w+)\"", built)) == names


CHANGES = {
    "a function is gone": [(r'<elf-symbol name="vsmmu_version" .*?/>', ""), (r'<function-decl name="vsmmu_version".*?</function-decl>', "")],
    "a structure has another member": [(r'name="device_id"', 'name="requester_id"')],
    "a structure is larger": [(r'(<class-decl name="VsmmuMsiRoute" size-in-bits=)"160"', r'\1"192"')],
    "a parameter is of another type": [(r'(<parameter type-id=)"\w+"( name="spare_ports")', r'\1"TEXT"\2')],
    "an enumerator is another number": [(r'name="VSMMU_SEVERITY_ERROR" value="2"', 'name="VSMMU_SEVERITY_ERROR" value="3"')],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change, built, tmp_path):
    text = built
    text_type = re.search(r'<parameter type-id="(\w+)" name="text"', text)[1]
    for pattern, replacement in CHANGES[change]:
        text, count = re.subn(pattern, replacement.replace("TEXT", text_type), text, count=1, flags=re.DOTALL)
        assert count == 1, pattern
    assert compare(text, tmp_path)[0] & 4
