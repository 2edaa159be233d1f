/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "domain/read.h"

typedef enum {
  VSMMU_DRIVER_BOOL,   /* of QEMU */
  VSMMU_DRIVER_SWITCH, /* OnOffAuto of QEMU, a string to libvirt */
  VSMMU_DRIVER_NUMBER, /* or "auto", a string to libvirt */
} VsmmuDriverOptionKind;

/* An option that an arm-smmuv3 of QEMU and the <driver> of an <iommu> of libvirt have in common, by the same name. */
typedef struct {
  const char *name;
  VsmmuDriverOptionKind kind;
  gsize offset;     /* of a VsmmuSwitch or an int in VsmmuIommu */
  gboolean is_auto; /* left out, it is what the physical SMMU of the first device has */
  guint64 min;      /* of a number, as are the next two */
  guint64 max;
  guint64 step;
} VsmmuDriverOption;

/*
 * All of them, in QEMU's order, ending with a row without a name: the code that reads, checks, writes, lowers, lifts
 * and draws an SMMUv3 uses these rows. QEMU smmuv3_properties[], libvirt virDomainIOMMUDefParseXML().
 */
extern const VsmmuDriverOption vsmmu_driver_options[];

/* Reads them from the <driver> of @iommu, which has one; records invalid values. */
void vsmmu_options_read (const VsmmuReader *reader, VsmmuIommu *iommu);

/* Whether @name is one of them, or pciBus: an attribute that an SMMUv3's <driver> has. */
gboolean vsmmu_options_is_attribute (const char *name);

/* Whether @name is an attribute that libvirt 12.8 has for the <driver> of other IOMMU models, and refuses for an
 * SMMUv3: virDomainIOMMUDefValidate(). */
gboolean vsmmu_options_is_of_other_models (const char *name);

/* Whether @name is one of them that QEMU takes from the physical SMMU when it is left out. */
gboolean vsmmu_options_is_auto (const char *name);

/* Whether libvirt's schema accepts @value for @name, which is an attribute that an SMMUv3's <driver> has. */
gboolean vsmmu_options_accepts (const char *name, const char *value);

/* (transfer full): translated; the values of that attribute: "'on' or 'off'", "44 or 48" */
char *vsmmu_options_describe_values (const char *name);

/* (transfer full): all attributes that an SMMUv3's <driver> has, with commas between them */
char *vsmmu_options_list (void);

/* (nullable): the attribute of an SMMUv3's <driver> that @name is close to */
const char *vsmmu_options_suggest (const char *name);

/* (transfer full): those of one kind as "ats auto, ril off" */
char *vsmmu_options_describe (const VsmmuIommu *iommu, VsmmuDriverOptionKind kind);

/* An <iommu> without any options. */
void vsmmu_options_init (VsmmuIommu *iommu);

/*
 * vsmmu_options_set:
 * @name: of a property of QEMU
 * @value: as QEMU writes it, or libvirt in <qemu:property>
 *
 * Returns: %FALSE for a property or a value that an <iommu> cannot express
 */
gboolean vsmmu_options_set (VsmmuIommu *iommu, const char *name, const char *value);

/* Unsets the option @name; %FALSE when there is no such option. */
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
