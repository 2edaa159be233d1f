/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rpc/frame.h"

typedef enum {
  VSMMU_TO_DAEMON,
  VSMMU_TO_CLIENT,
} VsmmuDirection;

/*
 * VsmmuRelay: passes the frames of libvirt's RPC between a client and a daemon, both ways at once. What no filter wants
 * goes through as bytes, in order and unchanged, without waiting for the rest of a frame.
 */
typedef struct _VsmmuRelay VsmmuRelay;

/* The result for a frame that was held back: whole frames (transfer full), or %NULL for none. */
typedef struct {
  GBytes *to_daemon;
  GBytes *to_client;
} VsmmuRelayAnswer;

/*
 * VsmmuRelayFilter:
 * @start: is called once, before anything else; @relay lives until vsmmu_relay_run() returns
 * @wants: is called in the relay's thread for every header, in the order in
 *   which frames come, and must be quick. %TRUE to have the whole frame held back
 *   and handed to @handle; it may note serials, for a reply that will be wanted
 *   when the call passes.
 * @handle: is called in a worker thread, as many at once as there are frames, and
 *   may take seconds; other frames go on meanwhile in both directions. @answer is empty.
 *   It may wait for frames that come later, which other workers handle. After a
 *   frame with file descriptors come their bytes, which its length does not count.
 * @end: is called once, when the daemon has gone or the connection is over; who
 *   waits in @handle must not wait any longer
 *
 * Frames that are not wanted pass in the order and with the bytes in which they
 * came; an answer comes between two of them, as soon as it is there. No function
 * is called with a lock held.
 */
typedef struct {
  void (*start) (gpointer self, VsmmuRelay *relay);
  gboolean (*wants) (gpointer self, VsmmuDirection direction, const VsmmuFrameHeader *header);
  void (*handle) (gpointer self, VsmmuDirection direction, GBytes *frame, VsmmuRelayAnswer *answer);
  void (*end) (gpointer self);
} VsmmuRelayFilter;

/*
 * vsmmu_relay_send:
 * @relay: from VsmmuRelayFilter.start()
 * @frame: (transfer none): whole frames
 *
 * Sends frames of our own, as soon as they fit between others. May be called by any
 * thread until vsmmu_relay_run() returns; what comes after the end is dropped.
 */
void vsmmu_relay_send (VsmmuRelay *relay, VsmmuDirection direction, GBytes *frame);

/*
 * vsmmu_relay_run:
 * @client_in: where the client's frames come from
 * @client_out: where the client's frames go to; may be @client_in
 * @daemon: a connected socket
 * @filter: (nullable): sees the frames
 * @error: %VSMMU_ERROR_READ when a side breaks off, or sends something that is not a frame
 *
 * Runs until either side ends the connection; what has come until then is passed on. Makes the descriptors
 * non-blocking, and leaves them open.
 *
 * Returns: %TRUE when a side ended between two frames, %FALSE with @error set for everything else
 */
gboolean vsmmu_relay_run (int client_in, int client_out, int daemon, int quit_after, const VsmmuRelayFilter *filter,
                          gpointer self, GError **error);
