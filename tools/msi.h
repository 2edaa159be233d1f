/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The options of `virt-vsmmu msi` that are about a running guest. */
typedef struct {
  char *domain; /* id, UUID or name */
  char *uri;    /* (nullable) */
  gboolean use_monitor;
} VsmmuMsiLive;

/* Prints where the interrupts of a running guest go; returns the exit status. */
int vsmmu_msi_show_guest (const VsmmuMsiLive *live, gboolean is_json);
