/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mutations that keep XML well-formed most of the time. Bytes changed at random
 * seldom get past the parser; elements moved about and values changed do.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#define VALUE_MAX 256

size_t LLVMFuzzerMutate (uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver (const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                  size_t max_size, unsigned int seed);

/* Bytes from @start up to, but not with, @end. */
typedef struct {
  gsize start;
  gsize end;
} Span;

static guint32
next_random (guint32 *state)
{
  /* xorshift, which must not start at 0 */
  *state += *state == 0;
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* The first place from a random one on, going round once, that @is_wanted accepts. */
static gboolean
pick (const char *text, gsize size, guint32 *state, gboolean (*is_wanted) (const char *at, gsize left), gsize *place)
{
  gsize from = size > 0 ? next_random (state) % size : 0;

  for (gsize i = 0; i < size; i++) {
    *place = (from + i) % size;
    if (is_wanted (text + *place, size - *place))
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_start_tag (const char *at, gsize left)
{
  return left > 1 && at[0] == '<' && g_ascii_isalpha (at[1]);
}

static gboolean
is_value_start (const char *at, gsize left)
{
  return left > 2 && at[0] == '=' && (at[1] == '\'' || at[1] == '"');
}

/* The element that starts at @start, or the rest of the document when nothing ends it. */
static Span
element_at (const char *text, gsize size, gsize start)
{
  guint depth = 0;

  for (gsize at = start; at + 1 < size; at++) {
    if (is_start_tag (text + at, size - at)) {
      depth++;
    } else if (memcmp (text + at, "</", 2) == 0 || memcmp (text + at, "/>", 2) == 0) {
      const char *close = memchr (text + at, '>', size - at);

      if (--depth == 0 && close != NULL)
        return (Span){ start, (gsize) (close - text) + 1 };
    }
  }
  return (Span){ start, size };
}

static gboolean
pick_element (const char *text, gsize size, guint32 *state, Span *element)
{
  gsize start;

  if (!pick (text, size, state, is_start_tag, &start))
    return FALSE;
  *element = element_at (text, size, start);
  return TRUE;
}

/* Puts @length bytes in the place of @span; returns the new size, 0 when it is too large. */
static gsize
replace (char *text, gsize size, gsize max_size, Span span, const char *bytes, gsize length)
{
  gsize new_size = size - (span.end - span.start) + length;

  if (new_size > max_size)
    return 0;
  memmove (text + span.start + length, text + span.end, size - span.end);
  if (length > 0)
    memcpy (text + span.start, bytes, length);
  return new_size;
}

/* Copies @element of @from before a tag of @text, or over one of its elements. */
static gsize
insert_element (char *text, gsize size, gsize max_size, guint32 *state, const char *from, Span element)
{
  g_autofree char *copy = g_memdup2 (from + element.start, element.end - element.start);
  Span place;

  if (!pick_element (text, size, state, &place))
    return 0;
  if (next_random (state) % 4 != 0)
    place.end = place.start;
  return replace (text, size, max_size, place, copy, element.end - element.start);
}

static gsize
copy_element (char *text, gsize size, gsize max_size, guint32 *state)
{
  Span element;

  return pick_element (text, size, state, &element) ? insert_element (text, size, max_size, state, text, element) : 0;
}

static gsize
remove_element (char *text, gsize size, gsize max_size, guint32 *state)
{
  Span element;

  return pick_element (text, size, state, &element) ? replace (text, size, max_size, element, "", 0) : 0;
}

static gboolean
pick_value (const char *text, gsize size, guint32 *state, Span *value)
{
  const char *end;
  gsize start;

  if (!pick (text, size, state, is_value_start, &start))
    return FALSE;
  end = memchr (text + start + 2, text[start + 1], size - start - 2);
  *value = (Span){ start + 2, end != NULL ? (gsize) (end - text) : size };
  return TRUE;
}

/* Gives an attribute the value of another one. */
static gsize
copy_value (char *text, gsize size, gsize max_size, guint32 *state)
{
  g_autofree char *copy = NULL;
  Span from;
  Span to;

  if (!pick_value (text, size, state, &from) || !pick_value (text, size, state, &to))
    return 0;
  copy = g_memdup2 (text + from.start, from.end - from.start);
  return replace (text, size, max_size, to, copy, from.end - from.start);
}

/* Gives an attribute a value that is often at the edge of what it takes. */
static gsize
set_value (char *text, gsize size, gsize max_size, guint32 *state)
{
  static const char *const values[] = {
    "0",   "1",   "2",   "4",     "7",     "8",          "31",         "32",
    "254", "255", "256", "0x1f",  "-1",    "+1",         "010",        "20",
    "21",  "44",  "48",  "65535", "65536", "2147483647", "4294967295", "18446744073709551615",
    "",    "on",  "off", "yes",   "no",    "virtio",     "pci",
  };
  const char *value = values[next_random (state) % G_N_ELEMENTS (values)];
  Span span;

  return pick_value (text, size, state, &span) ? replace (text, size, max_size, span, value, strlen (value)) : 0;
}

/* Changes the bytes of one value, with the dictionary and all that libFuzzer learned from comparisons. */
static gsize
mutate_value (char *text, gsize size, gsize max_size, guint32 *state)
{
  uint8_t value[VALUE_MAX];
  gsize length;
  Span span;

  if (!pick_value (text, size, state, &span) || span.end - span.start > VALUE_MAX)
    return 0;
  length = span.end - span.start;
  memcpy (value, text + span.start, length);
  length = LLVMFuzzerMutate (value, length, VALUE_MAX);
  return replace (text, size, max_size, span, (const char *) value, length);
}

size_t
LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
  static gsize (*const mutations[]) (char *text, gsize size, gsize max_size, guint32 *state) = {
    copy_element, remove_element, copy_value, set_value, mutate_value,
  };
  guint32 state = seed;
  guint choice = next_random (&state) % (2 * G_N_ELEMENTS (mutations));
  gsize new_size = 0;

  if (choice < G_N_ELEMENTS (mutations))
    new_size = mutations[choice]((char *) data, size, max_size, &state);
  return new_size > 0 ? new_size : LLVMFuzzerMutate (data, size, max_size);
}

size_t
LLVMFuzzerCustomCrossOver (const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                           size_t max_size, unsigned int seed)
{
  guint32 state = seed;
  Span element;

  if (size1 > max_size || !pick_element ((const char *) data2, size2, &state, &element))
    return 0;
  memcpy (out, data1, size1);
  return insert_element ((char *) out, size1, max_size, &state, (const char *) data2, element);
}
