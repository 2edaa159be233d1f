/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What one caller, and all together, may ask of the daemon. A guest's XML has some ten KiB, and a check of it takes
 * milliseconds.
 */
enum {
  VSMMU_QUOTA_MESSAGE_BYTES = 1024 * 1024,        /* of the arguments of a call */
  VSMMU_QUOTA_DESCRIPTOR_BYTES = 4 * 1024 * 1024, /* of a document behind a descriptor */
  VSMMU_QUOTA_NAME_BYTES = 4096,                  /* of a document, which each finding has a copy of */
  VSMMU_QUOTA_REPLY_BYTES = 8 * 1024 * 1024,      /* a bus throws out who sends more than it takes, 32 MiB by default */
  VSMMU_QUOTA_CALLS = 128,                        /* in flight, of all who may call */
  VSMMU_QUOTA_USER_CALLS = 16,                    /* in flight, of one user, and of one connection */
  VSMMU_QUOTA_SENDER_BYTES = 4 * 1024 * 1024,     /* of the arguments of what is in flight of one connection */
  VSMMU_QUOTA_ALL_BYTES = 64 * 1024 * 1024,       /* ... and of all, but for ... */
  VSMMU_QUOTA_SMALL_BYTES = 64 * 1024,            /* ... calls of so many */
  VSMMU_QUOTA_USER_QUESTIONS = 2,                 /* of polkit about one user at a time */
  VSMMU_QUOTA_USER_THREADS = 2,                   /* at work for one user at a time */
  VSMMU_QUOTA_THREADS = 4,                        /* at work at a time ... */
  VSMMU_QUOTA_LARGE_THREADS = 2,                  /* ... and on what is large ... */
  VSMMU_QUOTA_LARGE_BYTES = 256 * 1024,           /* ... which is more than this */
  VSMMU_QUOTA_GUEST_THREADS = 8,                  /* asking libvirt of a guest at a time */
  VSMMU_QUOTA_DOCUMENTS_MEMORY = 208 * 1024 * 1024, /* for all documents: one of 4 MiB and some small ones */
  VSMMU_QUOTA_USER_BURST = 200,                     /* calls of one user at once ... */
  VSMMU_QUOTA_USER_RATE = 50,                       /* ... and then each second */
};
