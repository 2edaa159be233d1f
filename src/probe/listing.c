/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/listing.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "base/text.h"
#include "probe/gzip.h"
#include "probe/tree.h"

/* More than any host has; keeps the memory for a text that was made to be large small. */
#define NODES_MAX 2000000
#define DEPTH_MAX 64

/* Links that are followed and names that are looked up for one path, and the length of what a link leads to. */
#define LINKS_MAX 16
#define STEPS_MAX 512
#define TARGET_MAX 4095

const VsmmuListingError vsmmu_listing_errors[] = {
  { "EACCES", EACCES },
  { "EPERM", EPERM },
  { "EIO", EIO },
  { NULL },
};

typedef enum { DIRECTORY, TEXT, BINARY, LINK, UNREADABLE } Kind;

/* Some bytes of a binary file. */
typedef struct {
  guint32 offset;
  guint32 n;
  guint8 bytes[16];
} Row;

typedef struct _Node Node;
struct _Node {
  Kind kind;
  int number;
  guint depth;
  int error; /* of what cannot be read */
  Node *parent;
  GHashTable *children; /* (nullable): name → Node, borrowed */
  GString *text;        /* (nullable): of a text, or where a link leads to */
  GArray *rows;         /* (nullable) (element-type Row): of a binary file */
  guint32 size;         /* of a binary file */
};

struct _VsmmuListing {
  VsmmuSource source;
  GPtrArray *nodes; /* the first is the root */
};

typedef struct {
  VsmmuListing *listing;
  const char *name;
  guint line;
  Node *directory;
  GError **error;
} Parser;

static void
node_free (gpointer data)
{
  Node *node = data;

  if (node->children != NULL)
    g_hash_table_unref (node->children);
  if (node->text != NULL)
    g_string_free (node->text, TRUE);
  if (node->rows != NULL)
    g_array_unref (node->rows);
  g_free (node);
}

void
vsmmu_listing_free (VsmmuListing *listing)
{
  if (listing == NULL)
    return;
  g_ptr_array_unref (listing->nodes);
  g_free (listing);
}

static gboolean refuse (const Parser *parser, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (const Parser *parser, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (parser->error, VSMMU_ERROR, VSMMU_ERROR_FACTS, "%s:%u: %s", parser->name, parser->line, message);
  return FALSE;
}

/* (transfer full): @word of the document as messages show it */
static char *
show (const char *word)
{
  g_autofree char *valid = g_utf8_make_valid (word, -1);

  return vsmmu_text_shorten (valid);
}

static Node *
add_node (VsmmuListing *listing, Node *parent, Kind kind)
{
  Node *node = g_new0 (Node, 1);

  node->kind = kind;
  node->number = (int) listing->nodes->len;
  node->parent = parent != NULL ? parent : node;
  node->depth = parent != NULL ? parent->depth + 1 : 0;
  g_ptr_array_add (listing->nodes, node);
  return node;
}

static Node *
find_child (const Node *node, const char *name)
{
  return node->children != NULL ? g_hash_table_lookup (node->children, name) : NULL;
}

/* The child of @parent that is called @name; made as @kind when there is none. %NULL after an error. */
static Node *
need_child (const Parser *parser, Node *parent, const char *name, Kind kind)
{
  Node *node = find_child (parent, name);

  if (node != NULL)
    return node;
  if (parser->listing->nodes->len >= NODES_MAX || parent->depth >= DEPTH_MAX) {
    refuse (parser, _ ("more than %u files, or %u directories in each other"), NODES_MAX, DEPTH_MAX);
    return NULL;
  }
  if (parent->children == NULL)
    parent->children = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  node = add_node (parser->listing, parent, kind);
  g_hash_table_insert (parent->children, g_strdup (name), node);
  return node;
}

/*
 * The node at @path below @from; made as @kind when there is none, and directories on the way. %NULL after an error.
 * A path is taken as it is written: what is behind a link cannot be changed through it.
 */
static Node *
need_node (const Parser *parser, Node *from, const char *path, Kind kind)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", DEPTH_MAX + 2);
  g_autofree char *shown = show (path);
  Node *node = from;

  for (char **part = parts; *part != NULL; part++) {
    if (**part == '\0' || strcmp (*part, ".") == 0 || strcmp (*part, "..") == 0) {
      refuse (parser, _ ("invalid path '%s'"), shown);
      return NULL;
    }
    if (node->kind != DIRECTORY) {
      refuse (parser, _ ("'%s' is in something that is not a directory"), shown);
      return NULL;
    }
    node = need_child (parser, node, *part, part[1] != NULL ? DIRECTORY : kind);
    if (node == NULL)
      return NULL;
  }
  return node;
}

/* The same for what must be of this kind; @is_new: and must not have been there. */
static Node *
need_entry (const Parser *parser, const char *path, Kind kind, gboolean is_new)
{
  guint n = parser->listing->nodes->len;
  Node *node = need_node (parser, parser->directory, path, kind);
  g_autofree char *shown = show (path);

  if (node == NULL)
    return NULL;
  if (node->kind != kind || (is_new && (guint) node->number < n)) {
    refuse (parser, _ ("'%s' occurs twice"), shown);
    return NULL;
  }
  return node;
}

static gboolean
add_text (const Parser *parser, const char *path, const char *text, gboolean is_line)
{
  Node *node = need_entry (parser, path, TEXT, !is_line);

  if (node == NULL)
    return FALSE;
  if (node->text == NULL)
    node->text = g_string_new (NULL);
  if (is_line || *text != '\0')
    g_string_append_printf (node->text, "%s\n", text);
  return TRUE;
}

/* Whether a link in a directory at @depth leads to something below the root. */
static gboolean
stays_inside (guint depth, const char *target)
{
  g_auto (GStrv) parts = g_strsplit (target, "/", -1);
  guint level = target[0] == '/' ? 0 : depth;

  for (char **part = parts; *part != NULL; part++) {
    if (strcmp (*part, "..") == 0 && level-- == 0)
      return FALSE;
    level += **part != '\0' && strcmp (*part, ".") != 0 && strcmp (*part, "..") != 0;
  }
  return TRUE;
}

static gboolean
add_link (const Parser *parser, const char *path, const char *target)
{
  Node *node = need_entry (parser, path, LINK, TRUE);
  g_autofree char *shown = show (path);

  if (node == NULL)
    return FALSE;
  if (*target == '\0' || strlen (target) > TARGET_MAX || !stays_inside (node->depth - 1, target))
    return refuse (parser, _ ("link '%s' leads out of the listing"), shown);
  node->text = g_string_new (target);
  return TRUE;
}

static gboolean
add_binary (const Parser *parser, const char *path, const char *size)
{
  Node *node = need_entry (parser, path, BINARY, TRUE);
  g_autofree char *shown = show (size);
  guint64 value;

  if (node == NULL)
    return FALSE;
  if (!g_ascii_string_to_unsigned (size, 10, 0, VSMMU_TREE_FILE_MAX, &value, NULL))
    return refuse (parser, _ ("invalid size '%s'"), shown);
  node->size = (guint32) value;
  node->rows = g_array_new (FALSE, TRUE, sizeof (Row));
  return TRUE;
}

/* OFFSET and up to 16 bytes in hexadecimal */
static gboolean
parse_row (const char *text, guint32 size, Row *row)
{
  g_auto (GStrv) words = g_strsplit (text, " ", G_N_ELEMENTS (row->bytes) + 2);
  guint64 value;

  if (words[0] == NULL || !g_ascii_string_to_unsigned (words[0], 16, 0, VSMMU_TREE_FILE_MAX, &value, NULL))
    return FALSE;
  row->offset = (guint32) value;
  for (char **word = words + 1; *word != NULL; word++) {
    if (row->n == G_N_ELEMENTS (row->bytes) || strlen (*word) != 2 ||
        !g_ascii_string_to_unsigned (*word, 16, 0, G_MAXUINT8, &value, NULL))
      return FALSE;
    row->bytes[row->n++] = (guint8) value;
  }
  return row->n > 0 && row->offset + row->n <= size;
}

static gboolean
add_bytes (const Parser *parser, const char *path, const char *text)
{
  Node *node = need_node (parser, parser->directory, path, BINARY);
  g_autofree char *shown = show (text);
  Row row = { 0 };

  if (node == NULL)
    return FALSE;
  if (node->kind != BINARY || node->rows == NULL || !parse_row (text, node->size, &row))
    return refuse (parser, _ ("invalid bytes '%s'"), shown);
  g_array_append_val (node->rows, row);
  return TRUE;
}

static gboolean
add_unreadable (const Parser *parser, const char *path, const char *name)
{
  Node *node = need_entry (parser, path, UNREADABLE, TRUE);
  g_autofree char *shown = show (name);

  if (node == NULL)
    return FALSE;
  for (const VsmmuListingError *row = vsmmu_listing_errors; row->name != NULL; row++)
    if (strcmp (row->name, name) == 0)
      node->error = row->number;
  return node->error != 0 || refuse (parser, _ ("unknown error '%s'"), shown);
}

static gboolean
add_entry (const Parser *parser, const char *path, const char *kind, const char *value)
{
  if (strcmp (kind, "=") == 0 || strcmp (kind, "|") == 0)
    return add_text (parser, path, value, *kind == '|');
  if (strcmp (kind, "->") == 0)
    return add_link (parser, path, value);
  if (strcmp (kind, ":") == 0)
    return add_binary (parser, path, value);
  if (strcmp (kind, "@") == 0)
    return add_bytes (parser, path, value);
  if (strcmp (kind, "!") == 0)
    return add_unreadable (parser, path, value);
  return refuse (parser, _ ("expected [DIRECTORY], an entry, or a comment"));
}

/* [DIRECTORY]; a slash at either end does not matter. */
static gboolean
enter_directory (Parser *parser, char *line, gsize length)
{
  char *path = line + 1;

  line[length - 1] = '\0';
  if (g_str_has_prefix (path, "/"))
    path++;
  if (g_str_has_suffix (path, "/"))
    path[strlen (path) - 1] = '\0';
  parser->directory = need_node (parser, g_ptr_array_index (parser->listing->nodes, 0), path, DIRECTORY);
  if (parser->directory == NULL)
    return FALSE;
  return parser->directory->kind == DIRECTORY || refuse (parser, _ ("expected [DIRECTORY], an entry, or a comment"));
}

static gboolean
parse_line (Parser *parser, char *line)
{
  gsize length = strlen (line);
  char *kind;
  char *value;

  if (line[strspn (line, " \t")] == '\0' || *line == '#')
    return TRUE;
  if (*line == '[' && line[length - 1] == ']')
    return enter_directory (parser, line, length);
  kind = strchr (line, ' ');
  if (kind == NULL && length > 1 && line[length - 1] == '/') {
    line[length - 1] = '\0';
    return need_entry (parser, line, DIRECTORY, FALSE) != NULL;
  }
  if (kind == NULL || kind == line)
    return refuse (parser, _ ("expected [DIRECTORY], an entry, or a comment"));
  *kind++ = '\0';
  value = strchr (kind, ' ');
  if (value != NULL)
    *value++ = '\0';
  return add_entry (parser, line, kind, value != NULL ? value : "");
}

/* What is in compressed files is in the listing as it was before. */
static void
compress_text (gpointer name, gpointer value, gpointer data G_GNUC_UNUSED)
{
  Node *node = value;
  g_autofree char *packed = NULL;
  gsize length;

  if (node->kind != TEXT || !g_str_has_suffix (name, ".gz"))
    return;
  packed = vsmmu_gzip_pack (node->text->str, node->text->len, &length);
  g_string_truncate (node->text, 0);
  g_string_append_len (node->text, packed, (gssize) length);
}

static void
compress_texts (VsmmuListing *listing)
{
  for (guint i = 0; i < listing->nodes->len; i++) {
    const Node *node = g_ptr_array_index (listing->nodes, i);

    if (node->children != NULL)
      g_hash_table_foreach (node->children, compress_text, NULL);
  }
}

/* What looking up a path has cost so far. */
typedef struct {
  guint n_links;
  guint n_steps;
} Cost;

/* %NULL with errno when there is nothing at @path; @is_followed: if it is a link itself */
static Node *
resolve (const VsmmuListing *listing, Node *from, const char *path, gboolean is_followed, Cost *cost)
{
  Node *node = *path == '/' ? g_ptr_array_index (listing->nodes, 0) : from;
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  for (char **part = parts; *part != NULL; part++) {
    Node *child;

    if (node->kind != DIRECTORY || ++cost->n_steps > STEPS_MAX) {
      errno = node->kind == UNREADABLE ? node->error : node->kind == DIRECTORY ? ENAMETOOLONG : ENOTDIR;
      return NULL;
    }
    if (**part == '\0' || strcmp (*part, ".") == 0)
      continue;
    child = strcmp (*part, "..") == 0 ? node->parent : find_child (node, *part);
    if (child != NULL && child->kind == LINK && (is_followed || part[1] != NULL)) {
      if (++cost->n_links > LINKS_MAX) {
        errno = ELOOP;
        return NULL;
      }
      child = resolve (listing, node, child->text->str, TRUE, cost);
    } else if (child == NULL) {
      errno = ENOENT;
    }
    if (child == NULL)
      return NULL;
    node = child;
  }
  return node;
}

static Node *
find_node (const VsmmuSource *source, int directory, const char *path, gboolean is_followed)
{
  const VsmmuListing *listing = (const VsmmuListing *) source;
  Cost cost = { 0 };

  return resolve (listing, g_ptr_array_index (listing->nodes, directory), path, is_followed, &cost);
}

static int
enter (const VsmmuSource *source, int directory, const char *path)
{
  const Node *node = find_node (source, directory, path, TRUE);

  if (node == NULL)
    return -1;
  if (node->kind == DIRECTORY)
    return node->number;
  errno = node->kind == UNREADABLE ? node->error : ENOTDIR;
  return -1;
}

static int
open_node (const Node *node)
{
  static const int errors[] = { [DIRECTORY] = EISDIR, [LINK] = ELOOP };

  if (node == NULL)
    return -1;
  if (node->kind == TEXT || node->kind == BINARY)
    return node->number;
  errno = node->kind == UNREADABLE ? node->error : errors[node->kind];
  return -1;
}

static int
open_file (const VsmmuSource *source, int directory, const char *name)
{
  return open_node (find_node (source, directory, name, FALSE));
}

static int
open_linked (const VsmmuSource *source, const char *path)
{
  return open_node (find_node (source, source->root, path, TRUE));
}

static void
read_rows (const Node *node, guint8 *buffer, gsize size, gsize offset)
{
  memset (buffer, 0, size);
  for (guint i = 0; i < node->rows->len; i++) {
    const Row *row = &g_array_index (node->rows, Row, i);
    gsize start = MAX (row->offset, offset);
    gsize end = MIN (row->offset + row->n, offset + size);

    if (start < end)
      memcpy (buffer + (start - offset), row->bytes + (start - row->offset), end - start);
  }
}

static gssize
read_file (const VsmmuSource *source, int file, gpointer buffer, gsize size, gsize offset)
{
  const Node *node = g_ptr_array_index (((const VsmmuListing *) source)->nodes, file);
  gsize length = node->kind == BINARY ? node->size : node->text->len;

  if (offset >= length)
    return 0;
  size = MIN (size, length - offset);
  if (node->kind == BINARY)
    read_rows (node, buffer, size, offset);
  else
    memcpy (buffer, node->text->str + offset, size);
  return (gssize) size;
}

static gssize
read_link (const VsmmuSource *source, int directory, const char *name, char *buffer, gsize size)
{
  const Node *node = find_node (source, directory, name, FALSE);

  if (node == NULL)
    return -1;
  if (node->kind != LINK) {
    errno = EINVAL;
    return -1;
  }
  size = MIN (size, node->text->len);
  memcpy (buffer, node->text->str, size);
  return (gssize) size;
}

static GPtrArray *
list (const VsmmuSource *source, int directory, const char *path)
{
  int entered = enter (source, directory, path);
  const Node *node = entered >= 0 ? g_ptr_array_index (((const VsmmuListing *) source)->nodes, entered) : NULL;
  GPtrArray *names;
  GHashTableIter iter;
  gpointer name;

  if (node == NULL)
    return NULL;
  names = g_ptr_array_new_with_free_func (g_free);
  if (node->children == NULL)
    return names;
  g_hash_table_iter_init (&iter, node->children);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (*(const char *) name != '.')
      g_ptr_array_add (names, g_strdup (name));
  return names;
}

static gboolean
has (const VsmmuSource *source, int directory, const char *path)
{
  return find_node (source, directory, path, TRUE) != NULL;
}

static void
close_nothing (const VsmmuSource *source G_GNUC_UNUSED, int descriptor G_GNUC_UNUSED)
{
}

const VsmmuSource *
vsmmu_listing_get_source (const VsmmuListing *listing)
{
  return &listing->source;
}

static VsmmuListing *
listing_new (void)
{
  VsmmuListing *listing = g_new0 (VsmmuListing, 1);

  listing->source = (VsmmuSource){
    .enter = enter,
    .open = open_file,
    .open_linked = open_linked,
    .read = read_file,
    .read_link = read_link,
    .list = list,
    .has = has,
    .close = close_nothing,
  };
  listing->nodes = g_ptr_array_new_with_free_func (node_free);
  add_node (listing, NULL, DIRECTORY);
  return listing;
}

/* The first line that is not empty, without white space at its ends; %FALSE when there is none. */
static gboolean
find_first_line (const char *data, gsize length, const char **line, gsize *line_length)
{
  const char *end = data + length;

  while (data < end && g_ascii_isspace (*data))
    data++;
  *line = data;
  while (data < end && *data != '\n')
    data++;
  while (data > *line && g_ascii_isspace (data[-1]))
    data--;
  *line_length = (gsize) (data - *line);
  return *line_length > 0;
}

gboolean
vsmmu_listing_is_one (const char *data, gsize length)
{
  const char *line;
  gsize line_length;

  if (!find_first_line (data, length, &line, &line_length))
    return FALSE;
  if (*line == '#')
    return TRUE;
  /* An array in JSON begins like a directory, but its elements are numbers, strings, objects, or words. */
  return *line == '[' && line[line_length - 1] == ']' && (g_ascii_isalpha (line[1]) || line[1] == '/') &&
         memchr (line, '"', line_length) == NULL && memchr (line, ',', line_length) == NULL &&
         memchr (line, '{', line_length) == NULL && g_strstr_len (line, (gssize) line_length, "true") == NULL &&
         g_strstr_len (line, (gssize) line_length, "false") == NULL &&
         g_strstr_len (line, (gssize) line_length, "null") == NULL;
}

/* A listing that was written by the program says where it ends. */
static gboolean
check_end (const Parser *parser, const char *data, gsize length)
{
  if (length < strlen (VSMMU_LISTING_FIRST) || memcmp (data, VSMMU_LISTING_FIRST, strlen (VSMMU_LISTING_FIRST)) != 0)
    return TRUE;
  while (length > 0 && g_ascii_isspace (data[length - 1]))
    length--;
  if (length >= strlen (VSMMU_LISTING_LAST) &&
      memcmp (data + length - strlen (VSMMU_LISTING_LAST), VSMMU_LISTING_LAST, strlen (VSMMU_LISTING_LAST)) == 0)
    return TRUE;
  return refuse (parser, _ ("the listing is not complete: '%s' is missing"), VSMMU_LISTING_LAST);
}

VsmmuListing *
vsmmu_listing_parse (const char *data, gsize length, const char *name, GError **error)
{
  g_autoptr (VsmmuListing) listing = listing_new ();
  g_autofree char *text = g_strndup (data, length);
  Parser parser = {
    .listing = listing, .name = name, .directory = g_ptr_array_index (listing->nodes, 0), .error = error
  };
  char *rest = text;
  char *line;

  while ((line = strsep (&rest, "\n")) != NULL) {
    gsize line_length = strlen (line);

    parser.line++;
    /* Mail turns the ends of lines into these. */
    if (line_length > 0 && line[line_length - 1] == '\r')
      line[line_length - 1] = '\0';
    if (!parse_line (&parser, line))
      return NULL;
  }
  if (memchr (data, '\0', length) != NULL) {
    refuse (&parser, _ ("the listing contains a zero byte"));
    return NULL;
  }
  if (!check_end (&parser, data, length))
    return NULL;
  compress_texts (listing);
  return g_steal_pointer (&listing);
}
