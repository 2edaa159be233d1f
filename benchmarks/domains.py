"""Domains of any size for the benchmark: the same arguments always give the same bytes."""

HEAD = """<domain type='kvm'>
  <name>{name}</name>
  <memory unit='GiB'>256</memory>
  <memoryBacking>
    <hugepages/>
  </memoryBacking>
  <vcpu>64</vcpu>
  <os firmware='efi'>
    <type arch='aarch64' machine='virt'>hvm</type>
  </os>
  <features>
    <acpi/>
    <gic version='3'/>
  </features>
  <cpu mode='host-passthrough'/>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
"""
TAIL = """  </devices>
</domain>
"""
CONTROLLER = """    <controller type='pci' index='{index}' model='{model}'>
{target}      <address type='pci' bus='0x{bus:02x}' slot='0x{slot:02x}' function='0x{function}'{multifunction}/>
    </controller>
"""
HOSTDEV = """    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver iommufd='yes'/>
      <source>
        <address domain='0x{domain:04x}' bus='0x{host_bus:02x}' slot='0x{host_slot:02x}' function='0x0'/>
      </source>
      <address type='pci' bus='0x{bus:02x}' slot='0x{slot:02x}' function='0x{function}'{multifunction}/>
    </hostdev>
"""
IOMMU = """    <iommu model='smmuv3'>
      <driver pciBus='{bus}' accel='on' ats='on' ril='on' ssidsize='0' oas='48'/>
    </iommu>
"""

MULTIFUNCTION = " multifunction='on'"
BRIDGE_SLOTS = 31
FUNCTIONS = 8


def controller(index, model, bus, slot, function=0, target=""):
    return CONTROLLER.format(index=index, model=model, bus=bus, slot=slot, function=function, target=target,
                             multifunction=MULTIFUNCTION if function == 0 and model == "pcie-expander-bus" else "")


def expander(index, number, bus_number):
    target = f"      <target busNr='{bus_number}'/>\n"
    return controller(index, "pcie-expander-bus", 0, 1 + number // FUNCTIONS, number % FUNCTIONS, target)


def hostdev(number, bus, slot, function=0, shared=False):
    return HOSTDEV.format(domain=number // 8192, host_bus=number // 32 % 256, host_slot=number % 32, bus=bus, slot=slot,
                          function=function, multifunction=MULTIFUNCTION if shared and function == 0 else "")


def small(number=0):
    """One vSMMU with two host devices, each on a root port, and a free port: what a user of Grace has."""
    parts = [HEAD.format(name=f"small-{number}"), expander(1, 0, 32)]
    parts += [controller(2 + port, "pcie-root-port", 1, port) for port in range(3)]
    parts += [hostdev(2 * number + port, 2 + port, 0) for port in range(2)]
    return "".join([*parts, IOMMU.format(bus=1), TAIL])


def large(hostdevs, vsmmus):
    """`hostdevs` host devices on `vsmmus` root buses of their own: in each a root port and behind it a bridge."""
    parts = [HEAD.format(name=f"large-{hostdevs}")]
    for number in range(vsmmus):
        index = 1 + 3 * number
        parts.append(expander(index, number, 32 + 3 * number))
        parts.append(controller(index + 1, "pcie-root-port", index, 0))
        parts.append(controller(index + 2, "pcie-to-pci-bridge", index + 1, 0))
    shared = hostdevs > vsmmus * BRIDGE_SLOTS
    for number in range(hostdevs):
        place = number // vsmmus
        slot, function = 1 + place % BRIDGE_SLOTS, place // BRIDGE_SLOTS
        parts.append(hostdev(number, 3 + 3 * (number % vsmmus), slot, function, shared))
    parts += [IOMMU.format(bus=1 + 3 * number) for number in range(vsmmus)]
    return "".join([*parts, TAIL])
