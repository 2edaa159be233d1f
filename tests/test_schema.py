"""`virt-vsmmu check --schema` and xmllint alone accept the same documents, and our messages name the place."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from means import give_up

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / "tests" / "schema"
SCHEMA = ROOT / "schemas" / "vsmmu-domain.rng"
HREF = "/usr/share/libvirt/schemas/domain.rng"
TREE = pathlib.Path(os.environ.get("VSMMU_CACHE", "/var/cache/libvirt-vsmmu")) / "sid"
LIBVIRT_SCHEMAS = {"installed": pathlib.Path(HREF), "sid": TREE / HREF.lstrip("/")}

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


def test_domains_without_smmuv3_that_libvirt_accepts_stay_valid(libvirt_schema, our_schema, violations, tmp_path):
    paths = [case.values[0] for case in documents("pass")]
    paths += write(tmp_path, samples.domains(libvirt_schema, 400, seed=2))
    accepted = {path for path in xmllint(libvirt_schema, *paths) if not has_smmuv3(path)}
    assert len(accepted) > 150
    assert accepted - xmllint(our_schema, *accepted) == set()
    assert violations(libvirt_schema, *accepted) == []


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


def test_schemas_are_not_fetched_from_the_network(run_check, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        schema = tmp_path / "domain.rng"
        schema.write_text("<grammar xmlns='http://relaxng.org/ns/structure/1.0'>"
                          f"<include href='http://127.0.0.1:{server.getsockname()[1]}/domain.rng'/></grammar>", encoding="utf-8")
        run = run_check(schema, DATA / "pass" / "accelerated.xml")
        # Who asked for something and went away is still in the queue.
        with pytest.raises(BlockingIOError):
            server.accept()
    assert run.returncode == 2 and f"{schema}" in run.stderr
