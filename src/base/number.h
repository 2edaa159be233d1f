/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Sizes in bytes; and KiB in one GiB, for what libvirt counts in those. */
#define VSMMU_MIB (G_GUINT64_CONSTANT (1) << 20)
#define VSMMU_GIB (G_GUINT64_CONSTANT (1) << 30)
#define VSMMU_KIB_PER_GIB (VSMMU_GIB / 1024)

/*
 * vsmmu_number_parse:
 * @text: digits as strtoull() takes them: leading white space and a plus sign
 *   are fine, anything after the digits is not
 * @base: 10, or 0 for C notation (0x hexadecimal, leading 0 octal)
 * @value: (out): the number
 *
 * libvirt reads attributes with virXMLPropUInt() and virXMLPropInt(): PCI
 * addresses, busNr and chassis numbers in base 0, indexes, pciBus, ssidsize and
 * oas in base 10 (tried on 12.8: index='0x2' is refused, index='010' is 10).
 *
 * Returns: %FALSE when @text is empty, negative, too large or no number
 */
gboolean vsmmu_number_parse (const char *text, guint base, guint64 *value);

/*
 * vsmmu_number_parse_set:
 * @text: numbers as virBitmapParse() takes them: "2-9,^4,12"; what a caret takes away may be taken away before it is
 *   there, and not more than one at a time
 * @bits: (inout): one bit for each number, of @max bits
 * @max: numbers from this one on are refused; a multiple of 64
 *
 * Returns: %FALSE for anything else; @bits may have changed then
 */
gboolean vsmmu_number_parse_set (const char *text, guint64 *bits, guint max);

/* The same for a set of NUMA nodes, where libvirt refuses the empty one. */
gboolean vsmmu_number_parse_nodes (const char *text, guint64 *nodes, guint max);

/*
 * vsmmu_number_scale:
 * @value: (inout): a count of @unit, on return of bytes
 * @unit: (nullable): a unit as libvirt's virScaleInteger() takes it, in any
 *   case: b, bytes, KB, k, KiB, MB, M, MiB … EB, E, EiB; %NULL or empty for KiB
 *
 * Returns: %FALSE for an unknown unit or a result past 64 bits
 */
gboolean vsmmu_number_scale (guint64 *value, const char *unit);
