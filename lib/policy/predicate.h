// SPDX-License-Identifier: Apache-2.0
// Predicates: what the walk tests on each span, a bit each in its summary.
//
// A predicate is of a type (predicate_types.h lists them): it tests the value of an attribute, or the span's own
// fields. Its canonical text is its identity: equal texts share a number, in a config and from one to the next. A
// number keeps its meaning for as long as a trace may be live that began under a config which used it.
#ifndef TR_POLICY_PREDICATE_H
#define TR_POLICY_PREDICATE_H

#include "otlp/walk.h"
#include "trace/owner.h"

#define TR_PREDICATES_MAX (64 * TR_PREDICATE_WORDS_MAX)

// Whose attributes a predicate watches.
#define TR_PLACE_SPAN     1u
#define TR_PLACE_RESOURCE 2u
#define TR_PLACE_BOTH     (TR_PLACE_SPAN | TR_PLACE_RESOURCE)

struct tr_predicate;
struct tr_ottl_key;

// A predicate that is a program of the walk: how the plan gets it.
struct tr_predicate_program {
    void (*make)(const struct tr_predicate *predicate, struct tr_walk_program *program); // but for its slots
    bool (*context_only)(const struct tr_predicate *predicate); // it looks at the resource and the scope alone
    // The attributes that it looks at; the program's slots are in their order. NULL behind the last.
    const struct tr_ottl_key *(*key)(const struct tr_predicate *predicate, uint32_t index);
};

// What a predicate's type is made of. Either `value` (and the predicate has a key), `span` or `program`, or none of them
// where the plan knows the type by itself.
struct tr_predicate_type {
    const char *name; // the text begins with it
    bool (*value)(const void *predicate, const struct tr_value *value);
    // After the whole span was walked. `bits` has what its attributes and its resource's said.
    bool (*span)(const void *predicate, const struct tr_walk_span *span, const struct tr_bits *bits);
    bool looks;                                    // `span` looks at more than the walk always says of one
    bool trace_state;                              // `span` says false where there is no trace_state
    void (*clear)(struct tr_predicate *predicate); // what the type allocated; NULL: nothing
    const struct tr_predicate_program *program;
};

// The head of each type's own struct. Immutable once it has a number; shared by the sets that use it.
struct tr_predicate {
    const struct tr_predicate_type *type;
    char *text;
    char *key;       // of the attribute; NULL: the span's own fields
    unsigned places; // TR_PLACE_*, of the key
    uint32_t sets;   // that hold it; control thread only
};

struct tr_predicate_row {
    struct tr_predicate *predicate; // NULL: the number is free
    uint32_t used_by;               // the last epoch that a policy used it in
    uint32_t mark;                  // of the shape, +1: a policy wants to know it of each span; 0: none does
    uint32_t marked_by;             // the last epoch in which one did
};

struct tr_predicates {
    uint32_t epoch;
    uint32_t lcores; // that will test them
    struct tr_predicate_row rows[TR_PREDICATES_MAX]; // by number
    uint32_t shape_used_by[TR_SHAPE_NEEDS]; // the last epoch in which a policy needed it, by bit; 0: none did
    char shape_path[128]; // the first policy of this epoch that needs more than TR_SHAPE_OT; "": none does
};

// A predicate of `bytes` (its type's struct, zeroed but for the head), to be given to tr_predicates_add().
//
// key     NULL: the span's own fields
// detail  what is tested, in one spelling only; the canonical text is type, places, key and this
//
// Returns NULL: no memory.
void *tr_predicate_create(const struct tr_predicate_type *type, size_t bytes, const char *key, unsigned places,
                          const char *detail);
void tr_predicate_destroy(struct tr_predicate *predicate);

// Number a predicate: that of an equal one, or a free one. Takes it over, also when there is none.
//
// Returns the number, -ENOSPC: TR_PREDICATES_MAX are in use; -ENOMEM: `predicate` is NULL.
int tr_predicates_add(struct tr_predicates *predicates, struct tr_predicate *predicate);

// Take over what is still needed of the set before.
void tr_predicates_carry(struct tr_predicates *predicates, const struct tr_predicates *before);
void tr_predicates_clear(struct tr_predicates *predicates);

// A policy at `path` looks at the shape of traces, at TR_SHAPE_* of each span.
void tr_predicates_shape(struct tr_predicates *predicates, uint32_t needs, const char *path);
// What it needs, and those before it whose traces may be live.
uint32_t tr_predicates_shape_needs(const struct tr_predicates *predicates);

// A policy at `path` wants to know of each span whether predicate `number` holds.
//
// Returns the bit of tr_shape.marks, -ENOSPC: TR_MARKS_MAX predicates are marked.
int tr_predicates_mark(struct tr_predicates *predicates, int number, const char *path);

// Canonical text: words as they are, strings quoted so that no two lists look the same.
struct tr_predicate_text {
    char *text;
    size_t bytes;
    FILE *file;
};
bool tr_predicate_text_open(struct tr_predicate_text *text);
void tr_predicate_text_quote(struct tr_predicate_text *text, const char *string);
// Returns the text, to be freed; NULL: no memory.
char *tr_predicate_text_close(struct tr_predicate_text *text);

#endif
