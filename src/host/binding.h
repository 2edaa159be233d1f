/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "host/host.h"

/* The physical SMMU that the devices behind one accelerated vSMMU bind it to. */
typedef struct {
  const VsmmuDevice *iommu;   /* %NULL: no accelerated vSMMU over this root bus */
  const VsmmuDevice *hostdev; /* the first one behind it whose SMMU is known, which decides; or %NULL */
  const VsmmuHostSmmu *smmu;  /* of that one, or %NULL */
} VsmmuBinding;

/* The bindings by the index of the root bus; none when the PCI addresses are wrong. */
void vsmmu_bindings_find (const VsmmuDomain *domain, const VsmmuHost *host, VsmmuBinding bindings[VSMMU_PCI_BUSES_MAX]);

/* The function of the host that @hostdev gives to the guest, or %NULL. */
const VsmmuHostDevice *vsmmu_host_device_of (const VsmmuHost *host, const VsmmuDevice *hostdev);

/* The first <hostdev> that gives @device to @domain, or %NULL. */
const VsmmuDevice *vsmmu_host_hostdev_of (const VsmmuHost *host, const VsmmuDomain *domain,
                                          const VsmmuHostDevice *device);

/* The physical SMMU of @hostdev, or %NULL when it is not known. */
const VsmmuHostSmmu *vsmmu_host_smmu_of (const VsmmuHost *host, const VsmmuDevice *hostdev);

/* What is behind a vSMMU, without the device to be attached. */
typedef struct {
  guint count;               /* of VFIO devices */
  const VsmmuHostSmmu *smmu; /* of the first one whose SMMU is known, or %NULL */
} VsmmuBehind;

/* By the index of the root bus: what is behind each vSMMU. */
void vsmmu_host_look_behind_all (const VsmmuDomain *domain, const VsmmuHost *host,
                                 VsmmuBehind behind[VSMMU_PCI_BUSES_MAX]);

VsmmuBehind vsmmu_host_look_behind (const VsmmuDomain *domain, const VsmmuHost *host, const VsmmuDevice *vsmmu);
