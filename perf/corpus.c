// SPDX-License-Identifier: Apache-2.0
#include "corpus.h"

#include <math.h>

#include "base/hash.h"
#include "base/pb.h"

// Times of the corpus count from here; a pass adds what brings them to now.
#define EPOCH_NS (1700000000ull * TR_S)

#define SERVICES_MAX 200
#define SPANS_A_TRACE_MAX 120

static const char *const names[] = {
    "gateway",   "checkout",  "payment",   "cart",        "catalog",  "search",    "pricing",  "inventory",
    "shipping",  "orders",    "users",     "auth",        "sessions", "profile",   "reviews",  "ratings",
    "recommend", "promo",     "tax",       "invoice",     "ledger",   "fraud",     "risk",     "notify",
    "email",     "sms",       "push",      "media",       "images",   "cdn-edge",  "geo",      "addresses",
    "loyalty",   "giftcards", "returns",   "warehouse",   "carriers", "analytics", "exports",  "admin"};
static const char *const operations[] = {"GET /api/v1/items", "POST /api/v1/orders", "SELECT shop.orders", "HGETALL cart",
                                         "publish order.created", "GET /internal/price", "UPDATE stock", "charge"};
static const char *const routes[] = {"/api/v1/items/{id}", "/api/v1/orders", "/internal/price/{sku}", "/healthz",
                                     "/api/v1/users/{id}/cart"};
static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};

// A span before it is encoded.
struct draft {
    uint32_t trace, service, parent; // parent: number + 1 in the trace, 0: root
    uint64_t start_ns, end_ns;
    uint8_t id[8], parent_id[8];
    bool error;
};

struct maker {
    const struct corpus_options *options;
    struct corpus *corpus;
    uint64_t random;
    struct draft *drafts;
    uint32_t drafts_count, drafts_room;
    uint32_t hex; // numbers given out for PATCH_HEX
};

static uint64_t draw(struct maker *maker)
{
    return tr_mix64(maker->random += 0x9e3779b97f4a7c15ull);
}

static uint32_t below(struct maker *maker, uint32_t n)
{
    return (uint32_t)(draw(maker) % n);
}

static double uniform(struct maker *maker)
{
    return (double)(draw(maker) >> 11) / (double)(1ull << 53);
}

// Log-normal, as latencies are: median 4 ms, a long tail.
static uint64_t duration_draw(struct maker *maker)
{
    double normal = sqrt(-2 * log(uniform(maker) + 1e-12)) * cos(2 * M_PI * uniform(maker));

    return (uint64_t)TR_MIN(4e6 * exp(normal), 4e8);
}

static bool draft_add(struct maker *maker, const struct draft *draft)
{
    if (maker->drafts_count == maker->drafts_room) {
        uint32_t room = TR_MAX(1024u, 2 * maker->drafts_room);
        struct draft *larger = realloc(maker->drafts, room * sizeof(*larger));

        if (!larger)
            return false;
        maker->drafts = larger;
        maker->drafts_room = room;
    }
    maker->drafts[maker->drafts_count++] = *draft;
    return true;
}

// A trace: a root, and calls below calls, each inside its caller's time.
static bool trace_make(struct maker *maker)
{
    struct corpus *corpus = maker->corpus;
    uint32_t number = corpus->traces_count, first = maker->drafts_count, services = maker->options->services;
    struct corpus_trace *trace = &corpus->traces[number];
    uint32_t spans = 1 + below(maker, 8) + (below(maker, 10) == 0 ? below(maker, 30) : 0);
    uint64_t id[2] = {draw(maker), draw(maker)};
    bool slow = uniform(maker) < maker->options->slow_rate;
    struct draft root = {.trace = number};

    memcpy(trace->id, id, 16);
    trace->error = uniform(maker) < maker->options->error_rate;
    root.start_ns = below(maker, 1000) * TR_MS;
    root.end_ns = root.start_ns + duration_draw(maker) * 3 + (slow ? TR_S + below(maker, 3000) * TR_MS : 0);
    root.service = below(maker, 4) ? 0 : below(maker, services);
    spans = TR_MIN(spans, SPANS_A_TRACE_MAX);
    for (uint32_t i = 0; i < spans; i++) {
        struct draft span = root;
        uint64_t span_id = draw(maker) | 1;

        if (i) {
            const struct draft *parent = &maker->drafts[first + below(maker, i)];
            uint64_t whole = parent->end_ns - parent->start_ns, begin = whole ? draw(maker) % whole : 0;

            span.parent = (uint32_t)(parent - maker->drafts) - first + 1;
            memcpy(span.parent_id, parent->id, 8);
            span.start_ns = parent->start_ns + begin;
            span.end_ns = TR_MIN(parent->end_ns, span.start_ns + duration_draw(maker));
            span.service = below(maker, 3) ? below(maker, services) : parent->service;
        }
        memcpy(span.id, &span_id, 8);
        span.error = trace->error && (i == spans - 1 || (i && below(maker, 4) == 0));
        if (!draft_add(maker, &span))
            return false;
    }
    trace->spans = spans;
    trace->duration_ns = root.end_ns - root.start_ns;
    trace->root = names[root.service % TR_NELEMS(names)];
    corpus->traces_count++;
    corpus->spans += spans;
    return true;
}

// --- encoding; patches note where what changes from pass to pass lies

struct writer {
    uint8_t bytes[8192];
    uint8_t *p;
    struct patch patches[16];
    uint32_t count;
};

static void note(struct writer *w, const uint8_t *at, enum patch_kind kind, uint32_t index)
{
    w->patches[w->count++] = (struct patch){.offset = (uint32_t)(at - w->bytes), .index = index, .kind = kind};
}

static void put_text(struct writer *w, uint32_t number, const char *key, const char *value)
{
    uint8_t any[512], pair[700], *a, *q = pair;

    a = tr_pb_put_bytes(any, 1, value, strlen(value));
    q = tr_pb_put_bytes(q, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    w->p = tr_pb_put_bytes(w->p, number, pair, (size_t)(q - pair));
}

static void put_int(struct writer *w, uint32_t number, const char *key, uint64_t value)
{
    uint8_t any[16], pair[128], *a, *q = pair;

    a = tr_pb_put_varint(tr_pb_put_tag(any, 3, TR_PB_VARINT), value);
    q = tr_pb_put_bytes(q, 1, key, strlen(key));
    q = tr_pb_put_bytes(q, 2, any, (size_t)(a - any));
    w->p = tr_pb_put_bytes(w->p, number, pair, (size_t)(q - pair));
}

// An id that is new in every pass: 16 hexadecimal digits, the last bytes of the attribute.
static void put_id(struct maker *maker, struct writer *w, const char *key, const char *prefix)
{
    char value[64];

    snprintf(value, sizeof(value), "%s0000000000000000", prefix);
    put_text(w, 9, key, value);
    note(w, w->p - 16, PATCH_HEX, maker->hex++);
}

static void put_event(struct maker *maker, struct writer *w, const struct draft *span)
{
    struct writer event;

    event.p = event.bytes;
    event.count = 0;
    event.p = tr_pb_put_fixed64(event.p, 1, EPOCH_NS + span->end_ns);
    event.p = tr_pb_put_bytes(event.p, 2, "exception", 9);
    put_text(&event, 3, "exception.type", "TimeoutError");
    put_text(&event, 3, "exception.message", "deadline exceeded while calling upstream");
    w->p = tr_pb_put_bytes(w->p, 11, event.bytes, (size_t)(event.p - event.bytes));
    note(w, w->p - (event.p - event.bytes) + 1, PATCH_TIME, 0);
}

static void span_write(struct maker *maker, struct writer *w, const struct draft *span)
{
    struct corpus_trace *trace = &maker->corpus->traces[span->trace];
    static const uint8_t zero[16];
    const char *operation = operations[span->id[1] % TR_NELEMS(operations)];
    static const uint8_t error_status[] = {0x12, 7, 't', 'i', 'm', 'e', 'o', 'u', 't', 0x18, 2};

    w->p = w->bytes;
    w->count = 0;
    w->p = tr_pb_put_bytes(w->p, 1, zero, 16);
    note(w, w->p - 16, PATCH_TRACE_ID, span->trace);
    w->p = tr_pb_put_bytes(w->p, 2, span->id, 8);
    if (below(maker, 50) == 0)
        w->p = tr_pb_put_bytes(w->p, 3, "vendor=abc123", 13);
    if (span->parent)
        w->p = tr_pb_put_bytes(w->p, 4, span->parent_id, 8);
    w->p = tr_pb_put_bytes(w->p, 5, operation, strlen(operation));
    w->p = tr_pb_put_varint(tr_pb_put_tag(w->p, 6, TR_PB_VARINT), span->parent ? 1 + span->id[2] % 5 : 2);
    w->p = tr_pb_put_fixed64(w->p, 7, EPOCH_NS + span->start_ns);
    note(w, w->p - 8, PATCH_TIME, 0);
    w->p = tr_pb_put_fixed64(w->p, 8, EPOCH_NS + span->end_ns);
    note(w, w->p - 8, PATCH_TIME, 0);
    put_text(w, 9, "http.request.method", methods[span->id[3] % TR_NELEMS(methods)]);
    put_text(w, 9, "http.route", routes[span->id[4] % TR_NELEMS(routes)]);
    put_int(w, 9, "http.response.status_code", span->error ? 504 : 200);
    put_text(w, 9, "server.address", "orders.prod.svc.cluster.local");
    put_int(w, 9, "server.port", 8080);
    put_text(w, 9, "network.protocol.version", "1.1");
    put_int(w, 9, "thread.id", span->id[5]);
    if (!span->parent || below(maker, 2)) {
        put_id(maker, w, "user.id", "u-");
        trace->touched = true;
    }
    if (below(maker, 3) == 0) {
        put_id(maker, w, "order.id", "ord-");
        trace->touched = true;
    }
    if (below(maker, 4) == 0)
        put_text(w, 9, "db.query.text", "SELECT id, total FROM orders WHERE customer = $1 AND state = $2");
    if (span->error)
        put_event(maker, w, span);
    if (uniform(maker) < maker->options->unknown_rate) {
        w->p = tr_pb_put_bytes(w->p, 1000, "a field of tomorrow", 19);
        w->p = tr_pb_put_varint(tr_pb_put_tag(w->p, 1001, TR_PB_VARINT), draw(maker));
    }
    if (span->error)
        w->p = tr_pb_put_bytes(w->p, 15, error_status, sizeof(error_status));
    w->p = tr_pb_put_varint(tr_pb_put_tag(w->p, 16, TR_PB_FIXED32), 0) - 1;
    memcpy(w->p, "\x01\x01\x00\x00", 4);
    w->p += 4;
}

static void resource_write(struct maker *maker, struct writer *w, uint32_t service)
{
    char text[96];

    w->p = w->bytes;
    w->count = 0;
    put_text(w, 1, "service.name", names[service % TR_NELEMS(names)]);
    put_text(w, 1, "service.namespace", "shop");
    put_text(w, 1, "service.version", "2026.11.3");
    snprintf(text, sizeof(text), "%s-%u", names[service % TR_NELEMS(names)], service);
    put_text(w, 1, "service.instance.id", text);
    put_text(w, 1, "k8s.pod.name", text);
    put_text(w, 1, "cloud.availability_zone", service % 2 ? "eu-west-1a" : "eu-west-1b");
    put_text(w, 1, "deployment.environment.name", "production");
    put_text(w, 1, "telemetry.sdk.language", service % 3 ? "java" : "go");
    put_text(w, 1, "telemetry.sdk.name", "opentelemetry");
    put_text(w, 1, "telemetry.sdk.version", "1.45.0");
    if (uniform(maker) < maker->options->unknown_rate)
        w->p = tr_pb_put_bytes(w->p, 1000, "a field of tomorrow", 19);
}

// One request: a ResourceSpans with one ScopeSpans of these spans.
static bool request_make(struct maker *maker, const struct draft *const *drafts, uint32_t count)
{
    static const uint8_t scope[] = "\x0a\x1cio.opentelemetry.http-server\x12\x03"
                                   "2.9";
    struct corpus_request *request = &maker->corpus->requests[maker->corpus->requests_count];
    static struct writer w, resource;
    uint8_t *spans = malloc((size_t)count * 4096), *p = spans, head[64], *h = head, mid[64], *m = mid;
    size_t scope_spans, resource_spans;

    request->patches = calloc((size_t)count * 16, sizeof(*request->patches));
    request->spans = calloc(count, sizeof(*request->spans));
    if (!spans || !request->patches || !request->spans)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes;
        uint32_t at;

        span_write(maker, &w, drafts[i]);
        bytes = (size_t)(w.p - w.bytes);
        p = tr_pb_put_bytes(p, 2, w.bytes, bytes);
        at = (uint32_t)(p - spans - bytes);
        request->spans[request->spans_count++] =
            (struct corpus_span){.trace = drafts[i]->trace, .offset = at, .bytes = (uint32_t)bytes};
        for (uint32_t k = 0; k < w.count; k++) {
            request->patches[request->patches_count] = w.patches[k];
            request->patches[request->patches_count++].offset += at;
        }
    }
    resource_write(maker, &resource, drafts[0]->service);
    scope_spans = 1 + tr_pb_varint_bytes(sizeof(scope) - 1) + sizeof(scope) - 1 + (size_t)(p - spans);
    resource_spans = 1 + tr_pb_varint_bytes((uint64_t)(resource.p - resource.bytes)) +
                     (size_t)(resource.p - resource.bytes) + 1 + tr_pb_varint_bytes(scope_spans) + scope_spans;
    h = tr_pb_put_varint(tr_pb_put_tag(h, 1, TR_PB_BYTES), resource_spans);
    m = tr_pb_put_varint(tr_pb_put_tag(m, 2, TR_PB_BYTES), scope_spans);
    m = tr_pb_put_bytes(m, 1, scope, sizeof(scope) - 1);
    request->bytes = (uint32_t)((size_t)(h - head) + resource_spans);
    request->body = malloc(request->bytes + 64);
    if (!request->body)
        return false;
    h = request->body + (h - head);
    memcpy(request->body, head, (size_t)(h - request->body));
    h = tr_pb_put_bytes(h, 1, resource.bytes, (size_t)(resource.p - resource.bytes));
    memcpy(h, mid, (size_t)(m - mid));
    h += m - mid;
    memcpy(h, spans, (size_t)(p - spans));
    tr_assert(h + (p - spans) == request->body + request->bytes);
    for (uint32_t i = 0; i < request->patches_count; i++)
        request->patches[i].offset += (uint32_t)(h - request->body);
    for (uint32_t i = 0; i < request->spans_count; i++)
        request->spans[i].offset += (uint32_t)(h - request->body);
    free(spans);
    maker->corpus->bytes += request->bytes;
    maker->corpus->requests_count++;
    return true;
}

static int by_service(const void *a, const void *b)
{
    const struct draft *left = *(const struct draft *const *)a, *right = *(const struct draft *const *)b;

    if (left->service != right->service)
        return left->service < right->service ? -1 : 1;
    return left < right ? -1 : left > right;
}

static void shuffle(struct maker *maker, void *items, size_t count, size_t bytes)
{
    uint8_t swap[128], *base = items;

    for (size_t i = count; i > 1; i--) {
        size_t k = draw(maker) % i;

        memcpy(swap, base + (i - 1) * bytes, bytes);
        memcpy(base + (i - 1) * bytes, base + k * bytes, bytes);
        memcpy(base + k * bytes, swap, bytes);
    }
}

// Each service reports its own spans, a batch at a time.
static bool requests_make(struct maker *maker)
{
    uint32_t count = maker->drafts_count, batch = maker->options->batch;
    const struct draft **order = calloc(count, sizeof(*order));
    bool good = order;

    maker->corpus->requests = calloc(count / batch + maker->options->services + 1, sizeof(struct corpus_request));
    for (uint32_t i = 0; good && i < count; i++)
        order[i] = &maker->drafts[i];
    if (good)
        qsort(order, count, sizeof(*order), by_service);
    for (uint32_t from = 0; good && from < count;) {
        uint32_t to = from;

        while (to < count && order[to]->service == order[from]->service)
            to++;
        if (maker->options->shuffle)
            shuffle(maker, order + from, to - from, sizeof(*order));
        for (; good && from < to; from += TR_MIN(batch, to - from))
            good = request_make(maker, order + from, TR_MIN(batch, to - from));
    }
    if (good)
        shuffle(maker, maker->corpus->requests, maker->corpus->requests_count, sizeof(struct corpus_request));
    free(order);
    return good;
}

int corpus_make(struct corpus *corpus, const struct corpus_options *options)
{
    struct maker maker = {.options = options, .corpus = corpus, .random = tr_mix64(options->seed + 1)};
    bool good = true;

    memset(corpus, 0, sizeof(*corpus));
    corpus->seed = options->seed;
    corpus->traces = calloc(options->spans + 1, sizeof(*corpus->traces));
    while (good && corpus->traces && corpus->spans < options->spans)
        good = trace_make(&maker);
    good = good && corpus->traces && requests_make(&maker);
    free(maker.drafts);
    return good ? 0 : -ENOMEM;
}

void corpus_free(struct corpus *corpus)
{
    for (uint32_t i = 0; i < corpus->requests_count; i++) {
        free(corpus->requests[i].body);
        free(corpus->requests[i].patches);
        free(corpus->requests[i].spans);
    }
    free(corpus->requests);
    free(corpus->traces);
}

void corpus_trace_id(const struct corpus *corpus, uint32_t trace, uint64_t pass, uint8_t id[16])
{
    uint64_t words[2];

    memcpy(words, corpus->traces[trace].id, 16);
    if (pass) {
        words[0] ^= tr_mix64(2 * pass + 1);
        words[1] ^= tr_mix64(2 * pass + 2);
    }
    memcpy(id, words, 16);
}

// The eight hexadecimal digits of 32 bits, all at once: a byte a nibble, then 'a' - '0' - 10 more from 10 on.
static void digits_put(uint8_t *at, uint32_t value)
{
    uint64_t word = __builtin_bswap32(value), above;

    word = (word | word << 16) & 0x0000ffff0000ffffull;
    word = (word | word << 8) & 0x00ff00ff00ff00ffull;
    word = (word >> 4 & 0x000f000f000f000full) | (word & 0x000f000f000f000full) << 8;
    above = (word + 0x0606060606060606ull) >> 4 & 0x0101010101010101ull;
    word += 0x3030303030303030ull + above * ('a' - '0' - 10);
    memcpy(at, &word, 8);
}

void corpus_patch(const struct corpus *corpus, uint32_t number, uint64_t pass, uint64_t delta_ns, uint8_t *to)
{
    const struct corpus_request *request = &corpus->requests[number];

    memcpy(to, request->body, request->bytes);
    for (const struct patch *patch = request->patches; patch < request->patches + request->patches_count; patch++) {
        uint8_t *at = to + patch->offset;
        uint64_t word;

        switch (patch->kind) {
        case PATCH_TRACE_ID:
            corpus_trace_id(corpus, patch->index, pass, at);
            break;
        case PATCH_TIME:
            memcpy(&word, at, 8);
            word += delta_ns;
            memcpy(at, &word, 8);
            break;
        case PATCH_HEX:
            word = tr_mix64(corpus->seed ^ pass << 32 ^ patch->index);
            digits_put(at, (uint32_t)(word >> 32));
            digits_put(at + 8, (uint32_t)word);
            break;
        }
    }
}
