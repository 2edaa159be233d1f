/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "quota.h"

/* Fills up with time: VSMMU_QUOTA_USER_RATE each second, and no more than VSMMU_QUOTA_USER_BURST. */
typedef struct {
  double level; /* as of @time */
  gint64 time;  /* monotonic, in microseconds */
} VsmmuBucket;

static inline VsmmuBucket
vsmmu_bucket_full (gint64 now)
{
  return (VsmmuBucket){ VSMMU_QUOTA_USER_BURST, now };
}

/* Returns: %FALSE when it is empty */
static inline gboolean
vsmmu_bucket_take (VsmmuBucket *bucket, gint64 now)
{
  double seconds = (double) (now - bucket->time) / G_USEC_PER_SEC;

  bucket->level = MIN (bucket->level + seconds * VSMMU_QUOTA_USER_RATE, VSMMU_QUOTA_USER_BURST);
  bucket->time = now;
  if (bucket->level < 1)
    return FALSE;
  bucket->level -= 1;
  return TRUE;
}
