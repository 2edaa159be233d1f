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
  VSMMU_QUOTA_CALLS = 128,                        /* in flight, of all callers */
  VSMMU_QUOTA_USER_CALLS = 16,                    /* in flight, of one user */
  VSMMU_QUOTA_USER_THREADS = 2,                   /* at work for one user at a time */
  VSMMU_QUOTA_THREADS = 4,                        /* at work at a time */
  VSMMU_QUOTA_USER_BURST = 200,                   /* calls of one user at once ... */
  VSMMU_QUOTA_USER_RATE = 50,                     /* ... and then each second */
};
