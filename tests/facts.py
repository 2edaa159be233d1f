"""Facts of hosts for the tests, as `virt-vsmmu host --json` prints them of a made-up machine, with what root would add.

A test says which host it means in a few words: the name of a machine, then changes to its facts:

  grace                                the two-socket machine of machines.py
  without-memory                       the same with GPUs that have no memory of their own
  grace smmu0.registers.idr5=0x55      a member of the SMMU with that number; registers in this short form
  grace smmu0.numa_node=1              a fact; its source becomes "given", and null makes it unknown
  grace 0009:01:00.0.driver="nvme"     a member of a device
  grace 0009:01:00.0/group.regions=[]  a member of the device's group
  grace host.nodes./dev/kvm=false      a member of the whole
  grace -0009:01:00.0                  without that device
"""

import copy
import json
import re

import hosts
import machines

MACHINES = {"grace": machines.grace, "without-memory": machines.grace, "small": machines.small,
            "shared-group": machines.shared_group}
# What IOMMU_GET_HW_INFO says of the command queues of a Grace.
CMDQV = {"cmdqv": True, "cmdqv_version": 1, "cmdqv_queues_log2": 1, "cmdqv_sids_log2": 4}
DEVICE = re.compile(r"([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(/group)?\.(.*)")
PLAIN = {"driver", "vfio", "smmu", "group", "parent", "regions", "type", "hugepages", "architecture", "name",
         "libvirt", "qemu", "smmus", "devices", "release", "other_iommu", "vendor", "device"}


class Facts:
    """Facts by their words; machines are read once."""

    def __init__(self, program, directory):
        self.program, self.directory, self.bases = program, directory, {}

    def base(self, name):
        if name not in self.bases:
            root = hosts.write(MACHINES[name]().entries(), self.directory / name)
            facts = json.loads(self.program.run("host", "--host", root, "--json").out)
            for smmu in facts["smmus"]:
                as_root(smmu)
            if name == "without-memory":
                exchange_gpus(facts)
            self.bases[name] = facts
        return copy.deepcopy(self.bases[name])

    def of(self, words):
        name, *changes = words.split()
        facts = self.base(name)
        for change_words in changes:
            change(facts, change_words)
        return facts

    def file(self, words):
        """A file with these facts."""
        path = self.directory / f"{abs(hash(words)):x}.json"
        path.write_text(json.dumps(self.of(words)), encoding="utf-8")
        return path


def exchange_gpus(facts):
    """Puts GPUs without memory of the host's kind, which need nothing special, in the place of those that have it."""
    for device in facts["devices"]:
        if device["driver"] == "nvgrace_gpu_vfio_pci":
            device.update(device="0x2331", driver="vfio-pci")


def as_root(smmu, **fields):
    """Adds what IOMMU_GET_HW_INFO would say."""
    for name, value in machines.registers(**fields).items():
        smmu["registers"][name] = {"value": f"0x{value:08x}", "source": "iommufd"}
    derive(smmu)
    for name, value in CMDQV.items():
        smmu["capabilities"][name] = {"value": value, "source": "iommufd"}


def derive(smmu):
    """Forgets what follows from registers and the log, so that the program works it out again."""
    smmu["features"] = None
    for name, fact in smmu["capabilities"].items():
        if name not in CMDQV and fact and fact["source"] in ("iommufd", "kernel-log"):
            smmu["capabilities"][name] = None


def change(facts, words):
    if words.startswith("-"):
        facts["devices"] = [device for device in facts["devices"] if device["address"] != words[1:]]
        return
    path, _, text = words.partition("=")
    if match := DEVICE.fullmatch(path):
        at = next(device for device in facts["devices"] if device["address"] == match[1])
        if match[2]:
            at = next(group for group in facts["groups"] if group["number"] == at["group"])
        members = [match[3]]
    else:
        start, *members = path.split(".")
        at = facts if start == "host" else facts["smmus"][int(start.removeprefix("smmu"))]
    if members[0] == "registers":
        at["registers"][members[1]] = {"value": f"0x{int(text, 16):08x}", "source": "iommufd"}
        derive(at)
        return
    for member in members[:-1]:
        at = at[member]
    value = json.loads(text)
    at[members[-1]] = value if value is None or members[-1] in PLAIN else {"value": value, "source": "given"}
