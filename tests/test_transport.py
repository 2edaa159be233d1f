"""Domains with an accelerated SMMUv3 on their way through virt-vsmmu-connect to a real libvirt, new and old."""

import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import libvirt
import pytest

ROOT = pathlib.Path(__file__).parent.parent
GOOD = ["two-gpu-grace", "nic-only", "hotplug-ready"]
BROKEN = {"broken-first-try": "endpoint-auto-placed", "broken-lost-accel": "hostdev-outside-vsmmu",
          "broken-topology": "pcihole64-not-power-of-two"}
PLAIN = """<domain type='qemu'><name>plain</name><memory>65536</memory>
  <os><type arch='aarch64' machine='virt'>hvm</type></os></domain>"""
# There is no KVM for arm64 here, so the domains are of type 'qemu', which the rules do not like.
POLICY = "[rules]\nneeds-kvm=off\n"


class Transport:
    """A way to a daemon through virt-vsmmu-connect, and one without it."""

    def __init__(self, directory, program, daemon):
        self.direct = daemon.connection
        policy = directory / "virt-vsmmu.conf"
        policy.write_text(POLICY, encoding="ascii")
        # libvirt gives its transport programs no arguments, and little of the environment.
        self.command = directory / "connect"
        self.command.write_text(f"#!/bin/sh\nVIRT_VSMMU_CONF={policy} exec {program} -U {daemon.socket}\n", encoding="ascii")
        self.command.chmod(0o755)
        self.uri = f"qemu+ext:///system?command={self.command}"
        self.connection = libvirt.open(self.uri)

    def virsh(self, *arguments, **environment):
        return subprocess.run(["virsh", "-c", self.uri, *arguments], capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C", **environment})

    def define(self, xml):
        return self.connection.defineXML(xml)

    def raw(self, name):
        """What the daemon has, as a client sees it that does not know us."""
        return self.direct.lookupByName(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)

    def clean_up(self):
        for domain in self.direct.listAllDomains():
            if domain.isActive():
                domain.destroy()
            if domain.isPersistent():
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                                     | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)


@pytest.fixture(scope="module", params=["new", "old"])
def way(request, build_dir, tmp_path_factory):
    daemon = request.getfixturevalue("libvirt_daemon" if request.param == "new" else "older_libvirt_daemon")
    transport = Transport(tmp_path_factory.mktemp("way"), build_dir / "tools" / "virt-vsmmu-connect", daemon)
    transport.is_old = request.param == "old"
    yield transport
    transport.connection.close()


@pytest.fixture
def transport(way):
    yield way
    way.clean_up()


def example(name):
    """An example as a domain that this machine can define."""
    text = (ROOT / "examples" / f"{name}.xml").read_text(encoding="utf-8")
    return text.replace("<domain type='kvm'", "<domain type='qemu'").replace("<cpu mode='host-passthrough'/>", "")


def essence(xml):
    """What matters of a domain, as far as its user gave it: vSMMUs, PCI controllers, VFIO devices."""
    devices = ElementTree.fromstring(xml).find("devices")

    def place(element):
        address = element.find("address[@type='pci']")
        return address is not None and address.get("bus") and tuple(
            int(address.get(name, "0"), 0) for name in ("bus", "slot", "function"))

    return {
        "vsmmus": [(iommu.get("model"), dict(iommu.find("driver").attrib)) for iommu in devices.findall("iommu")],
        "controllers": {int(bus.get("index")): (bus.get("model"), getattr(bus.find("target"), "attrib", {}).get("busNr"))
                        for bus in devices.findall("controller[@type='pci']") if bus.get("index")},
        "hostdevs": [(dict(hostdev.find("source/address").attrib), getattr(hostdev.find("driver"), "attrib", {}).get("iommufd"), place(hostdev))
                     for hostdev in devices.findall("hostdev")],
    }


def assert_has(found, given):
    """libvirt adds; it may not take away or change."""
    assert found["vsmmus"] == given["vsmmus"]
    assert [hostdev[1] for hostdev in found["hostdevs"]] == [hostdev[1] for hostdev in given["hostdevs"]]
    assert all(not b[2] or a[2] == b[2] for a, b in zip(found["hostdevs"], given["hostdevs"]))
    assert found["controllers"].items() >= {
        index: bus for index, bus in given["controllers"].items() if bus[1] or bus[0] != "pcie-expander-bus"}.items()


@pytest.mark.parametrize("name", GOOD)
def test_a_domain_comes_back_as_it_was_defined(transport, name):
    domain = transport.define(example(name))
    shown = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert_has(essence(shown), essence(example(name)))
    assert "qemu:" not in shown and "<metadata>" not in shown
    assert transport.is_old == (shown != transport.raw(domain.name()))


@pytest.mark.parametrize("name", GOOD)
def test_defining_what_is_shown_changes_nothing(transport, name):
    """But once: libvirt itself rewrites some of what it was given."""
    domain = transport.define(transport.define(example(name)).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    kept, shown = transport.raw(domain.name()), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    again = transport.define(shown)
    assert transport.raw(domain.name()) == kept
    assert again.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == shown


def test_an_old_libvirt_passes_the_vsmmu_to_qemu(transport):
    native = transport.connection.domainXMLToNative("qemu-argv", re.sub(r"<hostdev.*</hostdev>", "", example("hotplug-ready"),
                                                                        flags=re.DOTALL))
    assert re.search(r'"driver":"arm-smmuv3"', native) and re.search(r'"accel":true', native)
    assert re.search(r'"primary-bus":"pci.2"', native)


@pytest.mark.parametrize("name, rule", BROKEN.items())
def test_a_broken_domain_is_refused_before_libvirt_sees_it(transport, name, rule, tmp_path):
    file = tmp_path / "guest.xml"
    file.write_text(example(name), encoding="utf-8")
    said = transport.virsh("define", str(file))
    assert said.returncode == 1
    assert "error: unsupported configuration: domain:" in said.stderr and f"[{rule}]" in said.stderr, said.stderr
    assert not transport.direct.listAllDomains()


def test_a_domain_without_vsmmu_is_the_same_byte_for_byte(transport):
    transport.define(PLAIN)
    through = transport.raw("plain")
    shown = transport.connection.lookupByName("plain").XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    transport.clean_up()
    transport.direct.defineXML(re.sub(r"<name>plain</name>", lambda match: match[0] + re.search(
        r"<uuid>.*?</uuid>", through)[0], PLAIN))
    assert re.sub(r"52:54:00:\S+'", "", through) == re.sub(r"52:54:00:\S+'", "", transport.raw("plain"))
    assert shown == through


def test_editing_shows_and_keeps_what_the_user_wrote(transport, tmp_path):
    def edit(old, new):
        editor = tmp_path / "editor"
        editor.write_text(f"#!/bin/sh\nexec sed -i \"s/{old}/{new}/\" $1\n", encoding="ascii")
        editor.chmod(0o755)
        return transport.virsh("edit", "hotplug-ready", VISUAL=str(editor))

    transport.define(example("hotplug-ready"))
    said = edit("oas='44'", "oas='48'")
    assert said.returncode == 0, said.stderr
    shown = transport.connection.lookupByName("hotplug-ready").XMLDesc(0)
    assert "oas='48'" in shown and "qemu:" not in shown
    assert "48" in transport.raw("hotplug-ready")
    before = transport.raw("hotplug-ready")
    edit("pciBus='2'", "pciBus='3'")
    assert transport.raw("hotplug-ready") == before


def test_a_snapshot_shows_the_domain_that_was_defined(transport):
    domain = transport.define(example("hotplug-ready").replace("type='qcow2'", "type='raw'"))
    xml = f"<domainsnapshot><name>s</name><creationTime>1</creationTime><state>shutoff</state>{domain.XMLDesc(0)}</domainsnapshot>"
    snapshot = domain.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    shown = snapshot.getXMLDesc(0)
    assert re.search("accel=.on", shown) and "qemu:" not in shown
    raw = transport.direct.lookupByName("hotplug-ready").snapshotLookupByName("s").getXMLDesc(0)
    assert transport.is_old == ("qemu:override" in raw)


HOSTDEV = """<hostdev mode='subsystem' type='pci' managed='yes'>
  <source><address domain='0x0002' bus='0x01' slot='0x00' function='0x0'/></source>
  <address type='pci' domain='0x0000' bus='{bus}' slot='0x00' function='0x0'/>
</hostdev>"""


def test_a_device_for_the_definition_is_checked_and_completed(transport):
    domain = transport.define(example("hotplug-ready"))
    domain.attachDeviceFlags(HOSTDEV.format(bus="0x04"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    hostdev, = essence(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))["hostdevs"]
    assert hostdev[1:] == ("yes", (4, 0, 0))
    with pytest.raises(libvirt.libvirtError, match=r"emulated-endpoint"):
        domain.attachDeviceFlags("<rng model='virtio'><backend model='random'>/dev/random</backend>"
                                 "<address type='pci' bus='0x05' slot='0x00'/></rng>", libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    domain.detachDeviceFlags(HOSTDEV.format(bus="0x04"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert not essence(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))["hostdevs"]


# Every call that carries the XML of a domain. None may reach the daemon with one that is refused.
P2P = libvirt.VIR_MIGRATE_PEER2PEER
CALLS = {
    "create": lambda connection, domain, xml: connection.createXML(xml, 0),
    "create with files": lambda connection, domain, xml: connection.createXMLWithFiles(xml, [], 0),
    "define": lambda connection, domain, xml: connection.defineXML(xml),
    "define with flags": lambda connection, domain, xml: connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE),
    "save": lambda connection, domain, xml: domain.saveFlags("/nonexistent/s", xml, 0),
    "save with parameters": lambda connection, domain, xml: domain.saveParams(
        {libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: "/nonexistent/s", libvirt.VIR_DOMAIN_SAVE_PARAM_DXML: xml}, 0),
    "restore": lambda connection, domain, xml: connection.restoreFlags("/nonexistent/s", xml, 0),
    "restore with parameters": lambda connection, domain, xml: connection.restoreParams(
        {libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: "/nonexistent/s", libvirt.VIR_DOMAIN_SAVE_PARAM_DXML: xml}, 0),
    "define a save image": lambda connection, domain, xml: connection.saveImageDefineXML("/nonexistent/s", xml, 0),
    "define a managed save": lambda connection, domain, xml: domain.managedSaveDefineXML(xml, 0),
    "redefine a snapshot": lambda connection, domain, xml: domain.snapshotCreateXML(
        f"<domainsnapshot><name>s</name><creationTime>1</creationTime><state>shutoff</state>{xml}</domainsnapshot>",
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE),
    "redefine a checkpoint": lambda connection, domain, xml: domain.checkpointCreateXML(
        f"<domaincheckpoint><name>c</name>{xml}</domaincheckpoint>", libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE),
    "migrate": lambda connection, domain, xml: domain.migrate3(connection, {libvirt.VIR_MIGRATE_PARAM_DEST_XML: xml}, 0),
    "migrate with an XML to keep": lambda connection, domain, xml: domain.migrate3(
        connection, {libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: xml}, libvirt.VIR_MIGRATE_PERSIST_DEST),
    "migrate by itself": lambda connection, domain, xml: domain.migrateToURI3(
        "qemu+tcp://other.invalid/system", {libvirt.VIR_MIGRATE_PARAM_DEST_XML: xml}, P2P),
    "migrate as before": lambda connection, domain, xml: domain.migrate2(connection, xml, 0, None, None, 0),
    "migrate by itself as before": lambda connection, domain, xml: domain.migrateToURI2(
        "qemu+tcp://other.invalid/system", None, xml, P2P, None, 0),
}


# Documents that libvirt reads and we do not, of a guest that nothing in them would make us look at.
UNREAD = {
    "attributes": PLAIN.replace("<os>", "<os " + " ".join(f"a{number}=''" for number in range(257)) + ">"),
    "depth": PLAIN.replace("<os>", "<a>" * 129 + "</a>" * 129 + "<os>"),
    "namespaces": PLAIN.replace("<os>", "".join(f"<a xmlns:n{number}='urn:n'/>" for number in range(65)) + "<os>"),
}
WHOLE_ONLY = {
    "document type": "<!DOCTYPE domain>" + PLAIN,
    "entity": "<!DOCTYPE domain [<!ENTITY m 'aarch64'>]>" + PLAIN.replace("'aarch64'", "'&m;'"),
    "encoding": "<?xml version='1.0' encoding='KOI8-R'?>" + PLAIN,
    "encoding-7": "<?xml version='1.0' encoding='UTF-7'?>" + PLAIN.replace("<os>", "+ADw-os>"),
}


@pytest.mark.parametrize("name", [*UNREAD, *WHOLE_ONLY])
def test_every_call_refuses_what_cannot_be_read(transport, name):
    transport.define(PLAIN)
    domain = transport.connection.lookupByName("plain")
    for call in CALLS:
        if name in WHOLE_ONLY and call.startswith("redefine"):
            continue
        with pytest.raises(libvirt.libvirtError) as refused:
            CALLS[call](transport.connection, domain, {**UNREAD, **WHOLE_ONLY}[name])
        assert refused.value.get_error_code() == libvirt.VIR_ERR_CONFIG_UNSUPPORTED, call
        assert "cannot be checked" in refused.value.get_error_message(), call
    assert [domain.name() for domain in transport.direct.listAllDomains()] == ["plain"]


@pytest.mark.parametrize("xml", ["", "text", "<domain", "<domain>&nosuch;</domain>", "<network/>", "<domain><a></b></domain>"])
def test_what_nobody_reads_is_refused_in_the_words_of_libvirt(transport, xml):
    messages = []
    for connection in (transport.connection, transport.direct):
        with pytest.raises(libvirt.libvirtError) as refused:
            connection.defineXML(xml)
        messages.append(refused.value.get_error_message())
    assert messages[0] == messages[1]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_that_brings_a_domain_is_seen(transport, call):
    transport.define(PLAIN)
    domain = transport.connection.lookupByName("plain")
    broken = "<domain " + example("broken-topology").partition("<domain ")[2]
    with pytest.raises(libvirt.libvirtError) as refused:
        call(transport.connection, domain, broken)
    assert refused.value.get_error_code() == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert "more errors:" in refused.value.get_error_message()
