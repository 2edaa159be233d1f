/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/arguments.h"
#include "xml/edit.h"

/* What libvirt passes to QEMU unchanged, for the user or for lowering. */

typedef struct {
  const VsmmuPassthrough *from;
  const char *type;
  gboolean is_taken; /* lifting has put something else in its place */
} VsmmuProperty;

/* One <qemu:device> of <qemu:override>. */
typedef struct {
  const xmlNode *node;
  const char *alias;
  GArray *properties; /* VsmmuProperty */
} VsmmuOverride;

/* All overrides of one device. */
typedef struct {
  GPtrArray *list;  /* (element-type VsmmuOverride) */
  GHashTable *last; /* name → the last VsmmuProperty of that name, which wins */
} VsmmuDeviceOverrides;

typedef struct {
  const VsmmuDomain *domain;
  GPtrArray *overrides; /* (element-type VsmmuOverride) */
  GHashTable *by_alias; /* alias → VsmmuDeviceOverrides */
  GPtrArray *options;   /* (element-type VsmmuOption): those that are certainly options */
  GHashTable *words;    /* word in any value → how often it is there */
} VsmmuPassthroughIndex;

void vsmmu_passthrough_index_init (VsmmuPassthroughIndex *passthroughs, const VsmmuDomain *domain);
void vsmmu_passthrough_index_clear (VsmmuPassthroughIndex *passthroughs);

/* Those of the device with this id, or %NULL. */
const VsmmuDeviceOverrides *vsmmu_passthrough_index_find (const VsmmuPassthroughIndex *passthroughs, const char *id);

/* The property that counts of the device with this id, or %NULL. */
VsmmuProperty *vsmmu_passthrough_index_property (const VsmmuPassthroughIndex *passthroughs, const char *id,
                                                 const char *name);

/* Marks the last property @name of the device with this id as taken, and those that it hides; returns it, or %NULL. */
VsmmuProperty *vsmmu_passthrough_index_take (const VsmmuPassthroughIndex *passthroughs, const char *id,
                                             const char *name);

/* How often @word, such as the id of a device, is there in all values. */
guint vsmmu_passthrough_index_count (const VsmmuPassthroughIndex *passthroughs, const char *word);

/* Whether all of @override is taken. */
gboolean vsmmu_override_is_taken (const VsmmuOverride *override);

/* Removes what is taken from the document; the nodes that are removed as a whole are added to @removed. */
void vsmmu_passthrough_index_remove_taken (const VsmmuPassthroughIndex *passthroughs, VsmmuEdit *edit,
                                           GHashTable *removed);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VsmmuPassthroughIndex, vsmmu_passthrough_index_clear)
