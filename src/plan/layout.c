/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/layout.h"

static void
group_free (gpointer data)
{
  VsmmuPlanGroup *group = data;

  g_ptr_array_unref (group->devices);
  g_array_unref (group->ports);
  g_free (group);
}

void
vsmmu_layout_init (VsmmuLayout *layout, const VsmmuHost *host, const VsmmuDomain *domain,
                   const VsmmuPlanOptions *options)
{
  layout->host = host;
  layout->domain = domain;
  layout->options = options;
  layout->groups = g_ptr_array_new_with_free_func (group_free);
  layout->in_place = g_array_new (FALSE, FALSE, sizeof (VsmmuAdopted));
  layout->memories = g_array_new (FALSE, FALSE, sizeof (VsmmuPlanMemory));
  layout->notes = g_ptr_array_new_with_free_func (g_free);
}

void
vsmmu_layout_clear (VsmmuLayout *layout)
{
  g_clear_pointer (&layout->groups, g_ptr_array_unref);
  g_clear_pointer (&layout->in_place, g_array_unref);
  g_clear_pointer (&layout->memories, g_array_unref);
  g_clear_pointer (&layout->notes, g_ptr_array_unref);
}

void
vsmmu_layout_note (VsmmuLayout *layout, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (layout->notes, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

gboolean
vsmmu_layout_refuse (GError **error, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_propagate_error (error, g_error_new_valist (VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED, format, arguments));
  va_end (arguments);
  return FALSE;
}

gboolean
vsmmu_layout_adds_something (const VsmmuLayout *layout)
{
  for (guint i = 0; i < layout->groups->len; i++) {
    const VsmmuPlanGroup *group = g_ptr_array_index (layout->groups, i);

    if (group->devices->len > 0)
      return TRUE;
    for (guint p = 0; p < group->ports->len; p++)
      if (g_array_index (group->ports, VsmmuPlanPort, p).is_new)
        return TRUE;
  }
  return FALSE;
}

gboolean
vsmmu_layout_adopts (const VsmmuLayout *layout, const VsmmuHostDevice *device)
{
  for (guint i = 0; layout->adoption != NULL && i < layout->adoption->devices->len; i++)
    if (g_array_index (layout->adoption->devices, VsmmuAdopted, i).device == device)
      return TRUE;
  return FALSE;
}

const VsmmuPlanMemory *
vsmmu_layout_memory_of (const VsmmuLayout *layout, const VsmmuHostDevice *device)
{
  for (guint i = 0; i < layout->memories->len; i++) {
    const VsmmuPlanMemory *memory = &g_array_index (layout->memories, VsmmuPlanMemory, i);

    if (memory->device == device)
      return memory;
  }
  return NULL;
}

gboolean
vsmmu_layout_adds_first_cell (const VsmmuLayout *layout)
{
  return layout->domain->n_cells == 0 && layout->memories->len > 0;
}

char *
vsmmu_layout_write_address (const VsmmuPciAddress *address)
{
  return g_strdup_printf ("<address type='pci' domain='0x0000' bus='0x%02x' slot='0x%02x' function='0x%x'%s/>",
                          address->bus, address->slot, address->function,
                          address->multifunction ? " multifunction='on'" : "");
}

void
vsmmu_layout_indent (GString *text, const char *lines)
{
  for (const char *line = lines; *line != '\0'; line = strchr (line, '\n') + 1)
    g_string_append_printf (text, "  %.*s\n", (int) (strchr (line, '\n') - line), line);
}

char *
vsmmu_layout_wrap (const char *element, const char *lines)
{
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (text, "<%s>\n", element);
  vsmmu_layout_indent (text, lines);
  g_string_append_printf (text, "</%s>\n", element);
  return g_string_free (g_steal_pointer (&text), FALSE);
}
