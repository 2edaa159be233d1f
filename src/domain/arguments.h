/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "domain/options.h"

/* The arguments of <qemu:commandline> as QEMU reads them: options, each with its value. */

/* What an option means here. */
typedef enum {
  VSMMU_OPTION_OTHER, /* neither makes nor changes devices that matter here */
  VSMMU_OPTION_DEVICE,
  VSMMU_OPTION_OBJECT,
  VSMMU_OPTION_GLOBAL,
  VSMMU_OPTION_SET,
  VSMMU_OPTION_MACHINE,
  VSMMU_OPTION_CONFIG,  /* more options, from a file */
  VSMMU_OPTION_UNKNOWN, /* QEMU has no such option */
} VsmmuOptionKind;

typedef struct {
  const VsmmuPassthrough *name;
  const VsmmuPassthrough *value; /* (nullable): for an option without one */
  const char *canonical;         /* the name without dashes */
  VsmmuOptionKind kind;
  GHashTable *values;  /* (nullable): name → value of -device, -object, -global and -machine; %NULL for JSON */
  GHashTable *members; /* (nullable): the same of JSON; %NULL for what QEMU does not read as one JSON object */
  gboolean is_json;
  gboolean is_guess; /* it follows an unknown option, so it may be a value */
  gboolean is_taken; /* lifting has put something else in its place */
} VsmmuOption;

/*
 * vsmmu_arguments_parse:
 * @arguments: (element-type VsmmuPassthrough)
 *
 * Splits the arguments as qemu_init() does. After an unknown option, each argument counts both as an option and as
 * the value of the previous one.
 *
 * Returns: (transfer full) (element-type VsmmuOption): in the order of the document; borrows from @arguments
 */
GPtrArray *vsmmu_arguments_parse (const GArray *arguments);

/*
 * vsmmu_option_get:
 * @name: "" for the first value, which has no name: the driver of -device, the qom-type of -object, the type of
 * -machine
 *
 * Returns: (nullable): the value @name of @option; of several, the last, whichever way it was written
 */
const char *vsmmu_option_get (const VsmmuOption *option, const char *name);

/* Whether @option has values called @names, %NULL-terminated, and no other. */
gboolean vsmmu_option_has_only (const VsmmuOption *option, const char *const *names);

/*
 * vsmmu_arguments_split_global:
 * @text: the value of -global
 * @driver: (out) (transfer full) (nullable)
 * @property: (out) (transfer full) (nullable)
 * @value: (out) (transfer full) (nullable)
 *
 * Takes apart DRIVER.PROPERTY=VALUE or driver=DRIVER,property=PROPERTY,value=VALUE, as qemu_global_option() does.
 *
 * Returns: %FALSE for what QEMU refuses
 */
gboolean vsmmu_arguments_split_global (const char *text, char **driver, char **property, char **value);

/*
 * vsmmu_arguments_split_set:
 * @text: the value of -set: GROUP.ID.PROPERTY=VALUE
 * @parts: (out) (transfer full): these four
 *
 * Returns: %FALSE for what QEMU refuses
 */
gboolean vsmmu_arguments_split_set (const char *text, char *parts[4]);

/*
 * vsmmu_arguments_parse_json:
 *
 * Reads one JSON object as QEMU does, which also takes 'single quotes'.
 *
 * Returns: (transfer full) (nullable): name → value, strings without their quotes and all else as it stands; %NULL for
 *   what QEMU refuses, and for names that are there twice
 */
GHashTable *vsmmu_arguments_parse_json (const char *text);
