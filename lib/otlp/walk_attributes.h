// SPDX-License-Identifier: Apache-2.0
// The attributes of a walk, for walk.c only, which has them compiled into its loop over the fields of a span.
//
// A span is mostly attributes, and nearly every attribute is a key and then a scalar value that fills it: that shape is
// recognised without a loop. Whatever looks otherwise goes through the general readers (valid.c, value.c), which know
// protobuf's finer rules.
//
// Thread: the lcore's, with its own notes.
#ifndef TR_OTLP_WALK_ATTRIBUTES_H
#define TR_OTLP_WALK_ATTRIBUTES_H

#include "otlp/keys.h"
#include "otlp/schema.h"
#include "otlp/value.h"
#include "otlp/walk.h"

#define TAG(number, wire) ((number) << 3 | TR_PB_##wire)

// What the values of watched keys go to.
struct taker {
    struct tr_bits *bits;
    struct tr_walk_notes *notes;
    uint32_t lcore;
};

// Where a watched key's value is put together: where it stays if it is the first of its key, so that it is not copied.
static inline struct tr_value *value_place(const struct tr_walk_key *key, struct tr_walk_notes *notes,
                                           struct tr_value *scratch)
{
    uint32_t slot = key->note - 1u;

    return key->note && !(notes->have[slot / 64] >> slot % 64 & 1) ? &notes->values[slot] : scratch;
}

// The programs that there is a reason to run.
static inline uint64_t value_readies(const struct tr_walk_plan *plan, const struct tr_walk_key *key,
                                     const struct tr_value *value)
{
    uint64_t ready = key->ready;

    for (uint32_t n = key->guards; n; n = plan->programs[n - 1].guard_next)
        ready |= (uint64_t)plan->programs[n - 1].guard(plan->programs[n - 1].argument, value) << (n - 1);
    return ready;
}

static inline void value_noted(const struct tr_walk_plan *plan, const struct tr_walk_key *key, const struct tr_value *value,
                               struct tr_walk_notes *notes)
{
    uint32_t slot = key->note - 1u;

    notes->have[slot / 64] |= 1ull << slot % 64;
    notes->ready |= value_readies(plan, key, value);
}

// `stays` where the value lies in its place among the notes.
static inline void value_test(const struct tr_walk_plan *plan, const struct tr_walk_key *key, const struct tr_value *value,
                              bool stays, const struct taker *taker)
{
    struct tr_bits *bits = taker->bits;

    for (uint32_t i = key->first_test, end = i + key->tests; i < end; i++) { // a plan may have none at all
        const struct tr_walk_test *test = &plan->tests[i];
        uint64_t *word = &bits->word[test->predicate / 64], bit = 1ull << test->predicate % 64;

        if (!(*word & bit) && test->test(test->argument, value))
            *word |= bit;
    }
    if (key->match.match)
        key->match.match(key->match.argument, value, taker->lcore, bits);
    if (stays)
        value_noted(plan, key, value, taker->notes);
}

// Apart, with all that a value is in registers: the loop over a span's fields, most of which nobody watches, keeps its own.
static __attribute__((noinline)) void string_test(const struct tr_walk_plan *plan, const struct tr_walk_key *key,
                                                  const uint8_t *bytes, uint32_t length, const struct taker *taker)
{
    struct tr_value scratch, *value = value_place(key, taker->notes, &scratch);

    *value = (struct tr_value){.type = TR_VALUE_STRING, .bytes = bytes, .length = length};
    value_test(plan, key, value, value != &scratch, taker);
}

static __attribute__((noinline)) void memo_fill(const struct tr_walk_plan *plan, const struct tr_walk_key *key,
                                                const struct tr_value *value, struct tr_walk_memo *memo)
{
    *memo = (struct tr_walk_memo){.integer = value->integer, .known = true, .ready = value_readies(plan, key, value)};
    for (uint32_t i = key->first_test, end = i + key->tests; i < end; i++)
        memo->word |= (uint64_t)plan->tests[i].test(plan->tests[i].argument, value) << plan->tests[i].predicate;
}

static __attribute__((noinline)) void integer_test(const struct tr_walk_plan *plan, const struct tr_walk_key *key,
                                                   int64_t integer, const struct taker *taker)
{
    struct tr_value scratch, *value = value_place(key, taker->notes, &scratch);
    struct tr_walk_memo *memo;

    *value = (struct tr_value){.type = TR_VALUE_INT, .integer = integer};
    if (!key->memos) {
        value_test(plan, key, value, value != &scratch, taker);
        return;
    }
    memo = &key->memos[taker->lcore];
    if (tr_unlikely(memo->integer != integer || !memo->known))
        memo_fill(plan, key, value, memo);
    taker->bits->word[0] |= memo->word;
    if (value != &scratch) {
        taker->notes->have[(key->note - 1u) / 64] |= 1ull << (key->note - 1u) % 64;
        taker->notes->ready |= memo->ready;
    }
}

static void any_test(const struct tr_walk_plan *plan, const struct tr_walk_key *key, const struct tr_value *any,
                     const struct taker *taker)
{
    struct tr_value scratch, *value = value_place(key, taker->notes, &scratch);

    *value = *any;
    value_test(plan, key, value, value != &scratch, taker);
}

// An attribute of any shape.
static bool attribute_general(const struct tr_walk_plan *plan, const struct tr_walk_keys *keys,
                              const uint8_t *kv, uint32_t bytes, const struct taker *taker)
{
    struct tr_key_value pair;
    int index;

    if (!tr_otlp_valid(TR_OTLP_KEY_VALUE, kv, bytes) || !tr_key_value_read(kv, bytes, &pair))
        return false;
    index = tr_walk_keys_find(keys, pair.key, pair.key_bytes);
    if (index >= 0)
        any_test(plan, &keys->keys[index], &pair.value, taker);
    return true;
}

// Is this an AnyValue of exactly one scalar, or of nothing?
static inline bool scalar(const uint8_t *any, uint32_t bytes)
{
    const uint8_t *end = any + bytes, *p;
    uint64_t number;
    uint32_t length;

    if (tr_unlikely(bytes < 2))
        return bytes == 0;
    switch (any[0]) {
    case TAG(1, BYTES):
    case TAG(7, BYTES):
        p = tr_pb_length(any + 1, end, &length);
        return p && p + length == end;
    case TAG(2, VARINT):
    case TAG(3, VARINT):
        return tr_pb_varint(any + 1, end, &number) == end;
    case TAG(4, FIXED64):
        return bytes == 9;
    default:
        return false;
    }
}

// Bytes of the varint at `p`, where 8 can be read. 0: they are more than 8.
static inline uint32_t varint_bytes(const uint8_t *p)
{
    uint64_t ends = ~tr_key_load64(p) & 0x8080808080808080ull;

    return ends ? (uint32_t)__builtin_ctzll(ends) / 8 + 1 : 0;
}

// A varint of 1 to 8 bytes: seven bits of each.
static inline int64_t varint_of(const uint8_t *p, uint32_t bytes)
{
    uint64_t v = tr_key_load64(p) & (0x7f7f7f7f7f7f7f7full >> (64 - 8 * bytes));

    v = (v & 0x007f007f007f007full) | (v & 0x7f007f007f007f00ull) >> 1;
    v = (v & 0x00003fff00003fffull) | (v & 0x3fff00003fff0000ull) >> 2;
    return (int64_t)((v & 0x000000000fffffffull) | (v & 0x0fffffff00000000ull) >> 4);
}

// An attribute that is neither a short string nor an integer: a key and a scalar, or any shape. Returns false: malformed.
static __attribute__((noinline)) bool attribute_rare(const struct tr_walk_plan *plan, const struct tr_walk_keys *keys,
                                                     const uint8_t *kv, uint32_t bytes, const struct taker *taker)
{
    const uint8_t *key, *any;
    uint32_t key_bytes, any_bytes;
    struct tr_value value;
    int index;

    any = tr_key_value_plain(kv, bytes, &key, &key_bytes, &any_bytes);
    if (tr_unlikely(!any || !scalar(any, any_bytes)))
        return attribute_general(plan, keys, kv, bytes, taker);
    index = tr_walk_keys_find(keys, key, key_bytes);
    if (index >= 0) {
        tr_value_read(any, any_bytes, &value); // scalar() has seen that it is whole
        any_test(plan, &keys->keys[index], &value, taker);
    }
    return true;
}

// Walk one attribute, `p` at its length. Returns the byte after it, NULL: malformed.
static inline __attribute__((always_inline)) const uint8_t *attribute(const struct tr_walk_plan *plan,
                                                                      const struct tr_walk_keys *keys, const uint8_t *p,
                                                                      const uint8_t *end, const struct taker *taker)
{
    const uint8_t *next, *any;
    uint32_t bytes, any_bytes, head;
    int index;

    p = tr_pb_length(p, end, &bytes);
    if (tr_unlikely(!p))
        return NULL;
    next = p + bytes;
    // All lengths of one byte: tag and length of the value and of the string in it are four bytes to compare.
    if (tr_unlikely(bytes < 6 || bytes >= 0x80 || p[0] != TAG(1, BYTES) || p[1] + 6u > bytes))
        return attribute_rare(plan, keys, p, bytes, taker) ? next : NULL;
    any = p + 2 + p[1];
    any_bytes = bytes - p[1] - 4;
    memcpy(&head, any, 4);
    if (tr_likely(head == (TAG(2, BYTES) | any_bytes << 8 | TAG(1, BYTES) << 16 | (any_bytes - 2) << 24))) {
        index = tr_walk_keys_find(keys, p + 2, p[1]);
        if (tr_likely(index < 0))
            return next;
        string_test(plan, &keys->keys[index], any + 4, any_bytes - 2, taker);
        return next;
    }
    // An integer of one varint, which fills the value.
    if (tr_likely((head & 0xffffff) == (TAG(2, BYTES) | any_bytes << 8 | TAG(3, VARINT) << 16) && end - any >= 11 &&
                  varint_bytes(any + 3) == any_bytes - 1)) {
        index = tr_walk_keys_find(keys, p + 2, p[1]);
        if (tr_likely(index < 0))
            return next;
        integer_test(plan, &keys->keys[index], varint_of(any + 3, any_bytes - 1), taker);
        return next;
    }
    return attribute_rare(plan, keys, p, bytes, taker) ? next : NULL;
}

// The attributes of a resource or a scope, which are its fields of that tag.
static void attributes_walk(const struct tr_walk_plan *plan, const struct tr_walk_keys *keys, uint32_t attribute_tag,
                            const uint8_t *p, const uint8_t *end, const struct taker *taker)
{
    uint32_t tag;

    while (p && p < end) {
        p = tr_pb_tag(p, end, &tag);
        if (p)
            p = tag == attribute_tag ? attribute(plan, keys, p, end, taker) : tr_pb_skip(p, end, tag & 7);
    }
}

#endif
