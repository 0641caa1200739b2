// SPDX-License-Identifier: Apache-2.0
// From a whole body, in the pieces it arrived in, to a record of the journal.
//
// The journal's head belongs to one request at a time: decode (copy, inflate) → convert (JSON only) → check →
// commit, each of which stops when the turn's budget is used up. What turns out bad leaves nothing: the head did
// not move. When the journal has no room the request waits where it is and the tail is asked to move.
#include "lcore/lcore.h"

// Retry delay told to clients while the journal has no room.
#define PRESSURE_RETRY_NS TR_S

// A body that waits longer for room is turned away: its client is about to give up and send it again.
#define WAIT_MAX_NS (5 * TR_S)

static void pop(struct tr_ingest *ingest)
{
    ingest->first = ingest->first->sink_next;
    if (!ingest->first)
        ingest->last = NULL;
    ingest->requests--;
    ingest->state = TR_INGEST_IDLE;
    ingest->room_wanted = 0;
}

static void answer(struct tr_lcore *lcore, enum tr_code code, const char *message, uint64_t retry_delay_ns)
{
    struct tr_reply reply = {.code = code, .message = message, .retry_delay_ns = retry_delay_ns};
    struct tr_request *request = lcore->ingest.first;

    pop(&lcore->ingest);
    tr_request_reply(request, &reply, lcore->now);
}

static void refuse(struct tr_lcore *lcore, uint64_t *counter, enum tr_code code, const char *message)
{
    tr_count(counter, 1);
    answer(lcore, code, message, 0);
}

// Metrics and logs: is their fate to be refused? Fills in the reply.
static bool signal_refused(const struct tr_lcore *lcore, const struct tr_request *request, struct tr_reply *reply)
{
    if (request->signal == TR_SIGNAL_TRACES)
        return false;
    if (lcore->options.other_signals == TR_OTHER_REFUSE) {
        reply->message = request->signal == TR_SIGNAL_METRICS
                             ? "this tailrace takes traces only: set OTEL_METRICS_EXPORTER=none in the client"
                             : "this tailrace takes traces only: set OTEL_LOGS_EXPORTER=none in the client";
    } else if (lcore->options.other_signals == TR_OTHER_FORWARD && request->content == TR_CONTENT_JSON) {
        reply->message = "metrics and logs are forwarded as protobuf only: set OTEL_EXPORTER_OTLP_PROTOCOL="
                         "http/protobuf in the client";
    } else {
        return false;
    }
    reply->code = TR_UNIMPLEMENTED;
    return true;
}

static bool is_pressed(const struct tr_lcore *lcore)
{
    const struct tr_lcore_options *options = &lcore->options;

    return lcore->ingest.room_wanted ||
           tr_journal_room(&lcore->journal) < tr_lcore_refuse_below(options->journal_bytes, options->body_bytes_max);
}

static bool admit(void *context, const struct tr_request *request, struct tr_reply *reply, uint64_t now)
{
    struct tr_lcore *lcore = context;

    if (tr_load_relaxed(&lcore->draining)) {
        tr_count(&lcore->counters.refused_draining, 1);
        *reply = (struct tr_reply){
            .code = TR_UNAVAILABLE, .message = "shutting down", .retry_delay_ns = PRESSURE_RETRY_NS};
        return false;
    }
    if (signal_refused(lcore, request, reply)) {
        tr_count(&lcore->counters.refused_signal, 1);
        return false;
    }
    if (is_pressed(lcore)) {
        tr_count(&lcore->counters.refused_pressure, 1);
        *reply = (struct tr_reply){.code = TR_UNAVAILABLE,
                                   .message = "the journal is full: try again later",
                                   .retry_delay_ns = PRESSURE_RETRY_NS};
        return false;
    }
    return true;
}

static void complete(void *context, struct tr_request *request, uint64_t now)
{
    struct tr_lcore *lcore = context;
    struct tr_ingest *ingest = &lcore->ingest;

    request->sink_next = NULL;
    if (ingest->last)
        ingest->last->sink_next = request;
    else
        ingest->first = request;
    ingest->last = request;
    ingest->requests++;
    // Alone and now, while its pieces still lie in the stream's buffer: that spares a copy.
    if (ingest->first != request)
        return;
    tr_lcore_ingest(lcore);
    // Not done with them: they move to the pool when the stream's call ends, and decoding begins anew from there.
    if (ingest->first == request && ingest->state == TR_INGEST_DECODE)
        ingest->state = TR_INGEST_IDLE;
}

struct tr_request_sink tr_lcore_sink(struct tr_lcore *lcore)
{
    return (struct tr_request_sink){.context = lcore, .admit = admit, .complete = complete};
}

// How much room the body needs at most, as far as one can know.
static uint64_t room_for(const struct tr_lcore *lcore, const struct tr_request *request)
{
    uint64_t bytes = request->body_bytes;

    if (request->encoding != TR_ENCODING_IDENTITY)
        bytes = TR_MIN(TR_MAX(8 * bytes, 64 * TR_KIB), lcore->options.body_bytes_max);
    return bytes + (request->content == TR_CONTENT_JSON ? TR_JSON_GAP : 0);
}

static bool begin(struct tr_lcore *lcore)
{
    struct tr_ingest *ingest = &lcore->ingest;
    struct tr_request *request = ingest->first;
    uint64_t gap = request->content == TR_CONTENT_JSON ? TR_JSON_GAP : 0;
    uint64_t need = TR_MAX(ingest->room_wanted, room_for(lcore, request));
    uint64_t room = tr_journal_room(&lcore->journal);

    if (lcore->now >= request->deadline_ns) {
        refuse(lcore, &lcore->counters.refused_late, TR_DEADLINE_EXCEEDED, "the deadline passed before the body was taken in");
        return true;
    }
    if (lcore->now - request->arrived_ns >= WAIT_MAX_NS && room < need) {
        tr_count(&lcore->counters.refused_pressure, 1);
        answer(lcore, TR_UNAVAILABLE, "the journal is full: try again later", PRESSURE_RETRY_NS);
        return true;
    }
    if (request->body_bytes > lcore->options.body_bytes_max) {
        refuse(lcore, &lcore->counters.refused_too_large, TR_RESOURCE_EXHAUSTED, "the body is too large");
        return true;
    }
    if (room < need) {
        ingest->room_wanted = need;
        return false;
    }
    ingest->room_wanted = 0;
    ingest->room = TR_MIN(room, lcore->options.body_bytes_max + gap);
    ingest->at = tr_journal_head(&lcore->journal, ingest->room);
    tr_decoder_begin(ingest->decoder, request->encoding, request->pieces, ingest->at + gap, ingest->room - gap);
    ingest->state = TR_INGEST_DECODE;
    return true;
}

static void begin_check(struct tr_lcore *lcore, size_t bytes)
{
    struct tr_ingest *ingest = &lcore->ingest;
    uint32_t contexts = TR_MIN(tr_journal_context_room(&lcore->journal), (lcore->journal.contexts_mask + 1) / 4);

    ingest->bytes = bytes;
    tr_check_init(&ingest->check, ingest->at, (uint32_t)bytes, lcore->journal.ring.head + sizeof(struct tr_record),
                  &lcore->journal, contexts);
    ingest->state = TR_INGEST_CHECK;
}

// A body of metrics or logs is not ours to look into.
static void forward(struct tr_lcore *lcore, size_t bytes)
{
    struct tr_request *request = lcore->ingest.first;
    uint8_t *to;

    if (lcore->options.other_signals == TR_OTHER_ACCEPT) {
        tr_count(&lcore->counters.opaque_accepted, 1);
        answer(lcore, TR_OK, NULL, 0);
        return;
    }
    to = tr_outbox_reserve(&lcore->outbox, bytes);
    if (!to) {
        refuse(lcore, &lcore->counters.refused_too_large, TR_RESOURCE_EXHAUSTED, "the body is too large");
        return;
    }
    memcpy(to, lcore->ingest.at, bytes);
    tr_outbox_append_opaque(&lcore->outbox, (uint32_t)bytes, (uint8_t)request->signal);
    tr_count(&lcore->counters.opaque_forwarded, 1);
    answer(lcore, TR_OK, NULL, 0);
}

static bool decode(struct tr_lcore *lcore, size_t budget)
{
    struct tr_ingest *ingest = &lcore->ingest;
    struct tr_request *request = ingest->first;
    uint64_t gap = request->content == TR_CONTENT_JSON ? TR_JSON_GAP : 0;
    size_t bytes = 0;

    switch (tr_decoder_run(ingest->decoder, budget, &bytes)) {
    case TR_DECODE_MORE:
        break;
    case TR_DECODE_MALFORMED:
        refuse(lcore, &lcore->counters.refused_encoding, TR_INVALID_ARGUMENT,
               "the body is not what its content-encoding says");
        break;
    case TR_DECODE_TOO_LARGE:
        if (ingest->room - gap < lcore->options.body_bytes_max) {
            // Larger than the room there was, not than the limit: again from the start with twice as much.
            ingest->room_wanted = TR_MIN(2 * ingest->room, lcore->options.body_bytes_max + gap);
            ingest->state = TR_INGEST_IDLE;
            return false;
        }
        refuse(lcore, &lcore->counters.refused_too_large, TR_RESOURCE_EXHAUSTED,
               "the body is too large after decompression");
        break;
    case TR_DECODE_DONE:
        tr_request_pieces_release(request);
        if (request->signal != TR_SIGNAL_TRACES) {
            forward(lcore, bytes);
        } else if (gap) {
            tr_json_in_init(&ingest->json, ingest->at + gap, bytes, ingest->at);
            ingest->state = TR_INGEST_CONVERT;
        } else {
            begin_check(lcore, bytes);
        }
        break;
    }
    return true;
}

static void convert(struct tr_lcore *lcore, size_t budget)
{
    struct tr_json_in *json = &lcore->ingest.json;
    char message[160];

    switch (tr_json_in_run(json, budget)) {
    case TR_JSON_MORE:
        break;
    case TR_JSON_MALFORMED:
        snprintf(message, sizeof(message), "not OTLP JSON at byte %zu: %s", json->offset, json->why);
        refuse(lcore, &lcore->counters.refused_malformed, TR_INVALID_ARGUMENT, message);
        break;
    case TR_JSON_DONE:
        begin_check(lcore, json->out_bytes);
        break;
    }
}

static void journal_commit(struct tr_lcore *lcore, const struct tr_address *peer, enum tr_protocol protocol,
                           uint32_t bytes, const struct tr_check *checked)
{
    struct tr_record meta = {.body_bytes = bytes,
                             .accepted_wall_ns = lcore->now + tr_load_relaxed(&lcore->wall_offset_ns),
                             .spans = checked->spans,
                             .contexts = checked->contexts,
                             .peer_port = peer->port,
                             .protocol = (uint8_t)protocol};

    memcpy(meta.peer_ip, peer->ip, sizeof(meta.peer_ip));
    tr_journal_commit(&lcore->journal, &meta);
    tr_count(&lcore->counters.requests_taken, 1);
    tr_count(&lcore->counters.committed, meta.spans);
    tr_count(&lcore->counters.committed_bytes, meta.body_bytes);
    tr_gauge(&lcore->counters.not_walked, lcore->counters.not_walked + meta.spans);
}

static void commit(struct tr_lcore *lcore)
{
    struct tr_ingest *ingest = &lcore->ingest;
    struct tr_request *request = ingest->first;

    if (!ingest->check.spans) {
        tr_count(&lcore->counters.requests_empty, 1);
        answer(lcore, TR_OK, NULL, 0);
        return;
    }
    journal_commit(lcore, &request->peer, request->protocol, (uint32_t)ingest->bytes, &ingest->check);
    pop(ingest);
    tr_walker_queue(lcore, request);
}

int tr_lcore_put(struct tr_lcore *lcore, const struct tr_address *peer, const uint8_t *body, uint32_t bytes)
{
    uint8_t *at = tr_journal_head(&lcore->journal, bytes);
    struct tr_check checked;

    tr_assert(!lcore->ingest.first);
    if (!at)
        return -ENOSPC;
    memcpy(at, body, bytes);
    tr_check_init(&checked, at, bytes, lcore->journal.ring.head + sizeof(struct tr_record), &lcore->journal,
                  tr_journal_context_room(&lcore->journal));
    switch (tr_check_run(&checked, UINT32_MAX)) {
    case TR_CHECK_DONE:
        journal_commit(lcore, peer, TR_PROTOCOL_HTTP, bytes, &checked);
        return 0;
    case TR_CHECK_CONTEXTS:
        return -ENOSPC;
    default:
        return -EINVAL;
    }
}

static bool check(struct tr_lcore *lcore, size_t budget)
{
    struct tr_ingest *ingest = &lcore->ingest;
    uint32_t limit = (lcore->journal.contexts_mask + 1) / 4;
    char message[160];

    switch (tr_check_run(&ingest->check, (uint32_t)budget)) {
    case TR_CHECK_MORE:
        break;
    case TR_CHECK_DONE:
        commit(lcore);
        break;
    case TR_CHECK_MALFORMED:
        snprintf(message, sizeof(message), "not an ExportTraceServiceRequest at byte %u: %s", ingest->check.offset,
                 ingest->check.why);
        refuse(lcore, &lcore->counters.refused_malformed, TR_INVALID_ARGUMENT, message);
        break;
    case TR_CHECK_CONTEXTS:
        if (ingest->check.contexts_max < limit) {
            // The side ring is short of room, which comes back with the tail: check again then.
            ingest->room_wanted = TR_MAX(ingest->bytes, 1u);
            begin_check(lcore, ingest->bytes);
            return false;
        }
        snprintf(message, sizeof(message), "more than %u ScopeSpans in one request", limit);
        refuse(lcore, &lcore->counters.refused_contexts, TR_RESOURCE_EXHAUSTED, message);
        break;
    }
    return true;
}

// Returns steps done.
size_t tr_lcore_ingest(struct tr_lcore *lcore)
{
    struct tr_ingest *ingest = &lcore->ingest;
    size_t work = 0;

    while (ingest->first && ingest->budget) {
        size_t used = TR_MIN(ingest->budget, (size_t)ingest->first->body_bytes + 1024);
        bool progress = true;

        if (ingest->state == TR_INGEST_IDLE) {
            progress = begin(lcore);
            used = 0;
        } else if (ingest->state == TR_INGEST_DECODE) {
            used = TR_MIN(ingest->budget, 8 * used); // as if it were inflated: the budget is of output
            if (ingest->first->encoding == TR_ENCODING_IDENTITY)
                used = TR_MIN(ingest->budget, (size_t)ingest->first->body_bytes + 1024);
            progress = decode(lcore, ingest->budget);
        } else if (ingest->state == TR_INGEST_CONVERT) {
            convert(lcore, ingest->budget);
        } else {
            progress = check(lcore, ingest->budget);
            used /= 4; // passing over framing is far cheaper than copying
        }
        if (!progress)
            break;
        work++;
        ingest->budget -= TR_MIN(ingest->budget, used);
    }
    return work;
}

int tr_ingest_init(struct tr_lcore *lcore, struct tr_error *error)
{
    if (tr_decoder_create(&lcore->ingest.decoder) < 0)
        return tr_error_set(error, ENOMEM, "no memory for a decoder");
    return 0;
}

void tr_ingest_fini(struct tr_lcore *lcore)
{
    tr_decoder_destroy(lcore->ingest.decoder);
}
