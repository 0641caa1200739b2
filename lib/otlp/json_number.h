// SPDX-License-Identifier: Apache-2.0
// JSON's numbers, whole and exact, whatever the locale.
#ifndef TR_OTLP_JSON_NUMBER_H
#define TR_OTLP_JSON_NUMBER_H

#include "base/tr.h"

// A longer one is refused.
#define TR_JSON_NUMBER_BYTES_MAX 4096

// Where the number that begins at `p` ends; NULL: there is none, or it is too long. Source: RFC 8259, 6.
const uint8_t *tr_json_number_end(const uint8_t *p, const uint8_t *end);

// Read a number, of which [p, end) is exactly one, as an integer: 1, -1, 1.0 and 1e3 are.
//
// Returns false: it is not one, or its magnitude is above 2^64 - 1.
bool tr_json_number_integer(const uint8_t *p, const uint8_t *end, bool *negative, uint64_t *magnitude);

// The same as the nearest double. Returns false: beyond the largest.
bool tr_json_number_double(const uint8_t *p, const uint8_t *end, double *value);

// Write a double with the fewest digits that come back as the same, "NaN", "Infinity" or "-Infinity" (without
// the quotes). Returns the characters; there must be room for 32.
size_t tr_json_number_format(char *out, double value);

#endif
