/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <vsmmu/vsmmu.h>

#include "base/target.h"

/* The options that say which host is meant. */
typedef struct {
  char *path; /* --host */
  gboolean is_this_host;
  gboolean is_passive;
} VsmmuFactsOptions;

/* (nullable): translated: why the options do not go together */
const char *vsmmu_facts_find_fault (const VsmmuFactsOptions *options);

/*
 * vsmmu_facts_load_chosen:
 *
 * Returns: (transfer full): the facts of the host that @options mean; %NULL with
 *   @error set, or not set when they mean none
 */
VsmmuHost *vsmmu_facts_load_chosen (const VsmmuFactsOptions *options, GError **error);

/*
 * vsmmu_facts_choose_target:
 * @text: what --target gives: versions, `this`, or a file of facts or directory as for vsmmu_facts_load()
 * @uri: (nullable): of libvirt, for `this`
 * @target: (out):
 */
gboolean vsmmu_facts_choose_target (const char *text, const char *uri, VsmmuTarget *target, GError **error);

/*
 * vsmmu_facts_load:
 * @path: (nullable): what --host gives: a file of facts, `-`, or a directory
 *   with the /sys, /proc and /dev of a host; %NULL for this host
 * @flags: for this host
 *
 * Returns: (transfer full): the facts, or %NULL with @error set
 */
VsmmuHost *vsmmu_facts_load (const char *path, VsmmuHostProbeFlags flags, GError **error);
