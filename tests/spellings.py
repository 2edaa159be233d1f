"""The ways to say to QEMU, through libvirt, that an SMMUv3 is accelerated or that it is not, and what only looks like it."""

import itertools
import json
import os
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

ON = ["accel=on", "accel=yes", "accel=true", "accel=y", "accel", "accel=off,accel=on", "noaccel,accel"]
OFF = ["accel=off", "accel=no", "accel=false", "accel=n", "noaccel", "accel=on,accel=off", "accel=on,noaccel", "stage=1"]
WRONG = ["accel=ON", "accel=1", "accel=", "Accel=on", " accel=on", "accel =on", "accel=on,,x", "accel=on,future=1"]
DRIVERS = ["arm-smmuv3,{}", "driver=arm-smmuv3,{}", ",driver=arm-smmuv3,{}", "{},driver=arm-smmuv3", "virtio-rng-pci,{},driver=arm-smmuv3",
           "driver=virtio-rng-pci,driver=arm-smmuv3,{}"]
OTHER_DRIVERS = ["arm-smmuv3,driver=virtio-rng-pci,{}", "arm-smmuv3,,{}", " arm-smmuv3,{}", "ARM-SMMUV3,{}", "virtio-rng-pci,id=arm-smmuv3,{}",
                 '"arm-smmuv3",{}', "driver =arm-smmuv3,{}"]
CLASSES = ["arm-smmuv3", "arm-smmu", "sys-bus-device", "device", "object", "resettable", "vmstate-if"]
OTHER_CLASSES = ["virtio-rng-pci", "pci-device", "ARM-SMMUV3", "arm_smmuv3", "dynamic-sys-bus-device", "smmuv3-iommu-memory-region", "machine"]
VALUES_ON, VALUES_OFF = ["on", "yes", "true", "y"], ["off", "no", "false", "n"]
SMMU = "arm-smmuv3,primary-bus=pcie.0,id=s"
LONG = "x" * 64
# Every combination, not only those of which one part is unusual.
ALL = bool(os.environ.get("VSMMU_ALL_SPELLINGS"))


@dataclass(frozen=True)
class Case:
    """What a domain has besides the devices of all cases."""

    name: str
    arguments: tuple = ()
    overrides: tuple = ()  # (alias, name, type, value)
    capabilities: tuple = ()  # ("add" or "del", name)
    iommu: str = ""  # <iommu>, if there is one
    containers: int = 1  # arguments and overrides are spread over so many
    is_unclear: bool = False  # it may count as accelerated without being so
    files: dict = field(default_factory=dict, hash=False)

    @property
    def needs_libvirt(self):
        return bool(self.overrides or self.capabilities or self.iommu or self.containers > 1)

    def xml(self):
        body = "".join(self._container("commandline", part) for part in self._spread(
            f"    <qemu:arg value={quoteattr(argument)}/>\n" for argument in self.arguments))
        body += "".join(self._container("override", part) for part in self._spread(map(override_xml, self.overrides)))
        body += self._container("capabilities", [f"    <qemu:{what} capability={quoteattr(name)}/>\n" for what, name in self.capabilities])
        return DOMAIN.format(iommu=self.iommu, body=body)

    def _spread(self, lines):
        lines = list(lines)
        size = -(-len(lines) // self.containers) or 1
        return [lines[start:start + size] for start in range(0, len(lines), size)]

    @staticmethod
    def _container(name, lines):
        return f"  <qemu:{name}>\n{''.join(lines)}  </qemu:{name}>\n" if lines else ""


# Without ACPI, which every accelerated SMMUv3 needs: the rule about that says whether there is one.
DOMAIN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>spelling</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='aarch64' machine='virt'>hvm</type>
  </os>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-expander-bus'>
      <target busNr='64'/>
    </controller>
    <controller type='pci' index='3' model='pcie-root-port'>
      <address type='pci' bus='0x02' slot='0x00'/>
    </controller>
    <controller type='scsi' index='0' model='virtio-scsi'>
      <address type='pci' bus='0x01' slot='0x00'/>
    </controller>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
{iommu}  </devices>
{body}</domain>
"""
EMULATED = "    <iommu model='smmuv3'><driver pciBus='2'/></iommu>\n"


def override_xml(override):
    alias, name, kind, value = override
    value = "" if value is None else f" value={quoteattr(value)}"
    return (f"    <qemu:device alias={quoteattr(alias)}><qemu:frontend><qemu:property name={quoteattr(name)} type='{kind}'{value}/>"
            "</qemu:frontend></qemu:device>\n")


def dashed(option):
    return [f"-{option}", f"--{option}"]


def combine(*lists):
    """All combinations, or those in which at most two of the lists are not at their first element."""
    for combination in itertools.product(*(range(len(values)) for values in lists)):
        if ALL or sum(index > 0 for index in combination) < min(len(lists), 2 + (len(lists) > 3)):
            yield tuple(values[index] for values, index in zip(lists, combination))


def legacy():
    for option, driver, value in combine(dashed("device"), DRIVERS, ON + OFF):
        yield option, driver.format(f"primary-bus=pcie.0,{value}")
    for option, driver, value in itertools.product(dashed("device"), DRIVERS if ALL else DRIVERS[:1], WRONG):
        yield option, driver.format(f"primary-bus=pcie.0,{value}")
    for driver, value in itertools.product(OTHER_DRIVERS, ["accel=on", "accel"]):
        yield "-device", driver.format(f"primary-bus=pcie.0,{value}")
    yield "-device", "arm-smmuv3,primary-bus=pci.2,accel=on"
    yield "-device=arm-smmuv3,accel=on", "x"


def escapes(text, how):
    return {"none": text, "first": f"\\u{ord(text[0]):04x}{text[1:]}", "all": "".join(f"\\u{ord(c):04X}" for c in text)}[how]


def in_json():
    for quotes, how, space, bus, accel in combine(('"', "'"), ("none", "first", "all"), ("", " \n\t"), ("pcie.0", "pci.2"),
                                                            ("true", "false")):
        words = [quotes + escapes(word, how) + quotes for word in ("driver", "arm-smmuv3", "primary-bus", bus, "accel")]
        yield "-device", "{{{s}{}{s}:{s}{}{s},{s}{}:{},{}{s}:{s}{accel}{s}}}{s}".format(*words, s=space, accel=accel)
    good = '{"driver":"arm-smmuv3","primary-bus":"pcie.0","accel":true}'
    yield "--device", good
    yield from (("-device", broken) for broken in (
        good + "}", good + " {}", " " + good, good.replace("}", ",}"), good.replace("true", "True"), good.replace("true", '"on"'),
        good.replace("true", "1"), good.replace("true", "false,'accel':true"), good.replace('"driver"', '"driver":"virtio-rng-pci","driver"'),
        good.replace("arm-smmuv3", "\\x61rm-smmuv3"), good.replace("arm-smmuv3", "arm\\u002dsmmuv3\\u0000"), good.replace(":", "="),
        good.replace("true", "true//"), good.replace("{", "{/**/"), "[" + good + "]", good.replace("true", "{}"), good.replace("true", "null"),
        good[:-1], "{}", "{"))
    yield "-device", json.dumps({"driver": "virtio-rng-pci", "id": "arm-smmuv3", "bus": "pcie.0"})


def globals_():
    for option, name, value in combine(dashed("global"), CLASSES + OTHER_CLASSES, VALUES_ON[:1] + VALUES_OFF[:1]):
        yield option, f"{name}.accel={value}"
    for value in VALUES_ON[2:] + VALUES_OFF[1:] + ["ON", "1", ""]:
        yield "-global", f"arm-smmuv3.accel={value}"
    parts = {"driver": "arm-smmuv3", "property": "accel", "value": "on"}
    for order in itertools.permutations(parts):
        yield "-global", ",".join(f"{name}={parts[name]}" for name in order)
    for text in ("id=g,{}", "driver=virtio-rng-pci,{}", "{},value=off", "{},driver=virtio-rng-pci", "{},property=ats", f"{LONG}.y,{{}}",
                 f"y.{LONG},{{}}", "x.y,{}", "x=y,{}", "arm-smmuv3,{}", ".x,{}", "x.,{}"):
        yield "-global", text.format("driver=arm-smmuv3,property=accel,value=on")
    yield from (("-global", text) for text in ("arm-smmuv3.accel", "arm-smmuv3.=on", "arm-smmuv3. accel=on", "arm-smmuv3.stage=1",
                                               "arm-smmuv3.ats=on", "arm-smmuv3.oas=auto", "driver=arm-smmuv3,property=accel"))


def on_devices_made_elsewhere():
    """Each after an SMMUv3 of the machine, and after one of -device."""
    for (option, text), base in itertools.product(globals_(), (("-M", "iommu=smmuv3"), ("-device", SMMU))):
        if ALL or base[0] == "-M" or text.startswith(tuple(CLASSES)):
            yield (*base, option, text)
        if base[0] == "-M":
            yield (option, text)


def set_():
    for option, value in itertools.product(dashed("set"), VALUES_ON + VALUES_OFF + ["ON", ""]):
        yield "-device", SMMU, option, f"device.s.accel={value}"
    yield from (("-device", SMMU, "-set", text) for text in (
        "device.s.stage=1", "device.s.driver=virtio-rng-pci", "device.t.accel=on", "device.s.accel", "devices.s.accel=on", "device..accel=on",
        "drive.s.accel=on", "device.s. accel=on"))
    yield "-device", "virtio-rng-pci,primary-bus=pcie.0,accel=on,id=s", "-set", "device.s.driver=arm-smmuv3"
    yield "-device", "virtio-rng-pci,primary-bus=pcie.0,id=s", "-set", "device.s.driver=arm-smmuv3", "-set", "device.s.accel=on"
    yield "-device", "virtio-rng-pci,id=s,rombar=0", "-set", "device.s.rombar=1"
    yield "-device", '{"driver":"arm-smmuv3","primary-bus":"pcie.0","id":"s"}', "-set", "device.s.accel=on"
    smmu = ("-M", "iommu=smmuv3")
    yield *smmu, "-global", "id=g,driver=x,property=accel,value=on", "-set", "global.g.driver=arm-smmuv3"
    yield *smmu, "-global", "id=g,driver=arm-smmuv3,property=x,value=on", "-set", "global.g.property=accel"
    yield *smmu, "-global", "id=g,driver=arm-smmuv3,property=accel,value=off", "-set", "global.g.value=on"


def machine():
    """The SMMUv3 of the machine is an emulated one, however the options of the machine are put together."""
    for option, text in itertools.product(dashed("M") + dashed("machine"), ("iommu=smmuv3", "virt,iommu=smmuv3", "type=virt,iommu=smmuv3",
                                                                            "iommu=none,iommu=smmuv3", "iommu=smmuv3,iommu=none")):
        yield option, text
    yield "-M", "iommu=smmuv3", "-M", "iommu=none"


def files():
    """-readconfig: what is in the file is not known to us."""
    accelerated = '[device "s"]\n  driver = "arm-smmuv3"\n  primary-bus = "pcie.0"\n  accel = "on"\n'
    everywhere = '[global]\n  driver = "arm-smmuv3"\n  property = "accel"\n  value = "on"\n'
    for option, text in itertools.product(dashed("readconfig"), (accelerated, everywhere, '[device]\n  driver = "virtio-rng-pci"\n  bus = "pcie.0"\n', "")):
        smmu = () if "[device" in text else ("-M", "iommu=smmuv3")
        yield Case("", (*smmu, option, "/tmp/spelling.conf"), is_unclear=True, files={"/tmp/spelling.conf": text})


def alignment():
    """Which argument is an option, and which the value of one."""
    smmu = ("-device", SMMU + ",accel=on")
    yield Case("", ("/tmp/disk", *smmu), files={"/tmp/disk": "x" * 512})
    for before in (("-name",), ("-name", "x"), ("-S",), ("-S", "-S"), ("-fw_cfg", "opt/x,string=y"), ("-s", "-display", "none"),
                   ("--name", "-device"), ("-append", "-device"), ("-future",), ("-future", "x"), ("-",), ("--",), ("---device",), ("-name", "")):
        yield *before, *smmu
    yield "-device", "-device", SMMU
    yield *smmu[:1],
    yield "-name", "-readconfig"


def harmless():
    """What stands in domains without any SMMUv3."""
    yield from (
        ("-fw_cfg", "name=opt/x,string=arm-smmuv3,,accel=on"), ("-global", "vfio-pci.x-no-mmap=on"), ("-name", "arm-smmuv3,debug-threads=on"),
        ("-object", "iommufd,id=iommufd0", "-global", "vfio-pci.iommufd=iommufd0"), ("-global", "virtio-net-pci.ats=on"), ("-cpu", "max,sve=off"),
        ("-object", '{"qom-type":"iommufd","id":"iommufd0"}'), ("-object", "memory-backend-ram,id=m,size=1M", "-device", "ivshmem-plain,memdev=m"),
        ("-device", "virtio-rng-pci,ats=on,id=r", "-set", "device.r.ats=off"), ("-device", "pxb-pcie,id=p,bus_nr=128,bus=pcie.0"),
        ("-device", '{"driver":"virtio-rng-pci","bus":"pcie.0"}'), ("--device", "{'driver':'virtio-rng-pci','bus':'pcie.0','id':'a'}"), ("-rtc", "base=utc"),
        ("-drive", "if=none,id=d,file=/dev/null,format=raw", "-set", "drive.d.cache=writeback"), ("-m", "256M"), ("-smp", "2"), ("-snapshot",),
        ("-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"), ("-fw_cfg", "opt/y,string=-device"), ("-no-reboot",))


def others():
    """What only an accelerated SMMUv3 can have: QEMU refuses some of it without accel."""
    for name, value in itertools.product(("ats", "ril", "cmdqv", "oas", "ssidsize"), ("auto", "on", "off", "44", "8")):
        yield Case("", ("-device", f"{SMMU},{name}={value}"), is_unclear=value != "auto")


def overrides():
    """(alias, name, type, value) of one domain each."""
    smmu = (("pci.3", "driver", "string", "arm-smmuv3"), *(("pci.3", name, "remove", None) for name in ("port", "chassis", "multifunction", "addr", "bus")))
    for alias in ("pci.3", "scsi0"):
        base = tuple((alias, *rest) for _, *rest in smmu) + ((alias, "primary-bus", "string", "pcie.0"),)
        yield "", base
        for value in ("true", "false", "yes"):
            yield "", (*base, (alias, "accel", "bool", value))
        yield "", (*base, (alias, "accel", "string", "on"))
        yield "", ((alias, "accel", "bool", "true"), *base)
        yield "", (*base, (alias, "accel", "bool", "true"), (alias, "accel", "remove", None))
        yield "", (*base, (alias, "accel", "bool", "false"), (alias, "accel", "bool", "true"))
    for override in (("accel", "bool", "true"), ("accel", "bool", "false"), ("accel", "remove", None), ("stage", "string", "1"),
                     ("driver", "string", "virtio-rng-pci"), ("accel", "string", "on"), ("accel", "unsigned", "1")):
        yield EMULATED, (("iommu0", *override),)
    for name, value in (("ats", "auto"), ("ril", "auto"), ("primary-bus", "pcie.0")):
        yield EMULATED, (("iommu0", name, "string", value),)
    yield EMULATED, (("iommu1", "accel", "bool", "true"),)
    yield "", (("scsi0", "ats", "bool", "true"),)
    yield "", (("pci.1", "io-reserve", "unsigned", "0"),)


def in_libvirt():
    for iommu, override in overrides():
        for containers in (1, 2):
            yield Case("", overrides=override, iommu=iommu, containers=containers, is_unclear=any(
                name == "accel" and kind != "remove" and value not in ("false", "no") for _, name, kind, value in override))
    for containers in (1, 2, 4):
        yield Case("", ("-name", "x", "-device", SMMU + ",accel=on"), containers=containers)
    for capabilities in ((), (("del", "device.json"),), (("del", "blockdev"),)):
        for value in ("on", "off"):
            yield Case("", ("-set", f"device.iommu0.accel={value}"), capabilities=capabilities, iommu=EMULATED, is_unclear=value == "on")
        yield Case("", capabilities=capabilities, iommu=EMULATED)
        yield Case("", ("-global", "arm-smmuv3.accel=y"), capabilities=capabilities, iommu=EMULATED)


def is_alone(arguments):
    """-global counts whether or not there is an SMMUv3 that it reaches."""
    return arguments[0].endswith("-global") and any(name in arguments[1] for name in CLASSES)


def all_cases():
    groups = {"legacy": legacy(), "json": in_json(), "global": on_devices_made_elsewhere(), "set": set_(), "machine": machine(), "config": files(),
              "alignment": alignment(), "harmless": harmless(), "options": others(), "libvirt": in_libvirt()}
    for group, cases in groups.items():
        for number, case in enumerate(cases):
            if not isinstance(case, Case):
                case = Case("", tuple(case), is_unclear=is_alone(case))
            yield Case(f"{group}-{number}", case.arguments, case.overrides, case.capabilities, case.iommu, case.containers, case.is_unclear,
                       case.files)
