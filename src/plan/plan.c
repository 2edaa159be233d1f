/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "adapt/lower.h"
#include "base/input.h"
#include "base/number.h"
#include "base/text.h"
#include "check/run.h"
#include "domain/acceleration.h"
#include "domain/domain-read.h"
#include "domain/reach.h"
#include "plan/adopt.h"
#include "xml/edit.h"

static void
plan_clear (gpointer data)
{
  VsmmuPlan *plan = data;

  g_free (plan->xml);
  g_clear_pointer (&plan->notes, g_ptr_array_unref);
  g_clear_pointer (&plan->findings, g_ptr_array_unref);
}

void
vsmmu_plan_unref (VsmmuPlan *plan)
{
  if (plan != NULL)
    g_atomic_rc_box_release_full (plan, plan_clear);
}

G_DEFINE_BOXED_TYPE (VsmmuPlan, vsmmu_plan, g_atomic_rc_box_acquire, vsmmu_plan_unref)

const char *
vsmmu_plan_get_xml (const VsmmuPlan *plan, gsize *length)
{
  *length = plan->length;
  return plan->xml;
}

GPtrArray *
vsmmu_plan_get_notes (const VsmmuPlan *plan)
{
  return plan->notes;
}

GPtrArray *
vsmmu_plan_get_findings (const VsmmuPlan *plan)
{
  return plan->findings;
}

/* A controller that libvirt adds by itself before it gives out addresses. */
static gboolean
is_implied_bus (const VsmmuDevice *device)
{
  return vsmmu_device_is_pci_controller (device) && device->ordinal == 0;
}

static void
write_implied_bus (const VsmmuDevice *device, guint64 hole, GString *xml)
{
  g_string_append_printf (xml, "<controller type='pci' index='%d' model='%s'", device->controller.index,
                          device->controller.pci->name);
  if (device->address_kind == VSMMU_ADDRESS_PCI) {
    g_autofree char *address = vsmmu_layout_write_address (&device->address);

    g_string_append_printf (xml, ">\n  %s\n</controller>\n", address);
  } else if (hole != 0) {
    g_string_append_printf (xml, ">\n  <pcihole64 unit='GiB'>%" PRIu64 "</pcihole64>\n</controller>\n",
                            hole / VSMMU_KIB_PER_GIB);
  } else {
    g_string_append (xml, "/>\n");
  }
}

/* What libvirt would add must keep its index, and so comes before what is planned. */
static void
write_implied_buses (VsmmuLayout *layout, GString *xml)
{
  guint n_ports = 0;

  for (guint i = 0; i < layout->domain->n_buses; i++) {
    const VsmmuDevice *controller = layout->domain->buses[i].controller;

    if (controller == NULL || !is_implied_bus (controller))
      continue;
    write_implied_bus (controller, i == 0 ? layout->hole : 0, xml);
    n_ports += i > 0;
  }
  if (n_ports > 0)
    vsmmu_layout_note (
        layout,
        g_dngettext (GETTEXT_PACKAGE,
                     "%u PCI controller that libvirt would add itself was added, before those of the plan",
                     "%u PCI controllers that libvirt would add itself were added, before those of the plan", n_ports),
        n_ports);
}

/* libvirt puts what has no address on the first port that is free; a port that it would add is no longer last. */
static gboolean
needs_address (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  const VsmmuDevice *bus;

  if (device->ordinal == 0 || device->node == NULL || device->address_given ||
      device->address_kind != VSMMU_ADDRESS_PCI)
    return FALSE;
  bus = domain->buses[device->address.bus].controller;
  return bus != NULL && is_implied_bus (bus) && device->address.bus > 0;
}

static void
pin_device (VsmmuLayout *layout, VsmmuEdit *edit, const VsmmuDevice *device)
{
  const xmlNode *old = vsmmu_xml_child (device->node, "address");
  g_autofree char *address = vsmmu_layout_write_address (&device->address);
  g_autofree char *line = g_strconcat (address, "\n", NULL);
  g_autofree char *name = vsmmu_device_describe (device);

  if (old != NULL)
    vsmmu_edit_replace (edit, old, address);
  else
    vsmmu_edit_append (edit, device->node, line);
  vsmmu_layout_note (layout,
                     _ ("%s (line %u) has no address, and libvirt would place it behind an accelerated SMMUv3; its "
                        "address was set to %02x:%02x.%x, as without the plan"),
                     name, device->line, device->address.bus, device->address.slot, device->address.function);
}

static gboolean
adds_root (const VsmmuLayout *layout)
{
  for (guint i = 0; i < layout->groups->len; i++)
    if (((const VsmmuPlanGroup *) g_ptr_array_index (layout->groups, i))->vsmmu == NULL)
      return TRUE;
  return FALSE;
}

static gboolean
is_expander (const VsmmuDevice *device)
{
  return vsmmu_device_is_pci_controller (device) && device->node != NULL && device->controller.pci != NULL &&
         device->controller.pci->demands == VSMMU_CONNECT_PCIE_EXPANDER;
}

/* A line of <target> for a bus on the first NUMA node of the guest. */
#define FIRST_NODE "  <node>0</node>\n"

/* libvirt counts busNr down from the lowest that is given, so it would choose another one beside those planned. */
static void
keep_number (VsmmuLayout *layout, VsmmuEdit *edit, const VsmmuDevice *bus)
{
  const xmlNode *target = vsmmu_xml_child (bus->node, "target");
  g_autofree char *bus_nr = g_strdup_printf ("%d", bus->controller.bus_nr);
  g_autofree char *element = g_strdup_printf (
      "<target busNr='%s'%s", bus_nr, vsmmu_layout_adds_first_cell (layout) ? ">\n" FIRST_NODE "</target>\n" : "/>\n");

  if (target != NULL && vsmmu_xml_attribute (target, "busNr") != NULL)
    return;
  if (target == NULL)
    vsmmu_edit_append (edit, bus->node, element);
  else
    vsmmu_edit_add_attribute (edit, target, "busNr", bus_nr);
  vsmmu_layout_note (layout,
                     _ ("the busNr of the pcie-expander-bus on line %u was set to %s, which libvirt chooses without "
                        "the plan"),
                     bus->line, bus_nr);
}

/* The guest's own expander buses are on the node that all of the guest is on. */
static void
put_on_first_cell (VsmmuLayout *layout, VsmmuEdit *edit)
{
  for (guint i = 0; i < layout->domain->devices->len; i++) {
    const VsmmuDevice *bus = g_ptr_array_index (layout->domain->devices, i);
    const xmlNode *target = is_expander (bus) ? vsmmu_xml_child (bus->node, "target") : NULL;

    if (!is_expander (bus) || bus->controller.numa_node >= 0)
      continue;
    if (target != NULL)
      vsmmu_edit_append (edit, target, "<node>0</node>\n");
    else if (!adds_root (layout))
      vsmmu_edit_append (edit, bus->node, "<target>\n" FIRST_NODE "</target>\n");
    vsmmu_layout_note (layout, _ ("the pcie-expander-bus on line %u was put on NUMA node 0 of the guest"), bus->line);
  }
}

static void
keep_the_rest (VsmmuLayout *layout, VsmmuEdit *edit)
{
  for (guint i = 0; i < layout->domain->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (layout->domain->devices, i);

    if (needs_address (layout->domain, device))
      pin_device (layout, edit, device);
    else if (is_expander (device) && adds_root (layout))
      keep_number (layout, edit, device);
  }
}

/* Whether the devices need a larger PCI hole than the guest has. */
static gboolean
needs_hole (const VsmmuLayout *layout)
{
  const VsmmuDevice *root = layout->domain->buses[0].controller;

  return root != NULL && layout->hole > (root->controller.has_pcihole64 ? root->controller.pcihole64 : 0);
}

/* Of a pcie-root that is in the document. */
static void
enlarge_hole (VsmmuLayout *layout, VsmmuEdit *edit)
{
  const VsmmuDevice *root = layout->domain->buses[0].controller;
  const xmlNode *old = root->node != NULL ? vsmmu_xml_child (root->node, "pcihole64") : NULL;
  g_autofree char *hole =
      g_strdup_printf ("<pcihole64 unit='GiB'>%" PRIu64 "</pcihole64>", layout->hole / VSMMU_KIB_PER_GIB);
  g_autofree char *line = g_strconcat (hole, "\n", NULL);

  if (root->node == NULL || !needs_hole (layout))
    return;
  if (old == NULL) {
    vsmmu_edit_append (edit, root->node, line);
    return;
  }
  vsmmu_edit_replace (edit, old, hole);
  vsmmu_layout_note (layout, _ ("line %u: <pcihole64> was set to %" PRIu64 " GiB, which the devices need"),
                     root->controller.pcihole64_line, layout->hole / VSMMU_KIB_PER_GIB);
}

static void
add_to_guest (VsmmuLayout *layout, VsmmuEdit *edit, const xmlNode *devices)
{
  g_autoptr (GString) implied = g_string_new (NULL);
  g_autofree char *planned = vsmmu_layout_write (layout);

  enlarge_hole (layout, edit);
  keep_the_rest (layout, edit);
  write_implied_buses (layout, implied);
  vsmmu_edit_append (edit, devices, implied->str);
  vsmmu_edit_append (edit, devices, planned);
}

/* Of a guest whose devices are all in their places. */
static void
add_hole (VsmmuLayout *layout, VsmmuEdit *edit, const xmlNode *devices)
{
  const VsmmuDevice *root = layout->domain->buses[0].controller;
  g_autoptr (GString) implied = g_string_new (NULL);

  enlarge_hole (layout, edit);
  if (!is_implied_bus (root))
    return;
  write_implied_bus (root, layout->hole, implied);
  vsmmu_edit_append (edit, devices, implied->str);
}

static gboolean
edit_guest (VsmmuLayout *layout, VsmmuPlan *plan, const char *guest, gsize length, GError **error)
{
  const xmlNode *devices = vsmmu_xml_child (xmlDocGetRootElement (layout->domain->document), "devices");
  g_autoptr (VsmmuEdit) edit = vsmmu_edit_new (guest, length, layout->domain->document, layout->domain->file, error);

  if (edit == NULL)
    return FALSE;
  if (devices == NULL)
    return vsmmu_layout_refuse (error, _ ("%s: the guest has no <devices>"), layout->domain->file);
  vsmmu_layout_write_cells (layout, edit);
  if (vsmmu_layout_adds_first_cell (layout))
    put_on_first_cell (layout, edit);
  if (vsmmu_layout_adds_something (layout))
    add_to_guest (layout, edit, devices);
  else if (needs_hole (layout))
    add_hole (layout, edit, devices);
  if (layout->adoption != NULL)
    vsmmu_adoption_edit (layout->adoption, layout, edit);
  plan->xml = vsmmu_edit_finish (edit, &plan->length);
  return TRUE;
}

/* libvirt's choices for @guest must come out as they did without the plan; what is planned comes after it. */
static gboolean
stays_in_place (const VsmmuDomain *guest, const VsmmuDomain *planned, GError **error)
{
  for (guint i = 0, p = 0; i < guest->devices->len; i++) {
    const VsmmuDevice *before = g_ptr_array_index (guest->devices, i);
    const VsmmuDevice *after = NULL;
    g_autofree char *name = NULL;

    if (before->ordinal == 0 || before->address_kind != VSMMU_ADDRESS_PCI)
      continue;
    do
      after = p < planned->devices->len ? g_ptr_array_index (planned->devices, p++) : NULL;
    while (after != NULL && (after->ordinal != before->ordinal || strcmp (after->element, before->element) != 0));
    if (after != NULL && after->address_kind == VSMMU_ADDRESS_PCI && after->address.bus == before->address.bus &&
        after->address.slot == before->address.slot && after->address.function == before->address.function)
      continue;
    name = vsmmu_device_describe (before);
    return vsmmu_layout_refuse (
        error,
        _ ("%s:%u: %s has no address, and libvirt would move it because of the plan; set its address to %02x:%02x.%x, "
           "and plan again"),
        guest->file, before->line, name, before->address.bus, before->address.slot, before->address.function);
  }
  return TRUE;
}

static gboolean
is_possible (const VsmmuDomain *domain, GError **error)
{
  const VsmmuReach *unclear = vsmmu_domain_first_reach (domain);

  if (!vsmmu_domain_is_virt (domain))
    return vsmmu_layout_refuse (error,
                                _ ("%s: SMMUv3 is supported only by the arm64 machine 'virt', but the guest has a "
                                   "different machine"),
                                domain->file);
  if (domain->problems->len > 0) {
    const VsmmuValueProblem *problem = &g_array_index (domain->problems, VsmmuValueProblem, 0);
    g_autofree char *value = vsmmu_text_shorten (problem->value);

    if (problem->unclear != NULL)
      return vsmmu_layout_refuse (error, "%s:%u: %s: %s", domain->file, problem->line, problem->unclear,
                                  problem->expected);
    if (problem->value == NULL)
      return vsmmu_layout_refuse (error, _ ("%s:%u: attribute '%s' is missing; set it to %s, and plan again"),
                                  domain->file, problem->line, problem->attribute, problem->expected);
    return vsmmu_layout_refuse (error,
                                _ ("%s:%u: libvirt does not accept the value '%s' (expected %s); correct it, and plan "
                                   "again"),
                                domain->file, problem->line, value, problem->expected);
  }
  if (unclear != NULL) {
    g_autofree char *value =
        vsmmu_text_shorten (unclear->from->property != NULL ? unclear->from->property : unclear->from->value);

    return vsmmu_layout_refuse (error,
                                _ ("%s:%u: '%s' affects an SMMUv3 or a VFIO device in a way that cannot be checked; "
                                   "follow the hints of 'virt-vsmmu check', and plan again"),
                                domain->file, unclear->from->line, value);
  }
  if (domain->address_error != NULL)
    return vsmmu_layout_refuse (error, _ ("%s: libvirt rejects the PCI addresses of the guest: %s"), domain->file,
                                domain->address_error);
  return TRUE;
}

static gboolean
make_layout (VsmmuLayout *layout, const char *const *devices, GError **error)
{
  if (!is_possible (layout->domain, error) || !vsmmu_layout_choose_devices (layout, devices, error) ||
      !vsmmu_layout_place (layout, error) || !vsmmu_layout_size_hole (layout, error) ||
      !vsmmu_layout_find_cells (layout, error))
    return FALSE;
  vsmmu_layout_find_nodes (layout);
  return TRUE;
}

static gboolean
fill (VsmmuPlan *plan, const VsmmuHost *host, const char *const *devices, const VsmmuPlanOptions *options,
      const char *guest, gsize length, GError **error)
{
  const VsmmuCheckOptions check = { .host = host };
  const char *name = options->guest_name != NULL ? options->guest_name : _ ("the plan");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *lifted = vsmmu_lift (guest, length, name, notes, &length, error);
  g_autoptr (VsmmuDomain) domain = lifted != NULL ? vsmmu_domain_new_raw (lifted, length, name, error) : NULL;
  g_autoptr (VsmmuDomain) planned = NULL;
  g_autoptr (VsmmuAdoption) adoption = NULL;
  g_auto (VsmmuLayout) layout = { 0 };

  if (domain == NULL)
    return FALSE;
  guest = lifted;
  if (options->adopts && (adoption = vsmmu_adoption_new (domain, host, options->adopted, error)) == NULL)
    return FALSE;
  vsmmu_layout_init (&layout, host, adoption != NULL ? adoption->rest : domain, options);
  layout.adoption = adoption;
  if (!make_layout (&layout, devices, error))
    return FALSE;
  plan->is_unchanged = !vsmmu_layout_adds_something (&layout) && !needs_hole (&layout) && layout.memories->len == 0 &&
                       (adoption == NULL || !vsmmu_adoption_changes_something (adoption));
  if (plan->is_unchanged) {
    plan->xml = g_strndup (guest, length);
    plan->length = length;
  } else if (!edit_guest (&layout, plan, guest, length, error)) {
    return FALSE;
  }
  plan->notes = g_steal_pointer (&layout.notes);
  planned = vsmmu_domain_new_raw (plan->xml, plan->length, name, error);
  if (planned == NULL)
    return FALSE;
  plan->findings = vsmmu_check_domain (planned, &check);
  return planned->address_error != NULL || stays_in_place (layout.domain, planned, error);
}

/* Whether @options are in their ranges, and there is a device. */
static gboolean
are_valid (const char *const *devices, const VsmmuPlanOptions *options, GError **error)
{
  if (options->spare_ports > VSMMU_PLAN_SPARE_PORTS_MAX || (devices[0] == NULL && !options->adopts)) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
                 _ ("a plan requires at least one device, and at most %d spare "
                    "ports"),
                 VSMMU_PLAN_SPARE_PORTS_MAX);
    return FALSE;
  }
  if (options->memory > VSMMU_PLAN_MEMORY_MAX || options->vcpus > VSMMU_PLAN_VCPUS_MAX) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE, _ ("a guest has at most %d GiB of memory and %d vCPUs"),
                 VSMMU_PLAN_MEMORY_MAX, VSMMU_PLAN_VCPUS_MAX);
    return FALSE;
  }
  if (options->guest == NULL && options->name != NULL && (*options->name == '\0' || strpbrk (options->name, "/\n"))) {
    g_autofree char *shown = vsmmu_text_shorten (options->name);

    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_VALUE,
                 _ ("invalid guest name '%s': libvirt rejects an empty name, and slashes and newlines in a name"),
                 shown);
    return FALSE;
  }
  return TRUE;
}

VsmmuPlan *
vsmmu_plan_new (const VsmmuHost *host, const char *const *devices, const VsmmuPlanOptions *options, GError **error)
{
  static const VsmmuPlanOptions defaults;
  const VsmmuPlanOptions *chosen = options != NULL ? options : &defaults;
  g_autoptr (VsmmuPlan) plan = g_atomic_rc_box_new0 (VsmmuPlan);
  g_autofree char *template = NULL;

  if (!are_valid (devices, chosen, error))
    return NULL;
  if (chosen->guest == NULL)
    template = vsmmu_plan_template (host, devices, chosen, error);
  if (chosen->guest != NULL
          ? !fill (plan, host, devices, chosen, chosen->guest, chosen->guest_length, error)
          : template == NULL || !fill (plan, host, devices, chosen, template, strlen (template), error))
    return NULL;
  return g_steal_pointer (&plan);
}

VsmmuPlan *
vsmmu_plan_new_into_file (const VsmmuHost *host, const char *const *devices, const VsmmuPlanOptions *options,
                          const char *path, GError **error)
{
  VsmmuPlanOptions into = *options;
  g_autofree char *data = NULL;
  g_autofree char *name = vsmmu_read_name (path);

  if (!vsmmu_read_document (path, &data, &into.guest_length, error))
    return NULL;
  into.guest = data;
  into.guest_name = name;
  return vsmmu_plan_new (host, devices, &into, error);
}
