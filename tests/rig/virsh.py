"""libvirt in the emulated host, and the domains that tests give it."""

import copy
import dataclasses
import json
import pathlib
import shlex

import guest

QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
dynamic_ownership = 0
remember_owner = 0
"""
LIBVIRTD_CONF = """auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:file:/var/log/libvirtd.log"
"""


@dataclasses.dataclass(frozen=True)
class Device:
    """A <hostdev> on the first port below a root bus of the guest, or the one named."""

    bdf: str
    bus: int
    driver: str = "<driver name='vfio' iommufd='yes'/>"
    managed: str = "yes"

    @property
    def xml(self):
        domain, bus, rest = self.bdf.split(":")
        slot, function = rest.split(".")
        return f"""
    <hostdev mode='subsystem' type='pci' managed='{self.managed}'>
      {self.driver}
      <source><address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source>
      <address type='pci' domain='0x0000' bus='{self.bus:#04x}' slot='0x00' function='0x0'/>
    </hostdev>"""


EXPLICIT = "ats='off' ril='on' ssidsize='0' oas='44' cmdqv='off'"


@dataclasses.dataclass(frozen=True)
class VSmmu:
    """A root bus with an accelerated vSMMU and ports. Buses are numbered on from `index`, ports from `index` + 1."""

    index: int
    bus_number: int
    options: str = ""
    ports: int = 2

    @property
    def controllers(self):
        text = f"""
    <controller type='pci' index='{self.index}' model='pcie-expander-bus'><target busNr='{self.bus_number}'/></controller>"""
        for port in range(self.ports):
            text += f"""
    <controller type='pci' index='{self.index + 1 + port}' model='pcie-root-port'>
      <address type='pci' domain='0x0000' bus='{self.index:#04x}' slot='{port:#04x}' function='0x0'/>
    </controller>"""
        return text

    @property
    def iommu(self):
        return f"\n    <iommu model='smmuv3'><driver pciBus='{self.index}' accel='on' {self.options}/></iommu>"


def domain(name="rig", vsmmus=(VSmmu(1, 8),), devices=(), kind="kvm", features="<acpi/><gic version='3'/>", firmware=True,
           extra="", reboot="restart", top=""):
    """A domain that differs from a good one only in what is said."""
    loader = f"""
    <loader readonly='yes' type='pflash'>{guest.FIRMWARE}</loader>
    <nvram template='{guest.VARIABLES}'>/run/rig/{name}-variables.fd</nvram>""" if firmware else ""
    return f"""<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>320</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='aarch64' machine='virt'>hvm</type>{loader}
    <kernel>/rig/Image</kernel>
    <initrd>/rig/guest.cpio</initrd>
    <cmdline>{guest.KERNEL_ARGUMENTS}</cmdline>
  </os>
  <features>{features}</features>
  <cpu mode='host-passthrough'/>
  <on_reboot>{reboot}</on_reboot>{top}
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>{"".join(vsmmu.controllers for vsmmu in vsmmus)}
    <controller type='usb' model='none'/>{"".join(device.xml for device in devices)}
    <serial type='unix'>
      <source mode='bind' path='/run/rig/{name}-console'/>
      <target type='system-serial' port='0'><model name='pl011'/></target>
    </serial>
    <console type='unix'>
      <source mode='bind' path='/run/rig/{name}-console'/>
      <target type='serial' port='0'/>
    </console>
    <memballoon model='none'/>{extra}{"".join(vsmmu.iommu for vsmmu in vsmmus)}
  </devices>
</domain>
"""


class Libvirt:
    """The host's own libvirtd, started here."""

    uri = "qemu:///system"

    def __init__(self, host):
        self.host = host
        host.write("/etc/libvirt/qemu.conf", QEMU_CONF)
        host.write("/etc/libvirt/libvirtd.conf", LIBVIRTD_CONF)
        host.run("mkdir -p /run/rig /run/libvirt /var/log/libvirt/qemu /var/lib/libvirt/qemu /var/cache/libvirt/qemu")
        self.start()

    def start(self):
        self.host.run("""
            setsid libvirtd -d >/dev/null 2>&1 </dev/null
            for attempt in $(seq 100); do [ -S /run/libvirt/libvirt-sock ] && break; sleep 0.1; done
            virsh -c qemu:///system version""")

    def stop(self):
        """Its guests run on."""
        self.host.run("""
            pid=$(cat /run/libvirtd.pid) && kill $pid
            for attempt in $(seq 100); do kill -0 $pid || exit 0; sleep 0.1; done; exit 1""")

    def virsh(self, *arguments, check=True, seconds=120):
        return self.host.run(f"virsh -q -c '{self.uri}' {shlex.join(arguments)}", check=check, seconds=seconds)

    def through_us(self):
        """The same daemon, for a client that uses virt-vsmmu-connect."""
        through = copy.copy(self)
        through.uri = "qemu+ext:///system?command=/rig/program/bin/virt-vsmmu-connect"
        return through

    def define(self, xml):
        self.host.write("/run/rig/domain.xml", xml)
        return self.virsh("define", "/run/rig/domain.xml", check=False)

    def attach(self, name, device):
        self.host.write("/run/rig/device.xml", device.xml)
        return self.virsh("attach-device", name, "/run/rig/device.xml", "--live", check=False)

    def detach(self, name, device):
        """Returns when the guest has let the device go. virsh does not tell when it has registered for the event."""
        self.host.write("/run/rig/device.xml", device.xml)
        return self.host.run(f"""
            virsh -c qemu:///system event {name} device-removed --timeout 90 >/run/rig/removed 2>&1 &
            sleep 1
            virsh -q -c qemu:///system detach-device {name} /run/rig/device.xml --live || exit
            wait; cat /run/rig/removed""", check=False)

    def console(self, name):
        return guest.Console(self.host.unix(f"/run/rig/{name}-console"))

    def monitor(self, name, command):
        return self.virsh("qemu-monitor-command", name, command).out

    def log(self, name):
        """What QEMU said in the domain's log."""
        return self.host.read(pathlib.PurePath("/var/log/libvirt/qemu", f"{name}.log"))


def check(host, xml, *options):
    """What `virt-vsmmu check`, built for arm64, says in the host: its findings."""
    host.write("/run/rig/checked.xml", xml)
    said = host.run(f"virt-vsmmu check --format json {shlex.join(options)} /run/rig/checked.xml", check=False).out
    return json.loads(said)["findings"]


def errors(host, xml, *options):
    """The rules of those that are errors."""
    return {finding["rule"] for finding in check(host, xml, *options) if finding["severity"] == "error"}


def observe(host, name, *options):
    """What `virt-vsmmu msi` says of a running domain, by the alias of each device; and the same as text."""
    said = host.run(f"virt-vsmmu msi --domain {name} --format json {shlex.join(options)} 2>/dev/null", check=False, seconds=120).out
    seen = json.loads(said)
    return {device["alias"]: device for device in seen["devices"]}, seen


def arguments(host, xml, *options):
    """What `virt-vsmmu args` prints, as a shell takes it."""
    host.write("/run/rig/printed.xml", xml)
    return host.run(f"""eval "set -- $(virt-vsmmu args {shlex.join(options)} /run/rig/printed.xml)"
                        printf '%s\\n' "$@" """).out.splitlines()
