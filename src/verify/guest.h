/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "libvirt/connection.h"
#include "msi/machine.h"
#include "msi/reader.h"
#include "vsmmu/finding.h"

/*
 * VsmmuGuestFlags:
 * @VSMMU_GUEST_MEMORY: read the guest's memory and devices (virDomainMemoryPeek()), which changes nothing
 * @VSMMU_GUEST_MONITOR: ask QEMU for the doorbell of each vSMMU too; libvirt then calls the domain tainted
 */
typedef enum {
  VSMMU_GUEST_MEMORY = 0,
  VSMMU_GUEST_MONITOR = 1 << 0,
} VsmmuGuestFlags;

/*
 * VsmmuVectorState:
 * @VSMMU_VECTORS_VERIFIED: every vector that is enabled leads to the doorbell
 * @VSMMU_VECTORS_WRONG: one does not; the findings say why
 * @VSMMU_VECTORS_IDLE: no vector is enabled
 * @VSMMU_VECTORS_ABSENT: the guest has not got the device, or not yet
 * @VSMMU_VECTORS_UNKNOWN: which doorbell is right is not known, or the domain's XML has no such device
 * @VSMMU_VECTORS_UNSTABLE: the guest changed its vectors or tables whenever they were read
 *
 * The state of the vectors of one device.
 */
typedef enum {
  VSMMU_VECTORS_VERIFIED,
  VSMMU_VECTORS_WRONG,
  VSMMU_VECTORS_IDLE,
  VSMMU_VECTORS_ABSENT,
  VSMMU_VECTORS_UNKNOWN,
  VSMMU_VECTORS_UNSTABLE,
} VsmmuVectorState;

/*
 * VsmmuGuestVector:
 * @index: number of the vector
 * @address: what the guest wrote: an IOVA behind a vIOMMU
 * @data: what the guest wrote
 * @fault: (nullable): (translated): why @address leads nowhere
 * @route: without @fault, where it leads
 *
 * One vector that the guest has enabled.
 */
typedef struct {
  guint index;
  guint64 address;
  guint32 data;
  char *fault;
  VsmmuMsiRoute route;
} VsmmuGuestVector;

/*
 * VsmmuGuestDevice:
 * @alias: (nullable): libvirt's name for it; %NULL when the domain's XML does not have it
 * @name: (translated): what messages call it
 * @host: (nullable): address of the host's device that was given to the guest
 * @vsmmu: (nullable): alias of the vSMMU it is behind
 * @bus: number that the guest gave its bus, or %VSMMU_MSI_BUS_UNNUMBERED
 * @slot: 0 to 31
 * @function: 0 to 7
 * @has_path: whether @path is known
 * @path: the way of its MSIs
 * @vendor: PCI vendor id that the guest sees; 0 when it is absent
 * @device: PCI device id that the guest sees
 * @interrupts: `msi-x`, `msi` or `none`; not translated
 * @n_vectors: how many it has
 * @vectors: (element-type VsmmuGuestVector): those that are enabled
 * @state: the state of its vectors
 * @reason: (translated): @state in a few words
 *
 * One PCI function of a running guest that is not a bridge.
 */
typedef struct {
  char *alias;
  char *name;
  char *host;
  char *vsmmu;
  int bus;
  guint slot;
  guint function;
  gboolean has_path;
  VsmmuMsiPath path;
  guint16 vendor;
  guint16 device;
  const char *interrupts;
  guint n_vectors;
  GArray *vectors;
  VsmmuVectorState state;
  char *reason;
} VsmmuGuestDevice;

/*
 * VsmmuGuestSmmu:
 * @alias: libvirt's name for it
 * @is_accelerated: whether it offers its doorbell
 * @has_msi_gpa: whether @msi_gpa is known: with %VSMMU_GUEST_MONITOR, but for the SMMUv3 of the machine
 * @msi_gpa: GPA of the doorbell that QEMU offers for it; 0 for none, as when it is emulated
 *
 * One vSMMU of a running guest.
 */
typedef struct {
  char *alias;
  gboolean is_accelerated;
  gboolean has_msi_gpa;
  guint64 msi_gpa;
} VsmmuGuestSmmu;

/*
 * VsmmuGuest:
 * @name: of the domain
 * @machine: what takes its MSIs
 * @smmus: (element-type VsmmuGuestSmmu): in the order of the domain's XML
 * @devices: (element-type VsmmuGuestDevice): in the order of the domain's XML, then those it does not have
 * @findings: (element-type VsmmuFinding): what is wrong; lines are those of the live XML
 * @n_peeks: how often the guest was read
 * @n_bytes: how much of it
 *
 * Where the interrupts of a running guest go.
 */
typedef struct {
  char *name;
  VsmmuMsiMachine machine;
  GPtrArray *smmus;
  GPtrArray *devices;
  GPtrArray *findings;
  guint n_peeks;
  gsize n_bytes;
} VsmmuGuest;

/*
 * vsmmu_guest_observe:
 * @connection: a connection that is not read-only
 * @domain: id, UUID or name
 * @flags: what to ask
 * @error: %VSMMU_ERROR_NO_DOMAIN when there is none, or it does not run, or stops while it is read;
 *   %VSMMU_ERROR_UNSUPPORTED when it is not an arm64 virt guest; %VSMMU_ERROR_MSI when it has no PCI host bridge;
 *   %VSMMU_ERROR_PROBE
 *
 * Finds every PCI function of the guest in its configuration space, reads what vectors the guest has enabled, and
 * resolves each as QEMU does. All is read until it is twice the same, at most a few times. Tables of an accelerated
 * vSMMU are never read.
 *
 * Returns: (transfer full): what was seen, or %NULL with @error set
 */
VsmmuGuest *vsmmu_guest_observe (VsmmuConnection *connection, const char *domain, VsmmuGuestFlags flags,
                                 GError **error);

void vsmmu_guest_free (VsmmuGuest *guest);

/*
 * vsmmu_vector_state_to_string:
 *
 * Returns: `verified`, `wrong`, `idle`, `absent`, `unknown` or `unstable`; not translated
 */
const char *vsmmu_vector_state_to_string (VsmmuVectorState state);

/*
 * vsmmu_guest_vector_get_gpa:
 * @vector: one without a fault
 *
 * Returns: the GPA that its MSI is written to
 */
guint64 vsmmu_guest_vector_get_gpa (const VsmmuGuestVector *vector);

/*
 * vsmmu_guest_device_get_address:
 *
 * Returns: (transfer full) (nullable): address of @device as the guest numbers it, dddd:bb:ss.f; %NULL on a bus that
 * has no number
 */
char *vsmmu_guest_device_get_address (const VsmmuGuestDevice *device);

/*
 * vsmmu_guest_to_json:
 *
 * Returns: (transfer full): one JSON object as `schemas/guest.schema.json` describes it, ending in a newline
 */
char *vsmmu_guest_to_json (const VsmmuGuest *guest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuGuest, vsmmu_guest_free)

/*
 * vsmmu_guest_read:
 * @domain: the domain as it runs
 * @reader: reads devices with the width that is asked for
 * @error: VSMMU_ERROR_UNSUPPORTED, VSMMU_ERROR_MSI when there is no PCI host bridge, or what @reader sets
 *
 * Returns: (transfer full): what is seen in the guest without its monitor, or %NULL with @error set
 */
VsmmuGuest *vsmmu_guest_read (const VsmmuDomain *domain, const VsmmuMemoryReader *reader, GError **error);

/* Which devices of a domain to read. */
typedef struct {
  const char *alias;        /* (nullable): this one only */
  gboolean is_guarded_only; /* those behind a vSMMU only */
} VsmmuGuestScope;

/*
 * vsmmu_guest_read_known:
 * @error: also VSMMU_ERROR_VALUE when there is no device of the alias
 *
 * The same without looking for devices that @domain does not have. With no device in @scope nothing is read.
 */
VsmmuGuest *vsmmu_guest_read_known (const VsmmuDomain *domain, const VsmmuGuestScope *scope,
                                    const VsmmuMemoryReader *reader, GError **error);

/* Fills in and judges what QEMU reports for each vSMMU; %FALSE with @error set when it does not answer. */
gboolean vsmmu_guest_ask_monitor (VsmmuGuest *guest, const VsmmuDomain *domain, VsmmuConnectionDomain *running,
                                  GError **error);
