/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* FNV-1a, of an input. */
static inline guint32
fingerprint (const guint8 *data, gsize size)
{
  guint32 hash = 2166136261u;

  for (gsize i = 0; i < size; i++)
    hash = (hash ^ data[i]) * 16777619u;
  return hash;
}

/*
 * Whether what takes long has its turn, for one of @every inputs: the same ones each time, or a finding could not be
 * reproduced. @part: tells the turns of one input apart.
 */
static inline gboolean
is_turn (guint32 hash, guint part, guint every)
{
  guint32 mixed = (hash ^ hash >> 15) * (0x9e3779b1u + 2 * part);

  return (mixed >> 16) % every == 0;
}
