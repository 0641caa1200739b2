// SPDX-License-Identifier: Apache-2.0
// A set of strings, asked with bytes and a length. Immutable once made.
#ifndef TR_POLICY_VALUES_H
#define TR_POLICY_VALUES_H

#include "base/tr.h"

struct tr_values {
    char **values; // sorted, no two equal, none empty
    uint32_t count;
    uint64_t lengths; // of the values, a bit each; 63 and above share one: most questions end here
    uint32_t *slots;  // open addressing over the values' hashes; 0 is empty, else index + 1
    uint32_t slots_mask;
};

// Copy `values`, but for empty ones. Returns 0, -ENOMEM.
int tr_values_make(struct tr_values *set, const char *const *values, size_t count);
void tr_values_clear(struct tr_values *set);

// The set as text, `in "a" "b"`, to be freed; NULL: no memory.
char *tr_values_text(const struct tr_values *set);

bool tr_values_have(const struct tr_values *set, const void *bytes, size_t length);

#endif
