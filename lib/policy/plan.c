// SPDX-License-Identifier: Apache-2.0
// From predicates to the plan that the walk runs: a table of keys for each place, each key with its tests side by
// side; tests of the span's own fields; and the bits that a status sets by itself.
#include "policy/policy_set.h"
#include "policy/predicate_types.h"

static bool watches(const struct tr_predicate *predicate, unsigned place)
{
    return predicate && predicate->key && predicate->places & place;
}

// Are there regexes among the predicates of a key?
static bool regexes_there(const struct tr_policy_set_whole *whole, const char *key, unsigned place)
{
    for (uint32_t k = 0; k < TR_PREDICATES_MAX; k++) {
        const struct tr_predicate *predicate = whole->predicates.rows[k].predicate;

        if (watches(predicate, place) && predicate->type == &tr_predicate_type_regex && strcmp(predicate->key, key) == 0)
            return true;
    }
    return false;
}

// The tests of the key of predicate `first`: they go behind the `tests` that there are. Returns how many there are then.
static uint32_t key_tests(struct tr_policy_set_whole *whole, struct tr_walk_key *key, unsigned place, uint32_t first,
                          uint32_t tests, bool *done)
{
    bool regexes = regexes_there(whole, key->name, place);

    for (uint32_t k = first; k < TR_PREDICATES_MAX; k++) {
        const struct tr_predicate *predicate = whole->predicates.rows[k].predicate;

        if (!watches(predicate, place) || strcmp(predicate->key, key->name) != 0)
            continue;
        done[k] = true;
        if (!predicate->type->value || (regexes && tr_predicate_string_few(predicate)))
            continue;
        whole->tests[tests++] =
            (struct tr_walk_test){.test = predicate->type->value, .argument = predicate, .predicate = k};
        key->tests++;
    }
    return tests;
}

static int key_regexes(struct tr_policy_set_whole *whole, struct tr_walk_key *key, unsigned place, uint32_t lcores,
                       struct tr_error *error)
{
    struct tr_predicate_regexes **regexes = &whole->regexes[whole->regexes_count];
    int rc;

    if (!regexes_there(whole, key->name, place))
        return 0;
    whole->regexes_count++;
    rc = tr_predicate_regexes_make(regexes, &whole->predicates, key->name, place, lcores, error);
    if (rc == 0)
        key->match = tr_predicate_regexes_match(*regexes);
    return rc;
}

// The keys of one place, their tests behind the `tests` that there are. Returns how many there are then, below 0 as
// tr_policy_plan_make().
static int place_make(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, unsigned place, uint32_t tests,
                      const struct tr_strings *watched, uint32_t lcores, struct tr_error *error)
{
    const struct tr_predicate_row *rows = whole->predicates.rows;
    bool done[TR_PREDICATES_MAX] = {false};

    keys->keys = calloc(TR_PREDICATES_MAX + TR_WALK_SLOTS_MAX, sizeof(*keys->keys));
    if (!keys->keys)
        return -ENOMEM;
    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        struct tr_walk_key *key = &keys->keys[keys->count];
        int rc;

        if (done[i] || !watches(rows[i].predicate, place))
            continue;
        *key = (struct tr_walk_key){.name = rows[i].predicate->key,
                                    .bytes = (uint32_t)strlen(rows[i].predicate->key),
                                    .first_test = tests};
        keys->count++;
        tests = key_tests(whole, key, place, i, tests, done);
        rc = key_regexes(whole, key, place, lcores, error);
        if (rc < 0)
            return rc;
    }
    if (tr_policy_programs_keys(whole, keys, place == TR_PLACE_SPAN ? TR_OTTL_KEY_SPAN : TR_OTTL_KEY_RESOURCE, watched, error) < 0)
        return -EINVAL;
    return tr_walk_keys_build(keys) < 0 ? -ENOMEM : (int)tests;
}

static int scope_make(struct tr_policy_set_whole *whole, struct tr_error *error)
{
    struct tr_walk_keys *keys = &whole->set.plan.scope;

    keys->keys = calloc(TR_WALK_SLOTS_MAX + 1, sizeof(*keys->keys));
    if (!keys->keys)
        return -ENOMEM;
    if (tr_policy_programs_keys(whole, keys, TR_OTTL_KEY_SCOPE, NULL, error) < 0)
        return -EINVAL;
    return tr_walk_keys_build(keys) < 0 ? -ENOMEM : 0;
}

static void span_tests_add(struct tr_policy_set_whole *whole, bool of_trace_state)
{
    struct tr_walk_plan *plan = &whole->set.plan;

    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *predicate = whole->predicates.rows[i].predicate;

        if (predicate && predicate->type->span && predicate->type->trace_state == of_trace_state)
            whole->span_tests[plan->span_tests_count++] = (struct tr_walk_span_test){
                .test = predicate->type->span, .argument = predicate, .predicate = i};
    }
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
    }
    plan->words = highest / 64 + 1;
    span_tests_add(whole, false);
    plan->span_tests_stateless = plan->span_tests_count;
    span_tests_add(whole, true);
}

// Integers are remembered where all that is asked of them is a question of the value alone, and its answer fits.
static bool memo_wanted(const struct tr_policy_set_whole *whole, const struct tr_walk_key *key)
{
    for (uint32_t i = 0; i < key->tests; i++)
        if (whole->tests[key->first_test + i].predicate >= 64)
            return false;
    return !key->match.match && (key->tests || key->guards);
}

static int memos_make(struct tr_policy_set_whole *whole, uint32_t lcores)
{
    struct tr_walk_keys *keys = &whole->set.plan.span;
    size_t bytes = (keys->count + 1) * (size_t)lcores * sizeof(*whole->memos);

    whole->memos = aligned_alloc(TR_CACHE_LINE, bytes);
    if (!whole->memos)
        return -ENOMEM;
    memset(whole->memos, 0, bytes);
    for (uint32_t i = 0; i < keys->count; i++)
        if (memo_wanted(whole, &keys->keys[i]))
            keys->keys[i].memos = whole->memos + (size_t)i * lcores;
    return 0;
}

int tr_policy_plan_make(struct tr_policy_set_whole *whole, const struct tr_strings *watched, uint32_t lcores,
                        struct tr_error *error)
{
    struct tr_walk_plan *plan = &whole->set.plan;
    int tests;

    whole->tests = calloc(2 * TR_PREDICATES_MAX, sizeof(*whole->tests));
    whole->span_tests = calloc(TR_PREDICATES_MAX, sizeof(*whole->span_tests));
    whole->regexes = calloc(2 * TR_PREDICATES_MAX, sizeof(*whole->regexes));
    whole->watched = calloc(watched ? watched->count + 1 : 1, sizeof(*whole->watched));
    if (!whole->tests || !whole->span_tests || !whole->regexes || !whole->watched)
        return -ENOMEM;
    tests = tr_policy_programs_make(whole);
    if (tests < 0)
        return tests;
    tr_policy_shape_make(whole);
    tests = place_make(whole, &plan->span, TR_PLACE_SPAN, 0, watched, lcores, error);
    if (tests >= 0)
        tests = place_make(whole, &plan->resource, TR_PLACE_RESOURCE, (uint32_t)tests, watched, lcores, error);
    if (tests >= 0 && scope_make(whole, error) < 0)
        tests = -EINVAL;
    if (tests >= 0 && memos_make(whole, lcores) < 0)
        tests = -ENOMEM;
    if (tests < 0)
        return tests;
    plan->tests = whole->tests;
    plan->span_tests = whole->span_tests;
    own_fields_make(whole);
    plan->looks = plan->looks || watched;
    plan->watched = whole->watched;
    plan->epoch = whole->set.epoch;
    return 0;
}

void tr_policy_plan_clear(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;

    tr_walk_keys_free(&plan->span);
    tr_walk_keys_free(&plan->resource);
    free(plan->span.keys);
    tr_walk_keys_free(&plan->scope);
    free(plan->resource.keys);
    free(plan->scope.keys);
    for (uint32_t i = 0; i < whole->regexes_count; i++)
        tr_predicate_regexes_free(whole->regexes[i]);
    free(whole->regexes);
    free(whole->programs);
    free(whole->watched);
    free(whole->memos);
    free(whole->slots);
    free(whole->tests);
    free(whole->span_tests);
}
