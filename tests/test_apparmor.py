"""What libvirt's AppArmor profile allows QEMU is read from the real profiles, and our addition to it allows what is missing."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

import bed
from means import give_up

PROJECT = pathlib.Path(__file__).parent.parent
ADDITION = PROJECT / "data" / "apparmor" / "virt-vsmmu"
GUEST = """<domain type='qemu'>
  <name>guest</name>
  <uuid>6c1e7f0a-1d1c-4e0a-9f5a-0d7e2b8a4c11</uuid>
  <memory unit='MiB'>512</memory>
  <os><type arch='aarch64' machine='virt'>hvm</type></os>
  <devices>
    <hostdev type='pci' managed='no' mode='subsystem'>
      <driver name='vfio'{iommufd}/>
      <source><address domain='0x0000' bus='0x00' slot='0x03' function='0x0'/></source>
    </hostdev>
  </devices>
</domain>
"""


@pytest.fixture(scope="module", params=sorted(bed.names()))
def tree(request):
    """The root of a Debian tree with a libvirt in it."""
    try:
        assert request.param in bed.suites()
    except bed.Unavailable as reason:
        give_up(str(reason))
    return bed.directory(request.param)


@pytest.fixture
def host(tree, tmp_path):
    """A host on which AppArmor is on, with the profiles of that libvirt."""
    shutil.copytree(tree / "etc" / "apparmor.d", tmp_path / "etc" / "apparmor.d", symlinks=True)
    parameters = tmp_path / "sys" / "module" / "apparmor" / "parameters"
    parameters.mkdir(parents=True)
    (parameters / "enabled").write_text("Y\n")
    return tmp_path


def confinement(program, host):
    return {name: fact and fact["value"] for name, fact in
            json.loads(program.run("host", "--host", host, "--json").out)["confinement"].items()}


def add_ours(host):
    directory = host / "etc" / "apparmor.d" / "abstractions" / "libvirt-qemu.d"
    directory.mkdir()
    shutil.copy(ADDITION, directory)


def test_the_profile_as_it_is_installed_does_not_allow_iommufd(program, host):
    assert confinement(program, host) == {"apparmor": True, "apparmor_iommu": False, "apparmor_vfio": False, "selinux": False}


def test_our_addition_allows_it(program, host):
    add_ours(host)
    assert confinement(program, host) == {"apparmor": True, "apparmor_iommu": True, "apparmor_vfio": True, "selinux": False}


@pytest.mark.parametrize("iommufd", ["", " iommufd='yes'"], ids=["container", "iommufd"])
def test_what_libvirt_adds_for_a_guest_is_not_for_iommufd(tree, iommufd):
    """Since 12.1 it opens the files itself, and adds each when it passes it on."""
    done = subprocess.run(["chroot", tree, "/usr/lib/libvirt/virt-aa-helper", "-d", "-c", "-u",
                           "libvirt-6c1e7f0a-1d1c-4e0a-9f5a-0d7e2b8a4c11"], input=GUEST.format(iommufd=iommufd),
                          capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "guest.log" in said
    assert "/dev/iommu" not in said and "/dev/vfio/devices" not in said
    assert iommufd or '"/dev/vfio/[0-9]*" rw,' in said


def parse(directory, text, *included):
    """What apparmor_parser says of a profile; nothing is loaded."""
    parser = shutil.which("apparmor_parser", path=f"{os.environ['PATH']}:/usr/sbin")
    if parser is None:
        give_up("'apparmor_parser' is missing; './run test' installs it")
    (directory / "profile").write_text(text)
    options = [word for path in included for word in ("-I", path)]
    return subprocess.run([parser, "-QTK", *options, directory / "profile"], capture_output=True, text=True)


def test_our_addition_is_one_for_the_parser_of_apparmor(tmp_path):
    done = parse(tmp_path, f'profile vsmmu {{\n  #include "{ADDITION}"\n}}\n')
    assert done.returncode == 0, done.stderr
    assert parse(tmp_path, "profile vsmmu {\n  /dev/iommu rw\n}\n").returncode != 0, "it accepts anything"


def test_the_profile_with_our_addition_is_one_for_the_parser_of_apparmor(host, tmp_path):
    add_ours(host)
    done = parse(tmp_path, "#include <tunables/global>\nprofile vsmmu {\n  #include <abstractions/libvirt-qemu>\n}\n",
                 host / "etc" / "apparmor.d", "/etc/apparmor.d")
    assert done.returncode == 0, done.stderr
