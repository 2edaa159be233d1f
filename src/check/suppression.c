/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/suppression.h"

#include <glib/gi18n-lib.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include "base/text.h"
#include "check/finding.h"
#include "domain/domain.h"
#include "xml/xml.h"

/* What a comment of ours begins with. */
#define START "virt-vsmmu ignore="

#define OPTIONS (XML_PARSE_NONET | XML_PARSE_HUGE | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)

/* There are no findings about what is deeper, and a path has the names of all elements that it is in. */
#define DEPTH_MAX 32
#define DEEPER "deeper"

/* A longer list does not help anybody. */
#define UNKNOWN_MAX 20

/* An element that is open. */
typedef struct {
  char *path;         /* with a position at each element: /domain[1]/devices[1] */
  GHashTable *counts; /* name of a child: how many there were */
  GPtrArray *pending; /* (element-type utf8): rules of the comments before the next child */
} Level;

typedef struct {
  const char *name;
  GPtrArray *findings;
  guint n_unknown;      /* rules that were reported */
  GPtrArray *levels;    /* (element-type Level): from the document itself to the innermost element */
  GHashTable *silenced; /* path: (element-type utf8) rules */
} Walk;

static Level *
level_new (char *path)
{
  Level *level = g_new (Level, 1);

  level->path = path;
  level->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  level->pending = g_ptr_array_new_with_free_func (g_free);
  return level;
}

static void
level_free (gpointer data)
{
  Level *level = data;

  g_free (level->path);
  g_hash_table_unref (level->counts);
  g_ptr_array_unref (level->pending);
  g_free (level);
}

static void
report_unknown (Walk *walk, guint line, const char *rule, const char *path)
{
  const char *meant = vsmmu_rules_suggest (rule);
  g_autofree char *shown = vsmmu_text_shorten (rule);
  char *message = g_strdup_printf (_ ("this comment is to silence the rule '%s', which does not exist"), shown);
  char *hint = meant != NULL ? g_strdup_printf (_ ("write '%s'"), meant)
                             : g_strdup (_ ("remove the name, or correct it; 'virt-vsmmu explain' lists all rules"));

  g_ptr_array_add (walk->findings,
                   vsmmu_finding_new (vsmmu_rules_find ("ignored-rule-unknown"), VSMMU_SEVERITY_WARNING, walk->name,
                                      line, g_strdup (*path != '\0' ? path : "/"), message, hint));
}

static Level *
innermost (const Walk *walk)
{
  return g_ptr_array_index (walk->levels, walk->levels->len - 1);
}

/* The next functions are handlers of a parser, which is their first argument. */
static void
read_comment (void *data, const xmlChar *comment)
{
  const xmlParserCtxt *parser = data;
  Walk *walk = parser->_private;
  Level *level = innermost (walk);
  const char *text = (const char *) comment;
  g_auto (GStrv) rules = NULL;
  g_autofree char *list = NULL;

  while (g_ascii_isspace (*text))
    text++;
  if (!g_str_has_prefix (text, START))
    return;
  text += strlen (START);
  list = g_strndup (text, strcspn (text, " \t\r\n"));
  rules = g_strsplit (list, ",", -1);
  for (char **rule = rules; *rule != NULL; rule++) {
    if (vsmmu_rules_find (*rule) != NULL)
      g_ptr_array_add (level->pending, g_strdup (*rule));
    else if (walk->n_unknown++ < UNKNOWN_MAX)
      report_unknown (walk, (guint) parser->input->line, *rule, level->path);
  }
}

static void
start_element (void *data, const xmlChar *local, const xmlChar *prefix G_GNUC_UNUSED, const xmlChar *uri,
               int n_namespaces G_GNUC_UNUSED, const xmlChar **namespaces G_GNUC_UNUSED, int n_attributes G_GNUC_UNUSED,
               int n_defaulted G_GNUC_UNUSED, const xmlChar **attributes G_GNUC_UNUSED)
{
  Walk *walk = ((const xmlParserCtxt *) data)->_private;
  Level *parent = innermost (walk);
  gboolean is_qemu = g_strcmp0 ((const char *) uri, VSMMU_QEMU_NAMESPACE) == 0;
  char *name = g_strdup_printf ("%s%s", is_qemu ? "qemu:" : "", local);
  guint position = GPOINTER_TO_UINT (g_hash_table_lookup (parent->counts, name)) + 1;
  gboolean is_deep = walk->levels->len > DEPTH_MAX;
  char *path = is_deep ? g_strdup (DEEPER) : g_strdup_printf ("%s/%s[%u]", parent->path, name, position);

  g_hash_table_replace (parent->counts, name, GUINT_TO_POINTER (position));
  if (parent->pending->len > 0) {
    g_hash_table_insert (walk->silenced, g_strdup (path), parent->pending);
    parent->pending = g_ptr_array_new_with_free_func (g_free);
  }
  g_ptr_array_add (walk->levels, level_new (path));
}

static void
end_element (void *data, const xmlChar *local G_GNUC_UNUSED, const xmlChar *prefix G_GNUC_UNUSED,
             const xmlChar *uri G_GNUC_UNUSED)
{
  Walk *walk = ((const xmlParserCtxt *) data)->_private;

  g_ptr_array_remove_index (walk->levels, walk->levels->len - 1);
}

static void
walk_document (Walk *walk, const char *data, gsize length)
{
  xmlParserCtxt *parser = xmlNewParserCtxt ();

  if (parser == NULL)
    g_error ("out of memory");
  *parser->sax = (xmlSAXHandler){
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = start_element,
    .endElementNs = end_element,
    .comment = read_comment,
    .serror = vsmmu_xml_ignore_error,
  };
  parser->_private = walk;
  g_ptr_array_add (walk->levels, level_new (g_strdup ("")));
  xmlFreeDoc (xmlCtxtReadMemory (parser, data, (int) length, NULL, NULL, OPTIONS));
  xmlFreeParserCtxt (parser);
}

/* (transfer full): @element of a finding, which has positions only where several are possible, with one everywhere */
static char *
add_positions (const char *element)
{
  g_auto (GStrv) parts = g_strsplit (element, "/", -1);
  GString *path = g_string_new (NULL);

  for (char **part = parts; *part != NULL; part++)
    if (**part != '\0')
      g_string_append_printf (path, "/%s%s", *part, g_str_has_suffix (*part, "]") ? "" : "[1]");
  return g_string_free (path, FALSE);
}

static gboolean
is_silenced (const VsmmuFinding *finding, gconstpointer data)
{
  GHashTable *silenced = (GHashTable *) data;
  g_autofree char *path = add_positions (finding->element);

  for (char *end = path + strlen (path); end != NULL; end = strrchr (path, '/')) {
    const GPtrArray *rules;

    *end = '\0';
    rules = g_hash_table_lookup (silenced, path);
    for (guint i = 0; rules != NULL && i < rules->len; i++)
      if (strcmp (g_ptr_array_index (rules, i), finding->rule->id) == 0)
        return TRUE;
  }
  return FALSE;
}

/* Most documents have no comment of ours, and need not be read again; in UTF-16 every second byte may be a NUL. */
static gboolean
may_silence (const char *data, gsize length)
{
  return memmem (data, length, START, strlen (START)) != NULL || memchr (data, '\0', length) != NULL;
}

void
vsmmu_suppressions_apply (const char *data, gsize length, const char *name, GPtrArray *findings)
{
  Walk walk = { .name = name, .findings = findings };

  if (!may_silence (data, length))
    return;
  walk.levels = g_ptr_array_new_with_free_func (level_free);
  walk.silenced = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  walk_document (&walk, data, length);
  vsmmu_findings_remove_if (findings, is_silenced, walk.silenced);
  g_hash_table_unref (walk.silenced);
  g_ptr_array_unref (walk.levels);
}
