// SPDX-License-Identifier: Apache-2.0
// Attacks from outside: RFC 5961, RFC 5927, RFC 4987; RFC 9293 3.9.2.2 on ICMP.
#include "conform.h"

#include "build.h"

// RFC 5961 4: a SYN in a connection, wherever it lies, gets an ACK.
static void syn_in_a_connection_is_asked_about(void **state)
{
    static const uint32_t offsets[] = {0, 1, 60000, 70000, 0x80000000, 0xffff0000};

    for (uint32_t i = 0; i < TR_NELEMS(offsets); i++) {
        connected_plain();
        put(.flags = SYN, .at = true, .seq = w.seq + offsets[i]);
        expect(ACK, w.ack, w.seq);
        put(.flags = SYN | ACK, .at = true, .seq = w.seq + offsets[i], .ack = w.ack);
        expect(ACK, w.ack, w.seq);
        assert_int_equal(w.closeds, 0);
        say(pattern(), 100);
        expect_heard(100);
        world_close(NULL);
    }
}

// RFC 5961 5: text whose ACK is older than any window was is somebody's guess.
static void blind_text_needs_a_recent_ack(void **state)
{
    connected_plain();
    tr_conn_send(w.conn, pattern(), 1000);
    drain();
    w.ack += 1000;
    put(.flags = ACK);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack - 100000, .data = "evil", .bytes = 4);
    assert_int_equal(w.heard_bytes, 0);
    expect(ACK, w.ack, w.seq);
    put(.flags = ACK, .at = true, .seq = w.seq, .ack = w.ack + 0x7fff0000, .data = "evil", .bytes = 4);
    assert_int_equal(w.heard_bytes, 0);
}

// RFC 5961 7: so that a flood of guesses does not make a flood of answers.
static void challenges_are_bounded(void **state)
{
    uint32_t answers = 0;

    connected_plain();
    for (int i = 0; i < 20000; i++) {
        put(.flags = RST, .at = true, .seq = w.seq + 100);
        if (i % 8 == 0)
            tr_stack_poll(w.stack, w.now);
        if (w.sent_count > FRAMES - 100) {
            answers += w.sent_count;
            w.sent_count = w.sent_read = 0;
        }
    }
    answers += w.sent_count;
    w.sent_count = w.sent_read = 0;
    assert_in_range(answers, 1, 2000);
    assert_int_equal(w.closeds, 0);
    run(2 * TR_S);
    drain();
    put(.flags = RST, .at = true, .seq = w.seq + 100); // another second
    expect(ACK, w.ack, w.seq);
}

static void resets_are_bounded(void **state)
{
    world_usual();
    for (uint32_t i = 0; i < 20000; i++) {
        put(.flags = ACK, .at = true, .seq = i, .ack = i, .local_port = 99);
        if (w.sent_count > FRAMES - 100)
            fail_msg("a reset for each of %u", i);
    }
    assert_true(w.sent_count >= 1);
}

// RFC 4987: half-open connections are bounded; who completes comes in all the same, and who is in is not hurt.
static void syn_flood_hurts_nobody(void **state)
{
    struct wire *s;

    connected_full();
    for (uint32_t i = 0; i < 3000; i++) {
        put(.flags = SYN, .at = true, .seq = i * 977, .port = (uint16_t)(1024 + i), .from = "198.18.0.77");
        turn();
    }
    assert_true(count()->half_open <= 8);
    say(pattern(), 1000);
    expect_heard(1000);
    w.sent_count = w.sent_read = 0;
    put(.flags = SYN, .at = true, .seq = 55, .port = 999, .options = plain, .options_bytes = sizeof(plain));
    s = take();
    assert_int_equal(s->flags, SYN | ACK);
    put(.flags = ACK, .at = true, .seq = 56, .ack = s->seq + 1, .port = 999, .options = (const uint8_t *)"\1\1\1\1",
        .options_bytes = 4);
    assert_int_equal(w.opened, 2);
    run(300 * TR_S);
    assert_int_equal(count()->half_open, 0);
}

static void guessed_cookies_open_nothing(void **state)
{
    world_usual();
    for (uint16_t port = 41000; port < 41010; port++)
        put(.flags = SYN, .at = true, .seq = 1, .port = port);
    drain();
    for (uint32_t i = 0; i < 3000; i++) {
        put(.flags = ACK, .at = true, .seq = 2, .ack = i * 2654435761u, .port = (uint16_t)(50000 + i % 1000));
        turn();
    }
    assert_int_equal(w.opened, 0);
}

static void table_full_turns_new_ones_away(void **state)
{
    world_usual();
    for (uint16_t port = 41000; port < 41020; port++) {
        struct wire *s;

        put(.flags = SYN, .at = true, .seq = 1, .port = port);
        s = take();
        if (!s || !(s->flags & SYN))
            continue;
        put(.flags = ACK, .at = true, .seq = 2, .ack = s->seq + 1, .port = port);
        drain();
    }
    assert_int_equal(w.opened, 16);
}

// Text out of order is bounded: what finds no room is dropped, and what is in order still goes up.
static void hoarding_is_bounded(void **state)
{
    struct tr_stack_options options = world_options();

    options.reassembly_bytes = 64 * TR_KIB;
    options.window_bytes = TR_MIB;
    world_open(&options);
    open_passive(OPTIONS_FULL);
    for (uint32_t i = 0; i < 20000; i++) {
        put(.flags = ACK, .at = true, .seq = w.seq + 2 + 3 * i % 60000, .ack = w.ack, .data = "x", .bytes = 1);
        if (i % 100 == 0) {
            turn();
            w.sent_count = w.sent_read = 0;
        }
        assert_true(tr_stack_reassembly_used(w.stack) <= 64 * TR_KIB);
    }
    say(pattern(), 1);
    assert_true(w.heard_bytes >= 1);
    put(.flags = RST);
    turn();
    assert_int_equal(tr_stack_reassembly_used(w.stack), 0);
}

// --- ICMP

// An error of a router's, quoting a segment of the stack's.
static void icmp(uint8_t type, uint8_t code, uint32_t mtu, uint32_t seq)
{
    static struct built b, quote;
    struct tr_frame frame;

    build_ethernet(&quote, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, (const uint8_t[6]){2, 0, 0, 0, 0, 9}, -1, 0x0800);
    build_ip4(&quote, "198.18.0.2", "198.18.0.9", 6);
    build_tcp(&quote, w.local_port, w.port, seq, w.seq, ACK, pattern(), 1440);
    build_finish(&quote);
    build_ethernet(&b, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, (const uint8_t[6]){2, 0, 0, 0, 0, 9}, -1, 0x0800);
    build_ip4(&b, "198.18.0.1", "198.18.0.2", 1);
    build_put(&b, (const uint8_t[4]){type, code, 0, 0}, 4);
    build_put32(&b, mtu);
    build_put(&b, quote.data + 14, 28);
    build_finish(&b);
    frame = (struct tr_frame){b.data, b.bytes, 0, NULL};
    tr_stack_input(w.stack, &frame, w.now);
}

static uint32_t sent_bytes(void)
{
    uint32_t most = 0;
    struct wire *s;

    while ((s = take()) != NULL)
        most = TR_MAX(most, s->ip_bytes);
    return most;
}

// MUST-54, RFC 1191, RFC 5927 7: a packet too big is made smaller and sent again, if it is one that is in flight.
static void icmp_too_big_lowers_the_segment(void **state)
{
    connected_plain();
    tr_conn_send(w.conn, pattern(), 50000);
    assert_int_equal(sent_bytes(), 1500);
    icmp(3, 4, 1300, w.ack);
    assert_in_range(sent_bytes(), 1000, 1300);
    run(5 * TR_S);
    assert_in_range(sent_bytes(), 100, 1300);
}

static void icmp_of_what_is_not_in_flight_is_ignored(void **state)
{
    static const uint32_t offsets[] = {0xffffffff, 0x10000000, 0x80000000, 100000};

    connected_plain();
    tr_conn_send(w.conn, pattern(), 10000);
    assert_int_equal(sent_bytes(), 1500);
    for (uint32_t i = 0; i < TR_NELEMS(offsets); i++)
        icmp(3, 4, 600, w.ack + offsets[i]);
    w.ack += 10000;
    put(.flags = ACK);
    drain();
    tr_conn_send(w.conn, pattern(), 10000);
    assert_int_equal(sent_bytes(), 1500);
}

// RFC 5927 7.2: no router makes segments of a connection smaller than IPv4 lets it.
static void icmp_too_big_has_a_least(void **state)
{
    connected_plain();
    tr_conn_send(w.conn, pattern(), 10000);
    drain();
    icmp(3, 4, 68, w.ack);
    run(5 * TR_S);
    assert_in_range(sent_bytes(), 250, 1500);
}

// MUST-56, and RFC 5927 5.2 for hard ones (in place of SHLD-26): an established connection is not ended by any of them.
static void icmp_unreachable_ends_nothing(void **state)
{
    static const uint8_t codes[] = {0, 1, 2, 3, 5};

    connected_plain();
    tr_conn_send(w.conn, pattern(), 1000);
    drain();
    for (uint32_t i = 0; i < TR_NELEMS(codes); i++)
        icmp(3, codes[i], 0, w.ack);
    icmp(11, 0, 0, w.ack);
    icmp(12, 0, 0, w.ack);
    icmp(4, 0, 0, w.ack); // MUST-55: source quench
    turn();
    assert_int_equal(w.closeds, 0);
    w.ack += 1000;
    put(.flags = ACK);
    say(pattern(), 100);
    expect_heard(100);
}

static void icmp_hard_error_refuses_a_syn(void **state)
{
    world_usual();
    open_active_begin();
    icmp(3, 3, 0, w.iss + 77); // of no segment of ours
    turn();
    assert_int_equal(w.closeds, 0);
    icmp(3, 3, 0, w.iss);
    turn();
    assert_int_equal(w.closeds, 1);
    assert_int_equal(w.end, TR_CONN_REFUSED);
}

// Frames that are garbage, from a seed: nothing is heard, nothing breaks, who is connected stays.
static void garbage_does_nothing(void **state)
{
    uint64_t random = 42;

    connected_plain();
    for (int i = 0; i < 20000; i++) {
        uint8_t data[64], options[40];
        uint32_t bytes = (uint32_t)(random = random * 6364136223846793005u + 1442695040888963407u) >> 26;
        uint32_t options_bytes = (uint32_t)(random >> 40) % 41;

        for (uint32_t j = 0; j < sizeof(data); j++)
            data[j] = (uint8_t)(random >> (j % 50));
        for (uint32_t j = 0; j < sizeof(options); j++)
            options[j] = (uint8_t)(random >> (j % 33));
        // Anywhere but in the window
        put(.flags = (uint8_t)(random >> 56), .at = true, .seq = w.seq + 70000 + (uint32_t)(random >> 33),
            .ack = w.ack, .data = data, .bytes = bytes % 64, .options = options, .options_bytes = options_bytes);
        if (w.sent_count > FRAMES / 2)
            w.sent_count = w.sent_read = 0;
        if (i % 16 == 0)
            turn();
    }
    assert_int_equal(w.closeds, 0);
    assert_int_equal(w.heard_bytes, 0);
    say(pattern(), 100);
    expect_heard(100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conform_test(syn_in_a_connection_is_asked_about),
        conform_test(blind_text_needs_a_recent_ack),
        conform_test(challenges_are_bounded),
        conform_test(resets_are_bounded),
        conform_test(syn_flood_hurts_nobody),
        conform_test(guessed_cookies_open_nothing),
        conform_test(table_full_turns_new_ones_away),
        conform_test(hoarding_is_bounded),
        conform_test(icmp_too_big_lowers_the_segment),
        conform_test(icmp_of_what_is_not_in_flight_is_ignored),
        conform_test(icmp_too_big_has_a_least),
        conform_test(icmp_unreachable_ends_nothing),
        conform_test(icmp_hard_error_refuses_a_syn),
        conform_test(garbage_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
