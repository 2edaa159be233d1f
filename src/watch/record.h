/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "libvirt/qemu-log.h"
#include "watch/verification-queue.h"
#include "watch/watcher.h"
#include "watch/worker-pool.h"

/*
 * What a watcher knows: daemons, the guests of each, and the devices of each guest. It belongs to the main context.
 */

typedef struct _VsmmuWatchedDaemon VsmmuWatchedDaemon;

/* What jobs and libvirt's callbacks hold, as #VsmmuJob.link; the daemon is NULL once the watcher is gone. */
typedef struct {
  VsmmuWatchedDaemon *daemon;
  int is_over; /* atomic */
} VsmmuWatchLink;

struct _VsmmuWatcher {
  GPtrArray *daemons; /* (element-type VsmmuWatchedDaemon) */
  VsmmuWorkerPool *workers;
  VsmmuVerificationQueue *queue;
  VsmmuVerifyFlags flags;
  gboolean is_enforcing;
  VsmmuBudget *budget; /* (nullable) */
  VsmmuWatchFunc report;
  void (*trim) (gpointer data); /* (nullable) */
  gpointer data;
  guint next_serial;
};

struct _VsmmuWatchedDaemon {
  VsmmuWatcher *watcher;
  VsmmuWatchLink *link;
  char *uri;
  VsmmuConnectionPool *pool; /* NULL while there is none */
  gboolean is_connecting;
  gboolean is_lost;     /* while it connected, the connection closed again */
  gboolean is_reported; /* whether the connection is lost */
  guint failures;
  guint retry;        /* source */
  GHashTable *guests; /* (element-type utf8 VsmmuWatchedGuest): by UUID */
};

typedef struct {
  VsmmuWatchedDaemon *daemon;
  char *uuid;
  char *name;
  guint serial;
  GHashTable *devices; /* (element-type utf8 VsmmuWatchedDevice): by alias */
  gboolean is_busy;    /* a job looks at it */
  gboolean is_traced;  /* we have QEMU write down its MSI routes */
  gboolean wants_all;
  gboolean is_silent; /* its QEMU did not answer in time, and that was reported */
  gboolean is_slow;   /* its last verification took as long as one may */
  guint attempt;
  guint timer; /* source */
} VsmmuWatchedGuest;

/* One device, at the latest from its first verdict on. */
typedef struct {
  VsmmuVerifiedDevice *device; /* (nullable): no verdict yet */
  gboolean is_wanted;          /* to be looked at */
  gboolean was_attached;       /* we saw it come */
  gint64 asked;                /* when something happened that makes us look */
  gint64 since;                /* of the verdict */
  VsmmuLogMark log_mark;
  guint n_detaches;
  guint detach; /* source of the next attempt */
} VsmmuWatchedDevice;

/* Adds one where there is none yet; @name (nullable) */
VsmmuWatchedGuest *vsmmu_watched_guest_get (VsmmuWatchedDaemon *daemon, const char *uuid, const char *name);

/* (nullable): the guest that @job is about, unless it is another one by now, or the watcher is gone */
VsmmuWatchedGuest *vsmmu_watched_guest_of (const VsmmuJob *job);

/* Also reports that its devices are gone. */
void vsmmu_watched_guest_forget (VsmmuWatchedGuest *guest);

void vsmmu_watched_guest_free (gpointer guest);

/* Adds one where there is none yet. */
VsmmuWatchedDevice *vsmmu_watched_device_get (VsmmuWatchedGuest *guest, const char *alias);

/* Also reports that it is gone. */
void vsmmu_watched_device_forget (VsmmuWatchedGuest *guest, const char *alias);

/* Reports something of @guest (nullable), or of its device @alias (nullable). */
void vsmmu_watched_report (const VsmmuWatchedDaemon *daemon, VsmmuWatchKind kind, const VsmmuWatchedGuest *guest,
                           const char *alias, const char *reason);

/* Has a worker do @job (transfer full); @done (nullable) */
void vsmmu_watched_push (VsmmuWatchedDaemon *daemon, VsmmuJob *job, void (*done) (VsmmuJob *job));

/* What a job took can go back. */
void vsmmu_watched_trim (const VsmmuWatchedDaemon *daemon);
