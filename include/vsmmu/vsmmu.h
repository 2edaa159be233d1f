/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION: vsmmu
 * The public interface of libvsmmu: read domain XML, check it, and generate
 * QEMU arguments for its accelerated SMMUv3 part; resolve MSIs.
 */
#pragma once

#include <vsmmu/arguments.h>
#include <vsmmu/check.h>
#include <vsmmu/domain.h>
#include <vsmmu/error.h>
#include <vsmmu/finding.h>
#include <vsmmu/host.h>
#include <vsmmu/lower.h>
#include <vsmmu/msi.h>
#include <vsmmu/plan.h>
#include <vsmmu/render.h>
#include <vsmmu/rule.h>
#include <vsmmu/target.h>
#include <vsmmu/version.h>
