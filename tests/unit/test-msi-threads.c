/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tests/sanitize runs this with ThreadSanitizer too. */
#include <pthread.h>

#include "vsmmu/vsmmu.h"

#define RESOLVERS 6
#define REPLACERS 2
#define ROUNDS 4000
#define BUSES 16
/* More threads than a resolver has pins. */
#define CROWD 80

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

static const VsmmuIommuOps versioned_ops = { "versioned", versioned_get_msi_direct_gpa, NULL, versioned_free };

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
    if (i % 64 == 0)
      g_usleep (200);
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

/* A vIOMMU that translates only when all threads are there. */
typedef struct {
  VsmmuViommu viommu;
  pthread_barrier_t *all_in;
  pthread_barrier_t *may_leave;
  int *n_alive;
} Gate;

static gboolean
gate_translate (const VsmmuViommu *viommu, guint32 stream_id, G_GNUC_UNUSED guint64 iova, guint64 *gpa,
                G_GNUC_UNUSED GError **error)
{
  const Gate *gate = (const Gate *) viommu;

  pthread_barrier_wait (gate->all_in);
  pthread_barrier_wait (gate->may_leave);
  *gpa = stream_id;
  return TRUE;
}

static void
gate_free (VsmmuViommu *viommu)
{
  g_atomic_int_add (((Gate *) viommu)->n_alive, -1);
  g_free (viommu);
}

static const VsmmuIommuOps gate_ops = { "gate", NULL, gate_translate, gate_free };

static gpointer
resolve_through_gate (gpointer data)
{
  VsmmuMsiRoute route = { 0 };

  g_assert_true (vsmmu_msi_resolve (data, VSMMU_PCI_DEVFN (0, 0, 0), 0, 0, &route, NULL));
  g_assert_cmphex (route.device_id, ==, 0x4200);
  return NULL;
}

static void
test_what_a_crowd_resolves_in_stays_until_the_last_has_left (void)
{
  const VsmmuGuestRegion everything = { 0, G_MAXUINT64, "everything" };
  const VsmmuPciDevfn devfn = VSMMU_PCI_DEVFN (0, 0, 0);
  VsmmuMsiBus bus = { .kind = VSMMU_MSI_BUS_ROOT, .parent = -1, .number = 0x42 };
  pthread_barrier_t all_in;
  pthread_barrier_t may_leave;
  int n_gates = 1;
  int n_alive = 0;
  Gate *gate = g_new0 (Gate, 1);
  VsmmuMsiResolver *resolver;
  GThread *threads[CROWD];

  pthread_barrier_init (&all_in, NULL, CROWD + 1);
  pthread_barrier_init (&may_leave, NULL, CROWD + 1);
  *gate = (Gate){ { &gate_ops, 1 }, &all_in, &may_leave, &n_gates };
  bus.viommu = &gate->viommu;
  resolver = vsmmu_msi_resolver_new (vsmmu_msi_topology_new (&bus, 1, &devfn, 1, &everything, 1, NULL));
  vsmmu_viommu_unref (&gate->viommu);
  for (guint i = 0; i < CROWD; i++)
    threads[i] = g_thread_new ("crowd", resolve_through_gate, resolver);
  pthread_barrier_wait (&all_in);
  vsmmu_msi_resolver_set_topology (resolver, topology_new (0, &n_alive));
  vsmmu_msi_resolver_set_topology (resolver, topology_new (1, &n_alive));
  g_assert_cmpint (g_atomic_int_get (&n_gates), ==, 1);
  pthread_barrier_wait (&may_leave);
  for (guint i = 0; i < CROWD; i++)
    g_thread_join (threads[i]);
  vsmmu_msi_resolver_set_topology (resolver, topology_new (2, &n_alive));
  g_assert_cmpint (n_gates, ==, 0);
  g_assert_cmpint (n_alive, ==, 1);
  vsmmu_msi_resolver_free (resolver);
  pthread_barrier_destroy (&all_in);
  pthread_barrier_destroy (&may_leave);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/msi-threads/come-and-go", test_resolving_while_devices_come_and_go);
  g_test_add_func ("/msi-threads/crowd", test_what_a_crowd_resolves_in_stays_until_the_last_has_left);
  return g_test_run ();
}
