/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "msi/smmuv3.h"
#include "vsmmu/error.h"

/* The structure, the reason, and the event that is recorded (IHI 0070, 7.3); some of QEMU's differ from those of the
 * specification.
 */
static const struct {
  const char *event;
  const char *sentence;
} faults[] = {
  [VSMMU_FAULT_GBPA_ABORT] = { "", N_ ("the SMMU is disabled, and SMMU_GBPA aborts all transactions") },
  [VSMMU_FAULT_STREAM_RANGE] = { "C_BAD_STREAMID", N_ ("stream table: too short for this StreamID") },
  [VSMMU_FAULT_L1_UNREADABLE] = { "F_STE_FETCH", N_ ("stream table: the first level cannot be read") },
  [VSMMU_FAULT_L1_INVALID] = { "C_BAD_STREAMID", N_ ("stream table: no first-level entry for this StreamID") },
  [VSMMU_FAULT_L1_SPAN] = { "C_BAD_STE", N_ ("stream table: the second level is too short for this StreamID") },
  [VSMMU_FAULT_STE_UNREADABLE] = { "F_STE_FETCH", N_ ("STE: cannot be read") },
  [VSMMU_FAULT_STE_INVALID] = { "C_BAD_STE", N_ ("STE: not valid (V is 0)") },
  [VSMMU_FAULT_STE_ABORT] = { "", N_ ("STE: aborts all transactions (Config)") },
  [VSMMU_FAULT_STE_STAGE] = { "C_BAD_STE", N_ ("STE: requires a stage that this SMMU does not support (Config)") },
  [VSMMU_FAULT_STE_STAGE_2] = { "", N_ ("STE: requires stage 2, which is not supported here (Config)") },
  [VSMMU_FAULT_STE_SUBSTREAMS] = { "C_BAD_STE",
                                   N_ ("STE: requires substreams, which this SMMU does not support (S1CDMax, S1Fmt)") },
  [VSMMU_FAULT_STE_DISABLED] = { "F_STREAM_DISABLED",
                                 N_ ("STE: terminates transactions without a SubstreamID (S1DSS)") },
  [VSMMU_FAULT_STE_STALL] = { "C_BAD_STE", N_ ("STE: configures stalls, which this SMMU does not support (S1STALLD)") },
  [VSMMU_FAULT_L1CD_UNREADABLE] = { "F_CD_FETCH", N_ ("CD: the first level of the table cannot be read") },
  [VSMMU_FAULT_L1CD_INVALID] = { "C_BAD_SUBSTREAMID", N_ ("CD: no entry in the first level of the table") },
  [VSMMU_FAULT_CD_UNREADABLE] = { "F_CD_FETCH", N_ ("CD: cannot be read") },
  [VSMMU_FAULT_CD_INVALID] = { "C_BAD_CD", N_ ("CD: not valid (V is 0)") },
  [VSMMU_FAULT_CD_AARCH32] = { "C_BAD_CD", N_ ("CD: the tables are in AArch32 format (AA64 is 0)") },
  [VSMMU_FAULT_CD_TERMINATE] = { "C_BAD_CD", N_ ("CD: requires faults to be ignored, which this SMMU does not support "
                                                 "(A is 0)") },
  [VSMMU_FAULT_CD_STALL] = { "C_BAD_CD",
                             N_ ("CD: requires faults to stall, which this SMMU does not support (S is 1)") },
  [VSMMU_FAULT_CD_HARDWARE_FLAGS] = { "C_BAD_CD",
                                      N_ ("CD: requires hardware updates of flags, which this SMMU does not support "
                                          "(HA, HD)") },
  [VSMMU_FAULT_CD_SIZE] = { "C_BAD_CD", N_ ("CD: an address range is too small or too large (T0SZ, T1SZ)") },
  [VSMMU_FAULT_CD_GRANULE] = { "C_BAD_CD", N_ ("CD: no valid granule (TG0, TG1)") },
  [VSMMU_FAULT_CD_ENDIAN] = { "C_BAD_CD", N_ ("CD: the tables are big-endian (ENDI is 1)") },
  [VSMMU_FAULT_CD_TTB] = { "C_BAD_CD", N_ ("CD: the tables are beyond the output address size (TTB0, TTB1, IPS)") },
  [VSMMU_FAULT_NO_RANGE] = { "F_TRANSLATION",
                             N_ ("stage 1: the address is not in an enabled range (T0SZ, T1SZ, EPD0, EPD1)") },
  [VSMMU_FAULT_TABLE_UNREADABLE] = { "F_WALK_EABT", N_ ("stage 1: the table cannot be read") },
  [VSMMU_FAULT_UNMAPPED] = { "F_TRANSLATION", N_ ("stage 1: the address is not mapped") },
  [VSMMU_FAULT_TABLE_PERMISSION] = { "F_PERMISSION", N_ ("stage 1: the table does not allow writes (APTable)") },
  [VSMMU_FAULT_ACCESS] = { "F_ACCESS", N_ ("stage 1: the access flag is not set (AF)") },
  [VSMMU_FAULT_PERMISSION] = { "F_PERMISSION", N_ ("stage 1: the page does not allow writes (AP)") },
  [VSMMU_FAULT_ADDRESS_SIZE] = { "F_ADDR_SIZE", N_ ("stage 1: the page is beyond the output address size (IPS)") },
};

gboolean
vsmmu_fault_set (VsmmuFault *fault, VsmmuFaultReason reason)
{
  *fault = (VsmmuFault){ reason, FALSE, 0, VSMMU_FAULT_NO_LEVEL };
  return FALSE;
}

gboolean
vsmmu_fault_set_at (VsmmuFault *fault, VsmmuFaultReason reason, guint64 descriptor)
{
  *fault = (VsmmuFault){ reason, TRUE, descriptor, VSMMU_FAULT_NO_LEVEL };
  return FALSE;
}

gboolean
vsmmu_fault_set_level (VsmmuFault *fault, VsmmuFaultReason reason, guint64 descriptor, int level)
{
  *fault = (VsmmuFault){ reason, TRUE, descriptor, level };
  return FALSE;
}

const char *
vsmmu_fault_get_event (const VsmmuFault *fault)
{
  return faults[fault->reason].event;
}

void
vsmmu_fault_set_error (const VsmmuFault *fault, guint32 stream_id, guint64 iova, GError **error)
{
  const char *sentence = _ (faults[fault->reason].sentence);
  const char *event = *faults[fault->reason].event != '\0' ? faults[fault->reason].event : _ ("no event");

  if (!fault->has_descriptor)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the MSI address 0x%" PRIx64 " of StreamID 0x%x is not translated: %s [%s]"), iova, stream_id,
                 sentence, event);
  else if (fault->level == VSMMU_FAULT_NO_LEVEL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the MSI address 0x%" PRIx64 " of StreamID 0x%x is not translated: %s [%s, descriptor at "
                    "0x%" PRIx64 "]"),
                 iova, stream_id, sentence, event, fault->descriptor);
  else
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the MSI address 0x%" PRIx64 " of StreamID 0x%x is not translated: %s [%s, level %d, descriptor at "
                    "0x%" PRIx64 "]"),
                 iova, stream_id, sentence, event, fault->level, fault->descriptor);
}
