/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * vsmmu_document_may_concern:
 * @xml: the bytes of a document
 *
 * Looks at the bytes only, in less time than a parser takes, for all that a domain with an accelerated SMMUv3 can have:
 * the model "smmuv3", or the namespace of what libvirt passes to QEMU as it is. A document that could spell
 * either in another way, by references, a document type declaration or an encoding, may concern us too.
 *
 * Returns: %FALSE only when vsmmu_domain_is_accelerated() is %FALSE of all domains that libvirt could read in it
 */
gboolean vsmmu_document_may_concern (const char *xml, gsize length);

/* Whether @xml is the live XML of a running domain, as libvirt writes it: only that has an id. */
gboolean vsmmu_document_is_running (const char *xml);
