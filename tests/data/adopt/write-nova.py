#!/usr/bin/python3
"""What Nova (Debian 13: python3-nova 31.0) writes for an instance with hw:viommu_model=smmuv3 and two PCI devices.

The elements and their values are those of LibvirtDriver._get_guest_config() and _guest_add_iommu_device(), made with
Nova's own classes and in its order.
"""

from nova.virt.libvirt import config


def disk():
    made = config.LibvirtConfigGuestDisk()
    made.source_type, made.driver_name, made.driver_format, made.driver_cache = "file", "qemu", "qcow2", "none"
    made.source_path = "/var/lib/nova/instances/9f1b2c3d-0000-4000-8000-0000000000aa/disk"
    made.target_dev, made.target_bus = "vda", "virtio"
    return made


def interface():
    made = config.LibvirtConfigGuestInterface()
    made.net_type, made.mac_addr, made.model = "ethernet", "fa:16:3e:00:00:01", "virtio"
    made.target_dev, made.mtu = "tap0001", 1442
    return made


def hostdev(domain, bus, slot, function):
    made = config.LibvirtConfigGuestHostdevPCI()
    made.domain, made.bus, made.slot, made.function = domain, bus, slot, function
    return made


def controllers():
    root = config.LibvirtConfigGuestPCIeRootController()
    return [root, *(config.LibvirtConfigGuestPCIeRootPortController() for _ in range(6))]


def serial():
    made = config.LibvirtConfigGuestSerial()
    made.type = "pty"
    return made


def rng():
    made = config.LibvirtConfigGuestRng()
    made.backend = "/dev/urandom"
    return made


def balloon():
    made = config.LibvirtConfigMemoryBalloon()
    made.model, made.period = "virtio", 10
    return made


def iommu():
    made = config.LibvirtConfigGuestIOMMU()
    made.model = "smmuv3"
    made.interrupt_remapping = made.caching_mode = made.iotlb = True
    made.aw_bits, made.eim = 48, False
    return made


def guest():
    made = config.LibvirtConfigGuest()
    made.virt_type, made.uuid, made.name = "kvm", "9f1b2c3d-0000-4000-8000-0000000000aa", "instance-0000002a"
    made.memory, made.vcpus = 8 * 1024 * 1024, 4
    made.os_type, made.os_arch, made.os_mach_type = "hvm", "aarch64", "virt"
    made.os_loader, made.os_loader_type = "/usr/share/AAVMF/AAVMF_CODE.fd", "pflash"
    made.os_boot_dev = ["hd"]
    made.features = [config.LibvirtConfigGuestFeatureACPI(), config.LibvirtConfigGuestFeatureAPIC()]
    made.cpu = config.LibvirtConfigGuestCPU()
    made.cpu.mode, made.cpu.sockets, made.cpu.cores, made.cpu.threads = "host-passthrough", 4, 1, 1
    for device in (disk(), interface(), hostdev("0x0009", "0x01", "0x00", "0x0"), hostdev("0x0002", "0x03", "0x00", "0x1"),
                   serial(), rng(), *controllers(), balloon(), iommu()):
        made.add_device(device)
    made.add_feature(config.LibvirtConfigGuestFeatureIOAPIC())
    return made


if __name__ == "__main__":
    print(guest().to_xml(), end="")
