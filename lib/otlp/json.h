// SPDX-License-Identifier: Apache-2.0
// OTLP JSON to protobuf and back, by one table of the schema. Source: OTLP specification, JSON Protobuf
// Encoding; protobuf.dev, ProtoJSON.
#ifndef TR_OTLP_JSON_H
#define TR_OTLP_JSON_H

#include "base/tr.h"

enum tr_json_result { TR_JSON_DONE, TR_JSON_MORE, TR_JSON_MALFORMED };

#define TR_JSON_DEPTH_MAX 64

// JSON to protobuf, no allocation. The JSON may lie behind the output in the same memory (the journal's
// head): protobuf is never longer than the JSON it came from, and `out` must be at least TR_JSON_GAP below
// `json`.
#define TR_JSON_GAP 64

struct tr_json_in {
    const uint8_t *json;
    size_t json_bytes;
    uint8_t *out;
    size_t out_bytes; // written so far; the result when done
    const char *why;  // when malformed
    size_t offset;    // where in the JSON
    uint64_t state[4 * TR_JSON_DEPTH_MAX + 16];
};

void tr_json_in_init(struct tr_json_in *in, const uint8_t *json, size_t bytes, uint8_t *out);

// Convert on for about `budget` bytes of JSON. ids are hex in any case, enums integers (names are accepted
// too), 64-bit numbers strings or numbers, bytes base64 (standard or URL alphabet), unknown fields ignored,
// null absent.
enum tr_json_result tr_json_in_run(struct tr_json_in *in, size_t budget);

// A TracesData (same bytes as ExportTraceServiceRequest) as one line of JSON without the newline. Unknown
// fields are left out; invalid UTF-8 becomes U+FFFD.
//
// Returns malloc'd text, NULL: malformed or no memory. Thread: not a data lcore.
char *tr_json_out(const uint8_t *data, size_t bytes, size_t *text_bytes);

#endif
