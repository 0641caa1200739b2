// SPDX-License-Identifier: Apache-2.0
// JSON's strings: from the byte behind the opening quote to the one behind the closing quote.
#ifndef TR_OTLP_JSON_TEXT_H
#define TR_OTLP_JSON_TEXT_H

#include "base/tr.h"

enum { TR_JSON_CHAR_END = -1, TR_JSON_CHAR_BAD = -2 };

// The next character, unescaped, of a string that has only ASCII if it is right (an id, base64, a number, a
// name).
//
// Returns it, TR_JSON_CHAR_END with *p behind the closing quote, TR_JSON_CHAR_BAD for anything else.
int tr_json_char_next(const uint8_t **p, const uint8_t *end);

// Copy a string, unescaped, to `out`, which may lie in the same memory as long as it begins no later than
// `p`. What it writes is never longer than what it reads. A surrogate without its other half becomes U+FFFD,
// as JavaScript sends it when it cuts a string.
//
// Returns the byte behind the closing quote; NULL: cut short, a bad escape, a control character, not UTF-8,
// or more than `bytes_max` bytes.
const uint8_t *tr_json_string_copy(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t bytes_max,
                                   size_t *bytes);

// Pass over a string, or over about `bytes_max` of it; its escapes are not looked at.
//
// Returns where it stopped: behind the closing quote if *closed, NULL: cut short.
const uint8_t *tr_json_string_skip(const uint8_t *p, const uint8_t *end, size_t bytes_max, bool *closed);

// The length of the UTF-8 sequence at `p`, 0: there is none. Source: RFC 3629.
unsigned tr_utf8_bytes(const uint8_t *p, const uint8_t *end);

#endif
