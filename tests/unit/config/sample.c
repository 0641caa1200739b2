// SPDX-License-Identifier: Apache-2.0
#include "sample.h"

static const char *const modes[] = {"forward", "accept", "refuse", NULL};
static const char *const policy_types[] = {"always_sample", "latency", "and", NULL};

static const struct tr_option latency_rows[] = {
    TR_OPTION_UINT(struct sample_latency, threshold_ms, "threshold_ms", "500", 0, 0, TR_LIVE, "At least."),
    TR_OPTION_UINT(struct sample_latency, upper_threshold_ms, "upper_threshold_ms", NULL, 1, 100000, TR_LIVE,
                   "At most."),
};
static const struct tr_option_table latency_table = {.title = "Latency",
                                                     .rows = latency_rows,
                                                     .count = TR_NELEMS(latency_rows),
                                                     .struct_bytes = sizeof(struct sample_latency)};

static int policy_check(void *options, const char *path, struct tr_error *error)
{
    struct sample_policy *policy = options;

    if (policy->type == 1 && !policy->latency)
        return tr_error_set(error, EINVAL, "%s.latency: is required for type latency", path);
    if (policy->latency && policy->latency->threshold_ms == 13)
        return tr_error_set(error, EINVAL, "%s.latency.threshold_ms: 13 brings bad luck", path);
    return 0;
}

static const struct tr_option_table policy_table;
static const struct tr_option policy_rows[] = {
    TR_OPTION_STRING(struct sample_policy, name, "name", NULL, TR_REQUIRED | TR_LIVE, "Of the policy."),
    TR_OPTION_ENUM(struct sample_policy, type, "type", NULL, policy_types, TR_REQUIRED | TR_LIVE,
                   "Its kind."),
    TR_OPTION_POINTER(struct sample_policy, latency, "latency", &latency_table, TR_LIVE, "How slow."),
    TR_OPTION_LIST(struct sample_policy, sub, "sub", &policy_table, 0, 4, TR_LIVE, "All of these."),
};
static const struct tr_option_table policy_table = {.title = "Policy",
                                                    .rows = policy_rows,
                                                    .count = TR_NELEMS(policy_rows),
                                                    .struct_bytes = sizeof(struct sample_policy),
                                                    .check = policy_check};

static const struct tr_option backend_rows[] = {
    TR_OPTION_STRING(struct sample_backend, name, "name", NULL, TR_REQUIRED, "Of the backend."),
    TR_OPTION_STRING(struct sample_backend, endpoint, "endpoint", NULL, TR_LIVE, "Where it is."),
    TR_OPTION_STRING(struct sample_backend, token, "token", NULL, TR_LIVE | TR_SECRET, "What it wants."),
    TR_OPTION_DURATION(struct sample_backend, timeout_ns, "timeout", "10s", 100 * TR_MS, 60 * TR_S, TR_LIVE,
                       "Of a request."),
    TR_OPTION_MAP(struct sample_backend, headers, "headers", 8, TR_LIVE | TR_SECRET, "Of each request."),
    {.name = "signals",
     .type = TR_TYPE_STRINGS,
     .flags = TR_LIVE,
     .initial = "[traces]",
     .max = 3,
     .offset = offsetof(struct sample_backend, signals),
     .help = "What it takes."},
};
static const struct tr_option_table backend_table = {.title = "Backend",
                                                     .rows = backend_rows,
                                                     .count = TR_NELEMS(backend_rows),
                                                     .struct_bytes = sizeof(struct sample_backend)};

static const struct tr_option rule_rows[] = {
    TR_OPTION_STRINGS(struct sample_rule, keys, "keys", 1, 0, TR_LIVE, "Exact keys | names."),
    TR_OPTION_INT(struct sample_rule, weight, "weight", "-1", -10, 0, 0, "Below nothing."),
};
static const struct tr_option_table rule_table = {.title = "Rule",
                                                  .rows = rule_rows,
                                                  .count = TR_NELEMS(rule_rows),
                                                  .struct_bytes = sizeof(struct sample_rule)};

static const struct tr_option journal_rows[] = {
    TR_OPTION_SIZE(struct sample_journal, size_bytes, "size", "auto", 64 * TR_KIB, TR_GIB, TR_AUTO,
                   "Of the ring."),
    TR_OPTION_STRING(struct sample_journal, path, "path", "/dev/shm/sample", 0, "Where it lies."),
};
static const struct tr_option_table journal_table = {.title = "Journal",
                                                     .rows = journal_rows,
                                                     .count = TR_NELEMS(journal_rows),
                                                     .struct_bytes = sizeof(struct sample_journal)};

static int sample_check(void *options, const char *path, struct tr_error *error)
{
    struct sample *sample = options;

    if (sample->quiet && !sample->enabled)
        return tr_error_set(error, EINVAL, "%s.quiet: needs enabled", path);
    return 0;
}

static const struct tr_option sample_rows[] = {
    TR_OPTION_BOOL(struct sample, enabled, "enabled", "true", TR_LIVE, "Whether it works."),
    TR_OPTION_BOOL(struct sample, quiet, "quiet", NULL, 0, "Whether it speaks."),
    TR_OPTION_UINT(struct sample, count, "count", "4", 1, 65535, TR_LIVE, "How many."),
    TR_OPTION_INT(struct sample, offset, "offset", NULL, -100, 100, TR_LIVE, "How far."),
    TR_OPTION_NUMBER(struct sample, ratio, "ratio", "0.1", 0, 100, TR_LIVE, "How often."),
    TR_OPTION_DURATION(struct sample, wait_ns, "wait", "30s", TR_MS, 3600 * TR_S, TR_LIVE, "How long."),
    TR_OPTION_SIZE(struct sample, body_bytes, "body_size_max", "64MiB", TR_KIB, TR_GIB, 0, "How large."),
    TR_OPTION_STRING(struct sample, cpus, "cpus", "auto", TR_AUTO, "Which ones."),
    TR_OPTION_STRING(struct sample, listen, "listen", NULL, 0, "Where."),
    TR_OPTION_ENUM(struct sample, mode, "mode", "forward", modes, TR_LIVE, "What to do."),
    TR_OPTION_STRUCT(struct sample, journal, "journal", &journal_table, 0, "The journal."),
    TR_OPTION_STRINGS(struct sample, origins, "origins", 0, 3, 0, "From where."),
    TR_OPTION_LIST(struct sample, policies, "policies", &policy_table, 0, 100, TR_LIVE, "The policies."),
    TR_OPTION_LIST(struct sample, backends, "backends", &backend_table, 0, 100, 0, "The backends."),
    TR_OPTION_LIST(struct sample, rules, "rules", &rule_table, 0, 100, TR_LIVE, "The rules."),
};
const struct tr_option_table sample_table = {.title = "Sample",
                                             .rows = sample_rows,
                                             .count = TR_NELEMS(sample_rows),
                                             .struct_bytes = sizeof(struct sample),
                                             .check = sample_check};
