// SPDX-License-Identifier: Apache-2.0
#include "match/match.h"

#include <hs/hs.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/pages.h"
#include "match/regex.h"
#include "match/runes.h"

// Values that an lcore remembers: direct mapped, a hash of 64 bits under a seed that nobody outside knows is taken for
// the value.
#define CACHE_SLOTS 1024

struct lcore {
    hs_scratch_t *scratch;
    uint8_t *room;   // a value with U+FFFD for its bad bytes: three bytes for one
    uint64_t *cache; // CACHE_SLOTS of a hash (0: empty) and the `words` of its answer
};

struct exact {
    char *text;
    size_t bytes;
    uint32_t number;
};

struct tr_match {
    hs_database_t *database; // NULL: no pattern needs it
    struct exact *exact;
    size_t exact_count;
    uint64_t seed;
    uint32_t numbers, words, lcores;
    size_t room_bytes;
    uint64_t *always; // words: what matches every value
    uint64_t *empty;  // words: what matches the empty value
    struct lcore *lcore;
};

static void bit_set(uint64_t *words, uint32_t number)
{
    words[number / 64] |= 1ull << number % 64;
}

// Texts and numbers for hs_compile_multi().
struct compile {
    const char **texts;
    unsigned *flags, *numbers;
    struct tr_regex *regexes;
    unsigned count;
};

static int exact_add(struct tr_match *match, const struct tr_match_pattern *pattern)
{
    struct exact *exact = &match->exact[match->exact_count];

    *exact = (struct exact){.text = strdup(pattern->text), .bytes = strlen(pattern->text), .number = pattern->number};
    if (!exact->text)
        return -ENOMEM;
    match->exact_count++;
    return 0;
}

static int translate(struct tr_match *match, const struct tr_match_pattern *patterns, size_t count,
                     struct compile *compile, struct tr_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct tr_regex *regex = &compile->regexes[i];
        int rc = patterns[i].exact ? exact_add(match, &patterns[i]) : tr_regex_translate(patterns[i].text, regex, error);

        if (rc < 0)
            return rc;
        if (patterns[i].exact)
            continue;
        if (regex->empty)
            bit_set(match->empty, patterns[i].number);
        if (regex->always) {
            bit_set(match->always, patterns[i].number);
            continue;
        }
        compile->texts[compile->count] = regex->text;
        compile->flags[compile->count] = HS_FLAG_UTF8 | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
        compile->numbers[compile->count++] = patterns[i].number;
    }
    return 0;
}

static int database_make(struct tr_match *match, const struct tr_match_pattern *patterns,
                         const struct compile *compile, struct tr_error *error)
{
    hs_compile_error_t *problem = NULL;
    int rc = 0;

    if (!compile->count)
        return 0;
    if (hs_compile_multi(compile->texts, compile->flags, compile->numbers, compile->count, HS_MODE_BLOCK, NULL,
                         &match->database, &problem) != HS_SUCCESS) {
        // Its text, as it is written in the config, if it is of one.
        size_t of = problem->expression >= 0 ? (size_t)problem->expression : SIZE_MAX, at = 0;
        const char *text = "all together";

        for (size_t i = 0; of != SIZE_MAX; i++) {
            if (patterns[i].exact || compile->regexes[i].always)
                continue;
            if (at++ == of) {
                text = patterns[i].text;
                break;
            }
        }
        rc = tr_error_set(error, EINVAL, "position 0: %s: %.100s", problem->message, text);
    }
    hs_free_compile_error(problem);
    return rc;
}

static int compile(struct tr_match *match, const struct tr_match_pattern *patterns, size_t count,
                   struct tr_error *error)
{
    struct compile all = {.texts = calloc(count + 1, sizeof(*all.texts)),
                          .flags = calloc(count + 1, sizeof(*all.flags)),
                          .numbers = calloc(count + 1, sizeof(*all.numbers)),
                          .regexes = calloc(count + 1, sizeof(*all.regexes))};
    int rc = -ENOMEM;

    match->exact = calloc(count + 1, sizeof(*match->exact));
    if (match->exact && all.texts && all.flags && all.numbers && all.regexes)
        rc = translate(match, patterns, count, &all, error);
    if (rc == 0)
        rc = database_make(match, patterns, &all, error);
    for (size_t i = 0; all.regexes && i < count; i++)
        free(all.regexes[i].text);
    free(all.texts);
    free(all.flags);
    free(all.numbers);
    free(all.regexes);
    return rc;
}

static int lcore_make(struct tr_match *match, struct lcore *lcore)
{
    lcore->room = tr_pages_map(match->room_bytes, -1, false);
    lcore->cache = calloc((size_t)CACHE_SLOTS * (1 + match->words), sizeof(*lcore->cache));
    if (!lcore->room || !lcore->cache)
        return -ENOMEM;
    if (match->database && hs_alloc_scratch(match->database, &lcore->scratch) != HS_SUCCESS)
        return -ENOMEM;
    return 0;
}

int tr_match_create(struct tr_match **created, const struct tr_match_pattern *patterns, size_t count, uint32_t numbers,
                    uint32_t lcores, size_t value_max, struct tr_error *error)
{
    struct tr_match *match = calloc(1, sizeof(*match));
    int rc = -ENOMEM;

    if (!match)
        return tr_error_set(error, ENOMEM, "no memory for patterns");
    match->numbers = numbers;
    match->words = (numbers + 63) / 64;
    match->lcores = lcores;
    match->room_bytes = 3 * value_max + 1;
    match->always = calloc(match->words, sizeof(*match->always));
    match->empty = calloc(match->words, sizeof(*match->empty));
    match->lcore = calloc(lcores, sizeof(*match->lcore));
    if (getrandom(&match->seed, sizeof(match->seed), GRND_NONBLOCK) != sizeof(match->seed))
        match->seed = (uintptr_t)match; // at boot, before the kernel has any
    if (match->always && match->empty && match->lcore)
        rc = compile(match, patterns, count, error);
    for (uint32_t i = 0; i < lcores && rc == 0; i++)
        rc = lcore_make(match, &match->lcore[i]);
    if (rc < 0) {
        tr_match_destroy(match);
        return tr_error_set(error, -rc, "no memory for patterns");
    }
    *created = match;
    return 0;
}

void tr_match_destroy(struct tr_match *match)
{
    if (!match)
        return;
    for (uint32_t i = 0; match->lcore && i < match->lcores; i++) {
        hs_free_scratch(match->lcore[i].scratch);
        tr_pages_unmap(match->lcore[i].room, match->room_bytes);
        free(match->lcore[i].cache);
    }
    for (size_t i = 0; i < match->exact_count; i++)
        free(match->exact[i].text);
    free(match->exact);
    hs_free_database(match->database);
    free(match->lcore);
    free(match->always);
    free(match->empty);
    free(match);
}

// Where the first byte is that is not UTF-8, `bytes`: nowhere.
static size_t valid_prefix(const uint8_t *value, size_t bytes)
{
    size_t at = 0;

    while (at < bytes) {
        uint32_t rune;
        uint64_t word;
        bool valid;
        size_t step;

        if (bytes - at >= 8) {
            memcpy(&word, value + at, 8);
            if (!(word & 0x8080808080808080ull)) {
                at += 8;
                continue;
            }
        }
        step = tr_rune_get(value + at, bytes - at, &rune, &valid);
        if (!valid)
            break;
        at += step;
    }
    return at;
}

// The value with U+FFFD for each bad byte. Returns its length.
static size_t repair(struct lcore *lcore, const uint8_t *value, size_t bytes, size_t good)
{
    uint8_t *to = lcore->room;

    memcpy(to, value, good);
    to += good;
    for (size_t at = good; at < bytes;) {
        uint32_t rune;
        bool valid;

        at += tr_rune_get(value + at, bytes - at, &rune, &valid);
        to += tr_rune_put(rune, (char *)to);
    }
    return (size_t)(to - lcore->room);
}

static int matched(unsigned number, unsigned long long from, unsigned long long to, unsigned flags, void *answer)
{
    bit_set(answer, number);
    return 0;
}

// Apart: an answer that is remembered needs none of its registers.
static __attribute__((noinline)) void scan(struct tr_match *match, struct lcore *lcore, const uint8_t *value,
                                           size_t bytes, uint64_t *answer)
{
    size_t good;

    memcpy(answer, match->always, match->words * sizeof(*answer));
    for (size_t i = 0; i < match->exact_count; i++)
        if (match->exact[i].bytes == bytes && memcmp(match->exact[i].text, value, bytes) == 0)
            bit_set(answer, match->exact[i].number);
    if (!match->database)
        return;
    good = valid_prefix(value, bytes);
    if (good < bytes && 3 * bytes <= match->room_bytes) {
        bytes = repair(lcore, value, bytes, good);
        value = lcore->room;
    } else {
        bytes = good; // longer than any value may be: the caller has refused it
    }
    // It can fail only on arguments that are wrong.
    tr_assert(hs_scan(match->database, (const char *)value, (unsigned)bytes, 0, lcore->scratch, matched, answer) ==
              HS_SUCCESS);
}

const uint64_t *tr_match_ask(struct tr_match *match, uint32_t number, const uint8_t *value, size_t bytes)
{
    struct lcore *lcore = match->lcore + number;
    uint64_t hash, *entry;

    tr_assert(number < match->lcores);
    if (!bytes)
        return match->empty;
    hash = tr_hash_bytes(value, bytes, match->seed) | 1;
    entry = lcore->cache + (hash >> 32) % CACHE_SLOTS * (1 + match->words);
    if (tr_unlikely(entry[0] != hash)) {
        scan(match, lcore, value, bytes, entry + 1);
        entry[0] = hash;
    }
    return entry + 1;
}
