/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A listing of a host from strangers: any bytes are a host or an error, and what is read once is read so again. */
#include <stdint.h>
#include <string.h>

#include "check/readiness.h"
#include "probe/host.h"
#include "probe/listing.h"
#include "stop.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_new_from_listing ((const char *) data, size, "host.sysfs", &error);
  g_autoptr (VsmmuHost) again = NULL;
  g_autoptr (GPtrArray) readiness = NULL;
  g_autofree char *text = NULL;
  g_autofree char *same = NULL;

  vsmmu_listing_is_one ((const char *) data, size);
  if ((host == NULL) != (error != NULL))
    g_error ("neither or both of a host and an error");
  if (host == NULL)
    return 0;
  readiness = vsmmu_host_check_readiness (host);
  text = vsmmu_host_to_json (host);
  again = vsmmu_host_new_from_listing ((const char *) data, size, "host.sysfs", NULL);
  same = again != NULL ? vsmmu_host_to_json (again) : NULL;
  if (g_strcmp0 (text, same) != 0)
    g_error ("the same listing is another host");
  return 0;
}
