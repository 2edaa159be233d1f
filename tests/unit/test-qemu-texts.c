/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "libvirt/qemu-texts.h"

#define BEFORE "2026-11-22T10:11:12.123456Z qemu-system-aarch64: -device vfio-pci,id=hostdev0: "

/* The line that QEMU writes with @text. */
static char *
write_line (const VsmmuQemuText *text)
{
  g_autoptr (GString) line = g_string_new (BEFORE);

  for (const char *next = text->format; *next != '\0'; next++) {
    if (*next != '%') {
      g_string_append_c (line, *next);
      continue;
    }
    next += strcspn (next, "diouxXcspm");
    g_string_append (line, *next == 's' ? "0000:21:00.0" : *next == 'm' ? "Bad address" : "11");
  }
  if (text->fault != 0)
    g_string_append_printf (line, ": %s", strerror (text->fault));
  return g_string_free (g_steal_pointer (&line), FALSE);
}

static void
test_each_row_is_found_by_its_own_line (void)
{
  for (const VsmmuQemuText *text = vsmmu_qemu_texts; text->format != NULL; text++) {
    g_autofree char *line = write_line (text);

    g_test_message ("%s", line);
    g_assert_true (vsmmu_qemu_text_find (line, strlen (line)) == text);
  }
}

static void
test_each_row_says_what_it_means_and_what_to_do (void)
{
  for (const VsmmuQemuText *text = vsmmu_qemu_texts; text->format != NULL; text++) {
    g_test_message ("%s", text->format);
    g_assert_cmpint (text->line, >, VSMMU_QEMU_LINE_NONE);
    g_assert_nonnull (text->meaning);
    g_assert_nonnull (text->hint);
    g_assert_false (g_str_has_suffix (text->meaning, ".") || g_str_has_suffix (text->hint, "."));
    g_assert_false (g_ascii_isspace (text->format[strlen (text->format) - 1]));
  }
}

static const struct {
  const char *line;
  int fault;
  const char *meaning; /* a part of it */
} told_apart[] = {
  { "[iommufd=23] error attach 0000:21:00.0 (24) pasid 0 to id=6: No such file or directory", ENOENT, "too old" },
  { "[iommufd=23] error attach 0000:21:00.0 (24) pasid 0 to id=6: Invalid argument", EINVAL, "different physical" },
  { "[iommufd=23] error attach 0000:21:00.0 (24) pasid 0 to id=6: Device or resource busy", EBUSY, "in use" },
  { "[iommufd=23] error attach 0000:21:00.0 (24) pasid 0 to id=6: Operation not supported", EOPNOTSUPP, "nested" },
  { "[iommufd=23] error attach 0000:21:00.0 (24) pasid 0 to id=6: Cannot allocate memory", 0, "not attached" },
  { "[iommufd=23] error attach 0000:21:00.0 (24) to id=6: No such file or directory", ENOENT, "too old" },
  { "IOMMU_VDEVICE_ALLOC failed: Invalid argument", EINVAL, "different physical" },
  { "IOMMU_VDEVICE_ALLOC failed: Operation not supported", EOPNOTSUPP, "several stream IDs" },
  { "IOMMU_VDEVICE_ALLOC failed: No space left on device", ENOSPC, "no stream ID left" },
  { "IOMMU_VDEVICE_ALLOC failed: File exists", 0, "not attached" },
  { "IOMMU_VDEVICE_ALLOC failed: Invalid argument \r", EINVAL, "different physical" },
  { "IOMMU_VDEVICE_ALLOC failed: Invalid argument and more", 0, "not attached" },
  { "IOMMU_VDEVICE_ALLOC failed", 0, "not attached" },
  { "IOMMU_VIOMMU_ALLOC failed: Operation not supported", EOPNOTSUPP, "nested" },
  { "vfio 0000:21:00.0: Failed to set vIOMMU: [iommufd=23] error attach 0000:21:00.0 (24) pasid 0 to id=6: "
    "No such file or directory",
    ENOENT, "too old" },
  { "vfio 0000:21:00.0: Failed to set vIOMMU: Host SMMUv3 doesn't support Range Invalidation", 0,
    "range invalidation" },
  { "vfio 0000:21:00.0: Failed to set vIOMMU: something new", 0, "could not place" },
};

static void
test_faults_at_the_end_of_a_line_are_told_apart (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (told_apart); i++) {
    g_autofree char *line = g_strconcat (BEFORE, told_apart[i].line, NULL);
    const VsmmuQemuText *text = vsmmu_qemu_text_find (line, strlen (line));

    g_test_message ("%s", line);
    g_assert_nonnull (text);
    g_assert_cmpint (text->fault, ==, told_apart[i].fault);
    g_assert_nonnull (strstr (text->meaning, told_apart[i].meaning));
  }
}

static const char *const others[] = {
  "",
  "\n",
  ": Invalid argument",
  BEFORE "IOMMU_VDEVICE_ALLOC",
  BEFORE "Could not open '/dev/vfio/devices/vfio0': Permission denied",
  "iommufd_cdev_pasid_attach_ioas_hwpt [iommufd=24] Successfully attached device 0000:21:00.0 (31) pasid 0 to id=7",
  "iommufd_backend_alloc_vdev iommufd=24 dev_id=3 viommu_id=5 virt_id=0xa00 vdev_id=8 (0)",
  "smmuv3_accel_install_ste vSID=0xa00 ste type=abort hwpt_id=3",
};

static void
test_other_lines_are_not_in_the_table (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_test_message ("%s", others[i]);
    g_assert_null (vsmmu_qemu_text_find (others[i], strlen (others[i])));
  }
}

/* A log may be cut off anywhere, and have any bytes; nothing behind the line is looked at. */
static void
test_a_line_may_be_cut_off_anywhere (void)
{
  for (const VsmmuQemuText *text = vsmmu_qemu_texts; text->format != NULL; text++) {
    g_autofree char *line = write_line (text);

    for (gsize length = 0; length <= strlen (line); length++) {
      g_autofree char *part = g_memdup2 (line, MAX (length, 1));
      const VsmmuQemuText *found = vsmmu_qemu_text_find (part, length);

      g_assert_true (found == NULL || found->line > VSMMU_QEMU_LINE_NONE);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qemu-texts/each-row-is-found-by-its-own-line", test_each_row_is_found_by_its_own_line);
  g_test_add_func ("/qemu-texts/each-row-says-what-it-means-and-what-to-do",
                   test_each_row_says_what_it_means_and_what_to_do);
  g_test_add_func ("/qemu-texts/faults-at-the-end-of-a-line-are-told-apart",
                   test_faults_at_the_end_of_a_line_are_told_apart);
  g_test_add_func ("/qemu-texts/other-lines-are-not-in-the-table", test_other_lines_are_not_in_the_table);
  g_test_add_func ("/qemu-texts/a-line-may-be-cut-off-anywhere", test_a_line_may_be_cut_off_anywhere);
  return g_test_run ();
}
