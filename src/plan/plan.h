/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/plan.h"

/* All is borrowed by those who fill it in themselves, and owned by vsmmu_plan_options_new(). */
struct _VsmmuPlanOptions {
  guint spare_ports;
  guint memory; /* GiB; 0 for a placeholder */
  guint vcpus;  /* 0 for a placeholder */
  gboolean is_per_device;
  VsmmuPlanManaged managed;
  const char *name;           /* (nullable) */
  const char *guest;          /* (nullable): %NULL for a small guest with placeholders */
  gsize guest_length;         /* bytes */
  const char *guest_name;     /* (nullable): what messages call the document in @guest */
  gboolean adopts;            /* devices that @guest has already */
  const char *const *adopted; /* (nullable): their addresses on the host; %NULL for all */
};

struct _VsmmuPlan {
  char *xml;
  gsize length;
  gboolean is_unchanged; /* @xml is the guest as it was: the devices and ports are there */
  GPtrArray *notes;      /* (element-type utf8) */
  GPtrArray *findings;   /* (element-type VsmmuFinding) */
};

/* vsmmu_plan_new() for the guest in the file @path, or - for standard input, which is only read. */
VsmmuPlan *vsmmu_plan_new_into_file (const VsmmuHost *host, const char *const *devices, const VsmmuPlanOptions *options,
                                     const char *path, GError **error);
