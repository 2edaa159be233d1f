"""The qemu hook refuses what cannot work on this host, in libvirt's own words, and leaves everything else alone."""

import os
import pathlib
import re
import subprocess

import pytest

import hosts
import machines
from conftest import give_up
from hook import Hook

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
A, A_OTHER, B = "0000:21:00.0", "0000:22:00.0", "0000:61:00.0"


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


GOOD = guest(A, A_OTHER)
TWO_SMMUS = guest(A, B)
EMULATED = guest(driver="pciBus='1'", kind="qemu")


@pytest.fixture(scope="module")
def make_hook(build_dir):
    """Hooks on hosts, by their entries."""
    if os.geteuid() != 0:
        give_up("the hook is shown a made-up host in a mount namespace, which needs root")
    made = []

    def make(entries):
        made.append(Hook(build_dir / "tools" / "virt-vsmmu-hook", entries))
        return made[-1]

    yield make
    for hook in made:
        hook.remove()


def emulated_host():
    """The captured machine with two SMMUs; devices of A are alone in their groups."""
    return hosts.entries_of((hosts.LISTINGS / "emulated.sysfs").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def emulated(make_hook):
    return make_hook(emulated_host())


@pytest.fixture
def hook(emulated):
    """The hook on that machine, without configuration."""
    emulated.conf.unlink(missing_ok=True)
    emulated.read_log()
    return emulated

def test_x(hook):
    for x in (GOOD, TWO_SMMUS, EMULATED):
        print(hook.call(x))
    assert 0
