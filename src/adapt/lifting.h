/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "adapt/passthrough-index.h"
#include "domain/domain.h"
#include "xml/edit.h"

/* A domain that is being lifted. */
typedef struct {
  VsmmuDomain *domain;
  const xmlNode *root; /* of the domain */
  VsmmuEdit *edit;
  VsmmuPassthroughIndex passthroughs;
  GPtrArray *notes;  /* (element-type utf8) */
  GHashTable *buses; /* id of a PCI controller → its index + 1 */
  GString *devices;  /* lines that are added to <devices> */
  gboolean has_vsmmu;
  gboolean is_accelerated; /* any vSMMU is */
  gboolean is_changed;
} VsmmuLifting;

/* vSMMUs: lift-vsmmu.c, and those in QEMU's arguments: lift-arguments.c, which comes first */
void vsmmu_lift_arguments (VsmmuLifting *lifting);
void vsmmu_lift_vsmmus (VsmmuLifting *lifting);

/* iommufd, <acpi nodeset> and <pcihole64>: lift-devices.c */
void vsmmu_lift_iommufd (VsmmuLifting *lifting);
void vsmmu_lift_initiators (VsmmuLifting *lifting);
void vsmmu_lift_hole (VsmmuLifting *lifting);

/* (transfer full): <iommu>, with an alias when there is one */
char *vsmmu_lift_write_iommu (const VsmmuIommu *iommu, const char *alias);
