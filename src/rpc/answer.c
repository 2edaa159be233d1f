/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/answer.h"

#include <gio/gio.h>

#include "check/finding.h"
#include "vsmmu/rule.h"

#define BUS_NAME "org.vsmmu1"
#define OBJECT "/org/vsmmu1"

/* Nobody reads a longer list of reasons. */
#define FINDINGS_MAX 16

typedef struct {
  const VsmmuAnswerQuestion *question;
  VsmmuAnswer *answer;
  GMainContext *context;
  GCancellable *cancellable;
  GDBusConnection *bus; /* %NULL until there is one */
  guint subscription;
  guint n_pending; /* calls that call back */
  gboolean is_over;
} Waiting;

/* The words of virt-vsmmud that are about a device, present or gone. */
static const struct {
  const char *word;
  VsmmuAnswerState state;
} states[] = {
  { "verified", VSMMU_ANSWER_VERIFIED },
  { "mismatch", VSMMU_ANSWER_MISMATCH },
  { "unknown-yet", VSMMU_ANSWER_UNKNOWN },
  { "gone", VSMMU_ANSWER_GONE },
};

void
vsmmu_answer_clear (VsmmuAnswer *answer)
{
  g_clear_pointer (&answer->findings, g_ptr_array_unref);
}

static VsmmuSeverity
parse_severity (const char *word)
{
  for (guint i = VSMMU_SEVERITY_NOTE; i < VSMMU_SEVERITY_ERROR; i++)
    if (strcmp (vsmmu_severity_to_string ((VsmmuSeverity) i), word) == 0)
      return (VsmmuSeverity) i;
  return VSMMU_SEVERITY_ERROR;
}

/* (transfer full): without those of rules that only a newer virt-vsmmud knows */
static GPtrArray *
read_findings (GVariant *verdict)
{
  GPtrArray *findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
  g_autoptr (GVariant) reasons = g_variant_lookup_value (verdict, "reasons", G_VARIANT_TYPE ("a(sssusss)"));
  const char *rule, *severity, *file, *element, *message, *hint;
  GVariantIter iter;
  guint line;

  if (reasons == NULL)
    return findings;
  g_variant_iter_init (&iter, reasons);
  while (findings->len < FINDINGS_MAX &&
         g_variant_iter_next (&iter, "(&s&s&su&s&s&s)", &rule, &severity, &file, &line, &element, &message, &hint)) {
    if (vsmmu_rules_find (rule) == NULL)
      continue;
    g_ptr_array_add (findings, vsmmu_finding_new (vsmmu_rules_find (rule), parse_severity (severity), file, line,
                                                  g_strdup (element), g_strdup (message), g_strdup (hint)));
  }
  return findings;
}

static gboolean
is_about_us (const VsmmuAnswerQuestion *question, GVariant *verdict)
{
  const char *uuid = NULL;
  const char *device = NULL;
  guint64 since = 0;

  return g_variant_lookup (verdict, "uuid", "&s", &uuid) && strcmp (uuid, question->uuid) == 0 &&
         g_variant_lookup (verdict, "device", "&s", &device) && strcmp (device, question->device) == 0 &&
         g_variant_lookup (verdict, "since", "t", &since) && since >= (guint64) question->since;
}

static VsmmuPolicyMismatch
parse_action (GVariant *verdict)
{
  const char *word = "";

  g_variant_lookup (verdict, "on-mismatch", "&s", &word);
  return strcmp (word, vsmmu_policy_mismatch_to_string (VSMMU_POLICY_MISMATCH_DETACH)) == 0
             ? VSMMU_POLICY_MISMATCH_DETACH
             : VSMMU_POLICY_MISMATCH_REPORT;
}

static void
finish (Waiting *waiting)
{
  waiting->is_over = TRUE;
}

/* Records a verdict, and stops waiting when nothing more will come. */
static void
read_verdict (Waiting *waiting, GVariant *verdict)
{
  VsmmuAnswer *answer = waiting->answer;
  const char *word = "";
  VsmmuAnswerState state = VSMMU_ANSWER_UNKNOWN;

  if (waiting->is_over || !is_about_us (waiting->question, verdict))
    return;
  g_variant_lookup (verdict, "verdict", "&s", &word);
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (strcmp (states[i].word, word) == 0)
      state = states[i].state;
  if (state == VSMMU_ANSWER_GONE && answer->state != VSMMU_ANSWER_MISMATCH)
    state = VSMMU_ANSWER_UNKNOWN;
  answer->state = state;
  if (state == VSMMU_ANSWER_MISMATCH) {
    vsmmu_answer_clear (answer);
    answer->findings = read_findings (verdict);
    answer->action = parse_action (verdict);
  }
  if (state == VSMMU_ANSWER_VERIFIED || state == VSMMU_ANSWER_GONE ||
      (state == VSMMU_ANSWER_MISMATCH && answer->action != VSMMU_POLICY_MISMATCH_DETACH))
    finish (waiting);
}

static void
on_verdict (G_GNUC_UNUSED GDBusConnection *bus, G_GNUC_UNUSED const char *sender, G_GNUC_UNUSED const char *path,
            G_GNUC_UNUSED const char *interface, G_GNUC_UNUSED const char *signal, GVariant *parameters, gpointer data)
{
  g_autoptr (GVariant) verdict = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(a{sv})")))
    return;
  verdict = g_variant_get_child_value (parameters, 0);
  read_verdict (data, verdict);
}

/* What is known already. Without an answer there will be no signals either. */
static void
on_list (GObject *source, GAsyncResult *result, gpointer data)
{
  Waiting *waiting = data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_autoptr (GVariant) verdicts = NULL;

  waiting->n_pending--;
  if (reply == NULL) {
    finish (waiting);
    return;
  }
  if (waiting->answer->state == VSMMU_ANSWER_NONE)
    waiting->answer->state = VSMMU_ANSWER_UNKNOWN;
  verdicts = g_variant_get_child_value (reply, 0);
  for (gsize i = 0; i < g_variant_n_children (verdicts); i++) {
    g_autoptr (GVariant) verdict = g_variant_get_child_value (verdicts, i);

    read_verdict (waiting, verdict);
  }
}

static void
on_connected (G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer data)
{
  Waiting *waiting = data;

  waiting->n_pending--;
  waiting->bus = g_dbus_connection_new_for_address_finish (result, NULL);
  if (waiting->bus == NULL) {
    finish (waiting);
    return;
  }
  waiting->subscription =
      g_dbus_connection_signal_subscribe (waiting->bus, BUS_NAME, BUS_NAME, "VerdictChanged", OBJECT, NULL,
                                          G_DBUS_SIGNAL_FLAGS_NONE, on_verdict, waiting, NULL);
  waiting->n_pending++;
  g_dbus_connection_call (waiting->bus, BUS_NAME, OBJECT, BUS_NAME, "ListVerdicts", NULL, G_VARIANT_TYPE ("(aa{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, waiting->cancellable, on_list, waiting);
}

static gboolean
on_timeout (gpointer data)
{
  finish (data);
  return G_SOURCE_REMOVE;
}

/* Nothing calls back after it. */
static void
disconnect (Waiting *waiting)
{
  g_cancellable_cancel (waiting->cancellable);
  while (waiting->n_pending > 0)
    g_main_context_iteration (waiting->context, TRUE);
  if (waiting->bus != NULL)
    g_dbus_connection_signal_unsubscribe (waiting->bus, waiting->subscription);
  while (g_main_context_iteration (waiting->context, FALSE))
    ;
  g_clear_object (&waiting->bus);
}

void
vsmmu_answer_wait (const VsmmuAnswerQuestion *question, VsmmuAnswer *answer)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GSource) timeout = g_timeout_source_new_seconds (question->seconds);
  Waiting waiting = {
    .question = question, .answer = answer, .context = context, .cancellable = cancellable, .n_pending = 1
  };

  g_main_context_push_thread_default (context);
  g_source_set_callback (timeout, on_timeout, &waiting, NULL);
  g_source_attach (timeout, context);
  g_dbus_connection_new_for_address (
      question->bus, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, cancellable, on_connected, &waiting);
  while (!waiting.is_over)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (timeout);
  disconnect (&waiting);
  g_main_context_pop_thread_default (context);
}
