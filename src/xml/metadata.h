/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The prefix of the namespaces of our elements in <metadata>. */
#define VSMMU_NAMESPACES "urn:libvirt-vsmmu:"

typedef enum {
  VSMMU_METADATA_WHOLE, /* all that is in <metadata> is read */
  VSMMU_METADATA_OURS,  /* elements with a namespace of ours */
  VSMMU_METADATA_NONE,
} VsmmuMetadata;

/* Bytes of a text, from its start. */
typedef struct {
  gsize from;
  gsize to;
} VsmmuRange;

/*
 * vsmmu_metadata_find:
 * @data: a document in an encoding that writes markup as ASCII does
 *
 * What others keep in the <metadata> of a domain is not domain XML: libvirt accepts any number, depth and kind of
 * elements there, and they do not affect how a guest starts.
 *
 * Returns: (transfer full) (element-type VsmmuRange): elements, or several of them beside each other, in <metadata>
 *   that are not read, in the order of the text
 */
GArray *vsmmu_metadata_find (const char *data, gsize length, VsmmuMetadata read);

/*
 * vsmmu_metadata_remove:
 * @unread: of vsmmu_metadata_find()
 * @new_length: (out)
 *
 * Returns: (transfer full): @data with one empty element, and the line breaks, instead of each of @unread
 */
char *vsmmu_metadata_remove (const char *data, gsize length, const GArray *unread, gsize *new_length);
