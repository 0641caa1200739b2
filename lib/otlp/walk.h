// SPDX-License-Identifier: Apache-2.0
// The walk: one zero-copy pass over a span that validates it, notes what a summary needs, and tests the
// predicates of all policies while the bytes are hot.
//
// A plan is what the policies of the live epochs compile to (policy/ makes it; immutable once in use): a
// table of watched keys, each with the tests on its value, and the bits that the span's own fields set.
#ifndef TR_OTLP_WALK_H
#define TR_OTLP_WALK_H

#include "base/tr.h"
#include "journal/journal.h"

#define TR_PREDICATE_WORDS_MAX 8 // 512 predicates; more is a config error

struct tr_bits {
    uint64_t word[TR_PREDICATE_WORDS_MAX];
};

// An AnyValue, borrowed.
enum tr_value_type {
    TR_VALUE_NONE, // empty AnyValue
    TR_VALUE_STRING,
    TR_VALUE_BOOL,
    TR_VALUE_INT,
    TR_VALUE_DOUBLE,
    TR_VALUE_ARRAY,
    TR_VALUE_KVLIST,
    TR_VALUE_BYTES,
    TR_VALUE_STRING_INDEX, // string_value_strindex: the string itself is not in the span
};

struct tr_value {
    enum tr_value_type type;
    const uint8_t *bytes; // STRING, BYTES, ARRAY, KVLIST
    uint32_t length;
    int64_t integer; // INT, BOOL
    double number;
};

// A test of a watched key's value: sets bit `predicate` when it says true.
struct tr_walk_test {
    bool (*test)(const void *argument, const struct tr_value *value);
    const void *argument;
    uint32_t predicate;
};

struct tr_walk_span;

// A test of the span's own fields, run when all of it was read; `bits` has what its attributes, its resource's and
// its status said.
struct tr_walk_span_test {
    bool (*test)(const void *argument, const struct tr_walk_span *span, const struct tr_bits *bits);
    const void *argument;
    uint32_t predicate;
};

// Tests of a value that are made together: ORs into `bits` what they say.
//
// lcore  whose thread it is: what it remembers is that one's
struct tr_walk_match {
    void (*match)(const void *argument, const struct tr_value *value, uint32_t lcore, struct tr_bits *bits);
    const void *argument;
};

// A program looks at several values at once: of attributes of the span, its resource and its scope, which the walk
// notes in passing, and of the span's own fields. It runs when all of the span was read.
#define TR_WALK_SLOTS_MAX  512
#define TR_WALK_SLOT_WORDS (TR_WALK_SLOTS_MAX / 64)

// The values of keys that programs look at: by slot, the first of its key. One an lcore; those of the resource and
// the scope stay from one span to the next.
struct tr_walk_notes {
    uint32_t lcore;
    const struct tr_context *context; // whose resource and scope were walked last
    const uint8_t *body;
    uint64_t ready, context_ready; // programs that there is a reason to run; what the resource and the scope made of it
    uint64_t have[TR_WALK_SLOT_WORDS];
    struct tr_value values[TR_WALK_SLOTS_MAX];
};

enum tr_walk_absent { TR_WALK_ABSENT_NO, TR_WALK_ABSENT_YES, TR_WALK_ABSENT_RUN };

// Of what class a span is: one bit of each group.
#define TR_WALK_KINDS           6u         // 0 to 5, and one for all others
#define TR_WALK_CLASS_KINDS     0x007fu
#define TR_WALK_STATUS_FIRST    7u
#define TR_WALK_STATUSES        3u         // UNSET, OK, ERROR, and one for all others
#define TR_WALK_CLASS_STATUSES  0x0780u
#define TR_WALK_CLASS_ROOT      0x0800u
#define TR_WALK_CLASS_CHILD     0x1000u
#define TR_WALK_CLASS_EVENTS    0x2000u
#define TR_WALK_CLASS_EVENTLESS 0x4000u
#define TR_WALK_CLASSES         0x7fffu
#define TR_WALK_CLASS_BITS      15

// A program says true of few spans, and mostly that shows before it runs: the span is of another class, an attribute that
// it needs is not there or has another value. The walk asks for the latter when it comes by the attribute.
struct tr_walk_program {
    // `span` is NULL for those that look at the resource and the scope alone: they run once for all their spans.
    bool (*run)(const void *argument, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                const uint16_t *slots);
    const void *argument;
    const uint16_t *slots; // of its keys, as it numbers them
    uint32_t predicate;
    uint8_t absent; // enum tr_walk_absent: its answer where none of its keys is there, or that it must run
    uint8_t words_begin, words_end; // of slot_bits, those that are not empty
    uint32_t classes;               // of spans for which it can say true, TR_WALK_CLASS_*
    // Where the value of one of its keys tells that it says false; NULL: none does. It runs only where this says true.
    bool (*guard)(const void *argument, const struct tr_value *value);
    uint16_t guard_slot; // of that key
    uint16_t guard_next; // the next program + 1 with a guard on the same key; 0: none
    struct {
        uint64_t watched;  // one of these is a reason to run, where `absent` is no TR_WALK_ABSENT_RUN
        uint64_t required; // where one of these is missing it says false
    } slot_bits[TR_WALK_SLOT_WORDS];
};

// What a key's tests and guards said of the integer that it had last: status codes and ports are the same again and again.
// One an lcore.
struct tr_walk_memo {
    _Alignas(TR_CACHE_LINE) int64_t integer;
    bool known;
    uint64_t word;  // predicates below 64
    uint64_t ready; // programs
};

struct tr_walk_key {
    const char *name;
    uint32_t bytes;
    uint16_t first_test; // in tr_walk_plan.tests
    uint16_t tests;
    uint16_t note;   // slot + 1 of the value that programs look at; 0: none does
    uint16_t guards; // the first program + 1 with a guard on its value; 0: none
    struct tr_walk_match match; // .match NULL: none
    struct tr_walk_memo *memos; // by lcore; NULL: nothing is remembered
    uint64_t ready;       // of the first 64 programs those to which it is a reason to run, whatever its value
    uint64_t first, last; // set by tr_walk_keys_build(): its first and last 8 bytes
};

// Keys of one place (resource or span), found by hash.
struct tr_walk_keys {
    struct tr_walk_key *keys;
    uint32_t count;
    uint16_t *slots; // open addressing over tr_key_hash(); 0 is empty, else index + 1
    uint32_t slots_mask;
    uint64_t multiplier; // of the hash: one under which few keys meet
    uint64_t ends[64];   // by min(length, 63): a bit for the last byte of each key of that length
};

// What the config wants to know of each span for the shape of its trace (struct tr_walk_shape.needs).
#define TR_SHAPE_LINKS   0x01u // ids, times, kind, status
#define TR_SHAPE_PRINT   0x02u // of its query or call
#define TR_SHAPE_ZONE    0x04u
#define TR_SHAPE_MARKS   0x08u
#define TR_SHAPE_SAMPLER 0x10u // keys of dynamic samplers
#define TR_SHAPE_OT      0x20u // trace_state's rv and th
#define TR_SHAPE_NEEDS   6

// Attributes that a shape is made of, by the names of old and new conventions.
enum tr_shape_key {
    TR_SHAPE_DB_QUERY_TEXT,
    TR_SHAPE_DB_STATEMENT,
    TR_SHAPE_DB_QUERY_SUMMARY,
    TR_SHAPE_DB_OPERATION_NAME,
    TR_SHAPE_DB_OPERATION,
    TR_SHAPE_DB_COLLECTION_NAME,
    TR_SHAPE_DB_SQL_TABLE,
    TR_SHAPE_DB_SYSTEM_NAME,
    TR_SHAPE_DB_SYSTEM,
    TR_SHAPE_URL_FULL,
    TR_SHAPE_HTTP_URL,
    TR_SHAPE_HTTP_REQUEST_METHOD,
    TR_SHAPE_HTTP_METHOD,
    TR_SHAPE_HTTP_RESPONSE_STATUS_CODE,
    TR_SHAPE_HTTP_STATUS_CODE,
    TR_SHAPE_SERVER_ADDRESS,
    TR_SHAPE_NET_PEER_NAME,
    TR_SHAPE_SERVER_PORT,
    TR_SHAPE_NET_PEER_PORT,
    TR_SHAPE_RPC_SERVICE,
    TR_SHAPE_RPC_METHOD,
    TR_SHAPE_ZONE_NAME, // of the resource
    TR_SHAPE_KEYS,
};

struct tr_walk_shape {
    uint32_t needs;                // TR_SHAPE_*; 0: nothing is sent
    uint16_t slots[TR_SHAPE_KEYS]; // of the keys' values, +1; 0: not noted
    uint16_t marks[4];             // predicates, +1; 0: none
    // The key of dynamic samplers, 0: none.
    uint32_t (*sampler_key)(const void *argument, const struct tr_walk_span *span, const struct tr_walk_notes *notes);
    const void *sampler;
};

// A key whose value somebody beside the programs looks at: its slots among the notes.
struct tr_walk_watch {
    uint16_t span, resource;
};

struct tr_walk_plan {
    uint32_t words; // of predicates in use, 1 to 8
    struct tr_walk_keys resource;
    struct tr_walk_keys span;
    struct tr_walk_keys scope; // for programs only
    const struct tr_walk_test *tests;
    const struct tr_walk_span_test *span_tests;
    uint32_t span_tests_count;
    uint32_t span_tests_stateless; // the first of them: those that a span without trace_state can fulfil
    const struct tr_walk_program *programs;
    uint32_t programs_count;
    uint32_t programs_span;   // those that look at the span come first
    uint64_t of_class[TR_WALK_CLASS_BITS]; // the first 64 of these that can say true of it; tr_walk_programs_build()
    uint64_t ready;           // of the first 64 those that run whatever attributes there are
    struct tr_walk_shape shape;
    bool looks;               // programs, the shape, or who comes after the walk look at values and at the whole span
    uint32_t slot_words;      // of notes in use; 0: nothing is noted
    uint32_t span_slot_words; // the first ones: those of span attributes
    const struct tr_walk_watch *watched; // in the order in which they were asked for
    struct tr_bits status[3]; // set for UNSET, OK, ERROR
    uint32_t epoch;           // goes into summaries
};

// Put a plan's key table together: `slots` and `ends` from `keys`, whose names must differ.
//
// Returns 0, -ENOMEM, -EEXIST (a name comes twice), -E2BIG (more than 65535).
int tr_walk_keys_build(struct tr_walk_keys *keys);
void tr_walk_keys_free(struct tr_walk_keys *keys);

// Set `of_class` from the programs.
void tr_walk_programs_build(struct tr_walk_plan *plan);

// A larger span is refused: nobody would take it (gRPC servers stop at 4 MiB), and a walk can't be cut in
// two.
#define TR_SPAN_BYTES_MAX (4 * TR_MIB)

// What passes would pass every parser behind us: whatever one of them answers with an error to the whole
// request is refused here, alone. UTF-8 is not looked at.
enum tr_walk_result {
    TR_WALK_OK,
    TR_WALK_MALFORMED, // not protobuf, a known field of the wrong type, a link's id of the wrong length
    TR_WALK_TRACE_ID,  // not 16 bytes, or all zero
    TR_WALK_SPAN_ID,   // not 8 bytes, or all zero; a parent's that is neither 8 bytes nor empty
    TR_WALK_TOO_LARGE, // above TR_SPAN_BYTES_MAX
    TR_WALK_RESULTS,
};

// What a walk learns of a span, besides the bits.
struct tr_walk_span {
    uint8_t trace_id[16];
    uint64_t start_ns;
    uint64_t end_ns;
    uint32_t name_hash;
    bool root;      // no parent_span_id, or an empty or zero one
    uint8_t status; // 0 UNSET (or unknown), 1 OK, 2 ERROR
    uint32_t flags;
    uint32_t trace_state_bytes;
    const uint8_t *trace_state; // borrowed from the span
    // Set where the plan looks. All borrowed from the span.
    const uint8_t *bytes, *end; // the span
    const uint8_t *name, *span_id;
    const uint8_t *parent_id; // NULL: none, or an empty one
    const uint8_t *event;     // the first event's length; NULL: none
    uint32_t name_bytes;
    int32_t kind, status_code; // as they came
};

// Walk a resource and its scope: OR into `bits` what their attributes say. The check has validated them.
//
// notes  takes what programs want to know; may be NULL where the plan has none
void tr_walk_resource(const struct tr_walk_plan *plan, uint32_t lcore, const struct tr_context *context,
                      const uint8_t *body, struct tr_walk_notes *notes, struct tr_bits *bits);

// Walk a span. Of a field that comes twice the last one holds, but each attribute is tested, those of the
// same key too; a test whose bit is set already may be left out. `bits` comes in with what its resource said
// and goes out with the span's ORed in.
//
// lcore  whose thread it is, for tr_walk_match
// notes  as the walk of its resource left them
//
// Thread: any. Cost: about 60 ns for 9 attributes and 6 watched keys.
enum tr_walk_result tr_walk_span(const struct tr_walk_plan *plan, uint32_t lcore, const uint8_t *span,
                                 uint32_t bytes, struct tr_walk_notes *notes, struct tr_walk_span *out,
                                 struct tr_bits *bits);

// Read an AnyValue. Returns false: malformed.
bool tr_value_read(const uint8_t *any, uint32_t bytes, struct tr_value *value);

#endif
