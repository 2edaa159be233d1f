/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/concern.h"

#include <string.h>

/*
 * The model of an <iommu>; what the URI of the namespace has, which is compared byte by byte; character references, the
 * only ones that can stand for a letter; and declarations of entities.
 */
static const char *const words[] = { "smmuv3", "libvirt.org/schemas/domain/qemu/", "&#", "<!DOCTYPE", "<!ENTITY" };

/* Encodings in which ASCII characters have the bytes of ASCII, and no others. */
static const char *const plain_encodings[] = { "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1" };

static gboolean
has (const char *xml, gsize length, const char *word)
{
  return memmem (xml, length, word, strlen (word)) != NULL;
}

/* Whether the encoding that an XML declaration of these bytes names is one of those, or none is named. */
static gboolean
is_plain_declaration (const char *declaration, gsize length)
{
  const char *name = memmem (declaration, length, "encoding", strlen ("encoding"));
  const char *end = declaration + length;

  if (name == NULL)
    return TRUE;
  for (name += strlen ("encoding"); name < end && strchr (" \t\r\n='\"", *name) != NULL; name++)
    ;
  for (guint i = 0; i < G_N_ELEMENTS (plain_encodings); i++) {
    gsize size = strlen (plain_encodings[i]);

    if ((gsize) (end - name) > size && g_ascii_strncasecmp (name, plain_encodings[i], size) == 0 &&
        (name[size] == '"' || name[size] == '\''))
      return TRUE;
  }
  return FALSE;
}

/* Whether each byte of ASCII in it stands for itself. */
static gboolean
is_plain (const char *xml, gsize length)
{
  const char *end;

  if (memchr (xml, '\0', length) != NULL)
    return FALSE;
  if (length >= 3 && memcmp (xml, "\xef\xbb\xbf", 3) == 0) {
    xml += 3;
    length -= 3;
  }
  for (; length > 0 && g_ascii_isspace (*xml); xml++)
    length--;
  /* Other encodings are recognised by a first byte other than '<'. */
  if (length == 0 || *xml != '<')
    return FALSE;
  if (length < 5 || memcmp (xml, "<?xml", 5) != 0)
    return TRUE;
  end = memmem (xml, length, "?>", 2);
  return end != NULL && is_plain_declaration (xml, (gsize) (end - xml));
}

gboolean
vsmmu_document_may_concern (const char *xml, gsize length)
{
  if (!is_plain (xml, length))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (has (xml, length, words[i]))
      return TRUE;
  return FALSE;
}

gboolean
vsmmu_document_is_running (const char *xml)
{
  const char *end = strchr (xml, '>');

  return end != NULL && memmem (xml, (gsize) (end - xml), " id='", strlen (" id='")) != NULL;
}
