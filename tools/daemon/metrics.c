/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>

struct _VsmmuMetrics {
  char *path;
  VsmmuVerdicts *verdicts;
  gboolean is_writing;
  gboolean is_outdated; /* something changed since writing began */
};

static char *
describe (const VsmmuVerdicts *verdicts)
{
  VsmmuVerdictsSummary summary = vsmmu_verdicts_summarize (verdicts);
  GString *text = g_string_new ("# HELP vsmmu_verdicts Devices behind accelerated vSMMUs of running guests.\n"
                                "# TYPE vsmmu_verdicts gauge\n");

  for (guint i = 0; i < VSMMU_VERDICT_STATES; i++)
    g_string_append_printf (text, "vsmmu_verdicts{verdict=\"%s\"} %u\n",
                            vsmmu_verdict_state_to_string ((VsmmuVerdictState) i), summary.n_verdicts[i]);
  g_string_append_printf (text,
                          "# HELP vsmmu_last_check_timestamp_seconds When a device was last verified; 0 for never.\n"
                          "# TYPE vsmmu_last_check_timestamp_seconds gauge\n"
                          "vsmmu_last_check_timestamp_seconds %" G_GINT64_FORMAT "\n"
                          "# HELP vsmmu_check_errors_total Verifications that could not be carried out.\n"
                          "# TYPE vsmmu_check_errors_total counter\n"
                          "vsmmu_check_errors_total %" G_GUINT64_FORMAT "\n"
                          "# HELP vsmmu_mismatches_total Devices that turned out to be a mismatch.\n"
                          "# TYPE vsmmu_mismatches_total counter\n"
                          "vsmmu_mismatches_total %" G_GUINT64_FORMAT "\n",
                          summary.checked / G_USEC_PER_SEC, summary.n_errors, summary.n_mismatches);
  return g_string_free (text, FALSE);
}

/* What a thread writes, and where. */
typedef struct {
  const char *path;
  char *text;
} Writing;

static void
writing_free (Writing *writing)
{
  g_free (writing->text);
  g_free (writing);
}

static void
write_file (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Writing *writing = data;
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents_full (writing->path, writing->text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
    g_warning (_ ("cannot write the metrics: %s"), error->message);
  g_task_return_boolean (task, TRUE);
}

static void start_writing (VsmmuMetrics *metrics);

static void
finish_writing (GObject *source, GAsyncResult *result, gpointer data)
{
  VsmmuMetrics *metrics = data;

  metrics->is_writing = FALSE;
  if (metrics->is_outdated)
    start_writing (metrics);
}

static void
start_writing (VsmmuMetrics *metrics)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, finish_writing, metrics);
  Writing *writing = g_new (Writing, 1);

  *writing = (Writing){ .path = metrics->path, .text = describe (metrics->verdicts) };
  g_task_set_task_data (task, writing, (GDestroyNotify) writing_free);
  metrics->is_writing = TRUE;
  metrics->is_outdated = FALSE;
  g_task_run_in_thread (task, write_file);
}

/* Many verdicts at once make two files, not as many. */
static void
verdict_changed (const VsmmuVerdict *verdict, gpointer data)
{
  VsmmuMetrics *metrics = data;

  if (metrics->is_writing)
    metrics->is_outdated = TRUE;
  else
    start_writing (metrics);
}

VsmmuMetrics *
vsmmu_metrics_new (const char *path, VsmmuVerdicts *verdicts)
{
  VsmmuMetrics *metrics = g_new0 (VsmmuMetrics, 1);

  metrics->path = g_strdup (path);
  metrics->verdicts = verdicts;
  vsmmu_verdicts_listen (verdicts, verdict_changed, metrics);
  start_writing (metrics);
  return metrics;
}

void
vsmmu_metrics_free (VsmmuMetrics *metrics)
{
  while (metrics->is_writing)
    g_main_context_iteration (NULL, TRUE);
  vsmmu_verdicts_unlisten (metrics->verdicts, metrics);
  g_unlink (metrics->path);
  g_free (metrics->path);
  g_free (metrics);
}
