// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_types.h"

struct boolean {
    struct tr_predicate head;
    bool wanted;
};

static bool test(const void *predicate, const struct tr_value *value)
{
    bool is = value->type == TR_VALUE_BOOL && value->integer;

    return is == ((const struct boolean *)predicate)->wanted;
}

static const struct tr_predicate_type type = {.name = "boolean", .value = test};

int tr_predicate_boolean(struct tr_predicates *predicates, const char *key, unsigned places, bool wanted)
{
    struct boolean *made = tr_predicate_create(&type, sizeof(*made), key, places, wanted ? "true" : "false");

    if (!made)
        return -ENOMEM;
    made->wanted = wanted;
    return tr_predicates_add(predicates, &made->head);
}
