// SPDX-License-Identifier: Apache-2.0
// A data lcore whose port is memory: the real stack, HTTP and lcore, fed with frames that were recorded before.
#ifndef TR_PERF_REPLAY_LCORE_H
#define TR_PERF_REPLAY_LCORE_H

#include "corpus.h"
#include "lcore/lcore.h"
#include "port/net_stream.h"
#include "recorder.h"

#define REPLAY_LINKS 8

struct replay_lcore {
    uint32_t number, lcores;
    const struct corpus *corpus;
    struct tr_lcore *lcore;
    struct tr_stack *stack;
    struct tr_net_streams *streams;
    struct recorder recorder;
    struct recorder_link links[REPLAY_LINKS];
    uint32_t at; // frames replayed
    uint64_t request; // of the corpus, over all passes
    uint32_t flags;   // of frames
    uint8_t *body, out[RECORDER_FRAME_BYTES];
    uint64_t recorded;                           // spans in the frames
    uint64_t spans_fed, spans_counted, busy_ns; // counted: in turns that count
};

// Everything is made, and the connections are open. Exits with a message if not.
void replay_lcore_open(struct replay_lcore *replay, uint32_t number, uint32_t lcores, struct tr_mesh *mesh,
                       const struct corpus *corpus, const char *directory, uint64_t wait_ns, bool software_checksums);
void replay_lcore_close(struct replay_lcore *replay);

// Fill the frames with requests of fresh trace ids.
void replay_record(struct replay_lcore *replay);
// One turn of the lcore, with a burst of frames as long as there are any.
void replay_turn(struct replay_lcore *replay, bool counts);
// Are all frames replayed and all their spans walked?
bool replay_done(const struct replay_lcore *replay);

#endif
