// SPDX-License-Identifier: Apache-2.0
// What a mistake in a config says: made from the daemon's option rows, for every row of every table a value of another
// type, one below and one above its range, and for every table a key that is not there; and, written by hand, options that
// contradict each other. Each error has line, path and reason, and nothing of the config comes out.
#include "../../../app/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "config/value.h"

#define TABLES_MAX 256
#define TEXT_BYTES (256 * 1024)
#define LINE       3 // of the value, in every text that is made here

struct walk {
    const struct tr_option_table *seen[TABLES_MAX];
    size_t seen_count, rows, tried;
};

// How a table is reached: "tail_sampling: {policies: [{", "}]}", and as an error says it, "tail_sampling.policies[0]".
struct place {
    char before[1024], behind[128], path[TR_YAML_PATH_BYTES];
};

static char text[TEXT_BYTES];

static void refused(struct walk *walk, const struct place *place, const char *name, const char *item, const char *value,
                    const char *reason)
{
    struct tr_options_doc *doc = NULL;
    struct tr_error error = {""};
    char expected[TR_YAML_PATH_BYTES + 64];
    int bytes = snprintf(text, sizeof(text), "# a config\n{\n%s%s: %s%s}\n", place->before, name, value, place->behind);

    assert_true(bytes > 0 && (size_t)bytes < sizeof(text));
    assert_int_equal(tr_options_parse(&tr_config_table, text, (size_t)bytes, &doc, &error), -EINVAL);
    assert_null(doc);
    snprintf(expected, sizeof(expected), "line %d: %s%s%s%s: ", LINE, place->path, *place->path ? "." : "", name, item);
    if (strncmp(error.text, expected, strlen(expected)) != 0 || !strstr(error.text + strlen(expected), reason))
        fail_msg("%.300s\nsays: %s\nand not: %s...%s", text, error.text, expected, reason);
    walk->tried++;
}

static bool is_nested(const struct tr_option *row)
{
    return row->type == TR_TYPE_STRUCT || row->type == TR_TYPE_POINTER || row->type == TR_TYPE_LIST;
}

static void types_try(struct walk *walk, const struct place *place, const struct tr_option *row)
{
    const char *name = row->name;

    switch (row->type) {
    case TR_TYPE_LIST:
    case TR_TYPE_STRINGS:
        if (!(row->flags & TR_ONE_TOO))
            refused(walk, place, name, "", "7", "expected a list, found a single value");
        refused(walk, place, name, "", "{a: 7}", "expected a list, found a mapping");
        if (tr_value_has_min(row) && row->min > 1)
            return;
        refused(walk, place, name, "[0]", row->type == TR_TYPE_LIST ? "[7]" : "[[7]]", "expected a");
        return;
    case TR_TYPE_MAP:
        refused(walk, place, name, ".a", "{a: [7]}", "expected a single value");
        // fallthrough
    case TR_TYPE_STRUCT:
    case TR_TYPE_POINTER:
        refused(walk, place, name, "", "7", "expected a mapping, found a single value");
        refused(walk, place, name, "", "[7]", "expected a mapping, found a list");
        return;
    default:
        refused(walk, place, name, "", "[7]", "expected a single value, found a list");
        refused(walk, place, name, "", "{a: 7}", "expected a single value, found a mapping");
        refused(walk, place, name, "", "~", "has no value");
        if (row->type == TR_TYPE_BOOL)
            refused(walk, place, name, "", "7", "is not true or false");
        else if (row->type == TR_TYPE_ENUM)
            refused(walk, place, name, "", "no such name", "is not one of");
        else if (row->type == TR_TYPE_UINT || row->type == TR_TYPE_INT)
            refused(walk, place, name, "", "1.5", "is not a whole number");
        else if (row->type != TR_TYPE_STRING)
            refused(walk, place, name, "", "a word", "is not a");
    }
}

static void number_write(const struct tr_option *row, double value, char to[64])
{
    if (row->type == TR_TYPE_NUMBER)
        snprintf(to, 64, "%.17g", value);
    else
        snprintf(to, 64, row->type == TR_TYPE_DURATION ? "%.0fns" : "%.0f", value);
}

static void numbers_try(struct walk *walk, const struct place *place, const struct tr_option *row)
{
    char value[64];

    if (row->type == TR_TYPE_UINT)
        refused(walk, place, row->name, "", "-1", "is below");
    if (row->type == TR_TYPE_UINT || row->type == TR_TYPE_INT)
        refused(walk, place, row->name, "", "99999999999999999999", row->type == TR_TYPE_UINT ? "is above" : "64 bits");
    if (tr_value_has_min(row) && (row->min > 0 || row->type == TR_TYPE_INT || row->type == TR_TYPE_NUMBER)) {
        number_write(row, row->min - 1, value);
        refused(walk, place, row->name, "", value, "is below");
    }
    if (tr_value_has_max(row) && row->max < 9e18) {
        number_write(row, nextafter(row->max, INFINITY) > row->max + 1 ? nextafter(row->max, INFINITY) : row->max + 1, value);
        refused(walk, place, row->name, "", value, "is above");
    }
}

static void counts_try(struct walk *walk, const struct place *place, const struct tr_option *row)
{
    static char items[TEXT_BYTES / 2];
    const char *item = row->type == TR_TYPE_LIST ? "{}" : "a";
    size_t used = 0, wanted = (size_t)row->max + 1;

    if (tr_value_has_min(row) && row->min > 0 && row->type != TR_TYPE_MAP)
        refused(walk, place, row->name, "", "[]", "has 0 items, needs at least");
    if (!tr_value_has_max(row))
        return;
    items[used++] = row->type == TR_TYPE_MAP ? '{' : '[';
    for (size_t i = 0; i < wanted && used < sizeof(items) - 32; i++)
        used += (size_t)(row->type == TR_TYPE_MAP ? sprintf(items + used, "k%zu: v,", i)
                                                  : sprintf(items + used, "%s,", item));
    items[used++] = row->type == TR_TYPE_MAP ? '}' : ']';
    items[used] = '\0';
    refused(walk, place, row->name, "", items, "are allowed");
}

static void table_try(struct walk *walk, const struct tr_option_table *table, const struct place *place);

static void row_try(struct walk *walk, const struct place *place, const struct tr_option *row)
{
    bool list = row->type == TR_TYPE_LIST;
    struct place inside;

    walk->rows++;
    types_try(walk, place, row);
    if (tr_value_is_number(row->type))
        numbers_try(walk, place, row);
    if (list || row->type == TR_TYPE_STRINGS || row->type == TR_TYPE_MAP)
        counts_try(walk, place, row);
    if (!is_nested(row))
        return;
    snprintf(inside.before, sizeof(inside.before), "%.900s%.60s: %s", place->before, row->name, list ? "[{" : "{");
    snprintf(inside.behind, sizeof(inside.behind), "%s%.100s", list ? "}]" : "}", place->behind);
    snprintf(inside.path, sizeof(inside.path), "%.180s%s%.60s%s", place->path, *place->path ? "." : "", row->name,
             list ? "[0]" : "");
    table_try(walk, row->table, &inside);
}

// A table that is reached twice is tried the first time.
static void table_try(struct walk *walk, const struct tr_option_table *table, const struct place *place)
{
    for (size_t i = 0; i < walk->seen_count; i++)
        if (walk->seen[i] == table)
            return;
    assert_true(walk->seen_count < TABLES_MAX);
    walk->seen[walk->seen_count++] = table;
    refused(walk, place, "no-such-option", "", "7", "unknown key");
    for (size_t i = 0; i < table->count; i++)
        row_try(walk, place, &table->rows[i]);
}

static void every_row_says_what_is_wrong_and_where(void **state)
{
    struct walk walk = {.rows = 0};

    table_try(&walk, &tr_config_table, &(struct place){.path = ""});
    print_message("%zu tables, %zu options, %zu mistakes\n", walk.seen_count, walk.rows, walk.tried);
    assert_true(walk.seen_count > 30 && walk.rows > 180 && walk.tried > 3 * walk.rows);
}

#define GOOD_PORT   "ports: [{name: a, listen: [\":4317\"]}]\n"
#define GOOD_POLICY "tail_sampling: {policies: [{name: a, type: always_sample}]}\n"
#define POLICY(p)   GOOD_PORT "tail_sampling: {policies: [\n" p "\n]}\n" // on line 3
#define BACKEND(b)  GOOD_PORT GOOD_POLICY b "\n"                         // on line 3
#define PORT(p)     GOOD_POLICY "drain_timeout: 1s\nports: [" p "]\n"    // on line 3

static const struct {
    const char *text, *error; // how it begins
} contradictions[] = {
    {"receivers: {otlp: {}}\n", "line 1: receivers: unknown key: this is a Collector's config; `tailctl config import FILE`"},
    {"service: {}\n", "line 1: service: unknown key: this is a Collector's config"},
    {"receiver: {}\n", "line 1: receiver: unknown key"},
    {POLICY("{name: a, type: latency, latency: {threshold_ms: 10, upper_threshold_ms: 5}}"),
     "line 3: tail_sampling.policies[0].latency"},
    {POLICY("{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: 7, max_value: 5}}"),
     "line 3: tail_sampling.policies[0].numeric_attribute"},
    {POLICY("{name: a, type: numeric_attribute, numeric_attribute: {key: k}}"),
     "line 3: tail_sampling.policies[0].numeric_attribute"},
    {POLICY("{name: a, type: span_count, span_count: {min_spans: 7, max_spans: 5}}"),
     "line 3: tail_sampling.policies[0].span_count"},
    {POLICY("{name: a, type: latency}"), "line 3: tail_sampling.policies[0].latency"},
    {POLICY("{name: a, type: always_sample}, {name: a, type: trace_flags}"), "line 3: tail_sampling.policies[1].name"},
    {POLICY("{name: a, type: no_such_type}"), "line 3: tail_sampling.policies[0].type"},
    {POLICY("{name: a, type: string_attribute, string_attribute: {key: k, values: [\"(\"], enabled_regex_matching: true}}"),
     "line 3: tail_sampling.policies[0].string_attribute.values[0]"},
    {POLICY("{name: a, type: ottl_condition, ottl_condition: {error_mode: ignore}}"),
     "line 3: tail_sampling.policies[0].ottl_condition"},
    {POLICY("{name: a, type: ottl_condition, ottl_condition: {error_mode: loud, span: [\"true\"]}}"),
     "line 3: tail_sampling.policies[0].ottl_condition.error_mode"},
    {POLICY("{name: a, type: ottl_condition, ottl_condition: {span: [\"true\", \"name ==\"]}}"),
     "line 3: tail_sampling.policies[0].ottl_condition.span[1]"},
    {POLICY("{name: a, type: status_code, status_code: {status_codes: [OK, BAD]}}"),
     "line 3: tail_sampling.policies[0].status_code.status_codes[1]"},
    {POLICY("{name: a, type: not, not: {not_sub_policy: {type: latency, latency: {threshold_ms: 9, upper_threshold_ms: 3}}}}"),
     "line 3: tail_sampling.policies[0].not.not_sub_policy.latency"},
    {GOOD_PORT "tail_sampling:\n  decision_wait_min: 5s\n  decision_wait: 2s\n  policies: [{name: a, type: always_sample}]\n",
     "line 3: tail_sampling.decision_wait_min: is above decision_wait"},
    {GOOD_PORT "tail_sampling:\n  block_on_overflow: true\n  decision_wait: 9s\n  decision_wait_min: 2s\n"
               "  policies: [{name: a, type: always_sample}]\n",
     "line 3: tail_sampling.block_on_overflow: contradicts a decision_wait_min below decision_wait"},
    {BACKEND("backends: [{name: a, kind: file}]"), "line 3: backends[0].path: is missing"},
    {BACKEND("backends: [{name: a, kind: otlp_grpc}]"), "line 3: backends[0].endpoint: is missing"},
    {BACKEND("backends: [{name: a, kind: otlp_http, endpoint: \"ftp://x\"}]"), "line 3: backends[0].endpoint"},
    {BACKEND("backends: [{name: a, kind: file, path: /x, signals: [traces, profiles]}]"), "line 3: backends[0].signals[1]"},
    {BACKEND("backends: [{name: a, kind: file, path: /x}, {name: a, kind: file, path: /y}]"),
     "line 3: backends: two are named \"a\""},
    {BACKEND("backends: [{name: a, kind: otlp_grpc, endpoint: \"http://127.0.0.1:4317\"}]"),
     "line 3: backends[0].endpoint: http://127.0.0.1:4317 is our own listener ports[0].listen[0]"},
    {PORT("{name: a, device: net_tap0, listen: [\":4317\"]}"), "line 3: ports[0].device: only a port of kind dpdk has one"},
    {PORT("{name: a, listen: [\"4317\"]}"), "line 3: ports[0].listen[0]"},
    {PORT("{name: a, listen: [\":1\", \":70000\"]}"), "line 3: ports[0].listen[1]: :70000: the port is above 65535"},
    {PORT("{name: a, listen: [\"localhost:1\"]}"), "line 3: ports[0].listen[0]: localhost:1: localhost is neither"},
    {PORT("{name: a, listen: [\":1\", \":0\", \":0\"]}, {name: b, listen: [\":2\", \":1\"]}"),
     "line 3: ports[1].listen[1]: :1 is ports[0].listen[0] too"},
    {GOOD_PORT "telemetry: {listen: \"9464\"}\n", "line 2: telemetry.listen: \"9464\" is not ADDRESS:PORT"},
    {GOOD_PORT "telemetry: {listen: \":94640\"}\n", "line 2: telemetry.listen: :94640: the port is above 65535"},
    {GOOD_PORT "control: {socket: \"\"}\n", "line 2: control.socket: \"\" is not between 1 and 107 bytes"},
    {PORT("{name: a, kind: dpdk, listen: [4317], addresses: [10.0.0.1/8]}"), "line 3: ports[0].device"},
    {PORT("{name: a, kind: dpdk, device: net_tap0, listen: [4317]}"), "line 3: ports[0].addresses"},
    {PORT("{name: a, listen: [\":1\"]}, {name: a, listen: [\":2\"]}"), "line 3: ports: two are named \"a\""},
};

// As `tailraced --check` and the control socket do it.
static int config_check(const char *config, struct tr_error *error)
{
    struct tr_policy_set *set = NULL;
    struct tr_options_doc *doc = NULL;
    int rc = tr_options_parse(&tr_config_table, config, strlen(config), &doc, error);

    if (rc == 0) {
        const struct tr_config *parsed = tr_options_struct(doc);

        rc = tr_policy_set_compile(&parsed->tail_sampling, NULL, 1, 1, &set, error);
        tr_policy_set_free(set);
        tr_options_locate(doc, error);
        tr_options_free(doc);
    }
    return rc;
}

static void contradictions_are_named(void **state)
{
    struct tr_error good = {""};

    if (config_check(GOOD_PORT GOOD_POLICY, &good) < 0)
        fail_msg("%s", good.text);
    for (size_t i = 0; i < TR_NELEMS(contradictions); i++) {
        struct tr_error error = {""};
        size_t bytes = strlen(contradictions[i].error);

        if (config_check(contradictions[i].text, &error) == 0)
            fail_msg("taken: %s", contradictions[i].text);
        if (strncmp(error.text, contradictions[i].error, bytes) != 0)
            fail_msg("%s\nsays: %s\nand not: %s", contradictions[i].text, error.text, contradictions[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_what_is_wrong_and_where),
        cmocka_unit_test(contradictions_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
