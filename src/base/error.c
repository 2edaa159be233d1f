/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vsmmu/error.h"

/* Not G_DEFINE_QUARK(), which sets a variable without a lock the first time. */
GQuark
vsmmu_error_quark (void)
{
  return g_quark_from_static_string ("vsmmu-error-quark");
}
