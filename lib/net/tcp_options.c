// SPDX-License-Identifier: Apache-2.0
#include "net/tcp_options.h"

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WINDOW_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMP = 8,
};

#define WINDOW_SCALE_MOST 14 // RFC 7323 2.3: a larger one counts as 14
#define OPTIONS_BYTES_MAX 40

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
    return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
    return put16(put16(p, (uint16_t)(value >> 16)), (uint16_t)value);
}

static void parse_sack(const uint8_t *p, size_t bytes, struct tr_tcp_options *options)
{
    options->sack_count = 0;
    for (; bytes >= 8 && options->sack_count < TR_SACK_BLOCKS_MAX; p += 8, bytes -= 8)
        options->sack[options->sack_count++] = (struct tr_sack_block){get32(p), get32(p + 4)};
}

// An option of a known kind with a length that is not the kind's is passed over, as an unknown one is.
static void parse_one(const uint8_t *p, size_t bytes, struct tr_tcp_options *options)
{
    switch (p[0]) {
    case OPTION_MSS:
        if (bytes == 4) {
            options->has_mss = true;
            options->mss_bytes = get16(p + 2);
        }
        break;
    case OPTION_WINDOW_SCALE:
        if (bytes == 3) {
            options->has_window_scale = true;
            options->window_scale = TR_MIN(p[2], WINDOW_SCALE_MOST);
        }
        break;
    case OPTION_SACK_PERMITTED:
        if (bytes == 2)
            options->has_sack_permitted = true;
        break;
    case OPTION_SACK:
        if (bytes >= 10 && bytes % 8 == 2)
            parse_sack(p + 2, bytes - 2, options);
        break;
    case OPTION_TIMESTAMP:
        if (bytes == 10) {
            options->has_timestamp = true;
            options->timestamp = get32(p + 2);
            options->timestamp_echo = get32(p + 6);
        }
        break;
    }
}

// What nearly every segment of a connection carries: two NOPs and a timestamp (RFC 7323 appendix A).
static bool parse_common(const uint8_t *p, size_t bytes, struct tr_tcp_options *options)
{
    if (bytes != 12 || get32(p) != (OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_TIMESTAMP << 8 | 10))
        return false;
    options->has_timestamp = true;
    options->timestamp = get32(p + 4);
    options->timestamp_echo = get32(p + 8);
    return true;
}

bool tr_tcp_options_parse(const uint8_t *data, size_t bytes, struct tr_tcp_options *options)
{
    // What follows is valid only where a `has_` or a count says so.
    options->has_mss = options->has_window_scale = options->has_sack_permitted = false;
    options->has_timestamp = false;
    options->sack_count = 0;
    if (tr_likely(parse_common(data, bytes, options)))
        return true;
    while (bytes > 0 && data[0] != OPTION_END) {
        size_t length = 1;

        if (data[0] != OPTION_NOP) {
            if (bytes < 2 || data[1] < 2 || data[1] > bytes)
                return false;
            length = data[1];
            parse_one(data, length, options);
        }
        data += length;
        bytes -= length;
    }
    return true;
}

static uint8_t *format_sack(uint8_t *p, const uint8_t *end, const struct tr_tcp_options *options)
{
    uint8_t *head = p;

    if (!options->sack_count || end - p < 4 + 8)
        return p;
    p += 4;
    for (size_t i = 0; i < TR_MIN(options->sack_count, TR_SACK_BLOCKS_MAX) && end - p >= 8; i++)
        p = put32(put32(p, options->sack[i].begin), options->sack[i].end);
    head[0] = head[1] = OPTION_NOP;
    head[2] = OPTION_SACK;
    head[3] = (uint8_t)(p - head - 2);
    return p;
}

size_t tr_tcp_options_format(const struct tr_tcp_options *options, uint8_t to[40])
{
    uint8_t *p = to;

    if (options->has_mss) {
        *p++ = OPTION_MSS;
        *p++ = 4;
        p = put16(p, options->mss_bytes);
    }
    if (options->has_timestamp) {
        // Where SACK permitted would need padding it takes the place of the NOPs.
        *p++ = options->has_sack_permitted ? OPTION_SACK_PERMITTED : OPTION_NOP;
        *p++ = options->has_sack_permitted ? 2 : OPTION_NOP;
        *p++ = OPTION_TIMESTAMP;
        *p++ = 10;
        p = put32(put32(p, options->timestamp), options->timestamp_echo);
    } else if (options->has_sack_permitted) {
        *p++ = OPTION_NOP;
        *p++ = OPTION_NOP;
        *p++ = OPTION_SACK_PERMITTED;
        *p++ = 2;
    }
    if (options->has_window_scale) {
        *p++ = OPTION_NOP;
        *p++ = OPTION_WINDOW_SCALE;
        *p++ = 3;
        *p++ = options->window_scale;
    }
    p = format_sack(p, to + OPTIONS_BYTES_MAX, options);
    return (size_t)(p - to);
}
