// SPDX-License-Identifier: Apache-2.0
// What the files of backend/ share.
//
// A backend's thread takes entries out of the outboxes into a batch, closes it, gives it to the kind, and hears how it
// went: delivered, rejected for good, or to be tried again. A batch is in flight from the moment it is closed until it
// is one of these.
#ifndef TR_BACKEND_BACKEND_INTERNAL_H
#define TR_BACKEND_BACKEND_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>

#include "backend/backend.h"
#include "otlp/batch.h"

#define OUTBOXES_MAX 64
#define FATES_MAX    1024

// Spans of one outbox in a batch: their sequences follow each other.
struct range {
    uint64_t from, to; // to is not in it
};

struct batch {
    struct batch *next;
    uint8_t signal;  // enum tr_signal; traces: spans, else one opaque body
    uint64_t spans;
    struct range ranges[OUTBOXES_MAX];
    uint8_t *body;   // what is sent, gRPC's five bytes before it
    size_t body_bytes;
    uint8_t *plain;  // before compression, for kinds that want it; may be body
    size_t plain_bytes;
    bool compressed;
    uint64_t first_try_ns, due_ns; // CLOCK_MONOTONIC; due: when it is tried (again)
    unsigned tries;

    // Of the request that is under way.
    CURL *easy;
    struct curl_slist *headers;
    uint8_t *answer;
    size_t answer_bytes;
    int grpc_status; // -1: none came
    char grpc_message[256];
    uint64_t retry_delay_ns; // that the other side asks for
    bool retry_info;
};

// What became of spans that were not delivered, for `traces why`.
struct fate_row {
    uint32_t outbox;
    enum tr_backend_fate fate;
    struct range range;
    char said[160];
};

// The batch being filled.
struct filling {
    uint8_t *bytes; // spans and group payloads, one after the other
    size_t room, used;
    struct filling_span {
        size_t at;
        uint32_t bytes, group;
    } *spans;
    uint32_t spans_count, spans_room;
    struct filling_group {
        uint32_t outbox;
        uint64_t position;
        size_t at; // of its payload
    } *groups;
    uint32_t groups_count, groups_room;
    struct range ranges[OUTBOXES_MAX];
    uint64_t since_ns; // of the first span, 0: empty
};

enum outcome { OUTCOME_DELIVERED, OUTCOME_REJECTED, OUTCOME_RETRY };

struct tr_backend_kind {
    const char *name;
    // Returns 0 or an error that names the option.
    int (*open)(struct tr_backend *backend, struct tr_error *error);
    void (*close)(struct tr_backend *backend);
    // Begin sending; the answer comes through backend_finished(), maybe from inside.
    void (*send)(struct tr_backend *backend, struct batch *batch);
};
extern const struct tr_backend_kind tr_backend_otlp_grpc, tr_backend_otlp_http, tr_backend_file;

struct tr_backend {
    struct tr_backend_options options; // deep copies
    const struct tr_backend_kind *kind;
    bool signals[3];
    const struct tr_outbox *outboxes[OUTBOXES_MAX];
    uint32_t outboxes_count;
    uint32_t next_outbox;
    pthread_t thread;
    bool running;
    uint32_t stop, drain; // asked by control
    uint64_t drain_deadline_ns;
    uint64_t random;

    pthread_mutex_t lock; // of all below
    struct tr_backend_counters counters;
    struct tr_outbox_cursor cursors[OUTBOXES_MAX];
    uint64_t committed_before[OUTBOXES_MAX]; // when it began
    struct filling filling;
    struct batch *batches; // in flight
    uint32_t batches_count;
    struct fate_row *fates; // ring
    uint64_t fates_count;
    bool reachable;
    char last_error[256];
    uint64_t last_error_wall_ns, last_success_wall_ns;

    // otlp
    CURLM *multi;
    char **headers; // resolved: "name: value"
    size_t headers_count;
    // file
    int fd;
    uint64_t file_bytes;
};

// batch.c: take entries up (lock held). Returns entries taken.
size_t filling_take(struct tr_backend *backend);
bool filling_is_due(const struct tr_backend *backend, uint64_t now);
struct batch *filling_close(struct tr_backend *backend);
struct batch *batch_opaque(struct tr_backend *backend, uint8_t signal, const uint8_t *body, size_t bytes);
void filling_free(struct filling *filling);
void batch_free(struct batch *batch);

// backend.c: a batch has its answer (lock held). `rejected` of a delivered batch were refused (partial success).
void backend_finished(struct tr_backend *backend, struct batch *batch, enum outcome outcome, uint64_t rejected,
                      const char *said);

// fate.c (lock held)
void fate_note(struct tr_backend *backend, const struct batch *batch, enum tr_backend_fate fate, const char *said);
void fate_note_range(struct tr_backend *backend, uint32_t outbox, uint64_t from, uint64_t to, const char *said);

// otlp.c: move requests on and take what is done (lock held).
void otlp_perform(struct tr_backend *backend);

// respond.c: what an answer means.
enum outcome answer_http(struct batch *batch, long status, uint64_t *rejected, char *said, size_t said_bytes);
enum outcome answer_grpc(struct batch *batch, long status, uint64_t *rejected, char *said, size_t said_bytes);

#endif
