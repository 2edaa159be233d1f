/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames of libvirt's protocol that carry XML: what can be decoded can be encoded, with another XML too. */
#include <stdint.h>

#include "rpc/message.h"
#include "stop.h"

#define OTHER_XML "<domain/>"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Strings end at a NUL inside, for libvirt too, so a frame may become shorter. */
static void
check_encoding (GBytes *frame, const VsmmuMessage *message)
{
  g_autoptr (GBytes) again = vsmmu_message_encode (message, NULL);

  if (g_bytes_get_size (again) > g_bytes_get_size (frame))
    g_error ("larger than what was decoded");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) frame = g_bytes_new_static (data, size);
  g_autoptr (VsmmuMessage) message = NULL;
  g_autoptr (VsmmuMessage) again = NULL;
  g_autoptr (GBytes) encoded = NULL;
  g_autoptr (GPtrArray) slots = NULL;
  const VsmmuProcedure *procedure;
  VsmmuFrameHeader header;

  if (size < VSMMU_FRAME_HEADER_BYTES)
    return 0;
  vsmmu_frame_header_read (data, &header);
  procedure = vsmmu_procedure_find (header.procedure);
  message = procedure != NULL ? vsmmu_message_decode (procedure, frame, NULL) : NULL;
  if (message == NULL)
    return 0;
  check_encoding (frame, message);
  slots = vsmmu_message_find_xml (message);
  for (guint i = 0; i < slots->len; i++)
    vsmmu_message_replace_xml (g_ptr_array_index (slots, i), OTHER_XML);
  encoded = vsmmu_message_encode (message, NULL);
  again = vsmmu_message_decode (procedure, encoded, NULL);
  if (again == NULL)
    g_error ("what was encoded cannot be decoded");
  return 0;
}
