/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * measure COMMAND [ARGUMENT…]: runs the command with its output thrown away, and
 * prints CPU time (user and system) and wall time in microseconds, peak memory in
 * KiB, and the exit status. A small program of its own because a child inherits
 * the peak of whatever started it, and Python is larger than what is measured.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long
microseconds (struct timeval time)
{
  return time.tv_sec * 1000000L + time.tv_usec;
}

static long
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

int
main (int argc, char **argv)
{
  struct rusage usage;
  long start = now ();
  int status;
  pid_t child;

  if (argc < 2)
    return 2;
  child = fork ();
  if (child == 0) {
    int null = open ("/dev/null", O_WRONLY);

    dup2 (null, STDOUT_FILENO);
    dup2 (null, STDERR_FILENO);
    execvp (argv[1], argv + 1);
    _exit (127);
  }
  if (child < 0 || wait4 (child, &status, 0, &usage) != child)
    return 2;
  printf ("%ld %ld %ld %d\n", microseconds (usage.ru_utime) + microseconds (usage.ru_stime), now () - start,
          usage.ru_maxrss, WIFEXITED (status) ? WEXITSTATUS (status) : 255);
  return 0;
}
