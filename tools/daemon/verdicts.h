/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What is known of a device behind an accelerated vSMMU. */
typedef enum {
  VSMMU_VERDICT_VERIFIED, /* its interrupts arrive */
  VSMMU_VERDICT_MISMATCH, /* they do not */
  VSMMU_VERDICT_UNKNOWN,  /* not known yet */
  VSMMU_VERDICT_GONE,     /* the device is no more; never in the store */
} VsmmuVerdictState;

enum { VSMMU_VERDICT_STATES = VSMMU_VERDICT_GONE };

/* One verdict. @connection, @uuid and @device say which device it is on. */
typedef struct {
  char *connection;    /* URI */
  char *domain;        /* name */
  char *uuid;          /* of the domain */
  char *device;        /* alias */
  char *vsmmu;         /* alias of the vSMMU it is behind */
  char *host_smmu;     /* (nullable): SMMU of the host it is behind */
  guint64 doorbell;    /* GPA that its MSIs go to; 0 for not known */
  GPtrArray *findings; /* (element-type VsmmuFinding): the reasons */
  VsmmuVerdictState state;
  const char *on_mismatch; /* (nullable): what is done about a mismatch */
  gint64 since;            /* microseconds since 1970; the store sets it */
} VsmmuVerdict;

void vsmmu_verdict_free (VsmmuVerdict *verdict);

/* Returns: `verified`, `mismatch`, `unknown-yet` or `gone`; not translated */
const char *vsmmu_verdict_state_to_string (VsmmuVerdictState state);

/* Returns: (transfer floating): a{sv}, as data/org.vsmmu1.xml describes it */
GVariant *vsmmu_verdict_to_variant (const VsmmuVerdict *verdict);

/* Returns: (transfer floating): a(sssusss), as data/org.vsmmu1.xml describes it */
GVariant *vsmmu_findings_to_variant (const GPtrArray *findings);

/*
 * VsmmuVerdicts:
 *
 * The verdicts on all devices. Whoever watches guests fills it; for the main thread only.
 */
typedef struct _VsmmuVerdicts VsmmuVerdicts;

/*
 * VsmmuVerdictsChanged:
 * @verdict: (nullable): a verdict that is new, changed, or taken away (%VSMMU_VERDICT_GONE); %NULL when only
 *   VsmmuVerdictsSummary is not as before
 */
typedef void (*VsmmuVerdictsChanged) (const VsmmuVerdict *verdict, gpointer data);

VsmmuVerdicts *vsmmu_verdicts_new (void);
void vsmmu_verdicts_free (VsmmuVerdicts *verdicts);

/* Calls @changed of every change from now on, in the order of these calls. */
void vsmmu_verdicts_listen (VsmmuVerdicts *verdicts, VsmmuVerdictsChanged changed, gpointer data);

/* Calls no function with @data any more. */
void vsmmu_verdicts_unlisten (VsmmuVerdicts *verdicts, gconstpointer data);

/*
 * vsmmu_verdicts_set:
 * @verdict: (transfer full): in place of the one on this device, if there is one
 * @now: microseconds since 1970, when it was looked at
 */
void vsmmu_verdicts_set (VsmmuVerdicts *verdicts, VsmmuVerdict *verdict, gint64 now);

/*
 * vsmmu_verdicts_remove:
 * @connection: (nullable): its connection; %NULL for all
 * @uuid: (nullable): its domain; %NULL for all
 * @device: (nullable): its device; %NULL for all
 */
void vsmmu_verdicts_remove (VsmmuVerdicts *verdicts, const char *connection, const char *uuid, const char *device);

/* Returns: (transfer floating): aa{sv}, those of a domain after each other */
GVariant *vsmmu_verdicts_to_variant (const VsmmuVerdicts *verdicts);

/* A check could not be carried out. */
void vsmmu_verdicts_count_error (VsmmuVerdicts *verdicts);

/* A summary of all verdicts. */
typedef struct {
  guint n_verdicts[VSMMU_VERDICT_STATES];
  gint64 checked; /* when one was set last, in microseconds since 1970; 0 for never */
  guint64 n_errors;
  guint64 n_mismatches; /* verdicts that became one, also of devices that are gone */
} VsmmuVerdictsSummary;

VsmmuVerdictsSummary vsmmu_verdicts_summarize (const VsmmuVerdicts *verdicts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuVerdict, vsmmu_verdict_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuVerdicts, vsmmu_verdicts_free)
