"""`virt-vsmmu check --schema` and xmllint alone accept the same documents, and our messages name the place."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

import pytest

import bed
from means import give_up
from waiting import await_true

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / "tests" / "schema"
SCHEMA = ROOT / "schemas" / "vsmmu-domain.rng"
HREF = "/usr/share/libvirt/schemas/domain.rng"
LIBVIRT_SCHEMAS = {"installed": pathlib.Path(HREF), "newest": bed.directory(bed.names()[-1]) / HREF.lstrip("/")}

sys.path.insert(0, str(DATA))
import samples  # noqa: E402

# Far less than what libxml2 alone would take; sanitizers take their time.
SECONDS = 60 if "VSMMU_SANITIZED" in os.environ else 10
# The line of a mistake, and words that the message about it has.
EXPECTATION = re.compile(r"<!-- expect: (\d+) (.*) -->")


def documents(kind):
    return [pytest.param(path, id=path.stem) for path in sorted((DATA / kind).glob("*.xml"))]


def has_smmuv3(path):
    return ET.parse(path).find("devices/iommu[@model='smmuv3']") is not None


def write(directory, texts):
    """The paths of one file for each text."""
    paths = []
    for number, text in enumerate(texts):
        paths.append(directory / f"{number:04}.xml")
        paths[-1].write_text(text, encoding="utf-8")
    return paths


@pytest.fixture(scope="module", params=LIBVIRT_SCHEMAS)
def libvirt_schema(request):
    """The domain.rng of some libvirt."""
    path = LIBVIRT_SCHEMAS[request.param]
    if not path.is_file():
        give_up(f"{path} is missing: libvirt's schemas are in the package libvirt-common, on Debian 12 in libvirt0")
    return path


@pytest.fixture(scope="module")
def our_schema(libvirt_schema, tmp_path_factory):
    """Our schema as xmllint reads it, on top of that libvirt's."""
    text = SCHEMA.read_text(encoding="utf-8")
    assert text.count(HREF) == 1, f"{SCHEMA} should name {HREF} once"
    if str(libvirt_schema) == HREF:
        return SCHEMA
    path = tmp_path_factory.mktemp("schema") / SCHEMA.name
    path.write_text(text.replace(HREF, str(libvirt_schema)), encoding="utf-8")
    return path


def xmllint(schema, *paths):
    """The paths that xmllint says validate."""
    if not shutil.which("xmllint"):
        give_up("xmllint is missing: it is in the package libxml2-utils")
    run = subprocess.run(["xmllint", "--noout", "--relaxng", schema, *paths], capture_output=True, text=True, timeout=300)
    assert run.returncode in (0, 3), f"xmllint ended with status {run.returncode}: {run.stderr}"
    return {pathlib.Path(line.removesuffix(" validates")) for line in run.stderr.splitlines() if line.endswith(" validates")}


@pytest.fixture(scope="module")
def run_check(build_dir):
    def run(schema, *paths, timeout=60):
        environment = os.environ | {"LC_ALL": "C.UTF-8", "G_DEBUG": "fatal-criticals"}
        return subprocess.run([build_dir / "tools" / "virt-vsmmu", "check", f"--schema-file={schema}", "--format", "json", *paths],
                              capture_output=True, text=True, env=environment, timeout=timeout)
    return run


@pytest.fixture(scope="module")
def violations(run_check):
    """The findings of the rule schema-violation in some files."""
    def check(schema, *paths, timeout=60):
        run = run_check(schema, *paths, timeout=timeout)
        assert run.returncode in (0, 1), f"virt-vsmmu ended with status {run.returncode}: {run.stderr}"
        return [finding for finding in json.loads(run.stdout)["findings"] if finding["rule"] == "schema-violation"]
    return check


def domain(devices):
    return ("<domain type='kvm'>\n<name>a</name>\n<memory>1</memory>\n<os>\n<type>hvm</type>\n</os>\n<devices>\n" +
            "\n".join(devices) + "\n</devices>\n</domain>\n")


@pytest.mark.parametrize("path", documents("pass"))
def test_xmllint_alone_accepts_what_must_pass(our_schema, path):
    assert xmllint(our_schema, path) == {path}


@pytest.mark.parametrize("path", documents("fail"))
def test_xmllint_alone_refuses_what_must_fail(our_schema, path):
    assert xmllint(our_schema, path) == set()


@pytest.mark.parametrize("path", documents("pass"))
def test_check_finds_nothing_in_what_must_pass(libvirt_schema, violations, path):
    assert violations(libvirt_schema, path) == []


@pytest.mark.parametrize("path", documents("fail"))
def test_check_names_line_and_element_of_every_error(libvirt_schema, violations, path):
    expected = {int(line): words.split() for line, words in EXPECTATION.findall(path.read_text(encoding="utf-8"))}
    assert expected, f"{path} says nothing of what to expect"
    found = violations(libvirt_schema, path)
    assert {finding["line"] for finding in found} == expected.keys()
    for finding in found:
        assert finding["hint"]
        assert finding["element"].startswith("/domain")
    for line, words in expected.items():
        messages = [finding["message"] for finding in found if finding["line"] == line]
        assert any(all(word in message for word in words) for message in messages), messages


@pytest.mark.slow("xmllint and the program validate hundreds of domains")
def test_domains_without_smmuv3_that_libvirt_accepts_stay_valid(libvirt_schema, our_schema, violations, tmp_path):
    paths = [case.values[0] for case in documents("pass")]
    paths += write(tmp_path, samples.domains(libvirt_schema, 400, seed=2))
    accepted = {path for path in xmllint(libvirt_schema, *paths) if not has_smmuv3(path)}
    assert len(accepted) > 150
    assert accepted - xmllint(our_schema, *accepted) == set()
    assert violations(libvirt_schema, *accepted) == []


@pytest.mark.slow("xmllint and the program validate hundreds of domains")
def test_verdict_is_that_of_libxml2_for_domains_made_from_the_schema(libvirt_schema, our_schema, violations, tmp_path):
    paths = write(tmp_path, samples.domains(our_schema, 600, seed=1))
    valid = xmllint(our_schema, *paths)
    ours = set(paths) - {pathlib.Path(finding["file"]) for finding in violations(libvirt_schema, *paths)}
    assert 200 < len(valid) < 400
    assert ours - valid == set(), "only libxml2 refuses these"
    assert valid - ours == set(), "only we refuse these"


def test_many_optional_attributes_take_no_time(libvirt_schema, violations, tmp_path):
    """libxml2's validator needs hours for one such element; not to validate it is right, if that is said."""
    driver = ("name='qemu' type='raw' cache='none' error_policy='stop' rerror_policy='stop' io='native' ioeventfd='on' "
              "event_idx='on' copy_on_read='on' discard='unmap' iothread='1' detect_zeroes='on' queues='4' queue_size='256' "
              "iommu='on' ats='on' packed='on' page_per_vq='on'")
    path = tmp_path / "disks.xml"
    path.write_text(domain([f"<disk><driver {driver}/><target dev='vda'/></disk>"]), encoding="utf-8")
    begin = time.monotonic()
    found = violations(libvirt_schema, path)
    assert time.monotonic() - begin < SECONDS
    assert [finding["element"].rpartition("/")[2] for finding in found] in ([], ["driver"])


@pytest.mark.slow("a document of two thousand devices")
@pytest.mark.parametrize("spoil", [str, lambda device: device.replace("vfio", "vfoi")])
def test_two_thousand_devices_take_seconds(libvirt_schema, violations, tmp_path, spoil):
    hostdev = ("<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio' iommufd='yes'/>"
               "<source><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source></hostdev>")
    path = tmp_path / "hostdevs.xml"
    path.write_text(domain([hostdev] * 1999 + [spoil(hostdev)]), encoding="utf-8")
    begin = time.monotonic()
    found = violations(libvirt_schema, path)
    assert time.monotonic() - begin < SECONDS
    assert [finding["line"] for finding in found] == ([] if spoil is str else [2007])


def test_a_list_of_errors_ends_and_says_so(libvirt_schema, violations, tmp_path):
    path = tmp_path / "broken.xml"
    path.write_text(domain(["<hub tpye='usb'/>"] * 10000), encoding="utf-8")
    found = violations(libvirt_schema, path)
    assert len(found) == 21
    assert {finding["line"] for finding in found} >= set(range(8, 28))


def test_missing_schema_is_an_error_that_names_it(run_check, tmp_path):
    run = run_check(tmp_path / "domain.rng", DATA / "pass" / "accelerated.xml")
    assert run.returncode == 2
    assert str(tmp_path / "domain.rng") in run.stderr


RNG = "xmlns='http://relaxng.org/ns/structure/1.0'"


def grammar(content, attributes="", prolog=""):
    return f"{prolog}<grammar {RNG} {attributes}>{content}</grammar>"


# Schemas that would have libxml2 ask a server, by the ways there are; URL is that of the server.
FETCHING = {
    "include": {"domain.rng": grammar("<include href='URL/a.rng'/>")},
    "include in a div": {"domain.rng": grammar("<div><include href='URL/a.rng'/></div>")},
    "ftp": {"domain.rng": grammar("<include href='ftp:URL/a.rng'/>")},
    "external reference": {"domain.rng": grammar("<start><externalRef href='URL/a.rng'/></start>")},
    "included schema": {"domain.rng": grammar("<include href='b.rng'/>"),
                        "b.rng": grammar("<include href='URL/a.rng'/>")},
    "second of two": {"domain.rng": grammar("<include href='b.rng'/><include href='c.rng'/>"),
                      "b.rng": grammar(""), "c.rng": grammar("<include href='URL/a.rng'/>")},
    "third schema": {"domain.rng": grammar("<include href='sub/b.rng'/>"),
                     "sub/b.rng": grammar("<include href='c.rng'/>"),
                     "sub/c.rng": grammar("<start><externalRef href='URL/a.rng'/></start>")},
    "base of the grammar": {"domain.rng": grammar("<include href='b.rng'/>", "xml:base='URL/'"), "b.rng": grammar("")},
    "base of the include": {"domain.rng": grammar("<include xml:base='URL/' href='b.rng'/>"), "b.rng": grammar("")},
    "base of a folder": {"domain.rng": grammar("<include href='b.rng'/>", "xml:base='sub/'"), "b.rng": grammar(""),
                         "sub/b.rng": grammar("<include href='URL/a.rng'/>")},
    "escape": {"domain.rng": grammar("<include href='%62.rng'/>"), "%62.rng": grammar(""),
               "b.rng": grammar("<include href='URL/a.rng'/>")},
    "entity in a name": {"domain.rng": grammar("<include href='&u;'/>", "", "<!DOCTYPE grammar [<!ENTITY u 'URL/a'>]>")},
    "entity in a base": {"domain.rng": grammar("<include href='b.rng'/>", "xml:base='&u;/'",
                                               "<!DOCTYPE grammar [<!ENTITY u 'URL'>]>"), "b.rng": grammar("")},
    "default attribute": {"domain.rng": grammar("<include href='b.rng'/>", "",
                                                "<!DOCTYPE grammar [<!ATTLIST include xml:base CDATA 'URL/'>]>"),
                          "b.rng": grammar("")},
    "external entity": {"domain.rng": grammar("&u;", "", "<!DOCTYPE grammar [<!ENTITY u SYSTEM 'URL/a'>]>")},
    "parameter entity": {"domain.rng": grammar("", "", "<!DOCTYPE grammar [<!ENTITY % u SYSTEM 'URL/a'> %u;]>")},
    "document type": {"domain.rng": grammar("", "", "<!DOCTYPE grammar SYSTEM 'URL/a'>")},
    "document type of the included": {"domain.rng": grammar("<include href='b.rng'/>"),
                                      "b.rng": grammar("", "", "<!DOCTYPE grammar SYSTEM 'URL/a'>")},
}


class Listener:
    """A server that answers nobody, and counts who asks."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.count = 0
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def stop(self):
        """Returns how often it was asked."""
        # One connection more, behind all that were made before.
        socket.create_connection(self.server.getsockname()).close()
        await_true(lambda: self.count > 0)
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.server.close()
        return self.count - 1


@pytest.mark.parametrize("name", FETCHING)
def test_schemas_are_not_fetched_from_the_network(name, run_check, tmp_path):
    listener = Listener()
    (tmp_path / "sub").mkdir()
    for file, text in FETCHING[name].items():
        (tmp_path / file).write_text(text.replace("URL", listener.url), encoding="utf-8")
    try:
        run = run_check(tmp_path / "domain.rng", DATA / "pass" / "accelerated.xml")
    finally:
        asked = listener.stop()
    assert asked == 0, "something was asked of a server"
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(rf"virt-vsmmu: {tmp_path}/\S+\.rng (includes '.+', which is not a file"
                        r"|has a document type declaration, which is not supported in a schema"
                        r"|sets xml:base, which is not supported in a schema)\n", run.stderr), run.stderr


# What is no schema, and what is said of it; libxml2's own words differ from version to version.
NO_SCHEMAS = {
    "empty": ({"domain.rng": ""}, "domain.rng is not a libvirt schema: .+"),
    "cut off": ({"domain.rng": f"<grammar {RNG}>"}, "domain.rng is not a libvirt schema: .+"),
    "no XML": ({"domain.rng": "start = element domain { empty }"}, "domain.rng is not a libvirt schema: .+"),
    "a domain": ({"domain.rng": "<domain/>"}, "domain.rng is not a libvirt schema: .*domain.rng.*"),
    "another schema": ({"domain.rng": grammar("<start><element name='x'><empty/></element></start>")},
                       "domain.rng is not a libvirt schema: .*iommu.*"),
    "included is cut off": ({"domain.rng": grammar("<include href='b.rng'/>"), "b.rng": "<grammar"},
                            "b.rng is not a libvirt schema: .+"),
    "included is missing": ({"domain.rng": grammar("<include href='b.rng'/>")}, "b.rng is not a libvirt schema: .+"),
    "includes itself": ({"domain.rng": grammar("<include href='domain.rng'/>")}, "domain.rng is not a libvirt schema: .+"),
}


@pytest.mark.parametrize("is_relative", [False, True])
@pytest.mark.parametrize("name", NO_SCHEMAS)
def test_an_invalid_schema_is_one_error_that_names_it(name, is_relative, run_check, tmp_path, monkeypatch):
    files, expected = NO_SCHEMAS[name]
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    run = run_check("domain.rng" if is_relative else tmp_path / "domain.rng", DATA / "pass" / "accelerated.xml")
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(rf"virt-vsmmu: ({tmp_path}/)?{expected}\n", run.stderr), run.stderr


def test_a_schema_may_be_named_from_where_one_stands(libvirt_schema, violations, monkeypatch):
    monkeypatch.chdir(libvirt_schema.parent)
    assert violations(libvirt_schema.name, DATA / "pass" / "accelerated.xml") == []
    assert [finding["line"] for finding in violations(libvirt_schema.name, DATA / "fail" / "name-missing.xml")] == [1]


@pytest.fixture(scope="module")
def run_schema(build_dir):
    """check --schema, where libvirt's schema is looked for in some directories."""
    def run(*directories, document="pass/accelerated.xml"):
        environment = os.environ | {"LC_ALL": "C.UTF-8", "XDG_DATA_DIRS": ":".join(map(str, directories))}
        return subprocess.run([build_dir / "tools" / "virt-vsmmu", "check", "--schema", DATA / document],
                              capture_output=True, text=True, env=environment, timeout=60)
    return run


def test_the_first_schema_of_libvirt_below_the_data_directories_is_used(run_schema, tmp_path):
    for name in ("second", "third"):
        (tmp_path / name / "libvirt" / "schemas").mkdir(parents=True)
        (tmp_path / name / "libvirt" / "schemas" / "domain.rng").write_text("<broken", encoding="utf-8")
    (tmp_path / "first" / "libvirt" / "schemas" / "domain.rng").mkdir(parents=True)
    run = run_schema(*(tmp_path / name for name in ("nosuch", "first", "second", "third")))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"virt-vsmmu: {tmp_path}/second/libvirt/schemas/domain.rng is not a libvirt schema: ")


def test_without_one_there_the_usual_schema_is_used_or_named(run_schema, tmp_path):
    run = run_schema(tmp_path / "nosuch")
    if pathlib.Path(HREF).is_file():
        assert (run.returncode, run.stderr) == (0, "")
        assert "name" in run_schema(tmp_path / "nosuch", document="fail/name-missing.xml").stdout
    else:
        assert (run.returncode, run.stdout) == (2, "") and f"cannot find the libvirt schema {HREF}" in run.stderr


BALLOON = "<memballoon model='virtio'/>"
IOMMUFD = "<iommufd enabled='yes'/>"
HUB = "<hub type='usb'/>"
# Where the one finding is of what fits by itself: line and element.
COMBINATIONS = {
    "device twice": (domain([HUB, BALLOON, HUB, BALLOON, HUB]), 11, "/domain/devices/memballoon[2]"),
    "element twice": (domain([]).replace("<devices>", IOMMUFD * 2 + "<devices>"), 7, "/domain/iommufd[1]"),
    "element three times": (domain([]).replace("<devices>", IOMMUFD * 3 + "<devices>"), 1, "/domain"),
    "element three times, no devices": (domain([]).replace("<devices>\n\n</devices>", IOMMUFD * 3), 1, "/domain"),
    "devices beyond those that are searched": (domain([HUB] * 9999 + [BALLOON] * 2), 1, "/domain"),
}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_what_fits_only_by_itself_is_named_or_the_domain_is(name, libvirt_schema, violations, tmp_path):
    text, line, element = COMBINATIONS[name]
    path = tmp_path / "domain.xml"
    path.write_text(text, encoding="utf-8")
    found, = violations(libvirt_schema, path)
    last = element.rpartition("/")[2].partition("[")[0]
    assert (found["line"], found["element"], found["severity"], found["message"], found["hint"]) == (
        line, element, "error", f"<{last}> is valid by itself, but conflicts with other elements",
        "remove a second element of the same kind where only one is allowed")
