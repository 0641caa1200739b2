// SPDX-License-Identifier: Apache-2.0
// Sequence numbers wrap: before and after are asked of their distance (RFC 9293 3.4).
#ifndef TR_NET_TCP_SEQ_H
#define TR_NET_TCP_SEQ_H

#include "base/tr.h"

static inline bool tr_seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool tr_seq_leq(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t tr_seq_max(uint32_t a, uint32_t b)
{
    return tr_seq_lt(a, b) ? b : a;
}

static inline uint32_t tr_seq_min(uint32_t a, uint32_t b)
{
    return tr_seq_lt(a, b) ? a : b;
}

// Is begin <= seq < end?
static inline bool tr_seq_in(uint32_t seq, uint32_t begin, uint32_t end)
{
    return seq - begin < end - begin;
}

#endif
