/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "watch/job.h"

/* Threads that run jobs, one for each job. */
typedef struct _VsmmuWorkerPool VsmmuWorkerPool;

/* (transfer full) */
VsmmuWorkerPool *vsmmu_worker_pool_new (void);

/* Begins @job (transfer full). When it is done, its @done is called in the main context. */
void vsmmu_worker_pool_push (VsmmuWorkerPool *workers, VsmmuJob *job);

/* Waits for jobs that are under way, but for no longer than @seconds; what hangs then is left behind. */
void vsmmu_worker_pool_end (VsmmuWorkerPool *workers, guint seconds);
