/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>
#include <vsmmu/vsmmu.h>

#include "check/finding.h"
#include "check/policy.h"
#include "check/run.h"
#include "command.h"
#include "documents.h"
#include "facts.h"
#include "render/report.h"

typedef enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_SARIF, FORMAT_CHECKSTYLE, FORMAT_GITLAB } Format;
typedef enum { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER } Colour;

static const char *const formats[] = { "text", "json", "sarif", "checkstyle", "gitlab", NULL };
static const char *const severities[] = { "note", "warning", "error", NULL };
static const char *const colours[] = { "auto", "always", "never", NULL };

typedef struct {
  int format;
  int colour;
  int severity;
  gboolean is_quiet;
  char *target_text;
  char *uri;
  VsmmuFactsOptions host;
  gboolean use_schema;
  char *schema_path;
  char **attached;
  char **detached;
  char **ignored;
  gboolean use_policy;
  gboolean recurse;
  gboolean is_domains_only;
  gboolean is_without_file; /* for vsmmu_command_run() */
} Arguments;

typedef struct {
  const VsmmuDocument *document;
  GPtrArray *findings; /* %NULL for a document that could not be checked */
  GError *error;
  gboolean is_done;
} Result;

/* One run of the command; results are filled in by several threads. */
typedef struct {
  Format format;
  gboolean colour;
  gboolean is_quiet;
  VsmmuSeverity severity; /* the least that is shown */
  VsmmuCheckOptions options;
  char **ignored;
  const VsmmuPolicy *policy; /* (nullable) */
  GMutex mutex;
  GCond changed;
  Result *results;
  guint n_results;
  int next; /* the first result that no thread has taken; atomic */
  guint n_done;
  guint awaited; /* the result that the main thread waits for */
  guint n_checked;
  guint n_skipped;
  guint n_failed;
  guint counts[VSMMU_SEVERITY_ERROR + 1]; /* of what is shown */
  GPtrArray *findings;                    /* (element-type VsmmuFinding): of all documents, for JSON and SARIF */
} Run;

static void
check_document (Run *run, guint number)
{
  Result *result = &run->results[number];
  VsmmuCheckOptions options = run->options;
  GError *error = NULL;
  GPtrArray *findings;

  options.domains_only = run->options.domains_only || result->document->is_found;
  findings = vsmmu_check_file (result->document->path, &options, &error);
  if (findings != NULL && run->ignored != NULL)
    vsmmu_findings_remove (findings, (const char *const *) run->ignored);
  if (findings != NULL && run->policy != NULL)
    vsmmu_policy_apply (run->policy, findings);
  if (findings != NULL)
    vsmmu_findings_remove_below (findings, run->severity);

  g_mutex_lock (&run->mutex);
  result->findings = findings;
  result->error = error;
  result->is_done = TRUE;
  run->n_done++;
  if (number == run->awaited)
    g_cond_signal (&run->changed);
  g_mutex_unlock (&run->mutex);
}

/* A thread takes the next document until there is none. */
static gpointer
check_next_documents (gpointer data)
{
  Run *run = data;

  for (;;) {
    guint number = (guint) g_atomic_int_add (&run->next, 1);

    if (number >= run->n_results)
      return NULL;
    check_document (run, number);
  }
}

/* Progress belongs on a terminal, and only once somebody may wonder. */
static gboolean
is_progress_shown (const Run *run, gint64 start)
{
  return !run->is_quiet && g_get_monotonic_time () - start >= 2 * G_USEC_PER_SEC &&
         vsmmu_command_is_terminal (STDERR_FILENO);
}

static void
show_progress (const Run *run, gint64 start)
{
  g_autofree char *text = g_strdup_printf (_ ("%u of %u documents checked"), run->n_done, run->n_results);

  if (is_progress_shown (run, start))
    g_printerr ("\r%s", text);
}

static void
clear_progress (const Run *run, gint64 start)
{
  if (is_progress_shown (run, start))
    g_printerr ("\r\033[K");
}

static void
finish_result (Run *run, Result *result)
{
  if (result->findings == NULL) {
    if (g_error_matches (result->error, VSMMU_ERROR, VSMMU_ERROR_NOT_DOMAIN)) {
      run->n_skipped++;
    } else {
      run->n_failed++;
      vsmmu_command_complain ("%s", result->error->message);
    }
    g_clear_error (&result->error);
    return;
  }

  run->n_checked++;
  for (guint severity = 0; severity < G_N_ELEMENTS (run->counts); severity++)
    run->counts[severity] += vsmmu_findings_count (result->findings, (VsmmuSeverity) severity);
  if (run->format == FORMAT_TEXT) {
    g_autofree char *text = vsmmu_render_text (result->findings, run->colour);

    g_print ("%s", text);
    g_clear_pointer (&result->findings, g_ptr_array_unref);
    return;
  }
  g_ptr_array_extend_and_steal (run->findings, g_steal_pointer (&result->findings));
}

/* Takes the results in the order of the documents, whatever order they come in. */
static void
collect_results (Run *run)
{
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < run->n_results; i++) {
    g_mutex_lock (&run->mutex);
    run->awaited = i;
    while (!run->results[i].is_done) {
      g_cond_wait_until (&run->changed, &run->mutex, g_get_monotonic_time () + G_USEC_PER_SEC / 4);
      show_progress (run, start);
    }
    g_mutex_unlock (&run->mutex);
    clear_progress (run, start);
    finish_result (run, &run->results[i]);
  }
}

static void
check_documents (Run *run, const GPtrArray *documents)
{
  guint n_threads = documents->len > 1 ? MIN (g_get_num_processors (), documents->len) : 0;
  g_autofree GThread **threads = g_new0 (GThread *, n_threads);

  run->n_results = documents->len;
  run->results = g_new0 (Result, documents->len);
  for (guint i = 0; i < documents->len; i++)
    run->results[i].document = g_ptr_array_index (documents, i);
  for (guint i = 0; i < n_threads; i++)
    threads[i] = g_thread_new ("check", check_next_documents, run);
  if (n_threads == 0)
    check_next_documents (run);
  collect_results (run);
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads[i]);
}

static void
print_summary (const Run *run)
{
  const guint *counts = run->counts;
  g_autofree char *files =
      g_strdup_printf (ngettext ("%u document checked", "%u documents checked", run->n_checked), run->n_checked);
  g_autofree char *errors =
      g_strdup_printf (ngettext ("%u error", "%u errors", counts[VSMMU_SEVERITY_ERROR]), counts[VSMMU_SEVERITY_ERROR]);
  g_autofree char *warnings = g_strdup_printf (ngettext ("%u warning", "%u warnings", counts[VSMMU_SEVERITY_WARNING]),
                                               counts[VSMMU_SEVERITY_WARNING]);
  g_autofree char *notes =
      g_strdup_printf (ngettext ("%u note", "%u notes", counts[VSMMU_SEVERITY_NOTE]), counts[VSMMU_SEVERITY_NOTE]);

  g_print ("%s: %s, %s, %s\n", files, errors, warnings, notes);
  if (run->n_skipped > 0)
    g_print (ngettext ("%u document is not a domain and was skipped\n",
                       "%u documents are not domains and were skipped\n", run->n_skipped),
             run->n_skipped);
}

static void
print_findings (const Run *run)
{
  g_autofree char *text = NULL;

  switch (run->format) {
  case FORMAT_TEXT:
    if (!run->is_quiet && (run->n_failed == 0 || run->n_checked > 0))
      print_summary (run);
    return;
  case FORMAT_JSON:
    text = vsmmu_render_json (run->findings, run->n_checked);
    break;
  case FORMAT_SARIF:
    text = vsmmu_render_sarif (run->findings);
    break;
  case FORMAT_CHECKSTYLE:
    text = vsmmu_render_checkstyle (run->findings);
    break;
  case FORMAT_GITLAB:
    text = vsmmu_render_gitlab (run->findings);
    break;
  }
  /* Not g_print(), which converts to the encoding of the locale: JSON is UTF-8. */
  fputs (text, stdout);
}

static gboolean
choose_output (Run *run, const Arguments *arguments)
{
  const char *fault;

  run->format = (Format) arguments->format;
  run->is_quiet = arguments->is_quiet;
  run->severity = (VsmmuSeverity) arguments->severity;
  run->colour =
      arguments->colour == COLOUR_ALWAYS ||
      (arguments->colour == COLOUR_AUTO && vsmmu_command_is_terminal (STDOUT_FILENO) && g_getenv ("NO_COLOR") == NULL);
  for (guint i = 0; arguments->ignored != NULL && arguments->ignored[i] != NULL; i++)
    if (vsmmu_command_find_rule (arguments->ignored[i]) == NULL)
      return FALSE;
  if (arguments->uri != NULL && g_strcmp0 (arguments->target_text, "this") != 0) {
    vsmmu_command_complain (_ ("--connect requires --target this"));
    return FALSE;
  }
  fault = vsmmu_facts_find_fault (&arguments->host);
  if (fault != NULL) {
    vsmmu_command_complain ("%s", fault);
    return FALSE;
  }
  run->ignored = arguments->ignored;
  return TRUE;
}

/* %FALSE after saying what is wrong; *@hotplug is %NULL when nothing is attached or detached. */
static gboolean
choose_hotplug (const Arguments *arguments, char **paths, VsmmuHotplug **hotplug)
{
  char **devices = arguments->attached != NULL ? arguments->attached : arguments->detached;
  g_autoptr (GError) error = NULL;

  if (devices == NULL)
    return TRUE;
  if ((arguments->attached != NULL && arguments->detached != NULL) || g_strv_length (devices) > 1) {
    vsmmu_command_complain (_ ("specify --attach or --detach only once; only one device can be checked at a time"));
    return FALSE;
  }
  if (strcmp (devices[0], "-") == 0 &&
      (g_strv_contains ((const char *const *) paths, "-") || g_strcmp0 (arguments->host.path, "-") == 0)) {
    vsmmu_command_complain (_ ("standard input can be used only once, for the device, the domain or the host facts"));
    return FALSE;
  }
  *hotplug = vsmmu_hotplug_new_from_file (arguments->attached != NULL ? VSMMU_HOTPLUG_ATTACH : VSMMU_HOTPLUG_DETACH,
                                          devices[0], &error);
  if (*hotplug == NULL)
    vsmmu_command_complain ("%s", error->message);
  return *hotplug != NULL;
}

static int
run_check (const Arguments *arguments, char **paths)
{
  g_autoptr (GPtrArray) documents = NULL;
  g_autoptr (VsmmuSchema) schema = NULL;
  g_autoptr (VsmmuHotplug) hotplug = NULL;
  g_autoptr (VsmmuHost) host = NULL;
  g_autoptr (VsmmuPolicy) policy = NULL;
  g_autoptr (GError) error = NULL;
  VsmmuTarget target;
  Run run = { 0 };

  if (!choose_output (&run, arguments) || !choose_hotplug (arguments, paths, &hotplug))
    return VSMMU_EXIT_FAILED;
  if (g_strcmp0 (arguments->host.path, "-") == 0 && g_strv_contains ((const char *const *) paths, "-")) {
    vsmmu_command_complain (_ ("standard input can be used only once, for --host or for the domain"));
    return VSMMU_EXIT_FAILED;
  }
  host = vsmmu_facts_load_chosen (&arguments->host, &error);
  if (error != NULL ||
      (arguments->target_text != NULL &&
       !vsmmu_facts_choose_target (arguments->target_text, arguments->uri, &target, &error)) ||
      ((arguments->use_schema || arguments->schema_path != NULL) &&
       (schema = vsmmu_schema_new (arguments->schema_path, &error)) == NULL) ||
      (arguments->use_policy && (policy = vsmmu_policy_load (TRUE, &error)) == NULL)) {
    vsmmu_command_complain ("%s", error->message);
    return VSMMU_EXIT_FAILED;
  }
  documents = vsmmu_documents_collect (paths, arguments->recurse);
  if (documents == NULL)
    return VSMMU_EXIT_FAILED;

  run.options.domains_only = arguments->is_domains_only;
  run.options.target = arguments->target_text != NULL ? &target : NULL;
  run.options.host = host;
  run.options.schema = schema;
  run.options.hotplug = hotplug;
  run.policy = policy;
  /* The hook and the transport, whose answer --policy foretells, do not ask the document. */
  run.options.honors_comments = policy == NULL;
  run.findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
  g_mutex_init (&run.mutex);
  g_cond_init (&run.changed);
  check_documents (&run, documents);
  print_findings (&run);
  g_mutex_clear (&run.mutex);
  g_cond_clear (&run.changed);
  g_ptr_array_unref (run.findings);
  g_free (run.results);
  if (run.n_failed > 0)
    return VSMMU_EXIT_FAILED;
  return run.counts[VSMMU_SEVERITY_ERROR] > 0 ? VSMMU_EXIT_FINDINGS : VSMMU_EXIT_CLEAN;
}

static int
check (gconstpointer data, int n_operands, char **operands)
{
  if (n_operands > 0)
    return run_check (data, operands);
  vsmmu_command_complain (_ ("specify at least one domain XML file; see 'virt-vsmmu check --help'"));
  return VSMMU_EXIT_FAILED;
}

static const VsmmuOption options[] = {
  { "format", 'f', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, format),
    N_ ("text (default), json, sarif, checkstyle or gitlab"), N_ ("FORMAT"), formats },
  { "host", 'H', G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, host.path),
    N_ ("check against facts from 'virt-vsmmu host --json'"), N_ ("FACTS"), .is_for_file = TRUE },
  { "this-host", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, host.is_this_host), N_ ("check against this host") },
  { "passive", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, host.is_passive),
    N_ ("do not open VFIO devices of this host") },
  { "target", 't', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, target_text),
    N_ ("check for libvirt=12.8,qemu=11.1, 'this' or FACTS"), N_ ("TARGET"), .is_for_file = TRUE },
  { "connect", 'c', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, uri),
    N_ ("libvirt for --target this (default qemu:///system)"), N_ ("URI") },
  { "schema", 's', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, use_schema),
    N_ ("validate against the schema of libvirt"), .is_for_file = TRUE },
  { "schema-file", 0, G_OPTION_ARG_FILENAME, G_STRUCT_OFFSET (Arguments, schema_path),
    N_ ("validate against this domain.rng"), N_ ("FILE"), .is_for_file = TRUE },
  { "attach", 'a', G_OPTION_ARG_FILENAME_ARRAY, G_STRUCT_OFFSET (Arguments, attached),
    N_ ("report what attaching this device would do"), N_ ("DEVICE.xml") },
  { "detach", 'd', G_OPTION_ARG_FILENAME_ARRAY, G_STRUCT_OFFSET (Arguments, detached),
    N_ ("report what detaching this device would do"), N_ ("DEVICE.xml") },
  { "recursive", 'r', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, recurse),
    N_ ("search directories for domain XML in *.xml") },
  { "domains-only", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_domains_only),
    N_ ("skip files that are not domains, as with -r"), .is_for_file = TRUE },
  { "ignore", 'i', G_OPTION_ARG_STRING_ARRAY, G_STRUCT_OFFSET (Arguments, ignored),
    N_ ("ignore findings of this rule; may be repeated"), N_ ("RULE"), .is_for_file = TRUE },
  { "severity", 'S', G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, severity),
    N_ ("omit what is less severe than 'warning' or 'error'"), N_ ("LEVEL"), severities, .is_for_file = TRUE },
  { "quiet", 'q', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_quiet),
    N_ ("show findings only, without a summary") },
  { "policy", 'p', G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, use_policy),
    N_ ("use the severities in virt-vsmmu.conf") },
  { "no-config", 0, G_OPTION_ARG_NONE, G_STRUCT_OFFSET (Arguments, is_without_file),
    N_ ("do not read options from a file .vsmmu") },
  { "color", 0, G_OPTION_ARG_STRING, G_STRUCT_OFFSET (Arguments, colour), N_ ("color: auto (default), always or never"),
    N_ ("WHEN"), colours },
  { NULL },
};

const VsmmuCommand vsmmu_command_check = {
  .name = "check",
  .summary = N_ ("find mistakes in domain XML before libvirt or QEMU sees it"),
  .operands = N_ ("XML..."),
  .explanation = N_ ("Finds mistakes in domain XML with an accelerated SMMUv3 before libvirt or QEMU\n"
                     "sees it. XML is a file, '-' for standard input, or with -r a directory."),
  .epilogue = N_ ("Exit status: 0 no errors, 1 findings of severity error, 2 the command failed.\n"
                  "'virt-vsmmu explain RULE' explains a finding."),
  .options = options,
  .arguments_size = sizeof (Arguments),
  .run = check,
};
