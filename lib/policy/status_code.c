// SPDX-License-Identifier: Apache-2.0
#include "policy/types.h"

static int compile(struct tr_policy *policy, const struct tr_policy_options *options, const char *path,
                   struct tr_predicates *predicates, struct tr_error *error)
{
    static const char *const names[] = {"UNSET", "OK", "ERROR"};
    const struct tr_strings *codes = options->status_code ? &options->status_code->status_codes : NULL;

    if (!codes || !codes->count)
        return tr_error_set(error, EINVAL, "%s.status_code.status_codes: at least one of OK, ERROR, UNSET", path);
    for (size_t i = 0; i < codes->count; i++) {
        int status = 0, number;

        while (status < 3 && strcmp(codes->items[i], names[status]) != 0)
            status++;
        if (status == 3)
            return tr_error_set(error, EINVAL, "%s.status_code.status_codes[%zu]: %s is not one of OK, ERROR, UNSET", path,
                                i, codes->items[i]);
        number = tr_predicate_status(predicates, status);
        if (number < 0)
            return tr_policy_predicates_full(path, number, error);
        policy->any.word[number / 64] |= 1ull << number % 64;
    }
    return 0;
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    return tr_trace_has_any(trace, &policy->any) ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

const struct tr_policy_type tr_policy_status_code = {"status_code", compile, decide};
