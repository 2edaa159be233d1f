/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests/sanitize runs this with ThreadSanitizer too. */
#include <pthread.h>

#include "msi/topology.h"
#include "vsmmu/vsmmu.h"

#define RESOLVERS 6
#define REPLACERS 2
#define ROUNDS 4000
#define BUSES 16
/* Threads that resolve at the same moment, and how many of them came before the others. */
#define CROWD 80
#define FIRST 64

/* A topology in which everything says which one it is: the doorbell, and the numbers of the buses. */
typedef struct {
  VsmmuViommu viommu;
  guint version;
  int *n_alive;
} Versioned;

static guint64
doorbell_of (guint version)
{
  return 0x100000 + version * 0x1000;
}

static gboolean
versioned_get_msi_direct_gpa (const VsmmuViommu *viommu, guint64 *gpa, G_GNUC_UNUSED GError **error)
{
  *gpa = doorbell_of (((const Versioned *) viommu)->version);
  return TRUE;
}

static void
versioned_free (VsmmuViommu *viommu)
{
  g_atomic_int_add (((Versioned *) viommu)->n_alive, -1);
  g_free (viommu);
}

static const VsmmuViommuKind versioned_ops = { "versioned", versioned_get_msi_direct_gpa, NULL, versioned_free };

/* Every second version lacks function 1 of each bus. */
static VsmmuMsiTopology *
topology_new (guint version, int *n_alive)
{
  Versioned *versioned = g_new0 (Versioned, 1);
  VsmmuMsiBus buses[BUSES] = { 0 };
  VsmmuPciDevfn devices[2 * BUSES];
  guint n_devices = 0;
  VsmmuMsiTopology *topology;

  versioned->viommu = (VsmmuViommu){ &versioned_ops, 1 };
  versioned->version = version;
  versioned->n_alive = n_alive;
  g_atomic_int_inc (n_alive);
  for (guint i = 0; i < BUSES; i++) {
    buses[i] = (VsmmuMsiBus){
      .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .number = (gint16) ((version + i) % 256), .viommu = &versioned->viommu
    };
    devices[n_devices++] = VSMMU_PCI_DEVFN (i, 0, 0);
    if (version % 2 == 0)
      devices[n_devices++] = VSMMU_PCI_DEVFN (i, 0, 1);
  }
  topology = vsmmu_msi_topology_new (buses, BUSES, devices, n_devices, NULL, 0, NULL);
  vsmmu_viommu_unref (&versioned->viommu);
  return topology;
}

typedef struct {
  VsmmuMsiResolver *resolver;
  int n_alive; /* topologies that are not freed */
  int version;
  int n_replacing;
  int n_present; /* routes of a function that comes and goes */
  int n_absent;
  int n_resolved;
} Stress;

static gpointer
resolve_and_compare (gpointer data)
{
  Stress *stress = data;

  for (guint i = 0; g_atomic_int_get (&stress->n_replacing) > 0; i++) {
    g_autoptr (GError) error = NULL;
    guint bus = i % BUSES;
    guint function = i / BUSES % 2;
    VsmmuMsiRoute route;
    guint version;

    g_atomic_int_inc (&stress->n_resolved);
    if (!vsmmu_msi_resolve (stress->resolver, VSMMU_PCI_DEVFN (bus, 0, function), 0, 7, &route, &error)) {
      g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI);
      g_assert_cmpuint (function, ==, 1);
      g_atomic_int_inc (&stress->n_absent);
      continue;
    }
    /* All of the route must be of one and the same version. */
    version = (route.address_lo - 0x100000) / 0x1000;
    g_assert_cmphex (route.address_lo, ==, doorbell_of (version));
    g_assert_cmphex (route.device_id, ==, ((version + bus) % 256) << 8 | function);
    g_assert_true (function == 0 || version % 2 == 0);
    if (function == 1)
      g_atomic_int_inc (&stress->n_present);
  }
  return NULL;
}

static gpointer
replace (gpointer data)
{
  Stress *stress = data;

  for (guint i = 0; i < ROUNDS; i++) {
    guint version = (guint) g_atomic_int_add (&stress->version, 1);

    vsmmu_msi_resolver_set_topology (stress->resolver, topology_new (version, &stress->n_alive));
    /* A resolver has its turn, too. */
    for (int n_before = g_atomic_int_get (&stress->n_resolved);
         i % 64 == 0 && g_atomic_int_get (&stress->n_resolved) == n_before;)
      g_thread_yield ();
  }
  g_atomic_int_add (&stress->n_replacing, -1);
  return NULL;
}

static void
test_resolving_while_devices_come_and_go (void)
{
  Stress stress = { .version = 1, .n_replacing = REPLACERS };
  GThread *threads[RESOLVERS + REPLACERS];

  stress.resolver = vsmmu_msi_resolver_new (topology_new (0, &stress.n_alive));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("msi", i < RESOLVERS ? resolve_and_compare : replace, &stress);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_test_message ("%d routes, %d times no function", stress.n_present, stress.n_absent);
  g_assert_cmpint (stress.n_present, >, 0);
  g_assert_cmpint (stress.n_absent, >, 0);
  /* Nobody resolves any more, so the next one to replace finds nothing but its own and the one before. */
  vsmmu_msi_resolver_set_topology (stress.resolver, topology_new (0, &stress.n_alive));
  g_assert_cmpint (g_atomic_int_get (&stress.n_alive), ==, 1);
  vsmmu_msi_resolver_free (stress.resolver);
  g_assert_cmpint (stress.n_alive, ==, 0);
}

/* Where the threads of a group meet, and where they wait for being let go. */
typedef struct {
  pthread_barrier_t all_in;
  pthread_barrier_t may_leave;
  VsmmuMsiResolver *resolver;
  guint function;
} Group;

/* A vIOMMU that is in the middle of a translation until the group of the function is let go. */
typedef struct {
  VsmmuViommu viommu;
  Group *groups;
  int *n_alive;
} Gate;

static gboolean
gate_translate (const VsmmuViommu *viommu, guint32 stream_id, G_GNUC_UNUSED guint64 iova, guint64 *gpa,
                G_GNUC_UNUSED GError **error)
{
  Group *group = &((const Gate *) viommu)->groups[stream_id & 1];

  pthread_barrier_wait (&group->all_in);
  pthread_barrier_wait (&group->may_leave);
  *gpa = stream_id;
  return TRUE;
}

static void
gate_free (VsmmuViommu *viommu)
{
  g_atomic_int_add (((Gate *) viommu)->n_alive, -1);
  g_free (viommu);
}

static const VsmmuViommuKind gate_ops = { "gate", NULL, gate_translate, gate_free };

static gpointer
resolve_through_gate (gpointer data)
{
  const Group *group = data;
  VsmmuMsiRoute route = { 0 };

  g_assert_true (vsmmu_msi_resolve (group->resolver, VSMMU_PCI_DEVFN (0, 0, group->function), 0, 0, &route, NULL));
  g_assert_cmphex (route.device_id, ==, 0x4200 | group->function);
  return NULL;
}

static VsmmuMsiResolver *
gated_resolver_new (Group *groups, int *n_gates)
{
  const VsmmuGuestRegion everything = { 0, G_MAXUINT64, "everything" };
  const VsmmuPciDevfn devices[] = { VSMMU_PCI_DEVFN (0, 0, 0), VSMMU_PCI_DEVFN (0, 0, 1) };
  Gate *gate = g_new0 (Gate, 1);
  const VsmmuMsiBus bus = { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .number = 0x42, .viommu = &gate->viommu };
  VsmmuMsiTopology *topology;

  *gate = (Gate){ { &gate_ops, 1 }, groups, n_gates };
  topology = vsmmu_msi_topology_new (&bus, 1, devices, 2, &everything, 1, NULL);
  vsmmu_viommu_unref (&gate->viommu);
  return vsmmu_msi_resolver_new (topology);
}

/* Starts @size threads, and returns when all are in the middle of a translation. */
static void
let_in (Group *group, VsmmuMsiResolver *resolver, guint function, GThread **threads, guint size)
{
  group->resolver = resolver;
  group->function = function;
  pthread_barrier_init (&group->all_in, NULL, size + 1);
  pthread_barrier_init (&group->may_leave, NULL, size + 1);
  for (guint i = 0; i < size; i++)
    threads[i] = g_thread_new ("crowd", resolve_through_gate, group);
  pthread_barrier_wait (&group->all_in);
}

static void
let_go (Group *group, GThread **threads, guint size)
{
  pthread_barrier_wait (&group->may_leave);
  for (guint i = 0; i < size; i++)
    g_thread_join (threads[i]);
  pthread_barrier_destroy (&group->all_in);
  pthread_barrier_destroy (&group->may_leave);
}

static void
test_a_topology_in_use_is_kept_until_the_last_thread_leaves (void)
{
  Group groups[2];
  GThread *threads[CROWD];
  int n_gates = 1;
  int n_alive = 0;
  VsmmuMsiResolver *resolver = gated_resolver_new (groups, &n_gates);

  let_in (&groups[0], resolver, 0, threads, FIRST);
  let_in (&groups[1], resolver, 1, threads + FIRST, CROWD - FIRST);
  vsmmu_msi_resolver_set_topology (resolver, topology_new (0, &n_alive));
  let_go (&groups[0], threads, FIRST);
  vsmmu_msi_resolver_set_topology (resolver, topology_new (1, &n_alive));
  g_assert_cmpint (g_atomic_int_get (&n_gates), ==, 1);
  let_go (&groups[1], threads + FIRST, CROWD - FIRST);
  vsmmu_msi_resolver_set_topology (resolver, topology_new (2, &n_alive));
  g_assert_cmpint (n_gates, ==, 0);
  g_assert_cmpint (n_alive, ==, 1);
  vsmmu_msi_resolver_free (resolver);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/msi-threads/come-and-go", test_resolving_while_devices_come_and_go);
  g_test_add_func ("/msi-threads/crowd", test_a_topology_in_use_is_kept_until_the_last_thread_leaves);
  return g_test_run ();
}
