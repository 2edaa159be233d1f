/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/virterror.h>
#include <string.h>

#include "rpc/error.h"
#include "rpc/libvirt.h"
#include "rpc/opening.h"

#define CONNECT_OPEN 1
#define OTHER_PROGRAM 0x6b656570u /* keepalive */

/* What the next filter was asked. */
typedef struct {
  gboolean wants;
  guint n_wanted;
  guint n_handled;
  guint n_started;
  guint n_ended;
} Next;

static void
start (gpointer self, VsmmuRelay *relay)
{
  g_assert_nonnull (relay);
  ((Next *) self)->n_started++;
}

static gboolean
wants (gpointer self, VsmmuDirection direction G_GNUC_UNUSED, const VsmmuFrameHeader *header G_GNUC_UNUSED)
{
  ((Next *) self)->n_wanted++;
  return ((Next *) self)->wants;
}

static void
handle (gpointer self, VsmmuDirection direction G_GNUC_UNUSED, GBytes *frame, VsmmuRelayAnswer *answer)
{
  ((Next *) self)->n_handled++;
  answer->to_client = g_bytes_ref (frame);
}

static void
end (gpointer self)
{
  ((Next *) self)->n_ended++;
}

static const VsmmuRelayFilter next_filter = { start, wants, handle, end };

static const struct {
  const char *name;
  VsmmuDirection direction;
  guint32 program;
  gint32 procedure;
  guint32 type;
  gboolean is_opening;
} frames[] = {
  { "opening", VSMMU_TO_DAEMON, VSMMU_PROGRAM_REMOTE, CONNECT_OPEN, VSMMU_FRAME_CALL, TRUE },
  { "the-other-way", VSMMU_TO_CLIENT, VSMMU_PROGRAM_REMOTE, CONNECT_OPEN, VSMMU_FRAME_CALL, FALSE },
  { "another-program", VSMMU_TO_DAEMON, OTHER_PROGRAM, CONNECT_OPEN, VSMMU_FRAME_CALL, FALSE },
  { "another-call", VSMMU_TO_DAEMON, VSMMU_PROGRAM_REMOTE, CONNECT_OPEN + 1, VSMMU_FRAME_CALL, FALSE },
  { "no-call", VSMMU_TO_DAEMON, VSMMU_PROGRAM_REMOTE, CONNECT_OPEN, VSMMU_FRAME_REPLY, FALSE },
};

static GBytes *
frame_new (VsmmuFrameHeader header, const char *uri)
{
  rpc_string name = (char *) uri;
  rpc_open arguments = { uri != NULL ? &name : NULL, 0 };

  return vsmmu_frame_encode (&header, (xdrproc_t) xdr_rpc_open, &arguments, NULL);
}

static void
clear (VsmmuRelayAnswer *answer)
{
  g_clear_pointer (&answer->to_client, g_bytes_unref);
  g_clear_pointer (&answer->to_daemon, g_bytes_unref);
}

static void
test_all_but_the_opening_is_for_the_next_filter (gconstpointer data)
{
  const typeof (frames[0]) *row = data;
  const VsmmuFrameHeader header = { 0, row->program, 1, row->procedure, row->type, 7, 0 };
  g_autoptr (GBytes) frame = frame_new (header, "qemu:///session");

  for (gboolean next_wants = FALSE; next_wants <= TRUE; next_wants++) {
    Next next = { .wants = next_wants };
    VsmmuOpening opening = { &next_filter, &next };
    VsmmuRelayAnswer answer = { 0 };

    g_assert_true (vsmmu_opening_filter.wants (&opening, row->direction, &header) == (row->is_opening || next_wants));
    g_assert_cmpuint (next.n_wanted, ==, row->is_opening ? 0 : 1);
    vsmmu_opening_filter.handle (&opening, row->direction, frame, &answer);
    g_assert_cmpuint (next.n_handled, ==, row->is_opening ? 0 : 1);
    g_assert_nonnull (answer.to_client);
    g_assert_true ((answer.to_client == frame) == !row->is_opening);
    g_assert_null (answer.to_daemon);
    clear (&answer);
  }
}

static const struct {
  const char *name;
  const char *uri; /* %NULL: none */
  gboolean is_refused;
} uris[] = {
  { "session", "qemu:///session", TRUE }, { "session-with-a-query", "qemu:///session?no_verify=1", TRUE },
  { "system", "qemu:///system", FALSE },  { "sessions", "qemu:///sessions", FALSE },
  { "no-path", "qemu:", FALSE },          { "none", NULL, FALSE },
  { "no-uri", "/session", FALSE },
};

static void
test_a_session_is_not_opened_at_the_system_daemon (gconstpointer data)
{
  const typeof (uris[0]) *row = data;
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, CONNECT_OPEN, VSMMU_FRAME_CALL, 7, 0 };
  g_autoptr (GBytes) frame = frame_new (header, row->uri);
  Next next = { 0 };
  VsmmuOpening opening = { &next_filter, &next };
  VsmmuRelayAnswer answer = { 0 };

  vsmmu_opening_filter.handle (&opening, VSMMU_TO_DAEMON, frame, &answer);
  g_assert_true (answer.to_daemon == (row->is_refused ? NULL : frame));
  g_assert_true ((answer.to_client != NULL) == row->is_refused);
  if (row->is_refused) {
    g_autofree char *message = NULL;
    VsmmuFrameHeader seen;
    int code = 0;

    message = vsmmu_rpc_error_read (answer.to_client, &code);
    vsmmu_frame_header_read (g_bytes_get_data (answer.to_client, NULL), &seen);
    g_assert_cmpuint (seen.serial, ==, 7);
    g_assert_cmpuint (seen.status, ==, VSMMU_FRAME_ERROR);
    g_assert_cmpint (code, ==, VIR_ERR_NO_CONNECT);
    g_assert_nonnull (strstr (message, "virt-vsmmu-connect-session"));
  }
  clear (&answer);
}

/* It may have names that we cannot decode, and refuses what it cannot decode itself. */
static void
test_an_opening_that_cannot_be_decoded_is_for_the_daemon (void)
{
  const VsmmuFrameHeader header = { 0, VSMMU_PROGRAM_REMOTE, 1, CONNECT_OPEN, VSMMU_FRAME_CALL, 7, 0 };
  g_autoptr (GBytes) frame = vsmmu_frame_encode (&header, (xdrproc_t) xdr_int, &(int){ 1 }, NULL);
  Next next = { 0 };
  VsmmuOpening opening = { &next_filter, &next };
  VsmmuRelayAnswer answer = { 0 };

  vsmmu_opening_filter.handle (&opening, VSMMU_TO_DAEMON, frame, &answer);
  g_assert_true (answer.to_daemon == frame);
  g_assert_null (answer.to_client);
  clear (&answer);
}

static void
test_the_next_filter_starts_and_ends_with_this_one (void)
{
  Next next = { 0 };
  VsmmuOpening opening = { &next_filter, &next };

  vsmmu_opening_filter.start (&opening, (VsmmuRelay *) &next);
  g_assert_cmpuint (next.n_started, ==, 1);
  g_assert_cmpuint (next.n_ended, ==, 0);
  vsmmu_opening_filter.end (&opening);
  g_assert_cmpuint (next.n_ended, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    g_autofree char *path = g_strconcat ("/opening/frames/", frames[i].name, NULL);

    g_test_add_data_func (path, &frames[i], test_all_but_the_opening_is_for_the_next_filter);
  }
  for (guint i = 0; i < G_N_ELEMENTS (uris); i++) {
    g_autofree char *path = g_strconcat ("/opening/uris/", uris[i].name, NULL);

    g_test_add_data_func (path, &uris[i], test_a_session_is_not_opened_at_the_system_daemon);
  }
  g_test_add_func ("/opening/broken", test_an_opening_that_cannot_be_decoded_is_for_the_daemon);
  g_test_add_func ("/opening/start-and-end", test_the_next_filter_starts_and_ends_with_this_one);
  return g_test_run ();
}
