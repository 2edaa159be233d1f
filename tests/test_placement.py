"""Our model gives every device the PCI address that libvirt gives it, and refuses the addresses that libvirt refuses."""

import collections
import difflib
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

import domains

DOMAINS = list(domains.placements())

# What libvirt says when an address or the PCI tree is at fault; a generated domain must not fail for another reason.
ADDRESS_REFUSALS = re.compile(
    r"Invalid PCI address|double use of PCI Address|cannot be plugged into the PCI controller|needs to be an integrated device|"
    r"slot is needed to connect a PCI controller|index must be larger than bus|Cannot automatically add a new PCI bus|"
    r"No more available PCI slots|No free busNr|for attribute '\w+' in element 'address'|address of type|Invalid address type")


def key(device):
    """The name of a device in a placement: the kind and index of a controller, the alias of another, or what it is."""
    if device.tag == "controller":
        return f"controller:{device.get('type')}:{device.get('index')}"
    alias = device.find("alias")
    return alias.get("name") if alias is not None else device.tag


def placement(xml):
    """Lines `KEY<tab>BB:SS.F` of every device that has a PCI address."""
    lines = []
    for device in ET.fromstring(xml).find("devices"):
        address = device.find("address[@type='pci']")
        if address is not None:
            bus, slot, function = (int(address.get(part), 16) for part in ("bus", "slot", "function"))
            lines.append(f"{key(device)}\t{bus:02x}:{slot:02x}.{function:x}")
    return sorted(lines)


@pytest.fixture(scope="module")
def our_placements(build_dir, tmp_path_factory):
    """The lines our program prints for each domain, by the domain's name; one run for all of them."""
    directory = tmp_path_factory.mktemp("domains")
    files = {}
    for domain in DOMAINS:
        files[str(directory / f"{domain.name}.xml")] = domain.name
        (directory / f"{domain.name}.xml").write_text(domain.xml, encoding="utf-8")
    run = subprocess.run([build_dir / "tests" / "print-placement", *files], capture_output=True, text=True)
    assert run.returncode == 0, f"print-placement ended with status {run.returncode}: {run.stderr}"
    placements, current = {}, None
    for line in run.stdout.splitlines():
        if line.startswith("FILE "):
            current = placements.setdefault(files[line.removeprefix("FILE ")], [])
        else:
            current.append(line)
    return placements


def libvirts_placement(daemon, xml):
    """The placement and None, or None and why libvirt refuses the domain."""
    try:
        return placement(daemon.place(xml)), None
    except daemon.libvirt.libvirtError as error:
        return None, error.get_error_message()


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_devices_are_placed_as_libvirt_places_them(domain, libvirt_daemon, our_placements):
    ours = sorted(our_placements[domain.name])
    expected, refusal = libvirts_placement(libvirt_daemon, domain.xml)
    if refusal:
        assert ADDRESS_REFUSALS.search(refusal), f"the generator made a domain that is wrong for another reason: {refusal}"
        assert len(ours) == 1 and ours[0].startswith("ERROR "), f"libvirt refuses this domain and we place it: {refusal}"
    elif ours != expected:
        difference = difflib.unified_diff(expected, ours, "libvirt", "ours", lineterm="", n=20)
        pytest.fail("\n".join([*difference, domain.xml]), pytrace=False)


def test_other_libvirts_that_know_vsmmus_place_devices_as_the_newest_does(libvirt_daemon, daemons_between):
    """So that all else need not be compared with each of them."""
    domains = DOMAINS[::6]
    newest = [libvirts_placement(libvirt_daemon, domain.xml) for domain in domains]
    for suite, daemon in daemons_between.items():
        assert [libvirts_placement(daemon, domain.xml) for domain in domains] == newest, suite


def test_generator_covers_both_outcomes(libvirt_daemon):
    """Guards the comparison above against a generator that only makes one kind of domain; -s shows the refusals."""
    refusals = [libvirts_placement(libvirt_daemon, domain.xml)[1] for domain in DOMAINS]
    reasons = collections.Counter(re.sub(r"0x[0-9a-f]+|[0-9a-f]{4}:[0-9a-f:.]+|\b\d+", "N", reason) for reason in refusals if reason)
    print(f"{len(DOMAINS)} domains, of which libvirt refuses {reasons.total()}:")
    for reason, count in reasons.most_common():
        print(f"{count:4} {reason}")
    assert len(DOMAINS) - reasons.total() >= 240
    assert reasons.total() >= 30
