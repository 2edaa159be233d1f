/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-watch.h"

#include <glib/gi18n.h>
#include <vsmmu/vsmmu.h>

#include "quota.h"
#include "verify/guest.h"
#include "watch/watcher.h"

struct _VsmmuGuestWatch {
  VsmmuGuests guests; /* first: what the bus has of us */
  VsmmuWatcher *watcher;
  VsmmuVerdicts *verdicts;
  VsmmuMemory *memory;
  VsmmuBudget *budget;
  GThreadPool *threads; /* that answer questions */
  char **uris;
  GHashTable *connected; /* (element-type utf8): those of @uris that are */
  void (*changed) (gpointer data);
  gpointer data;
};

/* One question of the bus about a guest. */
typedef struct {
  VsmmuBudget *budget;
  char **uris; /* to be asked one after the other */
  char *domain;
  char *device;
  char *uri; /* of the previous owner */
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_strfreev (question->uris);
  g_free (question->domain);
  g_free (question->device);
  g_free (question->uri);
  g_free (question);
}

static VsmmuVerdictState
state_of (const VsmmuVerifiedDevice *device)
{
  static const VsmmuVerdictState states[] = {
    [VSMMU_OUTCOME_VERIFIED] = VSMMU_VERDICT_VERIFIED,
    [VSMMU_OUTCOME_UNKNOWN_YET] = VSMMU_VERDICT_UNKNOWN,
    [VSMMU_OUTCOME_MISMATCH] = VSMMU_VERDICT_MISMATCH,
  };

  return states[device->outcome];
}

/* (transfer full): with @findings, which the store shares */
static VsmmuVerdict *
verdict_new (const char *uri, const char *domain, const char *uuid, const VsmmuVerifiedDevice *device)
{
  VsmmuVerdict *verdict = g_new0 (VsmmuVerdict, 1);

  *verdict = (VsmmuVerdict){
    .connection = g_strdup (uri),
    .domain = g_strdup (domain),
    .uuid = g_strdup (uuid),
    .device = g_strdup (device->alias),
    .vsmmu = g_strdup (device->vsmmu),
    .host_smmu = g_strdup (device->smmu),
    .doorbell = device->doorbell,
    .findings = g_ptr_array_ref (device->findings),
    .state = state_of (device),
  };
  return verdict;
}

static void
set_verdict (VsmmuGuestWatch *watch, const VsmmuWatchEvent *event)
{
  VsmmuVerdict *verdict = verdict_new (event->uri, event->domain, event->uuid, event->device);

  if (verdict->state == VSMMU_VERDICT_MISMATCH)
    verdict->on_mismatch = vsmmu_policy_mismatch_to_string (event->action);
  if (event->is_overruled)
    g_message (
        _ ("%s: on-mismatch='%s' in the metadata of the domain is more lenient than this host allows; '%s' applies"),
        event->domain, vsmmu_policy_mismatch_to_string (event->verification->action), verdict->on_mismatch);
  vsmmu_verdicts_set (watch->verdicts, verdict, g_get_real_time ());
}

static void
report_connection (VsmmuGuestWatch *watch, const VsmmuWatchEvent *event)
{
  if (event->kind == VSMMU_WATCH_CONNECTED) {
    g_hash_table_add (watch->connected, g_strdup (event->uri));
    g_message (_ ("connected to libvirt at '%s'"), event->uri);
  } else {
    g_hash_table_remove (watch->connected, event->uri);
    g_warning (_ ("cannot connect to libvirt at '%s': %s; retrying"), event->uri, event->reason);
  }
  if (watch->changed != NULL)
    watch->changed (watch->data);
}

static void
on_event (const VsmmuWatchEvent *event, gpointer data)
{
  VsmmuGuestWatch *watch = data;

  switch (event->kind) {
  case VSMMU_WATCH_CONNECTED:
  case VSMMU_WATCH_DISCONNECTED:
    report_connection (watch, event);
    break;
  case VSMMU_WATCH_VERDICT:
    set_verdict (watch, event);
    break;
  case VSMMU_WATCH_REMOVED:
    vsmmu_verdicts_remove (watch->verdicts, event->uri, event->uuid, event->alias);
    break;
  case VSMMU_WATCH_DETACHING:
    g_warning (_ ("%s: detaching '%s', as the policy requires: %s"), event->domain, event->alias, event->reason);
    break;
  case VSMMU_WATCH_DETACH_FAILED:
    g_warning (_ ("%s: cannot detach '%s': %s; detach it by hand"), event->domain, event->alias, event->reason);
    break;
  case VSMMU_WATCH_FAILED:
    vsmmu_verdicts_count_error (watch->verdicts);
    g_warning (_ ("%s cannot be verified: %s"), event->domain != NULL ? event->domain : event->uuid, event->reason);
    break;
  }
}

/* Tries each daemon until one has the domain; (transfer full) (nullable) with @error set */
static gpointer
ask (Question *question, gpointer (*query) (VsmmuConnection *connection, const Question *question, GError **error),
     GError **error)
{
  g_autoptr (GError) problem = NULL;

  for (guint i = 0; question->uris[i] != NULL; i++) {
    g_autoptr (GError) fault = NULL;
    g_autoptr (VsmmuConnection) connection = vsmmu_connection_open (question->uris[i], FALSE, &fault);
    gpointer answer = NULL;

    if (connection != NULL) {
      vsmmu_connection_set_budget (connection, question->budget, FALSE);
      answer = query (connection, question, &fault);
    }
    if (answer != NULL) {
      question->uri = g_strdup (question->uris[i]);
      return answer;
    }
    /* That one has no such domain explains less than why another could not be asked. */
    if (problem == NULL || g_error_matches (problem, VSMMU_ERROR, VSMMU_ERROR_NO_DOMAIN)) {
      g_clear_error (&problem);
      problem = g_steal_pointer (&fault);
    }
  }
  g_propagate_error (error, g_steal_pointer (&problem));
  return NULL;
}

static gpointer
observe_guest (VsmmuConnection *connection, const Question *question, GError **error)
{
  return vsmmu_guest_observe (connection, question->domain, VSMMU_GUEST_MEMORY, error);
}

static gpointer
verify_guest (VsmmuConnection *connection, const Question *question, GError **error)
{
  const VsmmuVerifyOptions options = { .device = *question->device != '\0' ? question->device : NULL,
                                       .is_guarded_only = *question->device == '\0' };

  return vsmmu_verify_domain (connection, question->domain, &options, error);
}

static void
resolve_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  g_autoptr (VsmmuGuest) guest = ask (data, observe_guest, &error);
  g_autofree char *json = guest != NULL ? vsmmu_guest_to_json (guest) : NULL;

  if (json == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_variant_ref_sink (g_variant_new ("(s)", json)), (GDestroyNotify) g_variant_unref);
}

static GVariant *
list_verdicts (const Question *question, const VsmmuVerification *verification)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < verification->devices->len; i++) {
    g_autoptr (VsmmuVerdict) verdict = verdict_new (question->uri, verification->domain, verification->uuid,
                                                    g_ptr_array_index (verification->devices, i));

    verdict->since = g_get_real_time ();
    g_variant_builder_add_value (&builder, vsmmu_verdict_to_variant (verdict));
  }
  return g_variant_new ("(@aa{sv})", g_variant_builder_end (&builder));
}

static void
verify_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  g_autoptr (VsmmuVerification) verification = ask (data, verify_guest, &error);

  if (verification == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_variant_ref_sink (list_verdicts (data, verification)),
                           (GDestroyNotify) g_variant_unref);
}

/* What is done in a thread. */
typedef struct {
  GTask *task;
  GTaskThreadFunc run;
} Work;

static void
do_work (gpointer data, gpointer unused)
{
  g_autofree Work *work = data;
  g_autoptr (GTask) task = work->task;

  work->run (task, NULL, g_task_get_task_data (task), NULL);
}

/* Hands what the thread found over to the task of the bus, @data. */
static void
forward_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  GVariant *answer = g_task_propagate_pointer (G_TASK (result), &error);

  if (answer != NULL)
    g_task_return_pointer (task, answer, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

static void
start (VsmmuGuests *guests, const char *connection, const char *domain, const char *device, GTask *task,
       GTaskThreadFunc run)
{
  const VsmmuGuestWatch *watch = (const VsmmuGuestWatch *) guests;
  const char *const one[] = { connection, NULL };
  g_autoptr (GTask) inner = g_task_new (NULL, NULL, forward_answer, g_object_ref (task));
  Question *question = g_new0 (Question, 1);
  Work *work;

  /* Only daemons that are watched: the bus must not have us connect to anything else. */
  if (connection != NULL && !g_strv_contains ((const char *const *) watch->uris, connection)) {
    question_free (question);
    g_task_return_new_error (inner, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                             _ ("'%s' is not monitored; the property Connections lists those that are"), connection);
    return;
  }
  *question = (Question){
    .budget = watch->budget,
    .uris = g_strdupv (connection != NULL ? (char **) one : watch->uris),
    .domain = g_strdup (domain),
    .device = g_strdup (device),
  };
  g_task_set_task_data (inner, question, question_free);
  work = g_new (Work, 1);
  *work = (Work){ g_steal_pointer (&inner), run };
  g_thread_pool_push (watch->threads, work, NULL);
}

static void
resolve (VsmmuGuests *guests, const char *connection, const char *domain, GTask *task)
{
  start (guests, connection, domain, "", task, resolve_in_thread);
}

/* The watcher looks too, for the store and for what the policy says. */
static void
verify (VsmmuGuests *guests, const char *connection, const char *domain, const char *device, GTask *task)
{
  vsmmu_watcher_recheck (((VsmmuGuestWatch *) guests)->watcher, domain);
  start (guests, connection, domain, device, task, verify_in_thread);
}

static GVariant *
get_connections (VsmmuGuests *guests)
{
  const VsmmuGuestWatch *watch = (const VsmmuGuestWatch *) guests;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ss)"));
  for (guint i = 0; watch->uris[i] != NULL; i++)
    g_variant_builder_add (&builder, "(ss)", watch->uris[i],
                           g_hash_table_contains (watch->connected, watch->uris[i]) ? "connected" : "disconnected");
  return g_variant_builder_end (&builder);
}

static void
settle (gpointer data)
{
  vsmmu_memory_settle (((const VsmmuGuestWatch *) data)->memory);
}

VsmmuGuestWatch *
vsmmu_guest_watch_new (const char *const *uris, VsmmuVerdicts *verdicts, VsmmuBudget *budget, VsmmuMemory *memory,
                       GError **error)
{
  g_autoptr (VsmmuGuestWatch) watch = g_new0 (VsmmuGuestWatch, 1);
  VsmmuWatchOptions options = {
    .is_enforcing = TRUE, .budget = budget, .report = on_event, .trim = settle, .data = watch
  };

  *watch = (VsmmuGuestWatch){
    .guests = { resolve, verify, get_connections },
    .verdicts = verdicts,
    .memory = memory,
    .budget = vsmmu_budget_ref (budget),
    .threads = g_thread_pool_new (do_work, NULL, VSMMU_QUOTA_GUEST_THREADS, FALSE, NULL),
    .uris = g_strdupv ((char **) uris),
    .connected = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
  };
  options.uris = (const char *const *) watch->uris;
  watch->watcher = vsmmu_watcher_new (&options, error);
  return watch->watcher != NULL ? g_steal_pointer (&watch) : NULL;
}

void
vsmmu_guest_watch_free (VsmmuGuestWatch *watch)
{
  vsmmu_watcher_free (watch->watcher);
  g_thread_pool_free (watch->threads, FALSE, TRUE);
  vsmmu_budget_unref (watch->budget);
  g_strfreev (watch->uris);
  g_hash_table_unref (watch->connected);
  g_free (watch);
}

VsmmuGuests *
vsmmu_guest_watch_get_guests (VsmmuGuestWatch *watch)
{
  return &watch->guests;
}

void
vsmmu_guest_watch_set_callback (VsmmuGuestWatch *watch, void (*changed) (gpointer data), gpointer data)
{
  watch->changed = changed;
  watch->data = data;
}
