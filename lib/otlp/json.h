// SPDX-License-Identifier: Apache-2.0
// OTLP JSON to protobuf and back, by one table of the schema. Source: OTLP specification, JSON Protobuf
// Encoding; protobuf.dev, ProtoJSON.
#ifndef TR_OTLP_JSON_H
#define TR_OTLP_JSON_H

#include "otlp/walk.h"

enum tr_json_result { TR_JSON_DONE, TR_JSON_MORE, TR_JSON_MALFORMED };

// Objects and arrays in one another: enough for whatever tr_otlp_valid() lets nest, written as JSON.
#define TR_JSON_DEPTH_MAX 128

// JSON to protobuf, no allocation. The JSON may lie behind the output in the same memory (the journal's
// head): `out` must be at least TR_JSON_GAP below `json`, or apart from it with room for json_bytes +
// TR_JSON_GAP.
//
// That holds because of any whole field the protobuf is shorter than the JSON: a name of at least four
// characters, its quotes and colon stand against a tag of one byte (two for `flags`) and a length, `{},` of
// an array's element against a tag and a length; base64, hex, escapes and decimals never grow. A message that
// is still open is ahead by the room kept for its length, at most three times four bytes and one for each
// level more: less than the gap. All the same each write is checked against what was read, and JSON that
// found a way around would be malformed.
#define TR_JSON_GAP 64

struct tr_json_in {
    const uint8_t *json;
    size_t json_bytes;
    uint8_t *out;
    size_t out_bytes; // written so far; the result when done
    const char *why;  // when malformed
    size_t offset;    // where in the JSON
    uint64_t state[2 * TR_JSON_DEPTH_MAX + 16];
};

void tr_json_in_init(struct tr_json_in *in, const uint8_t *json, size_t bytes, uint8_t *out);

// Convert on for about `budget` bytes of JSON. ids are hex in any case, enums integers (names are accepted
// too), 64-bit numbers strings or numbers, bytes base64 (standard or URL alphabet), unknown fields ignored,
// null absent. Of a field that comes twice the last one holds, or they are merged, as in protobuf. A string,
// number or message (but for the three outer ones) above TR_SPAN_BYTES_MAX is refused: none of them can be
// converted in two turns.
enum tr_json_result tr_json_in_run(struct tr_json_in *in, size_t budget);

// A TracesData (same bytes as ExportTraceServiceRequest) as one line of JSON without the newline. Unknown
// fields are left out; invalid UTF-8 becomes U+FFFD.
//
// Returns malloc'd text with a NUL behind its *text_bytes, NULL: malformed or no memory. Thread: not a data
// lcore.
char *tr_json_out(const uint8_t *data, size_t bytes, size_t *text_bytes);

#endif
