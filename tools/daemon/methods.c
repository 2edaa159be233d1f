/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "methods.h"

#include <glib/gi18n.h>
#include <vsmmu/vsmmu.h>

#include "base/budget.h"
#include "base/target.h"
#include "check/finding.h"
#include "check/policy.h"
#include "check/run.h"
#include "domain/hotplug.h"
#include "plan/plan.h"
#include "quota.h"
#include "render/text.h"
#include "request.h"

#define DOCUMENT_NAME "<dbus>"

/* Of what a check looks at; the strings are of the call. */
typedef struct {
  VsmmuCheckOptions options;
  VsmmuTarget target;
  VsmmuHostSnapshot *host;
  VsmmuHotplug *hotplug;
} CheckScope;

static void
check_scope_clear (CheckScope *scope)
{
  g_clear_pointer (&scope->host, vsmmu_host_snapshot_unref);
  g_clear_pointer (&scope->hotplug, vsmmu_hotplug_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CheckScope, check_scope_clear)

static GVariant *
list_notes (const GPtrArray *notes)
{
  return g_variant_new_strv ((const char *const *) notes->pdata, notes->len);
}

static const char *
get_name (GVariant *options)
{
  const char *name = DOCUMENT_NAME;

  g_variant_lookup (options, "name", "&s", &name);
  return name;
}

/* Waits until there is memory for working on it. */
static GBytes *
take_document (VsmmuRequest *request, GVariant *document, GError **error)
{
  g_autoptr (GBytes) bytes = vsmmu_request_read_document (document, request->descriptors, error);

  if (bytes == NULL)
    return NULL;
  if (!request->is_large && g_bytes_get_size (bytes) > VSMMU_QUOTA_LARGE_BYTES) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                         _ ("the document behind the file descriptor has grown since the call; pass it when it is "
                            "complete"));
    return NULL;
  }
  request->taken = vsmmu_budget_take (request->context->budget, g_bytes_get_size (bytes), FALSE);
  return g_steal_pointer (&bytes);
}

/* The document that is the first argument. */
static GBytes *
read_document (VsmmuRequest *request, GError **error)
{
  g_autoptr (GVariant) boxed = g_variant_get_child_value (request->parameters, 0);
  g_autoptr (GVariant) document = g_variant_get_variant (boxed);

  return take_document (request, document, error);
}

static gboolean
choose_hotplug (CheckScope *scope, GVariant *options, GError **error)
{
  const char *attached = NULL;
  const char *detached = NULL;
  const char *device;

  g_variant_lookup (options, "attach", "&s", &attached);
  g_variant_lookup (options, "detach", "&s", &detached);
  if (attached != NULL && detached != NULL) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                         _ ("specify either 'attach' or 'detach'; only one device can be checked at a time"));
    return FALSE;
  }
  device = attached != NULL ? attached : detached;
  if (device == NULL)
    return TRUE;
  scope->hotplug = vsmmu_hotplug_new_from_data (attached != NULL ? VSMMU_HOTPLUG_ATTACH : VSMMU_HOTPLUG_DETACH, device,
                                                strlen (device), attached != NULL ? "<attach>" : "<detach>", error);
  scope->options.hotplug = scope->hotplug;
  return scope->hotplug != NULL;
}

static gboolean
choose_scope (CheckScope *scope, const VsmmuRequest *request, GVariant *options, GError **error)
{
  const char *target;
  gboolean is_this_host = FALSE;

  if (g_variant_lookup (options, "target", "&s", &target)) {
    if (!vsmmu_target_parse (target, &scope->target, error))
      return FALSE;
    scope->options.target = &scope->target;
  }
  g_variant_lookup (options, "this-host", "b", &is_this_host);
  if (is_this_host) {
    scope->host = vsmmu_host_cache_get (request->context->host, error);
    if (scope->host == NULL)
      return FALSE;
    scope->options.host = scope->host->host;
  }
  return choose_hotplug (scope, options, error);
}

static gboolean
remove_ignored (GPtrArray *findings, GVariant *options, GError **error)
{
  g_autofree const char **ignored = NULL;

  if (!g_variant_lookup (options, "ignore", "^a&s", &ignored))
    return TRUE;
  for (guint i = 0; ignored[i] != NULL; i++) {
    if (vsmmu_rules_find (ignored[i]) != NULL)
      continue;
    g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                 _ ("unknown rule '%s'; 'virt-vsmmu explain' lists all rules"), ignored[i]);
    return FALSE;
  }
  vsmmu_findings_remove (findings, ignored);
  return TRUE;
}

/* Read each time, as whoever enforces it does. */
static gboolean
apply_policy (const VsmmuMethodContext *context, GPtrArray *findings, GVariant *options, GError **error)
{
  g_autoptr (VsmmuPolicy) policy = NULL;
  gboolean is_wanted = FALSE;

  g_variant_lookup (options, "policy", "b", &is_wanted);
  if (!is_wanted)
    return TRUE;
  policy = vsmmu_policy_load (context->is_session, error);
  if (policy != NULL)
    vsmmu_policy_apply (policy, findings);
  return policy != NULL;
}

static GVariant *
run_check (VsmmuRequest *request, GError **error)
{
  static const VsmmuRequestOption known[] = { { "name", "s" },      { "target", "s" },
                                              { "this-host", "b" }, { "attach", "s" },
                                              { "detach", "s" },    { "ignore", "as" },
                                              { "policy", "b" },    { 0 } };
  g_autoptr (GVariant) options = g_variant_get_child_value (request->parameters, 1);
  g_autoptr (GBytes) document = NULL;
  g_autoptr (GPtrArray) findings = NULL;
  g_auto (CheckScope) scope = { 0 };

  if (!vsmmu_request_check_options (options, known, error) || !choose_scope (&scope, request, options, error))
    return NULL;
  document = read_document (request, error);
  if (document == NULL)
    return NULL;
  findings = vsmmu_check_data (g_bytes_get_data (document, NULL), g_bytes_get_size (document), get_name (options),
                               &scope.options, error);
  if (findings == NULL || !remove_ignored (findings, options, error) ||
      !apply_policy (request->context, findings, options, error))
    return NULL;
  return g_variant_new ("(@a(sssusss))", vsmmu_findings_to_variant (findings));
}

static gboolean
choose_syntax (GVariant *options, VsmmuArgumentSyntax *syntax, GError **error)
{
  static const char *const names[] = {
    [VSMMU_ARGUMENT_SYNTAX_JSON] = "json", [VSMMU_ARGUMENT_SYNTAX_LEGACY] = "legacy"
  };
  const char *wanted;

  if (!g_variant_lookup (options, "syntax", "&s", &wanted))
    wanted = names[VSMMU_ARGUMENT_SYNTAX_JSON];
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (wanted, names[i]) == 0) {
      *syntax = (VsmmuArgumentSyntax) i;
      return TRUE;
    }
  }
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
               _ ("invalid value '%s' for 'syntax'; use 'json' or 'legacy'"), wanted);
  return FALSE;
}

/* Arguments for a domain that cannot start are of no use. */
static gboolean
is_usable (const VsmmuDomain *domain, GVariant *options, GError **error)
{
  g_autoptr (GPtrArray) findings = NULL;
  g_autofree char *refusal = NULL;
  gboolean force = FALSE;

  g_variant_lookup (options, "force", "b", &force);
  if (force)
    return TRUE;
  findings = vsmmu_check_domain (domain, NULL);
  if (vsmmu_findings_count (findings, VSMMU_SEVERITY_ERROR) == 0)
    return TRUE;
  refusal = vsmmu_render_refusal (findings);
  g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED, refusal);
  return FALSE;
}

static GVariant *
run_args (VsmmuRequest *request, GError **error)
{
  static const VsmmuRequestOption known[] = { { "name", "s" }, { "syntax", "s" }, { "force", "b" }, { 0 } };
  g_autoptr (GVariant) options = g_variant_get_child_value (request->parameters, 1);
  g_autoptr (GBytes) document = NULL;
  g_autoptr (VsmmuDomain) domain = NULL;
  g_auto (GStrv) arguments = NULL;
  VsmmuArgumentSyntax syntax;

  if (!vsmmu_request_check_options (options, known, error) || !choose_syntax (options, &syntax, error))
    return NULL;
  document = read_document (request, error);
  if (document == NULL)
    return NULL;
  domain = vsmmu_domain_new_from_data (g_bytes_get_data (document, NULL), g_bytes_get_size (document),
                                       get_name (options), error);
  if (domain == NULL || !is_usable (domain, options, error))
    return NULL;
  arguments = vsmmu_arguments_new (domain, syntax, error);
  return arguments != NULL ? g_variant_new ("(^as)", arguments) : NULL;
}

static char *
adapt (GBytes *document, GVariant *options, GPtrArray *notes, GError **error)
{
  const char *xml = g_bytes_get_data (document, NULL);
  gsize length = g_bytes_get_size (document);
  gboolean lift = FALSE;
  const char *text = NULL;
  VsmmuTarget target;
  gsize out_length;

  g_variant_lookup (options, "lift", "b", &lift);
  g_variant_lookup (options, "target", "&s", &text);
  if ((text != NULL) == lift) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                         _ ("specify a 'target' to adapt the domain for, or 'lift' to reverse an adaptation"));
    return NULL;
  }
  if (lift)
    return vsmmu_lift (xml, length, get_name (options), notes, &out_length, error);
  if (!vsmmu_target_parse (text, &target, error))
    return NULL;
  return vsmmu_lower_domain (xml, length, get_name (options), &target, notes, &out_length, error);
}

static GVariant *
run_adapt (VsmmuRequest *request, GError **error)
{
  static const VsmmuRequestOption known[] = { { "name", "s" }, { "target", "s" }, { "lift", "b" }, { 0 } };
  g_autoptr (GVariant) options = g_variant_get_child_value (request->parameters, 1);
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GBytes) document = NULL;
  g_autofree char *xml = NULL;

  if (!vsmmu_request_check_options (options, known, error))
    return NULL;
  document = read_document (request, error);
  if (document == NULL)
    return NULL;
  xml = adapt (document, options, notes, error);
  return xml != NULL ? g_variant_new ("(s@as)", xml, list_notes (notes)) : NULL;
}

/* (transfer full): the guest of a plan; %NULL with no error set when a new one is wanted */
static GBytes *
read_guest (VsmmuRequest *request, GVariant *options, GError **error)
{
  g_autoptr (GVariant) guest = g_variant_lookup_value (options, "guest", NULL);

  return guest != NULL ? take_document (request, guest, error) : NULL;
}

static GVariant *
plan_to_variant (const VsmmuPlan *plan)
{
  g_autofree char *xml = g_strndup (plan->xml, plan->length);

  return g_variant_new ("(s@as@a(sssusss))", xml, list_notes (plan->notes), vsmmu_findings_to_variant (plan->findings));
}

static GVariant *
run_plan (VsmmuRequest *request, GError **error)
{
  static const VsmmuRequestOption known[] = { { "devices", "as" },   { "spare-ports", "u" },
                                              { "per-device", "b" }, { "memory", "u" },
                                              { "vcpus", "u" },      { "guest", "*" },
                                              { "name", "s" },       { 0 } };
  g_autoptr (GVariant) given = g_variant_get_child_value (request->parameters, 0);
  g_autoptr (VsmmuHostSnapshot) host = NULL;
  g_autofree const char **devices = NULL;
  g_autoptr (GBytes) guest = NULL;
  g_autoptr (GError) guest_error = NULL;
  g_autoptr (VsmmuPlan) plan = NULL;
  VsmmuPlanOptions options = { .guest_name = DOCUMENT_NAME };

  if (!vsmmu_request_check_options (given, known, error))
    return NULL;
  if (!g_variant_lookup (given, "devices", "^a&s", &devices) || devices[0] == NULL) {
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
                         _ ("specify at least one device of this host in 'devices'"));
    return NULL;
  }
  guest = read_guest (request, given, &guest_error);
  if (guest_error != NULL) {
    g_propagate_error (error, g_steal_pointer (&guest_error));
    return NULL;
  }
  g_variant_lookup (given, "spare-ports", "u", &options.spare_ports);
  g_variant_lookup (given, "per-device", "b", &options.is_per_device);
  g_variant_lookup (given, "memory", "u", &options.memory);
  g_variant_lookup (given, "vcpus", "u", &options.vcpus);
  g_variant_lookup (given, "name", "&s", &options.name);
  if (guest != NULL)
    options.guest = g_bytes_get_data (guest, &options.guest_length);
  host = vsmmu_host_cache_get (request->context->host, error);
  if (host == NULL)
    return NULL;
  plan = vsmmu_plan_new (host->host, devices, &options, error);
  return plan != NULL ? plan_to_variant (plan) : NULL;
}

static GVariant *
run_host_facts (VsmmuRequest *request, GError **error)
{
  g_autoptr (VsmmuHostSnapshot) host = vsmmu_host_cache_get (request->context->host, error);

  return host != NULL ? g_variant_new ("(s)", host->json) : NULL;
}

static void
start_list_verdicts (const VsmmuRequest *request, GTask *task)
{
  g_task_return_pointer (task, g_variant_new ("(@aa{sv})", vsmmu_verdicts_to_variant (request->context->verdicts)),
                         (GDestroyNotify) g_variant_unref);
}

/* (nullable): what is asked for a guest; %NULL after an error went to @task */
static VsmmuGuests *
find_guests (const VsmmuRequest *request, GVariant *options, GTask *task)
{
  static const VsmmuRequestOption known[] = { { "connection", "s" }, { 0 } };
  GError *error = NULL;

  if (request->context->guests == NULL)
    error =
        g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_NOT_SUPPORTED, _ ("this virt-vsmmud does not monitor guests"));
  else if (vsmmu_request_check_options (options, known, &error))
    return request->context->guests;
  g_task_return_error (task, error);
  return NULL;
}

static void
start_resolve (const VsmmuRequest *request, GTask *task)
{
  g_autoptr (GVariant) options = NULL;
  const char *connection = NULL;
  const char *domain;
  VsmmuGuests *guests;

  g_variant_get (request->parameters, "(&s@a{sv})", &domain, &options);
  guests = find_guests (request, options, task);
  if (guests == NULL)
    return;
  g_variant_lookup (options, "connection", "&s", &connection);
  guests->resolve (guests, connection, domain, task);
}

static void
start_verify (const VsmmuRequest *request, GTask *task)
{
  g_autoptr (GVariant) options = NULL;
  const char *connection = NULL;
  const char *domain;
  const char *device;
  VsmmuGuests *guests;

  g_variant_get (request->parameters, "(&s&s@a{sv})", &domain, &device, &options);
  guests = find_guests (request, options, task);
  if (guests == NULL)
    return;
  g_variant_lookup (options, "connection", "&s", &connection);
  guests->verify (guests, connection, domain, device, task);
}

static GVariant *
get_version (const VsmmuMethodContext *context)
{
  return g_variant_new_string (PACKAGE_VERSION);
}

static GVariant *
get_connections (const VsmmuMethodContext *context)
{
  VsmmuGuests *guests = context->guests;

  return guests != NULL ? guests->get_connections (guests) : g_variant_new ("a(ss)", NULL);
}

static GVariant *
get_policy (const VsmmuMethodContext *context)
{
  return g_variant_new_string (vsmmu_policy_mode_to_string (vsmmu_policy_load_mode (context->is_session)));
}

const VsmmuServiceProperty vsmmu_service_properties[] = {
  { "Version", get_version },
  { "Connections", get_connections },
  { "Policy", get_policy },
  { NULL, NULL },
};

/* GDBus lets only names through that the interface has, which may have more of them than this table. */
static GVariant *
run_get (VsmmuRequest *request, GError **error)
{
  const char *name;

  g_variant_get (request->parameters, "(&s&s)", NULL, &name);
  for (const VsmmuServiceProperty *property = vsmmu_service_properties; property->name != NULL; property++)
    if (strcmp (property->name, name) == 0)
      return g_variant_new ("(v)", property->get (request->context));
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY, _ ("unknown property '%s'"), name);
  return NULL;
}

static GVariant *
run_get_all (VsmmuRequest *request, GError **error)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (const VsmmuServiceProperty *property = vsmmu_service_properties; property->name != NULL; property++)
    g_variant_builder_add (&builder, "{sv}", property->name, property->get (request->context));
  return g_variant_new ("(a{sv})", &builder);
}

const VsmmuMethod vsmmu_methods[] = {
  { "Check", VSMMU_ACTION_READ, .run = run_check },
  { "Args", VSMMU_ACTION_READ, .run = run_args },
  { "Adapt", VSMMU_ACTION_READ, .run = run_adapt },
  { "Plan", VSMMU_ACTION_READ, .run = run_plan },
  { "HostFacts", VSMMU_ACTION_READ, .run = run_host_facts },
  { "Resolve", VSMMU_ACTION_READ, .start = start_resolve },
  { "Verify", VSMMU_ACTION_MANAGE, .start = start_verify },
  { "ListVerdicts", VSMMU_ACTION_READ, .start = start_list_verdicts },
  { "Get", VSMMU_ACTION_READ, .run = run_get },
  { "GetAll", VSMMU_ACTION_READ, .run = run_get_all },
  { NULL },
};

const VsmmuMethod *
vsmmu_methods_find (const char *name)
{
  for (const VsmmuMethod *method = vsmmu_methods; method->name != NULL; method++)
    if (strcmp (method->name, name) == 0)
      return method;
  return NULL;
}
