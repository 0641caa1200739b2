// SPDX-License-Identifier: Apache-2.0
// What a condition compiles to, and what its parts share.
//
// A program is a list of codes for a stack of values. It ends with one value, its answer. A converter that gets what it
// can't take, arithmetic on what is no number, an index beyond a list: each ends the run with TR_OTTL_ERROR.
#ifndef TR_POLICY_OTTL_PROGRAM_H
#define TR_POLICY_OTTL_PROGRAM_H

#include "match/match.h"
#include "policy/ottl.h"
#include "policy/ottl_value.h"

#define TR_OTTL_STACK_MAX 64

enum tr_ottl_op {
    TR_OTTL_OP_CONSTANT,    // push constant a
    TR_OTTL_OP_FIELD,       // push field a (enum tr_ottl_field)
    TR_OTTL_OP_KEY,         // push the value of key a
    TR_OTTL_OP_EVENT_KEY,   // push the event's attribute named constant a
    TR_OTTL_OP_TRACE_STATE, // push the trace_state's member named constant a
    TR_OTTL_OP_INDEX,       // the top's member or item constant a, as a path reads it
    TR_OTTL_OP_ITEM,        // the top's item constant a, as a converter's result is read
    TR_OTTL_OP_MATH,        // n is one of + - * /
    TR_OTTL_OP_NEGATE,
    TR_OTTL_OP_CALL,    // converter a with n arguments
    TR_OTTL_OP_MATCH,   // the top is matched by pattern a
    TR_OTTL_OP_COMPARE, // n is enum tr_ottl_comparison
    // Key a, or field a, compared (n) with the constant that the next code holds: what most conditions are made of.
    TR_OTTL_OP_KEY_TEST,
    TR_OTTL_OP_FIELD_TEST,
    TR_OTTL_OP_BOOL,    // the top must be true or false
    TR_OTTL_OP_NOT,
    TR_OTTL_OP_AND, // go to code a if the top is false, else drop it
    TR_OTTL_OP_OR,  // go to code a if the top is true, else drop it
    TR_OTTL_OP_END,
};

struct tr_ottl_code {
    uint8_t op;
    uint8_t n;
    uint16_t a;
};

enum tr_ottl_field {
    TR_OTTL_NAME,
    TR_OTTL_KIND,
    TR_OTTL_KIND_STRING,
    TR_OTTL_KIND_NAME, // deprecated_string
    TR_OTTL_STATUS_WHOLE,
    TR_OTTL_STATUS_CODE,
    TR_OTTL_STATUS_MESSAGE,
    TR_OTTL_START_NS,
    TR_OTTL_END_NS,
    TR_OTTL_START,
    TR_OTTL_END_TIME,
    TR_OTTL_ELAPSED_NS, // end_time_unix_nano - start_time_unix_nano
    TR_OTTL_ELAPSED,    // end_time - start_time
    TR_OTTL_TRACE_ID_WHOLE,
    TR_OTTL_TRACE_ID_STRING,
    TR_OTTL_SPAN_ID_WHOLE,
    TR_OTTL_SPAN_ID_STRING,
    TR_OTTL_PARENT,
    TR_OTTL_PARENT_STRING,
    TR_OTTL_TRACE_STATE,
    TR_OTTL_FLAGS,
    TR_OTTL_ATTRIBUTES,
    TR_OTTL_EVENTS,
    TR_OTTL_LINKS,
    TR_OTTL_DROPPED_ATTRIBUTES,
    TR_OTTL_DROPPED_EVENTS,
    TR_OTTL_DROPPED_LINKS,
    TR_OTTL_SPAN_FIELDS,
    TR_OTTL_RESOURCE_DROPPED = TR_OTTL_SPAN_FIELDS,
    TR_OTTL_RESOURCE_SCHEMA_URL,
    TR_OTTL_SCOPE_NAME,
    TR_OTTL_SCOPE_VERSION,
    TR_OTTL_SCOPE_DROPPED,
    TR_OTTL_SCOPE_SCHEMA_URL,
    TR_OTTL_CONTEXT_FIELDS,
    TR_OTTL_EVENT_NAME = TR_OTTL_CONTEXT_FIELDS,
    TR_OTTL_EVENT_TIME_NS,
    TR_OTTL_EVENT_TIME,
    TR_OTTL_EVENT_ATTRIBUTES,
    TR_OTTL_EVENT_DROPPED,
};

struct tr_ottl {
    enum tr_ottl_context context;
    struct tr_ottl_code *codes;
    uint32_t codes_count;
    struct tr_ottl_value *constants;
    uint32_t constants_count;
    struct tr_ottl_key keys[TR_OTTL_KEYS_MAX];
    uint32_t keys_count;
    char *pool; // what constants and keys point into
    struct tr_match_pattern *patterns;
    uint32_t patterns_count;
    struct tr_match *match; // NULL: no patterns
    enum tr_ottl_answer absent;
    bool context_only;
    uint32_t guard;         // set by tr_ottl_guard(): the code of the key's test
    uint32_t first_unknown; // and where to begin when the guards have been asked
};

// One run.
struct tr_ottl_run {
    const struct tr_ottl *program;
    const struct tr_walk_span *span;
    const struct tr_walk_notes *notes;
    const uint16_t *slots;
    const uint8_t *event, *event_end;
    uint32_t made_bytes;
    uint8_t made[TR_OTTL_MADE_MAX]; // strings made on the way
};

// Room for a string that a run makes. Returns NULL: there is not that much.
static inline uint8_t *tr_ottl_make(struct tr_ottl_run *run, uint32_t bytes)
{
    uint8_t *at = run->made + run->made_bytes;

    if (bytes > sizeof(run->made) - run->made_bytes)
        return NULL;
    run->made_bytes += bytes;
    return at;
}

// Run the codes from `first` to the end.
enum tr_ottl_answer tr_ottl_execute(struct tr_ottl_run *run, uint32_t first);

// Compare a value that was noted with a constant.
bool tr_ottl_noted_test(const struct tr_value *noted, const struct tr_ottl_value *constant, enum tr_ottl_comparison how);

// Read a field.
struct tr_ottl_value tr_ottl_field_read(struct tr_ottl_run *run, enum tr_ottl_field field);

// The trace_state's member, nil where the list is not valid, "" where it has none.
struct tr_ottl_value tr_ottl_trace_state_read(const struct tr_walk_span *span, const struct tr_ottl_value *name);

// A converter. `arguments` has a letter for each of its arguments:
//
//   s string       t string, or what can be made one    B, D, M boolean, double, map    l list    a anything
//   n integer      i, f, b what can be made an integer, a double, a boolean             d duration    m time
//   S string, T boolean, c "lower" or "upper", x bytes or digits of an id: all of them literals only
//   * a list, whose items are passed as so many arguments of t
//
// A literal that does not fit is refused when the condition is compiled, as the Collector does; other values that do not
// fit are errors of the run.
struct tr_ottl_function {
    const char *name;
    const char *arguments;
    uint8_t required;
    bool (*run)(struct tr_ottl_run *run, const struct tr_ottl_value *arguments, unsigned count,
                struct tr_ottl_value *out); // returns false: an error
};

extern const struct tr_ottl_function tr_ottl_functions[];
extern const uint32_t tr_ottl_functions_count;

bool tr_ottl_math(char op, const struct tr_ottl_value *a, const struct tr_ottl_value *b, struct tr_ottl_value *out);
bool tr_ottl_negate(const struct tr_ottl_value *a, struct tr_ottl_value *out);

// Convert. Returns false: an error. *out is nil where the value is.
bool tr_ottl_to_string(struct tr_ottl_run *run, const struct tr_ottl_value *value, struct tr_ottl_value *out);
// A value as JSON.
bool tr_ottl_json_make(struct tr_ottl_run *run, const struct tr_ottl_value *value, struct tr_ottl_value *out);
// The digits of a finite double as JSON has them. Returns the characters; there must be room for 64.
size_t tr_ottl_double_format(char *out, double number);
bool tr_ottl_to_int(const struct tr_ottl_value *value, struct tr_ottl_value *out);
bool tr_ottl_to_double(const struct tr_ottl_value *value, struct tr_ottl_value *out);
bool tr_ottl_to_bool(const struct tr_ottl_value *value, struct tr_ottl_value *out);

// Read a duration as Go writes it: 1h2m3.5s. Returns false: it is none.
bool tr_ottl_duration_read(const uint8_t *p, uint32_t bytes, int64_t *ns);

#endif
