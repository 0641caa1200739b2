// SPDX-License-Identifier: Apache-2.0
#include "bed.h"

struct bed bed;
const uint8_t bed_mac[6] = {2, 0, 0, 0, 0, 2}, bed_peer_mac[6] = {2, 0, 0, 0, 0, 9};
const uint8_t bed_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// --- in place of TCP

int tr_tcp_create(struct tr_stack *stack, struct tr_error *error)
{
    return 0;
}

void tr_tcp_destroy(struct tr_stack *stack)
{
}

size_t tr_tcp_poll(struct tr_stack *stack, uint64_t now)
{
    return 0;
}

uint64_t tr_tcp_deadline(const struct tr_stack *stack)
{
    return TR_NEVER;
}

void tr_tcp_check(const struct tr_stack *stack)
{
}

void tr_tcp_input(struct tr_stack *stack, const struct tr_segment *segment)
{
    uint32_t got = 0;

    bed.segments++;
    bed.segment = *segment;
    for (const struct tr_frame *piece = &segment->data; got < segment->bytes; piece = piece->next) {
        uint32_t n = TR_MIN(piece->bytes, segment->bytes - got);

        memcpy(bed.payload + got, piece->data, n);
        got += n;
    }
}

void tr_tcp_icmp(struct tr_stack *stack, const struct tr_icmp_error *error)
{
    bed.icmps++;
    bed.icmp = *error;
}

void tr_tcp_neighbour(struct tr_stack *stack, const struct tr_ip *ip)
{
    bed.neighbours++;
    bed.neighbour = *ip;
}

// --- in place of a device

static bool device_alloc(void *context, struct tr_frame_out *frame)
{
    if (bed.no_buffer)
        return false;
    assert_true(bed.sent_count < BED_FRAMES);
    frame->data = bed.sent[bed.sent_count].data;
    memset(frame->data, 0xee, sizeof(bed.sent[0].data)); // what an old frame left
    frame->handle = &bed.sent[bed.sent_count];
    return true;
}

static void device_send(void *context, const struct tr_frame_out *frame)
{
    struct bed_frame *sent = &bed.sent[bed.sent_count++];

    assert_ptr_equal(frame->handle, sent);
    assert_true(frame->bytes <= bed.stack->options.mtu_bytes + 18u);
    sent->out = *frame;
}

struct tr_ip bed_ip(const char *text)
{
    struct tr_error error = {{0}};
    struct tr_ip ip;

    assert_int_equal(tr_ip_parse(text, &ip, &error), 0);
    return ip;
}

struct tr_stack_options bed_options(void)
{
    struct tr_stack_options options = {.mtu_bytes = 1500, .addresses_count = 2, .gateways_count = 2, .neighbours_max = 4,
                                       .numa_node = -1};
    struct tr_error error = {{0}};

    memcpy(options.mac, bed_mac, 6);
    assert_int_equal(tr_net_address_parse(BED_IP4 "/24", &options.addresses[0], &error), 0);
    assert_int_equal(tr_net_address_parse(BED_IP6 "/64", &options.addresses[1], &error), 0);
    options.gateways[0] = bed_ip("198.18.0.1");
    options.gateways[1] = bed_ip("fd00:1::1");
    return options;
}

void bed_open(const struct tr_stack_options *options)
{
    static const struct tr_stack_device device = {.alloc = device_alloc, .send = device_send};
    static const struct tr_conn_user user;
    struct tr_error error = {{0}};

    memset(&bed, 0, sizeof(bed));
    bed.now = 5 * TR_S;
    assert_int_equal(tr_stack_create(&bed.stack, options, &device, &user, &error), 0);
    tr_stack_poll(bed.stack, bed.now); // knows the time
}

int bed_close(void **state)
{
    if (bed.stack)
        tr_stack_check(bed.stack);
    tr_stack_destroy(bed.stack, bed.now);
    bed.stack = NULL;
    return 0;
}

// Pieces lie in memory of their own size, so that ASan sees a read beyond them.
static void pieces_input(const struct built *built, uint32_t first, uint32_t cut, uint32_t flags)
{
    uint32_t count = built->bytes <= first ? 1 : 1 + (built->bytes - first + cut - 1) / cut, at = 0;
    struct tr_frame *pieces = calloc(count, sizeof(*pieces));

    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = TR_MIN(i == 0 ? first : cut, built->bytes - at);
        uint8_t *data = malloc(n);

        memcpy(data, built->data + at, n);
        pieces[i] = (struct tr_frame){.data = data, .bytes = n, .flags = i == 0 ? flags : 0,
                                      .next = i + 1 < count ? &pieces[i + 1] : NULL};
        at += n;
    }
    tr_stack_input(bed.stack, pieces, bed.now);
    for (uint32_t i = 0; i < count; i++)
        free((void *)(uintptr_t)pieces[i].data);
    free(pieces);
}

void bed_input_flags(const struct built *built, uint32_t flags)
{
    pieces_input(built, built->bytes, 1, flags);
}

void bed_input(const struct built *built)
{
    bed_input_flags(built, 0);
}

void bed_input_pieces(const struct built *built, uint32_t first, uint32_t cut)
{
    pieces_input(built, first, cut, 0);
}

const struct bed_frame *bed_sent_one(void)
{
    assert_int_equal(bed.sent_count, 1);
    bed.sent_count = 0;
    return &bed.sent[0];
}

void bed_sent_none(void)
{
    assert_int_equal(bed.sent_count, 0);
}

struct tr_net_counters *bed_counters(void)
{
    return tr_stack_net_counters(bed.stack);
}

void bed_segment4(struct built *built)
{
    build_ethernet(built, bed_mac, bed_peer_mac, -1, 0x0800);
    build_ip4(built, BED_PEER_IP4, BED_IP4, 6);
    build_tcp(built, 40000, 4317, 0x01020304, 0x05060708, 0x18, "0123456789", 10);
    build_finish(built);
}

void bed_segment6(struct built *built)
{
    build_ethernet(built, bed_mac, bed_peer_mac, -1, 0x86dd);
    build_ip6(built, BED_PEER_IP6, BED_IP6, 6, 64);
    build_tcp(built, 40000, 4317, 0x01020304, 0x05060708, 0x18, "0123456789", 10);
    build_finish(built);
}

static uint64_t drops_sum(void)
{
    const struct tr_counter_rows *rows = &tr_net_counter_rows;
    uint64_t sum = 0;

    for (size_t i = 0; i < rows->count; i++)
        if (strncmp(rows->rows[i].field, "drop_", 5) == 0)
            sum += *(const uint64_t *)((const char *)bed_counters() + rows->rows[i].offset);
    return sum;
}

void bed_expect_up(const struct built *built)
{
    uint32_t before = bed.segments;
    uint64_t drops = drops_sum();

    bed_input(built);
    assert_int_equal(bed.segments, before + 1);
    assert_int_equal(drops_sum(), drops);
}

void bed_expect_drop_(const struct built *built, uint32_t flags, const uint64_t *counter)
{
    uint32_t segments = bed.segments, icmps = bed.icmps, sent = bed.sent_count;
    uint64_t before = *counter, drops = drops_sum();

    bed_input_flags(built, flags);
    assert_int_equal(*counter, before + 1);
    assert_int_equal(drops_sum(), drops + 1);
    assert_int_equal(bed.segments, segments);
    assert_int_equal(bed.icmps, icmps);
    assert_int_equal(bed.sent_count, sent);
}
