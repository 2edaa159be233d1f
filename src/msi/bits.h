/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The lowest @count bits, 0 to 64. */
static inline guint64
vsmmu_mask (guint count)
{
  return count >= 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT (1) << count) - 1;
}

/* Bits @high to @low of @value, as specifications number them: value[high:low]. */
static inline guint64
vsmmu_bits (guint64 value, guint high, guint low)
{
  return value >> low & vsmmu_mask (high - low + 1);
}
