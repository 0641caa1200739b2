// SPDX-License-Identifier: Apache-2.0
// otlp_http and otlp_grpc by libcurl: a handle a request, all in one multi handle, which keeps and shares connections.
// gRPC over http:// is HTTP/2 by prior knowledge, over https:// by ALPN.
#include "backend/backend_internal.h"

#include <ctype.h>
#include <time.h>

#include "base/pb.h"
#include "http/request.h"

#define ANSWER_MOST (4 * TR_MIB)

static size_t body_in(char *data, size_t size, size_t count, void *user)
{
    struct batch *batch = user;
    size_t bytes = size * count;
    uint8_t *larger;

    if (batch->answer_bytes + bytes > ANSWER_MOST)
        return 0;
    larger = realloc(batch->answer, batch->answer_bytes + bytes);
    if (!larger)
        return 0;
    batch->answer = larger;
    memcpy(batch->answer + batch->answer_bytes, data, bytes);
    batch->answer_bytes += bytes;
    return bytes;
}

// "retry-after: 3" or a date.
static uint64_t retry_after(const char *value)
{
    char *end;
    unsigned long seconds = strtoul(value, &end, 10);
    time_t at;

    if (end != value)
        return TR_MIN(seconds, 86400ul) * TR_S;
    at = curl_getdate(value, NULL);
    return at > time(NULL) ? (uint64_t)(at - time(NULL)) * TR_S : 0;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

// grpc-status-details-bin: a google.rpc.Status whose details may have a RetryInfo.
static void retry_info(struct batch *batch, const char *value)
{
    static const char type[] = "type.googleapis.com/google.rpc.RetryInfo";
    struct tr_pb_field detail, any, delay, part;
    uint8_t bytes[1024];
    size_t count = 0;
    uint32_t word = 0;
    bool is_retry = false;

    for (int bits = 0; base64_digit(*value) >= 0 && count < sizeof(bytes); value++) {
        word = word << 6 | (uint32_t)base64_digit(*value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[count++] = (uint8_t)(word >> bits);
        }
    }
    for (const uint8_t *p = bytes; p && p < bytes + count;) {
        p = tr_pb_field(p, bytes + count, &detail);
        if (!p || detail.number != 3 || detail.wire != TR_PB_BYTES)
            continue;
        for (const uint8_t *q = detail.bytes; q && q < detail.bytes + detail.value;) {
            q = tr_pb_field(q, detail.bytes + detail.value, &any);
            if (q && any.number == 1 && any.wire == TR_PB_BYTES)
                is_retry = any.value == sizeof(type) - 1 && memcmp(any.bytes, type, sizeof(type) - 1) == 0;
            if (!q || any.number != 2 || any.wire != TR_PB_BYTES || !is_retry)
                continue;
            batch->retry_info = true;
            if (!tr_pb_field(any.bytes, any.bytes + any.value, &delay) || delay.wire != TR_PB_BYTES)
                continue;
            for (const uint8_t *d = delay.bytes; d && d < delay.bytes + delay.value;) {
                d = tr_pb_field(d, delay.bytes + delay.value, &part);
                if (d && part.wire == TR_PB_VARINT)
                    batch->retry_delay_ns += part.number == 1   ? TR_MIN(part.value, 86400ull) * TR_S
                                             : part.number == 2 ? TR_MIN(part.value, TR_S)
                                                                : 0;
            }
        }
    }
}

// Headers and trailers; libcurl gives both here.
static size_t header_in(char *data, size_t size, size_t count, void *user)
{
    struct batch *batch = user;
    size_t bytes = size * count;
    char line[1600], *value;

    snprintf(line, sizeof(line), "%.*s", (int)TR_MIN(bytes, sizeof(line) - 1), data);
    value = strchr(line, ':');
    if (!value)
        return bytes;
    *value++ = '\0';
    while (*value == ' ')
        value++;
    value[strcspn(value, "\r\n")] = '\0';
    for (char *p = line; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (strcmp(line, "retry-after") == 0) {
        batch->retry_delay_ns = retry_after(value);
    } else if (strcmp(line, "grpc-status") == 0) {
        batch->grpc_status = atoi(value);
    } else if (strcmp(line, "grpc-message") == 0) {
        int decoded = 0;
        char *text = curl_easy_unescape(NULL, value, 0, &decoded);

        snprintf(batch->grpc_message, sizeof(batch->grpc_message), "%s", text ? text : value);
        curl_free(text);
    } else if (strcmp(line, "grpc-status-details-bin") == 0) {
        retry_info(batch, value);
    }
    return bytes;
}

static void url_of(const struct tr_backend *backend, const struct batch *batch, char *url, size_t room)
{
    static const char *const grpc[] = {"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                                       "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                                       "/opentelemetry.proto.collector.logs.v1.LogsService/Export"};
    static const char *const http[] = {"/v1/traces", "/v1/metrics", "/v1/logs"};
    const char *path = backend->options.kind == 0 ? grpc[batch->signal] : http[batch->signal];
    const char *endpoint = backend->options.endpoint;
    size_t bytes = strlen(endpoint);

    while (bytes && endpoint[bytes - 1] == '/')
        bytes--;
    if (backend->options.kind == 1 && bytes > 10 && strncmp(endpoint + bytes - 10, "/v1/traces", 10) == 0)
        bytes -= 10;
    snprintf(url, room, "%.*s%s", (int)bytes, endpoint, path);
}

static void headers_set(struct tr_backend *backend, struct batch *batch)
{
    bool grpc = backend->options.kind == 0;
    struct curl_slist *list = NULL;

    list = curl_slist_append(list, grpc ? "content-type: application/grpc" : "content-type: application/x-protobuf");
    list = curl_slist_append(list, "expect:");
    list = curl_slist_append(list, "user-agent: tailrace");
    if (grpc)
        list = curl_slist_append(list, "te: trailers");
    if (batch->compressed)
        list = curl_slist_append(list, grpc ? "grpc-encoding: gzip" : "content-encoding: gzip");
    for (size_t i = 0; i < backend->headers_count; i++)
        list = curl_slist_append(list, backend->headers[i]);
    batch->headers = list;
}

// libcurl before 8.1 fails the second request on a connection that is HTTP/2 by prior knowledge ("Error in the HTTP2
// framing layer"; seen with 7.88.1, Debian 12's): there, each request gets a connection of its own.
static bool reuse_is_broken(void)
{
    return curl_version_info(CURLVERSION_NOW)->version_num < 0x080100;
}

static void otlp_send(struct tr_backend *backend, struct batch *batch)
{
    CURL *easy = curl_easy_init();
    bool tls = strncmp(backend->options.endpoint, "https:", 6) == 0;
    char url[1024];

    if (!easy) {
        backend_finished(backend, batch, OUTCOME_RETRY, 0, "no memory for a request");
        return;
    }
    batch->easy = easy;
    batch->answer_bytes = 0;
    batch->grpc_status = -1;
    batch->grpc_message[0] = '\0';
    batch->retry_delay_ns = 0;
    batch->retry_info = false;
    url_of(backend, batch, url, sizeof(url));
    headers_set(backend, batch);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, batch->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)batch->body_bytes);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, batch->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_in);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, batch);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_in);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, batch);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, batch);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(backend->options.timeout_ns / TR_MS));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     backend->options.kind == 1 ? CURL_HTTP_VERSION_1_1
                     : tls                      ? CURL_HTTP_VERSION_2TLS
                                                : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    if (backend->options.kind == 0 && !tls && reuse_is_broken())
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (backend->options.ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, backend->options.ca_file);
    tr_count(&backend->counters.requests, 1);
    curl_multi_add_handle(backend->multi, easy);
}

// Take what is done out of the multi handle (lock held).
static void otlp_done(struct tr_backend *backend, CURL *easy, CURLcode code)
{
    uint64_t rejected = 0;
    enum outcome outcome;
    struct batch *batch;
    char said[256] = "";
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &batch);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(backend->multi, easy);
    if (code != CURLE_OK && !(code == CURLE_HTTP2_STREAM && batch->grpc_status >= 0)) {
        snprintf(said, sizeof(said), "%s", curl_easy_strerror(code));
        outcome = OUTCOME_RETRY;
    } else if (backend->options.kind == 0) {
        outcome = answer_grpc(batch, status, &rejected, said, sizeof(said));
    } else {
        outcome = answer_http(batch, status, &rejected, said, sizeof(said));
    }
    curl_easy_cleanup(easy);
    batch->easy = NULL;
    curl_slist_free_all(batch->headers);
    batch->headers = NULL;
    backend_finished(backend, batch, outcome, rejected, said);
}

void otlp_perform(struct tr_backend *backend)
{
    int running, left;
    CURLMsg *message;

    curl_multi_perform(backend->multi, &running);
    while ((message = curl_multi_info_read(backend->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            otlp_done(backend, message->easy_handle, message->data.result);
}

// What env:NAME and file:PATH stand for.
static int place_read(const char *value, char *to, size_t room, const char *key, struct tr_error *error)
{
    if (strncmp(value, "env:", 4) == 0) {
        const char *found = getenv(value + 4);

        if (!found)
            return tr_error_set(error, EINVAL, "headers.%s: the environment has no %s", key, value + 4);
        snprintf(to, room, "%s", found);
        return 0;
    }
    if (strncmp(value, "file:", 5) == 0) {
        FILE *file = fopen(value + 5, "r");
        bool read = file && fgets(to, (int)room, file);

        if (file)
            fclose(file);
        if (!read)
            return tr_error_set(error, EINVAL, "headers.%s: can't read %s: %s", key, value + 5, strerror(errno));
        to[strcspn(to, "\r\n")] = '\0';
        return 0;
    }
    return tr_error_set(error, EINVAL, "headers.%s: names no place", key);
}

// A value as it is sent: a reference may stand behind a word ("Bearer env:TOKEN").
static int secret_read(const char *value, char *to, size_t room, const char *key, struct tr_error *error)
{
    const char *reference = tr_options_reference(value);
    size_t before = reference ? TR_MIN((size_t)(reference - value), room - 1) : room;

    snprintf(to, before + 1 < room ? before + 1 : room, "%s", value);
    return reference ? place_read(reference, to + before, room - before, key, error) : 0;
}

static int otlp_open(struct tr_backend *backend, struct tr_error *error)
{
    const struct tr_map *headers = &backend->options.headers;

    if (backend->options.ca_file) {
        FILE *file = fopen(backend->options.ca_file, "r");

        if (!file)
            return tr_error_set(error, EINVAL, "ca_file: can't read %s: %s", backend->options.ca_file, strerror(errno));
        fclose(file);
    }
    backend->headers = calloc(headers->count + 1, sizeof(*backend->headers));
    for (size_t i = 0; backend->headers && i < headers->count; i++) {
        char value[4096], line[4400];
        int rc = secret_read(headers->values[i], value, sizeof(value), headers->keys[i], error);

        if (rc < 0)
            return rc;
        if (strpbrk(value, "\r\n"))
            return tr_error_set(error, EINVAL, "headers.%s: has a line break", headers->keys[i]);
        snprintf(line, sizeof(line), "%s: %s", headers->keys[i], value);
        backend->headers[backend->headers_count] = strdup(line);
        backend->headers_count += backend->headers[backend->headers_count] != NULL;
    }
    backend->multi = curl_multi_init();
    if (!backend->multi || !backend->headers)
        return tr_error_set(error, ENOMEM, "no memory for a backend");
    // A connection for each request in flight: libcurl 7.88 breaks connections on which several bodies go out at once.
    curl_multi_setopt(backend->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(backend->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)TR_MIN(backend->options.requests_in_flight_max, 32ull));
    return 0;
}

static void otlp_close(struct tr_backend *backend)
{
    for (struct batch *batch = backend->batches; batch; batch = batch->next) {
        if (!batch->easy)
            continue;
        curl_multi_remove_handle(backend->multi, batch->easy);
        curl_easy_cleanup(batch->easy);
        batch->easy = NULL;
        curl_slist_free_all(batch->headers);
        batch->headers = NULL;
    }
    if (backend->multi)
        curl_multi_cleanup(backend->multi);
    backend->multi = NULL;
    for (size_t i = 0; i < backend->headers_count; i++)
        free(backend->headers[i]);
    free(backend->headers);
    backend->headers = NULL;
    backend->headers_count = 0;
}

const struct tr_backend_kind tr_backend_otlp_grpc = {"otlp_grpc", otlp_open, otlp_close, otlp_send};
const struct tr_backend_kind tr_backend_otlp_http = {"otlp_http", otlp_open, otlp_close, otlp_send};
