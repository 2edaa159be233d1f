/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <glib/gi18n.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "render/text.h"

/* So many reasons are logged. */
#define MAX_RULES 8

/* How a verdict is logged; the ids are for 'journalctl MESSAGE_ID='. */
static const struct {
  const char *message_id;
  GLogLevelFlags level;
  const char *priority; /* the same for syslog */
} entries[] = {
  [VSMMU_VERDICT_VERIFIED] = { "152147e4bccf4353ab7313dc1b89355f", G_LOG_LEVEL_MESSAGE, "5" },
  [VSMMU_VERDICT_MISMATCH] = { "3bdf38ba937a472abf539cc8a96c8464", G_LOG_LEVEL_WARNING, "4" },
  [VSMMU_VERDICT_UNKNOWN] = { "1ebae029379c4ef39e5179a57b2f9c0d", G_LOG_LEVEL_MESSAGE, "5" },
  [VSMMU_VERDICT_GONE] = { "a5c61aea7e24427c96b42a87ce9c22ec", G_LOG_LEVEL_MESSAGE, "5" },
};

static char *
describe (VsmmuVerdictState state, const char *domain, const char *device, const char *vsmmu)
{
  switch (state) {
  case VSMMU_VERDICT_VERIFIED:
    return g_strdup_printf (_ ("%s: interrupts of device '%s' behind '%s' arrive"), domain, device, vsmmu);
  case VSMMU_VERDICT_MISMATCH:
    return g_strdup_printf (_ ("%s: interrupts of device '%s' behind '%s' do not arrive"), domain, device, vsmmu);
  case VSMMU_VERDICT_UNKNOWN:
    return g_strdup_printf (_ ("%s: it is not known yet whether interrupts of device '%s' behind '%s' arrive"), domain,
                            device, vsmmu);
  case VSMMU_VERDICT_GONE:
    break;
  }
  return g_strdup_printf (_ ("%s: device '%s' is no longer behind '%s'"), domain, device, vsmmu);
}

/* The verdict, and each reason on a line of its own. */
static char *
write_message (const VsmmuVerdict *verdict)
{
  g_autofree char *domain = vsmmu_render_printable (verdict->domain);
  g_autofree char *device = vsmmu_render_printable (verdict->device);
  g_autofree char *vsmmu = vsmmu_render_printable (verdict->vsmmu);
  g_autofree char *sentence = describe (verdict->state, domain, device, vsmmu);
  GString *text = g_string_new (sentence);

  for (guint i = 0; i < MIN (verdict->findings->len, MAX_RULES); i++) {
    g_autofree char *line = vsmmu_render_line (g_ptr_array_index (verdict->findings, i));

    g_string_append_printf (text, "\n%s", line);
  }
  return g_string_free (text, FALSE);
}

/* (transfer full) (element-type GLogField): the strings are those of @verdict and @message */
static GArray *
list_fields (const VsmmuVerdict *verdict, const char *message)
{
  const GLogField fixed[] = {
    { "MESSAGE", message, -1 },
    { "MESSAGE_ID", entries[verdict->state].message_id, -1 },
    { "PRIORITY", entries[verdict->state].priority, -1 },
    { "GLIB_DOMAIN", G_LOG_DOMAIN, -1 },
    { "VSMMU_VERDICT", vsmmu_verdict_state_to_string (verdict->state), -1 },
    { "VSMMU_CONNECTION", verdict->connection, -1 },
    { "VSMMU_DOMAIN", verdict->domain, -1 },
    { "VSMMU_UUID", verdict->uuid, -1 },
    { "VSMMU_DEVICE", verdict->device, -1 },
  };
  GArray *fields = g_array_append_vals (g_array_new (FALSE, FALSE, sizeof (GLogField)), fixed, G_N_ELEMENTS (fixed));

  for (guint i = 0; i < MIN (verdict->findings->len, MAX_RULES); i++) {
    const VsmmuFinding *finding = g_ptr_array_index (verdict->findings, i);
    const GLogField field = { "VSMMU_RULE", finding->rule->id, -1 };

    g_array_append_val (fields, field);
  }
  return fields;
}

static void
log_verdict (const VsmmuVerdict *verdict, gpointer unused)
{
  g_autofree char *message = verdict != NULL ? write_message (verdict) : NULL;
  g_autoptr (GArray) fields = verdict != NULL ? list_fields (verdict, message) : NULL;

  if (fields != NULL)
    g_log_structured_array (entries[verdict->state].level, (const GLogField *) fields->data, fields->len);
}

void
vsmmu_journal_listen (VsmmuVerdicts *verdicts)
{
  vsmmu_verdicts_listen (verdicts, log_verdict, NULL);
}
