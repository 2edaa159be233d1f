/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msi/machine.h"

#include "base/version.h"
#include "domain/arguments.h"
#include "domain/releases.h"
#include "domain/virt-machine.h"

/* The value of a property in -machine; the last one counts. */
typedef struct {
  const VsmmuPassthrough *argument; /* %NULL when it is not given */
  const char *value;                /* then "" */
} Setting;

static Setting
find_setting (const GPtrArray *options, const char *name)
{
  Setting setting = { NULL, "" };

  for (guint i = 0; i < options->len; i++) {
    const VsmmuOption *option = g_ptr_array_index (options, i);
    const char *value = option->kind == VSMMU_OPTION_MACHINE ? vsmmu_option_get (option, name) : NULL;

    if (value != NULL)
      setting = (Setting){ option->value, value };
  }
  return setting;
}

typedef enum {
  GIC_UNKNOWN,
  GIC_2,
  GIC_3, /* or later, up to 4 */
  GIC_5,
} Gic;

static Gic
gic_of (const VsmmuDomain *domain, const Setting *version)
{
  static const Gic given[] = {
    [VSMMU_GIC_ABSENT] = GIC_UNKNOWN,
    [VSMMU_GIC_HOST] = GIC_UNKNOWN,
    [VSMMU_GIC_2] = GIC_2,
    [VSMMU_GIC_3] = GIC_3,
  };
  static const struct {
    const char *value;
    Gic gic;
  } values[] = { { "2", GIC_2 }, { "3", GIC_3 }, { "4", GIC_3 }, { "x-5", GIC_5 } };

  if (version->argument == NULL)
    return given[domain->gic];
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    if (strcmp (values[i].value, version->value) == 0)
      return values[i].gic;
  return GIC_UNKNOWN;
}

/* There was no emulated ITS then, and old machine types do not change. */
static gboolean
lacks_its (const VsmmuDomain *domain)
{
  guint version;

  return g_strcmp0 (domain->type, "kvm") != 0 && g_str_has_prefix (domain->machine, "virt-") &&
         vsmmu_version_parse (domain->machine + strlen ("virt-"), &version) &&
         !vsmmu_release_has (version, VSMMU_FEATURE_EMULATED_ITS);
}

static VsmmuMsiController
choose_best (const VsmmuDomain *domain, Gic gic)
{
  switch (gic) {
  case GIC_2:
    return VSMMU_MSI_CONTROLLER_GICV2M;
  case GIC_3:
    return lacks_its (domain) ? VSMMU_MSI_CONTROLLER_NONE : VSMMU_MSI_CONTROLLER_ITS;
  case GIC_5:
    return VSMMU_MSI_CONTROLLER_NONE;
  case GIC_UNKNOWN:
    break;
  }
  return VSMMU_MSI_CONTROLLER_UNKNOWN;
}

VsmmuMsiChoice
vsmmu_msi_choice_of (const VsmmuDomain *domain)
{
  VsmmuMsiChoice choice = { .controller = VSMMU_MSI_CONTROLLER_UNKNOWN };
  g_autoptr (GPtrArray) options = NULL;
  Setting version;
  Setting msi;
  Setting its;
  Gic gic;

  if (!vsmmu_domain_is_virt (domain))
    return choice;
  options = vsmmu_arguments_parse (domain->arguments);
  version = find_setting (options, "gic-version");
  msi = find_setting (options, "msi");
  its = find_setting (options, "its");
  gic = gic_of (domain, &version);
  choice.controller = choose_best (domain, gic);
  choice.argument = version.argument;
  if (strcmp (msi.value, "off") == 0)
    choice = (VsmmuMsiChoice){ VSMMU_MSI_CONTROLLER_NONE, msi.argument, FALSE };
  else if (strcmp (msi.value, "gicv2m") == 0)
    choice = (VsmmuMsiChoice){ VSMMU_MSI_CONTROLLER_GICV2M, msi.argument, FALSE };
  else if (strcmp (msi.value, "its") == 0 && (gic == GIC_2 || gic == GIC_5))
    /* "GICv2 + ITS is an invalid configuration.", "GICv5 + ITS is not yet implemented." */
    choice = (VsmmuMsiChoice){ VSMMU_MSI_CONTROLLER_NONE, msi.argument, TRUE };
  else if (msi.argument == NULL && strcmp (its.value, "off") == 0 && gic != GIC_2)
    choice = (VsmmuMsiChoice){ VSMMU_MSI_CONTROLLER_NONE, its.argument, FALSE };
  return choice;
}

void
vsmmu_msi_machine_of (const VsmmuDomain *domain, VsmmuMsiMachine *machine)
{
  VsmmuMsiController controller = vsmmu_msi_choice_of (domain).controller;

  machine->controller = controller;
  machine->frame_start = vsmmu_virt_frames[controller].start;
  machine->frame_size = vsmmu_virt_frames[controller].size;
  machine->doorbell = vsmmu_virt_frames[controller].doorbell;
}

const char *
vsmmu_msi_controller_to_string (VsmmuMsiController controller)
{
  return vsmmu_virt_frames[controller].name;
}

const char *
vsmmu_msi_controller_get_name (VsmmuMsiController controller)
{
  return controller == VSMMU_MSI_CONTROLLER_ITS ? "ITS" : "GICv2m";
}

static void
add_region (GArray *regions, guint64 start, guint64 end, const char *name)
{
  VsmmuGuestRegion region = { start, end - start, name };

  if (start < end)
    g_array_append_val (regions, region);
}

GArray *
vsmmu_msi_regions_of (const VsmmuDomain *domain)
{
  GArray *regions = g_array_new (FALSE, FALSE, sizeof (VsmmuGuestRegion));
  VsmmuMsiMachine machine;
  guint64 memory_max = VSMMU_VIRT_HIGH_END - VSMMU_VIRT_MEMORY_START;
  guint64 memory_end = VSMMU_VIRT_MEMORY_START + MIN (domain->memory, memory_max / 1024) * 1024;

  vsmmu_msi_machine_of (domain, &machine);
  for (const VsmmuGuestRegion *region = vsmmu_virt_low_regions; region->size > 0; region++)
    g_array_append_val (regions, *region);
  add_region (regions, machine.frame_start, machine.frame_start + machine.frame_size, "MSI controller");
  add_region (regions, VSMMU_VIRT_MEMORY_START, memory_end, "memory");
  add_region (regions, MAX (VSMMU_VIRT_HIGH_START_MIN, memory_end), VSMMU_VIRT_HIGH_END, "high PCI Express window");
  return regions;
}

static gboolean
lies_in (guint64 address, guint64 start, guint64 size)
{
  return address >= start && address - start < size;
}

const char *
vsmmu_msi_route_find_fault (const VsmmuMsiMachine *machine, const VsmmuMsiRoute *route)
{
  guint64 gpa = (guint64) route->address_hi << 32 | route->address_lo;

  if (route->path == VSMMU_MSI_PATH_DIRECT && gpa == 0)
    return "msi-doorbell-zero";
  if (machine->controller == VSMMU_MSI_CONTROLLER_UNKNOWN)
    return NULL;
  if (route->path != VSMMU_MSI_PATH_DIRECT)
    return gpa == machine->doorbell ? NULL : "msi-address-wrong-target";
  if (!lies_in (gpa, machine->frame_start, machine->frame_size))
    return "msi-doorbell-not-controller";
  if (gpa < VSMMU_VIRT_MSI_WINDOW_START || gpa > VSMMU_VIRT_MSI_WINDOW_END)
    return "msi-window-mismatch";
  return gpa == machine->doorbell ? NULL : "msi-doorbell-mismatch";
}
