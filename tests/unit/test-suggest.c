/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/suggest.h"
#include "check/rule.h"
#include "domain/domain.h"
#include "domain/options.h"
#include "vsmmu/rule.h"

/* A word, and the attribute it stands for, or %NULL when nobody can tell. */
static const struct {
  const char *word;
  const char *meant;
} attributes[] = {
  { "ssidSize", "ssidsize" },
  { "ssid_size", "ssidsize" },
  { "ssid-size", "ssidsize" },
  { "SSIDSIZE", "ssidsize" },
  { "ssidsizes", "ssidsize" },
  { "sidsize", "ssidsize" },
  { "pcibus", "pciBus" },
  { "pci_bus", "pciBus" },
  { "PCIBus", "pciBus" },
  { "pcBius", "pciBus" },
  { "acel", "accel" },
  { "acecl", "accel" },
  { "Accel", "accel" },
  { "cmdq", "cmdqv" },
  { "cmd_qv", "cmdqv" },
  { "ATS", "ats" },
  { "oas", "oas" },
  { "ril", "ril" },
  { "rl", "ril" },
  { "ssid", NULL },
  { "ssidsxyz", NULL },
  { "identifier", NULL },
  { "intremap", NULL },
  { "x", NULL },
  { "", NULL },
  { "_", NULL },
  { "stage", NULL },
};

static void
test_a_slip_is_recognized_and_nothing_else (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (attributes); i++) {
    g_test_message ("'%s'", attributes[i].word);
    g_assert_cmpstr (vsmmu_options_suggest (attributes[i].word), ==, attributes[i].meant);
  }
}

static void
test_the_closest_candidate_wins (void)
{
  static const char *const candidates[] = { "abcdefgh", "abcdefgx", "abcdexyz", NULL };

  g_assert_cmpstr (vsmmu_suggest ("abcdefgy", candidates), ==, "abcdefgh");
  g_assert_cmpstr (vsmmu_suggest ("abcdefxg", candidates), ==, "abcdefgx");
  g_assert_cmpstr (vsmmu_suggest ("abcdeyxz", candidates), ==, "abcdexyz");
}

static void
test_long_words_are_no_slips (void)
{
  g_autofree char *long_word = g_strnfill (1000000, 'a');
  g_autofree char *separators = g_strnfill (1000000, '_');
  const char *const candidates[] = { "accel", long_word, NULL };

  g_assert_null (vsmmu_suggest (long_word, candidates));
  g_assert_cmpstr (vsmmu_suggest ("acel", candidates), ==, "accel");
  g_assert_null (vsmmu_suggest (separators, candidates));
}

static void
test_no_candidates_no_suggestion (void)
{
  static const char *const none[] = { NULL };

  g_assert_null (vsmmu_suggest ("accel", none));
}

static void
test_every_rule_id_is_found_without_one_letter (void)
{
  for (guint i = 0; vsmmu_rules_get (i) != NULL; i++) {
    g_autofree char *typed = g_strdup (vsmmu_rules_get (i)->id);
    gsize middle = strlen (typed) / 2;

    memmove (typed + middle, typed + middle + 1, strlen (typed + middle));
    /* host-ssidsize without a letter is host-sidsize. */
    if (vsmmu_rules_find (typed) == NULL)
      g_assert_cmpstr (vsmmu_rules_suggest (typed), ==, vsmmu_rules_get (i)->id);
  }
  g_assert_null (vsmmu_rules_suggest ("nothing-like-it"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/suggest/a-slip-is-recognized-and-nothing-else", test_a_slip_is_recognized_and_nothing_else);
  g_test_add_func ("/suggest/the-closest-candidate-wins", test_the_closest_candidate_wins);
  g_test_add_func ("/suggest/long-words-are-no-slips", test_long_words_are_no_slips);
  g_test_add_func ("/suggest/no-candidates-no-suggestion", test_no_candidates_no_suggestion);
  g_test_add_func ("/suggest/every-rule-id-is-found-without-one-letter",
                   test_every_rule_id_is_found_without_one_letter);
  return g_test_run ();
}
