// SPDX-License-Identifier: Apache-2.0
// Rules in order: the first that matches a trace decides it, by a rate of its own. They are Refinery's; docs/rules.md has
// what differs.
//
// A rule is three sets of bits at most: predicates that hold on some span, predicates that hold on none, and what the
// trace as a whole is asked. All conditions that must hold on one span are one predicate. So a rule costs the owner some
// nanoseconds, whatever its conditions.
//
// Each rule is a row of the policy: its name stands in verdicts, metrics and `traces why`.
#include "policy/rules.h"

#include "policy/types.h"

static bool matches(const struct tr_rule *rule, const struct tr_trace *trace)
{
    const struct tr_value spans = {.type = TR_VALUE_INT, .integer = trace->spans};
    uint64_t wrong = 0;

    for (int i = 0; i < TR_PREDICATE_WORDS_MAX; i++)
        wrong |= (~trace->bits[i] & rule->all.word[i]) | (trace->bits[i] & rule->none.word[i]);
    if (wrong || (rule->root >= 0 && rule->root != trace->root_seen))
        return false;
    for (uint32_t i = 0; i < rule->spans_count; i++)
        if (!tr_rule_test_ask(&rule->spans[i], &spans, trace->lcore))
            return false;
    return true;
}

static const struct tr_rule *rule_of(const struct tr_rules *rules, const struct tr_trace *trace)
{
    const struct tr_rule *rule = rules->rules;

    while (!matches(rule, trace)) // the last one always does
        rule++;
    return rule;
}

// The greatest draw that keeps the trace. Returns false: none does.
static bool rule_limit(const struct tr_policy *policy, const struct tr_rule *rule, const struct tr_trace *trace, uint64_t *limit)
{
    if (rule->action == TR_RULE_DROP)
        return false;
    if (rule->action == TR_RULE_DYNAMIC)
        return tr_policy_rate_limit(policy, tr_sampling_rate(&rule->sampling, trace), trace, limit);
    if (policy->mode == TR_MODE_PROPORTIONAL)
        return tr_policy_rate_limit(policy, rule->rate, trace, limit);
    *limit = rule->limit;
    return true;
}

static enum tr_answer decide_row(const struct tr_policy *policy, const struct tr_trace *trace, uint32_t *row)
{
    const struct tr_rules *rules = policy->rules;
    const struct tr_rule *rule = rule_of(rules, trace);
    uint64_t limit;

    *row = (uint32_t)(rule - rules->rules);
    if (!rule_limit(policy, rule, trace, &limit))
        return TR_ANSWER_DROP;
    return limit == UINT64_MAX || tr_policy_rate_draw(policy, trace) <= limit ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

static bool limit_of(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit)
{
    return rule_limit(policy, rule_of(policy->rules, trace), trace, limit);
}

static bool is_left_to_chance(const struct tr_rule *rule)
{
    return rule->action == TR_RULE_DYNAMIC || (rule->action == TR_RULE_SAMPLE && rule->rate > 1);
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    uint32_t row;

    return decide_row(policy, trace, &row);
}

// Bits only grow: a rule that looks for none of them, nor at anything that may change, matches for good once it does; one
// that has met what it denies never will. Of a trace's randomness its first spans may not speak.
static enum tr_answer certain(const struct tr_policy *policy, const struct tr_trace *trace)
{
    for (const struct tr_rule *rule = policy->rules->rules;; rule++) {
        bool draws = policy->mode != TR_MODE_HASH_SEED && is_left_to_chance(rule);
        uint64_t denies = 0, met = 0;

        for (int i = 0; i < TR_PREDICATE_WORDS_MAX; i++) {
            denies |= rule->none.word[i];
            met |= rule->none.word[i] & trace->bits[i];
        }
        if (matches(rule, trace))
            return denies || rule->root == 0 || rule->spans_count || draws ? TR_ANSWER_PENDING : decide(policy, trace);
        if (!met)
            return TR_ANSWER_PENDING;
    }
}

static const char *row_name(const struct tr_policy *policy, uint32_t row)
{
    return policy->rules->rules[row].name;
}

static void clear(struct tr_policy *policy)
{
    struct tr_rules *rules = policy->rules;

    for (uint32_t i = 0; rules && i < rules->count; i++) {
        for (uint32_t k = 0; k < rules->rules[i].spans_count; k++)
            tr_rule_test_clear(&rules->rules[i].spans[k]);
        free(rules->rules[i].spans);
        free(rules->rules[i].name);
    }
    if (rules)
        free(rules->rules);
    free(rules);
}

static int sampler_compile(struct tr_policy *policy, struct tr_rule *rule, const struct tr_rule_sampler_options *options,
                           const char *path, const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_sampler_options *sampler;
    bool throughput = options->ema_throughput != NULL;
    char block[200];

    if ((options->ema_dynamic != NULL) + throughput != 1)
        return tr_error_set(error, EINVAL, "%s.sampler: needs one of ema_dynamic and ema_throughput", path);
    snprintf(block, sizeof(block), "%s.sampler.%s", path, throughput ? "ema_throughput" : "ema_dynamic");
    sampler = throughput ? options->ema_throughput : options->ema_dynamic;
    if (sampler->mode != TR_MODE_HASH_SEED)
        return tr_error_set(error, EINVAL, "%s.mode: is that of all rules: give it beside them", block);
    rule->action = TR_RULE_DYNAMIC;
    policy->stateful = true;
    return tr_sampling_make(&rule->sampling, sampler, throughput, rule->name, block, place, error);
}

// All traces are the same to a rule but in mode proportional.
static void rate_set(const struct tr_policy *policy, struct tr_rule *rule, uint64_t rate)
{
    static const struct tr_trace any;

    rule->action = TR_RULE_SAMPLE;
    rule->rate = rate;
    tr_policy_rate_limit(policy, rate, &any, &rule->limit);
}

static int action_compile(struct tr_policy *policy, struct tr_rule *rule, const struct tr_rule_options *options, const char *path,
                          const struct tr_policy_place *place, struct tr_error *error)
{
    int given = (options->sample_rate > 0) + options->drop + options->keep + (options->sampler != NULL);

    if (given > 1)
        return tr_error_set(error, EINVAL, "%s: has more than one of sample_rate, drop, keep and sampler", path);
    if (!given)
        return tr_error_set(error, EINVAL, "%s: needs one of sample_rate, drop: true, keep: true and sampler", path);
    if (options->sampler)
        return sampler_compile(policy, rule, options->sampler, path, place, error);
    rule->action = TR_RULE_DROP;
    if (!options->drop)
        rate_set(policy, rule, options->keep ? 1 : options->sample_rate);
    return 0;
}

static int name_make(struct tr_rules *rules, const struct tr_policy *policy, const char *name, const char *path,
                     struct tr_error *error)
{
    struct tr_rule *rule = &rules->rules[rules->count++];
    char number[16];

    snprintf(number, sizeof(number), "%u", rules->count - 1);
    if (asprintf(&rule->name, "%s/%s", policy->name, name && name[0] ? name : number) < 0) {
        rule->name = NULL;
        return tr_error_set(error, ENOMEM, "%s: no memory", path);
    }
    for (uint32_t i = 0; i + 1 < rules->count; i++)
        if (strcmp(rules->rules[i].name, rule->name) == 0)
            return tr_error_set(error, EINVAL, "%s.name: %s is the name of rules[%u] too", path, name ? name : number, i);
    return 0;
}

// What stands behind the rules.
static int last_make(struct tr_rules *rules, const struct tr_policy *policy, bool keep, const char *path,
                     struct tr_error *error)
{
    struct tr_rule *rule = &rules->rules[rules->count];
    int rc = name_make(rules, policy, "otherwise", path, error);

    rule->root = -1;
    rule->action = TR_RULE_DROP;
    if (keep)
        rate_set(policy, rule, 1);
    return rc;
}

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_rules_options *o = options->rules;
    const struct tr_rule_options *rules = o ? o->rules.items : NULL;
    int rc = 0;

    if (!o || !o->rules.count)
        return tr_error_set(error, EINVAL, "%s.rules.rules: is missing", place->path);
    policy->rules = calloc(1, sizeof(*policy->rules));
    if (policy->rules)
        policy->rules->rules = calloc(o->rules.count + 1, sizeof(*policy->rules->rules));
    if (!policy->rules || !policy->rules->rules)
        return tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    policy->mode = (uint8_t)o->mode;
    policy->hash_begin = tr_trace_hash_begin(o->hash_salt);
    if (policy->mode != TR_MODE_HASH_SEED && o->hash_salt && o->hash_salt[0])
        return tr_error_set(error, EINVAL, "%s.rules.hash_salt: mode %s hashes nothing", place->path,
                            tr_probabilistic_mode_names[o->mode]);
    for (size_t i = 0; rc == 0 && i < o->rules.count; i++) {
        char path[160];

        snprintf(path, sizeof(path), "%s.rules.rules[%zu]", place->path, i);
        rc = name_make(policy->rules, policy, rules[i].name, path, error);
        if (rc == 0)
            rc = action_compile(policy, &policy->rules->rules[i], &rules[i], path, place, error);
        if (rc == 0)
            rc = tr_rule_conditions_compile(&policy->rules->rules[i], &rules[i], place, path, error);
    }
    if (rc == 0)
        rc = last_make(policy->rules, policy, o->otherwise == TR_RULES_KEEP, place->path, error);
    policy->rows = policy->rules->count;
    for (uint32_t i = 0; rc == 0 && i < policy->rows && !policy->drawing; i++) {
        const struct tr_rule *rule = &policy->rules->rules[i];
        char path[64];

        if (!is_left_to_chance(rule))
            continue;
        snprintf(path, sizeof(path), "rules.rules[%u].%s", i, rule->action == TR_RULE_DYNAMIC ? "sampler" : "sample_rate");
        rc = tr_policy_rate_draw_use(policy, place, path, error);
    }
    return rc;
}

const struct tr_policy_type tr_policy_rules = {.name = "rules",
                                               .places = TR_POLICY_AT_TOP,
                                               .compile = compile,
                                               .decide = decide,
                                               .certain = certain,
                                               .limit = limit_of,
                                               .decide_row = decide_row,
                                               .row_name = row_name,
                                               .clear = clear};
