/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"

/*
 * (transfer full): what a domain means, in sorted lines that are the same for a document, for what libvirt dumps of it,
 * and for the document lowered and lifted: no aliases that libvirt gives, and no ports and chassis that it chooses.
 */
char *describe_model (const VsmmuDomain *domain);
