/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "check/finding.h"
#include "check/policy.h"
#include "domain/domain.h"

#define ADD VSMMU_POLICY_IOMMUFD_ADD
#define REFUSE VSMMU_POLICY_IOMMUFD_REFUSE

/* What stands in the files, %NULL for one that is not there, and what comes of it. */
static const struct {
  const char *host;
  const char *user;
  VsmmuPolicyMode mode;
  VsmmuPolicyIommufd iommufd;
} policies[] = {
  { NULL, NULL, VSMMU_POLICY_ENFORCE, ADD },
  { "", "", VSMMU_POLICY_ENFORCE, ADD },
  { "# [policy]\n#mode=off\n", NULL, VSMMU_POLICY_ENFORCE, ADD },
  { "[policy]\n[attach]\n[rules]\n", NULL, VSMMU_POLICY_ENFORCE, ADD },
  { "[policy]\nmode=warn\n", NULL, VSMMU_POLICY_WARN, ADD },
  { "[policy]\n mode = off \t\n", NULL, VSMMU_POLICY_OFF, ADD },
  { "[attach]\niommufd=refuse", NULL, VSMMU_POLICY_ENFORCE, REFUSE },
  { NULL, "[policy]\nmode=warn\n", VSMMU_POLICY_WARN, ADD },
  { "[policy]\nmode=off\n[attach]\niommufd=refuse\n", "[policy]\nmode=warn\n", VSMMU_POLICY_WARN, REFUSE },
  { "[policy]\nmode=warn\n", "[attach]\niommufd=refuse\n", VSMMU_POLICY_WARN, REFUSE },
  { "[attach]\niommufd=refuse\n", "[attach]\niommufd=add\n", VSMMU_POLICY_ENFORCE, ADD },
};

/* What is wrong in a file, what the message says of it, and the mode all the same. */
static const struct {
  const char *text;
  const char *said;
  VsmmuPolicyMode mode;
} faults[] = {
  { "mode=warn\n", "cannot read", VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode warn\n", "mode warn", VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=\n", "invalid value '' for 'mode' in [policy]; use one of off, warn, enforce",
    VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=Warn\n", "invalid value 'Warn'", VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=warn\nmodus=off\n", "unknown key 'modus' in [policy]; use one of 'mode', 'domains-decide'",
    VSMMU_POLICY_WARN },
  { "[policy]\nmode[de]=warn\n", "unknown key 'mode[de]' in [policy]", VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=off\niommufd=add\n", "unknown key 'iommufd' in [policy]", VSMMU_POLICY_OFF },
  { "[policies]\nmode=warn\n", "unknown group [policies]; use one of policy, define, attach, hotplug, hook, rules",
    VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=warn\n[x]\n", "unknown group [x]", VSMMU_POLICY_WARN },
  { "[hotplug]\non-mismatch=destroy\n", "use one of ignore, report, detach", VSMMU_POLICY_ENFORCE },
  { "[hotplug]\nwait=-1\n", "invalid value '-1' for 'wait' in [hotplug]; use a number of seconds from 0 to 60",
    VSMMU_POLICY_ENFORCE },
  { "[hotplug]\nwait=61\n", "0 to 60", VSMMU_POLICY_ENFORCE },
  { "[hotplug]\nwait=5s\n", "0 to 60", VSMMU_POLICY_ENFORCE },
  { "[hook]\ntimeout=0\n", "invalid value '0' for 'timeout' in [hook]; use a number of seconds from 1 to 60",
    VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=warn\n[hook]\ntimeout=61\n", "1 to 60", VSMMU_POLICY_WARN },
  { "[policy]\ndomains-decide=maybe\n", "use one of no, yes", VSMMU_POLICY_ENFORCE },
  { "[hotplug]\nwaits=5\n", "unknown key 'waits' in [hotplug]; use one of 'on-mismatch', 'wait'",
    VSMMU_POLICY_ENFORCE },
  { "[define]\nadopt=on\n", "invalid value 'on' for 'adopt' in [define]; use one of no, yes", VSMMU_POLICY_ENFORCE },
  { "[attach]\niommufd=yes\n", "use one of add, refuse", VSMMU_POLICY_ENFORCE },
  { "[policy]\nmode=warn\n[rules]\nhost-num=off\n", "unknown rule 'host-num'; did you mean 'host-numa'?",
    VSMMU_POLICY_WARN },
  { "[rules]\nsomething-else=off\n", "unknown rule 'something-else'; 'virt-vsmmu explain' lists",
    VSMMU_POLICY_ENFORCE },
  { "[rules]\nhost-numa=no\n", "invalid value 'no' for 'host-numa' in [rules]; use one of off, note, warning, error",
    VSMMU_POLICY_ENFORCE },
};

/* From the most lenient to the strictest. */
static const char *const mismatches[] = { "ignore", "report", "detach" };

/* What the metadata of a domain say: which of these words, G_MAXUINT for none that counts. */
static const struct {
  const char *metadata;
  guint wanted;
} domains[] = {
#define HOTPLUG(word) "<v:hotplug xmlns:v='" VSMMU_POLICY_NAMESPACE "' on-mismatch='" word "'/>"
#define METADATA(content) "<metadata>" content "</metadata>"
  { "", G_MAXUINT },
  { METADATA (""), G_MAXUINT },
  { METADATA (HOTPLUG ("ignore")), 0 },
  { METADATA (HOTPLUG ("report")), 1 },
  { METADATA (HOTPLUG ("detach")), 2 },
  { METADATA ("<hotplug xmlns='" VSMMU_POLICY_NAMESPACE "' on-mismatch='detach'/>"), 2 },
  { METADATA ("<o:x xmlns:o='urn:o'/>" HOTPLUG ("ignore")), 0 },
  /* Several: the strictest, in any order. */
  { METADATA (HOTPLUG ("ignore") HOTPLUG ("detach")), 2 },
  { METADATA (HOTPLUG ("detach") HOTPLUG ("ignore")), 2 },
  { METADATA (HOTPLUG ("ignore") HOTPLUG ("report") HOTPLUG ("ignore")), 1 },
  { METADATA (HOTPLUG ("ignore")) METADATA (HOTPLUG ("detach")), 2 },
  { METADATA (HOTPLUG ("detach")) METADATA (HOTPLUG ("ignore")), 2 },
  { METADATA (HOTPLUG ("detach") HOTPLUG ("never")), 2 },
  /* No word of ours. */
  { METADATA (HOTPLUG ("never")), G_MAXUINT },
  { METADATA (HOTPLUG ("Detach")), G_MAXUINT },
  { METADATA (HOTPLUG ("")), G_MAXUINT },
  { METADATA ("<hotplug on-mismatch='detach'/>"), G_MAXUINT },
  { METADATA ("<v:hotplug xmlns:v='urn:v' on-mismatch='detach'/>"), G_MAXUINT },
  { METADATA ("<v:hotplug xmlns:v='" VSMMU_POLICY_NAMESPACE "' v:on-mismatch='ignore'/>"), G_MAXUINT },
  { METADATA ("<v:x xmlns:v='" VSMMU_POLICY_NAMESPACE "' on-mismatch='detach'/>"), G_MAXUINT },
  { METADATA ("<o:x xmlns:o='urn:o'>" HOTPLUG ("detach") "</o:x>"), G_MAXUINT },
  { HOTPLUG ("detach"), G_MAXUINT },
  { "<devices>" METADATA (HOTPLUG ("detach")) "</devices>", G_MAXUINT },
};

typedef struct {
  char *directory;
  char *host;
  char *user;
} Files;

static void
set_up (Files *files, gconstpointer data)
{
  files->directory = g_strdup (data);
  files->host = g_build_filename (data, "of-the-host.conf", NULL);
  files->user = g_build_filename (data, "virt-vsmmu.conf", NULL);
  g_setenv ("VIRT_VSMMU_CONF", files->host, TRUE);
}

static void
tear_down (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  g_unlink (files->host);
  g_unlink (files->user);
  g_free (files->directory);
  g_free (files->host);
  g_free (files->user);
}

/* @text: %NULL for no file */
static void
put (const char *path, const char *text)
{
  if (text == NULL)
    g_unlink (path);
  else
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_keys_of_the_user_count_over_those_of_the_host (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  for (gsize i = 0; i < G_N_ELEMENTS (policies); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (VsmmuPolicy) policy = NULL;

    g_test_message ("%s / %s", policies[i].host, policies[i].user);
    put (files->host, policies[i].host);
    put (files->user, policies[i].user);
    policy = vsmmu_policy_load (TRUE, &error);
    g_assert_no_error (error);
    g_assert_cmpint (vsmmu_policy_get_mode (policy), ==, policies[i].mode);
    g_assert_cmpint (vsmmu_policy_get_iommufd (policy), ==, policies[i].iommufd);
    g_assert_cmpint (vsmmu_policy_load_mode (TRUE), ==, policies[i].mode);
  }
}

static void
test_devices_stay_where_they_are_unless_a_file_says_otherwise (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const texts[] = { "", "[define]\nadopt=no\n", "[define]\nadopt=yes\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (VsmmuPolicy) policy = NULL;

    put (files->host, texts[i]);
    policy = vsmmu_policy_load (FALSE, NULL);
    g_assert_cmpint (vsmmu_policy_adopts (policy), ==, i == 2);
  }
}

/* Who must decide all the same does not take the word of a file before it. */
static void
test_a_wrong_mode_after_a_lenient_one_is_the_strictest (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const wrong[] = { "[policy]\nmode=Warn\n", "[policy]\nmode=\n", "mode=off\n" };

  put (files->host, "[policy]\nmode=off\n");
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    put (files->user, wrong[i]);
    g_assert_null (vsmmu_policy_load (TRUE, NULL));
    g_assert_cmpint (vsmmu_policy_load_mode (TRUE), ==, VSMMU_POLICY_ENFORCE);
  }
}

static void
test_modes_have_the_words_of_the_file (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const words[] = { "off", "warn", "enforce" };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    g_autofree char *text = g_strdup_printf ("[policy]\nmode=%s\n[hotplug]\nwait=45\n", words[i]);
    g_autoptr (VsmmuPolicy) policy = NULL;

    put (files->host, text);
    policy = vsmmu_policy_load (FALSE, NULL);
    g_assert_cmpstr (vsmmu_policy_mode_to_string (vsmmu_policy_get_mode (policy)), ==, words[i]);
    g_assert_cmpuint (vsmmu_policy_get_wait (policy), ==, 45);
  }
}

static void
test_the_user_does_not_count_for_others (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (VsmmuPolicy) policy = NULL;

  put (files->user, "[policy]\nmode=off\n");
  policy = vsmmu_policy_load (FALSE, NULL);
  g_assert_cmpint (vsmmu_policy_get_mode (policy), ==, VSMMU_POLICY_ENFORCE);
  g_assert_cmpint (vsmmu_policy_load_mode (FALSE), ==, VSMMU_POLICY_ENFORCE);
  put (files->user, "nonsense");
  g_clear_pointer (&policy, vsmmu_policy_free);
  vsmmu_policy_free (NULL);
  policy = vsmmu_policy_load (FALSE, NULL);
  g_assert_nonnull (policy);
}

static void
expect_fault (const char *path, gsize i)
{
  g_autoptr (GError) error = NULL;

  g_test_message ("%s", faults[i].text);
  g_assert_null (vsmmu_policy_load (TRUE, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY);
  g_assert_nonnull (strstr (error->message, path));
  if (strstr (error->message, faults[i].said) == NULL)
    g_error ("'%s' is not in '%s'", faults[i].said, error->message);
  g_assert_cmpint (vsmmu_policy_load_mode (TRUE), ==, faults[i].mode);
}

static void
test_what_is_wrong_is_named_with_its_file (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    put (files->host, faults[i].text);
    put (files->user, NULL);
    expect_fault (files->host, i);
    put (files->host, NULL);
    put (files->user, faults[i].text);
    expect_fault (files->user, i);
  }
}

static void
test_a_file_that_is_none_is_an_error (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  g_setenv ("VIRT_VSMMU_CONF", files->directory, TRUE);
  g_assert_null (vsmmu_policy_load (FALSE, &error));
  g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_POLICY);
  g_assert_cmpint (vsmmu_policy_load_mode (FALSE), ==, VSMMU_POLICY_ENFORCE);
}

/* @of_host: one of the words; G_MAXUINT for no such key */
static void
check_domains (const VsmmuPolicy *policy, guint of_host, gboolean is_free, guint *n_cases)
{
  guint effective = of_host != G_MAXUINT ? of_host : 1;

  for (gsize i = 0; i < G_N_ELEMENTS (domains); i++, ++*n_cases) {
    g_autofree char *xml = g_strdup_printf ("<domain type='kvm'><name>x</name>%s</domain>", domains[i].metadata);
    g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "x.xml", NULL);
    VsmmuPolicyMismatch said;
    gboolean is_said = vsmmu_policy_mismatch_of (domain->document, &said);
    gboolean is_lenient = domains[i].wanted != G_MAXUINT && domains[i].wanted < effective;
    guint expected = domains[i].wanted == G_MAXUINT || (is_lenient && !is_free) ? effective : domains[i].wanted;
    gboolean is_overruled = !is_lenient;
    VsmmuPolicyMismatch chosen = vsmmu_policy_choose_mismatch (policy, is_said ? &said : NULL, &is_overruled);

    g_test_message ("%u %d %s", of_host, is_free, domains[i].metadata);
    g_assert_cmpint (is_said, ==, domains[i].wanted != G_MAXUINT);
    g_assert_cmpstr (vsmmu_policy_mismatch_to_string (chosen), ==, mismatches[expected]);
    g_assert_cmpint (is_overruled, ==, is_lenient && !is_free);
  }
}

static void
test_a_domain_may_only_be_stricter_than_its_host (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const freedoms[] = { "", "domains-decide=no\n", "domains-decide=yes\n" };
  guint n_cases = 0;

  for (guint h = 0; h <= G_N_ELEMENTS (mismatches); h++)
    for (guint f = 0; f < G_N_ELEMENTS (freedoms); f++) {
      gboolean is_key = h < G_N_ELEMENTS (mismatches);
      g_autofree char *text = g_strdup_printf ("[policy]\n%s[hotplug]\n%s%s\n", freedoms[f],
                                               is_key ? "on-mismatch=" : "", is_key ? mismatches[h] : "");
      g_autoptr (GError) error = NULL;
      g_autoptr (VsmmuPolicy) policy = NULL;

      put (files->host, text);
      policy = vsmmu_policy_load (FALSE, &error);
      g_assert_no_error (error);
      check_domains (policy, is_key ? h : G_MAXUINT, f == 2, &n_cases);
    }
  /* A configuration that cannot be read. */
  check_domains (NULL, G_MAXUINT, FALSE, &n_cases);
  g_test_message ("%u cases", n_cases);
  g_print ("# %u cases\n", n_cases);
}

static void
test_seconds_are_those_of_the_file (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (VsmmuPolicy) policy = NULL;

  put (files->host, "");
  policy = vsmmu_policy_load (FALSE, NULL);
  g_assert_cmpuint (vsmmu_policy_get_timeout (policy), ==, 10);
  g_assert_cmpuint (vsmmu_policy_get_wait (policy), ==, 5);
  g_clear_pointer (&policy, vsmmu_policy_free);
  put (files->host, "[hotplug]\nwait=0\n[hook]\ntimeout=1\n");
  policy = vsmmu_policy_load (FALSE, NULL);
  g_assert_cmpuint (vsmmu_policy_get_timeout (policy), ==, 1);
  g_assert_cmpuint (vsmmu_policy_get_wait (policy), ==, 0);
}

static void
add (GPtrArray *findings, const char *rule)
{
  const VsmmuRule *found = vsmmu_rules_find (rule);

  g_ptr_array_add (findings, vsmmu_finding_new (found, found->severity, "guest.xml", 1, g_strdup ("/domain"),
                                                g_strdup (rule), g_strdup ("")));
}

static char *
describe (const GPtrArray *findings)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < findings->len; i++) {
    const VsmmuFinding *finding = g_ptr_array_index (findings, i);

    g_string_append_printf (text, "%s:%s ", finding->rule->id, vsmmu_severity_to_string (finding->severity));
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Of a warning, two errors of one rule, and a note. */
static const struct {
  const char *text;
  const char *left;
  gboolean refuses;
} effects[] = {
  { "", "host-numa:warning needs-kvm:error needs-kvm:error not-migratable:note ", TRUE },
  { "[policy]\nmode=warn\n", "host-numa:warning needs-kvm:error needs-kvm:error not-migratable:note ", FALSE },
  { "[policy]\nmode=off\n", "host-numa:warning needs-kvm:error needs-kvm:error not-migratable:note ", FALSE },
  { "[rules]\nneeds-kvm=off\n", "host-numa:warning not-migratable:note ", FALSE },
  { "[rules]\nneeds-kvm=note\n", "host-numa:warning needs-kvm:note needs-kvm:note not-migratable:note ", FALSE },
  { "[rules]\nneeds-kvm=warning\nhost-numa=error\n",
    "host-numa:error needs-kvm:warning needs-kvm:warning not-migratable:note ", TRUE },
  { "[policy]\nmode=warn\n[rules]\nnot-migratable=error\n",
    "host-numa:warning needs-kvm:error needs-kvm:error not-migratable:error ", FALSE },
  { "[rules]\nneeds-kvm=off\nhost-numa=off\nnot-migratable=off\n", "", FALSE },
  { "[rules]\nneeds-acpi=off\n", "host-numa:warning needs-kvm:error needs-kvm:error not-migratable:note ", TRUE },
};

static void
test_rules_are_graded_and_errors_refuse (Files *files, gconstpointer data G_GNUC_UNUSED)
{
  for (gsize i = 0; i < G_N_ELEMENTS (effects); i++) {
    g_autoptr (GPtrArray) findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref);
    g_autoptr (VsmmuPolicy) policy = NULL;
    g_autofree char *left = NULL;

    g_test_message ("%s", effects[i].text);
    put (files->host, effects[i].text);
    policy = vsmmu_policy_load (FALSE, NULL);
    add (findings, "host-numa");
    add (findings, "needs-kvm");
    add (findings, "needs-kvm");
    add (findings, "not-migratable");
    vsmmu_policy_apply (policy, findings);
    left = describe (findings);
    g_assert_cmpstr (left, ==, effects[i].left);
    g_assert_cmpint (vsmmu_policy_refuses (policy, findings), ==, effects[i].refuses);
  }
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *path;
    void (*run) (Files *files, gconstpointer data);
  } tests[] = {
    { "/policy/keys-of-the-user-count-over-those-of-the-host", test_keys_of_the_user_count_over_those_of_the_host },
    { "/policy/devices-stay-where-they-are-unless-a-file-says-otherwise",
      test_devices_stay_where_they_are_unless_a_file_says_otherwise },
    { "/policy/the-user-does-not-count-for-others", test_the_user_does_not_count_for_others },
    { "/policy/a-wrong-mode-after-a-lenient-one-is-the-strictest",
      test_a_wrong_mode_after_a_lenient_one_is_the_strictest },
    { "/policy/modes-have-the-words-of-the-file", test_modes_have_the_words_of_the_file },
    { "/policy/what-is-wrong-is-named-with-its-file", test_what_is_wrong_is_named_with_its_file },
    { "/policy/a-file-that-is-none-is-an-error", test_a_file_that_is_none_is_an_error },
    { "/policy/a-domain-may-only-be-stricter-than-its-host", test_a_domain_may_only_be_stricter_than_its_host },
    { "/policy/seconds-are-those-of-the-file", test_seconds_are_those_of_the_file },
    { "/policy/rules-are-graded-and-errors-refuse", test_rules_are_graded_and_errors_refuse },
  };
  g_autofree char *directory = g_dir_make_tmp ("policy-XXXXXX", NULL);
  int status;

  /* GLib asks for it once. */
  g_setenv ("XDG_CONFIG_HOME", directory, TRUE);
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Files, directory, set_up, tests[i].run, tear_down);
  status = g_test_run ();
  g_rmdir (directory);
  return status;
}
