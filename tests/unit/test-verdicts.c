/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdicts.h"

#include <glib/gstdio.h>
#include <vsmmu/vsmmu.h>

#include "metrics.h"

#define DOORBELL 0x08090040

/* (transfer full): a verdict on a device of the domain with this UUID */
static VsmmuVerdict *
verdict_new (const char *uuid, const char *device, VsmmuVerdictState state)
{
  VsmmuVerdict *verdict = g_new0 (VsmmuVerdict, 1);

  *verdict = (VsmmuVerdict){ .connection = g_strdup ("qemu:///system"),
                             .domain = g_strdup ("guest"),
                             .uuid = g_strdup (uuid),
                             .device = g_strdup (device),
                             .vsmmu = g_strdup ("iommu0"),
                             .doorbell = DOORBELL,
                             .findings = g_ptr_array_new_with_free_func ((GDestroyNotify) vsmmu_finding_unref),
                             .state = state };
  return verdict;
}

/* What a listener is told: uuid/device=state@since, or - when only the summary changed. */
static void
note (const VsmmuVerdict *verdict, gpointer data)
{
  GString *told = data;

  if (verdict == NULL)
    g_string_append (told, "- ");
  else
    g_string_append_printf (told, "%s/%s=%s@%" G_GINT64_FORMAT " ", verdict->uuid, verdict->device,
                            vsmmu_verdict_state_to_string (verdict->state), verdict->since);
}

static void
test_only_changes_are_signalled (void)
{
  g_autoptr (VsmmuVerdicts) verdicts = vsmmu_verdicts_new ();
  g_autoptr (GString) told = g_string_new (NULL);
  VsmmuVerdict *moved = verdict_new ("u1", "hostdev0", VSMMU_VERDICT_VERIFIED);

  vsmmu_verdicts_listen (verdicts, note, told);
  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev0", VSMMU_VERDICT_UNKNOWN), 1);
  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev0", VSMMU_VERDICT_UNKNOWN), 2);
  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev0", VSMMU_VERDICT_VERIFIED), 3);
  moved->doorbell = DOORBELL + 1;
  vsmmu_verdicts_set (verdicts, moved, 4);
  vsmmu_verdicts_count_error (verdicts);
  g_assert_cmpstr (told->str, ==, "u1/hostdev0=unknown-yet@1 - u1/hostdev0=verified@3 u1/hostdev0=verified@3 - ");
}

static void
test_a_removal_is_signalled_once (void)
{
  g_autoptr (VsmmuVerdicts) verdicts = vsmmu_verdicts_new ();
  g_autoptr (GString) told = g_string_new (NULL);

  vsmmu_verdicts_set (verdicts, verdict_new ("u2", "hostdev0", VSMMU_VERDICT_VERIFIED), 1);
  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev1", VSMMU_VERDICT_VERIFIED), 1);
  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev0", VSMMU_VERDICT_VERIFIED), 1);
  vsmmu_verdicts_listen (verdicts, note, told);
  vsmmu_verdicts_remove (verdicts, "qemu:///system", "u1", "hostdev1");
  vsmmu_verdicts_remove (verdicts, "qemu:///system", "u1", NULL);
  vsmmu_verdicts_remove (verdicts, "qemu:///system", "u1", NULL);
  vsmmu_verdicts_remove (verdicts, "qemu:///session", NULL, NULL);
  g_assert_cmpstr (told->str, ==, "u1/hostdev1=gone@1 u1/hostdev0=gone@1 ");
}

static void
test_a_list_keeps_the_devices_of_a_domain_together (void)
{
  g_autoptr (VsmmuVerdicts) verdicts = vsmmu_verdicts_new ();
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GString) order = g_string_new (NULL);

  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev0", VSMMU_VERDICT_VERIFIED), 1);
  vsmmu_verdicts_set (verdicts, verdict_new ("u2", "hostdev0", VSMMU_VERDICT_VERIFIED), 1);
  vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev1", VSMMU_VERDICT_MISMATCH), 1);
  list = g_variant_ref_sink (vsmmu_verdicts_to_variant (verdicts));
  for (gsize i = 0; i < g_variant_n_children (list); i++) {
    g_autoptr (GVariant) verdict = g_variant_get_child_value (list, i);
    const char *uuid;
    const char *device;

    g_assert_true (g_variant_lookup (verdict, "uuid", "&s", &uuid));
    g_assert_true (g_variant_lookup (verdict, "device", "&s", &device));
    g_assert_false (g_variant_lookup (verdict, "host-smmu", "&s", NULL));
    g_string_append_printf (order, "%s/%s ", uuid, device);
  }
  g_assert_cmpstr (order->str, ==, "u1/hostdev0 u1/hostdev1 u2/hostdev0 ");
}

/* Waits until the file at @path has @line. */
static void
await_line (const char *path, const char *line)
{
  for (;;) {
    g_autofree char *text = NULL;

    if (g_file_get_contents (path, &text, NULL, NULL) && strstr (text, line) != NULL)
      return;
    g_main_context_iteration (NULL, FALSE);
  }
}

static void
test_metrics_follow_the_verdicts (void)
{
  g_autofree char *directory = g_dir_make_tmp ("vsmmu-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "metrics.prom", NULL);
  g_autoptr (VsmmuVerdicts) verdicts = vsmmu_verdicts_new ();
  VsmmuMetrics *metrics = vsmmu_metrics_new (path, verdicts);

  await_line (path, "\nvsmmu_verdicts{verdict=\"verified\"} 0\n");
  for (guint i = 0; i < 1000; i++)
    vsmmu_verdicts_set (verdicts, verdict_new ("u1", "hostdev0", i % VSMMU_VERDICT_STATES), i * G_USEC_PER_SEC);
  vsmmu_verdicts_set (verdicts, verdict_new ("u2", "hostdev0", VSMMU_VERDICT_MISMATCH), 1000 * G_USEC_PER_SEC);
  vsmmu_verdicts_set (verdicts, verdict_new ("u2", "hostdev0", VSMMU_VERDICT_MISMATCH), 1000 * G_USEC_PER_SEC);
  vsmmu_verdicts_count_error (verdicts);
  await_line (path, "\nvsmmu_verdicts{verdict=\"verified\"} 1\n");
  await_line (path, "\nvsmmu_verdicts{verdict=\"mismatch\"} 1\n");
  await_line (path, "\nvsmmu_last_check_timestamp_seconds 1000\n");
  await_line (path, "\nvsmmu_check_errors_total 1\n");
  /* Of 1000 verdicts on a device every third was a mismatch, each after another verdict; and one more, that was said
   * twice. */
  await_line (path, "\nvsmmu_mismatches_total 334\n");
  vsmmu_metrics_free (metrics);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/verdicts/only-what-changes-is-told", test_only_changes_are_signalled);
  g_test_add_func ("/verdicts/what-is-gone-is-told-once", test_a_removal_is_signalled_once);
  g_test_add_func ("/verdicts/a-list-keeps-the-devices-of-a-domain-together",
                   test_a_list_keeps_the_devices_of_a_domain_together);
  g_test_add_func ("/verdicts/metrics-follow-the-verdicts", test_metrics_follow_the_verdicts);
  return g_test_run ();
}
