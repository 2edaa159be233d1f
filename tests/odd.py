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
      <pcihole64 unit='KiB'>536870912</pcihole64>
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

# Devices of other kinds, some with the places that libvirt gives them.
EXTRA = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>odd</name>
  <memory unit='KiB'>2097152</memory>
  <vcpu>4</vcpu>
  <memoryBacking>
    <hugepages><page size='2048' unit='KiB'/></hugepages>
  </memoryBacking>
  <os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><acpi/><gic version='3'/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='128'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='0x01' slot='0x00'/></controller>
    <controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='0x01' slot='0x01'/></controller>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <controller type='usb' model='qemu-xhci'/>
    <disk type='file' device='disk'>
      <source file='/var/lib/libvirt/images/odd.img'/>
      <target dev='sda' bus='scsi'/>
      <address type='drive' controller='1' bus='0' target='0' unit='0'/>
    </disk>
    <interface type='hostdev' managed='yes'>
      <driver iommufd='yes'/>
      <source><address type='pci' domain='0x0000' bus='0x22' slot='0x00' function='0x0'/></source>
      <mac address='52:54:00:11:22:33'/>
      <boot order='2'/>
      <address type='pci' bus='0x02' slot='0x00'/>
    </interface>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver iommufd='yes'/>
      <source><address domain='0x0000' bus='0x23' slot='0x00' function='0x0'/></source>
      <boot order='1'/>
      <rom file='/usr/share/rom.bin'/>
      <address type='pci' bus='0x03' slot='0x00'/>
    </hostdev>
    <interface type='user'>
      <mac address='52:54:00:11:22:34'/>
      <model type='virtio'/>
    </interface>
    <input type='keyboard' bus='virtio'/>
    <serial type='pty'><target type='pci-serial' port='0'/></serial>
    <channel type='unix'><target type='virtio' name='odd.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/random</backend></rng>
    <video><model type='virtio' primary='yes'/></video>
    <watchdog model='i6300esb' action='reset'/>
    <memballoon model='virtio'/>
    <vsock model='virtio'><cid auto='no' address='7'/></vsock>
    <iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>
  </devices>
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
    "#node": {None: "1"}, "#pcihole64": {None: "1073741824"}, "#type": {None: "xen"},
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



# Whole documents

def declared(encoding, text=BASE, mark=b""):
    return mark + f"<?xml version='1.0' encoding='{encoding}'?>\n{text}".encode("ascii")


def with_doctype(subset, text=BASE):
    return f"<!DOCTYPE domain {subset}>\n{text}"


def beside(text, before="  <qemu:commandline>", base=BASE):
    """The document with more elements below <domain>."""
    assert base.count(before) == 1
    return base.replace(before, text + before)


def in_devices(text, base=BASE):
    return base.replace("  </devices>", text + "  </devices>")


def nested(depth):
    return "<odd>" * depth + "</odd>" * depth


def many_attributes(count):
    return "<odd " + " ".join(f"a{number}=''" for number in range(count)) + "/>"


def many_namespaces(count):
    return "".join(f"<odd xmlns:n{number}='urn:n{number}'/>" for number in range(count))


def in_metadata(text):
    """In an element of another program, as libvirt wants it."""
    return beside(f"<metadata><o:odd xmlns:o='urn:odd'>{text}</o:odd></metadata>")


VSMMU = "<iommu model='smmuv3'><driver pciBus='1' accel='on'/></iommu>"
HIDDEN = BASE.replace("smmuv3", "smm&#117;v3")
ENCODINGS = ["UTF-8", "utf-8", "UTF8", "US-ASCII", "ascii", "ISO-8859-1", "iso-8859-15", "ISO-8859-17", "windows-1252", "CP1252",
             "KOI8-R", "UTF-7", "UTF-16", "UTF-16LE", "UTF-32", "UCS-4", "ISO-10646-UCS-2", "ISO-2022-JP", "ISO-2022-KR", "GB18030",
             "SHIFT_JIS", "EUC-JP", "Big5", "HZ-GB-2312", "IBM037", "EBCDIC-CP-US", "latin1", "HTML", "UTF-8-MAC", "utf-8.swapped",
             "ISO-8859-1.x", "ISO-8859-01", "klingon", "Windows-31J", "macintosh", "TCVN", "ANSI_X3.4-1968", "JAVA", "C99", "WCHAR_T"]

# What libvirt starts nothing by, and takes in any number: it must not keep us from reading the rest.
METADATA = {
    "deep": in_metadata(nested(129)),
    "deeper": in_metadata(nested(240)),
    "many-namespaces": in_metadata(many_namespaces(65)),
    "more-namespaces": in_metadata(many_namespaces(2000)),
    "many-attributes": in_metadata(many_attributes(257)),
    "more-attributes": in_metadata(many_attributes(1000)),
    "many-elements": in_metadata("<odd/>" * 200_001),
    "much-text": in_metadata("text " * 100_000),
    "much-that-is-ours": beside("<metadata>" + "".join(
        f"<v:a{number} xmlns:v='urn:libvirt-vsmmu:policy:1'>{'<v:a/>' * 1000}</v:a{number}>"
        for number in range(100)) + "</metadata>"),
    "deep-and-ours": beside(f"<metadata><v:a xmlns:v='urn:libvirt-vsmmu:policy:1'>{nested(129)}</v:a></metadata>"),
    "domain": in_metadata(f"<domain><name>other</name><devices>{VSMMU}</devices></domain>" + many_attributes(257)),
    "devices": in_metadata(f"<devices>{VSMMU}</devices>"),
    "end-tag-in-comment": in_metadata("<!-- </o:odd></metadata> -->" + many_attributes(257)),
    "end-tag-in-cdata": in_metadata("<![CDATA[</o:odd></metadata>]]>" + many_attributes(257)),
    "end-tag-in-instruction": in_metadata("<?p </o:odd></metadata> ?>" + many_attributes(257)),
    "end-tag-in-value": in_metadata("<odd a='/>' b=\"'&lt;/metadata>\"/>" + many_attributes(257)),
    "metadata-in-metadata": in_metadata(f"<metadata>{many_attributes(257)}</metadata>"),
    "twice": beside("<metadata/>", base=in_metadata(many_attributes(257))),
    "lines": in_metadata("\n" * 1000 + many_attributes(257)),
    "prefixes": in_metadata("<qemu:commandline><qemu:arg value='-device'/></qemu:commandline>" + many_attributes(257)),
}

DOCUMENTS = {
    "base": BASE,
    "hidden": HIDDEN,
    "prefixed-root": BASE.replace("<domain ", "<x:domain xmlns:x='urn:x' ").replace("</domain>", "</x:domain>"),
    "prefixed-root-hidden": HIDDEN.replace("<domain ", "<x:domain xmlns:x='urn:x' ").replace("</domain>", "</x:domain>"),
    "qemu-root": BASE.replace("<domain ", "<qemu:domain ").replace("</domain>", "</qemu:domain>"),
    "default-namespace": BASE.replace("<domain ", "<domain xmlns='urn:x' "),
    "undeclared-root": BASE.replace("<domain ", "<y:domain ").replace("</domain>", "</y:domain>"),
    "xml-1.1": "<?xml version='1.1'?>" + BASE,
    "xml-1.9": "<?xml version='1.9'?>" + BASE,
    "xml-2.0": "<?xml version='2.0'?>" + BASE,
    "standalone": "<?xml version='1.0' standalone='yes'?>" + BASE,
    "byte-order-mark": "\ufeff" + BASE,
    "space-first": "\n \n" + BASE,
    "comment-first": "<!-- <domain/> -->" + BASE,
    "instruction-first": "<?xml-stylesheet href='x'?>" + BASE,
    "comment-last": BASE + "<!-- <domain/> -->",
    "instruction-last": BASE + "<?p i?>",
    "carriage-returns": BASE.replace("\n", "\r\n"),
    "carriage-returns-alone": BASE.replace("\n", "\r"),
    "spaces-in-tags": BASE.replace("<iommu model='smmuv3'>", "<iommu\n\tmodel\r\n = \"smmuv3\"\n>").replace("</iommu>", "</iommu\n>"),
    "tab-in-value": BASE.replace("accel='on'", "accel='on\t'"),
    "line-in-value": BASE.replace("accel='on'", "accel='on&#10;'"),
    "uri-in-references": BASE.replace("xmlns:qemu='http://", "xmlns:qemu='http&#58;//"),
    "other-prefix": BASE.replace("qemu:", "q:").replace("xmlns:q=", "xmlns:q="),
    "doctype": with_doctype(""),
    "doctype-empty": with_doctype("[]"),
    "doctype-hidden": with_doctype("[]", HIDDEN),
    "doctype-system": with_doctype("SYSTEM '/nonexistent'"),
    "doctype-entity": with_doctype("[<!ENTITY m 'smmuv3'>]", BASE.replace("'smmuv3'", "'&m;'")),
    "doctype-entity-in-text": with_doctype("[<!ENTITY m '8'>]", BASE.replace("<vcpu>4", "<vcpu>&m;")),
    "doctype-default": with_doctype("[<!ATTLIST iommu model CDATA 'smmuv3'>]", BASE.replace(" model='smmuv3'", "")),
    "doctype-fixed-namespace": with_doctype("[<!ATTLIST iommu xmlns CDATA #FIXED 'urn:x'>]"),
    "doctype-of-elements": with_doctype(f"[<!ENTITY v \"{VSMMU}\">]", in_devices("&v;").replace(" accel='on' ats='on'", "")),
    "doctype-parameter": with_doctype("[<!ENTITY % a '<!ENTITY m \"smmuv3\">'>%a;]", BASE.replace("'smmuv3'", "'&m;'")),
    "undeclared-entity": BASE.replace("'smmuv3'", "'&m;'"),
    "deep": in_devices(nested(129)),
    "deeper": in_devices(nested(240)),
    "deep-hidden": in_devices(nested(129), HIDDEN),
    "many-namespaces": in_devices(many_namespaces(65)),
    "many-namespaces-hidden": in_devices(many_namespaces(65), HIDDEN),
    "many-attributes": in_devices(many_attributes(257)),
    "many-attributes-hidden": in_devices(many_attributes(257), HIDDEN),
    "many-attributes-on-the-vsmmu": BASE.replace("<iommu ", "<iommu " + many_attributes(257)[5:-2] + " "),
    "many-elements": in_devices("<odd/>" * 200_001),
    "long-value": BASE.replace("'odd,debug-threads=on'", f"'odd,debug-threads=on,process={'x' * 100_000}'"),
    "long-name": in_devices(f"<{'a' * 40_000}/>"),
    "two-devices": beside(f"<devices>{VSMMU}</devices>"),
    "devices-in-devices": in_devices(f"<devices>{VSMMU}</devices>"),
    "devices-in-foreign-devices": beside(f"<x:devices xmlns:x='urn:x'>{VSMMU}</x:devices>"),
    "domain-in-domain": beside(f"<domain><devices>{VSMMU}</devices></domain>"),
    "vsmmu-beside-devices": beside(VSMMU),
    "vsmmu-in-foreign": in_devices(f"<x:odd xmlns:x='urn:x'>{VSMMU}</x:odd>"),
    "vsmmu-twice": in_devices(VSMMU),
    "unknown-device-in-place": in_devices("<odd><address type='pci' bus='0x03' slot='0x00' function='0x0'/></odd>"),
    "unknown-device-with-others": in_devices("<odd><address type='pci' bus='0x05' slot='0x00' function='0x0'/></odd>"
                                             "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>"),
    "foreign-schema": BASE.replace("<domain ", "<domain xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:noNamespaceSchemaLocation='x' "),
    "xml-base": BASE.replace("<domain ", "<domain xml:base='/x' "),
    "xml-id": BASE.replace("<domain ", "<domain xml:id='3' "),
    "foreign-id": BASE.replace("<domain ", "<domain x:id='3' xmlns:x='urn:x' "),
    "id": BASE.replace("<domain ", "<domain id='3' "),
    "commandline-twice": beside("<qemu:commandline><qemu:arg value='-S'/></qemu:commandline>"),
    "commandline-of-another-prefix": beside(f"<q:commandline xmlns:q='{QEMU}'><q:arg value='-S'/></q:commandline>"),
    "commandline-by-default": beside(f"<commandline xmlns='{QEMU}'><arg value='-S'/></commandline>"),
    "commandline-without-prefix": beside("<commandline><qemu:arg value='-S'/></commandline>"),
    "commandline-in-devices": in_devices("<qemu:commandline><qemu:arg value='-S'/></qemu:commandline>"),
    "argument-of-another-namespace": BASE.replace("<qemu:arg value='-name'/>", "<x:arg value='-S' xmlns:x='urn:x'/><qemu:arg value='-name'/>"),
    "argument-in-argument": BASE.replace("<qemu:arg value='-name'/>", "<qemu:arg value='-name'><qemu:arg value='-S'/></qemu:arg>"),
    "two-frontends": BASE.replace("</qemu:frontend>", "</qemu:frontend><qemu:frontend><qemu:property name='x' type='bool' value='true'/></qemu:frontend>"),
    "property-beside-frontend": BASE.replace("<qemu:frontend>", "<qemu:property name='x' type='bool' value='true'/><qemu:frontend>"),
    "not-a-frontend": BASE.replace("<qemu:frontend>", "<qemu:backend><qemu:property name='x' type='bool' value='true'/></qemu:backend><qemu:frontend>"),
    "device-twice": BASE.replace("</qemu:override>", "<qemu:device alias='ua-gpu'><qemu:frontend>"
                                 "<qemu:property name='x' type='bool' value='true'/></qemu:frontend></qemu:device></qemu:override>"),
    "accel-by-upper-case": BASE.replace("accel='on'", "ACCEL='on'"),
    **{f"metadata-{name}": text for name, text in METADATA.items()},
}

BYTES = {
    **{f"declared-{encoding}": declared(encoding) for encoding in ENCODINGS},
    **{f"declared-{encoding}-hidden": declared(encoding, HIDDEN) for encoding in ENCODINGS},
    **{f"marked-{encoding}": declared(encoding, mark=b"\xef\xbb\xbf") for encoding in ENCODINGS},
    "utf-7": b"<?xml version='1.0' encoding='UTF-7'?>\n" + BASE.replace("<iommu", "+ADw-iommu").encode("ascii"),
    "ebcdic": BASE.encode("cp037"),
    "ebcdic-declared": f"<?xml version='1.0' encoding='IBM037'?>{BASE}".encode("cp037"),
    "latin-1": "<?xml version='1.0' encoding='ISO-8859-1'?>\n".encode("ascii") + BASE.replace(">odd<", ">\u00fcdd<").encode("latin-1"),
    "latin-1-undeclared": BASE.replace(">odd<", ">\u00fcdd<").encode("latin-1"),
    "latin-1-marked": b"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?>\n" + BASE.replace(">odd<", ">\u00fcdd<").encode("utf-8"),
    "utf-8": BASE.replace(">odd<", ">\u00fcdd<").encode("utf-8"),
    "utf-8-overlong": BASE.encode("ascii").replace(b"'smmuv3'", b"'smmu\xc1\xb63'"),
    "utf-8-broken-in-comment": BASE.encode("ascii").replace(b"<devices>", b"<devices><!-- \xff -->"),
    "ascii-with-more": declared("US-ASCII").replace(b">odd<", b">\xfcdd<"),
}


def whole_documents():
    for name, text in DOCUMENTS.items():
        yield Odd(name, text.encode("utf-8"))
    for name, document in BYTES.items():
        yield Odd(name, document)


def variants(text=BASE):
    """Every edit of every element and attribute of one document."""
    for name, document in element_variants(text):
        if document is not None:
            yield Odd(name, document.encode("utf-8"))


# Devices for BASE, whose bus 3 is free behind the vSMMU and bus 5 outside of it.
DEVICES = {
    "hostdev": """<hostdev mode='subsystem' type='pci' managed='yes'>
  <driver iommufd='yes'/>
  <source><address domain='0x0000' bus='0x24' slot='0x00' function='0x0'/></source>
  <boot order='1'/>
  <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>
</hostdev>""",
    "interface": """<interface type='hostdev' managed='yes'>
  <driver iommufd='yes'/>
  <source><address type='pci' domain='0x0000' bus='0x25' slot='0x00' function='0x0'/></source>
  <mac address='52:54:00:11:22:35'/>
  <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>
</interface>""",
    "rng": """<rng model='virtio'>
  <backend model='random'>/dev/random</backend>
  <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
</rng>""",
    "controller": """<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x01' slot='0x02' function='0x0'/>
</controller>""",
    "vsmmu": "<iommu model='smmuv3'><driver pciBus='1' accel='on' oas='48'/></iommu>",
}


def devices():
    """(device, what it is) in every odd spelling."""
    for kind, text in DEVICES.items():
        for variant in variants(text):
            yield Odd(f"{kind}-{variant.name}", variant.document)
