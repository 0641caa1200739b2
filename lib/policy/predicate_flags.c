// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_types.h"

struct flags {
    struct tr_predicate head;
    uint32_t mask;
};

static bool test(const void *predicate, const struct tr_walk_span *span, const struct tr_bits *bits)
{
    return span->flags & ((const struct flags *)predicate)->mask;
}

static const struct tr_predicate_type type = {.name = "flags", .span = test};

int tr_predicate_flags(struct tr_predicates *predicates, uint32_t mask)
{
    struct flags *made;
    char detail[16];

    snprintf(detail, sizeof(detail), "0x%x", mask);
    made = tr_predicate_create(&type, sizeof(*made), NULL, 0, detail);
    if (!made)
        return -ENOMEM;
    made->mask = mask;
    return tr_predicates_add(predicates, &made->head);
}
