/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What QEMU says when it cannot set a device up behind an accelerated vSMMU, and what KVM is given for an MSI. */
typedef struct {
  guint n_refused;    /* IOMMU_VDEVICE_ALLOC failed: the guest wanted its translation */
  guint n_unattached; /* Failed to attach GBPA hwpt: at a reset of the guest */
  char *line;         /* (nullable): the first line of these, without its time */
  guint n_routes;     /* trace kvm_arm_fixup_msi_route */
  guint64 routes_and; /* GPAs of the routes: bits that all have, and */
  guint64 routes_or;  /* that any has; they are equal when there is one GPA */
} VsmmuQemuWords;

/* The log of a domain. */
typedef struct {
  VsmmuQemuWords since_start;  /* since the guest was started */
  gboolean has_recent;         /* whether @recent was asked for */
  VsmmuQemuWords since_attach; /* since a device was attached */
} VsmmuQemuLog;

/* Counts what QEMU said in @text, any bytes at all. */
void vsmmu_qemu_words_read (VsmmuQemuWords *words, const char *text, gsize length);
void vsmmu_qemu_words_clear (VsmmuQemuWords *words);

/* The part of @text that is about the last start of the guest: from libvirt's "starting up" on. */
const char *vsmmu_qemu_log_find_start (const char *text, gsize length);

/*
 * vsmmu_qemu_log_read:
 * @path: a file of libvirt's, of which the last part is read
 * @start: bytes that were there when the device was attached; 0 for no device
 *
 * Returns: (transfer full): or %NULL with @error set (%VSMMU_ERROR_PROBE)
 */
VsmmuQemuLog *vsmmu_qemu_log_read (const char *path, guint64 start, GError **error);
void vsmmu_qemu_log_free (VsmmuQemuLog *log);

/* How large the log is now; 0 when that cannot be told. */
guint64 vsmmu_qemu_log_get_size (const char *path);

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
