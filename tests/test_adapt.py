"""virt-vsmmu adapt: an older libvirt passes a lowered domain to QEMU unharmed, and lifting shows what the user wrote."""

import json
import pathlib
import re
import shlex
import subprocess
import xml.etree.ElementTree as ET

import pytest

import domains
from test_args import EXAMPLES, for_this_machine

TESTS = pathlib.Path(__file__).parent
DATA = TESTS / "data" / "adapt"
TARGETS = ["libvirt=8.2", "libvirt=9.0", "libvirt=11.3,qemu=11.1", "libvirt=11.9.9", "libvirt=11.10", "libvirt=12.0",
           "libvirt=12.1", "libvirt=12.2", "libvirt=12.6", "libvirt=12.7"]
NAMED, UNNAMED = list(domains.vsmmus()), list(domains.vsmmus(aliases=False))


#
# Files
#

@pytest.fixture(scope="session")
def outcomes(build_dir, tmp_path_factory):
    """Of every domain that the tests have, for every target: {(name, target): what comes of it}."""
    directory = tmp_path_factory.mktemp("adapted")
    files = {str(path): str(path.relative_to(TESTS.parent)) for folder in ("examples", "tests/data")
             for path in (TESTS.parent / folder).rglob("*.xml")
             # What is running gets other names when it is defined anew.
             if re.search("<domain(?! id=)[^>]*(?! id=)", path.read_text(encoding="utf-8", errors="ignore"))
             and not re.search("<domain[^>]* id=", path.read_text(encoding="utf-8", errors="ignore"))}
    for domain in [*domains.placements(), *UNNAMED]:
        path = directory / f"{domain.name}.xml"
        path.write_text(domain.xml, encoding="utf-8")
        files[str(path)] = domain.name
    run = subprocess.run([build_dir / "tests" / "print-adapted", *TARGETS, "--", *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    return {(files[path], target): outcome for path, target, outcome in lines}
