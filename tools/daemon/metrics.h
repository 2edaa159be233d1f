/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verdicts.h"

/* Numbers about verdicts in a file for the textfile collector of Prometheus' node_exporter. */
typedef struct _VsmmuMetrics VsmmuMetrics;

/* Writes the file at @path now and after each change of @verdicts, in a thread. */
VsmmuMetrics *vsmmu_metrics_new (const char *path, VsmmuVerdicts *verdicts);

/* Waits for what is being written, and takes the file away. */
void vsmmu_metrics_free (VsmmuMetrics *metrics);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMetrics, vsmmu_metrics_free)
