// SPDX-License-Identifier: Apache-2.0
// HTTP/2 and gRPC against nghttp2's own client, wired back to back.
#include "fake_stream.h"

static struct fake fake;
static nghttp2_session *client;
static size_t taken; // of fake.out, by the client

struct call {
    int32_t stream;
    uint8_t body[200000];
    size_t bytes, sent;
    bool hold; // do not end the stream
    char status[8], grpc_status[8], grpc_message[128], details[256];
    uint8_t reply[512];
    size_t reply_bytes;
    bool closed;
    uint32_t close_code;
};
static struct call calls[128];
static unsigned calls_count;
static bool goaway, pong;
static uint32_t goaway_code;

static struct call *call_of(int32_t stream)
{
    for (unsigned i = 0; i < calls_count; i++)
        if (calls[i].stream == stream)
            return &calls[i];
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_bytes,
                     const uint8_t *value, size_t value_bytes, uint8_t flags, void *user)
{
    struct call *call = call_of(frame->hd.stream_id);

    if (strcmp((const char *)name, ":status") == 0)
        snprintf(call->status, sizeof(call->status), "%s", value);
    else if (strcmp((const char *)name, "grpc-status") == 0)
        snprintf(call->grpc_status, sizeof(call->grpc_status), "%s", value);
    else if (strcmp((const char *)name, "grpc-message") == 0)
        snprintf(call->grpc_message, sizeof(call->grpc_message), "%s", value);
    else if (strcmp((const char *)name, "grpc-status-details-bin") == 0)
        snprintf(call->details, sizeof(call->details), "%s", value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t bytes, void *user)
{
    struct call *call = call_of(stream);

    memcpy(call->reply + call->reply_bytes, data, bytes);
    call->reply_bytes += bytes;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    call_of(stream)->closed = true;
    call_of(stream)->close_code = code;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        goaway = true;
        goaway_code = frame->goaway.error_code;
    }
    pong = pong || (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK));
    return 0;
}

// Let both talk until neither has anything to say.
static void exchange(void)
{
    for (int quiet = 0; quiet < 2;) {
        const uint8_t *data;
        ssize_t bytes = fake.closed ? 0 : nghttp2_session_mem_send(client, &data);

        quiet++;
        if (bytes > 0) {
            fake_input(&fake, data, (size_t)bytes);
            quiet = 0;
        }
        if (taken < fake.out_bytes) {
            size_t from = taken;

            taken = fake.out_bytes;
            assert_true(nghttp2_session_mem_recv(client, (uint8_t *)fake.out + from, taken - from) >= 0);
            quiet = 0;
        }
        if (taken > sizeof(fake.out) / 2)
            taken = fake.out_bytes = 0;
    }
}

static int open_one(void **state)
{
    nghttp2_session_callbacks *callbacks;

    fake_open(&fake, &fake_options);
    memset(calls, 0, sizeof(calls));
    calls_count = 0;
    taken = 0;
    goaway = pong = false;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_client_new(&client, callbacks, NULL);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client, 0, NULL, 0);
    exchange();
    return 0;
}

static int close_one(void **state)
{
    nghttp2_session_del(client);
    fake_close(&fake);
    return 0;
}

static ssize_t body_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct call *call = source->ptr;
    size_t bytes = TR_MIN(room, call->bytes - call->sent);

    if (!bytes && call->hold)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(to, call->body + call->sent, bytes);
    call->sent += bytes;
    if (call->sent == call->bytes && !call->hold)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)bytes;
}

#define NV(name, value) {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0}
#define EXPORT "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// A gRPC call with a message of `bytes`; the body's frame can be spoiled before exchange().
static struct call *call_begin(const char *path, size_t bytes, const char *name, const char *value)
{
    struct call *call = &calls[calls_count++];
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = body_read};
    nghttp2_nv nv[] = {NV(":method", "POST"), NV(":scheme", "http"),     NV(":path", path), NV(":authority", "x"),
                       NV("content-type", "application/grpc"), NV("te", "trailers"), NV("x", "x")};

    if (name) {
        nghttp2_nv more = NV(name, value);

        nv[6] = more;
    }
    call->bytes = 5 + bytes;
    for (int i = 0; i < 4; i++)
        call->body[1 + i] = (uint8_t)(bytes >> (24 - 8 * i));
    for (size_t i = 0; i < bytes; i++)
        call->body[5 + i] = (uint8_t)i;
    call->stream = nghttp2_submit_request(client, NULL, nv, TR_NELEMS(nv), &provider, call);
    assert_true(call->stream > 0);
    return call;
}

static void an_export_of_many_frames_arrives_whole(void **state)
{
    struct call *call = call_begin(EXPORT, 190000, NULL, NULL);

    exchange();
    assert_int_equal(fake.completed, 1);
    assert_int_equal(fake.body_bytes, 190000);
    for (size_t i = 0; i < fake.body_bytes; i++)
        assert_int_equal(fake.body[i], (uint8_t)i);
    assert_string_equal(call->status, "200");
    assert_string_equal(call->grpc_status, "0");
    assert_int_equal(call->reply_bytes, 5); // an empty message: partial_success is not set
    assert_true(call->closed);
    assert_int_equal(call->close_code, 0);
}

static void an_empty_message_is_a_success(void **state)
{
    struct call *call = call_begin(EXPORT, 0, NULL, NULL);

    exchange();
    assert_int_equal(fake.completed, 1);
    assert_string_equal(call->grpc_status, "0");
}

static void errors_come_with_their_details(void **state)
{
    struct call *call;

    fake.reply = (struct tr_reply){.code = TR_UNAVAILABLE, .message = "full: 100 %", .retry_delay_ns = TR_S};
    call = call_begin(EXPORT, 10, NULL, NULL);
    exchange();
    assert_string_equal(call->status, "200");
    assert_string_equal(call->grpc_status, "14");
    assert_string_equal(call->grpc_message, "full: 100 %25");
    assert_true(strlen(call->details) > 40); // a Status with RetryInfo, base64
    fake.reply = (struct tr_reply){.code = TR_OK, .rejected_spans = 3, .message = "three"};
    call = call_begin(EXPORT, 10, NULL, NULL);
    exchange();
    assert_string_equal(call->grpc_status, "0");
    assert_memory_equal(call->reply, "\0\0\0\0\x0b\x0a\x09\x08\x03\x12\x05three", 16);
}

static void bad_framing_is_refused(void **state)
{
    struct call *two = call_begin(EXPORT, 20, NULL, NULL), *cut, *flagged, *large;

    two->body[4] = 8; // a message of 8 bytes, then another
    exchange();
    assert_string_equal(two->grpc_status, "13");
    cut = call_begin(EXPORT, 20, NULL, NULL);
    cut->body[4] = 30;
    exchange();
    assert_string_equal(cut->grpc_status, "13");
    flagged = call_begin(EXPORT, 20, NULL, NULL);
    flagged->body[0] = 1; // compressed, with what?
    exchange();
    assert_string_equal(flagged->grpc_status, "13");
    large = call_begin(EXPORT, 20, NULL, NULL);
    large->body[1] = 0x7f; // announces 2 GiB
    exchange();
    assert_string_equal(large->grpc_status, "8");
    assert_int_equal(fake.completed, 0);
    call_begin(EXPORT, 20, NULL, NULL);
    exchange();
    assert_int_equal(fake.completed, 1);
}

static void a_compressed_message_says_how(void **state)
{
    struct call *call = call_begin(EXPORT, 20, "grpc-encoding", "zstd"), *unknown;

    call->body[0] = 1;
    exchange();
    assert_int_equal(fake.completed, 1);
    unknown = call_begin(EXPORT, 20, "grpc-encoding", "snappy");
    exchange();
    assert_string_equal(unknown->grpc_status, "12");
    assert_int_equal(fake.completed, 1);
}

// A health check for a service; NULL: a message that is none.
static struct call *health_of(const char *service)
{
    size_t bytes = service ? strlen(service) : 3;
    struct call *call = call_begin("/grpc.health.v1.Health/Check", 3 + bytes, NULL, NULL);

    call->body[5] = service ? 1 << 3 | 2 : 0xff;
    call->body[6] = (uint8_t)(bytes & 0x7f) | 0x80;
    call->body[7] = (uint8_t)(bytes >> 7);
    if (service)
        memcpy(call->body + 8, service, bytes);
    return call;
}

static void health_of_a_service(void **state)
{
    static const struct {
        const char *service, *grpc_status;
    } cases[] = {
        {"", "0"},
        {"opentelemetry.proto.collector.trace.v1.TraceService", "0"},
        {"opentelemetry.proto.collector.metrics.v1.MetricsService", "0"},
        {"opentelemetry.proto.collector.logs.v1.LogsService", "0"},
        {"opentelemetry.proto.collector.trace.v1.TraceServic", "5"},
        {"opentelemetry.proto.collector.trace.v1.TraceService/", "5"},
        {"no.such", "5"},
        {NULL, "13"},
    };
    char large[2000] = {0};
    struct call *call;

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        call = health_of(cases[i].service);
        exchange();
        assert_string_equal(call->grpc_status, cases[i].grpc_status);
        if (!strcmp(call->grpc_status, "0"))
            assert_memory_equal(call->reply, "\0\0\0\0\2\x08\1", 7);
    }
    memset(large, 'x', sizeof(large) - 1);
    call = health_of(large);
    exchange();
    assert_string_equal(call->grpc_status, "5");
    call = call_begin("/grpc.health.v1.Health/Check", 30, "grpc-encoding", "gzip");
    call->body[0] = 1; // not read: the whole of us is asked for
    exchange();
    assert_string_equal(call->grpc_status, "0");
    assert_int_equal(fake.http->pool_used, 0);
}

static void health_and_what_is_not_there(void **state)
{
    struct call *check = call_begin("/grpc.health.v1.Health/Check", 0, NULL, NULL), *watch, *after;

    exchange();
    assert_string_equal(check->grpc_status, "0");
    assert_memory_equal(check->reply, "\0\0\0\0\2\x08\1", 7);
    watch = call_begin("/grpc.health.v1.Health/Watch", 0, NULL, NULL);
    exchange();
    assert_string_equal(watch->grpc_status, "12");
    fake.http->draining = true;
    after = call_begin("/grpc.health.v1.Health/Check", 0, NULL, NULL);
    exchange();
    assert_memory_equal(after->reply, "\0\0\0\0\2\x08\2", 7); // NOT_SERVING
}

static void a_refusal_does_not_wait_for_the_body(void **state)
{
    struct call *call;

    fake.refuse = true;
    call = call_begin(EXPORT, 190000, NULL, NULL);
    call->hold = true;
    exchange();
    assert_string_equal(call->grpc_status, "14");
    assert_true(call->closed);
    assert_int_equal(fake.http->pool_used, 0);
}

static void pings_are_answered_and_floods_end(void **state)
{
    nghttp2_submit_ping(client, 0, NULL);
    exchange();
    assert_true(pong);
    assert_false(goaway);
    for (int i = 0; i < 60; i++) {
        nghttp2_submit_ping(client, 0, NULL);
        exchange();
    }
    assert_true(goaway);
    assert_int_equal(goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(fake.http->counters.closed_flood, 1);
}

static void a_ping_a_request_is_no_flood(void **state)
{
    for (int i = 0; i < 200; i++) {
        calls_count = 0;
        call_begin("/nobody.knows/It", 10, NULL, NULL);
        exchange();
        nghttp2_submit_ping(client, 0, NULL);
        exchange();
    }
    assert_true(calls[0].closed);
    assert_false(goaway);
    assert_int_equal(fake.http->counters.closed_flood, 0);
}

static void rapid_resets_end(void **state)
{
    for (int i = 0; i < 40 && !goaway; i++) {
        struct call *call = call_begin(EXPORT, 10, NULL, NULL);

        call->hold = true;
        exchange();
        nghttp2_submit_rst_stream(client, 0, call->stream, NGHTTP2_CANCEL);
        exchange();
    }
    assert_true(goaway);
    assert_int_equal(goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_in_range(fake.http->counters.cancelled, 20, 40);
}

// Half bodies take their share of the pool and no more: one that is whole gets through.
static void half_bodies_do_not_stop_a_whole_one(void **state)
{
    struct call *whole;

    for (int i = 0; i < 90; i++) {
        struct call *call = call_begin(EXPORT, 190000, NULL, NULL);

        call->bytes = 60000; // the rest never comes
        call->hold = true;
        exchange();
    }
    assert_true(fake.http->counters.pool_evicted > 0);
    whole = call_begin(EXPORT, 190000, NULL, NULL);
    exchange();
    assert_string_equal(whole->grpc_status, "0");
    assert_int_equal(fake.body_bytes, 190000);
    fake_poll(&fake, 31 * TR_S); // and those that never end are given up
    exchange();
    assert_int_equal(fake.http->pool_used, 0);
    assert_in_range(fake.http->counters.timed_out + fake.http->counters.pool_evicted, 90, 90);
}

static void what_a_client_that_has_gone_did_not_end_is_over(void **state)
{
    struct call *whole, *half;

    fake.answer_now = false;
    whole = call_begin(EXPORT, 1000, NULL, NULL);
    half = call_begin(EXPORT, 1000, NULL, NULL);
    half->bytes = 500;
    half->hold = true;
    exchange();
    assert_int_equal(fake.completed, 1);
    assert_true(fake.http->pool_used > 0);
    fake.user->eof(fake.user->context, &fake.stream, fake.now);
    assert_int_equal(fake.http->counters.cancelled, 1);
    assert_false(fake.closed); // a client may have shut down its side only
    fake_answer(&fake, 0);
    assert_int_equal(fake.http->pool_used, 0);
    exchange();
    assert_string_equal(whole->grpc_status, "0");
    assert_true(fake.closed);
}

// A few bytes of HPACK that stand for a long list.
static void a_grpc_timeout_ends_what_did_not_come(void **state)
{
    static const char *const values[] = {"100m", "100000u", "99999999n", "1S"};

    for (size_t i = 0; i < TR_NELEMS(values); i++) {
        struct call *call = call_begin(EXPORT, 1000, "grpc-timeout", values[i]), *odd;

        call->bytes = 500;
        call->hold = true;
        exchange();
        fake_poll(&fake, 50 * TR_MS);
        exchange();
        assert_string_equal(call->grpc_status, "");
        fake_poll(&fake, 1200 * TR_MS);
        exchange();
        assert_string_equal(call->grpc_status, "4");
        odd = call_begin(EXPORT, 10, "grpc-timeout", "soon"); // is none
        exchange();
        assert_string_equal(odd->grpc_status, "0");
    }
}

static struct call *plain_begin(const char *path, size_t bytes, bool hold)
{
    struct call *call = &calls[calls_count++];
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = body_read};
    nghttp2_nv nv[] = {NV(":method", "POST"), NV(":scheme", "http"), NV(":path", path), NV(":authority", "x")};

    call->bytes = bytes;
    call->hold = hold;
    call->stream = nghttp2_submit_request(client, NULL, nv, TR_NELEMS(nv), &provider, call);
    return call;
}

static void what_is_not_for_the_sink_is_answered_at_its_end(void **state)
{
    struct call *small = plain_begin("/nothing", 1000, true), *large = plain_begin("/nothing", 100000, true);
    struct call *bare = plain_begin("/v1/traces", 10, false);

    exchange();
    assert_string_equal(small->status, "");
    assert_string_equal(large->status, "404"); // nobody waits for all of that
    assert_string_equal(bare->status, "415");
    small->hold = false;
    nghttp2_session_resume_data(client, small->stream);
    exchange();
    assert_string_equal(small->status, "404");
    assert_int_equal(fake.completed, 0);
}

static void a_header_list_has_a_bound(void **state)
{
    static char value[3000];
    nghttp2_nv nv[20] = {NV(":method", "POST"), NV(":scheme", "http"), NV(":path", EXPORT), NV(":authority", "x"),
                         NV("content-type", "application/grpc")};
    struct call *call = &calls[calls_count++];

    memset(value, 'x', sizeof(value) - 1);
    for (size_t i = 5; i < TR_NELEMS(nv); i++) {
        nghttp2_nv more = NV("bomb", value);

        nv[i] = more;
    }
    call->stream = nghttp2_submit_request(client, NULL, nv, TR_NELEMS(nv), NULL, call);
    exchange();
    assert_true(goaway);
    assert_int_equal(goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(fake.http->counters.closed_headers, 1);
    assert_int_equal(fake.completed, 0);
    assert_true(fake.closed);
}

static void a_reset_while_the_sink_has_it_is_survived(void **state)
{
    struct call *call;

    fake.answer_now = false;
    call = call_begin(EXPORT, 1000, NULL, NULL);
    exchange();
    assert_int_equal(fake.completed, 1);
    nghttp2_submit_rst_stream(client, 0, call->stream, NGHTTP2_CANCEL);
    exchange();
    assert_null(fake.waiting[0]->stream);
    fake_answer(&fake, 0);
}

static void draining_says_goaway_and_finishes(void **state)
{
    struct call *call;

    fake.answer_now = false;
    call = call_begin(EXPORT, 1000, NULL, NULL);
    exchange();
    tr_http_drain(fake.http, fake.now);
    fake_poll(&fake, 0);
    exchange();
    assert_true(goaway);
    assert_int_equal(goaway_code, NGHTTP2_NO_ERROR);
    assert_false(fake.closed);
    fake_answer(&fake, 0);
    exchange();
    assert_string_equal(call->grpc_status, "0");
    assert_true(fake.closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_export_of_many_frames_arrives_whole),
        TEST(an_empty_message_is_a_success),
        TEST(errors_come_with_their_details),
        TEST(bad_framing_is_refused),
        TEST(a_compressed_message_says_how),
        TEST(health_of_a_service),
        TEST(health_and_what_is_not_there),
        TEST(a_refusal_does_not_wait_for_the_body),
        TEST(pings_are_answered_and_floods_end),
        TEST(a_ping_a_request_is_no_flood),
        TEST(rapid_resets_end),
        TEST(half_bodies_do_not_stop_a_whole_one),
        TEST(what_a_client_that_has_gone_did_not_end_is_over),
        TEST(a_grpc_timeout_ends_what_did_not_come),
        TEST(what_is_not_for_the_sink_is_answered_at_its_end),
        TEST(a_header_list_has_a_bound),
        TEST(a_reset_while_the_sink_has_it_is_survived),
        TEST(draining_says_goaway_and_finishes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
