/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/budget.h"

/* How many wait of those that are urgent, or of those that are not; @budget: (nullable) */
guint vsmmu_budget_count_waiting (VsmmuBudget *budget, gboolean is_urgent);

/* Whether something urgent waits, or has since @time, which is monotonic; @budget: (nullable) */
gboolean vsmmu_budget_was_waited_for (VsmmuBudget *budget, gint64 time);
