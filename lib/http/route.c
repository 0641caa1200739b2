// SPDX-License-Identifier: Apache-2.0
// What a request asks for, from its headers.
#include "http/http_internal.h"

#include "base/pb.h"

static const char page[] =
    "<!doctype html><title>tailrace</title><p>This is tailrace, a tail-sampling OpenTelemetry span router. It takes "
    "OTLP: gRPC, and POST to /v1/traces with application/x-protobuf or application/json.\n";

static const struct {
    const char *path;
    enum tr_signal signal;
} grpc_exports[] = {
    {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", TR_SIGNAL_TRACES},
    {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", TR_SIGNAL_METRICS},
    {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", TR_SIGNAL_LOGS},
}, http_exports[] = {
    {"/v1/traces", TR_SIGNAL_TRACES},
    {"/v1/metrics", TR_SIGNAL_METRICS},
    {"/v1/logs", TR_SIGNAL_LOGS},
};

// What is not for the sink. On HTTP/2 it waits for the end of a request that is not large: what is wrong with the rest
// of it, or a reset, would find an answered stream, where it must be passed over.
static void answer(struct req *req, int status, const char *type, const char *text)
{
    if (req->conn->kind != CONN_H2) {
        reply_page(req, status, type, text);
        return;
    }
    req->route = ROUTE_PAGE;
    req->page.status = status;
    req->page.type = type;
    req->page.text = text;
}

static void route_grpc(struct req *req)
{
    if (strcmp(req->method, "POST") != 0) {
        tr_count(&req->http->counters.bad_method, 1);
        req->is_grpc = false;
        answer(req, 405, "text/plain", "gRPC is POST\n");
        return;
    }
    if (req->bad_encoding) {
        tr_count(&req->http->counters.bad_encoding, 1);
        req_fail(req, TR_UNIMPLEMENTED, "grpc-encoding: identity, gzip, deflate and zstd are known here");
        return;
    }
    for (size_t i = 0; i < TR_NELEMS(grpc_exports); i++) {
        if (strcmp(req->path, grpc_exports[i].path) == 0) {
            req->request.signal = grpc_exports[i].signal;
            req->route = ROUTE_EXPORT;
            return;
        }
    }
    if (strcmp(req->path, "/grpc.health.v1.Health/Check") == 0) {
        req->route = ROUTE_HEALTH;
        return;
    }
    tr_count(&req->http->counters.not_found, 1);
    req_fail(req, TR_UNIMPLEMENTED, "no such method here");
}

// "" is the whole of us, any other name one of the services that we export.
static bool service_is_known(const char *name, size_t bytes)
{
    bool known = bytes == 0;

    for (size_t i = 0; i < TR_NELEMS(grpc_exports); i++) {
        const char *service = grpc_exports[i].path + 1;
        size_t service_bytes = strlen(service) - strlen("/Export");

        known = known || (bytes == service_bytes && memcmp(name, service, bytes) == 0);
    }
    return known;
}

// A HealthCheckRequest larger than this asks for no service of ours.
#define HEALTH_BYTES 256

// Answer a HealthCheckRequest that is whole. One that is compressed, by a client that compresses all it sends, is not
// read: it asks for the whole of us. Source: gRPC health checking protocol.
void health_answer(struct req *req)
{
    uint8_t message[HEALTH_BYTES];
    const uint8_t *p = message, *end = message;
    struct tr_pb_field field, service = {0};
    bool fits = req->request.body_bytes <= sizeof(message);
    bool reads = fits && req->request.encoding == TR_ENCODING_IDENTITY;

    for (const struct tr_piece *piece = req->request.pieces; reads && piece; piece = piece->next)
        end = (const uint8_t *)memcpy(message + (end - message), piece->data, piece->bytes) + piece->bytes;
    while (p && p < end) {
        p = tr_pb_field(p, end, &field);
        if (p && field.number == 1 && field.wire == TR_PB_BYTES)
            service = field;
    }
    staging_release(req);
    if (!p) {
        tr_count(&req->http->counters.bad_framing, 1);
        req_fail(req, TR_INTERNAL, "not a HealthCheckRequest");
    } else if (!fits || !service_is_known((const char *)service.bytes, service.value)) {
        tr_count(&req->http->counters.not_found, 1);
        req_fail(req, TR_NOT_FOUND, "no such service here");
    } else {
        req->route = ROUTE_ANSWERED;
        reply_encode(req, NULL);
    }
}

static bool origin_is_allowed(const struct req *req)
{
    const struct tr_strings *origins = &req->http->options.cors_origins;

    for (size_t i = 0; req->origin[0] && i < origins->count; i++)
        if (strcmp(origins->items[i], "*") == 0 || strcmp(origins->items[i], req->origin) == 0)
            return true;
    return false;
}

static void route_http_export(struct req *req, enum tr_signal signal)
{
    req->request.signal = signal;
    req->reply_allow_origin = origin_is_allowed(req);
    if (strcmp(req->method, "OPTIONS") == 0) {
        answer(req, req->reply_allow_origin ? 204 : 403, "text/plain", "");
    } else if (strcmp(req->method, "POST") != 0) {
        tr_count(&req->http->counters.bad_method, 1);
        answer(req, 405, "text/plain", "OTLP is POST\n");
    } else if (req->bad_content || !req->has_content) {
        tr_count(&req->http->counters.bad_content, 1);
        answer(req, 415, "text/plain", "content-type: application/x-protobuf or application/json\n");
    } else if (req->bad_encoding) {
        tr_count(&req->http->counters.bad_encoding, 1);
        req_fail(req, TR_UNIMPLEMENTED, "content-encoding: gzip, deflate and zstd are known here");
    } else {
        req->route = ROUTE_EXPORT;
    }
}

void route_request(struct req *req)
{
    if (req->is_grpc) {
        route_grpc(req);
        return;
    }
    for (size_t i = 0; i < TR_NELEMS(http_exports); i++) {
        if (strcmp(req->path, http_exports[i].path) == 0) {
            route_http_export(req, http_exports[i].signal);
            return;
        }
    }
    if (strcmp(req->path, "/") == 0 && (strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0)) {
        answer(req, 200, "text/html; charset=utf-8", page);
        return;
    }
    tr_count(&req->http->counters.not_found, 1);
    answer(req, 404, "text/plain", "POST to /v1/traces, /v1/metrics or /v1/logs\n");
}
