// SPDX-License-Identifier: Apache-2.0
// tailgen: a load generator for OTLP. It encodes a block of traces, then sends it pass after pass with new ids, as fast
// as --rate says, and tells what became of it. A run ends with a whole pass, so that all its traces are complete; an
// interrupt (SIGINT) makes the current one the last.
#include <math.h>
#include <netdb.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "otlp/json.h"
#include "run.h"

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    interrupted = 1;
}

// A second one ends us at once. Who was started with interrupts ignored, a shell's background job, goes on ignoring them.
static void take_interrupts(void)
{
    struct sigaction before, action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND | SA_RESTART};

    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        sigaction(SIGINT, &action, NULL);
}

static void latency_note(struct run *run, uint64_t ns)
{
    double us = (double)ns / 1000;
    int bucket = us <= 1 ? 0 : (int)(log2(us) * 16);

    run->latencies[TR_MIN(bucket, BUCKETS - 1)]++;
    run->latencies_count++;
    run->latency_max_ns = TR_MAX(run->latency_max_ns, ns);
}

static void retry_later(struct run *run, uint64_t pass, uint32_t request, uint64_t delay_ns)
{
    if (run->retries_count == run->retries_room) {
        run->retries_room = TR_MAX((size_t)64, 2 * run->retries_room);
        run->retries = realloc(run->retries, run->retries_room * sizeof(*run->retries));
        tr_assert(run->retries);
    }
    run->retries[run->retries_count++] =
        (struct pending){.pass = pass, .request = request, .due_ns = tr_clock_ns() + TR_MAX(delay_ns, 100 * TR_MS)};
    run->retried += run->corpus.requests[request].spans_count;
}

static void answered(void *context, uint64_t tag, const struct client_answer *answer)
{
    struct run *run = context;
    uint32_t request = run->flights[tag].request, spans = run->corpus.requests[request].spans_count;
    uint64_t pass = run->flights[tag].pass;

    run->flights_free[--run->in_flight] = (uint32_t)tag;
    run->codes[answer->code < 0 ? 18 : TR_MIN(answer->code, 17)]++;
    if (answer->code == 0) {
        latency_note(run, tr_clock_ns() - run->flights[tag].begun_ns);
        run->acknowledged += spans - answer->rejected;
        run->rejected += answer->rejected;
        run->passes[pass].fates[request] = answer->rejected ? FATE_FAILED : FATE_ACKNOWLEDGED;
    } else if (run->options.retry && (answer->code == 14 || (answer->code == 8 && answer->retry_ns))) {
        retry_later(run, pass, request, answer->retry_ns);
    } else {
        run->failed += spans;
        run->passes[pass].fates[request] = FATE_FAILED;
    }
}

static bool pass_begin(struct run *run)
{
    struct timespec ts;
    struct pass *pass;

    if (run->passes_count == run->passes_room) {
        run->passes_room = TR_MAX(64ull, 2 * run->passes_room);
        run->passes = realloc(run->passes, run->passes_room * sizeof(*run->passes));
    }
    if (!run->passes)
        return false;
    pass = &run->passes[run->passes_count];
    clock_gettime(CLOCK_REALTIME, &ts);
    pass->delta_ns = ((uint64_t)ts.tv_sec - 1700000000ull) * TR_S;
    pass->fates = calloc(run->corpus.requests_count, 1);
    run->passes_count++;
    run->next = 0;
    return pass->fates;
}

static size_t gzip_body(struct run *run, size_t bytes, size_t room)
{
    z_stream z = {.next_in = run->body, .avail_in = (uInt)bytes, .next_out = run->packed, .avail_out = (uInt)room};

    tr_assert(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    tr_assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

// Put a request's body into the client, as protocol and compression want it. Returns its bytes.
static size_t body_put(struct run *run, struct client *client, uint64_t pass, uint32_t request)
{
    size_t bytes = run->corpus.requests[request].bytes, room = 2 * bytes + 4096;
    uint64_t delta_ns = run->passes[pass].delta_ns;
    const uint8_t *body = run->body;
    char *text;

    if (run->options.protocol != CLIENT_JSON && run->options.compression == CLIENT_NONE) {
        corpus_patch(&run->corpus, request, pass, delta_ns, client_body(client, bytes));
        return bytes;
    }
    corpus_patch(&run->corpus, request, pass, delta_ns, run->body);
    if (run->options.protocol == CLIENT_JSON) {
        text = tr_json_out(run->body, bytes, &bytes);
        tr_assert(text);
        memcpy(run->body, text, bytes);
        free(text);
        room = bytes + 4096;
    }
    if (run->options.compression == CLIENT_GZIP) {
        bytes = gzip_body(run, bytes, room);
        body = run->packed;
    } else if (run->options.compression == CLIENT_ZSTD) {
        bytes = ZSTD_compressCCtx(run->zstd, run->packed, room, run->body, bytes, 1);
        body = run->packed;
    }
    memcpy(client_body(client, bytes), body, bytes);
    return bytes;
}

static void request_send(struct run *run, struct client *client, uint64_t pass, uint32_t request)
{
    size_t bytes = body_put(run, client, pass, request);
    uint32_t tag = run->flights_free[run->in_flight];

    run->flights[tag].pass = pass;
    run->flights[tag].request = request;
    run->flights[tag].begun_ns = tr_clock_ns();
    run->in_flight++;
    run->requests++;
    run->bytes += bytes;
    client_send(client, tag, bytes);
}

// The next request, if one is due: a retry, or one of the current pass.
static bool next_take(struct run *run, uint64_t now, uint64_t *pass, uint32_t *request)
{
    for (size_t i = 0; i < run->retries_count; i++) {
        if (run->retries[i].due_ns > now)
            continue;
        *pass = run->retries[i].pass;
        *request = run->retries[i].request;
        run->retries[i] = run->retries[--run->retries_count];
        return true;
    }
    if (run->options.rate > 0 && (double)run->sent >= run->options.rate * (double)(now - run->begun_ns) / 1e9)
        return false;
    if (run->next == run->corpus.requests_count) {
        run->sending = run->sending && !interrupted && (!run->options.spans || run->sent < run->options.spans) &&
                       (!run->options.duration_ns || now - run->begun_ns < run->options.duration_ns);
        if (!run->sending || !pass_begin(run))
            return false;
    }
    *pass = run->passes_count - 1;
    *request = run->next++;
    run->sent += run->corpus.requests[*request].spans_count;
    return true;
}

static bool is_done(const struct run *run)
{
    return !run->sending && run->next == run->corpus.requests_count && !run->in_flight && !run->retries_count;
}

// Give the connection of a place what it has room for. Returns whether it got something.
static bool place_feed(struct run *run, uint32_t i, uint64_t now)
{
    struct client *client = run->wires->places[i].client;
    uint32_t most = run->options.connection_requests, request;
    bool any = false;
    uint64_t pass;

    while (client && client_ready(client) && (!most || run->place_requests[i] < most) &&
           next_take(run, now, &pass, &request)) {
        request_send(run, client, pass, request);
        run->place_requests[i]++;
        any = true;
    }
    if (any)
        client_flush(client);
    return any;
}

// Open what has no connection, end what has served its number of requests.
static void place_tend(struct run *run, uint32_t i)
{
    const struct wire_place *place = &run->wires->places[i];
    uint32_t most = run->options.connection_requests;
    bool served = most && place->client && run->place_requests[i] >= most && !client_in_flight(place->client);

    if (!served && !wire_is_gone(place))
        return;
    run->wires->ops->close(run->wires, i);
    if (served && is_done(run))
        return;
    run->place_requests[i] = 0;
    run->wires->ops->open(run->wires, i);
}

// A line at which a reader can take measurements of its own.
static void progress(struct run *run, uint64_t now)
{
    bool done = run->ended_ns;

    if (now < run->progress_ns && !done)
        return;
    run->progress_ns = run->progress_ns ? run->progress_ns + TR_S : now + TR_S;
    printf("{\"seconds\": %.6f, \"spans_acknowledged\": %llu, \"spans_failed\": %llu, \"done\": %s}\n",
           (double)(now - run->begun_ns) / 1e9, (unsigned long long)run->acknowledged, (unsigned long long)run->failed,
           done ? "true" : "false");
    fflush(stdout);
}

// Of thousands of connections a turn looks at some.
#define PLACES_A_TURN 64

static int run_loop(struct run *run)
{
    uint32_t count = run->options.connections, place = 0;
    uint64_t alive_ns = tr_clock_ns();

    run->begun_ns = alive_ns;
    run->sending = true;
    run->next = run->corpus.requests_count;
    while (!is_done(run)) {
        uint64_t now = tr_clock_ns();
        bool any = false;

        if (run->options.progress)
            progress(run, now);
        for (uint32_t k = 0; k < TR_MIN(count, (uint32_t)PLACES_A_TURN); k++, place = (place + 1) % count) {
            place_tend(run, place);
            any = place_feed(run, place, now) || any;
            if (run->wires->places[place].client)
                alive_ns = now;
        }
        if (now - alive_ns > 10 * TR_S) {
            fprintf(stderr, "tailgen: can't connect to %s\n", run->options.to);
            return 1;
        }
        run->wires->ops->poll(run->wires, !any);
    }
    run->ended_ns = tr_clock_ns();
    if (run->options.progress)
        progress(run, run->ended_ns);
    return 0;
}

static bool address_find(const struct run *run, struct wires_options *wires)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    const char *colon = strrchr(run->options.to, ':');
    char host[256];
    size_t bytes = colon ? (size_t)(colon - run->options.to) : 0;
    const char *from = run->options.to;

    if (!colon || bytes >= sizeof(host))
        return false;
    if (bytes > 1 && from[0] == '[' && from[bytes - 1] == ']') {
        from++;
        bytes -= 2;
    }
    snprintf(host, sizeof(host), "%.*s", (int)bytes, from);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    memcpy(&wires->to, found->ai_addr, found->ai_addrlen);
    wires->to_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static struct wires *wires_make(struct run *run)
{
    const struct options *o = &run->options;
    struct wires_options wires = {.count = o->connections,
                                  .client = {.protocol = o->protocol,
                                             .compression = o->compression,
                                             .streams = o->streams,
                                             .context = run,
                                             .answered = answered},
                                  .device = o->device,
                                  .pcap = o->pcap,
                                  .from = o->from,
                                  .gateway = o->gateway,
                                  .has_gateway = o->has_gateway,
                                  .mtu_bytes = o->mtu_bytes};

    if (!address_find(run, &wires)) {
        fprintf(stderr, "tailgen: --to %s: is not HOST:PORT\n", o->to);
        return NULL;
    }
    return o->device ? wires_dpdk_create(&wires) : wires_socket_create(&wires);
}

int main(int argc, char **argv)
{
    static struct run run;
    struct options *o = &run.options;
    size_t largest = 0;
    int rc;

    *o = (struct options){.connections = 4,
                          .streams = 8,
                          .batch = 100,
                          .seed = 1,
                          .retry = true,
                          .corpus = {.services = 40, .error_rate = 0.02, .slow_rate = 0.01}};
    options_parse(o, argc, argv);
    if (!o->duration_ns && !o->spans)
        o->duration_ns = 10 * TR_S;
    take_interrupts();
    o->corpus.seed = o->seed;
    o->corpus.batch = o->batch;
    o->corpus.spans = (uint32_t)(o->spans ? TR_MIN(o->spans, 50000ull) : 20000);
    if (corpus_make(&run.corpus, &o->corpus) < 0)
        return 1;
    for (uint32_t i = 0; i < run.corpus.requests_count; i++)
        largest = TR_MAX(largest, run.corpus.requests[i].bytes);
    run.body = malloc(8 * largest + 65536);
    run.packed = malloc(8 * largest + 65536);
    run.zstd = ZSTD_createCCtx();
    run.flights_room = o->connections * o->streams;
    run.flights = calloc(run.flights_room, sizeof(*run.flights));
    run.flights_free = calloc(run.flights_room, sizeof(*run.flights_free));
    for (uint32_t i = 0; i < run.flights_room; i++)
        run.flights_free[i] = i;
    run.place_requests = calloc(o->connections, sizeof(*run.place_requests));
    run.wires = wires_make(&run);
    if (!run.wires)
        return 2;
    rc = run_loop(&run);
    if (rc == 0 && o->truth)
        rc = run_truth_write(&run);
    if (rc == 0)
        run_report(&run);
    run.wires->ops->destroy(run.wires);
    free(run.place_requests);
    for (uint64_t i = 0; i < run.passes_count; i++)
        free(run.passes[i].fates);
    free(run.passes);
    free(run.retries);
    free(run.flights);
    free(run.flights_free);
    free(run.body);
    free(run.packed);
    ZSTD_freeCCtx(run.zstd);
    corpus_free(&run.corpus);
    return rc;
}
