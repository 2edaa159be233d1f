/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch/connection-pool.h"

#include "libvirt/connection.h"

struct _VsmmuConnectionPool {
  char *uri;
  VsmmuConnection *events;
  GAsyncQueue *idle; /* (element-type VsmmuConnection): lent to no job */
};

VsmmuConnectionPool *
vsmmu_connection_pool_ref (VsmmuConnectionPool *pool)
{
  return g_atomic_rc_box_acquire (pool);
}

static void
clear_pool (gpointer data)
{
  VsmmuConnectionPool *pool = data;

  vsmmu_connection_close (pool->events);
  g_async_queue_unref (pool->idle);
  g_free (pool->uri);
}

void
vsmmu_connection_pool_unref (VsmmuConnectionPool *pool)
{
  g_atomic_rc_box_release_full (pool, clear_pool);
}

VsmmuConnectionPool *
vsmmu_connection_pool_open (const char *uri, VsmmuEventFunc event, gpointer data, GPtrArray **running, GError **error)
{
  g_autoptr (VsmmuConnection) connection = vsmmu_connection_open (uri, FALSE, error);
  VsmmuConnectionPool *pool;

  /* Events first, so that what starts in between is not missed. */
  if (connection == NULL || !vsmmu_connection_subscribe (connection, event, data, error))
    return NULL;
  *running = vsmmu_connection_list_running (connection, error);
  if (*running == NULL)
    return NULL;
  pool = g_atomic_rc_box_new0 (VsmmuConnectionPool);
  *pool = (VsmmuConnectionPool){
    .uri = g_strdup (uri),
    .events = g_steal_pointer (&connection),
    .idle = g_async_queue_new_full ((GDestroyNotify) vsmmu_connection_close),
  };
  return pool;
}

VsmmuConnection *
vsmmu_connection_pool_borrow (VsmmuConnectionPool *pool, VsmmuBudget *budget, GError **error)
{
  VsmmuConnection *connection = g_async_queue_try_pop (pool->idle);

  if (connection == NULL)
    connection = vsmmu_connection_open (pool->uri, FALSE, error);
  if (connection != NULL)
    vsmmu_connection_set_budget (connection, budget, TRUE);
  return connection;
}

void
vsmmu_connection_pool_return (VsmmuConnectionPool *pool, VsmmuConnection *connection, const GError *error)
{
  /* A connection with an error may be broken, and is not used again. */
  if (connection != NULL && (error == NULL || error->code == VSMMU_ERROR_NO_DOMAIN))
    g_async_queue_push (pool->idle, connection);
  else
    vsmmu_connection_close (connection);
}
