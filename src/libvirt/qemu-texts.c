/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/qemu-texts.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>

/* strerror() in the C locale, which libvirt starts QEMU with. */
static const struct {
  int fault;
  const char *text;
} faults[] = {
  { ENOENT, "No such file or directory" }, { EIO, "Input/output error" },
  { EBUSY, "Device or resource busy" },    { EINVAL, "Invalid argument" },
  { ENOSPC, "No space left on device" },   { EOPNOTSUPP, "Operation not supported" },
};

#define REFUSED VSMMU_QEMU_LINE_REFUSED
#define UNATTACHED VSMMU_QEMU_LINE_UNATTACHED
#define ERROR VSMMU_QEMU_LINE_ERROR
#define WARNING VSMMU_QEMU_LINE_WARNING

/* What several rows say. */
#define OTHER_SMMU N_ ("the device is behind a different physical SMMU than its vSMMU")
#define NOT_ALONE N_ ("the device is behind a different physical SMMU than its vSMMU, or shares an IOMMU group")
#define NO_NESTING N_ ("the host kernel or the physical SMMU does not support nested translation")
#define IN_USE N_ ("the IOMMU group of the device is in use by something else")
#define NOT_ATTACHED N_ ("the device was not attached to the translation that the guest set up")
#define NOT_ALIKE N_ ("the physical SMMU cannot back a vSMMU of QEMU")
#define NOT_STARTED N_ ("QEMU does not support this configuration and refused the device or the guest")
#define NO_CMDQV N_ ("QEMU cannot use the command queue virtualization of the physical SMMU")
#define NO_EVENTS N_ ("the guest does not receive the events of the physical SMMU, such as translation faults")
#define LOST_EVENTS N_ ("events of the physical SMMU, such as translation faults, were lost")
#define NO_PEER_TO_PEER N_ ("direct DMA between assigned devices does not work")
#define NO_QUEUE N_ ("the guest cannot use a command queue of the physical SMMU")
#define BAD_ENTRY N_ ("the guest wrote a stream table entry that the vSMMU does not support")
#define BAD_COMMAND N_ ("the host rejected an invalidation command, so the guest may use outdated translations")

#define FIND_PORT N_ ("detach the device, and use 'virt-vsmmu check --this-host --attach' to find a suitable port")
#define SEE_HOST N_ ("run 'virt-vsmmu host' to see what the host lacks")
#define CHECK_HOST N_ ("run 'virt-vsmmu check --this-host' on the domain")
#define CHECK N_ ("run 'virt-vsmmu check' on the domain")
#define NEW_KERNEL N_ ("install a newer host kernel; 'virt-vsmmu host' shows whether it is recent enough")
#define NEW_GUEST N_ ("install a newer kernel in the guest")
#define GUEST_LOG N_ ("look for messages about the SMMU in the kernel log of the guest, and restart the guest")
#define UNBIND N_ ("bind all devices of the IOMMU group to vfio-pci, and stop whatever uses them")
#define NO_ATS N_ ("set ats='off' for the vSMMU, or assign a device that supports ATS")
#define DROP_CMDQV N_ ("set cmdqv='off' for the vSMMU")
#define SEE_KERNEL_LOG N_ ("look for messages about the SMMU and the device in the kernel log of the host")
#define REPORT N_ ("report this as a bug of the host kernel or of QEMU, with the QEMU log")

#define ATTACH "[iommufd=%d] error attach %s (%d) pasid %d to id=%d"
#define ATTACH_OLD "[iommufd=%d] error attach %s (%d) to id=%d"

/*
 * The first row that fits counts: those with a fault before the same text without, and what may be in front of another
 * text on the same line at the end. tests/test_qemu_texts.py holds the formats against the QEMU of the test bed.
 *
 * What a fault means is in the kernel: iommufd_vdevice_alloc_ioctl(), arm_vsmmu_vdevice_init(), arm_vsmmu_init(),
 * arm_smmu_attach_prepare_vmaster(), arm_smmu_validate_vste(), arm_vsmmu_validate_user_cmd(), iommu_claim_dma_owner(),
 * tegra241_vintf_init_vsid().
 */
const VsmmuQemuText vsmmu_qemu_texts[] = {
  /* backends/iommufd.c, hw/vfio/iommufd.c */
  { "IOMMU_VDEVICE_ALLOC failed", EINVAL, REFUSED, OTHER_SMMU, FIND_PORT },
  { "IOMMU_VDEVICE_ALLOC failed", EOPNOTSUPP, REFUSED,
    N_ ("the device uses several stream IDs, for example because it is behind a conventional PCI bridge"),
    N_ ("assign another device, or place this one behind a root bus without an accelerated vSMMU") },
  { "IOMMU_VDEVICE_ALLOC failed", ENOSPC, REFUSED,
    N_ ("the command queue interface of the physical SMMU has no stream ID left for the device"),
    N_ ("place fewer devices behind this vSMMU, or set cmdqv='off' for it") },
  { "IOMMU_VDEVICE_ALLOC failed", 0, REFUSED, NOT_ATTACHED, SEE_KERNEL_LOG },
  { ATTACH, ENOENT, REFUSED, N_ ("the host kernel is too old to attach a device before the guest uses it"),
    NEW_KERNEL },
  { ATTACH, EINVAL, REFUSED, NOT_ALONE, FIND_PORT },
  { ATTACH, EBUSY, REFUSED, IN_USE, UNBIND },
  { ATTACH, EOPNOTSUPP, REFUSED, NO_NESTING, SEE_HOST },
  { ATTACH, 0, REFUSED, NOT_ATTACHED, SEE_KERNEL_LOG },
  { ATTACH_OLD, ENOENT, REFUSED, N_ ("the host kernel is too old to attach a device before the guest uses it"),
    NEW_KERNEL, TRUE },
  { ATTACH_OLD, EINVAL, REFUSED, NOT_ALONE, FIND_PORT, TRUE },
  { ATTACH_OLD, EBUSY, REFUSED, IN_USE, UNBIND, TRUE },
  { ATTACH_OLD, EOPNOTSUPP, REFUSED, NO_NESTING, SEE_HOST, TRUE },
  { ATTACH_OLD, 0, REFUSED, NOT_ATTACHED, SEE_KERNEL_LOG, TRUE },
  { "IOMMU_VIOMMU_ALLOC failed", EOPNOTSUPP, REFUSED, NO_NESTING, SEE_HOST },
  { "IOMMU_VIOMMU_ALLOC failed", EINVAL, REFUSED, OTHER_SMMU, FIND_PORT },
  { "IOMMU_VIOMMU_ALLOC failed", 0, REFUSED, N_ ("the host kernel did not create the vSMMU"), SEE_HOST },
  { "Failed to allocate hwpt", EOPNOTSUPP, REFUSED, NO_NESTING, SEE_HOST },
  { "Failed to allocate hwpt", EIO, REFUSED, N_ ("the host kernel rejected a stream table entry of the guest"),
    NEW_GUEST },
  { "Failed to allocate hwpt", 0, REFUSED, NOT_ATTACHED, SEE_KERNEL_LOG },
  { "IOMMU_HWPT_INVALIDATE failed: total %d entries, processed %d entries", EIO, ERROR, BAD_COMMAND, NEW_GUEST },
  { "IOMMU_HWPT_INVALIDATE failed: total %d entries, processed %d entries", 0, ERROR, BAD_COMMAND, GUEST_LOG },
  { "IOMMU_HWPT_INVALIDATE succeed but with unprocessed entries: total %d entries, processed %d entries. Kernel "
    "BUG?!",
    0, ERROR, BAD_COMMAND, REPORT },
  { "IOMMU_VEVENTQ_ALLOC failed", EOPNOTSUPP, ERROR, NO_EVENTS, NEW_KERNEL },
  { "IOMMU_VEVENTQ_ALLOC failed", 0, ERROR, NO_EVENTS, SEE_KERNEL_LOG },
  { "IOMMU_HW_QUEUE_ALLOC failed", 0, ERROR, NO_QUEUE,
    N_ ("back the guest's memory with huge pages, or set cmdqv='off' for the vSMMU") },
  { "IOMMUFD vIOMMU mmap failed", 0, ERROR, NO_QUEUE, DROP_CMDQV },
  { "error bind device fd=%d to iommufd=%d", EBUSY, REFUSED, IN_USE, UNBIND },
  { "error bind device fd=%d to iommufd=%d", EINVAL, REFUSED, N_ ("the kernel does not let VFIO own this device"),
    CHECK_HOST },
  { "error bind device fd=%d to iommufd=%d", 0, REFUSED, N_ ("VFIO could not open the device"), SEE_KERNEL_LOG },
  { "detach %s pasid %d failed", 0, ERROR, N_ ("the device was not detached from its translation"), SEE_KERNEL_LOG },
  { "no iommu_group found", 0, REFUSED, N_ ("the device is not behind an IOMMU of the host"), CHECK_HOST },
  { "Please ensure all devices within the iommu_group are bound to their vfio bus driver.", 0, REFUSED, IN_USE,
    UNBIND },
  { "/dev/iommu does not exist (is your kernel config missing CONFIG_IOMMUFD?)", 0, REFUSED,
    N_ ("the host has no iommufd"), N_ ("load the module iommufd on the host, or use a kernel that has it") },
  { "Use FD passing only with iommufd backend", 0, REFUSED, N_ ("the device was not given an iommufd"),
    N_ ("set iommufd='yes' in the <driver> of the <hostdev>") },
  { "IOMMU_IOAS_MAP failed: %m, PCI BAR?", 0, WARNING, NO_PEER_TO_PEER, NEW_KERNEL },
  { "IOMMU_IOAS_MAP_FILE failed: %m, PCI BAR?", 0, WARNING, NO_PEER_TO_PEER, NEW_KERNEL },
  { "IOMMU_HWPT_SET_DIRTY_TRACKING(hwpt_id %u) failed", 0, WARNING,
    N_ ("QEMU cannot track the memory that the device writes to"), N_ ("do not migrate this guest") },
  { "IOMMU_HWPT_GET_DIRTY_BITMAP (iova: 0x%lx size: 0x%lx) failed", 0, WARNING,
    N_ ("QEMU cannot track the memory that the device writes to"), N_ ("do not migrate this guest") },

  /* hw/vfio/pci.c, hw/vfio/region.c */
  { "vfio-pci: ATS requested but not supported by kernel", 0, REFUSED,
    N_ ("the host kernel does not support ATS for this device"), NO_ATS },
  { "vfio-pci: ats=on requested, but host device has no ATS extended capability", 0, REFUSED,
    N_ ("the device does not support ATS"), NO_ATS },
  { "vfio-pci: host kernel reports ATS unsupported; ATS capability will be masked", 0, WARNING,
    N_ ("the guest cannot use ATS, and thus no shared virtual addresses, with this device"),
    N_ ("run 'virt-vsmmu check --this-host' to see why ATS is not available") },
  { "vfio: Placing PASID capability at offset 0x%x failed", 0, ERROR,
    N_ ("the guest cannot use PASIDs with the device"),
    N_ ("set ssidsize='0' for the vSMMU, or set x-vpasid-cap-offset of the device with <qemu:override>") },
  { "%s: dma-buf unavailable, using mmap fallback, P2P DMA will not work", 0, WARNING, NO_PEER_TO_PEER, NEW_KERNEL },
  { "VFIO dma-buf not supported in kernel, using mmap fallback, P2P DMA will not work", 0, WARNING, NO_PEER_TO_PEER,
    NEW_KERNEL },

  /* hw/arm/smmuv3-accel.c: what the physical SMMU has */
  { "Host SMMUv3 doesn't support Range Invalidation", 0, REFUSED,
    N_ ("the physical SMMU does not support range invalidation"), N_ ("set ril='off' for the vSMMU") },
  { "Host SMMUv3 doesn't support Address Translation Services", 0, REFUSED,
    N_ ("the physical SMMU does not support ATS"), N_ ("set ats='off' for the vSMMU") },
  { "Host SMMUv3 SSIDSIZE not compatible (host=%u, QEMU=%u)", 0, REFUSED,
    N_ ("the physical SMMU has fewer substream ID bits than the vSMMU"),
    N_ ("set ssidsize of the vSMMU to the value of the host or less") },
  { "Host SMMUv3 supports only %d-bit IPA, but the vSMMU OAS implies %d-bit IPA", 0, REFUSED,
    N_ ("the physical SMMU has fewer output address bits than the vSMMU"), N_ ("set oas='44' for the vSMMU") },
  { "Host SMMUv3 SIDSIZE not compatible (host=%u, QEMU=%u)", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Host SMMUv3 Stream Table format mismatch (host STLEVEL=%u, QEMU STLEVEL=%u)", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Host SMMUv3 doesn't support Little-endian translation table", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Host SMMUv3 doesn't support AArch64 translation table format", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Host SMMUv3 doesn't support 4K translation granule", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Host SMMUv3 doesn't support 16K translation granule", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Host SMMUv3 doesn't support 64K translation granule", 0, REFUSED, NOT_ALIKE, SEE_HOST },
  { "Wrong data type (%d) for Host SMMUv3 device info", 0, REFUSED,
    N_ ("the device is not behind an SMMUv3 of the host"), FIND_PORT },

  /* hw/arm/smmuv3-accel.c: at work */
  { "Device 0x%x: Failed to install STE", 0, REFUSED, NOT_ATTACHED, FIND_PORT },
  { "Failed to install all STEs properly", 0, REFUSED, NOT_ATTACHED, FIND_PORT },
  { "Invalid STE config for sid 0x%x", 0, REFUSED, BAD_ENTRY, NEW_GUEST },
  { "Failed to attach GBPA hwpt %u for hiodi devid %u", 0, UNATTACHED, NOT_ATTACHED, FIND_PORT },
  { "Failed to attach GBPA hwpt %u for idev devid %u", 0, UNATTACHED, NOT_ATTACHED, FIND_PORT, TRUE },
  { "Failed to attach all GBPA based HWPTs properly", 0, UNATTACHED, NOT_ATTACHED, FIND_PORT },
  { "Unable to attach the default HW pagetable: hiodi devid 0x%x", 0, REFUSED,
    N_ ("a device that was detached from the guest still has the guest's translation"), SEE_KERNEL_LOG },
  { "Unable to attach the default HW pagetable: idev devid 0x%x", 0, REFUSED,
    N_ ("a device that was detached from the guest still has the guest's translation"), SEE_KERNEL_LOG, TRUE },
  { "Device already has an associated hiodi 0x%x", 0, REFUSED, N_ ("another device has the same address in the guest"),
    CHECK },
  { "Device already has an associated idev 0x%x", 0, REFUSED, N_ ("another device has the same address in the guest"),
    CHECK, TRUE },
  { "vEVENTQ(type %u id %u): overflowed", 0, ERROR, LOST_EVENTS, GUEST_LOG },
  { "vEVENTQ(type %u id %u): lost %u event(s)", 0, ERROR, LOST_EVENTS, GUEST_LOG },
  { "vEVENTQ(type %u id %u): read failed (%m)", 0, ERROR, LOST_EVENTS, GUEST_LOG },
  { "vEVENTQ(type %u id %u): short read(%zd/%zd bytes)", 0, ERROR, LOST_EVENTS, REPORT },
  { "Failed to get flags for vEVENTQ fd", 0, ERROR, NO_EVENTS, REPORT },
  { "Failed to set O_NONBLOCK on vEVENTQ fd", 0, ERROR, NO_EVENTS, REPORT },
  { "vfio-pci endpoint devices without an iommufd backend not allowed when using arm-smmuv3,accel=on", 0, REFUSED,
    N_ ("the device behind an accelerated vSMMU has no iommufd"),
    N_ ("set iommufd='yes' in the <driver> of the <hostdev>") },
  { "Emulated endpoint devices are not allowed when using arm-smmuv3,accel=on", 0, REFUSED,
    N_ ("an emulated device is behind an accelerated vSMMU"), N_ ("move the device to a root bus without a vSMMU") },
  { "arm-smmuv3 accel=on with 'auto' properties requires at least one cold-plugged VFIO device", 0, REFUSED,
    N_ ("no device is behind the vSMMU when the guest starts, so QEMU cannot take its options from the host"),
    N_ ("set ats, ril, ssidsize and oas of the vSMMU, or place a <hostdev> behind it") },
  { "arm-smmuv3 cmdqv=on requires at least one cold-plugged VFIO device", 0, REFUSED,
    N_ ("no device is behind the vSMMU when the guest starts"),
    N_ ("set cmdqv='off' for the vSMMU, or place a <hostdev> behind it") },

  /* hw/arm/tegra241-cmdqv.c */
  { "CMDQV requested but not supported", 0, REFUSED, NO_CMDQV, DROP_CMDQV },
  { "No CMDQV ops found", 0, REFUSED, NO_CMDQV, DROP_CMDQV },
  { "Host CMDQV: unexpected data type %u (expected %u)", 0, REFUSED, NO_CMDQV, DROP_CMDQV },
  { "Host CMDQV: unsupported version %u (expected %u)", 0, REFUSED, NO_CMDQV, DROP_CMDQV },
  { "Host CMDQV: insufficient vCMDQs log2=%u (need >= %u)", 0, REFUSED, NO_CMDQV, DROP_CMDQV },
  { "Host CMDQV: insufficient SIDs log2=%u (need >= %u)", 0, REFUSED, NO_CMDQV, DROP_CMDQV },
  { "Tegra241 CMDQV: failed to mmap VINTF page0", 0, ERROR, NO_QUEUE, DROP_CMDQV },
  { "Tegra241 CMDQV: failed to alloc veventq", 0, ERROR, NO_EVENTS, DROP_CMDQV },
  { "CMDQV is active: removing the device that established the viommu association would break the guest CMDQV", 0,
    WARNING, N_ ("the first device behind a vSMMU with CMDQV cannot be detached while the guest runs"),
    N_ ("shut down the guest to remove this device") },

  /* hw/arm/smmuv3.c, hw/arm/smmu-common.c, hw/arm/virt.c: how the vSMMU was configured */
  { "SMMUv3 accel=on requires KVM with kernel-irqchip=on support", 0, REFUSED, NOT_STARTED,
    N_ ("use <domain type='kvm'>, and do not set kernel-irqchip=off") },
  { "SMMUv3 with accel=on not supported for DT", 0, REFUSED, NOT_STARTED, N_ ("add <acpi/> to <features>") },
  { "SMMUv3 device only supported with pcie.0 for DT", 0, REFUSED, NOT_STARTED, N_ ("add <acpi/> to <features>") },
  { "Only stage1 is supported for SMMUv3 with accel=on", 0, REFUSED, NOT_STARTED,
    N_ ("remove 'stage' from the QEMU arguments of the vSMMU") },
  { "ril can only be disabled if accel=on", 0, REFUSED, NOT_STARTED, CHECK },
  { "ats can only be enabled if accel=on", 0, REFUSED, NOT_STARTED, CHECK },
  { "ssidsize can only be greater than 0 bits if accel=on", 0, REFUSED, NOT_STARTED, CHECK },
  { "cmdqv can only be enabled if accel=on", 0, REFUSED, NOT_STARTED, CHECK },
  { "QEMU SMMUv3 model only implements auto, 44 bit, or 48 bit OAS. Other OasMode values are not supported.", 0,
    REFUSED, NOT_STARTED, N_ ("set oas of the vSMMU to 44 or 48, or remove it") },
  { "SMMU is not attached to any PCI bus!", 0, REFUSED, NOT_STARTED, CHECK },
  { "SMMU should be attached to a default PCIe root complex(pcie.0) or a pxb-pcie based root complex", 0, REFUSED,
    NOT_STARTED, CHECK },
  { "Bypass option cannot be set for SMMUv3 associated PCIe RC", 0, REFUSED, NOT_STARTED,
    N_ ("remove bypass-iommu from the QEMU arguments") },
  { "SMMUv3 does not support dev-iotlb yet", 0, WARNING,
    N_ ("a device behind an emulated SMMUv3 asked for a device IOTLB"), N_ ("remove ats='on' of the virtio device") },

  /* hw/arm/smmuv3.c: what a guest writes; only with -d guest_errors */
  { "SMMUv3: multiple S1 context descriptors require SubstreamID support. Configure ssidsize > 0 (requires accel=on)",
    0, ERROR, N_ ("the guest uses PASIDs, but its vSMMU has no substream IDs"),
    N_ ("set ssidsize of the vSMMU to the value of the host") },
  { "invalid STE", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 AArch32 tables not supported", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 S1 stalling fault model not allowed yet", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 S1 used but not supported.", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 S2 used but not supported.", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 S2SL0 = 0x3 has no meaning!", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 S2TTB too large 0x%lx, effective PS %d bits", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 STE stage 2 config not valid!", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 STE_S2ENDI only supports LE!", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 Stall not implemented!", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 bad STE S2T0SZ = %d", 0, ERROR, BAD_ENTRY, GUEST_LOG },
  { "SMMUv3 bad STE S2TG: %x", 0, ERROR, BAD_ENTRY, GUEST_LOG },

  /* In front of one of the texts above, or the line before it. */
  { "Unable to alloc vIOMMU: hiodi devid 0x%x:", 0, REFUSED, N_ ("QEMU could not create the vSMMU on the host"),
    SEE_HOST },
  { "Unable to alloc vIOMMU: idev devid 0x%x:", 0, REFUSED, N_ ("QEMU could not create the vSMMU on the host"),
    SEE_HOST, TRUE },
  { "Failed to set vIOMMU:", 0, REFUSED, N_ ("QEMU could not place the device behind the vSMMU"), SEE_HOST },
  { NULL },
};

/* Whether @line ends with the text of @fault. */
static gboolean
ends_with (const char *line, gsize length, int fault)
{
  while (length > 0 && g_ascii_isspace (line[length - 1]))
    length--;
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++) {
    gsize size = strlen (faults[i].text);

    if (faults[i].fault == fault)
      return length >= size && memcmp (line + length - size, faults[i].text, size) == 0;
  }
  return FALSE;
}

/* Behind the conversion of printf() that @format begins with. */
static const char *
skip_conversion (const char *format)
{
  format += strcspn (format, "diouxXcspm");
  return *format != '\0' ? format + 1 : format;
}

/* Whether @line has all that is between the conversions of @format, in that order. */
static gboolean
fits (const char *line, gsize length, const char *format)
{
  const char *end = line + length;

  while (*format != '\0') {
    gsize size = strcspn (format, "%");
    const char *found = size > 0 ? memmem (line, (gsize) (end - line), format, size) : line;

    if (found == NULL)
      return FALSE;
    line = found + size;
    format += size;
    if (*format == '%')
      format = skip_conversion (format);
  }
  return TRUE;
}

const VsmmuQemuText *
vsmmu_qemu_text_find (const char *line, gsize length)
{
  for (const VsmmuQemuText *text = vsmmu_qemu_texts; text->format != NULL; text++)
    if ((text->fault == 0 || ends_with (line, length, text->fault)) && fits (line, length, text->format))
      return text;
  return NULL;
}
