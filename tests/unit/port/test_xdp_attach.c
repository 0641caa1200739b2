// SPDX-License-Identifier: Apache-2.0
// The program on an interface, without DPDK: a network namespace of this process's own, whose loopback is the NIC.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/xdp.h"

#define SKIPPED 77 // meson's
#define PORT    4317

static const char *program_path;
static struct tr_error error;

// As DPDK does it: load, and attach where nothing is attached.
static int attach(void)
{
    struct bpf_object *object = bpf_object__open_file(program_path, NULL);
    int rc;

    assert_non_null(object);
    assert_int_equal(bpf_object__load(object), 0);
    rc = bpf_xdp_attach((int)if_nametoindex("lo"), bpf_program__fd(bpf_object__next_program(object, NULL)),
                        XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
    bpf_object__close(object);
    return rc;
}

static uint32_t attached_id(void)
{
    uint32_t id = 0;

    assert_int_equal(bpf_xdp_query_id((int)if_nametoindex("lo"), 0, &id), 0);
    return id;
}

static int detach(void **state)
{
    memset(&error, 0, sizeof(error));
    return bpf_xdp_detach((int)if_nametoindex("lo"), 0, NULL);
}

static void test_claim_is_exclusive(void **state)
{
    struct tr_xdp *xdp, *second;

    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), 0);
    assert_int_equal(tr_xdp_open(&second, "lo", &error), -EBUSY);
    assert_non_null(strstr(error.text, "lo: another process has it"));
    tr_xdp_close(xdp);
    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), 0);
    tr_xdp_close(xdp);
}

static void test_no_such_interface(void **state)
{
    struct tr_xdp *xdp;

    assert_int_equal(tr_xdp_open(&xdp, "none0", &error), -ENODEV);
    assert_string_equal(error.text, "none0: no such interface");
}

static void test_stale_program_is_taken_off(void **state)
{
    int ready[2];
    struct tr_xdp *xdp;
    pid_t child;
    char byte;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (tr_xdp_open(&xdp, "lo", &error) == 0 && attach() == 0 && write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), -EBUSY);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);

    assert_int_not_equal(attached_id(), 0);
    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), 0);
    assert_int_equal(attached_id(), 0);
    assert_int_equal(attach(), 0);
    tr_xdp_close(xdp);
}

static void test_foreign_program_stays(void **state)
{
    const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
                                     {.code = BPF_JMP | BPF_EXIT}};
    int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "firewall", "Apache-2.0", insns, TR_NELEMS(insns), NULL);
    struct tr_xdp *xdp;
    uint32_t id;

    assert_true(fd >= 0);
    assert_int_equal(bpf_xdp_attach((int)if_nametoindex("lo"), fd, 0, NULL), 0);
    id = attached_id();
    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), -EBUSY);
    assert_non_null(strstr(error.text, "firewall"));
    assert_int_equal(attached_id(), id);
    close(fd);
}

// A segment to the port; it ends at the kernel, which refuses it, since there is no socket here to take it.
static void segment_send(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval most = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

static uint64_t left_to_kernel(struct tr_xdp *xdp)
{
    uint64_t counters[TR_XDP_COUNTERS];

    assert_int_equal(tr_xdp_counters_read(xdp, counters, &error), 0);
    assert_int_equal(counters[TR_XDP_TAKEN], 0); // there is no socket here
    return counters[TR_XDP_NO_SOCKET];
}

// The value of an address in the attached program's map.
static uint8_t owner_of(const struct tr_ip *ip)
{
    uint32_t ids[16], bytes;
    struct bpf_prog_info program = {.map_ids = (uintptr_t)ids, .nr_map_ids = TR_NELEMS(ids)};
    struct bpf_map_info map;
    uint8_t owner = TR_XDP_NOBODY;
    int fd = bpf_prog_get_fd_by_id(attached_id());

    bytes = sizeof(program);
    assert_int_equal(bpf_obj_get_info_by_fd(fd, &program, &bytes), 0);
    close(fd);
    for (uint32_t i = 0; i < program.nr_map_ids; i++) {
        fd = bpf_map_get_fd_by_id(ids[i]);
        bytes = sizeof(map);
        memset(&map, 0, sizeof(map));
        assert_int_equal(bpf_obj_get_info_by_fd(fd, &map, &bytes), 0);
        if (strcmp(map.name, "tr_addresses") == 0)
            assert_int_equal(bpf_map_lookup_elem(fd, ip, &owner), 0);
        close(fd);
    }
    return owner;
}

static void test_what_the_kernel_has_is_shared(void **state)
{
    const struct tr_ip ips[] = {{{[10] = 0xff, 0xff, 127, 0, 0, 1}}, {{[10] = 0xff, 0xff, 198, 18, 0, 1}}, {{[15] = 1}},
                                {{0xfd, [15] = 1}}};
    uint16_t port = PORT;
    struct tr_xdp_filter filter = {.ports = &port, .port_count = 1, .addresses = ips, .address_count = 4};
    struct tr_xdp *xdp;

    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), 0);
    assert_int_equal(attach(), 0);
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    assert_int_equal(owner_of(&ips[0]), TR_XDP_SHARED);
    assert_int_equal(owner_of(&ips[1]), TR_XDP_ALONE);
    assert_int_equal(owner_of(&ips[2]), TR_XDP_SHARED);
    assert_int_equal(owner_of(&ips[3]), TR_XDP_ALONE);
    tr_xdp_close(xdp);
}

static void test_filter(void **state)
{
    const uint8_t loopback[4] = {127, 0, 0, 1}, elsewhere[4] = {198, 18, 0, 1};
    struct tr_ip address = tr_ip_v4(elsewhere);
    uint16_t ports[] = {PORT + 1, PORT};
    struct tr_xdp_filter filter = {.ports = ports, .port_count = 1};
    struct tr_xdp *xdp;

    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), 0);
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), -ENOENT);
    assert_string_equal(error.text, "lo: no XDP program is attached");
    memset(&error, 0, sizeof(error));
    assert_int_equal(attach(), 0);

    segment_send(PORT);
    assert_int_equal(left_to_kernel(xdp), 0);
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    segment_send(PORT); // another port's
    assert_int_equal(left_to_kernel(xdp), 0);

    filter.port_count = 2;
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    segment_send(PORT); // no socket: passed, and counted
    assert_int_equal(left_to_kernel(xdp), 1);

    filter.addresses = &address;
    filter.address_count = 1;
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    segment_send(PORT);
    assert_int_equal(left_to_kernel(xdp), 1);

    address = tr_ip_v4(loopback); // replaces the other one
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    segment_send(PORT);
    assert_int_equal(left_to_kernel(xdp), 2);

    filter.port_count = 0;
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    segment_send(PORT);
    assert_int_equal(left_to_kernel(xdp), 2);
    tr_xdp_close(xdp);
}

static void test_filter_that_is_too_large(void **state)
{
    uint16_t ports[TR_XDP_PORTS_MAX / 2 + 1];
    struct tr_xdp_filter filter = {.ports = ports, .port_count = TR_NELEMS(ports)};
    struct tr_xdp *xdp;

    for (uint16_t i = 0; i < TR_NELEMS(ports); i++)
        ports[i] = (uint16_t)(1000 + i);
    assert_int_equal(tr_xdp_open(&xdp, "lo", &error), 0);
    assert_int_equal(attach(), 0);
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), -E2BIG);
    filter.port_count--;
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0);
    for (size_t i = 0; i < filter.port_count; i++)
        ports[i] = (uint16_t)(ports[i] + 1000);
    assert_int_equal(tr_xdp_filter_set(xdp, &filter, &error), 0); // all others: the old ones still take room
    tr_xdp_close(xdp);
}

static void test_device_arguments(void **state)
{
    char interface[IF_NAMESIZE], completed[256], expect[256];

    assert_int_equal(tr_xdp_device_complete("net_af_xdp0,iface=eth1,queue_count=2", interface, completed,
                                            sizeof(completed), &error), 1);
    assert_string_equal(interface, "eth1");
    snprintf(expect, sizeof(expect), "net_af_xdp0,iface=eth1,queue_count=2,xdp_prog=%s", program_path);
    assert_string_equal(completed, expect);
    assert_int_equal(tr_xdp_device_complete("net_af_xdp0,iface=eth1,xdp_prog=/a", interface, completed,
                                            sizeof(completed), &error), 0);
    assert_string_equal(completed, "net_af_xdp0,iface=eth1,xdp_prog=/a");
    assert_int_equal(tr_xdp_device_complete("0000:00:06.0", interface, completed, sizeof(completed), &error), 0);
    assert_string_equal(completed, "0000:00:06.0");
    assert_int_equal(tr_xdp_device_complete("net_af_packet0,iface=eth1", interface, completed, sizeof(completed),
                                            &error), 0);
    assert_string_equal(error.text, "");
    assert_int_equal(tr_xdp_device_complete("net_af_xdp0", interface, completed, sizeof(completed), &error), -EINVAL);
    assert_string_equal(error.text, "net_af_xdp0: no iface=INTERFACE");
    memset(&error, 0, sizeof(error));
    assert_int_equal(tr_xdp_device_complete("net_af_xdp0,iface=an-interface-too-far", interface, completed,
                                            sizeof(completed), &error), -EINVAL);
    assert_int_equal(tr_xdp_device_complete("net_af_xdp0,iface=eth1", interface, completed, 24, &error), -EINVAL);
}

static void test_program_that_is_nowhere(void **state)
{
    char path[256];

    setenv("TAILRACE_XDP_PROGRAM", "/none.o", 1);
    assert_int_equal(tr_xdp_program_find(path, sizeof(path), &error), -ENOENT);
    assert_non_null(strstr(error.text, "TAILRACE_XDP_PROGRAM: /none.o"));
    unsetenv("TAILRACE_XDP_PROGRAM");
    memset(&error, 0, sizeof(error));
    assert_int_equal(tr_xdp_program_find(path, sizeof(path), &error), -ENOENT); // tests lie a folder deeper than app/
    assert_non_null(strstr(error.text, "no XDP program"));
    setenv("TAILRACE_XDP_PROGRAM", program_path, 1);
}

// A network namespace with a loopback that is up, in which XDP programs may be attached and found.
static bool namespace_make(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd, rc;

    if (unshare(CLONE_NEWNET) < 0) {
        printf("skipped: no network namespace: %s\n", strerror(errno));
        return false;
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    rc = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    if (rc < 0) {
        printf("skipped: loopback can't be brought up: %s\n", strerror(errno));
        return false;
    }
    fd = bpf_prog_get_fd_by_id(UINT32_MAX);
    if (fd != -ENOENT) {
        printf("skipped: programs can't be found by their id: %s\n", strerror(-fd));
        return false;
    }
    return true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_claim_is_exclusive, detach),
        cmocka_unit_test_teardown(test_no_such_interface, detach),
        cmocka_unit_test_teardown(test_stale_program_is_taken_off, detach),
        cmocka_unit_test_teardown(test_foreign_program_stays, detach),
        cmocka_unit_test_teardown(test_what_the_kernel_has_is_shared, detach),
        cmocka_unit_test_teardown(test_filter, detach),
        cmocka_unit_test_teardown(test_filter_that_is_too_large, detach),
        cmocka_unit_test_teardown(test_device_arguments, detach),
        cmocka_unit_test_teardown(test_program_that_is_nowhere, detach),
    };

    program_path = getenv("TAILRACE_XDP_PROGRAM");
    if (!program_path || !namespace_make())
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
