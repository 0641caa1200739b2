// SPDX-License-Identifier: Apache-2.0
// Notes: what is read of a span, by old and new names; the ring that carries them.
#include "../otlp/build.h"

#include "trace/study.h"

static struct build span, body;

static struct tr_study_note note_of(const char *service, const char *scope)
{
    const struct tr_walk_span walked = {.trace_id = {1, 2, 3}, .start_ns = 10, .end_ns = 20, .root = true};
    struct tr_context context = {0};
    struct tr_study_note note;

    body.bytes = 0;
    build_string(&body, 1, service);
    context.service = (struct tr_range){body.bytes - (uint32_t)strlen(service), (uint32_t)strlen(service)};
    context.scope[0].offset = body.bytes;
    build_string(&body, 1, scope);
    context.scope[0].bytes = body.bytes - context.scope[0].offset;
    tr_study_note_make(&note, &context, body.data, span.data, span.bytes, &walked);
    assert_memory_equal(note.trace_id, walked.trace_id, 16);
    assert_int_equal(note.start_ns, 10);
    assert_int_equal(note.end_ns, 20);
    return note;
}

static void begin(enum tr_span_kind kind)
{
    span.bytes = 0;
    build_bytes(&span, 2, "\1\2\3\4\5\6\7\10", 8);
    build_varint(&span, 6, kind);
}

static void text(const char *key, const char *value)
{
    build_attribute_string(&span, 9, key, value);
}

static void number(const char *key, int64_t value)
{
    build_attribute_int(&span, 9, key, value);
}

static void place_is(enum tr_contact kind, const char *want)
{
    struct tr_study_note note = note_of("cart", "scope");

    assert_int_equal(note.contact_kind, kind);
    assert_int_equal(note.contact_bytes, strlen(want));
    assert_memory_equal(note.contact, want, strlen(want));
}

static void what_a_span_says_of_itself(void **state)
{
    struct tr_study_note note;

    begin(TR_SPAN_KIND_SERVER);
    build_bytes(&span, 4, "\7\0\0\0\0\0\0\1", 8);
    build_fixed32(&span, 16, 0x300);
    note = note_of("cart", "opentelemetry.instrumentation.flask");
    assert_memory_equal(&note.span_id, "\1\2\3\4\5\6\7\10", 8);
    assert_memory_equal(&note.parent_id, "\7\0\0\0\0\0\0\1", 8);
    assert_int_equal(note.kind, TR_SPAN_KIND_SERVER);
    assert_int_equal(note.flags, TR_STUDY_ROOT | TR_STUDY_REMOTE);
    assert_int_equal(note.service_bytes, 4);
    assert_memory_equal(note.service, "cart", 4);
    assert_int_equal(note.scope_bytes, 35);
    assert_memory_equal(note.scope, "opentelemetry.instrumentation.flask", 35);
    begin(TR_SPAN_KIND_CONSUMER);
    build_bytes(&span, 13, "", 0);
    build_fixed32(&span, 16, 0x101);
    assert_int_equal(note_of("", "").flags, TR_STUDY_ROOT | TR_STUDY_LOCAL | TR_STUDY_LINKS);
    begin(99);
    build_fixed32(&span, 16, 0x001);
    note = note_of("", "");
    assert_int_equal(note.kind, TR_SPAN_KIND_UNSPECIFIED);
    assert_int_equal(note.flags, TR_STUDY_ROOT);
}

static void long_names_are_cut(void **state)
{
    char name[201];
    struct tr_study_note note;

    memset(name, 'x', 200);
    name[200] = '\0';
    begin(TR_SPAN_KIND_CLIENT);
    text("url.full", name);
    text("server.address", name);
    number("server.port", 65535);
    note = note_of(name, name);
    assert_int_equal(note.service_bytes, TR_STUDY_NAME_BYTES);
    assert_int_equal(note.scope_bytes, TR_STUDY_NAME_BYTES);
    assert_int_equal(note.contact_bytes, TR_STUDY_NAME_BYTES);
}

// The client's URL and the server's Host header name one place, by either generation of names.
static void http_places_meet(void **state)
{
    static const struct {
        const char *url, *host;
        int64_t port;
        const char *place;
    } cases[] = {
        {"http://Cart:8080/x?y", "cart", 8080, "cart:8080"},
        {"http://user:pass@cart:8080", "cart:8080", 8080, "cart:8080"},
        {"https://cart.example.com:443/", "cart.example.com", 443, "cart.example.com"},
        {"http://cart/", "cart", 80, "cart"},
        {"http://[fd00::1]:99/", "[fd00::1]", 99, "[fd00::1]:99"},
        {"http://127.0.0.1:5000#f", "127.0.0.1", 5000, "127.0.0.1:5000"},
    };

    for (size_t i = 0; i < TR_NELEMS(cases); i++) {
        begin(TR_SPAN_KIND_CLIENT);
        text("url.full", cases[i].url);
        place_is(TR_CONTACT_HTTP, cases[i].place);
        begin(TR_SPAN_KIND_CLIENT);
        text("http.url", cases[i].url);
        place_is(TR_CONTACT_HTTP, cases[i].place);
        begin(TR_SPAN_KIND_CLIENT);
        text("net.peer.name", cases[i].host);
        number("net.peer.port", cases[i].port);
        place_is(TR_CONTACT_HTTP, cases[i].place);
        begin(TR_SPAN_KIND_SERVER);
        text("server.address", cases[i].host);
        number("server.port", cases[i].port);
        place_is(TR_CONTACT_HTTP, cases[i].place);
        begin(TR_SPAN_KIND_SERVER);
        text("net.host.name", cases[i].host);
        number("net.host.port", cases[i].port);
        place_is(TR_CONTACT_HTTP, cases[i].place);
        begin(TR_SPAN_KIND_SERVER);
        text("http.host", cases[i].place);
        text("server.address", "another");
        place_is(TR_CONTACT_HTTP, cases[i].place);
    }
}

static void other_places(void **state)
{
    begin(TR_SPAN_KIND_CLIENT);
    text("rpc.service", "shop.Cart");
    text("server.address", "10.0.0.1");
    place_is(TR_CONTACT_RPC, "shop.cart");
    begin(TR_SPAN_KIND_SERVER);
    text("rpc.service", "shop.Cart");
    place_is(TR_CONTACT_RPC, "shop.cart");
    begin(TR_SPAN_KIND_PRODUCER);
    text("messaging.destination", "orders");
    text("server.address", "kafka");
    place_is(TR_CONTACT_MESSAGING, "orders");
    begin(TR_SPAN_KIND_CONSUMER);
    text("messaging.destination.name", "orders");
    place_is(TR_CONTACT_MESSAGING, "orders");
    begin(TR_SPAN_KIND_CONSUMER);
    text("server.address", "kafka");
    place_is(TR_CONTACT_NONE, "");
    begin(TR_SPAN_KIND_CLIENT);
    text("db.system", "redis");
    text("server.address", "cache");
    place_is(TR_CONTACT_DATABASE, "");
    begin(TR_SPAN_KIND_CLIENT);
    place_is(TR_CONTACT_NONE, "");
    begin(TR_SPAN_KIND_CLIENT);
    text("url.full", "no url");
    number("server.address", 7);
    place_is(TR_CONTACT_NONE, "");
    begin(TR_SPAN_KIND_INTERNAL); // is no call
    text("url.full", "http://cart/");
    place_is(TR_CONTACT_NONE, "");
}

static void put(struct tr_study_ring *ring, uint64_t start_ns)
{
    const struct tr_walk_span walked = {.start_ns = start_ns};
    const struct tr_context context = {0};

    tr_study_put(ring, &context, body.data, span.data, span.bytes, &walked);
}

static void a_ring_takes_what_fits_and_counts_the_rest(void **state)
{
    struct tr_study_ring ring;
    uint64_t want = 0;

    begin(TR_SPAN_KIND_SERVER);
    assert_int_equal(tr_study_ring_create(&ring, 4, -1, true), 0);
    assert_null(tr_study_take(&ring));
    for (uint64_t round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 6; i++)
            put(&ring, 10 * round + i);
        assert_int_equal(ring.lost, 2 * (round + 1));
        for (uint64_t i = 0; i < 4; i++) {
            assert_int_equal(tr_study_take(&ring)->start_ns, 10 * round + i);
            assert_int_equal(tr_study_take(&ring)->start_ns, 10 * round + i); // until it is taken
            tr_study_taken(&ring);
            want++;
        }
        assert_null(tr_study_take(&ring));
    }
    assert_int_equal(ring.head, want);
    tr_study_ring_destroy(&ring);
}

static void the_mask_picks_traces(void **state)
{
    struct tr_study_ring ring;

    assert_int_equal(tr_study_ring_create(&ring, 0, -1, true), 0);
    assert_false(tr_study_wants(&ring, 1));
    put(&ring, 1); // no ring: nothing happens
    ring.mask = 3;
    assert_true(tr_study_wants(&ring, 8));
    assert_false(tr_study_wants(&ring, 9));
    ring.mask = 0;
    assert_true(tr_study_wants(&ring, 9));
    tr_study_ring_destroy(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_span_says_of_itself),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(http_places_meet),
        cmocka_unit_test(other_places),
        cmocka_unit_test(a_ring_takes_what_fits_and_counts_the_rest),
        cmocka_unit_test(the_mask_picks_traces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
