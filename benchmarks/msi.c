/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * msi REPETITIONS: time of vsmmu_msi_resolve() beside a bare chase of pointers, by turns. Prints for each number of
 * devices, direct and translated, the nanoseconds of one resolve, of one chase, and the loads of the chase; one line
 * for each repetition.
 *
 * A chase of the translated path goes through the same cache lines as the walk: beside each descriptor of the tables
 * stands a pointer to what is beside the next one. That of the direct path goes through as much memory as a topology
 * takes. Each begins where the one before it says, so that the processor cannot do several at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "msi/topology.h"

#define DEVICES_MAX 4096
#define RESOLVES 200000
#define DIRECT_LOADS 3
/* Bits and services of 256 buses */
#define TOPOLOGY_SIZE (256 * 16 + 256 * 32)
#define CACHE_LINE 64

/* STE, CD, and four levels of tables for 48 bits */
#define TRANSLATED_LOADS 6
#define LEVELS 4
#define PAGE G_GUINT64_CONSTANT (0x1000)
#define BASE G_GUINT64_CONSTANT (0x40000000)
#define STREAM_TABLE_SIZE (65536 * G_GUINT64_CONSTANT (64))
#define MEMORY_SIZE (STREAM_TABLE_SIZE + DEVICES_MAX * (LEVELS + 1) * PAGE)
#define DOORBELL G_GUINT64_CONSTANT (0x08090040)
#define IOVA G_GUINT64_CONSTANT (0x1234fffff040)

typedef struct {
  guint64 *words; /* of the guest's memory */
  VsmmuMsiResolver *direct;
  VsmmuMsiResolver *translated;
  VsmmuPciDevfn devices[DEVICES_MAX];
  void **starts[DEVICES_MAX]; /* of the chases */
  guint order[RESOLVES];
} Bench;

static VsmmuPciDevfn
devfn_of (guint device)
{
  return VSMMU_PCI_DEVFN (device % 256, device / 256, 0);
}

/* A word of guest memory, and the pointer beside it in its cache line that leads to the next one. */
static guint64 *
word_at (const Bench *bench, guint64 gpa)
{
  return &bench->words[(gpa - BASE) / 8];
}

static void **
beside (const Bench *bench, guint64 gpa)
{
  return (void **) word_at (bench, gpa ^ 32);
}

/* The tables of one device; where its chase begins. */
static void **
make_tables (const Bench *bench, guint device)
{
  guint64 ste = BASE + devfn_of (device) * G_GUINT64_CONSTANT (64);
  guint64 cd = BASE + STREAM_TABLE_SIZE + device * (LEVELS + 1) * PAGE;
  guint64 places[TRANSLATED_LOADS] = { ste, cd + device % 64 * 64 };

  *word_at (bench, ste) = 1 | 5 << 1 | places[1];
  *word_at (bench, places[1]) = 16 | 1 << 30 | G_GUINT64_CONSTANT (1) << 31 | G_GUINT64_CONSTANT (4) << 32 |
                                G_GUINT64_CONSTANT (1) << 41 | G_GUINT64_CONSTANT (1) << 46;
  *word_at (bench, places[1] + 8) = cd + PAGE;
  for (guint level = 0; level < LEVELS; level++) {
    guint64 table = cd + (level + 1) * PAGE;

    places[2 + level] = table + (IOVA >> (39 - 9 * level) & 0x1ff) * 8;
    *word_at (bench, places[2 + level]) =
        level < LEVELS - 1 ? (table + PAGE) | 3 : (DOORBELL & ~(PAGE - 1)) | 1 << 10 | 3;
  }
  for (guint i = 0; i < TRANSLATED_LOADS; i++)
    *beside (bench, places[i]) = i + 1 < TRANSLATED_LOADS ? beside (bench, places[i + 1]) : NULL;
  return beside (bench, ste);
}

static VsmmuMsiResolver *
resolver_new (const Bench *bench, VsmmuViommu *viommu)
{
  const VsmmuGuestRegion region = { 0x08080000, 0x20000, "ITS" };
  VsmmuMsiBus buses[256] = { { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .viommu = viommu } };
  VsmmuMsiTopology *topology;

  for (guint i = 1; i < 256; i++)
    buses[i] = (VsmmuMsiBus){ .kind = VSMMU_MSI_BUS_EXPRESS, .bridge = (guint8) i, .number = (gint16) i };
  topology = vsmmu_msi_topology_new (buses, 256, bench->devices, DEVICES_MAX, &region, 1, NULL);
  vsmmu_viommu_unref (viommu);
  return vsmmu_msi_resolver_new (topology);
}

static Bench *
bench_new (void)
{
  const VsmmuMsiMachine machine = { VSMMU_MSI_CONTROLLER_ITS, 0x08080000, 0x20000, DOORBELL };
  const VsmmuSmmuv3Registers registers = {
    .idr0 = 1 << 1, .idr5 = 4, .cr0 = 1, .strtab_base = BASE, .strtab_base_cfg = 16
  };
  Bench *bench = g_new0 (Bench, 1);
  int fd = memfd_create ("guest-memory", 0);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autoptr (GError) error = NULL;
  VsmmuMemoryReader *memory;

  if (fd < 0 || ftruncate (fd, MEMORY_SIZE) != 0)
    exit (2);
  bench->words = mmap (NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memory = vsmmu_memory_reader_new_flat (path, BASE, &error);
  if (bench->words == MAP_FAILED || memory == NULL)
    exit (2);
  for (guint i = 0; i < DEVICES_MAX; i++) {
    bench->devices[i] = devfn_of (i);
    bench->starts[i] = make_tables (bench, i);
  }
  bench->direct = resolver_new (bench, vsmmu_viommu_new_accelerated (&machine));
  bench->translated =
      resolver_new (bench, vsmmu_viommu_new_emulated (vsmmu_smmuv3_source_new_fixed (&registers, memory)));
  return bench;
}

static double
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

/* Nanoseconds of one resolve. The answer is always the doorbell, so @next stays 0, which the processor cannot know. */
static double
time_resolves (const Bench *bench, VsmmuMsiResolver *resolver)
{
  double start = now ();
  guint next = 0;

  for (guint i = 0; i < RESOLVES; i++) {
    VsmmuMsiRoute route;

    if (!vsmmu_msi_resolve (resolver, bench->devices[bench->order[i + next]], IOVA, 0, &route, NULL))
      exit (2);
    next = route.address_lo ^ (guint32) DOORBELL;
  }
  return (now () - start) / RESOLVES;
}

static double
time_chases (const Bench *bench, guint loads)
{
  double start = now ();
  guint next = 0;

  for (guint i = 0; i < RESOLVES; i++) {
    void **place = bench->starts[bench->order[i + next]];

    for (guint load = 1; load < loads; load++)
      place = *place;
    next = *place != NULL;
  }
  if (next != 0)
    exit (2);
  return (now () - start) / RESOLVES;
}

/* One load of a chase around memory of the size of a topology. */
static double
time_small_loads (void)
{
  enum { LINES = TOPOLOGY_SIZE / CACHE_LINE };
  static void *lines[LINES][CACHE_LINE / sizeof (void *)];
  void **place = lines[0];
  double start;

  /* 77 and the number of lines have no common factor, so that the way goes through all. */
  for (guint i = 0; i < LINES; i++)
    lines[i][0] = lines[(i + 77) % LINES];
  for (guint i = 0; i < LINES; i++)
    place = *place;
  start = now ();
  for (guint i = 0; i < RESOLVES; i++)
    place = *place;
  if (place == NULL)
    exit (2);
  return (now () - start) / RESOLVES;
}

int
main (int argc, char **argv)
{
  static const guint sizes[] = { 1, 16, 256, DEVICES_MAX };
  int repetitions = argc > 1 ? atoi (argv[1]) : 1;
  Bench *bench = bench_new ();

  for (int repetition = 0; repetition < repetitions; repetition++) {
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      for (guint n = 0; n < RESOLVES; n++)
        bench->order[n] = (guint) rand () % sizes[i];
      time_resolves (bench, bench->direct);
      printf ("direct %u %.3f %.3f %d\n", sizes[i], time_resolves (bench, bench->direct),
              DIRECT_LOADS * time_small_loads (), DIRECT_LOADS);
      time_chases (bench, TRANSLATED_LOADS);
      printf ("translated %u %.3f %.3f %d\n", sizes[i], time_resolves (bench, bench->translated),
              time_chases (bench, TRANSLATED_LOADS), TRANSLATED_LOADS);
    }
  }
  return 0;
}
