// SPDX-License-Identifier: Apache-2.0
#include "control/why.h"

#include <stdarg.h>

#include "control/format.h"

static const char *const when_words[] = {
    [TR_WHEN_WAIT] = "when decision_wait had passed",
    [TR_WHEN_JOURNAL] = "early: the journal needed its room",
    [TR_WHEN_TABLE] = "early: the trace table was full",
    [TR_WHEN_SIZE] = "early: the trace had reached its greatest size",
    [TR_WHEN_SHUTDOWN] = "early: the daemon was draining",
    [TR_WHEN_CERTAIN] = "at once: nothing could change the answer any more",
};
static const char *const when_names[] = {
    [TR_WHEN_WAIT] = "wait", [TR_WHEN_JOURNAL] = "journal",   [TR_WHEN_TABLE] = "table",
    [TR_WHEN_SIZE] = "size", [TR_WHEN_SHUTDOWN] = "shutdown", [TR_WHEN_CERTAIN] = "certain",
};
static const char *const verdict_names[] = {
    [TR_VERDICT_DROP] = "dropped",
    [TR_VERDICT_KEEP] = "kept",
    [TR_VERDICT_EVICTED] = "evicted",
};
static const char *const backend_words[] = {
    [TR_FATE_QUEUED] = "queued",     [TR_FATE_IN_FLIGHT] = "in flight", [TR_FATE_DELIVERED] = "delivered",
    [TR_FATE_REJECTED] = "rejected", [TR_FATE_LOST] = "lost",
};

const char *tr_fate_name(enum tr_fate fate)
{
    static const char *const names[] = {
        [TR_TRACE_WAITING] = "waiting",   [TR_TRACE_EVICTED] = "evicted",
        [TR_TRACE_FAILED] = "failed",     [TR_TRACE_LATE] = "late",
        [TR_TRACE_KEPT] = "kept",         [TR_TRACE_DROPPED] = "dropped",
        [TR_TRACE_REJECTED] = "rejected", [TR_TRACE_NEVER_SEEN] = "never_seen",
    };

    return names[fate];
}

static bool failed(const struct tr_why *why)
{
    for (uint32_t i = 0; i < why->backends_count; i++) {
        if (why->backends[i].spans[TR_FATE_REJECTED] || why->backends[i].spans[TR_FATE_LOST])
            return true;
    }
    return false;
}

uint32_t tr_why_fates(const struct tr_why *why)
{
    uint32_t fates = 0;

    if (why->held)
        fates |= 1u << TR_TRACE_WAITING;
    if (why->decided) {
        fates |= 1u << (why->verdict == TR_VERDICT_KEEP   ? TR_TRACE_KEPT
                        : why->verdict == TR_VERDICT_DROP ? TR_TRACE_DROPPED
                                                          : TR_TRACE_EVICTED);
        if (why->late_spans)
            fates |= 1u << TR_TRACE_LATE;
        if (failed(why))
            fates |= 1u << TR_TRACE_FAILED;
    }
    if (why->rejected)
        fates |= 1u << TR_TRACE_REJECTED;
    return fates ? fates : 1u << TR_TRACE_NEVER_SEEN;
}

// Text that stops at the end of its room.
struct text {
    char *to;
    size_t room; // with the NUL
    size_t used;
};

static void tr_printf(2, 3) put(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->to + text->used, text->room - text->used, format, args);
    va_end(args);
    if (n > 0)
        text->used = TR_MIN(text->used + (size_t)n, text->room - 1);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void put_arrival(struct text *text, const struct tr_why *why)
{
    char stamp[TR_FORMAT_BYTES], ip[TR_FORMAT_BYTES];

    if (!why->first_wall_ns && !why->known_source)
        return;
    put(text, " Its first span came");
    if (why->first_wall_ns)
        put(text, " at %s", tr_format_wall(why->first_wall_ns, stamp));
    if (why->known_source)
        put(text, " from service %s at %s", why->service[0] ? why->service : "(none)",
            tr_format_ip(why->peer_ip, ip));
    put(text, ".");
}

static void put_waiting(struct text *text, const struct tr_why *why, uint64_t wall_ns)
{
    char duration[TR_FORMAT_BYTES];

    put(text, "Waiting: %u span%s so far", why->spans, plural(why->spans));
    if (why->due_wall_ns > wall_ns)
        put(text, ", decided in %s at the latest", tr_format_duration(why->due_wall_ns - wall_ns, duration));
    else if (why->due_wall_ns)
        put(text, ", its decision is due now");
    put(text, ".");
}

static void put_verdict(struct text *text, const struct tr_why *why)
{
    char stamp[TR_FORMAT_BYTES];

    put(text, why->verdict == TR_VERDICT_KEEP   ? "Kept"
              : why->verdict == TR_VERDICT_DROP ? "Dropped"
                                                : "Evicted undecided");
    if (why->policy[0])
        put(text, " by policy %s", why->policy);
    if (why->policy[0] && why->policy_type[0])
        put(text, " (%s)", why->policy_type);
    if (!why->policy[0] && why->verdict == TR_VERDICT_DROP)
        put(text, ": no policy wanted it");
    if (why->in_brief) {
        put(text, "; the rest is forgotten.");
        return;
    }
    if (why->reopened) {
        put(text, ", reopened by a span that came late: it had been dropped at %s, with %u span%s.",
            tr_format_wall(why->decided_wall_ns, stamp), why->spans, plural(why->spans));
        put(text, " %u span%s came after it was dropped.", why->late_spans, plural(why->late_spans));
        if (why->lost_spans)
            put(text, " %u of its spans had gone from the journal.", why->lost_spans);
        return;
    }
    put(text, " at %s", tr_format_wall(why->decided_wall_ns, stamp));
    if (why->when < TR_NELEMS(when_words))
        put(text, ", %s", when_words[why->when]);
    put(text, ", with %u span%s.", why->spans, plural(why->spans));
    if (why->probability > 0)
        put(text, " Of traces like it %.6g%% are kept: it stands for %.9g.", why->probability * 100, 1 / why->probability);
    if (why->followed_spans)
        put(text, " %u more came within decision_wait and followed it.", why->followed_spans);
    if (why->late_spans)
        put(text, " %u span%s came late, after the decision, and followed it.", why->late_spans,
            plural(why->late_spans));
}

static void put_backend(struct text *text, const struct tr_why_backend *backend)
{
    bool any = false;

    put(text, " Backend %s:", backend->name);
    for (size_t i = 0; i < TR_NELEMS(backend_words); i++) {
        if (!backend->spans[i])
            continue;
        put(text, "%s %u %s", any ? "," : "", backend->spans[i], backend_words[i]);
        any = true;
    }
    put(text, "%s", any ? "" : " nothing of it");
    if (backend->said[0])
        put(text, " (it said: %s)", backend->said);
    put(text, ".");
}

size_t tr_why_explain(const struct tr_why *why, uint64_t wall_ns, char *to, size_t text_bytes)
{
    struct text text = {to, text_bytes, 0};
    char stamp[TR_FORMAT_BYTES];

    to[0] = '\0';
    if (why->held)
        put_waiting(&text, why, wall_ns);
    if (why->decided)
        put_verdict(&text, why);
    if (why->held || (why->decided && !why->in_brief))
        put_arrival(&text, why);
    for (uint32_t i = 0; i < why->backends_count; i++)
        put_backend(&text, &why->backends[i]);
    if (why->rejected)
        put(&text, "%sRejected to the client at %s: %s.", text.used ? " " : "",
            tr_format_wall(why->rejected_wall_ns, stamp), why->rejected_reason);
    if (!text.used && why->remembered_since_wall_ns)
        put(&text, "Never seen, or forgotten: decisions are remembered back to %s.",
            tr_format_wall(why->remembered_since_wall_ns, stamp));
    else if (!text.used)
        put(&text, "Never seen: no decision has been forgotten since the start.");
    return text.used;
}

static json_t *backends_json(const struct tr_why *why)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < why->backends_count; i++) {
        const struct tr_why_backend *backend = &why->backends[i];
        json_t *row = json_object();

        json_object_set_new(row, "name", tr_json_text(backend->name));
        json_object_set_new(row, "queued_spans", json_integer(backend->spans[TR_FATE_QUEUED]));
        json_object_set_new(row, "in_flight_spans", json_integer(backend->spans[TR_FATE_IN_FLIGHT]));
        json_object_set_new(row, "delivered_spans", json_integer(backend->spans[TR_FATE_DELIVERED]));
        json_object_set_new(row, "rejected_spans", json_integer(backend->spans[TR_FATE_REJECTED]));
        json_object_set_new(row, "lost_spans", json_integer(backend->spans[TR_FATE_LOST]));
        json_object_set_new(row, "said", tr_json_text(backend->said));
        json_array_append_new(array, row);
    }
    return array;
}

static void put_facts(json_t *json, const struct tr_why *why)
{
    char ip[TR_FORMAT_BYTES];

    if (why->held || why->decided) {
        json_object_set_new(json, "first_seen", tr_json_wall(why->first_wall_ns));
        json_object_set_new(json, "spans", json_integer(why->spans));
        json_object_set_new(json, "epoch", json_integer(why->epoch));
    }
    if (why->known_source) {
        json_object_set_new(json, "peer", json_string(tr_format_ip(why->peer_ip, ip)));
        json_object_set_new(json, "service", tr_json_text(why->service));
    }
    if (why->held)
        json_object_set_new(json, "due", tr_json_wall(why->due_wall_ns));
    if (why->decided) {
        json_object_set_new(json, "verdict", json_string(verdict_names[why->verdict]));
        json_object_set_new(json, "when", json_string(when_names[why->when]));
        json_object_set_new(json, "decided", tr_json_wall(why->decided_wall_ns));
        json_object_set_new(json, "policy", why->policy[0] ? tr_json_text(why->policy) : json_null());
        json_object_set_new(json, "policy_type",
                            why->policy_type[0] ? tr_json_text(why->policy_type) : json_null());
        json_object_set_new(json, "probability", why->probability > 0 ? json_real(why->probability) : json_null());
        json_object_set_new(json, "late_spans", json_integer(why->late_spans));
        json_object_set_new(json, "following_spans", json_integer(why->followed_spans));
        json_object_set_new(json, "reopened", json_boolean(why->reopened));
        json_object_set_new(json, "lost_spans", json_integer(why->lost_spans));
        json_object_set_new(json, "in_brief", json_boolean(why->in_brief));
        json_object_set_new(json, "backends", backends_json(why));
    }
    if (why->rejected) {
        json_object_set_new(json, "rejected", tr_json_wall(why->rejected_wall_ns));
        json_object_set_new(json, "rejected_reason", tr_json_text(why->rejected_reason));
    }
    json_object_set_new(json, "remembered_since", tr_json_wall(why->remembered_since_wall_ns));
}

json_t *tr_why_json(const struct tr_why *why, uint64_t wall_ns)
{
    json_t *json = json_object(), *names = json_array();
    uint32_t fates = tr_why_fates(why);
    char text[4096], id[TR_FORMAT_BYTES];

    json_object_set_new(json, "trace_id", json_string(tr_format_trace_id(why->trace_id, id)));
    json_object_set_new(json, "fate", json_string(tr_fate_name((enum tr_fate)__builtin_ctz(fates))));
    for (int fate = 0; fate < TR_TRACE_FATES; fate++) {
        if (fates & (1u << fate))
            json_array_append_new(names, json_string(tr_fate_name((enum tr_fate)fate)));
    }
    json_object_set_new(json, "fates", names);
    tr_why_explain(why, wall_ns, text, sizeof(text));
    json_object_set_new(json, "explanation", tr_json_text(text));
    put_facts(json, why);
    return json;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tr_trace_id_parse(const char *text, uint8_t id[16])
{
    unsigned digits = 0;
    uint8_t any = 0;

    memset(id, 0, 16);
    for (; *text; text++) {
        int digit = hex_digit(*text);

        if (*text == '-')
            continue;
        if (digit < 0 || digits == 32)
            return -EINVAL;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        any |= (uint8_t)digit;
        digits++;
    }
    return digits == 32 && any ? 0 : -EINVAL;
}
