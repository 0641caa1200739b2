// SPDX-License-Identifier: Apache-2.0
// What policies cost the walk: ns and instructions a span, over the corpus that tailgen sends, beyond the walk without
// policies. `conditions [--seconds N]`: a row for each of ten typical OTTL conditions, and one for all of them.
// `conditions [--seconds N] FILE...`: one for the quickstart's three policies, and one for the tail_sampling block in each
// FILE (compare.d/thirty.yaml, compare.d/ten_rules.yaml), with how many times as long the walk takes as under the three.
#include "policy/policy.h"
#include "policy/policy_options.h"
#include "walks.h"

static const char *const typical[] = {
    "attributes[\"http.response.status_code\"] >= 500",
    "attributes[\"http.route\"] == \"/health\"",
    "resource.attributes[\"service.name\"] == \"payment-service\"",
    "status.code == STATUS_CODE_ERROR and kind == SPAN_KIND_SERVER",
    "end_time_unix_nano - start_time_unix_nano > 1000000000",
    "IsMatch(name, \"^(GET|POST) /api/\")",
    "attributes[\"db.system\"] != nil and attributes[\"db.statement\"] == nil",
    "IsMatch(attributes[\"url.path\"], \"^/(health|ready|live)z?$\")",
    "attributes[\"never.there\"] == \"x\" and attributes[\"nor.this\"] > 5",
    "IsRootSpan() and end_time - start_time > Duration(\"500ms\")",
};

static const char quickstart[] =
    "policies:\n"
    "  - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}\n"
    "  - {name: slow, type: latency, latency: {threshold_ms: 1000}}\n"
    "  - {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 10}}\n";

// Of a tail_sampling block; NULL `file`: of the quickstart's.
static struct tr_policy_set *set_read(const char *file)
{
    struct tr_options_doc *doc;
    struct tr_error error = {""};
    struct tr_policy_set *set;
    int rc = file ? tr_options_parse_file(&tr_tail_sampling_option_table, file, &doc, &error)
                  : tr_options_parse(&tr_tail_sampling_option_table, quickstart, strlen(quickstart), &doc, &error);

    if (rc < 0 || tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s: %s\n", file ? file : "quickstart", error.text);
        exit(1);
    }
    tr_options_free(doc);
    return set;
}

static struct tr_policy_set *set_make(const char *const *conditions, size_t count)
{
    struct tr_ottl_condition_options ottl = {.span = {(const char **)(uintptr_t)conditions, count}};
    struct tr_policy_options policy = {.name = "p", .type = "ottl_condition", .ottl_condition = &ottl};
    struct tr_tail_sampling_options options = {.policies = {&policy, count ? 1 : 0}};
    struct tr_error error = {""};
    struct tr_policy_set *set;

    if (tr_policy_set_compile(&options, NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return set;
}

// Takes over the set.
static struct walks_cost measure(const struct walks *walks, struct tr_policy_set *set, double seconds)
{
    struct walks_cost cost = walks_measure(walks, set, NULL, seconds);

    tr_policy_set_free(set);
    return cost;
}

static void row(const char *name, const struct walks_cost *one, const struct walks_cost *none)
{
    printf("%8.1f ", one->ns - none->ns);
    if (one->instructions > 0) // a virtual machine may have no counter
        printf("%12.0f", one->instructions - none->instructions);
    else
        printf("%12s", "-");
    printf(" %7.1f%%  %s\n", 100 * one->share, name);
}

static void conditions_measure(const struct walks *walks, const struct walks_cost *none, double seconds)
{
    struct walks_cost one;

    for (size_t i = 0; i < TR_NELEMS(typical); i++) {
        one = measure(walks, set_make(&typical[i], 1), seconds);
        row(typical[i], &one, none);
    }
    one = measure(walks, set_make(typical, TR_NELEMS(typical)), seconds);
    row("all of them", &one, none);
}

static void files_measure(const struct walks *walks, const struct walks_cost *none, double seconds, char **files)
{
    struct walks_cost three = measure(walks, set_read(NULL), seconds), one;

    row("the quickstart's three policies", &three, none);
    for (; *files; files++) {
        char name[256];

        one = measure(walks, set_read(*files), seconds);
        snprintf(name, sizeof(name), "%s: the walk takes %.2f times as long as under the three", *files, one.ns / three.ns);
        row(name, &one, none);
    }
}

int main(int argc, char **argv)
{
    bool timed = argc >= 3 && strcmp(argv[1], "--seconds") == 0;
    double seconds = timed ? atof(argv[2]) : 1;
    struct walks walks;
    struct walks_cost none;

    walks_make(&walks);
    none = measure(&walks, set_make(NULL, 0), seconds);
    printf("without: %.1f ns, %.0f instructions a span\n", none.ns, none.instructions);
    printf("%8s %12s %8s  %s\n", "ns more", "instructions", "holds", "policies");
    if (argc > (timed ? 3 : 1))
        files_measure(&walks, &none, seconds, argv + (timed ? 3 : 1));
    else
        conditions_measure(&walks, &none, seconds);
    walks_free(&walks);
    return 0;
}
