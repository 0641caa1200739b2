// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_types.h"

struct status {
    struct tr_predicate head;
    int status;
};

const struct tr_predicate_type tr_predicate_type_status = {.name = "status"};

int tr_predicate_status(struct tr_predicates *predicates, int status)
{
    static const char *const names[] = {"UNSET", "OK", "ERROR"};
    struct status *made = tr_predicate_create(&tr_predicate_type_status, sizeof(*made), NULL, 0, names[status]);

    if (!made)
        return -ENOMEM;
    made->status = status;
    return tr_predicates_add(predicates, &made->head);
}

int tr_predicate_status_of(const struct tr_predicate *predicate)
{
    return ((const struct status *)predicate)->status;
}
