// SPDX-License-Identifier: Apache-2.0
// The inside of the translator, for regex*.c only: characters, escapes and classes.
#ifndef TR_MATCH_REGEX_CLASS_H
#define TR_MATCH_REGEX_CLASS_H

#include "base/error.h"
#include "match/runes.h"

struct tr_regex_parser {
    const char *pattern, *at;
    FILE *out;
    unsigned flags;
    bool quoting; // behind \Q
    struct tr_error *error;
};

// Write the error, with the position of `at`. Returns false.
bool tr_regex_fail(struct tr_regex_parser *parser, const char *at, const char *what);

// Take the next character as it stands.
uint32_t tr_regex_rune(struct tr_regex_parser *parser);

// Digits as Go reads them: no leading zero. Returns false: none.
bool tr_regex_number(const char *p, const char **end, uint32_t *number);

// Take an escape that stands for one character, at its backslash.
bool tr_regex_escape(struct tr_regex_parser *parser, uint32_t *rune);

enum tr_regex_taken { TR_REGEX_TAKEN, TR_REGEX_OTHER, TR_REGEX_FAILED };

// Take an escape that stands for a class: \d, \pL, \P{Greek}. OTHER: it is none, and nothing was taken.
enum tr_regex_taken tr_regex_class_escape(struct tr_regex_parser *parser, struct tr_runes *set, bool fold);

// Take [...].
bool tr_regex_class_read(struct tr_regex_parser *parser, struct tr_runes *set, bool fold);

// Write a set so that hyperscan reads the same.
bool tr_regex_class_write(struct tr_regex_parser *parser, struct tr_runes *set);

#endif
