// SPDX-License-Identifier: Apache-2.0
// `traces why`: an owner holds the trace or remembers its verdict; what was kept is looked for in the outboxes, and
// each backend is asked what became of each entry.
#include "daemon.h"

#include "base/hash.h"
#include "base/pb.h"
#include "otlp/value.h"

static const struct tr_source *source_of(const struct tr_daemon *daemon, uint32_t source)
{
    uint32_t lcore = TR_SOURCE_LCORE(source);

    return lcore < daemon->sizes.lcores ? tr_source_find(&daemon->lcores[lcore].lcore->sources, source) : NULL;
}

static void why_source(const struct tr_daemon *daemon, struct tr_why *why, uint32_t number)
{
    const struct tr_source *source = source_of(daemon, number);

    if (!source || TR_SOURCE_ROW(number) == TR_SOURCE_OTHER)
        return;
    why->known_source = true;
    memcpy(why->peer_ip, source->peer_ip, sizeof(why->peer_ip));
    snprintf(why->service, sizeof(why->service), "%.*s", (int)source->service_bytes, source->service);
}

// A policy of a config that is gone: its name was kept for the late spans of its traces.
static bool policy_name_find(const struct tr_mesh *mesh, const struct tr_past *past, char *name, size_t room)
{
    uint32_t bytes;
    const uint8_t *p =
        tr_policy_names_field(tr_mesh_policy_names(mesh, mesh->epoch->number, past->epoch), past->policy, &bytes);
    struct tr_pb_field field;
    struct tr_key_value pair;

    if (!p || !tr_pb_field(p, p + bytes, &field) || !tr_key_value_read(field.bytes, (uint32_t)field.value, &pair))
        return false;
    snprintf(name, room, "%.*s", (int)pair.value.length, pair.value.bytes);
    return true;
}

static void why_policy(const struct tr_daemon *daemon, struct tr_why *why, const struct tr_past *past)
{
    const struct tr_epoch *epoch = daemon->mesh->epochs[past->epoch % TR_EPOCHS_LIVE_MAX];

    why->decided = true;
    why->verdict = (enum tr_verdict)past->verdict;
    why->epoch = past->epoch;
    why->reopened = past->marks & TR_MARK_REOPENED;
    why->in_brief = !past->record;
    if (past->policy == TR_POLICY_NONE)
        return;
    if (epoch && epoch->number == past->epoch && past->policy < epoch->policies->policies) {
        snprintf(why->policy, sizeof(why->policy), "%s", tr_policy_name(epoch->policies, past->policy));
        snprintf(why->policy_type, sizeof(why->policy_type), "%s",
                 tr_policy_type_name(epoch->policies, past->policy));
    } else if (!policy_name_find(daemon->mesh, past, why->policy, sizeof(why->policy))) {
        snprintf(why->policy, sizeof(why->policy), "policy %u of config %u", past->policy, past->epoch);
    }
}

static void why_verdict(const struct tr_daemon *daemon, struct tr_why *why, const struct tr_verdict_record *verdict)
{
    why->when = (enum tr_when)verdict->when;
    why->decided_wall_ns = verdict->decided_wall_ns;
    why->first_wall_ns = verdict->first_wall_ns;
    why->spans = verdict->spans;
    why->late_spans = verdict->late_spans;
    why->lost_spans = why->reopened ? verdict->lost_spans : 0;
    why->followed_spans = verdict->when == TR_WHEN_CERTAIN ? verdict->followed_spans : 0;
    if (verdict->marks & TR_MARK_COUNTED)
        why->probability = (double)(TR_OT_NEVER - verdict->threshold) / (double)TR_OT_NEVER;
    why_source(daemon, why, verdict->source);
}

static void why_rejected(const struct tr_daemon *daemon, const struct tr_lcore *lcore, struct tr_why *why)
{
    static const char *const reasons[TR_WALK_RESULTS] = {
        [TR_WALK_MALFORMED] = "malformed span", [TR_WALK_TRACE_ID] = "invalid trace_id",
        [TR_WALK_SPAN_ID] = "invalid span_id",  [TR_WALK_TOO_LARGE] = "span too large"};

    for (uint32_t i = 0; i < TR_REJECTS; i++) {
        const struct tr_reject *reject = &lcore->rejects[i];

        if (!reject->wall_ns || memcmp(reject->trace_id, why->trace_id, 16) != 0)
            continue;
        why->rejected = true;
        why->rejected_wall_ns = reject->wall_ns;
        snprintf(why->rejected_reason, sizeof(why->rejected_reason), "%s", reasons[reject->result]);
        why_source(daemon, why, reject->source);
    }
}

static struct tr_why_backend *why_backend(struct tr_why *why, const char *name)
{
    uint32_t i = 0;

    while (i < why->backends_count && strcmp(why->backends[i].name, name) != 0)
        i++;
    if (i == TR_WHY_BACKENDS_MAX)
        return NULL;
    snprintf(why->backends[i].name, sizeof(why->backends[i].name), "%s", name);
    why->backends_count = TR_MAX(why->backends_count, i + 1);
    return &why->backends[i];
}

static void why_entry(const struct tr_daemon *daemon, struct tr_why *why, uint32_t outbox, uint64_t sequence)
{
    for (size_t i = 0; i < daemon->backends_count; i++) {
        struct tr_backend *backend = daemon->backends[i];
        struct tr_why_backend *row;
        char said[sizeof(row->said)] = "";

        if (!tr_backend_wants(backend, outbox, sequence))
            continue;
        row = why_backend(why, tr_backend_options(backend)->name);
        if (!row)
            return;
        row->spans[tr_backend_fate(backend, outbox, sequence, said, sizeof(said))]++;
        if (said[0])
            memcpy(row->said, said, sizeof(said));
    }
}

// Go through what an outbox still holds. It has not moved on: the lcores are stopped.
static void why_outbox(const struct tr_daemon *daemon, struct tr_why *why, uint32_t number)
{
    const struct tr_outbox *outbox = &daemon->lcores[number].lcore->outbox;
    uint64_t at = outbox->ring.header->reach;

    while (at < outbox->ring.head) {
        const struct tr_outbox_entry *entry = (const struct tr_outbox_entry *)tr_ringfile_at(&outbox->ring, at);
        const uint8_t *span = (const uint8_t *)(entry + 1);
        struct tr_pb_field field;

        // The trace id is a span's first field, or near it.
        if (entry->kind == TR_OUTBOX_SPAN) {
            for (const uint8_t *p = span, *end = span + entry->payload_bytes; p && p < end;) {
                p = tr_pb_field(p, end, &field);
                if (!p || field.number != 1 || field.wire != TR_PB_BYTES)
                    continue;
                if (field.value == 16 && memcmp(field.bytes, why->trace_id, 16) == 0)
                    why_entry(daemon, why, number, entry->sequence);
                break;
            }
        }
        at += TR_ALIGN_UP(sizeof(*entry) + (uint64_t)entry->payload_bytes, TR_OUTBOX_ALIGN);
    }
}

int tr_daemon_why(void *context, struct tr_why *why)
{
    struct tr_daemon *daemon = context;
    uint32_t number = tr_hash_range(tr_hash_trace_id(why->trace_id), daemon->sizes.lcores);
    struct tr_past past;
    struct tr_owner_waiting waiting = {0};
    struct tr_trace trace;

    tr_mesh_stop(daemon->mesh);
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++)
        why_rejected(daemon, daemon->lcores[i].lcore, why);
    if (tr_owner_find_held(daemon->lcores[number].lcore->owner, why->trace_id, &trace)) {
        uint64_t wall_offset_ns = daemon->lcores[number].lcore->wall_offset_ns;

        why->held = true;
        why->spans = trace.spans;
        why->epoch = trace.epoch;
        why->first_wall_ns = trace.first_ns + wall_offset_ns;
        tr_owner_find_waiting(daemon->lcores[number].lcore->owner, why->trace_id, &waiting);
        why->due_wall_ns = waiting.due_ns + wall_offset_ns;
        why_source(daemon, why, trace.source);
    } else if (tr_owner_find_past(daemon->lcores[number].lcore->owner, why->trace_id, &past)) {
        why_policy(daemon, why, &past);
        if (past.record)
            why_verdict(daemon, why, past.record);
        for (uint32_t i = 0; past.verdict == TR_VERDICT_KEEP && i < daemon->sizes.lcores; i++)
            why_outbox(daemon, why, i);
    }
    for (uint32_t i = 0; i < daemon->sizes.lcores; i++) {
        uint64_t since = tr_owner_verdicts_since(daemon->lcores[i].lcore->owner);

        if (since && (!why->remembered_since_wall_ns || since > why->remembered_since_wall_ns))
            why->remembered_since_wall_ns = since;
    }
    tr_mesh_resume(daemon->mesh);
    return 0;
}
