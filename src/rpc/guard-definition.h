/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/guard-internal.h"

/*
 * VsmmuDefinition: one definition of a domain that a call about a device changes, and what the change makes of it.
 *
 * Changes go into the text that libvirt has, which may be a lowered one, and their result is lifted: so what counts is
 * what libvirt would start. Elements keep their lines, so that findings before and after can be compared.
 */
typedef struct {
  char *raw; /* as libvirt has it */
  xmlDocPtr document;
  VsmmuDomain *domain; /* as the user would write it */
  char *lifted;        /* the text of @domain */
  gsize lifted_length;
} VsmmuDefinition;

/* What is done with a device. */
typedef enum {
  VSMMU_CHANGE_ATTACH,
  VSMMU_CHANGE_DETACH,
  VSMMU_CHANGE_UPDATE,
} VsmmuChange;

/*
 * vsmmu_definition_new:
 * @raw: (transfer full): XML that libvirt gave out
 * @error: %VSMMU_ERROR_REFUSED when it cannot be read
 */
VsmmuDefinition *vsmmu_definition_new (char *raw, GError **error);

void vsmmu_definition_free (VsmmuDefinition *definition);

/*
 * vsmmu_definitions_find:
 * @uuid: 16 bytes
 * @flags: virDomainDeviceModifyFlags
 * @device: (nullable): XML of a device that comes to it
 *
 * A guest that does not run has one definition only. What runs need not be what runs when libvirt gets the call: a
 * guest that is attached a VFIO device is looked at again.
 *
 * Returns: (transfer full) (element-type VsmmuDefinition): those that @flags name, none when there is no such domain or
 *   it cannot concern us; %NULL with @error set when they cannot be had
 */
GPtrArray *vsmmu_definitions_find (const VsmmuGuard *guard, const guint8 *uuid, guint flags, const char *device,
                                   GError **error);

/*
 * vsmmu_definition_find:
 * @device: the root of a device document, or %NULL
 * @alias: (nullable): the name of a device, instead
 *
 * Returns: (transfer container) (element-type xmlNode): the devices of @definition that libvirt may mean
 */
GPtrArray *vsmmu_definition_find (const VsmmuDefinition *definition, const xmlNode *device, const char *alias);

/*
 * vsmmu_definition_change:
 * @target: (nullable): the device that is taken out or replaced; %NULL to add one
 * @device: (nullable): what is put there
 * @keeps_address: whether a device without an address gets that of @target
 *
 * Returns: (transfer full): the lifted result, or %NULL with @error set
 */
VsmmuDomain *vsmmu_definition_change (const VsmmuDefinition *definition, const xmlNode *target, const xmlNode *device,
                                      gboolean keeps_address, GError **error);

/* (transfer full): @definition without @nodes (element-type xmlNode), which are of its @domain; %NULL with @error set
 */
VsmmuDomain *vsmmu_definition_leave_out (const VsmmuDefinition *definition, const GPtrArray *nodes, GError **error);

/* (transfer full): @node on one line */
char *vsmmu_definition_write_element (const xmlNode *node);

/* Removes from @findings what is among @known, once for each. */
void vsmmu_definition_remove_known (GPtrArray *findings, const GPtrArray *known);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuDefinition, vsmmu_definition_free)
