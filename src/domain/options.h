/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * The options that an arm-smmuv3 of QEMU and an <iommu> of libvirt have in common: accel, ats, ril, ssidsize, oas
 * and cmdqv, in QEMU's order.
 */

/* An <iommu> without any options. */
void vsmmu_options_init (VsmmuIommu *iommu);

/*
 * vsmmu_options_set:
 * @name: of a property of QEMU
 * @value: as QEMU writes it, or libvirt in <qemu:property>
 *
 * Returns: %FALSE for a property or a value that an <iommu> has no words for
 */
gboolean vsmmu_options_set (VsmmuIommu *iommu, const char *name, const char *value);

/* Makes the option @name one that is not given; %FALSE when there is no such option. */
gboolean vsmmu_options_unset (VsmmuIommu *iommu, const char *name);

/* Whether any option is given. */
gboolean vsmmu_options_any (const VsmmuIommu *iommu);

/* Appends accel='on' and so on, each after a space. */
void vsmmu_options_write_attributes (const VsmmuIommu *iommu, GString *xml);

/*
 * vsmmu_options_next:
 * @at: (inout): 0 for the first option
 * @name: (out): of the option
 * @value: (out): buffer for the value, as <qemu:property> takes it
 * @type: (out): of the property: "bool" or "string"
 *
 * Goes through the options that are given.
 *
 * Returns: %FALSE after the last
 */
#define VSMMU_OPTION_VALUE_SIZE 16
gboolean vsmmu_options_next (const VsmmuIommu *iommu, guint *at, const char **name, const char **type,
                             char value[VSMMU_OPTION_VALUE_SIZE]);

/* (transfer full) (nullable): the options of @iommu that are left to “auto”, as “ats, ril” */
char *vsmmu_iommu_auto_options (const VsmmuDevice *iommu);
