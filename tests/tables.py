"""Stream tables, context descriptors and translation tables for the tests of the walk: as a guest makes them, and with one
or another thing wrong. What they mean is not known here: the real QEMU says it.
"""

import random
from dataclasses import dataclass, field

from smmu import CR0_ON, CR0_QUEUES, FREE_START, MEMORY_SIZE, MEMORY_START

GRANULES = {12: "4K", 14: "16K", 16: "64K"}
TG = [{12: 0, 16: 1, 14: 2}, {14: 1, 12: 2, 16: 3}]
# A place without memory, so that reading there fails; QEMU would read from devices, and from what is below 1 GiB.
NOWHERE = MEMORY_START + MEMORY_SIZE
# Bits of a pointer that would lead to devices when they change: below the memory, and in the window of PCI Express.
UNSAFE_BITS = {30, 39}
LAST_LEVEL = 3
DOORBELL = 0x08020040


def bits(value, high, low):
    return value >> low & (1 << high - low + 1) - 1


@dataclass
class Case:
    """One set of tables: the registers that lead to it, and what a device writes to."""

    strtab_base: int
    strtab_base_cfg: int
    cr0: int
    gbpa: int
    records: bool
    iovas: list = field(default_factory=list)
    log: list = field(default_factory=list)


class Generator:
    """Cases for a device with stream id `stream`; the same seed makes the same ones."""

    def __init__(self, memory, seed, stream, two_levels, has_stage_2):
        self.memory, self.stream, self.two_levels, self.has_stage_2 = memory, stream, two_levels, has_stage_2
        self.random = random.Random(seed)

    def chance(self, of):
        return self.random.random() < of

    def allocate(self, size, alignment=None):
        """Memory with nothing in it, at a multiple of `alignment`, its size if not given."""
        alignment = max(alignment or size, 64)
        self.next = -(-self.next // alignment) * alignment
        address, self.next = self.next, self.next + max(size, 64)
        assert self.next <= MEMORY_START + MEMORY_SIZE
        self.memory.clear(address, size)
        return address

    def spoil(self, value, name, avoid=()):
        """Changes one bit of one in some hundred words."""
        if not self.chance(0.04):
            return value
        bit = self.random.choice([bit for bit in range(64) if bit not in avoid])
        self.case.log.append(f"{name} bit {bit}")
        return value ^ 1 << bit

    def pointer(self, address, name):
        """Sometimes leads to where there is no memory."""
        if self.chance(0.01):
            self.case.log.append(f"{name} leads nowhere")
            return NOWHERE + self.random.randrange(1 << 20) * 0x10000
        return address

    #
    # From the stream table to the context descriptor
    #

    def make(self):
        self.next = FREE_START + self.random.randrange(16) * 0x1000
        self.case = Case(0, 0, CR0_ON if self.chance(0.99) else CR0_QUEUES, self.chance(0.5) << 20, True)
        self.make_stream_table(*self.make_ste())
        return self.case

    def make_stream_table(self, ste0, ste1):
        needed = self.stream.bit_length()
        size = self.random.randrange(max(needed - 1, 0), 17) if self.chance(0.05) else self.random.randrange(needed, 17)
        noise = self.random.getrandbits(5) if self.chance(0.2) else 0
        if not self.two_levels:
            table = self.allocate(64 << size)
            if self.stream < 1 << size:
                self.memory.put(table + self.stream * 64, ste0, ste1)
            self.case.strtab_base, self.case.strtab_base_cfg = table | noise, size
            return
        split = self.random.choice((6, 8, 10)) if self.chance(0.95) else self.random.randrange(1, 16)
        table = self.allocate(8 << max(size - split, 0))
        index, second = self.stream >> split, self.stream & (1 << split) - 1
        span = self.random.randrange(0, 12) if self.chance(0.1) else self.random.randrange(second.bit_length(), split + 1) + 1
        entries = self.allocate(64 << max(split, span))
        self.memory.put(entries + second * 64, ste0, ste1)
        if index < 1 << max(size - split, 0):
            self.memory.put(table + index * 8, self.spoil(self.pointer(entries, "L2Ptr") | span, "L1STD", UNSAFE_BITS))
        self.case.strtab_base, self.case.strtab_base_cfg = table | noise, 1 << 16 | split << 6 | size

    def make_ste(self):
        config = 5 if self.chance(0.94) else self.random.randrange(8)
        if self.has_stage_2 and config > 5:
            config = 5
        descriptor = self.make_cd()
        cdmax = self.random.randrange(32) if self.chance(0.02) else 0
        ste0 = 1 | config << 1 | self.random.randrange(4) << 4 | self.pointer(descriptor, "S1ContextPtr") | cdmax << 59
        # S1DSS, cacheability and shareability, EATS, STRW; S1STALLD rarely
        ste1 = self.random.getrandbits(8) | self.random.randrange(4) << 28 | self.chance(0.01) << 27
        avoid = UNSAFE_BITS | {2} if self.has_stage_2 else UNSAFE_BITS
        return self.spoil(ste0, "STE[0]", avoid), self.spoil(ste1, "STE[1]")

    def make_cd(self):
        ips = self.random.randrange(6)
        self.output_bits = min((32, 36, 40, 42, 44, 48)[ips], 44)
        self.records = self.chance(0.9)
        # V, AA64, A; ASID; affd and tbi now and then
        cd0 = 1 << 31 | 1 << 41 | 1 << 46 | ips << 32 | self.random.getrandbits(16) << 48 | self.records << 45
        cd0 |= self.chance(0.2) << 35 | self.random.choice((0, 0, 1, 2, 3)) << 38 | self.random.getrandbits(4) << 8
        words = []
        for number in range(2):
            disabled, granule, tsz = self.chance(0.15), self.random.choice(list(GRANULES)), self.random.randrange(16, 40)
            hierarchy = self.chance(0.2)
            if self.chance(0.02):
                tsz = self.random.randrange(64)
            cd0 |= disabled << (14, 30)[number] | TG[number][granule] << (6, 22)[number] | tsz << (0, 16)[number]
            words.append(hierarchy << 1)
            if not disabled:
                words[-1] |= self.make_range(number, granule, min(max(tsz, 16), 39))
        # Two bits of IPS make QEMU end with an assertion.
        cd0 = self.spoil(cd0, "CD[0]", {32, 33, 34})
        self.case.records = bits(cd0, 45, 45) == 1
        descriptor = self.allocate(64)
        self.memory.put(descriptor, cd0, *[self.spoil(word, f"CD[{number + 1}]", UNSAFE_BITS) for number, word in enumerate(words)])
        return descriptor

    #
    # Translation tables
    #

    def make_range(self, number, granule, tsz):
        """The tables of TTB0 or TTB1: one way through them for each address of the case. Returns the first table."""
        stride, input_bits = granule - 3, 64 - tsz
        level = 4 - (input_bits - 4) // stride
        table = self.allocate(8 << input_bits - granule - (LAST_LEVEL - level) * stride)
        tables = {}
        for _ in range(3):
            iova = self.random.getrandbits(input_bits) & ~3
            self.make_way(iova, table, level, granule, tables)
            self.case.iovas.append(self.outside(iova, number, input_bits))
        return self.pointer(table, f"TTB{number}") & ~0xf

    def outside(self, iova, number, input_bits):
        """The whole address: the upper bits are those of the range, or nearly so."""
        upper = -1 if number else 0
        if self.chance(0.1):
            upper ^= self.random.getrandbits(8) << 56 - input_bits
        if self.chance(0.05):
            upper ^= 1 << self.random.randrange(64 - input_bits)
        return (iova | upper << input_bits) & (1 << 64) - 1

    def make_way(self, iova, table, level, granule, tables):
        last = self.random.choice((LAST_LEVEL, LAST_LEVEL, LAST_LEVEL, self.random.randrange(level, LAST_LEVEL + 1)))
        while True:
            shift = granule + (LAST_LEVEL - level) * (granule - 3)
            index = iova >> shift & (1 << granule - 3) - 1
            if (table, index) in tables:
                # Another address goes this way; where it went before, it goes on.
                following = tables[table, index]
            else:
                following = self.make_descriptor(table + index * 8, level, last, shift, granule)
                tables[table, index] = following
            if following is None:
                return
            table, level = following, level + 1

    def make_descriptor(self, address, level, last, shift, granule):
        """A descriptor that leads on to a table, which is returned, or to memory."""
        attributes = self.random.getrandbits(10) << 2 & 0xf3c | self.random.getrandbits(9) << 50
        if self.chance(0.03):
            self.memory.put(address, self.random.choice((0, 2, self.random.getrandbits(64) & ~1)))
            return None
        if level < last:
            table = self.allocate(8 << granule - 3)
            permission = self.random.randrange(4) if self.chance(0.04) else self.random.randrange(2)
            descriptor = self.pointer(table, "table") | 3 | permission << 61 | self.random.getrandbits(2) << 59 | attributes & 0xffc
            self.memory.put(address, self.spoil(descriptor, f"level {level}", UNSAFE_BITS))
            return table
        kind, output = (1 if level < LAST_LEVEL else 3), self.choose_output() >> shift << shift
        if self.chance(0.02):
            # A table where nobody made one, or on the last level what is reserved.
            kind, output = kind ^ 2, self.pointer(MEMORY_START + self.random.randrange(MEMORY_SIZE) & ~0xffff, "table")
        access = self.chance(0.95) << 10
        permission = self.random.randrange(4) if self.chance(0.1) else self.random.randrange(2)
        self.memory.put(address, self.spoil(output | attributes & ~0xc0 & ~(1 << 10) | access | permission << 6 | kind,
                                            f"level {level}", UNSAFE_BITS))
        return None

    def choose_output(self):
        width = self.random.choice((self.output_bits, self.output_bits, 48, 48) if self.chance(0.1) else (self.output_bits,))
        return self.random.choice((DOORBELL, self.random.randrange(FREE_START, MEMORY_START + MEMORY_SIZE), self.random.getrandbits(width)))
