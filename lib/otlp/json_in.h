// SPDX-License-Identifier: Apache-2.0
// What json_in.c and json_scalar.c share.
#ifndef TR_OTLP_JSON_IN_H
#define TR_OTLP_JSON_IN_H

#include "otlp/json.h"
#include "otlp/schema.h"

// A JSON object or array that is open.
struct tr_json_frame {
    uint8_t object;   // 1, or 0: array
    uint8_t known;    // 0: what lies inside is passed over
    uint8_t type;     // of the message that an object is, or that has the array's field
    uint8_t number;   // object: of the field whose value comes next, 0: unknown; array: of its field
    uint8_t room;     // bytes kept for the length, before the content
    uint64_t content; // object: where in the output its fields begin
};

// What lies in tr_json_in.state.
struct tr_json_state {
    uint64_t at; // in the JSON
    uint32_t depth;
    uint8_t expect;
    uint8_t then; // after a string that is passed over
    struct tr_json_frame frame[TR_JSON_DEPTH_MAX];
};
_Static_assert(sizeof(struct tr_json_state) <= sizeof(((struct tr_json_in *)0)->state), "it fits");

static inline bool tr_json_fail(struct tr_json_in *in, const char *why)
{
    in->why = why;
    return false;
}

// May the output grow by so many bytes when the JSON was read up to `at`?
static inline bool tr_json_room(struct tr_json_in *in, uint64_t at, uint64_t bytes)
{
    if (tr_likely(in->out_bytes + bytes <= at + TR_JSON_GAP))
        return true;
    return tr_json_fail(in, "what it says takes more bytes than it has");
}

// Is it this word that comes next? If so it is read.
bool tr_json_word(struct tr_json_in *in, struct tr_json_state *state, const char *word);

// Convert the value at state->at, which is neither null nor that of a message, to field `number`.
//
// Returns false: malformed, in->why says how.
bool tr_json_scalar(struct tr_json_in *in, struct tr_json_state *state, const struct tr_otlp_field *field,
                    unsigned number);

#endif
