/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/qemu-log.h"

#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsmmu/error.h"

/* libvirt rolls its logs over at 2 MiB (virtlogd.conf, max_size); what matters is at the end. */
#define LOG_MAX ((gsize) 1 << 20)

/* Characters of a line that a message has room for. */
#define LINE_MAX_SHOWN 160

/* The trace kvm_arm_fixup_msi_route: "MSI iova = 0x%lx is translated into 0x%lx" */
#define ROUTE "MSI iova = 0x"
#define ROUTE_GPA " is translated into 0x"
/* libvirt's, whatever directory we were built for. */
#define SYSTEM_LOGS "/var/log/libvirt/qemu"
/* qemuProcessLaunch() */
#define START ": starting up libvirt version"

/* Bytes before a mark that tell one log from another. */
#define DIGEST_MAX 4096

/* How a line looks whose text is not in the table. */
static const struct {
  const char *words;
  VsmmuQemuLine meaning;
} forms[] = {
  { "char device redirected to /dev/pts/", VSMMU_QEMU_LINE_NONE },
  { ": terminating on signal ", VSMMU_QEMU_LINE_NONE },
  { ": warning: ", VSMMU_QEMU_LINE_WARNING },
  { ": info: ", VSMMU_QEMU_LINE_NONE },
  { "qemu-system-", VSMMU_QEMU_LINE_ERROR },
};

/* Of a line that has none of these forms, any of these in lower case. */
static const char *const error_words[] = { "error",   "fail",   "unable", "cannot",     "could not", "can't",
                                           "invalid", "assert", "fatal",  "overflow",   "timeout",   "timed out",
                                           "refused", "denied", "lost",   "not support" };

static gboolean
contains (const char *line, gsize length, const char *words)
{
  return memmem (line, length, words, strlen (words)) != NULL;
}

/* libvirt's lines begin with "2026-11-22 10:11:12.123+0000: ", those of QEMU with "2026-11-22T10:11:12.123456Z ". */
static gboolean
is_dated (const char *line, gsize length, char separator)
{
  static const char form[] = "dddd-dd-dd?dd:dd:dd.";

  for (gsize i = 0; i < sizeof (form) - 1; i++) {
    gboolean is_right = i < length && (form[i] == 'd'   ? g_ascii_isdigit (line[i])
                                       : form[i] == '?' ? line[i] == separator
                                                        : line[i] == form[i]);

    if (!is_right)
      return FALSE;
  }
  return TRUE;
}

/* Traces have a date, too, but before the name of an event, and not "qemu-system-aarch64: ". */
static gboolean
names_program (const char *line, gsize length)
{
  const char *end = line + length;
  const char *name = memchr (line, ' ', length);
  const char *after = name != NULL ? memchr (name + 1, ' ', (gsize) (end - name - 1)) : NULL;

  return after == NULL || after[-1] == ':';
}

static VsmmuQemuLine
judge_unknown_line (const char *line, gsize length)
{
  g_autofree char *lower = NULL;

  if (is_dated (line, length, ' '))
    return VSMMU_QEMU_LINE_NONE;
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    if (contains (line, length, forms[i].words))
      return forms[i].meaning;
  if (is_dated (line, length, 'T') && names_program (line, length))
    return VSMMU_QEMU_LINE_ERROR;
  lower = g_ascii_strdown (line, (gssize) length);
  for (guint i = 0; i < G_N_ELEMENTS (error_words); i++)
    if (contains (lower, length, error_words[i]))
      return VSMMU_QEMU_LINE_ERROR;
  return VSMMU_QEMU_LINE_NONE;
}

/* libvirt has QEMU put the time before each line, and that is of no use in a message. */
static void
keep_line (VsmmuQemuWords *words, const char *line, gsize length)
{
  const char *program = memmem (line, length, "qemu-system", strlen ("qemu-system"));
  g_autofree char *text = NULL;
  g_autofree char *valid = NULL;

  length -= program != NULL ? (gsize) (program - line) : 0;
  text = g_strndup (program != NULL ? program : line, length);
  valid = g_utf8_make_valid (text, -1);
  g_free (words->line);
  words->line = g_utf8_substring (g_strchomp (valid), 0, MIN (g_utf8_strlen (valid, -1), LINE_MAX_SHOWN));
}

static void
read_route (VsmmuQemuWords *words, const char *line, gsize length)
{
  const char *route = memmem (line, length, ROUTE, strlen (ROUTE));
  gsize left = route != NULL ? length - (gsize) (route - line) : 0;
  const char *gpa = route != NULL ? memmem (route, left, ROUTE_GPA, strlen (ROUTE_GPA)) : NULL;
  char digits[17] = "";
  guint64 value;

  if (gpa == NULL)
    return;
  gpa += strlen (ROUTE_GPA);
  memcpy (digits, gpa, MIN (sizeof (digits) - 1, length - (gsize) (gpa - line)));
  value = g_ascii_strtoull (digits, NULL, 16);
  words->routes_and = words->n_routes == 0 ? value : words->routes_and & value;
  words->routes_or |= value;
  words->n_routes++;
}

void
vsmmu_qemu_words_read (VsmmuQemuWords *words, const char *text, gsize length)
{
  const char *end = text + length;

  for (const char *line = text; line < end;) {
    const char *feed = memchr (line, '\n', (gsize) (end - line));
    gsize size = (gsize) ((feed != NULL ? feed : end) - line);
    const VsmmuQemuText *known = vsmmu_qemu_text_find (line, size);
    VsmmuQemuLine meaning = known != NULL ? known->line : judge_unknown_line (line, size);

    words->n_lines[meaning]++;
    if (meaning > words->worst) {
      words->worst = meaning;
      words->text = known;
      keep_line (words, line, size);
    }
    read_route (words, line, size);
    line += size + 1;
  }
}

void
vsmmu_qemu_words_clear (VsmmuQemuWords *words)
{
  g_clear_pointer (&words->line, g_free);
}

const char *
vsmmu_qemu_log_find_start (const char *text, gsize length)
{
  const char *found = NULL;
  const char *end = text + length;
  const char *next = text;
  gboolean goes_on = TRUE;

  while ((next = memmem (next, (gsize) (end - next), START, strlen (START))) != NULL)
    found = next = next + strlen (START);
  if (found == NULL)
    return NULL;
  /* The line itself, and then environment and arguments, where each line but the last ends with a backslash. */
  for (gboolean is_first = TRUE; goes_on && found < end; is_first = FALSE) {
    const char *feed = memchr (found, '\n', (gsize) (end - found));

    goes_on = is_first || (feed != NULL && feed > found && feed[-1] == '\\');
    found = feed != NULL ? feed + 1 : end;
  }
  return found;
}

void
vsmmu_qemu_log_free (VsmmuQemuLog *log)
{
  if (log == NULL)
    return;
  vsmmu_qemu_words_clear (&log->since_start);
  vsmmu_qemu_words_clear (&log->since_attach);
  g_free (log);
}

/* (transfer full) (nullable): the bytes of @fd from @from to @size, with errno set without */
static char *
read_from (int fd, guint64 from, guint64 size, gsize *length)
{
  g_autofree char *text = g_malloc (size - from + 1);

  for (*length = 0; *length < size - from;) {
    ssize_t got = pread (fd, text + *length, size - from - *length, (off_t) (from + *length));

    if (got < 0)
      return NULL;
    if (got == 0)
      break;
    *length += (gsize) got;
  }
  return g_steal_pointer (&text);
}

/* Of the bytes before @size, as far as @text, which begins at @from, has them. */
static guint64
digest_before (const char *text, guint64 from, guint64 size)
{
  gsize count = (gsize) MIN (size - from, DIGEST_MAX);
  g_autofree char *sum =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) text + (size - from) - count, count);

  sum[16] = '\0';
  return g_ascii_strtoull (sum, NULL, 16);
}

/* A part of a log: what of it was read, and from where. */
typedef struct {
  char *text;
  gsize length;
  guint64 from;
  guint64 file;
} Tail;

/* Reads the end of the file; with errno set without */
static gboolean
read_tail (const char *path, guint64 max, Tail *tail)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status = { 0 };
  int fault;

  *tail = (Tail){ 0 };
  if (fd >= 0 && fstat (fd, &status) == 0 && S_ISREG (status.st_mode)) {
    tail->file = status.st_ino;
    tail->from = (guint64) status.st_size > max ? (guint64) status.st_size - max : 0;
    tail->text = read_from (fd, tail->from, (guint64) status.st_size, &tail->length);
  } else if (fd >= 0) {
    errno = EINVAL;
  }
  fault = errno;
  if (fd >= 0)
    close (fd);
  errno = fault;
  return tail->text != NULL;
}

/* Whether @tail has all that was written since @mark, into the same log. */
static gboolean
is_whole_since (const Tail *tail, const VsmmuLogMark *mark)
{
  guint64 before = MIN (mark->size, DIGEST_MAX);

  return tail->file == mark->file && mark->size - before >= tail->from && mark->size <= tail->from + tail->length &&
         digest_before (tail->text, tail->from, mark->size) == mark->digest;
}

static VsmmuQemuLog *
take_apart (const Tail *tail, const VsmmuLogMark *mark)
{
  VsmmuQemuLog *log = g_new0 (VsmmuQemuLog, 1);
  const char *end = tail->text + tail->length;
  const char *begin = vsmmu_qemu_log_find_start (tail->text, tail->length);
  const char *since = tail->text;

  log->since_start.is_partial = begin == NULL;
  if (begin == NULL)
    begin = tail->text;
  vsmmu_qemu_words_read (&log->since_start, begin, (gsize) (end - begin));
  log->has_recent = mark->size > 0;
  if (!log->has_recent)
    return log;
  log->since_attach.is_partial = !is_whole_since (tail, mark);
  if (!log->since_attach.is_partial)
    since += mark->size - tail->from;
  vsmmu_qemu_words_read (&log->since_attach, since, (gsize) (end - since));
  return log;
}

VsmmuQemuLog *
vsmmu_qemu_log_read (const char *path, const VsmmuLogMark *mark, GError **error)
{
  Tail tail;
  g_autofree char *text = NULL;

  if (!read_tail (path, LOG_MAX, &tail)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("cannot read '%s': %s"), path, g_strerror (errno));
    return NULL;
  }
  text = tail.text;
  return take_apart (&tail, mark);
}

VsmmuLogMark
vsmmu_qemu_log_mark (const char *path)
{
  Tail tail;
  g_autofree char *text = NULL;
  VsmmuLogMark mark = { 0 };

  if (path == NULL || !read_tail (path, DIGEST_MAX, &tail))
    return mark;
  text = tail.text;
  mark.size = tail.from + tail.length;
  mark.file = tail.file;
  mark.digest = digest_before (tail.text, tail.from, mark.size);
  return mark;
}

gboolean
vsmmu_uri_is_local (const char *uri)
{
  return g_str_has_prefix (uri, "qemu:///") || g_str_has_prefix (uri, "qemu+unix:///");
}

char *
vsmmu_qemu_log_find (const char *uri, const char *domain)
{
  g_autofree char *name = g_strdup_printf ("%s.log", domain);
  const char *path = vsmmu_uri_is_local (uri) ? strstr (uri, ":///") + strlen (":///") : NULL;

  /* libvirt has no domain with a slash in its name, so one does not lead elsewhere. */
  if (path == NULL || strchr (domain, '/') != NULL)
    return NULL;
  if (g_str_has_prefix (path, "session"))
    return g_build_filename (g_get_user_cache_dir (), "libvirt", "qemu", "log", name, NULL);
  return g_build_filename (SYSTEM_LOGS, name, NULL);
}
