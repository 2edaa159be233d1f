/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/number.h"

#define KIB G_GUINT64_CONSTANT (1024)

/* What virXMLPropInt() and virXMLPropUInt() of libvirt 9.0 and 12.8 take. */
static const struct {
  const char *text;
  guint base;
  guint64 value;
} numbers[] = {
  { "0", 10, 0 },      { "7", 10, 7 },    { "007", 10, 7 },
  { "08", 10, 8 },     { "+7", 10, 7 },   { " 7", 10, 7 },
  { "\t\n 7", 10, 7 }, { " +7", 10, 7 },  { "18446744073709551615", 10, G_MAXUINT64 },
  { "0", 0, 0 },       { "00", 0, 0 },    { "7", 0, 7 },
  { "0x1f", 0, 31 },   { "0X1F", 0, 31 }, { "+0x1f", 0, 31 },
  { " 0x1f", 0, 31 },  { "010", 0, 8 },   { "0xffffffffffffffff", 0, G_MAXUINT64 },
};

static const struct {
  const char *text;
  guint base;
} no_numbers[] = {
  { "", 10 },
  { " ", 10 },
  { "-", 10 },
  { "+", 10 },
  { "-1", 10 },
  { " -1", 10 },
  { "+-1", 10 },
  { "-0", 10 },
  { "7 ", 10 },
  { "7\n", 10 },
  { "7.0", 10 },
  { "7,0", 10 },
  { "1e3", 10 },
  { "seven", 10 },
  { "0x7", 10 },
  { "1 2", 10 },
  { "--7", 10 },
  { "++7", 10 },
  { "0x", 0 },
  { "08", 0 },
  { "0x1g", 0 },
  { "0x 1", 0 },
  { "x1f", 0 },
  { "1f", 0 },
  { "-0x1", 0 },
  { "0b1", 0 },
  { "nan", 10 },
  { "\xd9\xa3", 10 },
  { "18446744073709551616", 10 },
  { "99999999999999999999999999", 10 },
  { "0x10000000000000000", 0 },
};

static void
test_parse_takes_what_libvirt_takes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    guint64 value = 4711;

    g_test_message ("'%s'", numbers[i].text);
    g_assert_true (vsmmu_number_parse (numbers[i].text, numbers[i].base, &value));
    g_assert_cmpuint (value, ==, numbers[i].value);
  }
}

static void
test_parse_refuses_the_rest (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (no_numbers); i++) {
    guint64 value;

    g_test_message ("'%s'", no_numbers[i].text);
    g_assert_false (vsmmu_number_parse (no_numbers[i].text, no_numbers[i].base, &value));
  }
}

/* What virScaleInteger() takes, in units of bytes; the default is KiB as for <pcihole64>. */
static const struct {
  const char *unit;
  guint64 factor;
} units[] = {
  { NULL, KIB },
  { "", KIB },
  { "b", 1 },
  { "B", 1 },
  { "byte", 1 },
  { "bytes", 1 },
  { "BYTES", 1 },
  { "KB", 1000 },
  { "kb", 1000 },
  { "k", KIB },
  { "K", KIB },
  { "KiB", KIB },
  { "kib", KIB },
  { "kIB", KIB },
  { "MB", 1000 * 1000 },
  { "M", KIB *KIB },
  { "MiB", KIB *KIB },
  { "GB", G_GUINT64_CONSTANT (1000000000) },
  { "G", KIB *KIB *KIB },
  { "GiB", KIB *KIB *KIB },
  { "TB", G_GUINT64_CONSTANT (1000000000000) },
  { "TiB", KIB *KIB *KIB *KIB },
  { "PB", G_GUINT64_CONSTANT (1000000000000000) },
  { "PiB", KIB *KIB *KIB *KIB *KIB },
  { "EB", G_GUINT64_CONSTANT (1000000000000000000) },
  { "E", KIB *KIB *KIB *KIB *KIB *KIB },
  { "EiB", KIB *KIB *KIB *KIB *KIB *KIB },
};

static void
test_scale_knows_the_units_of_libvirt (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (units); i++) {
    guint64 value = 3;

    g_test_message ("'%s'", units[i].unit);
    g_assert_true (vsmmu_number_scale (&value, units[i].unit));
    g_assert_cmpuint (value, ==, 3 * units[i].factor);
  }
}

static void
test_scale_refuses_other_units (void)
{
  static const char *const no_units[] = { "x",   " KiB", "KiB ", "Ki",  "KiBi", "kibibyte", "KBs",
                                          "bit", "bb",   "YiB",  "ZiB", "i",    "iB",       "1" };

  for (gsize i = 0; i < G_N_ELEMENTS (no_units); i++) {
    guint64 value = 3;

    g_test_message ("'%s'", no_units[i]);
    g_assert_false (vsmmu_number_scale (&value, no_units[i]));
  }
}

static void
test_scale_refuses_what_does_not_fit (void)
{
  guint64 most = G_MAXUINT64 / KIB;
  guint64 more = most + 1;
  guint64 sixteen = 16;

  g_assert_true (vsmmu_number_scale (&most, "KiB"));
  g_assert_cmpuint (most, ==, G_MAXUINT64 - 1023);
  g_assert_false (vsmmu_number_scale (&more, "KiB"));
  g_assert_false (vsmmu_number_scale (&sixteen, "EiB"));
}

/* What virBitmapParse() takes, and the nodes below 128 that it comes to. */
static const struct {
  const char *text;
  gboolean is_set;
  guint64 nodes[2];
} node_sets[] = {
  { "0", TRUE, { 1, 0 } },
  { "2-9,^4,12", TRUE, { 0x13ec, 0 } },
  { " 1 , 3 ", TRUE, { 0xa, 0 } },
  { "0-127", TRUE, { G_MAXUINT64, G_MAXUINT64 } },
  { "63-64", TRUE, { G_GUINT64_CONSTANT (1) << 63, 1 } },
  { "2-9,3-5", TRUE, { 0x3fc, 0 } },
  { "1,", TRUE, { 2, 0 } },
  { "1-+3", TRUE, { 0xe, 0 } },
  { "^3,3", TRUE, { 8, 0 } },
  { "127,127", TRUE, { 0, G_GUINT64_CONSTANT (1) << 63 } },
  { "64-127,^64", TRUE, { 0, G_MAXUINT64 - 1 } },
  { "128", FALSE, { 0, 0 } },
  { "0-128", FALSE, { 0, 0 } },
  { "9-2", FALSE, { 0, 0 } },
  { "1-", FALSE, { 0, 0 } },
  { "-1", FALSE, { 0, 0 } },
  { "x", FALSE, { 0, 0 } },
  { "1,,2", FALSE, { 0, 0 } },
  { ",1", FALSE, { 0, 0 } },
  { "1 2", FALSE, { 0, 0 } },
  { "^", FALSE, { 0, 0 } },
  { "^ 2", FALSE, { 0, 0 } },
  { "0-127,^1-126", FALSE, { 0, 0 } },
  { "+2", FALSE, { 0, 0 } },
  { "1--3", FALSE, { 0, 0 } },
  { "0x2", FALSE, { 0, 0 } },
  { "99999999999999999999", FALSE, { 0, 0 } },
  { "", FALSE, { 0, 0 } },
  { " ", FALSE, { 0, 0 } },
  { "^3", FALSE, { 0, 0 } },
  { "3,^3", FALSE, { 0, 0 } },
};

static void
test_sets_of_nodes_are_those_of_libvirt (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (node_sets); i++) {
    guint64 nodes[2] = { 0 };

    g_test_message ("'%s'", node_sets[i].text);
    g_assert_cmpint (vsmmu_number_parse_nodes (node_sets[i].text, nodes, 128), ==, node_sets[i].is_set);
    if (!node_sets[i].is_set)
      continue;
    g_assert_cmphex (nodes[0], ==, node_sets[i].nodes[0]);
    g_assert_cmphex (nodes[1], ==, node_sets[i].nodes[1]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/number/parse/takes-what-libvirt-takes", test_parse_takes_what_libvirt_takes);
  g_test_add_func ("/number/parse/refuses-the-rest", test_parse_refuses_the_rest);
  g_test_add_func ("/number/scale/knows-the-units-of-libvirt", test_scale_knows_the_units_of_libvirt);
  g_test_add_func ("/number/scale/refuses-other-units", test_scale_refuses_other_units);
  g_test_add_func ("/number/scale/refuses-what-does-not-fit", test_scale_refuses_what_does_not_fit);
  g_test_add_func ("/number/sets-of-nodes-are-those-of-libvirt", test_sets_of_nodes_are_those_of_libvirt);
  return g_test_run ();
}
