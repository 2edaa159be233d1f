/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include <vsmmu/vsmmu.h>

#include "base/target.h"
#include "check/finding.h"
#include "check/policy.h"
#include "check/run.h"
#include "domain/concern.h"
#include "probe/host.h"
#include "probe/target.h"
#include "render/text.h"
#include "xml/metadata-filter.h"

#define PROGRAM "virt-vsmmu-hook"

/* Seconds: until the configuration says otherwise, as long as it cannot be read; and for the last words. */
#define TIMEOUT 10
#define LAST_WORDS 2

/* Bytes of what the check says that are passed on to libvirt. */
#define WORDS_MAX 65536

/* Exit status; libvirt makes no difference between those that are not 0. */
enum { HOOK_PASS, HOOK_REFUSE, HOOK_USAGE };

/*
 * What libvirt calls its qemu hook for (libvirt docs/hooks.rst) and we have something to say about. Of
 * `start` all was said at `prepare`, when libvirt had not yet touched a device.
 */
typedef struct {
  const char *name;
  gboolean can_refuse;    /* at reconnect, libvirt would kill the running guest */
  gboolean is_followed;   /* by prepare, which reports the same again */
  VsmmuSeverity severity; /* of what is reported, and up: warnings are for a guest that does not run yet */
} Operation;

static const Operation operations[] = {
  { "prepare", TRUE, FALSE, VSMMU_SEVERITY_WARNING },
  { "migrate", TRUE, TRUE, VSMMU_SEVERITY_ERROR },
  { "restore", TRUE, TRUE, VSMMU_SEVERITY_ERROR },
  { "reconnect", FALSE, FALSE, VSMMU_SEVERITY_ERROR },
};

/* What the process that checks reports to the process that waits for it, as soon as it knows; all atomic. */
typedef struct {
  int mode; /* VsmmuPolicyMode */
  int seconds;
  int answer; /* exit status; UNDECIDED as long as there is none */
} Terms;
#define UNDECIDED (-1)

/* One call of the hook. */
typedef struct {
  const Operation *operation;
  const char *guest;
  const char *problem; /* (nullable): why there is no document */
  const GString *xml;
  Terms *terms;
  gint64 begin;
} Call;

static volatile sig_atomic_t caught;

static const Operation *
find_operation (const char *name, const char *phase)
{
  for (guint i = 0; i < G_N_ELEMENTS (operations); i++)
    if (strcmp (operations[i].name, name) == 0 && strcmp (phase, "begin") == 0)
      return &operations[i];
  return NULL;
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
report (const Call *call, const VsmmuFinding *finding, gboolean refuses)
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
report_all (const Call *call, const GPtrArray *findings, gboolean refuses)
{
  for (guint i = 0; i < findings->len && (refuses || !call->operation->is_followed); i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (finding->severity >= call->operation->severity)
      report (call, finding, refuses);
  }
}

/* When the guest cannot be judged. */
static int
give_up (const Call *call, VsmmuPolicyMode mode, const char *problem)
{
  gboolean refuses = call->operation->can_refuse && mode == VSMMU_POLICY_ENFORCE;
  g_autofree char *guest = vsmmu_render_printable (call->guest);
  g_autofree char *why = vsmmu_render_printable (problem);

  if (mode == VSMMU_POLICY_OFF)
    return HOOK_PASS;
  say (refuses ? _ ("guest '%s' was refused because it could not be checked: %s")
               : _ ("guest '%s' could not be checked: %s"),
       guest, why);
  syslog (LOG_ERR, _ ("guest '%s' could not be checked: %s"), guest, why);
  return refuses ? HOOK_REFUSE : HOOK_PASS;
}

static int
check_domain (const Call *call, const VsmmuDomain *domain, const VsmmuPolicy *policy)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_probe_for_domain (NULL, domain, &error);
  VsmmuTarget target = { 0 };
  const VsmmuCheckOptions options = { .host = host, .target = &target };
  g_autoptr (GPtrArray) findings = NULL;
  g_autofree char *guest = vsmmu_render_printable (call->guest);
  g_autofree char *refusal = NULL;
  gboolean refuses;

  if (host == NULL)
    return give_up (call, vsmmu_policy_get_mode (policy), error->message);
  /* A guest that runs may have been started with a program that was there before. */
  if (call->operation->can_refuse)
    vsmmu_target_probe_for_domain (domain, &target);
  findings = vsmmu_check_domain (domain, &options);
  vsmmu_policy_apply (policy, findings);
  /* Said before it is logged, which may take its time. */
  refuses = call->operation->can_refuse && vsmmu_policy_refuses (policy, findings);
  if (refuses) {
    refusal = vsmmu_render_refusal (findings);
    say (_ ("guest '%s' was refused: %s"), guest, refusal);
  }
  g_atomic_int_set (&call->terms->answer, refuses ? HOOK_REFUSE : HOOK_PASS);
  report_all (call, findings, refuses);
  return refuses ? HOOK_REFUSE : HOOK_PASS;
}

static int
check_call (const Call *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuPolicy) policy = vsmmu_policy_load (FALSE, &error);
  g_autoptr (VsmmuDomain) domain = NULL;
  g_autoptr (GError) fault = NULL;
  VsmmuPolicyMode mode = policy != NULL ? vsmmu_policy_get_mode (policy) : vsmmu_policy_load_mode (FALSE);

  g_atomic_int_set (&call->terms->mode, mode);
  if (policy != NULL)
    g_atomic_int_set (&call->terms->seconds, (int) vsmmu_policy_get_timeout (policy));
  if (mode == VSMMU_POLICY_OFF)
    return HOOK_PASS;
  domain =
      call->problem == NULL ? vsmmu_domain_new_from_data (call->xml->str, call->xml->len, "<stdin>", &fault) : NULL;
  if (domain == NULL)
    return give_up (call, mode, fault != NULL ? fault->message : call->problem);
  if (!vsmmu_domain_is_accelerated (domain))
    return HOOK_PASS;
  return policy != NULL ? check_domain (call, domain, policy) : give_up (call, mode, error->message);
}

/* Milliseconds that are left, for poll(). */
static int
time_left (const Call *call)
{
  gint64 left = call->begin + g_atomic_int_get (&call->terms->seconds) * G_TIME_SPAN_SECOND - g_get_monotonic_time ();

  return left > 0 ? (int) (left / 1000 + 1) : 0;
}

/* Waits until there is something to read of @fd; %FALSE when the time is over or a signal says that it is. */
static gboolean
await (const Call *call, int fd)
{
  struct pollfd wanted = { .fd = fd, .events = POLLIN };
  int ready;

  /* In short steps: the time left may change meanwhile, and a signal may come just before. */
  do {
    ready = poll (&wanted, 1, MIN (time_left (call), 100));
  } while ((ready == 0 || (ready < 0 && errno == EINTR)) && caught == 0 && time_left (call) > 0);
  return ready > 0;
}

static char *
explain_signal (void)
{
  return g_strdup_printf (_ ("the hook was terminated by signal %d"), (int) caught);
}

/*
 * Reads all that libvirt writes; of a document that is too long, or wanted by nobody (@xml is %NULL), to the end too.
 *
 * Returns: (transfer full) (nullable): why there is no document
 */
static char *
read_input (const Call *call, GString *xml)
{
  VsmmuMetadataFilter filter = { 0 };
  char buffer[64 * 1024];
  gboolean is_too_long = FALSE;
  gssize got = 1;

  while (got > 0) {
    if (!await (call, STDIN_FILENO))
      return caught != 0 ? explain_signal ()
                         : g_strdup_printf (_ ("libvirt did not provide the complete XML within %d seconds"), TIMEOUT);
    do {
      got = read (STDIN_FILENO, buffer, sizeof (buffer));
    } while (got < 0 && errno == EINTR);
    if (got > 0 && xml != NULL && !is_too_long)
      vsmmu_metadata_filter_feed (&filter, buffer, (gsize) got, xml);
    is_too_long = is_too_long || (xml != NULL && xml->len > VSMMU_DOCUMENT_MAX_BYTES);
  }
  if (got < 0)
    return g_strdup_printf (_ ("<stdin>: cannot read: %s"), g_strerror (errno));
  return is_too_long ? g_strdup_printf (_ ("<stdin>: larger than %u MiB without the metadata"),
                                        VSMMU_DOCUMENT_MAX_BYTES / (1024 * 1024))
                     : NULL;
}

/* Of what is not the whole domain, as libvirt writes it, nothing is known. */
static gboolean
may_concern (const GString *xml)
{
  return vsmmu_document_may_concern (xml->str, xml->len) ||
         memmem (xml->str, xml->len, "</domain>", strlen ("</domain>")) == NULL;
}

/* What takes the place of a descriptor that is not there, also where /dev is not. */
static int
open_nowhere (void)
{
  int fd = open ("/dev/null", O_RDWR);

  return fd >= 0 ? fd : open ("/", O_RDONLY | O_DIRECTORY);
}

/* In the child: it ends when its @parent does, also when that was before Linux could be asked for it. */
static void
end_with (pid_t parent)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (HOOK_USAGE);
}

/* In the child. It has nothing of libvirt's: libvirt waits for the end of what it has given its hook. */
G_GNUC_NORETURN static void
check_apart (const Call *call, pid_t hook, int words)
{
  int nowhere = open_nowhere ();

  end_with (hook);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    dup2 (fd == STDERR_FILENO ? words : nowhere, fd);
  close_range (STDERR_FILENO + 1, ~0u, 0);
  _exit (check_call (call));
}

/* What the child says, until it ends; %FALSE when it does not in time. */
static gboolean
collect (const Call *call, int words, GString *said)
{
  char buffer[4096];
  gssize got;

  do {
    if (!await (call, words))
      return FALSE;
    got = read (words, buffer, sizeof (buffer));
    if (got > 0)
      g_string_append_len (said, buffer, MIN (got, (gssize) (WORDS_MAX - said->len)));
  } while (got > 0 || (got < 0 && errno == EINTR));
  return TRUE;
}

/* The answer is known, and nothing may keep it back: not even a log that nobody reads. */
static volatile sig_atomic_t last_answer;

static void
on_alarm (int number G_GNUC_UNUSED)
{
  _exit (last_answer);
}

static void
on_signal (int number)
{
  caught = number;
}

static int
conclude (const Call *call, const char *problem)
{
  VsmmuPolicyMode mode = (VsmmuPolicyMode) g_atomic_int_get (&call->terms->mode);

  last_answer = call->operation->can_refuse && mode == VSMMU_POLICY_ENFORCE ? HOOK_REFUSE : HOOK_PASS;
  alarm (LAST_WORDS);
  return give_up (call, mode, problem);
}

static int
pass_on (const Call *call, const GString *said, int answer)
{
  last_answer = call->operation->can_refuse ? answer : HOOK_PASS;
  alarm (LAST_WORDS);
  fputs (said->str, stderr);
  return last_answer;
}

/* When the child did not end in time. It is not waited for: where the kernel hangs, so does it. */
static int
abandon (const Call *call, pid_t child, const GString *said)
{
  g_autofree char *problem = NULL;
  int answer;

  kill (child, SIGKILL);
  answer = g_atomic_int_get (&call->terms->answer);
  if (answer != UNDECIDED)
    return pass_on (call, said, answer);
  if (call->problem != NULL)
    return conclude (call, call->problem);
  problem = caught != 0
                ? explain_signal ()
                : g_strdup_printf (_ ("the check took longer than %d seconds; does a device or the host not respond?"),
                                   g_atomic_int_get (&call->terms->seconds));
  return conclude (call, problem);
}

/* Checks in a process of its own: a crash, a host that does not answer and a document that takes too long all end it.
 */
static int
check (const Call *call)
{
  g_autoptr (GString) said = g_string_new (NULL);
  g_autofree char *problem = NULL;
  int words[2];
  int status = 0;
  pid_t hook = getpid ();
  pid_t child = pipe2 (words, O_CLOEXEC) == 0 ? fork () : -1;

  if (child == 0)
    check_apart (call, hook, words[1]);
  if (child < 0)
    return conclude (call, g_strerror (errno));
  close (words[1]);
  if (!collect (call, words[0], said))
    return abandon (call, child, said);
  while (waitpid (child, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED (status) && WEXITSTATUS (status) <= HOOK_REFUSE)
    return pass_on (call, said, WEXITSTATUS (status));
  problem = WIFSIGNALED (status) ? g_strdup_printf (_ ("the check was terminated by signal %d"), WTERMSIG (status))
                                 : g_strdup (_ ("the check failed"));
  return conclude (call, problem);
}

static const int endings[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

static void
set_handler (int number, void (*handler) (int number))
{
  const struct sigaction action = { .sa_handler = handler };

  sigaction (number, &action, NULL);
}

static void
set_endings (void (*handler) (int number))
{
  for (guint i = 0; i < G_N_ELEMENTS (endings); i++)
    set_handler (endings[i], handler);
}

/* Whatever libvirt was started with: signals are ours, and there are three descriptors. */
static void
prepare_process (void)
{
  sigset_t none;
  int fd;

  set_endings (on_signal);
  set_handler (SIGALRM, on_alarm);
  set_handler (SIGPIPE, SIG_IGN);
  set_handler (SIGCHLD, SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  do {
    fd = open_nowhere ();
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0)
    close (fd);
}

static int
handle (Call *call)
{
  g_autoptr (GString) xml = g_string_new (NULL);
  g_autofree char *problem = read_input (call, call->operation != NULL ? xml : NULL);

  if (call->operation == NULL || (problem == NULL && !may_concern (xml)))
    return HOOK_PASS;
  if (problem != NULL) {
    /* All that is left to find out is the mode. */
    call->begin = g_get_monotonic_time () - (TIMEOUT - LAST_WORDS) * G_TIME_SPAN_SECOND;
    caught = 0;
  }
  call->xml = xml;
  call->problem = problem;
  return check (call);
}

/* Where a failure of any kind kills a guest that runs: for want of memory, or because somebody stops the process. */
static void
handle_apart (Call *call)
{
  int alive[2];
  pid_t hook = getpid ();
  pid_t child = pipe2 (alive, O_CLOEXEC) == 0 ? fork () : -1;

  if (child == 0) {
    end_with (hook);
    _exit (handle (call));
  }
  if (child < 0)
    return;
  set_endings (SIG_IGN);
  close (alive[1]);
  /* The child has the time limit too, and then something to say. */
  call->begin += 2 * LAST_WORDS * G_TIME_SPAN_SECOND;
  if (!await (call, alive[0]))
    kill (child, SIGKILL);
}

static int
run (const char *guest, const char *operation, const char *phase)
{
  Terms *terms = mmap (NULL, sizeof (*terms), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Terms alone;
  Call call = {
    .operation = find_operation (operation, phase),
    .guest = guest,
    .terms = terms != MAP_FAILED ? terms : &alone,
    .begin = g_get_monotonic_time (),
  };

  *call.terms = (Terms){ VSMMU_POLICY_ENFORCE, TIMEOUT, UNDECIDED };
  if (call.operation == NULL || call.operation->can_refuse)
    return handle (&call);
  handle_apart (&call);
  return HOOK_PASS;
}

/* libvirt never asks for it: it gives four arguments (virHookCall()). */
static void
print_help (void)
{
  g_print (_ ("Usage:\n"
              "  virt-vsmmu-hook GUEST OPERATION PHASE [EXTRA] < XML\n"
              "\n"
              "Checks a guest with an accelerated SMMUv3 against this host before it starts,\n"
              "and refuses the start according to virt-vsmmu.conf(5). libvirt calls it as its\n"
              "qemu hook, through the link /etc/libvirt/hooks/qemu.d/50-vsmmu.\n"
              "\n"
              "Options:\n"
              "  -h, --help     show this help\n"
              "  -V, --version  show the version\n"
              "\n"
              "Exit status: 0 the guest may start, 1 the guest is refused, 2 wrong usage.\n"));
}

int
main (int argc, char **argv)
{
  prepare_process ();
  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  bindtextdomain (GETTEXT_PACKAGE, LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  openlog (PROGRAM, LOG_PID, LOG_DAEMON);
  if (argc > 3)
    return run (argv[1], argv[2], argv[3]);
  if (argc == 2 && (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)) {
    print_help ();
    return HOOK_PASS;
  }
  if (argc == 2 && (strcmp (argv[1], "--version") == 0 || strcmp (argv[1], "-V") == 0)) {
    printf ("%s %s\n", PROGRAM, PACKAGE_VERSION);
    return HOOK_PASS;
  }
  say (_ ("usage: virt-vsmmu-hook GUEST OPERATION PHASE, with domain XML on standard input, as libvirt calls its qemu "
          "hook; see virt-vsmmu-hook(8)"));
  return HOOK_USAGE;
}
