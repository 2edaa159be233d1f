/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include <vsmmu/vsmmu.h>

#include "command.h"
#include "render/text.h"
#include "table.h"
#include "verify/verify.h"

#define NONE "-"
#define WAIT_MAX 86400

/* Between looks once the schedule is over: the user waits on. */
#define LAST_DELAY 5000

/* Seconds that QEMU may take to answer; libvirt would wait for it for ever. */
#define ANSWER_MAX 10

enum { FORMAT_TEXT, FORMAT_JSON };
static const char *const formats[] = { "text", "json", NULL };

typedef struct {
  char *uri;
  gboolean use_monitor;
  int wait; /* seconds */
  int format;
} Arguments;

/* What the user asked for. */
typedef struct {
  const Arguments *arguments;
  const char *domain;
  const char *device; /* (nullable) */
} Request;

static char *
show_word (const char *word)
{
  return vsmmu_render_printable (word != NULL ? word : NONE);
}

static void
print_devices (const VsmmuVerification *verification)
{
  static const char *const titles[] = { N_ ("device"),    N_ ("guest"),    N_ ("host"),   N_ ("vSMMU"),
                                        N_ ("host SMMU"), N_ ("doorbell"), N_ ("verdict") };
  g_autoptr (GPtrArray) cells = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < verification->devices->len; i++) {
    const VsmmuVerifiedDevice *device = g_ptr_array_index (verification->devices, i);

    g_ptr_array_add (cells, show_word (device->alias));
    g_ptr_array_add (cells, show_word (device->address));
    g_ptr_array_add (cells, show_word (device->host));
    g_ptr_array_add (cells, show_word (device->vsmmu));
    g_ptr_array_add (cells, show_word (device->smmu));
    g_ptr_array_add (cells,
                     device->doorbell != 0 ? g_strdup_printf ("0x%08" PRIx64, device->doorbell) : g_strdup (NONE));
    g_ptr_array_add (cells, g_strdup (vsmmu_outcome_to_string (device->outcome)));
  }
  vsmmu_table_print (titles, G_N_ELEMENTS (titles), cells);
}

static void
print_evidence (const VsmmuVerifiedDevice *device)
{
  g_autofree char *alias = show_word (device->alias);

  g_print ("\n%s\n", alias);
  for (guint i = 0; i < device->evidence->len; i++) {
    const VsmmuEvidence *evidence = g_ptr_array_index (device->evidence, i);
    g_autofree char *text = show_word (evidence->text);

    g_print ("  %-8s  %-11s  %s\n", evidence->check, vsmmu_outcome_to_string (evidence->outcome), text);
  }
}

static void
print_text (const VsmmuVerification *verification)
{
  print_devices (verification);
  for (guint i = 0; i < verification->devices->len; i++)
    print_evidence (g_ptr_array_index (verification->devices, i));
  g_print ("\n");
  for (guint i = 0; i < verification->devices->len; i++) {
    const VsmmuVerifiedDevice *device = g_ptr_array_index (verification->devices, i);
    g_autofree char *findings = vsmmu_render_text (device->findings, FALSE);

    g_print ("%s", findings);
  }
  g_print (ngettext ("%u read of the guest, %zu bytes\n", "%u reads of the guest, %zu bytes\n", verification->n_peeks),
           verification->n_peeks, verification->n_bytes);
}

/* One verification, done in a thread that may hang. */
typedef struct {
  VsmmuConnection *connection;
  const char *domain;
  const VsmmuVerifyOptions *options;
  VsmmuVerification *verification; /* result */
  GError *error;                   /* result */
  GMutex mutex;
  GCond is_changed;
  gboolean is_done;
} Look;

static gpointer
look (gpointer data)
{
  Look *self = data;

  self->verification = vsmmu_verify_domain (self->connection, self->domain, self->options, &self->error);
  g_mutex_lock (&self->mutex);
  self->is_done = TRUE;
  g_cond_signal (&self->is_changed);
  g_mutex_unlock (&self->mutex);
  return NULL;
}

static gboolean
wait_for_look (Look *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  gint64 end = g_get_monotonic_time () + ANSWER_MAX * G_TIME_SPAN_SECOND;

  while (!self->is_done)
    if (!g_cond_wait_until (&self->is_changed, &self->mutex, end))
      return FALSE;
  return TRUE;
}

/* (transfer full) (nullable): with @error */
static VsmmuVerification *
verify_once (VsmmuConnection *connection, const char *domain, const VsmmuVerifyOptions *options, GError **error)
{
  Look self = { .connection = connection, .domain = domain, .options = options };
  GThread *thread;

  g_mutex_init (&self.mutex);
  g_cond_init (&self.is_changed);
  thread = g_thread_new ("verify", look, &self);
  if (!wait_for_look (&self)) {
    /* Nothing ends a call of libvirt, and the thread has what is on this stack. */
    vsmmu_command_complain (_ ("QEMU of domain '%s' has not responded for %d seconds; is it stopped, or does its "
                               "storage hang?"),
                            domain, ANSWER_MAX);
    _exit (VSMMU_EXIT_FAILED);
  }
  g_thread_join (thread);
  g_mutex_clear (&self.mutex);
  g_cond_clear (&self.is_changed);
  if (self.error != NULL)
    g_propagate_error (error, self.error);
  return self.verification;
}

/* Looks again at what is unknown yet, for as long as the user waits; (transfer full) (nullable) with @error */
static VsmmuVerification *
verify (VsmmuConnection *connection, const Request *request, GError **error)
{
  const VsmmuVerifyOptions options = {
    .flags = request->arguments->use_monitor ? VSMMU_VERIFY_MONITOR : VSMMU_VERIFY_MEMORY,
    .device = request->device,
  };
  gint64 end = g_get_monotonic_time () + (gint64) request->arguments->wait * G_USEC_PER_SEC;

  for (guint attempt = 1;; attempt++) {
    g_autoptr (VsmmuVerification) verification = verify_once (connection, request->domain, &options, error);
    gint64 left = end - g_get_monotonic_time ();
    guint delay = vsmmu_verify_delay (attempt);

    if (verification == NULL || left <= 0 || vsmmu_verification_get_worst (verification) != VSMMU_OUTCOME_UNKNOWN_YET)
      return g_steal_pointer (&verification);
    g_usleep ((gulong) MIN (left, (gint64) (delay > 0 ? delay : LAST_DELAY) * 1000));
  }
}

static int
run (const Request *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuConnection) connection = vsmmu_connection_open (request->arguments->uri, FALSE, &error);
  g_autoptr (VsmmuVerification) verification = connection != NULL ? verify (connection, request, &error) : NULL;

  if (verification == NULL) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  if (request->arguments->format == FORMAT_JSON) {
    g_autofree char *text = vsmmu_verification_to_json (verification);

    /* Not g_print(), which converts to the encoding of the locale: JSON is UTF-8. */
    fputs (text, stdout);
  } else {
    print_text (verification);
  }
  return vsmmu_verification_get_worst (verification) == VSMMU_OUTCOME_VERIFIED ? VSMMU_EXIT_CLEAN : VSMMU_EXIT_FINDINGS;
}

static int
verify_guest (gconstpointer data, int n_operands, char **operands)
{
  const Arguments *arguments = data;
  const Request request = { arguments, operands[0], n_operands == 2 ? operands[1] : NULL };

  if (arguments->wait < 0 || arguments->wait > WAIT_MAX) {
    vsmmu_command_complain (_ ("--wait requires a number of seconds from 0 to %d"), WAIT_MAX);
    return VSMMU_EXIT_FAILED;
  }
  if (n_operands < 1 || n_operands > 2) {
    vsmmu_command_complain (_ ("specify a domain and optionally the alias of one device; see 'virt-vsmmu verify "
                               "--help'"));
    return VSMMU_EXIT_FAILED;
  }
  return run (&request);
}

static const VsmmuOption options[] = {
  { "connect", 'c', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, uri),
    N_ ("libvirt of the guest (default qemu:///system)"), N_ ("URI") },
  { "monitor", 'm', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, use_monitor),
    N_ ("ask QEMU for the doorbells; taints the guest") },
  { "wait", 'w', G_OPTION_ARG_INT, G_STRUCT_OFFSET (Arguments, wait), N_ ("wait for unknown results (default 0)"),
    N_ ("SECONDS") },
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format),
    N_ ("output format: text (default) or json"), N_ ("FORMAT"), formats },
  { NULL },
};

const VsmmuCommand vsmmu_command_verify = {
  .name = "verify",
  .summary = N_ ("verify that the interrupts of a running guest's devices arrive"),
  .operands = N_ ("DOMAIN [DEVICE]"),
  .explanation = N_ ("Verifies that interrupts of a running guest's devices behind an SMMUv3 arrive\n"
                     "and that their DMA uses the right SMMU, and reports why. DEVICE is an alias such\n"
                     "as 'hostdev0'."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = verify_guest,
};
