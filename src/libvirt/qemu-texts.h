/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What a line of QEMU's means for a device behind an accelerated vSMMU, from what matters least. Of a line that is not
 * known, only that it does not speak for a device.
 */
typedef enum {
  VSMMU_QEMU_LINE_NONE,       /* a trace, something of libvirt's, or known to be harmless */
  VSMMU_QEMU_LINE_WARNING,    /* "warning: ...", or something is missing that the device can do without */
  VSMMU_QEMU_LINE_ERROR,      /* an error that may or may not concern the device, or looks like one and is not known */
  VSMMU_QEMU_LINE_UNATTACHED, /* Failed to attach GBPA hwpt: at a reset of the guest */
  VSMMU_QEMU_LINE_REFUSED,    /* a device did not get its translation */
  VSMMU_QEMU_LINES,
} VsmmuQemuLine;

/*
 * VsmmuQemuText:
 * @format: as QEMU's source has it, with its conversions and without space at the end
 * @fault: of errno, whose text is at the end of the line; 0 for any
 * @line: how much it matters
 * @meaning: what is the case then; untranslated
 * @hint: what to do; untranslated
 * @is_old: QEMU 11.0 has it, and QEMU 11.1 does not
 *
 * Something that QEMU writes about SMMUv3, iommufd, ATS, PASID, CMDQV or dma-buf.
 */
typedef struct {
  const char *format;
  int fault;
  VsmmuQemuLine line;
  const char *meaning;
  const char *hint;
  gboolean is_old;
} VsmmuQemuText;

/* Ends with a row without @format. */
extern const VsmmuQemuText vsmmu_qemu_texts[];

/* (nullable): the first row that fits @line, any bytes at all */
const VsmmuQemuText *vsmmu_qemu_text_find (const char *line, gsize length);
