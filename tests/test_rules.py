"""Each rule fires on the documents made for it, where they say so, and is quiet on their close neighbours.

tests/data/rules/RULE/fires*.xml and quiet*.xml; in them stand, as comments,
  here: SEVERITY ELEMENT   a finding of RULE is expected on this line, once for each comment
  also: RULE …             other rules that have errors or warnings in this document
  target: TARGET           check with --target TARGET
"""

import collections
import pathlib
import re
import xml.parsers.expat

import pytest

from program import DATA, Program

CASES = [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in sorted(DATA.glob("rules/*/*.xml"))]
FIRING = [case for case in CASES if case.values[0].stem.startswith("fires")]
QUIET = [case for case in CASES if case.values[0].stem.startswith("quiet")]
GRACE = DATA / "grace.xml"
CHECKED_ELSEWHERE = {"schema-violation"}

EXPECTED = re.compile(r"<!-- here: (\S+) (\S+) -->")
ALSO = re.compile(r"<!-- also: ([a-z0-9 -]+) -->")
TARGET = re.compile(r"<!-- target: (\S+) -->")


@pytest.fixture(scope="session")
def program(build_dir):
    return Program(build_dir / "tools" / "virt-vsmmu")


@pytest.fixture(scope="session")
def findings_of(program):
    """The findings of a case, each looked up once."""
    cache = {}

    def check(path):
        if path not in cache:
            target = TARGET.search(path.read_text(encoding="utf-8"))
            cache[path] = program.check(*(["--target", target[1]] if target else []), path).findings
        return cache[path]

    return check


def expected_places(path):
    """(line, severity, element) of every finding that the document asks for."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return collections.Counter((number, severity, element) for number, line in enumerate(lines, 1)
                               for severity, element in EXPECTED.findall(line))


def places(findings, rule):
    return collections.Counter((finding["line"], finding["severity"], finding["element"])
                               for finding in findings if finding["rule"] == rule)


def element_lines(document):
    """The first and last line of every element, by its path: /domain[1]/devices[1]/iommu[2]."""
    parser = xml.parsers.expat.ParserCreate()
    lines, stack, counts = {}, [""], [collections.Counter()]

    def start(name, _):
        counts[-1][name] += 1
        stack.append(f"{stack[-1]}/{name}[{counts[-1][name]}]")
        counts.append(collections.Counter())
        lines[stack[-1]] = [parser.CurrentLineNumber]

    def end(_):
        lines[stack.pop()].append(parser.CurrentLineNumber)
        counts.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(document, True)
    return lines


def full_path(element):
    return re.sub(r"([^]/])(?=/|$)", r"\1[1]", element)


@pytest.mark.parametrize("path", FIRING)
def test_rule_fires_exactly_where_the_document_says(path, findings_of):
    expected = expected_places(path)
    assert expected, "the document marks no line"
    assert places(findings_of(path), path.parent.name) == expected


@pytest.mark.parametrize("path", QUIET)
def test_rule_is_quiet_on_the_neighbour(path, findings_of):
    assert not places(findings_of(path), path.parent.name)


@pytest.mark.parametrize("path", CASES)
def test_no_other_rule_has_errors_or_warnings(path, findings_of):
    also = ALSO.search(path.read_text(encoding="utf-8"))
    others = {finding["rule"] for finding in findings_of(path) if finding["severity"] != "note"} - {path.parent.name}
    assert others == (set(also[1].split()) if also else set())


@pytest.mark.parametrize("path", CASES)
def test_findings_have_a_hint_and_lie_in_the_element_they_name(path, findings_of):
    for finding in findings_of(path):
        assert finding["message"].strip() and finding["hint"].strip(), finding
        if finding["rule"] == "xml-malformed":
            continue
        lines = element_lines(path.read_bytes())
        assert full_path(finding["element"]) in lines, f"no such element: {finding}"
        first, last = lines[full_path(finding["element"])]
        assert first <= finding["line"] <= last, finding


def test_every_rule_has_cases_of_both_kinds(program):
    rules = set(program.rules()) - CHECKED_ELSEWHERE
    assert {case.values[0].parent.name for case in FIRING} == rules
    assert {case.values[0].parent.name for case in QUIET} == rules


def test_the_base_of_all_cases_has_no_findings_but_notes(program):
    assert program.check(GRACE).rules == ["not-migratable"]
