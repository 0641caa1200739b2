// SPDX-License-Identifier: Apache-2.0
// A string attribute matches one of some patterns. All such predicates of a key are asked together: one set of patterns
// a key and place, whose answer the lcores remember by value. Whether it is one of a few strings is part of that answer.
//
// As in the Collector an empty value of a span matches nothing, while one of a resource is tried, and so is a value of
// a resource that is no string, as the empty one.
#include "policy/predicate_types.h"

#include "match/match.h"
#include "match/regex.h"

struct regex {
    struct tr_predicate head;
    char **patterns; // sorted, no two equal
    uint32_t count;
};

static void patterns_free(char **patterns, uint32_t count)
{
    for (uint32_t i = 0; patterns && i < count; i++)
        free(patterns[i]);
    free(patterns);
}

static void clear(struct tr_predicate *predicate)
{
    patterns_free(((struct regex *)predicate)->patterns, ((struct regex *)predicate)->count);
}

const struct tr_predicate_type tr_predicate_type_regex = {.name = "regex", .clear = clear};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char **patterns_copy(const char *const *patterns, size_t count, uint32_t *kept)
{
    char **copy = calloc(count + 1, sizeof(*copy));

    *kept = 0;
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(patterns[i]);
        if (!copy[i]) {
            patterns_free(copy, (uint32_t)count);
            return NULL;
        }
    }
    if (!copy)
        return NULL;
    qsort(copy, count, sizeof(*copy), compare);
    for (size_t i = 0; i < count; i++) {
        if (*kept && strcmp(copy[*kept - 1], copy[i]) == 0)
            free(copy[i]);
        else
            copy[(*kept)++] = copy[i];
    }
    return copy;
}

static char *detail_make(char *const *patterns, uint32_t count)
{
    struct tr_predicate_text text;

    if (!tr_predicate_text_open(&text))
        return NULL;
    fputs("any of", text.file);
    for (uint32_t i = 0; i < count; i++) {
        fputc(' ', text.file);
        tr_predicate_text_quote(&text, patterns[i]);
    }
    return tr_predicate_text_close(&text);
}

int tr_predicate_regex(struct tr_predicates *predicates, const char *key, unsigned places, const char *const *patterns,
                       size_t count)
{
    uint32_t kept;
    char **copy = patterns_copy(patterns, count, &kept);
    char *detail = copy ? detail_make(copy, kept) : NULL;
    struct regex *made =
        detail ? tr_predicate_create(&tr_predicate_type_regex, sizeof(*made), key, places, detail) : NULL;

    free(detail);
    if (!made) {
        patterns_free(copy, copy ? kept : 0);
        return -ENOMEM;
    }
    made->patterns = copy;
    made->count = kept;
    return tr_predicates_add(predicates, &made->head);
}

// The regexes of one key in one place.
struct tr_predicate_regexes {
    struct tr_match *match;
    bool empty; // an empty value is tried
    uint32_t words;
    uint16_t number[TR_PREDICATES_MAX]; // of the predicate, by number in the match
};

static void ask(const void *argument, const struct tr_value *value, uint32_t lcore, struct tr_bits *bits)
{
    const struct tr_predicate_regexes *regexes = argument;
    uint32_t length = value->type == TR_VALUE_STRING ? value->length : 0;
    const uint64_t *words;

    if (!length && !regexes->empty)
        return;
    words = tr_match_ask(regexes->match, lcore, value->bytes, length);
    for (uint32_t w = 0; w < regexes->words; w++)
        for (uint64_t left = words[w]; left; left &= left - 1) {
            uint32_t number = regexes->number[w * 64 + (uint32_t)__builtin_ctzll(left)];

            bits->word[number / 64] |= 1ull << number % 64;
        }
}

// The patterns, or the strings, of a predicate that is asked with the key's regexes. Returns how many; 0: it is not.
static uint32_t texts_of(const struct tr_predicate *predicate, const char *key, unsigned place, char *const **texts)
{
    const struct tr_values *values;

    if (!predicate || !(predicate->places & place) || strcmp(predicate->key, key) != 0)
        return 0;
    if (predicate->type == &tr_predicate_type_regex) {
        *texts = ((const struct regex *)predicate)->patterns;
        return ((const struct regex *)predicate)->count;
    }
    values = tr_predicate_string_few(predicate);
    *texts = values ? values->values : NULL;
    return values ? values->count : 0;
}

// All patterns of the key's predicates, numbered by predicate. Returns how many; at most `room` are written.
static size_t patterns_collect(struct tr_predicate_regexes *regexes, const struct tr_predicates *predicates,
                               const char *key, unsigned place, struct tr_match_pattern *to, size_t room,
                               uint32_t *numbers)
{
    size_t count = 0;

    *numbers = 0;
    for (uint32_t i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate *predicate = predicates->rows[i].predicate;
        char *const *texts;
        uint32_t own = texts_of(predicate, key, place, &texts);

        for (uint32_t p = 0; p < own; p++, count++)
            if (count < room)
                to[count] = (struct tr_match_pattern){
                    .text = texts[p], .number = *numbers, .exact = predicate->type != &tr_predicate_type_regex};
        if (own)
            regexes->number[(*numbers)++] = (uint16_t)i;
    }
    return count;
}

int tr_predicate_regexes_make(struct tr_predicate_regexes **made, const struct tr_predicates *predicates,
                              const char *key, unsigned place, uint32_t lcores, struct tr_error *error)
{
    struct tr_predicate_regexes *regexes = calloc(1, sizeof(*regexes));
    struct tr_match_pattern *patterns = NULL;
    uint32_t numbers = 0;
    size_t count;
    int rc;

    *made = regexes;
    if (!regexes)
        return tr_error_set(error, ENOMEM, "no memory for patterns");
    count = patterns_collect(regexes, predicates, key, place, NULL, 0, &numbers);
    patterns = calloc(count + 1, sizeof(*patterns));
    if (!patterns)
        return tr_error_set(error, ENOMEM, "no memory for patterns");
    patterns_collect(regexes, predicates, key, place, patterns, count, &numbers);
    regexes->empty = place == TR_PLACE_RESOURCE;
    regexes->words = (numbers + 63) / 64;
    rc = tr_match_create(&regexes->match, patterns, count, numbers, lcores, TR_SPAN_BYTES_MAX, error);
    free(patterns);
    if (rc < 0)
        tr_error_prefix(error, "tail_sampling.policies: patterns of %s", key);
    return rc;
}

void tr_predicate_regexes_free(struct tr_predicate_regexes *regexes)
{
    if (!regexes)
        return;
    tr_match_destroy(regexes->match);
    free(regexes);
}

struct tr_walk_match tr_predicate_regexes_match(const struct tr_predicate_regexes *regexes)
{
    return (struct tr_walk_match){.match = ask, .argument = regexes};
}
