/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <libxml/tree.h>

#include "check/finding.h"
#include "render/report.h"
#include "render/text.h"

/* Of the format, which has had no other change that matters here since then. */
#define CHECKSTYLE_VERSION "4.3"

static const char *const severities[] = {
  [VSMMU_SEVERITY_NOTE] = "info",
  [VSMMU_SEVERITY_WARNING] = "warning",
  [VSMMU_SEVERITY_ERROR] = "error",
};

static void
set_attribute (xmlNode *node, const char *name, const char *value)
{
  /* XML has no way to write most control characters. */
  g_autofree char *printable = vsmmu_render_printable (value);

  xmlNewProp (node, (const xmlChar *) name, (const xmlChar *) printable);
}

static void
add_finding (xmlNode *file, const VsmmuFinding *finding)
{
  xmlNode *error = xmlNewChild (file, NULL, (const xmlChar *) "error", NULL);
  g_autofree char *line = g_strdup_printf ("%u", MAX (finding->line, 1));
  g_autofree char *message = g_strdup_printf ("%s; %s: %s", finding->message, _ ("hint"), finding->hint);
  g_autofree char *source = g_strconcat ("virt-vsmmu.", finding->rule->id, NULL);

  set_attribute (error, "line", line);
  set_attribute (error, "severity", severities[finding->severity]);
  set_attribute (error, "message", message);
  set_attribute (error, "source", source);
}

char *
vsmmu_render_checkstyle (const GPtrArray *findings)
{
  xmlDoc *document = xmlNewDoc ((const xmlChar *) "1.0");
  xmlNode *root = xmlNewDocNode (document, NULL, (const xmlChar *) "checkstyle", NULL);
  xmlNode *file = NULL;
  const char *name = NULL;
  xmlChar *text;
  char *report;
  int length;

  xmlDocSetRootElement (document, root);
  set_attribute (root, "version", CHECKSTYLE_VERSION);
  for (guint i = 0; i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    if (g_strcmp0 (name, finding->file) != 0) {
      file = xmlNewChild (root, NULL, (const xmlChar *) "file", NULL);
      set_attribute (file, "name", name = finding->file);
    }
    add_finding (file, finding);
  }
  xmlDocDumpFormatMemoryEnc (document, &text, &length, "UTF-8", 1);
  report = g_strndup ((const char *) text, (gsize) length);
  xmlFree (text);
  xmlFreeDoc (document);
  return report;
}
