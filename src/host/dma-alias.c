/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/host.h"

/* Devices whose requests come from a function beside their own: quirk_dma_func0_alias(), _func1_alias(), _x200_ of
 * Linux. */
static const struct {
  guint16 vendor;
  guint16 device;
} aliased[] = {
  { 0x1180, 0xe832 }, { 0x1180, 0xe476 },                                                             /* Ricoh */
  { 0x1b4b, 0x9120 }, { 0x1b4b, 0x9123 }, { 0x1b4b, 0x9125 }, { 0x1b4b, 0x9128 }, { 0x1b4b, 0x9130 }, /* Marvell */
  { 0x1b4b, 0x9170 }, { 0x1b4b, 0x9172 }, { 0x1b4b, 0x917a }, { 0x1b4b, 0x9182 }, { 0x1b4b, 0x9183 },
  { 0x1b4b, 0x91a0 }, { 0x1b4b, 0x9215 }, { 0x1b4b, 0x9220 }, { 0x1b4b, 0x9230 }, { 0x1b4b, 0x9235 },
  { 0x1103, 0x0642 }, { 0x1103, 0x0645 }, /* HighPoint */
  { 0x1c28, 0x0122 },                     /* Plextor */
  { 0x197b, 0x2392 },                     /* JMicron */
  { 0x8086, 0x2260 }, { 0x8086, 0x2264 }, /* Xeon Phi x200 */
};

gboolean
vsmmu_host_device_has_dma_alias (const VsmmuHostDevice *device)
{
  for (guint i = 0; i < G_N_ELEMENTS (aliased); i++)
    if (aliased[i].vendor == device->vendor && aliased[i].device == device->device)
      return TRUE;
  return FALSE;
}
