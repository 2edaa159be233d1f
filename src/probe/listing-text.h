/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/recording.h"

/*
 * VsmmuListingText:
 *
 * A listing that is being written, and what it may contain: of each file only the lines that something is read
 * from, no name of the host, and no UUID or hardware address, wherever one is.
 */
typedef struct _VsmmuListingText VsmmuListingText;

/* (transfer full): an empty one, for vsmmu_listing_text_finish() */
VsmmuListingText *vsmmu_listing_text_new (void);

void vsmmu_listing_text_add_directory (VsmmuListingText *text, const char *path);
void vsmmu_listing_text_add_link (VsmmuListingText *text, const char *path, const char *target);
void vsmmu_listing_text_add_lines (VsmmuListingText *text, const char *path, const char *data, gsize length);
void vsmmu_listing_text_add_bytes (VsmmuListingText *text, const char *path, const guint8 *data, gsize length);

/* @error: a name of vsmmu_listing_errors */
void vsmmu_listing_text_add_error (VsmmuListingText *text, const char *path, const char *error);

/* (transfer full): the listing; releases @text */
char *vsmmu_listing_text_finish (VsmmuListingText *text, VsmmuRecordingCount *count);
