// SPDX-License-Identifier: Apache-2.0
// The programs of a plan, and the slots in which the walk leaves them the values of their keys: those of span
// attributes first, those of resources and scopes from the next word on.
#include "policy/policy_set.h"

static uint32_t keys_count(const struct tr_predicate *predicate)
{
    uint32_t count = 0;

    if (!predicate || !predicate->type->program)
        return 0;
    while (predicate->type->program->key(predicate, count))
        count++;
    return count;
}

// The programs that look at the resource and the scope alone, or the others; their slots begin at `slots`. Returns where
// the next ones do.
static size_t programs_add(struct tr_policy_set_whole *whole, bool context_only, size_t slots)
{
    struct tr_walk_plan *plan = &whole->set.plan;

    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *predicate = whole->predicates.rows[i].predicate;
        struct tr_walk_program *program = &whole->programs[plan->programs_count];

        if (!predicate || !predicate->type->program || predicate->type->program->context_only(predicate) != context_only)
            continue;
        program->classes = TR_WALK_CLASSES;
        predicate->type->program->make(predicate, program);
        program->predicate = i;
        program->slots = whole->slots + slots;
        slots += keys_count(predicate);
        plan->programs_count++;
    }
    return slots;
}

int tr_policy_programs_make(struct tr_policy_set_whole *whole)
{
    struct tr_walk_plan *plan = &whole->set.plan;
    size_t slots = 0;

    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++)
        slots += keys_count(whole->predicates.rows[i].predicate);
    whole->programs = calloc(TR_PREDICATES_MAX, sizeof(*whole->programs));
    whole->slots = calloc(slots + 1, sizeof(*whole->slots));
    if (!whole->programs || !whole->slots)
        return -ENOMEM;
    slots = programs_add(whole, false, 0);
    plan->programs_span = plan->programs_count;
    programs_add(whole, true, slots);
    plan->programs = whole->programs;
    tr_walk_programs_build(plan);
    for (uint32_t n = 0; n < TR_MIN(plan->programs_span, 64u); n++)
        if (!whole->programs[n].guard && whole->programs[n].absent != TR_WALK_ABSENT_NO)
            plan->ready |= 1ull << n;
    return 0;
}

struct tr_walk_key *tr_policy_key_watch(struct tr_walk_keys *keys, const struct tr_ottl_key *wanted, uint32_t *slots)
{
    struct tr_walk_key *key = keys->keys;

    while (key < keys->keys + keys->count &&
           (key->bytes != wanted->bytes || memcmp(key->name, wanted->name, wanted->bytes) != 0))
        key++;
    if (key->note)
        return key;
    if (*slots == TR_WALK_SLOTS_MAX)
        return NULL;
    if (key == keys->keys + keys->count) {
        *key = (struct tr_walk_key){.name = wanted->name, .bytes = wanted->bytes};
        keys->count++;
    }
    key->note = (uint16_t)++*slots;
    return key;
}

static int slots_full(struct tr_error *error)
{
    return tr_error_set(error, EINVAL, "tail_sampling.policies: conditions, and span_metrics, look at more than %d attributes",
                        TR_WALK_SLOTS_MAX);
}

// Keys that others than programs want noted.
static bool watched_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place,
                         const struct tr_strings *watched)
{
    for (size_t i = 0; watched && i < watched->count; i++) {
        const struct tr_ottl_key wanted = {
            .name = watched->items[i], .bytes = (uint32_t)strlen(watched->items[i]), .place = place};
        const struct tr_walk_key *key = tr_policy_key_watch(keys, &wanted, &whole->slots_count);

        if (!key)
            return false;
        *(place == TR_OTTL_KEY_SPAN ? &whole->watched[i].span : &whole->watched[i].resource) = (uint16_t)(key->note - 1);
    }
    return true;
}

static void words_note(struct tr_walk_program *program, uint32_t word)
{
    bool first = program->words_begin == program->words_end;

    program->words_begin = (uint8_t)(first ? word : TR_MIN(word, program->words_begin));
    program->words_end = (uint8_t)(first ? word + 1 : TR_MAX(word + 1, program->words_end));
}

// What the walk does when it comes by a key that span program `n` looks at.
static void key_readies(struct tr_walk_program *programs, uint32_t n, struct tr_walk_key *key, const struct tr_ottl_key *wanted)
{
    if (wanted->guard)
        programs[n].guard_slot = (uint16_t)(key->note - 1);
    if (wanted->guard && n < 64) {
        programs[n].guard_next = key->guards;
        key->guards = (uint16_t)(n + 1);
    } else if (n < 64 && !programs[n].guard && programs[n].absent == TR_WALK_ABSENT_NO && !wanted->idle) {
        key->ready |= 1ull << n;
    }
}

int tr_policy_programs_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place,
                            const struct tr_strings *watched, struct tr_error *error)
{
    struct tr_walk_plan *plan = &whole->set.plan;

    for (uint32_t i = 0; i < plan->programs_count; i++) {
        struct tr_walk_program *program = &whole->programs[i];
        uint16_t *slots = whole->slots + (program->slots - whole->slots);
        const struct tr_predicate *predicate = program->argument;
        const struct tr_ottl_key *wanted;

        for (uint32_t k = 0; (wanted = predicate->type->program->key(predicate, k)) != NULL; k++) {
            struct tr_walk_key *key;

            if (wanted->place != place)
                continue;
            key = tr_policy_key_watch(keys, wanted, &whole->slots_count);
            if (!key)
                return slots_full(error);
            slots[k] = (uint16_t)(key->note - 1);
            program->slot_bits[slots[k] / 64].watched |= wanted->idle ? 0 : 1ull << slots[k] % 64;
            words_note(program, slots[k] / 64);
            if (i < plan->programs_span)
                key_readies(whole->programs, i, key, wanted);
            program->slot_bits[slots[k] / 64].required |= wanted->required ? 1ull << slots[k] % 64 : 0;
        }
    }
    if (!tr_policy_shape_keys(whole, keys, place) || !tr_policy_samplers_keys(whole, keys, place))
        return slots_full(error);
    if (!watched_keys(whole, keys, place, watched))
        return slots_full(error);
    plan->slot_words = (whole->slots_count + 63) / 64;
    if (place == TR_OTTL_KEY_SPAN) {
        plan->span_slot_words = plan->slot_words;
        whole->slots_count = plan->slot_words * 64;
    }
    return 0;
}
