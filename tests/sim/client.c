// SPDX-License-Identifier: Apache-2.0
// The clients: HTTP/1.1, a request at a time; what they send, and what they make of the answers.
#include "world.h"

#include <strings.h>
#include <zlib.h>

#include "base/pb.h"

// --- the client's side

static void request_write(struct sim_client *client, const uint8_t *body, size_t bytes, bool gzip,
                          bool chunked)
{
    char *to = (char *)client->request;
    size_t room = sizeof(client->request);
    size_t n = (size_t)snprintf(
        to, room, "POST /v1/traces HTTP/1.1\r\nHost: sim\r\nContent-Type: application/x-protobuf\r\n%s",
        gzip ? "Content-Encoding: gzip\r\n" : "");

    if (chunked) {
        size_t half = bytes / 2;

        n += (size_t)snprintf(to + n, room - n, "Transfer-Encoding: chunked\r\n\r\n");
        for (int part = 0; part < 2; part++) {
            size_t from = part ? half : 0, size = part ? bytes - half : half;

            if (!size)
                continue;
            n += (size_t)snprintf(to + n, room - n, "%zx\r\n", size);
            memcpy(to + n, body + from, size);
            n += size;
            n += (size_t)snprintf(to + n, room - n, "\r\n");
        }
        n += (size_t)snprintf(to + n, room - n, "0\r\n\r\n");
    } else {
        n += (size_t)snprintf(to + n, room - n, "Content-Length: %zu\r\n\r\n", bytes);
        memcpy(to + n, body, bytes);
        n += bytes;
    }
    client->request_bytes = n;
}

static size_t gzip_of(const uint8_t *from, size_t bytes, uint8_t *to, size_t room)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)from,
                  .avail_in = (unsigned)bytes,
                  .next_out = to,
                  .avail_out = (unsigned)room};

    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return z.total_out;
}

static void request_compose(struct sim_world *world, struct sim_client *client)
{
    static uint8_t body[32768], packed[33000];
    bool odd = world->options.flaky && !world->healed;
    uint32_t most =
        world->options.floods ? SIM_BODY_SPANS : 1 + (uint32_t)sim_draw(world, world->options.body_spans);
    bool gzip = sim_draw(world, 4) == 0;
    size_t bytes;

    client->count = sim_spans_take(world, client->spans, most);
    if (!client->count)
        return;
    client->bad = odd && sim_draw(world, 10) == 0 ? 1 + (uint32_t)sim_draw(world, client->count) : 0;
    client->malformed = odd && sim_draw(world, 20) == 0;
    bytes = sim_body_make(world, client->spans, client->count, client->bad, body);
    if (client->malformed)
        bytes -= 1 + sim_draw(world, 20); // in the middle of the last ResourceSpans, or of the only one
    if (gzip)
        bytes = gzip_of(body, bytes, packed, sizeof(packed));
    request_write(client, gzip ? packed : body, bytes, gzip, sim_draw(world, 4) == 0);
    client->ready = client->given = 0;
    client->response_bytes = 0;
    client->asked_ns = world->now;
    client->state = SIM_SENDING;
}

static void spans_are(struct sim_client *client, uint32_t from, uint32_t to, enum sim_fate fate)
{
    for (uint32_t i = from; i < to; i++)
        client->world->traces[client->spans[i] / SIM_TRACE_SPANS].fate[client->spans[i] % SIM_TRACE_SPANS] =
            fate;
}

// The connection is gone. A request that had not come in whole cannot have been accepted.
void sim_client_lost(struct sim_client *client)
{
    if (client->state == SIM_SENDING) {
        bool whole = client->given == client->request_bytes;

        spans_are(client, 0, client->count, whole && !client->malformed ? SIM_UNKNOWN : SIM_UNSENT);
        client->world->broken++;
    }
    client->state = SIM_CLOSED;
    client->not_before = client->world->now + sim_draw(client->world, 10 * TR_MS);
}

// Told: how many spans of a request were rejected. ExportTraceServiceResponse.partial_success.rejected_spans.
static uint64_t rejected_in(const uint8_t *body, size_t bytes)
{
    struct tr_pb_field partial, rejected;

    if (!bytes || !tr_pb_field(body, body + bytes, &partial) || partial.number != 1)
        return 0;
    if (!tr_pb_field(partial.bytes, partial.bytes + partial.value, &rejected) || rejected.number != 1)
        return 0;
    return rejected.value;
}

static uint64_t passed_by(const struct tr_lcore *lcore)
{
    const struct tr_lcore_counters *c = &lcore->counters;

    return c->walked + c->rejected_malformed + c->rejected_trace_id + c->rejected_span_id;
}

static void answered(struct sim_client *client, int status, const uint8_t *body, size_t bytes)
{
    struct sim_world *world = client->world;
    bool whole = client->given == client->request_bytes;

    if (status == 200) {
        uint64_t rejected = rejected_in(body, bytes);

        if (!whole || client->malformed)
            sim_fail(world, "a request that was %s (%zu of %zu bytes) is answered with success",
                     whole ? "malformed" : "not whole", client->given, client->request_bytes);
        if (rejected != client->bad)
            sim_fail(world, "%u spans were bad, %llu are told to be", client->bad,
                     (unsigned long long)rejected);
        spans_are(client, 0, client->count - client->bad, SIM_ACCEPTED);
        spans_are(client, client->count - client->bad, client->count, SIM_REJECTED);
        world->rejected_told += client->bad;
        world->answered++;
    } else if (status == 503 || status == 429 || status == 413) {
        if (status == 413)
            sim_fail(world, "a body is too large");
        spans_are(client, 0, client->count, SIM_UNSENT);
        client->not_before = world->now + sim_draw(world, 20 * TR_MS);
        world->refused++;
    } else if (status == 400) {
        if (!client->malformed)
            sim_fail(world, "a good request is answered with 400: %.*s", (int)bytes, (const char *)body);
        spans_are(client, 0, client->count, SIM_UNSENT);
        world->refused++;
    } else if (status == 408 && world->net) { // the wire was slow
        spans_are(client, 0, client->count, SIM_UNSENT);
        world->refused++;
    } else {
        sim_fail(world, "a request is answered with %d", status);
    }
    client->state = SIM_IDLE;
    // The rest of a body that was refused on its headers need not be sent: the connection ends.
    if (!whole)
        client->breaks = true;
}

int sim_response_parse(uint8_t *response, size_t bytes, size_t *head, size_t *body)
{
    char *text = (char *)response, *end, *length;

    response[bytes] = 0;
    end = strstr(text, "\r\n\r\n");
    if (!end)
        return 0;
    *head = (size_t)(end + 4 - text);
    length = strcasestr(text, "content-length:");
    *body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
    return bytes < *head + *body ? 0 : atoi(text + 9);
}

void sim_client_look(struct sim_client *client)
{
    size_t head, body;
    int status = sim_response_parse(client->response, client->response_bytes, &head, &body);

    if (!status)
        return;
    // Without a request it is a farewell.
    if (client->state == SIM_SENDING)
        answered(client, status, client->response + head, body);
    client->response_bytes = 0;
}

// Success is told only when the body's last span is walked.
void sim_success_told(struct sim_world *world, uint32_t lcore, uint32_t spans)
{
    uint64_t passed = passed_by(world->lcores[lcore]);

    world->accepted_told[lcore] += spans;
    if (passed < world->accepted_told[lcore])
        sim_fail(world, "lcore %u: success is told for %llu spans when %llu are walked", lcore,
                 (unsigned long long)world->accepted_told[lcore], (unsigned long long)passed);
}

bool sim_client_step(struct sim_world *world, struct sim_client *client)
{
    size_t ready = client->ready;
    enum sim_client_state state = client->state;
    bool opening = client->opening;

    if (world->now < client->not_before)
        return false;
    switch (client->state) {
    case SIM_CLOSED:
        client->opening = true;
        break;
    case SIM_IDLE:
        if (!client->breaks && !client->opening)
            request_compose(world, client);
        break;
    case SIM_SENDING:
        client->ready =
            sim_least(client->request_bytes, client->ready + 1 + sim_draw(world, world->healed ? 4096 : 400));
        if (world->options.flaky && !world->healed && sim_draw(world, 100) == 0)
            client->breaks = true;
        break;
    }
    return client->ready != ready || client->state != state || client->opening != opening;
}

int sim_clients_open(struct sim_world *world)
{
    struct tr_http_options options = {.body_bytes_max = 8192,
                                      .header_bytes_max = 4096,
                                      .streams_max = 8,
                                      .staged_stream_bytes_max = 64 * TR_KIB,
                                      .staged_connection_bytes_max = 64 * TR_KIB,
                                      .staged_lcore_bytes_max = 64 * TR_KIB,
                                      .request_timeout_ns = 30 * TR_S,
                                      .header_timeout_ns = 10 * TR_S,
                                      .idle_timeout_ns = 600 * TR_S,
                                      .resets_max = 100,
                                      .control_frames_max = 100};
    struct tr_error error = {0};

    for (uint32_t i = 0; i < world->options.lcores; i++) {
        struct tr_request_sink sink = tr_lcore_sink(world->lcores[i]);

        if (tr_http_create(&world->lcores[i]->http, &options, &sink, &error) < 0) {
            fprintf(stderr, "%s\n", error.text);
            return -EINVAL;
        }
        world->lcores[i]->ports[0] = world->net ? sim_net_port(world, i) : sim_direct_port(world, i);
        world->lcores[i]->ports_count = 1;
    }
    for (uint32_t i = 0; i < world->options.clients; i++) {
        world->clients[i].world = world;
        world->clients[i].lcore = (uint32_t)sim_draw(world, world->options.lcores);
    }
    return 0;
}

bool sim_clients_done(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->options.clients; i++)
        if (world->clients[i].state == SIM_SENDING)
            return false;
    for (uint32_t i = 0; i < SIM_TRACES; i++)
        for (uint32_t number = 0; number < world->traces[i].spans; number++)
            if (world->traces[i].fate[number] <= SIM_SENT)
                return false;
    return true;
}

uint64_t sim_clients_deadline(const struct sim_world *world)
{
    uint64_t deadline = TR_NEVER;

    for (uint32_t i = 0; i < world->options.clients; i++) {
        if (world->clients[i].not_before > world->now)
            deadline = TR_MIN(deadline, world->clients[i].not_before);
        if (world->net && world->clients[i].state == SIM_SENDING)
            deadline = TR_MIN(deadline, TR_MAX(world->now, world->clients[i].asked_ns + SIM_PATIENCE_NS));
    }
    return deadline;
}
