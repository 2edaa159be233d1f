"""What a real libvirt dumps back is read as what it was given, and so is the XML of a running guest."""

import json
import pathlib
import subprocess
import xml.etree.ElementTree as ET

import pytest

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
BROKEN = [pytest.param(path, id=path.stem) for path in sorted(EXAMPLES.glob("broken-*.xml"))]
GOOD = [pytest.param(path, id=path.stem) for path in sorted(EXAMPLES.glob("*.xml")) if not path.stem.startswith("broken-")]

# An emulated SMMUv3 with a bus of its own, and devices of which only some have an address: QEMU can run it anywhere.
RUNNING = """
<domain type='qemu'>
  <name>running</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><acpi/><gic version='3'/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>
    <controller type='pci' index='3' model='pcie-root-port'/>
    <controller type='scsi' model='virtio-scsi'><address type='pci' bus='2' slot='0'/></controller>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>
    <iommu model='smmuv3'><driver pciBus='1'/></iommu>
  </devices>
</domain>"""


def as_qemu(xml):
    """The daemon of the bed has no KVM for arm64."""
    return xml.replace("<domain type='kvm'>", "<domain type='qemu'>").replace(
        "<cpu mode='host-passthrough'", "<cpu mode='maximum'")


def findings(build_dir, path):
    run = subprocess.run([build_dir / "tools" / "virt-vsmmu", "check", "--format", "json", path], capture_output=True, text=True)
    return sorted((finding["rule"], finding["severity"]) for finding in json.loads(run.stdout)["findings"])


def arguments(build_dir, path):
    """The arguments, without the name of the machine: libvirt makes virt-11.1 of virt."""
    run = subprocess.run([build_dir / "tools" / "virt-vsmmu", "args", "--force", "--format", "json", path],
                         capture_output=True, text=True, check=True)
    argv = json.loads(run.stdout)
    assert argv[0] == "-machine"
    return argv[1].split(",")[1:], argv[2:]


@pytest.fixture
def dumped(libvirt_daemon, tmp_path, request):
    """(what libvirt was given, what it dumped back), as files."""
    given = tmp_path / "given.xml"
    back = tmp_path / "back.xml"
    given.write_text(as_qemu(request.param.read_text(encoding="utf-8")), encoding="utf-8")
    back.write_text(libvirt_daemon.place(given.read_text(encoding="utf-8")), encoding="utf-8")
    return given, back


@pytest.mark.parametrize("dumped", GOOD, indirect=True)
def test_a_good_example_has_the_same_findings_after_libvirt_dumped_it(dumped, build_dir):
    given, back = dumped
    assert findings(build_dir, back) == findings(build_dir, given)


@pytest.mark.parametrize("dumped", GOOD, indirect=True)
def test_a_good_example_has_the_same_arguments_after_libvirt_dumped_it(dumped, build_dir):
    given, back = dumped
    assert arguments(build_dir, back) == arguments(build_dir, given)


@pytest.mark.parametrize("dumped", BROKEN, indirect=True)
def test_libvirt_defines_what_we_find_broken(dumped, build_dir):
    given, _ = dumped
    assert any(severity == "error" and rule != "needs-kvm" for rule, severity in findings(build_dir, given))


def test_the_live_xml_of_a_running_guest_is_read_with_its_addresses_and_aliases(libvirt_daemon, build_dir, tmp_path):
    domain = libvirt_daemon.connection.createXML(RUNNING, libvirt_daemon.libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        live = domain.XMLDesc(0)
    finally:
        domain.destroy()
    path = tmp_path / "live.xml"
    path.write_text(live, encoding="utf-8")

    run = subprocess.run([build_dir / "tests" / "print-placement", path], capture_output=True, text=True, check=True)
    ours = dict(line.split("\t") for line in run.stdout.splitlines() if "\t" in line)
    theirs = {}
    for device in ET.fromstring(live).find("devices"):
        address = device.find("address[@type='pci']")
        if address is None:
            continue
        key = device.find("alias").get("name")
        if device.tag == "controller":
            key = f"controller:{device.get('type')}:{device.get('index')}"
        theirs[key] = "{:02x}:{:02x}.{:x}".format(*(int(address.get(name), 0) for name in ("bus", "slot", "function")))
    assert ours == theirs
    assert len(theirs) > 5
