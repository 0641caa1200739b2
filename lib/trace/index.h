// SPDX-License-Identifier: Apache-2.0
// A hash index from a 64-bit hash to numbers of rows, in cache lines of 10 slots.
//
//   line = 10 tags of 16 bits | overflow count | unused | 10 row numbers of 32 bits          64 bytes
//
// A row goes into the line its hash points at or, that being full, into one of the next few; each line that
// was passed over counts it, so that a search ends at the first line that nobody passed: nearly always the
// first (at half load a line is full once in 70). Nothing moves, and a removed row leaves no trace.
//
// The index knows no keys: a tag that matches is a candidate that the caller compares.
#ifndef TR_TRACE_INDEX_H
#define TR_TRACE_INDEX_H

#include "base/tr.h"

#define TR_INDEX_LANES       10
#define TR_INDEX_LINES_TRIED 16

struct tr_index_line {
    uint16_t tag[TR_INDEX_LANES]; // 0: empty
    uint16_t overflow;            // rows that wanted this line or passed through it, and lie further on
    uint16_t reserved;
    uint32_t row[TR_INDEX_LANES];
};
_Static_assert(sizeof(struct tr_index_line) == 64, "one cache line");

struct tr_index {
    struct tr_index_line *lines; // `count`, and TR_INDEX_LINES_TRIED - 1 beyond so that no search wraps
    uint32_t count;
};

// Lines for `rows` rows: half load.
static inline uint32_t tr_index_lines_for(uint32_t rows)
{
    return rows / (TR_INDEX_LANES / 2) + 1;
}

static inline size_t tr_index_bytes(uint32_t rows)
{
    return (size_t)(tr_index_lines_for(rows) + TR_INDEX_LINES_TRIED - 1) * sizeof(struct tr_index_line);
}

static inline void tr_index_init(struct tr_index *index, void *zeroed, uint32_t rows)
{
    index->lines = zeroed;
    index->count = tr_index_lines_for(rows);
}

// Bits 32 and up choose the line, the low ones are the tag.
static inline struct tr_index_line *tr_index_line_of(const struct tr_index *index, uint64_t hash)
{
    return &index->lines[((hash >> 32) * index->count) >> 32];
}

static inline uint16_t tr_index_tag_of(uint64_t hash)
{
    uint16_t tag = (uint16_t)hash;

    return tag ? tag : 1;
}

// Which lanes of a line have the tag, as a mask: bit 16 * (n % 4) + n / 4 for lane n. Three words of four
// tags, each compared at once: a lane that equals is 0 after the exclusive or, and only then stays below
// 0x8000 when 0x7fff is added to its low bits.
static inline uint64_t tr_index_line_match(const struct tr_index_line *line, uint16_t tag)
{
    const uint64_t low = 0x7fff7fff7fff7fffull;
    uint64_t word[3], found = 0;

    memcpy(word, line->tag, sizeof(word));
    for (unsigned i = 0; i < 3; i++) {
        uint64_t x = word[i] ^ tag * 0x0001000100010001ull;

        found |= ~((((x & low) + low) | x) | low) >> (15 - i);
    }
    return found & 0x0003000300070007ull; // not the two fields behind the tags
}

static inline unsigned tr_index_lane(uint64_t lanes)
{
    unsigned bit = (unsigned)__builtin_ctzll(lanes);

    return 4 * (bit % 16) + bit / 16;
}

struct tr_index_search {
    struct tr_index_line *line;
    uint32_t tried;
    uint64_t lanes; // candidates of this line not looked at yet
    uint16_t tag;
};

static inline void tr_index_search_begin(const struct tr_index *index, uint64_t hash,
                                         struct tr_index_search *search)
{
    search->line = tr_index_line_of(index, hash);
    search->tried = 1;
    search->tag = tr_index_tag_of(hash);
    search->lanes = tr_index_line_match(search->line, search->tag);
}

// Returns the next candidate's row; 0: there is none (so no row has number 0).
static inline uint32_t tr_index_search_next(struct tr_index_search *search)
{
    while (!search->lanes) {
        if (tr_likely(!search->line->overflow) || search->tried == TR_INDEX_LINES_TRIED)
            return 0;
        search->line++;
        search->tried++;
        search->lanes = tr_index_line_match(search->line, search->tag);
    }

    unsigned lane = tr_index_lane(search->lanes);

    search->lanes &= search->lanes - 1;
    return search->line->row[lane];
}

// Returns false: every line tried is full. With hashes that nobody can aim this does not happen.
bool tr_index_insert(struct tr_index *index, uint64_t hash, uint32_t row);

// The row must be there, under that hash.
void tr_index_remove(struct tr_index *index, uint64_t hash, uint32_t row);

#endif
