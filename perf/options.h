// SPDX-License-Identifier: Apache-2.0
// What tailgen is asked to do.
#ifndef TR_PERF_OPTIONS_H
#define TR_PERF_OPTIONS_H

#include "client.h"
#include "corpus.h"

#define CONNECTIONS_MAX 4096

struct options {
    const char *to, *truth;
    enum client_protocol protocol;
    enum client_compression compression;
    uint32_t connections, streams, batch;
    double rate;
    uint64_t duration_ns, spans, seed;
    bool json, progress, truth_hash, retry;
    struct corpus_options corpus;
};

// Read the command line over the defaults in `o`. Ends the process after --help (0) and on a mistake (2).
void options_parse(struct options *o, int argc, char **argv);

#endif
