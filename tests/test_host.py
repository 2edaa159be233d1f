"""virt-vsmmu host: what it reads of a machine, what it says of it, and the facts as JSON in both directions."""

import collections
import ctypes
import json
import os
import struct
import subprocess

import jsonschema
import pytest

import bed
import golden
import hosts
import machines
from facts import as_root
from means import give_up
from program import DATA

SCHEMA = json.loads((DATA.parent.parent / "schemas" / "host-facts.schema.json").read_text(encoding="utf-8"))
GPU_SMMU = "smmu3.0x0000000005000000"


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Directories of all machines, by name."""
    top = tmp_path_factory.mktemp("hosts")
    made = {listing.stem: hosts.unpack_named(listing.stem, top / listing.stem)
            for listing in sorted(hosts.LISTINGS.glob("*.sysfs"))}
    made["grace"] = hosts.write(machines.grace().entries(), top / "grace")
    made["empty"] = hosts.write({"sys": None}, top / "empty")
    return made


def read(program, root):
    outcome = program.run("host", "--host", root, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads(outcome.out)


def device(facts, address):
    return next(one for one in facts["devices"] if one["address"] == address)


def smmu(facts, name=GPU_SMMU):
    return next(one for one in facts["smmus"] if one["name"] == name)


def known(value, source):
    return {"value": value, "source": source}


def readiness(outcome):
    """Title to result and message."""
    lines = [line for line in outcome.out.split("\n\n")[0].splitlines() if not line.startswith(" ")]
    return {line.split(" : ")[0].strip(): line.split(" : ")[1] for line in lines}


def test_the_listings_of_small_machines_are_what_the_generator_makes():
    for name, make in machines.SMALL.items():
        listing = (hosts.LISTINGS / f"{name}.sysfs").read_text(encoding="utf-8")
        assert hosts.entries_of(listing) == hosts.entries_of(hosts.listing_of(make().entries())), name


def test_the_two_socket_machine_is_read_as_it_was_made(program, trees):
    facts = read(program, trees["grace"])
    machine = machines.grace()
    assert [one["name"] for one in facts["smmus"]] == sorted(one.name for one in machine.smmus)
    assert len(facts["smmus"]) == 10
    assert {one["address"]: one["smmu"] for one in facts["devices"]} == {
        function.address: function.smmu.name for function in machine.functions}
    assert {one["address"]: one["parent"] for one in facts["devices"]} == {
        function.address: function.parent or None for function in machine.functions}
    assert {one["address"]: one["physical_function"] for one in facts["devices"]} == {
        function.address: function.physical or None for function in machine.functions}
    assert [one["address"] for one in facts["devices"]] == sorted(one["address"] for one in facts["devices"])
    assert facts["unread"] == []


def test_each_fact_has_its_source(program, trees):
    facts = read(program, trees["grace"])
    gpu, capabilities = device(facts, "0009:01:00.0"), smmu(facts)["capabilities"]
    assert facts["kernel"]["options"]["CONFIG_IOMMUFD"] == known("m", "kernel-config")
    assert facts["nodes"]["/dev/iommu"] == known(True, "devfs")
    assert smmu(facts)["numa_node"] == known(0, "sysfs")
    assert smmu(facts)["platform"] == "arm-smmu-v3.14.auto"
    assert capabilities["nesting"] == known(True, "kernel-log")
    assert capabilities["canwbs"] == known(True, "iort")
    assert capabilities["cmdqv"] == known(True, "kernel-log")
    assert capabilities["oas"] == known(48, "kernel-log")
    assert capabilities["gran16k"] is None and smmu(facts)["registers"]["idr0"] is None
    assert (gpu["ats"], gpu["pri"], gpu["pasid"]) == (
        known(True, "config-space"), known(True, "config-space"), known(20, "config-space"))
    assert gpu["bars"][1] == {"index": 2, "start": "0x660000000000", "size": 128 << 30, "io": False, "64bit": True,
                              "prefetchable": True}
    assert (gpu["driver"], gpu["vfio"]) == ("nvgrace_gpu_vfio_pci", gpu["vfio"]) and gpu["vfio"].startswith("vfio")
    assert device(facts, "0002:01:00.0")["total_vfs"] == known(16, "sysfs")
    assert device(facts, "0002:01:00.0")["vfs"] == known(8, "sysfs")


def test_a_virtual_function_has_the_pasid_of_its_physical_function(program, tmp_path):
    machine = machines.grace()
    physical = next(one for one in machine.functions if one.address == "0002:01:00.0")
    physical.kind = physical.kind | {"pasid": 18}
    facts = read(program, hosts.write(machine.entries(), tmp_path / "host"))
    assert device(facts, "0002:01:00.2")["pasid"] == known(18, "config-space")
    assert device(facts, "0002:02:00.2")["pasid"] == known(0, "config-space")


def test_a_count_that_cannot_be_read_is_unknown_not_0(program, tmp_path):
    tree = hosts.write({**machines.grace().entries(), "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": b"",
                        "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": b"-5\n"}, tmp_path / "host")
    assert {"size_kib": 2048, "total": None, "free": None} in read(program, tree)["hugepages"]


def test_what_a_user_may_not_read_is_unknown_not_absent(program, tmp_path):
    entries = machines.small().entries()
    for path in [path for path in entries if path.endswith("/config")]:
        entries[path] = entries[path][:64]
    del entries["sys/firmware/acpi/tables/IORT"], entries["dev/kmsg"], entries["proc/config.gz"]
    facts = read(program, hosts.write(entries, tmp_path / "host"))
    nvme = device(facts, "0000:21:00.0")
    assert (nvme["ats"], nvme["pri"], nvme["pasid"]) == (None, None, None)
    assert facts["unread"] == [{"path": "/sys/bus/pci/devices/*/config", "reason": "Permission denied"}]
    assert set(facts["smmus"][0]["capabilities"].values()) == {None}
    assert set(facts["kernel"]["options"].values()) == {None}


def test_what_could_not_be_read_is_named(program, directory):
    if os.geteuid() != 0:
        give_up("root reads everything, and only root can stop being root")
    root = hosts.write(machines.small().entries(), directory / "host")
    (root / "sys/firmware/acpi/tables/IORT").chmod(0)
    outcome = program.run("host", "--host", root, "--json", user=65534, group=65534, extra_groups=[])
    facts = json.loads(outcome.out)
    assert facts["unread"] == [{"path": "/sys/firmware/acpi/tables/IORT", "reason": "Permission denied"}]
    assert facts["smmus"][0]["capabilities"]["canwbs"] is None


CONFIGS = {
    "boot": {"boot/config-7.3.4": b"file"},
    "link": {"boot/config-7.3.4": "../usr/lib/modules/7.3.4/config", "usr/lib/modules/7.3.4/config": b"file"},
    "absolute-link": {"boot/config-7.3.4": "/usr/lib/modules/7.3.4/config", "usr/lib/modules/7.3.4/config": b"file"},
    "merged-usr": {"lib": "usr/lib", "usr/lib/modules/7.3.4/config": b"file"},
    "modules": {"lib/modules/7.3.4/config": b"file"},
    "image": {"usr/lib/modules/7.3.4/config": b"file"},
}


@pytest.mark.parametrize("place", CONFIGS)
def test_the_configuration_of_the_kernel_is_where_distributions_have_it(place, program, tmp_path):
    entries = machines.small(options=("KVM=y", "VFIO_PCI=m")).entries()
    text = entries.pop("proc/config.gz")
    entries |= {path: text if content == b"file" else content for path, content in CONFIGS[place].items()}
    facts = read(program, hosts.write(entries, tmp_path / "host"))
    options = facts["kernel"]["options"]
    assert {name: fact["value"] for name, fact in options.items()} == {
        "CONFIG_ARM_SMMU_V3": "n", "CONFIG_ARM_SMMU_V3_IOMMUFD": "n", "CONFIG_IOMMUFD": "n", "CONFIG_KVM": "y",
        "CONFIG_TEGRA241_CMDQV": "n", "CONFIG_VFIO_DEVICE_CDEV": "n", "CONFIG_VFIO_PCI": "m"}
    assert facts["unread"] == []


def test_a_link_out_of_the_tree_is_not_followed(program, tmp_path):
    (tmp_path / "secret").write_text("CONFIG_KVM=y\n")
    entries = machines.small().entries()
    del entries["proc/config.gz"]
    for target in ("../../secret", str(tmp_path / "secret"), "../proc/self/root" + str(tmp_path / "secret")):
        tree = tmp_path / f"host{len(target)}"
        facts = read(program, hosts.write({**entries, "boot/config-7.3.4": target}, tree))
        assert set(facts["kernel"]["options"].values()) == {None}, target


@pytest.mark.parametrize("name, expected", [
    ("grace", {"nested translation": "PASS (yes, for all)", "SMMUv3 in use": "PASS (10 SMMUv3s)",
               "IOMMU groups": "PASS (76 devices, each alone in its group)", "MSI window": "PASS (0x8000000-0x80fffff)"}),
    ("no-nesting", {"nested translation": "FAIL (not for smmu3.0x000000000c000000)"}),
    ("other-window", {"MSI window": "FAIL (0000:21:00.0 has 0xa0000000-0xa00fffff)"}),
    ("shared-group", {"IOMMU groups": "WARN (3 of 5 devices behind an SMMU share their IOMMU groups)"}),
    ("empty", {"SMMUv3 in use": "FAIL (none in /sys/class/iommu)", "arm64 machine": "WARN (unknown)"}),
    ("gb10", {"one-to-one mappings": "FAIL (required by the firmware for 000f:01:00.0)",
              "host kernel": "PASS (7.0.0-1019-nvidia)"}),
    ("gb200", {"host kernel": "WARN (6.17.0-1014-nvidia-64k)", "nested translation": "PASS (yes, for all)"}),
    ("gh200", {"nested translation": "PASS (yes, for all)", "coherent guest memory": "PASS (yes, for all)"}),
    ("grace-java-island", {"host kernel": "FAIL (6.16.0-rc5-00056-gd7753fd13f9e)",
                           "nested translation": "PASS (yes, for all)"}),
    ("rk3588-dt", {"coherent guest memory": "FAIL (not for smmu3.0x00000000fc900000)",
                   "/dev/iommu": "WARN (the module iommufd is not loaded)"}),
])
def test_readiness_tells_what_is_special_about_a_machine(name, expected, program, trees):
    outcome = program.run("host", "--host", trees[name])
    found = readiness(outcome)
    assert {title: found[title] for title in expected} == expected
    assert outcome.status == (1 if any(result.startswith("FAIL") for result in found.values()) else 0)
    assert outcome.err == ""


# Each answer of each check, by the changes to the small machine that bring it; see facts.py.
READINESS = {
    "all": 'host.tools.libvirt="12.7.0" host.tools.qemu="11.1.0" host.tools.qemu_accel=true host.tools.qemu_auto=true',
    "x86": 'host.architecture="x86_64"',
    "kernel-too-old": 'host.kernel.release="6.18.15"',
    "kernel-of-a-vendor": 'host.kernel.release="6.17.0-1014-nvidia-64k"',
    "kernel-not-known": "host.kernel.release=null",
    "smmuv2": 'host.devices=[] host.smmus=[] host.other_iommu="smmu.0x0000000012000000"',
    "virtual-machine": 'host.devices=[] host.smmus=[] host.other_iommu="virtio0"',
    "intel": 'host.devices=[] host.smmus=[] host.other_iommu="dmar0"',
    "amd": 'host.devices=[] host.smmus=[] host.other_iommu="ivhd0"',
    "not-coherent": "smmu0.capabilities.canwbs=false",
    "coherence-not-known": "smmu0.capabilities.canwbs=null",
    "module-not-loaded": 'host.nodes./dev/iommu=false host.kernel.options.CONFIG_IOMMUFD="m"',
    "one-to-one": '0000:21:00.0/group.regions=[{"start":"0x8000000","end":"0x80fffff","type":"msi"},{"start":"0x1000","end":"0x1fff","type":"direct"}]',
    "one-to-one-for-all": '0000:21:00.0/group.regions=[{"start":"0x1000","end":"0x1fff","type":"direct"},{"start":"0x8000000","end":"0x80fffff","type":"msi"}] '
                          '0000:22:00.0/group.regions=[{"start":"0x1000","end":"0x1fff","type":"direct"},{"start":"0x8000000","end":"0x80fffff","type":"msi"}]',
    "two-pools": 'host.hugepages=[{"size_kib":2048,"total":64,"free":0},{"size_kib":1048576,"total":10,"free":10}]',
    "no-architecture": "host.architecture=null",
    "no-smmus-known": "host.devices=[] host.smmus=null",
    "no-smmu": "host.devices=[] host.smmus=[]",
    "no-smmu-driver": 'host.devices=[] host.smmus=[] host.kernel.options.CONFIG_ARM_SMMU_V3="n"',
    "one-cannot-be-nested": "smmu0.capabilities.nesting=false",
    "nesting-not-known": "smmu0.capabilities.canwbs=null",
    "not-compatible": "smmu0.registers.idr5=0x55",
    "no-kvm": "host.nodes./dev/kvm=false",
    "kvm-not-known": "host.nodes./dev/kvm=null",
    "no-iommufd": "host.nodes./dev/iommu=false",
    "iommufd-not-known": "host.nodes./dev/iommu=null",
    "no-smmu-iommufd": 'host.kernel.options.CONFIG_ARM_SMMU_V3_IOMMUFD="n"',
    "smmu-iommufd-is-a-module": 'host.kernel.options.CONFIG_ARM_SMMU_V3_IOMMUFD="m"',
    "smmu-iommufd-not-known": "host.kernel.options.CONFIG_ARM_SMMU_V3_IOMMUFD=null",
    "no-cdev": 'host.devices=[] host.kernel.options.CONFIG_VFIO_DEVICE_CDEV="n"',
    "cdev-not-known": "host.devices=[] host.kernel.options.CONFIG_VFIO_DEVICE_CDEV=null",
    "other-window": '0000:21:00.0/group.regions=[{"start":"0xa0000000","end":"0xa00fffff","type":"msi"}]',
    "no-window": "0000:21:00.0/group.regions=[]",
    "window-not-known": "0000:21:00.0/group.regions=null 0000:22:00.0/group.regions=null",
    "no-devices-known": "host.devices=null",
    "no-devices": "host.devices=[]",
    "one-device": "-0000:22:00.0",
    "group-shared-by-all": "0000:21:00.0.group=0 0000:22:00.0.group=0",
    "pages": 'host.hugepages=[{"size_kib":2048,"total":0,"free":0},{"size_kib":1048576,"total":8,"free":2}]',
    "pages-not-known": 'host.hugepages=[{"size_kib":2048,"total":null,"free":null}]',
    "no-pages-needed": "host.hugepages=[] smmu0.capabilities.cmdqv=false",
    "libvirt-too-old": 'host.tools.libvirt="12.6.9"',
    "libvirt-new": 'host.tools.libvirt="13.0.0"',
    "libvirt-of-a-vendor": 'host.tools.libvirt="11.9.0+nvidia4"',
    "libvirt-whose-xml-has-accel": 'host.tools.libvirt="11.9.0" host.tools.libvirt_accel=true',
    "qemu-not-asked": 'host.tools.qemu="11.1.0"',
    "qemu-without-accel": 'host.tools.qemu="10.2.0" host.tools.qemu_accel=false',
    "qemu-without-auto": 'host.tools.qemu="11.0.0" host.tools.qemu_accel=true host.tools.qemu_auto=false',
    "qemu-auto-not-known": 'host.tools.qemu="11.0.0" host.tools.qemu_accel=true',
}


def test_each_answer_of_each_check_is_the_one_that_was_found_right(program, facts):
    """What differs from the machine as it is, in every word."""
    plain = program.run("host", "--host", facts.file("small")).out.split("\n\n")[0]
    texts = ["as it is\n" + plain]
    answers = plain.replace("\n ", "\0 ").splitlines()
    for name, words in READINESS.items():
        outcome = program.run("host", "--host", facts.file("small " + words))
        shown = outcome.out.split("\n\n")[0]
        assert outcome.err == "" and outcome.status == (1 if " : FAIL (" in shown else 0), name
        different = [answer for answer in shown.replace("\n ", "\0 ").splitlines() if answer not in answers]
        assert different, name
        texts.append("\n".join((name, *different)).replace("\0", "\n"))
    golden.compare(DATA / "readiness.txt", "\n\n".join(texts) + "\n")


@pytest.mark.parametrize("line", [
    "oas 44-bit (features 0x", "oas 44-bit (features 0x010", "oas 44-bit (features 0xzzz)", "oas 44-bit (features 0x-1)", "oas 44-bit (features )",
    "oas 99999999999-bit (features 0x00088705)", "oas 0-bit (features 0x00000000)", "oas -4-bit (features 0x00000000)",
    "oas 44-bit (features 0x10108870500)", "oas 44-bit", "(features 0x00000000)", "found companion CMDQV device: "])
def test_a_garbled_line_of_the_log_says_nothing(line, program, tmp_path):
    """A word that is cut off has fewer bits, which would be what the SMMU cannot do."""
    entries = machines.small().entries()
    entries["dev/kmsg"] = f"6,1,1,-;arm-smmu-v3 arm-smmu-v3.0.auto: {line}\n6,2,2,-;acpi : Falling back to standard SMMU CMDQ\n".encode()
    found = read(program, hosts.write(entries, tmp_path / "host"))["smmus"][0]
    assert found["features"] is None
    assert {name for name, fact in found["capabilities"].items() if fact} == {"canwbs"}


FOUND = "6,1,1,-;arm-smmu-v3 arm-smmu-v3.%d.auto: found companion CMDQV device: %s\n"
GIVEN_UP = "3,2,2,-;%s: tegra241_cmdqv: Falling back to standard SMMU CMDQ\n"


@pytest.mark.parametrize("log, answers", [
    (FOUND % (10, "NVDA200C:00") + FOUND % (11, "NVDA200C:01"), (True, True)),
    (FOUND % (10, "NVDA200C:00") + FOUND % (11, "NVDA200C:01") + GIVEN_UP % "acpi NVDA200C:01", (True, False)),
    (FOUND % (10, "8105200000.cmdqv") + GIVEN_UP % "platform 8105200000.cmdqv", (False, None)),
    (FOUND % (10, "NVDA200C:00") + GIVEN_UP % "acpi NVDA200C:00" + FOUND % (10, "NVDA200C:00"), (True, None)),
    (GIVEN_UP % "acpi NVDA200C:00", (None, None)),
    (FOUND % (10, "NVDA200C:00") + FOUND % (11, "NVDA200C:00"), (None, True)),
])
def test_the_last_word_of_the_log_about_command_queues_counts(log, answers, program, tmp_path):
    """What two SMMUs say of the same queues cannot be true for both."""
    root = hosts.write({**machines.grace().entries(), "dev/kmsg": log.encode()}, tmp_path / "host")
    found = [smmu(read(program, root), name)["capabilities"]["cmdqv"] for name in
             ("smmu3.0x0000000011000000", "smmu3.0x0000000012000000")]
    assert tuple(fact and fact["value"] for fact in found) == answers


@pytest.mark.parametrize("part", [1, 0.9, 0.5])
def test_of_an_iort_that_is_cut_off_nothing_is_believed(part, program, tmp_path):
    entries = machines.grace().entries()
    table = entries["sys/firmware/acpi/tables/IORT"]
    entries["sys/firmware/acpi/tables/IORT"] = table[:int(len(table) * part)]
    facts = read(program, hosts.write(entries, tmp_path / "host"))
    assert all((one["capabilities"]["canwbs"] is not None) == (part == 1) for one in facts["smmus"])
    assert (device(facts, "0009:01:00.0")["root_ats"] is not None) == (part == 1)


def test_an_smmu_without_devices_decides_nothing(program):
    """On a GB200 the SMMU at 0x16000000 has none: what it cannot do is neither counted nor explained."""
    host = json.loads((DATA.parent.parent / "examples" / "grace-host.json").read_text(encoding="utf-8"))
    smmu(host, "smmu3.0x0000000016000000")["capabilities"]["stlevel"] = known(0, "iommufd")
    title = "compatible with QEMU's SMMUv3"
    assert readiness(program.run("host", "--host", "-", input=json.dumps(host).encode()))[title] == "PASS (yes, for all)"
    smmu(host, "smmu3.0x0000100012000000")["capabilities"]["gran16k"] = known(False, "iommufd")
    outcome = program.run("host", "--host", "-", input=json.dumps(host).encode())
    assert readiness(outcome)[title] == "WARN (not for smmu3.0x0000100012000000)"
    assert "explain host-granule'" in outcome.out and "host-stlevel" not in outcome.out


def test_every_check_that_does_not_pass_says_what_to_do(program, trees):
    for root in trees.values():
        lines = program.run("host", "--host", root).out.split("\n\n")[0].splitlines()
        assert any(" : " in line for line in lines), root
        for line, following in zip(lines, [*lines[1:], ""]):
            if not line.startswith(" "):
                assert (" : PASS (" in line) != following.startswith("    hint: "), line


def test_the_functions_that_were_opened_are_named(program, facts):
    host = facts.of("grace")
    assert "registers read through" not in program.run("host", "--host", "-", input=json.dumps(host).encode()).out
    host["smmus"][0]["probed"], host["smmus"][2]["probed"] = "0002:01:00.2", "0008:01:00.0"
    shown = program.run("host", "--host", "-", input=json.dumps(host).encode()).out
    assert shown.endswith("\n\nregisters read through 0002:01:00.2, 0008:01:00.0\n")


def test_the_table_has_a_row_for_each_smmu(program, facts):
    table = program.run("host", "--host", facts.file("grace smmu0.registers.idr5=0x54")).out.split("\n\n")[1]
    header, *rows = table.splitlines()
    assert header.split("  ")[0] == "SMMU" and len(rows) == 10
    assert rows[0].split() == [GPU_SMMU, "0", "yes", "yes", "yes", "no", "20", "44", "4K,64K", "yes", "(16)",
                               "0x8000000-0x80fffff", "0008:01:00.0", "0009:01:00.0"]
    assert rows[1].split()[7:9] == ["48", "4K,16K,64K"] and rows[1].split()[-2:] == ["?", "-"]
    assert rows[4].split()[7:9] == ["48", "4K,16K,64K"]


@pytest.mark.parametrize("registers, supported", [
    ({}, "yes"), ({"s2p": 0}, "no"), ({"s1p": 0}, "no"), ({"iidr": 0x4872043B}, "no"), ({"iidr": 0x4831043B}, "no"),
    ({"iidr": 0x4832043B}, "yes"), ({"iidr": 0x4872036B}, "yes")])
def test_nesting_follows_from_the_registers_and_the_errata(registers, supported, program, facts, tmp_path):
    host = facts.of("small")
    as_root(host["smmus"][0], **registers)
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(host), encoding="utf-8")
    assert program.run("host", "--host", path).out.split("\n\n")[1].splitlines()[1].split()[2] == supported


def test_the_kernel_knows_of_errata_that_the_registers_do_not_tell(program, facts, tmp_path):
    host = facts.of("small")
    host["smmus"][0]["features"] = known(f"0x{machines.feature_word(['2lvl', 'le', 's1', 's2']):08x}", "kernel-log")
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(host), encoding="utf-8")
    again = json.loads(program.run("host", "--host", path, "--json").out)
    assert again["smmus"][0]["capabilities"]["nesting"] == known(False, "kernel-log")


@pytest.mark.parametrize("words", ["grace", "small", "shared-group", "grace host.hugepages=null",
                                   "grace 0009:01:00.0/group.regions=null smmu0.capabilities.canwbs=null"])
def test_facts_that_are_read_and_written_again_are_the_same(words, program, facts, tmp_path):
    first = program.run("host", "--host", facts.file(words), "--json").out
    path = tmp_path / "facts.json"
    path.write_text(first, encoding="utf-8")
    assert program.run("host", "--host", path, "--json").out == first
    assert program.run("host", "--host", "-", "--json", input=first.encode()).out == first


def test_facts_fit_the_schema(program, trees, facts):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    for root in trees.values():
        validator.validate(read(program, root))
    validator.validate(facts.of("grace"))
    validator.validate({"version": 1})
    outcome = program.run("host", "--json", "--passive")
    validator.validate(json.loads(outcome.out))


def test_facts_of_nothing_but_a_version_are_enough(program):
    outcome = program.run("host", "--host", "-", input=b'{"version": 1}')
    assert outcome.status == 0
    assert set(readiness(outcome).values()) == {"WARN (unknown)"}


def altered(host, path, value):
    *before, last = path
    at = host
    for step in before:
        at = at[step]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return host


# Where in the facts of "small", what stands there instead, and what the message must name.
BROKEN = {
    "no-version": (["version"], None, "version"),
    "newer-version": (["version"], 2, "newer"),
    "version-is-text": (["version"], "1", "whole number"),
    "unknown-member": (["smmu"], [], "did you mean 'smmus'?"),
    "unknown-member-of-a-device": (["devices", 0, "drivers"], "x", "devices[0]: unknown member 'drivers'"),
    "misspelt-capability": (["smmus", 0, "capabilities", "nestling"], {"value": True, "source": "given"}, "nesting"),
    "smmus-is-no-array": (["smmus"], {}, "smmus: expected an array"),
    "smmu-is-no-object": (["smmus", 0], "x", "smmus[0]: expected an object"),
    "smmu-without-name": (["smmus", 0, "name"], None, "smmus[0].name"),
    "smmu-with-another-name": (["smmus", 0, "name"], "smmu3.0xC000000", "smmus[0].name"),
    "fact-without-source": (["smmus", 0, "numa_node"], {"value": 1}, "requires 'value' and 'source'"),
    "fact-without-value": (["smmus", 0, "numa_node"], {"source": "sysfs"}, "requires 'value' and 'source'"),
    "fact-is-a-number": (["smmus", 0, "numa_node"], 1, "smmus[0].numa_node"),
    "fact-with-more": (["smmus", 0, "numa_node"], {"value": 1, "source": "sysfs", "why": 1}, "'why'"),
    "unknown-source": (["smmus", 0, "numa_node"], {"value": 1, "source": "rumour"}, "'rumour'"),
    "number-is-a-fraction": (["smmus", 0, "numa_node"], {"value": 1.5, "source": "sysfs"}, "whole number"),
    "number-too-large": (["smmus", 0, "numa_node"], {"value": 1024, "source": "sysfs"}, "1024 is not in the range from -1 to 1023"),
    "flag-is-a-number": (["smmus", 0, "capabilities", "ats"], {"value": 1, "source": "given"}, "true or false"),
    "register-too-wide": (["smmus", 0, "registers", "idr0"], {"value": "0x100000000", "source": "given"}, "32 bits"),
    "register-is-a-number": (["smmus", 0, "registers", "idr0"], {"value": 1, "source": "given"}, "expected a string"),
    "register-without-digits": (["smmus", 0, "registers", "idr0"], {"value": "0x", "source": "given"}, "'0x'"),
    "contradiction": (["smmus", 0, "capabilities", "oas"], {"value": 44, "source": "iommufd"}, "48 according to its registers"),
    "option-is-odd": (["kernel", "options", "CONFIG_KVM"], {"value": "yes", "source": "given"}, "'y', 'm' or 'n'"),
    "odd-address": (["devices", 1, "address"], "0000:20:0.0", "devices[1].address"),
    "upper-case-address": (["devices", 0, "address"], "0000:0A:00.0", "devices[0].address"),
    "device-twice": (["devices", 0, "address"], "0000:21:00.0", "'0000:21:00.0' is specified twice"),
    "device-twice-with-zeros": (["devices", 0, "address"], "00000000:21:00.0", "is specified twice"),
    "dangling-smmu": (["devices", 1, "smmu"], "smmu3.0x0000000000000000", "devices[1].smmu"),
    "dangling-group": (["devices", 1, "group"], 99, "unknown group 99"),
    "negative-group": (["devices", 1, "group"], -1, "devices[1].group"),
    "dangling-parent": (["devices", 0, "parent"], "0001:00:00.0", "devices[0].parent: unknown device"),
    "own-parent": (["devices", 1, "parent"], "0000:20:00.0", "refers to itself"),
    "vendor-too-wide": (["devices", 1, "vendor"], "0x10000", "16 bits"),
    "region-backwards": (["groups", 0, "regions"], [{"start": "0x2", "end": "0x1", "type": "msi"}], "groups[0].regions"),
    "regions-without-type": (["groups", 0, "regions"], [{"start": "0x1", "end": "0x2"}], "groups[0].regions"),
    "bar-twice": (["devices", 0, "bars"], [{"index": 0, "size": 16}, {"index": 0, "size": 16}], "register 0 is specified twice"),
    "bar-of-no-size": (["devices", 0, "bars"], [{"index": 0}], "'size'"),
    "bar-number-seven": (["devices", 0, "bars"], [{"index": 7, "size": 16}], "7 is not in the range from 0 to 6"),
    "pages-of-no-size": (["hugepages"], [{"total": 1}], "hugepages[0].size_kib"),
    "unread-without-reason": (["unread"], [{"path": "/x"}], "unread[0]"),
    "long-text": (["name"], "x" * 5000, "too long"),
    "odd-version": (["tools", "qemu"], "eleven", "'eleven' is not a version"),
}
NOT_IN_THE_SCHEMA = {"contradiction", "device-twice", "device-twice-with-zeros", "dangling-smmu", "dangling-group",
                     "dangling-parent", "own-parent", "region-backwards", "bar-twice"}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_facts_are_refused_with_their_place(name, program, facts):
    path, value, expected = BROKEN[name]
    host = altered(facts.of("small"), path, value)
    outcome = program.run("host", "--host", "-", input=json.dumps(host).encode())
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("virt-vsmmu: <stdin>: ") and expected in outcome.err, outcome.err
    assert "GLib" not in outcome.err and outcome.err.count("\n") == 1
    fits = jsonschema.Draft202012Validator(SCHEMA).is_valid(host)
    assert fits == (name in NOT_IN_THE_SCHEMA)


def test_groups_and_smmus_that_are_given_twice_are_refused(program, facts):
    for member, expected in (("groups", "group 0 is specified twice"), ("smmus", "is specified twice")):
        host = facts.of("small")
        host[member].append(dict(host[member][0]))
        outcome = program.run("host", "--host", "-", input=json.dumps(host).encode())
        assert outcome.status == 2 and expected in outcome.err


def test_parents_in_a_loop_are_refused(program, facts):
    host = facts.of("small")
    device(host, "0000:20:00.0")["parent"] = "0000:21:00.0"
    outcome = program.run("host", "--host", "-", input=json.dumps(host).encode())
    assert outcome.status == 2 and "loop" in outcome.err


HOSTILE = {
    "empty": (b"", "expected an object"),
    "no-object": (b"[]", "expected an object"),
    "no-json": (b"<domain/>", "not valid JSON"),
    "cut-off": (b'{"version": 1', "not valid JSON"),
    "cut-off-in-a-string": (b'{"version', "is not terminated"),
    "deep": (b"[" * 200000, "nested too deeply"),
    "deep-objects": (b'{"a":' * 200000, "nested too deeply"),
    "deep-behind-a-comment": (b'/* " */' + b"[" * 200000, "not valid JSON"),
    "many": (b'{"version": 1, "unread": [' + b"0," * 2000001 + b"0]}", "too many values"),
    "comment": (b'{"version": 1 /* one */}', "not valid JSON"),
    "assignment": (b'var facts = {"version": 1}', "not valid JSON"),
    "twice": (b'{"version": 1, "name": "a", "name": "b"}', "occurs twice"),
    "twice-inside": (b'{"version": 1, "nodes": {"/dev/kvm": null, "/dev/kvm": null}}', "occurs twice"),
    "not-utf-8": (b'{"version": 1, "name": "\xff"}', "not valid JSON"),
    "zero-byte": (b'{"version": 1}\0', "not valid JSON"),
    "escape-sequence": (b'{"version": 1, "\\u001b[31mred": 1}', "\\u001b[31mred"),
    "large": (b" " * (32 << 20) + b"{}", "larger than 32 MiB"),
    "large-number": (b'{"version": 99999999999999999999999}', "version"),
    "hexadecimal": (b'{"version": 0x1}', "not valid JSON"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_facts_are_refused(name, program):
    data, expected = HOSTILE[name]
    outcome = program.run("host", "--host", "-", input=data)
    assert (outcome.status, outcome.out) == (2, "")
    assert expected in outcome.err and outcome.err.count("\n") == 1, outcome.err
    assert "CRITICAL" not in outcome.err and "\x1b" not in outcome.err


@pytest.mark.parametrize("options, expected", [
    (["--host", "/no/such/file"], "cannot open"),
    (["extra"], "unexpected argument 'extra'"),
    (["--host", "/proc/self/fd"], "is not the root of a host"),
    (["--no-such-option"], "unknown option"),
])
def test_wrong_usage_is_status_2(options, expected, program):
    outcome = program.run("host", *options)
    assert (outcome.status, outcome.out) == (2, "") and expected in outcome.err


def test_a_check_takes_one_host_only(program):
    outcome = program.run("check", "--host", "x.json", "--this-host", DATA / "grace.xml")
    assert (outcome.status, outcome.out) == (2, "") and "cannot be used together" in outcome.err


def test_a_check_against_a_directory_is_one_against_its_facts(program, trees, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(program.run("host", "--host", trees["grace"], "--json").out, encoding="utf-8")
    by_file = program.check("--host", path, DATA / "grace.xml")
    assert program.check("--host", trees["grace"], DATA / "grace.xml") == by_file
    assert by_file.rules == ["host-fact-unknown", "host-memory-nodes", "not-migratable"]


def test_the_example_with_two_smmus_behind_one_vsmmu_is_found_out(program):
    examples = DATA.parent.parent / "examples"
    mismatched, right = examples / "mismatched-smmus.xml", examples / "two-gpu-grace.xml"
    host = ["--host", examples / "grace-host.json"]
    assert program.check(*host, "-S", "error", mismatched).rules == ["host-smmu-mismatch"]
    assert program.check(*host, right).rules == ["not-migratable"]
    assert program.check(mismatched).rules == ["not-migratable"]


def test_standard_input_is_one_thing_only(program):
    outcome = program.run("check", "--host", "-", "-", input=b"{}")
    assert (outcome.status, outcome.out) == (2, "") and "only once" in outcome.err


def test_passive_is_for_this_host_only(program):
    outcome = program.run("check", "--passive", DATA / "grace.xml")
    assert (outcome.status, outcome.out) == (2, "") and "--this-host" in outcome.err
    assert program.check("--this-host", "--passive", DATA / "grace.xml").status in (0, 1)


def test_a_check_against_broken_facts_is_status_2(program, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text("{}", encoding="utf-8")
    outcome = program.check("--host", path, DATA / "grace.xml")
    assert (outcome.status, outcome.out) == (2, "") and "'version' is missing" in outcome.err


def test_a_tree_that_was_made_to_be_broken_is_read_as_far_as_it_goes(program, tmp_path):
    entries = machines.small().entries()
    entries["sys/firmware/acpi/tables/IORT"] = b"IORT" + b"\xff" * 4000
    entries["proc/config.gz"] = b""
    nvme = next(path for path in entries if path.endswith("0000:21:00.0/config"))
    config = bytearray(entries[nvme])
    config[0x100:0x104] = (0x0F | 1 << 16 | 0x100 << 20).to_bytes(4, "little")
    entries[nvme] = bytes(config)
    entries[nvme.replace("/config", "/resource")] = b"x\n\n0xffffffffffffffff 0x0 0x200\n" * 9
    entries[nvme.replace("/config", "/numa_node")] = b"many\n"
    root = hosts.write(entries, tmp_path / "host")
    os.mkfifo(root / "proc/sys/kernel/version")
    (root / "proc/sys/kernel/arch").unlink()
    os.mkfifo(root / "proc/sys/kernel/arch")
    facts = read(program, root)
    assert device(facts, "0000:21:00.0")["ats"] == known(True, "config-space")
    assert device(facts, "0000:21:00.0")["bars"] == []
    assert device(facts, "0000:21:00.0")["numa_node"] is None
    assert facts["architecture"] is None
    assert facts["smmus"][0]["capabilities"]["canwbs"] is None


def test_links_in_a_tree_do_not_lead_to_files_of_this_host(program, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret\n", encoding="utf-8")
    entries = machines.small().entries()
    entries["proc/sys/kernel/hostname"] = str(secret)
    facts = read(program, hosts.write(entries, tmp_path / "host"))
    assert facts["name"] is None and facts["unread"][0]["path"] == "/proc/sys/kernel/hostname"


def test_devices_that_are_said_to_be_below_each_other_are_not(program, tmp_path):
    entries = machines.small().entries()
    for below, above in (("0000:21:00.0", "0000:22:00.0"), ("0000:22:00.0", "0000:21:00.0")):
        entries[f"sys/bus/pci/devices/{below}"] = f"../../../devices/{above}/{below}"
        entries[f"sys/devices/{above}/{below}"] = None
    facts = read(program, hosts.write(entries, tmp_path / "host"))
    assert [device(facts, address)["parent"] for address in ("0000:21:00.0", "0000:22:00.0")].count(None) == 1


@pytest.mark.parametrize("root_complexes, expected", [
    ((True,), known(True, "iort")), ((False,), known(False, "iort")), ((True, True), known(True, "iort")),
    ((True, False), None), ((), None)])
def test_canwbs_is_known_when_the_root_complexes_agree(root_complexes, expected, program, tmp_path):
    root = hosts.write(machines.small(canwbs=root_complexes).entries(), tmp_path / "host")
    assert read(program, root)["smmus"][0]["capabilities"]["canwbs"] == expected


@pytest.mark.slow("a machine of a thousand functions is made")
def test_a_machine_of_a_thousand_functions_is_read_as_it_was_made(program, tmp_path):
    machine = machines.large(4, 1100)
    facts = read(program, hosts.write(machine.entries(), tmp_path / "host"))
    assert {one["address"]: (one["smmu"], one["parent"], one["physical_function"]) for one in facts["devices"]} == {
        function.address: (function.smmu.name, function.parent or None, function.physical or None)
        for function in machine.functions}
    groups = [one["group"] for one in facts["devices"]]
    assert len(set(groups)) == len(groups) == 1100 and sorted(groups) == [one["number"] for one in facts["groups"]]
    assert {json.dumps(one["regions"]) for one in facts["groups"]} == {
        '[{"start": "0x8000000", "end": "0x80fffff", "type": "msi"}]'}


class Opened:
    """Counts how often each file below a directory is opened, with inotify(7)."""

    IN_OPEN, IN_ISDIR, IN_NONBLOCK = 0x20, 0x40000000, 0x800
    EVENT = struct.Struct("iIII")

    def __init__(self, root):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor, self.directories = libc.inotify_init1(self.IN_NONBLOCK), {}
        assert self.descriptor >= 0
        for directory, _, _ in os.walk(root):
            watch = libc.inotify_add_watch(self.descriptor, os.fsencode(directory), self.IN_OPEN)
            if watch < 0:
                give_up(f"inotify: {os.strerror(ctypes.get_errno())}")
            self.directories[watch] = directory

    def counts(self):
        counts = collections.Counter()
        while True:
            try:
                data = os.read(self.descriptor, 1 << 20)
            except BlockingIOError:
                os.close(self.descriptor)
                return counts
            while data:
                watch, mask, _, length = self.EVENT.unpack_from(data)
                name = data[self.EVENT.size:self.EVENT.size + length].rstrip(b"\0").decode()
                data = data[self.EVENT.size + length:]
                if name and not mask & self.IN_ISDIR:
                    counts[f"{self.directories[watch]}/{name}"] += 1


def test_no_file_is_opened_twice(program, tmp_path):
    machine = machines.large(4, 600)
    root = hosts.write(machine.entries(), tmp_path / "host")
    opened = Opened(root)
    program.run("host", "--host", root)
    counts = opened.counts()
    assert sum(path.endswith("/uevent") for path in counts) == 600
    assert sum(path.endswith("/reserved_regions") for path in counts) == 600
    assert set(counts.values()) == {1}, counts.most_common(3)


def test_devices_are_listed_with_what_a_guest_gets(program, facts):
    table = program.run("host", "--devices", "--host", facts.file("grace")).out.split("\n\n")[2]
    header, *rows = table.splitlines()
    rows = {row.split()[0]: row.split() for row in rows}
    assert len(rows) == 76 and header.split()[0] == "device"
    assert rows["0009:01:00.0"][1:] == ["10de:2342", "nvgrace_gpu_vfio_pci", GPU_SMMU, rows["0009:01:00.0"][4], "yes",
                                        "0", "yes", "20", "0", "128", "GiB"]
    assert rows["0002:01:00.2"][1:4] == ["15b3:101e", "vfio-pci", "smmu3.0x0000000012000000"]
    assert "0009:00:00.0" not in rows


def test_devices_that_share_a_group_are_marked(program, facts):
    table = program.run("host", "--devices", "--host", facts.file("shared-group")).out.split("\n\n")[2]
    alone = {row.split()[0]: row.split()[5] for row in table.splitlines()[1:]}
    assert alone == {"0000:00:01.0": "-", "0000:21:00.0": "yes", "0000:22:00.0": "yes", "0000:24:00.0": "no",
                     "0000:24:00.1": "no", "0000:27:00.0": "no"}


def test_a_captured_machine_is_read_as_the_kernel_lays_it_out(program, trees):
    facts = read(program, trees["three-smmus"])
    assert {one["name"][-8:]: one["platform"] for one in facts["smmus"]} == {
        "0c000000": "arm-smmu-v3.1.auto", "0c020000": "arm-smmu-v3.2.auto", "0c040000": "arm-smmu-v3.0.auto"}
    assert {one["capabilities"]["nesting"]["value"] for one in facts["smmus"]} == {True}
    assert {one["capabilities"]["oas"]["value"] for one in facts["smmus"]} == {44}
    assert {address: device(facts, address)["smmu"][-8:] for address in (
        "0000:01:00.0", "0000:22:00.0", "0000:28:00.0", "0000:61:00.0")} == {
            "0000:01:00.0": "0c040000", "0000:22:00.0": "0c000000", "0000:28:00.0": "0c000000",
            "0000:61:00.0": "0c020000"}
    assert device(facts, "0000:28:00.0")["parent"] == "0000:26:01.0"
    assert device(facts, "0000:24:00.0")["group"] == device(facts, "0000:24:00.1")["group"]
    assert device(facts, "0000:27:00.0")["group"] == device(facts, "0000:26:00.0")["group"]
    assert device(facts, "0000:23:00.0")["total_vfs"] == known(7, "sysfs")
    assert {one["numa_node"] for one in facts["devices"]} == {None}


def test_the_emulated_host_is_read_as_it_is_known_to_be(program, trees):
    """Captured in it: tests/rig/test_facts.py compares, tests/rig/machine.py says what it is made of."""
    facts = read(program, trees["emulated"])
    assert {one["name"][-8:]: one["capabilities"]["canwbs"] for one in facts["smmus"]} == {
        "0c000000": known(True, "iort"), "0c020000": known(True, "iort")}
    assert {one["features"]["value"] for one in facts["smmus"]} == {"0x01088705"}
    assert device(facts, "0000:61:00.0")["numa_node"] == known(1, "sysfs")
    assert device(facts, "0000:21:00.0")["driver"] == "vfio-pci"
    assert device(facts, "0000:01:00.0")["smmu"] is None
    assert device(facts, "0000:27:00.0")["group"] == device(facts, "0000:26:00.0")["group"]
    assert facts["nodes"]["/dev/iommu"] == known(True, "devfs") and facts["kernel"]["release"].endswith("-rig")


def test_a_domain_for_two_smmus_of_the_captured_machine_is_found_out(program, trees):
    def on_host(first, second):
        xml = (DATA.parent.parent / "examples" / "mismatched-smmus.xml").read_text(encoding="utf-8")
        for old, bus in (("domain='0x0009' bus='0x01'", first), ("domain='0x0019' bus='0x01'", second)):
            xml = xml.replace(old, f"domain='0x0000' bus='0x{bus:02x}'")
        findings = program.check("--host", trees["three-smmus"], "-", input=xml.encode()).findings
        return {finding["rule"] for finding in findings if finding["severity"] == "error"}

    assert on_host(0x21, 0x22) == set()
    assert on_host(0x21, 0x61) == {"host-smmu-mismatch"}
    assert on_host(0x21, 0x24) == {"host-group-shared"}
    assert on_host(0x27, 0x28) == {"host-group-shared"}


def tools_with(program, directory, script):
    """What the program says of a QEMU that is this shell script."""
    emulator = directory / "qemu-system-aarch64"
    emulator.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    emulator.chmod(0o755)
    outcome = program.run("host", "--passive", "--json", environment={"PATH": f"{directory}:{os.environ['PATH']}"})
    tools = json.loads(outcome.out)["tools"]
    assert tools["emulator"] == str(emulator)
    return tools["qemu"], *[(tools[f"qemu_{name}"] or {}).get("value") for name in ("accel", "auto", "cmdqv", "iommufd", "pasid")]


@pytest.mark.parametrize("suite", sorted(bed.names()))
def test_the_real_qemu_is_asked_what_it_can_do(suite, program, debian_tree, tmp_path):
    command = " ".join(bed.command("exec", "qemu-system-aarch64", suite=suite))
    versions = subprocess.run(bed.command("versions", suite=suite), capture_output=True, text=True, check=True).stdout
    package = dict(line.split() for line in versions.splitlines() if line.startswith("qemu-"))["qemu-system-arm"]
    assert tools_with(program, tmp_path, f'exec {command} "$@"') == (package.split(":")[-1], True, True, True, True, True)


def says(version, smmu, vfio):
    """What a QEMU prints, whose devices have one property each."""
    return (f'case $* in --version) echo "QEMU emulator version {version}" ;; *arm-smmuv3*) printf "arm-smmuv3 options:\\n  {smmu}\\n" ;; '
            f'*) printf "vfio-pci options:\\n  {vfio}\\n" ;; esac')


@pytest.mark.parametrize("script, expected", [
    (says("11.0.2", smmu="accel=<bool>", vfio="iommufd=<link<iommufd>>"), ("11.0.2", True, False, False, True, False)),
    (says("10.2.0", smmu="identifier=<uint8>", vfio="iommufd=<link<iommufd>>"), ("10.2.0", False, False, False, True, False)),
    (says("11.1.3", smmu="accel=<bool>", vfio="host=<str>"), ("11.1.3", True, True, False, False, False)),
    (says("11.0.0 (Debian 1:11.0.0+nvidia1-1)", smmu="accel=<bool>", vfio="x-vpasid-cap-offset=<uint16>"),
     ("11.0.0+nvidia1-1", True, True, False, False, True)),
    ('[ "$1" = --version ] && echo "QEMU emulator version 9.2.0" || exit 1', ("9.2.0", False, False, False, False, False)),
])
def test_another_qemu_is_not_taken_for_more_than_it_is(script, expected, program, tmp_path):
    assert tools_with(program, tmp_path, script) == expected


@pytest.mark.parametrize("script", ["exit 1", "kill -9 $$"])
def test_a_qemu_that_fails_is_unknown(script, program, tmp_path):
    qemu, *capabilities = tools_with(program, tmp_path, script)
    assert capabilities == [None] * 5


LISTINGS = sorted(listing.stem for listing in hosts.LISTINGS.glob("*.sysfs"))


def collect(program, root, path):
    outcome = program.run("host", "--host", root, "--collect", path)
    assert (outcome.status, outcome.out) == (0, "")
    return outcome.err


@pytest.mark.parametrize("name", [*LISTINGS, "grace", "empty"])
def test_what_is_collected_has_the_facts_of_the_host(program, trees, name, tmp_path):
    facts = read(program, trees[name])
    collect(program, trees[name], tmp_path / "host.sysfs")
    assert read(program, tmp_path / "host.sysfs") == {**facts, "name": facts["name"] and "host"}
    unpacked = hosts.unpack((tmp_path / "host.sysfs").read_text(encoding="utf-8"), tmp_path / "unpacked")
    assert read(program, unpacked) == {**facts, "name": facts["name"] and "host"}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_is_read_as_what_it_unpacks_to(program, trees, name):
    assert read(program, hosts.LISTINGS / f"{name}.sysfs") == read(program, trees[name])


def test_what_is_collected_twice_is_the_same(program, trees, tmp_path):
    for name in ("first", "second"):
        collect(program, trees["grace"], tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_this_host_can_be_collected(program, tmp_path):
    outcome = program.run("host", "--passive", "--collect", tmp_path / "this.sysfs")
    assert outcome.status == 0 and "left out" in outcome.err and "replaced" in outcome.err
    facts = json.loads(program.run("host", "--passive", "--json").out)
    collected = read(program, tmp_path / "this.sysfs")
    for volatile in ("name", "hugepages", "unread"):
        del facts[volatile], collected[volatile]
    assert collected == facts


def test_what_is_collected_stands_for_no_one_host(program, tmp_path):
    entries = machines.grace().entries()
    uevent = "sys/devices/pci0009:00/0009:00:00.0/0009:01:00.0/uevent"
    private = {
        "proc/sys/kernel/hostname": b"customer-17\n",
        uevent: entries[uevent] + b"SERIAL=0123456789\n",
        "dev/kmsg": b"6,1,1,-;DMI: Board of customer-17, serial 0123456789\n"
                    b"6,2,2,-;arm-smmu-v3 arm-smmu-v3.0.auto: 6c1e7f0a-1d1c-4e0a-9f5a-0d7e2b8a4c11 52:54:00:12:34:56\n",
        "sys/class/net/eth0/address": b"52:54:00:12:34:56\n",
        "sys/class/dmi/id/product_serial": b"0123456789\n",
    }
    said = collect(program, hosts.write({**entries, **private}, tmp_path / "host"), tmp_path / "host.sysfs")
    listing = (tmp_path / "host.sysfs").read_text(encoding="utf-8")
    for word in ("customer-17", "0123456789", "52:54", "6c1e7f0a", "dmi"):
        assert word not in listing
    assert "00000000-0000-0000-0000-000000000000 00:00:00:00:00:00" in listing
    assert "hardware addresses (3)" in said


def test_serial_numbers_in_configuration_space_are_not_collected(program, tmp_path):
    entries = machines.grace().entries()
    path = "sys/devices/pci0009:00/0009:00:00.0/0009:01:00.0/config"
    # The capability of a serial number, at the beginning of the list and before what was there.
    config = bytearray(entries[path])
    first = bytes(config[0x100:0x104])
    config[0xf00:0xf0c] = first + b"\xaa" * 8
    config[0x100:0x10c] = struct.pack("<I", 0x0003 | 1 << 16 | 0xf00 << 20) + b"\x5e\x71\xa1\x5e\x71\xa1\x5e\x71"
    collect(program, hosts.write({**entries, path: bytes(config)}, tmp_path / "host"), tmp_path / "host.sysfs")
    listing = (tmp_path / "host.sysfs").read_text(encoding="utf-8")
    assert "03 00 01 f0" in listing and "5e 71" not in listing and "aa aa" not in listing


def test_what_cannot_be_read_is_in_what_is_collected(program, directory):
    if os.geteuid() != 0:
        give_up("root reads everything, and only root can stop being root")
    root = hosts.write(machines.small().entries(), directory / "host")
    (root / "sys/firmware/acpi/tables/IORT").chmod(0)
    outcome = program.run("host", "--host", root, "--collect", "-", user=65534, group=65534, extra_groups=[])
    assert outcome.status == 0 and "IORT ! EACCES\n" in outcome.out and "root can read more" in outcome.err
    facts = json.loads(program.run("host", "--host", "-", "--json", input=outcome.out.encode()).out)
    assert facts["unread"] == [{"path": "/sys/firmware/acpi/tables/IORT", "reason": "Permission denied"}]


def test_every_command_takes_a_listing_for_a_host(program, tmp_path):
    listing = hosts.LISTINGS / "gb200.sysfs"
    planned = program.run("plan", "--host", listing, "--device", "0009:01:00.0")
    assert planned.status in (0, 1) and "0009:01:00.0" in planned.out + planned.err
    guest = DATA.parent.parent / "examples" / "nic-only.xml"
    assert program.run("check", "--host", listing, guest).status in (0, 1)
    assert "host-device-missing" in program.run("check", "--host", listing, guest).out


@pytest.mark.parametrize("options", [["--json"], ["--devices"], ["--host", "examples/grace-host.json"]])
def test_options_that_do_not_go_with_collect(program, tmp_path, options):
    options = [DATA.parent.parent / option if "/" in option else option for option in options]
    outcome = program.run("host", "--collect", tmp_path / "x", *options)
    assert (outcome.status, outcome.out) == (2, "") and "--collect" in outcome.err
    assert not (tmp_path / "x").exists()


def test_a_listing_that_cannot_be_written_leaves_what_was_there(program, trees, tmp_path):
    outcome = program.run("host", "--host", trees["empty"], "--collect", tmp_path / "none" / "x")
    assert outcome.status == 2 and "No such file" in outcome.err
    outcome = program.run("host", "--host", tmp_path, "--collect", tmp_path / "x")
    assert outcome.status == 2 and not (tmp_path / "x").exists()


BROKEN_LISTINGS = {
    "truncated": lambda text: text[:len(text) // 2].rpartition("\n")[0],
    "binary": lambda text: text.replace("uevent", "uev\0nt", 1),
    "hostile-path": lambda text: text.replace("[sys/class]", "[sys/../etc]", 1) + "[../etc]\n",
    "hostile-link": lambda text: text.replace(" -> ../../", " -> ../../../../../", 1),
    "huge": lambda text: text + "#" * (33 << 20),
}


@pytest.mark.parametrize("name", BROKEN_LISTINGS)
def test_a_broken_listing_is_refused_with_a_reason(program, trees, tmp_path, name):
    collect(program, trees["grace"], tmp_path / "whole")
    (tmp_path / "broken").write_text(BROKEN_LISTINGS[name]((tmp_path / "whole").read_text(encoding="utf-8")), encoding="utf-8")
    outcome = program.run("host", "--host", tmp_path / "broken")
    assert (outcome.status, outcome.out) == (2, "") and "broken" in outcome.err and outcome.err.count("\n") == 1


PROFILE = {
    "sys/module/apparmor/parameters/enabled": b"Y\n",
    "etc/apparmor.d/libvirt/TEMPLATE.qemu": b"profile LIBVIRT_TEMPLATE flags=(attach_disconnected) {\n  #include <abstractions/libvirt-qemu>\n}\n",
    "etc/apparmor.d/abstractions/libvirt-qemu": b"  /dev/vfio/vfio rw,\n  include if exists <abstractions/libvirt-qemu.d>\n",
}
ADDED = "etc/apparmor.d/abstractions/libvirt-qemu.d/ours"
CONFINEMENTS = {
    "nothing-known": ({}, (None, None, None, None)),
    "off": ({"sys/module/apparmor/parameters/enabled": b"N\n"}, (False, None, None, False)),
    "no-module": ({"sys/module/kvm": None}, (False, None, None, False)),
    "selinux": ({"sys/module/kvm": None, "sys/fs/selinux/enforce": b"1"}, (False, None, None, True)),
    "permissive": ({"sys/fs/selinux/enforce": b"0"}, (None, None, None, False)),
    "no-profile": ({"sys/module/apparmor/parameters/enabled": b"Y\n"}, (True, None, None, False)),
    "denied": (PROFILE, (True, False, False, False)),
    "one-of-two": ({**PROFILE, ADDED: b"/dev/iommu rw,\n"}, (True, True, False, False)),
    "allowed": ({**PROFILE, ADDED: b"/dev/iommu rw,\n/dev/vfio/devices/* rw,\n"}, (True, True, True, False)),
    "left-over": ({**PROFILE, ADDED + ".dpkg-old": b"/dev/iommu rw,\n"}, (True, False, False, False)),
    "link": ({**PROFILE, ADDED: "/srv/ours", "srv/ours": b"/dev/** rw,\n"}, (True, True, True, False)),
    "includes-itself": ({**PROFILE, ADDED: b"include <abstractions/libvirt-qemu>\n/dev/iommu rw,\n"}, (True, True, False, False)),
    "complain": ({**PROFILE, "etc/apparmor.d/libvirt/TEMPLATE.qemu": b"profile X flags=(attach_disconnected, complain) {\n}\n"},
                 (True, True, True, False)),
    "driver-none": ({**PROFILE, "etc/libvirt/qemu.conf": b'#security_driver = "apparmor"\nsecurity_driver = "none"\n'},
                    (False, None, None, False)),
    "driver-apparmor": ({**PROFILE, "etc/libvirt/qemu.conf": b'security_driver = [ "apparmor" ]\n'}, (True, False, False, False)),
}


@pytest.mark.parametrize("name", CONFINEMENTS)
def test_what_confines_qemu_is_read_from_the_host(program, tmp_path, name):
    entries, expected = CONFINEMENTS[name]
    host = hosts.write({"sys": None, **entries}, tmp_path / "host")
    facts = read(program, host)
    assert tuple(fact and fact["value"] for fact in facts["confinement"].values()) == expected
    collect(program, host, tmp_path / "host.sysfs")
    assert read(program, tmp_path / "host.sysfs") == facts


def test_devices_that_a_profile_names_one_by_one_are_allowed(program, tmp_path):
    entries = machines.grace().entries()
    names = sorted({path.split("/")[-2] for path in entries if "/vfio-dev/" in path and path.endswith("/dev")})
    assert len(names) > 1
    for allowed, expected in ((names, True), (names[:1], None), ([], False)):
        rules = "".join(f"/dev/vfio/devices/{name} rw,\n" for name in allowed).encode()
        host = hosts.write({**entries, **PROFILE, ADDED: rules}, tmp_path / str(len(allowed)))
        fact = read(program, host)["confinement"]["apparmor_vfio"]
        assert (fact and fact["value"]) == expected


def test_private_rules_of_a_profile_are_not_collected(program, tmp_path):
    host = hosts.write({"sys": None, **PROFILE, ADDED: b"# of customer-17\n/srv/customer-17/** rwk,\n/dev/iommu rw,\n",
                        "etc/libvirt/qemu.conf": b'vnc_password = "secret"\nsecurity_driver = "apparmor"\n'}, tmp_path / "host")
    collect(program, host, tmp_path / "host.sysfs")
    listing = (tmp_path / "host.sysfs").read_text(encoding="utf-8")
    assert "customer-17" not in listing and "secret" not in listing and "/dev/iommu rw," in listing
