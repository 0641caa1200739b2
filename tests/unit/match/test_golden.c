// SPDX-License-Identifier: Apache-2.0
// Each pattern of golden/patterns.txt, by itself and all together, asked about 10,000 values: as Go's regexp answers
// (golden/answers.gz), or refused with its position. A pattern that Go refuses is refused.
//
//   unit-match-golden FOLDER [-v]       -v names what is refused and why
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <zlib.h>

#include "base/hash.h"
#include "match/match.h"
#include "match/regex.h"
#include "match/runes.h"

#define VALUES       10000
#define VALUE_MAX    1024
#define PATTERNS_MAX 1024
#define PIECES_MAX   256

static const char *folder;
static bool verbose;

static struct value {
    uint8_t bytes[VALUE_MAX];
    size_t length;
} values[VALUES], pieces[PIECES_MAX];
static size_t pieces_count;

static char *patterns[PATTERNS_MAX];
static size_t patterns_count;
static struct {
    uint8_t taken, bits[VALUES / 8];
} answers[PATTERNS_MAX];

// A quoted string with the escapes of Go that occur.
static void piece_read(const char *line, struct value *piece)
{
    const char *p = line + 1;

    while (*p != '"') {
        static const char names[] = "ntvfr\\\"", meant[] = "\n\t\v\f\r\\\"";
        char digits[9] = "", *to = (char *)piece->bytes + piece->length;
        size_t count;

        assert_true(*p && *p != '\n');
        if (*p != '\\') {
            *to = *p++;
            piece->length++;
        } else if (strchr(names, p[1])) {
            *to = meant[strchr(names, p[1]) - names];
            piece->length++;
            p += 2;
        } else {
            count = p[1] == 'x' ? 2 : p[1] == 'u' ? 4 : 8;
            memcpy(digits, p + 2, count);
            if (p[1] == 'x') {
                *to = (char)strtoul(digits, NULL, 16);
                piece->length++;
            } else {
                piece->length += tr_rune_put((uint32_t)strtoul(digits, NULL, 16), to);
            }
            p += 2 + count;
        }
    }
}

static FILE *file_open(const char *name)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

static uint64_t next(uint64_t *state)
{
    return tr_mix64(*state += 0x9e3779b97f4a7c15ull);
}

static void value_make(struct value *value, uint64_t *random)
{
    uint64_t n = next(random) % 7;

    for (uint64_t i = 0; i < n; i++) {
        uint8_t *to = value->bytes + value->length;
        uint64_t kind = next(random) % 8;

        if (kind == 0) {
            *to = (uint8_t)next(random);
            value->length++;
        } else if (kind == 1) {
            value->length += tr_rune_put((uint32_t)(next(random) % 0x600), (char *)to);
        } else {
            const struct value *piece = &pieces[next(random) % pieces_count];

            memcpy(to, piece->bytes, piece->length);
            value->length += piece->length;
        }
    }
}

static uint64_t values_hash(void)
{
    uint64_t hash = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < VALUES; i++) {
        for (size_t k = 0; k < values[i].length; k++)
            hash = (hash ^ values[i].bytes[k]) * 0x100000001b3ull;
        hash = (hash ^ 0x100) * 0x100000001b3ull;
    }
    return hash;
}

static int load(void **state)
{
    char line[1024], path[512];
    uint64_t random = 1, hash;
    FILE *file = file_open("pieces.txt");
    gzFile golden;

    while (fgets(line, sizeof(line), file))
        piece_read(line, &pieces[pieces_count++]);
    fclose(file);
    file = file_open("patterns.txt");
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        patterns[patterns_count++] = strdup(line);
    }
    fclose(file);
    for (size_t i = 0; i < VALUES; i++)
        value_make(&values[i], &random);
    snprintf(path, sizeof(path), "%s/answers.gz", folder);
    golden = gzopen(path, "rb");
    assert_non_null(golden);
    assert_int_equal(gzread(golden, &hash, sizeof(hash)), sizeof(hash));
    assert_int_equal(hash, values_hash()); // the very values that Go was asked about
    for (size_t i = 0; i < patterns_count; i++)
        assert_int_equal(gzread(golden, &answers[i], sizeof(answers[i])), sizeof(answers[i]));
    gzclose(golden);
    return 0;
}

static bool golden_matches(size_t pattern, size_t value)
{
    return answers[pattern].bits[value / 8] >> value % 8 & 1;
}

static unsigned differences;
static bool accepted[PATTERNS_MAX];

static void compare(size_t pattern, size_t value, bool matches)
{
    char text[400] = "";

    if (matches == golden_matches(pattern, value))
        return;
    if (differences++ > 20)
        return;
    for (size_t i = 0; i < TR_MIN(values[value].length, 100u); i++)
        sprintf(text + strlen(text), "%02x ", values[value].bytes[i]);
    print_error("%s: %s by Go, %s here: %s\n", patterns[pattern], matches ? "no" : "yes", matches ? "yes" : "no", text);
}

// Compile one by itself. Returns NULL: refused.
static struct tr_match *compile(size_t pattern, struct tr_error *error)
{
    struct tr_match_pattern one = {.text = patterns[pattern]};
    struct tr_match *match = NULL;

    memset(error, 0, sizeof(*error));
    tr_match_create(&match, &one, 1, 1, 1, VALUE_MAX, error);
    return match;
}

static void each_by_itself(void **state)
{
    unsigned refused = 0, taken = 0;

    for (size_t p = 0; p < patterns_count; p++) {
        struct tr_error error;
        struct tr_match *match = compile(p, &error);

        if (!match) {
            assert_non_null(strstr(error.text, "position "));
            refused += answers[p].taken;
            if (verbose && answers[p].taken)
                print_message("refused: %s: %s\n", patterns[p], error.text);
            continue;
        }
        if (!answers[p].taken) {
            print_error("%s: Go refuses it\n", patterns[p]);
            differences++;
        }
        taken++;
        accepted[p] = true;
        for (size_t v = 0; v < VALUES; v++)
            compare(p, v, tr_match_ask(match, 0, values[v].bytes, values[v].length)[0]);
        tr_match_destroy(match);
    }
    print_message("%u patterns agree with Go on %d values each, %u that Go takes are refused\n", taken, VALUES, refused);
    assert_int_equal(differences, 0);
    assert_true(taken >= 500);
    assert_true(refused * 20 <= taken);
}

// By the dozen, two lcores in turn; the second time out of the cache.
#define TOGETHER 12
static void ask_together(const size_t *of, uint32_t count)
{
    struct tr_match_pattern list[TOGETHER];
    struct tr_match *match;
    struct tr_error error = {""};

    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct tr_match_pattern){.text = patterns[of[i]], .number = i};
    if (tr_match_create(&match, list, count, count, 2, VALUE_MAX, &error) < 0)
        fail_msg("%s", error.text);
    for (size_t v = 0; v < 2 * VALUES; v++) {
        size_t value = v / 2;
        uint64_t answer = tr_match_ask(match, v / 64 % 2, values[value].bytes, values[value].length)[0];

        for (uint32_t i = 0; i < count; i++)
            compare(of[i], value, answer >> i & 1);
    }
    tr_match_destroy(match);
}

static void together(void **state)
{
    size_t of[TOGETHER];
    uint32_t count = 0;

    for (size_t p = 0; p < patterns_count; p++) {
        if (accepted[p])
            of[count++] = p;
        if (count == TOGETHER || (count && p + 1 == patterns_count)) {
            ask_together(of, count);
            count = 0;
        }
    }
    assert_int_equal(differences, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_by_itself),
        cmocka_unit_test(together),
    };

    folder = argc > 1 ? argv[1] : ".";
    verbose = argc > 2;
    return cmocka_run_group_tests(tests, load, NULL);
}
