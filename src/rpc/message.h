/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "rpc/frame.h"

/* What to do with XML in a message. */
typedef enum {
  VSMMU_XML_DEFINES,  /* a call brings a domain: check it, refuse it or lower it */
  VSMMU_XML_IS_NEW,   /* the same for a domain that libvirt has not written itself: it may be given vSMMUs before */
  VSMMU_XML_CONVERTS, /* a call brings a domain that nobody keeps: lower it */
  VSMMU_XML_ATTACHES, /* a call brings a device for a domain */
  VSMMU_XML_UPDATES,
  VSMMU_XML_DETACHES,
  VSMMU_XML_NAMES,    /* a call brings the alias of a device to be detached instead of XML */
  VSMMU_XML_IS_ASKED, /* the call has none; its reply has a domain: lift it */
} VsmmuXmlRole;

/* A procedure of libvirt's remote protocol that brings or asks for XML. */
typedef struct _VsmmuProcedure VsmmuProcedure;

/* (nullable): what is known of the procedure @number of the program 0x20008086 */
const VsmmuProcedure *vsmmu_procedure_find (gint32 number);

VsmmuXmlRole vsmmu_procedure_get_role (const VsmmuProcedure *procedure);

/*
 * VsmmuMessage: the payload of one frame, whose XML can be read and replaced.
 */
typedef struct _VsmmuMessage VsmmuMessage;

/*
 * vsmmu_message_decode:
 * @frame: a call of @procedure, or, when it only asks for XML, the reply to one
 * @error: %VSMMU_ERROR_PROTOCOL
 *
 * Returns: (transfer full): the message, or %NULL with @error set when the payload is anything but one of this
 *   procedure
 */
VsmmuMessage *vsmmu_message_decode (const VsmmuProcedure *procedure, GBytes *frame, GError **error);

void vsmmu_message_free (VsmmuMessage *message);

/* (transfer container) (element-type utf8): where the message has XML, each a `char **`; empty when it has none */
GPtrArray *vsmmu_message_find_xml (VsmmuMessage *message);

/* Puts @xml in the place @slot of vsmmu_message_find_xml(). */
void vsmmu_message_replace_xml (char **slot, const char *xml);

/* (nullable): UUID of the domain the call is about, 16 bytes; owned by @message */
const guint8 *vsmmu_message_get_uuid (const VsmmuMessage *message);

/* The flags of the call; 0 for a procedure without. */
guint vsmmu_message_get_flags (const VsmmuMessage *message);

/* (transfer full): a new frame, with the XML it has now; %NULL with @error set when it has become too large */
GBytes *vsmmu_message_encode (const VsmmuMessage *message, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuMessage, vsmmu_message_free)
