/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <glib/gi18n.h>
#include <grp.h>

enum {
  POLKIT_TIMEOUT_MS = 120 * 1000,
  POLKIT_FLAG_ASK_USER = 1,
};

static const char *const action_ids[] = {
  [VSMMU_ACTION_READ] = "org.vsmmu1.read",
  [VSMMU_ACTION_MANAGE] = "org.vsmmu1.manage",
};

/* What is to be decided, while polkit is asked. */
typedef struct {
  VsmmuAction action;
  guint uid;
  gboolean is_in_group;
} Question;

void
vsmmu_authority_init (VsmmuAuthority *authority, GDBusConnection *bus, gboolean is_session)
{
  const struct group *group = getgrnam ("libvirt");

  *authority = (VsmmuAuthority){ .bus = bus,
                                 .is_session = is_session,
                                 .group = group != NULL ? (gint64) group->gr_gid : -1,
                                 .patience = POLKIT_TIMEOUT_MS };
}

static gboolean
is_in_group (const VsmmuCaller *caller, gint64 group)
{
  for (guint i = 0; caller->groups != NULL && i < caller->groups->len; i++)
    if (g_array_index (caller->groups, guint32, i) == group)
      return TRUE;
  return FALSE;
}

/* Without polkit. */
static gboolean
may_without_polkit (const Question *question)
{
  return question->uid == 0 || (question->action == VSMMU_ACTION_READ && question->is_in_group);
}

static gboolean
is_absence (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
         g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

static void
refuse (GTask *task, const Question *question, gboolean has_polkit)
{
  if (has_polkit)
    g_task_return_new_error (task, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                             _ ("user %u is not allowed to do this: it requires the polkit action %s, which the "
                                "administrator of this host can grant"),
                             question->uid, action_ids[question->action]);
  else
    g_task_return_new_error (task, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                             _ ("user %u is not allowed to do this: this host has no polkit, so it requires root, or "
                                "the group libvirt for reading"),
                             question->uid);
}

static void
take_decision (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  const Question *question = g_task_get_task_data (task);
  gboolean has_polkit = TRUE;
  gboolean may = FALSE;

  if (reply != NULL)
    g_variant_get (reply, "((bba{ss}))", &may, NULL, NULL);
  else if (is_absence (error)) {
    has_polkit = FALSE;
    may = may_without_polkit (question);
  } else {
    g_task_return_new_error (task, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                             _ ("cannot ask polkit whether user %u is allowed to do this: %s"), question->uid,
                             error->message);
    return;
  }
  if (may)
    g_task_return_boolean (task, TRUE);
  else
    refuse (task, question, has_polkit);
}

void
vsmmu_authority_check (const VsmmuAuthority *authority, const VsmmuCaller *caller, VsmmuAction action,
                       gboolean may_ask_user, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, data);
  Question *question = g_new (Question, 1);
  GVariantBuilder subject;

  *question = (Question){ .action = action, .uid = caller->uid, .is_in_group = is_in_group (caller, authority->group) };
  g_task_set_task_data (task, question, g_free);
  if (authority->is_session) {
    g_task_return_boolean (task, TRUE);
    g_object_unref (task);
    return;
  }
  g_variant_builder_init (&subject, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (caller->name));
  g_dbus_connection_call (authority->bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                          "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
                          g_variant_new ("((sa{sv})sa{ss}us)", "system-bus-name", &subject, action_ids[action], NULL,
                                         may_ask_user ? POLKIT_FLAG_ASK_USER : 0, ""),
                          G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, authority->patience, cancellable,
                          take_decision, task);
}

gboolean
vsmmu_authority_check_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
