"""Mutants of C: one small change each, as a tired programmer would make it. tests/mutants runs them."""

import bisect
import hashlib
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      |(?P<directive>^[ \t]*\#(?:[^\n\\]|\\\n|\\.)*)
      |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      |(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
      |(?P<name>[A-Za-z_]\w*)
      |(?P<sign><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\(?((?:0x[0-9a-fA-F]+|[0-9]+)[uUlL]*)\)?[ \t]*(?:/\*.*)?$", re.DOTALL)
INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)$")

OPEN, CLOSE = "([{", ")]}"
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
COMPARE = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
LOGIC = {"&&": "||", "||": "&&"}
BINARY = {"+": "-", "-": "+", "|": "&", "&": "|", "<<": ">>", ">>": "<<", "%": "*", "/": "*"}
STEP = {"++": "--", "--": "++", "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<="}
BOOLEAN = {"TRUE": "FALSE", "FALSE": "TRUE"}
SEVERITY = {
    "VSMMU_SEVERITY_ERROR": "VSMMU_SEVERITY_WARNING",
    "VSMMU_SEVERITY_WARNING": "VSMMU_SEVERITY_NOTE",
    "VSMMU_SEVERITY_NOTE": "VSMMU_SEVERITY_WARNING",
}
KEYWORDS = {"return", "if", "else", "for", "while", "do", "switch", "case", "default", "goto", "break", "continue", "sizeof"}
INTEGERS = re.compile(r"(?:int|unsigned|long|g?u?int(?:8|16|32|64)?(?:_t)?|gu?long|gs?size|s?size_t|guint|gint)$")
# What cannot go wrong is no code to be tested, and what only gives memory back is for the sanitizers.
CLAIMS = re.compile(r"g_assert\w*|g_return_\w+|g_warn_\w+|G_STATIC_ASSERT|_Static_assert")
RELEASES = re.compile(r"(?:g_)?free|xmlFree\w*|xmlXPathFree\w*|\w+_(?:unref|free)|va_start|va_end")

OPERATORS = {
    "drop-call": "a call is left out",
    "drop-assign": "an assignment is left out",
    "invert": "the condition of an if, a while or a choice is inverted",
    "drop-not": "a '!' is left out",
    "compare": "== and !=, < and <=, > and >= change places",
    "logic": "&& and || change places",
    "arithmetic": "+ and -, | and &, << and >>, ++ and -- change places",
    "constant": "an integer is one more",
    "boolean": "TRUE and FALSE change places",
    "return": "a function returns nothing, or the opposite",
    "early-return": "a function ends before a call",
    "severity": "a finding is less severe, or a note more",
}
# Those that turn a refusal into none.
REFUSING = {"invert", "drop-not", "compare", "logic", "boolean", "return", "severity"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    begin: int
    end: int


@dataclass(frozen=True)
class Mutant:
    file: str
    function: str
    operator: str
    begin: int
    end: int
    replacement: str
    first_line: int
    last_line: int
    line: str  # the original text of these lines, its white space made one
    mutated: str
    is_of_table: bool  # or of a macro: no line that runs
    nth: int = 1  # of those with the same text in the same function

    @property
    def key(self):
        return (self.file, self.function, self.line, self.mutated, self.nth)

    @property
    def id(self):
        return hashlib.sha256("\0".join(map(str, self.key)).encode()).hexdigest()[:10]

    @property
    def folder(self):
        return self.file.rpartition("/")[0]

    def apply(self, text):
        return text[: self.begin] + self.replacement + text[self.end :]


def squeeze(text):
    return " ".join(text.split())


def tokenize(text):
    found = [Token(match.lastgroup, match[0], *match.span()) for match in TOKEN.finditer(text)]
    return [token for token in found if token.kind != "comment"]


class Source:
    """The tokens of a file, and which of them belong together."""

    def __init__(self, file, text):
        self.file = file
        self.text = text
        everything = tokenize(text)
        self.directives = [token for token in everything if token.kind == "directive"]
        self.tokens = [token for token in everything if token.kind != "directive"]
        self.starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.partner = self.pair()
        self.claimed = self.find_claims()
        self.functions = {name for name, returns, _, _ in self.regions() if returns is not None}

    def pair(self):
        partner, waiting = {}, []
        self.within = []  # the bracket that is open at each token
        for i, token in enumerate(self.tokens):
            self.within.append(self.tokens[waiting[-1]].text if waiting else "")
            if token.kind == "sign" and token.text in OPEN:
                waiting.append(i)
            elif token.kind == "sign" and token.text in CLOSE and waiting:
                partner[i] = waiting.pop()
                partner[partner[i]] = i
        return partner

    def find_claims(self):
        claimed = set()
        for i, token in enumerate(self.tokens):
            if self.is_sign(i + 1, "(") and (CLAIMS.fullmatch(token.text) or RELEASES.fullmatch(token.text)):
                claimed.update(range(i, self.partner[i + 1] + 1))
        return claimed

    def is_sign(self, i, *texts):
        return 0 <= i < len(self.tokens) and self.tokens[i].kind == "sign" and self.tokens[i].text in texts

    def is_name(self, i):
        return 0 <= i < len(self.tokens) and self.tokens[i].kind == "name" and self.tokens[i].text not in KEYWORDS

    def line_of(self, position):
        return bisect.bisect_right(self.starts, position)

    def mutant(self, function, operator, begin, end, replacement):
        first, last = self.line_of(begin), self.line_of(max(begin, end - 1))
        start = self.starts[first - 1]
        stop = self.starts[last] if last < len(self.starts) else len(self.text)
        mutated = self.text[start:begin] + replacement + self.text[end:stop]
        return Mutant(self.file, function, operator, begin, end, replacement, first, last,
                      squeeze(self.text[start:stop]), squeeze(mutated), function not in self.functions)

    def of_tokens(self, function, operator, first, last, replacement):
        return self.mutant(function, operator, self.tokens[first].begin, self.tokens[last].end, replacement)

    def regions(self):
        """(name, type it returns or None, first token, last token) of each function and each table."""
        i = declared = 0
        while i < len(self.tokens):
            if self.is_sign(i, ";"):
                declared = i + 1
            elif self.is_sign(i, "{"):
                end = self.partner.get(i, len(self.tokens) - 1)
                if self.is_sign(i - 1, ")"):
                    name = self.partner[i - 1] - 1
                    yield self.tokens[name].text, [token.text for token in self.tokens[declared:name]], i, end
                elif self.is_sign(i - 1, "="):
                    name = i - 2
                    while self.is_sign(name, "]"):
                        name = self.partner[name] - 1
                    yield self.tokens[name].text, None, i, end
                declared = i = end
                declared += 1
            elif self.is_sign(i, "("):
                i = self.partner.get(i, i)
            i += 1

    def starts_statement(self, i):
        before = i - 1
        if self.within[i] != "{":
            return False
        if self.is_sign(before, ";", "{", "}") or self.tokens[before].text in ("else", "do"):
            return True
        if self.is_sign(before, ":"):
            return self.tokens[before - 1].text == "default" or self.tokens[before - 2].text == "case"
        return self.is_sign(before, ")") and self.tokens[self.partner[before] - 1].text in ("if", "for", "while", "switch")

    def end_of_statement(self, i):
        """(its semicolon, its assignment or None); (None, None) when it is no simple statement."""
        assignment = None
        while i < len(self.tokens):
            if self.is_sign(i, ";"):
                return i, assignment
            if self.is_sign(i, *OPEN):
                i = self.partner[i]
            elif self.is_sign(i, *CLOSE):
                break
            elif self.is_sign(i, *ASSIGN) and assignment is None:
                assignment = i
            i += 1
        return None, None

    def is_declaration(self, i):
        if self.tokens[i].text.startswith("g_auto"):
            return True
        following = i + 1
        while self.is_sign(following, "*"):
            following += 1
        return self.is_name(i) and self.is_name(following)

    def is_binary(self, i):
        before = self.tokens[i - 1]
        return before.kind in ("number", "text") or self.is_name(i - 1) or (before.kind == "sign" and before.text in (")", "]"))

    def condition_before(self, i):
        """Where the condition of the '?' at @i begins."""
        i -= 1
        while i >= 0:
            if self.is_sign(i, *CLOSE):
                i = self.partner[i]
            elif self.is_sign(i, *OPEN, *ASSIGN, ",", ";", ":", "?") or self.tokens[i].text == "return":
                break
            i -= 1
        return i + 1


def one_more(text):
    digits, suffix = INTEGER.match(text).groups()
    value = int(digits, 0 if digits[:2] in ("0x", "0X") else 10) + 1
    return (f"{value:#x}" if digits[:2] in ("0x", "0X") else str(value)) + suffix


def of_statement(source, function, returns, i):
    end, assignment = source.end_of_statement(i)
    first = source.tokens[i]
    if end is None or first.text in KEYWORDS or source.is_declaration(i) or not (source.is_name(i) or source.is_sign(i, "*", "(")):
        return
    if assignment is not None:
        yield source.of_tokens(function, "drop-assign", i, end, "(void) 0;")
    elif source.is_sign(end - 1, ")") and source.is_name(i) and not RELEASES.fullmatch(first.text):
        yield source.of_tokens(function, "drop-call", i, end, "(void) 0;")
        if returns[-1:] == ["void"]:
            yield source.of_tokens(function, "early-return", i, end, "return;")


def of_return(source, function, returns, i):
    end, _ = source.end_of_statement(i)
    value = [token.text for token in source.tokens[i + 1 : end]]
    if end is None or not value or not returns:
        return
    if returns[-1] == "gboolean":
        wanted = [word for word in ("FALSE", "TRUE") if value not in (["TRUE"], ["FALSE"])]
    elif returns[-1] == "*":
        wanted = ["NULL"]
    else:
        wanted = ["0"] if INTEGERS.match(returns[-1]) else []
    for word in wanted:
        if value != [word]:
            yield source.of_tokens(function, "return", i + 1, end - 1, word)


def is_step_of_loop(source, i):
    """Turned round, it would only run until the time is over."""
    return source.tokens[i].text in ("++", "--") and source.within[i] == "(" and source.is_sign(i + 1, ")")


def of_token(source, function, i):
    token = source.tokens[i]
    if is_step_of_loop(source, i):
        return
    if token.kind == "number" and INTEGER.match(token.text):
        yield source.of_tokens(function, "constant", i, i, one_more(token.text))
    for operator, table, kind in (("boolean", BOOLEAN, "name"), ("severity", SEVERITY, "name"), ("compare", COMPARE, "sign"),
                                  ("logic", LOGIC, "sign"), ("arithmetic", STEP, "sign")):
        if token.kind == kind and token.text in table:
            yield source.of_tokens(function, operator, i, i, table[token.text])
    if token.kind == "sign" and token.text in BINARY and source.is_binary(i):
        yield source.of_tokens(function, "arithmetic", i, i, BINARY[token.text])
    if source.is_sign(i, "!"):
        yield source.of_tokens(function, "drop-not", i, i, "")


def of_condition(source, function, i):
    if source.tokens[i].text in ("if", "while") and source.is_sign(i + 1, "("):
        first, last = i + 2, source.partner[i + 1] - 1
    elif source.is_sign(i, "?"):
        first, last = source.condition_before(i), i - 1
    else:
        return
    text = source.text[source.tokens[first].begin : source.tokens[last].end]
    yield source.of_tokens(function, "invert", first, last, f"!({text})")


def of_region(source, function, returns, first, last):
    for i in range(first + 1, last):
        if i in source.claimed:
            continue
        yield from of_token(source, function, i)
        if returns is None:
            continue
        yield from of_condition(source, function, i)
        if source.tokens[i].text == "return":
            yield from of_return(source, function, returns, i)
        elif source.starts_statement(i):
            yield from of_statement(source, function, returns, i)


def of_source(file, text):
    """All mutants of a file, in the order of its text."""
    source = Source(file, text)
    found = []
    for token in source.directives:
        if match := DEFINE.match(token.text):
            begin, end = match.span(2)
            found.append(source.mutant(match[1], "constant", token.begin + begin, token.begin + end, one_more(match[2])))
    for region in source.regions():
        found += of_region(source, *region)
    found.sort(key=lambda mutant: (mutant.begin, mutant.end, mutant.replacement))
    numbered, seen = [], {}
    for mutant in found:
        if mutant.line == mutant.mutated:
            continue
        seen[mutant.key] = nth = seen.get(mutant.key, 0) + 1
        numbered.append(Mutant(**{**vars(mutant), "nth": nth}))
    return numbered
