/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc/error.h"

#include <libvirt/virterror.h>

#include "rpc/libvirt.h"

GBytes *
vsmmu_rpc_error_reply (const VsmmuFrameHeader *call, int domain, int code, const char *message)
{
  VsmmuFrameHeader header = *call;
  rpc_string text = (char *) message;
  rpc_error error = { .code = code, .domain = domain, .message = &text, .level = VIR_ERR_ERROR };

  header.type = VSMMU_FRAME_REPLY;
  header.status = VSMMU_FRAME_ERROR;
  return vsmmu_frame_encode (&header, (xdrproc_t) xdr_rpc_error, &error, NULL);
}

char *
vsmmu_rpc_error_read (GBytes *reply, int *code)
{
  rpc_error error = { 0 };
  char *message = NULL;

  if (vsmmu_frame_decode (reply, (xdrproc_t) xdr_rpc_error, &error, NULL)) {
    *code = error.code;
    message = g_strdup (error.message != NULL ? *error.message : "");
  }
  xdr_free ((xdrproc_t) xdr_rpc_error, (char *) &error);
  return message;
}
