/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "host/host.h"
#include "host/kernel.h"

/* Fields of the registers: SMMUv3 specification, 6.3.1 to 6.3.6. */
static const struct {
  VsmmuSmmuCapability capability;
  VsmmuSmmuRegister where;
  guint shift;
  guint width;
} fields[] = {
  { VSMMU_SMMU_TTF, VSMMU_SMMU_REGISTER_IDR0, 2, 2 },      { VSMMU_SMMU_ATS, VSMMU_SMMU_REGISTER_IDR0, 10, 1 },
  { VSMMU_SMMU_PRI, VSMMU_SMMU_REGISTER_IDR0, 16, 1 },     { VSMMU_SMMU_TTENDIAN, VSMMU_SMMU_REGISTER_IDR0, 21, 2 },
  { VSMMU_SMMU_STLEVEL, VSMMU_SMMU_REGISTER_IDR0, 27, 2 }, { VSMMU_SMMU_SIDSIZE, VSMMU_SMMU_REGISTER_IDR1, 0, 6 },
  { VSMMU_SMMU_SSIDSIZE, VSMMU_SMMU_REGISTER_IDR1, 6, 5 }, { VSMMU_SMMU_S2FWB, VSMMU_SMMU_REGISTER_IDR3, 8, 1 },
  { VSMMU_SMMU_RIL, VSMMU_SMMU_REGISTER_IDR3, 10, 1 },     { VSMMU_SMMU_OAS, VSMMU_SMMU_REGISTER_IDR5, 0, 3 },
  { VSMMU_SMMU_GRAN4K, VSMMU_SMMU_REGISTER_IDR5, 4, 1 },   { VSMMU_SMMU_GRAN16K, VSMMU_SMMU_REGISTER_IDR5, 5, 1 },
  { VSMMU_SMMU_GRAN64K, VSMMU_SMMU_REGISTER_IDR5, 6, 1 },  { VSMMU_SMMU_ASID16, VSMMU_SMMU_REGISTER_IDR0, 12, 1 },
  { VSMMU_SMMU_BBML, VSMMU_SMMU_REGISTER_IDR3, 11, 2 },
};

/* Bits of an output address, by the value of IDR5.OAS. */
static const guint8 output_sizes[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

#define IDR0_S2P (1 << 0)
#define IDR0_S1P (1 << 1)

#define IMPLEMENTER_ARM 0x43b
#define PRODUCT_MMU_600 0x483
#define PRODUCT_MMU_700 0x487

/*
 * Whether the kernel lets an SMMU nest that has this IIDR: arm_smmu_device_iidr_probe(), Arm errata 1209401 (MMU-600
 * before r2) and 2268618, 2812531 (MMU-700; r1p1 and later revisions are repaired, which older kernels do not know).
 * For the latter it also forces a sync after every command, which rules a vSMMU out by itself
 * (arm_smmu_get_viommu_size()).
 */
static VsmmuKernelAnswer
lets_nest (guint32 iidr, const char *release)
{
  guint product = iidr >> 20;
  guint variant = iidr >> 16 & 0xf;
  guint revision = iidr >> 12 & 0xf;

  if ((iidr & 0xfff) == IMPLEMENTER_ARM && product == PRODUCT_MMU_600)
    return variant < 2 ? VSMMU_KERNEL_NO : VSMMU_KERNEL_YES;
  if ((iidr & 0xfff) != IMPLEMENTER_ARM || product != PRODUCT_MMU_700)
    return VSMMU_KERNEL_YES;
  return variant == 0 || revision == 0 ? VSMMU_KERNEL_NO : vsmmu_kernel_has (release, VSMMU_KERNEL_NESTS_MMU_700_R1P1);
}

static VsmmuFact
decode_nesting (VsmmuFact idr0, VsmmuFact iidr, const char *release)
{
  VsmmuKernelAnswer answer;

  if (vsmmu_fact_is_known (idr0) && (idr0.value & (IDR0_S1P | IDR0_S2P)) != (IDR0_S1P | IDR0_S2P))
    return VSMMU_FACT (idr0.source, FALSE);
  answer = vsmmu_fact_is_known (iidr) ? lets_nest ((guint32) iidr.value, release) : VSMMU_KERNEL_UNKNOWN;
  if (answer == VSMMU_KERNEL_NO)
    return VSMMU_FACT (iidr.source, FALSE);
  if (answer == VSMMU_KERNEL_YES && vsmmu_fact_is_known (idr0))
    return VSMMU_FACT (idr0.source, TRUE);
  return VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
}

void
vsmmu_smmu_decode (const VsmmuFact *registers, const char *release, VsmmuFact *capabilities)
{
  memset (capabilities, 0, sizeof (VsmmuFact) * VSMMU_SMMU_CAPABILITIES);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    VsmmuFact value = registers[fields[i].where];

    if (vsmmu_fact_is_known (value))
      capabilities[fields[i].capability] =
          VSMMU_FACT (value.source, value.value >> fields[i].shift & ((1 << fields[i].width) - 1));
  }
  if (vsmmu_fact_is_known (capabilities[VSMMU_SMMU_OAS]))
    capabilities[VSMMU_SMMU_OAS].value = output_sizes[capabilities[VSMMU_SMMU_OAS].value];
  capabilities[VSMMU_SMMU_NESTING] =
      decode_nesting (registers[VSMMU_SMMU_REGISTER_IDR0], registers[VSMMU_SMMU_REGISTER_IIDR], release);
}

/* Linux arm-smmu-v3.h, ARM_SMMU_FEAT_*. */
#define FEATURE_LITTLE_ENDIAN (1 << 2)
#define FEATURE_BIG_ENDIAN (1 << 3)
static const struct {
  VsmmuSmmuCapability capability;
  guint bit;
  gboolean needs_option;    /* the driver clears the bit when the kernel is built without it, so 0 says nothing */
  VsmmuKernelFeature since; /* the bit means this, so that 0 says something; %VSMMU_KERNEL_FEATURES for always */
} features_bits[] = {
  { VSMMU_SMMU_STLEVEL, 0, FALSE, VSMMU_KERNEL_FEATURES },
  { VSMMU_SMMU_PRI, 4, TRUE, VSMMU_KERNEL_FEATURES },
  { VSMMU_SMMU_ATS, 5, TRUE, VSMMU_KERNEL_FEATURES },
  { VSMMU_SMMU_RIL, 15, FALSE, VSMMU_KERNEL_FEATURES },
  { VSMMU_SMMU_NESTING, 19, FALSE, VSMMU_KERNEL_LOGS_NESTING },
  { VSMMU_SMMU_S2FWB, 23, FALSE, VSMMU_KERNEL_LOGS_S2FWB },
};

void
vsmmu_smmu_decode_features (VsmmuFact features, const VsmmuHost *host, VsmmuFact *capabilities)
{
  gint64 endianness = features.value & (FEATURE_LITTLE_ENDIAN | FEATURE_BIG_ENDIAN);
  /* The option is younger than both bits. */
  gboolean has_all = vsmmu_fact_is_true (host->options[VSMMU_HOST_OPTION_ARM_SMMU_V3_IOMMUFD]);

  memset (capabilities, 0, sizeof (VsmmuFact) * VSMMU_SMMU_CAPABILITIES);
  if (!vsmmu_fact_is_known (features))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (features_bits); i++) {
    VsmmuKernelFeature since = features_bits[i].since;
    gint64 value = features.value >> features_bits[i].bit & 1;
    gboolean is_in_word =
        since == VSMMU_KERNEL_FEATURES || has_all || vsmmu_kernel_has (host->kernel, since) == VSMMU_KERNEL_YES;

    if (value != 0 || (is_in_word && !features_bits[i].needs_option))
      capabilities[features_bits[i].capability] = VSMMU_FACT (features.source, value);
  }
  if (endianness == (FEATURE_LITTLE_ENDIAN | FEATURE_BIG_ENDIAN))
    capabilities[VSMMU_SMMU_TTENDIAN] = VSMMU_FACT (features.source, 0);
  else if (endianness != 0)
    capabilities[VSMMU_SMMU_TTENDIAN] = VSMMU_FACT (features.source, endianness == FEATURE_LITTLE_ENDIAN ? 2 : 3);
}

VsmmuFact
vsmmu_host_smmu_supports_cmdqv (const VsmmuHostSmmu *smmu)
{
  static const struct {
    VsmmuSmmuCapability capability;
    gint64 min;
    gint64 max;
  } needs[] = {
    { VSMMU_SMMU_CMDQV_VERSION, VSMMU_CMDQV_VERSION, VSMMU_CMDQV_VERSION },
    { VSMMU_SMMU_CMDQV_QUEUES, VSMMU_CMDQV_QUEUES_MIN, G_MAXINT64 },
    { VSMMU_SMMU_CMDQV_SIDS, VSMMU_CMDQV_SIDS_MIN, G_MAXINT64 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (needs); i++) {
    VsmmuFact fact = smmu->capabilities[needs[i].capability];

    if (vsmmu_fact_is_known (fact) && (fact.value < needs[i].min || fact.value > needs[i].max))
      return VSMMU_FACT (fact.source, FALSE);
  }
  return smmu->capabilities[VSMMU_SMMU_CMDQV];
}

guint
vsmmu_host_smmu_cmdqv_devices (const VsmmuHostSmmu *smmu)
{
  VsmmuFact sids = smmu->capabilities[VSMMU_SMMU_CMDQV_SIDS];

  return 1u << (vsmmu_fact_is_known (sids) ? sids.value : VSMMU_CMDQV_SIDS_MIN);
}

VsmmuFact
vsmmu_host_smmu_is_coherent (const VsmmuHostSmmu *smmu)
{
  VsmmuFact s2fwb = smmu->capabilities[VSMMU_SMMU_S2FWB];
  VsmmuFact canwbs = smmu->capabilities[VSMMU_SMMU_CANWBS];

  if (vsmmu_fact_is_true (s2fwb))
    return s2fwb;
  if (vsmmu_fact_is_true (canwbs) || vsmmu_fact_is_false (s2fwb))
    return canwbs;
  return VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
}

VsmmuFact
vsmmu_host_smmu_supports_vsmmu (const VsmmuHostSmmu *smmu)
{
  VsmmuFact nesting = smmu->capabilities[VSMMU_SMMU_NESTING];
  VsmmuFact coherent = vsmmu_host_smmu_is_coherent (smmu);

  if (vsmmu_fact_is_false (nesting))
    return nesting;
  if (vsmmu_fact_is_false (coherent))
    return coherent;
  if (vsmmu_fact_is_true (nesting) && vsmmu_fact_is_true (coherent))
    return nesting;
  return VSMMU_FACT (VSMMU_FACT_SOURCE_NONE, 0);
}
