/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdicts.h"

#include <vsmmu/vsmmu.h>

#include "check/finding.h"

struct _VsmmuVerdicts {
  GTree *verdicts; /* (element-type VsmmuVerdict VsmmuVerdict): a verdict is its own key */
  GArray *listeners;
  gint64 checked;
  guint64 n_errors;
  guint64 n_mismatches;
};

typedef struct {
  VsmmuVerdictsChanged changed;
  gpointer data;
} Listener;

/* Which verdicts are meant, and which of them there are. */
typedef struct {
  const char *connection;
  const char *uuid;
  const char *device;
  GPtrArray *found;
} Search;

static const char *const states[] = {
  [VSMMU_VERDICT_VERIFIED] = "verified",
  [VSMMU_VERDICT_MISMATCH] = "mismatch",
  [VSMMU_VERDICT_UNKNOWN] = "unknown-yet",
  [VSMMU_VERDICT_GONE] = "gone",
};

void
vsmmu_verdict_free (VsmmuVerdict *verdict)
{
  g_free (verdict->connection);
  g_free (verdict->domain);
  g_free (verdict->uuid);
  g_free (verdict->device);
  g_free (verdict->vsmmu);
  g_free (verdict->host_smmu);
  g_clear_pointer (&verdict->findings, g_ptr_array_unref);
  g_free (verdict);
}

const char *
vsmmu_verdict_state_to_string (VsmmuVerdictState state)
{
  return states[state];
}

/* What D-Bus takes for a string; a path may be anything. */
static GVariant *
new_string (const char *text)
{
  return g_variant_new_take_string (g_utf8_make_valid (text, -1));
}

GVariant *
vsmmu_findings_to_variant (const GPtrArray *findings)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sssusss)"));
  for (guint i = 0; i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    g_variant_builder_add (&builder, "(ss@su@s@s@s)", finding->rule->id, vsmmu_severity_to_string (finding->severity),
                           new_string (finding->file), finding->line, new_string (finding->element),
                           new_string (finding->message), new_string (finding->hint));
  }
  return g_variant_builder_end (&builder);
}

GVariant *
vsmmu_verdict_to_variant (const VsmmuVerdict *verdict)
{
  const struct {
    const char *key;
    const char *text;
  } texts[] = {
    { "connection", verdict->connection },
    { "domain", verdict->domain },
    { "uuid", verdict->uuid },
    { "device", verdict->device },
    { "vsmmu", verdict->vsmmu },
    { "host-smmu", verdict->host_smmu },
    { "verdict", states[verdict->state] },
    { "on-mismatch", verdict->on_mismatch },
  };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i].text != NULL)
      g_variant_builder_add (&builder, "{sv}", texts[i].key, new_string (texts[i].text));
  if (verdict->doorbell != 0)
    g_variant_builder_add (&builder, "{sv}", "doorbell", g_variant_new_uint64 (verdict->doorbell));
  g_variant_builder_add (&builder, "{sv}", "since", g_variant_new_uint64 ((guint64) verdict->since));
  g_variant_builder_add (&builder, "{sv}", "reasons", vsmmu_findings_to_variant (verdict->findings));
  return g_variant_builder_end (&builder);
}

static int
compare_devices (gconstpointer a, gconstpointer b, gpointer unused)
{
  const VsmmuVerdict *first = a;
  const VsmmuVerdict *second = b;
  int order = strcmp (first->connection, second->connection);

  if (order == 0)
    order = strcmp (first->uuid, second->uuid);
  return order != 0 ? order : strcmp (first->device, second->device);
}

VsmmuVerdicts *
vsmmu_verdicts_new (void)
{
  VsmmuVerdicts *verdicts = g_new0 (VsmmuVerdicts, 1);

  verdicts->verdicts = g_tree_new_full (compare_devices, NULL, (GDestroyNotify) vsmmu_verdict_free, NULL);
  verdicts->listeners = g_array_new (FALSE, FALSE, sizeof (Listener));
  return verdicts;
}

void
vsmmu_verdicts_free (VsmmuVerdicts *verdicts)
{
  g_tree_unref (verdicts->verdicts);
  g_array_unref (verdicts->listeners);
  g_free (verdicts);
}

void
vsmmu_verdicts_listen (VsmmuVerdicts *verdicts, VsmmuVerdictsChanged changed, gpointer data)
{
  const Listener listener = { .changed = changed, .data = data };

  g_array_append_val (verdicts->listeners, listener);
}

void
vsmmu_verdicts_unlisten (VsmmuVerdicts *verdicts, gconstpointer data)
{
  for (guint i = verdicts->listeners->len; i > 0; i--)
    if (g_array_index (verdicts->listeners, Listener, i - 1).data == data)
      g_array_remove_index (verdicts->listeners, i - 1);
}

static void
emit (const VsmmuVerdicts *verdicts, const VsmmuVerdict *verdict)
{
  for (guint i = 0; i < verdicts->listeners->len; i++) {
    const Listener *listener = &g_array_index (verdicts->listeners, Listener, i);

    listener->changed (verdict, listener->data);
  }
}

static gboolean
is_same (const VsmmuVerdict *first, const VsmmuVerdict *second)
{
  g_autoptr (GVariant) one = g_variant_ref_sink (vsmmu_verdict_to_variant (first));
  g_autoptr (GVariant) other = g_variant_ref_sink (vsmmu_verdict_to_variant (second));

  return g_variant_equal (one, other);
}

void
vsmmu_verdicts_set (VsmmuVerdicts *verdicts, VsmmuVerdict *verdict, gint64 now)
{
  const VsmmuVerdict *before = g_tree_lookup (verdicts->verdicts, verdict);
  gboolean is_changed;

  verdict->since = before != NULL && before->state == verdict->state ? before->since : now;
  is_changed = before == NULL || !is_same (before, verdict);
  verdicts->checked = now;
  if (verdict->state == VSMMU_VERDICT_MISMATCH && (before == NULL || before->state != VSMMU_VERDICT_MISMATCH))
    verdicts->n_mismatches++;
  g_tree_replace (verdicts->verdicts, verdict, verdict);
  emit (verdicts, is_changed ? verdict : NULL);
}

static gboolean
is_meant (const char *wanted, const char *text)
{
  return wanted == NULL || strcmp (wanted, text) == 0;
}

static gboolean
find (gpointer key, gpointer value, gpointer data)
{
  VsmmuVerdict *verdict = value;
  Search *search = data;

  if (is_meant (search->connection, verdict->connection) && is_meant (search->uuid, verdict->uuid) &&
      is_meant (search->device, verdict->device))
    g_ptr_array_add (search->found, verdict);
  return FALSE;
}

void
vsmmu_verdicts_remove (VsmmuVerdicts *verdicts, const char *connection, const char *uuid, const char *device)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  Search search = { .connection = connection, .uuid = uuid, .device = device, .found = found };

  g_tree_foreach (verdicts->verdicts, find, &search);
  for (guint i = 0; i < found->len; i++) {
    g_autoptr (VsmmuVerdict) verdict = g_ptr_array_index (found, i);

    g_tree_steal (verdicts->verdicts, verdict);
    verdict->state = VSMMU_VERDICT_GONE;
    emit (verdicts, verdict);
  }
}

static gboolean
append (gpointer key, gpointer value, gpointer data)
{
  g_variant_builder_add_value (data, vsmmu_verdict_to_variant (value));
  return FALSE;
}

GVariant *
vsmmu_verdicts_to_variant (const VsmmuVerdicts *verdicts)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  g_tree_foreach (verdicts->verdicts, append, &builder);
  return g_variant_builder_end (&builder);
}

void
vsmmu_verdicts_count_error (VsmmuVerdicts *verdicts)
{
  verdicts->n_errors++;
  emit (verdicts, NULL);
}

static gboolean
count (gpointer key, gpointer value, gpointer data)
{
  const VsmmuVerdict *verdict = value;
  VsmmuVerdictsSummary *summary = data;

  summary->n_verdicts[verdict->state]++;
  return FALSE;
}

VsmmuVerdictsSummary
vsmmu_verdicts_summarize (const VsmmuVerdicts *verdicts)
{
  VsmmuVerdictsSummary summary = { .checked = verdicts->checked,
                                   .n_errors = verdicts->n_errors,
                                   .n_mismatches = verdicts->n_mismatches };

  g_tree_foreach (verdicts->verdicts, count, &summary);
  return summary;
}
