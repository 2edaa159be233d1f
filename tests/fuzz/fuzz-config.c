/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A running guest whose configuration space, registers, vectors and tables are any bytes. */
#include <stdint.h>
#include <string.h>

#include "msi/reader.h"
#include "stop.h"
#include "verify/guest-pci.h"
#include "verify/guest.h"
#include "vsmmu/vsmmu.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define ECAM G_GUINT64_CONSTANT (0x4010000000)
#define FUNCTION(bus, slot) (ECAM + ((guint64) (bus) << 20) + ((guint64) (slot) << 15))

/* One device behind an emulated SMMUv3, one behind an accelerated one, one behind a switch. */
#define GUEST                                                                                                          \
  "<domain type='kvm' id='1'><name>fuzz</name><memory unit='MiB'>512</memory><os><type arch='aarch64' "                \
  "machine='virt'>hvm</type></os><features><acpi/><gic version='3'/></features><devices>"                              \
  "<controller type='usb' model='none'/><controller type='pci' index='0' model='pcie-root'/>"                          \
  "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='32'/><address type='pci' slot='1'/>"      \
  "</controller><controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64'/>"                       \
  "<address type='pci' slot='2'/></controller>"                                                                        \
  "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1'/></controller>"                 \
  "<controller type='pci' index='4' model='pcie-root-port'><address type='pci' bus='2'/></controller>"                 \
  "<controller type='pci' index='5' model='pcie-switch-upstream-port'><address type='pci' bus='4'/></controller>"      \
  "<controller type='pci' index='6' model='pcie-switch-downstream-port'><address type='pci' bus='5'/></controller>"    \
  "<rng model='virtio'><address type='pci' bus='3'/></rng><rng model='virtio'><address type='pci' bus='6'/></rng>"     \
  "<rng model='virtio'><address type='pci' slot='5'/></rng><memballoon model='none'/>"                                 \
  "<iommu model='smmuv3'><driver pciBus='1'/></iommu><iommu model='smmuv3'><driver pciBus='2' accel='on'/></iommu>"    \
  "</devices></domain>"

/* Each has its own part of the input, of 64 bytes; all that lies elsewhere shares the rest. */
static const guint64 places[] = { FUNCTION (32, 0), FUNCTION (64, 0), FUNCTION (0, 5), 0x0c000000, 0x0c020000 };
#define PART 64

/* A guest has at most 256 slots on each of its buses, and tables as large as a reader takes. */
#define READS_MAX 100000

typedef struct {
  VsmmuMemoryReader reader;
  const uint8_t *data;
  size_t size;
  guint n_reads;
} Input;

static gboolean
read_input (const VsmmuMemoryReader *reader, guint64 address, gpointer buffer, gsize length,
            G_GNUC_UNUSED GError **error)
{
  Input *input = (Input *) reader;
  guint64 offset = G_N_ELEMENTS (places) * PART + address % 0x100000 / 16;

  if (++input->n_reads > READS_MAX)
    g_error ("it reads without an end");
  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    if (address >= places[i] && address < places[i] + 0x1000)
      offset = i * PART + (address - places[i]);
  memset (buffer, 0, length);
  for (gsize done = 0; input->size > 0 && done < length;) {
    gsize start = (offset + done) % input->size;
    gsize part = MIN (length - done, input->size - start);

    memcpy ((guint8 *) buffer + done, input->data + start, part);
    done += part;
  }
  if (address == ECAM)
    memcpy (buffer, "\x36\x1b\x08\x00", MIN (length, 4));
  return TRUE;
}

static VsmmuDomain *domain;

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  domain = vsmmu_domain_new_from_data (GUEST, strlen (GUEST), "fuzz", NULL);
  if (domain == NULL || domain->address_error != NULL)
    g_error ("the guest is no domain");
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Input input = { { read_input, NULL }, data, size, 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuGuest) guest = vsmmu_guest_read (domain, &input.reader, &error);

  if (guest == NULL)
    g_error ("not read: %s", error->message);
  for (guint i = 0; i < guest->devices->len; i++) {
    const VsmmuGuestDevice *device = g_ptr_array_index (guest->devices, i);

    if (device->vectors->len > device->n_vectors || device->n_vectors > VSMMU_MSIX_VECTORS_MAX)
      g_error ("%u of %u vectors", device->vectors->len, device->n_vectors);
    if (device->state == VSMMU_VECTORS_UNSTABLE)
      g_error ("the same bytes are not the same");
    if (device->state == VSMMU_VECTORS_VERIFIED && device->vectors->len == 0)
      g_error ("nothing was verified");
  }
  return 0;
}
