"""Random domains made from a RELAX NG schema, right and wrong ones, the same for the same seed."""

import copy
import pathlib
import random
import re
import xml.etree.ElementTree as ET

RNG = "{http://relaxng.org/ns/structure/1.0}"

# Texts for <data> and <text>; a datatype takes those that fit its patterns.
TEXTS = ["0", "1", "5", "8", "20", "44", "48", "64", "255", "4096", "on", "off", "yes", "no", "a", "abc", "vda", "host", "auto",
         "virtio", "qemu", "raw", "KiB", "/a/b", "0x1", "0x0001", "0xffff", "-1", "+3", " 7", "07", "0700", "1.5", "1-3,^2", "1:2",
         "00:11:22:33:44:55", "12345678-1234-1234-1234-123456789abc", "10.0.0.1", "fe80::1", "2020-01-01T00:00:00", "hello world",
         "ua-net0", "5000c500155a8a2b", "x.y"]

SKELETON = "<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices/></domain>"

# libxml2 takes time exponential in the number of optional attributes of an element.
ATTRIBUTES_MAX = 11


def children(node):
    return [child for child in node if isinstance(child.tag, str)]


def kind(node):
    return node.tag.removeprefix(RNG)


class Schema:
    """The definitions of a schema and of what it includes, by name."""

    def __init__(self, path):
        self.definitions = {}
        self._load(pathlib.Path(path), frozenset())

    def _load(self, path, replaced):
        root = ET.parse(path).getroot()
        self._inherit_namespace(root, "")
        self._collect(root, path, replaced)

    def _inherit_namespace(self, node, namespace):
        namespace = node.get("ns", namespace)
        for child in children(node):
            if kind(child) == "element":
                child.set("ns", child.get("ns", namespace))
            self._inherit_namespace(child, namespace)

    def _collect(self, node, path, replaced):
        for child in children(node):
            if kind(child) == "define" and child.get("name") not in replaced:
                self.definitions.setdefault(child.get("name"), []).append(child)
            elif kind(child) == "include":
                names = {define.get("name") for define in children(child)}
                self._load(path.parent / child.get("href"), replaced | names)
                self._collect(child, path, replaced)

    def device_names(self):
        devices = self.definitions["devices"][0]
        return [ref.get("name") for ref in devices.iter(f"{RNG}ref")]


class Sampler:
    """Walks patterns at random."""

    def __init__(self, schema, rng):
        self.schema = schema
        self.rng = rng
        self.elements = 0
        self.optional = rng.choice([0.2, 0.4, 0.6])

    def device(self, name):
        content = []
        for pattern in children(self.rng.choice(self.schema.definitions[name])):
            self.pattern(pattern, {}, content)
        return [item for item in content if not isinstance(item, str)]

    def pattern(self, node, attributes, content):
        """Adds what @node may stand for to @attributes and @content."""
        name = kind(node)
        if name == "element":
            content.append(self.element(node))
        elif name == "attribute":
            value = []
            for child in children(node) if node.get("name") else children(node)[1:]:
                self.pattern(child, {}, value)
            attributes[node.get("name", "any")] = "".join(value) if children(node) else self.rng.choice(TEXTS)
        elif name in ("data", "value", "text"):
            content.append(self.text(node))
        elif name == "choice":
            self.pattern(self.rng.choice(children(node)), attributes, content)
        elif name == "ref":
            self.reference(node.get("name"), attributes, content)
        else:
            for _ in range(self.rounds(name)):
                for child in children(node):
                    self.pattern(child, attributes, content)

    def rounds(self, name):
        many = self.elements < 60
        if name == "optional":
            return int(self.rng.random() < (self.optional if many else 0.05))
        if name == "zeroOrMore":
            return self.rng.choice([0, 1, 1, 2]) if many else 0
        if name == "oneOrMore":
            return self.rng.choice([1, 1, 2]) if many else 1
        return 0 if name == "empty" else 1

    def reference(self, name, attributes, content):
        definitions = [define for define in self.schema.definitions[name] if define.find(f"{RNG}notAllowed") is None]
        if definitions:
            for child in children(self.rng.choice(definitions)):
                self.pattern(child, attributes, content)

    def element(self, node):
        self.elements += 1
        patterns = children(node) if node.get("name") else children(node)[1:]
        namespace = node.get("ns")
        name = node.get("name", f"any{self.rng.randint(0, 3)}")
        element = ET.Element(f"{{{namespace}}}{name}" if namespace else name)
        content = []
        for pattern in patterns:
            self.pattern(pattern, element.attrib, content)
        for item in content:
            if not isinstance(item, str):
                element.append(item)
            elif len(element) == 0:
                element.text = (element.text or "") + item
        return element

    def text(self, node):
        if kind(node) == "value":
            return node.text or ""
        if kind(node) == "text":
            return self.rng.choice(TEXTS)
        parameters = {param.get("name"): param.text for param in children(node) if kind(param) == "param"}
        if {"minInclusive", "maxInclusive"} <= parameters.keys() and self.rng.random() < 0.9:
            return str(self.rng.randint(int(parameters["minInclusive"]), int(parameters["maxInclusive"])))
        fitting = [text for text in TEXTS if re.fullmatch(parameters.get("pattern", ".*").strip(), text)]
        if node.get("type") not in ("string", "anyURI") and self.rng.random() < 0.9:
            fitting = [text for text in fitting if re.fullmatch("[1-9][0-9]*", text)] or fitting
        return self.rng.choice(fitting or TEXTS)


def spoil(devices, rng):
    """Makes one change to something below @devices."""
    parents = {child: parent for parent in devices.iter() for child in parent}
    element = rng.choice(list(parents))
    parent = parents[element]
    change = rng.randrange(8)
    if change == 0 and element.attrib:
        del element.attrib[rng.choice(list(element.attrib))]
    elif change == 1:
        element.set(rng.choice(["type", "name", "foo", "mode", "accel", "model", "bus", "pciBus"]), rng.choice(TEXTS))
    elif change == 2 and element.attrib:
        element.set(rng.choice(list(element.attrib)), rng.choice(TEXTS))
    elif change == 3:
        parent.remove(element)
    elif change == 4:
        parent.insert(rng.randint(0, len(parent)), copy.deepcopy(element))
    elif change == 5:
        element.text = rng.choice(TEXTS + ["", " "])
    elif change == 6:
        element.tag = rng.choice(list(parents)).tag
    else:
        parent.remove(element)
        parent.insert(rng.randint(0, len(parent)), element)


def domains(path, count, seed):
    """@count domains made from the schema @path, about half of them wrong in some place."""
    schema, rng, made = Schema(path), random.Random(seed), 0
    names = schema.device_names() + ["iommu", "hostdev", "controller"] * 3
    while made < count:
        root = ET.fromstring(SKELETON)
        devices = root.find("devices")
        for _ in range(rng.choice([1, 1, 2, 3])):
            devices.extend(Sampler(schema, rng).device(rng.choice(names)))
        if len(devices) > 0 and rng.random() < 0.5:
            spoil(devices, rng)
        if all(len(element.attrib) <= ATTRIBUTES_MAX for element in root.iter()):
            yield ET.tostring(root, encoding="unicode")
            made += 1
