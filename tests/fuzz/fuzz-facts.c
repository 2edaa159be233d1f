/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything that libvsmmu does with host facts from strangers: read, write
 * again, judge, check a domain against them. Any input must be answered with
 * facts or a GError, and facts that were written must be read again as the same.
 */
#include <stdint.h>
#include <string.h>

#include "check/readiness.h"
#include "check/run.h"
#include "stop.h"
#include "vsmmu/vsmmu.h"

#define NAME "facts.json"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Two devices behind one vSMMU, options that hosts may lack, huge pages, NUMA: something for every host rule. */
static const char document[] =
    "<domain type='kvm'><memory unit='GiB'>4</memory>"
    "<memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages></memoryBacking>"
    "<numatune><memnode cellid='0' nodeset='1'/></numatune>"
    "<os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>"
    "<features><acpi/><gic version='3'/></features><devices>"
    "<controller type='pci' index='0' model='pcie-root'/>"
    "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='64'><node>0</node></target></controller>"
    "<controller type='pci' index='2' model='pcie-root-port'><address type='pci' bus='1' slot='0'/></controller>"
    "<controller type='pci' index='3' model='pcie-root-port'><address type='pci' bus='1' slot='1'/></controller>"
    "<hostdev mode='subsystem' type='pci' managed='no'><driver iommufd='yes'/>"
    "<source><address domain='0' bus='0x21' slot='0' function='0'/></source>"
    "<address type='pci' bus='2' slot='0'/></hostdev>"
    "<hostdev mode='subsystem' type='pci' managed='yes'><driver iommufd='yes'/>"
    "<source><address domain='0' bus='0x22' slot='0' function='0'/></source>"
    "<address type='pci' bus='3' slot='0'/></hostdev>"
    "<iommu model='smmuv3'><driver pciBus='1' accel='on' ats='on' ril='on' ssidsize='20' oas='48' cmdqv='on'/></iommu>"
    "</devices></domain>";

static VsmmuDomain *domain;

int
LLVMFuzzerInitialize (int *argc G_GNUC_UNUSED, char ***argv G_GNUC_UNUSED)
{
  domain = vsmmu_domain_new_from_data (document, strlen (document), "domain.xml", NULL);
  return 0;
}

static void
write_again (const VsmmuHost *host)
{
  g_autofree char *text = vsmmu_host_to_json (host);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) again = vsmmu_host_new_from_data (text, strlen (text), NAME, &error);
  g_autofree char *same = NULL;

  if (again == NULL)
    g_error ("what was written cannot be read: %s", error->message);
  same = vsmmu_host_to_json (again);
  if (strcmp (text, same) != 0)
    g_error ("facts changed by being written and read");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuHost) host = vsmmu_host_new_from_data ((const char *) data, size, NAME, &error);
  const VsmmuCheckOptions options = { .host = host };
  g_autoptr (GPtrArray) readiness = NULL;
  g_autoptr (GPtrArray) findings = NULL;
  g_autofree char *text = NULL;

  if ((host == NULL) != (error != NULL))
    g_error ("neither or both of facts and an error");
  if (host == NULL)
    return 0;
  write_again (host);
  readiness = vsmmu_host_check_readiness (host);
  findings = vsmmu_check_domain (domain, &options);
  text = vsmmu_render_text (findings, FALSE);
  return 0;
}
