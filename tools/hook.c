/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include <vsmmu/vsmmu.h>

#define PROGRAM "virt-vsmmu-hook"

/* Exit status; libvirt makes no difference between those that are not 0. */
enum { HOOK_PASS, HOOK_REFUSE, HOOK_USAGE };

/*
 * What libvirt calls its qemu hook for (libvirt docs/hooks.rst) and we have something to say about. Of
 * `start` all was said at `prepare`, when libvirt had not yet touched a device.
 */
typedef struct {
  const char *name;
  gboolean can_refuse;    /* at reconnect, libvirt would kill the running guest */
  gboolean is_followed;   /* by prepare, which tells the same again */
  VsmmuSeverity severity; /* of what is told, and up: warnings are for a guest that does not run yet */
} Operation;

static const Operation operations[] = {
  { "prepare", TRUE, FALSE, VSMMU_SEVERITY_WARNING },
  { "migrate", TRUE, TRUE, VSMMU_SEVERITY_ERROR },
  { "restore", TRUE, TRUE, VSMMU_SEVERITY_ERROR },
  { "reconnect", FALSE, FALSE, VSMMU_SEVERITY_ERROR },
};

/* One call of the hook. */
typedef struct {
  const Operation *operation;
  const char *guest;
} Call;

static const Operation *
find_operation (const char *name, const char *phase)
{
  for (guint i = 0; i < G_N_ELEMENTS (operations); i++)
    if (strcmp (operations[i].name, name) == 0 && strcmp (phase, "begin") == 0)
      return &operations[i];
  return NULL;
}

/* libvirt may still be writing. */
static void
drain_input (void)
{
  char buffer[16 * 1024];
  gssize got;

  do {
    got = read (STDIN_FILENO, buffer, sizeof (buffer));
  } while (got > 0 || (got < 0 && errno == EINTR));
}

/* libvirt puts this into its error when the hook refuses, and drops it when it does not. */
static void
say (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fprintf (stderr, PROGRAM ": %s\n", text);
}

static void
tell (const Call *call, const VsmmuFinding *finding, gboolean refuses)
{
  g_autofree char *guest = vsmmu_render_printable (call->guest);
  g_autofree char *message = vsmmu_render_printable (finding->message);
  g_autofree char *hint = vsmmu_render_printable (finding->hint);

  syslog (finding->severity == VSMMU_SEVERITY_ERROR ? LOG_ERR : LOG_WARNING, _ ("guest '%s': %s [%s]; hint: %s"), guest,
          message, finding->rule->id, hint);
  if (!refuses)
    say (_ ("guest '%s': %s [%s]; hint: %s"), guest, message, finding->rule->id, hint);
}

static void
tell_all (const Call *call, const GPtrArray *findings, gboolean refuses)
{
  for (guint i = 0; i < findings->len && (refuses || !call->operation->is_followed); i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (finding->severity >= call->operation->severity)
      tell (call, finding, refuses);
  }
}

/* When nothing can be said of the guest. */
static int
give_up (const Call *call, VsmmuPolicyMode mode, const GError *error)
{
  gboolean refuses = call->operation->can_refuse && mode == VSMMU_POLICY_ENFORCE;
  g_autofree char *guest = vsmmu_render_printable (call->guest);
  g_autofree char *why = vsmmu_render_printable (error->message);

  if (mode == VSMMU_POLICY_OFF)
    return HOOK_PASS;
  syslog (LOG_ERR, _ ("guest '%s' could not be checked: %s"), guest, why);
  say (refuses ? _ ("guest '%s' is refused, because it could not be checked: %s")
               : _ ("guest '%s' could not be checked: %s"),
       guest, why);
  return refuses ? HOOK_REFUSE : HOOK_PASS;
}

static int
check_domain (const Call *call, const VsmmuDomain *domain, const VsmmuPolicy *policy)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_probe_for_domain (NULL, domain, &error);
  const VsmmuCheckOptions options = { .host = host };
  g_autoptr (GPtrArray) findings = NULL;
  g_autofree char *guest = vsmmu_render_printable (call->guest);
  g_autofree char *refusal = NULL;

  if (host == NULL)
    return give_up (call, vsmmu_policy_get_mode (policy), error);
  findings = vsmmu_check_domain (domain, &options);
  vsmmu_policy_apply (policy, findings);
  if (!call->operation->can_refuse || !vsmmu_policy_refuses (policy, findings)) {
    tell_all (call, findings, FALSE);
    return HOOK_PASS;
  }
  tell_all (call, findings, TRUE);
  refusal = vsmmu_render_refusal (findings);
  say (_ ("guest '%s' is refused: %s"), guest, refusal);
  return HOOK_REFUSE;
}

/* (transfer full): the domain as the user wrote it, whatever form it took to get through libvirt */
static VsmmuDomain *
read_domain (GError **error)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  gsize length = 0;
  g_autofree char *xml = vsmmu_lift_file ("-", notes, &length, error);

  return xml != NULL ? vsmmu_domain_new_from_data (xml, length, "<stdin>", error) : NULL;
}

static int
check_input (const Call *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuPolicy) policy = NULL;
  g_autoptr (VsmmuDomain) domain = read_domain (&error);

  if (domain != NULL && !vsmmu_domain_is_accelerated (domain))
    return HOOK_PASS;
  if (domain != NULL)
    policy = vsmmu_policy_load (FALSE, &error);
  if (policy == NULL)
    return give_up (call, vsmmu_policy_load_mode (FALSE), error);
  if (vsmmu_policy_get_mode (policy) == VSMMU_POLICY_OFF)
    return HOOK_PASS;
  return check_domain (call, domain, policy);
}

/* Even a crash must not look like a refusal to libvirt where that kills a guest. */
static void
check_input_apart (const Call *call)
{
  pid_t child = fork ();

  if (child == 0)
    _exit (check_input (call));
  while (child > 0 && waitpid (child, NULL, 0) < 0 && errno == EINTR)
    ;
}

static int
run (const char *guest, const char *operation, const char *phase)
{
  const Call call = { find_operation (operation, phase), guest };
  int status = HOOK_PASS;

  if (call.operation != NULL && call.operation->can_refuse)
    status = check_input (&call);
  else if (call.operation != NULL)
    check_input_apart (&call);
  drain_input ();
  return status;
}

int
main (int argc, char **argv)
{
  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  bindtextdomain (GETTEXT_PACKAGE, LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  openlog (PROGRAM, LOG_PID, LOG_DAEMON);
  if (argc > 3)
    return run (argv[1], argv[2], argv[3]);
  if (argc == 2 && strcmp (argv[1], "--version") == 0) {
    printf ("%s %s\n", PROGRAM, PACKAGE_VERSION);
    return HOOK_PASS;
  }
  say (_ ("usage: virt-vsmmu-hook GUEST OPERATION PHASE, with domain XML on standard input, as libvirt calls its qemu "
          "hook; see virt-vsmmu-hook(8)"));
  return HOOK_USAGE;
}
