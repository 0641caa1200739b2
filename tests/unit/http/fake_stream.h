// SPDX-License-Identifier: Apache-2.0
// A stream in memory, and a sink that records what reaches it: HTTP without sockets, on virtual time.
#ifndef TEST_HTTP_FAKE_STREAM_H
#define TEST_HTTP_FAKE_STREAM_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/http_internal.h"

struct fake {
    struct tr_http *http;
    const struct tr_stream_user *user;
    struct tr_stream stream;
    struct tr_stream_ops ops;
    uint64_t now;
    char out[65536]; // what was sent
    size_t out_bytes;
    size_t room; // of the send buffer
    bool closed, aborted, paused;

    // The sink.
    bool refuse;     // admit() says no
    bool answer_now; // complete() answers at once
    struct tr_request *waiting[8];
    unsigned completed;
    uint8_t body[1 << 20]; // of the last completed request
    size_t body_bytes;
    struct tr_reply reply; // what it is answered with
};

void fake_open(struct fake *fake, const struct tr_http_options *options);
// closed() and destroy; everything must have been given back.
void fake_close(struct fake *fake);
void fake_input(struct fake *fake, const void *data, size_t bytes);
void fake_text(struct fake *fake, const char *text);
// The same in pieces of so many bytes.
void fake_dribble(struct fake *fake, const char *text, size_t piece);
void fake_poll(struct fake *fake, uint64_t passed_ns);
void fake_answer(struct fake *fake, unsigned number);
bool fake_says(const struct fake *fake, const char *text);
extern const struct tr_http_options fake_options;

#endif
