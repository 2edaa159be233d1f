/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "msi/topology.h"

/* More threads than this that resolve at the same moment share one counter. */
#define PINS 64
#define CACHE_LINE 64

/* The topology that one thread is resolving in; %NULL for a pin that is free. */
typedef struct {
  _Alignas(CACHE_LINE) _Atomic (VsmmuMsiTopology *) topology;
} Pin;

/*
 * Threads that resolve announce the topology they use in a pin (hazard pointers, M. Michael 2004), so they
 * neither wait for those who replace it nor for each other. What was replaced is freed by the next one to
 * replace it that finds it in no pin.
 */
struct _VsmmuMsiResolver {
  Pin pins[PINS];
  _Alignas(CACHE_LINE) _Atomic (guint) n_unpinned; /* threads that found no free pin */
  _Alignas(CACHE_LINE) _Atomic (VsmmuMsiTopology *) current;
  pthread_mutex_t mutex; /* of those who replace; ThreadSanitizer does not see into GMutex */
  GPtrArray *retired;    /* (element-type VsmmuMsiTopology) */
};

static void
topology_free (gpointer topology)
{
  vsmmu_msi_topology_free (topology);
}

VsmmuMsiResolver *
vsmmu_msi_resolver_new (VsmmuMsiTopology *topology)
{
  VsmmuMsiResolver *resolver = g_aligned_alloc0 (1, sizeof (VsmmuMsiResolver), CACHE_LINE);

  atomic_init (&resolver->current, topology);
  pthread_mutex_init (&resolver->mutex, NULL);
  resolver->retired = g_ptr_array_new_with_free_func (topology_free);
  return resolver;
}

void
vsmmu_msi_resolver_free (VsmmuMsiResolver *resolver)
{
  if (resolver == NULL)
    return;
  vsmmu_msi_topology_free (atomic_load (&resolver->current));
  g_ptr_array_unref (resolver->retired);
  pthread_mutex_destroy (&resolver->mutex);
  g_aligned_free (resolver);
}

static gboolean
is_in_use (VsmmuMsiResolver *resolver, const VsmmuMsiTopology *topology)
{
  if (atomic_load (&resolver->n_unpinned) > 0)
    return TRUE;
  for (guint i = 0; i < PINS; i++)
    if (atomic_load (&resolver->pins[i].topology) == topology)
      return TRUE;
  return FALSE;
}

void
vsmmu_msi_resolver_set_topology (VsmmuMsiResolver *resolver, VsmmuMsiTopology *topology)
{
  pthread_mutex_lock (&resolver->mutex);
  g_ptr_array_add (resolver->retired, atomic_exchange (&resolver->current, topology));
  for (guint i = resolver->retired->len; i-- > 0;)
    if (!is_in_use (resolver, g_ptr_array_index (resolver->retired, i)))
      g_ptr_array_remove_index_fast (resolver->retired, i);
  pthread_mutex_unlock (&resolver->mutex);
}

/* Stacks of threads lie apart, so most threads begin at a pin of their own. */
static guint
first_pin (void)
{
  return (guint) ((guintptr) __builtin_frame_address (0) >> 16) * 0x9e3779b9u >> 26;
}

/* Returns: the pin that keeps @topology from being freed, or %NULL when a count does */
static Pin *
pin (VsmmuMsiResolver *resolver, VsmmuMsiTopology **topology)
{
  guint first = first_pin ();

  for (guint i = 0; i < PINS; i++) {
    Pin *mine = &resolver->pins[(first + i) % PINS];
    VsmmuMsiTopology *free_pin = NULL;
    VsmmuMsiTopology *seen = atomic_load (&resolver->current);

    if (!atomic_compare_exchange_strong (&mine->topology, &free_pin, seen))
      continue;
    /* It may have been replaced, and freed, before the pin was set. */
    while ((*topology = atomic_load (&resolver->current)) != seen) {
      seen = *topology;
      atomic_store (&mine->topology, seen);
    }
    return mine;
  }
  atomic_fetch_add (&resolver->n_unpinned, 1);
  *topology = atomic_load (&resolver->current);
  return NULL;
}

static void
unpin (VsmmuMsiResolver *resolver, Pin *mine)
{
  if (mine != NULL)
    atomic_store_explicit (&mine->topology, NULL, memory_order_release);
  else
    atomic_fetch_sub (&resolver->n_unpinned, 1);
}

static gboolean
translate (const VsmmuMsiTopology *topology, const VsmmuViommu *viommu, guint32 stream_id, guint64 address,
           guint64 *gpa, GError **error)
{
  if (viommu->kind->translate == NULL) {
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the %s neither says where its doorbell is nor translates MSI addresses"), viommu->kind->name);
    return FALSE;
  }
  if (!viommu->kind->translate (viommu, stream_id, address, gpa, error))
    return FALSE;
  if (vsmmu_msi_topology_find_region (topology, *gpa) != NULL)
    return TRUE;
  g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
               _ ("msi-address-unmapped: the MSI address 0x%" PRIx64 " of requester id 0x%x leads to GPA "
                  "0x%" PRIx64 ", where the guest has nothing"),
               address, stream_id, *gpa);
  return FALSE;
}

static const VsmmuMsiService *
find_service (const VsmmuMsiTopology *topology, VsmmuPciDevfn devfn, GError **error)
{
  const VsmmuMsiService *service = vsmmu_msi_topology_find (topology, devfn);

  if (service == NULL)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI, _ ("the guest has no function %02x.%x on bus %u"),
                 devfn >> 3 & 0x1f, devfn & 7, devfn >> 8);
  else if (service->id < 0)
    g_set_error (error, VSMMU_ERROR, VSMMU_ERROR_MSI,
                 _ ("the guest has given bus %u no number, so function %02x.%x on it has no requester id"), devfn >> 8,
                 devfn >> 3 & 0x1f, devfn & 7);
  else
    return service;
  return NULL;
}

static gboolean
resolve_in (const VsmmuMsiTopology *topology, VsmmuPciDevfn devfn, guint64 address, guint32 data, VsmmuMsiRoute *route,
            GError **error)
{
  const VsmmuMsiService *service = find_service (topology, devfn, error);
  const VsmmuViommu *viommu;
  VsmmuMsiPath path;
  guint32 id;
  guint64 gpa = address;

  if (service == NULL)
    return FALSE;
  viommu = service->viommu;
  path = vsmmu_msi_service_get_path (service);
  id = (guint32) service->id | (devfn & service->devfn_mask);
  if (path == VSMMU_MSI_PATH_DIRECT && !viommu->kind->get_msi_direct_gpa (viommu, &gpa, error))
    return FALSE;
  if (path == VSMMU_MSI_PATH_TRANSLATED && !translate (topology, viommu, id, address, &gpa, error))
    return FALSE;
  *route = (VsmmuMsiRoute){ (guint32) gpa, (guint32) (gpa >> 32), data, id, path };
  return TRUE;
}

gboolean
vsmmu_msi_resolve (VsmmuMsiResolver *resolver, VsmmuPciDevfn devfn, guint64 address, guint32 data, VsmmuMsiRoute *route,
                   GError **error)
{
  VsmmuMsiTopology *topology;
  Pin *mine = pin (resolver, &topology);
  gboolean is_done = resolve_in (topology, devfn, address, data, route, error);

  unpin (resolver, mine);
  return is_done;
}

const char *
vsmmu_msi_path_to_string (VsmmuMsiPath path)
{
  static const char *const names[] = {
    [VSMMU_MSI_PATH_IDENTITY] = "identity",
    [VSMMU_MSI_PATH_DIRECT] = "direct",
    [VSMMU_MSI_PATH_TRANSLATED] = "translated",
  };

  return names[path];
}
