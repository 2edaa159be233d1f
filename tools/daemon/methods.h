/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "authority.h"
#include "base/budget.h"
#include "guests.h"
#include "host-cache.h"
#include "verdicts.h"

/* What methods work with. */
typedef struct {
  gboolean is_session; /* then the policy is that of the user too */
  VsmmuHostCache *host;
  VsmmuVerdicts *verdicts;
  VsmmuGuests *guests; /* (nullable): nobody watches any */
  VsmmuBudget *budget;
} VsmmuMethodContext;

/* One call, as a thread sees it. */
typedef struct {
  VsmmuMethodContext *context;
  GVariant *parameters;
  GUnixFDList *descriptors; /* (nullable): */
  gboolean is_large;        /* what it brings is more than VSMMU_QUOTA_LARGE_BYTES */
  gsize taken;              /* of the budget, for the document; whoever runs the method gives it back */
} VsmmuRequest;

/*
 * VsmmuMethod:
 * @name: of the method
 * @action: what a caller must be allowed
 * @run: (nullable): carries it out in a thread; returns a floating tuple, or %NULL with @error set
 * @start: (nullable): carries it out in the main thread without waiting; @task gets a floating tuple or an error
 */
typedef struct {
  const char *name;
  VsmmuAction action;
  GVariant *(*run) (VsmmuRequest *request, GError **error);
  void (*start) (const VsmmuRequest *request, GTask *task);
} VsmmuMethod;

/* The methods of the interface, and what reads its properties; ends with a row without a name. */
extern const VsmmuMethod vsmmu_methods[];

/* Returns: (nullable): the row with that name */
const VsmmuMethod *vsmmu_methods_find (const char *name);

/* A property of the interface, and its value: (transfer floating) */
typedef struct {
  const char *name;
  GVariant *(*get) (const VsmmuMethodContext *context);
} VsmmuServiceProperty;

/* All of them; ends with a row without a name. */
extern const VsmmuServiceProperty vsmmu_service_properties[];
