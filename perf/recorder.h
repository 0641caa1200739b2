// SPDX-License-Identifier: Apache-2.0
// A client's end of a TCP connection as far as a server can tell, without a stack: it writes down the frames in which a
// client would send gRPC requests. For benchmarks that replay frames from memory.
#ifndef TR_PERF_RECORDER_H
#define TR_PERF_RECORDER_H

#include <nghttp2/nghttp2.h>

#include "net/stack.h"

#define RECORDER_FRAME_BYTES 1536
#define RECORDER_HEAD_BYTES  (14 + 20 + 20)
#define RECORDER_MSS         1460

struct recorder_frame {
    uint32_t bytes;
    uint32_t link; // whose; the caller's
    uint8_t data[RECORDER_FRAME_BYTES];
};

struct recorder {
    struct recorder_frame *frames; // borrowed
    uint32_t count, max;
};

struct recorder_link {
    struct tr_ip server_ip, client_ip; // IPv4
    uint8_t server_mac[6];
    uint16_t server_port, client_port;
    uint32_t number;
    uint32_t seq;      // of the next byte that is written down
    uint32_t received; // of the server's bytes: what is acknowledged
    int32_t stream_id;
    bool checksums; // TCP's are made: at the time of recording, for `received` as it is then
    nghttp2_hd_deflater *deflater;
};

void recorder_link_open(struct recorder_link *link, uint32_t number);
void recorder_link_close(struct recorder_link *link);

// SYN, and after it was answered: ACK with preface and SETTINGS.
void recorder_syn(struct recorder *recorder, struct recorder_link *link);
void recorder_begin(struct recorder *recorder, struct recorder_link *link);

// A request: HEADERS and DATA of a body, of less than 64 KiB. Returns false: there is no room for its frames.
bool recorder_request(struct recorder *recorder, struct recorder_link *link, const uint8_t *body, size_t bytes);

// Put what was received since into a frame's acknowledgement. Cost: a store (and with checksums, their update).
void recorder_acknowledge(struct recorder_frame *frame, const struct recorder_link *link);

// Take a frame of the server's.
void recorder_take(struct recorder_link *links, uint32_t count, const uint8_t *frame, uint32_t bytes);

#endif
