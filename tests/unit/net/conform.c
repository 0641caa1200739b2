// SPDX-License-Identifier: Apache-2.0
#include "conform.h"

#include "build.h"

struct world w;
const uint8_t plain[4] = {2, 4, 0x05, 0xb4};
const uint8_t full[20] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};

static const uint8_t mac_ours[6] = {2, 0, 0, 0, 0, 2}, mac_peer[6] = {2, 0, 0, 0, 0, 9};
static const char *const stack_ip[2] = {"198.18.0.2", "fd00:1::2"}, *const peer_ip[2] = {"198.18.0.9", "fd00:1::9"};

// --- the parser

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void parse_option(struct wire *s, const uint8_t *p)
{
    switch (p[0]) {
    case 2:
        assert_int_equal(p[1], 4);
        assert_true(s->flags & SYN); // MUST-65
        s->has_mss = true;
        s->mss = get16(p + 2);
        return;
    case 3:
        assert_int_equal(p[1], 3);
        assert_true(s->flags & SYN);
        s->has_scale = true;
        s->scale = p[2];
        return;
    case 4:
        assert_int_equal(p[1], 2);
        assert_true(s->flags & SYN);
        s->sack_ok = true;
        return;
    case 5:
        assert_int_equal(p[1] % 8, 2);
        assert_false(s->flags & SYN);
        for (s->sacks = 0; s->sacks < (p[1] - 2u) / 8; s->sacks++) {
            s->sack[s->sacks][0] = get32(p + 2 + 8 * s->sacks);
            s->sack[s->sacks][1] = get32(p + 6 + 8 * s->sacks);
            assert_true((int32_t)(s->sack[s->sacks][1] - s->sack[s->sacks][0]) > 0);
        }
        return;
    case 8:
        assert_int_equal(p[1], 10);
        s->has_timestamp = true;
        s->timestamp = get32(p + 2);
        s->timestamp_echo = get32(p + 6);
        return;
    }
    fail_msg("option of kind %u", p[0]);
}

static void parse_options(struct wire *s, const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        if (*p == 0) { // MUST-69: zeros to the end
            for (; p < end; p++)
                assert_int_equal(*p, 0);
            return;
        }
        if (*p == 1) {
            p++;
            continue;
        }
        assert_true(end - p >= 2 && p[1] >= 2 && p[1] <= end - p); // MUST-68
        parse_option(s, p);
        p += p[1];
    }
}

static void parse(struct wire *s, const uint8_t *frame, uint32_t bytes)
{
    bool ipv6 = get16(frame + 12) == 0x86dd;
    const uint8_t *ip = frame + 14, *tcp = ip + (ipv6 ? 40 : 20), *data;

    *s = (struct wire){.at_ns = w.now, .ip_bytes = bytes - 14};
    assert_memory_equal(frame, mac_peer, 6);
    assert_memory_equal(frame + 6, mac_ours, 6);
    assert_int_equal(ip[0] >> 4, ipv6 ? 6 : 4);
    if (ipv6) {
        assert_int_equal(get16(ip + 4) + 40u, s->ip_bytes);
        assert_int_equal(ip[6], 6);
    } else {
        assert_int_equal(ip[0], 0x45);
        assert_int_equal(get16(ip + 2), s->ip_bytes);
        assert_int_equal(ip[9], 6);
        assert_int_equal(build_naive_sum(0, ip, 20), 0);
    }
    s->tos = ipv6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : ip[1];
    s->ttl = ipv6 ? ip[7] : ip[8];
    assert_int_equal(build_l4_sum(ip, s->ip_bytes), 0); // MUST-2
    s->from = get16(tcp);
    s->to = get16(tcp + 2);
    s->seq = get32(tcp + 4);
    s->ack = get32(tcp + 8);
    s->header_bytes = (tcp[12] >> 4) * 4u;
    assert_true(s->header_bytes >= 20 && (tcp[12] & 15) == 0);
    s->flags = tcp[13];
    s->window = get16(tcp + 14);
    assert_int_equal(get16(tcp + 18), 0);
    parse_options(s, tcp + 20, tcp + s->header_bytes);
    data = tcp + s->header_bytes;
    s->bytes = (uint32_t)(frame + bytes - data);
    memcpy(s->data, data, s->bytes);
}

// --- the device

static uint8_t frame_data[9300];

static bool device_alloc(void *context, struct tr_frame_out *frame)
{
    if (w.no_buffer)
        return false;
    memset(frame_data, 0xee, sizeof(frame_data));
    frame->data = frame_data;
    return true;
}

static void device_send(void *context, const struct tr_frame_out *frame)
{
    uint16_t type = get16(frame->data + 12);

    if (type == 0x0806) {
        memcpy(w.arp, frame->data, sizeof(w.arp));
        w.arp_due = true;
        return;
    }
    if (frame->data[14 + (type == 0x86dd ? 6 : 9)] != 6)
        return; // MLD, ICMP: not of these tests
    assert_true(frame->bytes <= w.options.mtu_bytes + 14u);
    assert_true(w.sent_count < FRAMES);
    parse(&w.sent[w.sent_count++], frame->data, frame->bytes);
}

static void arp_answer(void)
{
    uint8_t reply[42];
    struct tr_frame frame = {reply, sizeof(reply), 0, NULL};

    w.arp_due = false;
    memcpy(reply, mac_ours, 6);
    memcpy(reply + 6, mac_peer, 6);
    memcpy(reply + 12, w.arp + 12, 8);
    reply[20] = 0;
    reply[21] = 2;
    memcpy(reply + 22, mac_peer, 6);
    memcpy(reply + 28, w.arp + 38, 4);
    memcpy(reply + 32, w.arp + 22, 10);
    tr_stack_input(w.stack, &frame, w.now);
}

// --- the user

static int user_opened(void *context, struct tr_conn *conn, uint64_t now)
{
    assert_true(now == w.now);
    w.opened++;
    w.conn = conn;
    return w.refuse ? -ECONNREFUSED : 0;
}

static void user_input(void *context, struct tr_conn *conn, const uint8_t *data, size_t bytes, uint64_t now)
{
    assert_ptr_equal(conn, w.conn);
    assert_true(bytes > 0 && w.heard_bytes + bytes <= HEARD_BYTES);
    assert_int_equal(w.closeds + w.eofs, 0);
    memcpy(w.heard + w.heard_bytes, data, bytes);
    w.heard_bytes += (uint32_t)bytes;
}

static void user_eof(void *context, struct tr_conn *conn, uint64_t now)
{
    assert_int_equal(w.eofs++, 0);
}

static void user_writable(void *context, struct tr_conn *conn, uint64_t now)
{
    w.writables++;
}

static void user_closed(void *context, struct tr_conn *conn, enum tr_conn_end end, uint64_t now)
{
    if (conn != w.conn)
        return; // one of several
    assert_int_equal(w.closeds++, 0);
    w.end = end;
    w.conn = NULL;
}

// --- the world

struct tr_stack_options world_options(void)
{
    struct tr_stack_options options = {
        .mtu_bytes = 1500,
        .addresses_count = 2,
        .listen = {4317},
        .listen_count = 1,
        .connections_max = 16,
        .half_open_max = 8,
        .time_wait_max = 8,
        .neighbours_max = 16,
        .window_bytes = 64 * TR_KIB,
        .reassembly_bytes = TR_MIB,
        .send_buffer_bytes = 256 * TR_KIB,
        .stall_timeout_ns = 150 * TR_S,
        .time_wait_ns = 60 * TR_S,
        .output_frames = 256,
        .secret = "sixteen bytes ..",
        .numa_node = -1,
    };
    struct tr_error error;

    memcpy(options.mac, mac_ours, 6);
    assert_int_equal(tr_net_address_parse("198.18.0.2/24", &options.addresses[0], &error), 0);
    assert_int_equal(tr_net_address_parse("fd00:1::2/64", &options.addresses[1], &error), 0);
    return options;
}

void world_open(const struct tr_stack_options *options)
{
    static const struct tr_conn_user user = {NULL, user_opened, user_input, user_eof, user_writable, user_closed};
    static const struct tr_stack_device device = {NULL, device_alloc, device_send};
    struct tr_error error;

    w = (struct world){.now = 1000 * TR_S, .port = 40000, .local_port = 4317, .window = 65535, .options = *options};
    w.sent = calloc(FRAMES, sizeof(*w.sent));
    w.heard = malloc(HEARD_BYTES);
    assert_int_equal(tr_stack_create(&w.stack, options, &device, &user, &error), 0);
}

int world_close(void **state)
{
    if (w.stack) {
        tr_stack_check(w.stack);
        tr_stack_destroy(w.stack, w.now);
    }
    free(w.sent);
    free(w.heard);
    w = (struct world){0};
    return 0;
}

struct tr_tcp_counters *count(void)
{
    return tr_stack_tcp_counters(w.stack);
}

void turn(void)
{
    int polls = 0;

    do {
        assert_true(polls++ < 100); // it would spin
        if (w.arp_due)
            arp_answer();
        tr_stack_poll(w.stack, w.now);
    } while (w.arp_due || tr_stack_deadline(w.stack) <= w.now);
    tr_stack_check(w.stack);
}

void run(uint64_t ns)
{
    uint64_t until = w.now + ns, deadline;

    turn();
    while ((deadline = tr_stack_deadline(w.stack)) <= until) {
        w.now = TR_MAX(w.now, deadline);
        turn();
    }
    w.now = until;
    turn();
}

struct wire *take(void)
{
    if (w.sent_read == w.sent_count)
        turn();
    return w.sent_read < w.sent_count ? &w.sent[w.sent_read++] : NULL;
}

struct wire *take_data(void)
{
    struct wire *s;

    while ((s = take()) != NULL && !s->bytes)
        ;
    return s;
}

struct wire *expect(uint8_t flags, uint32_t seq, uint32_t ack)
{
    struct wire *s = take();

    assert_non_null(s);
    assert_int_equal(s->flags & ~PSH, flags);
    assert_int_equal(s->seq, seq);
    assert_int_equal(s->ack, ack);
    assert_int_equal(s->from, w.local_port);
    assert_int_equal(s->to, w.port);
    if (s->has_timestamp)
        w.timestamp_echo = s->timestamp;
    return s;
}

void quiet(void)
{
    assert_null(take());
}

void drain(void)
{
    struct wire *s;

    while ((s = take()) != NULL)
        if (s->has_timestamp)
            w.timestamp_echo = s->timestamp;
}

// --- what the peer sends

void put_(const struct put *p)
{
    uint32_t clock = (uint32_t)(w.now / TR_MS) - w.timestamp_back;
    uint8_t stamp[12] = {1, 1, 8, 10};
    const uint8_t *options = p->options;
    uint32_t options_bytes = (p->options_bytes + 3) & ~3u, at;
    static struct built built;
    struct tr_frame frame;

    for (int i = 0; i < 4; i++) {
        stamp[4 + i] = (uint8_t)(clock >> (24 - 8 * i));
        stamp[8 + i] = (uint8_t)(w.timestamp_echo >> (24 - 8 * i));
    }
    if (!options && w.timestamps && !p->no_timestamp) {
        options = stamp;
        options_bytes = sizeof(stamp);
    }
    build_ethernet(&built, mac_ours, mac_peer, -1, w.ipv6 ? 0x86dd : 0x0800);
    if (w.ipv6)
        build_ip6(&built, p->from ? p->from : peer_ip[1], p->to ? p->to : stack_ip[1], 6, 64);
    else
        build_ip4(&built, p->from ? p->from : peer_ip[0], p->to ? p->to : stack_ip[0], 6);
    build_put16(&built, p->port ? p->port : w.port);
    build_put16(&built, p->local_port ? p->local_port : w.local_port);
    build_put32(&built, p->at ? p->seq : w.seq);
    build_put32(&built, p->at ? p->ack : p->flags & ACK ? w.ack : 0);
    build_put16(&built, (uint16_t)((5 + options_bytes / 4) << 12 | p->flags));
    build_put16(&built, p->shut ? 0 : p->window ? p->window : w.window);
    build_put16(&built, 0);
    build_put16(&built, p->urgent);
    build_put(&built, options, options == p->options ? p->options_bytes : options_bytes);
    for (at = p->options_bytes; options == p->options && at < options_bytes; at++)
        build_put(&built, "", 1);
    build_put(&built, p->data, p->bytes);
    build_finish(&built);
    if (p->corrupt)
        built.data[built.bytes - 1] ^= 4;
    frame = (struct tr_frame){built.data, built.bytes, 0, NULL};
    tr_stack_input(w.stack, &frame, w.now);
    tr_stack_check(w.stack);
}

void say(const void *data, uint32_t bytes)
{
    put(.flags = ACK, .data = data, .bytes = bytes);
    w.seq += bytes;
}

struct wire *open_passive(const uint8_t *options, uint32_t bytes)
{
    struct wire *s;

    w.seq = 7000;
    w.ack = 0;
    put(.flags = SYN, .options = options, .options_bytes = bytes);
    w.seq++;
    s = take();
    assert_non_null(s);
    assert_int_equal(s->flags, SYN | ACK);
    assert_int_equal(s->ack, w.seq);
    w.iss = s->seq;
    w.ack = s->seq + 1;
    w.timestamps = s->has_timestamp;
    w.timestamp_echo = s->timestamp;
    put(.flags = ACK);
    assert_int_equal(w.opened, 1);
    quiet();
    return s;
}

struct wire *open_active_begin(void)
{
    struct tr_ip local, peer;
    struct tr_error error;
    struct wire *s;

    assert_int_equal(tr_ip_parse(stack_ip[0], &local, &error), 0);
    assert_int_equal(tr_ip_parse(peer_ip[0], &peer, &error), 0);
    w.port = 5000;
    assert_int_equal(tr_stack_connect(w.stack, &local, 0, &peer, w.port, NULL, w.now, &w.conn), 0);
    s = take();
    assert_non_null(s);
    assert_int_equal(s->flags, SYN);
    w.local_port = s->from;
    w.iss = s->seq;
    w.ack = s->seq + 1;
    w.timestamp_echo = s->timestamp;
    w.seq = 90000;
    return s;
}

void open_active(void)
{
    open_active_begin();
    put(.flags = SYN | ACK, .options = plain, .options_bytes = sizeof(plain));
    w.seq++;
    expect(ACK, w.ack, w.seq);
    assert_int_equal(w.opened, 1);
}

const uint8_t *pattern(void)
{
    static uint8_t bytes[HEARD_BYTES];

    if (!bytes[1])
        for (uint32_t i = 0; i < HEARD_BYTES; i++)
            bytes[i] = (uint8_t)(i * 2654435761u >> 24 | (i == 1));
    return bytes;
}

void expect_heard(uint32_t bytes)
{
    assert_int_equal(w.heard_bytes, bytes);
    assert_memory_equal(w.heard, pattern(), bytes);
}

void world_usual(void)
{
    struct tr_stack_options options = world_options();

    world_open(&options);
}

void connected_full(void)
{
    world_usual();
    open_passive(OPTIONS_FULL);
}

void connected_plain(void)
{
    world_usual();
    open_passive(OPTIONS_PLAIN);
}
