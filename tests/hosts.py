"""Hosts for the tests: a listing of what virt-vsmmu reads of a machine, made into a directory to read from.

tests/data/hosts/NAME.sysfs holds a host; tests/capture-host prints one of the running machine. Line by line:

  [DIRECTORY]        what follows is in DIRECTORY, which is made
  NAME = TEXT        a file with one line, or an empty one
  NAME | LINE        one of the lines of a file; a NAME in .gz is compressed
  NAME -> TARGET     a symbolic link
  NAME : SIZE        a binary file of so many bytes, zero where nothing else is said
  NAME @ OFFSET HEX  some of its bytes
  NAME/              an empty directory
  # COMMENT          nothing, as is an empty line

On the command line: tests/hosts.py LISTING DIRECTORY.
"""

import gzip
import pathlib
import re
import sys

LISTINGS = pathlib.Path(__file__).parent / "data" / "hosts"

SECTION = re.compile(r"\[(.+)\]")
EMPTY_DIRECTORY = re.compile(r"(\S+)/")
ENTRY = re.compile(r"(\S+) (=|\||->|:|@)(?: (.*))?")


def entries_of(listing):
    """Paths to their contents: bytes, the target of a link as a string, or None for a directory."""
    directory, entries = "", {}
    for number, line in enumerate(listing.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := SECTION.fullmatch(line):
            directory = match[1].strip("/")
            entries.setdefault(directory, None)
        elif match := EMPTY_DIRECTORY.fullmatch(line):
            entries[f"{directory}/{match[1]}"] = None
        elif match := ENTRY.fullmatch(line):
            add(entries, f"{directory}/{match[1]}", match[2], match[3] or "")
        else:
            raise ValueError(f"line {number} is no entry: {line}")
    return entries


def add(entries, path, kind, value):
    if kind == "=":
        entries[path] = value.encode() + b"\n" * bool(value)
    elif kind == "|":
        entries[path] = entries.get(path, b"") + value.encode() + b"\n"
    elif kind == "->":
        entries[path] = value
    elif kind == ":":
        entries[path] = bytes(int(value))
    else:
        offset, _, row = value.partition(" ")
        content, new = entries[path], bytes.fromhex(row)
        start = int(offset, 16)
        entries[path] = content[:start] + new + content[start + len(new):]


def unpack(listing, root):
    """Makes the directory `root` from a listing."""
    for name, content in entries_of(listing).items():
        path = pathlib.Path(root) / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return pathlib.Path(root)


def unpack_named(name, root):
    return unpack((LISTINGS / f"{name}.sysfs").read_text(encoding="utf-8"), root)


if __name__ == "__main__":
    unpack(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2])
