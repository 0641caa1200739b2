// SPDX-License-Identifier: Apache-2.0
// An end: its device, which lends frames and takes them back, and a turn of its stack.
#include "net.h"

static bool frame_alloc(void *context, struct tr_frame_out *frame)
{
    struct sim_end *end = context;

    if (end->gone)
        sim_fail(end->world, "end %u wants a frame after its end", end->number);
    if (!end->buffers) {
        end->world->net->no_frames++;
        return false;
    }
    if (end->buffers != UINT32_MAX)
        end->buffers--;
    end->lent++;
    // A byte more than it may hold is one too many: the sanitizer sees it.
    frame->data = malloc(end->mtu_bytes + 18u);
    frame->handle = frame->data;
    return true;
}

static void frame_send(void *context, const struct tr_frame_out *frame)
{
    struct sim_end *end = context;

    if (end->gone)
        sim_fail(end->world, "end %u sends a frame after its end", end->number);
    if (frame->bytes > end->mtu_bytes + (end->world->net->options.vlan ? 18u : 14u))
        sim_fail(end->world, "end %u sends %u bytes", end->number, frame->bytes);
    end->lent--;
    end->frames_out++;
    end->bytes_out += frame->bytes;
    if (!end->muted)
        sim_wire_send(end, frame->data, frame->bytes);
    memset(frame->data, 0xee, frame->bytes);
    free(frame->handle);
}

// Everything of a set of counters that says what was thrown away.
static uint64_t drops_sum(const struct tr_counter_rows *rows, const void *counters)
{
    uint64_t sum = 0, value;

    for (size_t i = 0; i < rows->count; i++) {
        const char *field = rows->rows[i].field;

        if (strncmp(field, "drop_", 5) && strncmp(field, "ended_", 6) && strcmp(field, "cookies_rejected"))
            continue;
        memcpy(&value, (const char *)counters + rows->rows[i].offset, sizeof(value));
        sum += value;
    }
    return sum;
}

struct sums {
    uint64_t below, segments, drops, bytes, waiting;
};

static struct sums sums_of(const struct sim_end *end)
{
    const struct tr_net_counters *net = tr_stack_net_counters(end->stack);
    const struct tr_tcp_counters *tcp = tr_stack_tcp_counters(end->stack);
    struct sums s = {drops_sum(&tr_net_counter_rows, net), tcp->segments_in, drops_sum(&tr_tcp_counter_rows, tcp) + tcp->evicted,
                     tcp->bytes_in, 0};
    struct tr_conn_row rows[64];
    size_t count = tr_stack_connections(end->stack, rows, TR_NELEMS(rows));

    for (size_t i = 0; i < count; i++)
        s.waiting += rows[i].waiting_bytes;
    return s;
}

// A TCP frame goes to TCP or is counted as dropped; its text is handed up, or kept, or counted as thrown away.
static void taken_holds(struct sim_end *end, const struct sums *before, uint32_t text, bool tcp)
{
    struct sums after = sums_of(end);

    if (tcp && after.segments - before->segments + after.below - before->below != 1)
        sim_fail(end->world, "end %u: a frame was taken %llu times and dropped %llu times", end->number,
                 (unsigned long long)(after.segments - before->segments),
                 (unsigned long long)(after.below - before->below));
    if (text && after.segments != before->segments && after.drops == before->drops && after.bytes == before->bytes &&
        after.waiting == before->waiting)
        sim_fail(end->world, "end %u: %u bytes of a segment are neither handed up, nor kept, nor dropped", end->number,
                 text);
}

// The tag of our VLAN is taken off by the device, if it does that.
static uint32_t strip(const struct sim_end *end, uint8_t *data, uint32_t bytes)
{
    const struct sim_net_options *o = &end->world->net->options;

    if (!o->strips || end->number >= SIM_LCORES_MAX || bytes < 18 || data[12] != 0x81 || data[13] != 0 ||
        ((data[14] & 15u) << 8 | data[15]) != o->vlan)
        return 0;
    memmove(data + 12, data + 16, bytes - 16);
    return 4;
}

void sim_end_input(struct sim_end *end, const uint8_t *data, uint32_t bytes, bool hurt)
{
    struct tr_frame pieces[128] = {0};
    uint8_t whole[10000];
    uint32_t count = 0, at = 0, stripped;
    struct sim_segment segment;
    bool tcp = sim_segment_parse(data, bytes, &segment);
    struct sums before = sums_of(end);

    memcpy(whole, data, bytes);
    stripped = strip(end, whole, bytes);
    bytes -= stripped;
    for (uint32_t piece; at < bytes; at += piece, count++) {
        piece = end->pieces ? TR_MIN(bytes - at, count ? end->pieces : TR_MAX(end->pieces, 128u)) : bytes;
        pieces[count] = (struct tr_frame){.data = malloc(piece), .bytes = piece};
        memcpy((uint8_t *)(uintptr_t)pieces[count].data, whole + at, piece);
        if (count)
            pieces[count - 1].next = &pieces[count];
    }
    pieces[0].flags = stripped ? TR_FRAME_NO_VLAN : 0;
    if (tcp && !hurt)
        sim_link_takes(end->world, &segment);
    end->frames_in++;
    end->bytes_in += bytes;
    tr_stack_input(end->stack, pieces, end->world->now);
    taken_holds(end, &before, tcp && !hurt ? segment.bytes : 0, tcp);
    // They were lent for the call.
    for (uint32_t i = 0; i < count; i++) {
        memset((uint8_t *)(uintptr_t)pieces[i].data, 0xee, pieces[i].bytes);
        free((void *)(uintptr_t)pieces[i].data);
    }
    tr_stack_check(end->stack);
}

static uint32_t frames_take(struct sim_end *end)
{
    uint32_t taken = 0, most = 1 + (uint32_t)sim_draw(end->world, 64);

    for (struct sim_frame *frame; taken < most && (frame = end->rx); taken++) {
        end->rx = frame->next;
        if (!end->rx)
            end->rx_last = &end->rx;
        end->rx_count--;
        sim_end_input(end, frame->data, frame->bytes, frame->hurt);
        free(frame);
    }
    return taken;
}

size_t sim_end_turn(struct sim_end *end)
{
    struct sim_world *world = end->world;
    uint32_t taken;
    size_t work;

    end->buffers = !world->healed && sim_draw(world, 1000) < world->net->options.starve ? (uint32_t)sim_draw(world, 4)
                                                                                       : UINT32_MAX;
    taken = frames_take(end);
    work = tr_stack_poll(end->stack, world->now);
    tr_stack_check(end->stack);
    if (end->lent)
        sim_fail(world, "end %u keeps %u frames", end->number, end->lent);
    // Who asks for a turn at once has something to do in it.
    end->idle = work || taken || tr_stack_deadline(end->stack) > world->now ? 0 : end->idle + 1;
    if (end->idle > 3)
        sim_fail(world, "end %u asks for turns and does nothing", end->number);
    return work + taken;
}

struct tr_ip sim_ip(uint32_t host, bool ipv6, uint32_t number)
{
    uint8_t v4[4] = {198, 18, 0, (uint8_t)(1 + 10 * host + number)};
    struct tr_ip ip = {{0xfd, 0, 0, 1, [15] = (uint8_t)(1 + 10 * host + number)}};

    return ipv6 ? ip : tr_ip_v4(v4);
}

void sim_secret(const struct sim_end *end, uint8_t secret[16])
{
    memset(secret, 0, 16);
    memcpy(secret, &end->secret, sizeof(end->secret));
}

int sim_end_open(struct sim_end *end, struct tr_error *error)
{
    const struct sim_net_options *o = &end->world->net->options;
    struct tr_stack_options options = end->number < SIM_LCORES_MAX ? o->lcore : o->host;
    const struct tr_stack_device device = {end, frame_alloc, frame_send};
    struct tr_conn_user user =
        end->streams ? tr_net_streams_conn_user(end->streams) : sim_link_conn_user(end);
    uint32_t host = end->number < SIM_LCORES_MAX ? 0 : end->number - SIM_LCORES_MAX + 1;

    for (uint32_t i = 0; i < options.addresses_count; i++)
        options.addresses[i].ip = sim_ip(host, i & 1, i / 2);
    options.mac[5] = (uint8_t)(1 + host);
    sim_secret(end, options.secret);
    memcpy(end->mac, options.mac, 6);
    end->mtu_bytes = options.mtu_bytes;
    end->rx_last = &end->rx;
    return tr_stack_create(&end->stack, &options, &device, &user, error);
}
