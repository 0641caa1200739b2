// SPDX-License-Identifier: Apache-2.0
// Go's regular expressions (RE2's syntax, as regexp.MatchString takes them), translated to what hyperscan takes.
//
// The two differ in `$`, `\s`, `\v`, `\C`, in classes of Unicode, in what case folds, in groups and in much of the rest
// of Perl's syntax. So a pattern is parsed by Go's rules and written anew with nothing in it that the two read
// differently: literals, explicit classes, groups, repetition, \A, \z, \b, \B. What can't be written so is refused with
// its position, and so is what Go refuses.
//
// Thread: control path.
#ifndef TR_MATCH_REGEX_H
#define TR_MATCH_REGEX_H

#include "base/error.h"

struct tr_regex {
    char *text;  // for hyperscan, with its UTF-8 flag; to be freed
    bool always; // every text matches: there is nothing to ask
    bool empty;  // the empty text matches
};

// Returns 0, -EINVAL: error says what and at which byte of the pattern, from 0; -ENOMEM.
int tr_regex_translate(const char *pattern, struct tr_regex *regex, struct tr_error *error);

#endif
