/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-libvirt.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

static FakeLibvirt fake;
static int connection;
static int domain;

static struct {
  virConnectDomainEventGenericCallback func;
  void *opaque;
  virFreeCallback destroy;
} callbacks[64];

static struct {
  virConnectCloseFunc func;
  void *opaque;
  virFreeCallback destroy;
} closing;

static gboolean
is_broken (const char *function)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);

  return g_strcmp0 (fake.broken, function) == 0;
}

static void
count_callback (int change)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);

  fake.n_callbacks += change;
}

FakeLibvirt *
fake_libvirt_get (void)
{
  if (fake.detached == NULL) {
    fake.detached = g_ptr_array_new_with_free_func (g_free);
    fake.commands = g_ptr_array_new_with_free_func (g_free);
  }
  return &fake;
}

void
fake_libvirt_emit (int id, const char *alias)
{
  /* All that are given an alias are of this type. */
  virConnectDomainEventDeviceAddedCallback func = (virConnectDomainEventDeviceAddedCallback) callbacks[id].func;

  func ((virConnectPtr) &connection, (virDomainPtr) &domain, alias, callbacks[id].opaque);
}

void
fake_libvirt_emit_lifecycle (int what, int detail)
{
  const int id = VIR_DOMAIN_EVENT_ID_LIFECYCLE;
  virConnectDomainEventCallback func = (virConnectDomainEventCallback) callbacks[id].func;

  func ((virConnectPtr) &connection, (virDomainPtr) &domain, what, detail, callbacks[id].opaque);
}

void
fake_libvirt_emit_reboot (void)
{
  const int id = VIR_DOMAIN_EVENT_ID_REBOOT;

  callbacks[id].func ((virConnectPtr) &connection, (virDomainPtr) &domain, callbacks[id].opaque);
}

void
fake_libvirt_emit_close (void)
{
  closing.func ((virConnectPtr) &connection, VIR_CONNECT_CLOSE_REASON_EOF, closing.opaque);
}

virConnectPtr
virConnectOpen (const char *name G_GNUC_UNUSED)
{
  return is_broken (__func__) ? NULL : (virConnectPtr) &connection;
}

virConnectPtr
virConnectOpenReadOnly (const char *name G_GNUC_UNUSED)
{
  return (virConnectPtr) &connection;
}

int
virConnectClose (virConnectPtr conn G_GNUC_UNUSED)
{
  return 0;
}

int
virConnectGetLibVersion (virConnectPtr conn G_GNUC_UNUSED, unsigned long *version)
{
  *version = 12008000;
  return is_broken (__func__) ? -1 : 0;
}

int
virConnectGetVersion (virConnectPtr conn G_GNUC_UNUSED, unsigned long *version)
{
  *version = 11001003;
  return is_broken (__func__) ? -1 : 0;
}

char *
virConnectGetDomainCapabilities (virConnectPtr conn G_GNUC_UNUSED, const char *emulatorbin G_GNUC_UNUSED,
                                 const char *arch, const char *machine, const char *virttype G_GNUC_UNUSED,
                                 unsigned int flags G_GNUC_UNUSED)
{
  return is_broken (__func__) ? NULL : g_strdup_printf ("<%s-%s/>", arch, machine);
}

virDomainPtr
virDomainLookupByID (virConnectPtr conn G_GNUC_UNUSED, int id G_GNUC_UNUSED)
{
  return (virDomainPtr) &domain;
}

virDomainPtr
virDomainLookupByUUIDString (virConnectPtr conn G_GNUC_UNUSED, const char *uuid G_GNUC_UNUSED)
{
  return (virDomainPtr) &domain;
}

virDomainPtr
virDomainLookupByName (virConnectPtr conn G_GNUC_UNUSED, const char *name G_GNUC_UNUSED)
{
  return is_broken (__func__) ? NULL : (virDomainPtr) &domain;
}

int
virDomainFree (virDomainPtr dom G_GNUC_UNUSED)
{
  return 0;
}

char *
virDomainGetXMLDesc (virDomainPtr dom G_GNUC_UNUSED, unsigned int flags G_GNUC_UNUSED)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);

  return strdup (fake.xml);
}

/* Of the guest there is only QEMU's host bridge: it has not seen the device yet. */
int
virDomainMemoryPeek (virDomainPtr dom G_GNUC_UNUSED, unsigned long long start, size_t size, void *buffer,
                     unsigned int flags G_GNUC_UNUSED)
{
  static const guint8 bridge[] = { 0x36, 0x1b, 0x08, 0x00, 0, 0, 0, 0, 0, 0, 0, 0x06 };
  const unsigned long long at = 0x4010000000;

  memset (buffer, 0xff, size);
  for (size_t i = 0; i < size; i++)
    if (start + i >= at && start + i < at + 64)
      ((guint8 *) buffer)[i] = start + i - at < sizeof (bridge) ? bridge[start + i - at] : 0;
  return 0;
}

int
virGetLastErrorCode (void)
{
  return VIR_ERR_OPERATION_FAILED;
}

const char *
virGetLastErrorMessage (void)
{
  return "it is Monday";
}

void
virSetErrorFunc (void *data G_GNUC_UNUSED, virErrorFunc func G_GNUC_UNUSED)
{
}

int
virEventRegisterDefaultImpl (void)
{
  return is_broken (__func__) ? -1 : 0;
}

int
virConnectRegisterCloseCallback (virConnectPtr conn G_GNUC_UNUSED, virConnectCloseFunc func, void *opaque,
                                 virFreeCallback destroy)
{
  if (is_broken (__func__))
    return -1;
  count_callback (1);
  closing.func = func;
  closing.opaque = opaque;
  closing.destroy = destroy;
  return 0;
}

int
virConnectUnregisterCloseCallback (virConnectPtr conn G_GNUC_UNUSED, virConnectCloseFunc func G_GNUC_UNUSED)
{
  closing.destroy (closing.opaque);
  count_callback (-1);
  return 0;
}

int
virConnectSetKeepAlive (virConnectPtr conn G_GNUC_UNUSED, int interval, unsigned int count)
{
  fake.keep_alive[0] = interval;
  fake.keep_alive[1] = (int) count;
  return 0;
}

int
virConnectDomainEventRegisterAny (virConnectPtr conn G_GNUC_UNUSED, virDomainPtr dom G_GNUC_UNUSED, int id,
                                  virConnectDomainEventGenericCallback func, void *opaque, virFreeCallback destroy)
{
  g_autofree char *call = g_strdup_printf ("%s %d", __func__, id);

  if (is_broken (call))
    return -1;
  count_callback (1);
  callbacks[id].func = func;
  callbacks[id].opaque = opaque;
  callbacks[id].destroy = destroy;
  return id;
}

int
virConnectDomainEventDeregisterAny (virConnectPtr conn G_GNUC_UNUSED, int id)
{
  callbacks[id].destroy (callbacks[id].opaque);
  count_callback (-1);
  return 0;
}

int
virConnectListAllDomains (virConnectPtr conn G_GNUC_UNUSED, virDomainPtr **domains, unsigned int flags G_GNUC_UNUSED)
{
  if (is_broken (__func__))
    return -1;
  *domains = calloc (2, sizeof (virDomainPtr));
  (*domains)[0] = (virDomainPtr) &domain;
  return 1;
}

const char *
virDomainGetName (virDomainPtr dom G_GNUC_UNUSED)
{
  return "guest";
}

int
virDomainGetUUIDString (virDomainPtr dom G_GNUC_UNUSED, char *uuid)
{
  strcpy (uuid, "11111111-2222-3333-4444-555555555555");
  return 0;
}

int
virDomainDetachDeviceFlags (virDomainPtr dom G_GNUC_UNUSED, const char *xml, unsigned int flags G_GNUC_UNUSED)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);

  g_ptr_array_add (fake.detached, g_strdup (xml));
  return fake.n_refused-- > 0 ? -1 : 0;
}
