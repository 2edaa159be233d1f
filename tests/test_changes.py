"""What comes of attaching, detaching and updating devices through virt-vsmmu-connect: no definition that libvirt has then
is wrong that was not before, whichever of them the flags name, and what does no harm is not refused."""

import collections
import itertools
import os
import re

import libvirt
import pytest

from test_transport import Transport

pytestmark = pytest.mark.slow("guests of two libvirts are changed")

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
# The last is what virsh makes of --persistent for a guest that runs; the first has no flags at all.
FLAGS = {"without": None, "current": 0, "live": LIVE, "config": CONFIG, "both": LIVE | CONFIG}

VSMMU = "<iommu model='smmuv3'><driver pciBus='{bus}' accel='on' ats='off' ril='on' ssidsize='0' oas='44' cmdqv='off'/></iommu>"
# QEMU does not support an accelerated SMMUv3 without KVM; to libvirt and to us it is one all the same.
EMULATOR = r"""#!/bin/bash
arguments=()
for argument; do
    argument=${argument//,\"accel\":true/}
    arguments+=("${argument//,\"accel\":\"on\"/}")
done
exec /usr/bin/qemu-system-aarch64 "${arguments[@]}"
"""


ALIAS = "<alias name='ua-port'/>"


def at(bus):
    return f"<address type='pci' bus='{bus:#04x}' slot='0x00'/>"


def rng(address=""):
    return f"<rng model='virtio'><backend model='random'>/dev/urandom</backend>{address}</rng>"


def disk(target, address=""):
    return (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/run/{target}'/>"
            f"<target dev='{target}' bus='virtio'/>{address}</disk>")


def interface(mac, address="", link=""):
    return f"<interface type='user'><mac address='52:54:00:00:00:{mac:02x}'/><model type='virtio'/>{link}{address}</interface>"


# Domains by what they are: with a vSMMU over ports 2, 3 and 7; with none; and with one over ports 4 to 6 instead.
# What is in the guest is behind no vSMMU in any of them but the last, where it is behind one in the first.
BEHIND = {"accelerated": (2, 3, 7), "plain": (2, 3, 7), "moved": (8, 9, 10)}


def domain(kind):
    over = 1
    ports = "".join(
        f"<controller type='pci' index='{index}' model='pcie-root-port'>"
        f"<address type='pci' bus='{over if index in BEHIND[kind] else 0}' "
        f"slot='{(BEHIND[kind].index(index) if index in BEHIND[kind] else index):#x}'/>"
        f"{ALIAS if index == 3 else ''}</controller>" for index in range(2, 11))
    return f"""<domain type='qemu'>
  <name>changes</name><uuid>6d5d3b4e-0e06-4b6f-8a1c-1c0000000001</uuid><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='aarch64' machine='virt'>hvm</type>
  <loader readonly='yes' type='pflash'>/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd</loader>
  <nvram template='/usr/share/AAVMF/AAVMF_VARS.fd'>/run/changes-variables</nvram></os>
  <features><acpi/><gic version='3'/></features>
  <cpu mode='custom'><model>cortex-a57</model></cpu>
  <devices>
    <emulator>/run/emulator</emulator>
    <controller type='usb' model='none'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-expander-bus'>
      <target busNr='64'/><alias name='ua-expander'/>
    </controller>
    {ports}
    {disk("vda", at(4) + "<alias name='ua-disk'/>")}
    {interface(1, at(5), "<link state='up'/>")}
    {rng(at(6))}
    <memballoon model='none'/>
    {"" if kind == "plain" else VSMMU.format(bus=over)}
  </devices>
</domain>"""


# Each kind of device that libvirt takes, by the operations on it; with the place it is given, if any.
KINDS = {
    "rng": rng, "disk": lambda address: disk("vdb", address), "interface": lambda address: interface(2, address),
    "scsi controller": lambda address: f"<controller type='scsi' model='virtio-scsi' index='1'>{address}</controller>",
    "serial controller": lambda address: f"<controller type='virtio-serial' index='1'>{address}</controller>",
    "watchdog": lambda address: f"<watchdog model='i6300esb' action='none'>{address}</watchdog>",
    "vsock": lambda address: f"<vsock model='virtio'><cid address='77'/>{address}</vsock>",
    "input": lambda address: f"<input type='keyboard' bus='virtio'>{address}</input>",
    # No <video>: with one for the definition of a domain that has none, libvirtd 12.8 crashes.
    "sound": lambda address: f"<sound model='ich9'>{address}</sound>",
    "balloon": lambda address: f"<memballoon model='virtio'>{address}</memballoon>",
    "shmem": lambda address: f"<shmem name='s'><model type='ivshmem-plain'/><size unit='M'>4</size>{address}</shmem>",
    "hostdev": lambda address: "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0002' bus='0x01' "
                               f"slot='0x00' function='0x0'/></source>{address}</hostdev>",
    "mdev": lambda address: "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address "
                            f"uuid='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/></source>{address}</hostdev>",
}
PLACES = {"behind": at(3), "outside": at(10), "anywhere": ""}
NO_PLACE = {
    "channel": "<channel type='pty'><target type='virtio' name='c'/></channel>",
    "memory": "<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>",
    "redirdev": "<redirdev bus='usb' type='tcp'><source mode='connect' host='localhost' service='4000'/></redirdev>",
    "second vSMMU": VSMMU.format(bus=1), "machine-wide vSMMU": "<iommu model='smmuv3'/>", "intel IOMMU": "<iommu model='intel'/>",
    "vSMMU over a port": VSMMU.format(bus=2), "accel without a bus": "<iommu model='smmuv3'><driver accel='on'/></iommu>",
    "port behind": "<controller type='pci' index='20' model='pcie-root-port'><address type='pci' bus='1' slot='9'/></controller>",
    "bridge behind": "<controller type='pci' index='20' model='pcie-to-pci-bridge'><address type='pci' bus='3' slot='0'/></controller>",
    "expander with that bus number": "<controller type='pci' index='20' model='pcie-expander-bus'><target busNr='65'/></controller>",
    "unknown": "<banana/>",
}
ATTACHED = {**{f"{name} {place}": write(address) for name, write in KINDS.items() for place, address in PLACES.items()}, **NO_PLACE}
UPDATED = {
    "disk behind": disk("vda", at(3)), "disk outside": disk("vda", at(10)), "disk anywhere": disk("vda"), "disk kept": disk("vda", at(4)),
    "interface behind": interface(1, at(3)), "interface kept": interface(1, at(5), "<link state='down'/>"),
    "interface anywhere": interface(1, "", "<link state='down'/>"), "rng behind": rng(at(3)), "unknown disk behind": disk("vdx", at(3)),
    "vSMMU": VSMMU.format(bus=1).replace("44", "48"), "vSMMU elsewhere": VSMMU.format(bus=2), "port elsewhere":
        "<controller type='pci' index='4' model='pcie-root-port'><address type='pci' bus='1' slot='9'/></controller>",
}
DETACHED = {
    "disk": disk("vda", at(4)), "interface": interface(1), "rng": rng(at(6)), "rng by nothing": rng(), "vSMMU": VSMMU.format(bus=1),
    "expander": "<controller type='pci' index='1' model='pcie-expander-bus'/>", "port": "<controller type='pci' index='3' model='pcie-root-port'/>",
    "port in use": "<controller type='pci' index='4' model='pcie-root-port'/>", "unknown": disk("vdx"),
    "no device": "<hostdev mode='subsystem' type='pci'><source><address domain='2' bus='1' slot='0' function='0'/></source></hostdev>",
}
# By the alias alone. The last is that of the controller that stands in for the vSMMU where libvirt knows none.
NAMED = {name: name for name in ("ua-disk", "ua-port", "ua-expander", "ua-nothing", "stand-in")}
OPERATIONS = {"attach": ATTACHED, "update": UPDATED, "detach": DETACHED, "detach by alias": NAMED}
# What runs, if anything, and what is defined.
STATES = [(None, "accelerated"), (None, "plain"), ("accelerated", "accelerated"), ("accelerated", "plain"),
          ("plain", "accelerated"), ("accelerated", "moved"), ("moved", "accelerated")]


def call(domain, operation, xml, flags):
    if operation == "detach by alias":
        domain.detachDeviceAlias(xml, flags or 0)
    elif flags is None and operation == "update":
        domain.updateDeviceFlags(xml)
    elif flags is None:
        getattr(domain, f"{operation}Device")(xml)
    else:
        getattr(domain, f"{operation}DeviceFlags")(xml, flags)


class Guest(Transport):
    """A domain of which one definition may run while another is kept, and a program that judges both."""

    def __init__(self, directory, program, daemon, check, target):
        super().__init__(directory, program, daemon)
        self.check = check
        self.target = target
        self.directory = directory
        emulator = daemon.run / "emulator"
        emulator.write_text(EMULATOR, encoding="ascii")
        emulator.chmod(0o755)
        for name in ("vda", "vdb"):
            (daemon.run / name).write_bytes(bytes(1 << 20))
        self.state = None
        self.lowered = {}
        self.known = {}
        for kind in BEHIND:
            self.connection.defineXML(domain(kind))
            self.lowered[kind] = self.raw("changes")
        self.clean_up()

    def be(self, running, defined):
        """Makes the domain what it should be; a guest that is what it should be goes on."""
        if self.state == (running, defined):
            return
        if self.state is None or self.state[0] != running:
            self.clean_up()
            if running is not None:
                self.direct.defineXML(self.lowered[running]).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        self.direct.defineXML(self.lowered[defined])
        self.state = running, defined

    def definitions(self):
        """As users see them."""
        domain = self.connection.lookupByName("changes")
        return domain.XMLDesc(0), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)

    def errors(self, xml):
        if xml not in self.known:
            file = self.directory / "guest.xml"
            file.write_text(xml, encoding="utf-8")
            ignored = [f"--ignore={rule}" for rule in NOT_HERE]
            findings = self.check.check(*ignored, "--target", self.target, file).findings
            self.known[xml] = collections.Counter((finding["rule"], re.sub(r"line \d+", "", finding["message"]))
                                                  for finding in findings if finding["severity"] == "error")
        return self.known[xml]

    def attempt(self, connection, operation, xml, flags):
        """What becomes of a call: the error, or None; whether it left errors behind."""
        before = self.definitions()
        refusal = None
        if xml == "stand-in":
            xml = (re.findall(r"<qemu:device alias='(.*?)'", self.raw("changes")) or ["ua-nothing"])[0]
        try:
            call(connection.lookupByName("changes"), operation, xml, flags)
        except libvirt.libvirtError as error:
            refusal = error
        after = self.definitions()
        if after[0] != before[0]:
            self.state = None
        elif after != before:
            self.state = self.state[0], None
        # Accepted, and dropped without a word, is as bad as an error.
        is_lost = (refusal is None and operation == "attach" and "accel='on'" in xml
                   and [text.count("accel='on'") for text in after] == [text.count("accel='on'") for text in before])
        worse = [new - old for old, new in zip(map(self.errors, before), map(self.errors, after))]
        return refusal, any(worse) or is_lost, after != before


@pytest.fixture(scope="module", params=["new", "old"])
def guest(request, build_dir, program, tmp_path_factory):
    daemon = request.getfixturevalue("libvirt_daemon" if request.param == "new" else "older_libvirt_daemon")
    version = daemon.connection.getLibVersion()
    guest = Guest(tmp_path_factory.mktemp("changes"), build_dir / "tools" / "virt-vsmmu-connect", daemon, program,
                  f"libvirt={version // 1000000}.{version // 1000 % 1000},qemu=11.1")
    guest.is_old = request.param == "old"
    yield guest
    guest.clean_up()
    guest.connection.close()


def is_ours(error):
    return error.get_error_code() == libvirt.VIR_ERR_CONFIG_UNSUPPORTED and re.search(r"domain:\d|device:\d|\[[a-z-]+\]|define the",
                                                                                      error.get_error_message())


# What a guest that runs is tried with, since each change takes a new guest, and a detach from one that is paused five
# seconds; all of it with VSMMU_ALL_CHANGES set.
# The daemon has no KVM; and what an older libvirt does not know, we lower.
NOT_HERE = ["needs-kvm", "target-libvirt-drops-accel", "target-libvirt-no-iommufd"]
ALL = "VSMMU_ALL_CHANGES" in os.environ
TRIED_LIVE = {
    "attach": {"rng behind", "rng anywhere", "disk behind", "second vSMMU", "port behind", "unknown"},
    "update": {"disk behind", "disk anywhere", "interface kept", "vSMMU"},
    "detach": {"vSMMU", "expander", "unknown", "no device"},
    "detach by alias": {"ua-expander", "ua-nothing"},
}
TRIED_ONCE = {"rng anywhere", "disk behind", "disk anywhere", "interface kept"}


def is_tried(running, defined, operation, name, flags):
    """Without VSMMU_ALL_CHANGES."""
    if running is None:
        return flags in ("current", "config")
    if running == defined:
        return name in TRIED_LIVE[operation] and (flags not in ("without", "current") or name == "rng behind")
    return name in TRIED_LIVE[operation] - TRIED_ONCE and flags not in ("without", "current")


def cases(running, defined):
    for operation, devices in OPERATIONS.items():
        for (name, xml), flags in itertools.product(devices.items(), FLAGS):
            if ALL or is_tried(running, defined, operation, name, flags):
                yield f"{operation} {name} {flags}", operation, xml, FLAGS[flags]


def test_no_change_makes_a_definition_wrong(guest, capsys):
    counts = collections.Counter()
    wrong = []
    for running, defined in STATES:
        for name, operation, xml, flags in cases(running, defined):
            name = f"{running} {defined} {name}"
            guest.be(running, defined)
            refusal, is_worse, is_changed = guest.attempt(guest.connection, operation, xml, flags)
            counts["cases"] += 1
            counts["refused by us" if refusal and is_ours(refusal) else "refused by libvirt" if refusal else "accepted"] += 1
            if is_worse:
                wrong.append(f"{name}: passed")
            if refusal is None or not is_ours(refusal):
                continue
            if is_changed:
                wrong.append(f"{name}: refused and done")
            if running is not None and flags != CONFIG and not ALL:
                continue
            guest.be(running, defined)
            alone, is_worse, is_changed = guest.attempt(guest.direct, operation, xml, flags)
            counts["refused by us, and by libvirt too" if alone else "refused by us, and rightly"
                   if is_worse else "refused by us alone"] += 1
            if not alone and not is_worse:
                wrong.append(f"{name}: refused for nothing: {refusal.get_error_message().splitlines()[0]}")
    with capsys.disabled():
        print(f"\n{'11.3' if guest.is_old else '12.8'}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    assert not wrong, "\n".join(wrong)
