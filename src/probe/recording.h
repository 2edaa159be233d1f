/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "probe/source.h"

/*
 * VsmmuRecording:
 *
 * A source that reads from another and keeps what was read, to be written as a listing.
 */
typedef struct _VsmmuRecording VsmmuRecording;

/*
 * VsmmuRecordingCount:
 * @files: files, links and directories in the listing
 * @lines: lines of files that were left out, since nothing is read from them
 * @names: UUIDs, hardware addresses and names of hosts that were replaced
 */
typedef struct {
  guint files;
  guint lines;
  guint names;
} VsmmuRecordingCount;

/* (transfer full): @below must outlive it */
VsmmuRecording *vsmmu_recording_new (const VsmmuSource *below);

const VsmmuSource *vsmmu_recording_get_source (const VsmmuRecording *recording);

/* Adds a file that was not read, unless there is one. */
void vsmmu_recording_add (VsmmuRecording *recording, const char *path, const char *text);

/*
 * vsmmu_recording_write:
 * @count: (out): what is in the listing, and what is not
 *
 * Returns: (transfer full): a listing, as vsmmu_listing_parse() reads it, that a probe reads the same from
 */
char *vsmmu_recording_write (const VsmmuRecording *recording, VsmmuRecordingCount *count);

void vsmmu_recording_free (VsmmuRecording *recording);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuRecording, vsmmu_recording_free)
