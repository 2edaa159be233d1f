/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "rpc/frame.h"
#include "rpc/libvirt.h"
#include "vsmmu/error.h"

#define STRING_MAX 4194304
#define PROCEDURE 14

static const VsmmuFrameHeader header = {
  .length = 1, .program = 0x20008086, .version = 1, .procedure = PROCEDURE, .type = VSMMU_FRAME_REPLY, .serial = 7
};

static bool_t
encode_many (XDR *xdr, rpc_xml *xml)
{
  for (guint i = 0; i < VSMMU_FRAME_LENGTH_MAX / STRING_MAX; i++)
    if (!xdr_rpc_xml (xdr, xml))
      return FALSE;
  return TRUE;
}

static bool_t
encode_opaque (XDR *xdr, guint *size)
{
  static char zeros[VSMMU_FRAME_LENGTH_MAX + 4];

  return xdr_opaque (xdr, zeros, *size);
}

static void
expect_no_frame (xdrproc_t codec, gpointer payload, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (vsmmu_frame_encode (&header, codec, payload, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL);
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_a_frame_is_no_larger_than_libvirt_takes (void)
{
  guint most = VSMMU_FRAME_LENGTH_MAX - VSMMU_FRAME_HEADER_BYTES;
  guint more = most + 4;
  g_autofree char *longest = g_strnfill (STRING_MAX, 'x');
  rpc_xml xml = { longest };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) frame = vsmmu_frame_encode (&header, (xdrproc_t) encode_opaque, &most, &error);
  VsmmuFrameHeader seen;

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (frame), ==, VSMMU_FRAME_LENGTH_MAX);
  vsmmu_frame_header_read (g_bytes_get_data (frame, NULL), &seen);
  g_assert_cmpuint (seen.length, ==, VSMMU_FRAME_LENGTH_MAX);
  g_assert_true (vsmmu_frame_header_check (&seen, NULL));
  expect_no_frame ((xdrproc_t) encode_opaque, &more, "larger than libvirt accepts");
  expect_no_frame ((xdrproc_t) encode_many, &xml, "larger than libvirt accepts");
}

static void
test_a_string_is_no_longer_than_libvirt_takes (void)
{
  g_autofree char *longest = g_strnfill (STRING_MAX, 'x');
  g_autofree char *too_long = g_strnfill (STRING_MAX + 1, 'x');
  rpc_xml xml = { longest };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) frame = vsmmu_frame_encode (&header, (xdrproc_t) xdr_rpc_xml, &xml, &error);
  rpc_xml decoded = { 0 };

  g_assert_no_error (error);
  g_assert_true (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_xml, &decoded, &error));
  g_assert_cmpstr (decoded.xml, ==, longest);
  xdr_free ((xdrproc_t) xdr_rpc_xml, (char *) &decoded);
  xml.xml = too_long;
  expect_no_frame ((xdrproc_t) xdr_rpc_xml, &xml, "procedure 14 cannot be encoded: a string is too long");
}

/* (transfer full): a frame with @bytes after its header */
static GBytes *
frame_with (gconstpointer bytes, gsize size)
{
  guint8 *frame = g_malloc (VSMMU_FRAME_HEADER_BYTES + size);

  vsmmu_frame_header_write (&header, frame);
  if (size > 0)
    memcpy (frame + VSMMU_FRAME_HEADER_BYTES, bytes, size);
  return g_bytes_new_take (frame, VSMMU_FRAME_HEADER_BYTES + size);
}

static const struct {
  const char *name;
  guint8 bytes[12];
  gsize size;
  gboolean is_good;
} payloads[] = {
  { "a string", { 0, 0, 0, 3, 'a', 'b', 'c', 0 }, 8, TRUE },
  { "an empty one", { 0, 0, 0, 0 }, 4, TRUE },
  { "nothing", { 0 }, 0, FALSE },
  { "half a length", { 0, 0 }, 2, FALSE },
  { "cut off", { 0, 0, 0, 5, 'a', 'b', 'c', 'd' }, 8, FALSE },
  { "more than there is", { 0x7f, 0xff, 0xff, 0xff, 'a', 'b', 'c', 'd' }, 8, FALSE },
  { "all that a length can be", { 0xff, 0xff, 0xff, 0xff, 'a', 'b', 'c', 'd' }, 8, FALSE },
  { "something behind it", { 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0 }, 12, FALSE },
  { "a byte behind it", { 0, 0, 0, 0, 0 }, 5, FALSE },
};

static void
test_a_payload_is_all_of_its_frame (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (payloads); i++) {
    g_autoptr (GBytes) frame = frame_with (payloads[i].bytes, payloads[i].size);
    g_autoptr (GError) error = NULL;
    rpc_xml decoded = { 0 };

    g_test_message ("%s", payloads[i].name);
    g_assert_true (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_xml, &decoded, &error) == payloads[i].is_good);
    if (!payloads[i].is_good) {
      g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL);
      g_assert_nonnull (strstr (error->message, "procedure 14 "));
    }
    xdr_free ((xdrproc_t) xdr_rpc_xml, (char *) &decoded);
  }
  g_test_message ("%u cases", (guint) G_N_ELEMENTS (payloads));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frame/size", test_a_frame_is_no_larger_than_libvirt_takes);
  g_test_add_func ("/frame/string", test_a_string_is_no_longer_than_libvirt_takes);
  g_test_add_func ("/frame/payload", test_a_payload_is_all_of_its_frame);
  return g_test_run ();
}
