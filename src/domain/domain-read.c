/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-read.h"

#include <glib/gi18n-lib.h>

#include "base/number.h"
#include "base/text.h"
#include "domain/acceleration.h"
#include "domain/device-read.h"
#include "domain/implicit.h"
#include "domain/numa-read.h"
#include "domain/reach.h"
#include "domain/read.h"
#include "domain/slots.h"

static void
read_os (VsmmuDomain *domain, const xmlNode *os)
{
  const VsmmuReader reader = { .domain = domain };
  const char *firmware = vsmmu_xml_attribute (os, "firmware");
  const xmlNode *type = vsmmu_read_child (&reader, os, "/os", "type");
  const xmlNode *loader = vsmmu_read_child (&reader, os, "/os", "loader");

  domain->os_line = vsmmu_xml_line (os);
  domain->has_uefi =
      g_strcmp0 (firmware, "efi") == 0 || (loader != NULL && vsmmu_read_text (&reader, loader, "/os/loader") != NULL);
  if (type != NULL) {
    domain->machine_line = vsmmu_xml_line (type);
    domain->arch = vsmmu_xml_attribute (type, "arch");
    domain->machine = vsmmu_xml_attribute (type, "machine");
  }
}

static void
read_gic (VsmmuDomain *domain, const xmlNode *gic)
{
  static const struct {
    const char *name;
    VsmmuGic gic;
  } versions[] = { { "host", VSMMU_GIC_HOST }, { "2", VSMMU_GIC_2 }, { "3", VSMMU_GIC_3 } };
  const VsmmuReader reader = { .domain = domain };
  const char *version = vsmmu_xml_attribute (gic, "version");

  domain->gic_line = vsmmu_xml_line (gic);
  if (version == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (versions); i++) {
    if (strcmp (version, versions[i].name) == 0) {
      domain->gic = versions[i].gic;
      return;
    }
  }
  vsmmu_read_problem (&reader, gic, "/features/gic", "version", version, _ ("'2', '3' or 'host'"));
}

static void
read_features (VsmmuDomain *domain, const xmlNode *features)
{
  const VsmmuReader reader = { .domain = domain };
  const xmlNode *gic = vsmmu_read_child (&reader, features, "/features", "gic");

  domain->features_line = vsmmu_xml_line (features);
  domain->has_acpi = vsmmu_xml_child (features, "acpi") != NULL;
  if (gic != NULL)
    read_gic (domain, gic);
}

static void
read_vcpu (VsmmuDomain *domain, const xmlNode *vcpu)
{
  const VsmmuReader reader = { .domain = domain };
  const char *text = vsmmu_read_text (&reader, vcpu, "/vcpu");
  guint64 count = 1;

  if (text == NULL || !vsmmu_number_parse (text, 10, &count) || count == 0 || count > G_MAXUINT16) {
    vsmmu_read_problem (&reader, vcpu, "/vcpu", NULL, text, _ ("a whole number from 1 to 65535"));
    return;
  }
  domain->vcpus = (guint) count;
}

static void
read_memory_backing (VsmmuDomain *domain, const xmlNode *backing)
{
  const VsmmuReader reader = { .domain = domain };
  const xmlNode *hugepages = vsmmu_read_child (&reader, backing, "/memoryBacking", "hugepages");
  const xmlNode *page;

  domain->memory_backing_line = vsmmu_xml_line (backing);
  domain->has_hugepages = hugepages != NULL;
  if (hugepages == NULL)
    return;
  domain->hugepages_line = vsmmu_xml_line (hugepages);
  page = vsmmu_xml_child (hugepages, "page");
  /* Several page sizes are for parts of the guest. */
  if (page != NULL && vsmmu_xml_attribute (page, "nodeset") == NULL)
    domain->huge_page = vsmmu_read_size (vsmmu_xml_attribute (page, "size"), vsmmu_xml_attribute (page, "unit"));
}

static void
read_memory (VsmmuDomain *domain, const xmlNode *memory)
{
  const VsmmuReader reader = { .domain = domain };

  domain->memory = vsmmu_read_size (vsmmu_read_text (&reader, memory, "/memory"), vsmmu_xml_attribute (memory, "unit"));
}

static void
read_memory_max (VsmmuDomain *domain, const xmlNode *memory)
{
  const VsmmuReader reader = { .domain = domain };
  const char *slots = vsmmu_xml_attribute (memory, "slots");
  guint64 number;

  domain->memory_max =
      vsmmu_read_size (vsmmu_read_text (&reader, memory, "/maxMemory"), vsmmu_xml_attribute (memory, "unit"));
  if (slots != NULL && vsmmu_number_parse (slots, 10, &number) && number <= G_MAXUINT16)
    domain->memory_slots = (guint) number;
}

static void
read_iommufd (VsmmuDomain *domain, const xmlNode *iommufd)
{
  const VsmmuReader reader = { .domain = domain };

  if (domain->iommufd_line != 0) {
    /* libvirt stops at the second one, and so does this. */
    if (!domain->has_two_iommufd)
      vsmmu_read_unclear (&reader, iommufd, g_strdup ("/domain/iommufd[2]"), "iommufd",
                          _ ("remove all but one of the elements"), _ ("duplicate <iommufd>; libvirt rejects it"));
    domain->has_two_iommufd = TRUE;
    return;
  }
  domain->iommufd_line = vsmmu_xml_line (iommufd);
  domain->iommufd = vsmmu_read_switch (&reader, iommufd, "/iommufd", "enabled", VSMMU_READ_YES_NO);
  if (domain->iommufd == VSMMU_SWITCH_ABSENT)
    vsmmu_read_problem (&reader, iommufd, "/iommufd", "enabled", NULL, _ ("'yes' or 'no'"));
}

static void
read_name (VsmmuDomain *domain, const xmlNode *name)
{
  const VsmmuReader reader = { .domain = domain };

  domain->name = vsmmu_read_text (&reader, name, "/name");
}

/* Everything else is left alone. */
static const struct {
  const char *name;
  void (*read) (VsmmuDomain *domain, const xmlNode *node);
} domain_elements[] = {
  { "name", read_name },
  { "os", read_os },
  { "features", read_features },
  { "vcpu", read_vcpu },
  { "memoryBacking", read_memory_backing },
  { "memory", read_memory },
  { "cpu", vsmmu_numa_read_cells },
  { "numatune", vsmmu_numa_read_memory },
  { "maxMemory", read_memory_max },
};

/* libvirt reads all containers of one name; (transfer full): the XPath of that with @ordinal */
static char *
container_path (const xmlNode *container, guint ordinal)
{
  const char *name = (const char *) container->name;

  return ordinal == 1 ? g_strdup_printf ("/domain/qemu:%s", name)
                      : g_strdup_printf ("/domain/qemu:%s[%u]", name, ordinal);
}

static void
read_commandline (VsmmuDomain *domain, const xmlNode *commandline, guint number)
{
  g_autofree char *path = container_path (commandline, number);
  guint ordinal = 0;

  for (xmlNode *node = vsmmu_xml_element (commandline->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    VsmmuPassthrough argument = { .line = vsmmu_xml_line (node),
                                  .node = node,
                                  .value = vsmmu_xml_attribute (node, "value") };

    if (!vsmmu_xml_is_ns (node, "arg", VSMMU_QEMU_NAMESPACE))
      continue;
    ordinal++;
    if (argument.value == NULL)
      continue;
    argument.element = g_strdup_printf ("%s/qemu:arg[%u]", path, ordinal);
    g_array_append_val (domain->arguments, argument);
  }
}

static void
read_properties (VsmmuDomain *domain, const xmlNode *device, const xmlNode *frontend, const char *path)
{
  for (xmlNode *property = vsmmu_xml_element (frontend->children); property != NULL;
       property = vsmmu_xml_element (property->next)) {
    VsmmuPassthrough passthrough = {
      .line = vsmmu_xml_line (property),
      .node = property,
      .alias = vsmmu_xml_attribute (device, "alias"),
      .property = vsmmu_xml_attribute (property, "name"),
      .value = vsmmu_xml_attribute (property, "value"),
    };

    if (!vsmmu_xml_is_ns (property, "property", VSMMU_QEMU_NAMESPACE) || passthrough.alias == NULL ||
        passthrough.property == NULL)
      continue;
    passthrough.element = g_strdup (path);
    g_array_append_val (domain->overrides, passthrough);
  }
}

static void
read_override (VsmmuDomain *domain, const xmlNode *override, guint number)
{
  g_autofree char *path = container_path (override, number);
  guint ordinal = 0;

  for (xmlNode *device = vsmmu_xml_element (override->children); device != NULL;
       device = vsmmu_xml_element (device->next)) {
    g_autofree char *element = NULL;

    if (!vsmmu_xml_is_ns (device, "device", VSMMU_QEMU_NAMESPACE))
      continue;
    element = g_strdup_printf ("%s/qemu:device[%u]", path, ++ordinal);
    for (xmlNode *frontend = vsmmu_xml_element (device->children); frontend != NULL;
         frontend = vsmmu_xml_element (frontend->next))
      if (vsmmu_xml_is_ns (frontend, "frontend", VSMMU_QEMU_NAMESPACE))
        read_properties (domain, device, frontend, element);
  }
}

static void
read_capabilities (VsmmuDomain *domain, const xmlNode *capabilities, guint number)
{
  static const char *const names[] = { "add", "del" };
  g_autofree char *path = container_path (capabilities, number);
  guint ordinals[G_N_ELEMENTS (names)] = { 0 };

  for (xmlNode *node = vsmmu_xml_element (capabilities->children); node != NULL;
       node = vsmmu_xml_element (node->next)) {
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
      VsmmuPassthrough capability = { .line = vsmmu_xml_line (node),
                                      .node = node,
                                      .value = vsmmu_xml_attribute (node, "capability") };

      if (!vsmmu_xml_is_ns (node, names[i], VSMMU_QEMU_NAMESPACE))
        continue;
      ordinals[i]++;
      if (capability.value == NULL)
        continue;
      capability.element = g_strdup_printf ("%s/qemu:%s[%u]", path, names[i], ordinals[i]);
      g_array_append_val (domain->capabilities, capability);
    }
  }
}

/* What libvirt passes to QEMU unchanged, or what changes that. */
static const struct {
  const char *name;
  void (*read) (VsmmuDomain *domain, const xmlNode *node, guint number);
} passthrough_elements[] = {
  { "commandline", read_commandline },
  { "override", read_override },
  { "capabilities", read_capabilities },
};

/* Others are placed beside it, or in its place. */
static void
report_unknown (VsmmuDomain *domain, const VsmmuDevice *device)
{
  const VsmmuReader reader = { .domain = domain, .device = device };
  g_autofree char *shown = vsmmu_text_shorten (device->element);

  vsmmu_read_unclear (&reader, device->node, vsmmu_device_path (device, ""), device->element, _ ("remove it"),
                      _ ("<%s> has a PCI address; it is not known whether libvirt treats it as a device"), shown);
}

static void
read_devices (VsmmuDomain *domain, const xmlNode *devices)
{
  /* element name → how many were seen; names belong to the document */
  g_autoptr (GHashTable) ordinals = g_hash_table_new (g_str_hash, g_str_equal);

  for (xmlNode *node = vsmmu_xml_element (devices->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    guint ordinal = GPOINTER_TO_UINT (g_hash_table_lookup (ordinals, node->name)) + 1;
    VsmmuDevice *device;

    if (node->ns != NULL)
      continue;
    g_hash_table_insert (ordinals, (gpointer) node->name, GUINT_TO_POINTER (ordinal));
    device = vsmmu_read_device (domain, node, ordinal);
    g_ptr_array_add (domain->devices, device);
    if (device->is_pci_given && !vsmmu_device_is_known (device->element))
      report_unknown (domain, device);
  }
}

static void
index_devices (VsmmuDomain *domain)
{
  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (vsmmu_device_is_iommu (device))
      g_ptr_array_add (domain->iommus, device);
    else if (vsmmu_device_is_hostdev (device))
      g_ptr_array_add (domain->hostdevs, device);
  }
}

/* libvirt keeps the aliases of a running guest, and those that start with "ua-". */
static gboolean
keeps_alias (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  return device->alias != NULL && (domain->is_running || g_str_has_prefix (device->alias, "ua-"));
}

static void
set_id (const VsmmuDomain *domain, VsmmuDevice *device, char *generated)
{
  g_free (device->id);
  device->id = keeps_alias (domain, device) ? g_strdup (device->alias) : g_strdup (generated);
  g_free (generated);
}

/* qemuAssignDeviceAliases() for the devices whose ids are of interest. */
static void
assign_ids (VsmmuDomain *domain)
{
  guint n_hostdevs = 0;

  for (guint i = 0; i < domain->controllers->len; i++) {
    VsmmuDevice *controller = g_ptr_array_index (domain->controllers, i);

    /* The machine itself has pcie.0, whatever its alias is. */
    if (controller->controller.index == 0 && controller->id == NULL)
      controller->id = g_strdup ("pcie.0");
    else if (controller->controller.index != 0)
      set_id (domain, controller, g_strdup_printf ("pci.%d", controller->controller.index));
  }
  for (guint i = 0; i < domain->iommus->len; i++)
    set_id (domain, g_ptr_array_index (domain->iommus, i), g_strdup_printf ("iommu%u", i));
  /* Interfaces come first, and a device with a name of its own does not use up a number. */
  for (guint pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < domain->devices->len; i++) {
      VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

      if (device->device_class != VSMMU_DEVICE_CLASS_HOSTDEV ||
          (strcmp (device->element, "interface") == 0) != (pass == 0))
        continue;
      set_id (domain, device, g_strdup_printf ("hostdev%u", n_hostdevs));
      n_hostdevs += !keeps_alias (domain, device);
    }
  }
}

void
vsmmu_domain_forget_run (VsmmuDomain *domain)
{
  domain->is_running = FALSE;
  assign_ids (domain);
  vsmmu_reach_find (domain);
}

static void
read_domain (VsmmuDomain *domain, const xmlNode *root)
{
  const VsmmuReader reader = { .domain = domain };
  guint numbers[G_N_ELEMENTS (passthrough_elements)] = { 0 };

  vsmmu_read_namespaces (&reader, root);
  domain->line = vsmmu_xml_line (root);
  domain->type = vsmmu_xml_attribute (root, "type");
  domain->is_running = vsmmu_xml_attribute (root, "id") != NULL;
  domain->vcpus = 1;

  for (guint i = 0; i < G_N_ELEMENTS (domain_elements); i++) {
    const xmlNode *node = vsmmu_read_child (&reader, root, "", domain_elements[i].name);

    if (node != NULL)
      domain_elements[i].read (domain, node);
  }
  for (xmlNode *node = vsmmu_xml_element (root->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    for (guint i = 0; i < G_N_ELEMENTS (passthrough_elements); i++)
      if (vsmmu_xml_is_ns (node, passthrough_elements[i].name, VSMMU_QEMU_NAMESPACE))
        passthrough_elements[i].read (domain, node, ++numbers[i]);
    if (vsmmu_xml_is (node, "iommufd"))
      read_iommufd (domain, node);
    else if (vsmmu_xml_is (node, "devices"))
      read_devices (domain, node);
  }
}

/* What the document contains, and what libvirt adds to it. */
static void
complete_domain (VsmmuDomain *domain, const xmlNode *root)
{
  read_domain (domain, root);
  domain->hides_vsmmu = vsmmu_domain_hides_vsmmu (domain, root);
  vsmmu_implicit_add (domain);
  index_devices (domain);
  if (vsmmu_domain_is_virt (domain))
    vsmmu_slots_assign (domain);
  assign_ids (domain);
  vsmmu_reach_find (domain);
}

/* Gives the nodes of @document, which was made of another one, the lines that they have there. */
static void
map_lines (xmlDocPtr document, const GArray *lines)
{
  xmlNode *root = xmlDocGetRootElement (document);

  for (xmlNode *node = root; node != NULL; node = (xmlNode *) vsmmu_xml_next (root, node, TRUE)) {
    guint line = vsmmu_xml_line (node);

    if (line > 0 && line <= lines->len)
      node->_private = GUINT_TO_POINTER (g_array_index (lines, guint, line - 1));
  }
}

VsmmuDomain *
vsmmu_domain_new_mapped (const char *data, gsize length, const char *name, const GArray *lines, guint *line,
                         GError **error)
{
  g_autoptr (xmlDoc) document = vsmmu_xml_parse (data, length, name, line, error);
  g_autoptr (VsmmuDomain) domain = NULL;
  const xmlNode *root;

  if (document == NULL)
    return NULL;
  if (lines != NULL)
    map_lines (document, lines);
  root = xmlDocGetRootElement (document);
  if (!vsmmu_xml_is_called (root, "domain")) {
    g_autofree char *shown = vsmmu_text_shorten ((const char *) root->name);

    *line = vsmmu_xml_line (root);
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_NOT_DOMAIN, _ ("%s:%u: the root element is <%s>, not <domain>"), name,
                 *line, shown);
    return NULL;
  }

  domain = vsmmu_domain_new_empty (g_steal_pointer (&document), name);
  complete_domain (domain, root);
  return g_steal_pointer (&domain);
}

VsmmuDomain *
vsmmu_domain_new_raw (const char *data, gsize length, const char *name, GError **error)
{
  guint line = 0;

  return vsmmu_domain_new_mapped (data, length, name, NULL, &line, error);
}

VsmmuDomain *
vsmmu_domain_new_from_node (const xmlNode *node, const char *name)
{
  VsmmuDomain *domain = vsmmu_domain_new_empty (NULL, name);

  complete_domain (domain, node);
  return domain;
}

/* Where a node was before it was taken out of its document. */
typedef struct {
  xmlNode *parent;
  xmlNode *next; /* (nullable) */
} Place;

static void
take_out (const GPtrArray *nodes, Place *places)
{
  for (guint i = 0; i < nodes->len; i++) {
    xmlNode *node = g_ptr_array_index (nodes, i);

    places[i] = (Place){ node->parent, node->next };
    xmlUnlinkNode (node);
  }
}

/* In the opposite order, so that what comes next is there again. */
static void
put_back (const GPtrArray *nodes, const Place *places)
{
  for (guint i = nodes->len; i-- > 0;) {
    if (places[i].next != NULL)
      xmlAddPrevSibling (places[i].next, g_ptr_array_index (nodes, i));
    else
      xmlAddChild (places[i].parent, g_ptr_array_index (nodes, i));
  }
}

/* The number that each device has in the document, with those that are left out. */
static void
keep_ordinals (VsmmuDomain *domain, const VsmmuDomain *whole)
{
  g_autoptr (GHashTable) ordinals = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < whole->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (whole->devices, i);

    if (device->node != NULL)
      g_hash_table_insert (ordinals, (gpointer) device->node, GUINT_TO_POINTER (device->ordinal));
  }
  for (guint i = 0; i < domain->devices->len; i++) {
    VsmmuDevice *device = g_ptr_array_index (domain->devices, i);

    if (device->node != NULL)
      device->ordinal = GPOINTER_TO_UINT (g_hash_table_lookup (ordinals, device->node));
  }
}

VsmmuDomain *
vsmmu_domain_new_without (const VsmmuDomain *domain, const GPtrArray *nodes)
{
  g_autofree Place *places = g_new (Place, nodes->len + 1);
  VsmmuDomain *rest;

  take_out (nodes, places);
  rest = vsmmu_domain_new_from_node (xmlDocGetRootElement (domain->document), domain->file);
  put_back (nodes, places);
  rest->document = domain->document;
  rest->borrows_document = TRUE;
  keep_ordinals (rest, domain);
  return rest;
}
