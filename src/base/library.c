/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <libxml/parser.h>

#include "vsmmu/error.h"
#include "vsmmu/version.h"

/* Programs that use the library need not know where its translations are. Those that link it statically have this too,
 * since all that can fail refers to vsmmu_error_quark(). */
__attribute__ ((constructor)) static void
library_init (void)
{
  bindtextdomain (GETTEXT_PACKAGE, LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  /* libxml2 asks for this before it is used from several threads. */
  xmlInitParser ();
}

guint
vsmmu_version (void)
{
  return VSMMU_VERSION;
}

/* Not G_DEFINE_QUARK(), which sets a variable without a lock the first time. */
GQuark
vsmmu_error_quark (void)
{
  return g_quark_from_static_string ("vsmmu-error-quark");
}
