/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Fewer things than this for each thread are not worth one. */
#define SHARE_MIN 256
#define THREADS_MAX 8

typedef struct {
  void (*read) (gpointer data, guint i);
  gpointer data;
  guint n;
  int next; /* the first share that no thread has taken; atomic */
} Work;

static gpointer
do_work (gpointer data)
{
  Work *work = data;

  for (;;) {
    guint first = (guint) g_atomic_int_add (&work->next, SHARE_MIN);

    if (first >= work->n)
      return NULL;
    for (guint i = first; i < MIN (first + SHARE_MIN, work->n); i++)
      work->read (work->data, i);
  }
}

void
vsmmu_tree_for_each (guint n, void (*read) (gpointer data, guint i), gpointer data)
{
  Work work = { .read = read, .data = data, .n = n };
  GThread *threads[THREADS_MAX];
  guint n_threads = MIN (MIN (g_get_num_processors (), THREADS_MAX), n / SHARE_MIN);

  for (guint i = 0; i + 1 < n_threads; i++)
    threads[i] = g_thread_new ("probe", do_work, &work);
  do_work (&work);
  for (guint i = 0; i + 1 < n_threads; i++)
    g_thread_join (threads[i]);
}

void
vsmmu_tree_note_unread (const VsmmuTree *tree, const char *path, int error)
{
  static const char *const tops[] = { "sys/", "proc/", "dev/", "boot/" };
  g_autofree char *shown = NULL;

  /* Options of the kernel decide what is in /sys, so what is not there is nothing special. */
  if (error == ENOENT || error == ENOTDIR || error == ENODEV || error == ENXIO)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (tops) && shown == NULL; i++)
    if (g_str_has_prefix (path, tops[i]))
      shown = g_strconcat ("/", path, NULL);
  g_mutex_lock (tree->mutex);
  vsmmu_host_add_unread (tree->host, shown != NULL ? shown : path, g_strerror (error));
  g_mutex_unlock (tree->mutex);
}

/*
 * Never waits, even if somebody put a pipe there; and follows no link, for
 * nothing that is read here is one, and a link in a tree from elsewhere might
 * lead to files of this host.
 */
int
vsmmu_tree_open (const VsmmuTree *tree, int directory, const char *name)
{
  int fd = openat (directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

  if (fd < 0)
    vsmmu_tree_note_unread (tree, name, errno);
  return fd;
}

int
vsmmu_tree_enter (const VsmmuTree *tree, int directory, const char *path)
{
  int fd = openat (directory, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    vsmmu_tree_note_unread (tree, path, errno);
  return fd;
}

gboolean
vsmmu_tree_read_small (const VsmmuTree *tree, int directory, const char *name, char *buffer, gsize size)
{
  int fd = vsmmu_tree_open (tree, directory, name);
  gssize got;

  if (fd < 0)
    return FALSE;
  do {
    got = read (fd, buffer, size - 1);
  } while (got < 0 && errno == EINTR);
  if (got < 0)
    vsmmu_tree_note_unread (tree, name, errno);
  close (fd);
  buffer[MAX (got, 0)] = '\0';
  if (got > 0 && buffer[got - 1] == '\n')
    buffer[got - 1] = '\0';
  return got >= 0;
}

VsmmuFact
vsmmu_tree_read_number (const VsmmuTree *tree, int directory, const char *name)
{
  char text[64];
  char *end = NULL;
  gint64 value;

  if (!vsmmu_tree_read_small (tree, directory, name, text, sizeof (text)))
    return VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
  value = g_ascii_strtoll (text, &end, 10);
  return VSMMU_FACT (end != text && *end == '\0' ? VSMMU_FACT_SOURCE_SYSFS : VSMMU_FACT_SOURCE_NONE, value);
}

/* (transfer full) (nullable): what there is to read from @fd, which is closed */
static char *
read_all (const VsmmuTree *tree, int fd, const char *path, gsize *length)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gssize got = 0;

  *length = 0;
  do {
    if (bytes->len - *length < 16 * 1024)
      g_byte_array_set_size (bytes, MAX (bytes->len * 2, 64 * 1024));
    got = read (fd, bytes->data + *length, bytes->len - *length - 1);
    *length += (gsize) MAX (got, 0);
    /* The log says EPIPE when it ran over since the last record. */
  } while ((got > 0 || (got < 0 && (errno == EINTR || errno == EPIPE))) && *length < VSMMU_TREE_FILE_MAX);
  if (got < 0 && errno != EAGAIN) {
    vsmmu_tree_note_unread (tree, path, errno);
    close (fd);
    return NULL;
  }
  close (fd);
  bytes->data[*length] = '\0';
  return (char *) g_byte_array_free (g_steal_pointer (&bytes), FALSE);
}

char *
vsmmu_tree_read_file (const VsmmuTree *tree, const char *path, gsize *length)
{
  int fd = vsmmu_tree_open (tree, tree->fd, path);

  return fd >= 0 ? read_all (tree, fd, path, length) : NULL;
}

char *
vsmmu_tree_read_linked_file (const VsmmuTree *tree, const char *path, gsize *length)
{
  struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                          .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  int fd = (int) syscall (SYS_openat2, tree->fd, path, &how, sizeof (how));

  /* A container's filter of system calls may not know this one. */
  if (fd < 0 && (errno == ENOSYS || errno == EPERM))
    return vsmmu_tree_read_file (tree, path, length);
  if (fd < 0) {
    vsmmu_tree_note_unread (tree, path, errno);
    return NULL;
  }
  return read_all (tree, fd, path, length);
}

gboolean
vsmmu_tree_read_link (int directory, const char *name, char *buffer, gsize size)
{
  gssize got = readlinkat (directory, name, buffer, size - 1);

  buffer[MAX (got, 0)] = '\0';
  return got > 0;
}

GPtrArray *
vsmmu_tree_list (const VsmmuTree *tree, int directory, const char *path)
{
  int fd = openat (directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  int error = fd < 0 ? errno : 0;
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;
  GPtrArray *names;

  if (stream == NULL && error != ENOENT) {
    vsmmu_tree_note_unread (tree, path, error != 0 ? error : ENOMEM);
    if (fd >= 0)
      close (fd);
    return NULL;
  }
  names = g_ptr_array_new_with_free_func (g_free);
  while (stream != NULL && (entry = readdir (stream)) != NULL)
    if (entry->d_name[0] != '.')
      g_ptr_array_add (names, g_strdup (entry->d_name));
  if (stream != NULL)
    closedir (stream);
  return names;
}

VsmmuFact
vsmmu_tree_exists (const VsmmuTree *tree, const char *path, VsmmuFactSource source)
{
  if (faccessat (tree->fd, path, F_OK, 0) == 0)
    return VSMMU_FACT (source, TRUE);
  return VSMMU_FACT (errno == ENOENT || errno == ENOTDIR ? source : VSMMU_FACT_SOURCE_NONE, FALSE);
}
