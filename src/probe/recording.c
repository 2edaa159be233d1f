/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/recording.h"

#include <errno.h>
#include <string.h>

#include "probe/gzip.h"
#include "probe/listing-text.h"
#include "probe/listing.h"

#define PATH_LENGTH_MAX 4096
#define LINKS_MAX 40

typedef enum { DIRECTORY, FILE_BYTES, LINK, UNREADABLE } Kind;

typedef struct {
  Kind kind;
  GByteArray *bytes; /* what was read, zero between */
  gboolean is_sparse;
  char *target;
  int error;
} Entry;

struct _VsmmuRecording {
  VsmmuSource source;
  const VsmmuSource *below;
  GMutex mutex;
  GHashTable *paths; /* descriptor → path without links */
  GTree *entries;    /* path without links → Entry */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_byte_array_unref (entry->bytes);
  g_free (entry->target);
  g_free (entry);
}

/* The entry at @path; @is_found: (out): there was one. */
static Entry *
need_entry (VsmmuRecording *recording, const char *path, Kind kind, gboolean *is_found)
{
  Entry *entry = g_tree_lookup (recording->entries, path);

  *is_found = entry != NULL;
  if (entry != NULL)
    return entry;
  entry = g_new0 (Entry, 1);
  entry->kind = kind;
  entry->bytes = g_byte_array_new ();
  g_tree_insert (recording->entries, g_strdup (path), entry);
  return entry;
}

static void
add_link (VsmmuRecording *recording, const char *path, const char *target)
{
  gboolean is_found;
  Entry *entry = need_entry (recording, path, LINK, &is_found);

  if (!is_found)
    entry->target = g_strdup (target);
}

/* Notes why @path could not be read, if it is there. */
static void
add_error (VsmmuRecording *recording, const char *path, int error)
{
  gboolean is_found;
  Entry *entry;

  if (error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENODEV || error == ENXIO || error == EAGAIN)
    return;
  entry = need_entry (recording, path, UNREADABLE, &is_found);
  if (!is_found || (entry->kind == FILE_BYTES && entry->bytes->len == 0))
    entry->kind = UNREADABLE;
  if (entry->kind == UNREADABLE)
    entry->error = error;
}

static void
cut_last (GString *path)
{
  const char *slash = strrchr (path->str, '/');

  g_string_truncate (path, slash != NULL ? (gsize) (slash - path->str) : 0);
}

/* Where the link at @path leads to; %FALSE when it is none. */
static gboolean
read_target (const VsmmuRecording *recording, const char *path, char *target)
{
  gssize got =
      recording->below->read_link (recording->below, recording->below->root, path, target, PATH_LENGTH_MAX - 1);

  target[MAX (got, 0)] = '\0';
  return got > 0;
}

/*
 * (transfer full): @path below @directory without links, which are kept; @is_followed: when it is a link itself. Links
 * lead to what they lead to below the root.
 */
static char *
find_path (VsmmuRecording *recording, int directory, const char *path, gboolean is_followed)
{
  const char *from = g_hash_table_lookup (recording->paths, GINT_TO_POINTER (directory));
  g_autoptr (GString) found = g_string_new (from);
  g_autoptr (GQueue) parts = g_queue_new ();
  g_auto (GStrv) first = g_strsplit (path, "/", -1);
  guint n_links = 0;
  char *part;

  for (char **word = first; *word != NULL; word++)
    g_queue_push_tail (parts, g_strdup (*word));
  while ((part = g_queue_pop_head (parts)) != NULL) {
    g_autofree char *owned = part;
    char target[PATH_LENGTH_MAX];
    g_auto (GStrv) words = NULL;

    if (*part == '\0' || strcmp (part, ".") == 0)
      continue;
    if (strcmp (part, "..") == 0) {
      cut_last (found);
      continue;
    }
    g_string_append_printf (found, "%s%s", found->len > 0 ? "/" : "", part);
    if ((!is_followed && parts->length == 0) || n_links == LINKS_MAX || !read_target (recording, found->str, target))
      continue;
    n_links++;
    add_link (recording, found->str, target);
    if (*target == '/')
      g_string_truncate (found, 0);
    else
      cut_last (found);
    words = g_strsplit (target, "/", -1);
    for (guint i = g_strv_length (words); i-- > 0;)
      g_queue_push_head (parts, g_strdup (words[i]));
  }
  return g_string_free (g_steal_pointer (&found), FALSE);
}

static void
remember (VsmmuRecording *recording, int descriptor, const char *path)
{
  g_hash_table_replace (recording->paths, GINT_TO_POINTER (descriptor), g_strdup (path));
}

/* Records what opening @path came to, and what it is when it was opened. */
static int
note_open (VsmmuRecording *recording, int descriptor, const char *path, Kind kind)
{
  int saved = errno;
  gboolean is_found;

  if (descriptor >= 0) {
    remember (recording, descriptor, path);
    need_entry (recording, path, kind, &is_found);
  } else {
    add_error (recording, path, saved);
  }
  errno = saved;
  return descriptor;
}

static int
enter (const VsmmuSource *source, int directory, const char *path)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  g_autofree char *found = find_path (recording, directory, path, TRUE);

  return note_open (recording, recording->below->enter (recording->below, directory, path), found, DIRECTORY);
}

static int
open_file (const VsmmuSource *source, int directory, const char *name)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  g_autofree char *found = find_path (recording, directory, name, FALSE);

  return note_open (recording, recording->below->open (recording->below, directory, name), found, FILE_BYTES);
}

static int
open_linked (const VsmmuSource *source, const char *path)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  g_autofree char *found = find_path (recording, source->root, path, TRUE);

  return note_open (recording, recording->below->open_linked (recording->below, path), found, FILE_BYTES);
}

static void
keep_bytes (VsmmuRecording *recording, const char *path, gconstpointer data, gsize length, gsize offset)
{
  gboolean is_found;
  Entry *entry = need_entry (recording, path, FILE_BYTES, &is_found);
  guint before = entry->bytes->len;

  entry->is_sparse |= offset > before;
  if (offset + length > before) {
    g_byte_array_set_size (entry->bytes, (guint) (offset + length));
    memset (entry->bytes->data + before, 0, offset + length - before);
  }
  memcpy (entry->bytes->data + offset, data, length);
}

static gssize
read_file (const VsmmuSource *source, int file, gpointer buffer, gsize size, gsize offset)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  const char *path = g_hash_table_lookup (recording->paths, GINT_TO_POINTER (file));
  gssize got = recording->below->read (recording->below, file, buffer, size, offset);
  int saved = errno;

  if (got > 0)
    keep_bytes (recording, path, buffer, (gsize) got, offset);
  else if (got < 0 && saved != EINTR && saved != EPIPE)
    add_error (recording, path, saved);
  errno = saved;
  return got;
}

static gssize
read_link (const VsmmuSource *source, int directory, const char *name, char *buffer, gsize size)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  g_autofree char *found = find_path (recording, directory, name, FALSE);
  gssize got = recording->below->read_link (recording->below, directory, name, buffer, size);
  int saved = errno;

  if (got > 0) {
    g_autofree char *target = g_strndup (buffer, (gsize) got);

    add_link (recording, found, target);
  }
  errno = saved;
  return got;
}

/* Notes what is at @path: a link, a directory or a file. */
static void
add_present (VsmmuRecording *recording, const char *path)
{
  const VsmmuSource *below = recording->below;
  char target[PATH_LENGTH_MAX];
  gboolean is_found;
  int descriptor;

  if (g_tree_lookup (recording->entries, path) != NULL)
    return;
  if (read_target (recording, path, target)) {
    add_link (recording, path, target);
    return;
  }
  descriptor = below->enter (below, below->root, path);
  need_entry (recording, path, descriptor >= 0 ? DIRECTORY : FILE_BYTES, &is_found);
  if (descriptor >= 0)
    below->close (below, descriptor);
}

static GPtrArray *
list (const VsmmuSource *source, int directory, const char *path)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  g_autofree char *found = find_path (recording, directory, path, TRUE);
  GPtrArray *names = recording->below->list (recording->below, directory, path);
  int saved = errno;
  gboolean is_found;

  if (names == NULL)
    add_error (recording, found, saved);
  else
    need_entry (recording, found, DIRECTORY, &is_found);
  for (guint i = 0; names != NULL && i < names->len; i++) {
    g_autofree char *child = g_build_path ("/", found, g_ptr_array_index (names, i), NULL);

    add_present (recording, child);
  }
  errno = saved;
  return names;
}

static gboolean
has (const VsmmuSource *source, int directory, const char *path)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);
  g_autofree char *found = find_path (recording, directory, path, TRUE);
  gboolean has_it = recording->below->has (recording->below, directory, path);
  int saved = errno;

  if (has_it)
    add_present (recording, found);
  errno = saved;
  return has_it;
}

static void
close_descriptor (const VsmmuSource *source, int descriptor)
{
  VsmmuRecording *recording = (VsmmuRecording *) source;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&recording->mutex);

  g_hash_table_remove (recording->paths, GINT_TO_POINTER (descriptor));
  recording->below->close (recording->below, descriptor);
}

static int
compare_paths (gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
  return strcmp (a, b);
}

VsmmuRecording *
vsmmu_recording_new (const VsmmuSource *below)
{
  VsmmuRecording *recording = g_new0 (VsmmuRecording, 1);

  recording->source = (VsmmuSource){
    .root = below->root,
    .enter = enter,
    .open = open_file,
    .open_linked = open_linked,
    .read = read_file,
    .read_link = read_link,
    .list = list,
    .has = has,
    .close = close_descriptor,
  };
  recording->below = below;
  g_mutex_init (&recording->mutex);
  recording->paths = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  recording->entries = g_tree_new_full (compare_paths, NULL, g_free, entry_free);
  remember (recording, below->root, "");
  return recording;
}

void
vsmmu_recording_free (VsmmuRecording *recording)
{
  if (recording == NULL)
    return;
  g_hash_table_unref (recording->paths);
  g_tree_unref (recording->entries);
  g_mutex_clear (&recording->mutex);
  g_free (recording);
}

const VsmmuSource *
vsmmu_recording_get_source (const VsmmuRecording *recording)
{
  return &recording->source;
}

void
vsmmu_recording_add (VsmmuRecording *recording, const char *path, const char *text)
{
  gboolean is_found;
  Entry *entry = need_entry (recording, path, FILE_BYTES, &is_found);

  if (!is_found)
    g_byte_array_append (entry->bytes, (const guint8 *) text, (guint) strlen (text));
}

static const char *
error_name (int number)
{
  for (const VsmmuListingError *row = vsmmu_listing_errors; row->name != NULL; row++)
    if (row->number == number)
      return row->name;
  return "EIO";
}

static void
write_bytes (VsmmuListingText *text, const char *path, const Entry *entry)
{
  gsize length = entry->bytes->len;
  g_autofree char *unpacked = NULL;

  if (g_str_has_suffix (path, ".gz")) {
    unpacked = vsmmu_gzip_unpack ((const char *) entry->bytes->data, length, &length);
    if (unpacked != NULL)
      vsmmu_listing_text_add_lines (text, path, unpacked, length);
  } else if (entry->is_sparse || memchr (entry->bytes->data, '\0', length) != NULL) {
    vsmmu_listing_text_add_bytes (text, path, entry->bytes->data, length);
  } else {
    vsmmu_listing_text_add_lines (text, path, (const char *) entry->bytes->data, length);
  }
}

typedef struct {
  VsmmuListingText *text;
  const char *directory; /* (nullable): not written yet, since something may be in it */
} Writing;

static void
write_directory (Writing *writing, const char *next)
{
  gsize length = writing->directory != NULL ? strlen (writing->directory) : 0;

  if (length > 0 && (next == NULL || strncmp (next, writing->directory, length) != 0 || next[length] != '/'))
    vsmmu_listing_text_add_directory (writing->text, writing->directory);
  writing->directory = NULL;
}

static gboolean
write_entry (gpointer path, gpointer value, gpointer data)
{
  Writing *writing = data;
  VsmmuListingText *text = writing->text;
  const Entry *entry = value;

  write_directory (writing, path);
  if (entry->kind == DIRECTORY)
    writing->directory = path;
  else if (entry->kind == LINK)
    vsmmu_listing_text_add_link (text, path, entry->target);
  else if (entry->kind == UNREADABLE)
    vsmmu_listing_text_add_error (text, path, error_name (entry->error));
  else if (entry->bytes->len == 0)
    vsmmu_listing_text_add_lines (text, path, "", 0);
  else
    write_bytes (text, path, entry);
  return FALSE;
}

char *
vsmmu_recording_write (const VsmmuRecording *recording, VsmmuRecordingCount *count)
{
  Writing writing = { .text = vsmmu_listing_text_new () };

  g_tree_foreach (recording->entries, write_entry, &writing);
  write_directory (&writing, NULL);
  return vsmmu_listing_text_finish (writing.text, count);
}
