// SPDX-License-Identifier: Apache-2.0
// What tailgen is asked to do.
#ifndef TR_PERF_OPTIONS_H
#define TR_PERF_OPTIONS_H

#include "client.h"
#include "corpus.h"
#include "net/address.h"

#define CONNECTIONS_MAX 65536

struct options {
    const char *to, *truth;
    const char *device, *pcap; // NULL: kernel sockets; none
    struct tr_net_address from; // DPDK: source addresses
    struct tr_ip gateway;
    bool has_gateway;
    uint32_t mtu_bytes;
    uint32_t connection_requests; // then it is closed and opened anew; 0: never
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
