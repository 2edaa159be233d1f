/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * VsmmuMetadataFilter:
 *
 * Removes the <metadata> from domain XML that libvirt wrote, while it is read and whatever it contains: whoever may
 * write metadata decides on its size, depth and namespaces, and it has no meaning for us. Line feeds stay, so that
 * everything else keeps its line.
 */
typedef struct {
  enum { VSMMU_FILTER_TEXT, VSMMU_FILTER_TAG, VSMMU_FILTER_COMMENT, VSMMU_FILTER_CDATA, VSMMU_FILTER_PI } state;
  char word[12]; /* what follows the '<', as far as it tells what it is */
  guint n_word;
  gboolean is_held; /* the tag at hand was not written yet, as its name is not known */
  char quote;       /* of the attribute at hand; 0 for none */
  char last[2];     /* the bytes before */
  guint depth;
  gboolean is_skipping;
} VsmmuMetadataFilter;

/* Appends to @out what of @data is not metadata. The filter starts with zeros; any bytes may come, in any parts. */
void vsmmu_metadata_filter_feed (VsmmuMetadataFilter *filter, const char *data, gsize length, GString *out);
