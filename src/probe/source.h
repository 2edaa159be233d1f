/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * VsmmuSource:
 * @root: descriptor of the root directory
 * @enter: opens the directory @path below @directory; links are followed
 * @open: opens a file for reading, not through a link
 * @open_linked: opens a file below the root that may be a link, which leads to what it leads to below that root
 * @read: reads from a file at @offset; a file that has no offsets is read on
 * @read_link: reads where a link leads to, without a zero byte
 * @list: the names in a directory, without those that start with a point, in no order
 * @has: whether there is such a file, link or directory
 * @close: releases a descriptor
 *
 * What a tree of files is read from: a directory, or a listing of one. Descriptors are numbers that mean something to
 * the source only; -1, %NULL and %FALSE are for errors, with errno as the reason. Several threads may call these.
 */
typedef struct _VsmmuSource VsmmuSource;
struct _VsmmuSource {
  int root;
  int (*enter) (const VsmmuSource *source, int directory, const char *path);
  int (*open) (const VsmmuSource *source, int directory, const char *name);
  int (*open_linked) (const VsmmuSource *source, const char *path);
  gssize (*read) (const VsmmuSource *source, int file, gpointer buffer, gsize size, gsize offset);
  gssize (*read_link) (const VsmmuSource *source, int directory, const char *name, char *buffer, gsize size);
  GPtrArray *(*list) (const VsmmuSource *source, int directory, const char *path);
  gboolean (*has) (const VsmmuSource *source, int directory, const char *path);
  void (*close) (const VsmmuSource *source, int descriptor);
};
