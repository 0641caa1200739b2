// SPDX-License-Identifier: Apache-2.0
// A corpus file through the walk of the data path: requests, each behind its length in four bytes, little-endian; and a
// file of configs to walk it with.
#ifndef TR_DIFFERENTIAL_CORPUS_H
#define TR_DIFFERENTIAL_CORPUS_H

#include "policy/policy.h"

struct corpus {
    uint8_t *data; // of the one who read it
    size_t bytes;
};

// path  plain or gzip
//
// Returns what is in it, behind it 64 bytes of 0, since the walk may look beyond; free() it. Exits with a message if it
// can't be read.
uint8_t *corpus_file_read(const char *path, size_t *bytes);

// notes  for rules that look at values; may be NULL
// take   gets each span and the predicates of it and its resource, in the file's order; false: enough
void corpus_walk(const struct corpus *corpus, const struct tr_policy_set *set, struct tr_walk_notes *notes,
                 bool (*take)(const struct tr_walk_span *span, uint32_t bytes, const struct tr_bits *bits));

// path  `=== NAME` lines, a `tail_sampling` block behind each
// each  gets the compiled set of one after the other, for the call
//
// Returns how many. Exits with a message if one does not compile.
unsigned corpus_configs_each(const char *path, void (*each)(const char *name, const struct tr_policy_set *set));

#endif
