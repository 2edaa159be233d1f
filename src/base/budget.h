/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/error.h"

/*
 * VsmmuBudget:
 *
 * A limit on the memory that all documents in progress use together; shared by threads. A parsed document takes up to
 * 48 times its size: libxml2 has some 260 bytes for an attribute, which six bytes can be.
 */
typedef struct _VsmmuBudget VsmmuBudget;

/*
 * vsmmu_budget_new:
 * @bytes: of memory
 *
 * Returns: (transfer full): a budget that is unused
 */
VsmmuBudget *vsmmu_budget_new (gsize bytes);

VsmmuBudget *vsmmu_budget_ref (VsmmuBudget *budget);
void vsmmu_budget_unref (VsmmuBudget *budget);

/*
 * vsmmu_budget_take:
 * @budget: (nullable): %NULL for no limit
 * @length: bytes of a document
 * @is_urgent: whether it goes before those that are not
 *
 * Takes what processing the document costs, and waits, in the order of the calls, until that much is available. A
 * document of at most 64 KiB never waits, and a document that costs more than the whole budget waits until nobody else
 * has any of it.
 *
 * Returns: what was taken, for vsmmu_budget_give()
 */
gsize vsmmu_budget_take (VsmmuBudget *budget, gsize length, gboolean is_urgent);

/*
 * vsmmu_budget_give:
 * @budget: (nullable):
 *
 * The document is no longer needed.
 */
void vsmmu_budget_give (VsmmuBudget *budget, gsize taken);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuBudget, vsmmu_budget_unref)

/* How many urgent callers wait, or how many others; @budget: (nullable) */
guint vsmmu_budget_count_waiting (VsmmuBudget *budget, gboolean is_urgent);

/* Whether something urgent waits, or has since @time, which is monotonic; @budget: (nullable) */
gboolean vsmmu_budget_was_waited_for (VsmmuBudget *budget, gint64 time);
