/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/domain.h"

#include <glib/gi18n-lib.h>

#include "model/implicit.h"
#include "model/number.h"
#include "model/reach.h"
#include "model/read.h"
#include "model/slots.h"
#include "model/suggest.h"
#include "model/text.h"

/* Not G_DEFINE_QUARK(), which sets a variable without a lock the first time. */
GQuark
vsmmu_error_quark (void)
{
  return g_quark_from_static_string ("vsmmu-error-quark");
}

const char *const vsmmu_iommu_attributes[] = { "pciBus", "accel", "ats", "ril", "ssidsize", "oas", "cmdqv", NULL };

static void
value_problem_clear (gpointer data)
{
  VsmmuValueProblem *problem = data;

  g_free (problem->element);
  g_free (problem->expected);
  g_free (problem->unclear);
}

static void
passthrough_clear (gpointer data)
{
  VsmmuPassthrough *passthrough = data;

  g_free (passthrough->element);
}

static void
device_free (gpointer data)
{
  VsmmuDevice *device = data;

  g_free (device->id);
  g_free (device);
}

static void
plug_free (VsmmuPlug *plug)
{
  if (plug == NULL)
    return;
  device_free (plug->device);
  g_free (plug->reason);
  g_free (plug);
}

void
vsmmu_domain_free (VsmmuDomain *domain)
{
  if (domain == NULL)
    return;
  plug_free (domain->plug);
  g_ptr_array_unref (domain->devices);
  g_ptr_array_unref (domain->hostdevs);
  g_array_unref (domain->problems);
  if (domain->is_copy) {
    /* The rest belongs to the original. */
    g_free (domain);
    return;
  }
  g_ptr_array_unref (domain->iommus);
  g_ptr_array_unref (domain->controllers);
  g_array_unref (domain->memory_nodes);
  g_array_unref (domain->arguments);
  g_array_unref (domain->overrides);
  g_array_unref (domain->capabilities);
  g_array_unref (domain->reaches);
  g_free (domain->address_error);
  g_free (domain->file);
  xmlFreeDoc (domain->document);
  g_free (domain);
}

static VsmmuDomain *
domain_new (xmlDocPtr document, const char *file)
{
  VsmmuDomain *domain = g_new0 (VsmmuDomain, 1);

  domain->file = g_strdup (file);
  domain->document = document;
  domain->devices = g_ptr_array_new_with_free_func (device_free);
  domain->iommus = g_ptr_array_new ();
  domain->hostdevs = g_ptr_array_new ();
  domain->controllers = g_ptr_array_new ();
  domain->memory_nodes = g_array_new (FALSE, FALSE, sizeof (VsmmuMemoryNodes));
  domain->problems = g_array_new (FALSE, FALSE, sizeof (VsmmuValueProblem));
  g_array_set_clear_func (domain->problems, value_problem_clear);
  domain->arguments = g_array_new (FALSE, FALSE, sizeof (VsmmuPassthrough));
  g_array_set_clear_func (domain->arguments, passthrough_clear);
  domain->overrides = g_array_new (FALSE, FALSE, sizeof (VsmmuPassthrough));
  g_array_set_clear_func (domain->overrides, passthrough_clear);
  domain->capabilities = g_array_new (FALSE, FALSE, sizeof (VsmmuPassthrough));
  g_array_set_clear_func (domain->capabilities, passthrough_clear);
  domain->reaches = g_array_new (FALSE, FALSE, sizeof (VsmmuReach));
  return domain;
}

static GPtrArray *
copy_list (const GPtrArray *list)
{
  GPtrArray *copy = g_ptr_array_sized_new (list->len + 1);

  for (guint i = 0; i < list->len; i++)
    g_ptr_array_add (copy, g_ptr_array_index (list, i));
  return copy;
}

VsmmuDomain *
vsmmu_domain_copy (const VsmmuDomain *domain)
{
  VsmmuDomain *copy = g_memdup2 (domain, sizeof (*domain));

  copy->is_copy = TRUE;
  copy->plug = NULL;
  copy->devices = copy_list (domain->devices);
  copy->hostdevs = copy_list (domain->hostdevs);
  copy->problems = g_array_new (FALSE, FALSE, sizeof (VsmmuValueProblem));
  g_array_set_clear_func (copy->problems, value_problem_clear);
  for (guint i = 0; i < domain->problems->len; i++) {
    VsmmuValueProblem problem = g_array_index (domain->problems, VsmmuValueProblem, i);

    problem.element = g_strdup (problem.element);
    problem.expected = g_strdup (problem.expected);
    problem.unclear = g_strdup (problem.unclear);
    g_array_append_val (copy->problems, problem);
  }
  return copy;
}

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

guint64
vsmmu_read_size (const char *text, const char *unit)
{
  guint64 size;

  return text != NULL && vsmmu_number_parse (text, 10, &size) && vsmmu_number_scale (&size, unit) ? size / 1024 : 0;
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
  /* Pages of several sizes are for parts of the guest. */
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
read_cpu (VsmmuDomain *domain, const xmlNode *cpu)
{
  const VsmmuReader reader = { .domain = domain };
  const xmlNode *numa = vsmmu_read_child (&reader, cpu, "/cpu", "numa");

  for (xmlNode *node = numa != NULL ? vsmmu_xml_element (numa->children) : NULL; node != NULL;
       node = vsmmu_xml_element (node->next))
    domain->n_cells += vsmmu_xml_is (node, "cell");
}

static void
read_numatune (VsmmuDomain *domain, const xmlNode *numatune)
{
  const VsmmuReader reader = { .domain = domain };

  vsmmu_read_child (&reader, numatune, "/numatune", "memory");
  for (xmlNode *node = vsmmu_xml_element (numatune->children); node != NULL; node = vsmmu_xml_element (node->next)) {
    const char *nodeset = vsmmu_xml_attribute (node, "nodeset");
    const char *cell = vsmmu_xml_attribute (node, "cellid");
    VsmmuMemoryNodes memory = { .cell = -1, .line = vsmmu_xml_line (node) };
    guint64 number;

    if (nodeset == NULL || !vsmmu_number_parse_nodes (nodeset, memory.nodes.bits, VSMMU_HOST_NODES_MAX))
      continue;
    if (vsmmu_xml_is (node, "memnode")) {
      if (cell == NULL || !vsmmu_number_parse (cell, 10, &number) || number > G_MAXINT16)
        continue;
      memory.cell = (int) number;
    } else if (!vsmmu_xml_is (node, "memory")) {
      continue;
    }
    g_array_append_val (domain->memory_nodes, memory);
  }
}

static void
read_iommufd (VsmmuDomain *domain, const xmlNode *iommufd)
{
  const VsmmuReader reader = { .domain = domain };

  if (domain->iommufd_line != 0) {
    /* libvirt stops at the second one, and so does this. */
    if (!domain->has_two_iommufd)
      vsmmu_read_problem (&reader, iommufd, "/iommufd[2]", NULL, "iommufd", _ ("only one such element"));
    domain->has_two_iommufd = TRUE;
    return;
  }
  domain->iommufd_line = vsmmu_xml_line (iommufd);
  domain->iommufd = vsmmu_read_switch (&reader, iommufd, "/iommufd", "enabled", VSMMU_READ_YES_NO);
  if (domain->iommufd == VSMMU_SWITCH_ABSENT)
    vsmmu_read_problem (&reader, iommufd, "/iommufd", "enabled", "", _ ("'yes' or 'no'"));
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
  { "cpu", read_cpu },
  { "numatune", read_numatune },
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

/* What libvirt passes to QEMU as it is, or what changes that. */
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
                      _ ("<%s> has a PCI address, and may or may not be a device to libvirt"), shown);
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

    /* The machine brings pcie.0, whatever alias it is given. */
    if (controller->controller.index == 0 && controller->id == NULL)
      controller->id = g_strdup ("pcie.0");
    else if (controller->controller.index != 0)
      set_id (domain, controller, g_strdup_printf ("pci.%d", controller->controller.index));
  }
  for (guint i = 0; i < domain->iommus->len; i++)
    set_id (domain, g_ptr_array_index (domain->iommus, i), g_strdup_printf ("iommu%u", i));
  /* Interfaces come first, and a device with a name of its own takes no number. */
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

static gboolean
has_value (const xmlAttr *attribute, const char *value)
{
  return attribute->children != NULL && xmlStrEqual (attribute->children->content, (const xmlChar *) value);
}

/* Whether an attribute of @node is, or is close to, one that only an accelerated SMMUv3 has. */
static gboolean
mentions_acceleration (const xmlNode *node, gboolean is_driver)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next) {
    const char *name = (const char *) attribute->name;

    if (!g_strv_contains (vsmmu_iommu_attributes, name))
      name = vsmmu_suggest (name, vsmmu_iommu_attributes);
    if (name == NULL || strcmp (name, "pciBus") == 0)
      continue;
    if (strcmp (name, "accel") != 0 || !is_driver || !has_value (attribute, "off"))
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_smmuv3 (const xmlNode *iommu)
{
  for (const xmlAttr *attribute = iommu->properties; attribute != NULL; attribute = attribute->next)
    if (xmlStrEqual (attribute->name, (const xmlChar *) "model") && has_value (attribute, "smmuv3"))
      return TRUE;
  return FALSE;
}

/* Whether one of the ways in which what is unclear may be read makes an accelerated vSMMU. */
static gboolean
hides_vsmmu (const VsmmuDomain *domain, const xmlNode *root)
{
  gboolean is_unclear = FALSE;
  gboolean is_metadata = FALSE;

  for (guint i = 0; i < domain->problems->len; i++)
    is_unclear = is_unclear || g_array_index (domain->problems, VsmmuValueProblem, i).unclear != NULL;
  /* What others keep in <metadata> libvirt makes no device of, and not all of it may have been read. */
  for (const xmlNode *node = is_unclear ? root : NULL; node != NULL; node = vsmmu_xml_next (root, node, !is_metadata)) {
    is_metadata = node->parent == root && vsmmu_xml_is (node, "metadata");
    if (!vsmmu_xml_is_called (node, "iommu") || !is_smmuv3 (node))
      continue;
    if (mentions_acceleration (node, FALSE))
      return TRUE;
    for (const xmlNode *child = vsmmu_xml_element (node->children); child != NULL;
         child = vsmmu_xml_element (child->next))
      if (vsmmu_xml_is_called (child, "driver") && mentions_acceleration (child, TRUE))
        return TRUE;
  }
  return FALSE;
}

/* What the document says, and what libvirt makes of it. */
static void
complete_domain (VsmmuDomain *domain, const xmlNode *root)
{
  read_domain (domain, root);
  domain->hides_vsmmu = hides_vsmmu (domain, root);
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

  domain = domain_new (g_steal_pointer (&document), name);
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
  VsmmuDomain *domain = domain_new (NULL, name);

  complete_domain (domain, node);
  return domain;
}

const char *
vsmmu_domain_get_name (const VsmmuDomain *domain)
{
  return domain->name;
}

gboolean
vsmmu_domain_is_virt (const VsmmuDomain *domain)
{
  if (g_strcmp0 (domain->arch, "aarch64") != 0 || domain->machine == NULL)
    return FALSE;
  return strcmp (domain->machine, "virt") == 0 || g_str_has_prefix (domain->machine, "virt-");
}

gboolean
vsmmu_iommu_is_accelerated (const VsmmuDevice *iommu)
{
  return iommu->iommu.is_smmuv3 && iommu->iommu.has_pci_bus && iommu->iommu.accel == VSMMU_SWITCH_ON;
}

gboolean
vsmmu_iommu_wants_acceleration (const VsmmuDevice *iommu)
{
  if (!iommu->iommu.is_smmuv3)
    return FALSE;
  return mentions_acceleration (iommu->node, FALSE) ||
         (iommu->iommu.driver != NULL && mentions_acceleration (iommu->iommu.driver, TRUE));
}

gboolean
vsmmu_domain_is_accelerated (const VsmmuDomain *domain)
{
  if (domain->hides_vsmmu)
    return TRUE;
  for (guint i = 0; i < domain->iommus->len; i++)
    if (vsmmu_iommu_wants_acceleration (g_ptr_array_index (domain->iommus, i)))
      return TRUE;
  return vsmmu_reach_may_accelerate (domain);
}

const VsmmuDevice *
vsmmu_domain_vsmmu_of (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  int root;

  if (device->address_kind != VSMMU_ADDRESS_PCI || device->address.bus >= domain->n_buses)
    return NULL;
  root = domain->buses[device->address.bus].root;
  return root >= 0 ? domain->buses[root].vsmmu : NULL;
}

gboolean
vsmmu_domain_uses_iommufd (const VsmmuDomain *domain, const VsmmuDevice *hostdev)
{
  if (hostdev->hostdev.iommufd != VSMMU_SWITCH_ABSENT)
    return hostdev->hostdev.iommufd == VSMMU_SWITCH_ON;
  return domain->iommufd == VSMMU_SWITCH_ON;
}

char *
vsmmu_device_path (const VsmmuDevice *device, const char *suffix)
{
  if (device->is_plug)
    return g_strdup_printf ("/%s%s", device->element, suffix);
  if (device->ordinal == 0)
    return g_strdup ("/domain/devices");
  return g_strdup_printf ("/domain/devices/%s[%u]%s", device->element, device->ordinal, suffix);
}

char *
vsmmu_pci_address_to_string (const VsmmuPciAddress *address)
{
  return g_strdup_printf ("%04x:%02x:%02x.%x", address->domain, address->bus, address->slot, address->function);
}

char *
vsmmu_device_describe (const VsmmuDevice *device)
{
  const xmlNode *target = device->node != NULL ? vsmmu_xml_child (device->node, "target") : NULL;
  const char *name = target != NULL ? vsmmu_xml_attribute (target, "dev") : NULL;
  g_autofree char *shown = NULL;

  if (vsmmu_device_is_hostdev (device) && device->hostdev.is_pci) {
    g_autofree char *host = vsmmu_pci_address_to_string (&device->hostdev.host);

    return g_strdup_printf ("%s %s", device->element, host);
  }
  if (vsmmu_device_is_pci_controller (device)) {
    shown = vsmmu_text_shorten (device->controller.model != NULL ? device->controller.model : "pci");
    return g_strdup_printf (_ ("%s with index %d"), shown, device->controller.index);
  }
  if (strcmp (device->element, "controller") == 0) {
    shown = vsmmu_text_shorten (device->controller.type);
    return g_strdup_printf (_ ("%s controller %d"), shown, device->controller.index);
  }
  shown = vsmmu_text_shorten (name != NULL ? name : device->alias);
  return *shown != '\0' ? g_strdup_printf ("%s '%s'", device->element, shown) : g_strdup (device->element);
}
