// SPDX-License-Identifier: Apache-2.0
// From predicates to the plan that the walk runs: a table of keys for each place, each key with its tests side by
// side; tests of the span's own fields; and the bits that a status sets by itself.
#include "policy/policy_set.h"
#include "policy/predicate_types.h"

static bool watches(const struct tr_predicate *predicate, unsigned place)
{
    return predicate && predicate->key && predicate->places & place;
}

// The tests of one place go behind the `tests` that there are. Returns how many there are then, -ENOMEM.
static int place_make(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, unsigned place, uint32_t tests)
{
    const struct tr_predicate_row *rows = whole->predicates.rows;
    bool done[TR_PREDICATES_MAX] = {false};

    keys->keys = calloc(TR_PREDICATES_MAX, sizeof(*keys->keys));
    if (!keys->keys)
        return -ENOMEM;
    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        struct tr_walk_key *key = &keys->keys[keys->count];

        if (done[i] || !watches(rows[i].predicate, place))
            continue;
        *key = (struct tr_walk_key){.name = rows[i].predicate->key,
                                    .bytes = (uint32_t)strlen(rows[i].predicate->key),
                                    .first_test = tests};
        keys->count++;
        for (uint32_t k = i; k < TR_PREDICATES_MAX; k++) {
            const struct tr_predicate *predicate = rows[k].predicate;

            if (!watches(predicate, place) || strcmp(predicate->key, key->name) != 0)
                continue;
            whole->tests[tests++] =
                (struct tr_walk_test){.test = predicate->type->value, .argument = predicate, .predicate = k};
            key->tests++;
            done[k] = true;
        }
    }
    return tr_walk_keys_build(keys) < 0 ? -ENOMEM : (int)tests;
}

static void own_fields_make(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;
    uint32_t highest = 0;

    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *predicate = whole->predicates.rows[i].predicate;

        if (!predicate)
            continue;
        highest = i;
        if (predicate->type == &tr_predicate_type_status)
            plan->status[tr_predicate_status_of(predicate)].word[i / 64] |= 1ull << i % 64;
        else if (predicate->type->span)
            whole->span_tests[plan->span_tests_count++] = (struct tr_walk_span_test){
                .test = predicate->type->span, .argument = predicate, .predicate = i};
    }
    plan->words = highest / 64 + 1;
}

int tr_policy_plan_make(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;
    int tests;

    whole->tests = calloc(2 * TR_PREDICATES_MAX, sizeof(*whole->tests));
    whole->span_tests = calloc(TR_PREDICATES_MAX, sizeof(*whole->span_tests));
    if (!whole->tests || !whole->span_tests)
        return -ENOMEM;
    tests = place_make(whole, &plan->span, TR_PLACE_SPAN, 0);
    if (tests < 0 || place_make(whole, &plan->resource, TR_PLACE_RESOURCE, (uint32_t)tests) < 0)
        return -ENOMEM;
    plan->tests = whole->tests;
    plan->span_tests = whole->span_tests;
    own_fields_make(whole);
    plan->epoch = whole->set.epoch;
    return 0;
}

void tr_policy_plan_clear(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;

    tr_walk_keys_free(&plan->span);
    tr_walk_keys_free(&plan->resource);
    free(plan->span.keys);
    free(plan->resource.keys);
    free(whole->tests);
    free(whole->span_tests);
}
