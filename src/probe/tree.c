/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/tree.h"

#include <errno.h>
#include <string.h>

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

int
vsmmu_tree_open (const VsmmuTree *tree, int directory, const char *name)
{
  int file = tree->source->open (tree->source, directory, name);

  if (file < 0)
    vsmmu_tree_note_unread (tree, name, errno);
  return file;
}

int
vsmmu_tree_enter (const VsmmuTree *tree, int directory, const char *path)
{
  int entered = tree->source->enter (tree->source, directory, path);

  if (entered < 0)
    vsmmu_tree_note_unread (tree, path, errno);
  return entered;
}

void
vsmmu_tree_close (const VsmmuTree *tree, int descriptor)
{
  tree->source->close (tree->source, descriptor);
}

gssize
vsmmu_tree_read (const VsmmuTree *tree, int file, gpointer buffer, gsize size, gsize offset)
{
  gssize got;

  do {
    got = tree->source->read (tree->source, file, buffer, size, offset);
  } while (got < 0 && errno == EINTR);
  return got;
}

gboolean
vsmmu_tree_has (const VsmmuTree *tree, int directory, const char *path)
{
  return tree->source->has (tree->source, directory, path);
}

gboolean
vsmmu_tree_read_small (const VsmmuTree *tree, int directory, const char *name, char *buffer, gsize size)
{
  int file = vsmmu_tree_open (tree, directory, name);
  gssize got;

  if (file < 0)
    return FALSE;
  got = vsmmu_tree_read (tree, file, buffer, size - 1, 0);
  if (got < 0)
    vsmmu_tree_note_unread (tree, name, errno);
  vsmmu_tree_close (tree, file);
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

/* (transfer full) (nullable): what there is to read from @file, which is closed */
static char *
read_all (const VsmmuTree *tree, int file, const char *path, gsize *length)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gssize got = 0;

  *length = 0;
  do {
    if (bytes->len - *length < 16 * 1024)
      g_byte_array_set_size (bytes, MAX (bytes->len * 2, 64 * 1024));
    got = vsmmu_tree_read (tree, file, bytes->data + *length, bytes->len - *length - 1, *length);
    *length += (gsize) MAX (got, 0);
    /* The log says EPIPE when it ran over since the last record. */
  } while ((got > 0 || (got < 0 && errno == EPIPE)) && *length < VSMMU_TREE_FILE_MAX);
  if (got < 0 && errno != EAGAIN) {
    vsmmu_tree_note_unread (tree, path, errno);
    vsmmu_tree_close (tree, file);
    return NULL;
  }
  vsmmu_tree_close (tree, file);
  bytes->data[*length] = '\0';
  return (char *) g_byte_array_free (g_steal_pointer (&bytes), FALSE);
}

char *
vsmmu_tree_read_file (const VsmmuTree *tree, const char *path, gsize *length)
{
  int file = vsmmu_tree_open (tree, tree->source->root, path);

  return file >= 0 ? read_all (tree, file, path, length) : NULL;
}

char *
vsmmu_tree_read_linked_file (const VsmmuTree *tree, const char *path, gsize *length)
{
  int file = tree->source->open_linked (tree->source, path);

  if (file < 0) {
    vsmmu_tree_note_unread (tree, path, errno);
    return NULL;
  }
  return read_all (tree, file, path, length);
}

gboolean
vsmmu_tree_read_link (const VsmmuTree *tree, int directory, const char *name, char *buffer, gsize size)
{
  gssize got = tree->source->read_link (tree->source, directory, name, buffer, size - 1);

  buffer[MAX (got, 0)] = '\0';
  return got > 0;
}

GPtrArray *
vsmmu_tree_list (const VsmmuTree *tree, int directory, const char *path)
{
  GPtrArray *names = tree->source->list (tree->source, directory, path);

  if (names == NULL && errno == ENOENT)
    return g_ptr_array_new_with_free_func (g_free);
  if (names == NULL)
    vsmmu_tree_note_unread (tree, path, errno);
  return names;
}

VsmmuFact
vsmmu_tree_exists (const VsmmuTree *tree, const char *path, VsmmuFactSource source)
{
  if (vsmmu_tree_has (tree, tree->source->root, path))
    return VSMMU_FACT (source, TRUE);
  return VSMMU_FACT (errno == ENOENT || errno == ENOTDIR ? source : VSMMU_FACT_SOURCE_NONE, FALSE);
}
