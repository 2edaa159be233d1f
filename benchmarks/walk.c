/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads every file and every link below a directory once, and does nothing with it: what a probe cannot go below. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

static unsigned long n_files;

static int
visit (const char *path, const struct stat *info, int type, struct FTW *place)
{
  char buffer[4096];
  int fd;

  (void) info;
  (void) place;
  if (type == FTW_SL && readlink (path, buffer, sizeof (buffer)) < 0)
    return 1;
  if (type != FTW_F)
    return 0;
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || read (fd, buffer, sizeof (buffer)) < 0)
    return 1;
  close (fd);
  n_files++;
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc != 2 || nftw (argv[1], visit, 64, FTW_PHYS) != 0)
    return 2;
  printf ("%lu files\n", n_files);
  return 0;
}
