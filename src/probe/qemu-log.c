/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/qemu-log.h"

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

/* QEMU iommufd_backend_alloc_vdev() and smmuv3_accel_reset(); the second has no line feed in QEMU 11.1. */
#define REFUSED "IOMMU_VDEVICE_ALLOC failed"
#define UNATTACHED "Failed to attach GBPA hwpt"
/* The trace kvm_arm_fixup_msi_route: "MSI iova = 0x%lx is translated into 0x%lx" */
#define ROUTE "MSI iova = 0x"
#define ROUTE_GPA " is translated into 0x"
/* libvirt's, whatever directory we were built for. */
#define SYSTEM_LOGS "/var/log/libvirt/qemu"
/* qemuProcessLaunch() */
#define START ": starting up libvirt version"

static gboolean
contains (const char *line, gsize length, const char *words)
{
  return memmem (line, length, words, strlen (words)) != NULL;
}

/* libvirt has QEMU put the time before each line, and that is of no use in a message. */
static void
keep_line (VsmmuQemuWords *words, const char *line, gsize length)
{
  const char *program = memmem (line, length, "qemu-system", strlen ("qemu-system"));
  g_autofree char *text = NULL;
  g_autofree char *valid = NULL;

  if (words->line != NULL)
    return;
  length -= program != NULL ? (gsize) (program - line) : 0;
  text = g_strndup (program != NULL ? program : line, length);
  valid = g_utf8_make_valid (text, -1);
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
    gboolean is_refused = contains (line, size, REFUSED);
    gboolean is_unattached = contains (line, size, UNATTACHED);

    words->n_refused += is_refused;
    words->n_unattached += is_unattached;
    if (is_refused || is_unattached)
      keep_line (words, line, size);
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
  const char *found = text;
  const char *end = text + length;
  const char *next;

  while ((next = memmem (found, (gsize) (end - found), START, strlen (START))) != NULL)
    found = next + strlen (START);
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

static VsmmuQemuLog *
take_apart (const char *text, gsize length, guint64 from, guint64 start)
{
  VsmmuQemuLog *log = g_new0 (VsmmuQemuLog, 1);
  const char *begin = vsmmu_qemu_log_find_start (text, length);
  gsize skip = start > from ? (gsize) (start - from) : 0;

  vsmmu_qemu_words_read (&log->since_start, begin, length - (gsize) (begin - text));
  log->has_recent = start > 0;
  /* A log that is smaller than it was is a new one. */
  if (log->has_recent)
    vsmmu_qemu_words_read (&log->since_attach, skip <= length ? text + skip : text,
                           skip <= length ? length - skip : length);
  return log;
}

VsmmuQemuLog *
vsmmu_qemu_log_read (const char *path, guint64 start, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  g_autofree char *text = NULL;
  struct stat status = { 0 };
  guint64 from = 0;
  gsize length = 0;
  int fault;

  if (fd >= 0 && fstat (fd, &status) == 0 && S_ISREG (status.st_mode)) {
    from = (gsize) status.st_size > LOG_MAX ? (guint64) status.st_size - LOG_MAX : 0;
    text = read_from (fd, from, (guint64) status.st_size, &length);
  } else if (fd >= 0) {
    errno = EINVAL;
  }
  fault = errno;
  if (fd >= 0)
    close (fd);
  if (text != NULL)
    return take_apart (text, length, from, start);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROBE, _ ("'%s' cannot be read: %s"), path, g_strerror (fault));
  return NULL;
}

guint64
vsmmu_qemu_log_get_size (const char *path)
{
  struct stat status;

  return path != NULL && stat (path, &status) == 0 ? (guint64) status.st_size : 0;
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
