// SPDX-License-Identifier: Apache-2.0
// Replies on the wire: Export*ServiceResponse, google.rpc.Status with RetryInfo, health, pages.
// Source: OTLP specification 1.11; google/rpc/status.proto, error_details.proto; gRPC over HTTP/2.
#include "http/http_internal.h"

#include "base/pb.h"

static void send(struct req *req)
{
    req->replied = true;
    req->route = ROUTE_ANSWERED;
    if (req->conn->kind == CONN_H2)
        h2_reply(req);
    else
        h1_reply(req);
}

// ExportTraceServiceResponse.partial_success: {rejected_spans 1, error_message 2}.
static uint8_t *put_response(uint8_t *p, const struct tr_reply *reply)
{
    uint8_t partial[600], *q = partial;
    size_t bytes = reply->message ? TR_MIN(strlen(reply->message), 500u) : 0;

    if (reply->rejected_spans)
        q = tr_pb_put_varint(tr_pb_put_tag(q, 1, TR_PB_VARINT), reply->rejected_spans);
    if (bytes)
        q = tr_pb_put_bytes(q, 2, reply->message, bytes);
    return q > partial ? tr_pb_put_bytes(p, 1, partial, (size_t)(q - partial)) : p;
}

// Status: {code 1, message 2, details 3 of Any {type_url 1, value 2}}; RetryInfo: {retry_delay 1 {seconds 1, nanos 2}}.
static uint8_t *put_status(uint8_t *p, const struct tr_reply *reply)
{
    static const char type[] = "type.googleapis.com/google.rpc.RetryInfo";
    size_t bytes = reply->message ? TR_MIN(strlen(reply->message), 500u) : 0;

    p = tr_pb_put_varint(tr_pb_put_tag(p, 1, TR_PB_VARINT), reply->code);
    if (bytes)
        p = tr_pb_put_bytes(p, 2, reply->message, bytes);
    if (reply->retry_delay_ns) {
        uint8_t delay[32], info[40], any[128], *d = delay, *i = info, *a = any;

        d = tr_pb_put_varint(tr_pb_put_tag(d, 1, TR_PB_VARINT), reply->retry_delay_ns / TR_S);
        d = tr_pb_put_varint(tr_pb_put_tag(d, 2, TR_PB_VARINT), reply->retry_delay_ns % TR_S);
        i = tr_pb_put_bytes(i, 1, delay, (size_t)(d - delay));
        a = tr_pb_put_bytes(a, 1, type, sizeof(type) - 1);
        a = tr_pb_put_bytes(a, 2, info, (size_t)(i - info));
        p = tr_pb_put_bytes(p, 3, any, (size_t)(a - any));
    }
    return p;
}

static void json_escape(const char *from, char *to, size_t room)
{
    size_t n = 0;

    for (; *from && n + 8 < room; from++) {
        if (*from == '"' || *from == '\\')
            to[n++] = '\\', to[n++] = *from;
        else if ((unsigned char)*from < 0x20)
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", *from);
        else
            to[n++] = *from;
    }
    to[n] = '\0';
}

static void encode_json(struct req *req, const struct tr_reply *reply)
{
    char message[600];
    int n;

    json_escape(reply->message ? reply->message : "", message, sizeof(message));
    if (reply->code != TR_OK)
        n = snprintf((char *)req->reply, REPLY_BYTES, "{\"code\":%d,\"message\":\"%s\"}", reply->code, message);
    else if (reply->rejected_spans || message[0])
        n = snprintf((char *)req->reply, REPLY_BYTES,
                     "{\"partialSuccess\":{\"rejectedSpans\":\"%llu\",\"errorMessage\":\"%s\"}}",
                     (unsigned long long)reply->rejected_spans, message);
    else
        n = snprintf((char *)req->reply, REPLY_BYTES, "{}");
    req->reply_bytes = (uint32_t)n;
}

static int http_status_of(const struct req *req, const struct tr_reply *reply)
{
    switch (reply->code) {
    case TR_OK:
        return 200;
    case TR_INVALID_ARGUMENT:
        return 400;
    case TR_RESOURCE_EXHAUSTED:
        return reply->retry_delay_ns ? 429 : 413;
    case TR_UNIMPLEMENTED:
        return req->bad_encoding ? 415 : 404;
    case TR_UNAVAILABLE:
    case TR_DEADLINE_EXCEEDED:
    case TR_CANCELLED:
        return 503;
    default:
        return 500;
    }
}

static void percent_encode(const char *from, char *to, size_t room)
{
    size_t n = 0;

    for (; *from && n + 4 < room; from++) {
        if (*from < 0x20 || *from > 0x7e || *from == '%')
            n += (size_t)snprintf(to + n, room - n, "%%%02X", (unsigned char)*from);
        else
            to[n++] = *from;
    }
    to[n] = '\0';
}

static void base64(const uint8_t *from, size_t bytes, char *to, size_t room)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;

    for (size_t i = 0; i < bytes && n + 5 < room; i += 3) {
        uint32_t word = (uint32_t)from[i] << 16 | (i + 1 < bytes ? (uint32_t)from[i + 1] << 8 : 0) |
                        (i + 2 < bytes ? from[i + 2] : 0u);

        to[n++] = digits[word >> 18];
        to[n++] = digits[word >> 12 & 63];
        if (i + 1 < bytes) // without padding, as gRPC asks for
            to[n++] = digits[word >> 6 & 63];
        if (i + 2 < bytes)
            to[n++] = digits[word & 63];
    }
    to[n] = '\0';
}

static void encode_grpc(struct req *req, const struct tr_reply *reply)
{
    uint8_t *p = req->reply + 5;

    snprintf(req->grpc_status, sizeof(req->grpc_status), "%d", reply ? reply->code : TR_OK);
    req->http_status = 200;
    if (reply && reply->code != TR_OK) {
        percent_encode(reply->message ? reply->message : "", req->grpc_message, sizeof(req->grpc_message));
        if (reply->retry_delay_ns) {
            uint8_t status[700];
            struct tr_reply brief = *reply;

            brief.message = NULL; // said in grpc-message
            base64(status, (size_t)(put_status(status, &brief) - status), req->grpc_details,
                   sizeof(req->grpc_details));
        }
        return;
    }
    if (reply)
        p = put_response(p, reply);
    else // HealthCheckResponse: SERVING or NOT_SERVING
        p = tr_pb_put_varint(tr_pb_put_tag(p, 1, TR_PB_VARINT), req->http->draining ? 2 : 1);
    req->reply_bytes = (uint32_t)(p - req->reply);
    req->reply[0] = 0;
    for (int i = 0; i < 4; i++)
        req->reply[1 + i] = (uint8_t)((req->reply_bytes - 5) >> (24 - 8 * i));
}

void reply_encode(struct req *req, const struct tr_reply *reply)
{
    if (req->is_grpc) {
        encode_grpc(req, reply);
        send(req);
        return;
    }
    req->http_status = http_status_of(req, reply);
    req->retry_after_s = reply->retry_delay_ns ? (reply->retry_delay_ns + TR_S - 1) / TR_S : 0;
    if (req->request.content == TR_CONTENT_JSON) {
        req->reply_type = "application/json";
        encode_json(req, reply);
    } else {
        req->reply_type = "application/x-protobuf";
        req->reply_bytes = (uint32_t)((reply->code == TR_OK ? put_response(req->reply, reply)
                                                            : put_status(req->reply, reply)) -
                                      req->reply);
    }
    send(req);
}

void reply_page(struct req *req, int status, const char *type, const char *text)
{
    req->http_status = status;
    req->reply_type = type;
    req->reply_bytes = (uint32_t)TR_MIN(strlen(text), (size_t)REPLY_BYTES);
    memcpy(req->reply, text, req->reply_bytes);
    send(req);
}
