"""Domains of other programs, after their devices were put behind vSMMUs: libvirt and QEMU make of them what they say."""

import xml.etree.ElementTree as ET

import libvirt
import pytest

import hook
import machines
from acpi import Firmware, read_affinities, read_distances
from program import DATA
from test_adapt import lift, lower
from test_adapt_libvirt import arguments, assert_same, buses_before_what_is_on_them, canonical, comparable
from test_adoption import GPUS, NIC, adopted, placed
from test_args import for_this_machine
from test_placement import placement
from test_qemu_tree import Qemu, our_arguments, tree_of_the_domain, without_hardware
from test_transport import Transport

DOCUMENTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DATA / "adopt").glob("*.xml"))}
# None of these programs writes a GIC for the machine but the two that were copied from guides.
ALLOWED = ("gic-version-implicit",)


@pytest.fixture(scope="module", params=DOCUMENTS)
def xml(program, request):
    return adopted(program, DOCUMENTS[request.param], allowed=ALLOWED)


def test_all_devices_are_behind_vsmmus_of_their_own(xml):
    found = placed(xml)
    assert set(found) == {GPUS[0], NIC} and len(set(found.values())) == 2


def test_libvirt_places_everything_as_it_is_written(libvirt_daemon, xml):
    xml = for_this_machine(xml)
    theirs = libvirt_daemon.place(xml)
    assert set(placement(xml)) <= set(placement(theirs)) and placed(theirs) == placed(xml)
    created, _, _ = arguments(libvirt_daemon.command_line(xml))
    vsmmus = {device["primary-bus"]: device for device in created if device["driver"] == "arm-smmuv3"}
    ports = {device["id"]: device["bus"] for device in created if device["driver"] == "pcie-root-port"}
    vfio = [device for device in created if device["driver"] == "vfio-pci"]
    assert len(vsmmus) == len(vfio) == 2 and all(vsmmu["accel"] is True for vsmmu in vsmmus.values())
    assert {ports[device["bus"]] for device in vfio} == set(vsmmus) and all(device["iommufd"] for device in vfio)


def devices(xml):
    """Of the rest, libvirts make different things by themselves, as the elements of the firmware."""
    return canonical(ET.fromstring(xml).find("devices"))


def test_an_older_libvirt_makes_the_same_guest_of_it(libvirt_daemon, older_libvirt_daemon, program, xml):
    native = libvirt_daemon.place(for_this_machine(xml))
    older = older_libvirt_daemon.place(lower(program, for_this_machine(xml)))
    assert_same(devices(native), devices(lift(program, older)))
    command_line = older_libvirt_daemon.command_line(older)
    assert_same(comparable(libvirt_daemon.command_line(native)), comparable(command_line))
    assert buses_before_what_is_on_them(arguments(command_line)[0])


def test_qemu_builds_the_tree(libvirt_daemon, build_dir, tmp_path, xml):
    native = libvirt_daemon.place(for_this_machine(xml))
    with Qemu("virt,gic-version=3", len(ET.fromstring(native).findall("cpu/numa/cell")),
              without_hardware(our_arguments(build_dir, tmp_path, native, "json"), "json")) as qemu:
        built = qemu.tree()
    described, needed = tree_of_the_domain(native)
    assert built == {name: place for name, place in described.items() if name in needed or name in built}
    assert sum(place[0] == "vSMMU of" for place in built.values()) == 2


def memory_arguments(root):
    """The NUMA nodes of a domain as -numa and -object, with little memory."""
    cells, arguments = root.findall("cpu/numa/cell"), []
    for cell in cells:
        node = f"node,nodeid={cell.get('id')}"
        if int(cell.get("memory")) > 0:
            arguments += ["-object", f"memory-backend-ram,id=ram{cell.get('id')},size=128M"]
            node += f",memdev=ram{cell.get('id')}"
        arguments += ["-numa", node]
    for cell in cells:
        for sibling in cell.findall("distances/sibling"):
            arguments += ["-numa", f"dist,src={cell.get('id')},dst={sibling.get('id')},val={sibling.get('value')}"]
    return arguments, sum(int(cell.get("memory")) > 0 for cell in cells)


def test_firmware_finds_the_numa_nodes_of_the_devices(libvirt_daemon, build_dir, tmp_path, xml):
    """QEMU makes a generic initiator of each node that a device has, and nodes as far apart as the document says."""
    native = libvirt_daemon.place(for_this_machine(xml))
    root = ET.fromstring(native)
    memory, n_with_memory = memory_arguments(root)
    given = [acpi.get("nodeset") for acpi in root.findall("devices/hostdev/acpi")]
    expected = sorted(node for text in given for node in nodes_of(text))
    assert len(expected) == 8
    devices = without_hardware(our_arguments(build_dir, tmp_path, native, "json"), "json")
    with Firmware(["-machine", "virt,gic-version=3,acpi=on", "-smp", "2", "-m", f"{128 * n_with_memory}M", *memory, *devices]) as firmware:
        tables = firmware.tables()
    with_memory, initiators = read_affinities(tables["SRAT"])
    assert sorted(initiators) == expected and len(with_memory) == n_with_memory and not with_memory & set(initiators)
    rows = read_distances(tables["SLIT"])
    for cell in root.findall("cpu/numa/cell"):
        for sibling in cell.findall("distances/sibling"):
            assert rows[int(cell.get("id"))][int(sibling.get("id"))] == int(sibling.get("value"))


def nodes_of(text):
    """The numbers in a node set such as 1-8 or 2,4."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


#
# By policy, on the way to libvirt
#

@pytest.fixture(scope="module", params=["libvirt_daemon", "older_libvirt_daemon"])
def way(request, build_dir, tmp_path_factory):
    """The transport on a made-up host, whose policy is that devices of new domains go behind vSMMUs."""
    daemon = request.getfixturevalue(request.param)
    program = build_dir / "tools" / "virt-vsmmu-connect"
    host = hook.Hook(program, machines.grace().entries())
    host.configure("[rules]\nneeds-kvm=off\n[define]\nadopt=yes\n")
    transport = Transport(tmp_path_factory.mktemp("way"), host.script, daemon)
    yield transport
    transport.connection.close()
    host.remove()


@pytest.fixture
def transport(way):
    yield way
    way.clean_up()


def with_gpus(name):
    """The document with two GPUs that the host of the transport has."""
    document = DOCUMENTS[name]
    for nic, gpu in (('domain="0x0002" bus="0x03" slot="0x00" function="0x1"', 'domain="0x0019" bus="0x01" slot="0x00" function="0x0"'),
                     ('domain="2" bus="3" slot="0" function="1"', 'domain="0x19" bus="1" slot="0" function="0"')):
        document = document.replace(nic, gpu).replace(nic.replace('"', "'"), gpu.replace('"', "'"))
    return for_this_machine(document)


@pytest.mark.slow("a whole host is read for each definition")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_defined_is_shown_with_its_vsmmus(transport, name):
    domain = transport.define(with_gpus(name))
    shown = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert set(placed(shown)) == set(GPUS) and "qemu:" not in shown
    kept = transport.raw(domain.name())
    again = transport.define(shown)
    assert (transport.raw(again.name()), again.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)) == (kept, shown)


def test_a_device_that_cannot_be_there_is_refused(transport):
    document = with_gpus("nova").replace('domain="0x0019"', 'domain="0x0077"')
    with pytest.raises(libvirt.libvirtError, match="the host has no PCI function 0077:01:00.0"):
        transport.define(document)
    assert not transport.direct.listAllDomains()


def test_what_libvirt_wrote_itself_is_left_alone(transport):
    """A domain that was defined without the policy is not changed when its snapshot is defined again."""
    document = with_gpus("opennebula").replace('type="qcow2"', 'type="raw"')
    root = ET.fromstring(document)
    root.find("devices").remove(root.find("devices/iommu"))
    domain = transport.direct.defineXML(ET.tostring(root, encoding="unicode"))
    before = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    snapshot = f"<domainsnapshot><name>s</name><creationTime>1</creationTime><state>shutoff</state>{before}</domainsnapshot>"
    made = transport.connection.lookupByName(domain.name()).snapshotCreateXML(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    assert not placed(ET.tostring(ET.fromstring(made.getXMLDesc(0)).find("domain"), encoding="unicode"))
    assert domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before
