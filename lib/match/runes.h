// SPDX-License-Identifier: Apache-2.0
// Sets of code points, as ranges: what a character class is before it becomes text again.
//
// Thread: control path; they allocate.
#ifndef TR_MATCH_RUNES_H
#define TR_MATCH_RUNES_H

#include "base/tr.h"

#define TR_RUNE_MAX 0x10ffffu

struct tr_range {
    uint32_t first, last;
};

struct tr_runes {
    struct tr_range *ranges;
    size_t count, room;
    bool failed; // no memory; the set is then of no use
};

void tr_runes_add(struct tr_runes *set, uint32_t first, uint32_t last);
// And all that `fold` makes equal to one of them (TR_FOLD: Go's unicode.SimpleFold).
void tr_runes_add_folded(struct tr_runes *set, uint32_t first, uint32_t last);
void tr_runes_add_set(struct tr_runes *set, const struct tr_runes *more, bool folded);
void tr_runes_negate(struct tr_runes *set); // leaves it sorted, ranges apart
void tr_runes_sort(struct tr_runes *set);
void tr_runes_clear(struct tr_runes *set);

// Add the Unicode class of this name ("L", "Lu", "Greek", "Any"). Returns false: unknown here.
bool tr_runes_add_named(struct tr_runes *set, const char *name, size_t bytes);

// Encode. Returns the bytes written, 1 to 4.
size_t tr_rune_put(uint32_t rune, char *to);

// Decode as Go does: a byte that begins no valid sequence is U+FFFD by itself.
//
// Returns the bytes it takes; *valid is false for such a byte.
size_t tr_rune_get(const uint8_t *text, size_t bytes, uint32_t *rune, bool *valid);

// The generated tables (unicode.c): ranges with a stride, sorted.
struct tr_unicode_range {
    uint32_t first, last, stride;
};
struct tr_unicode_class {
    const char *name;
    uint32_t begin, end; // in tr_unicode_ranges
};
struct tr_unicode_fold {
    uint32_t rune, next; // the next one of its orbit
};
extern const struct tr_unicode_range tr_unicode_ranges[];
extern const struct tr_unicode_class tr_unicode_classes[];
extern const size_t tr_unicode_classes_count;
extern const struct tr_unicode_fold tr_unicode_folds[];
extern const size_t tr_unicode_folds_count;

#endif
