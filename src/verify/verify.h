/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check/policy.h"
#include "host/host.h"
#include "libvirt/connection.h"
#include "libvirt/qemu-log.h"
#include "vsmmu/finding.h"

/*
 * VsmmuOutcome:
 * @VSMMU_OUTCOME_VERIFIED: its interrupts will arrive
 * @VSMMU_OUTCOME_MISMATCH: they will not, or its DMA is translated with the wrong tables; the findings say why
 * @VSMMU_OUTCOME_UNKNOWN_YET: something is missing for one of the others, such as a driver in the guest
 *
 * The verdict on a device of a running guest. The larger one counts more.
 */
typedef enum {
  VSMMU_OUTCOME_VERIFIED,
  VSMMU_OUTCOME_UNKNOWN_YET,
  VSMMU_OUTCOME_MISMATCH,
} VsmmuOutcome;

/*
 * VsmmuVerifyFlags:
 * @VSMMU_VERIFY_MEMORY: read the guest's memory and devices, which changes nothing
 * @VSMMU_VERIFY_MONITOR: ask QEMU for the doorbell of each vSMMU too; libvirt then calls the domain tainted
 */
typedef enum {
  VSMMU_VERIFY_MEMORY = 0,
  VSMMU_VERIFY_MONITOR = 1 << 0,
} VsmmuVerifyFlags;

/* VSMMU_VERIFY_SECONDS: for how long a guest is read before a verification is given up */
#define VSMMU_VERIFY_SECONDS 8

/*
 * VsmmuVerifyOptions:
 * @flags: what to ask
 * @device: (nullable): alias of the one device to look at; %NULL for all
 * @is_guarded_only: leave out devices that are not behind a vSMMU; a guest without a vSMMU is then not read at all
 * @host: (nullable): facts of the host; %NULL to read those of this host when libvirt is on it
 * @log: (nullable): file with what the domain's QEMU said; %NULL for the one of libvirt when it is on this host
 * @log_mark: where @log ended before @device was attached; without a mark what was said since the guest's start counts,
 *   for which several devices can be the reason
 * @deadline: by the monotonic clock, in microseconds: the guest is not read any further then; 0 for
 *   %VSMMU_VERIFY_SECONDS from now
 *
 * How to verify. All zeros will do.
 */
typedef struct {
  VsmmuVerifyFlags flags;
  const char *device;
  gboolean is_guarded_only;
  const VsmmuHost *host;
  const char *log;
  VsmmuLogMark log_mark;
  gint64 deadline;
} VsmmuVerifyOptions;

/*
 * VsmmuEvidence:
 * @check: `place`, `smmu`, `window`, `doorbell`, `vectors`, `route` or `log`; static, not translated
 * @outcome: what this check alone says
 * @is_needed: whether a device without it cannot be verified
 * @text: (translated): what was seen
 *
 * One thing that was looked at.
 */
typedef struct {
  const char *check;
  VsmmuOutcome outcome;
  gboolean is_needed;
  char *text;
} VsmmuEvidence;

/*
 * VsmmuVerifiedDevice:
 * @alias: libvirt's name for it
 * @name: (translated): what messages call it
 * @address: (nullable): where it is in the guest, dddd:bb:ss.f
 * @vsmmu: (nullable): alias of the vSMMU it is behind
 * @is_accelerated: whether that one is
 * @host: (nullable): address of the host's device
 * @smmu: (nullable): name of the host's SMMU it is behind
 * @doorbell: GPA that its MSIs are to go to; 0 when that is not known
 * @outcome: the verdict on all of it
 * @reason: (translated): the evidence that decided
 * @evidence: (element-type VsmmuEvidence): all that was looked at
 * @findings: (element-type VsmmuFinding): what is wrong; lines are those of the live XML
 *
 * What is known of one device.
 */
typedef struct {
  char *alias;
  char *name;
  char *address;
  char *vsmmu;
  gboolean is_accelerated;
  char *host;
  char *smmu;
  guint64 doorbell;
  VsmmuOutcome outcome;
  char *reason;
  GPtrArray *evidence;
  GPtrArray *findings;
} VsmmuVerifiedDevice;

/*
 * VsmmuVerifyPart:
 * @VSMMU_VERIFY_PART_XML: asking libvirt for the domain, and reading its XML
 * @VSMMU_VERIFY_PART_GUEST: reading the guest, and asking QEMU
 * @VSMMU_VERIFY_PART_HOST: reading the host, applying the rules, and QEMU's log
 * @VSMMU_VERIFY_PART_JUDGE: what follows of it
 *
 * What a verification takes its time for.
 */
typedef enum {
  VSMMU_VERIFY_PART_XML,
  VSMMU_VERIFY_PART_GUEST,
  VSMMU_VERIFY_PART_HOST,
  VSMMU_VERIFY_PART_JUDGE,
  VSMMU_VERIFY_PARTS,
} VsmmuVerifyPart;

/*
 * VsmmuVerification:
 * @domain: name of the domain
 * @uuid: (nullable): of the domain
 * @devices: (element-type VsmmuVerifiedDevice): in the order of the domain's XML
 * @has_action: whether the domain's metadata say what to do about a mismatch
 * @action: what they say
 * @n_peeks: how often the guest was read
 * @n_bytes: how much of it
 * @parts: microseconds, by #VsmmuVerifyPart
 *
 * What is known of the devices of a running guest.
 */
typedef struct {
  char *domain;
  char *uuid;
  GPtrArray *devices;
  gboolean has_action;
  VsmmuPolicyMismatch action;
  guint n_peeks;
  gsize n_bytes;
  gint64 parts[VSMMU_VERIFY_PARTS];
} VsmmuVerification;

/*
 * vsmmu_verify_domain:
 * @connection: a connection that is not read-only
 * @domain: id, UUID or name
 * @options: (nullable): how
 * @error: as for vsmmu_guest_observe(); %VSMMU_ERROR_VALUE when the domain has no PCI device of the alias that is given
 *
 * Compares what the domain's XML says about its devices with the guest's configuration space, vectors and, where it is
 * emulated, tables, the host's SMMUs, and what QEMU said. Blocks for as long as libvirt takes.
 *
 * Returns: (transfer full): what is known, or %NULL with @error set
 */
VsmmuVerification *vsmmu_verify_domain (VsmmuConnection *connection, const char *domain,
                                        const VsmmuVerifyOptions *options, GError **error);

void vsmmu_verified_device_free (VsmmuVerifiedDevice *device);

void vsmmu_verification_free (VsmmuVerification *verification);

/*
 * vsmmu_verification_get_worst:
 *
 * Returns: the worst outcome for a device behind a vSMMU, or when there is none, for any device; verified without a
 * device
 */
VsmmuOutcome vsmmu_verification_get_worst (const VsmmuVerification *verification);

/*
 * vsmmu_verification_to_json:
 *
 * Returns: (transfer full): one JSON object as `schemas/verification.schema.json` describes it, ending in a newline
 */
char *vsmmu_verification_to_json (const VsmmuVerification *verification);

/*
 * vsmmu_outcome_to_string:
 *
 * Returns: `verified`, `unknown-yet` or `mismatch`; not translated
 */
const char *vsmmu_outcome_to_string (VsmmuOutcome outcome);

/*
 * vsmmu_verify_delay:
 * @attempt: how often the guest was looked at, from 1 on
 *
 * Returns: after how many milliseconds to look again at what is unknown yet; 0 to give up
 */
guint vsmmu_verify_delay (guint attempt);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuVerifiedDevice, vsmmu_verified_device_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuVerification, vsmmu_verification_free)

/*
 * vsmmu_verify_domain_traced:
 * @options: how
 * @is_traced: (nullable) (inout): whether the caller has QEMU write down its MSI routes, see
 * vsmmu_monitor_start_trace(); if not, and there is an accelerated vSMMU, that is started, and is for the caller to
 * stop
 *
 * vsmmu_verify_domain(), which with @is_traced also sees what KVM is given for a device whose driver is still to come.
 */
VsmmuVerification *vsmmu_verify_domain_traced (VsmmuConnection *connection, const char *name,
                                               const VsmmuVerifyOptions *options, gboolean *is_traced, GError **error);
