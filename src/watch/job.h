/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verify/verify.h"
#include "watch/connection-pool.h"

/*
 * A task that may block, done in a thread of a #VsmmuWorkerPool. Before it is done only that thread may touch it,
 * and after that only the main context.
 */

typedef enum {
  VSMMU_JOB_CONNECT, /* opens a pool, subscribes to its events and lists what runs */
  VSMMU_JOB_VERIFY,
  VSMMU_JOB_DETACH,
  VSMMU_JOB_UNTRACE, /* stops the trace */
  VSMMU_JOB_CLOSE,   /* gives up a pool */
} VsmmuJobKind;

typedef struct _VsmmuJob VsmmuJob;
struct _VsmmuJob {
  VsmmuJobKind kind;
  VsmmuConnectionPool *pool;    /* (transfer full) (nullable): given, or with VSMMU_JOB_CONNECT made */
  gpointer link;                /* an atomic reference counted box, for events and for @done */
  const int *is_over;           /* atomic: set when nobody wants the result any more */
  void (*done) (VsmmuJob *job); /* (nullable): called in the main context */
  VsmmuBudget *budget;          /* (nullable) (transfer full): what documents are read with */

  char *uri;             /* VSMMU_JOB_CONNECT, as the next two */
  VsmmuEventFunc event;  /* called with each event, in the main context, with @link */
  GPtrArray *running;    /* result (element-type utf8), as vsmmu_connection_list_running() */
  char *uuid;            /* of the domain, as the next ones */
  guint serial;          /* of what the main context knows of the domain */
  char *alias;           /* (nullable): of the device */
  char *host;            /* VSMMU_JOB_DETACH: its address on the host */
  gint64 asked;          /* when it was begun, by the monotonic clock */
  VsmmuLogMark log_mark; /* as in #VsmmuVerifyOptions */
  VsmmuVerifyFlags flags;
  gboolean wants_trace;            /* VSMMU_JOB_VERIFY: of the MSI routes, while a device is unknown yet */
  gboolean is_traced;              /* whether we have started the trace; given, and result */
  VsmmuVerification *verification; /* result */
  GError *error;                   /* result */

  gboolean
      is_slow; /* its guest took too long the last time; this and the next ones are the main context's at any time */
  struct _VsmmuVerificationQueue *queue; /* that it left, as the next ones */
  gint64 begun;                          /* when it did */
  guint overdue;                         /* source */
  gboolean is_overdue;                   /* it hangs, and is not waited for */
};

/* (transfer full): @link is referenced */
VsmmuJob *vsmmu_job_new (VsmmuJobKind kind, gpointer link);

/* Does it, in a thread that may block. */
void vsmmu_job_run (VsmmuJob *job);

void vsmmu_job_free (VsmmuJob *job);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuJob, vsmmu_job_free)
