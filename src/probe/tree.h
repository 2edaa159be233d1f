/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "host/host.h"
#include "probe/source.h"

/* The largest file that is read whole: a kernel's configuration, a log. */
#define VSMMU_TREE_FILE_MAX (4u * 1024 * 1024)

/* Where the files of a host are read. Paths have no slash at the start: sys/class/iommu. */
typedef struct {
  const VsmmuSource *source;
  VsmmuHost *host; /* what is there and cannot be read is added to it */
  GMutex *mutex;   /* for that, since several threads read */
} VsmmuTree;

/*
 * vsmmu_tree_for_each:
 * @n: how many things there are to read
 * @read: is called once for each number below @n, from several threads when
 *   there are many; it changes only what belongs to that number
 *
 * Nearly all the time is spent in the kernel, looking up paths.
 */
void vsmmu_tree_for_each (guint n, void (*read) (gpointer data, guint i), gpointer data);

/* Notes that @path could not be read, with errno as the reason. */
void vsmmu_tree_note_unread (const VsmmuTree *tree, const char *path, int error);

/* Opens the directory @path below @directory; -1 when it cannot be entered, which is noted. */
int vsmmu_tree_enter (const VsmmuTree *tree, int directory, const char *path);

/* Opens a file for reading, not through a link; -1 when it cannot be opened. */
int vsmmu_tree_open (const VsmmuTree *tree, int directory, const char *name);

/* Closes what vsmmu_tree_enter() or vsmmu_tree_open() returned. */
void vsmmu_tree_close (const VsmmuTree *tree, int descriptor);

/* Reads from an open file; how many bytes there were, -1 with errno for none. */
gssize vsmmu_tree_read (const VsmmuTree *tree, int file, gpointer buffer, gsize size, gsize offset);

/* Whether there is such a file, link or directory, with errno when not. */
gboolean vsmmu_tree_has (const VsmmuTree *tree, int directory, const char *path);

/*
 * vsmmu_tree_read_small:
 * @directory: descriptor of a directory
 * @buffer: gets the text, without the last line feed, and a zero byte
 * @size: of @buffer, in bytes
 *
 * Reads a file that is known to be small, such as an attribute in sysfs; what
 * does not fit is cut off. A file that is not there is not reported.
 *
 * Returns: %FALSE when it cannot be read
 */
gboolean vsmmu_tree_read_small (const VsmmuTree *tree, int directory, const char *name, char *buffer, gsize size);

/* The number in such a file as a fact from sysfs; unknown when it is not there or no number. */
VsmmuFact vsmmu_tree_read_number (const VsmmuTree *tree, int directory, const char *name);

/* (transfer full) (nullable): a whole file, with a zero byte after it */
char *vsmmu_tree_read_file (const VsmmuTree *tree, const char *path, gsize *length);

/*
 * (transfer full) (nullable): the same of a file that may be a link. In a tree from elsewhere a link leads to what it
 * leads to below the root of that tree; a link out of the tree is not followed.
 */
char *vsmmu_tree_read_linked_file (const VsmmuTree *tree, const char *path, gsize *length);

/* Reads where the symbolic link @name leads to; %FALSE when it is none. */
gboolean vsmmu_tree_read_link (const VsmmuTree *tree, int directory, const char *name, char *buffer, gsize size);

/*
 * (transfer full) (nullable): the names in a directory, without those that
 * start with a point, in no order; none for a directory that is not there
 */
GPtrArray *vsmmu_tree_list (const VsmmuTree *tree, int directory, const char *path);

/* Whether @path exists, as a fact from @source; unknown when that cannot be found out. */
VsmmuFact vsmmu_tree_exists (const VsmmuTree *tree, const char *path, VsmmuFactSource source);
