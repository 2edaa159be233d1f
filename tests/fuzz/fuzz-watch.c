/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a domain's metadata say of a mismatch, and the domain without them. */
#include <stdint.h>
#include <string.h>

#include "check/policy.h"
#include "domain/domain.h"
#include "stop.h"
#include "verify/guest-output.h"
#include "vsmmu/vsmmu.h"
#include "xml/metadata-filter.h"
#include "xml/xml.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define DOMAIN                                                                                                         \
  "<domain type='kvm'><name>fuzz</name><os><type arch='aarch64' machine='virt'>hvm</type></os>%.*s</domain>"

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
  g_autofree char *text = g_strndup ((const char *) data, size);

  read_metadata (text, strlen (text));
  return 0;
}
