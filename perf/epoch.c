// SPDX-License-Identifier: Apache-2.0
#include "epoch.h"

#include "attr/attr.h"
#include "policy/policy.h"

static const char policies_text[] =
    "policies:\n"
    "- {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
    "- {name: slow, type: latency, latency: {threshold_ms: 1000}}\n"
    "- {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 10}}\n";
static const char rules_text[] = "rules: [{keys: [user.id, order.id], action: demote}]\n";

struct tr_epoch *bench_epoch_make(uint32_t lcores, uint64_t wait_ns)
{
    struct tr_options_doc *policies, *rules;
    struct tr_epoch *epoch = calloc(1, sizeof(*epoch));
    struct tr_error error = {0};

    if (!epoch ||
        tr_options_parse(&tr_tail_sampling_option_table, policies_text, sizeof(policies_text) - 1, &policies, &error) < 0 ||
        tr_options_parse(&tr_attributes_option_table, rules_text, sizeof(rules_text) - 1, &rules, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(policies), NULL, 1, lcores, &epoch->policies, &error) < 0 ||
        tr_attr_set_compile(tr_options_struct(rules), &epoch->attrs, &error) < 0) {
        fprintf(stderr, "no config: %s\n", error.text);
        exit(1);
    }
    epoch->number = 1;
    epoch->attrs->version = 1;
    epoch->policies->wait_ns = wait_ns;
    epoch->policies->wait_min_ns = wait_ns / 2;
    for (uint32_t i = 0; i < lcores; i++) {
        epoch->counters[i] = calloc(epoch->policies->policies + 1, sizeof(*epoch->counters[i]));
        tr_assert(epoch->counters[i]);
    }
    return epoch;
}
