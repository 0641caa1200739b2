// SPDX-License-Identifier: Apache-2.0
#include "otlp/schema.h"

// F(number, JSON name, kind, type of a MESSAGE, many, oneof)
#define REQUEST(F) F(1, "resourceSpans", MESSAGE, RESOURCE_SPANS, 1, 0)

#define RESOURCE_SPANS(F)                                                                                    \
    F(1, "resource", MESSAGE, RESOURCE, 0, 0)                                                                \
    F(2, "scopeSpans", MESSAGE, SCOPE_SPANS, 1, 0)                                                           \
    F(3, "schemaUrl", STRING, REQUEST, 0, 0)

#define SCOPE_SPANS(F)                                                                                       \
    F(1, "scope", MESSAGE, SCOPE, 0, 0)                                                                      \
    F(2, "spans", MESSAGE, SPAN, 1, 0)                                                                       \
    F(3, "schemaUrl", STRING, REQUEST, 0, 0)

#define SPAN(F)                                                                                              \
    F(1, "traceId", ID16, REQUEST, 0, 0)                                                                     \
    F(2, "spanId", ID8, REQUEST, 0, 0)                                                                       \
    F(3, "traceState", STRING, REQUEST, 0, 0)                                                                \
    F(4, "parentSpanId", ID8, REQUEST, 0, 0)                                                                 \
    F(5, "name", STRING, REQUEST, 0, 0)                                                                      \
    F(6, "kind", SPAN_KIND, REQUEST, 0, 0)                                                                   \
    F(7, "startTimeUnixNano", FIXED64, REQUEST, 0, 0)                                                        \
    F(8, "endTimeUnixNano", FIXED64, REQUEST, 0, 0)                                                          \
    F(9, "attributes", MESSAGE, KEY_VALUE, 1, 0)                                                             \
    F(10, "droppedAttributesCount", UINT32, REQUEST, 0, 0)                                                   \
    F(11, "events", MESSAGE, EVENT, 1, 0)                                                                    \
    F(12, "droppedEventsCount", UINT32, REQUEST, 0, 0)                                                       \
    F(13, "links", MESSAGE, LINK, 1, 0)                                                                      \
    F(14, "droppedLinksCount", UINT32, REQUEST, 0, 0)                                                        \
    F(15, "status", MESSAGE, STATUS, 0, 0)                                                                   \
    F(16, "flags", FIXED32, REQUEST, 0, 0)

#define EVENT(F)                                                                                             \
    F(1, "timeUnixNano", FIXED64, REQUEST, 0, 0)                                                             \
    F(2, "name", STRING, REQUEST, 0, 0)                                                                      \
    F(3, "attributes", MESSAGE, KEY_VALUE, 1, 0)                                                             \
    F(4, "droppedAttributesCount", UINT32, REQUEST, 0, 0)

#define LINK(F)                                                                                              \
    F(1, "traceId", ID16, REQUEST, 0, 0)                                                                     \
    F(2, "spanId", ID8, REQUEST, 0, 0)                                                                       \
    F(3, "traceState", STRING, REQUEST, 0, 0)                                                                \
    F(4, "attributes", MESSAGE, KEY_VALUE, 1, 0)                                                             \
    F(5, "droppedAttributesCount", UINT32, REQUEST, 0, 0)                                                    \
    F(6, "flags", FIXED32, REQUEST, 0, 0)

#define STATUS(F)                                                                                            \
    F(2, "message", STRING, REQUEST, 0, 0)                                                                   \
    F(3, "code", STATUS_CODE, REQUEST, 0, 0)

#define RESOURCE(F)                                                                                          \
    F(1, "attributes", MESSAGE, KEY_VALUE, 1, 0)                                                             \
    F(2, "droppedAttributesCount", UINT32, REQUEST, 0, 0)                                                    \
    F(3, "entityRefs", MESSAGE, ENTITY_REF, 1, 0)

#define ENTITY_REF(F)                                                                                        \
    F(1, "schemaUrl", STRING, REQUEST, 0, 0)                                                                 \
    F(2, "type", STRING, REQUEST, 0, 0)                                                                      \
    F(3, "idKeys", STRING, REQUEST, 1, 0)                                                                    \
    F(4, "descriptionKeys", STRING, REQUEST, 1, 0)

#define SCOPE(F)                                                                                             \
    F(1, "name", STRING, REQUEST, 0, 0)                                                                      \
    F(2, "version", STRING, REQUEST, 0, 0)                                                                   \
    F(3, "attributes", MESSAGE, KEY_VALUE, 1, 0)                                                             \
    F(4, "droppedAttributesCount", UINT32, REQUEST, 0, 0)

#define KEY_VALUE(F)                                                                                         \
    F(1, "key", STRING, REQUEST, 0, 0)                                                                       \
    F(2, "value", MESSAGE, ANY_VALUE, 0, 0)                                                                  \
    F(3, "keyStrindex", INT32, REQUEST, 0, 0)

#define ANY_VALUE(F)                                                                                         \
    F(1, "stringValue", STRING, REQUEST, 0, 1)                                                               \
    F(2, "boolValue", BOOL, REQUEST, 0, 1)                                                                   \
    F(3, "intValue", INT64, REQUEST, 0, 1)                                                                   \
    F(4, "doubleValue", DOUBLE, REQUEST, 0, 1)                                                               \
    F(5, "arrayValue", MESSAGE, ARRAY, 0, 1)                                                                 \
    F(6, "kvlistValue", MESSAGE, KVLIST, 0, 1)                                                               \
    F(7, "bytesValue", BYTES, REQUEST, 0, 1)                                                                 \
    F(8, "stringValueStrindex", INT32, REQUEST, 0, 1)

#define ARRAY(F)  F(1, "values", MESSAGE, ANY_VALUE, 1, 0)
#define KVLIST(F) F(1, "values", MESSAGE, KEY_VALUE, 1, 0)

#define WIRE_MESSAGE     TR_PB_BYTES
#define WIRE_STRING      TR_PB_BYTES
#define WIRE_BYTES       TR_PB_BYTES
#define WIRE_ID16        (TR_PB_BYTES | TR_OTLP_EXPECT_ID16 << 4)
#define WIRE_ID8         (TR_PB_BYTES | TR_OTLP_EXPECT_ID8 << 4)
#define WIRE_BOOL        TR_PB_VARINT
#define WIRE_INT32       TR_PB_VARINT
#define WIRE_INT64       TR_PB_VARINT
#define WIRE_UINT32      TR_PB_VARINT
#define WIRE_SPAN_KIND   TR_PB_VARINT
#define WIRE_STATUS_CODE TR_PB_VARINT
#define WIRE_FIXED32     TR_PB_FIXED32
#define WIRE_FIXED64     TR_PB_FIXED64
#define WIRE_DOUBLE      TR_PB_FIXED64

// REQUEST, which is in nothing, is 0 and stands for none.
_Static_assert(TR_OTLP_REQUEST == 0, "0 is no message to look into");
_Static_assert((int)TR_OTLP_TYPES <= TR_OTLP_EXPECT_ID8, "a type has four bits");

#define FIELD(number, name, kind, type, many, oneof)                                                         \
    [number] = {name, sizeof(name) - 1, TR_OTLP_##kind, TR_OTLP_##type, many, oneof},
#define EXPECT(number, name, kind, type, many, oneof)                                                        \
    [number] = WIRE_##kind | TR_OTLP_EXPECT_KNOWN | TR_OTLP_##type << 4,

#define MESSAGE(name, highest) [TR_OTLP_##name] = {{name(EXPECT)}, highest, {name(FIELD)}}

const struct tr_otlp_message tr_otlp_messages[TR_OTLP_TYPES] = {
    MESSAGE(REQUEST, 1),    MESSAGE(RESOURCE_SPANS, 3), MESSAGE(SCOPE_SPANS, 3), MESSAGE(SPAN, 16),
    MESSAGE(EVENT, 4),      MESSAGE(LINK, 6),           MESSAGE(STATUS, 3),      MESSAGE(RESOURCE, 3),
    MESSAGE(ENTITY_REF, 4), MESSAGE(SCOPE, 4),          MESSAGE(KEY_VALUE, 3),   MESSAGE(ANY_VALUE, 8),
    MESSAGE(ARRAY, 1),      MESSAGE(KVLIST, 1),
};
