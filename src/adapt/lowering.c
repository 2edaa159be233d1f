/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapt/lowering.h"

const char *const vsmmu_iommufd_ids[] = {
  [VSMMU_SWITCH_ABSENT] = VSMMU_IOMMUFD_ID,
  [VSMMU_SWITCH_OFF] = VSMMU_IOMMUFD_ID "-no",
  [VSMMU_SWITCH_ON] = VSMMU_IOMMUFD_ID "-yes",
};

void
vsmmu_lowering_note (GPtrArray *notes, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (notes, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

gboolean
vsmmu_lowering_refuse (GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, VSMMU_ERROR, VSMMU_ERROR_UNSUPPORTED, message);
  return FALSE;
}

char *
vsmmu_lowering_keep (const char *xml, gsize length, gsize *out_length)
{
  char *copy = g_malloc (length + 1);

  memcpy (copy, xml, length);
  copy[length] = '\0';
  *out_length = length;
  return copy;
}

gboolean
vsmmu_lowering_is_vsmmu (const VsmmuDevice *iommu)
{
  return iommu->iommu.is_smmuv3 && iommu->iommu.names_pci_bus;
}
