// SPDX-License-Identifier: Apache-2.0
// A text that grows, and JSON's values in it.
#ifndef TR_OTLP_JSON_PUT_H
#define TR_OTLP_JSON_PUT_H

#include "base/tr.h"

struct tr_json_put {
    char *data;
    size_t bytes;
    size_t room;
    bool failed; // no memory; what is put is lost
};

void tr_json_put(struct tr_json_put *put, const void *data, size_t bytes);
void tr_json_put_char(struct tr_json_put *put, char c);
void tr_json_put_number(struct tr_json_put *put, int64_t value);
void tr_json_put_number64(struct tr_json_put *put, uint64_t magnitude, bool negative); // in quotes
void tr_json_put_double(struct tr_json_put *put, double value);
void tr_json_put_string(struct tr_json_put *put, const uint8_t *p, size_t bytes);
void tr_json_put_hex(struct tr_json_put *put, const uint8_t *p, size_t bytes);
void tr_json_put_base64(struct tr_json_put *put, const uint8_t *p, size_t bytes);

#endif
