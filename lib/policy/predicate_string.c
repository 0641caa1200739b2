// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_types.h"

struct string {
    struct tr_predicate head;
    struct tr_values values;
};

static bool test(const void *predicate, const struct tr_value *value)
{
    return value->type == TR_VALUE_STRING &&
           tr_values_have(&((const struct string *)predicate)->values, value->bytes, value->length);
}

static void clear(struct tr_predicate *predicate)
{
    tr_values_clear(&((struct string *)predicate)->values);
}

static const struct tr_predicate_type type = {.name = "string", .value = test, .clear = clear};

#define FEW 16

const struct tr_values *tr_predicate_string_few(const struct tr_predicate *predicate)
{
    const struct tr_values *values = &((const struct string *)predicate)->values;

    return predicate->type == &type && values->count <= FEW ? values : NULL;
}

int tr_predicate_string(struct tr_predicates *predicates, const char *key, unsigned places, const char *const *values,
                        size_t count)
{
    struct tr_values set = {0};
    char *detail = tr_values_make(&set, values, count) == 0 ? tr_values_text(&set) : NULL;
    struct string *made = detail ? tr_predicate_create(&type, sizeof(*made), key, places, detail) : NULL;

    free(detail);
    if (!made) {
        tr_values_clear(&set);
        return -ENOMEM;
    }
    made->values = set;
    return tr_predicates_add(predicates, &made->head);
}
