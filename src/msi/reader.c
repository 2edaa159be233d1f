/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/reader.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "msi/smmuv3.h"
#include "vsmmu/error.h"

void
vsmmu_memory_reader_free (VsmmuMemoryReader *reader)
{
  if (reader != NULL)
    reader->free (reader);
}

gboolean
vsmmu_memory_reader_refuse (guint64 address, GError **error)
{
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("no guest memory at 0x%" PRIx64), address);
  return FALSE;
}

GBytes *
vsmmu_memory_reader_map (const char *path, const char *name, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, &cause);

  if (file != NULL)
    return g_mapped_file_get_bytes (file);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_READ, _ ("cannot read the guest memory in %s: %s"), name,
               cause->message);
  return NULL;
}

void
vsmmu_smmuv3_source_free (VsmmuSmmuv3Source *source)
{
  if (source == NULL)
    return;
  vsmmu_memory_reader_free (source->memory);
  source->free (source);
}

typedef struct {
  VsmmuSmmuv3Source source;
  VsmmuSmmuv3Registers registers;
} Fixed;

static gboolean
fixed_read (const VsmmuSmmuv3Source *source, VsmmuSmmuv3Registers *registers, G_GNUC_UNUSED GError **error)
{
  *registers = ((const Fixed *) source)->registers;
  return TRUE;
}

static void
fixed_free (VsmmuSmmuv3Source *source)
{
  g_free (source);
}

VsmmuSmmuv3Source *
vsmmu_smmuv3_source_new_fixed (const VsmmuSmmuv3Registers *registers, VsmmuMemoryReader *memory)
{
  Fixed *self = g_new0 (Fixed, 1);

  self->source = (VsmmuSmmuv3Source){ fixed_read, memory, fixed_free };
  self->registers = *registers;
  return &self->source;
}
