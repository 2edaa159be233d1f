"""What people read is plain English: messages, comments and documents have none of the constructions of language.txt.

As a program it prints the file, the line and the construction of each, with what to write instead, and ends with 1.
"""

import bisect
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent
# Messages and comments; what else is in these files is C.
C = ("include/**/*.h", "src/**/*.[ch]", "tools/**/*.[ch]", "examples/*.c")
# Read as a whole; what programs print is compared with them elsewhere, and is their affair.
TEXT = ("*.md", "NEWS", "docs/*.md", "docs/*.rst", "po/README.md", "tests/README.md", "src/*/README.md", "src/**/*.x", "data/**/*", "schemas/*", "meson_options.txt", "examples/**/*",
        ".github/**/*.md", ".github/ISSUE_TEMPLATE/*")
# Made from the table of rules.
MADE = ("docs/rules.rst",)
TOKENS = re.compile(r"(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<text>\"(?:\\.|[^\"\\\n])*\")|'(?:\\.|[^'\\\n])*'", re.DOTALL)
# What may be between two literals that the compiler makes one of.
BETWEEN = re.compile(r"\s*(?:PRI\w+|G_G\w+_FORMAT)?\s*")
LEADERS = re.compile(r"^[ \t]*(?:\*|#+:?|//|\.\.)(?=[ \t]|$)", re.MULTILINE)


class Passage:
    """Words that belong together, with one blank between two of them; a construction may be on two lines."""

    def __init__(self, first_line, text):
        self.starts, self.lines, words, at = [], [], [], 0
        for number, line in enumerate(LEADERS.sub("", text).split("\n"), first_line):
            for word in line.split():
                self.starts.append(at)
                self.lines.append(number)
                words.append(word)
                at += len(word) + 1
        self.text = " ".join(words)

    def line_at(self, offset):
        return self.lines[bisect.bisect_right(self.starts, offset) - 1]


def passages_of_c(source):
    """Each comment, and each literal with those it is joined to."""
    pending, end, line, counted = None, 0, 1, 0
    for match in TOKENS.finditer(source):
        line += source.count("\n", counted, match.start())
        counted = match.start()
        if match["text"]:
            # Lines are kept apart, so that the place of a word is known.
            between = source[end:match.start()]
            text = re.sub(r"\\[nt]", " ", match["text"][1:-1]).replace('\\"', '"')
            if pending is not None and BETWEEN.fullmatch(between):
                pending += [(line, text)]
            else:
                yield from joined(pending)
                pending = [(line, text)]
            end = match.end()
        elif match["comment"]:
            yield Passage(line, match["comment"].removeprefix("/*").removesuffix("*/"))
    yield from joined(pending)


def joined(pieces):
    """One passage of literals, each on a line of its own; a word may be in two of them."""
    if pieces:
        passage = Passage(0, "")
        passage.text = "".join(text for _, text in pieces)
        at = 0
        for line, text in pieces:
            passage.starts.append(at)
            passage.lines.append(line)
            at += len(text)
        yield passage


def without_output(text):
    """A document without its console blocks, and with as many lines."""
    kept, fence, block = [], False, None
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if line.strip() == "```console" or fence and line.strip() == "```":
            fence = not fence
        elif not fence and block is None and re.match(r" +[$#] ", line):
            block = indent
        elif block is not None and line.strip() and indent < block:
            block = None
        kept.append("" if fence or block is not None else line)
    return "\n".join(kept)


def files(source=SOURCE):
    """(path, whether it is C) of what is looked at."""
    for patterns, is_c in ((C, True), (TEXT, False)):
        for path in sorted({path for pattern in patterns for path in source.glob(pattern)}):
            if path.is_file() and str(path.relative_to(source)) not in MADE and (is_c or path.suffix not in (".c", ".h")):
                yield path, is_c


def banned():
    """(expression, what to write instead) of language.txt."""
    for line in (SOURCE / "tests/language.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            expression, _, instead = line.partition("\t")
            yield re.compile(expression), instead.strip()


def any_of(expressions):
    """Quicker than one after the other, and nearly always enough."""
    return re.compile("|".join(expression.pattern.replace("(?i)", "") for expression, _ in expressions), re.IGNORECASE)


def findings_in(path, is_c, expressions, any_expression):
    text = path.read_text(encoding="utf-8")
    passages = passages_of_c(text) if is_c else [Passage(1, without_output(text))]
    for passage in passages:
        for expression, instead in expressions if any_expression.search(passage.text) else []:
            for match in expression.finditer(passage.text):
                yield passage.line_at(match.start()), match[0], instead


def findings(source=SOURCE):
    expressions = list(banned())
    any_expression = any_of(expressions)
    for path, is_c in files(source):
        yield from (f"{path.relative_to(source)}:{line}: '{found}': {instead}" for line, found, instead in sorted(findings_in(path, is_c, expressions, any_expression)))


if __name__ == "__main__":
    lines = list(findings())
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.exit(1 if lines else 0)
