// SPDX-License-Identifier: Apache-2.0
#include "net.h"

#include <arpa/inet.h>

#include "../unit/net/build.h"
#include "base/hash.h"

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static uint32_t l3_of(const uint8_t *frame)
{
    return frame[12] == 0x81 && frame[13] == 0 ? 18 : 14;
}

bool sim_segment_parse(const uint8_t *frame, uint32_t bytes, struct sim_segment *s)
{
    uint32_t l3 = bytes > 18 ? l3_of(frame) : 0, ethertype = l3 ? get16(frame + l3 - 2) : 0, l4, end, header;
    const uint8_t *ip = frame + l3, *tcp;

    memset(s, 0, sizeof(*s));
    s->ipv6 = ethertype == 0x86dd;
    s->l3 = l3;
    l4 = l3 + (s->ipv6 ? 40 : 20);
    if ((!s->ipv6 && ethertype != 0x0800) || bytes < l4 + 20 || ip[s->ipv6 ? 6 : 9] != 6 || (!s->ipv6 && ip[0] != 0x45))
        return false;
    tcp = frame + l4;
    header = (uint32_t)(tcp[12] >> 4) * 4;
    end = s->ipv6 ? l4 + get16(ip + 4) : l3 + get16(ip + 2);
    if (header < 20 || l4 + header > end || end > bytes)
        return false;
    if (s->ipv6) {
        memcpy(&s->from, ip + 8, 16);
        memcpy(&s->to, ip + 24, 16);
    } else {
        s->from = tr_ip_v4(ip + 12);
        s->to = tr_ip_v4(ip + 16);
    }
    s->from_port = (uint16_t)get16(tcp);
    s->to_port = (uint16_t)get16(tcp + 2);
    s->seq = get32(tcp + 4);
    s->ack = get32(tcp + 8);
    s->flags = tcp[13];
    s->window = (uint16_t)get16(tcp + 14);
    s->bytes = end - l4 - header;
    return tr_tcp_options_parse(tcp + 20, header - 20, &s->options);
}

// --- the last frames

void sim_seen_note(struct sim_net *net, uint64_t now, uint32_t from, const uint8_t *data, uint32_t bytes,
                   enum sim_fated fate)
{
    struct sim_seen *seen = &net->seen[net->seen_count++ % SIM_SEEN];

    *seen = (struct sim_seen){.at_ns = now, .from = from, .bytes = bytes, .fate = fate};
    memcpy(seen->data, data, TR_MIN(bytes, SIM_SEEN_BYTES));
}

static void segment_show(const struct sim_segment *s)
{
    static const char names[] = "FSRPAUEC";
    char from[TR_IP_TEXT_BYTES], to[TR_IP_TEXT_BYTES];

    printf("%s.%u > %s.%u ", tr_ip_format(&s->from, from), s->from_port, tr_ip_format(&s->to, to), s->to_port);
    for (unsigned i = 0; i < 8; i++)
        if (s->flags & 1u << i)
            putchar(names[i]);
    printf(" seq %u +%u ack %u win %u", s->seq, s->bytes, s->ack, s->window);
    if (s->options.has_timestamp)
        printf(" ts %u/%u", s->options.timestamp, s->options.timestamp_echo);
    for (uint32_t i = 0; i < s->options.sack_count; i++)
        printf(" sack %u-%u", s->options.sack[i].begin, s->options.sack[i].end);
}

static void seen_show(const struct sim_net *net, const struct sim_seen *seen)
{
    static const char *const fates[] = {
        [SIM_GOES] = "", [SIM_LOST] = "lost",       [SIM_TWICE] = "twice", [SIM_ALTERED] = "altered",
        [SIM_CUT] = "cut", [SIM_TOO_BIG] = "too big", [SIM_APART] = "apart", [SIM_FORGED] = "forged"};
    uint8_t whole[10000] = {0};
    struct sim_segment segment;

    memcpy(whole, seen->data, sizeof(seen->data));
    printf("  %12.6f %s%u ", (double)seen->at_ns / 1e9, seen->from < SIM_LCORES_MAX ? "lcore " : "host ",
           seen->from < SIM_LCORES_MAX ? seen->from : seen->from - SIM_LCORES_MAX);
    if (sim_segment_parse(whole, TR_MIN(seen->bytes, sizeof(whole)), &segment))
        segment_show(&segment);
    else
        printf("ethertype %04x", get16(whole + l3_of(whole) - 2));
    printf(" (%u bytes) %s\n", seen->bytes, fates[seen->fate]);
}

void sim_net_report(const struct sim_world *world, uint32_t frames)
{
    const struct sim_net *net = world->net;
    const struct sim_net_options *o = &net->options;
    uint64_t first = net->seen_count - TR_MIN(net->seen_count, TR_MIN(frames, (uint32_t)SIM_SEEN));

    printf("  %u hosts, %u talkers of %llu bytes, MTU %u and %u, delay %llu us and %llu, of 1000 frames "
           "lost %u, twice %u, altered %u, cut %u%s%s%s%s%s\n",
           o->hosts, o->talkers, (unsigned long long)o->talk_bytes, o->lcore.mtu_bytes, o->host.mtu_bytes,
           (unsigned long long)(o->delay_ns / TR_US), (unsigned long long)(o->jitter_ns / TR_US), o->loss, o->repeat,
           o->alter, o->cut, o->partition ? ", partitions" : "", o->path_mtu ? ", the path shrinks" : "",
           o->starve ? ", few buffers" : "", o->attacked ? ", attacked" : "", o->reboots ? ", hosts reboot" : "");
    printf("  %llu connections, %llu frames, %llu of them lost, %llu forged; %llu times no buffer; "
           "%llu ghosts of cookies\n",
           (unsigned long long)net->links_made, (unsigned long long)net->seen_count, (unsigned long long)net->lost,
           (unsigned long long)net->forged, (unsigned long long)net->no_frames, (unsigned long long)net->ghosts);
    for (uint64_t i = first; i < net->seen_count; i++)
        seen_show(net, &net->seen[i % SIM_SEEN]);
}

// --- on the way

static void queue(struct sim_world *world, uint32_t to, const uint8_t *data, uint32_t bytes, bool hurt, uint64_t at_ns)
{
    struct sim_net *net = world->net;
    struct sim_frame **at = &net->frames, *frame;

    if (net->frames_count == SIM_FRAMES_MAX)
        return;
    frame = malloc(sizeof(*frame) + bytes);
    *frame = (struct sim_frame){.at_ns = at_ns, .to = to, .hurt = hurt, .bytes = bytes};
    memcpy(frame->data, data, bytes);
    while (*at && (*at)->at_ns <= at_ns)
        at = &(*at)->next;
    frame->next = *at;
    *at = frame;
    net->frames_count++;
}

static bool happens(struct sim_world *world, uint32_t of_a_thousand)
{
    return of_a_thousand && !world->healed && sim_draw(world, 1000) < of_a_thousand;
}

static void travel(struct sim_world *world, uint32_t to, const uint8_t *data, uint32_t bytes, bool hurt)
{
    const struct sim_net_options *o = &world->net->options;
    uint64_t jitter = o->jitter_ns && !world->healed ? sim_draw(world, o->jitter_ns) : 0;

    queue(world, to, data, bytes, hurt, world->now + o->delay_ns + jitter);
}

// A router that can't send it on says so, if it does: ICMP with the first bytes of the packet.
static void too_big(struct sim_end *from, const uint8_t *data, uint32_t bytes, uint32_t mtu)
{
    static const uint8_t router_mac[6] = {2, 0, 0, 0, 0, 0xfe};
    uint32_t l3 = l3_of(data), quoted = TR_MIN(bytes - l3, 60);
    bool ipv6 = get16(data + l3 - 2) == 0x86dd;
    char to[INET6_ADDRSTRLEN];
    struct built built = {0};

    inet_ntop(ipv6 ? AF_INET6 : AF_INET, data + l3 + (ipv6 ? 8 : 12), to, sizeof(to));
    build_ethernet(&built, from->mac, router_mac, l3 == 18 ? (int)get16(data + 14) : -1, ipv6 ? 0x86dd : 0x0800);
    if (ipv6)
        build_ip6(&built, "fd00:1::fe", to, 58, 64);
    else
        build_ip4(&built, "198.18.0.254", to, 1);
    build_put16(&built, ipv6 ? 2 << 8 : 3 << 8 | 4);
    build_put16(&built, 0);
    build_put32(&built, mtu);
    build_put(&built, data + l3, quoted);
    build_finish(&built);
    if (from->number < SIM_LCORES_MAX)
        for (uint32_t i = 0; i < from->world->options.lcores; i++)
            travel(from->world, i, built.data, built.bytes, false);
    else
        travel(from->world, from->number, built.data, built.bytes, false);
}

// Returns UINT32_MAX: nobody. The lcores have one address; whose a frame is says tr_flow_of().
static void switch_to(struct sim_end *from, const uint8_t *data, uint32_t bytes, bool hurt)
{
    struct sim_world *world = from->world;
    struct sim_net *net = world->net;
    bool to_lcores = from->number >= SIM_LCORES_MAX && (data[0] & 1 || memcmp(data, net->ends[0].mac, 6) == 0);
    uint32_t hash, lcores = world->options.lcores;

    if (to_lcores) {
        switch (tr_flow_of(data, bytes, &hash)) {
        case TR_FLOW_TCP:
            travel(world, tr_hash_range((uint64_t)hash << 32, lcores), data, bytes, hurt);
            break;
        case TR_FLOW_ALL:
            for (uint32_t i = 0; i < lcores; i++)
                travel(world, i, data, bytes, hurt);
            break;
        case TR_FLOW_FIRST:
            travel(world, 0, data, bytes, hurt);
            break;
        }
    }
    for (uint32_t i = SIM_LCORES_MAX; i < SIM_LCORES_MAX + net->options.hosts; i++)
        if (i != from->number && (data[0] & 1 || memcmp(data, net->ends[i].mac, 6) == 0))
            travel(world, i, data, bytes, hurt);
}

static bool is_apart(const struct sim_world *world, const struct sim_end *from, const uint8_t *data)
{
    const struct sim_net *net = world->net;

    if (world->healed)
        return false;
    if (world->now < net->apart_until[from->number])
        return true;
    for (uint32_t i = SIM_LCORES_MAX; i < SIM_LCORES_MAX + net->options.hosts; i++)
        if (world->now < net->apart_until[i] && memcmp(data, net->ends[i].mac, 6) == 0)
            return true;
    return false;
}

static bool is_silent(struct sim_net *net, const struct sim_segment *segment)
{
    const struct sim_link *link;
    bool up;

    link = sim_link_of(net, segment, &up);
    return link && link->silent;
}

static enum sim_fated fate_of(struct sim_end *from, const uint8_t *data, uint32_t bytes,
                              const struct sim_segment *segment)
{
    struct sim_world *world = from->world;
    struct sim_net *net = world->net;
    const struct sim_net_options *o = &net->options;
    uint32_t l3 = l3_of(data), ethertype = get16(data + l3 - 2);
    bool ip = ethertype == 0x0800 || ethertype == 0x86dd;
    uint32_t mtu = ethertype == 0x86dd ? TR_MAX(net->path_mtu, 1280u) : net->path_mtu;

    if ((segment && is_silent(net, segment)) || is_apart(world, from, data))
        return SIM_APART;
    if (net->path_mtu && bytes - l3 > mtu) {
        if (!net->path_silent)
            too_big(from, data, bytes, mtu);
        return SIM_TOO_BIG;
    }
    if (happens(world, o->loss))
        return SIM_LOST;
    if (happens(world, o->repeat))
        return SIM_TWICE;
    // ARP has no checksum.
    if (ip && happens(world, o->alter))
        return SIM_ALTERED;
    if (ip && happens(world, o->cut))
        return SIM_CUT;
    return SIM_GOES;
}

void sim_wire_send(struct sim_end *from, const uint8_t *data, uint32_t bytes)
{
    struct sim_world *world = from->world;
    struct sim_segment segment;
    bool tcp = sim_segment_parse(data, bytes, &segment);
    uint32_t summed;
    enum sim_fated fate;
    uint8_t copy[10000];

    fate = fate_of(from, data, bytes, tcp ? &segment : NULL);
    sim_seen_note(world->net, world->now, from->number, data, bytes, fate);
    if (tcp)
        sim_link_sends(world, &segment);
    memcpy(copy, data, bytes);
    switch (fate) {
    case SIM_TWICE:
        switch_to(from, copy, bytes, false);
        break;
    case SIM_ALTERED: // one byte that a checksum is over: every such change is told by it
        summed = l3_of(copy) + (copy[l3_of(copy) - 2] == 0x86 ? 8 : 0);
        copy[summed + sim_draw(world, bytes - summed)] ^= (uint8_t)(1 + sim_draw(world, 255));
        break;
    case SIM_CUT:
        bytes = 14 + (uint32_t)sim_draw(world, bytes - 14);
        break;
    case SIM_GOES:
        break;
    default:
        world->net->lost++;
        return;
    }
    switch_to(from, copy, bytes, fate == SIM_ALTERED || fate == SIM_CUT);
}

uint32_t sim_wire_pump(struct sim_world *world)
{
    struct sim_net *net = world->net;
    uint32_t moved = 0;

    for (struct sim_frame *frame; (frame = net->frames) && frame->at_ns <= world->now; moved++) {
        struct sim_end *end = &net->ends[frame->to];

        net->frames = frame->next;
        net->frames_count--;
        if (end->gone || (end->rx_count >= end->rx_max && !world->healed) || frame->bytes > end->mtu_bytes + 18u) {
            free(frame);
            net->lost++;
            continue;
        }
        frame->next = NULL;
        *end->rx_last = frame;
        end->rx_last = &frame->next;
        end->rx_count++;
        if (end->number < SIM_LCORES_MAX)
            world->sleepers[end->number].woken = true; // its interrupt
    }
    return moved;
}

// Now and then the network is another.
void sim_wire_change(struct sim_world *world)
{
    struct sim_net *net = world->net;
    const struct sim_net_options *o = &net->options;

    if (world->healed) {
        net->path_mtu = 0;
        return;
    }
    if (happens(world, o->partition))
        net->apart_until[SIM_LCORES_MAX + sim_draw(world, o->hosts)] =
            world->now + sim_draw(world, 1 + sim_draw(world, 5 * TR_S));
    if (o->path_mtu && sim_draw(world, 300) == 0) {
        net->path_mtu = sim_draw(world, 3) ? o->path_mtu : 0;
        net->path_silent = sim_draw(world, 3) == 0;
    }
}

void sim_wire_clear(struct sim_net *net)
{
    for (struct sim_frame *frame; (frame = net->frames); free(frame))
        net->frames = frame->next;
    for (uint32_t i = 0; i < SIM_ENDS_MAX; i++)
        for (struct sim_frame *frame; (frame = net->ends[i].rx); free(frame))
            net->ends[i].rx = frame->next;
}
