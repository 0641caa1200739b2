// SPDX-License-Identifier: Apache-2.0
// What the Collector's ottl_condition says of each of some spans, under each of some conditions: ottl/make_golden.py
// asked it. A condition is compiled as a policy, and the walk runs it.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "otlp/check.h"
#include "policy/policy.h"
#include "policy/policy_options.h"

#define SPANS_MAX 256
#define ROOT      "tests/unit/policy/ottl/"

static struct tr_walk_notes notes;
static uint8_t *requests;
static size_t requests_bytes;

static char *file_read(const char *name, size_t *bytes)
{
    const char *source = getenv("MESON_SOURCE_ROOT");
    char path[512];
    FILE *file;
    char *data;

    snprintf(path, sizeof(path), "%s/" ROOT "%s", source ? source : ".", name);
    file = fopen(path, "rb");
    if (!file)
        fail_msg("%s: %s", path, strerror(errno));
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    data = malloc(*bytes + 1);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    data[*bytes] = 0;
    fclose(file);
    return data;
}

static int read_spans(void **state)
{
    requests = (uint8_t *)file_read("spans.bin", &requests_bytes);
    return 0;
}

static int free_spans(void **state)
{
    free(requests);
    return 0;
}

// Returns NULL: refused, and why is in *error.
static struct tr_policy_set *set_compile(const char *text, bool event, const char *mode, struct tr_error *error)
{
    struct tr_ottl_condition_options condition = {.error_mode = mode};
    struct tr_policy_options policy = {.name = "p", .type = "ottl_condition", .ottl_condition = &condition};
    struct tr_tail_sampling_options options = {.policies = {&policy, 1}};
    struct tr_strings *list = event ? &condition.spanevent : &condition.span;
    struct tr_policy_set *set = NULL;

    *list = (struct tr_strings){&text, 1};
    memset(error, 0, sizeof(*error));
    return tr_policy_set_compile(&options, NULL, 1, 1, &set, error) == 0 ? set : NULL;
}

static bool request_holds(const struct tr_policy_set *set, const uint8_t *body, uint32_t bytes)
{
    struct tr_context contexts[4] = {0};
    struct tr_journal journal = {.contexts = contexts, .contexts_mask = 3};
    struct tr_bits bits = {{0}};
    struct tr_walk_span walked;
    struct tr_check check;
    const uint8_t *span;
    uint32_t cursor = 0;

    tr_check_init(&check, body, bytes, 0, &journal, 4);
    assert_int_equal(tr_check_run(&check, UINT32_MAX), TR_CHECK_DONE);
    assert_int_equal(check.contexts, 1);
    tr_walk_resource(&set->plan, 0, contexts, body, &notes, &bits);
    assert_true(tr_context_span(contexts, body, &cursor, &span, &bytes));
    assert_int_equal(tr_walk_span(&set->plan, 0, span, bytes, &notes, &walked, &bits), TR_WALK_OK);
    return bits.word[0] & 1;
}

// Returns how many spans it says something else of than the Collector.
static unsigned answers_compare(const struct tr_policy_set *set, const char *text, const char *golden, size_t count)
{
    const uint8_t *p = requests, *end = requests + requests_bytes;
    unsigned wrong = 0;

    for (size_t i = 0; p < end; i++) {
        uint32_t bytes;

        memcpy(&bytes, p, 4);
        assert_true(i < count);
        if (request_holds(set, p + 4, bytes) != (golden[i] == '1')) {
            if (!wrong++)
                print_message("%s: span %zu: the Collector says %c\n", text, i, golden[i]);
        }
        p += 4 + bytes;
    }
    return wrong;
}

struct outcome {
    unsigned conditions, refused_there, refused_here, wrong, both;
};

static void condition_try(char *text, bool event, const char *golden, size_t golden_bytes, struct outcome *outcome)
{
    bool refused = golden_bytes == 7 && memcmp(golden, "refused", 7) == 0;
    struct tr_error error;
    struct tr_policy_set *set = set_compile(text, event, "propagate", &error);

    outcome->conditions++;
    outcome->refused_there += refused;
    if (!set) {
        outcome->refused_here += !refused;
        if (!refused)
            print_message("refused here: %s\n", error.text);
        return;
    }
    if (refused) {
        print_message("taken here, and refused by the Collector: %s\n", text);
        outcome->wrong++;
    } else if (answers_compare(set, text, golden, golden_bytes)) {
        outcome->wrong++;
    }
    tr_policy_set_free(set);
}

// Under `ignore` the walk leaves out what can't hold by the span's class and its attributes: alone, and both conditions of
// a conjunction, which holds where each does.
static void guards_try(const char *texts[2], bool event, const char *golden[2], size_t count, struct outcome *outcome)
{
    char *both, *expected = malloc(count + 1);
    struct tr_error error;
    struct tr_policy_set *set = set_compile(texts[1], event, "ignore", &error);

    assert_non_null(expected);
    if (set)
        outcome->wrong += answers_compare(set, texts[1], golden[1], count) != 0;
    tr_policy_set_free(set);
    assert_true(asprintf(&both, "(%s) and (%s)", texts[0], texts[1]) > 0);
    for (size_t i = 0; i < count; i++)
        expected[i] = golden[0][i] == '1' && golden[1][i] == '1' ? '1' : '0';
    set = set_compile(both, event, "ignore", &error);
    if (set && !event) { // of events both must hold for the same one
        outcome->wrong += answers_compare(set, both, expected, count) != 0;
        outcome->both++;
    }
    tr_policy_set_free(set);
    free(both);
    free(expected);
}

static struct outcome file_try(const char *name, const char *golden_name)
{
    size_t bytes;
    char *conditions = file_read(name, &bytes), *golden = file_read(golden_name, &bytes), *line, *rest = conditions;
    const char *answer = golden;
    struct outcome outcome = {0};
    const char *texts[2] = {0}, *answers[2] = {0};

    while ((line = strsep(&rest, "\n"))) {
        char *text = strchr(line, ' ');
        size_t length = strcspn(answer, "\n");

        if (!*line || *line == '#')
            continue;
        condition_try(text ? text + 1 : line + strlen(line), *line == 'e', answer, length, &outcome);
        if (text && memcmp(answer, "refused", 7) != 0) {
            texts[1] = text + 1;
            answers[1] = answer;
            if (texts[0])
                guards_try(texts, *line == 'e', answers, length, &outcome);
            // Of events nothing is known but of the one alone.
            texts[0] = *line == 'e' ? texts[0] : texts[1];
            answers[0] = *line == 'e' ? answers[0] : answers[1];
        }
        answer += length + 1;
    }
    free(conditions);
    free(golden);
    print_message("%s: %u conditions, %u refused by the Collector, %u more here\n", name, outcome.conditions,
                  outcome.refused_there, outcome.refused_here);
    return outcome;
}

static void each_construct_says_what_the_collector_says(void **state)
{
    struct outcome outcome = file_try("constructs.txt", "constructs.golden");

    assert_int_equal(outcome.wrong, 0);
    assert_true(outcome.both > 250);
}

static void conditions_of_public_configs_do_too(void **state)
{
    struct outcome outcome = file_try("collected.txt", "collected.golden");

    assert_int_equal(outcome.wrong, 0);
    assert_true(outcome.conditions >= 200);
    assert_true(outcome.refused_here * 20 <= outcome.conditions); // 95 of 100 compile
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(each_construct_says_what_the_collector_says),
        cmocka_unit_test(conditions_of_public_configs_do_too),
    };

    return cmocka_run_group_tests(all, read_spans, free_spans);
}
