"""The SMMUv3 of the real QEMU: a machine without a processor, whose registers and memory the test reads and writes, and
devices (iommu-testdev) that write to an address when told to. QEMU's own trace says what became of the address.
"""

import fcntl
import mmap
import os
import re
import struct
import subprocess

import bed

MEMORY_START, MEMORY_SIZE = 0x40000000, 64 << 20
ECAM, BARS = 0x4010000000, 0x10000000
PLATFORM_BUS, SMMU_SIZE = 0x0c000000, 0x20000
# SMMU registers; those of the event queue are on the second page
IDR0, IDR1, IDR5, CR0, GBPA, STRTAB_BASE, STRTAB_BASE_CFG = 0x00, 0x04, 0x14, 0x20, 0x44, 0x80, 0x88
CMDQ_BASE, CMDQ_PROD, CMDQ_CONS, EVENTQ_BASE, EVENTQ_PROD = 0x90, 0x98, 0x9c, 0xa0, 0x100a8
GBPA_UPDATE, GBPA_ABORT, CR0_ON, CR0_QUEUES = 1 << 31, 1 << 20, 0xd, 0xc
# Where the queues of each SMMU are in memory; above that it belongs to the test.
QUEUES, QUEUE_SIZE, FREE_START = MEMORY_START, 0x4000, MEMORY_START + 0x100000
COMMANDS = 256
CFGI_CD_ALL, TLBI_NSNH_ALL = 0x06, 0x30
# Registers of the device
TRIGGER, IOVA_LOW, IOVA_HIGH, LENGTH, DOORBELL = 0x00, 0x04, 0x08, 0x0c, 0x14

SUCCESS = re.compile(r"smmuv3_translate_success \S+ sid=0x(\w+) iova=0x\w+ translated=0x(\w+)")
UNTRANSLATED = re.compile(r"smmuv3_translate_(?:bypass|disable) \S+ sid=0x(\w+)")
EVENT = re.compile(r"smmuv3_propagate_event SMMU_EVT_(\w+) sid=0x(\w+)")
ABORT = re.compile(r"smmuv3_translate_abort \S+ sid=0x(\w+)")


class Memory:
    """Memory of the guest, which QEMU and other programs see at once."""

    def __init__(self):
        self.descriptor = os.memfd_create("guest-memory")
        os.ftruncate(self.descriptor, MEMORY_SIZE)
        self.bytes = mmap.mmap(self.descriptor, MEMORY_SIZE)

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def put(self, address, *words):
        struct.pack_into(f"<{len(words)}Q", self.bytes, address - MEMORY_START, *words)

    def clear(self, address, size):
        self.bytes[address - MEMORY_START:address - MEMORY_START + size] = bytes(size)


class Qemu:
    """QEMU with `devices`, arguments of -device, and no processor to run anything."""

    def __init__(self, devices, memory, options=""):
        backend = f"memory-backend-file,id=ram,mem-path=/proc/self/fd/{memory.descriptor},share=on,size={MEMORY_SIZE}"
        self.process = subprocess.Popen(
            bed.command("exec", "qemu-system-aarch64", "-nodefaults", "-display", "none", "-accel", "qtest",
                        "-machine", f"virt,memory-backend=ram,gic-version=2{options}", "-m", f"{MEMORY_SIZE >> 20}M", "-object", backend,
                        *[argument for device in devices for argument in ("-device", device)],
                        "-qtest", "stdio", "-qtest-log", "/dev/null", "-trace", "smmuv3_translate_*",
                        "-trace", "smmuv3_propagate_event"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, pass_fds=[memory.descriptor])
        fcntl.fcntl(self.process.stderr, fcntl.F_SETFL, os.O_NONBLOCK)
        self.answers = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def execute(self, *commands):
        """The values that the commands read, in order; all are sent before the first answer."""
        self.process.stdin.write("".join(f"{command}\n" for command in commands).encode())
        while self.answers.count(b"\n") < len(commands):
            received = os.read(self.process.stdout.fileno(), 65536)
            assert received, f"QEMU ended: {self.trace()}"
            self.answers += received
        *lines, self.answers = self.answers.split(b"\n", len(commands))
        assert all(line.startswith(b"OK") for line in lines), lines
        return [int(line.split()[1], 16) for line in lines if b" " in line]

    def trace(self):
        try:
            return os.read(self.process.stderr.fileno(), 1 << 20).decode()
        except BlockingIOError:
            return ""

    def write_config(self, bus, slot, function, register, value, width="l"):
        self.execute(f"write{width} {ECAM + (bus << 20 | slot << 15 | function << 12) + register:#x} {value:#x}")

    def number_bridge(self, bus, slot, secondary, subordinate):
        """Gives the bus behind a bridge its number, as a guest would."""
        self.write_config(bus, slot, 0, 0x18, bus | secondary << 8 | subordinate << 16)

    def open_bridge(self, bus, slot, window):
        """Lets a bridge pass on what is for 1 MiB from `window` on; 0 for nothing."""
        self.write_config(bus, slot, 0, 0x20, window | window >> 16)
        self.write_config(bus, slot, 0, 0x04, 0x6 if window else 0)


class Smmu:
    """One SMMUv3 of the machine, on with an empty stream table; its registers begin at `base`."""

    def __init__(self, qemu, memory, base, number):
        self.qemu, self.base, self.used = qemu, base, 0
        self.queue = QUEUES + 2 * number * QUEUE_SIZE
        self.memory = memory
        self.idr0, self.idr1, self.idr5 = qemu.execute(*[f"readl {base + register:#x}" for register in (IDR0, IDR1, IDR5)])
        qemu.execute(f"writeq {base + CMDQ_BASE:#x} {self.queue | 8:#x}",
                     f"writeq {base + EVENTQ_BASE:#x} {self.queue + QUEUE_SIZE | 8:#x}",
                     f"writel {base + CR0:#x} {CR0_ON:#x}")

    def configure(self, strtab_base, strtab_base_cfg, cr0=CR0_ON, gbpa=0):
        self.registers = (self.idr0, self.idr1, self.idr5, cr0, gbpa, strtab_base, strtab_base_cfg)
        self.qemu.execute(f"writeq {self.base + STRTAB_BASE:#x} {strtab_base:#x}",
                          f"writel {self.base + STRTAB_BASE_CFG:#x} {strtab_base_cfg:#x}",
                          f"writel {self.base + GBPA:#x} {gbpa | GBPA_UPDATE:#x}",
                          f"writel {self.base + CR0:#x} {cr0:#x}")

    def flush(self, stream):
        """Commands that make it forget all it has cached for a stream id, and that empty the event queue."""
        # Each time anew: a device may have written over it.
        self.memory.put(self.queue + self.used % COMMANDS * 16, CFGI_CD_ALL | stream << 32, 0, TLBI_NSNH_ALL, 0)
        self.used = (self.used + 2) % (2 * COMMANDS)
        return [f"writel {self.base + CMDQ_PROD:#x} {self.used:#x}", f"writel {self.base + EVENTQ_PROD:#x} 0"]


class Device:
    """An iommu-testdev at a place of the machine that has its number already; `bar` is where its registers are to be."""

    def __init__(self, qemu, bus, slot, function, bar):
        self.qemu, self.bar = qemu, bar
        qemu.write_config(bus, slot, function, 0x10, bar)
        qemu.write_config(bus, slot, function, 0x04, 0x6)
        qemu.execute(f"writel {bar + LENGTH:#x} 4")

    def write(self, iova, before=()):
        """Writes to `iova`: the lines that QEMU's trace has about it."""
        self.qemu.execute(*before, f"writel {self.bar + IOVA_LOW:#x} {iova & 0xffffffff:#x}",
                          f"writel {self.bar + IOVA_HIGH:#x} {iova >> 32:#x}", f"writel {self.bar + DOORBELL:#x} 1",
                          f"readl {self.bar + TRIGGER:#x}")
        return self.qemu.trace()


def read_outcome(trace, iova):
    """("ok", GPA) or ("fault", event), and the stream id; of a fault without an event there is no line."""
    if match := SUCCESS.search(trace):
        return "ok", int(match[2], 16), int(match[1], 16)
    if match := UNTRANSLATED.search(trace):
        return "ok", iova, int(match[1], 16)
    if match := EVENT.search(trace):
        return "fault", match[1], int(match[2], 16)
    if match := ABORT.search(trace):
        return "fault", "none", int(match[1], 16)
    return "fault", "none", None
