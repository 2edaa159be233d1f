/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "check/datatype.h"

/*
 * RELAX NG patterns and their derivatives, after James Clark, “An algorithm for
 * RELAX NG validation”: the derivative of a pattern with respect to the next
 * piece of a document is the pattern that the rest of the document has to match.
 *
 * libxml2 has a validator, but its time is exponential in the number of optional
 * attributes of one element, and quadratic in that of repeated elements: a disk
 * with 18 attributes on its <driver> keeps 2.9.14 and 2.15.4 busy for hours.
 * It does not tell which part of a document is wrong either; a derivative that
 * allows nothing does.
 */

/* What an <element> or <attribute> may be called. */
typedef enum {
  VSMMU_NAME_CLASS_NAME,
  VSMMU_NAME_CLASS_ANY,
  VSMMU_NAME_CLASS_NAMESPACE,
  VSMMU_NAME_CLASS_CHOICE,
} VsmmuNameClassType;

typedef struct _VsmmuNameClass VsmmuNameClass;
struct _VsmmuNameClass {
  VsmmuNameClassType type;
  char *uri; /* empty for no namespace */
  char *name;
  const VsmmuNameClass *first; /* of a choice; else (nullable): what is excepted */
  const VsmmuNameClass *second;
};

typedef enum {
  VSMMU_PATTERN_NOT_ALLOWED,
  VSMMU_PATTERN_EMPTY,
  VSMMU_PATTERN_TEXT,
  VSMMU_PATTERN_DATA,      /* leaf: VsmmuDatatype; first (nullable): what is excepted */
  VSMMU_PATTERN_LIST,      /* first: the words */
  VSMMU_PATTERN_ATTRIBUTE, /* leaf: VsmmuNameClass; first: the value */
  VSMMU_PATTERN_ELEMENT,   /* leaf: VsmmuElementPattern */
  VSMMU_PATTERN_CHOICE,
  VSMMU_PATTERN_INTERLEAVE,
  VSMMU_PATTERN_GROUP,
  VSMMU_PATTERN_ONE_OR_MORE,
  VSMMU_PATTERN_AFTER, /* first: what is left of an element; second: what follows it */
} VsmmuPatternType;

/* Equal patterns of a pool are the same object. */
typedef struct _VsmmuPattern VsmmuPattern;
struct _VsmmuPattern {
  VsmmuPatternType type;
  guint nullable : 1; /* matches nothing at all */
  guint has_attributes : 1;
  guint has_elements : 1;
  guint has_text : 1;
  guint is_base : 1; /* of a pool that others build on */
  const VsmmuPattern *first;
  const VsmmuPattern *second;
  const void *leaf;
};

/* Elements are what makes a grammar recursive, so their content is filled in later. */
typedef struct {
  const VsmmuNameClass *names;
  const VsmmuPattern *content;
} VsmmuElementPattern;

/* VsmmuPatternPool: owns patterns, but not their leaves. */
typedef struct _VsmmuPatternPool VsmmuPatternPool;

/*
 * vsmmu_pattern_pool_new:
 * @base: (nullable): a pool that outlives the new one and no longer grows
 */
VsmmuPatternPool *vsmmu_pattern_pool_new (const VsmmuPatternPool *base);

void vsmmu_pattern_pool_free (VsmmuPatternPool *pool);

/* How many patterns @pool owns. */
guint vsmmu_pattern_pool_size (const VsmmuPatternPool *pool);

/* @pattern of another pool with the same base, as a pattern of @pool. */
const VsmmuPattern *vsmmu_pattern_copy (VsmmuPatternPool *pool, const VsmmuPattern *pattern);

const VsmmuPattern *vsmmu_pattern_not_allowed (VsmmuPatternPool *pool);
const VsmmuPattern *vsmmu_pattern_empty (VsmmuPatternPool *pool);
const VsmmuPattern *vsmmu_pattern_text (VsmmuPatternPool *pool);
const VsmmuPattern *vsmmu_pattern_data (VsmmuPatternPool *pool, const VsmmuDatatype *datatype,
                                        const VsmmuPattern *except);
const VsmmuPattern *vsmmu_pattern_list (VsmmuPatternPool *pool, const VsmmuPattern *words);
const VsmmuPattern *vsmmu_pattern_attribute (VsmmuPatternPool *pool, const VsmmuNameClass *names,
                                             const VsmmuPattern *value);
const VsmmuPattern *vsmmu_pattern_element (VsmmuPatternPool *pool, const VsmmuElementPattern *element);
const VsmmuPattern *vsmmu_pattern_choice (VsmmuPatternPool *pool, const VsmmuPattern *first,
                                          const VsmmuPattern *second);
const VsmmuPattern *vsmmu_pattern_interleave (VsmmuPatternPool *pool, const VsmmuPattern *first,
                                              const VsmmuPattern *second);
const VsmmuPattern *vsmmu_pattern_group (VsmmuPatternPool *pool, const VsmmuPattern *first,
                                         const VsmmuPattern *second);
const VsmmuPattern *vsmmu_pattern_one_or_more (VsmmuPatternPool *pool, const VsmmuPattern *pattern);

static inline gboolean
vsmmu_pattern_is_allowed (const VsmmuPattern *pattern)
{
  return pattern->type != VSMMU_PATTERN_NOT_ALLOWED;
}

/*
 * The derivatives. A document is walked in this order: vsmmu_pattern_open() of an
 * element, vsmmu_pattern_take_attribute() of each attribute, vsmmu_pattern_close_tag(),
 * the content, vsmmu_pattern_end().
 */

typedef enum {
  VSMMU_PATTERN_STRICT,
  VSMMU_PATTERN_LENIENT, /* what is missing counts as present, to go on after an error */
} VsmmuPatternMode;

const VsmmuPattern *vsmmu_pattern_open (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *uri,
                                        const char *name);

/* @value: (nullable): %NULL for any value */
const VsmmuPattern *vsmmu_pattern_take_attribute (VsmmuPatternPool *pool, const VsmmuPattern *pattern,
                                                  const char *uri, const char *name, const char *value);

const VsmmuPattern *vsmmu_pattern_close_tag (VsmmuPatternPool *pool, const VsmmuPattern *pattern,
                                             VsmmuPatternMode mode);

const VsmmuPattern *vsmmu_pattern_take_text (VsmmuPatternPool *pool, const VsmmuPattern *pattern, const char *text);

const VsmmuPattern *vsmmu_pattern_end (VsmmuPatternPool *pool, const VsmmuPattern *pattern, VsmmuPatternMode mode);

/* Questions for messages. All look at the innermost open element only. */

/*
 * vsmmu_pattern_names:
 * @type: %VSMMU_PATTERN_ATTRIBUTE or %VSMMU_PATTERN_ELEMENT
 *
 * Returns: (transfer container) (element-type utf8): names, each once, without a
 *   namespace, that may occur; name classes without names are left out
 */
GPtrArray *vsmmu_pattern_names (const VsmmuPattern *pattern, VsmmuPatternType type);

/* As vsmmu_pattern_names(), but the names that must still occur. */
GPtrArray *vsmmu_pattern_required_names (const VsmmuPattern *pattern, VsmmuPatternType type);

/*
 * vsmmu_pattern_values:
 * @attribute: (nullable): an attribute, or %NULL for the text of the element
 *
 * Returns: (transfer full) (element-type utf8): what it may be, each in words as
 *   vsmmu_datatype_describe() has them; empty when some value has no such words
 */
GPtrArray *vsmmu_pattern_values (const VsmmuPattern *pattern, const char *attribute);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (VsmmuPatternPool, vsmmu_pattern_pool_free)
