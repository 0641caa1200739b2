// SPDX-License-Identifier: Apache-2.0
// Conditions of rules on one value: an operator, a datatype, and what to compare with. The answers are Refinery's, but
// where docs/rules.md says otherwise.
#ifndef TR_POLICY_RULE_VALUE_H
#define TR_POLICY_RULE_VALUE_H

#include "base/error.h"
#include "match/match.h"
#include "otlp/walk.h"
#include "policy/values.h"

enum tr_rule_operator {
    TR_RULE_EQ,
    TR_RULE_NE,
    TR_RULE_GT,
    TR_RULE_GE,
    TR_RULE_LT,
    TR_RULE_LE,
    TR_RULE_EXISTS,
    TR_RULE_NOT_EXISTS,
    TR_RULE_CONTAINS,
    TR_RULE_DOES_NOT_CONTAIN,
    TR_RULE_STARTS_WITH,
    TR_RULE_MATCHES,
    TR_RULE_IN,
    TR_RULE_NOT_IN,
    TR_RULE_HAS_ROOT_SPAN,
    TR_RULE_OPERATORS,
};

enum tr_rule_datatype { TR_RULE_ANY, TR_RULE_STRING, TR_RULE_INT, TR_RULE_FLOAT, TR_RULE_BOOL, TR_RULE_DATATYPES };

// As the config writes them.
extern const char *const tr_rule_operator_names[TR_RULE_OPERATORS + 1];
extern const char *const tr_rule_datatype_names[TR_RULE_DATATYPES + 1];

struct tr_rule_test {
    enum tr_rule_operator op;
    enum tr_rule_datatype datatype;
    char *text; // the value as written; NULL: the operator takes none
    uint32_t text_bytes;
    int64_t integer;
    double number;
    bool boolean;
    bool is_integer, is_number, is_boolean; // what the text can be read as
    struct tr_values texts;                 // in, not-in
    bool empty_text;                        // and "" is one of them
    int64_t *integers;
    double *numbers;
    uint32_t count;
    struct tr_match *match; // matches
};

// Compile. `test` is to be cleared in any case.
//
// values  for what takes a value: one, or for `in` and `not-in` at least one
// lcores  that will ask
//
// Returns 0, -EINVAL: error begins with the option's name ("value: ..."); -ENOMEM. Thread: control.
int tr_rule_test_make(struct tr_rule_test *test, enum tr_rule_operator op, enum tr_rule_datatype datatype,
                      const char *const *values, size_t count, uint32_t lcores, struct tr_error *error);
void tr_rule_test_clear(struct tr_rule_test *test);

// Does it hold for a value? NULL: the field is not there. What is an array, a map or bytes exists, and is no text and
// no number.
//
// Thread: lcore's. Cost: some 3 ns; a pattern as tr_match_ask().
bool tr_rule_test_ask(const struct tr_rule_test *test, const struct tr_value *value, uint32_t lcore);

// Is it of those that a field which is not there can satisfy?
bool tr_rule_operator_negative(enum tr_rule_operator op);

// Conversions, as Go makes them. Return false: the value can't be one.
bool tr_rule_to_int(const struct tr_value *value, int64_t *integer);
bool tr_rule_to_float(const struct tr_value *value, double *number);
bool tr_rule_to_bool(const struct tr_value *value); // what is no truth is false

// A value as text.
#define TR_RULE_TEXT_MAX 64
// scratch  of TR_RULE_TEXT_MAX bytes; *text may point into it
bool tr_rule_to_text(const struct tr_value *value, char *scratch, const uint8_t **text, uint32_t *bytes);

#endif
