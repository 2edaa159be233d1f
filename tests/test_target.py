"""--target this asks a real libvirt daemon for its version and that of its QEMU."""

import json
import pathlib
import subprocess

EXAMPLE = pathlib.Path(__file__).parent.parent / "examples" / "nic-only.xml"


def test_a_daemon_that_knows_accelerated_vsmmus_is_a_good_target(libvirt_daemon, build_dir):
    libvirt = libvirt_daemon.connection.getLibVersion()
    qemu = libvirt_daemon.connection.getVersion()
    assert (libvirt, qemu) >= (12_007_000, 11_001_000), "the tree has versions that the target rules object to"

    run = subprocess.run([build_dir / "tools" / "virt-vsmmu", "check", "--format", "json", "--target", "this", "--connect",
                          libvirt_daemon.uri, EXAMPLE], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert not [finding for finding in json.loads(run.stdout)["findings"] if finding["rule"].startswith("target-")]
