"""Hosts for the tests: a listing of what virt-vsmmu reads of a machine, made into a directory to read from.

tests/data/hosts/NAME.sysfs holds a host; 'virt-vsmmu host --collect FILE' writes one of the running machine, and --host
reads it without unpacking. src/probe/listing.h has the format. Line by line:

  [DIRECTORY]        what follows is in DIRECTORY, which is made
  NAME = TEXT        a file with one line, or an empty one
  NAME | LINE        one of the lines of a file; a NAME in .gz is compressed
  NAME -> TARGET     a symbolic link
  NAME : SIZE        a binary file of so many bytes, zero where nothing else is said
  NAME @ OFFSET HEX  some of its bytes
  NAME/              a directory
  NAME ! ERROR       what could not be read there; nothing is made, since root reads everything
  # COMMENT          nothing, as is an empty line

On the command line: tests/hosts.py LISTING DIRECTORY.
"""

import gzip
import os
import pathlib
import re
import sys

LISTINGS = pathlib.Path(__file__).parent / "data" / "hosts"

SECTION = re.compile(r"\[(.+)\]")
EMPTY_DIRECTORY = re.compile(r"(\S+)/")
ENTRY = re.compile(r"(\S+) (=|\||->|:|@|!)(?: (.*))?")


def entries_of(listing):
    """Paths to their contents: bytes, the target of a link as a string, or None for a directory."""
    directory, entries = "", {}
    for number, line in enumerate(listing.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if match := SECTION.fullmatch(line):
            directory = match[1].strip("/")
            if directory:
                entries.setdefault(directory, None)
        elif match := EMPTY_DIRECTORY.fullmatch(line):
            entries[f"{directory}/{match[1]}".lstrip("/")] = None
        elif match := ENTRY.fullmatch(line):
            add(entries, f"{directory}/{match[1]}".lstrip("/"), match[2], match[3] or "")
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
    elif kind == "!":
        pass
    elif kind == ":":
        entries[path] = bytes(int(value))
    else:
        offset, _, row = value.partition(" ")
        content, new = entries[path], bytes.fromhex(row)
        start = int(offset, 16)
        entries[path] = content[:start] + new + content[start + len(new):]


def write(entries, root):
    """Makes the directory `root` with these entries."""
    made = set()
    for name, content in entries.items():
        path = os.path.join(root, name)
        directory = path if content is None else os.path.dirname(path)
        if directory not in made:
            os.makedirs(directory, exist_ok=True)
            made.add(directory)
        if isinstance(content, str):
            os.symlink(content, path)
        elif content is not None:
            with open(path, "wb") as file:
                file.write(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return pathlib.Path(root)


def unpack(listing, root):
    """Makes the directory `root` from a listing."""
    return write(entries_of(listing), root)


def unpack_named(name, root):
    return unpack((LISTINGS / f"{name}.sysfs").read_text(encoding="utf-8"), root)


def is_text(content):
    return b"\0" not in content and content.isascii() and (not content or content.endswith(b"\n"))


def lines_of(name, content):
    """The lines of a listing that stand for one entry."""
    if content is None:
        return [f"{name}/"]
    if isinstance(content, str):
        return [f"{name} -> {content}"]
    if not is_text(content):
        rows = [(start, content[start:start + 16]) for start in range(0, len(content), 16)]
        return [f"{name} : {len(content)}"] + [f"{name} @ {start:06x} {row.hex(' ')}" for start, row in rows if any(row)]
    lines = content.decode().splitlines()
    if len(lines) > 1:
        return [f"{name} | {line}" for line in lines]
    return [f"{name} = {lines[0]}" if lines else f"{name} ="]


def listing_of(entries):
    """The listing that makes these entries."""
    lines, section = [], None
    for path, content in entries.items():
        directory, _, name = path.rpartition("/")
        if directory != section:
            section = directory
            lines += ["", f"[{directory}]"]
        lines += lines_of(name, content)
    return "\n".join(lines).lstrip("\n") + "\n"


if __name__ == "__main__":
    unpack(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2])
