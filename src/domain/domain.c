/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain.h"

#include "domain/reach.h"

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

VsmmuDomain *
vsmmu_domain_ref (VsmmuDomain *domain)
{
  return g_atomic_rc_box_acquire (domain);
}

static void
domain_clear (gpointer data)
{
  VsmmuDomain *domain = data;

  plug_free (domain->plug);
  g_ptr_array_unref (domain->devices);
  g_ptr_array_unref (domain->hostdevs);
  g_array_unref (domain->problems);
  /* The rest belongs to the original. */
  if (domain->is_copy)
    return;
  g_ptr_array_unref (domain->iommus);
  g_ptr_array_unref (domain->controllers);
  g_array_unref (domain->cells);
  g_array_unref (domain->memory_nodes);
  g_array_unref (domain->arguments);
  g_array_unref (domain->overrides);
  g_array_unref (domain->capabilities);
  g_array_unref (domain->reaches);
  g_free (domain->address_error);
  g_free (domain->file);
  if (!domain->borrows_document)
    xmlFreeDoc (domain->document);
}

void
vsmmu_domain_unref (VsmmuDomain *domain)
{
  if (domain != NULL)
    g_atomic_rc_box_release_full (domain, domain_clear);
}

G_DEFINE_BOXED_TYPE (VsmmuDomain, vsmmu_domain, vsmmu_domain_ref, vsmmu_domain_unref)

VsmmuDomain *
vsmmu_domain_new_empty (xmlDocPtr document, const char *file)
{
  VsmmuDomain *domain = g_atomic_rc_box_new0 (VsmmuDomain);

  domain->file = g_strdup (file);
  domain->document = document;
  domain->devices = g_ptr_array_new_with_free_func (device_free);
  domain->iommus = g_ptr_array_new ();
  domain->hostdevs = g_ptr_array_new ();
  domain->controllers = g_ptr_array_new ();
  domain->cells = g_array_new (FALSE, TRUE, sizeof (VsmmuCell));
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
  VsmmuDomain *copy = g_atomic_rc_box_dup (sizeof (*domain), (gpointer) domain);

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

const VsmmuDevice *
vsmmu_domain_vsmmu_over (const VsmmuDomain *domain, guint bus)
{
  int root = bus < domain->n_buses ? domain->buses[bus].root : -1;

  return root >= 0 ? domain->buses[root].vsmmu : NULL;
}

const VsmmuDevice *
vsmmu_domain_vsmmu_of (const VsmmuDomain *domain, const VsmmuDevice *device)
{
  return device->address_kind == VSMMU_ADDRESS_PCI ? vsmmu_domain_vsmmu_over (domain, device->address.bus) : NULL;
}

gboolean
vsmmu_domain_uses_iommufd (const VsmmuDomain *domain, const VsmmuDevice *hostdev)
{
  if (hostdev->hostdev.iommufd != VSMMU_SWITCH_ABSENT)
    return hostdev->hostdev.iommufd == VSMMU_SWITCH_ON;
  return domain->iommufd == VSMMU_SWITCH_ON;
}
