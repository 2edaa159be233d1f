"""The qemu hook as the tests run it: on a made-up host, whose files it sees where it would see those of a real one."""

import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass

import hosts
from waiting import PATIENCE

CONF = "virt-vsmmu.conf"


def hostdev(address, bus):
    domain, host_bus, rest = address.split(":")
    slot, function = rest.split(".")
    return f"""
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver iommufd='yes'/>
      <source><address domain='0x{domain}' bus='0x{host_bus}' slot='0x{slot}' function='0x{function}'/></source>
      <address type='pci' domain='0x0000' bus='{bus:#04x}' slot='0x00' function='0x0'/>
    </hostdev>"""


def guest(*devices, driver="pciBus='1' accel='on'", kind="kvm", name="guest", emulator="/usr/bin/qemu-system-aarch64"):
    """A guest with a vSMMU over two ports, and host devices behind them."""
    return f"""<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>
  <features><acpi/><gic version='3'/></features>
  <cpu mode='maximum'/>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'/></controller>
    <controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>
    <controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>
    <controller type='usb' model='none'/>{"".join(hostdev(device, 2 + i) for i, device in enumerate(devices))}
    <memballoon model='none'/>
    <iommu model='smmuv3'><driver {driver}/></iommu>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str
    log: list


class Hook:
    """The hook on the host that a directory holds; `configure()` writes its configuration.

    `script` runs it as libvirt does, in a mount namespace where all that is read of a host is that of the directory.
    This needs root.
    """

    def __init__(self, program, entries):
        # Not in pytest's temporary directory: the path of a socket must be short.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="hook-"))
        release = entries["proc/sys/kernel/osrelease"].decode().strip()
        places = ("proc/config.gz", f"boot/config-{release}")
        config = next(entries[place] for place in places if place in entries)
        self.host = hosts.write(entries | dict.fromkeys(places, config), self.directory / "host")
        self.conf = self.directory / CONF
        self.script = self.directory / "hook"
        # The rest of /proc is for sanitizers, who look at their own process.
        mounts = [': >"$0/dev/null"', 'mount --bind /dev/null "$0/dev/null"']
        mounts += [f'mount --rbind "$0/{part}" /{part}' for part in ("dev", "boot", "proc/sys/kernel")]
        mounts.append('if [ -e /proc/config.gz ]; then mount --bind "$0/proc/config.gz" /proc/config.gz; fi')
        # The last one: mount() itself looks there, and a test may have it hang.
        mounts.append('mount --rbind "$0/sys" /sys')
        self.script.write_text(
            f"#!/bin/sh\nexport VIRT_VSMMU_CONF={shlex.quote(str(self.conf))}\nexec unshare --mount sh -c "
            + shlex.quote(" && ".join([*mounts, f'exec {shlex.quote(str(program))} "$@"']))
            + f' {shlex.quote(str(self.host))} "$@"\n', encoding="utf-8")
        self.script.chmod(0o755)
        # Where syslog() sends messages to.
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.log.bind(str(self.host / "dev" / "log"))

    def configure(self, text):
        self.conf.write_text(text, encoding="utf-8")

    def read_log(self):
        """What was logged since the last time, without priority, time, and the name of the program.

        The priorities are in `priorities`, until the next time.
        """
        lines, self.priorities = [], []
        while True:
            try:
                head, line = self.log.recv(65536).decode("utf-8").split("]: ", 1)
            except BlockingIOError:
                return lines
            lines.append(line)
            self.priorities.append(int(head[1:head.index(">")]))

    def call(self, xml, operation="prepare", phase="begin", guest="guest", extra="-"):
        """As libvirt calls it."""
        run = subprocess.run([self.script, guest, operation, phase, extra], input=os.fsencode(xml), capture_output=True,
                             timeout=PATIENCE, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        return Answer(run.returncode, run.stdout.decode("utf-8"), run.stderr.decode("utf-8"), self.read_log())

    def remove(self):
        self.log.close()
        shutil.rmtree(self.directory)
