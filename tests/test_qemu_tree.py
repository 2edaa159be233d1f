"""The real QEMU accepts the arguments we write and builds from them the device tree that the domain describes.

There is no KVM and no host device on a build machine. So the vSMMUs become emulated ones, and every vfio-pci becomes a
virtio-rng-pci with the same name in the same place; that tree is what is compared.
"""

import itertools
import json
import subprocess
import xml.etree.ElementTree as ET

import pytest

import bed
import domains

pytestmark = pytest.mark.slow("QEMU starts for each domain")

GUESTS = [pytest.param(domain.xml, id=domain.name) for aliases in (True, False)
          for domain in itertools.islice(domains.vsmmus(aliases), 24)]
ONLY_WHEN_ACCELERATED = ("accel", "ats", "ril", "ssidsize", "oas", "cmdqv")
PLACE = ("id", "bus", "addr", "multifunction")
GIB = 1 << 30


#
# Arguments in either syntax, as dictionaries
#

def read_value(value):
    """The properties of a -device or -object, the driver under the name it has in JSON."""
    if value.startswith("{"):
        return json.loads(value)
    driver, *properties = [part.replace("\0", ",") for part in value.replace(",,", "\0").split(",")]
    return {"driver": driver} | dict(item.split("=", 1) for item in properties)


def write_value(properties, syntax):
    if syntax == "json":
        return json.dumps(properties)
    driver, *rest = properties.items()
    return ",".join([driver[1], *(f"{name}={value}".replace(",", ",,") for name, value in rest)])


def driver_of(properties):
    return properties.get("driver") or properties.get("qom-type")


def without_hardware(argv, syntax):
    """The same arguments for a machine that has neither KVM nor the host devices, nor their ports outside vSMMUs."""
    result, buses, left_out = [], {"pcie.0"}, set()
    for option, value in zip(argv[::2], argv[1::2]):
        if option not in ("-device", "-object"):
            continue
        properties = read_value(value)
        driver = driver_of(properties)
        if driver == "iommufd":
            continue
        if driver == "arm-smmuv3":
            properties = {name: value for name, value in properties.items() if name not in ONLY_WHEN_ACCELERATED}
        elif driver == "vfio-pci":
            if properties["bus"] not in buses:
                left_out.add(properties["id"])
                continue
            properties = {"driver": "virtio-rng-pci"} | {name: properties[name] for name in PLACE if name in properties}
        elif driver == "acpi-generic-initiator":
            if properties["pci-dev"] in left_out:
                continue
        else:
            buses.add(properties["id"])
        result += [option, write_value(properties, syntax)]
    return result


def our_arguments(build_dir, tmp_path, xml, syntax):
    path = tmp_path / "domain.xml"
    path.write_text(xml, encoding="utf-8")
    # Forced, because what the rules have to say about a domain is not the subject here.
    run = subprocess.run([build_dir / "tools" / "virt-vsmmu", "args", "--force", "--format", "json", "--syntax", syntax, path],
                         capture_output=True, text=True)
    assert run.returncode == 0, f"virt-vsmmu args ended with status {run.returncode}: {run.stderr}"
    return json.loads(run.stdout)


#
# QEMU
#

class Qemu:
    """A QEMU that has made its machine and does not run it."""

    def __init__(self, machine, numa_nodes, arguments):
        memory = []
        for node in range(numa_nodes):
            backend = f",memdev=ram{node}" if node < 2 else ""
            if backend:
                memory += ["-object", f"memory-backend-ram,id=ram{node},size=128M"]
            memory += ["-numa", f"node,nodeid={node}{backend}"]
        self.process = subprocess.Popen(
            bed.command("exec", "qemu-system-aarch64", "-S", "-display", "none", "-nodefaults", "-no-user-config", "-monitor",
                        "none", "-qmp", "stdio", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "256M",
                        "-machine", machine, *memory, *arguments),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        greeting = self.process.stdout.readline()
        assert greeting, f"QEMU ended: {self.process.stderr.read().strip()}"
        self.execute("qmp_capabilities")
        return self

    def __exit__(self, *exception):
        self.process.communicate('{"execute": "quit"}\n')

    def execute(self, command, **arguments):
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline()
            assert line, f"QEMU ended: {self.process.stderr.read().strip()}"
            answer = json.loads(line)
            assert "error" not in answer, f"{command} {arguments}: {answer['error']['desc']}"
            if "return" in answer:
                return answer["return"]

    def get(self, name, property_name):
        return self.execute("qom-get", path=f"/machine/peripheral/{name}", property=property_name)

    def tree(self):
        """What was built, by the name of the device."""
        tree = {}
        for child in self.execute("qom-list", path="/machine/peripheral"):
            name, kind = child["name"], child["type"].removeprefix("child<").removesuffix(">")
            if kind == "arm-smmuv3":
                tree[name] = ("vSMMU of", last_part(self.get(name, "primary-bus")))
            elif child["type"].startswith("child<"):
                devfn = self.get(name, "addr")
                tree[name] = (last_part(self.get(name, "parent_bus")), devfn >> 3, devfn & 7)
                if kind == "pxb-pcie":
                    tree[name] += (f"bus number {self.get(name, 'bus_nr')}",)
        return tree


def last_part(path):
    """The name of a bus; QEMU names the bus below a bridge like the bridge."""
    return path.rsplit("/", 1)[1]


#
# The domain
#

def name_of(element, otherwise):
    alias = element.find("alias")
    return alias.get("name") if alias is not None else otherwise


def tree_of_the_domain(placed_xml):
    """Everything the XML in which libvirt placed every device describes, and the names of what has to be built of it."""
    devices = ET.fromstring(placed_xml).find("devices")
    controllers = {int(item.get("index")): item for item in devices.iterfind("controller[@type='pci']")}
    names = {index: "pcie.0" if index == 0 else name_of(item, f"pci.{index}") for index, item in controllers.items()}

    def address(element):
        bus, slot, function = (int(element.find("address").get(part), 16) for part in ("bus", "slot", "function"))
        return bus, (names[bus], slot, function)

    def root(index):
        while controllers[index].get("model") not in ("pcie-root", "pcie-expander-bus"):
            index = address(controllers[index])[0]
        return index

    smmus = [(name_of(iommu, f"iommu{number}"), iommu.find("driver")) for number, iommu in enumerate(devices.iterfind("iommu"))]
    accelerated = {int(driver.get("pciBus")) for _, driver in smmus if driver.get("accel") == "on"}
    tree = {name: ("vSMMU of", names[int(driver.get("pciBus"))]) for name, driver in smmus}
    needed = set(tree)
    for index, controller in controllers.items():
        if index == 0:
            continue
        tree[names[index]] = address(controller)[1]
        if controller.get("model") == "pcie-expander-bus":
            tree[names[index]] += (f"bus number {controller.find('target').get('busNr')}",)
        if controller.get("model") == "pcie-expander-bus" or root(index) in accelerated:
            needed.add(names[index])
    for number, hostdev in enumerate(devices.iterfind("hostdev")):
        name = name_of(hostdev, f"hostdev{number}")
        bus, tree[name] = address(hostdev)
        if root(bus) in accelerated:
            needed.add(name)
    return tree, needed


@pytest.mark.parametrize("syntax", ["json", "legacy"])
@pytest.mark.parametrize("xml", GUESTS)
def test_qemu_builds_the_tree_of_the_domain(xml, syntax, libvirt_daemon, build_dir, tmp_path):
    arguments = without_hardware(our_arguments(build_dir, tmp_path, xml, syntax), syntax)
    domain = ET.fromstring(xml)
    machine = f"{domain.find('os/type').get('machine')},gic-version=3"
    with Qemu(machine, len(domain.findall("cpu/numa/cell")), arguments) as qemu:
        built = qemu.tree()
    described, needed = tree_of_the_domain(libvirt_daemon.place(xml))
    assert built == {name: place for name, place in described.items() if name in needed or name in built}


@pytest.mark.parametrize("unit, size, expected", [("KiB", 1 << 30, 1024 * GIB), ("TiB", 2, 2048 * GIB)])
def test_qemu_takes_the_size_of_the_high_memory_window(unit, size, expected, debian_tree, build_dir, tmp_path):
    builder = domains.Builder()
    builder.pci(0, "pcie-root", None, f"<pcihole64 unit='{unit}'>{size}</pcihole64>")
    builder.add_xml("<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>")
    argv = our_arguments(build_dir, tmp_path, builder.domain("hole").xml, "json")
    with Qemu(argv[argv.index("-machine") + 1], 2, []) as qemu:
        assert qemu.execute("qom-get", path="/machine", property="highmem-mmio-size") == expected
