// SPDX-License-Identifier: Apache-2.0
#include "otlp/schema.h"

struct level {
    const uint8_t *end;
    const uint8_t *expect;
};

// The length was read: may it be this long?
static bool length_expected(unsigned what, uint32_t bytes)
{
    return bytes == 0 || (what == TR_OTLP_EXPECT_ID16 ? bytes == 16 : bytes == 8);
}

// An attribute may nest as deep in one place as in another, so that it can be moved: to an event, to a
// request.
static unsigned depth_max(enum tr_otlp_type type)
{
    switch (type) {
    case TR_OTLP_REQUEST:
        return TR_OTLP_REQUEST_DEPTH_MAX;
    case TR_OTLP_EVENT:
    case TR_OTLP_LINK:
    case TR_OTLP_RESOURCE:
    case TR_OTLP_SCOPE:
        return TR_OTLP_DEPTH_MAX + 1;
    default:
        return TR_OTLP_DEPTH_MAX;
    }
}

bool tr_otlp_valid(enum tr_otlp_type type, const uint8_t *p, uint32_t bytes)
{
    struct level stack[TR_OTLP_REQUEST_DEPTH_MAX];
    const uint8_t *end = p + bytes, *expect = tr_otlp_messages[type].expect;
    unsigned depth = 0, most = depth_max(type);

    for (;;) {
        uint32_t tag, length;
        unsigned known, inside;

        while (p == end) {
            if (depth == 0)
                return true;
            end = stack[--depth].end;
            expect = stack[depth].expect;
        }
        p = tr_pb_tag(p, end, &tag);
        if (!p || tag >> 3 == 0)
            return false;
        known = tag >> 3 <= TR_OTLP_FIELDS_MAX ? expect[tag >> 3] : 0;
        if (known && (known & 7) != (tag & 7))
            return false;
        inside = known >> 4;
        if (inside == 0) {
            p = tr_pb_skip(p, end, tag & 7);
            if (!p)
                return false;
            continue;
        }
        p = tr_pb_length(p, end, &length);
        if (!p)
            return false;
        if (inside >= TR_OTLP_EXPECT_ID8) {
            if (!length_expected(inside, length))
                return false;
            p += length;
            continue;
        }
        if (depth == most)
            return false;
        stack[depth++] = (struct level){end, expect};
        end = p + length;
        expect = tr_otlp_messages[inside].expect;
    }
}
