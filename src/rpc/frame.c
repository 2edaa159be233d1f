/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/frame.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "vsmmu/error.h"

#define N_WORDS (VSMMU_FRAME_HEADER_BYTES / sizeof (guint32))

/* There are 7 types and 3 statuses; leave room for new ones, but not for text or encrypted data. */
#define TYPE_MAX 255
#define STATUS_MAX 255

void
vsmmu_frame_header_read (const guint8 *bytes, VsmmuFrameHeader *header)
{
  guint32 words[N_WORDS];

  memcpy (words, bytes, sizeof (words));
  *header = (VsmmuFrameHeader){
    .length = GUINT32_FROM_BE (words[0]),
    .program = GUINT32_FROM_BE (words[1]),
    .version = GUINT32_FROM_BE (words[2]),
    .procedure = (gint32) GUINT32_FROM_BE (words[3]),
    .type = GUINT32_FROM_BE (words[4]),
    .serial = GUINT32_FROM_BE (words[5]),
    .status = GUINT32_FROM_BE (words[6]),
  };
}

gboolean
vsmmu_frame_header_check (const VsmmuFrameHeader *header, GError **error)
{
  if (header->length >= VSMMU_FRAME_HEADER_BYTES && header->length <= VSMMU_FRAME_LENGTH_MAX &&
      header->type <= TYPE_MAX && header->status <= STATUS_MAX)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL,
               _ ("invalid libvirt frame of %u bytes, type %u, status %u; libvirt frames have %u to %u bytes; is this "
                  "another protocol, or encrypted?"),
               header->length, header->type, header->status, VSMMU_FRAME_HEADER_BYTES, VSMMU_FRAME_LENGTH_MAX);
  return FALSE;
}

gboolean
vsmmu_frame_has_descriptors (const VsmmuFrameHeader *header)
{
  return header->type == VSMMU_FRAME_CALL_WITH_FDS || header->type == VSMMU_FRAME_REPLY_WITH_FDS;
}

gboolean
vsmmu_frame_read_descriptors (const guint8 *bytes, const VsmmuFrameHeader *header, guint *n_descriptors, GError **error)
{
  guint32 word;

  memcpy (&word, bytes + VSMMU_FRAME_HEADER_BYTES, sizeof (word));
  *n_descriptors = GUINT32_FROM_BE (word);
  if (header->length >= VSMMU_FRAME_PREFIX_BYTES && *n_descriptors <= VSMMU_FRAME_DESCRIPTORS_MAX)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL,
               _ ("invalid libvirt frame of %u bytes with %u file descriptors; libvirt frames have at most %u"),
               header->length, *n_descriptors, VSMMU_FRAME_DESCRIPTORS_MAX);
  return FALSE;
}

void
vsmmu_frame_header_write (const VsmmuFrameHeader *header, guint8 *bytes)
{
  const guint32 words[N_WORDS] = {
    GUINT32_TO_BE (header->length),  GUINT32_TO_BE (header->program),
    GUINT32_TO_BE (header->version), GUINT32_TO_BE ((guint32) header->procedure),
    GUINT32_TO_BE (header->type),    GUINT32_TO_BE (header->serial),
    GUINT32_TO_BE (header->status),
  };

  memcpy (bytes, words, sizeof (words));
}

GBytes *
vsmmu_frame_encode (const VsmmuFrameHeader *header, xdrproc_t codec, gpointer payload, GError **error)
{
  gsize size = VSMMU_FRAME_HEADER_BYTES + xdr_sizeof (codec, payload);
  VsmmuFrameHeader whole = *header;
  g_autofree guint8 *bytes = NULL;
  XDR xdr;

  if (size > VSMMU_FRAME_LENGTH_MAX) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL, _ ("a frame of %zu bytes is larger than libvirt accepts"),
                 size);
    return NULL;
  }
  whole.length = (guint32) size;
  bytes = g_malloc (size);
  vsmmu_frame_header_write (&whole, bytes);
  xdrmem_create (&xdr, (char *) bytes + VSMMU_FRAME_HEADER_BYTES, whole.length - VSMMU_FRAME_HEADER_BYTES, XDR_ENCODE);
  if (codec (&xdr, payload))
    return g_bytes_new_take (g_steal_pointer (&bytes), size);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL, _ ("procedure %d cannot be encoded: a string is too long"),
               header->procedure);
  return NULL;
}

gboolean
vsmmu_frame_decode (GBytes *frame, xdrproc_t codec, gpointer payload, GError **error)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (frame, &size);
  u_int length = (u_int) (size - VSMMU_FRAME_HEADER_BYTES);
  VsmmuFrameHeader header;
  XDR xdr;

  /* XDR decodes without writing to what it reads from. */
  xdrmem_create (&xdr, (char *) bytes + VSMMU_FRAME_HEADER_BYTES, length, XDR_DECODE);
  if (codec (&xdr, payload) && xdr_getpos (&xdr) == length)
    return TRUE;
  vsmmu_frame_header_read (bytes, &header);
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL,
               _ ("cannot decode a frame for procedure %d of the libvirt protocol"), header.procedure);
  return FALSE;
}
