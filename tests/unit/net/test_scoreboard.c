// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/scoreboard.h"
#include "net/tcp_seq.h"
#include "random.h"

// RFC 6675 by the octet: an array of what is sacked, and its definitions as they stand there.
#define OCTETS 600

struct model {
    struct tr_scoreboard sb;
    uint32_t isn, una, next, mss; // una, next: octets
    uint32_t retransmitted;
    bool sacked[OCTETS];
    uint64_t random;
};

static bool is_lost(const struct model *m, uint32_t octet)
{
    uint32_t bytes = 0, sequences = 0;

    for (uint32_t at = octet + 1; at < m->next; at++) {
        bytes += m->sacked[at];
        sequences += m->sacked[at] && (at == octet + 1 || !m->sacked[at - 1]);
    }
    return sequences >= 3 || bytes > 2 * m->mss;
}

static uint32_t pipe_of(const struct model *m)
{
    uint32_t pipe = 0;

    for (uint32_t at = m->una; at < m->next; at++)
        if (!m->sacked[at])
            pipe += !is_lost(m, at) + (at < m->retransmitted);
    return pipe;
}

// Rules 1 and 3 of NextSeg: the first octet, and how far the gap goes.
static bool next_seg(const struct model *m, bool any, uint32_t *begin, uint32_t *end)
{
    uint32_t top = 0;

    for (uint32_t at = m->una; at < m->next; at++)
        top = m->sacked[at] ? at : top;
    for (*begin = TR_MAX(m->una, m->retransmitted); *begin < top; ++*begin)
        if (!m->sacked[*begin] && (any || is_lost(m, *begin)))
            break;
    for (*end = *begin; *end < top && !m->sacked[*end]; ++*end)
        ;
    return *begin < *end;
}

static uint32_t ranges_of(const struct model *m)
{
    uint32_t count = 0;

    for (uint32_t at = m->una; at < m->next; at++)
        count += m->sacked[at] && (at == m->una || !m->sacked[at - 1]);
    return count;
}

static void check(const struct model *m)
{
    uint32_t begin, end, bytes = 0;
    struct tr_sack_block hole;

    for (uint32_t at = m->una; at < m->next; at++)
        bytes += m->sacked[at];
    assert_int_equal(m->sb.sacked_bytes, bytes);
    assert_int_equal(m->sb.count, ranges_of(m));
    assert_int_equal(tr_scoreboard_pipe(&m->sb, m->isn + m->una, m->isn + m->next, m->mss), pipe_of(m));
    for (uint32_t at = m->una; at < m->next; at++)
        if (!m->sacked[at])
            assert_int_equal(tr_scoreboard_lost(&m->sb, m->isn + at, m->mss), is_lost(m, at));
    for (int any = 0; any < 2; any++) {
        bool is = tr_scoreboard_hole(&m->sb, m->isn + m->una, m->mss, any, &hole);

        assert_int_equal(is, next_seg(m, any, &begin, &end));
        if (is) {
            assert_int_equal(hole.begin, m->isn + begin);
            assert_int_equal(hole.end, m->isn + end);
        }
    }
}

static void acknowledge(struct model *m, uint32_t to)
{
    m->una = to;
    while (m->una < m->next && m->sacked[m->una]) // a peer acknowledges what it has
        m->una++;
    m->retransmitted = TR_MAX(m->retransmitted, m->una);
    tr_scoreboard_acknowledge(&m->sb, m->isn + m->una);
}

static void update(struct model *m)
{
    struct tr_sack_block blocks[TR_SACK_BLOCKS_MAX];
    uint32_t count = 1 + random_below(&m->random, 4), fresh = 0, got;
    bool duplicate;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t begin = m->una + 1 + random_below(&m->random, m->next - m->una);
        uint32_t end = begin + random_below(&m->random, 3 * m->mss);

        blocks[i] = (struct tr_sack_block){m->isn + begin, m->isn + end};
        if (end > m->next || begin >= end)
            continue;
        for (; begin < end; begin++) {
            fresh += !m->sacked[begin];
            m->sacked[begin] = true;
        }
        if (ranges_of(m) == TR_SACKED_MAX) { // beyond, the model would know more
            count = i + 1;
            break;
        }
    }
    got = tr_scoreboard_update(&m->sb, m->isn + m->una, m->isn + m->next, blocks, count, &duplicate);
    assert_int_equal(got, fresh);
}

static void step(struct model *m)
{
    struct tr_sack_block hole;
    bool any = random_below(&m->random, 2);

    switch (random_below(&m->random, 5)) {
    case 0:
        m->next += random_below(&m->random, TR_MIN(OCTETS - m->next, 4 * m->mss) + 1);
        break;
    case 1:
        acknowledge(m, m->una + random_below(&m->random, TR_MIN(m->next - m->una, m->mss) + 1));
        break;
    case 2:
        if (tr_scoreboard_hole(&m->sb, m->isn + m->una, m->mss, any, &hole)) {
            m->retransmitted = hole.begin - m->isn + TR_MIN(hole.end - hole.begin, m->mss);
            m->sb.retransmitted = m->isn + m->retransmitted;
        }
        break;
    default:
        if (m->una < m->next && ranges_of(m) < TR_SACKED_MAX)
            update(m);
    }
    check(m);
}

static void is_the_rfc_by_the_octet(void **state)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct model m = {.random = seed, .mss = seed % 3 ? 10 : 3};

        m.isn = seed % 2 ? 0u - random_below(&m.random, OCTETS) : (uint32_t)random64(&m.random);
        m.sb.retransmitted = m.isn;
        m.next = 100;
        for (int i = 0; i < 150; i++)
            step(&m);
    }
}

// What no peer may say changes nothing: what was never sent, ends before beginnings, what is acknowledged.
static void ignores_what_can_not_be(void **state)
{
    static const struct tr_sack_block bad[] = {{1100, 2001}, {2000, 3000}, {1200, 1200}, {1300, 1200},
                                               {900, 1100},  {500, 600},   {0, 0},       {0x80001000, 0x80001100},
                                               {1500, 900},  {0xfffffff0, 1500}};
    struct tr_scoreboard sb = {0};
    bool duplicate;

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        assert_int_equal(tr_scoreboard_update(&sb, 1000, 2000, &bad[i], 1, &duplicate), 0);
        assert_int_equal(sb.count, 0);
        assert_int_equal(sb.sacked_bytes, 0);
    }
    assert_int_equal(tr_scoreboard_update(&sb, 1000, 2000, NULL, 0, &duplicate), 0);
    assert_false(duplicate);
}

static void tells_duplicates_apart(void **state)
{
    static const struct {
        struct tr_sack_block blocks[2];
        uint32_t count;
        bool duplicate;
    } acks[] = {
        {{{900, 950}}, 1, true},                  // below the acknowledgement
        {{{900, 950}, {1100, 1200}}, 2, true},    // that, and a range
        {{{1100, 1200}}, 1, false},               // a range, said again
        {{{1100, 1150}, {1100, 1200}}, 2, true},  // within the second
        {{{1300, 1400}, {1100, 1200}}, 2, false}, // two ranges
        {{{950, 900}}, 1, false},                 // nothing
    };

    for (size_t i = 0; i < TR_NELEMS(acks); i++) {
        struct tr_scoreboard sb = {0};
        bool duplicate;

        tr_scoreboard_update(&sb, 1000, 2000, acks[i].blocks, acks[i].count, &duplicate);
        assert_int_equal(duplicate, acks[i].duplicate);
    }
}

// More ranges than there is room for: the first ones stay, merging still works, and room that comes free is used.
static void forgets_what_does_not_fit(void **state)
{
    struct tr_scoreboard sb = {0};
    struct tr_sack_block block;
    bool duplicate;

    for (uint32_t i = 0; i < 2 * TR_SACKED_MAX; i++) {
        block = (struct tr_sack_block){10 + 20 * i, 20 + 20 * i};
        assert_int_equal(tr_scoreboard_update(&sb, 0, 10000, &block, 1, &duplicate), i < TR_SACKED_MAX ? 10 : 0);
    }
    assert_int_equal(sb.count, TR_SACKED_MAX);
    block = (struct tr_sack_block){20, 30}; // closes the first gap
    assert_int_equal(tr_scoreboard_update(&sb, 0, 10000, &block, 1, &duplicate), 10);
    assert_int_equal(sb.count, TR_SACKED_MAX - 1);
    block = (struct tr_sack_block){5000, 5010};
    assert_int_equal(tr_scoreboard_update(&sb, 0, 10000, &block, 1, &duplicate), 10);
    block = (struct tr_sack_block){0, 10000}; // swallows all
    assert_int_equal(tr_scoreboard_update(&sb, 0, 10000, &block, 1, &duplicate), 10000 - 18 * 10);
    assert_int_equal(sb.count, 1);
    tr_scoreboard_acknowledge(&sb, 10000);
    assert_int_equal(sb.count, 0);
    assert_int_equal(sb.sacked_bytes, 0);
    assert_int_equal(sb.retransmitted, 10000);
}

// What stands in `retransmitted` from long ago, half the numbers away, hides nothing.
static void an_old_mark_counts_for_nothing(void **state)
{
    struct tr_sack_block block = {1500, 1600}, hole;
    struct tr_scoreboard sb = {.retransmitted = 0x80000500};
    bool duplicate;

    tr_scoreboard_update(&sb, 1000, 2000, &block, 1, &duplicate);
    assert_true(tr_scoreboard_hole(&sb, 1000, 40, false, &hole));
    assert_int_equal(hole.begin, 1000);
    assert_int_equal(hole.end, 1500);
    assert_int_equal(tr_scoreboard_pipe(&sb, 1000, 2000, 40), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_rfc_by_the_octet),  cmocka_unit_test(ignores_what_can_not_be),
        cmocka_unit_test(tells_duplicates_apart),   cmocka_unit_test(forgets_what_does_not_fit),
        cmocka_unit_test(an_old_mark_counts_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
