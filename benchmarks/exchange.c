/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A client and a peer that speak just enough of libvirt's protocol to measure what is between them:
 *
 *   exchange serve SOCKET                        answers calls, swallows and makes streams
 *   exchange calls N SOCKET [COMMAND...]         prints median and 99th percentile of the time of a call in ns
 *   exchange up|down MIB SOCKET [COMMAND...]     prints MiB/s of a stream
 *
 * With COMMAND, it is run as libvirt runs an ext transport. After the numbers come resident and proportional
 * set size of it in KiB, 0 without.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM 0x20008086
#define AUTH_LIST 66
#define OPEN 1
#define GET_LIB_VERSION 157
#define DOWNLOAD 2 /* what is sent back, in frames, is in the payload; not libvirt's */

/* VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX: what libvirt puts into one frame of a stream. */
#define STREAM_PAYLOAD 262120
#define WARM_UP 200

enum { CALL, REPLY, MESSAGE, STREAM };
enum { OK, ERROR, CONTINUE };
enum { LENGTH, PROGRAM_WORD, VERSION, PROCEDURE, TYPE, SERIAL, STATUS, N_WORDS };

typedef struct {
  uint32_t words[N_WORDS];
  char payload[STREAM_PAYLOAD];
} Frame;

static void
read_all (int fd, void *data, size_t size)
{
  for (size_t done = 0; done < size;) {
    ssize_t n = read (fd, (char *) data + done, size - done);

    if (n == 0)
      exit (0);
    if (n < 0)
      err (1, "read");
    done += (size_t) n;
  }
}

static void
write_all (int fd, const void *data, size_t size)
{
  for (size_t done = 0; done < size;) {
    ssize_t n = write (fd, (const char *) data + done, size - done);

    if (n < 0)
      err (1, "write");
    done += (size_t) n;
  }
}

static void
say (int fd, Frame *frame, uint32_t procedure, uint32_t type, uint32_t status, size_t payload)
{
  static uint32_t serial;
  const uint32_t words[N_WORDS] = {
    (uint32_t) (sizeof (frame->words) + payload), PROGRAM, 1, procedure, type, ++serial, status
  };

  for (int i = 0; i < N_WORDS; i++)
    frame->words[i] = htonl (words[i]);
  write_all (fd, frame, words[LENGTH]);
}

static void
hear (int fd, Frame *frame)
{
  read_all (fd, frame->words, sizeof (frame->words));
  for (int i = 0; i < N_WORDS; i++)
    frame->words[i] = ntohl (frame->words[i]);
  if (frame->words[LENGTH] > sizeof (*frame))
    errx (1, "a frame of %u bytes", frame->words[LENGTH]);
  read_all (fd, frame->payload, frame->words[LENGTH] - sizeof (frame->words));
}

static void
answer (int fd)
{
  static Frame frame;

  for (;;) {
    uint32_t n;

    hear (fd, &frame);
    memcpy (&n, frame.payload, sizeof (n));
    if (frame.words[TYPE] == STREAM && frame.words[STATUS] == CONTINUE)
      continue;
    for (n = frame.words[PROCEDURE] == DOWNLOAD && frame.words[TYPE] == CALL ? ntohl (n) : 0; n > 0; n--)
      say (fd, &frame, DOWNLOAD, STREAM, CONTINUE, STREAM_PAYLOAD);
    say (fd, &frame, frame.words[PROCEDURE], REPLY, OK, 8);
  }
}

static int
make_socket (const char *path, struct sockaddr_un *address)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || strlen (path) >= sizeof (address->sun_path))
    errx (1, "no socket %s", path);
  *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
  strcpy (address->sun_path, path);
  return fd;
}

static void
serve (const char *path)
{
  struct sockaddr_un address;
  int listener = make_socket (path, &address);

  if (bind (listener, (struct sockaddr *) &address, sizeof (address)) != 0 || listen (listener, 8) != 0)
    err (1, "%s", path);
  signal (SIGCHLD, SIG_IGN);
  for (;;) {
    int fd = accept (listener, NULL, NULL);

    if (fd >= 0 && fork () == 0) {
      close (listener);
      answer (fd);
    }
    close (fd);
  }
}

static int
connect_to (const char *path)
{
  struct sockaddr_un address;
  int fd = make_socket (path, &address);

  if (connect (fd, (struct sockaddr *) &address, sizeof (address)) != 0)
    err (1, "%s", path);
  return fd;
}

static int
run (char **command, pid_t *pid)
{
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    err (1, "socketpair");
  *pid = fork ();
  if (*pid == 0) {
    dup2 (fds[1], 0);
    dup2 (fds[1], 1);
    execvp (command[0], command);
    err (1, "%s", command[0]);
  }
  close (fds[1]);
  return fds[0];
}

static uint64_t
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (uint64_t) time.tv_sec * 1000000000 + (uint64_t) time.tv_nsec;
}

static uint64_t
call (int fd, Frame *frame, uint32_t procedure, size_t payload)
{
  uint64_t begin = now ();

  say (fd, frame, procedure, CALL, OK, payload);
  hear (fd, frame);
  return now () - begin;
}

/* As a client of libvirt begins; a name of length 14 with its padding, and flags. */
static void
open_connection (int fd, Frame *frame)
{
  static const char test[] = "\0\0\0\1\0\0\0\017test:///default\0\0\0\0";

  call (fd, frame, AUTH_LIST, 0);
  memcpy (frame->payload, test, sizeof (test));
  frame->payload[sizeof (test) - 1] = 0;
  call (fd, frame, OPEN, 28);
  if (frame->words[STATUS] != OK)
    errx (1, "the connection cannot be opened");
}

static int
compare (const void *one, const void *other)
{
  uint64_t a = *(const uint64_t *) one;
  uint64_t b = *(const uint64_t *) other;

  return (a > b) - (a < b);
}

static void
measure_calls (int fd, Frame *frame, int n)
{
  uint64_t *times = calloc ((size_t) n, sizeof (*times));

  for (int i = 0; i < n + WARM_UP; i++) {
    uint64_t time = call (fd, frame, GET_LIB_VERSION, 0);

    if (i >= WARM_UP)
      times[i - WARM_UP] = time;
  }
  qsort (times, (size_t) n, sizeof (*times), compare);
  printf ("%lu %lu", (unsigned long) times[n / 2], (unsigned long) times[n - 1 - n / 100]);
  free (times);
}

static void
measure_stream (int fd, Frame *frame, int mib, int is_up)
{
  uint32_t n = (uint32_t) ((uint64_t) mib * 1024 * 1024 / STREAM_PAYLOAD);
  uint32_t wanted = htonl (n);
  uint64_t begin = now ();

  if (is_up) {
    for (uint32_t i = 0; i < n; i++)
      say (fd, frame, DOWNLOAD, STREAM, CONTINUE, STREAM_PAYLOAD);
    say (fd, frame, GET_LIB_VERSION, STREAM, OK, 0);
    hear (fd, frame);
  } else {
    memcpy (frame->payload, &wanted, sizeof (wanted));
    say (fd, frame, DOWNLOAD, CALL, OK, sizeof (wanted));
    do
      hear (fd, frame);
    while (frame->words[TYPE] == STREAM);
  }
  printf ("%.0f", (double) n * STREAM_PAYLOAD / 1048576 / ((double) (now () - begin) / 1e9));
}

static unsigned
read_kib (pid_t pid, const char *name)
{
  char path[64];
  char line[256];
  unsigned kib = 0;
  FILE *file;

  snprintf (path, sizeof (path), "/proc/%d/smaps_rollup", (int) pid);
  file = pid > 0 ? fopen (path, "r") : NULL;
  while (file != NULL && fgets (line, sizeof (line), file) != NULL)
    if (strncmp (line, name, strlen (name)) == 0)
      kib = (unsigned) strtoul (line + strlen (name), NULL, 10);
  if (file != NULL)
    fclose (file);
  return kib;
}

int
main (int argc, char **argv)
{
  static Frame frame;
  pid_t pid = 0;
  int fd;

  if (argc == 3 && strcmp (argv[1], "serve") == 0)
    serve (argv[2]);
  if (argc < 4)
    errx (2, "see the comment at the start of exchange.c");
  fd = argc > 4 ? run (argv + 4, &pid) : connect_to (argv[3]);
  open_connection (fd, &frame);
  if (strcmp (argv[1], "calls") == 0)
    measure_calls (fd, &frame, atoi (argv[2]));
  else
    measure_stream (fd, &frame, atoi (argv[2]), strcmp (argv[1], "up") == 0);
  printf (" %u %u\n", read_kib (pid, "Rss:"), read_kib (pid, "Pss:"));
  close (fd);
  if (pid > 0)
    waitpid (pid, NULL, 0);
  return 0;
}
