// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    static const char *const names[] = {"UNSET", "OK", "ERROR"};
    const struct tr_strings *codes = options->status_code ? &options->status_code->status_codes : NULL;

    if (!codes || !codes->count)
        return tr_error_set(error, EINVAL, "%s.status_code.status_codes: at least one of OK, ERROR, UNSET", place->path);
    for (size_t i = 0; i < codes->count; i++) {
        int status = 0, rc;

        while (status < 3 && strcmp(codes->items[i], names[status]) != 0)
            status++;
        if (status == 3)
            return tr_error_set(error, EINVAL, "%s.status_code.status_codes[%zu]: %s is not one of OK, ERROR, UNSET",
                                place->path, i, codes->items[i]);
        rc = tr_policy_any_add(policy, place, tr_predicate_status(place->predicates, status), error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

const struct tr_policy_type tr_policy_status_code = {"status_code", TR_POLICY_ANYWHERE, compile, tr_policy_any_decide, tr_policy_any_certain};
