/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/adopt.h"

#include <glib/gi18n-lib.h>

#include "base/text.h"
#include "domain/acceleration.h"
#include "domain/domain-read.h"
#include "domain/options.h"
#include "domain/vsmmu.h"
#include "host/binding.h"
#include "host/device-model.h"

void
vsmmu_adoption_free (VsmmuAdoption *adoption)
{
  vsmmu_domain_unref (adoption->rest);
  g_array_unref (adoption->devices);
  g_array_unref (adoption->stay);
  g_ptr_array_unref (adoption->replaced);
  g_free (adoption);
}

/*
 * Which SMMUv3s no VFIO device can use
 */

/* Whether @iommu is one, in the words of libvirt or of a patch of it: smmuv3Dev, nestedSmmuv3. */
static gboolean
is_smmuv3 (const VsmmuDevice *iommu)
{
  g_autofree char *model = iommu->iommu.model != NULL ? g_ascii_strdown (iommu->iommu.model, -1) : NULL;

  return model != NULL && strstr (model, "smmuv3") != NULL;
}

/* Whether something that QEMU emulates is behind @vsmmu, which QEMU refuses to start. */
static gboolean
has_emulated (const VsmmuDomain *guest, const VsmmuDevice *vsmmu)
{
  for (guint i = 0; i < guest->devices->len; i++) {
    const VsmmuDevice *device = g_ptr_array_index (guest->devices, i);

    if (device->address_kind == VSMMU_ADDRESS_PCI && !vsmmu_device_is_pci_controller (device) &&
        !vsmmu_device_is_hostdev (device) && vsmmu_domain_vsmmu_of (guest, device) == vsmmu)
      return TRUE;
  }
  return FALSE;
}

/* Whether libvirt does not accept a value of @iommu. */
static gboolean
has_problem (const VsmmuDomain *guest, const VsmmuDevice *iommu)
{
  g_autofree char *path = vsmmu_device_path (iommu, "");

  for (guint i = 0; i < guest->problems->len; i++)
    if (g_str_has_prefix (g_array_index (guest->problems, VsmmuValueProblem, i).element, path))
      return TRUE;
  return FALSE;
}

static void
find_replaced (VsmmuAdoption *adoption)
{
  const VsmmuDomain *guest = adoption->guest;

  for (guint i = 0; i < guest->iommus->len; i++) {
    const VsmmuDevice *iommu = vsmmu_domain_iommu_at (guest, i);

    if (is_smmuv3 (iommu) &&
        (!vsmmu_domain_is_effective (guest, iommu) || has_emulated (guest, iommu) || has_problem (guest, iommu)))
      g_ptr_array_add (adoption->replaced, (gpointer) iommu);
  }
}

/*
 * Which devices there are to adopt
 */

/* Whether @hostdev is behind a vSMMU that stays and belongs to the physical SMMU of @device. */
static gboolean
is_in_place (const VsmmuAdoption *adoption, const VsmmuBinding *bindings, const VsmmuDevice *hostdev,
             const VsmmuHostDevice *device)
{
  const VsmmuDevice *vsmmu = vsmmu_domain_accelerated_over (adoption->guest, hostdev);

  return vsmmu != NULL && !g_ptr_array_find (adoption->replaced, vsmmu, NULL) &&
         bindings[vsmmu->iommu.pci_bus].iommu == vsmmu && bindings[vsmmu->iommu.pci_bus].smmu == device->smmu;
}

/* Whether the memory of a device has no NUMA nodes in the guest. */
static gboolean
lacks_nodes (const VsmmuAdopted *adopted)
{
  return !adopted->hostdev->hostdev.has_acpi_nodes && vsmmu_host_device_memory_nodes (adopted->device) > 0;
}

/* Adds @hostdev to what is to be done, if anything is. */
static gboolean
adopt (VsmmuAdoption *adoption, const VsmmuHost *host, const VsmmuBinding *bindings, const VsmmuDevice *hostdev,
       GError **error)
{
  const VsmmuAdopted adopted = { vsmmu_host_device_of (host, hostdev), hostdev };
  g_autofree char *name = vsmmu_pci_address_to_string (&hostdev->hostdev.host);

  if (adopted.device == NULL)
    return vsmmu_layout_refuse (
        error, _ ("the host has no PCI function %s; 'virt-vsmmu host --devices' lists the devices"), name);
  if (!vsmmu_layout_is_usable (adopted.device, error))
    return FALSE;
  if (!is_in_place (adoption, bindings, hostdev, adopted.device))
    g_array_append_val (adoption->devices, adopted);
  else if (!vsmmu_domain_uses_iommufd (adoption->guest, hostdev) || lacks_nodes (&adopted))
    g_array_append_val (adoption->stay, adopted);
  return TRUE;
}

/* Whether libvirt accepts the address of @hostdev on the host. */
static gboolean
has_source (const VsmmuAdoption *adoption, const VsmmuDevice *hostdev, GError **error)
{
  g_autofree char *path = vsmmu_device_path (hostdev, "/source");
  g_autofree char *value = NULL;

  for (guint i = 0; i < adoption->guest->problems->len; i++) {
    const VsmmuValueProblem *problem = &g_array_index (adoption->guest->problems, VsmmuValueProblem, i);

    if (problem->value == NULL || !g_str_has_prefix (problem->element, path))
      continue;
    value = vsmmu_text_shorten (problem->value);
    return vsmmu_layout_refuse (error,
                                _ ("%s:%u: libvirt does not accept the value '%s' (expected %s); correct it, and plan "
                                   "again"),
                                adoption->guest->file, problem->line, value, problem->expected);
  }
  return TRUE;
}

static gboolean
adopt_or_say_where (VsmmuAdoption *adoption, const VsmmuHost *host, const VsmmuBinding *bindings,
                    const VsmmuDevice *hostdev, GError **error)
{
  if (!has_source (adoption, hostdev, error))
    return FALSE;
  if (adopt (adoption, host, bindings, hostdev, error))
    return TRUE;
  g_prefix_error (error, "%s:%u: ", adoption->guest->file, hostdev->line);
  return FALSE;
}

/* All that libvirt gives to the guest; an address of type "unassigned" keeps a device from it. */
static gboolean
adopt_all (VsmmuAdoption *adoption, const VsmmuHost *host, const VsmmuBinding *bindings, GError **error)
{
  for (guint i = 0; i < adoption->guest->hostdevs->len; i++) {
    const VsmmuDevice *hostdev = vsmmu_domain_hostdev_at (adoption->guest, i);

    if (hostdev->hostdev.is_pci && hostdev->address_kind != VSMMU_ADDRESS_OTHER &&
        !adopt_or_say_where (adoption, host, bindings, hostdev, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
adopt_named (VsmmuAdoption *adoption, const VsmmuHost *host, const VsmmuBinding *bindings, const char *const *names,
             GError **error)
{
  for (guint i = 0; names[i] != NULL; i++) {
    const VsmmuHostDevice *device = vsmmu_layout_find_device (host, names[i], error);
    const VsmmuDevice *hostdev = device != NULL ? vsmmu_host_hostdev_of (host, adoption->guest, device) : NULL;

    if (device == NULL)
      return FALSE;
    if (hostdev == NULL)
      return vsmmu_layout_refuse (error, _ ("%s: the guest does not have %s; add it with --device=%s"),
                                  adoption->guest->file, device->name, device->name);
    if (!adopt_or_say_where (adoption, host, bindings, hostdev, error))
      return FALSE;
  }
  return TRUE;
}

/* The guest that the layout is made for. */
static void
find_rest (VsmmuAdoption *adoption)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new ();

  for (guint i = 0; i < adoption->devices->len; i++)
    g_ptr_array_add (nodes, (gpointer) g_array_index (adoption->devices, VsmmuAdopted, i).hostdev->node);
  for (guint i = 0; i < adoption->replaced->len; i++)
    g_ptr_array_add (nodes, (gpointer) ((const VsmmuDevice *) g_ptr_array_index (adoption->replaced, i))->node);
  adoption->rest = vsmmu_domain_new_without (adoption->guest, nodes);
}

VsmmuAdoption *
vsmmu_adoption_new (const VsmmuDomain *guest, const VsmmuHost *host, const char *const *names, GError **error)
{
  g_autoptr (VsmmuAdoption) adoption = g_new0 (VsmmuAdoption, 1);
  VsmmuBinding bindings[VSMMU_PCI_BUSES_MAX];

  adoption->guest = guest;
  adoption->devices = g_array_new (FALSE, FALSE, sizeof (VsmmuAdopted));
  adoption->stay = g_array_new (FALSE, FALSE, sizeof (VsmmuAdopted));
  adoption->replaced = g_ptr_array_new ();
  find_replaced (adoption);
  vsmmu_bindings_find (guest, host, bindings);
  if (names != NULL ? !adopt_named (adoption, host, bindings, names, error)
                    : !adopt_all (adoption, host, bindings, error))
    return NULL;
  /* An SMMUv3 that no VFIO device needs is nobody's business. */
  if (adoption->devices->len == 0)
    g_ptr_array_set_size (adoption->replaced, 0);
  find_rest (adoption);
  return g_steal_pointer (&adoption);
}

/*
 * The document
 */

/* Whether libvirt refuses the attribute @name of an SMMUv3's <driver>, or ignores it because it is misspelled. */
static gboolean
is_wrong_option (const char *name)
{
  return vsmmu_options_is_of_other_models (name) ||
         (!vsmmu_options_is_attribute (name) && vsmmu_options_suggest (name) != NULL);
}

static gboolean
has_wrong_option (const VsmmuDevice *iommu)
{
  for (const xmlAttr *attribute = iommu->iommu.driver != NULL ? iommu->iommu.driver->properties : NULL;
       attribute != NULL; attribute = attribute->next)
    if (is_wrong_option ((const char *) attribute->name))
      return TRUE;
  return FALSE;
}

/* The <ioapic> that Nova adds to <features> together with an SMMUv3, or %NULL; qemuValidateDomainDefFeatures(). */
static const xmlNode *
find_ioapic (const VsmmuAdoption *adoption)
{
  const xmlNode *features = vsmmu_xml_child (xmlDocGetRootElement (adoption->guest->document), "features");

  return features != NULL ? vsmmu_xml_child (features, "ioapic") : NULL;
}

gboolean
vsmmu_adoption_changes_something (const VsmmuAdoption *adoption)
{
  if (adoption->guest->hostdevs->len == 0)
    return FALSE;
  for (guint i = 0; i < adoption->rest->iommus->len; i++)
    if (has_wrong_option (vsmmu_domain_iommu_at (adoption->rest, i)))
      return TRUE;
  return adoption->devices->len > 0 || adoption->stay->len > 0 || find_ioapic (adoption) != NULL;
}

/* How others spell iommufd; libvirt ignores it. */
static gboolean
is_misspelled (const char *name)
{
  return g_ascii_strcasecmp (name, "iommufd") == 0 && strcmp (name, "iommufd") != 0;
}

static void
remove_misspelled (VsmmuEdit *edit, const xmlNode *node)
{
  for (const xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
    if (is_misspelled ((const char *) attribute->name))
      vsmmu_edit_remove_attribute (edit, node, (const char *) attribute->name);
}

static void
set_iommufd (VsmmuEdit *edit, const VsmmuAdoption *adoption, const VsmmuDevice *hostdev)
{
  const xmlNode *driver = vsmmu_xml_child (hostdev->node, "driver");

  if (vsmmu_domain_uses_iommufd (adoption->guest, hostdev))
    return;
  if (driver == NULL) {
    vsmmu_edit_insert_first (edit, hostdev->node, "<driver name='vfio' iommufd='yes'/>");
    return;
  }
  remove_misspelled (edit, driver);
  vsmmu_edit_set_attribute (edit, driver, "iommufd", "yes");
}

static void
set_address (VsmmuEdit *edit, const VsmmuDevice *hostdev, guint port)
{
  const xmlNode *old = vsmmu_xml_child (hostdev->node, "address");
  const VsmmuPciAddress address = { .bus = (guint8) port };
  g_autofree char *element = vsmmu_layout_write_address (&address);
  g_autofree char *line = g_strconcat (element, "\n", NULL);

  if (old != NULL)
    vsmmu_edit_replace (edit, old, element);
  else
    vsmmu_edit_append (edit, hostdev->node, line);
}

/* The port that @layout has for @device. */
static guint
port_of (const VsmmuLayout *layout, const VsmmuHostDevice *device)
{
  for (guint g = 0; g < layout->groups->len; g++) {
    const VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, g);
    guint i;

    if (g_ptr_array_find (group->devices, device, &i))
      return g_array_index (group->ports, VsmmuPlanPort, i).index;
  }
  g_assert_not_reached ();
}

static void
edit_device (const VsmmuAdoption *adoption, const VsmmuAdopted *adopted, VsmmuLayout *layout, VsmmuEdit *edit)
{
  guint port = port_of (layout, adopted->device);

  set_address (edit, adopted->hostdev, port);
  set_iommufd (edit, adoption, adopted->hostdev);
  vsmmu_layout_note (layout, _ ("line %u: %s was moved to %02x:00.0, behind the vSMMU for %s of the host"),
                     adopted->hostdev->line, adopted->device->name, port, adopted->device->smmu->name);
}

static void
replace_vsmmu (const VsmmuDevice *iommu, VsmmuLayout *layout, VsmmuEdit *edit)
{
  g_autofree char *model = vsmmu_text_shorten (iommu->iommu.model);

  vsmmu_edit_remove (edit, iommu->node);
  vsmmu_layout_note (layout, _ ("the <iommu model='%s'> on line %u was removed, because VFIO devices cannot use it"),
                     model, iommu->line);
}

/* Gives the option that was meant by @name its value, when it has none. */
static void
correct_option (const VsmmuDevice *iommu, const char *name, VsmmuLayout *layout, VsmmuEdit *edit)
{
  const xmlNode *driver = iommu->iommu.driver;
  const char *meant = vsmmu_options_is_of_other_models (name) ? NULL : vsmmu_options_suggest (name);
  const char *value = vsmmu_xml_attribute (driver, name);

  vsmmu_edit_remove_attribute (edit, driver, name);
  if (meant == NULL || vsmmu_xml_attribute (driver, meant) != NULL || !vsmmu_options_accepts (meant, value)) {
    vsmmu_layout_note (layout, _ ("line %u: the attribute '%s' was removed; libvirt does not accept it for an SMMUv3"),
                       iommu->iommu.driver_line, name);
    return;
  }
  vsmmu_edit_add_attribute (edit, driver, meant, value);
  vsmmu_layout_note (layout, _ ("line %u: the attribute '%s' was renamed to '%s'"), iommu->iommu.driver_line, name,
                     meant);
}

static void
correct_options (const VsmmuDevice *iommu, VsmmuLayout *layout, VsmmuEdit *edit)
{
  for (const xmlAttr *attribute = iommu->iommu.driver != NULL ? iommu->iommu.driver->properties : NULL;
       attribute != NULL; attribute = attribute->next)
    if (is_wrong_option ((const char *) attribute->name))
      correct_option (iommu, (const char *) attribute->name, layout, edit);
}

static void
remove_ioapic (const VsmmuAdoption *adoption, VsmmuLayout *layout, VsmmuEdit *edit)
{
  const xmlNode *ioapic = find_ioapic (adoption);

  if (ioapic == NULL)
    return;
  vsmmu_edit_remove (edit, ioapic);
  vsmmu_layout_note (layout, _ ("line %u: <ioapic> was removed; libvirt does not accept it for this machine"),
                     vsmmu_xml_line (ioapic));
}

void
vsmmu_adoption_edit (const VsmmuAdoption *adoption, VsmmuLayout *layout, VsmmuEdit *edit)
{
  for (guint i = 0; i < adoption->devices->len; i++)
    edit_device (adoption, &g_array_index (adoption->devices, VsmmuAdopted, i), layout, edit);
  for (guint i = 0; i < adoption->stay->len; i++) {
    const VsmmuAdopted *adopted = &g_array_index (adoption->stay, VsmmuAdopted, i);

    if (vsmmu_domain_uses_iommufd (adoption->guest, adopted->hostdev))
      continue;
    set_iommufd (edit, adoption, adopted->hostdev);
    vsmmu_layout_note (layout, _ ("line %u: iommufd='yes' was set for %s"), adopted->hostdev->line,
                       adopted->device->name);
  }
  for (guint i = 0; i < adoption->replaced->len; i++)
    replace_vsmmu (g_ptr_array_index (adoption->replaced, i), layout, edit);
  for (guint i = 0; i < adoption->rest->iommus->len; i++)
    correct_options (vsmmu_domain_iommu_at (adoption->rest, i), layout, edit);
  remove_ioapic (adoption, layout, edit);
}
