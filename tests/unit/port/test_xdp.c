// SPDX-License-Identifier: Apache-2.0
// The XDP program by the kernel's own test run: every class of frame, with and without a socket behind it.
#include "port/xdp_maps.h"
#include "base/tr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#define SKIPPED 77 // meson's

#define OURS       4317
#define OTHER      22
#define ETHERNET   14
#define IPV4_BYTES 20
#define IPV6_BYTES 40

static struct bpf_object *object;
static int program, sockets, ports, addresses, settings, counters, xsk;

static const uint8_t host[16] = {[10] = 0xff, 0xff, 198, 18, 0, 2}, peer[16] = {[10] = 0xff, 0xff, 198, 18, 0, 1};
static const uint8_t other_host[16] = {[10] = 0xff, 0xff, 198, 18, 0, 3};
static const uint8_t alone[16] = {[10] = 0xff, 0xff, 198, 18, 0, 4}, alone6[16] = {0xfd, 1, [15] = 4};
static const uint8_t host6[16] = {0xfd, 1, [15] = 2}, peer6[16] = {0xfd, 1, [15] = 1};
static const uint8_t other_host6[16] = {0xfd, 1, [15] = 3};

struct frame {
    uint8_t bytes[512];
    size_t length;
};

static uint8_t *append(struct frame *frame, const void *data, size_t bytes)
{
    uint8_t *at = frame->bytes + frame->length;

    if (data)
        memcpy(at, data, bytes);
    else
        memset(at, 0, bytes);
    frame->length += bytes;
    return at;
}

static void append16(struct frame *frame, uint16_t value)
{
    value = htons(value);
    append(frame, &value, 2);
}

static struct frame ethernet(int vlans, uint16_t protocol)
{
    struct frame frame = {0};

    append(&frame, NULL, 12);
    for (int i = 0; i < vlans; i++) {
        append16(&frame, i || vlans == 1 ? 0x8100 : 0x88a8);
        append16(&frame, 42);
    }
    append16(&frame, protocol);
    return frame;
}

static uint8_t *ipv4(struct frame *frame, uint8_t protocol, const uint8_t from[16], const uint8_t to[16])
{
    uint8_t *ip = append(frame, NULL, IPV4_BYTES);

    ip[0] = 0x45;
    ip[9] = protocol;
    memcpy(ip + 12, from + 12, 4);
    memcpy(ip + 16, to + 12, 4);
    return ip;
}

static uint8_t *ipv6(struct frame *frame, uint8_t next, const uint8_t from[16], const uint8_t to[16])
{
    uint8_t *ip = append(frame, NULL, IPV6_BYTES);

    ip[0] = 0x60;
    ip[6] = next;
    memcpy(ip + 8, from, 16);
    memcpy(ip + 24, to, 16);
    return ip;
}

static void tcp(struct frame *frame, uint16_t from, uint16_t to)
{
    append16(frame, from);
    append16(frame, to);
    append(frame, NULL, 16);
}

static struct frame tcp4(int vlans, const uint8_t to[16], uint16_t port)
{
    struct frame frame = ethernet(vlans, 0x0800);

    ipv4(&frame, IPPROTO_TCP, peer, to);
    tcp(&frame, 40000, port);
    return frame;
}

static struct frame tcp6(int vlans, const uint8_t to[16], uint16_t port)
{
    struct frame frame = ethernet(vlans, 0x86dd);

    ipv6(&frame, IPPROTO_TCP, peer6, to);
    tcp(&frame, 40000, port);
    return frame;
}

// An error from a router to `to` that quotes what `from`:`port` sent: the IP header and 8 bytes, the least that RFC 792
// asks for.
static struct frame icmp4_to(const uint8_t to[16], uint8_t type, uint8_t code, const uint8_t from[16], uint8_t protocol,
                             uint16_t port)
{
    struct frame frame = ethernet(0, 0x0800);
    uint8_t *icmp;

    ipv4(&frame, IPPROTO_ICMP, peer, to);
    icmp = append(&frame, NULL, 8);
    icmp[0] = type;
    icmp[1] = code;
    ipv4(&frame, protocol, from, peer);
    append16(&frame, port);
    append16(&frame, 40000);
    append(&frame, NULL, 4);
    return frame;
}

static struct frame icmp4(uint8_t type, uint8_t code, const uint8_t from[16], uint8_t protocol, uint16_t port)
{
    return icmp4_to(from, type, code, from, protocol, port);
}

static struct frame icmp6_to(const uint8_t to[16], uint8_t type, const uint8_t from[16], uint8_t next, uint16_t port)
{
    struct frame frame = ethernet(0, 0x86dd);

    ipv6(&frame, IPPROTO_ICMPV6, peer6, to);
    append(&frame, NULL, 8)[0] = type;
    ipv6(&frame, next, from, peer6);
    tcp(&frame, port, 40000);
    return frame;
}

static struct frame icmp6(uint8_t type, const uint8_t from[16], uint8_t next, uint16_t port)
{
    return icmp6_to(from, type, from, next, port);
}

static struct frame arp(int vlans, const uint8_t target[16])
{
    struct frame frame = ethernet(vlans, 0x0806);

    append16(&frame, 1);
    append16(&frame, 0x0800);
    append16(&frame, 0x0604);
    append16(&frame, 1);
    append(&frame, NULL, 6);
    append(&frame, peer + 12, 4);
    append(&frame, NULL, 6);
    append(&frame, target + 12, 4);
    return frame;
}

static struct frame solicitation(uint8_t type, const uint8_t target[16])
{
    static const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff, [15] = 4};
    struct frame frame = ethernet(0, 0x86dd);

    ipv6(&frame, IPPROTO_ICMPV6, peer6, group);
    append(&frame, NULL, 8)[0] = type;
    append(&frame, target, 16);
    return frame;
}

// What the program says of a frame: XDP_REDIRECT or XDP_PASS.
static uint32_t verdict(const struct frame *frame)
{
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->length);

    assert_int_equal(bpf_prog_test_run_opts(program, &run), 0);
    return run.retval;
}

#define assert_taken(...)                                                                                    \
    do {                                                                                                     \
        struct frame frame_ = __VA_ARGS__;                                                                   \
        assert_int_equal(verdict(&frame_), XDP_REDIRECT);                                                    \
    } while (0)
#define assert_passed(...)                                                                                   \
    do {                                                                                                     \
        struct frame frame_ = __VA_ARGS__;                                                                   \
        assert_int_equal(verdict(&frame_), XDP_PASS);                                                        \
    } while (0)

static void port_put(uint16_t port)
{
    uint16_t key = htons(port);
    uint8_t yes = 1;

    assert_int_equal(bpf_map_update_elem(ports, &key, &yes, 0), 0);
}

static void settings_set(uint32_t port_count, uint32_t address_count)
{
    struct tr_xdp_settings value = {.port_count = port_count, .address_count = address_count};
    uint32_t zero = 0;

    assert_int_equal(bpf_map_update_elem(settings, &zero, &value, 0), 0);
}

static void address_put(const uint8_t address[16], uint8_t owner)
{
    assert_int_equal(bpf_map_update_elem(addresses, address, &owner, 0), 0);
}

static uint64_t counter(uint32_t which)
{
    uint64_t values[1024] = {0}, sum = 0;

    assert_true(libbpf_num_possible_cpus() <= 1024);
    assert_int_equal(bpf_map_lookup_elem(counters, &which, values), 0);
    for (size_t i = 0; i < TR_NELEMS(values); i++)
        sum += values[i];
    return sum;
}

static int map_fd(const char *name)
{
    return bpf_object__find_map_fd_by_name(object, name);
}

// A port, two addresses that the kernel has and two that it doesn't, and a socket for queue 0, which is the one that a
// test run's frames arrive on.
static int setup(void **state)
{
    const uint32_t zero = 0;

    object = bpf_object__open_file(getenv("TAILRACE_XDP_PROGRAM"), NULL);
    assert_non_null(object);
    assert_int_equal(bpf_object__load(object), 0);
    program = bpf_program__fd(bpf_object__next_program(object, NULL));
    assert_string_equal(bpf_program__name(bpf_object__next_program(object, NULL)), TR_XDP_PROGRAM);
    sockets = map_fd("xsks_map");
    ports = map_fd("tr_ports");
    addresses = map_fd("tr_addresses");
    settings = map_fd("tr_settings");
    counters = map_fd("tr_counters");
    xsk = socket(AF_XDP, SOCK_RAW, 0);
    assert_true(xsk >= 0);
    assert_int_equal(bpf_map_update_elem(sockets, &zero, &xsk, 0), 0);
    port_put(OURS);
    address_put(host, TR_XDP_SHARED);
    address_put(host6, TR_XDP_SHARED);
    address_put(alone, TR_XDP_ALONE);
    address_put(alone6, TR_XDP_ALONE);
    settings_set(1, 4);
    return 0;
}

static int teardown(void **state)
{
    close(xsk);
    bpf_object__close(object);
    return 0;
}

static void test_tcp_to_our_port_is_taken(void **state)
{
    uint8_t service[14] = {0}; // a service tag alone (802.1ad)
    struct frame frame;

    assert_taken(tcp4(0, host, OURS));
    assert_taken(tcp4(1, host, OURS));
    assert_taken(tcp6(0, host6, OURS));
    assert_taken(tcp6(1, host6, OURS));
    service[12] = 0x88;
    service[13] = 0xa8;
    frame = tcp4(1, host, OURS);
    memcpy(frame.bytes, service, sizeof(service));
    assert_taken(frame);
    assert_int_equal(counter(TR_XDP_TAKEN), 5);
}

static void test_tcp_to_other_ports_passes(void **state)
{
    struct frame reversed = ethernet(0, 0x0800);

    assert_passed(tcp4(0, host, OTHER));
    assert_passed(tcp4(1, host, OTHER));
    assert_passed(tcp6(0, host6, OTHER));
    // From somebody else's port 4317: an exporter of this host that talks to a Collector.
    ipv4(&reversed, IPPROTO_TCP, peer, host);
    tcp(&reversed, OURS, 40000);
    assert_passed(reversed);
    assert_int_equal(counter(TR_XDP_TAKEN), 0);
}

static void test_addresses_count_only_when_there_are_some(void **state)
{
    assert_passed(tcp4(0, other_host, OURS));
    assert_passed(tcp6(0, other_host6, OURS));
    settings_set(1, 0);
    assert_taken(tcp4(0, other_host, OURS));
    assert_taken(tcp6(0, other_host6, OURS));
}

static void test_without_ports_everything_passes(void **state)
{
    settings_set(0, 4);
    assert_passed(tcp4(0, host, OURS));
    assert_passed(tcp6(0, host6, OURS));
    assert_passed(tcp4(0, alone, OURS));
    assert_passed(arp(0, alone));
    assert_passed(icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS));
    assert_int_equal(counter(TR_XDP_NO_SOCKET), 0);
}

static void test_without_a_socket_it_passes_and_is_counted(void **state)
{
    const uint32_t zero = 0;

    assert_int_equal(bpf_map_delete_elem(sockets, &zero), 0);
    assert_passed(tcp4(0, host, OURS));
    assert_passed(tcp6(0, host6, OURS));
    assert_int_equal(counter(TR_XDP_NO_SOCKET), 2);
    assert_int_equal(counter(TR_XDP_TAKEN), 0);
}

// The kernel forgets the socket when its process closes it: what kill -9 comes to.
static void test_a_socket_that_died_is_none(void **state)
{
    assert_taken(tcp4(0, host, OURS));
    close(xsk);
    xsk = -1;
    assert_passed(tcp4(0, host, OURS));
    assert_int_equal(counter(TR_XDP_NO_SOCKET), 1);
}

static void test_icmp_errors_about_our_segments_are_taken(void **state)
{
    static const uint8_t types6[] = {ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED};

    assert_taken(icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS));
    assert_taken(icmp4(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, host, IPPROTO_TCP, OURS));
    assert_taken(icmp4(ICMP_TIME_EXCEEDED, 0, host, IPPROTO_TCP, OURS));
    for (size_t i = 0; i < TR_NELEMS(types6); i++)
        assert_taken(icmp6(types6[i], host6, IPPROTO_TCP, OURS));
}

static void test_other_icmp_passes(void **state)
{
    assert_passed(icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OTHER));
    assert_passed(icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_UDP, OURS));
    assert_passed(icmp4_to(host, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, other_host, IPPROTO_TCP, OURS));
    assert_passed(icmp4_to(other_host, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS));
    assert_passed(icmp4(ICMP_ECHO, 0, host, IPPROTO_TCP, OURS));
    assert_passed(icmp4(ICMP_REDIRECT, 0, host, IPPROTO_TCP, OURS));
    assert_passed(icmp6(ICMP6_PACKET_TOO_BIG, host6, IPPROTO_TCP, OTHER));
    assert_passed(icmp6(ICMP6_PACKET_TOO_BIG, host6, IPPROTO_UDP, OURS));
    assert_passed(icmp6_to(host6, ICMP6_PACKET_TOO_BIG, other_host6, IPPROTO_TCP, OURS));
    assert_passed(icmp6_to(other_host6, ICMP6_PACKET_TOO_BIG, host6, IPPROTO_TCP, OURS));
    assert_passed(icmp6(ICMP6_ECHO_REQUEST, host6, IPPROTO_TCP, OURS));
    assert_passed(icmp6(ND_NEIGHBOR_SOLICIT, host6, IPPROTO_TCP, OURS));
}

// The first fragment must not help the kernel to a whole segment that it would reset; the rest can't do it alone.
static void test_fragments(void **state)
{
    struct frame first = tcp4(0, host, OURS), later = first, other = tcp4(0, host, OTHER);
    struct frame quoted = icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS), error = quoted;
    struct frame six = ethernet(0, 0x86dd);

    first.bytes[ETHERNET + 6] = 0x20;
    assert_taken(first);
    other.bytes[ETHERNET + 6] = 0x20;
    assert_passed(other);
    later.bytes[ETHERNET + 7] = 1;
    assert_passed(later);
    later.bytes[ETHERNET + 6] = 0x10;
    later.bytes[ETHERNET + 7] = 0;
    assert_passed(later);
    error.bytes[ETHERNET + 6] = 0x20;
    assert_passed(error);
    quoted.bytes[ETHERNET + IPV4_BYTES + 8 + 7] = 1;
    assert_passed(quoted);
    ipv6(&six, IPPROTO_FRAGMENT, peer6, host6);
    append(&six, (uint8_t[8]){IPPROTO_TCP}, 8);
    tcp(&six, 40000, OURS);
    assert_passed(six);
}

static void test_ipv4_options_are_stepped_over(void **state)
{
    struct frame frame = ethernet(0, 0x0800);

    ipv4(&frame, IPPROTO_TCP, peer, host)[0] = 0x4f;
    append(&frame, NULL, 40);
    tcp(&frame, 40000, OURS);
    assert_taken(frame);
    frame.bytes[ETHERNET] = 0x5f;
    assert_passed(frame);
    // A header shorter than it can be, so that the end of its destination would be read as the port.
    settings_set(1, 0);
    frame.bytes[ETHERNET] = 0x44;
    frame.bytes[ETHERNET + 18] = OURS >> 8;
    frame.bytes[ETHERNET + 19] = OURS & 0xff;
    assert_passed(frame);
}

static void test_everything_else_passes(void **state)
{
    struct frame udp = tcp4(0, host, OURS), two_tags = tcp4(2, host, OURS);
    struct frame udp6 = tcp6(0, host6, OURS), hop = ethernet(0, 0x86dd);
    struct frame disguised = icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS);
    struct frame disguised6 = icmp6(ICMP6_PACKET_TOO_BIG, host6, IPPROTO_TCP, OURS);

    udp.bytes[ETHERNET + 9] = IPPROTO_UDP;
    assert_passed(udp);
    udp6.bytes[ETHERNET + 6] = IPPROTO_UDP;
    assert_passed(udp6);
    assert_passed(two_tags);
    // UDP whose bytes look like an error about us.
    disguised.bytes[ETHERNET + 9] = IPPROTO_UDP;
    assert_passed(disguised);
    disguised6.bytes[ETHERNET + 6] = IPPROTO_UDP;
    assert_passed(disguised6);
    assert_passed(arp(0, host));
    assert_passed(arp(0, peer));
    assert_passed(solicitation(ND_NEIGHBOR_SOLICIT, host6));
    ipv6(&hop, IPPROTO_HOPOPTS, peer6, host6);
    append(&hop, (uint8_t[8]){IPPROTO_TCP}, 8);
    tcp(&hop, 40000, OURS);
    assert_passed(hop);
}

// What the kernel doesn't answer for, we do.
static void test_an_address_of_ours_alone(void **state)
{
    struct frame fragment = tcp4(0, alone, OURS), echo = ethernet(0, 0x86dd), other_arp = arp(0, alone);
    struct frame disguised = solicitation(ND_NEIGHBOR_SOLICIT, alone6);

    assert_taken(tcp4(0, alone, OTHER));
    assert_taken(tcp6(1, alone6, OTHER));
    fragment.bytes[ETHERNET + 7] = 1;
    assert_taken(fragment);
    ipv6(&echo, IPPROTO_ICMPV6, peer6, alone6);
    append(&echo, NULL, 8)[0] = ICMP6_ECHO_REQUEST;
    assert_taken(echo);
    assert_taken(arp(0, alone));
    assert_taken(arp(1, alone));
    assert_taken(solicitation(ND_NEIGHBOR_SOLICIT, alone6));
    assert_passed(solicitation(ND_NEIGHBOR_ADVERT, alone6)); // to a group: somebody else's claim
    assert_passed(tcp4(0, other_host, OTHER));
    disguised.bytes[ETHERNET + 6] = IPPROTO_UDP;
    assert_passed(disguised);
    for (size_t at = 2; at < 6; at++) { // not IPv4 over Ethernet
        other_arp = arp(0, alone);
        other_arp.bytes[ETHERNET + at]++;
        assert_passed(other_arp);
    }
}

static void test_wrong_versions_pass(void **state)
{
    struct frame frame = tcp6(0, host6, OURS);
    struct frame quoted = icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS);
    struct frame quoted6 = icmp6(ICMP6_PACKET_TOO_BIG, host6, IPPROTO_TCP, OURS);

    frame.bytes[ETHERNET] = 0x40;
    assert_passed(frame);
    quoted.bytes[ETHERNET + IPV4_BYTES + 8] = 0x65;
    assert_passed(quoted);
    quoted6.bytes[ETHERNET + IPV6_BYTES + 8] = 0x40;
    assert_passed(quoted6);
}

// Every cut of every frame that is taken: it passes up to the byte at which its ports are whole.
static void cut(struct frame frame, size_t whole)
{
    for (size_t n = ETHERNET; n < frame.length; n++) {
        struct frame shorter = frame;

        shorter.length = n;
        assert_int_equal(verdict(&shorter), n < whole ? XDP_PASS : XDP_REDIRECT);
    }
}

static void test_short_frames_pass(void **state)
{
    cut(tcp4(0, host, OURS), ETHERNET + IPV4_BYTES + 4);
    cut(tcp4(1, host, OURS), ETHERNET + 4 + IPV4_BYTES + 4);
    cut(tcp6(0, host6, OURS), ETHERNET + IPV6_BYTES + 4);
    cut(icmp4(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, host, IPPROTO_TCP, OURS), ETHERNET + 2 * IPV4_BYTES + 8 + 4);
    cut(arp(0, alone), ETHERNET + 28);
    cut(solicitation(ND_NEIGHBOR_SOLICIT, alone6), ETHERNET + IPV6_BYTES + 8 + 16);
    cut(icmp6(ICMP6_PACKET_TOO_BIG, host6, IPPROTO_TCP, OURS), ETHERNET + 2 * IPV6_BYTES + 8 + 4);
}

// May this process load XDP programs? The answer is the kernel's, not one guessed from a user id.
static bool may_load(void)
{
    const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
                                     {.code = BPF_JMP | BPF_EXIT}};
    int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "Apache-2.0", insns, TR_NELEMS(insns), NULL);

    if (fd >= 0)
        close(fd);
    else
        printf("skipped: no XDP program may be loaded here: %s (needs CAP_BPF, CAP_NET_ADMIN)\n", strerror(-fd));
    return fd >= 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tcp_to_our_port_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tcp_to_other_ports_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses_count_only_when_there_are_some, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_ports_everything_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_socket_it_passes_and_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_socket_that_died_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_icmp_errors_about_our_segments_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_icmp_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ipv4_options_are_stepped_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_everything_else_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_address_of_ours_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_versions_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_frames_pass, setup, teardown),
    };

    if (!may_load())
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
