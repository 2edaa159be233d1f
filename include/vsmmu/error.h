/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define VSMMU_PUBLIC __attribute__ ((visibility ("default")))

/**
 * VsmmuError:
 * @VSMMU_ERROR_XML: the document is not well-formed, or breaks a safety limit (document type declaration, nesting,
 *   attributes).
 * @VSMMU_ERROR_NOT_DOMAIN: the document is well-formed, but its root element is not `<domain>`.
 * @VSMMU_ERROR_NOT_DEVICE: the document is well-formed, but its root element is not a device.
 * @VSMMU_ERROR_READ: a file could not be read or is larger than %VSMMU_DOCUMENT_MAX_BYTES.
 * @VSMMU_ERROR_VALUE: a value passed by the caller is invalid.
 * @VSMMU_ERROR_UNSUPPORTED: the domain cannot be expressed as requested.
 * @VSMMU_ERROR_PROBE: this host, its libvirt or its QEMU could not be queried.
 * @VSMMU_ERROR_NO_DOMAIN: the daemon has no such domain, or the domain is not running.
 * @VSMMU_ERROR_FACTS: a file of host facts is not JSON, does not match the schema, or contradicts itself.
 * @VSMMU_ERROR_PROTOCOL: a peer does not speak libvirt's RPC, or a message is incomplete.
 * @VSMMU_ERROR_POLICY: a policy file cannot be read, or contains an unknown key, rule or value.
 * @VSMMU_ERROR_REFUSED: the policy rejects a domain or device, or libvirt cannot be given what was requested.
 * @VSMMU_ERROR_MSI: an MSI cannot be resolved: there is no doorbell, no such device, or the translation of its address
 *   fails.
 *
 * Every error of libvsmmu has one of these codes; its message is translated, and names the file and the line where
 * there are any.
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_ERROR_XML,
  VSMMU_ERROR_NOT_DOMAIN,
  VSMMU_ERROR_READ,
  VSMMU_ERROR_VALUE,
  VSMMU_ERROR_UNSUPPORTED,
  VSMMU_ERROR_PROBE,
  VSMMU_ERROR_NOT_DEVICE,
  VSMMU_ERROR_FACTS,
  VSMMU_ERROR_PROTOCOL,
  VSMMU_ERROR_POLICY,
  VSMMU_ERROR_REFUSED,
  VSMMU_ERROR_NO_DOMAIN,
  VSMMU_ERROR_MSI,
} VsmmuError;

#define VSMMU_ERROR (vsmmu_error_quark ())
VSMMU_PUBLIC GQuark vsmmu_error_quark (void);

G_END_DECLS
