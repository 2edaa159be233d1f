/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "domain/acceleration.h"
#include "domain/arguments.h"
#include "domain/concern.h"
#include "domain/domain-read.h"
#include "domain/reach.h"

#define NAMESPACE "xmlns:qemu='" VSMMU_QEMU_NAMESPACE "'"
/* ids: pcie.0, pci.1, iommu0 and hostdev0 */
#define DEVICES                                                                                                        \
  "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>"      \
  "<iommu model='smmuv3'><driver pciBus='0'/></iommu>"                                                                 \
  "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' "                                 \
  "function='0'/></source></hostdev>"

static VsmmuDomain *
read_domain (const char *devices, const char *body)
{
  g_autofree char *xml = g_strdup_printf ("<domain type='kvm' " NAMESPACE
                                          "><name>x</name><os><type arch='aarch64' machine='virt'>hvm</type></os>"
                                          "<devices>%s</devices>%s</domain>",
                                          devices, body);
  g_autoptr (GError) error = NULL;
  VsmmuDomain *domain = vsmmu_domain_new_raw (xml, strlen (xml), "x", &error);

  g_assert_no_error (error);
  return domain;
}

/* (transfer full): <qemu:commandline> with @words, which spaces separate */
static char *
write_commandline (const char *words)
{
  g_auto (GStrv) parts = g_strsplit (words, " ", -1);
  GString *xml = g_string_new ("<qemu:commandline>");

  for (guint i = 0; parts[i] != NULL; i++) {
    g_autofree char *value = g_markup_escape_text (parts[i], -1);

    g_string_append_printf (xml, "<qemu:arg value='%s'/>", value);
  }
  g_string_append (xml, "</qemu:commandline>");
  return g_string_free (xml, FALSE);
}

/* (transfer full): like "A1 v3": what each reach is, and which argument */
static char *
show (const VsmmuDomain *domain)
{
  static const char kinds[] = "?vsA";
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < domain->reaches->len; i++) {
    const VsmmuReach *reach = &g_array_index (domain->reaches, VsmmuReach, i);
    const char *number = strrchr (reach->from->element, '[');

    g_string_append_printf (text, "%s%c%c", text->len > 0 ? " " : "", kinds[reach->kind], number[1]);
  }
  return g_string_free (text, FALSE);
}

static const struct {
  const char *words;
  const char *reaches; /* A: accelerated, s: SMMUv3, v: VFIO, and the number of the argument */
} commandlines[] = {
  /* -device */
  { "-device arm-smmuv3,accel=on", "A2" },
  { "-device arm-smmuv3,accel=off", "s2" },
  { "-device arm-smmuv3", "s2" },
  { "-device arm-smmuv3,accel=off,accel=y", "A2" },
  { "-device arm-smmuv3,accel=y,noaccel", "s2" },
  { "-device arm-smmuv3,accel", "A2" },
  { "-device arm-smmuv3,ats=on", "A2" },
  { "-device arm-smmuv3,ats=auto,ril=auto", "s2" },
  { "-device arm-smmuv3,ssidsize=8", "A2" },
  { "-device arm-smmuv3,stage=1", "s2" },
  { "-device driver=arm-smmuv3,accel=on", "A2" },
  { "-device virtio-rng-pci,driver=arm-smmuv3,accel=on", "A2" },
  { "-device arm-smmuv3,driver=virtio-rng-pci,accel=on", "" },
  { "-device arm-smmuv3,,accel=on", "A2" },
  /* Of forks and patch series. */
  { "-device arm-smmuv3-accel,bus=pcie.0", "A2" },
  { "-device arm-smmuv3-nested", "A2" },
  { "-device smmuv3-accel", "A2" },
  { "-device id=arm-smmuv3,driver=virtio-rng-pci", "" },
  { "-device virtio-rng-pci,accel=on", "" },
  { "-device vfio-pci,host=1:0.0", "v2" },
  { "-device {\"driver\":\"vfio-pci-nohotplug\"}", "v2" },
  { "--device arm-smmuv3,accel=on", "A2" },
  { "---device arm-smmuv3,accel=on", "" },
  { "-Device arm-smmuv3,accel=on", "" },
  /* JSON */
  { "-device {\"driver\":\"arm-smmuv3\",\"accel\":true}", "A2" },
  { "-device {\"driver\":\"arm-smmuv3\",\"accel\":false}", "s2" },
  { "-device {'driver':'arm\\u002dsmmuv3','\\u0061ccel':true}", "A2" },
  { "-device {'driver':'virtio-rng-pci','x':[{'driver':'arm-smmuv3','a':'}'}]}", "" },
  { "-device {'driver':'virtio-rng-pci','x':['}','\\'']}", "" },
  { "-device {'driver':'virtio-rng-pci'}x", "A2" },
  { "-device {'driver':'virtio-rng-pci','driver':'x'}", "A2" },
  { "-device {'driver':'virtio-rng-pci'", "A2" },
  { "-device {'driver':'virtio-rng-pci',}", "A2" },
  { "-device {'driver':'\\ud800'}", "A2" },
  { "-device {'driver':'\\ud800\\u0041'}", "A2" },
  { "-device {'driver':'\\u00g0'}", "A2" },
  { "-device {'driver':'\\q'}", "A2" },
  { "-device {'driver':'\\u0000'}", "A2" },
  { "-device {'driver':'\\ud83d\\ude00\\b\\f\\n\\r\\t\\/\\\\\\\"'}", "" },
  { "-device {'driver':'virtio\\u002drng'}", "" },
  { "-device {'driver':'\\ud800\\udc00\\uDBFF\\uDFFF\\ud7ff\\ue000'}", "" },
  { "-device {'driver':'\\udc00'}", "A2" },
  { "-device {'driver':'\\ud800\\ue000'}", "A2" },
  { "-device {'driver':'\\ud800\\udbff'}", "A2" },
  { "-device {'driver':'\\u41g0'}", "A2" },
  { "-device {'x':['\\}", "A2" },
  { "-device {'driver'}", "A2" },
  { "-device {'driver':}", "A2" },
  { "-device {driver:'x'}", "A2" },
  { "-device {'x':[{}", "A2" },
  { "-device {'x':['}", "A2" },
  { "-device {}", "" },
  { "-device {\"x\":-1.5e+3,\"y\":null}", "" },
  /* -object */
  { "-object iommufd,id=i", "v2" },
  { "-object qom-type=iommufd,id=i", "v2" },
  { "-object rng-random,qom-type=iommufd,id=i", "v2" },
  { "-object {'qom-type':'iommufd'}", "v2" },
  { "-object {'qom-type':'rng-random','iommufd':1}", "" },
  { "-object {'qom-type'", "v2" },
  { "-object rng-random,id=iommufd", "" },
  /* -global */
  { "-global arm-smmuv3.accel=on", "A2" },
  { "-global arm-smmu.accel=off", "s2" },
  { "-global sys-bus-device.accel=yes", "A2" },
  { "-global device.ats=on", "A2" },
  { "-global device.stage=1", "" },
  { "-global arm-smmuv3.stage=1", "s2" },
  { "-global virtio-rng-pci.accel=on", "" },
  { "-global driver=arm-smmuv3,property=accel,value=on", "A2" },
  { "-global driver=arm-smmuv3,property=accel", "" },
  { "-global property=accel,value=on", "" },
  { "-global driver=arm-smmuv3,value=on", "" },
  { "-global arm-smmuv3.accel", "" },
  { "-global .accel=on,driver=arm-smmuv3,property=accel,value=on", "A2" },
  { "-global a.b,driver=arm-smmuv3,property=accel,value=on", "" },
  { "-global arm-smmuv3.=on,driver=arm-smmuv3,property=accel,value=on", "A2" },
  { "-global "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b,driver=arm-smmuv3,property=accel,value=on",
    "A2" },
  { "-global "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b,driver=arm-smmuv3,property=accel,value=on",
    "" },
  { "-global "
    "b.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,driver=arm-smmuv3,property=accel,value=on",
    "A2" },
  { "-global object.accel=y", "A2" },
  { "-global resettable.accel=true", "A2" },
  { "-global vmstate-if.accel=on", "A2" },
  { "-global arm-smmu.accel=no", "s2" },
  { "-global arm-smmu.accel=n", "s2" },
  { "-global arm-smmu.accel=false", "s2" },
  { "-global arm-smmu.accel=OFF", "A2" },
  { "-global device.ril=off", "A2" },
  { "-global device.cmdqv=on", "A2" },
  { "-global vfio-pci-nohotplug.iommufd=i", "v2" },
  { "-global vfio-pci-device.iommufd=i", "v2" },
  { "-global device.host=x", "v2" },
  { "-global object.iommufd=i", "v2" },
  { "-global resettable.iommufd=i", "v2" },
  { "-global vmstate-if.iommufd=i", "v2" },
  { "-global conventional-pci-device.iommufd=i", "v2" },
  { "-global pci-express-device.sysfsdev=/sys/x", "v2" },
  { "-global vfio-pci.iommufd=i", "v2" },
  { "-global pci-device.fd=3", "v2" },
  { "-global b.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,driver=arm-smmuv3,property=accel,value=on",
    "" },
  { "-global b.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,driver=arm-smmuv3,property=accel,value=on",
    "A2" },
  { "-global vfio-pci.x-no-mmap=on", "" },
  { "-global virtio-rng-pci.iommufd=i", "" },
  /* -set */
  { "-set device.x.accel=on", "A2" },
  { "-set device.x.accel=off", "s2" },
  { "-set device.x.driver=arm-smmuv3", "A2" },
  { "-set device.x.driver=vfio-pci", "v2" },
  { "-set device.x.driver=virtio-rng-pci", "" },
  { "-set device.x.ats=on", "" },
  { "-set device.iommu0.ats=on", "A2" },
  { "-set device.iommu0.driver=virtio-rng-pci", "s2" },
  { "-set device.iommu0.primary-bus=x", "s2" },
  { "-device arm-smmuv3,id=s -set device.s.ats=on", "s2 A4" },
  { "-device {'driver':'arm-smmuv3','id':'s'} -set device.s.id=t", "s2 s4" },
  { "-device virtio-rng-pci,id=s -set device.s.ats=on", "" },
  { "-set device.x.iommufd=i", "v2" },
  { "-set device.x.fd=3", "" },
  { "-set device.hostdev0.fd=3", "v2" },
  { "-set device.pci.1.bus=x", "" },
  { "-set global.x.value=on", "A2" },
  { "-set drive.x.accel=on", "" },
  { "-set device.x.accel", "" },
  { "-set device..accel=on", "" },
  { "-set device", "" },
  /* others, and which argument is an option */
  { "-readconfig x", "A2" },
  { "--readconfig -", "A2" },
  { "-readconfig", "" },
  { "-machine iommu=smmuv3", "" },
  { "-machine virt,iommu=smmuv3", "" },
  { "-machine iommu=nested-smmuv3", "A2" },
  { "-M virt,iommu=smmuv3-accel", "A2" },
  { "-M virt,iommu=virtio", "" },
  { "-name -readconfig x", "" },
  { "-S -readconfig x", "A3" },
  { "x -readconfig y", "A3" },
  { "-device", "" },
  { "-device -device arm-smmuv3,accel=on", "" },
  { "-future", "" },
  { "-future -device", "" },
  { "-future x -device arm-smmuv3,accel=on", "A4" },
  { "-future -device -device arm-smmuv3,accel=on", "A4" },
  { "-future -name -device arm-smmuv3,accel=on", "A4" },
  { "-name -future -name -device arm-smmuv3,accel=on", "" },
};

static void
test_commandlines (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (commandlines); i++) {
    g_autofree char *body = write_commandline (commandlines[i].words);
    g_autoptr (VsmmuDomain) domain = read_domain (DEVICES, body);
    g_autofree char *reaches = show (domain);

    if (strcmp (reaches, commandlines[i].reaches) != 0)
      g_error ("%s: %s, not %s", commandlines[i].words, reaches, commandlines[i].reaches);
    g_assert_cmpint (vsmmu_domain_is_accelerated (domain), ==, strchr (reaches, 'A') != NULL);
    g_assert_true (vsmmu_domain_first_reach (domain) ==
                   (strchr (reaches, 'A') != NULL ? &g_array_index (domain->reaches, VsmmuReach, 0) : NULL));
  }
  g_test_message ("%u command lines", (guint) G_N_ELEMENTS (commandlines));
}

static const struct {
  const char *words;
  VsmmuReachWay way;
} ways[] = {
  { "-device arm-smmuv3,accel=on", VSMMU_REACH_BY_DEVICE },
  { "-device {", VSMMU_REACH_BY_JSON },
  { "-object iommufd,id=i", VSMMU_REACH_BY_OBJECT },
  { "-global arm-smmuv3.accel=on", VSMMU_REACH_BY_GLOBAL },
  { "-set device.hostdev0.fd=3", VSMMU_REACH_BY_SET },
  { "-machine iommu=nested-smmuv3", VSMMU_REACH_BY_MACHINE },
  { "-readconfig x", VSMMU_REACH_BY_CONFIG },
};

static void
test_ways (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree char *body = write_commandline (ways[i].words);
    g_autoptr (VsmmuDomain) domain = read_domain (DEVICES, body);

    g_test_message ("%s", ways[i].words);
    g_assert_cmpuint (domain->reaches->len, ==, 1);
    g_assert_cmpint (g_array_index (domain->reaches, VsmmuReach, 0).way, ==, ways[i].way);
  }
}

static const struct {
  const char *alias;
  const char *property;
  const char *type;
  const char *value;
  const char *reaches;
} overrides[] = {
  { "x", "driver", "string", "arm-smmuv3", "s1" },
  { "x", "driver", "string", "virtio-rng-pci", "" },
  { "x", "driver", "string", "vfio-pci", "v1" },
  { "x", "accel", "bool", "true", "A1" },
  { "x", "accel", "bool", "false", "s1" },
  { "iommu0", "accel", "remove", "true", "s1" },
  { "x", "oas", "string", "auto", "s1" },
  { "x", "oas", "unsigned", "48", "A1" },
  { "x", "ats", "string", "on", "" },
  { "iommu0", "ats", "string", "on", "A1" },
  { "iommu0", "driver", "string", "virtio-rng-pci", "s1" },
  { "iommu0", "primary-bus", "string", "pci.1", "s1" },
  { "iommu0", "stage", "string", "1", "s1" },
  { "hostdev0", "host", "string", "0000:02:00.0", "v1" },
  { "hostdev0", "iommufd", "string", "i", "v1" },
  { "hostdev0", "driver", "string", "virtio-rng-pci", "v1" },
  { "hostdev0", "x-no-mmap", "bool", "true", "" },
  { "pci.1", "bus", "string", "pcie.0", "v1" },
  { "pci.1", "addr", "string", "3", "v1" },
  { "pcie.0", "bus", "string", "x", "v1" },
  { "pci.1", "io-reserve", "unsigned", "0", "" },
  { "x", "bus", "string", "pcie.0", "" },
  { "x", "iommufd", "string", "i", "v1" },
  { "x", "sysfsdev", "string", "/sys/x", "v1" },
};

static void
test_overrides (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (overrides); i++) {
    g_autofree char *body =
        g_strdup_printf ("<qemu:override><qemu:device alias='%s'><qemu:frontend><qemu:property name='%s' type='%s' "
                         "value='%s'/></qemu:frontend></qemu:device></qemu:override>",
                         overrides[i].alias, overrides[i].property, overrides[i].type, overrides[i].value);
    g_autoptr (VsmmuDomain) domain = read_domain (DEVICES, body);
    g_autofree char *reaches = show (domain);

    if (strcmp (reaches, overrides[i].reaches) != 0)
      g_error ("%s %s %s: %s", overrides[i].alias, overrides[i].property, overrides[i].value, reaches);
    g_assert_cmpint (vsmmu_domain_is_accelerated (domain), ==, strchr (reaches, 'A') != NULL);
  }
}

/* What makes an SMMUv3 of another device, also when that is said after its options. */
static void
test_overridden_driver (void)
{
  g_autoptr (VsmmuDomain) domain = read_domain (
      "", "<qemu:override><qemu:device alias='d'><qemu:frontend><qemu:property name='ats' type='string' value='on'/>"
          "</qemu:frontend><qemu:frontend><qemu:property name='driver' type='string' value='arm-smmuv3'/>"
          "</qemu:frontend></qemu:device></qemu:override>");
  g_autofree char *reaches = show (domain);

  g_assert_cmpstr (reaches, ==, "A1 s1");
}

/* What comes first counts as what comes later. */
static void
test_the_first_of_each (void)
{
  g_autoptr (VsmmuDomain) driver = read_domain (
      "", "<qemu:override><qemu:device alias='d'><qemu:frontend><qemu:property name='driver' type='string' "
          "value='arm-smmuv3'/><qemu:property name='ats' type='string' value='on'/></qemu:frontend></qemu:device>"
          "</qemu:override>");
  g_autoptr (VsmmuDomain) port =
      read_domain ("<controller type='pci' index='1' model='pcie-root-port'/>",
                   "<qemu:override><qemu:device alias='pci.1'><qemu:frontend><qemu:property name='bus' type='string' "
                   "value='pcie.0'/></qemu:frontend></qemu:device></qemu:override>");
  g_autoptr (VsmmuDomain) capability =
      read_domain ("", "<qemu:capabilities><qemu:add capability='arm-smmuv3.x'/></qemu:capabilities>");
  g_autofree char *of_driver = show (driver);
  g_autofree char *of_port = show (port);
  g_autofree char *of_capability = show (capability);

  g_assert_cmpstr (of_driver, ==, "s1 A1");
  g_assert_cmpstr (of_port, ==, "v1");
  g_assert_cmpstr (of_capability, ==, "s1");
}

static void
test_capabilities (void)
{
  g_autoptr (VsmmuDomain) plain = read_domain (
      "", "<qemu:capabilities><qemu:add capability='x'/><qemu:del capability='device.json'/></qemu:capabilities>");
  g_autoptr (VsmmuDomain) domain =
      read_domain ("<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>",
                   "<qemu:capabilities><qemu:del capability='blockdev'/><qemu:del/><qemu:del capability='iommufd'/>"
                   "<qemu:other capability='smmu'/><qemu:add capability='arm-smmuv3.x'/></qemu:capabilities>");
  g_autofree char *shown = show (plain);

  g_assert_cmpstr (shown, ==, "s1");
  g_assert_false (vsmmu_domain_is_accelerated (plain));
  g_assert_null (vsmmu_domain_first_reach (plain));
  g_free (shown);
  shown = show (domain);
  g_assert_cmpstr (shown, ==, "s3 s1");
  g_assert_nonnull (vsmmu_domain_first_reach (domain));
}

/* However many containers there are, and whatever else is between; places are those of the document. */
static void
test_containers (void)
{
  g_autoptr (VsmmuDomain) domain =
      read_domain ("", "<qemu:commandline><qemu:arg value='-S'/></qemu:commandline><x xmlns='urn:x'/>"
                       "<qemu:commandline><qemu:arg/><x xmlns='urn:x' value='y'/><qemu:arg value='-device'/>"
                       "<qemu:arg value='arm-smmuv3,accel=on'/></qemu:commandline>"
                       "<qemu:override/><qemu:override><qemu:device alias='iommu0'><qemu:frontend><x xmlns='urn:x'/>"
                       "<qemu:property name='accel' type='bool' value='true'/></qemu:frontend></qemu:device>"
                       "</qemu:override>");
  const VsmmuReach *reaches = (const VsmmuReach *) (gpointer) domain->reaches->data;

  g_assert_cmpuint (domain->reaches->len, ==, 2);
  g_assert_cmpstr (reaches[0].from->element, ==, "/domain/qemu:commandline[2]/qemu:arg[3]");
  g_assert_cmpstr (reaches[0].option->value, ==, "-device");
  g_assert_cmpstr (reaches[1].from->element, ==, "/domain/qemu:override[2]/qemu:device[1]");
  g_assert_null (reaches[1].option);
}

/* An <iommu> that is understood. */
static void
test_nothing (void)
{
  g_autoptr (VsmmuDomain) domain = read_domain ("<iommu model='smmuv3'><driver pciBus='0' accel='on'/></iommu>", "");

  g_assert_true (vsmmu_domain_is_accelerated (domain));
  g_assert_false (vsmmu_reach_may_accelerate (domain));
  g_assert_null (vsmmu_domain_first_reach (domain));
}

/* A guest that is described anew gives other ids to its devices. */
static void
test_ids_of_a_run (void)
{
  g_autoptr (VsmmuDomain) domain = read_domain (
      "<iommu model='smmuv3'><driver pciBus='0'/><alias name='iommu7'/></iommu>",
      "<qemu:override><qemu:device alias='iommu0'><qemu:frontend><qemu:property name='ats' type='string' value='on'/>"
      "</qemu:frontend></qemu:device></qemu:override>");

  g_assert_cmpuint (domain->reaches->len, ==, 1);
  domain->is_running = TRUE;
  g_free (((VsmmuDevice *) g_ptr_array_index (domain->iommus, 0))->id);
  ((VsmmuDevice *) g_ptr_array_index (domain->iommus, 0))->id = g_strdup ("iommu7");
  vsmmu_reach_find (domain);
  g_assert_cmpuint (domain->reaches->len, ==, 0);
  vsmmu_domain_forget_run (domain);
  g_assert_cmpuint (domain->reaches->len, ==, 1);
}

/* Lifting asks for the values by either name. */
static void
test_option_values (void)
{
  static const char *const implied[] = { "", "id", NULL };
  static const char *const named[] = { "driver", "id", NULL };
  static const char *const less[] = { "driver", NULL };
  static const char *const others[] = { "driver", "ID", NULL };
  static const char *const global[] = { "vfio-pci.iommufd", NULL };
  g_autofree char *body = write_commandline (
      "-device a,id=b,,c -device driver=a,id=b -global vfio-pci.iommufd=i,,j -machine virt,x=1 -device {} -S");
  g_autoptr (VsmmuDomain) domain = read_domain ("", body);
  g_autoptr (GPtrArray) options = vsmmu_arguments_parse (domain->arguments);

  g_assert_cmpuint (options->len, ==, 6);
  for (guint i = 0; i < 2; i++) {
    const VsmmuOption *option = g_ptr_array_index (options, i);

    g_assert_cmpstr (vsmmu_option_get (option, ""), ==, "a");
    g_assert_cmpstr (vsmmu_option_get (option, "driver"), ==, "a");
    g_assert_cmpstr (vsmmu_option_get (option, "id"), ==, i == 0 ? "b,c" : "b");
    g_assert_true (vsmmu_option_has_only (option, implied));
    g_assert_true (vsmmu_option_has_only (option, named));
    g_assert_false (vsmmu_option_has_only (option, less));
    g_assert_false (vsmmu_option_has_only (option, others));
  }
  /* -global takes its value as it stands. */
  g_assert_cmpstr (vsmmu_option_get (g_ptr_array_index (options, 2), "vfio-pci.iommufd"), ==, "i,,j");
  g_assert_true (vsmmu_option_has_only (g_ptr_array_index (options, 2), global));
  g_assert_cmpstr (vsmmu_option_get (g_ptr_array_index (options, 3), "type"), ==, "virt");
  g_assert_null (vsmmu_option_get (g_ptr_array_index (options, 4), ""));
  g_assert_false (vsmmu_option_has_only (g_ptr_array_index (options, 4), named));
  g_assert_null (((const VsmmuOption *) g_ptr_array_index (options, 5))->value);
}

static const struct {
  const char *xml;
  gboolean may_concern;
} documents[] = {
  { "<domain type='kvm'><name>x</name></domain>", FALSE },
  { "\xef\xbb\xbf\n<domain/>", FALSE },
  { "\xef\xbb\xbf<domain/>", FALSE },
  { "\xef\xbb\xbf<?xml version='1.0'?>", FALSE },
  { "\xef\xbb\xbf", TRUE },
  { "<", FALSE },
  { "<?xml", TRUE },
  { "<?xml version='1.0' encoding='utf-8'?><domain/>", FALSE },
  { "<?xml version='1.0' encoding = \"UTF-8\"?><domain/>", FALSE },
  { "<?xml version='1.0'?><domain/>", FALSE },
  { "<?xml version='1.0' encoding='ISO-8859-1'?><domain/>", FALSE },
  { "<domain><!-- smmu --><iommu model='intel'/></domain>", FALSE },
  { "<domain><description>&lt;&amp;&gt;</description></domain>", FALSE },
  { "<domain><iommu model='smmuv3'/></domain>", TRUE },
  { "<domain><iommu model='smm&#117;v3'/></domain>", TRUE },
  { "<domain><iommu model='smm&#x75;v3'/></domain>", TRUE },
  { "<!DOCTYPE domain><domain/>", TRUE },
  { "<domain xmlns:q='" VSMMU_QEMU_NAMESPACE "'/>", TRUE },
  { "<?xml version='1.0' encoding='UTF-7'?><domain/>", TRUE },
  { "<?xml version='1.0' encoding='KOI8-R'?><domain/>", TRUE },
  { "<?xml version='1.0' encoding='UTF-16'?><domain/>", TRUE },
  { "<?xml version='1.0' encoding='ISO-8859-15'?><domain/>", TRUE },
  { "<?xml version='1.0' encoding='", TRUE },
  { "<?xml version='1.0' encoding='?><domain/>", TRUE },
  { "\x4c\x6f\xa7\x94", TRUE },
  { "x<domain/>", TRUE },
  { "", TRUE },
  { "  ", TRUE },
};

static void
test_documents (void)
{
  static const char utf16[] = "<\0d\0/\0>\0";

  for (guint i = 0; i < G_N_ELEMENTS (documents); i++) {
    gsize length = strlen (documents[i].xml);
    /* A copy without a NUL, for tools that see what is read beyond the end. */
    g_autofree char *copy = g_memdup2 (documents[i].xml, length);

    if (vsmmu_document_may_concern (copy != NULL ? copy : "", length) != documents[i].may_concern)
      g_error ("%s", documents[i].xml);
  }
  g_assert_true (vsmmu_document_may_concern (utf16, sizeof (utf16) - 1));
}

/* What is behind the document, which would change the answer if it were read. */
static void
test_documents_end_where_they_end (void)
{
  static const struct {
    const char *xml;
    const char *behind;
  } ends[] = {
    { "\xef\xbb\xbf<?xml version='1.0'", "?>" },
    { " <?xml version='1.0'", "?>" },
    { " ", " <domain/>" },
    { "", "<domain/>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    g_autofree char *text = g_strconcat (ends[i].xml, ends[i].behind, NULL);

    g_test_message ("case %u", i);
    g_assert_true (vsmmu_document_may_concern (text, strlen (ends[i].xml)));
  }
}

/* The look at the bytes never misses what the model sees. */
static void
test_documents_of_domains (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (commandlines); i++) {
    g_autofree char *body = write_commandline (commandlines[i].words);
    g_autofree char *xml = g_strdup_printf ("<domain " NAMESPACE ">%s</domain>", body);

    g_assert_true (vsmmu_document_may_concern (xml, strlen (xml)));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reach/command-lines", test_commandlines);
  g_test_add_func ("/reach/overrides", test_overrides);
  g_test_add_func ("/reach/overridden-driver", test_overridden_driver);
  g_test_add_func ("/reach/capabilities", test_capabilities);
  g_test_add_func ("/reach/containers", test_containers);
  g_test_add_func ("/reach/ids-of-a-run", test_ids_of_a_run);
  g_test_add_func ("/reach/nothing", test_nothing);
  g_test_add_func ("/reach/option-values", test_option_values);
  g_test_add_func ("/reach/documents", test_documents);
  g_test_add_func ("/reach/documents-end", test_documents_end_where_they_end);
  g_test_add_func ("/reach/ways", test_ways);
  g_test_add_func ("/reach/first", test_the_first_of_each);
  g_test_add_func ("/reach/documents-of-domains", test_documents_of_domains);
  return g_test_run ();
}
