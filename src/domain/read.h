/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/* Where a value is read from, so that a bad one can be reported with its place. */
typedef struct {
  VsmmuDomain *domain;
  const VsmmuDevice *device; /* (nullable): for children of <devices> */
} VsmmuReader;

typedef enum {
  VSMMU_READ_ON_OFF,
  VSMMU_READ_YES_NO,
} VsmmuSwitchWords;

/*
 * vsmmu_read_problem:
 * @suffix: path of @node below the device of @reader, or below <domain>
 * @attribute: (nullable): attribute of @node, or %NULL for its text
 * @value: (nullable): %NULL when @attribute is missing
 * @expected: translated, as in "expected %s"
 *
 * Records that @value is not usable.
 */
void vsmmu_read_problem (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                         const char *value, const char *expected);

/*
 * vsmmu_read_unclear:
 * @element: (transfer full): its XPath
 * @name: of what libvirt may read otherwise; borrowed from the document
 * @hint: translated
 * @format: translated
 *
 * Records that the meaning of the document at @node depends on the program or on the release of libvirt.
 */
void vsmmu_read_unclear (const VsmmuReader *reader, const xmlNode *node, char *element, const char *name,
                         const char *hint, const char *format, ...) G_GNUC_PRINTF (6, 7);

/*
 * vsmmu_read_child:
 * @suffix: path of @node below the device of @reader, or below <domain>
 *
 * Returns: (nullable): the child called @name, in no namespace; of several of them, which is unclear, the first
 */
const xmlNode *vsmmu_read_child (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *name);

/* vsmmu_xml_text() of @node; elements in the text, which libvirt reads as text and we do not, are unclear. */
const char *vsmmu_read_text (const VsmmuReader *reader, const xmlNode *node, const char *suffix);

/* Records names in foreign namespaces that are in @root or below: libvirt reads some of them as its own. */
void vsmmu_read_namespaces (const VsmmuReader *reader, const xmlNode *root);

/* Reads an on/off or yes/no attribute; records anything else as a problem. */
VsmmuSwitch vsmmu_read_switch (const VsmmuReader *reader, const xmlNode *node, const char *suffix,
                               const char *attribute, VsmmuSwitchWords words);

/*
 * vsmmu_read_integer:
 * @base: 10 or 0, see vsmmu_number_parse()
 *
 * Returns: the value of @attribute, or @fallback when it is absent or, after
 *   recording that as a problem, not a whole number from @min to @max
 */
gint64 vsmmu_read_integer (const VsmmuReader *reader, const xmlNode *node, const char *suffix, const char *attribute,
                           guint base, gint64 min, gint64 max, gint64 fallback);

/* A size in KiB; 0 for a size that libvirt would reject, which these checks do not report. */
guint64 vsmmu_read_size (const char *text, const char *unit);
