/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"

/* How a member of a structure is written in JSON. */
typedef enum {
  VSMMU_FIELD_TEXT,       /* char *: a string, null for %NULL */
  VSMMU_FIELD_HEX16,      /* guint16: "0x…" of 4 digits */
  VSMMU_FIELD_HEX24,      /* guint32: "0x…" of 6 digits */
  VSMMU_FIELD_HEX64,      /* guint64: "0x…" */
  VSMMU_FIELD_NUMBER,     /* guint64 */
  VSMMU_FIELD_COUNT,      /* gint64: a number, null for -1, which is unknown */
  VSMMU_FIELD_BOOLEAN,    /* gboolean */
  VSMMU_FIELD_FACT,       /* VsmmuFact: { "value": number, "source": "…" }, null for unknown */
  VSMMU_FIELD_FACT_FLAG,  /* the same with true or false */
  VSMMU_FIELD_FACT_HEX32, /* the same with "0x…" of 8 digits */
  VSMMU_FIELD_FACT_YMN,   /* the same with "y", "m" or "n" */
  VSMMU_FIELD_OTHER,      /* read and written by a function of its own */
} VsmmuFieldKind;

/*
 * VsmmuField: one member of a JSON object, and where in a structure it is kept.
 * The order of the rows is the order in the output; a row without a name ends a
 * table. Those of options, registers and capabilities are by their enumerations.
 */
typedef struct {
  const char *name;
  VsmmuFieldKind kind;
  gsize offset;
  gint64 min; /* of VSMMU_FIELD_FACT, _NUMBER and _COUNT */
  gint64 max;
} VsmmuField;

extern const VsmmuField vsmmu_host_fields[];
extern const VsmmuField vsmmu_host_kernel_fields[];
extern const VsmmuField vsmmu_host_option_fields[VSMMU_HOST_OPTIONS + 1];
extern const VsmmuField vsmmu_host_node_fields[];
extern const VsmmuField vsmmu_host_confinement_fields[];
extern const VsmmuField vsmmu_host_tool_fields[];
extern const VsmmuField vsmmu_host_pages_fields[];
extern const VsmmuField vsmmu_host_smmu_fields[];
extern const VsmmuField vsmmu_host_register_fields[VSMMU_SMMU_REGISTERS + 1];
extern const VsmmuField vsmmu_host_capability_fields[VSMMU_SMMU_CAPABILITIES + 1];
extern const VsmmuField vsmmu_host_group_fields[];
extern const VsmmuField vsmmu_host_region_fields[];
extern const VsmmuField vsmmu_host_device_fields[];
extern const VsmmuField vsmmu_host_bar_fields[];
extern const VsmmuField vsmmu_host_unread_fields[];

/* Whether a member of this kind is a VsmmuFact. */
gboolean vsmmu_field_is_fact (VsmmuFieldKind kind);

/* The values of VSMMU_FIELD_FACT_YMN, in the order of #VsmmuHostOption's 0 to 2. */
extern const char *const vsmmu_field_ymn[3];
