// SPDX-License-Identifier: Apache-2.0
// Patterns compiled together, asked about one value at a time.
//
// A set is immutable but for what each lcore has of its own: hyperscan's scratch, room for a value that is not UTF-8,
// and a cache from value to answer, since values of an attribute come again and again. All of it is made with the set,
// so that a turn allocates nothing.
#ifndef TR_MATCH_MATCH_H
#define TR_MATCH_MATCH_H

#include "base/error.h"

// A pattern, in Go's syntax. Patterns of one number are one: it holds when one of them matches.
struct tr_match_pattern {
    const char *text;
    uint32_t number; // counts from 0, without gaps
    bool exact;      // no pattern: the value is this text, which is not empty
};

struct tr_match;

// Compile.
//
// numbers     how many there are
// lcores      that will ask
// value_max   longest value, bytes
//
// Returns 0, -EINVAL: error names the pattern and why; -ENOMEM. Thread: control.
int tr_match_create(struct tr_match **match, const struct tr_match_pattern *patterns, size_t count, uint32_t numbers,
                    uint32_t lcores, size_t value_max, struct tr_error *error);
void tr_match_destroy(struct tr_match *match);

// Which numbers match: bit n of the words. A value matches as in Go's MatchString: anywhere in it, and a byte that is
// not UTF-8 stands for U+FFFD.
//
// Returns words, (numbers + 63) / 64 of them, borrowed until this lcore asks again.
// Thread: `lcore`'s. Cost: some 15 ns where the cache has the value, a scan of the value otherwise.
const uint64_t *tr_match_ask(struct tr_match *match, uint32_t lcore, const uint8_t *value, size_t bytes);

#endif
