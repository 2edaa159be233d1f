/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <glib/gi18n.h>
#include <malloc.h>
#include <vsmmu/vsmmu.h>

#include "accounts.h"
#include "base/budget.h"
#include "gate.h"
#include "interface.h"
#include "methods.h"
#include "quota.h"
#include "request.h"

#define OBJECT_PATH "/org/vsmmu1"
#define INTERFACE "org.vsmmu1"

struct _VsmmuService {
  GDBusConnection *bus;
  guint object;
  VsmmuAuthority authority;
  VsmmuGate *gate;
  VsmmuCallers *callers;
  VsmmuAccounts *accounts;
  VsmmuMethodContext context;
  VsmmuMemory *memory;
  guint n_calls;   /* that are not answered */
  guint n_allowed; /* of these, of who may call */
};

/* One call, from its arrival to its answer. */
typedef struct {
  VsmmuService *service;
  const VsmmuMethod *method;
  VsmmuRequest request;
  GDBusMethodInvocation *invocation;
  VsmmuCaller *caller;   /* (nullable): once it is known who calls */
  VsmmuAccount *account; /* (nullable): likewise */
  gboolean is_allowed;
} Call;

/* What D-Bus calls the errors of the library. */
static const char *const error_names[] = {
  [VSMMU_ERROR_XML] = "org.vsmmu1.Error.Xml",
  [VSMMU_ERROR_NOT_DOMAIN] = "org.vsmmu1.Error.NotDomain",
  [VSMMU_ERROR_READ] = "org.vsmmu1.Error.Read",
  [VSMMU_ERROR_VALUE] = "org.vsmmu1.Error.Value",
  [VSMMU_ERROR_UNSUPPORTED] = "org.vsmmu1.Error.Unsupported",
  [VSMMU_ERROR_PROBE] = "org.vsmmu1.Error.Probe",
  [VSMMU_ERROR_NOT_DEVICE] = "org.vsmmu1.Error.NotDevice",
  [VSMMU_ERROR_FACTS] = "org.vsmmu1.Error.Facts",
  [VSMMU_ERROR_PROTOCOL] = "org.vsmmu1.Error.Protocol",
  [VSMMU_ERROR_POLICY] = "org.vsmmu1.Error.Policy",
  [VSMMU_ERROR_REFUSED] = "org.vsmmu1.Error.Refused",
  [VSMMU_ERROR_NO_DOMAIN] = "org.vsmmu1.Error.NoDomain",
  [VSMMU_ERROR_MSI] = "org.vsmmu1.Error.Msi",
};

static void
call_free (Call *call)
{
  VsmmuService *service = call->service;

  if (call->account != NULL)
    vsmmu_account_close (call->account);
  service->n_calls--;
  service->n_allowed -= call->is_allowed;
  /* It takes some 100 us, and who comes next must not pay for who was here. */
  if (service->n_allowed == 0 && call->is_allowed)
    malloc_trim (0);
  vsmmu_memory_settle (service->memory);
  g_clear_pointer (&call->caller, vsmmu_caller_unref);
  g_object_unref (call->invocation);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

/* Gives the invocation its error, which takes a reference to it. */
static void
answer_error (Call *call, const GError *error)
{
  g_dbus_method_invocation_return_gerror (g_object_ref (call->invocation), error);
}

static void
answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Call) call = data;
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_task_propagate_pointer (G_TASK (result), &error);

  if (call->method->run != NULL)
    vsmmu_account_finish (call->account);
  if (reply != NULL && g_variant_get_size (reply) > VSMMU_QUOTA_REPLY_BYTES) {
    g_variant_unref (g_variant_ref_sink (reply));
    reply = NULL;
    error = g_error_new (G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                         _ ("the reply is larger than %d bytes; use the command virt-vsmmu instead"),
                         VSMMU_QUOTA_REPLY_BYTES);
  }
  if (reply != NULL)
    g_dbus_method_invocation_return_value (g_object_ref (call->invocation), reply);
  else
    answer_error (call, error);
}

/* In a thread. */
static void
run_method (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Call *call = data;
  GError *error = NULL;
  GVariant *reply = call->method->run (&call->request, &error);

  vsmmu_budget_give (call->request.context->budget, call->request.taken);
  if (reply != NULL)
    g_task_return_pointer (task, reply, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

/* Only who may call can use up what there is for all. */
static gboolean
admit (Call *call, GError **error)
{
  VsmmuService *service = call->service;

  call->is_allowed = service->n_allowed < VSMMU_QUOTA_CALLS;
  service->n_allowed += call->is_allowed;
  if (!call->is_allowed)
    g_set_error_literal (error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
                         _ ("too many calls are in progress; try again later"));
  return call->is_allowed;
}

static void
take_authorization (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (Call) call = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GTask) task = NULL;

  vsmmu_account_answered (call->account);
  if (!vsmmu_authority_check_finish (result, &error) || !admit (call, &error)) {
    answer_error (call, error);
    return;
  }
  task = g_task_new (NULL, call->caller->gone, answer, call);
  g_task_set_task_data (task, call, NULL);
  if (call->method->run != NULL)
    vsmmu_account_run (call->account, g_object_ref (task), call->request.is_large, run_method);
  else
    call->method->start (&call->request, task);
  g_steal_pointer (&call);
}

static void
ask_authority (gpointer data)
{
  Call *call = data;
  GDBusMessageFlags flags = g_dbus_message_get_flags (g_dbus_method_invocation_get_message (call->invocation));

  vsmmu_authority_check (&call->service->authority, call->caller, call->method->action,
                         flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, call->caller->gone,
                         take_authorization, call);
}

static void
take_caller (VsmmuCaller *caller, const GError *problem, gpointer data)
{
  g_autoptr (Call) call = data;
  g_autoptr (GError) error = NULL;

  if (caller != NULL)
    call->account = vsmmu_accounts_open (call->service->accounts, caller->uid, g_get_monotonic_time (), &error);
  if (call->account == NULL) {
    answer_error (call, caller != NULL ? error : problem);
    return;
  }
  call->caller = vsmmu_caller_ref (caller);
  vsmmu_account_ask (call->account, ask_authority, call);
  g_steal_pointer (&call);
}

static void
handle_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name,
             GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  VsmmuService *service = data;
  GUnixFDList *descriptors = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (invocation));
  const VsmmuMethod *method = vsmmu_methods_find (name);
  Call *call;

  /* GDBus lets only names through that the interface has, which may have more of them than the table. */
  if (method == NULL) {
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD,
                                           _ ("unknown method '%s'"), name);
    return;
  }
  call = g_new0 (Call, 1);
  call->service = service;
  call->method = method;
  call->invocation = invocation;
  call->request =
      (VsmmuRequest){ .context = &service->context,
                      .parameters = parameters,
                      .descriptors = descriptors,
                      .is_large = vsmmu_request_get_size (parameters, descriptors) > VSMMU_QUOTA_LARGE_BYTES };
  service->n_calls++;
  vsmmu_callers_identify (service->callers, sender, take_caller, call);
}

static void
emit (VsmmuService *service, const char *interface, const char *name, GVariant *parameters)
{
  g_dbus_connection_emit_signal (service->bus, NULL, OBJECT_PATH, interface, name, parameters, NULL);
}

static void
emit_verdict (const VsmmuVerdict *verdict, gpointer data)
{
  if (verdict == NULL)
    return;
  emit (data, INTERFACE, "VerdictChanged", g_variant_new ("(@a{sv})", vsmmu_verdict_to_variant (verdict)));
  if (verdict->state == VSMMU_VERDICT_MISMATCH)
    emit (data, INTERFACE, "DoorbellMismatch", g_variant_new ("(@a{sv})", vsmmu_verdict_to_variant (verdict)));
}

static void
emit_host (gpointer data)
{
  emit (data, INTERFACE, "HostFactsChanged", NULL);
}

void
vsmmu_service_emit_connections (VsmmuService *service)
{
  GVariantBuilder changed;

  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&changed, "{sv}", "Connections",
                         service->context.guests->get_connections (service->context.guests));
  emit (service, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        g_variant_new ("(sa{sv}as)", INTERFACE, &changed, NULL));
  vsmmu_memory_settle (service->memory);
}

VsmmuService *
vsmmu_service_new (const VsmmuServiceOptions *options, GError **error)
{
  /* Without a function for properties, reading them is a call as others are. */
  static const GDBusInterfaceVTable functions = { .method_call = handle_call };
  g_autoptr (VsmmuService) service = g_new0 (VsmmuService, 1);

  for (guint i = 0; i < G_N_ELEMENTS (error_names); i++)
    g_dbus_error_register_error (VSMMU_ERROR, (gint) i, error_names[i]);
  service->bus = options->bus;
  service->memory = options->memory;
  service->gate = vsmmu_gate_new (options->bus);
  service->callers = vsmmu_callers_new (options->bus);
  service->accounts = vsmmu_accounts_new ();
  service->context = (VsmmuMethodContext){ .is_session = options->is_session,
                                           .host = vsmmu_host_cache_new (&options->host, emit_host, service),
                                           .verdicts = options->verdicts,
                                           .guests = options->guests,
                                           .budget = options->budget };
  vsmmu_authority_init (&service->authority, options->bus, options->is_session);
  vsmmu_verdicts_listen (options->verdicts, emit_verdict, service);
  service->object = g_dbus_connection_register_object (
      options->bus, OBJECT_PATH, (GDBusInterfaceInfo *) &vsmmu_org_vsmmu1_interface, &functions, service, NULL, error);
  return service->object != 0 ? g_steal_pointer (&service) : NULL;
}

void
vsmmu_service_free (VsmmuService *service)
{
  if (service->object != 0)
    g_dbus_connection_unregister_object (service->bus, service->object);
  while (service->n_calls > 0)
    g_main_context_iteration (NULL, TRUE);
  /* GDBus has a thread that writes the answers, and would not be waited for. */
  g_dbus_connection_flush_sync (service->bus, NULL, NULL);
  vsmmu_verdicts_unlisten (service->context.verdicts, service);
  vsmmu_gate_free (service->gate);
  vsmmu_callers_free (service->callers);
  vsmmu_accounts_free (service->accounts);
  vsmmu_host_cache_free (service->context.host);
  g_free (service);
}
