"""A good guest with each kernel: what we say of the host, and what QEMU does there. The table is in docs/rig.md."""

import re

import pytest

import agreement
import builder
import conftest
import guest
import machine
import virsh

DISK = machine.A_NVME_1
DOMAIN = virsh.domain(devices=[virsh.Device(DISK, bus=2)])
ARGUMENTS = [*guest.MACHINE, *guest.IOMMUFD, *guest.vsmmu(devices=[DISK])]
CASES = [pytest.param(case, id=case.release, marks=pytest.mark.long_tail if case.is_limit else pytest.mark.every_kernel)
         for case in agreement.KERNELS]


@pytest.mark.parametrize("case", CASES)
def test_we_say_what_happens_with_this_kernel(case):
    with conftest.boot(knobs=machine.Knobs(kernel=case.release)) as host:
        assert host.run("uname -r").out.startswith(f"{case.release}.")
        # One behind each SMMU is idle, so that its registers can be read.
        host.give_to_vfio(DISK, machine.A_NVME_2, machine.B_NVME_1)
        ready = host.run("virt-vsmmu host", check=False)
        verdict = re.search(r"host kernel +: (\w+)", ready.out)[1]
        assert virsh.errors(host, DOMAIN) == set()
        assert virsh.errors(host, DOMAIN, "--this-host") == ({case.rule} if case.rule else set())
        if case.says:
            assert (verdict, ready.status) == ("FAIL", 1), ready.out
            with pytest.raises(guest.Died, match=f"Failed to set vIOMMU: .*{case.says}"), guest.Guest(host, ARGUMENTS, paused=True):
                pass
        else:
            assert (verdict, ready.status) == ("PASS", 0), ready.out
            with guest.Guest(host, ARGUMENTS) as vm:
                vm.boot()
                report = vm.console.report()
                assert report.works("0000:09:00.0", machine.MARKERS[DISK]), report.text


def test_the_table_in_the_documentation_is_this_one():
    assert agreement.kernel_table() in (builder.PROJECT / "docs/rig.md").read_text()
    assert [case.release for case in agreement.KERNELS] == list(builder.KERNELS)
