// SPDX-License-Identifier: Apache-2.0
// OTTL's tokens. Source: pkg/ottl/LANGUAGE.md; where it is silent, the Collector's behaviour.
#ifndef TR_POLICY_OTTL_LEX_H
#define TR_POLICY_OTTL_LEX_H

#include "base/tr.h"

enum tr_ottl_token_type {
    TR_OTTL_END,
    TR_OTTL_BAD, // no token begins like this
    TR_OTTL_TOKEN_BYTES,
    TR_OTTL_TOKEN_FLOAT,
    TR_OTTL_TOKEN_INT,
    TR_OTTL_TOKEN_STRING,
    TR_OTTL_TOKEN_NIL,
    TR_OTTL_TOKEN_NOT,
    TR_OTTL_TOKEN_OR,
    TR_OTTL_TOKEN_AND,
    TR_OTTL_TOKEN_COMPARISON,
    TR_OTTL_TOKEN_ARROW,
    TR_OTTL_TOKEN_SIGN,   // + or -
    TR_OTTL_TOKEN_FACTOR, // * or /
    TR_OTTL_TOKEN_BOOLEAN,
    TR_OTTL_TOKEN_UPPER, // a word in capitals: an enum, or a part of a converter's name
    TR_OTTL_TOKEN_LOWER, // a word in small letters
    TR_OTTL_TOKEN_PUNCTUATION,
};

struct tr_ottl_token {
    enum tr_ottl_token_type type;
    const char *at;
    uint32_t bytes;
};

// The token at `p` or behind the blanks there; `end` is the text's.
struct tr_ottl_token tr_ottl_token_next(const char *p, const char *end);

// Undo the quotes and escapes of a STRING. `out` has room for as many bytes as the token, and a NUL.
//
// Returns its length, -EINVAL: a bad escape, at *bad.
int tr_ottl_unquote(const struct tr_ottl_token *token, char *out, const char **bad);

#endif
