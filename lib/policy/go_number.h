// SPDX-License-Identifier: Apache-2.0
// Numbers as Go's strconv reads them from text.
#ifndef TR_POLICY_GO_NUMBER_H
#define TR_POLICY_GO_NUMBER_H

#include "base/tr.h"

// A decimal integer with a sign perhaps, and nothing else. Returns false: it is none, or does not fit.
// Source: strconv.Atoi.
bool tr_go_int_read(const uint8_t *text, uint32_t bytes, int64_t *integer);

// A number with a fraction or an exponent perhaps, hexadecimal too, or an infinity, or nan; underscores between digits.
// Returns false: it is none, does not fit, or has more than 400 characters. Source: strconv.ParseFloat.
bool tr_go_double_read(const uint8_t *text, uint32_t bytes, double *number);

// Its whole part; what does not fit becomes the least integer, as on the processors that Go and we run on.
int64_t tr_go_double_truncate(double number);

#endif
