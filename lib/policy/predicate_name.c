// SPDX-License-Identifier: Apache-2.0
// The span's name is one of a list; a `*` at a pattern's begin or end stands for anything.
#include "policy/predicate_types.h"
#include "policy/values.h"

struct name {
    struct tr_predicate head;
    struct tr_values values;
};

static bool matches(const char *pattern, const uint8_t *name, uint32_t bytes)
{
    size_t length = strlen(pattern);
    bool open = length && pattern[0] == '*', ends_open = length > 1 && pattern[length - 1] == '*';
    const char *text = pattern + open;

    length -= (size_t)open + ends_open;
    if (bytes < length)
        return false;
    if (open && ends_open)
        return !length || memmem(name, bytes, text, length) != NULL;
    if (open)
        return memcmp(name + bytes - length, text, length) == 0;
    return (ends_open || bytes == length) && memcmp(name, text, length) == 0;
}

static bool test(const void *predicate, const struct tr_walk_span *span, const struct tr_bits *bits)
{
    const struct tr_values *values = &((const struct name *)predicate)->values;

    for (uint32_t i = 0; i < values->count; i++)
        if (matches(values->values[i], span->name, span->name_bytes))
            return true;
    return false;
}

static void clear(struct tr_predicate *predicate)
{
    tr_values_clear(&((struct name *)predicate)->values);
}

static const struct tr_predicate_type type = {.name = "name", .span = test, .looks = true, .clear = clear};

int tr_predicate_name(struct tr_predicates *predicates, const char *const *names, size_t count)
{
    struct tr_values set = {0};
    char *detail = tr_values_make(&set, names, count) == 0 ? tr_values_text(&set) : NULL;
    struct name *made = detail ? tr_predicate_create(&type, sizeof(*made), NULL, 0, detail) : NULL;

    free(detail);
    if (!made) {
        tr_values_clear(&set);
        return -ENOMEM;
    }
    made->values = set;
    return tr_predicates_add(predicates, &made->head);
}
