"""ACPI tables that the real QEMU makes for a guest, read from its fw_cfg device as firmware does, without a processor."""

import base64
import struct
import subprocess

import bed

# The fw_cfg device of the machine "virt" (docs/specs/fw_cfg.rst of QEMU), and memory for a request and what it reads.
DMA, REQUEST, BUFFER = 0x09020010, 0x40000000, 0x40100000
DIRECTORY, SELECT, READ = 0x19, 1 << 3, 1 << 1


class Firmware:
    """A QEMU with these arguments; what it reads is what firmware would."""

    def __init__(self, arguments):
        self.process = subprocess.Popen(
            bed.command("exec", "qemu-system-aarch64", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "qtest",
                        "-qtest", "stdio", "-qtest-log", "/dev/null", *arguments),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def execute(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line.startswith("OK"), f"{command}: {line}{self.process.stderr.read() if not line else ''}"
        return line.split()[1:]

    def write(self, address, data):
        self.execute(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def read_item(self, selector, size):
        self.write(REQUEST, struct.pack(">IIQ", selector << 16 | SELECT | READ, size, BUFFER))
        self.write(DMA, struct.pack(">Q", REQUEST))
        answer, = self.execute(f"b64read {BUFFER:#x} {size:#x}")
        return base64.b64decode(answer)

    def files(self):
        """Selector and size by the name of the file."""
        count, = struct.unpack(">I", self.read_item(DIRECTORY, 4))
        entries = self.read_item(DIRECTORY, 4 + 64 * count)[4:]
        return {name.rstrip(b"\0").decode(): (selector, size)
                for size, selector, _, name in struct.iter_unpack(">IHH56s", entries)}

    def tables(self):
        """The tables by their signature."""
        data, tables = self.read_item(*self.files()["etc/acpi/tables"]), {}
        while len(data) >= 36 and (length := struct.unpack_from("<I", data, 4)[0]) >= 36:
            tables[data[:4].decode()] = data[:length]
            # They begin at multiples of eight.
            data = data[length:].lstrip(b"\0")
        return tables


# Structures of an SRAT (ACPI 6.5, 5.2.16)
MEMORY, GENERIC_INITIATOR, PCI_HANDLE = 1, 5, 1


def read_affinities(srat):
    """The proximity domains that have memory, and those of generic initiators that are PCI devices."""
    memory, initiators, at = set(), [], 48
    while at < len(srat):
        kind, length = srat[at], srat[at + 1]
        if kind == MEMORY:
            domain, _, _, size, _, flags = struct.unpack_from("<IHQQII", srat, at + 2)
            if size and flags & 1:
                memory.add(domain)
        elif kind == GENERIC_INITIATOR:
            handle, domain = struct.unpack_from("<xBI", srat, at + 2)
            assert handle == PCI_HANDLE and struct.unpack_from("<I", srat, at + 24)[0] & 1
            initiators.append(domain)
        at += length
    return memory, initiators


def read_distances(slit):
    """The rows of the matrix of distances."""
    count, = struct.unpack_from("<Q", slit, 36)
    return [list(slit[44 + row * count:44 + (row + 1) * count]) for row in range(count)]
