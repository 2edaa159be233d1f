/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt.h>
#include <string.h>

#include "rpc/libvirt.h"
#include "rpc/message.h"
#include "vsmmu/error.h"

#define DOMAIN (char *) "guest", { 1, 2, 3 }, 5
#define FLAGS 9
#define COOKIE 3, (char *) "abc"
#define XML (char *) "<given/>"

static rpc_string given = XML;
static rpc_string other = (char *) "other";

/* XML is known by its name and its type. */
static rpc_parameter given_parameters[] = {
  { (char *) VIR_MIGRATE_PARAM_DEST_XML, { VIR_TYPED_PARAM_STRING, { .s = XML } } },
  { (char *) VIR_MIGRATE_PARAM_BANDWIDTH, { VIR_TYPED_PARAM_ULLONG, { .ul = 1 } } },
  { (char *) VIR_MIGRATE_PARAM_URI, { VIR_TYPED_PARAM_STRING, { .s = XML } } },
  { (char *) VIR_MIGRATE_PARAM_PERSIST_XML, { VIR_TYPED_PARAM_STRING, { .s = XML } } },
  { (char *) VIR_MIGRATE_PARAM_DEST_XML, { VIR_TYPED_PARAM_INT, { .i = 1 } } },
  { (char *) "dxml", { VIR_TYPED_PARAM_STRING, { .s = XML } } },
};
#define PARAMETERS G_N_ELEMENTS (given_parameters), given_parameters
#define N_XML_PARAMETERS 3

static rpc_xml xml = { XML };
static rpc_xml_flags xml_flags = { XML, FLAGS };
static rpc_to_native to_native = { (char *) "qemu-argv", XML, FLAGS };
static rpc_domain_xml domain_xml = { { DOMAIN }, XML };
static rpc_domain_xml_flags domain_xml_flags = { { DOMAIN }, XML, FLAGS };
static rpc_domain_optional_flags domain_optional_flags = { { DOMAIN }, &given, FLAGS };
static rpc_domain_optional_flags domain_nothing_flags = { { DOMAIN }, NULL, FLAGS };
static rpc_save_flags save_flags = { { DOMAIN }, (char *) "/file", &given, FLAGS };
static rpc_file_optional_flags file_optional_flags = { (char *) "/file", &given, FLAGS };
static rpc_file_xml_flags file_xml_flags = { (char *) "/file", XML, FLAGS };
static rpc_domain_parameters_flags domain_parameters_flags = { { DOMAIN }, { PARAMETERS }, FLAGS };
static rpc_parameters_flags parameters_flags = { { PARAMETERS }, FLAGS };
static rpc_parameters_flags no_parameters_flags = { { 0, NULL }, FLAGS };
static rpc_migrate_prepare2 prepare2 = { &other, 7, &other, 8, XML };
static rpc_migrate_prepare_tunnel prepare_tunnel = { 7, &other, 8, XML };
static rpc_migrate_begin3 begin3 = { { DOMAIN }, &given, 7, &other, 8 };
static rpc_migrate_prepare3 prepare3 = { { COOKIE }, &other, 7, &other, 8, XML };
static rpc_migrate_prepare_tunnel3 prepare_tunnel3 = { { COOKIE }, 7, &other, 8, XML };
static rpc_migrate_perform3 perform3 = { { DOMAIN }, &given, { COOKIE }, &other, &other, 7, &other, 8 };
static rpc_migrate_parameters migrate_parameters = { { PARAMETERS }, { COOKIE }, FLAGS };
static rpc_migrate_perform3_parameters perform3_parameters = { { DOMAIN }, &other, { PARAMETERS }, { COOKIE }, FLAGS };

#define PAYLOAD(type, payload) (xdrproc_t) xdr_##type, &payload

/* Numbers as in libvirt's remote_protocol.x. */
static const struct {
  const char *name;
  gint32 number;
  VsmmuXmlRole role;
  xdrproc_t codec;
  gpointer payload;
  guint n_xml;
  gboolean has_domain;
  gboolean has_flags;
} procedures[] = {
  { "DomainAttachDevice", 8, VSMMU_XML_ATTACHES, PAYLOAD (rpc_domain_xml, domain_xml), 1, TRUE, FALSE },
  { "DomainCreateXML", 10, VSMMU_XML_IS_NEW, PAYLOAD (rpc_xml_flags, xml_flags), 1, FALSE, TRUE },
  { "DomainDefineXML", 11, VSMMU_XML_IS_NEW, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "DomainDetachDevice", 13, VSMMU_XML_DETACHES, PAYLOAD (rpc_domain_xml, domain_xml), 1, TRUE, FALSE },
  { "DomainGetXMLDesc", 14, VSMMU_XML_IS_ASKED, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "DomainMigratePrepare2", 108, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_prepare2, prepare2), 1, FALSE, FALSE },
  { "ConnectDomainXMLFromNative", 135, VSMMU_XML_IS_ASKED, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "ConnectDomainXMLToNative", 136, VSMMU_XML_CONVERTS, PAYLOAD (rpc_to_native, to_native), 1, FALSE, TRUE },
  { "DomainMigratePrepareTunnel", 148, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_prepare_tunnel, prepare_tunnel), 1,
    FALSE, FALSE },
  { "DomainAttachDeviceFlags", 160, VSMMU_XML_ATTACHES, PAYLOAD (rpc_domain_xml_flags, domain_xml_flags), 1, TRUE,
    TRUE },
  { "DomainDetachDeviceFlags", 161, VSMMU_XML_DETACHES, PAYLOAD (rpc_domain_xml_flags, domain_xml_flags), 1, TRUE,
    TRUE },
  { "DomainUpdateDeviceFlags", 174, VSMMU_XML_UPDATES, PAYLOAD (rpc_domain_xml_flags, domain_xml_flags), 1, TRUE,
    TRUE },
  { "DomainSnapshotCreateXML", 185, VSMMU_XML_DEFINES, PAYLOAD (rpc_domain_xml_flags, domain_xml_flags), 1, TRUE,
    TRUE },
  { "DomainSnapshotGetXMLDesc", 186, VSMMU_XML_IS_ASKED, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "DomainMigrateBegin3", 213, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_begin3, begin3), 1, TRUE, FALSE },
  { "DomainMigratePrepare3", 214, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_prepare3, prepare3), 1, FALSE, FALSE },
  { "DomainMigratePrepareTunnel3", 215, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_prepare_tunnel3, prepare_tunnel3), 1,
    FALSE, FALSE },
  { "DomainMigratePerform3", 216, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_perform3, perform3), 1, TRUE, FALSE },
  { "DomainSaveFlags", 232, VSMMU_XML_DEFINES, PAYLOAD (rpc_save_flags, save_flags), 1, TRUE, TRUE },
  { "DomainRestoreFlags", 233, VSMMU_XML_DEFINES, PAYLOAD (rpc_file_optional_flags, file_optional_flags), 1, FALSE,
    TRUE },
  { "DomainSaveImageGetXMLDesc", 235, VSMMU_XML_IS_ASKED, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "DomainSaveImageDefineXML", 236, VSMMU_XML_DEFINES, PAYLOAD (rpc_file_xml_flags, file_xml_flags), 1, FALSE, TRUE },
  { "DomainMigrateBegin3Params", 302, VSMMU_XML_DEFINES, PAYLOAD (rpc_domain_parameters_flags, domain_parameters_flags),
    N_XML_PARAMETERS, TRUE, TRUE },
  { "DomainMigratePrepare3Params", 303, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_parameters, migrate_parameters),
    N_XML_PARAMETERS, FALSE, TRUE },
  { "DomainMigratePrepareTunnel3Params", 304, VSMMU_XML_DEFINES, PAYLOAD (rpc_migrate_parameters, migrate_parameters),
    N_XML_PARAMETERS, FALSE, TRUE },
  { "DomainMigratePerform3Params", 305, VSMMU_XML_DEFINES,
    PAYLOAD (rpc_migrate_perform3_parameters, perform3_parameters), N_XML_PARAMETERS, TRUE, TRUE },
  { "DomainCreateXMLWithFiles", 309, VSMMU_XML_IS_NEW, PAYLOAD (rpc_xml_flags, xml_flags), 1, FALSE, TRUE },
  { "DomainDefineXMLFlags", 350, VSMMU_XML_IS_NEW, PAYLOAD (rpc_xml_flags, xml_flags), 1, FALSE, TRUE },
  { "DomainManagedSaveGetXMLDesc", 388, VSMMU_XML_IS_ASKED, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "DomainManagedSaveDefineXML", 389, VSMMU_XML_DEFINES, PAYLOAD (rpc_domain_optional_flags, domain_optional_flags), 1,
    TRUE, TRUE },
  { "DomainManagedSaveDefineXML-nothing", 389, VSMMU_XML_DEFINES,
    PAYLOAD (rpc_domain_optional_flags, domain_nothing_flags), 0, TRUE, TRUE },
  { "DomainDetachDeviceAlias", 392, VSMMU_XML_NAMES, PAYLOAD (rpc_domain_xml_flags, domain_xml_flags), 1, TRUE, TRUE },
  { "DomainCheckpointCreateXML", 411, VSMMU_XML_DEFINES, PAYLOAD (rpc_domain_xml_flags, domain_xml_flags), 1, TRUE,
    TRUE },
  { "DomainCheckpointGetXMLDesc", 412, VSMMU_XML_IS_ASKED, PAYLOAD (rpc_xml, xml), 1, FALSE, FALSE },
  { "DomainSaveParams", 440, VSMMU_XML_DEFINES, PAYLOAD (rpc_domain_parameters_flags, domain_parameters_flags),
    N_XML_PARAMETERS, TRUE, TRUE },
  { "DomainRestoreParams", 441, VSMMU_XML_DEFINES, PAYLOAD (rpc_parameters_flags, parameters_flags), N_XML_PARAMETERS,
    FALSE, TRUE },
  { "DomainRestoreParams-nothing", 441, VSMMU_XML_DEFINES, PAYLOAD (rpc_parameters_flags, no_parameters_flags), 0,
    FALSE, TRUE },
};

static GBytes *
frame_new (gint32 number, xdrproc_t codec, gpointer payload)
{
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, number, VSMMU_FRAME_CALL, 7, 0 };

  return vsmmu_frame_encode (&header, codec, payload, NULL);
}

static guint
count (GBytes *frame, const char *text)
{
  gsize size;
  const char *bytes = g_bytes_get_data (frame, &size);
  guint n = 0;

  for (const char *at = bytes; (at = memmem (at, size - (gsize) (at - bytes), text, strlen (text))) != NULL; at++)
    n++;
  return n;
}

static void
test_the_xml_of_each_procedure_is_replaced_in_its_place (gconstpointer data)
{
  const typeof (procedures[0]) *row = data;
  const VsmmuProcedure *procedure = vsmmu_procedure_find (row->number);
  g_autoptr (GBytes) frame = frame_new (row->number, row->codec, row->payload);
  g_autoptr (GError) error = NULL;
  g_autoptr (VsmmuMessage) message = vsmmu_message_decode (procedure, frame, &error);
  g_autoptr (GPtrArray) slots = NULL;
  g_autoptr (GBytes) same = NULL;
  g_autoptr (GBytes) changed = NULL;

  g_assert_no_error (error);
  g_assert_cmpint (vsmmu_procedure_get_role (procedure), ==, row->role);
  g_assert_cmpuint (vsmmu_message_get_flags (message), ==, row->has_flags ? FLAGS : 0);
  if (row->has_domain)
    g_assert_cmpmem (vsmmu_message_get_uuid (message), 4, "\1\2\3", 4);
  else
    g_assert_null (vsmmu_message_get_uuid (message));
  same = vsmmu_message_encode (message, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (same, frame));

  slots = vsmmu_message_find_xml (message);
  g_assert_cmpuint (slots->len, ==, row->n_xml);
  for (guint i = 0; i < slots->len; i++) {
    char **slot = g_ptr_array_index (slots, i);

    g_assert_cmpstr (*slot, ==, XML);
    vsmmu_message_replace_xml (slot, "<other xml='longer'/>");
  }
  changed = vsmmu_message_encode (message, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count (changed, "<other xml='longer'/>"), ==, row->n_xml);
  g_assert_cmpuint (count (changed, XML), ==, count (frame, XML) - row->n_xml);
}

static void
test_no_other_procedure_brings_xml (void)
{
  guint n_found = 0;
  guint n_listed = 0;

  for (guint i = 0; i < G_N_ELEMENTS (procedures); i++)
    n_listed += i == 0 || procedures[i].number != procedures[i - 1].number;
  for (gint32 number = -1; number < 1000; number++)
    n_found += vsmmu_procedure_find (number) != NULL;
  g_assert_cmpuint (n_found, ==, n_listed);
}

static void
test_an_undecodable_payload_is_not_a_message (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (procedures); i++) {
    g_autoptr (GBytes) frame = frame_new (procedures[i].number, (xdrproc_t) xdr_int, &(int){ 1 });
    g_autoptr (GError) error = NULL;

    g_assert_null (vsmmu_message_decode (vsmmu_procedure_find (procedures[i].number), frame, &error));
    g_assert_error (error, VSMMU_ERROR, VSMMU_ERROR_PROTOCOL);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (procedures); i++) {
    g_autofree char *path = g_strconcat ("/message/procedures/", procedures[i].name, NULL);

    g_test_add_data_func (path, &procedures[i], test_the_xml_of_each_procedure_is_replaced_in_its_place);
  }
  g_test_add_func ("/message/no-other", test_no_other_procedure_brings_xml);
  g_test_add_func ("/message/broken", test_an_undecodable_payload_is_not_a_message);
  return g_test_run ();
}
