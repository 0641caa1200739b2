// SPDX-License-Identifier: Apache-2.0
#include "match/runes.h"

void tr_runes_add(struct tr_runes *set, uint32_t first, uint32_t last)
{
    if (set->count == set->room) {
        size_t room = set->room ? 2 * set->room : 16;
        struct tr_range *ranges = reallocarray(set->ranges, room, sizeof(*ranges));

        if (!ranges) {
            set->failed = true;
            return;
        }
        set->ranges = ranges;
        set->room = room;
    }
    set->ranges[set->count++] = (struct tr_range){first, last};
}

// The first fold at or above `rune`.
static size_t fold_at(uint32_t rune)
{
    size_t low = 0, high = tr_unicode_folds_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (tr_unicode_folds[middle].rune < rune)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void tr_runes_add_folded(struct tr_runes *set, uint32_t first, uint32_t last)
{
    tr_runes_add(set, first, last);
    for (size_t i = fold_at(first); i < tr_unicode_folds_count && tr_unicode_folds[i].rune <= last; i++) {
        uint32_t rune = tr_unicode_folds[i].rune;

        // Around the orbit, until it comes back.
        for (uint32_t next = tr_unicode_folds[i].next; next != rune; next = tr_unicode_folds[fold_at(next)].next)
            tr_runes_add(set, next, next);
    }
}

void tr_runes_add_set(struct tr_runes *set, const struct tr_runes *more, bool folded)
{
    set->failed = set->failed || more->failed;
    for (size_t i = 0; i < more->count; i++) {
        if (folded)
            tr_runes_add_folded(set, more->ranges[i].first, more->ranges[i].last);
        else
            tr_runes_add(set, more->ranges[i].first, more->ranges[i].last);
    }
}

static int compare(const void *a, const void *b)
{
    const struct tr_range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

void tr_runes_sort(struct tr_runes *set)
{
    size_t kept = 0;

    if (set->count)
        qsort(set->ranges, set->count, sizeof(*set->ranges), compare);
    for (size_t i = 0; i < set->count; i++) {
        struct tr_range *last = kept ? &set->ranges[kept - 1] : NULL;

        if (last && set->ranges[i].first <= last->last + 1)
            last->last = TR_MAX(last->last, set->ranges[i].last);
        else
            set->ranges[kept++] = set->ranges[i];
    }
    set->count = kept;
}

void tr_runes_negate(struct tr_runes *set)
{
    struct tr_runes rest = {.failed = set->failed};
    uint32_t next = 0;

    tr_runes_sort(set);
    for (size_t i = 0; i < set->count; i++) {
        if (set->ranges[i].first > next)
            tr_runes_add(&rest, next, set->ranges[i].first - 1);
        next = set->ranges[i].last + 1;
    }
    if (next <= TR_RUNE_MAX)
        tr_runes_add(&rest, next, TR_RUNE_MAX);
    tr_runes_clear(set);
    *set = rest;
}

void tr_runes_clear(struct tr_runes *set)
{
    free(set->ranges);
    memset(set, 0, sizeof(*set));
}

bool tr_runes_add_named(struct tr_runes *set, const char *name, size_t bytes)
{
    bool found = false;

    if (bytes == 3 && memcmp(name, "Any", 3) == 0) {
        tr_runes_add(set, 0, TR_RUNE_MAX);
        return true;
    }
    for (size_t i = 0; i < tr_unicode_classes_count; i++) {
        const struct tr_unicode_class *class = &tr_unicode_classes[i];
        bool major = bytes == 1 && strlen(class->name) == 2; // L is all of Lu, Ll, ...

        if (strncmp(class->name, name, bytes) != 0 || (!major && class->name[bytes]))
            continue;
        found = true;
        for (uint32_t r = class->begin; r < class->end; r++) {
            const struct tr_unicode_range *range = &tr_unicode_ranges[r];

            if (range->stride == 1)
                tr_runes_add(set, range->first, range->last);
            else
                for (uint32_t rune = range->first; rune <= range->last; rune += range->stride)
                    tr_runes_add(set, rune, rune);
        }
    }
    return found;
}

size_t tr_rune_put(uint32_t rune, char *to)
{
    if (rune < 0x80) {
        to[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        to[0] = (char)(0xc0 | rune >> 6);
        to[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        to[0] = (char)(0xe0 | rune >> 12);
        to[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        to[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | rune >> 18);
    to[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    to[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    to[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}

size_t tr_rune_get(const uint8_t *text, size_t bytes, uint32_t *rune, bool *valid)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t head = text[0];
    size_t length = head < 0x80 ? 1 : head < 0xc0 ? 0 : head < 0xe0 ? 2 : head < 0xf0 ? 3 : head < 0xf8 ? 4 : 0;

    *valid = true;
    *rune = head;
    if (length == 1)
        return 1;
    if (length && length <= bytes) {
        *rune = head & (0x7fu >> length);
        for (size_t i = 1; i < length && *valid; i++) {
            *valid = (text[i] & 0xc0) == 0x80;
            *rune = *rune << 6 | (text[i] & 0x3f);
        }
        if (*valid && *rune >= least[length] && *rune <= TR_RUNE_MAX && (*rune < 0xd800 || *rune > 0xdfff))
            return length;
    }
    *valid = false;
    *rune = 0xfffd;
    return 1;
}
