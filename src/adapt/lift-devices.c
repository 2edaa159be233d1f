/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "adapt/lifting.h"
#include "adapt/lowering.h"
#include "base/number.h"

/*
 * iommufd
 */

/* How VFIO devices get their iommufd. */
typedef struct {
  GHashTable *objects;    /* id → VsmmuOption that makes it */
  GHashTable *uses;       /* id → how often it is named by what is taken */
  const char *everybody;  /* (nullable): id that all VFIO devices have */
  gboolean is_nobody;     /* all are explicitly without one */
  VsmmuSwitch for_domain; /* <iommufd enabled> */
} Backends;

static void
backends_clear (Backends *backends)
{
  g_hash_table_unref (backends->objects);
  g_hash_table_unref (backends->uses);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Backends, backends_clear)

static void
count_use (Backends *backends, const char *id)
{
  g_hash_table_insert (backends->uses, (gpointer) id,
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (backends->uses, id)) + 1));
}

static gboolean
is_object (const VsmmuOption *option, const char *type)
{
  return strcmp (option->name->value, "-object") == 0 && g_strcmp0 (vsmmu_option_get (option, ""), type) == 0;
}

/* What lowering records about the domain in the name of the backend. */
static VsmmuSwitch
parse_backend (const Backends *backends)
{
  for (VsmmuSwitch enabled = VSMMU_SWITCH_OFF; backends->everybody != NULL && enabled <= VSMMU_SWITCH_ON; enabled++)
    if (strcmp (backends->everybody, vsmmu_iommufd_ids[enabled]) == 0)
      return enabled;
  return backends->is_nobody ? VSMMU_SWITCH_OFF : VSMMU_SWITCH_ABSENT;
}

static void
find_backends (const VsmmuLifting *lifting, Backends *backends)
{
  const GPtrArray *options = lifting->passthroughs.options;

  backends->objects = g_hash_table_new (g_str_hash, g_str_equal);
  backends->uses = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < options->len; i++) {
    VsmmuOption *option = g_ptr_array_index (options, i);

    if (is_object (option, "iommufd") && g_hash_table_size (option->values) == 2 &&
        vsmmu_option_get (option, "id") != NULL)
      g_hash_table_insert (backends->objects, (gpointer) vsmmu_option_get (option, "id"), option);
  }
  /* Of several, the last counts. */
  for (guint i = 0; i < options->len; i++) {
    const VsmmuOption *option = g_ptr_array_index (options, i);

    if (strcmp (option->name->value, "-global") == 0 && vsmmu_option_get (option, VSMMU_IOMMUFD_PROPERTY) != NULL)
      backends->everybody = vsmmu_option_get (option, VSMMU_IOMMUFD_PROPERTY);
  }
  backends->is_nobody = g_strcmp0 (backends->everybody, "") == 0;
  if (backends->everybody != NULL && !g_hash_table_contains (backends->objects, backends->everybody))
    backends->everybody = NULL;
}

static void
take_global (VsmmuLifting *lifting, Backends *backends)
{
  static const char *const names[] = { VSMMU_IOMMUFD_PROPERTY, NULL };
  const GPtrArray *options = lifting->passthroughs.options;

  for (guint i = 0; i < options->len; i++) {
    VsmmuOption *option = g_ptr_array_index (options, i);

    if ((backends->everybody == NULL && !backends->is_nobody) || strcmp (option->name->value, "-global") != 0 ||
        !vsmmu_option_has_only (option, names))
      continue;
    option->is_taken = lifting->is_changed = TRUE;
    count_use (backends, vsmmu_option_get (option, VSMMU_IOMMUFD_PROPERTY));
  }
}

/* Anything else that refers to an object needs it. */
static void
take_objects (VsmmuLifting *lifting, const Backends *backends)
{
  GHashTableIter iter;
  gpointer id;
  gpointer option;

  g_hash_table_iter_init (&iter, backends->objects);
  while (g_hash_table_iter_next (&iter, &id, &option)) {
    guint uses = GPOINTER_TO_UINT (g_hash_table_lookup (backends->uses, id));

    if (uses == 0 || vsmmu_passthrough_index_count (&lifting->passthroughs, id) != uses + 1)
      continue;
    ((VsmmuOption *) option)->is_taken = TRUE;
    lifting->is_changed = TRUE;
  }
}

/*
 * The value of <driver iommufd> for @hostdev; absent when the domain sets it for all, or an override that stays sets
 * it.
 */
static VsmmuSwitch
take_iommufd (VsmmuLifting *lifting, Backends *backends, const VsmmuDevice *hostdev)
{
  VsmmuProperty *property = vsmmu_passthrough_index_property (&lifting->passthroughs, hostdev->id, "iommufd");
  const char *id = property != NULL ? property->from->value : NULL;
  gboolean is_removed = property == NULL || g_strcmp0 (property->type, "remove") == 0;
  gboolean is_for_domain = backends->for_domain == VSMMU_SWITCH_ON;

  if (!is_removed && (id == NULL || (*id != '\0' && !g_hash_table_contains (backends->objects, id))))
    return VSMMU_SWITCH_ABSENT;
  if (property != NULL) {
    vsmmu_passthrough_index_take (&lifting->passthroughs, hostdev->id, "iommufd");
    lifting->is_changed = TRUE;
  }
  if (is_removed)
    return backends->everybody != NULL && !is_for_domain ? VSMMU_SWITCH_ON : VSMMU_SWITCH_ABSENT;
  if (*id == '\0')
    return is_for_domain ? VSMMU_SWITCH_OFF : VSMMU_SWITCH_ABSENT;
  count_use (backends, id);
  return VSMMU_SWITCH_ON;
}

static void
set_iommufd (VsmmuLifting *lifting, const VsmmuDevice *hostdev, VsmmuSwitch iommufd)
{
  const xmlNode *driver = vsmmu_xml_child (hostdev->node, "driver");
  const char *word = iommufd == VSMMU_SWITCH_ON ? "yes" : "no";
  g_autofree char *xml = g_strdup_printf ("<driver iommufd='%s'/>\n", word);

  if (iommufd == VSMMU_SWITCH_ABSENT)
    return;
  if (driver == NULL)
    vsmmu_edit_append (lifting->edit, hostdev->node, xml);
  else
    vsmmu_edit_set_attribute (lifting->edit, driver, "iommufd", word);
}

/* The value of <iommufd>; a setting common to all devices must be written somewhere, or it would be lost. */
static void
show_for_domain (VsmmuLifting *lifting, const Backends *backends, gboolean is_seen)
{
  g_autofree char *xml =
      g_strdup_printf ("<iommufd enabled='%s'/>\n", backends->for_domain == VSMMU_SWITCH_OFF ? "no" : "yes");

  if (lifting->domain->iommufd_line == 0 && (backends->for_domain != VSMMU_SWITCH_ABSENT ||
                                             (backends->everybody != NULL && !is_seen && !lifting->is_accelerated)))
    vsmmu_edit_append (lifting->edit, lifting->root, xml);
}

void
vsmmu_lift_iommufd (VsmmuLifting *lifting)
{
  g_auto (Backends) backends = { 0 };
  gboolean is_seen = FALSE;

  find_backends (lifting, &backends);
  backends.for_domain = lifting->domain->iommufd_line == 0 ? parse_backend (&backends) : lifting->domain->iommufd;
  for (guint i = 0; i < lifting->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (lifting->domain->hostdevs, i);
    VsmmuSwitch iommufd;

    if (hostdev->hostdev.iommufd != VSMMU_SWITCH_ABSENT)
      continue;
    iommufd = take_iommufd (lifting, &backends, hostdev);
    is_seen = is_seen || iommufd == VSMMU_SWITCH_ON;
    set_iommufd (lifting, hostdev, iommufd);
  }
  show_for_domain (lifting, &backends, is_seen);
  take_global (lifting, &backends);
  take_objects (lifting, &backends);
}

/*
 * <acpi nodeset>
 */

typedef struct {
  guint64 bits[VSMMU_NODES_MAX / 64];
} Nodes;

/* (transfer full): hostdev → its Nodes; the options are taken */
static GHashTable *
take_initiators (VsmmuLifting *lifting)
{
  static const char *const names[] = { "", "id", "pci-dev", "node", NULL };
  g_autoptr (GHashTable) hostdevs = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTable *nodes = g_hash_table_new_full (NULL, NULL, NULL, g_free);

  for (guint i = 0; i < lifting->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (lifting->domain->hostdevs, i);
    const xmlNode *acpi = vsmmu_xml_child (hostdev->node, "acpi");

    if (acpi == NULL || vsmmu_xml_attribute (acpi, "nodeset") == NULL)
      g_hash_table_insert (hostdevs, hostdev->id, (gpointer) hostdev);
  }
  for (guint i = 0; i < lifting->passthroughs.options->len; i++) {
    VsmmuOption *option = g_ptr_array_index (lifting->passthroughs.options, i);
    const VsmmuDevice *hostdev;
    Nodes *found;
    guint64 node;

    if (!is_object (option, "acpi-generic-initiator") || !vsmmu_option_has_only (option, names) ||
        !vsmmu_number_parse (vsmmu_option_get (option, "node"), 0, &node) || node >= VSMMU_NODES_MAX)
      continue;
    hostdev = g_hash_table_lookup (hostdevs, vsmmu_option_get (option, "pci-dev"));
    if (hostdev == NULL)
      continue;
    found = g_hash_table_lookup (nodes, hostdev);
    if (found == NULL) {
      found = g_new0 (Nodes, 1);
      g_hash_table_insert (nodes, (gpointer) hostdev, found);
    }
    found->bits[node / 64] |= G_GUINT64_CONSTANT (1) << (node % 64);
    option->is_taken = lifting->is_changed = TRUE;
  }
  return nodes;
}

static gboolean
has_node (const Nodes *nodes, guint node)
{
  return node < VSMMU_NODES_MAX && vsmmu_nodes_contain (nodes->bits, node);
}

/* (transfer full): like "2-9,12" */
static char *
write_nodes (const Nodes *nodes)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint node = 0; node < VSMMU_NODES_MAX; node++) {
    guint last = node;

    if (!has_node (nodes, node))
      continue;
    while (has_node (nodes, last + 1))
      last++;
    g_string_append_printf (text, "%s%u", text->len > 0 ? "," : "", node);
    if (last > node)
      g_string_append_printf (text, "-%u", last);
    node = last;
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
vsmmu_lift_initiators (VsmmuLifting *lifting)
{
  g_autoptr (GHashTable) initiators = take_initiators (lifting);

  for (guint i = 0; i < lifting->domain->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = g_ptr_array_index (lifting->domain->hostdevs, i);
    const Nodes *nodes = g_hash_table_lookup (initiators, hostdev);
    const xmlNode *acpi = vsmmu_xml_child (hostdev->node, "acpi");
    g_autofree char *value = NULL;
    g_autofree char *xml = NULL;

    if (nodes == NULL)
      continue;
    value = write_nodes (nodes);
    xml = g_strdup_printf ("<acpi nodeset='%s'/>\n", value);
    if (acpi != NULL)
      vsmmu_edit_set_attribute (lifting->edit, acpi, "nodeset", value);
    else
      vsmmu_edit_append (lifting->edit, hostdev->node, xml);
  }
}

/*
 * <pcihole64>
 */

/* A size as QEMU accepts it: in bytes, or with a suffix. */
static gboolean
parse_size (const char *text, guint64 *kib)
{
  static const char suffixes[] = "BKMGTPE";
  gsize digits = strspn (text, "0123456789");
  g_autofree char *number = g_strndup (text, digits);
  const char *suffix = text[digits] != '\0' ? strchr (suffixes, g_ascii_toupper (text[digits])) : suffixes;
  guint shift = suffix != NULL ? 10 * (guint) (suffix - suffixes) : 0;
  guint64 value;

  if (suffix == NULL || (text[digits] != '\0' && text[digits + 1] != '\0') ||
      !vsmmu_number_parse (number, 10, &value) || value > G_MAXUINT64 >> shift)
    return FALSE;
  *kib = value << shift >> 10;
  return (value << shift) % 1024 == 0;
}

static void
put_hole (VsmmuLifting *lifting, const VsmmuDevice *root, guint64 kib)
{
  g_autofree char *xml = g_strdup_printf ("<pcihole64 unit='KiB'>%" PRIu64 "</pcihole64>\n", kib);

  lifting->is_changed = TRUE;
  if (root->node == NULL)
    g_string_append_printf (lifting->devices,
                            "<controller type='pci' index='0' model='pcie-root'>\n  %s</controller>\n", xml);
  else
    vsmmu_edit_append (lifting->edit, root->node, xml);
}

void
vsmmu_lift_hole (VsmmuLifting *lifting)
{
  static const char *const names[] = { "highmem-mmio-size", NULL };
  const VsmmuDevice *root = lifting->domain->n_buses > 0 ? lifting->domain->buses[0].controller : NULL;
  g_autoptr (GPtrArray) sizes = g_ptr_array_new ();
  guint64 kib = 0;

  if (root == NULL || root->controller.has_pcihole64)
    return;
  for (guint i = 0; i < lifting->passthroughs.options->len; i++) {
    VsmmuOption *option = g_ptr_array_index (lifting->passthroughs.options, i);
    gboolean is_machine = strcmp (option->name->value, "-machine") == 0 || strcmp (option->name->value, "-M") == 0;

    if (!is_machine || vsmmu_option_get (option, names[0]) == NULL)
      continue;
    /* Of several, the last one counts; a remaining one would override libvirt's. */
    if (!vsmmu_option_has_only (option, names) || !parse_size (vsmmu_option_get (option, names[0]), &kib))
      return;
    g_ptr_array_add (sizes, option);
  }
  if (sizes->len == 0)
    return;
  for (guint i = 0; i < sizes->len; i++)
    ((VsmmuOption *) g_ptr_array_index (sizes, i))->is_taken = TRUE;
  put_hole (lifting, root, kib);
}
