/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "verdicts.h"

/* Writes every change of @verdicts to the journal, or to stderr where there is none. */
void vsmmu_journal_listen (VsmmuVerdicts *verdicts);
