/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a verification reads besides the guest: QEMU's log, any bytes at all, and what the domain's metadata say of a
 * mismatch. The input is both.
 */
#include <stdint.h>
#include <string.h>

#include "check/policy.h"
#include "model/domain.h"
#include "model/metadata-filter.h"
#include "model/xml.h"
#include "msi/guest-output.h"
#include "probe/qemu-log.h"
#include "vsmmu/vsmmu.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define DOMAIN                                                                                                         \
  "<domain type='kvm'><name>fuzz</name><os><type arch='aarch64' machine='virt'>hvm</type></os>%.*s</domain>"
#define CHARACTERS_MAX 160

static void
read_log (const char *text, gsize length)
{
  const char *found = vsmmu_qemu_log_find_start (text, length);
  const char *start = found != NULL ? found : text;
  VsmmuQemuWords all = { 0 };
  VsmmuQemuWords recent = { 0 };

  if (start < text || start > text + length)
    g_error ("the last start is not in the log");
  vsmmu_qemu_words_read (&all, text, length);
  vsmmu_qemu_words_read (&recent, start, length - (gsize) (start - text));
  if (recent.n_routes > all.n_routes)
    g_error ("a part says more than the whole");
  for (guint i = 0; i < VSMMU_QEMU_LINES; i++)
    if (i != VSMMU_QEMU_LINE_NONE && recent.n_lines[i] > all.n_lines[i])
      g_error ("a part says more than the whole");
  if ((all.line != NULL) != (all.worst != VSMMU_QEMU_LINE_NONE) ||
      (all.worst != VSMMU_QEMU_LINE_NONE && all.n_lines[all.worst] == 0))
    g_error ("a complaint without a line, or a line without a complaint");
  if (all.line != NULL && (!g_utf8_validate (all.line, -1, NULL) || g_utf8_strlen (all.line, -1) > CHARACTERS_MAX))
    g_error ("a line that cannot be shown");
  if ((all.routes_and & ~all.routes_or) != 0)
    g_error ("bits that all routes have, and none");
  vsmmu_qemu_words_clear (&all);
  vsmmu_qemu_words_clear (&recent);
}

/* The children of the root, without or (@is_metadata) only its metadata. */
static guint
count_children (const xmlDoc *document, gboolean is_metadata)
{
  guint count = 0;

  for (const xmlNode *node = vsmmu_xml_element (xmlDocGetRootElement (document)->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    gboolean is_prefixed = node->ns != NULL && node->ns->prefix != NULL;

    count += (!is_prefixed && strcmp ((const char *) node->name, "metadata") == 0) == is_metadata;
  }
  return count;
}

/* What libvirt wrote is well-formed, and then only its metadata are missing, and no line moves. */
static void
read_filtered (const char *xml)
{
  g_autoptr (GString) left = g_string_new (NULL);
  g_autoptr (GString) bytewise = g_string_new (NULL);
  VsmmuMetadataFilter filter = { 0 };
  VsmmuMetadataFilter other = { 0 };
  guint line;
  g_autoptr (xmlDoc) before = vsmmu_xml_parse (xml, strlen (xml), "fuzz", &line, NULL);
  g_autoptr (xmlDoc) after = NULL;

  vsmmu_metadata_filter_feed (&filter, xml, strlen (xml), left);
  for (const char *byte = xml; *byte != '\0'; byte++)
    vsmmu_metadata_filter_feed (&other, byte, 1, bytewise);
  if (!g_string_equal (left, bytewise))
    g_error ("it matters in how many parts it came");
  after = vsmmu_xml_parse (left->str, left->len, "fuzz", &line, NULL);
  if (before == NULL)
    return;
  if (after == NULL)
    g_error ("without its metadata it is no document: %s", left->str);
  if (count_children (after, TRUE) != 0 || count_children (after, FALSE) != count_children (before, FALSE))
    g_error ("something else is missing, or metadata are left: %s", left->str);
}

static void
read_metadata (const char *text, gsize length)
{
  g_autofree char *xml = g_strdup_printf (DOMAIN, (int) length, text);
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "fuzz", NULL);
  VsmmuPolicyMismatch action = (VsmmuPolicyMismatch) G_MAXINT;

  if (domain != NULL && vsmmu_policy_mismatch_of (domain->document, &action) &&
      vsmmu_policy_mismatch_to_string (action) == NULL)
    g_error ("a word that there is not");
  if (domain != NULL)
    vsmmu_guest_may_write_log (domain->document, "/var/log/libvirt/qemu/fuzz.log");
  read_filtered (xml);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *copy = g_memdup2 (data, size);
  g_autofree char *text = g_strndup ((const char *) data, size);

  read_log (copy != NULL ? copy : "", size);
  read_metadata (text, strlen (text));
  return 0;
}
