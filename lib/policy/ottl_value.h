// SPDX-License-Identifier: Apache-2.0
// Values of OTTL and their comparison.
#ifndef TR_POLICY_OTTL_VALUE_H
#define TR_POLICY_OTTL_VALUE_H

#include "otlp/walk.h"

enum tr_ottl_type {
    TR_OTTL_NIL,
    TR_OTTL_BOOL,
    TR_OTTL_INT,
    TR_OTTL_DOUBLE,
    TR_OTTL_STRING,
    TR_OTTL_BYTES,
    TR_OTTL_MAP,      // the KeyValues among `bytes`: their fields `field`
    TR_OTTL_SLICE,    // the AnyValues among `bytes`
    TR_OTTL_MESSAGES, // events or links: the fields `field` among `bytes`
    TR_OTTL_TIME,
    TR_OTTL_DURATION,
    TR_OTTL_TRACE_ID,
    TR_OTTL_SPAN_ID,
    TR_OTTL_STATUS,
    TR_OTTL_LIST,  // literal
    TR_OTTL_SPLIT, // `bytes` cut at a delimiter
};

__extension__ typedef __int128 tr_int128;

struct tr_ottl_value {
    uint8_t type;    // enum tr_ottl_type
    uint8_t field;   // MAP, SLICE, MESSAGES; SPLIT: bytes of the delimiter
    uint32_t length; // of bytes, or items
    union {
        int64_t integer; // BOOL, INT; DURATION in ns
        double number;
        tr_int128 time; // ns since 1970: times move by durations beyond what 64 bits hold
        const struct tr_ottl_value *items;
        struct {
            const uint8_t *bytes;
            const uint8_t *delimiter; // SPLIT
        };
    };
};

enum tr_ottl_comparison { TR_OTTL_EQ, TR_OTTL_NE, TR_OTTL_LT, TR_OTTL_LE, TR_OTTL_GT, TR_OTTL_GE };

bool tr_ottl_compare(const struct tr_ottl_value *a, const struct tr_ottl_value *b, enum tr_ottl_comparison how);

// From an AnyValue.
struct tr_ottl_value tr_ottl_value_of(const struct tr_value *value);

// Items of a MAP, SLICE, MESSAGES or SPLIT.
int64_t tr_ottl_count(const struct tr_ottl_value *value);

// Returns false: there is no such item.
bool tr_ottl_item(const struct tr_ottl_value *value, int64_t index, struct tr_ottl_value *item);

// Look up a key of a MAP: the first one. Returns false: it is not there.
bool tr_ottl_member(const struct tr_ottl_value *map, const uint8_t *key, uint32_t bytes, struct tr_ottl_value *member);

static inline struct tr_ottl_value tr_ottl_int(int64_t n)
{
    return (struct tr_ottl_value){.type = TR_OTTL_INT, .integer = n};
}

static inline struct tr_ottl_value tr_ottl_bool(bool b)
{
    return (struct tr_ottl_value){.type = TR_OTTL_BOOL, .integer = b};
}

// bytes  NULL: empty
static inline struct tr_ottl_value tr_ottl_string(const void *bytes, uint32_t length)
{
    return (struct tr_ottl_value){.type = TR_OTTL_STRING, .bytes = bytes ? bytes : "", .length = length};
}

#endif
