/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host-fields.h"
#include "probe/iommufd.h"

/* The registers of QEMU 11.1.3's own SMMUv3, as read from a running one, with stage 2 as a host's SMMU has it. */
static const VsmmuHwInfoSmmuv3 emulated = {
  .idr = { 0x0d44101b, 0x02730010, 0, 0x00001404, 0, 0x00000074 },
  .iidr = 0x0000043b,
  .aidr = 1,
};

static const struct {
  VsmmuSmmuCapability capability;
  gint64 value;
} emulated_capabilities[] = {
  { VSMMU_SMMU_NESTING, 1 },     { VSMMU_SMMU_S2FWB, 0 },    { VSMMU_SMMU_ATS, 0 },      { VSMMU_SMMU_PRI, 0 },
  { VSMMU_SMMU_RIL, 1 },         { VSMMU_SMMU_SSIDSIZE, 0 }, { VSMMU_SMMU_SIDSIZE, 16 }, { VSMMU_SMMU_OAS, 44 },
  { VSMMU_SMMU_GRAN4K, 1 },      { VSMMU_SMMU_GRAN16K, 1 },  { VSMMU_SMMU_GRAN64K, 1 },  { VSMMU_SMMU_STLEVEL, 1 },
  { VSMMU_SMMU_TTF, 2 },         { VSMMU_SMMU_TTENDIAN, 2 }, { VSMMU_SMMU_ASID16, 1 },   { VSMMU_SMMU_BBML, 2 },
  { VSMMU_SMMU_REPEAT_TLBI, 0 },
};

static void
test_a_reply_of_the_kernel_is_decoded (void)
{
  g_autoptr (VsmmuHost) host = vsmmu_host_new ();
  VsmmuHostSmmu *smmu = vsmmu_host_smmu_new ("smmu3.0x000000000c000000");

  g_ptr_array_add (host->smmus, smmu);
  vsmmu_iommufd_decode (&emulated, smmu);
  vsmmu_host_finish (host);
  for (guint i = 0; i < G_N_ELEMENTS (emulated_capabilities); i++) {
    VsmmuFact fact = smmu->capabilities[emulated_capabilities[i].capability];

    g_test_message ("%s", vsmmu_host_capability_fields[emulated_capabilities[i].capability].name);
    g_assert_cmpint (fact.source, ==, VSMMU_FACT_SOURCE_IOMMUFD);
    g_assert_cmpint (fact.value, ==, emulated_capabilities[i].value);
  }
  g_assert_false (vsmmu_fact_is_known (smmu->capabilities[VSMMU_SMMU_CANWBS]));
  g_assert_false (vsmmu_fact_is_known (vsmmu_host_smmu_supports_vsmmu (smmu)));
}

static void
test_all_output_sizes_are_known (void)
{
  static const int sizes[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    VsmmuFact registers[VSMMU_SMMU_REGISTERS] = { 0 };
    VsmmuFact capabilities[VSMMU_SMMU_CAPABILITIES];

    registers[VSMMU_SMMU_REGISTER_IDR5] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, i);
    vsmmu_smmu_decode (registers, "7.3.4", capabilities);
    g_assert_cmpint (capabilities[VSMMU_SMMU_OAS].value, ==, sizes[i]);
    g_assert_false (vsmmu_fact_is_known (capabilities[VSMMU_SMMU_ATS]));
    g_assert_false (vsmmu_fact_is_known (capabilities[VSMMU_SMMU_NESTING]));
  }
}

/* Feature words as drivers print them: seen in the emulated host with stage=nested, and without; by Linux 7.3. */
static const struct {
  guint32 features;
  VsmmuSmmuCapability capability;
  gboolean is_known;
  gint64 value;
  const char *release;
  gboolean has_option; /* CONFIG_ARM_SMMU_V3_IOMMUFD */
} features[] = {
  { 0x01088705, VSMMU_SMMU_NESTING, TRUE, 1 },
  { 0x01008305, VSMMU_SMMU_NESTING, TRUE, 0 },
  { 0x01088705, VSMMU_SMMU_RIL, TRUE, 1 },
  { 0x00080705, VSMMU_SMMU_RIL, TRUE, 0 },
  { 0x01088705, VSMMU_SMMU_STLEVEL, TRUE, 1 },
  { 0x01088705, VSMMU_SMMU_S2FWB, TRUE, 0 },
  { 0x01888705, VSMMU_SMMU_S2FWB, TRUE, 1 },
  { 0x01088705, VSMMU_SMMU_ATS, FALSE, 0 },
  { 0x01088725, VSMMU_SMMU_ATS, TRUE, 1 },
  { 0x01088715, VSMMU_SMMU_PRI, TRUE, 1 },
  { 0x01088705, VSMMU_SMMU_TTENDIAN, TRUE, 2 },
  { 0x0108870d, VSMMU_SMMU_TTENDIAN, TRUE, 0 },
  { 0x01088709, VSMMU_SMMU_TTENDIAN, TRUE, 3 },
  { 0x01088701, VSMMU_SMMU_TTENDIAN, FALSE, 0 },
  { 0x01088705, VSMMU_SMMU_GRAN4K, FALSE, 0 },
  /* Without the bits 19 and 23 nothing is said by a kernel that does not know them: Grace, Altra and others. */
  { 0x000e1fbf, VSMMU_SMMU_NESTING, TRUE, 1, "6.8.0-138-generic" },
  { 0x000e1fbf, VSMMU_SMMU_S2FWB, FALSE, 0, "6.8.0-138-generic" },
  { 0x000e1fbf, VSMMU_SMMU_S2FWB, FALSE, 0, "6.12.57+deb13-arm64" },
  { 0x000e1fbf, VSMMU_SMMU_S2FWB, TRUE, 0, "6.13.0" },
  { 0x000e1fbf, VSMMU_SMMU_S2FWB, TRUE, 0, "6.8.0-1015-nvidia-64k", TRUE },
  { 0x000e1fbf, VSMMU_SMMU_S2FWB, FALSE, 0, "6.8.0-1015-nvidia-64k" },
  { 0x00000fef, VSMMU_SMMU_NESTING, FALSE, 0, "5.15.0" },
  { 0x00000fef, VSMMU_SMMU_NESTING, TRUE, 0, "6.6.1" },
  { 0x00000fef, VSMMU_SMMU_NESTING, FALSE, 0, "" },
  { 0x00000fef, VSMMU_SMMU_NESTING, FALSE, 0, "mainline" },
  { 0x00000fef, VSMMU_SMMU_NESTING, FALSE, 0, "-1.19.0" },
  { 0x00000fef, VSMMU_SMMU_NESTING, FALSE, 0, "6.-1" },
  { 0x00000fef, VSMMU_SMMU_NESTING, FALSE, 0, "7" },
};

static void
test_feature_bits_say_what_they_can (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (features); i++) {
    g_autoptr (VsmmuHost) host = vsmmu_host_new ();
    VsmmuFact capabilities[VSMMU_SMMU_CAPABILITIES];
    VsmmuFact fact;

    host->kernel = g_strdup (features[i].release != NULL ? features[i].release : "7.3.4");
    if (features[i].has_option)
      host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD] = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_CONFIG, 2);
    g_test_message ("0x%08x %s", features[i].features, vsmmu_host_capability_fields[features[i].capability].name);
    vsmmu_smmu_decode_features (VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_LOG, features[i].features), host, capabilities);
    fact = capabilities[features[i].capability];
    g_assert_cmpint (vsmmu_fact_is_known (fact), ==, features[i].is_known);
    g_assert_cmpint (fact.value, ==, features[i].value);
  }
}

/* IIDR and release to whether the kernel lets the SMMU nest; -1 for unknown. */
static const struct {
  guint32 iidr;
  const char *release;
  int nests;
} errata[] = {
  { 0x4830043b, "7.3.4", 0 }, /* MMU-600 r0p0 */
  { 0x4831143b, "7.3.4", 0 }, /* r1p1 */
  { 0x4832043b, "6.6.0", 1 }, /* r2p0 */
  { 0x4870043b, "7.3.4", 0 }, /* MMU-700 r0p0 */
  { 0x4871043b, "7.3.4", 0 }, /* r1p0 */
  { 0x4871143b, "7.3.4", 1 }, /* r1p1 */
  { 0x4871143b, "7.1.0", 1 }, { 0x4871143b, "7.0.13", 0 }, { 0x4871143b, "6.17.0-1014-nvidia-64k", -1 },
  { 0x4871143b, NULL, -1 },   { 0x4872043b, "7.3.4", 0 }, /* r2p0 */
  { 0x2410036b, NULL, 1 },                                /* NVIDIA's */
};

static void
test_errata_are_of_revisions_and_kernels (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (errata); i++) {
    VsmmuFact registers[VSMMU_SMMU_REGISTERS] = { 0 };
    VsmmuFact capabilities[VSMMU_SMMU_CAPABILITIES];
    VsmmuFact nesting;

    registers[VSMMU_SMMU_REGISTER_IDR0] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, emulated.idr[0]);
    registers[VSMMU_SMMU_REGISTER_IIDR] = VSMMU_FACT (VSMMU_FACT_SOURCE_IOMMUFD, errata[i].iidr);
    vsmmu_smmu_decode (registers, errata[i].release, capabilities);
    nesting = capabilities[VSMMU_SMMU_NESTING];
    g_test_message ("0x%08x %s", errata[i].iidr, errata[i].release);
    g_assert_cmpint (vsmmu_fact_is_known (nesting) ? nesting.value : -1, ==, errata[i].nests);
  }
}

/* The registers say that it nests, or that it does not; the driver has the last word where its log can say it. */
static void
test_the_driver_has_the_last_word (void)
{
  static const struct {
    guint32 iidr;
    guint32 features;
    const char *release;
    gboolean nests;
    VsmmuFactSource source;
  } rows[] = {
    { 0x4871143b, 0x01888705, "7.0.13", TRUE, VSMMU_FACT_SOURCE_KERNEL_LOG },
    { 0x2410036b, 0x01008705, "7.3.4", FALSE, VSMMU_FACT_SOURCE_KERNEL_LOG },
    { 0x2410036b, 0x01008705, "6.1.0", TRUE, VSMMU_FACT_SOURCE_IOMMUFD },
    { 0x4830043b, 0x01008705, "6.1.0", FALSE, VSMMU_FACT_SOURCE_IOMMUFD },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (VsmmuHost) host = vsmmu_host_new ();
    VsmmuHostSmmu *smmu = vsmmu_host_smmu_new ("smmu3.0x000000000c000000");
    VsmmuHwInfoSmmuv3 info = emulated;

    g_test_message ("0x%08x 0x%08x %s", rows[i].iidr, rows[i].features, rows[i].release);
    info.iidr = rows[i].iidr;
    host->kernel = g_strdup (rows[i].release);
    g_ptr_array_add (host->smmus, smmu);
    vsmmu_iommufd_decode (&info, smmu);
    smmu->features = VSMMU_FACT (VSMMU_FACT_SOURCE_KERNEL_LOG, rows[i].features);
    vsmmu_host_finish (host);
    g_assert_cmpint (smmu->capabilities[VSMMU_SMMU_NESTING].value, ==, rows[i].nests);
    g_assert_cmpint (smmu->capabilities[VSMMU_SMMU_NESTING].source, ==, rows[i].source);
  }
}

/* nesting, s2fwb, canwbs: -1 for unknown; and whether a vSMMU can be put on it. */
static const int supports[][4] = {
  { 1, 0, 1, 1 },   { 1, 1, 0, 1 },  { 1, 1, -1, 1 },  { 1, -1, 1, 1 },  { 1, 0, 0, 0 },   { 0, 1, 1, 0 },
  { 0, -1, -1, 0 }, { -1, 0, 0, 0 }, { -1, 1, 1, -1 }, { 1, -1, 0, -1 }, { 1, 0, -1, -1 }, { 1, -1, -1, -1 },
};

static VsmmuFact
fact_of (int value)
{
  return VSMMU_FACT (value < 0 ? VSMMU_FACT_SOURCE_NONE : VSMMU_FACT_SOURCE_GIVEN, MAX (value, 0));
}

static void
test_a_vsmmu_needs_nesting_and_coherence (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (supports); i++) {
    VsmmuHostSmmu smmu = { 0 };
    VsmmuFact fact;

    g_test_message ("nesting %d, s2fwb %d, canwbs %d", supports[i][0], supports[i][1], supports[i][2]);
    smmu.capabilities[VSMMU_SMMU_NESTING] = fact_of (supports[i][0]);
    smmu.capabilities[VSMMU_SMMU_S2FWB] = fact_of (supports[i][1]);
    smmu.capabilities[VSMMU_SMMU_CANWBS] = fact_of (supports[i][2]);
    fact = vsmmu_host_smmu_supports_vsmmu (&smmu);
    g_assert_cmpint (vsmmu_fact_is_known (fact) ? fact.value : -1, ==, supports[i][3]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smmu/a-reply-of-the-kernel-is-decoded", test_a_reply_of_the_kernel_is_decoded);
  g_test_add_func ("/smmu/all-output-sizes-are-known", test_all_output_sizes_are_known);
  g_test_add_func ("/smmu/feature-bits-say-what-they-can", test_feature_bits_say_what_they_can);
  g_test_add_func ("/smmu/errata-are-of-revisions-and-kernels", test_errata_are_of_revisions_and_kernels);
  g_test_add_func ("/smmu/the-driver-has-the-last-word", test_the_driver_has_the_last_word);
  g_test_add_func ("/smmu/a-vsmmu-needs-nesting-and-coherence", test_a_vsmmu_needs_nesting_and_coherence);
  return g_test_run ();
}
