/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
enter (const VsmmuSource *source G_GNUC_UNUSED, int directory, const char *path)
{
  return openat (directory, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * Never waits, even if somebody put a pipe there; and follows no link, for
 * nothing that is read here is one, and a link in a tree from elsewhere might
 * lead to files of this host.
 */
static int
open_file (const VsmmuSource *source G_GNUC_UNUSED, int directory, const char *name)
{
  return openat (directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
}

static int
open_linked (const VsmmuSource *source, const char *path)
{
  struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                          .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
  int fd = (int) syscall (SYS_openat2, source->root, path, &how, sizeof (how));

  /* A container's filter of system calls may not know this one. */
  if (fd < 0 && (errno == ENOSYS || errno == EPERM))
    return open_file (source, source->root, path);
  return fd;
}

static gssize
read_file (const VsmmuSource *source G_GNUC_UNUSED, int file, gpointer buffer, gsize size, gsize offset)
{
  gssize got = pread (file, buffer, size, (off_t) offset);

  return got < 0 && errno == ESPIPE ? read (file, buffer, size) : got;
}

static gssize
read_link (const VsmmuSource *source G_GNUC_UNUSED, int directory, const char *name, char *buffer, gsize size)
{
  return readlinkat (directory, name, buffer, size);
}

static GPtrArray *
list (const VsmmuSource *source G_GNUC_UNUSED, int directory, const char *path)
{
  int fd = openat (directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  DIR *stream = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;
  GPtrArray *names;

  if (stream == NULL) {
    if (fd >= 0) {
      close (fd);
      errno = ENOMEM;
    }
    return NULL;
  }
  names = g_ptr_array_new_with_free_func (g_free);
  while ((entry = readdir (stream)) != NULL)
    if (entry->d_name[0] != '.')
      g_ptr_array_add (names, g_strdup (entry->d_name));
  closedir (stream);
  return names;
}

static gboolean
has (const VsmmuSource *source G_GNUC_UNUSED, int directory, const char *path)
{
  return faccessat (directory, path, F_OK, 0) == 0;
}

static void
close_descriptor (const VsmmuSource *source G_GNUC_UNUSED, int descriptor)
{
  close (descriptor);
}

gboolean
vsmmu_directory_open (const char *path, VsmmuSource *source)
{
  *source = (VsmmuSource){
    .root = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC),
    .enter = enter,
    .open = open_file,
    .open_linked = open_linked,
    .read = read_file,
    .read_link = read_link,
    .list = list,
    .has = has,
    .close = close_descriptor,
  };
  return source->root >= 0;
}

void
vsmmu_directory_close (VsmmuSource *source)
{
  close (source->root);
  source->root = -1;
}
