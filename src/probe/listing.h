/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/source.h"

/*
 * VsmmuListing:
 *
 * The files of a host that a probe reads, as text that `virt-vsmmu host --collect` writes and a report can carry. Line
 * by line:
 *
 *     [DIRECTORY]        what follows is in DIRECTORY
 *     NAME = TEXT        a file with one line, or an empty one
 *     NAME | LINE        one of the lines of a file; a NAME in .gz is compressed
 *     NAME -> TARGET     a symbolic link
 *     NAME : SIZE        a binary file of SIZE bytes, zero where nothing else is said
 *     NAME @ OFFSET HEX  some of its bytes; OFFSET is hexadecimal
 *     NAME/              a directory
 *     NAME ! ERROR       what is there and cannot be read: EACCES, EPERM or EIO
 *     # COMMENT          nothing, as is an empty line
 *
 * A listing that begins with %VSMMU_LISTING_FIRST is whole only when it ends with %VSMMU_LISTING_LAST.
 */
typedef struct _VsmmuListing VsmmuListing;

#define VSMMU_LISTING_FIRST "# virt-vsmmu host --collect"
#define VSMMU_LISTING_LAST "# end of the listing"

/* Names of errors in a listing, and their numbers; ends with a row without a name. */
typedef struct {
  const char *name;
  int number;
} VsmmuListingError;
extern const VsmmuListingError vsmmu_listing_errors[];

/* Whether @data begins as a listing does, and not as JSON. */
gboolean vsmmu_listing_is_one (const char *data, gsize length);

/*
 * vsmmu_listing_parse:
 * @name: what messages call it
 * @error: %VSMMU_ERROR_FACTS, with the line, for what is not a listing or leads out of it
 *
 * Returns: (transfer full): the listing, or %NULL with @error set
 */
VsmmuListing *vsmmu_listing_parse (const char *data, gsize length, const char *name, GError **error);

/* Reads from @listing, which must outlive it. */
const VsmmuSource *vsmmu_listing_get_source (const VsmmuListing *listing);

void vsmmu_listing_free (VsmmuListing *listing);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuListing, vsmmu_listing_free)
