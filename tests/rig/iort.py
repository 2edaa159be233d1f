"""Sets CANWBS in an IORT table.

Linux offers nesting for a device only where the SMMU has S2FWB or the device's root complex says CANWBS (IORT, memory
access flags of a root complex node, bit 2: Arm DEN 0049, table 'PCI root complex node'). QEMU's SMMUv3 has no S2FWB and
QEMU's IORT does not say CANWBS, so the emulated host is given this table through the kernel's ACPI table upgrade.
"""

import struct

HEADER = struct.Struct("<4sIBB6s8sI")  # signature, length, revision, checksum, OEM id, OEM table id, OEM revision
CHECKSUM_OFFSET = 9
OEM_REVISION_OFFSET = 24
NODES_OFFSET = 36
ROOT_COMPLEX = 2
MEMORY_FLAGS_OFFSET = 23
CANWBS = 4


def with_canwbs(table):
    """A copy of the table in which every root complex is coherent; its OEM revision is one higher, so that it is taken."""
    signature, length, *_, oem_revision = HEADER.unpack_from(table)
    if signature != b"IORT" or length != len(table):
        raise ValueError(f"not an IORT table of {length} bytes: {table[:8]!r}, {len(table)} bytes")
    table = bytearray(table)
    count, offset = struct.unpack_from("<II", table, NODES_OFFSET)
    found = 0
    for _ in range(count):
        kind, node_length = struct.unpack_from("<BH", table, offset)
        if kind == ROOT_COMPLEX:
            table[offset + MEMORY_FLAGS_OFFSET] |= CANWBS
            found += 1
        offset += node_length
    if not found:
        raise ValueError("the IORT table has no root complex node")
    struct.pack_into("<I", table, OEM_REVISION_OFFSET, oem_revision + 1)
    table[CHECKSUM_OFFSET] = 0
    table[CHECKSUM_OFFSET] = -sum(table) & 0xFF
    return bytes(table)
