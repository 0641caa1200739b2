// SPDX-License-Identifier: Apache-2.0
// Opening connections: RFC 9293 3.4.1, 3.5, 3.7.1, 3.10.7; RFC 6528; RFC 7323 and RFC 2018 on what a SYN offers.
#include "conform.h"

static void syn_is_answered(void **state)
{
    struct wire *s;

    world_usual();
    s = open_passive(OPTIONS_FULL);
    assert_true(s->sack_ok && s->has_scale && s->has_timestamp && s->has_mss);
    assert_int_equal(s->timestamp_echo, 1);
    assert_int_equal(s->window, 65535); // not scaled (RFC 7323 2.2)
}

static void syn_ack_offers_nothing_unasked(void **state)
{
    static const uint8_t scale[] = {3, 3, 7, 0}, sack[] = {4, 2, 0, 0}, stamp[] = {8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const struct {
        const uint8_t *options;
        uint32_t bytes;
        bool scale, sack, stamp;
    } syns[] = {{NULL, 0, false, false, false},
                {scale, 4, true, false, false},
                {sack, 4, false, true, false},
                {stamp, 12, false, false, true}};

    world_usual();
    for (uint32_t i = 0; i < TR_NELEMS(syns); i++) {
        struct wire *s;

        put(.flags = SYN, .at = true, .seq = 5, .port = (uint16_t)(41000 + i), .options = syns[i].options,
            .options_bytes = syns[i].bytes);
        s = take();
        assert_int_equal(s->flags, SYN | ACK);
        assert_int_equal(s->has_scale, syns[i].scale);
        assert_int_equal(s->sack_ok, syns[i].sack);
        assert_int_equal(s->has_timestamp, syns[i].stamp);
        assert_true(s->has_mss);
    }
}

static void mss_offered_is_mtu_less_headers(void **state)
{
    static const uint16_t mtus[] = {1280, 1500, 9000};

    for (uint32_t i = 0; i < TR_NELEMS(mtus); i++)
        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
            struct tr_stack_options options = world_options();

            options.mtu_bytes = mtus[i];
            world_open(&options);
            w.ipv6 = ipv6;
            assert_int_equal(open_passive(OPTIONS_PLAIN)->mss, mtus[i] - (ipv6 ? 60 : 40));
            world_close(NULL);
        }
}

static uint32_t largest_sent(void)
{
    uint32_t largest = 0;
    struct wire *s;

    assert_int_equal(tr_conn_send(w.conn, pattern(), 20000), 20000);
    while ((s = take()) != NULL)
        largest = TR_MAX(largest, s->ip_bytes - (w.ipv6 ? 60 : 40));
    return largest;
}

static void mss_default_without_the_option(void **state)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        world_usual();
        w.ipv6 = ipv6;
        open_passive(NULL, 0);
        assert_int_equal(largest_sent(), ipv6 ? 1220 : 536);
        world_close(NULL);
    }
}

// The peer's MSS or what the path takes, whichever is less; options count as part of it (RFC 6691).
static void mss_effective_is_the_smaller(void **state)
{
    static const uint8_t small[] = {2, 4, 2, 0x58, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0}, large[] = {2, 4, 0x22, 0xc0};

    world_usual();
    open_passive(small, sizeof(small));
    assert_int_equal(largest_sent(), 600);
    world_close(NULL);
    world_usual();
    open_passive(large, sizeof(large));
    assert_int_equal(largest_sent(), 1460);
}

static void mss_is_only_taken_from_a_syn(void **state)
{
    static const uint8_t tiny[] = {2, 4, 0, 100};

    connected_plain();
    put(.flags = ACK, .options = tiny, .options_bytes = sizeof(tiny));
    assert_int_equal(largest_sent(), 1460);
}

static uint32_t isn_of(uint16_t port)
{
    struct wire *s;
    uint32_t isn;

    put(.flags = SYN, .at = true, .seq = 5, .port = port);
    s = take();
    assert_int_equal(s->flags, SYN | ACK);
    isn = s->seq;
    put(.flags = RST, .at = true, .seq = 6, .port = port);
    return isn;
}

static void isn_follows_the_clock_and_the_names(void **state)
{
    uint32_t first, other;

    world_usual();
    first = isn_of(41000);
    other = isn_of(41001);
    assert_true(other - first > 1000 && first - other > 1000);
    run(TR_S);
    assert_in_range(isn_of(41000) - first, 240000, 260000); // a step in 4 us
}

static void isn_is_not_to_be_computed_outside(void **state)
{
    struct tr_stack_options options = world_options();
    uint32_t first;

    world_open(&options);
    first = isn_of(41000);
    world_close(NULL);
    options.secret[3] ^= 1;
    world_open(&options);
    assert_true(isn_of(41000) - first > 1000);
}

static void simultaneous_open(void **state)
{
    world_usual();
    open_active_begin();
    put(.flags = SYN, .options = plain, .options_bytes = sizeof(plain));
    w.seq++;
    expect(SYN | ACK, w.iss, w.seq);
    assert_int_equal(w.opened, 0);
    put(.flags = ACK);
    assert_int_equal(w.opened, 1);
    say(pattern(), 10);
    expect_heard(10);
}

static void simultaneous_open_with_both_syn_acks(void **state)
{
    world_usual();
    open_active_begin();
    put(.flags = SYN, .options = plain, .options_bytes = sizeof(plain));
    w.seq++;
    expect(SYN | ACK, w.iss, w.seq);
    put(.flags = SYN | ACK, .at = true, .seq = w.seq - 1, .ack = w.ack, .options = plain,
        .options_bytes = sizeof(plain));
    assert_int_equal(w.opened, 1);
    say(pattern(), 10);
    expect_heard(10);
}

// MUST-11: of a passive open a reset leaves LISTEN as it was and tells nobody; of an active one it refuses.
static void reset_in_syn_received_goes_where_it_came_from(void **state)
{
    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000, .options = plain, .options_bytes = sizeof(plain));
    assert_int_equal(take()->flags, SYN | ACK);
    put(.flags = RST, .at = true, .seq = 7001);
    quiet();
    assert_int_equal(w.opened + w.closeds, 0);
    open_passive(OPTIONS_PLAIN);
    world_close(NULL);

    world_usual();
    open_active_begin();
    put(.flags = SYN, .options = plain, .options_bytes = sizeof(plain));
    w.seq++;
    drain();
    put(.flags = RST);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_REFUSED);
}

static void active_open(void **state)
{
    world_usual();
    open_active();
    say(pattern(), 100);
    expect_heard(100);
}

static void reset_refuses_a_syn_if_it_acknowledges_it(void **state)
{
    world_usual();
    open_active_begin();
    put(.flags = RST); // no ACK: whose is it?
    put(.flags = RST | ACK, .at = true, .seq = 0, .ack = w.iss);
    put(.flags = RST | ACK, .at = true, .seq = 0, .ack = w.iss + 2);
    turn();
    assert_int_equal(w.closeds, 0);
    put(.flags = RST | ACK, .at = true, .seq = 0, .ack = w.iss + 1);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_REFUSED);
}

// 3.10.7.3: an ACK of something else in SYN_SENT is from an old connection, and is reset; ours goes on.
static void half_open_connection_is_discovered(void **state)
{
    world_usual();
    open_active_begin();
    put(.flags = ACK, .at = true, .seq = 300, .ack = w.iss + 5000);
    expect(RST, w.iss + 5000, 0);
    put(.flags = SYN | ACK, .at = true, .seq = 300, .ack = w.iss + 5000);
    expect(RST, w.iss + 5000, 0);
    put(.flags = SYN | ACK, .options = plain, .options_bytes = sizeof(plain));
    assert_int_equal(w.opened, 1);
}

static void wrong_ack_in_syn_received_is_reset(void **state)
{
    struct wire *s;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000);
    s = take();
    put(.flags = ACK, .at = true, .seq = 7001, .ack = s->seq + 9);
    expect(RST, s->seq + 9, 0);
    put(.flags = ACK, .at = true, .seq = 7001, .ack = s->seq + 1);
    assert_int_equal(w.opened, 1);
}

static void data_may_come_with_the_last_ack(void **state)
{
    struct wire *s;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000);
    s = take();
    put(.flags = ACK | PSH, .at = true, .seq = 7001, .ack = s->seq + 1, .data = pattern(), .bytes = 500);
    expect_heard(500);
}

static void syn_again_is_answered_again(void **state)
{
    uint32_t isn;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000);
    isn = take()->seq;
    put(.flags = SYN, .at = true, .seq = 7000);
    expect(SYN | ACK, isn, 7001);
}

static void syn_ack_is_sent_again(void **state)
{
    uint32_t isn, times = 0;
    struct wire *s;

    world_usual();
    put(.flags = SYN, .at = true, .seq = 7000);
    isn = take()->seq;
    run(20 * TR_S);
    while ((s = take()) != NULL) {
        assert_int_equal(s->flags, SYN | ACK);
        assert_int_equal(s->seq, isn);
        times++;
    }
    assert_in_range(times, 3, 6);
    run(300 * TR_S);
    drain();
    assert_true(tr_stack_deadline(w.stack) == TR_NEVER); // and forgotten
}

// MUST-23: for three minutes at least, each time after twice as long.
static void syn_is_sent_again_for_three_minutes(void **state)
{
    uint64_t last, between = 0;
    struct wire *s;

    world_usual();
    last = open_active_begin()->at_ns;
    run(170 * TR_S);
    assert_int_equal(w.closeds, 0);
    while ((s = take()) != NULL) {
        assert_int_equal(s->flags, SYN);
        assert_int_equal(s->seq, w.iss);
        assert_true(between ? s->at_ns - last >= TR_MIN(2 * between, 60 * TR_S) - 10 * TR_MS : s->at_ns - last >= TR_S);
        between = s->at_ns - last;
        last = s->at_ns;
    }
    assert_true(between > 30 * TR_S);
    run(200 * TR_S);
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_TIMEOUT);
}

static void syn_to_nobody_is_reset(void **state)
{
    world_usual();
    w.local_port = 99;
    put(.flags = SYN, .at = true, .seq = 7000);
    expect(RST | ACK, 0, 7001);
    put(.flags = SYN | ACK, .at = true, .seq = 7000, .ack = 12);
    expect(RST, 12, 0);
    put(.flags = ACK, .at = true, .seq = 7000, .ack = 12, .data = "xyz", .bytes = 3);
    expect(RST, 12, 0);
    put(.flags = FIN, .at = true, .seq = 7000, .data = "xyz", .bytes = 3);
    expect(RST | ACK, 0, 7004);
    put(.flags = RST, .at = true, .seq = 7000);
    put(.flags = RST | ACK, .at = true, .seq = 7000, .ack = 12);
    quiet();
}

// 3.10.7.2: what is not a SYN finds no LISTEN.
static void listen_takes_nothing_but_a_syn(void **state)
{
    world_usual();
    put(.flags = ACK, .at = true, .seq = 7000, .ack = 12);
    expect(RST, 12, 0);
    put(.flags = SYN | ACK, .at = true, .seq = 7000, .ack = 12);
    expect(RST, 12, 0);
    put(.flags = RST, .at = true, .seq = 7000);
    put(.flags = RST | SYN, .at = true, .seq = 7000);
    quiet();
    assert_int_equal(w.opened, 0);
}

static void syn_to_many_is_ignored(void **state)
{
    static const char *const to[] = {"198.18.0.255", "255.255.255.255", "224.0.0.1"};

    world_usual();
    for (uint32_t i = 0; i < TR_NELEMS(to); i++)
        put(.flags = SYN, .at = true, .seq = 7000, .to = to[i]);
    quiet();
    w.ipv6 = true;
    put(.flags = SYN, .at = true, .seq = 7000, .to = "ff02::1");
    quiet();
    assert_int_equal(w.opened, 0);
}

static void syn_from_nobody_is_ignored(void **state)
{
    static const char *const from[] = {"224.0.0.1", "255.255.255.255", "127.0.0.1", "198.18.0.255", "0.0.0.0"};

    world_usual();
    for (uint32_t i = 0; i < TR_NELEMS(from); i++)
        put(.flags = SYN, .at = true, .seq = 7000, .from = from[i]);
    quiet();
    w.ipv6 = true;
    put(.flags = SYN, .at = true, .seq = 7000, .from = "ff02::1");
    put(.flags = SYN, .at = true, .seq = 7000, .from = "::1");
    put(.flags = SYN, .at = true, .seq = 7000, .from = "::");
    quiet();
}

static void open_to_many_is_refused(void **state)
{
    static const char *const to[] = {"198.18.0.255", "255.255.255.255", "224.0.0.1", "ff02::1"};
    struct tr_ip local, peer;
    struct tr_error error;
    struct tr_conn *conn;

    world_usual();
    for (uint32_t i = 0; i < TR_NELEMS(to); i++) {
        assert_int_equal(tr_ip_parse(i == 3 ? "fd00:1::2" : "198.18.0.2", &local, &error), 0);
        assert_int_equal(tr_ip_parse(to[i], &peer, &error), 0);
        assert_true(tr_stack_connect(w.stack, &local, 0, &peer, 80, NULL, w.now, &conn) < 0);
    }
    quiet();
}

// MUST-41, MUST-42: who listens does not mind others in whatever state.
static void listens_beside_other_connections(void **state)
{
    connected_plain();
    for (uint16_t port = 41000; port < 41004; port++) {
        put(.flags = SYN, .at = true, .seq = 1, .port = port);
        assert_int_equal(take()->flags, SYN | ACK);
    }
    say(pattern(), 10);
    expect_heard(10);
}

// Beyond half_open_max a cookie stands for what would be remembered (RFC 4987 3.6).
static void cookies_complete_as_well(void **state)
{
    struct wire *s;

    world_usual();
    for (uint16_t port = 41000; port < 41008; port++)
        put(.flags = SYN, .at = true, .seq = 1, .port = port);
    drain();
    s = open_passive(OPTIONS_FULL);
    assert_true(s->sack_ok && s->has_scale);
    assert_int_equal(count()->cookies_accepted, 1);
    say(pattern(), 1000);
    expect_heard(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(syn_is_answered),
        conform_test(syn_ack_offers_nothing_unasked),
        conform_test(mss_offered_is_mtu_less_headers),
        conform_test(mss_default_without_the_option),
        conform_test(mss_effective_is_the_smaller),
        conform_test(mss_is_only_taken_from_a_syn),
        conform_test(isn_follows_the_clock_and_the_names),
        conform_test(isn_is_not_to_be_computed_outside),
        conform_test(simultaneous_open),
        conform_test(simultaneous_open_with_both_syn_acks),
        conform_test(reset_in_syn_received_goes_where_it_came_from),
        conform_test(active_open),
        conform_test(reset_refuses_a_syn_if_it_acknowledges_it),
        conform_test(half_open_connection_is_discovered),
        conform_test(wrong_ack_in_syn_received_is_reset),
        conform_test(data_may_come_with_the_last_ack),
        conform_test(syn_again_is_answered_again),
        conform_test(syn_ack_is_sent_again),
        conform_test(syn_is_sent_again_for_three_minutes),
        conform_test(syn_to_nobody_is_reset),
        conform_test(listen_takes_nothing_but_a_syn),
        conform_test(syn_to_many_is_ignored),
        conform_test(syn_from_nobody_is_ignored),
        conform_test(open_to_many_is_refused),
        conform_test(listens_beside_other_connections),
        conform_test(cookies_complete_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
