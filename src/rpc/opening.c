/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/opening.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "rpc/error.h"
#include "rpc/libvirt.h"

/* virConnectOpen */
#define CONNECT_OPEN 1

static void
start (gpointer self, VsmmuRelay *relay)
{
  VsmmuOpening *opening = self;

  opening->next->start (opening->next_self, relay);
}

static gboolean
is_opening (const VsmmuFrameHeader *header)
{
  return header->program == VSMMU_PROGRAM_REMOTE && header->type == VSMMU_FRAME_CALL &&
         header->procedure == CONNECT_OPEN;
}

static gboolean
wants (gpointer self, VsmmuDirection direction, const VsmmuFrameHeader *header)
{
  VsmmuOpening *opening = self;

  return (direction == VSMMU_TO_DAEMON && is_opening (header)) ||
         opening->next->wants (opening->next_self, direction, header);
}

/* As remoteGetURIDaemonInfo() decides it. What cannot be read is for the daemon to refuse. */
static gboolean
names_session (GBytes *frame)
{
  rpc_open arguments = { 0 };
  g_autoptr (GUri) uri = NULL;
  gboolean is_session;

  if (vsmmu_frame_decode (frame, (xdrproc_t) xdr_rpc_open, &arguments, NULL) && arguments.name != NULL)
    uri = g_uri_parse (*arguments.name, G_URI_FLAGS_NONE, NULL);
  is_session = uri != NULL && strcmp (g_uri_get_path (uri), "/session") == 0;
  xdr_free ((xdrproc_t) xdr_rpc_open, (char *) &arguments);
  return is_session;
}

static void
handle (gpointer self, VsmmuDirection direction, GBytes *frame, VsmmuRelayAnswer *answer)
{
  VsmmuOpening *opening = self;
  VsmmuFrameHeader header;

  vsmmu_frame_header_read (g_bytes_get_data (frame, NULL), &header);
  if (direction != VSMMU_TO_DAEMON || !is_opening (&header))
    opening->next->handle (opening->next_self, direction, frame, answer);
  else if (names_session (frame))
    answer->to_client = vsmmu_rpc_error_reply (
        &header, VIR_FROM_RPC, VIR_ERR_NO_CONNECT,
        _ ("the URI is for the session daemon, but virt-vsmmu-connect is connected to the system daemon; use "
           "virt-vsmmu-connect-session as the command"));
  else
    answer->to_daemon = g_bytes_ref (frame);
}

static void
end (gpointer self)
{
  VsmmuOpening *opening = self;

  opening->next->end (opening->next_self);
}

const VsmmuRelayFilter vsmmu_opening_filter = { start, wants, handle, end };
