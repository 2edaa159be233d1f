"""Odd spellings of one domain: namespaces, duplicates, encodings, everything that XML allows and nobody writes.

Each is a way in which one program may read another domain than the next. Documents are bytes, as some are in other
encodings; `variants()` is everything, in an order that does not change.
"""

import dataclasses
import html
import xml.etree.ElementTree as ET

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"

BASE = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>odd</name>
  <uuid>5e5b6a5c-0b5e-4b0e-9d5a-3b1f6f3c1a01</uuid>
  <maxMemory slots='4' unit='KiB'>8388608</maxMemory>
  <memory unit='KiB'>2097152</memory>
  <vcpu>4</vcpu>
  <numatune>
    <memory mode='strict' nodeset='0'/>
    <memnode cellid='0' mode='strict' nodeset='0'/>
  </numatune>
  <os firmware='efi'>
    <type arch='aarch64' machine='virt'>hvm</type>
  </os>
  <features>
    <acpi/>
    <gic version='3'/>
  </features>
  <cpu>
    <numa>
      <cell id='0' cpus='0-3' memory='2097152' unit='KiB'/>
    </numa>
  </cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='pci' index='0' model='pcie-root'>
      <pcihole64 unit='KiB'>8388608</pcihole64>
    </controller>
    <controller type='pci' index='1' model='pcie-expander-bus'>
      <target busNr='128'><node>0</node></target>
      <address type='pci' bus='0x00' slot='0x04' function='0x0'/>
    </controller>
    <controller type='pci' index='2' model='pcie-root-port'>
      <address type='pci' bus='0x01' slot='0x00' function='0x0'/>
    </controller>
    <controller type='pci' index='3' model='pcie-root-port'>
      <address type='pci' bus='0x01' slot='0x01' function='0x0'/>
    </controller>
    <controller type='pci' index='4' model='pcie-root-port'>
      <address type='pci' bus='0x00' slot='0x05' function='0x0'/>
    </controller>
    <controller type='pci' index='5' model='pcie-root-port'>
      <address type='pci' bus='0x00' slot='0x06' function='0x0'/>
    </controller>
    <disk type='file' device='disk'>
      <source file='/var/lib/libvirt/images/odd.img'/>
      <target dev='vda' bus='virtio'/>
      <address type='pci' bus='0x04' slot='0x00' function='0x0'/>
    </disk>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver iommufd='yes'/>
      <source>
        <address domain='0x0000' bus='0x21' slot='0x00' function='0x0'/>
      </source>
      <rom bar='off'/>
      <alias name='ua-gpu'/>
      <address type='pci' bus='0x02' slot='0x00' function='0x0'/>
    </hostdev>
    <memballoon model='none'/>
    <iommu model='smmuv3'>
      <driver pciBus='1' accel='on' ats='on' ril='off' ssidsize='8' oas='48'/>
    </iommu>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-name'/>
    <qemu:arg value='odd,debug-threads=on'/>
  </qemu:commandline>
  <qemu:override>
    <qemu:device alias='ua-gpu'>
      <qemu:frontend>
        <qemu:property name='x-pci-vendor-id' type='unsigned' value='4660'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
</domain>
"""

# Another value for an attribute or a text, good enough for libvirt to take it in most places.
OTHER = {
    "bus": {"0x00": "0x01", "0x01": "0x00", "0x02": "0x05", "0x04": "0x03", "0x21": "0x99", "virtio": "scsi"},
    "slot": {None: "0x02"}, "function": {None: "0x1"}, "domain": {None: "0x0001"}, "accel": {None: "off"},
    "ats": {None: "off"}, "ril": {None: "on"}, "ssidsize": {None: "4"}, "oas": {None: "44"},
    "pciBus": {None: "0"}, "iommufd": {None: "no"}, "managed": {None: "no"}, "index": {None: "7"},
    "busNr": {None: "200"}, "version": {None: "2"}, "arch": {None: "x86_64"}, "machine": {None: "q35"},
    "model": {"smmuv3": "virtio", None: "pcie-root-port"}, "firmware": {None: "bios"}, "nodeset": {None: "1"},
    "cellid": {None: "1"}, "id": {None: "1"}, "memory": {None: "1048576"}, "unit": {None: "MiB"}, "slots": {None: "2"},
    "bar": {None: "on"}, "name": {"ua-gpu": "ua-other", "x-pci-vendor-id": "x-pci-device-id", None: "other"},
    "value": {"-name": "-M", "4660": "1", None: "other"}, "alias": {None: "iommu0"}, "dev": {None: "vdb"},
    "type": {"pci": "usb", "unsigned": "string", None: "kvm"}, "file": {None: "/var/lib/libvirt/images/other.img"},
    "#vcpu": {None: "2"}, "#memory": {None: "1048576"}, "#maxMemory": {None: "4194304"}, "#name": {None: "other"},
    "#node": {None: "1"}, "#pcihole64": {None: "4194304"}, "#type": {None: "xen"},
}


def other(name, value):
    table = OTHER.get(name, {})
    return table.get(value, table.get(None, value))


@dataclasses.dataclass
class Node:
    """An element that is written as it stands: prefixes and declarations are part of its names."""

    name: str
    attributes: list
    children: list

    def write(self):
        attributes = "".join(f" {name}='{value}'" for name, value in self.attributes)
        inner = "".join(child if isinstance(child, str) else child.write() for child in self.children)
        return f"<{self.name}{attributes}>{inner}</{self.name}>"

    def copy(self):
        return Node(self.name, list(self.attributes), [child if isinstance(child, str) else child.copy() for child in self.children])

    def elements(self):
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.elements()

    def changed(self):
        """The same element that says something else."""
        node = self.copy()
        for element in node.elements():
            element.attributes = [(name, other(name, value)) for name, value in element.attributes]
            element.children = [other("#" + element.name, child) if isinstance(child, str) and child.strip() else child
                                for child in element.children]
        return node


def read(text):
    """The tree of a document that is not odd."""
    def convert(element):
        name = element.tag.replace(f"{{{QEMU}}}", "qemu:")
        children = [html.escape(element.text or "")]
        for child in element:
            children += [convert(child), html.escape(child.tail or "")]
        return Node(name, [(name, html.escape(value)) for name, value in element.items()], [c for c in children if c])

    root = convert(ET.fromstring(text))
    root.attributes.append(("xmlns:qemu", QEMU))
    return root


@dataclasses.dataclass(frozen=True)
class Odd:
    name: str
    document: bytes


def change(text, ordinal, edit):
    """The document after `edit(element, parent, place in parent)` of its element with that number; None: no such edit."""
    root = read(text)
    element = list(root.elements())[ordinal]
    parent = next((node for node in root.elements() if any(child is element for child in node.children)), None)
    place = next((at for at, child in enumerate(parent.children) if child is element), None) if parent else None
    root.attributes.append(("xmlns:x", "urn:x"))
    if edit(element, parent, place) is False:
        return None
    return root.write()


def rename(to):
    def edit(element, parent, place):
        element.name = to + element.name.partition(":")[2] if ":" in element.name else to + element.name
    return edit


def default_namespace(uri):
    def edit(element, parent, place):
        element.attributes.append(("xmlns", uri))
    return edit


def add_sibling(prefix, after, changed=True):
    def edit(element, parent, place):
        if parent is None:
            return False
        sibling = element.changed() if changed else Node(element.name, [], [])
        if prefix is not None:
            sibling.name = prefix + sibling.name.partition(":")[2] if ":" in sibling.name else prefix + sibling.name
        parent.children.insert(place + after, sibling)
    return edit


def in_text(make):
    """Changes the text of an element that has some."""
    def edit(element, parent, place):
        if len(element.children) != 1 or not isinstance(element.children[0], str) or not element.children[0].strip():
            return False
        element.children = [make(element.children[0])]
    return edit


def add_child(text):
    def edit(element, parent, place):
        element.children.insert(0, text)
    return edit


ELEMENT_EDITS = {
    "foreign": rename("x:"),
    "undeclared-prefix": rename("y:"),
    "qemu-prefix": rename("qemu:"),
    "no-prefix": rename(""),
    "foreign-by-default": default_namespace("urn:x"),
    "qemu-by-default": default_namespace(QEMU),
    "twice-other-first": add_sibling(None, 0),
    "twice-other-last": add_sibling(None, 1),
    "twice-empty-first": add_sibling(None, 0, changed=False),
    "twice-empty-last": add_sibling(None, 1, changed=False),
    "foreign-other-first": add_sibling("x:", 0),
    "foreign-other-last": add_sibling("x:", 1),
    "comment-first": add_child("<!-- c -->"),
    "child-first": add_child("<odd/>"),
    "text-first": add_child("text"),
    "text-with-comment": in_text(lambda text: text[:1] + "<!-- c -->" + text[1:]),
    "text-with-instruction": in_text(lambda text: text[:1] + "<?p i?>" + text[1:]),
    "text-in-cdata": in_text(lambda text: f"<![CDATA[{text}]]>"),
    "text-half-in-cdata": in_text(lambda text: f"{text[:1]}<![CDATA[{text[1:]}]]>"),
    "text-in-references": in_text(lambda text: "".join(f"&#{ord(c)};" for c in text)),
    "text-in-a-child": in_text(lambda text: f"<odd>{text}</odd>"),
    "text-half-in-a-child": in_text(lambda text: f"{text[:1]}<odd>{text[1:]}</odd>"),
    "text-and-a-child": in_text(lambda text: f"{text}<odd/>"),
    "text-with-space": in_text(lambda text: f"\n {text} "),
    "text-with-sign": in_text(lambda text: f"+{text}"),
    "text-with-zeros": in_text(lambda text: f"00{text}"),
}


def attribute_edit(make):
    """`make(name, value)` gives what is to stand in the place of one attribute."""
    def for_attribute(index):
        def edit(element, parent, place):
            name, value = element.attributes[index]
            if name.startswith("xmlns"):
                return False
            element.attributes[index:index + 1] = make(name, value)
        return edit
    return for_attribute


ATTRIBUTE_EDITS = {
    "foreign": attribute_edit(lambda name, value: [("x:" + name, value)]),
    "xml": attribute_edit(lambda name, value: [("xml:" + name, value)]),
    "undeclared-prefix": attribute_edit(lambda name, value: [("y:" + name, value)]),
    "foreign-other-first": attribute_edit(lambda name, value: [("x:" + name, other(name, value)), (name, value)]),
    "foreign-other-last": attribute_edit(lambda name, value: [(name, value), ("x:" + name, other(name, value))]),
    "foreign-here": attribute_edit(lambda name, value: [("z:" + name, other(name, value)), (name, value), ("xmlns:z", "urn:z")]),
    "qemu-prefix": attribute_edit(lambda name, value: [("qemu:" + name, value)]),
    "references": attribute_edit(lambda name, value: [(name, "".join(f"&#x{ord(c):x};" for c in value))]),
    "spaces": attribute_edit(lambda name, value: [(name, f" {value} ")]),
    "upper-case": attribute_edit(lambda name, value: [(name, value.upper())]),
    "other-name-case": attribute_edit(lambda name, value: [(name.upper(), other(name, value)), (name, value)]),
    "empty": attribute_edit(lambda name, value: [(name, "")]),
    "sign": attribute_edit(lambda name, value: [(name, "+" + value)]),
    "zeros": attribute_edit(lambda name, value: [(name, "00" + value)]),
    "missing": attribute_edit(lambda name, value: []),
}


def element_variants(text):
    for ordinal, element in enumerate(read(text).elements()):
        for kind, edit in ELEMENT_EDITS.items():
            yield f"{ordinal}-{element.name}-{kind}", change(text, ordinal, edit)
        for index, (name, value) in enumerate(element.attributes):
            for kind, make in ATTRIBUTE_EDITS.items():
                yield f"{ordinal}-{element.name}-{name}-{kind}", change(text, ordinal, make(index))


def variants(text=BASE):
    for name, document in element_variants(text):
        if document is not None:
            yield Odd(name, document.encode("utf-8"))
