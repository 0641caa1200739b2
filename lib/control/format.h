// SPDX-License-Identifier: Apache-2.0
// Times, addresses and ids as text, the same in every answer.
//
// Thread: any.
#ifndef TR_CONTROL_FORMAT_H
#define TR_CONTROL_FORMAT_H

#include <jansson.h>

#include "base/tr.h"
#include "port/stream.h"

#define TR_FORMAT_BYTES 64 // enough for each of these

// "2024-05-01T12:00:00.123Z", "" for 0. Each returns `text`.
char *tr_format_wall(uint64_t wall_ns, char text[TR_FORMAT_BYTES]);
// "10.0.0.7", "fd00::1".
char *tr_format_ip(const uint8_t ip[16], char text[TR_FORMAT_BYTES]);
// "10.0.0.7:4317", "[fd00::1]:4317".
char *tr_format_address(const struct tr_address *address, char text[TR_FORMAT_BYTES]);
// 32 hex digits.
char *tr_format_trace_id(const uint8_t id[16], char text[TR_FORMAT_BYTES]);
// "950ms", "4.2s", "3m20s", "2h05m", "4d03h".
char *tr_format_duration(uint64_t ns, char text[TR_FORMAT_BYTES]);
// "512 B", "1.5 MiB".
char *tr_format_size(uint64_t bytes, char text[TR_FORMAT_BYTES]);
// "950", "12.3k", "4.5M".
char *tr_format_count(double count, char text[TR_FORMAT_BYTES]);

// JSON of a moment (null for 0) and of a span of time in seconds (null for TR_NEVER). New references.
json_t *tr_json_wall(uint64_t wall_ns);
json_t *tr_json_seconds(uint64_t ns);
// JSON of text that may come from a peer: what is not UTF-8 becomes '?'.
json_t *tr_json_text(const char *text);

#endif
