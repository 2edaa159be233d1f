/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Listings of a host: what is read in them, what is refused, and what only a running host can answer. */
#include "probe/listing.h"

#include <errno.h>
#include <string.h>

#include "host/host.h"
#include "probe/host.h"

static VsmmuListing *
parse (const char *text, GError **error)
{
  return vsmmu_listing_parse (text, strlen (text), "x.sysfs", error);
}

static void
test_what_is_no_listing_is_refused_with_its_line (void)
{
  static const struct {
    const char *text;
    const char *message;
  } rows[] = {
    { "[sys]\n/\n", "x.sysfs:2: expected [DIRECTORY], an entry, or a comment" },
    { "[sys]\nnothing\n", "x.sysfs:2: expected [DIRECTORY], an entry, or a comment" },
    { "[sys]\na ~ b\n", "x.sysfs:2: expected [DIRECTORY], an entry, or a comment" },
    { " a = b\n", "x.sysfs:1: expected [DIRECTORY], an entry, or a comment" },
    { "[sys]\n../a = b\n", "x.sysfs:2: invalid path '../a'" },
    { "[sys/../..]\n", "x.sysfs:1: invalid path 'sys/../..'" },
    { "[sys]\na//b = c\n", "x.sysfs:2: invalid path 'a//b'" },
    { "[sys]\na = b\na = c\n", "x.sysfs:3: 'a' occurs twice" },
    { "[sys]\na -> b\na = c\n", "x.sysfs:3: 'a' occurs twice" },
    { "[sys]\na = b\na/c = d\n", "x.sysfs:3: 'a/c' is in something that is not a directory" },
    { "[sys]\na = b\n[sys/a]\n", "x.sysfs:3: expected [DIRECTORY], an entry, or a comment" },
    { "[sys]\na -> ../../etc/shadow\n", "x.sysfs:2: link 'a' leads out of the listing" },
    { "[sys]\na -> b/../../..\n", "x.sysfs:2: link 'a' leads out of the listing" },
    { "[sys]\na -> /../etc\n", "x.sysfs:2: link 'a' leads out of the listing" },
    { "[sys]\na ->\n", "x.sysfs:2: link 'a' leads out of the listing" },
    { "[sys]\na : 4194305\n", "x.sysfs:2: invalid size '4194305'" },
    { "[sys]\na : -1\n", "x.sysfs:2: invalid size '-1'" },
    { "[sys]\na : 4\na @ 0 00 11 22 33 44\n", "x.sysfs:3: invalid bytes '0 00 11 22 33 44'" },
    { "[sys]\na : 4\na @ 0\n", "x.sysfs:3: invalid bytes '0'" },
    { "[sys]\na : 4\na @ 0 0x1\n", "x.sysfs:3: invalid bytes '0 0x1'" },
    { "[sys]\na @ 0 00\n", "x.sysfs:2: invalid bytes '0 00'" },
    { "[sys]\na ! EWHAT\n", "x.sysfs:2: unknown error 'EWHAT'" },
    { VSMMU_LISTING_FIRST "\n[sys]\na = b\n",
      "x.sysfs:4: the listing is not complete: '" VSMMU_LISTING_LAST "' is missing" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuListing) listing = parse (rows[i].text, &error);

    g_test_message ("%s", rows[i].text);
    g_assert_null (listing);
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS);
    g_assert_cmpstr (error->message, ==, rows[i].message);
  }
}

static void
test_a_zero_byte_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuListing) listing = vsmmu_listing_parse ("[sys]\n\0\n", 8, "x.sysfs", &error);

  g_assert_null (listing);
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS);
}

static void
test_directories_in_each_other_have_a_limit (void)
{
  g_autoptr (GString) text = g_string_new ("[a");
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuListing) listing = NULL;

  for (guint i = 0; i < 1000; i++)
    g_string_append (text, "/a");
  g_string_append (text, "]\n");
  listing = parse (text->str, &error);
  g_assert_null (listing);
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS);
}

static void
test_json_is_not_taken_for_a_listing (void)
{
  static const struct {
    const char *text;
    gboolean is_listing;
  } rows[] = {
    { "", FALSE },           { "{}", FALSE },        { "[]", FALSE },
    { "[1, 2]", FALSE },     { "[true]", FALSE },    { "[\"a\"]", FALSE },
    { "[[1]]", FALSE },      { "\n[sys]", TRUE },    { "[/sys/class]", TRUE },
    { "# a comment", TRUE }, { "<domain/>", FALSE }, { "[proc]\r\n", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (vsmmu_listing_is_one (rows[i].text, strlen (rows[i].text)), ==, rows[i].is_listing);
}

static void
assert_file (const VsmmuSource *source, const char *path, const char *wanted)
{
  int file = source->open_linked (source, path);
  char buffer[64] = { 0 };

  g_assert_cmpint (file, >=, 0);
  g_assert_cmpint (source->read (source, file, buffer, sizeof (buffer), 0), ==, (gssize) strlen (wanted));
  g_assert_cmpstr (buffer, ==, wanted);
  g_assert_cmpint (source->read (source, file, buffer, sizeof (buffer), strlen (wanted)), ==, 0);
}

static void
test_a_listing_is_read_as_the_files_are (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuListing) listing =
      parse ("[sys/a]\r\none = 1\r\nmany | 1\nmany |\nmany | 3\nempty =\nto -> ../b\nbytes : 64\n"
             "bytes @ 10 de ad\nclosed ! EACCES\n\n[/]\nlib -> usr/lib\n[usr/lib/]\nx = y\n"
             "[sys/b]\nfile = in b\nback -> /sys/a/one\nround -> round\n",
             &error);
  const VsmmuSource *source;
  guint8 bytes[64];
  int file;

  g_assert_no_error (error);
  source = vsmmu_listing_get_source (listing);
  assert_file (source, "sys/a/one", "1\n");
  assert_file (source, "sys/a/many", "1\n\n3\n");
  assert_file (source, "sys/a/empty", "");
  assert_file (source, "sys/a/to/file", "in b\n");
  assert_file (source, "sys/a/to/back", "1\n");
  assert_file (source, "sys/a/to/../a/one", "1\n");
  assert_file (source, "../../lib/x", "y\n");
  file = source->open (source, source->root, "sys/a/bytes");
  g_assert_cmpint (source->read (source, file, bytes, sizeof (bytes), 15), ==, 49);
  g_assert_cmphex (bytes[0], ==, 0);
  g_assert_cmphex (bytes[1], ==, 0xde);
  g_assert_cmphex (bytes[2], ==, 0xad);
  g_assert_cmpint (source->open (source, source->root, "sys/a/closed"), ==, -1);
  g_assert_cmpint (errno, ==, EACCES);
  g_assert_cmpint (source->open (source, source->root, "sys/b/back"), ==, -1);
  g_assert_cmpint (errno, ==, ELOOP);
  g_assert_cmpint (source->open_linked (source, "sys/b/round"), ==, -1);
  g_assert_cmpint (errno, ==, ELOOP);
  g_assert_cmpint (source->open_linked (source, "sys/b/none"), ==, -1);
  g_assert_cmpint (errno, ==, ENOENT);
  g_assert_cmpint (source->enter (source, source->root, "sys/a/one"), ==, -1);
  g_assert_cmpint (errno, ==, ENOTDIR);
  g_assert_false (source->has (source, source->root, "sys/c"));
}

/* Facts with answers of the kernel, libvirt and QEMU. */
static const char facts[] =
    "{\"version\": 1, \"kernel\": {\"release\": \"7.3.0\"}, \"tools\": {\"libvirt\": \"12.9\", \"qemu\": \"11.1\", "
    "\"emulator\": \"/usr/bin/qemu-system-aarch64\", \"qemu_accel\": {\"value\": true, \"source\": \"qemu\"}}, "
    "\"smmus\": [{\"name\": \"smmu3.0x0000000005000000\", \"probed\": \"0000:21:00.0\", \"registers\": "
    "{\"idr0\": {\"value\": \"0x080e7ff7\", \"source\": \"iommufd\"}}, \"capabilities\": "
    "{\"cmdqv\": {\"value\": true, \"source\": \"iommufd\"}, \"canwbs\": {\"value\": true, \"source\": \"iort\"}}}, "
    "{\"name\": \"smmu3.0x0000000006000000\"}], \"devices\": [{\"address\": \"0000:21:00.0\", \"vendor\": \"0x1b36\", "
    "\"device\": \"0x0010\", \"ats\": {\"value\": true, \"source\": \"config-space\"}}], "
    "\"unread\": [{\"path\": \"/dev/vfio/devices/vfio0\", \"reason\": \"Device or resource busy\"}]}";

static void
test_answers_are_what_files_do_not_say (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_new_from_data (facts, strlen (facts), "facts.json", &error);
  g_autoptr (VsmmuHost) answers = NULL;
  const VsmmuHostSmmu *smmu;

  g_assert_no_error (error);
  answers = vsmmu_host_extract_answers (host);
  g_assert_cmpuint (answers->smmus->len, ==, 1);
  g_assert_cmpuint (answers->devices->len, ==, 0);
  smmu = g_ptr_array_index (answers->smmus, 0);
  g_assert_cmpstr (smmu->probed, ==, "0000:21:00.0");
  g_assert_true (vsmmu_fact_is_known (smmu->registers[VSMMU_SMMU_REGISTER_IDR0]));
  g_assert_true (vsmmu_fact_is_true (smmu->capabilities[VSMMU_SMMU_CMDQV]));
  g_assert_false (vsmmu_fact_is_known (smmu->capabilities[VSMMU_SMMU_CANWBS]));
  g_assert_false (vsmmu_fact_is_known (smmu->capabilities[VSMMU_SMMU_NESTING]));
  g_assert_cmpuint (answers->tools.libvirt, ==, host->tools.libvirt);
  g_assert_true (vsmmu_fact_is_true (answers->qemu_accel));
  g_assert_cmpuint (answers->unread->len, ==, 1);
}

static void
test_a_host_that_was_not_asked_has_no_answers (void)
{
  static const char none[] = "{\"version\": 1, \"kernel\": {\"release\": \"7.3.0\"}}";
  g_autoptr (VsmmuHost) host = vsmmu_host_new_from_data (none, strlen (none), "facts.json", NULL);

  g_assert_null (vsmmu_host_extract_answers (host));
}

static void
test_answers_in_a_listing_are_taken (void)
{
  g_autofree char *text = g_strconcat ("[sys/class/iommu]\nsmmu3.0x0000000005000000 -> "
                                       "../../devices/platform/arm-smmu-v3.0.auto/iommu/smmu3.0x0000000005000000\n"
                                       "[proc/sys/kernel]\nosrelease = 7.3.0\n[virt-vsmmu]\nanswers.json = ",
                                       facts, "\n", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_new_from_listing (text, strlen (text), "x.sysfs", &error);
  const VsmmuHostSmmu *smmu;

  g_assert_no_error (error);
  g_assert_cmpuint (host->smmus->len, ==, 1);
  smmu = g_ptr_array_index (host->smmus, 0);
  g_assert_cmpstr (smmu->probed, ==, "0000:21:00.0");
  g_assert_true (vsmmu_fact_is_true (smmu->capabilities[VSMMU_SMMU_ATS]));
  g_assert_true (vsmmu_fact_is_true (smmu->capabilities[VSMMU_SMMU_CMDQV]));
  g_assert_cmpstr (host->emulator, ==, "/usr/bin/qemu-system-aarch64");
  g_assert_cmpuint (host->unread->len, ==, 1);
}

static void
test_a_listing_without_sys_is_of_no_host (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_new_from_listing ("[proc]\n", 7, "x.sysfs", &error);

  g_assert_null (host);
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_FACTS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/listing/refused", test_what_is_no_listing_is_refused_with_its_line);
  g_test_add_func ("/listing/zero-byte", test_a_zero_byte_is_refused);
  g_test_add_func ("/listing/depth", test_directories_in_each_other_have_a_limit);
  g_test_add_func ("/listing/json", test_json_is_not_taken_for_a_listing);
  g_test_add_func ("/listing/read", test_a_listing_is_read_as_the_files_are);
  g_test_add_func ("/listing/answers", test_answers_are_what_files_do_not_say);
  g_test_add_func ("/listing/no-answers", test_a_host_that_was_not_asked_has_no_answers);
  g_test_add_func ("/listing/answers-taken", test_answers_in_a_listing_are_taken);
  g_test_add_func ("/listing/no-host", test_a_listing_without_sys_is_of_no_host);
  return g_test_run ();
}
