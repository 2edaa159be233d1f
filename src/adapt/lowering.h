/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "adapt/lower.h"
#include "domain/domain.h"
#include "xml/edit.h"

/* The names that lowering gives in QEMU; for objects, nothing else may have them. */
#define VSMMU_STAND_IN_ALIAS "ua-iommu"
#define VSMMU_IOMMUFD_ID "vsmmu-iommufd"          /* one of vsmmu_iommufd_ids */
#define VSMMU_IOMMUFD_PROPERTY "vfio-pci.iommufd" /* of all VFIO devices, as -global names it */
#define VSMMU_INITIATOR_ID "vsmmu-gi"

/*
 * By the value of <iommufd enabled>. All VFIO devices get the backend in any case, also those that are attached
 * later; the names differ so that lifting can restore the value.
 */
extern const char *const vsmmu_iommufd_ids[VSMMU_SWITCH_ON + 1];

/* A domain that is being lowered. */
typedef struct {
  const VsmmuDomain *domain;
  const xmlNode *root;    /* of the domain's document */
  const xmlNode *devices; /* what the first vSMMU is in */
  const VsmmuTarget *target;
  VsmmuStrategy strategy;
  VsmmuEdit *edit;
  GPtrArray *notes;     /* (element-type utf8) */
  GString *arguments;   /* lines for <qemu:commandline>, with the prefix "qemu:", as the next */
  GString *overrides;   /* lines for <qemu:override> */
  GString *controllers; /* lines for <devices> */
} VsmmuLowering;

/* Adds a translated sentence to the notes. */
void vsmmu_lowering_note (GPtrArray *notes, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Sets @error to %VSMMU_ERROR_UNSUPPORTED with a translated sentence; returns FALSE. */
gboolean vsmmu_lowering_refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* (transfer full): the bytes as they are, and a NUL after them */
char *vsmmu_lowering_keep (const char *xml, gsize length, gsize *out_length);

/* vsmmu_domain_new_from_data() that also tells the line @error is about. */
VsmmuDomain *vsmmu_domain_new_at (const char *data, gsize length, const char *name, guint *line, GError **error);

/* Adds an option of QEMU's command line with its value. */
void vsmmu_lowering_add_argument (VsmmuLowering *lowering, const char *option, const char *value);

/* Whether @iommu is a vSMMU, or is meant to be one. */
gboolean vsmmu_lowering_is_vsmmu (const VsmmuDevice *iommu);

/* vSMMUs: lower-vsmmu.c. %FALSE with @error set when there is no room for stand-ins. */
gboolean vsmmu_lower_vsmmus (VsmmuLowering *lowering, GError **error);

/* iommufd, <acpi nodeset> and <pcihole64>: lower-devices.c */
void vsmmu_lower_iommufd (VsmmuLowering *lowering);
void vsmmu_lower_initiators (VsmmuLowering *lowering);
void vsmmu_lower_hole (VsmmuLowering *lowering);

/* Notes what is dropped from VFIO devices and their ports: lower-devices.c */
void vsmmu_lower_note_lost (VsmmuLowering *lowering);

/* Puts the lines into the document: lower-containers.c */
void vsmmu_lower_write (VsmmuLowering *lowering);
