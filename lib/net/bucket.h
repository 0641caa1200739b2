// SPDX-License-Identifier: Apache-2.0
// A token bucket in one number: when it will be full again. All zeros: full.
#ifndef TR_NET_BUCKET_H
#define TR_NET_BUCKET_H

#include "base/tr.h"

struct tr_bucket {
    uint64_t full_ns;
};

// Take a token.
//
// interval_ns  between two tokens
// burst        tokens that it holds
//
// Returns false: it is empty.
static inline bool tr_bucket_take(struct tr_bucket *bucket, uint64_t interval_ns, uint32_t burst, uint64_t now)
{
    uint64_t full_ns = TR_MAX(bucket->full_ns, now);

    if (full_ns - now > interval_ns * (burst - 1))
        return false;
    bucket->full_ns = full_ns + interval_ns;
    return true;
}

#endif
