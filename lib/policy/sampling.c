// SPDX-License-Identifier: Apache-2.0
// Keys of dynamic samplers, and the policies `ema_dynamic` and `ema_throughput`.
//
// The walk hashes the values that a span has of the fields; the hash travels in the span's SHAPE slot. The owner takes the
// different ones of a trace together, whatever their order: that is the trace's key, made once for all that ask. Two lists
// of fields halve the bits between them. A trace has more than TR_SAMPLER_VALUES_MAX different ones: the least of them count.
//
// A config with other lists. A trace that began before it is decided by the sampler that it began under, but its later
// spans have keys of the new lists: its own is not to be known any more. Two bits of a span's key say of which generation
// of lists it is, and a trace with a span of another one goes by the sampler's initial rate, uncounted.
#include "policy/sampling.h"

#include "base/hash.h"
#include "policy/policy_set.h"
#include "policy/rule_value.h"
#include "trace/shapes.h"

#define ROOT "root."

// --- the walk's side

static uint64_t value_hash(const struct tr_value *value, uint64_t seed)
{
    char scratch[TR_RULE_TEXT_MAX];
    const uint8_t *text;
    uint32_t bytes;

    if (tr_rule_to_text(value, scratch, &text, &bytes))
        return tr_hash_bytes(text, bytes, seed);
    return tr_hash_bytes(value->bytes, value->length, seed);
}

static uint64_t list_hash(const struct tr_sampler_list *list, const struct tr_walk_span *span,
                          const struct tr_walk_notes *notes)
{
    struct tr_ottl_run run; // its `made` stays as it is
    uint64_t hash = 0;
    bool any = false;

    run.span = span;
    run.notes = notes;
    run.slots = list->slots;
    run.made_bytes = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct tr_value *value;
        struct tr_value own;

        if (list->of_root[i] && !span->root)
            continue;
        value = tr_rule_field_read(&list->fields[i], &run, &own);
        if (!value)
            continue;
        hash = tr_mix64(hash ^ value_hash(value, i + 1));
        any = true;
    }
    return any ? hash : 0;
}

_Static_assert(TR_SAMPLER_LISTS_MAX == TR_SHAPE_SAMPLED_MAX, "a trace has a key of each");
_Static_assert(TR_SAMPLERS_MAX == TR_SHAPE_RATES_MAX, "and a rate");

#define GENERATION_BITS 2
#define GENERATIONS     3 // from 1: 0 is a span that was walked without any list
#define GENERATION_MASK ((1u << GENERATION_BITS) - 1)

static uint32_t bits_of(const struct tr_samplers *samplers)
{
    return (32 - GENERATION_BITS) / TR_MAX(samplers->lists_count, 1u);
}

uint32_t tr_samplers_span_key(const void *argument, const struct tr_walk_span *span, const struct tr_walk_notes *notes)
{
    const struct tr_samplers *samplers = argument;
    uint32_t bits = bits_of(samplers);
    uint64_t key = samplers->generation;

    for (uint32_t i = 0; i < samplers->lists_count; i++) {
        uint64_t hash = list_hash(&samplers->lists[i], span, notes), cut = hash >> (64 - bits);

        key |= (hash && !cut ? 1 : cut) << (GENERATION_BITS + i * bits);
    }
    return (uint32_t)key;
}

// --- the owner's side

// Put `key` among the least ones. Returns how many there are then.
static uint32_t least_add(uint32_t *least, uint32_t count, uint32_t key)
{
    uint32_t at = count;

    while (at && least[at - 1] > key)
        at--;
    if ((at && least[at - 1] == key) || at == TR_SAMPLER_VALUES_MAX)
        return count;
    count += count < TR_SAMPLER_VALUES_MAX;
    memmove(&least[at + 1], &least[at], (count - 1 - at) * sizeof(*least));
    least[at] = key;
    return count;
}

// What the trace's spans say by that list.
static void sampled_make(const struct tr_samplers *samplers, uint32_t list, struct tr_shapes *shapes)
{
    uint32_t least[TR_SAMPLER_VALUES_MAX], count = 0, last = 0, bits = bits_of(samplers);
    struct tr_shapes_cursor cursor = tr_shapes_begin(shapes);
    uint64_t key = 0;

    shapes->looked = true;
    shapes->sampled_known |= 1u << list;
    for (const struct tr_shape *shape; (shape = tr_shapes_next(shapes, &cursor)) != NULL;) {
        uint32_t one = shape->sampler_key >> (GENERATION_BITS + bits * list) & ((1u << bits) - 1);

        shapes->sampled_mixed |= (shape->sampler_key & GENERATION_MASK) != samplers->generation;
        if (one && one != last) // those of a service come in a row
            count = least_add(least, count, one);
        last = one;
    }
    for (uint32_t i = 0; i < count; i++)
        key = tr_mix64(key ^ least[i]) + i;
    shapes->sampled[list] = key;
}

uint64_t tr_sampling_rate(const struct tr_sampling *sampling, const struct tr_trace *trace)
{
    struct tr_sampler *sampler = sampling->samplers->samplers[sampling->sampler];
    bool question = trace->draws || (trace->asked && trace->asked->counted);
    struct tr_shapes *shapes = trace->shapes;
    uint64_t key = 0, rate, bit = 1ull << sampling->sampler;

    if (shapes) {
        if (!shapes->sampled_known)
            shapes->rates_known = 0;
        if (trace->draws && shapes->rates_known & bit)
            return shapes->rates[sampling->sampler];
        if (!(shapes->sampled_known >> sampling->list & 1))
            sampled_make(sampling->samplers, sampling->list, shapes);
        if (tr_unlikely(shapes->sampled_mixed))
            return tr_sampler_terms(sampler)->initial_rate;
        key = shapes->sampled[sampling->list];
    }
    if (sampling->with_length)
        key = tr_mix64(key ^ tr_mix64(trace->spans));
    rate = tr_sampler_rate(sampler, trace->lcore, key, question ? 0 : trace->spans);
    if (shapes) {
        shapes->rates[sampling->sampler] = rate;
        shapes->rates_known |= bit;
    }
    return rate;
}

// --- from options

static char *list_text(const struct tr_strings *fields)
{
    struct tr_predicate_text text;

    if (!tr_predicate_text_open(&text))
        return NULL;
    for (size_t i = 0; i < fields->count; i++)
        tr_predicate_text_quote(&text, fields->items[i]);
    return tr_predicate_text_close(&text);
}

static int list_fill(struct tr_sampler_list *list, const struct tr_strings *fields)
{
    if (tr_rule_keys_make(&list->keys, fields->count) < 0)
        return -ENOMEM;
    list->slots = calloc(TR_RULE_PLACES * fields->count, sizeof(*list->slots));
    for (size_t i = 0; list->slots && i < fields->count; i++) {
        const char *name = fields->items[i];

        list->of_root[i] = strncmp(name, ROOT, strlen(ROOT)) == 0;
        if (tr_rule_field_make(&list->keys, name + (list->of_root[i] ? strlen(ROOT) : 0), &list->fields[i]) < 0)
            return -ENOMEM;
        list->count++;
    }
    return list->slots ? 0 : -ENOMEM;
}

// Returns the list's number, below 0: the error says why.
static int list_find(struct tr_samplers *samplers, const struct tr_strings *fields, const char *path,
                     struct tr_error *error)
{
    char *text = list_text(fields);
    struct tr_sampler_list *list;

    if (!text)
        return tr_error_set(error, ENOMEM, "%s: no memory", path);
    for (uint32_t i = 0; i < samplers->lists_count; i++)
        if (strcmp(samplers->lists[i].text, text) == 0) {
            free(text);
            return (int)i;
        }
    if (samplers->lists_count == TR_SAMPLER_LISTS_MAX) {
        free(text);
        return tr_error_set(error, EINVAL, "%s.field_list: all samplers of a config have at most %d different ones", path,
                            TR_SAMPLER_LISTS_MAX);
    }
    list = &samplers->lists[samplers->lists_count++];
    list->text = text;
    return list_fill(list, fields) < 0 ? tr_error_set(error, ENOMEM, "%s: no memory", path)
                                       : (int)samplers->lists_count - 1;
}

static struct tr_sampler_terms terms_of(const struct tr_sampler_options *o, bool throughput)
{
    return (struct tr_sampler_terms){.throughput = throughput,
                                     .goal = (double)o->goal,
                                     .initial_rate = throughput ? o->initial_sample_rate : o->goal,
                                     .interval_ns = o->adjustment_interval_ns,
                                     .weight = o->weight,
                                     .age_out = o->age_out_value > 0 ? o->age_out_value : o->weight,
                                     .burst_multiple = o->burst_multiple,
                                     .burst_delay = o->burst_detection_delay,
                                     .keys_max = (uint32_t)o->max_keys};
}

static char *identity_make(const char *name, const struct tr_sampler_terms *terms, const char *list, bool with_length)
{
    char *identity;

    if (asprintf(&identity, "%s %d %g %llu %llu %g %g %g %llu %u %s %d", name, terms->throughput, terms->goal,
                 (unsigned long long)terms->initial_rate, (unsigned long long)terms->interval_ns, terms->weight,
                 terms->age_out, terms->burst_multiple, (unsigned long long)terms->burst_delay, terms->keys_max, list,
                 with_length) < 0)
        return NULL;
    return identity;
}

// That of the config before, with all it has learned, or a new one.
static int sampler_take(struct tr_samplers *samplers, const struct tr_sampler_terms *terms, const char *name,
                        const char *identity)
{
    const struct tr_samplers *before = samplers->before;
    int rc;

    for (uint32_t i = 0; before && i < before->count; i++)
        if (before->lcores == samplers->lcores && strcmp(tr_sampler_identity(before->samplers[i]), identity) == 0) {
            tr_sampler_hold(before->samplers[i]);
            samplers->samplers[samplers->count++] = before->samplers[i];
            return 0;
        }
    rc = tr_sampler_create(&samplers->samplers[samplers->count], terms, name, identity, samplers->lcores);
    samplers->count += rc == 0;
    return rc;
}

int tr_sampling_make(struct tr_sampling *sampling, const struct tr_sampler_options *options, bool throughput,
                     const char *name, const char *path, const struct tr_policy_place *place, struct tr_error *error)
{
    struct tr_samplers *samplers = &place->whole->samplers;
    struct tr_sampler_terms terms;
    char *identity;
    int list, rc;

    if (!options)
        return tr_error_set(error, EINVAL, "%s.field_list: is missing", path);
    if (!(options->weight > 0 && options->weight < 1))
        return tr_error_set(error, EINVAL, "%s.weight: %g is not between 0 and 1", path, options->weight);
    if (samplers->count == TR_SAMPLERS_MAX)
        return tr_error_set(error, EINVAL, "%s: more than %d dynamic samplers", path, TR_SAMPLERS_MAX);
    list = list_find(samplers, &options->field_list, path, error);
    if (list < 0)
        return list;
    terms = terms_of(options, throughput);
    identity = identity_make(name, &terms, samplers->lists[list].text, options->use_trace_length);
    rc = identity ? sampler_take(samplers, &terms, name, identity) : -ENOMEM;
    free(identity);
    if (rc < 0)
        return tr_error_set(error, ENOMEM, "%s: no memory", path);
    tr_predicates_shape(place->predicates, TR_SHAPE_SAMPLER, path);
    *sampling = (struct tr_sampling){.samplers = samplers,
                                     .sampler = samplers->count - 1,
                                     .list = (uint32_t)list,
                                     .with_length = options->use_trace_length};
    return 0;
}

static bool lists_are_the_same(const struct tr_samplers *a, const struct tr_samplers *b)
{
    for (uint32_t i = 0; i < a->lists_count && a->lists_count == b->lists_count; i++)
        if (strcmp(a->lists[i].text, b->lists[i].text) != 0)
            return false;
    return a->lists_count == b->lists_count;
}

int tr_samplers_settle(struct tr_samplers *samplers)
{
    const struct tr_samplers *before = samplers->before;

    samplers->before = NULL;
    samplers->generation = !before                               ? 1
                           : lists_are_the_same(samplers, before) ? before->generation
                                                                  : before->generation % GENERATIONS + 1;
    if (!before || bits_of(before) == bits_of(samplers))
        return 0;
    for (uint32_t i = 0; i < samplers->count; i++) {
        struct tr_sampler *old = samplers->samplers[i], *fresh;

        if (tr_sampler_create(&fresh, tr_sampler_terms(old), tr_sampler_name(old), tr_sampler_identity(old),
                              samplers->lcores) < 0)
            return -ENOMEM;
        samplers->samplers[i] = fresh;
        tr_sampler_release(old);
    }
    return 0;
}

bool tr_policy_samplers_keys(struct tr_policy_set_whole *whole, struct tr_walk_keys *keys, enum tr_ottl_place place)
{
    for (uint32_t i = 0; i < whole->samplers.lists_count; i++) {
        const struct tr_sampler_list *list = &whole->samplers.lists[i];

        for (uint32_t k = 0; k < list->keys.count; k++) {
            const struct tr_walk_key *key;

            if (list->keys.keys[k].place != place)
                continue;
            key = tr_policy_key_watch(keys, &list->keys.keys[k], &whole->slots_count);
            if (!key)
                return false;
            list->slots[k] = (uint16_t)(key->note - 1);
        }
    }
    return true;
}

void tr_samplers_clear(struct tr_samplers *samplers)
{
    for (uint32_t i = 0; i < samplers->count; i++)
        tr_sampler_release(samplers->samplers[i]);
    for (uint32_t i = 0; i < samplers->lists_count; i++) {
        tr_rule_keys_clear(&samplers->lists[i].keys);
        free(samplers->lists[i].slots);
        free(samplers->lists[i].text);
    }
}

void tr_policy_set_tick(struct tr_policy_set *set, uint64_t now)
{
    struct tr_policy_set_whole *whole = (struct tr_policy_set_whole *)set;

    for (uint32_t i = 0; i < whole->samplers.count; i++)
        tr_sampler_poll(whole->samplers.samplers[i], now);
}

const struct tr_sampler *tr_policy_set_sampler(const struct tr_policy_set *set, uint32_t index)
{
    const struct tr_policy_set_whole *whole = (const struct tr_policy_set_whole *)set;

    return index < whole->samplers.count ? whole->samplers.samplers[index] : NULL;
}

// --- the policies

static bool limit_of(const struct tr_policy *policy, const struct tr_trace *trace, uint64_t *limit)
{
    return tr_policy_rate_limit(policy, tr_sampling_rate(policy->sampling, trace), trace, limit);
}

static enum tr_answer decide(const struct tr_policy *policy, const struct tr_trace *trace)
{
    uint64_t limit;

    return limit_of(policy, trace, &limit) && tr_policy_rate_draw(policy, trace) <= limit ? TR_ANSWER_KEEP : TR_ANSWER_DROP;
}

static int compile(struct tr_policy *policy, const struct tr_sampler_options *options, const char *block,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    char path[200];
    int rc;

    snprintf(path, sizeof(path), "%s.%s", place->path, block);
    policy->hash_begin = tr_trace_hash_begin(NULL);
    policy->sampling = calloc(1, sizeof(*policy->sampling));
    if (!policy->sampling)
        return tr_error_set(error, ENOMEM, "%s: no memory", path);
    rc = tr_sampling_make(policy->sampling, options, policy->type == &tr_policy_ema_throughput, policy->name, path, place,
                          error);
    policy->mode = (uint8_t)(options ? options->mode : TR_MODE_HASH_SEED);
    return rc < 0 ? rc : tr_policy_rate_draw_use(policy, place, block, error);
}

static int dynamic_compile(struct tr_policy *policy, const struct tr_policy_options *options,
                           const struct tr_policy_place *place, struct tr_error *error)
{
    return compile(policy, options->ema_dynamic, "ema_dynamic", place, error);
}

static int throughput_compile(struct tr_policy *policy, const struct tr_policy_options *options,
                              const struct tr_policy_place *place, struct tr_error *error)
{
    return compile(policy, options->ema_throughput, "ema_throughput", place, error);
}

static void clear(struct tr_policy *policy)
{
    free(policy->sampling);
}

const struct tr_policy_type tr_policy_ema_dynamic = {.name = "ema_dynamic",
                                                     .places = TR_POLICY_AT_TOP,
                                                     .compile = dynamic_compile,
                                                     .decide = decide,
                                                     .limit = limit_of,
                                                     .clear = clear};
const struct tr_policy_type tr_policy_ema_throughput = {.name = "ema_throughput",
                                                        .places = TR_POLICY_AT_TOP,
                                                        .compile = throughput_compile,
                                                        .decide = decide,
                                                        .limit = limit_of,
                                                        .clear = clear};
