/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/message.h"

#include <libvirt/libvirt.h>

#include "rpc/libvirt.h"

/* How a payload holds its XML. */
typedef enum {
  HOLDS_STRING,     /* a string */
  HOLDS_OPTIONAL,   /* a string or nothing */
  HOLDS_PARAMETERS, /* typed parameters, some of them XML */
} Holding;

struct _VsmmuProcedure {
  gint32 number; /* as in the dissector of Debian's libvirt-wireshark 12.8 */
  VsmmuXmlRole role;
  Holding holding;
  xdrproc_t codec;
  gsize size;
  gsize xml;
  gssize domain; /* an offset, as @xml; -1 for none */
  gssize flags;
};

#define STRING(type) HOLDS_STRING, (xdrproc_t) xdr_##type, sizeof (type), offsetof (type, xml)
#define OPTIONAL(type) HOLDS_OPTIONAL, (xdrproc_t) xdr_##type, sizeof (type), offsetof (type, xml)
#define PARAMETERS(type) HOLDS_PARAMETERS, (xdrproc_t) xdr_##type, sizeof (type), offsetof (type, parameters)
#define DOMAIN(type) offsetof (type, domain)
#define FLAGS(type) offsetof (type, flags)
#define NONE -1

static const VsmmuProcedure procedures[] = {
  /* virDomainAttachDevice */
  { 8, VSMMU_XML_ATTACHES, STRING (rpc_domain_xml), DOMAIN (rpc_domain_xml), NONE },
  /* virDomainCreateXML */
  { 10, VSMMU_XML_IS_NEW, STRING (rpc_xml_flags), NONE, FLAGS (rpc_xml_flags) },
  /* virDomainDefineXML */
  { 11, VSMMU_XML_IS_NEW, STRING (rpc_xml), NONE, NONE },
  /* virDomainDetachDevice */
  { 13, VSMMU_XML_DETACHES, STRING (rpc_domain_xml), DOMAIN (rpc_domain_xml), NONE },
  /* virDomainGetXMLDesc */
  { 14, VSMMU_XML_IS_ASKED, STRING (rpc_xml), NONE, NONE },
  /* virDomainMigratePrepare2 */
  { 108, VSMMU_XML_DEFINES, STRING (rpc_migrate_prepare2), NONE, NONE },
  /* virConnectDomainXMLFromNative */
  { 135, VSMMU_XML_IS_ASKED, STRING (rpc_xml), NONE, NONE },
  /* virConnectDomainXMLToNative */
  { 136, VSMMU_XML_CONVERTS, STRING (rpc_to_native), NONE, FLAGS (rpc_to_native) },
  /* virDomainMigratePrepareTunnel */
  { 148, VSMMU_XML_DEFINES, STRING (rpc_migrate_prepare_tunnel), NONE, NONE },
  /* virDomainAttachDeviceFlags */
  { 160, VSMMU_XML_ATTACHES, STRING (rpc_domain_xml_flags), DOMAIN (rpc_domain_xml_flags),
    FLAGS (rpc_domain_xml_flags) },
  /* virDomainDetachDeviceFlags */
  { 161, VSMMU_XML_DETACHES, STRING (rpc_domain_xml_flags), DOMAIN (rpc_domain_xml_flags),
    FLAGS (rpc_domain_xml_flags) },
  /* virDomainUpdateDeviceFlags */
  { 174, VSMMU_XML_UPDATES, STRING (rpc_domain_xml_flags), DOMAIN (rpc_domain_xml_flags),
    FLAGS (rpc_domain_xml_flags) },
  /* virDomainSnapshotCreateXML, which brings a domain when it redefines a snapshot */
  { 185, VSMMU_XML_DEFINES, STRING (rpc_domain_xml_flags), DOMAIN (rpc_domain_xml_flags),
    FLAGS (rpc_domain_xml_flags) },
  /* virDomainSnapshotGetXMLDesc */
  { 186, VSMMU_XML_IS_ASKED, STRING (rpc_xml), NONE, NONE },
  /* virDomainMigrateBegin3 is both, and what the client does with the reply brings it back to us */
  { 213, VSMMU_XML_DEFINES, OPTIONAL (rpc_migrate_begin3), DOMAIN (rpc_migrate_begin3), NONE },
  /* virDomainMigratePrepare3 */
  { 214, VSMMU_XML_DEFINES, STRING (rpc_migrate_prepare3), NONE, NONE },
  /* virDomainMigratePrepareTunnel3 */
  { 215, VSMMU_XML_DEFINES, STRING (rpc_migrate_prepare_tunnel3), NONE, NONE },
  /* virDomainMigratePerform3 */
  { 216, VSMMU_XML_DEFINES, OPTIONAL (rpc_migrate_perform3), DOMAIN (rpc_migrate_perform3), NONE },
  /* virDomainSaveFlags */
  { 232, VSMMU_XML_DEFINES, OPTIONAL (rpc_save_flags), DOMAIN (rpc_save_flags), FLAGS (rpc_save_flags) },
  /* virDomainRestoreFlags */
  { 233, VSMMU_XML_DEFINES, OPTIONAL (rpc_file_optional_flags), NONE, FLAGS (rpc_file_optional_flags) },
  /* virDomainSaveImageGetXMLDesc */
  { 235, VSMMU_XML_IS_ASKED, STRING (rpc_xml), NONE, NONE },
  /* virDomainSaveImageDefineXML */
  { 236, VSMMU_XML_DEFINES, STRING (rpc_file_xml_flags), NONE, FLAGS (rpc_file_xml_flags) },
  /* virDomainMigrateBegin3Params */
  { 302, VSMMU_XML_DEFINES, PARAMETERS (rpc_domain_parameters_flags), DOMAIN (rpc_domain_parameters_flags),
    FLAGS (rpc_domain_parameters_flags) },
  /* virDomainMigratePrepare3Params */
  { 303, VSMMU_XML_DEFINES, PARAMETERS (rpc_migrate_parameters), NONE, FLAGS (rpc_migrate_parameters) },
  /* virDomainMigratePrepareTunnel3Params */
  { 304, VSMMU_XML_DEFINES, PARAMETERS (rpc_migrate_parameters), NONE, FLAGS (rpc_migrate_parameters) },
  /* virDomainMigratePerform3Params */
  { 305, VSMMU_XML_DEFINES, PARAMETERS (rpc_migrate_perform3_parameters), DOMAIN (rpc_migrate_perform3_parameters),
    FLAGS (rpc_migrate_perform3_parameters) },
  /* virDomainCreateXMLWithFiles */
  { 309, VSMMU_XML_IS_NEW, STRING (rpc_xml_flags), NONE, FLAGS (rpc_xml_flags) },
  /* virDomainDefineXMLFlags */
  { 350, VSMMU_XML_IS_NEW, STRING (rpc_xml_flags), NONE, FLAGS (rpc_xml_flags) },
  /* virDomainManagedSaveGetXMLDesc */
  { 388, VSMMU_XML_IS_ASKED, STRING (rpc_xml), NONE, NONE },
  /* virDomainManagedSaveDefineXML */
  { 389, VSMMU_XML_DEFINES, OPTIONAL (rpc_domain_optional_flags), DOMAIN (rpc_domain_optional_flags),
    FLAGS (rpc_domain_optional_flags) },
  /* virDomainDetachDeviceAlias */
  { 392, VSMMU_XML_NAMES, STRING (rpc_domain_xml_flags), DOMAIN (rpc_domain_xml_flags), FLAGS (rpc_domain_xml_flags) },
  /* virDomainCheckpointCreateXML, as a snapshot */
  { 411, VSMMU_XML_DEFINES, STRING (rpc_domain_xml_flags), DOMAIN (rpc_domain_xml_flags),
    FLAGS (rpc_domain_xml_flags) },
  /* virDomainCheckpointGetXMLDesc */
  { 412, VSMMU_XML_IS_ASKED, STRING (rpc_xml), NONE, NONE },
  /* virDomainSaveParams */
  { 440, VSMMU_XML_DEFINES, PARAMETERS (rpc_domain_parameters_flags), DOMAIN (rpc_domain_parameters_flags),
    FLAGS (rpc_domain_parameters_flags) },
  /* virDomainRestoreParams */
  { 441, VSMMU_XML_DEFINES, PARAMETERS (rpc_parameters_flags), NONE, FLAGS (rpc_parameters_flags) },
};

static const char *const xml_parameters[] = {
  VIR_MIGRATE_PARAM_DEST_XML,
  VIR_MIGRATE_PARAM_PERSIST_XML,
  "dxml", /* VIR_DOMAIN_SAVE_PARAM_DXML, since libvirt 8.4 */
  NULL,
};

struct _VsmmuMessage {
  const VsmmuProcedure *procedure;
  VsmmuFrameHeader header;
  gpointer arguments;
};

const VsmmuProcedure *
vsmmu_procedure_find (gint32 number)
{
  for (guint i = 0; i < G_N_ELEMENTS (procedures); i++)
    if (procedures[i].number == number)
      return &procedures[i];
  return NULL;
}

VsmmuXmlRole
vsmmu_procedure_get_role (const VsmmuProcedure *procedure)
{
  return procedure->role;
}

VsmmuMessage *
vsmmu_message_decode (const VsmmuProcedure *procedure, GBytes *frame, GError **error)
{
  g_autoptr (VsmmuMessage) message = g_new0 (VsmmuMessage, 1);

  message->procedure = procedure;
  message->arguments = g_malloc0 (procedure->size);
  vsmmu_frame_header_read (g_bytes_get_data (frame, NULL), &message->header);
  return vsmmu_frame_decode (frame, procedure->codec, message->arguments, error) ? g_steal_pointer (&message) : NULL;
}

void
vsmmu_message_free (VsmmuMessage *message)
{
  g_autoptr (GPtrArray) slots = vsmmu_message_find_xml (message);

  /* xdr_free() would leave a string that is longer than the layout allows, as a replaced one may be. */
  for (guint i = 0; i < slots->len; i++) {
    char **slot = g_ptr_array_index (slots, i);

    free (*slot);
    *slot = NULL;
  }
  xdr_free (message->procedure->codec, message->arguments);
  g_free (message->arguments);
  g_free (message);
}

static gboolean
is_xml_parameter (const rpc_parameter *parameter)
{
  return parameter->value.type == VIR_TYPED_PARAM_STRING && g_strv_contains (xml_parameters, parameter->field);
}

GPtrArray *
vsmmu_message_find_xml (VsmmuMessage *message)
{
  GPtrArray *slots = g_ptr_array_new ();
  gpointer member = (char *) message->arguments + message->procedure->xml;
  rpc_parameters *parameters = member;
  rpc_optional *optional = member;

  if (message->procedure->holding == HOLDS_STRING)
    g_ptr_array_add (slots, member);
  else if (message->procedure->holding == HOLDS_PARAMETERS)
    /* Of arguments that could not be read to the end there may be a length and nothing else. */
    for (guint i = 0; parameters->rpc_parameters_val != NULL && i < parameters->rpc_parameters_len; i++) {
      rpc_parameter *parameter = &parameters->rpc_parameters_val[i];

      if (is_xml_parameter (parameter))
        g_ptr_array_add (slots, &parameter->value.rpc_value_u.s);
    }
  else if (*optional != NULL)
    g_ptr_array_add (slots, *optional);
  return slots;
}

void
vsmmu_message_replace_xml (char **slot, const char *xml)
{
  /* xdr_free() frees with free(), as it allocated with malloc(). */
  free (*slot);
  *slot = strdup (xml);
  g_assert (*slot != NULL);
}

const guint8 *
vsmmu_message_get_uuid (const VsmmuMessage *message)
{
  const rpc_domain *domain = (gpointer) ((char *) message->arguments + message->procedure->domain);

  return message->procedure->domain != NONE ? (const guint8 *) domain->uuid : NULL;
}

guint
vsmmu_message_get_flags (const VsmmuMessage *message)
{
  return message->procedure->flags != NONE
             ? *(const u_int *) (gconstpointer) ((char *) message->arguments + message->procedure->flags)
             : 0;
}

GBytes *
vsmmu_message_encode (const VsmmuMessage *message, GError **error)
{
  return vsmmu_frame_encode (&message->header, message->procedure->codec, message->arguments, error);
}
