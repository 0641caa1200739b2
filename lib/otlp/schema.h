// SPDX-License-Identifier: Apache-2.0
// OTLP's trace messages, each written once: a row gives the check of a field's wire type and both directions
// of JSON. Source: opentelemetry-proto 1.11.
#ifndef TR_OTLP_SCHEMA_H
#define TR_OTLP_SCHEMA_H

#include "base/pb.h"

enum tr_otlp_type {
    TR_OTLP_REQUEST, // ExportTraceServiceRequest and TracesData
    TR_OTLP_RESOURCE_SPANS,
    TR_OTLP_SCOPE_SPANS,
    TR_OTLP_SPAN,
    TR_OTLP_EVENT,
    TR_OTLP_LINK,
    TR_OTLP_STATUS,
    TR_OTLP_RESOURCE,
    TR_OTLP_ENTITY_REF,
    TR_OTLP_SCOPE,
    TR_OTLP_KEY_VALUE,
    TR_OTLP_ANY_VALUE,
    TR_OTLP_ARRAY,
    TR_OTLP_KVLIST,
    TR_OTLP_TYPES,
};

// What a field holds, and so how it looks in JSON.
enum tr_otlp_kind {
    TR_OTLP_UNKNOWN, // no such field
    TR_OTLP_MESSAGE,
    TR_OTLP_STRING,
    TR_OTLP_BYTES,
    TR_OTLP_ID16, // hex in JSON, 16 bytes or none
    TR_OTLP_ID8,
    TR_OTLP_BOOL,
    TR_OTLP_INT32,
    TR_OTLP_INT64,
    TR_OTLP_UINT32,
    TR_OTLP_SPAN_KIND,
    TR_OTLP_STATUS_CODE,
    TR_OTLP_FIXED32,
    TR_OTLP_FIXED64,
    TR_OTLP_DOUBLE,
};

struct tr_otlp_field {
    const char *name; // in JSON
    uint8_t name_bytes;
    uint8_t kind; // enum tr_otlp_kind
    uint8_t type; // MESSAGE: enum tr_otlp_type
    bool many;    // repeated
    bool oneof;   // present even when it holds the default
};

#define TR_OTLP_FIELDS_MAX 16 // the highest field number

// What a field's tag and length must be like, in a byte: the wire type, TR_OTLP_EXPECT_KNOWN, and on top the
// type of the message, or the length of the id, to look into.
#define TR_OTLP_EXPECT_KNOWN 0x08
#define TR_OTLP_EXPECT_ID8   14
#define TR_OTLP_EXPECT_ID16  15

struct tr_otlp_message {
    uint8_t expect[TR_OTLP_FIELDS_MAX + 1]; // by number
    uint8_t fields;                         // highest number
    struct tr_otlp_field field[TR_OTLP_FIELDS_MAX + 1];
};

extern const struct tr_otlp_message tr_otlp_messages[TR_OTLP_TYPES];

// How deep messages may nest below an attribute, wherever it is; TR_OTLP_REQUEST_DEPTH_MAX is what that makes
// for an attribute of an event, below the request. Parsers behind us stop at 100.
#define TR_OTLP_DEPTH_MAX         64
#define TR_OTLP_REQUEST_DEPTH_MAX (TR_OTLP_DEPTH_MAX + 5)

// Is this a message of the type, all the way down? Known fields have their wire type (parsers that find
// another refuse the request that it came in), lengths fit, ids of links have their length or none; unknown
// fields of any shape pass, groups don't.
//
// Cost: about 1 ns a field.
bool tr_otlp_valid(enum tr_otlp_type type, const uint8_t *p, uint32_t bytes);

#endif
