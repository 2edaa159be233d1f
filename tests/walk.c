/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * walk FILE BASE: for each line of standard input, where a write through an emulated SMMUv3 goes. FILE is the
 * guest's memory from the GPA BASE on, and may change between lines. A line has, in hexadecimal: stream id, IOVA,
 * IDR0, IDR1, IDR5, CR0, GBPA, STRTAB_BASE, STRTAB_BASE_CFG. The answer is "ok GPA", or "fault EVENT LEVEL" with
 * "none" for no event.
 */
#include <stdio.h>
#include <stdlib.h>

#include "msi/smmuv3.h"

static void
answer (const VsmmuMemoryReader *memory, const guint64 *values)
{
  const VsmmuSmmuv3Registers registers = {
    .idr0 = (guint32) values[2],
    .idr1 = (guint32) values[3],
    .idr5 = (guint32) values[4],
    .cr0 = (guint32) values[5],
    .gbpa = (guint32) values[6],
    .strtab_base = values[7],
    .strtab_base_cfg = (guint32) values[8],
  };
  VsmmuFault fault;
  guint64 gpa;

  if (vsmmu_smmuv3_translate (&registers, memory, (guint32) values[0], values[1], &gpa, &fault))
    printf ("ok %" G_GINT64_MODIFIER "x\n", gpa);
  else
    printf ("fault %s %d\n", *vsmmu_fault_get_event (&fault) != '\0' ? vsmmu_fault_get_event (&fault) : "none",
            fault.level);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuMemoryReader) memory = NULL;
  char line[256];

  if (argc != 3)
    return 2;
  memory = vsmmu_memory_reader_new_flat (argv[1], g_ascii_strtoull (argv[2], NULL, 16), &error);
  if (memory == NULL) {
    g_printerr ("walk: %s\n", error->message);
    return 2;
  }
  while (fgets (line, sizeof (line), stdin) != NULL) {
    guint64 values[9] = { 0 };
    char *rest = line;

    for (guint i = 0; i < G_N_ELEMENTS (values); i++)
      values[i] = g_ascii_strtoull (rest, &rest, 16);
    answer (memory, values);
  }
  return 0;
}
