/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/rule.h"

/* What the rules of a group look at. */
typedef enum {
  VSMMU_RULE_GROUP_DOCUMENT, /* the attributes of the document, one by one */
  VSMMU_RULE_GROUP_GUEST,    /* how the parts of the guest fit together */
  VSMMU_RULE_GROUP_HOST,     /* what a host has and can do */
  VSMMU_RULE_GROUP_TARGET,   /* what a libvirt and a QEMU version can do */
  VSMMU_RULE_GROUP_HOTPLUG,  /* what attaching a device to a running guest does, or detaching one */
  VSMMU_RULE_GROUP_MSI,      /* where the interrupts of a running guest go */
} VsmmuRuleGroup;

struct _VsmmuRule {
  const char *id;
  VsmmuRuleGroup group;
  VsmmuSeverity severity;
  const char *title;       /* translatable, as is the next */
  const char *explanation; /* why the rule exists, what QEMU and libvirt do instead, and how to fix it */
  const char *source;
};

/* (nullable): the id of a rule that the user probably meant by @id, which is unknown */
const char *vsmmu_rules_suggest (const char *id);

/* `document`, `guest`, `host`, `target`, `hotplug` or `msi`; not translated */
const char *vsmmu_rule_group_to_string (VsmmuRuleGroup group);
