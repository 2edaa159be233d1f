/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/pci.h"
#include "vsmmu/host.h"

/* More of anything than these is no host but an attack. */
#define VSMMU_HOST_SMMUS_MAX 1024
#define VSMMU_HOST_DEVICES_MAX 65536
#define VSMMU_HOST_GROUPS_MAX 65536
#define VSMMU_HOST_REGIONS_MAX 64
#define VSMMU_HOST_PAGES_MAX 16
#define VSMMU_HOST_UNREAD_MAX 64

/* (transfer full): no facts at all */
VsmmuHost *vsmmu_host_new (void);

/* (transfer full): nothing known but @name */
VsmmuHostSmmu *vsmmu_host_smmu_new (const char *name);
VsmmuHostGroup *vsmmu_host_group_new (guint number);
VsmmuHostDevice *vsmmu_host_device_new (const char *name);
VsmmuHostRegion *vsmmu_host_region_new (guint64 start, guint64 end, const char *type);

/* Notes that @path could not be read, once; the first %VSMMU_HOST_UNREAD_MAX only. */
void vsmmu_host_add_unread (VsmmuHost *host, const char *path, const char *reason);

/* Sorts what is looked up by name or number; needed before the lookups below. */
void vsmmu_host_sort (VsmmuHost *host);

/* Lookups in a host that is sorted; %NULL when there is no such thing. */
VsmmuHostSmmu *vsmmu_host_smmu_named (const VsmmuHost *host, const char *name);
VsmmuHostGroup *vsmmu_host_group_numbered (const VsmmuHost *host, guint number);
VsmmuHostDevice *vsmmu_host_device_named (const VsmmuHost *host, const char *name);
VsmmuHostDevice *vsmmu_host_device_at (const VsmmuHost *host, const VsmmuPciAddress *address);

/*
 * vsmmu_host_cut_circles:
 *
 * Parents that lead back to where one came from are taken away, so that a walk up ends.
 *
 * Returns: (nullable): the first device that lost its parent
 */
const VsmmuHostDevice *vsmmu_host_cut_circles (VsmmuHost *host);

/* Fills in the devices of each SMMU and each group. */
void vsmmu_host_connect (VsmmuHost *host);

/* Fills in what of capabilities follows from registers and feature bits. */
void vsmmu_host_finish (VsmmuHost *host);

/* Whether some SMMU is known to have command queues that a guest can use itself. */
gboolean vsmmu_host_has_cmdqv (const VsmmuHost *host);

/*
 * vsmmu_host_parse_address:
 * @text: dddd:bb:ss.f in lower-case hexadecimal, as sysfs writes it; the domain may have up to 8 digits
 *
 * Returns: %FALSE for anything else
 */
gboolean vsmmu_host_parse_address (const char *text, VsmmuPciAddress *address);

/* Whether @name is smmu3.0x and 16 digits; then @base is the address. */
gboolean vsmmu_host_parse_smmu (const char *name, guint64 *base);

/* The source called @name; %FALSE when there is none. */
gboolean vsmmu_fact_source_from_string (const char *name, VsmmuFactSource *source);

/*
 * vsmmu_smmu_decode:
 * @registers: by #VsmmuSmmuRegister
 * @capabilities: (out): by #VsmmuSmmuCapability
 *
 * What the registers say; unknown where the register is. QEMU reads the same
 * fields, smmuv3_accel_check_hw_compatible().
 */
void vsmmu_smmu_decode (const VsmmuFact *registers, VsmmuFact *capabilities);

/* The same from the driver's feature bits, which are bits ARM_SMMU_FEAT_* of its own. */
void vsmmu_smmu_decode_features (VsmmuFact features, VsmmuFact *capabilities);
