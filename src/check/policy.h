/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "vsmmu/finding.h"

/*
 * VsmmuPolicy:
 *
 * What the transport, the hook and the daemon do about findings, as the
 * administrator of a host wrote it in virt-vsmmu.conf(5). Immutable after it was made.
 */
typedef struct _VsmmuPolicy VsmmuPolicy;

/*
 * VsmmuPolicyMode:
 * @VSMMU_POLICY_OFF: nothing is checked
 * @VSMMU_POLICY_WARN: findings are reported, and nothing is refused
 * @VSMMU_POLICY_ENFORCE: what has an error is refused; the default without a policy
 */
typedef enum {
  VSMMU_POLICY_OFF,
  VSMMU_POLICY_WARN,
  VSMMU_POLICY_ENFORCE,
} VsmmuPolicyMode;

/*
 * VsmmuPolicyIommufd:
 * @VSMMU_POLICY_IOMMUFD_ADD: add it
 * @VSMMU_POLICY_IOMMUFD_REFUSE: refuse the device
 *
 * What to do with a hostdev without iommufd that is to be attached behind an
 * accelerated vSMMU.
 */
typedef enum {
  VSMMU_POLICY_IOMMUFD_ADD,
  VSMMU_POLICY_IOMMUFD_REFUSE,
} VsmmuPolicyIommufd;

/*
 * VsmmuPolicyMismatch:
 * @VSMMU_POLICY_MISMATCH_IGNORE: report it, and do not let attaching wait for it
 * @VSMMU_POLICY_MISMATCH_REPORT: report it
 * @VSMMU_POLICY_MISMATCH_DETACH: report it, and detach the device if it was seen being attached
 *
 * What to do when a device of a running guest turns out to be a mismatch, from the most lenient to the strictest. It is
 * logged, counted and signalled in any case.
 */
typedef enum {
  VSMMU_POLICY_MISMATCH_IGNORE,
  VSMMU_POLICY_MISMATCH_REPORT,
  VSMMU_POLICY_MISMATCH_DETACH,
} VsmmuPolicyMismatch;

/*
 * VSMMU_POLICY_NAMESPACE:
 *
 * Namespace of the element `hotplug` in the `<metadata>` of a domain, whose attribute `on-mismatch` (`ignore`,
 * `report` or `detach`) applies to that domain when it is stricter than the host, or the host has `domains-decide=yes`.
 */
#define VSMMU_POLICY_NAMESPACE "urn:libvirt-vsmmu:policy:1"

/*
 * vsmmu_policy_load:
 * @with_user: whether the file of the user counts too, key by key over that of
 *   the host; never for a program that acts for others, such as a hook
 * @error: %VSMMU_ERROR_POLICY when a file cannot be read, is not a key file, or has an unknown key, rule or value
 *
 * Reads virt-vsmmu.conf in the directory for configuration that the library was built
 * for (`/etc`), or the file that VIRT_VSMMU_CONF in the environment names instead;
 * then `virt-vsmmu.conf` in the user's directory for configuration
 * (`$XDG_CONFIG_HOME`). A file that is not there leaves all at its default.
 *
 * Returns: (transfer full): the policy, or %NULL with @error set
 */
VsmmuPolicy *vsmmu_policy_load (gboolean with_user, GError **error);

/*
 * vsmmu_policy_load_mode:
 * @with_user: as for vsmmu_policy_load()
 *
 * For callers that must decide although vsmmu_policy_load() failed: the mode, if it can be read at all.
 *
 * Returns: the mode; %VSMMU_POLICY_ENFORCE when it is unknown
 */
VsmmuPolicyMode vsmmu_policy_load_mode (gboolean with_user);

void vsmmu_policy_free (VsmmuPolicy *policy);

VsmmuPolicyMode vsmmu_policy_get_mode (const VsmmuPolicy *policy);

/*
 * vsmmu_policy_mode_to_string:
 *
 * Returns: `off`, `warn` or `enforce`, as the file has it; not translated
 */
const char *vsmmu_policy_mode_to_string (VsmmuPolicyMode mode);

VsmmuPolicyIommufd vsmmu_policy_get_iommufd (const VsmmuPolicy *policy);

/*
 * vsmmu_policy_adopts:
 *
 * Returns: whether the PCI devices of a domain that is defined or created are to be put behind vSMMUs
 */
gboolean vsmmu_policy_adopts (const VsmmuPolicy *policy);

/*
 * vsmmu_policy_get_on_mismatch:
 *
 * Returns: what the host's configuration says; a domain can be stricter for itself, see #VSMMU_POLICY_NAMESPACE
 */
VsmmuPolicyMismatch vsmmu_policy_get_on_mismatch (const VsmmuPolicy *policy);

/*
 * vsmmu_policy_get_wait:
 *
 * Returns: how many seconds a call that attaches a device waits for the verdict on it, 0 to 60
 */
guint vsmmu_policy_get_wait (const VsmmuPolicy *policy);

/*
 * vsmmu_policy_get_timeout:
 *
 * Returns: after how many seconds libvirt's hook decides without the result of its check, 1 to 60
 */
guint vsmmu_policy_get_timeout (const VsmmuPolicy *policy);

/*
 * vsmmu_policy_mismatch_to_string:
 *
 * Returns: `ignore`, `report` or `detach`; not translated
 */
const char *vsmmu_policy_mismatch_to_string (VsmmuPolicyMismatch action);

/*
 * vsmmu_policy_apply:
 * @policy: a policy
 * @findings: (element-type VsmmuFinding): what a check found; those of rules that are off
 *   are freed, others get the severity that @policy gives their rule
 *
 * The mode does not change findings, but what is done about them; see vsmmu_policy_refuses().
 */
void vsmmu_policy_apply (const VsmmuPolicy *policy, GPtrArray *findings);

/*
 * vsmmu_policy_refuses:
 * @policy: a policy
 * @findings: (element-type VsmmuFinding): findings after vsmmu_policy_apply()
 *
 * Returns: whether what @findings are about is to be refused: one of them is an
 *   error, and the mode is %VSMMU_POLICY_ENFORCE
 */
gboolean vsmmu_policy_refuses (const VsmmuPolicy *policy, const GPtrArray *findings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPolicy, vsmmu_policy_free)

/*
 * vsmmu_policy_mismatch_of:
 * @document: domain XML as libvirt answers it, never a lifted one
 * @action: (out): the strictest of all that its metadata specifies
 *
 * Returns: whether it specifies a valid action
 */
gboolean vsmmu_policy_mismatch_of (const xmlDoc *document, VsmmuPolicyMismatch *action);

/*
 * vsmmu_policy_choose_mismatch:
 * @policy: (nullable): of the host; %NULL when it cannot be read, which stands for its defaults
 * @wanted: (nullable): what the metadata of a domain say
 * @is_overruled: (out): whether that is more lenient than the host, and does not count
 *
 * Returns: what to do about a mismatch: a domain may only be stricter than its host, unless `domains-decide` is set
 */
VsmmuPolicyMismatch vsmmu_policy_choose_mismatch (const VsmmuPolicy *policy, const VsmmuPolicyMismatch *wanted,
                                                  gboolean *is_overruled);
