/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <rpc/rpc.h>

/*
 * Frames of libvirt's RPC, after libvirt's virnetprotocol.x and virnetmessage.c:
 * a length word, a header of six words, all big-endian, and a payload. A frame
 * that carries file descriptors is followed by one byte for each of them
 * (virNetSocketSendFD()), which its length does not count.
 */

/* Length word and header, in bytes. */
#define VSMMU_FRAME_HEADER_BYTES 28

/* The largest value of the length word, which counts itself: VIR_NET_MESSAGE_MAX + VIR_NET_MESSAGE_LEN_MAX. */
#define VSMMU_FRAME_LENGTH_MAX (33554432u + 4u)

/* What is needed to tell where a frame ends, for a frame that carries descriptors: the header and their number. */
#define VSMMU_FRAME_PREFIX_BYTES (VSMMU_FRAME_HEADER_BYTES + 4)

/* VIR_NET_MESSAGE_NUM_FDS_MAX */
#define VSMMU_FRAME_DESCRIPTORS_MAX 32u

/* The program of remote_protocol.x; libvirt speaks others on the same connection. */
#define VSMMU_PROGRAM_REMOTE 0x20008086u

/* virNetMessageType */
typedef enum {
  VSMMU_FRAME_CALL = 0,
  VSMMU_FRAME_REPLY = 1,
  VSMMU_FRAME_MESSAGE = 2,
  VSMMU_FRAME_STREAM = 3,
  VSMMU_FRAME_CALL_WITH_FDS = 4,
  VSMMU_FRAME_REPLY_WITH_FDS = 5,
  VSMMU_FRAME_STREAM_HOLE = 6,
} VsmmuFrameType;

/* virNetMessageStatus */
typedef enum {
  VSMMU_FRAME_OK = 0,
  VSMMU_FRAME_ERROR = 1,
  VSMMU_FRAME_CONTINUE = 2,
} VsmmuFrameStatus;

/*
 * VsmmuFrameHeader:
 * @length: of the frame in bytes, with this word
 * @type: a #VsmmuFrameType, or a newer type that this program does not know
 * @status: a #VsmmuFrameStatus
 *
 * The length word and virNetMessageHeader.
 */
typedef struct {
  guint32 length;
  guint32 program;
  guint32 version;
  gint32 procedure;
  guint32 type;
  guint32 serial;
  guint32 status;
} VsmmuFrameHeader;

/* Reads @header from the first %VSMMU_FRAME_HEADER_BYTES bytes of a frame, whatever they are. */
void vsmmu_frame_header_read (const guint8 *bytes, VsmmuFrameHeader *header);

/* Writes @header as the first %VSMMU_FRAME_HEADER_BYTES bytes of a frame. */
void vsmmu_frame_header_write (const VsmmuFrameHeader *header, guint8 *bytes);

/*
 * vsmmu_frame_header_check:
 * @error: %VSMMU_ERROR_PROTOCOL
 *
 * Returns: %FALSE with @error set when this is not a frame of libvirt's RPC: shorter
 *   than its header, longer than libvirt takes, or of no type that could be.
 *   Unknown programs, versions and procedures are left for the daemon to reject.
 */
gboolean vsmmu_frame_header_check (const VsmmuFrameHeader *header, GError **error);

/* Whether file descriptors come with the frame, and their number after its header. */
gboolean vsmmu_frame_has_descriptors (const VsmmuFrameHeader *header);

/*
 * vsmmu_frame_read_descriptors:
 * @bytes: the first %VSMMU_FRAME_PREFIX_BYTES bytes of a frame with descriptors
 * @n_descriptors: (out): how many come with it, each with a byte after the frame
 * @error: %VSMMU_ERROR_PROTOCOL when there are more than libvirt takes
 *
 * Returns: %FALSE with @error set
 */
gboolean vsmmu_frame_read_descriptors (const guint8 *bytes, const VsmmuFrameHeader *header, guint *n_descriptors,
                                       GError **error);

/*
 * vsmmu_frame_encode:
 * @header: what to put before the payload; its length is not used
 * @codec: of the payload, xdr_void() for none
 * @payload: (nullable): what @codec encodes
 * @error: %VSMMU_ERROR_PROTOCOL when it is larger than libvirt takes
 *
 * Returns: (transfer full): a whole frame; %NULL with @error set
 */
GBytes *vsmmu_frame_encode (const VsmmuFrameHeader *header, xdrproc_t codec, gpointer payload, GError **error);

/*
 * vsmmu_frame_decode:
 * @frame: a whole frame, with its header
 * @codec: of the payload
 * @payload: zeroed; free what is in it with xdr_free() in either case
 * @error: %VSMMU_ERROR_PROTOCOL
 *
 * Returns: %FALSE with @error set when the payload is anything else, or longer
 */
gboolean vsmmu_frame_decode (GBytes *frame, xdrproc_t codec, gpointer payload, GError **error);
