/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/device-model.h"
#include "plan/layout.h"

static void
write_root (GString *text, const VsmmuPlanGroup *group)
{
  const VsmmuPciAddress address = { .slot = (guint8) group->slot };
  g_autofree char *element = vsmmu_layout_write_address (&address);

  g_string_append_printf (text, "<controller type='pci' index='%u' model='pcie-expander-bus'>\n", group->root);
  if (group->node >= 0)
    g_string_append_printf (text, "  <target busNr='%u'>\n    <node>%d</node>\n  </target>\n", group->bus_nr,
                            group->node);
  else
    g_string_append_printf (text, "  <target busNr='%u'/>\n", group->bus_nr);
  g_string_append_printf (text, "  %s\n</controller>\n", element);
}

static void
write_ports (GString *text, const VsmmuPlanGroup *group)
{
  for (guint i = 0; i < group->ports->len; i++) {
    const VsmmuPlanPort *port = &g_array_index (group->ports, VsmmuPlanPort, i);
    g_autofree char *element = vsmmu_layout_write_address (&port->address);

    if (port->is_new)
      g_string_append_printf (text, "<controller type='pci' index='%u' model='pcie-root-port'>\n  %s\n</controller>\n",
                              port->index, element);
  }
}

/* Whether libvirt is to bind @device to a VFIO driver at start, and back to its own at the end. */
static gboolean
is_managed (const VsmmuHostDevice *device, VsmmuPlanManaged managed)
{
  if (managed != VSMMU_PLAN_MANAGED_AUTO)
    return managed == VSMMU_PLAN_MANAGED_YES;
  /* Its memory is offline then; that it stays so is not libvirt's business. */
  if (vsmmu_host_device_memory_nodes (device) > 0 && vsmmu_host_device_is_for_vfio (device))
    return FALSE;
  /* A driver that gives the device to VFIO itself is to stay. */
  return !vsmmu_host_device_is_for_vfio (device) || vsmmu_host_device_has_vfio_driver (device);
}

/* (transfer full): a line with the NUMA nodes of the guest for the memory of @device, or nothing */
static char *
write_nodes (const VsmmuLayout *layout, const VsmmuHostDevice *device)
{
  const VsmmuPlanMemory *memory = vsmmu_layout_memory_of (layout, device);

  if (memory == NULL)
    return g_strdup ("");
  return g_strdup_printf ("  <acpi nodeset='%u-%u'/>\n", memory->first, memory->first + memory->count - 1);
}

static void
write_devices (GString *text, const VsmmuLayout *layout, const VsmmuPlanGroup *group)
{
  for (guint i = 0; i < group->devices->len; i++) {
    const VsmmuHostDevice *device = g_ptr_array_index (group->devices, i);
    const VsmmuPciAddress address = { .bus = (guint8) g_array_index (group->ports, VsmmuPlanPort, i).index };
    g_autofree char *element = vsmmu_layout_write_address (&address);
    g_autofree char *nodes = write_nodes (layout, device);

    if (vsmmu_layout_adopts (layout, device))
      continue;
    g_string_append_printf (text,
                            "<hostdev mode='subsystem' type='pci' managed='%s'>\n"
                            "  <driver name='vfio' iommufd='yes'/>\n"
                            "  <source>\n"
                            "    <address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n"
                            "  </source>\n"
                            "%s"
                            "  %s\n"
                            "</hostdev>\n",
                            is_managed (device, layout->options->managed) ? "yes" : "no", device->domain, device->bus,
                            device->slot, device->function, nodes, element);
  }
}

static gboolean
is_known (const VsmmuHostSmmu *smmu, VsmmuSmmuCapability capability)
{
  return vsmmu_fact_is_known (smmu->capabilities[capability]);
}

/* Whether some device of @group is known to have ATS that can be used, or nothing is known against it. */
static gboolean
may_use_ats (const VsmmuPlanGroup *group)
{
  for (guint i = 0; i < group->devices->len; i++)
    if (!vsmmu_host_device_loses_ats (g_ptr_array_index (group->devices, i)))
      return TRUE;
  return group->devices->len == 0;
}

/* Whether @group has a GPU with memory of its own, which only Grace has. */
static gboolean
has_gpu (const VsmmuPlanGroup *group)
{
  for (guint i = 0; i < group->devices->len; i++)
    if (vsmmu_host_device_memory_nodes (g_ptr_array_index (group->devices, i)) > 0)
      return TRUE;
  return FALSE;
}

/*
 * What is known of the SMMU is written down, so that the guest sees the same SMMU also when the device is gone that
 * QEMU would ask. What is not known is left to QEMU, which asks the device; oas it does not ask for, and takes 44.
 */
static void
write_options (GString *text, const VsmmuLayout *layout, const VsmmuPlanGroup *group)
{
  const VsmmuHostSmmu *smmu = group->smmu;
  const VsmmuFact *has = smmu->capabilities;
  gboolean is_ats_off = vsmmu_fact_is_false (has[VSMMU_SMMU_ATS]) || !may_use_ats (group);

  if (is_known (smmu, VSMMU_SMMU_ATS) || is_ats_off)
    g_string_append_printf (text, " ats='%s'", is_ats_off ? "off" : "on");
  if (is_known (smmu, VSMMU_SMMU_RIL))
    g_string_append_printf (text, " ril='%s'", has[VSMMU_SMMU_RIL].value != 0 ? "on" : "off");
  /* Without ATS nobody can use a PASID. */
  if (is_ats_off)
    g_string_append (text, " ssidsize='0'");
  else if (is_known (smmu, VSMMU_SMMU_SSIDSIZE))
    g_string_append_printf (text, " ssidsize='%d'", (int) CLAMP (has[VSMMU_SMMU_SSIDSIZE].value, 0, 20));
  /* The SMMUs in front of these GPUs have as many, and CUDA needs them. */
  else if (has_gpu (group))
    g_string_append (text, " ssidsize='20'");
  if (is_known (smmu, VSMMU_SMMU_OAS))
    g_string_append_printf (text, " oas='%s'", has[VSMMU_SMMU_OAS].value >= 48 ? "48" : "44");
  /* Left out, it would be on where the SMMU has it, with a queue of one page if the guest's pages are small. */
  if (vsmmu_fact_is_true (vsmmu_host_smmu_supports_cmdqv (smmu)) && !vsmmu_fact_is_false (layout->host->qemu_cmdqv))
    g_string_append_printf (
        text, " cmdqv='%s'",
        layout->domain->has_hugepages && group->ports->len <= vsmmu_host_smmu_cmdqv_devices (smmu) ? "on" : "off");
}

static void
write_vsmmu (GString *text, const VsmmuLayout *layout, const VsmmuPlanGroup *group)
{
  g_string_append_printf (text, "<iommu model='smmuv3'>\n  <driver pciBus='%u' accel='on'", group->root);
  write_options (text, layout, group);
  g_string_append (text, "/>\n</iommu>\n");
}

static gboolean
adds_something (const VsmmuPlanGroup *group)
{
  for (guint i = 0; i < group->ports->len; i++)
    if (g_array_index (group->ports, VsmmuPlanPort, i).is_new)
      return TRUE;
  return group->devices->len > 0;
}

char *
vsmmu_layout_write (const VsmmuLayout *layout)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < layout->groups->len; i++) {
    const VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, i);

    if (!adds_something (group))
      continue;
    g_string_append_printf (text, "<!-- For %s of the host -->\n", group->smmu->name);
    if (group->vsmmu == NULL)
      write_root (text, group);
    write_ports (text, group);
    write_devices (text, layout, group);
    if (group->vsmmu == NULL)
      write_vsmmu (text, layout, group);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
