"""Our walk of an emulated SMMUv3's tables leads where that of the real QEMU leads, for tables of every kind and for broken
ones.

QEMU has no processor here: the test writes the tables into its memory, and a device of it (iommu-testdev) writes to the
address. No expectation is computed: QEMU's answer is the expectation.
"""

import collections
import itertools
import subprocess

import pytest

import smmu
import tables

CASES = 24000
# Devices as (bus, slot, function): some on pcie.0, some behind root ports of an expander, each bus with its SMMU.
EXPANDER = 0x40
PORTS = [0x41, 0xff]
PLACES = [(0x00, 0x04, 0), (0x00, 0x1f, 7), *[(bus, 0, 0) for bus in PORTS]]
SMMUS = [smmu.PLATFORM_BUS, smmu.PLATFORM_BUS + smmu.SMMU_SIZE]


class Walk:
    """Our walk, as a program that is asked line by line."""

    def __init__(self, build_dir, memory):
        self.process = subprocess.Popen([build_dir / "tests" / "walk", memory.path(), f"{smmu.MEMORY_START:x}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, stream, iova, registers):
        self.process.stdin.write(" ".join(f"{value:x}" for value in (stream, iova, *registers)) + "\n")
        self.process.stdin.flush()
        kind, value, *level = self.process.stdout.readline().split()
        return (kind, int(value, 16), None) if kind == "ok" else (kind, value, int(level[0]))


class Bench:
    """QEMU and our walk over the same memory."""

    def __init__(self, build_dir):
        self.memory = smmu.Memory()
        devices = [f"pxb-pcie,id=expander,bus=pcie.0,bus_nr={EXPANDER},addr=10.0",
                   "arm-smmuv3,primary-bus=pcie.0,stage=1", "arm-smmuv3,primary-bus=expander,stage=nested",
                   *[f"pcie-root-port,id=port{bus},bus=expander,chassis={bus},addr={slot}.0" for slot, bus in enumerate(PORTS)],
                   # A slot whose function 0 is missing is not there at all.
                   "iommu-testdev,multifunction=on,bus=pcie.0,addr=1f.0",
                   *[f"iommu-testdev,multifunction=on,bus={f'port{bus}' if bus else 'pcie.0'},addr={slot:x}.{function}"
                     for bus, slot, function in PLACES]]
        self.qemu = smmu.Qemu(devices, self.memory)
        self.walk = Walk(build_dir, self.memory)
        self.smmus = [smmu.Smmu(self.qemu, self.memory, base, number) for number, base in enumerate(SMMUS)]
        for slot, bus in enumerate(PORTS):
            self.qemu.number_bridge(EXPANDER, slot, bus, bus)
            self.qemu.open_bridge(EXPANDER, slot, smmu.BARS + (slot + 1 << 20))
        self.devices = [smmu.Device(self.qemu, *place, smmu.BARS + (place[0] in PORTS and PORTS.index(place[0]) + 1 << 20) + number * 0x1000)
                        for number, place in enumerate(PLACES)]

    def compare(self, number, case, iova):
        """What both say, once they say the same."""
        bus, slot, function = PLACES[number]
        stream = bus << 8 | slot << 3 | function
        used = self.smmus[bus in PORTS]
        # Ours goes first: what the device writes may go into the tables.
        kind, value, level = self.walk.ask(stream, iova, used.registers)
        ours = (kind, value if kind == "ok" or case.records or value not in UNRECORDED else "none")
        *qemus, seen = smmu.read_outcome(self.devices[number].write(iova, used.flush(stream)), iova)
        assert seen in (stream, None), f"QEMU saw stream id {seen:#x}, not {stream:#x}"
        assert ours == tuple(qemus), f"IOVA {iova:#x} of stream {stream:#x}, {case}"
        return kind, value, level

    def close(self):
        self.walk.process.communicate()
        self.qemu.__exit__()


# Events that QEMU records only if the context descriptor asks for it
UNRECORDED = {"F_TRANSLATION", "F_ADDR_SIZE", "F_ACCESS", "F_PERMISSION"}
# Every event that QEMU can raise before stage 2, and faults without one.
EVENTS = UNRECORDED | {"none", "C_BAD_STREAMID", "F_STE_FETCH", "C_BAD_STE", "F_CD_FETCH", "C_BAD_CD", "F_WALK_EABT"}


@pytest.fixture
def bench(debian_tree, build_dir):
    bench = Bench(build_dir)
    yield bench
    bench.close()


@pytest.mark.parametrize("two_levels", [False, True], ids=["linear", "two-levels"])
def test_random_tables_lead_where_qemu_says(bench, two_levels):
    """For all granules, sizes, levels, blocks and faults. QEMU forgets about two levels only at a reset."""
    generators = [tables.Generator(bench.memory, f"{two_levels} {place}", place[0] << 8 | place[1] << 3 | place[2], two_levels,
                                   has_stage_2=place[0] in PORTS) for place in PLACES]
    outcomes, done = collections.Counter(), 0
    for number, generator in itertools.cycle(enumerate(generators)):
        case = generator.make()
        bench.smmus[PLACES[number][0] in PORTS].configure(case.strtab_base, case.strtab_base_cfg, case.cr0, case.gbpa)
        for iova in case.iovas:
            kind, value, level = bench.compare(number, case, iova)
            outcomes[value if kind == "fault" else kind] += 1
        done += len(case.iovas)
        if done >= CASES // 2:
            break
    # The first level of a linear table is the table, which is always there.
    assert set(outcomes) >= EVENTS - ({"F_STE_FETCH"} if not two_levels else set()) | {"ok"}, "the tables have not every fault"
    assert outcomes["ok"] > done / 3
