/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt/qemu-texts.h"

/*
 * VsmmuLogMark:
 * @size: bytes that QEMU's log had
 * @file: which file it was
 * @digest: of its last bytes
 *
 * Where the log of a domain's QEMU ended at a time; all zeros for no mark. What was written since can be told apart as
 * long as the log was not replaced, truncated or rewritten.
 */
typedef struct {
  guint64 size;
  guint64 file;
  guint64 digest;
} VsmmuLogMark;

/* What QEMU said, and what KVM is given for an MSI. */
typedef struct {
  guint n_lines[VSMMU_QEMU_LINES];
  VsmmuQemuLine worst;
  char *line;                /* (nullable): the first one of the worst, without its time */
  const VsmmuQemuText *text; /* (nullable): what @line is known to mean */
  guint n_routes;            /* trace kvm_arm_fixup_msi_route */
  guint64 routes_and;        /* GPAs of the routes: bits that all have, and */
  guint64 routes_or;         /* that any has; they are equal when there is one GPA */
  gboolean is_partial;       /* something of what was said in that time is missing */
} VsmmuQemuWords;

/* The log of a domain. */
typedef struct {
  VsmmuQemuWords since_start;  /* since the guest was started */
  gboolean has_recent;         /* whether @since_attach was asked for */
  VsmmuQemuWords since_attach; /* since a device was attached */
} VsmmuQemuLog;

/* Counts what QEMU said in @text, any bytes at all. */
void vsmmu_qemu_words_read (VsmmuQemuWords *words, const char *text, gsize length);
void vsmmu_qemu_words_clear (VsmmuQemuWords *words);

/*
 * The part of @text that QEMU said since the last start of the guest: behind libvirt's "starting up" and the command
 * line; %NULL when that is not in @text.
 */
const char *vsmmu_qemu_log_find_start (const char *text, gsize length);

/*
 * vsmmu_qemu_log_read:
 * @path: a file of libvirt's; only its last part is read
 * @mark: where it ended when the device was attached; all zeros for no device
 *
 * Returns: (transfer full): or %NULL with @error set (%VSMMU_ERROR_PROBE)
 */
VsmmuQemuLog *vsmmu_qemu_log_read (const char *path, const VsmmuLogMark *mark, GError **error);
void vsmmu_qemu_log_free (VsmmuQemuLog *log);

/* Where the log ends now; @path: (nullable) */
VsmmuLogMark vsmmu_qemu_log_mark (const char *path);

/*
 * vsmmu_qemu_log_find:
 * @uri: of a libvirt daemon
 * @domain: name of a domain
 *
 * Returns: (transfer full) (nullable): where that daemon has the log of the domain; %NULL when it is not on this host
 */
char *vsmmu_qemu_log_find (const char *uri, const char *domain);

/* Whether libvirt at @uri runs on this host: qemu:/// or qemu+unix:///, whatever the path. */
gboolean vsmmu_uri_is_local (const char *uri);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuQemuLog, vsmmu_qemu_log_free)
