"""The formats of the findings: their form, and that nothing in a document can break or abuse them."""

import collections
import json
import os
import re
import unicodedata
import urllib.parse
import xml.etree.ElementTree as ET

import jsonschema
import pytest

from program import DATA

GRACE = DATA / "grace.xml"
CASES = sorted(DATA.glob("rules/*/*.xml"))
MIXED = [DATA / "rules" / name for name in ("pci-bus-not-root/fires-port.xml", "gic-version-implicit/fires.xml",
                                           "unknown-driver-attribute/fires-two.xml", "xml-malformed/fires-cut-off.xml")]
SCHEMA = json.loads((DATA.parent.parent / "schemas" / "findings.schema.json").read_text(encoding="utf-8"))

# Characters that XML allows in an attribute and that a terminal or a reader could be misled by.
DANGEROUS = {
    "newline": "\n",
    "carriage-return": "\r",
    "tab": "\t",
    "delete": "\x7f",
    "next-line": "\x85",
    "control-sequence": "\x9b",
    "operating-system-command": "\x9d",
    "soft-hyphen": "\u00ad",
    "zero-width-space": "\u200b",
    "line-separator": "\u2028",
    "right-to-left-override": "\u202e",
    "isolate": "\u2066",
    "byte-order-mark": "\ufeff",
    "tag": "\U000e0041",
}
FORMATS = ("json", "sarif", "checkstyle", "gitlab")
SEVERITIES = ("error", "warning", "note")
HARMLESS = "\u00fcml\u00e4ut \u2603 \u4e2d\u6587 \U0001f600 a\u0301"


def with_value(value):
    """grace.xml with that value where ats is 'on' or 'off', and the same as the name of a disk and of the machine."""
    reference = "".join(f"&#{ord(character)};" for character in value)
    return (GRACE.read_text(encoding="utf-8").replace("accel='on'", f"accel='on' ats='{reference}'")
            .replace("dev='vda'", f"dev='{reference}'").replace("bus='0x01' slot='0x00'", "bus='0x04' slot='0x00'", 1)
            .replace("machine='virt'", f"machine='virt-{reference}'"))


def count(findings, severity):
    return sum(finding["severity"] == severity for finding in findings)


def is_printable(text):
    return all(unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp") for character in text.replace("\n", ""))


# Text

FINDING = re.compile(
    r"(?P<file>.+?):(?P<line>\d+): (?P<severity>error|warning|note): (?P<message>.+) \[(?P<rule>[a-z0-9-]+)\]")
HINT = re.compile(r"    hint: (?P<hint>\S.*)")
TOTAL = re.compile(r"(\d+) documents? checked: (\d+) errors?, (\d+) warnings?, (\d+) notes?")


def parse_text(out):
    """(findings, total) of the text format; fails on any other line."""
    *lines, total = out.splitlines()
    findings = []
    for finding, hint in zip(lines[::2], lines[1::2], strict=True):
        findings.append({**FINDING.fullmatch(finding).groupdict(), **HINT.fullmatch(hint).groupdict()})
    return findings, tuple(map(int, TOTAL.fullmatch(total).groups()))


def test_text_is_a_line_and_a_hint_for_each_finding_and_a_total(program):
    findings, total = parse_text(program.run("check", *MIXED).out)
    assert total[0] == len(MIXED)
    assert total[1:] == tuple(count(findings, severity) for severity in SEVERITIES)
    assert sum(total[1:]) == len(findings) > 5


def test_text_and_json_hold_the_same_findings(program):
    findings, _ = parse_text(program.run("check", *CASES).out)
    for in_text, in_json in zip(findings, program.check(*CASES).findings, strict=True):
        assert in_text == {name: str(value) for name, value in in_json.items() if name != "element"}


@pytest.mark.parametrize("arguments, total", [
    (["--ignore=not-migratable", GRACE], "1 document checked: 0 errors, 0 warnings, 0 notes"),
    ([GRACE, GRACE], "2 documents checked: 0 errors, 0 warnings, 2 notes"),
    ([MIXED[0]], "1 document checked: 1 error, 0 warnings, 1 note"),
    ([MIXED[1]], "1 document checked: 0 errors, 1 warning, 1 note"),
])
def test_the_total_knows_singular_and_plural(arguments, total, program):
    assert program.run("check", *arguments).out.splitlines()[-1] == total


def test_findings_are_in_the_order_of_their_lines(program):
    for path in MIXED:
        lines = [finding["line"] for finding in program.check(path).findings]
        assert lines == sorted(lines)


# JSON

def test_the_schema_is_a_schema_that_describes_everything():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] and SCHEMA["title"] and SCHEMA["description"]
    for definition in (SCHEMA["$defs"]["finding"], SCHEMA["$defs"]["summary"]):
        assert definition["additionalProperties"] is False
        assert sorted(definition["required"]) == sorted(definition["properties"])
        assert all(part["description"] for part in definition["properties"].values())


@pytest.mark.parametrize("paths", [[GRACE], MIXED, CASES, [DATA / "rules" / "not-migratable" / "quiet-emulated.xml"]],
                         ids=["grace", "mixed", "all-cases", "none"])
def test_json_fits_its_schema(paths, program):
    report = json.loads(program.check(*paths).out)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    counts = {f"{severity}s": count(report["findings"], severity) for severity in SEVERITIES}
    assert report["summary"] == {"files": len(paths), **counts}


@pytest.mark.parametrize("spoil", [
    {"findings": []}, {"findings": [], "summary": {"files": 1, "errors": 0, "warnings": 0}},
    {"findings": [{"rule": "needs-kvm"}], "summary": {"files": 1, "errors": 1, "warnings": 0, "notes": 0}}])
def test_the_schema_refuses_what_is_incomplete(spoil):
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(spoil))


def test_json_of_documents_that_cannot_be_read_is_still_json(program):
    outcome = program.check("no-such-file.xml")
    assert outcome.status == 2
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(outcome.out))
    assert json.loads(outcome.out) == {"findings": [], "summary": {"files": 0, "errors": 0, "warnings": 0, "notes": 0}}


# SARIF

def sarif(program, *paths, **options):
    return json.loads(program.run("check", "--format", "sarif", *paths, **options).out)


def uri_of(result):
    """The address of the file of a result; its path as it was before it was escaped."""
    uri = urllib.parse.urlsplit(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    return uri._replace(path=urllib.parse.unquote(uri.path))


def test_sarif_is_a_log_of_one_run_with_all_rules(program):
    log = sarif(program, *MIXED)
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "virt-vsmmu"
    assert f"virt-vsmmu {driver['version']}\n" == program.run("--version").out
    assert [rule["id"] for rule in driver["rules"]] == program.rules()
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"] and rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_sarif_and_json_hold_the_same_findings(program):
    [run] = sarif(program, *MIXED)["runs"]
    for result, finding in zip(run["results"], program.check(*MIXED).findings, strict=True):
        [location] = result["locations"]
        assert result["ruleId"] == finding["rule"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        assert result["level"] == finding["severity"]
        assert finding["message"] in result["message"]["text"] and finding["hint"] in result["message"]["text"]
        assert location["physicalLocation"]["region"] == {"startLine": finding["line"]}
        assert location["logicalLocations"][0]["fullyQualifiedName"] == finding["element"]
        assert uri_of(result).path == finding["file"]


def test_sarif_without_findings_has_no_results(program):
    [run] = sarif(program, "--ignore=not-migratable", GRACE)["runs"]
    assert run["results"] == []


def test_sarif_says_where_a_rule_is_explained(program):
    [run] = sarif(program, GRACE)["runs"]
    driver = run["tool"]["driver"]
    assert (driver["informationUri"], driver["semanticVersion"]) == ("man:virt-vsmmu(1)", driver["version"])
    assert {rule["helpUri"] for rule in driver["rules"]} == {"man:vsmmu-rules(7)"}


# Formats of other programs

def test_checkstyle_holds_the_same_findings(program):
    root = ET.fromstring(program.run("check", "-f", "checkstyle", *MIXED).out)
    assert (root.tag, root.attrib) == ("checkstyle", {"version": "4.3"})
    assert [file.get("name") for file in root] == [str(path) for path in MIXED]
    shown = [{"file": file.get("name"), **error.attrib} for file in root for error in file]
    assert shown == [{"file": finding["file"], "line": str(finding["line"]), "source": f"virt-vsmmu.{finding['rule']}",
                      "severity": {"note": "info"}.get(finding["severity"], finding["severity"]),
                      "message": f"{finding['message']}; hint: {finding['hint']}"}
                     for finding in program.check(*MIXED).findings]


def test_gitlab_holds_the_same_findings(program):
    shown = json.loads(program.run("check", "-f", "gitlab", *MIXED, MIXED[0]).out)
    findings = program.check(*MIXED, MIXED[0]).findings
    assert [{name: value for name, value in issue.items() if name != "fingerprint"} for issue in shown] == [
        {"description": f"{finding['message']}; {finding['hint']}", "check_name": finding["rule"],
         "severity": {"note": "info", "warning": "minor", "error": "major"}[finding["severity"]],
         "location": {"path": finding["file"], "lines": {"begin": finding["line"]}}} for finding in findings]
    prints = [issue["fingerprint"] for issue in shown]
    assert len(set(prints)) == len(prints) > 5 and all(re.fullmatch("[0-9a-f]{64}", text) for text in prints)


def test_gitlab_knows_a_finding_again_below_new_lines(program, tmp_path):
    document, seen = MIXED[0].read_text(encoding="utf-8"), []
    for text in (document, document.replace("<devices>", "<devices>\n\n")):
        (tmp_path / "guest.xml").write_text(text, encoding="utf-8")
        seen.append(json.loads(program.run("check", "-f", "gitlab", "guest.xml", cwd=tmp_path).out))
    before, after = ([issue["fingerprint"] for issue in issues] for issues in seen)
    lines = [[issue["location"]["lines"]["begin"] for issue in issues] for issues in seen]
    assert before == after and lines[0] != lines[1]


@pytest.mark.parametrize("format", ["checkstyle", "gitlab"])
def test_without_findings_there_is_an_empty_report(format, program):
    out = program.run("check", "-f", format, "--ignore=not-migratable", GRACE).out
    assert len(ET.fromstring(out)) == 0 if format == "checkstyle" else json.loads(out) == []


# What is shown

@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("format", ["text", "json"])
def test_only_what_is_severe_enough_is_shown(severity, format, program):
    wanted = [finding for finding in program.check(*MIXED).findings
              if SEVERITIES.index(finding["severity"]) <= SEVERITIES.index(severity)]
    outcome = program.run("check", "-f", format, "--severity", severity, *MIXED)
    if format == "json":
        assert json.loads(outcome.out)["findings"] == wanted
    else:
        findings, total = parse_text(outcome.out)
        assert [finding["message"] for finding in findings] == [finding["message"] for finding in wanted]
        assert total == (len(MIXED), *(count(wanted, name) for name in SEVERITIES))
    assert outcome.status == 1


def test_a_severity_that_hides_all_leaves_the_status_of_what_is_left(program):
    assert program.run("check", "-S", "error", GRACE).out == "1 document checked: 0 errors, 0 warnings, 0 notes\n"
    assert program.run("check", "-S", "fatal", GRACE).status == 2


BROKEN = (DATA.parent.parent / "examples" / "broken-topology.xml").read_text(encoding="utf-8")
VSMMU = "    <iommu model='smmuv3'>\n      <driver pciBus='5'"


def silenced(program, document):
    """What is not found any more: rules."""
    before, after = (collections.Counter((finding["rule"], finding["element"]) for finding in
                                         program.check("-", input=text.encode()).findings) for text in (BROKEN, document))
    assert not after - before
    return sorted(rule for rule, _ in before - after)


@pytest.mark.parametrize("rules, wanted", [
    ("pci-bus-not-root", ["pci-bus-not-root"]), ("not-migratable,pci-bus-not-root see ticket 4", ["pci-bus-not-root"]),
    ("pci-bus-shared", []), ("vsmmu-empty", [])])
def test_a_comment_silences_a_rule_for_the_element_that_follows(rules, wanted, program):
    assert VSMMU in BROKEN
    assert silenced(program, BROKEN.replace(VSMMU, f"    <!-- virt-vsmmu ignore={rules} -->\n{VSMMU}")) == wanted


def test_a_comment_before_the_root_is_about_everything(program):
    document = BROKEN.replace("<domain", "<!-- virt-vsmmu ignore=vsmmu-empty,pci-bus-shared -->\n<domain", 1)
    assert silenced(program, document) == ["pci-bus-shared", "vsmmu-empty"]
    assert silenced(program, document.replace(" ignore=", " ignore =")) == []


@pytest.mark.parametrize("old, new", [("</name>", "{}</name>"), ("</devices>", "{}</devices>"), ("<devices>", "<devices><x>{}</x>")])
def test_a_comment_without_an_element_after_it_silences_nothing(old, new, program):
    document = BROKEN.replace(old, new.format("<!-- virt-vsmmu ignore=pci-bus-not-root -->"), 1)
    assert document != BROKEN and silenced(program, document) == []


QEMU = [path for path in sorted((DATA / "rules" / "commandline-not-understood").glob("fires*.xml"))
        if "<qemu:commandline>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", QEMU, ids=lambda path: path.stem)
def test_a_comment_at_an_element_of_qemus_is_about_that(path, program):
    text = path.read_text(encoding="utf-8")
    silent = text.replace("<qemu:commandline>", "<!-- virt-vsmmu ignore=commandline-not-understood --><qemu:commandline>")
    before, after = (program.check("-", input=version.encode()).findings for version in (text, silent))
    assert after == [finding for finding in before if finding["rule"] != "commandline-not-understood"
                     or not finding["element"].startswith("/domain/qemu:commandline")]


def test_what_the_hook_would_say_no_comment_changes(program, tmp_path):
    path = tmp_path / "guest.xml"
    path.write_text(BROKEN.replace("<domain", "<!-- virt-vsmmu ignore=pci-bus-not-root -->\n<domain", 1), encoding="utf-8")
    assert "pci-bus-not-root" not in program.check(path).rules
    assert "pci-bus-not-root" in program.check("--policy", path).rules


ODD = {
    "deep": "<metadata>" + "<x>" * 5000 + "<!-- virt-vsmmu ignore=vsmmu-empty -->" + "</x>" * 5000 + "</metadata>",
    "many": "<!-- virt-vsmmu ignore=vsmmu-empty -->" * 20_000,
    "many-unknown": "<!-- virt-vsmmu ignore=" + ",".join(["nonsense"] * 100_000) + " -->",
    "no-rule": "<!-- virt-vsmmu ignore= -->", "empty-rules": "<!-- virt-vsmmu ignore=,,, -->", "empty": "<!---->",
    "elsewhere": "<x><!-- virt-vsmmu ignore=vsmmu-empty --><iommu/></x>"}


@pytest.mark.parametrize("comments", ODD.values(), ids=ODD)
def test_odd_comments_silence_nothing(comments, program):
    plain, found = (program.check("-", input=text.encode()).findings for text in (BROKEN, BROKEN.replace("</domain>", f"{comments}</domain>")))
    unknown = [finding for finding in found if finding["rule"] == "ignored-rule-unknown"]
    assert [finding for finding in found if finding not in unknown] == plain and len(unknown) <= 20


def test_comments_in_utf16_are_read_too(program):
    document = re.sub(r"<\?xml.*?\?>\s*", "", BROKEN).replace("<domain", "<!-- virt-vsmmu ignore=vsmmu-empty -->\n<domain", 1)
    assert "vsmmu-empty" not in program.check("-", input=document.encode("utf-16")).rules


def test_quiet_shows_findings_and_nothing_else(program, tmp_path):
    (tmp_path / "network.xml").write_text("<network/>", encoding="utf-8")
    loud, quiet = (program.run("check", *more, "-r", tmp_path, *MIXED) for more in ([], ["--quiet"]))
    assert quiet.out and loud.out == quiet.out + "".join(loud.out.splitlines(keepends=True)[-2:])
    assert (quiet.err, quiet.status) == (loud.err, loud.status)
    assert program.run("check", "-q", "-S", "warning", GRACE).out == ""


# Names of files

NAMES = [
    "plain.xml", "with space.xml", "colon: a.xml", "1:2: error: fake.xml", "c:d.xml", "\u00fcml\u00e4ut.xml", 
    "\u4e2d\u6587.xml", "50%41.xml", "#hash?query.xml", "-dash.xml", "quote\"'.xml"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", ["good", "malformed"])
def test_every_name_of_a_file_is_shown_as_it_is(name, content, program, tmp_path):
    document = GRACE.read_text(encoding="utf-8")
    (tmp_path / name).write_text(document if content == "good" else document[:-20], encoding="utf-8")
    outcome = program.check("--", name, cwd=tmp_path)
    [finding] = outcome.findings
    assert finding["file"] == name
    assert name not in finding["message"]
    assert program.run("check", "--", name, cwd=tmp_path).out.startswith(f"{name}:{finding['line']}: ")
    uri = uri_of(sarif(program, "--", name, cwd=tmp_path)["runs"][0]["results"][0])
    assert (uri.scheme, os.path.normpath(uri.path), uri.query, uri.fragment) == ("", name, "", "")


@pytest.mark.parametrize("name", [b"latin-\xfc.xml", b"\xff\xfe.xml", b"cut-\xe4\xb8.xml"])
def test_a_name_that_is_not_utf8_is_shown_with_replacements(name, program, tmp_path):
    path = os.fsencode(tmp_path) + b"/" + name
    with open(path, "wb") as file:
        file.write(GRACE.read_bytes())
    [finding] = program.check(path).findings
    assert "\ufffd" in finding["file"] and finding["file"].endswith(".xml")
    assert "\ufffd" in program.run("check", path).out
    assert sarif(program, path)["runs"][0]["results"]
    missing = program.run("check", path + b".missing")
    assert missing.status == 2 and "\ufffd" in missing.err


@pytest.mark.parametrize("arguments", [["check"], ["args"], *(["check", "-f", name] for name in FORMATS)])
def test_a_name_with_control_characters_does_not_reach_the_terminal_raw(arguments, program, tmp_path):
    for content in ("<domain", None):
        name = "\x1b[31mred\u202e\x9b1m\r.xml"
        if content is not None:
            (tmp_path / name).write_text(content, encoding="utf-8")
        outcome = program.run(*arguments, name, cwd=tmp_path)
        assert outcome.status == (2 if content is None or arguments == ["args"] else 1)
        assert is_printable(outcome.err)
        assert is_printable(outcome.out)
        # Wherever it is shown, its letters are.
        assert "[31mred" in urllib.parse.unquote(outcome.out + outcome.err)
        (tmp_path / name).unlink(missing_ok=True)


# Values from the document

@pytest.mark.parametrize("name", DANGEROUS)
@pytest.mark.parametrize("arguments", [
    ["check"], ["check", "--color=always"], *(["check", "-f", name] for name in FORMATS),
    ["args"], ["args", "--force"],
], ids=" ".join)
def test_a_control_character_in_a_value_does_not_reach_the_terminal_raw(name, arguments, program):
    value = f"x{DANGEROUS[name]}y"
    outcome = program.run(*arguments, "-", input=with_value(value).encode())
    if arguments == ["args", "--force"]:  # which prints values for a shell, where they must be what they are
        assert (outcome.status, outcome.err) == (0, "") and value in outcome.out
        return
    assert outcome.status == 1
    assert is_printable(outcome.err) and is_printable(re.sub(r"\x1b\[[0-9;]*m", "", outcome.out))
    # It is spoken of, where findings are shown.
    assert re.search(r"x\S{1,12}y", outcome.err if arguments == ["args"] else outcome.out)


@pytest.mark.parametrize("name", DANGEROUS)
def test_json_keeps_the_value_as_it_is(name, program):
    value = f"x{DANGEROUS[name]}y"
    findings = program.check("-", input=with_value(value).encode()).findings
    assert any(value in finding["message"] for finding in findings if finding["rule"] == "invalid-attribute-value")


def test_letters_of_all_languages_are_shown_as_they_are(program):
    assert HARMLESS in program.run("check", "-", input=with_value(HARMLESS).encode()).out


def test_a_value_cannot_pretend_to_be_another_finding(program):
    fake = "x' \n/etc/passwd:1: error: fake [needs-kvm]\n    hint: run this"
    findings, _ = parse_text(program.run("check", "-", input=with_value(fake).encode()).out)
    assert all(finding["file"] == "<stdin>" and finding["rule"] != "needs-kvm" for finding in findings)


def test_format_specifiers_in_values_are_only_text(program):
    assert "%s%n%d%100000000d" in program.run("check", "-", input=with_value("%s%n%d%100000000d").encode()).out


# Where a long value can stand, and a finding that shows it.
LONG_VALUES = {
    "attribute-name": "<iommu model='smmuv3'><driver pciBus='2' accel='on' {}='1'/></iommu>",
    "iommu-model": "<iommu model='{}'/>",
    "controller-model": "<controller type='pci' index='9' model='{}'/>",
    "controller-type": "<controller type='{}' index='9'><address type='pci' bus='4' slot='0'/></controller>",
    "iommufd": "<hostdev type='pci'><driver iommufd='{}'/></hostdev>",
    "alias": "<rng model='virtio'><alias name='{}'/><address type='pci' bus='4' slot='0'/></rng>",
    "machine-argument": "</devices><q:commandline><q:arg value='-M'/><q:arg value='its=off,{}'/></q:commandline><devices>",
    "device-argument": "</devices><q:commandline><q:arg value='vfio-pci,{}'/></q:commandline><devices>",
    "override": "</devices><q:override><q:device alias='iommu0'><q:frontend><q:property name='{}'/></q:frontend>"
                "</q:device></q:override><devices>",
}


@pytest.mark.parametrize("name", LONG_VALUES)
def test_long_values_are_shortened(name, program):
    document = GRACE.read_text(encoding="utf-8").replace(
        "<domain type", "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0' type").replace(
        "    <iommu", LONG_VALUES[name].format("x" * 20_000) + "    <iommu")
    findings = program.check("-", input=document.encode()).findings
    assert any("xxxxxxxx" in finding["message"] for finding in findings)
    assert all(len(finding["message"]) < 400 and len(finding["hint"]) < 400 for finding in findings)
