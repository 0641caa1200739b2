// SPDX-License-Identifier: Apache-2.0
#include "policy/values.h"

#include "base/hash.h"
#include "policy/predicate.h"

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t length_bit(size_t bytes)
{
    return 1ull << TR_MIN(bytes, (size_t)63);
}

static void sort(struct tr_values *set)
{
    uint32_t kept = 0;

    qsort(set->values, set->count, sizeof(*set->values), compare);
    for (uint32_t i = 0; i < set->count; i++) {
        if (kept && strcmp(set->values[kept - 1], set->values[i]) == 0)
            free(set->values[i]);
        else
            set->values[kept++] = set->values[i];
    }
    set->count = kept;
}

int tr_values_make(struct tr_values *set, const char *const *values, size_t count)
{
    uint32_t slots = 4;

    set->values = calloc(count + 1, sizeof(*set->values));
    if (!set->values)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!values[i][0])
            continue;
        set->values[set->count] = strdup(values[i]);
        if (!set->values[set->count++])
            return -ENOMEM;
    }
    sort(set);
    while (slots < 2 * set->count)
        slots *= 2;
    set->slots = calloc(slots, sizeof(*set->slots));
    if (!set->slots)
        return -ENOMEM;
    set->slots_mask = slots - 1;
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t slot = (uint32_t)tr_hash_bytes(set->values[i], strlen(set->values[i]), 0) & set->slots_mask;

        while (set->slots[slot])
            slot = (slot + 1) & set->slots_mask;
        set->slots[slot] = i + 1;
        set->lengths |= length_bit(strlen(set->values[i]));
    }
    return 0;
}

void tr_values_clear(struct tr_values *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free(set->values[i]);
    free(set->values);
    free(set->slots);
    memset(set, 0, sizeof(*set));
}

char *tr_values_text(const struct tr_values *set)
{
    struct tr_predicate_text text;

    if (!tr_predicate_text_open(&text))
        return NULL;
    fputs("in", text.file);
    for (uint32_t i = 0; i < set->count; i++) {
        fputc(' ', text.file);
        tr_predicate_text_quote(&text, set->values[i]);
    }
    return tr_predicate_text_close(&text);
}

bool tr_values_have(const struct tr_values *set, const void *bytes, size_t length)
{
    uint32_t slot;

    if (!(set->lengths & length_bit(length)))
        return false;
    for (slot = (uint32_t)tr_hash_bytes(bytes, length, 0) & set->slots_mask; set->slots[slot];
         slot = (slot + 1) & set->slots_mask) {
        const char *candidate = set->values[set->slots[slot] - 1];

        if (strlen(candidate) == length && memcmp(candidate, bytes, length) == 0)
            return true;
    }
    return false;
}
