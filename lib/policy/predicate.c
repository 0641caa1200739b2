// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate.h"

#include "base/hash.h"
#include "policy/policy.h"

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t length_bit(size_t bytes)
{
    return 1ull << TR_MIN(bytes, (size_t)63);
}

static int values_copy(struct tr_predicate *to, const char *const *values, size_t count)
{
    uint32_t slots = 4;

    to->values = calloc(count + 1, sizeof(*to->values));
    if (!to->values)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!values[i][0])
            continue; // as the Collector: an empty value matches nothing
        to->values[to->values_count] = strdup(values[i]);
        if (!to->values[to->values_count++])
            return -ENOMEM;
    }
    qsort(to->values, to->values_count, sizeof(*to->values), compare);
    while (slots < 2 * to->values_count)
        slots *= 2;
    to->slots = calloc(slots, sizeof(*to->slots));
    if (!to->slots)
        return -ENOMEM;
    to->slots_mask = slots - 1;
    for (uint32_t i = 0; i < to->values_count; i++) {
        uint32_t slot = (uint32_t)tr_hash_bytes(to->values[i], strlen(to->values[i]), 0) & to->slots_mask;

        while (to->slots[slot])
            slot = (slot + 1) & to->slots_mask;
        to->slots[slot] = i + 1;
        to->lengths |= length_bit(strlen(to->values[i]));
    }
    return 0;
}

static void clear(struct tr_predicate *predicate)
{
    for (uint32_t i = 0; i < predicate->values_count; i++)
        free(predicate->values[i]);
    free(predicate->values);
    free(predicate->key);
    free(predicate->slots);
    memset(predicate, 0, sizeof(*predicate));
}

static bool equal(const struct tr_predicate *a, const struct tr_predicate *b)
{
    if (a->status != b->status || a->values_count != b->values_count || (a->key && strcmp(a->key, b->key) != 0))
        return false;
    for (uint32_t i = 0; i < a->values_count; i++)
        if (strcmp(a->values[i], b->values[i]) != 0)
            return false;
    return true;
}

// The number of an equal one, or a free one that becomes it. Takes `predicate` over.
static int insert(struct tr_predicates *predicates, struct tr_predicate *predicate)
{
    int unused = -1;

    for (int i = TR_PREDICATES_MAX - 1; i >= 0; i--) {
        struct tr_predicate *row = &predicates->rows[i];

        if (!row->taken) {
            unused = i;
        } else if (equal(row, predicate)) {
            row->used_by = predicates->epoch;
            clear(predicate);
            return i;
        }
    }
    if (unused < 0) {
        clear(predicate);
        return -ENOSPC;
    }
    predicate->taken = true;
    predicate->used_by = predicates->epoch;
    predicates->rows[unused] = *predicate;
    return unused;
}

int tr_predicate_status(struct tr_predicates *predicates, int status)
{
    struct tr_predicate predicate = {.status = status};

    return insert(predicates, &predicate);
}

int tr_predicate_string(struct tr_predicates *predicates, const char *key, const char *const *values, size_t count)
{
    struct tr_predicate predicate = {.status = -1, .key = strdup(key)};

    if (!predicate.key || values_copy(&predicate, values, count) < 0) {
        clear(&predicate);
        return -ENOMEM;
    }
    return insert(predicates, &predicate);
}

int tr_predicates_carry(struct tr_predicates *predicates, const struct tr_predicates *before)
{
    for (int i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *row = &before->rows[i];

        // No more than TR_EPOCHS_LIVE_MAX epochs have live traces: what none of them used is free again.
        if (!row->taken || predicates->epoch - row->used_by >= TR_EPOCHS_LIVE_MAX)
            continue;
        predicates->rows[i] = (struct tr_predicate){.status = row->status, .used_by = row->used_by, .taken = true};
        if (row->status >= 0)
            continue;
        predicates->rows[i].key = strdup(row->key);
        if (!predicates->rows[i].key ||
            values_copy(&predicates->rows[i], (const char *const *)row->values, row->values_count) < 0)
            return -ENOMEM;
    }
    return 0;
}

void tr_predicates_clear(struct tr_predicates *predicates)
{
    for (int i = 0; i < TR_PREDICATES_MAX; i++)
        clear(&predicates->rows[i]);
}

bool tr_predicate_test_string(const void *argument, const struct tr_value *value)
{
    const struct tr_predicate *predicate = argument;
    uint32_t slot;

    if (value->type != TR_VALUE_STRING || !(predicate->lengths & length_bit(value->length)))
        return false;
    for (slot = (uint32_t)tr_hash_bytes(value->bytes, value->length, 0) & predicate->slots_mask; predicate->slots[slot];
         slot = (slot + 1) & predicate->slots_mask) {
        const char *candidate = predicate->values[predicate->slots[slot] - 1];

        if (strlen(candidate) == value->length && memcmp(candidate, value->bytes, value->length) == 0)
            return true;
    }
    return false;
}
