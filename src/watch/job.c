/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/job.h"

#include "libvirt/monitor.h"
#include "verify/verify.h"
#include "watch/detachment.h"

static void
stop_trace (VsmmuJob *job, VsmmuConnection *connection)
{
  g_autoptr (VsmmuConnectionDomain) domain =
      job->is_traced ? vsmmu_connection_domain_new (connection, job->uuid, NULL) : NULL;

  if (domain != NULL)
    vsmmu_monitor_stop_trace (domain);
  job->is_traced = FALSE;
}

/* Whether KVM will be given routes: a driver is still to come. */
static gboolean
is_any_awaited (const VsmmuVerification *verification)
{
  for (guint i = 0; i < verification->devices->len; i++) {
    const VsmmuVerifiedDevice *device = g_ptr_array_index (verification->devices, i);

    if (device->is_accelerated && device->outcome == VSMMU_OUTCOME_UNKNOWN_YET)
      return TRUE;
  }
  return FALSE;
}

static void
verify (VsmmuJob *job)
{
  const VsmmuVerifyOptions options = {
    .flags = job->flags,
    .device = job->alias,
    .is_guarded_only = TRUE,
    .log_mark = job->log_mark,
    .deadline = g_get_monotonic_time () + VSMMU_VERIFY_SECONDS * G_TIME_SPAN_SECOND,
  };
  VsmmuConnection *connection = vsmmu_connection_pool_borrow (job->pool, job->budget, &job->error);

  if (connection != NULL)
    job->verification = vsmmu_verify_domain_traced (connection, job->uuid, &options,
                                                    job->wants_trace ? &job->is_traced : NULL, &job->error);
  if (job->verification != NULL && (!job->wants_trace || !is_any_awaited (job->verification)))
    stop_trace (job, connection);
  vsmmu_connection_pool_return (job->pool, connection, job->error);
}

static void
untrace (VsmmuJob *job)
{
  g_autoptr (GError) error = NULL;
  VsmmuConnection *connection = job->is_traced ? vsmmu_connection_pool_borrow (job->pool, job->budget, &error) : NULL;

  if (connection != NULL)
    stop_trace (job, connection);
  vsmmu_connection_pool_return (job->pool, connection, error);
}

static void
detach (VsmmuJob *job)
{
  VsmmuConnection *connection = vsmmu_connection_pool_borrow (job->pool, job->budget, &job->error);
  VsmmuConnectionDomain *domain =
      connection != NULL ? vsmmu_connection_domain_new (connection, job->uuid, &job->error) : NULL;
  g_autofree char *xml = NULL;
  g_autofree char *device = NULL;

  if (domain != NULL)
    xml = vsmmu_connection_domain_get_xml (domain, VSMMU_DOMAIN_XML_LIVE, &job->error);
  /* The alias may belong to another device by now. */
  if (xml != NULL) {
    vsmmu_connection_domain_take_budget (domain, strlen (xml));
    device = vsmmu_detachment_describe (xml, strlen (xml), job->alias, job->host, &job->error);
    vsmmu_connection_domain_give_budget (domain, 0);
  }
  if (device != NULL)
    vsmmu_connection_domain_detach (domain, device, &job->error);
  g_clear_pointer (&domain, vsmmu_connection_domain_free);
  vsmmu_connection_pool_return (job->pool, connection, job->error);
}

void
vsmmu_job_run (VsmmuJob *job)
{
  gboolean is_over = g_atomic_int_get (job->is_over) != 0;

  if (job->kind == VSMMU_JOB_CONNECT && !is_over)
    job->pool = vsmmu_connection_pool_open (job->uri, job->event, job->link, &job->running, &job->error);
  else if (job->kind == VSMMU_JOB_VERIFY && !is_over)
    verify (job);
  else if (job->kind == VSMMU_JOB_DETACH && !is_over)
    detach (job);
  /* A trace ends with the watcher that started it. */
  if (job->pool != NULL && (job->kind == VSMMU_JOB_UNTRACE || g_atomic_int_get (job->is_over) != 0))
    untrace (job);
  if (job->kind != VSMMU_JOB_CONNECT)
    g_clear_pointer (&job->pool, vsmmu_connection_pool_unref);
}

VsmmuJob *
vsmmu_job_new (VsmmuJobKind kind, gpointer link)
{
  VsmmuJob *job = g_new0 (VsmmuJob, 1);

  job->kind = kind;
  job->link = g_atomic_rc_box_acquire (link);
  return job;
}

void
vsmmu_job_free (VsmmuJob *job)
{
  g_clear_pointer (&job->pool, vsmmu_connection_pool_unref);
  g_atomic_rc_box_release (job->link);
  g_clear_pointer (&job->budget, vsmmu_budget_unref);
  g_free (job->uri);
  g_clear_pointer (&job->running, g_ptr_array_unref);
  g_free (job->uuid);
  g_free (job->alias);
  g_free (job->host);
  g_clear_pointer (&job->verification, vsmmu_verification_free);
  g_clear_error (&job->error);
  g_free (job);
}
