// SPDX-License-Identifier: Apache-2.0
#include "port/connection.h"

#include "base/hash.h"

uint64_t tr_stream_id_next(void)
{
    static uint64_t last;

    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

uint64_t tr_connection_age_at(const struct tr_connection_options *options, uint64_t stream_id, uint64_t now)
{
    uint64_t age = options->connection_age_max_ns;

    return age ? now + age + tr_mix64(stream_id) % (age / 10 + 1) : TR_NEVER;
}
