/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vsmmu/budget.h"

/* Whether something urgent waits; @budget: (nullable) */
gboolean vsmmu_budget_is_waited_for (VsmmuBudget *budget);
