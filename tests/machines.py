"""Machines with SMMUv3s, made up after the layout that the kernel gives /sys; hosts.py writes them to a directory.

A machine is described in code where a listing would be too long to read: the two-socket one, and ones of any size.
"""

import struct
from dataclasses import dataclass, field

ROOT_PORT = dict(vendor=0x1B36, device=0x000C, class_code=0x060400, driver="pcieport")
# What `lspci` shows of a GH200: registers 0, 2 and 4, since each takes two.
GPU = dict(vendor=0x10DE, device=0x2342, class_code=0x030200,
           bars=((0x662000000000, 16 << 20, 0x14220C), None, (0x660000000000, 128 << 30, 0x14220C), None,
                 (0x662002000000, 32 << 20, 0x14220C)), ats=True, pri=True, pasid=20)
NIC = dict(vendor=0x15B3, device=0x1021, class_code=0x020000, bars=((0x500000000000, 32 << 20, 0x14220C),), ats=True)
NVME = dict(vendor=0x1B36, device=0x0010, class_code=0x010802, bars=((0x10200000, 16 << 10, 0x140204),))

MSI_WINDOW = "0x0000000008000000 0x00000000080fffff msi"

# Bits of the feature word that the driver prints, ARM_SMMU_FEAT_*.
FEATURES = {"2lvl": 0, "cd2l": 1, "le": 2, "be": 3, "pri": 4, "ats": 5, "sev": 6, "msi": 7, "coherency": 8, "s1": 9,
            "s2": 10, "stalls": 11, "hyp": 12, "ril": 15, "sva": 17, "e2h": 18, "nesting": 19, "attr": 20, "s2fwb": 23}
# 0x001e1fbf, which the logs of three machines have: neither range invalidation nor S2FWB.
GRACE_FEATURES = ("2lvl", "cd2l", "le", "be", "pri", "ats", "msi", "coherency", "s1", "s2", "stalls", "hyp", "sva", "e2h",
                  "nesting", "attr")


# An SMMU with little more than nesting.
SMALL_FEATURES = ("2lvl", "cd2l", "le", "pri", "ats", "msi", "coherency", "s1", "s2", "hyp", "nesting")


def feature_word(names):
    return sum(1 << FEATURES[name] for name in names)


def registers(**changed):
    """The registers that IOMMU_GET_HW_INFO returns, by the fields that matter; a Grace where nothing else is said."""
    value = dict(s1p=1, s2p=1, ttf=2, ats=1, pri=1, ttendian=0, stlevel=1, sidsize=32, ssidsize=20, fwb=0, ril=0, oas=5,
                 gran4k=1, gran16k=1, gran64k=1, iidr=0x2410036B) | changed
    return {
        "idr0": value["s2p"] | value["s1p"] << 1 | value["ttf"] << 2 | 1 << 4 | value["ats"] << 10 | 1 << 12 | 1 << 13
                | value["pri"] << 16 | 1 << 18 | 1 << 19 | value["ttendian"] << 21 | value["stlevel"] << 27,
        "idr1": value["sidsize"] | value["ssidsize"] << 6 | 0x13 << 16 | 0x13 << 21,
        "idr2": 0,
        "idr3": value["fwb"] << 8 | value["ril"] << 10 | 2 << 11,
        "idr4": 0,
        "idr5": value["oas"] | value["gran4k"] << 4 | value["gran16k"] << 5 | value["gran64k"] << 6,
        "iidr": value["iidr"],
        "aidr": 2,
    }


def config_space(vendor, device, class_code, ats=False, pri=False, pasid=0, **_):
    """4096 bytes with the extended capabilities one after the other."""
    data = bytearray(4096)
    struct.pack_into("<HHHH", data, 0, vendor, device, 0x0006, 0x0010)
    struct.pack_into("<I", data, 8, class_code << 8 | 0xA1)
    wanted = [(0x01, 0)] + [(0x0F, 0)] * ats + [(0x13, 0)] * pri + [(0x1B, pasid << 8 | 6)] * bool(pasid)
    for index, (capability, value) in enumerate(wanted):
        offset = 0x100 + index * 0x40
        following = offset + 0x40 if index + 1 < len(wanted) else 0
        struct.pack_into("<II", data, offset, capability | 1 << 16 | following << 20, value)
    return bytes(data)


@dataclass
class Smmu:
    base: int
    node: int = 0
    features: tuple = GRACE_FEATURES
    oas: int = 48
    canwbs: bool = True       # or (True, False) for two root complexes in front of it
    cmdqv: bool = False
    segments: list = field(default_factory=list)

    @property
    def name(self):
        return f"smmu3.0x{self.base:016x}"


@dataclass
class Function:
    address: str
    smmu: Smmu
    kind: dict
    parent: str = ""          # the address of the bridge above; none on a root bus
    driver: str = "vfio-pci"
    group_of: str = ""        # shares the group of this function
    physical: str = ""        # of a virtual function
    total_vfs: int = None
    vfs: int = 0

    @property
    def directory(self):
        return self.address[:7].split(":")[0] + ":" + self.address.split(":")[1]


@dataclass
class Machine:
    smmus: list
    functions: list
    window: str = MSI_WINDOW
    hugepages: tuple = ((2048, 0, 0), (524288, 128, 128), (16777216, 0, 0))   # those of a kernel with 64 KiB pages
    options: tuple = ("ARM_SMMU_V3=y", "ARM_SMMU_V3_IOMMUFD=y", "IOMMUFD=m", "KVM=y", "TEGRA241_CMDQV=y",
                      "VFIO_DEVICE_CDEV=y", "VFIO_PCI=m")
    nodes: tuple = ("iommu", "kvm", "vfio/vfio")
    first_platform: int = 0   # the number of the first SMMU among the platform devices

    def entries(self):
        """What hosts.py writes."""
        entries = {}
        self.add_kernel(entries)
        self.add_smmus(entries)
        self.add_functions(entries)
        return entries

    def add_kernel(self, entries):
        entries["proc/config.gz"] = "".join(f"CONFIG_{option}\n" for option in self.options).encode()
        entries["proc/sys/kernel/hostname"] = b"made-up\n"
        entries["proc/sys/kernel/osrelease"] = b"7.3.4\n"
        entries["proc/sys/kernel/arch"] = b"aarch64\n"
        for node in self.nodes:
            entries[f"dev/{node}"] = b""
        entries["dev/kmsg"] = "".join(self.log_lines()).encode()
        entries["sys/firmware/acpi/tables/IORT"] = self.iort()
        for size, total, free in self.hugepages:
            pool = f"sys/kernel/mm/hugepages/hugepages-{size}kB"
            entries[f"{pool}/nr_hugepages"] = f"{total}\n".encode()
            entries[f"{pool}/free_hugepages"] = f"{free}\n".encode()

    def log_lines(self):
        for number, smmu in enumerate(self.smmus):
            device = f"arm-smmu-v3 {self.platform(smmu)}"
            yield f"6,{100 + number},526771,-;{device}: option mask 0x0\n"
            yield (f"6,{200 + number},527401,-;{device}: ias 48-bit, oas {smmu.oas}-bit "
                   f"(features 0x{feature_word(smmu.features):08x})\n")
            if smmu.cmdqv:
                yield f"6,{300 + number},527500,-;{device}: found companion CMDQV device: NVDA200C:{number:02x}\n"

    def iort(self):
        """A node for each SMMU, and root complex nodes for its segments, for each time that it says CANWBS or not."""
        nodes, offset, count = b"", 48, 0

        def add(kind, revision, body, mappings=b""):
            nonlocal nodes, offset, count
            node = struct.pack("<BHBIII", kind, 16 + len(body) + len(mappings), revision, count, len(mappings) // 20,
                               16 + len(body) if mappings else 0) + body + mappings
            start, nodes, offset, count = offset, nodes + node, offset + len(node), count + 1
            return start

        for number, smmu in enumerate(self.smmus):
            start = add(4, 5, struct.pack("<QIIQIIIIIIII", smmu.base, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
            for canwbs in smmu.canwbs if isinstance(smmu.canwbs, tuple) else (smmu.canwbs,):
                for segment in smmu.segments or [number]:
                    add(2, 4, struct.pack("<IBHBIIBHB", 1, 0, 0, 0x3 | 0x4 * canwbs, 1, segment, 64, 0, 0),
                        struct.pack("<IIIII", 0, 0xFFFF, 0, start, 0))
        header = struct.pack("<4sIBB6s8sI4sIIII", b"IORT", 48 + len(nodes), 5, 0, b"TESTS ", b"MADE-UP ", 1, b"TEST", 1,
                             count, 48, 0)
        return header + nodes

    def add_smmus(self, entries):
        for smmu in self.smmus:
            platform = self.platform(smmu)
            entry = f"sys/devices/platform/{platform}/iommu/{smmu.name}"
            entries[f"sys/class/iommu/{smmu.name}"] = f"../../devices/platform/{platform}/iommu/{smmu.name}"
            entries[f"sys/devices/platform/{platform}/numa_node"] = f"{smmu.node}\n".encode()
            entries[f"{entry}/device"] = f"../../../{platform}"
            for function in self.functions:
                if function.smmu is smmu:
                    entries[f"{entry}/devices/{function.address}"] = f"../../../../../{self.path(function)}"

    def platform(self, smmu):
        return f"arm-smmu-v3.{self.first_platform + self.smmus.index(smmu)}.auto"

    def path(self, function):
        """Below sys/devices: pci0009:00/0009:00:00.0/0009:01:00.0."""
        if not hasattr(self, "by_address"):
            self.by_address = {other.address: other for other in self.functions}
        names, at = [function.address], function
        while at.parent:
            at = self.by_address[at.parent]
            names.insert(0, at.address)
        domain, bus, _ = at.address.split(":")
        return "/".join([f"pci{domain}:{bus}", *names])

    def add_functions(self, entries):
        groups, members = {}, {}
        for number, function in enumerate(self.functions):
            path = self.path(function)
            entries[f"sys/bus/pci/devices/{function.address}"] = f"../../../devices/{path}"
            # Without an SMMU there is no group either.
            group = groups.setdefault(function.group_of or function.address, len(groups)) if function.smmu else None
            self.add_function(entries, f"sys/devices/{path}", function, group, number)
            if function.smmu:
                members[f"sys/kernel/iommu_groups/{group}/devices/{function.address}"] = f"../../../../devices/{path}"
        for group in groups.values():
            entries[f"sys/kernel/iommu_groups/{group}/type"] = b"DMA-FQ\n"
            entries[f"sys/kernel/iommu_groups/{group}/reserved_regions"] = f"{self.window}\n".encode() * bool(self.window)
        entries.update(members)

    def add_function(self, entries, path, function, group, number):
        kind, up = function.kind, "../" * path.count("/")
        driver = kind.get("driver", function.driver)
        bars = list(kind.get("bars", ())) + [None] * 7
        entries[f"{path}/uevent"] = ((f"DRIVER={driver}\n" if driver else "")
                                     + f"PCI_CLASS={kind['class_code']:X}\nPCI_ID={kind['vendor']:04X}:"
                                     f"{kind['device']:04X}\nPCI_SLOT_NAME={function.address}\n").encode()
        entries[f"{path}/resource"] = "".join(
            f"0x{bar[0]:016x} 0x{bar[0] + bar[1] - 1:016x} 0x{bar[2]:016x}\n" if bar else
            "0x0000000000000000 0x0000000000000000 0x0000000000000000\n" for bar in bars[:7]).encode()
        entries[f"{path}/numa_node"] = f"{function.smmu.node if function.smmu else -1}\n".encode()
        entries[f"{path}/config"] = config_space(**kind)
        if function.smmu:
            entries[f"{path}/iommu_group"] = f"{up}kernel/iommu_groups/{group}"
            platform = self.platform(function.smmu)
            entries[f"{path}/iommu"] = f"{up}devices/platform/{platform}/iommu/{function.smmu.name}"
        if function.physical:
            entries[f"{path}/physfn"] = f"../{function.physical}"
        if function.total_vfs is not None:
            entries[f"{path}/sriov_totalvfs"] = f"{function.total_vfs}\n".encode()
            entries[f"{path}/sriov_numvfs"] = f"{function.vfs}\n".encode()
        if driver and "vfio" in driver:
            entries[f"{path}/vfio-dev/vfio{number}/dev"] = f"511:{number}\n".encode()
            entries[f"dev/vfio/devices/vfio{number}"] = b""


def root_port(smmu, address):
    return Function(address, smmu, ROOT_PORT)


def nic_with_vfs(smmu, segment, bus, vfs):
    physical = f"{segment:04x}:{bus:02x}:00.0"
    port = f"{segment:04x}:00:{bus - 1:02x}.0"
    yield root_port(smmu, port)
    yield Function(physical, smmu, NIC, port, "mlx5_core", total_vfs=16, vfs=vfs)
    for number in range(vfs):
        devfn = number + 2
        yield Function(f"{segment:04x}:{bus:02x}:{devfn >> 3:02x}.{devfn & 7}", smmu, NIC | {"device": 0x101E}, port,
                       "mlx5_core" if number else "vfio-pci", physical=physical)


# The SMMUs of one Grace in the order of its IORT, and the segments behind each. Those of two have no functions.
GRACE_SMMUS = ((0x11000000, (0x0,)), (0x12000000, (0x2,)), (0x15000000, (0x6,)), (0x16000000, (0x7,)),
               (0x05000000, (0x8, 0x9)))


def grace(vfs=8):
    """Two sockets with five SMMUs each; four GPUs, those of a socket behind the same SMMU, and eight NICs with VFs."""
    smmus, functions = [], []
    for socket in range(2):
        for base, segments in GRACE_SMMUS:
            smmu = Smmu(base | socket << 44, socket, cmdqv=True, segments=[one | socket << 4 for one in segments])
            smmus.append(smmu)
            for domain in smmu.segments:
                if base == 0x05000000:
                    functions.append(root_port(smmu, f"{domain:04x}:00:00.0"))
                    functions.append(Function(f"{domain:04x}:01:00.0", smmu, GPU, f"{domain:04x}:00:00.0",
                                              "nvgrace_gpu_vfio_pci"))
                elif base in (0x12000000, 0x15000000):
                    for nic in range(2):
                        functions += nic_with_vfs(smmu, domain, nic + 1, vfs)
    return Machine(smmus, functions, first_platform=10)


def small(features=SMALL_FEATURES, canwbs=True, window=MSI_WINDOW, **options):
    """One SMMU with two NVMe disks behind it, and one without any."""
    smmu = Smmu(0x0C000000, -1, features, 44, canwbs)
    functions = [root_port(smmu, "0000:20:00.0"), Function("0000:21:00.0", smmu, NVME, "0000:20:00.0"),
                 root_port(smmu, "0000:20:01.0"), Function("0000:22:00.0", smmu, NVME, "0000:20:01.0", "nvme"),
                 Function("0000:00:01.0", None, NVME)]
    return Machine([smmu], functions, window, ((2048, 0, 0),), **options)


def shared_group():
    """Two functions of one device share a group; so do a switch port without ACS and the device below it."""
    machine = small()
    smmu = machine.smmus[0]
    machine.functions += [
        root_port(smmu, "0000:20:02.0"),
        Function("0000:24:00.0", smmu, NVME, "0000:20:02.0"),
        Function("0000:24:00.1", smmu, NVME, "0000:20:02.0", group_of="0000:24:00.0"),
        root_port(smmu, "0000:20:03.0"),
        Function("0000:27:00.0", smmu, NVME, "0000:20:03.0", group_of="0000:20:03.0"),
    ]
    return machine


def large(n_smmus=16, n_functions=4096):
    """A machine of any size: a root port for each SMMU, and NICs with many virtual functions."""
    smmus = [Smmu(0x10000000 + number * 0x1000000, number % 2) for number in range(n_smmus)]
    functions = []
    for segment, smmu in enumerate(smmus):
        port = root_port(smmu, f"{segment:04x}:00:00.0")
        share = n_functions // n_smmus + (segment < n_functions % n_smmus)
        physical = Function(f"{segment:04x}:01:00.0", smmu, NIC, port.address, "mlx5_core", total_vfs=1024,
                            vfs=max(share - 2, 0))
        functions += [port, physical][:share]
        for number in range(1, share - 1):
            functions.append(Function(f"{segment:04x}:{1 + (number >> 8):02x}:{(number & 255) >> 3:02x}.{number & 7}",
                                      smmu, NIC | {"device": 0x101E}, port.address, "mlx5_core",
                                      physical=physical.address))
    return Machine(smmus, functions)


SMALL = {
    "no-nesting": lambda: small([name for name in SMALL_FEATURES if name != "nesting"], canwbs=False),
    "other-window": lambda: small(window="0x00000000a0000000 0x00000000a00fffff msi"),
    "shared-group": shared_group,
}
