/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/xml.h"

/*
 * What the user wrote, kept in <metadata> of a lowered domain: one element with an <original> for each thing
 * that was replaced or removed. Lifting takes the spelling from there, and the meaning from what libvirt and QEMU see.
 */
#define VSMMU_LOWERED_NAMESPACE "https://libvirt-vsmmu.example/schemas/lowered/1"

/* After the id of a device: the override that takes iommufd away from it is not the user's. */
#define VSMMU_WITHOUT_IOMMUFD "/without-iommufd"

/* <pcihole64> of the controller pcie-root */
#define VSMMU_ORIGINAL_HOLE "pcie.0/pcihole64"

/*
 * vsmmu_originals_add:
 * @of: what it was: the id of a device, or a path that starts with one
 * @place: the number of elements or attributes before it, when it was removed and not replaced
 * @text: the bytes of the document; empty for what was not there
 *
 * Appends a line to @xml.
 */
void vsmmu_originals_add (GString *xml, const char *of, guint place, const char *text);

/* (transfer full): the element around lines in the other functions; empty for no lines */
char *vsmmu_originals_wrap (const char *lines);

typedef struct {
  const xmlNode *node;  /* (nullable): <lowered> */
  const char *encoding; /* (nullable): of the document */
  GHashTable *by_name;  /* @of → xmlNode */
} VsmmuOriginals;

/* Finds what there is in a domain of @document. */
void vsmmu_originals_init (VsmmuOriginals *originals, const xmlNode *domain);
void vsmmu_originals_clear (VsmmuOriginals *originals);

/*
 * vsmmu_originals_get:
 * @place: (out) (optional): as for vsmmu_originals_add()
 *
 * Returns: (transfer full) (nullable): the bytes, in the encoding of the document
 */
char *vsmmu_originals_get (const VsmmuOriginals *originals, const char *of, guint *place);

/*
 * vsmmu_originals_parse:
 * @text: bytes of one element, and what is not markup around it
 * @name: (nullable): what the element must be called
 *
 * Returns: (transfer full) (nullable): a document around the element, which is the only child of its root
 */
xmlDocPtr vsmmu_originals_parse (const VsmmuOriginals *originals, const char *text, const char *name);

/* (transfer full) (nullable): the value of the attribute @name, whose bytes are @text */
char *vsmmu_originals_parse_attribute (const VsmmuOriginals *originals, const char *text, const char *name);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VsmmuOriginals, vsmmu_originals_clear)
