// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_types.h"

struct range {
    struct tr_predicate head;
    int64_t least, most;
};

static bool test(const void *predicate, const struct tr_value *value)
{
    const struct range *range = predicate;
    int64_t integer = value->type == TR_VALUE_INT ? value->integer : 0;

    return integer >= range->least && integer <= range->most;
}

static const struct tr_predicate_type type = {.name = "integer", .value = test};

int tr_predicate_integer(struct tr_predicates *predicates, const char *key, unsigned places, int64_t least,
                         int64_t most)
{
    struct range *made;
    char detail[64];

    snprintf(detail, sizeof(detail), "in [%lld, %lld]", (long long)least, (long long)most);
    made = tr_predicate_create(&type, sizeof(*made), key, places, detail);
    if (!made)
        return -ENOMEM;
    made->least = least;
    made->most = most;
    return tr_predicates_add(predicates, &made->head);
}
