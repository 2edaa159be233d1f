/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a verification reads besides the guest: QEMU's log, any bytes at all, and what the domain's metadata say of a
 * mismatch. The input is both.
 */
#include <stdint.h>
#include <string.h>

#include "check/policy.h"
#include "probe/qemu-log.h"
#include "vsmmu/vsmmu.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define DOMAIN                                                                                                         \
  "<domain type='kvm'><name>fuzz</name><os><type arch='aarch64' machine='virt'>hvm</type></os>%.*s</domain>"
#define CHARACTERS_MAX 160

static void
read_log (const char *text, gsize length)
{
  const char *start = vsmmu_qemu_log_find_start (text, length);
  VsmmuQemuWords all = { 0 };
  VsmmuQemuWords recent = { 0 };

  if (start < text || start > text + length)
    g_error ("the last start is not in the log");
  vsmmu_qemu_words_read (&all, text, length);
  vsmmu_qemu_words_read (&recent, start, length - (gsize) (start - text));
  if (recent.n_refused > all.n_refused || recent.n_unattached > all.n_unattached || recent.n_routes > all.n_routes)
    g_error ("a part says more than the whole");
  if ((all.line != NULL) != (all.n_refused + all.n_unattached > 0))
    g_error ("a complaint without a line, or a line without a complaint");
  if (all.line != NULL && (!g_utf8_validate (all.line, -1, NULL) || g_utf8_strlen (all.line, -1) > CHARACTERS_MAX))
    g_error ("a line that cannot be shown");
  if ((all.routes_and & ~all.routes_or) != 0)
    g_error ("bits that all routes have, and none");
  vsmmu_qemu_words_clear (&all);
  vsmmu_qemu_words_clear (&recent);
}

static void
read_metadata (const char *text, gsize length)
{
  g_autofree char *xml = g_strdup_printf (DOMAIN, (int) length, text);
  g_autoptr (VsmmuDomain) domain = vsmmu_domain_new_from_data (xml, strlen (xml), "fuzz", NULL);
  VsmmuPolicyMismatch action = (VsmmuPolicyMismatch) G_MAXINT;

  if (domain != NULL && vsmmu_policy_mismatch_of (domain, &action) && vsmmu_policy_mismatch_to_string (action) == NULL)
    g_error ("a word that there is not");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *copy = g_memdup2 (data, size);
  g_autofree char *text = g_strndup ((const char *) data, size);

  read_log (copy != NULL ? copy : "", size);
  read_metadata (text, strlen (text));
  return 0;
}
