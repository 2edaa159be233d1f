"""libvsmmu as others see it: its headers, its symbols, and a program that uses it."""

import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = SOURCE / "include" / "vsmmu"
HEADERS = sorted(path.name for path in INCLUDE.glob("*.h")) + ["version.h"]
FLAGS = ["-Werror", "-Wall", "-Wextra", "-pedantic", "-fsyntax-only"]


def declared():
    text = "".join(path.read_text() for path in [*INCLUDE.glob("*.h"), INCLUDE / "version.h.in"])
    return set(re.findall(r"^VSMMU_PUBLIC\s[^;]*?\b(vsmmu_\w+)\s*\(", text, re.MULTILINE))


def in_map():
    return re.findall(r"^    (vsmmu_\w+);$", (SOURCE / "src" / "libvsmmu.map").read_text(), re.MULTILINE)


def test_the_map_has_what_the_headers_declare():
    assert set(in_map()) == declared() and in_map() == sorted(in_map()) and len(in_map()) > 60


def test_the_library_exports_what_the_map_has(build_dir):
    library = next(path for path in (build_dir / "src").glob("libvsmmu.so.*.*") if path.is_file() and not path.is_symlink() and ".p" not in path.name)
    output = subprocess.run(["nm", "--dynamic", "--defined-only", "--format=posix", library], check=True, capture_output=True, text=True).stdout
    names = [line.split()[0] for line in output.splitlines() if line.split()[1] in "TDRB"]
    assert sorted(names) == [f"{name}@@LIBVSMMU_0.1" for name in in_map()]


def documentation(header):
    """(name, comment before it or "", parameters, whether it returns something) of each function of a public header."""
    text = (INCLUDE / (header if header != "version.h" else "version.h.in")).read_text()
    for found in re.finditer(r"(/\*\*\n(?: \*[^\n]*\n)+)?VSMMU_PUBLIC\s+([^;]*?)\b(vsmmu_\w+)\s*\(([^;]*)\);", text):
        comment, kind, name, parameters = found.groups()
        if not name.endswith("_get_type") and name != "vsmmu_error_quark":
            yield name, comment or "", re.findall(r"(\w+)(?:,|$)", parameters.replace("void", "")), kind.strip() != "void"


@pytest.mark.parametrize("header", HEADERS)
def test_everything_is_documented(header):
    missing = [f"{name}: {what}" for name, comment, parameters, returns in documentation(header)
               for what in [f" * {name}:", " * Since: 0.", *(f" * @{parameter}:" for parameter in parameters), *([" * Returns:"] if returns else [])]
               if what not in comment]
    assert not missing, "\n".join(missing)


def test_functions_are_found_to_be_documented():
    found = [name for header in HEADERS for name, *_ in documentation(header)]
    assert len(found) > 60 and set(found) < declared()


@pytest.fixture(scope="module")
def flags(build_dir):
    glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], check=True, capture_output=True, text=True).stdout.split()
    return [*FLAGS, f"-I{SOURCE / 'include'}", f"-I{build_dir / 'include'}", *(flag.replace("-I", "-isystem") for flag in glib)]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(("compiler", "language"), [("cc", "-std=c11"), ("clang++", "-std=c++17")], ids=["C", "C++"])
def test_a_header_compiles_alone(compiler, language, header, flags):
    kind = ["-x", "c++"] if "++" in language else ["-x", "c"]
    done = subprocess.run([compiler, language, *flags, *kind, "-"], input=f"#include <vsmmu/{header}>\n", text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_example_of_the_resolver_uses_its_own_viommu(build_dir):
    done = subprocess.run([build_dir / "tests" / "doorbell"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0xffffff000040 -> 0x08090040, data 7, direct\n", "")


def test_the_program_in_the_documentation_finds_what_is_wrong(build_dir, flags, tmp_path):
    source = re.search(r"```c\n(.*?)```", (SOURCE / "docs" / "library.md").read_text(), re.DOTALL)[1]
    libraries = subprocess.run(["pkg-config", "--libs", "gobject-2.0"], check=True, capture_output=True, text=True).stdout.split()
    library = next(path for path in (build_dir / "src").glob("libvsmmu.so.*.*.*") if path.is_file())
    done = subprocess.run(["cc", "-std=c11", *(flag for flag in flags if flag != "-fsyntax-only"), "-o", tmp_path / "program", "-x", "c", "-",
                           "-x", "none", library, *libraries], input=source, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", "LD_LIBRARY_PATH": str(build_dir / "src")}
    for path, status, start in [("broken-topology.xml", 0, "20: "), ("nosuch.xml", 1, "")]:
        done = subprocess.run([tmp_path / "program", SOURCE / "examples" / path], capture_output=True, text=True, env=environment)
        assert done.returncode == status and done.stdout.startswith(start) and ("nosuch.xml" in done.stderr) == (status == 1)
