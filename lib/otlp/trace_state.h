// SPDX-License-Identifier: Apache-2.0
// A span's trace_state: W3C's list of `key=value`, read as strictly as the Go SDK does.
#ifndef TR_OTLP_TRACE_STATE_H
#define TR_OTLP_TRACE_STATE_H

#include "base/tr.h"

#define TR_TRACE_STATE_MEMBERS_MAX 32

// Find a member's value.
//
// key    of key_bytes
// value  where it begins in `text`
//
// Returns its length, 0: there is none, or the list is not valid (a bad character, a key twice, too many members):
// then none of its members counts.
// Cost: one pass, and nothing more where the key's bytes do not occur. Source: W3C Trace Context 3.3.1.
uint32_t tr_trace_state_find(const uint8_t *text, uint32_t bytes, const char *key, uint32_t key_bytes,
                             const uint8_t **value);

struct tr_trace_state_found {
    const uint8_t *value; // NULL: no such member
    uint32_t value_bytes;
    const uint8_t *member; // the whole of it, from behind the comma before it to the comma behind
    uint32_t member_bytes;
    uint32_t members; // in the list
};

// The same, telling a list without that member (true, value NULL) from one that is not valid (false).
bool tr_trace_state_read(const uint8_t *text, uint32_t bytes, const char *key, uint32_t key_bytes,
                         struct tr_trace_state_found *found);

#endif
