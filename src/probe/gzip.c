/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/gzip.h"

#include <gio/gio.h>

#include "probe/tree.h"

char *
vsmmu_gzip_unpack (const char *data, gsize length, gsize *unpacked)
{
  g_autoptr (GZlibDecompressor) decompressor = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  g_autofree char *text = g_malloc (VSMMU_TREE_FILE_MAX + 1);
  gsize n_in = 0;
  gsize n_out = 0;
  GConverterResult result = G_CONVERTER_CONVERTED;

  while (result == G_CONVERTER_CONVERTED && n_out < VSMMU_TREE_FILE_MAX) {
    gsize got_in = 0;
    gsize got_out = 0;

    result = g_converter_convert (G_CONVERTER (decompressor), data + n_in, length - n_in, text + n_out,
                                  VSMMU_TREE_FILE_MAX - n_out, G_CONVERTER_INPUT_AT_END, &got_in, &got_out, NULL);
    n_in += got_in;
    n_out += got_out;
  }
  text[n_out] = '\0';
  *unpacked = n_out;
  return result == G_CONVERTER_FINISHED ? g_steal_pointer (&text) : NULL;
}

char *
vsmmu_gzip_pack (const char *data, gsize length, gsize *packed)
{
  g_autoptr (GZlibCompressor) compressor = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 1);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gsize n_in = 0;
  GConverterResult result = G_CONVERTER_CONVERTED;

  *packed = 0;
  while (result == G_CONVERTER_CONVERTED) {
    gsize got_in = 0;
    gsize got_out = 0;

    if (bytes->len - *packed < 1024)
      g_byte_array_set_size (bytes, bytes->len * 2 + 4096);
    result = g_converter_convert (G_CONVERTER (compressor), data + n_in, length - n_in, bytes->data + *packed,
                                  bytes->len - *packed, G_CONVERTER_INPUT_AT_END, &got_in, &got_out, NULL);
    n_in += got_in;
    *packed += got_out;
  }
  return (char *) g_byte_array_free (g_steal_pointer (&bytes), FALSE);
}
