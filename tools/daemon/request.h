/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* An option that a method takes. */
typedef struct {
  const char *name;
  const char *type; /* of its value */
} VsmmuRequestOption;

/*
 * vsmmu_request_check_options:
 * @options: a{sv}
 * @known: ends with an entry without a name
 * @error: %G_DBUS_ERROR_INVALID_ARGS
 *
 * Returns: %FALSE with @error set when one of @options is not known, has another type, or is there twice
 */
gboolean vsmmu_request_check_options (GVariant *options, const VsmmuRequestOption *known, GError **error);

/*
 * vsmmu_request_get_size:
 * @descriptors: (nullable): that came with the call
 *
 * Returns: how many bytes the arguments of a call and what is behind its descriptors have now
 */
gsize vsmmu_request_get_size (GVariant *parameters, GUnixFDList *descriptors);

/*
 * vsmmu_request_read_document:
 * @document: a string, or the index of a descriptor in @descriptors
 * @descriptors: (nullable): that came with the call
 * @error: %G_DBUS_ERROR_INVALID_ARGS or %G_DBUS_ERROR_LIMITS_EXCEEDED
 *
 * Of descriptors only those of memfd_create() are read, since all others may make the reader wait.
 *
 * Returns: (transfer full): the text, or %NULL with @error set
 */
GBytes *vsmmu_request_read_document (GVariant *document, GUnixFDList *descriptors, GError **error);
