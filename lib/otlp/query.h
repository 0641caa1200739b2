// SPDX-License-Identifier: Apache-2.0
// The fingerprint of a database query: equal for two texts that differ in values alone.
#ifndef TR_OTLP_QUERY_H
#define TR_OTLP_QUERY_H

#include "base/tr.h"

#define TR_QUERY_READ_MAX 16384 // bytes of a text that are looked at
#define TR_QUERY_TEXT_MAX 2048  // bytes of what is left of it that count

// Reduce a text to what makes the query: comments out; each literal, number and placeholder a `?`; a list of them one `?`,
// a list of such lists one list; letters lower, blanks only where two words meet. docs/shape-policies.md has the rules.
//
// quotes  double quotes hold strings (MySQL, MongoDB), not names
// out     takes at most TR_QUERY_TEXT_MAX bytes, no NUL
//
// Returns its length. Never reads beyond `bytes`.
// Cost: one pass, about 1.5 ns a byte.
uint32_t tr_query_reduce(const uint8_t *text, uint32_t bytes, bool quotes, uint8_t *out);

// Is `system` (db.system.name, db.system) one whose double quotes hold strings?
bool tr_query_quotes(const uint8_t *system, uint32_t bytes);

#endif
