// SPDX-License-Identifier: Apache-2.0
#include "fake_stream.h"

static struct fake fake;

#define POST "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"

static int open_one(void **state)
{
    fake_open(&fake, &fake_options);
    return 0;
}

static int close_one(void **state)
{
    fake_close(&fake);
    return 0;
}

static unsigned count(const char *text)
{
    unsigned found = 0;
    size_t bytes = strlen(text);

    for (size_t at = 0; at + bytes <= fake.out_bytes; at++)
        found += memcmp(fake.out + at, text, bytes) == 0;
    return found;
}

static void a_body_arrives_however_it_is_cut(void **state)
{
    for (size_t piece = 1; piece < 140; piece += 3) {
        fake_dribble(&fake, POST "Content-Length: 11\r\n\r\nhello world", piece);
        assert_int_equal(fake.body_bytes, 11);
        assert_memory_equal(fake.body, "hello world", 11);
        fake_dribble(&fake, POST "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nA: b\r\n\r\n",
                     piece);
        assert_int_equal(fake.body_bytes, 11);
        assert_memory_equal(fake.body, "hello world", 11);
    }
    assert_int_equal(fake.completed, 2 * 47);
    assert_int_equal(count("HTTP/1.1 200 OK"), fake.completed);
    assert_false(fake.closed || fake.aborted);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    fake.answer_now = false;
    fake_text(&fake, POST "Content-Length: 1\r\n\r\nA" POST "Content-Length: 1\r\n\r\nB" POST "Content-Length: 1\r\n\r\nC");
    assert_int_equal(fake.completed, 1);
    assert_true(fake.paused);
    fake_answer(&fake, 0);
    assert_int_equal(fake.completed, 2);
    assert_memory_equal(fake.body, "B", 1);
    fake_answer(&fake, 1);
    fake_answer(&fake, 2);
    assert_int_equal(fake.completed, 3);
    assert_memory_equal(fake.body, "C", 1);
    assert_int_equal(count("HTTP/1.1 200 OK"), 3);
    assert_false(fake.paused);
}

static void expect_is_answered_before_the_body(void **state)
{
    fake_text(&fake, POST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_true(fake_says(&fake, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_int_equal(fake.completed, 0);
    fake_text(&fake, "ab");
    assert_int_equal(fake.completed, 1);
}

static void a_refusal_comes_on_the_headers_and_says_when_to_come_back(void **state)
{
    fake.refuse = true;
    fake_text(&fake, POST "Content-Length: 100000\r\n\r\n");
    assert_true(fake_says(&fake, "HTTP/1.1 503 "));
    assert_true(fake_says(&fake, "Retry-After: 3\r\n"));
    assert_true(fake_says(&fake, "Content-Type: application/x-protobuf\r\n"));
    assert_true(fake_says(&fake, "later"));
    assert_true(fake.closed); // the body is not wanted
}

// What two parsers may read in two ways, or not at all.
static void malformed_requests_are_refused(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "400"},
        {POST "Content-Length: -3\r\n\r\n", "400"},
        {POST "Content-Length: 3 3\r\n\r\n", "400"},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "400"},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {POST "Folded: a\r\n b\r\n\r\n", "400"},
        {POST "No colon\r\n\r\n", "400"},
        {POST "Blank : a\r\n\r\n", "400"},
        {POST "Bare: a\nB: c\r\n\r\n", "400"},
        {POST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
        {POST "Transfer-Encoding: chunked\r\n\r\n5\nhello", "400"},
        {POST "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "400"},
        {"GET / HTTP/2.0\r\n\r\n", NULL},
        {"GET  / HTTP/1.1\r\n\r\n", NULL},
        {"\x16\x03\x01\x02", "400"},
        {"GET /nothing HTTP/1.1\r\n\r\n", "404"},
        {"GET /v1/traces HTTP/1.1\r\n\r\n", "405"},
        {"POST /v1/traces HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\na", "415"},
        {POST "Content-Encoding: br\r\nContent-Length: 1\r\n\r\na", "415"},
        {POST "Content-Length: 1000000\r\n\r\n", "413"},
    };

    close_one(state);
    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        char status[32];

        open_one(state);
        fake_text(&fake, cases[i].request);
        snprintf(status, sizeof(status), "HTTP/1.1 %s ", cases[i].answer ? cases[i].answer : "");
        if (cases[i].answer ? !fake_says(&fake, status) : fake.out_bytes || !fake.closed)
            fail_msg("case %zu: %.*s", i, (int)fake.out_bytes, fake.out);
        assert_int_equal(fake.completed, 0);
        close_one(state);
    }
    open_one(state);
}

static void a_header_block_has_a_bound(void **state)
{
    char line[512];

    fake_text(&fake, POST);
    for (int i = 0; i < 20 && !fake.closed; i++) {
        snprintf(line, sizeof(line), "X-%d: %0300d\r\n", i, i);
        fake_text(&fake, line);
    }
    assert_true(fake_says(&fake, "HTTP/1.1 431 "));
    assert_true(fake.closed);
    assert_int_equal(fake.http->counters.closed_headers, 1);
}

static void a_body_of_chunks_has_a_bound(void **state)
{
    static char chunk[70000];

    fake_text(&fake, POST "Transfer-Encoding: chunked\r\n\r\n");
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "11000\r\n", 7);                     // 69,632
    memcpy(chunk + 7 + 0x11000, "\r\n", 3);
    for (int i = 0; i < 5; i++)
        fake_input(&fake, chunk, 7 + 0x11000 + 2);
    assert_true(fake_says(&fake, "HTTP/1.1 413 "));
    assert_int_equal(fake.completed, 0);
}

static void errors_are_a_status_in_the_request_s_content_type(void **state)
{
    fake.reply = (struct tr_reply){.code = TR_INVALID_ARGUMENT, .message = "bad \"body\""};
    fake_text(&fake, "POST /v1/traces HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 1\r\n\r\n{");
    assert_true(fake_says(&fake, "HTTP/1.1 400 "));
    assert_true(fake_says(&fake, "Content-Type: application/json\r\n"));
    assert_true(fake_says(&fake, "{\"code\":3,\"message\":\"bad \\\"body\\\"\"}"));
    fake.reply = (struct tr_reply){.code = TR_OK, .rejected_spans = 2, .message = "two"};
    fake_text(&fake, "POST /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{");
    assert_true(fake_says(&fake, "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"two\"}}"));
    fake_text(&fake, POST "Content-Length: 1\r\n\r\nx");
    assert_true(fake_says(&fake, "\x0a\x07\x08\x02\x12\x03two"));
}

static void browsers_are_answered_by_origin(void **state)
{
    struct tr_http_options options = fake_options;
    const char *origins[] = {"https://shop.example.com"};

    close_one(state);
    options.cors_origins = (struct tr_strings){origins, 1};
    fake_open(&fake, &options);
    fake_text(&fake, "OPTIONS /v1/traces HTTP/1.1\r\nOrigin: https://shop.example.com\r\n\r\n");
    assert_true(fake_says(&fake, "HTTP/1.1 204 "));
    assert_true(fake_says(&fake, "Access-Control-Allow-Origin: https://shop.example.com\r\n"));
    fake_text(&fake, "OPTIONS /v1/traces HTTP/1.1\r\nOrigin: https://evil.example.com\r\n\r\n");
    assert_true(fake_says(&fake, "HTTP/1.1 403 "));
    assert_int_equal(count("Access-Control-Allow-Origin"), 1);
    fake_text(&fake, "GET / HTTP/1.1\r\n\r\n");
    assert_true(fake_says(&fake, "tailrace"));
}

static void slow_clients_are_let_go(void **state)
{
    fake_text(&fake, "POST /v1/tra");
    fake_poll(&fake, 11 * TR_S);
    assert_true(fake.aborted);
    assert_int_equal(fake.http->counters.closed_slow, 1);
    close_one(state);
    open_one(state);
    fake_text(&fake, POST "Content-Length: 100\r\n\r\nx");
    fake_poll(&fake, 31 * TR_S);
    assert_true(fake_says(&fake, "HTTP/1.1 503 "));
    assert_true(fake.closed);
    assert_int_equal(fake.http->counters.timed_out, 1);
}

static void an_answer_may_come_after_the_client_has_gone(void **state)
{
    fake.answer_now = false;
    fake_dribble(&fake, POST "Content-Length: 5\r\n\r\nhello", 3);
    assert_int_equal(fake.completed, 1);
    fake.user->closed(fake.user->context, &fake.stream, TR_CLOSE_RESET, fake.now);
    assert_null(fake.waiting[0]->stream);
    fake_answer(&fake, 0);
    assert_int_equal(fake.http->slab.used, 0);
    assert_int_equal(fake.http->pool_used, 0);
    assert_int_equal(fake.user->opened(fake.user->context, &fake.stream, fake.now), 0);
}

static void a_reader_that_does_not_read_gets_the_rest_later(void **state)
{
    fake.room = 10;
    fake_text(&fake, POST "Content-Length: 1\r\n\r\nx");
    assert_int_equal(fake.out_bytes, 10);
    fake.room = SIZE_MAX;
    fake.user->writable(fake.user->context, &fake.stream, fake.now);
    assert_int_equal(count("HTTP/1.1 200 OK\r\n"), 1);
    assert_memory_equal(fake.out + fake.out_bytes - 4, "\r\n\r\n", 4);
}

static void draining_ends_connections_politely(void **state)
{
    fake.answer_now = false;
    fake_text(&fake, POST "Content-Length: 1\r\n\r\nx");
    tr_http_drain(fake.http, fake.now);
    fake_poll(&fake, 0);
    assert_false(fake.closed);
    fake_answer(&fake, 0);
    assert_true(fake_says(&fake, "Connection: close\r\n"));
    assert_true(fake.closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_arrives_however_it_is_cut),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(expect_is_answered_before_the_body),
        TEST(a_refusal_comes_on_the_headers_and_says_when_to_come_back),
        TEST(malformed_requests_are_refused),
        TEST(a_header_block_has_a_bound),
        TEST(a_body_of_chunks_has_a_bound),
        TEST(errors_are_a_status_in_the_request_s_content_type),
        TEST(browsers_are_answered_by_origin),
        TEST(slow_clients_are_let_go),
        TEST(an_answer_may_come_after_the_client_has_gone),
        TEST(a_reader_that_does_not_read_gets_the_rest_later),
        TEST(draining_ends_connections_politely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
