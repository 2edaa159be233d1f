/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/listing-text.h"

#include <string.h>

#include "probe/apparmor.h"
#include "probe/listing.h"

#define ROW 16

struct _VsmmuListingText {
  GString *text;
  char *directory; /* (nullable): that the last lines are in */
  GRegex *names;   /* what is replaced wherever it is */
  VsmmuRecordingCount count;
};

/*
 * The lines of the files that @path fits, with `*` and `?`, that are kept: those that contain one of the words, or that
 * matter by a function.
 */
static const struct {
  const char *path;
  const char *words[6];
  gboolean (*matters) (const char *line);
} filters[] = {
  { "etc/apparmor.d/*", { NULL }, vsmmu_apparmor_line_matters },
  { "etc/libvirt/qemu.conf", { "security_driver" } },
  { "dev/kmsg", { "arm-smmu-v3 ", "cmdqv", "Falling back to standard SMMU CMDQ" } },
  { "proc/config.gz", { "IOMMU", "VFIO", "SMMU", "CONFIG_KVM=", "CMDQV" } },
  { "boot/config-*", { "IOMMU", "VFIO", "SMMU", "CONFIG_KVM=", "CMDQV" } },
  { "*lib/modules/*/config", { "IOMMU", "VFIO", "SMMU", "CONFIG_KVM=", "CMDQV" } },
  { "sys/*/uevent", { "DRIVER=", "PCI_CLASS=", "PCI_ID=" } },
};

/* A hardware address or UUID has a serial number in it, or stands for one. */
#define NAMES                                                                                                          \
  "\\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\\b"                                  \
  "|\\b[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}\\b"

VsmmuListingText *
vsmmu_listing_text_new (void)
{
  VsmmuListingText *text = g_new0 (VsmmuListingText, 1);

  text->text = g_string_new (VSMMU_LISTING_FIRST "\n");
  text->names = g_regex_new (NAMES, G_REGEX_OPTIMIZE | G_REGEX_RAW, 0, NULL);
  return text;
}

static gboolean
replace_digits (const GMatchInfo *match, GString *result, gpointer data)
{
  g_autofree char *found = g_match_info_fetch (match, 0);

  for (char *c = found; *c != '\0'; c++)
    if (g_ascii_isxdigit (*c))
      *c = '0';
  g_string_append (result, found);
  ((VsmmuListingText *) data)->count.names++;
  return FALSE;
}

/* (transfer full): @word without what stands for this host only, in one line */
static char *
clean (VsmmuListingText *text, const char *word)
{
  char *cleaned = g_regex_replace_eval (text->names, word, -1, 0, 0, replace_digits, text, NULL);

  for (char *c = cleaned; *c != '\0'; c++)
    if ((guchar) *c < ' ' || *c == 0x7f)
      *c = *c == '\t' ? ' ' : '?';
  return cleaned;
}

/* Begins an entry at @path: writes its directory when that is another, and returns its name. */
static char *
begin (VsmmuListingText *text, const char *path)
{
  g_autofree char *cleaned = clean (text, path);
  const char *slash = strrchr (cleaned, '/');
  g_autofree char *directory = g_strndup (cleaned, slash != NULL ? (gsize) (slash - cleaned) : 0);
  char *name = g_strdup (slash != NULL ? slash + 1 : cleaned);

  text->count.files++;
  /* A name ends at a space. */
  g_strdelimit (name, " ", '_');
  if (g_strcmp0 (directory, text->directory) != 0)
    g_string_append_printf (text->text, "\n[%s]\n", *directory != '\0' ? directory : "/");
  g_free (text->directory);
  text->directory = g_steal_pointer (&directory);
  return name;
}

void
vsmmu_listing_text_add_directory (VsmmuListingText *text, const char *path)
{
  g_autofree char *name = NULL;

  if (strchr (path, '/') == NULL) {
    g_string_append_printf (text->text, "\n[%s]\n", path);
    g_free (text->directory);
    text->directory = g_strdup (path);
    return;
  }
  name = begin (text, path);
  g_string_append_printf (text->text, "%s/\n", name);
}

void
vsmmu_listing_text_add_link (VsmmuListingText *text, const char *path, const char *target)
{
  g_autofree char *name = begin (text, path);
  g_autofree char *cleaned = clean (text, target);

  g_string_append_printf (text->text, "%s -> %s\n", name, cleaned);
}

void
vsmmu_listing_text_add_error (VsmmuListingText *text, const char *path, const char *error)
{
  g_autofree char *name = begin (text, path);

  g_string_append_printf (text->text, "%s ! %s\n", name, error);
}

void
vsmmu_listing_text_add_bytes (VsmmuListingText *text, const char *path, const guint8 *data, gsize length)
{
  g_autofree char *name = begin (text, path);

  g_string_append_printf (text->text, "%s : %" G_GSIZE_FORMAT "\n", name, length);
  for (gsize start = 0; start < length; start += ROW) {
    static const guint8 zero[ROW];
    gsize n = MIN (ROW, length - start);

    if (memcmp (data + start, zero, n) == 0)
      continue;
    g_string_append_printf (text->text, "%s @ %06" G_GSIZE_MODIFIER "x", name, start);
    for (gsize i = 0; i < n; i++)
      g_string_append_printf (text->text, " %02x", data[start + i]);
    g_string_append_c (text->text, '\n');
  }
}

/* Whether something is read from a line of the file @path. */
static gboolean
is_wanted (const char *path, const char *line)
{
  for (guint i = 0; i < G_N_ELEMENTS (filters); i++) {
    if (!g_pattern_match_simple (filters[i].path, path))
      continue;
    if (filters[i].matters != NULL)
      return filters[i].matters (line);
    for (guint w = 0; w < G_N_ELEMENTS (filters[i].words) && filters[i].words[w] != NULL; w++)
      if (strstr (line, filters[i].words[w]) != NULL)
        return TRUE;
    return FALSE;
  }
  return TRUE;
}

void
vsmmu_listing_text_add_lines (VsmmuListingText *text, const char *path, const char *data, gsize length)
{
  g_autofree char *name = begin (text, path);
  g_autofree char *copy = g_strndup (data, length);
  g_auto (GStrv) lines = NULL;
  guint n = 0;

  if (g_str_has_suffix (copy, "\n"))
    copy[strlen (copy) - 1] = '\0';
  lines = g_strsplit (copy, "\n", -1);
  if (strcmp (path, "proc/sys/kernel/hostname") == 0) {
    g_string_append_printf (text->text, "%s = host\n", name);
    text->count.names++;
    return;
  }
  for (char **line = lines; *line != NULL; line++) {
    g_autofree char *cleaned = NULL;

    if (!is_wanted (path, *line)) {
      text->count.lines++;
      continue;
    }
    cleaned = clean (text, *line);
    n++;
    if (lines[1] == NULL)
      g_string_append_printf (text->text, "%s = %s\n", name, cleaned);
    else
      g_string_append_printf (text->text, "%s | %s\n", name, cleaned);
  }
  if (n == 0)
    g_string_append_printf (text->text, "%s =\n", name);
}

char *
vsmmu_listing_text_finish (VsmmuListingText *text, VsmmuRecordingCount *count)
{
  char *listing;

  g_string_append (text->text, "\n" VSMMU_LISTING_LAST "\n");
  *count = text->count;
  listing = g_string_free (text->text, FALSE);
  g_free (text->directory);
  g_regex_unref (text->names);
  g_free (text);
  return listing;
}
