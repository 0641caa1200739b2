// SPDX-License-Identifier: Apache-2.0
// What tailgen sends: a block of traces of a made-up company, encoded once as the bodies of export requests, and sent
// over and over ("passes") with new ids and times patched in place. The same seed gives the same bytes.
#ifndef TR_PERF_CORPUS_H
#define TR_PERF_CORPUS_H

#include "base/tr.h"

struct corpus_options {
    uint64_t seed;
    uint32_t spans;    // of a block, about
    uint32_t batch;    // spans a request
    uint32_t services;
    double error_rate, slow_rate; // of traces
    double unknown_rate;          // of spans and resources that carry unknown fields
    bool shuffle;                 // spans of a service in any order, requests too
};

enum patch_kind { PATCH_TRACE_ID, PATCH_TIME, PATCH_HEX };

struct patch {
    uint32_t offset; // in the body
    uint32_t index;  // of the trace, or of the hexadecimal number
    uint32_t kind;
};

struct corpus_span {
    uint32_t trace;
    uint32_t offset, bytes; // the Span message in its body
};

struct corpus_request {
    uint8_t *body;
    uint32_t bytes;
    struct patch *patches;
    uint32_t patches_count;
    struct corpus_span *spans;
    uint32_t spans_count;
};

struct corpus_trace {
    uint8_t id[16]; // of pass 0
    uint32_t spans;
    uint64_t duration_ns; // latest end less earliest start
    bool error;
    bool touched; // has user.id or order.id
    const char *root; // service
};

struct corpus {
    struct corpus_request *requests;
    uint32_t requests_count;
    struct corpus_trace *traces;
    uint32_t traces_count;
    uint64_t spans, bytes;
    uint64_t seed;
};

int corpus_make(struct corpus *corpus, const struct corpus_options *options);
void corpus_free(struct corpus *corpus);

// Copy a request's body as it is in a pass: trace ids, ids in attributes, and times later by `delta_ns`.
void corpus_patch(const struct corpus *corpus, uint32_t request, uint64_t pass, uint64_t delta_ns, uint8_t *to);
void corpus_trace_id(const struct corpus *corpus, uint32_t trace, uint64_t pass, uint8_t id[16]);

#endif
