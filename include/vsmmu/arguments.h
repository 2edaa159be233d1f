/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/domain.h>

G_BEGIN_DECLS

/**
 * VsmmuArgumentSyntax:
 * @VSMMU_ARGUMENT_SYNTAX_JSON: `-device '{"driver":…}'`, as libvirt 12.8 emits it
 * @VSMMU_ARGUMENT_SYNTAX_LEGACY: `-device driver,property=value`, which QEMU
 *   creates before anything in JSON syntax
 *
 * Since: 0.1
 */
typedef enum {
  VSMMU_ARGUMENT_SYNTAX_JSON,
  VSMMU_ARGUMENT_SYNTAX_LEGACY,
} VsmmuArgumentSyntax;

/**
 * vsmmu_arguments_new:
 * @domain: a domain with at least one accelerated vSMMU
 * @syntax: how to write objects and devices
 * @error: %VSMMU_ERROR_UNSUPPORTED when the domain has no accelerated vSMMU, or libvirt would reject its PCI tree
 *
 * The QEMU arguments for the vSMMU part of @domain, in the order QEMU needs them: machine options, the
 * pcie-expander-buses with the ports below them (and the ports on pcie-root if pcie-root has a vSMMU or a VFIO device
 * is on one of them), the vSMMUs, the iommufd object, and the VFIO devices. VFIO devices specify their host function
 * (`host=`), where libvirt passes file descriptors instead.
 *
 * Returns: (transfer full): a %NULL-terminated vector, or %NULL with @error set
 *
 * Since: 0.1
 */
VSMMU_PUBLIC GStrv vsmmu_arguments_new (const VsmmuDomain *domain, VsmmuArgumentSyntax syntax, GError **error);

G_END_DECLS
