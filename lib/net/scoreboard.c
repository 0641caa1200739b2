// SPDX-License-Identifier: Apache-2.0
#include "net/scoreboard.h"

#include "net/tcp_seq.h"

#define DUP_THRESH 3

void tr_scoreboard_clear(struct tr_scoreboard *scoreboard)
{
    *scoreboard = (struct tr_scoreboard){0};
}

// Put it among the ranges, merged with those that it touches. Returns how many bytes are new.
static uint32_t insert(struct tr_scoreboard *sb, struct tr_sack_block block)
{
    uint32_t first = 0, last, was = 0;

    while (first < sb->count && tr_seq_lt(sb->ranges[first].end, block.begin))
        first++;
    for (last = first; last < sb->count && tr_seq_leq(sb->ranges[last].begin, block.end); last++) {
        was += sb->ranges[last].end - sb->ranges[last].begin;
        block.begin = tr_seq_min(block.begin, sb->ranges[last].begin);
        block.end = tr_seq_max(block.end, sb->ranges[last].end);
    }
    if (first == last && sb->count == TR_SACKED_MAX)
        return 0;
    memmove(&sb->ranges[first + 1], &sb->ranges[last], (sb->count - last) * sizeof(block));
    sb->ranges[first] = block;
    sb->count = sb->count - (last - first) + 1;
    sb->sacked_bytes += block.end - block.begin - was;
    return block.end - block.begin - was;
}

// RFC 2883 4: the first block tells of a duplicate if it lies below the acknowledgement, or within the second block.
static bool is_duplicate(uint32_t una, const struct tr_sack_block *blocks, uint32_t count)
{
    if (tr_seq_lt(blocks[0].begin, una))
        return true;
    return count > 1 && tr_seq_leq(blocks[1].begin, blocks[0].begin) && tr_seq_leq(blocks[0].end, blocks[1].end);
}

uint32_t tr_scoreboard_update(struct tr_scoreboard *sb, uint32_t una, uint32_t next,
                              const struct tr_sack_block *blocks, uint32_t count, bool *duplicate)
{
    uint32_t fresh = 0;

    *duplicate = count > 0 && tr_seq_lt(blocks[0].begin, blocks[0].end) && is_duplicate(una, blocks, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t begin = blocks[i].begin - una, end = blocks[i].end - una;

        if (begin < end && end <= next - una)
            fresh += insert(sb, blocks[i]);
    }
    return fresh;
}

void tr_scoreboard_acknowledge(struct tr_scoreboard *sb, uint32_t una)
{
    uint32_t gone = 0;

    for (; gone < sb->count && tr_seq_leq(sb->ranges[gone].end, una); gone++)
        sb->sacked_bytes -= sb->ranges[gone].end - sb->ranges[gone].begin;
    sb->count -= gone;
    memmove(&sb->ranges[0], &sb->ranges[gone], sb->count * sizeof(*sb->ranges));
    if (sb->count && tr_seq_lt(sb->ranges[0].begin, una)) {
        sb->sacked_bytes -= una - sb->ranges[0].begin;
        sb->ranges[0].begin = una;
    }
    if (tr_seq_lt(sb->retransmitted, una))
        sb->retransmitted = una;
}

// How many ranges from the lowest have their gap below them lost: what lies under ranges[n - 1].begin.
static uint32_t lost_below(const struct tr_scoreboard *sb, uint32_t mss_bytes)
{
    uint64_t bytes = 0;
    uint32_t n = sb->count;

    for (; n > 0; n--) {
        bytes += sb->ranges[n - 1].end - sb->ranges[n - 1].begin;
        if (sb->count - n + 1 >= DUP_THRESH || bytes > (DUP_THRESH - 1) * (uint64_t)mss_bytes)
            break;
    }
    return n;
}

bool tr_scoreboard_lost(const struct tr_scoreboard *sb, uint32_t seq, uint32_t mss_bytes)
{
    uint32_t n = lost_below(sb, mss_bytes);

    return n > 0 && tr_seq_lt(seq, sb->ranges[n - 1].begin);
}

// Bytes of begin..end that are not sacked.
static uint32_t not_sacked(const struct tr_scoreboard *sb, uint32_t begin, uint32_t end)
{
    uint32_t bytes = end - begin;

    for (uint32_t i = 0; i < sb->count; i++) {
        uint32_t from = tr_seq_max(sb->ranges[i].begin, begin), to = tr_seq_min(sb->ranges[i].end, end);

        if (tr_seq_lt(from, to))
            bytes -= to - from;
    }
    return bytes;
}

uint32_t tr_scoreboard_pipe(const struct tr_scoreboard *sb, uint32_t una, uint32_t next, uint32_t mss_bytes)
{
    uint32_t n = lost_below(sb, mss_bytes);
    uint32_t lost_end = n > 0 ? sb->ranges[n - 1].begin : una;
    uint32_t again = sb->retransmitted - una <= next - una ? sb->retransmitted : una;

    return not_sacked(sb, lost_end, next) + not_sacked(sb, una, again);
}

bool tr_scoreboard_hole(const struct tr_scoreboard *sb, uint32_t una, uint32_t mss_bytes, bool any,
                        struct tr_sack_block *hole)
{
    uint32_t below = any ? sb->count : lost_below(sb, mss_bytes);
    uint32_t from = una;

    if (sb->count && sb->retransmitted - una <= sb->ranges[sb->count - 1].end - una)
        from = sb->retransmitted;
    for (uint32_t i = 0; i < below; i++) {
        if (tr_seq_lt(from, sb->ranges[i].begin)) {
            *hole = (struct tr_sack_block){from, sb->ranges[i].begin};
            return true;
        }
        from = tr_seq_max(from, sb->ranges[i].end);
    }
    return false;
}
