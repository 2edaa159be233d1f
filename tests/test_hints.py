"""A hint can be carried out literally in the document that it is about, and then the finding is gone.

EDITS turns the words of a hint into a change of the document; a hint of a rule in LITERAL whose words no edit understands
fails, as does one after which the rule still finds as much as before, or after which another rule has errors.
"""

import re
import xml.etree.ElementTree as ElementTree
import xml.parsers.expat
from collections import Counter

import pytest

from program import DATA
from test_rules import FIRING, HOST, TARGET, words_of

# Rules whose hints are changes of the document. Those of other rules are about the host, the running guest, or a choice that only
# the operator can make.
LITERAL = {
    "accel-without-pci-bus", "ambiguous-xml", "cmdqv-small-pages", "emulated-endpoint", "endpoint-auto-placed",
    "gic-version-implicit", "gicv2-limits", "hostdev-outside-vsmmu", "invalid-attribute-value",
    "host-ats", "host-cmdqv", "host-cmdqv-devices", "host-device-ats", "host-device-pasid", "host-ril", "host-root-ats",
    "host-ssidsize", "hostdev-without-iommufd", "iommu-has-address",
    "iommu-models-mixed",
    "iommufd-disabled", "machine-not-virt", "needs-acpi", "needs-kvm", "needs-uefi", "no-free-hotplug-port", "option-without-accel",
    "pasid-without-ats", "pci-bus-missing", "pci-bus-not-root", "pci-bus-shared", "pcihole64-not-power-of-two",
    "pxb-bus-range-overlap", "unknown-driver-attribute",
}
# What the first of two hints starts, another rule goes on with: a vSMMU on a new bus has no device yet.
FOLLOWS = {"vsmmu-empty", "hostdev-outside-vsmmu", "pci-bus-shared", "pxb-bus-range-overlap"}
# Their hints say what to do, not what to write.
OTHER_WORDS = {
    "ambiguous-xml": "remove the namespace|remove the elements from the text",
    "hostdev-without-iommufd": "move the mediated device",
    "emulated-endpoint": "move the VFIO devices",
    "endpoint-auto-placed": "move the VFIO devices",
    "hostdev-outside-vsmmu": "move the device",
    "invalid-attribute-value": "NUMA nodes from|a whole number, with one of|the number of a NUMA node",
    "pxb-bus-range-overlap": "each pcie-expander-bus",
    "unknown-driver-attribute": "instead of 'pasid'",
}


class Document:
    """A document and the element in it that a finding names."""

    def __init__(self, text, finding):
        self.message = finding["message"]
        builder, self.lines = ElementTree.TreeBuilder(), []
        parser = xml.parsers.expat.ParserCreate(namespace_separator="}")
        parser.StartElementHandler = lambda name, attributes: self.lines.append(
            (parser.CurrentLineNumber, builder.start("{" * ("}" in name) + name, attributes)))
        parser.EndElementHandler = lambda name: builder.end("{" * ("}" in name) + name)
        parser.CharacterDataHandler = builder.data
        parser.Parse(text, True)
        self.root = builder.close()
        self.parents = {child: parent for parent in self.root.iter() for child in parent}
        path = finding["element"].split("/", 2)[2:]
        self.node = self.root.find(path[0]) if path else self.root

    def device(self):
        """The child of <devices> that the finding is about."""
        node = self.node
        while self.parents[node].tag != "devices":
            node = self.parents[node]
        return node

    def find(self, name):
        """<name> as a hint means it: the element itself, in it, or in one around it."""
        node = self.node
        while node is not None:
            found = node if node.tag == name else node.find(name)
            if found is not None:
                return found
            node = self.parents.get(node)
        return None

    def remove(self, node):
        self.parents[node].remove(node)

    def add(self, fragment, parent):
        parent.append(ElementTree.fromstring(fragment))

    def set_address(self, fragment):
        device = self.device()
        for address in device.findall("address"):
            device.remove(address)
        self.add(fragment, device)

    def text(self):
        return ElementTree.tostring(self.root, encoding="unicode")


def set_attributes(document, words, name):
    at = document.find(name) if name else document.node
    for attribute, value in re.findall(r"(\w+)='([^']*)'", words):
        at.set(attribute, value)


def add_device(document, fragment):
    document.add(fragment, document.root.find("devices"))


def add_controller_and_bus(document, fragment, bus):
    add_device(document, fragment)
    document.node.set("pciBus", bus)


def add_port_and_address(document, fragment, address):
    add_device(document, fragment)
    document.set_address(address)


def add_to(document, fragment, name):
    document.add(fragment, document.device() if name == "the device" else document.find(name[1:-1]))


def replace_node(document, fragment):
    parent = document.parents[document.node]
    parent[list(parent).index(document.node)] = ElementTree.fromstring(fragment)


def rename_attribute(document, name):
    old = re.search(r"attribute '(\w+)'", document.message)[1]
    document.node.set(name, document.node.attrib.pop(old))


def move_to_driver(document, name):
    old = re.search(r"attribute '(\w+)'", document.message)[1]
    document.find("driver").set(name, document.node.attrib.pop(old))


def remove_attribute(document, name):
    del document.node.attrib[name or re.search(r"attribute '(\w+)'", document.message)[1]]


def add_devices(document, *fragments):
    for fragment in fragments:
        add_device(document, fragment)


def set_on_line(document, words, line):
    iommu = next(node for number, node in document.lines if number == int(line))
    at = iommu.find("driver") if iommu.find("driver") is not None else ElementTree.SubElement(iommu, "driver")
    for attribute, value in re.findall(r"(\w+)='([^']*)'", words):
        at.set(attribute, value)


def set_value(document, name, value):
    if name.startswith("<"):
        document.node.text = value
    else:
        document.node.set(name, value)


ATTRIBUTES = r"\w+='[^']*'(?: and \w+='[^']*')?"
FRAGMENT = r"<.+>"
# The whole hint, or one of the ways that it names.
EDITS = [(re.compile(words), edit) for words, edit in (
    (rf"set ({ATTRIBUTES})(?:, the index of .+| or less)?()", set_attributes),
    (rf"(?:set|add) ({ATTRIBUTES}) (?:on|to) <(\w+)>(?: if .+)?", set_attributes),
    (r"change \w+='\w+' to '\w+' on <\w+>", lambda document: set_attributes(
        document, *{"hostdev": ("iommufd='yes'", "driver"), "iommufd": ("enabled='yes'", "")}[document.node.tag])),
    (rf"add ({FRAGMENT}), and set pciBus='(\d+)'", add_controller_and_bus),
    (rf"add ({FRAGMENT}), and set the address of the device to ({FRAGMENT})", add_port_and_address),
    (rf"set the address of the device to ({FRAGMENT})", Document.set_address),
    (rf"add ({FRAGMENT}) to (<\w+>|the device)", add_to),
    (r"add (<controller .+</controller>) and (<.+>)", add_devices),
    (r"add (<(?:controller|video|iommu)\b.+</\w+>)", add_device),
    (rf"set ({ATTRIBUTES}) on the SMMUv3 on line (\d+)", set_on_line),
    (r"set (<?\w+>?) to (?:a whole number from )?'?(\w+)'?(?: or .+|, .+| to \d+)", set_value),
    (r"add (<target .+/>)", lambda document, fragment: document.add(fragment, document.node)),
    (r"set (<pcihole64 .+</pcihole64>)", replace_node),
    (r"remove (?:this )?<\w+>(?:; .+)?", lambda document: document.remove(document.node)),
    (r"remove all but one of the elements|remove it\b(?! from)()?", lambda document, *_: (
        remove_attribute(document, None) if "attribute" in document.message else document.remove(document.node))),
    (r"remove it; the attributes supported .+", lambda document: remove_attribute(document, None)),
    (r"remove (\w+)(?:; without it, .+)?", remove_attribute),
    (r"did you mean '(\w+)'\?", rename_attribute),
    (r"move it to <driver>, as '(\w+)'", move_to_driver),
)]


def carry_out(text, finding):
    """The document after the hint, for each way that the hint names and an edit understands."""
    hint = finding["hint"]
    ways = [hint] if ", or " not in hint else hint.split(", or ")
    for way in ways:
        for words, edit in EDITS:
            if match := words.fullmatch(way):
                document = Document(text, finding)
                edit(document, *match.groups())
                yield way, document.text()
                break


CASES = [case for case in FIRING if case.values[0].parent.name in LITERAL
         and "attach:" not in case.values[0].read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", CASES)
def test_a_hint_can_be_carried_out_and_ends_the_finding(path, program, facts, tmp_path):
    rule, text = path.parent.name, path.read_text(encoding="utf-8")
    target, host = TARGET.search(text), HOST.search(text)
    options = (["--target", target[1]] if target else []) + (["--host", facts.file(words_of(path, host[1]))] if host else [])
    before = program.check(*options, path).findings
    errors = {finding["rule"] for finding in before if finding["severity"] == "error"}
    for finding in (finding for finding in before if finding["rule"] == rule):
        if rule in OTHER_WORDS and re.search(OTHER_WORDS[rule], finding["hint"]):
            continue
        documents = list(carry_out(text, finding))
        assert documents, f"nobody can carry this out: {finding['hint']}"
        for way, changed in documents:
            copy = tmp_path / path.name
            copy.write_text(changed, encoding="utf-8")
            after = program.check(*options, copy).findings
            count = Counter(found["rule"] for found in after)[rule]
            assert count < Counter(found["rule"] for found in before)[rule], f"{way}: {rule} is still there"
            new = {found["rule"] for found in after if found["severity"] == "error"} - errors - FOLLOWS
            # Which of the valid values is right is for the operator to know; the first one was taken.
            assert not new or rule == "invalid-attribute-value", f"{way}: leads to {', '.join(sorted(new))}"


def test_every_rule_with_literal_hints_has_a_case():
    assert {case.values[0].parent.name for case in CASES} == LITERAL
    assert set(OTHER_WORDS) <= LITERAL and (DATA / "rules").is_dir()
