/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan/layout.h"
#include "xml/edit.h"

/*
 * vsmmu_adoption_new:
 * @guest: must outlive the result
 * @names: (nullable): addresses of devices of @guest on the host, NULL-terminated; %NULL for all that it has
 * @error: %VSMMU_ERROR_VALUE for an invalid address, else %VSMMU_ERROR_UNSUPPORTED with the device that cannot be
 *   behind a vSMMU, and why
 */
VsmmuAdoption *vsmmu_adoption_new (const VsmmuDomain *guest, const VsmmuHost *host, const char *const *names,
                                   GError **error);

void vsmmu_adoption_free (VsmmuAdoption *adoption);

/* Whether the document changes. */
gboolean vsmmu_adoption_changes_something (const VsmmuAdoption *adoption);

/* Edits the elements of the devices, whose ports are in @layout, and removes what is replaced. */
void vsmmu_adoption_edit (const VsmmuAdoption *adoption, VsmmuLayout *layout, VsmmuEdit *edit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuAdoption, vsmmu_adoption_free)
