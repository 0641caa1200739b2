// SPDX-License-Identifier: Apache-2.0
// Counters, each written once: a row gives the struct's field, the Prometheus line, the control socket's
// entry and the line of docs/metrics.md. A module keeps its rows in an X-macro:
//
//   #define TR_HTTP_COUNTERS(X) X(requests_grpc, COUNTER, "http_requests_total", "protocol=\"grpc\"",
//   "Help.") TR_COUNTERS_DECLARE(http, TR_HTTP_COUNTERS)      // header: struct tr_http_counters,
//   tr_http_counter_rows TR_COUNTERS_DEFINE(http, TR_HTTP_COUNTERS)       // one .c file
//
// A counter has one writer (the lcore or thread that owns the struct) and any number of readers.
#ifndef TR_BASE_COUNTER_H
#define TR_BASE_COUNTER_H

#include "base/tr.h"

enum tr_counter_kind { TR_COUNTER, TR_GAUGE };

struct tr_counter_row {
    const char *field;
    // Without "tailrace_"; unit last, "_total" on counters. What "_seconds" names is held in ns.
    const char *name;
    const char *labels; // "" or "reason=\"late\""
    const char *help;
    enum tr_counter_kind kind;
    size_t offset; // of the uint64_t in its struct
};

struct tr_counter_rows {
    const char *module;
    const struct tr_counter_row *rows;
    size_t count;
    size_t size; // of the struct
};

#define TR_COUNTER_FIELD_(field, kind, name, labels, help) uint64_t field;
#define TR_COUNTERS_DECLARE(module, LIST)                                                                    \
    struct tr_##module##_counters {                                                                          \
        LIST(TR_COUNTER_FIELD_)                                                                              \
    };                                                                                                       \
    extern const struct tr_counter_rows tr_##module##_counter_rows;

// Once in one .c file of the module; a file defines the rows of one module at most.
#define TR_COUNTER_ROW_(field, kind, name, labels, help)                                                     \
    {#field, name, labels, help, TR_##kind, offsetof(struct tr_counters_here, field)},
#define TR_COUNTERS_DEFINE(module, LIST)                                                                     \
    struct tr_counters_here {                                                                                \
        LIST(TR_COUNTER_FIELD_)                                                                              \
    };                                                                                                       \
    static const struct tr_counter_row counter_rows_here[] = {LIST(TR_COUNTER_ROW_)};                        \
    const struct tr_counter_rows tr_##module##_counter_rows = {                                              \
        #module, counter_rows_here, TR_NELEMS(counter_rows_here), sizeof(struct tr_counters_here)};

static inline void tr_count(uint64_t *counter, uint64_t n)
{
    tr_store_relaxed(counter, *counter + n);
}

static inline void tr_gauge(uint64_t *gauge, uint64_t value)
{
    tr_store_relaxed(gauge, value);
}

static inline uint64_t tr_counter_read(const uint64_t *counter)
{
    return tr_load_relaxed(counter);
}

// Add each row of the struct `from`, which its owner may be writing, to the same row of `sum`.
void tr_counters_add(const struct tr_counter_rows *rows, const void *from, void *sum);

#endif
