// SPDX-License-Identifier: Apache-2.0
// Devices, queues and bursts on DPDK's ring device, whose frames come back to the queue that sent them. EAL runs on
// ordinary memory, without root.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "port/dpdk_eal.h"
#include "port/dpdk_queue.h"

static struct tr_dpdk_device *device;
static struct tr_dpdk_queue queue;
static struct tr_dpdk_device_options options = {
    .device = "net_ring0", .lcores = 1, .rx_descriptors = 256, .tx_descriptors = 256};

static int eal_start(void **state)
{
    const struct tr_dpdk_options dpdk = {.hugepages = TR_HUGEPAGES_NEVER};
    cpu_set_t before, after;
    struct tr_error error = {0};

    assert_null(tr_dpdk_eal_memory());
    pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
    if (tr_dpdk_eal_start(&dpdk, NULL, 0, 2 * tr_dpdk_device_memory(&options), &error) < 0)
        fail_msg("%s", error.text);
    pthread_getaffinity_np(pthread_self(), sizeof(after), &after);
    assert_true(CPU_EQUAL(&before, &after));
    assert_string_equal(tr_dpdk_eal_memory(), "no hugepages");
    assert_int_equal(tr_dpdk_eal_start(&dpdk, NULL, 0, 0, &error), -EALREADY);
    return 0;
}

static int eal_stop(void **state)
{
    tr_dpdk_eal_stop();
    return 0;
}

static int device_open(void **state)
{
    static char name[32];
    static unsigned number;
    struct tr_error error = {0};

    snprintf(name, sizeof(name), "net_ring%u", number++); // a ring outlives its device
    options.device = name;
    if (tr_dpdk_device_open(&device, &options, &error) < 0)
        fail_msg("%s", error.text);
    tr_dpdk_queue_init(&queue, device, 0, NULL);
    return 0;
}

static int device_close(void **state)
{
    struct tr_dpdk_device_view view;

    tr_dpdk_queue_fini(&queue);
    tr_dpdk_device_view(device, &view);
    assert_int_equal(view.mbufs_free, view.mbufs); // every buffer came back
    tr_dpdk_device_close(device);
    return 0;
}

static bool send_one(uint8_t tag, uint32_t bytes)
{
    struct tr_stack_device out = tr_dpdk_queue_stack_device(&queue);
    struct tr_frame_out frame = {0};

    if (!out.alloc(out.context, &frame))
        return false;
    memset(frame.data, tag, bytes);
    frame.bytes = bytes;
    out.send(out.context, &frame);
    return true;
}

static void frames_come_back_in_order(void **state)
{
    struct rte_mbuf *mbufs[TR_DPDK_BURST];
    struct tr_frame pieces[TR_DPDK_PIECES];
    uint32_t count;

    for (uint8_t i = 0; i < 10; i++)
        assert_true(send_one(i, 60u + i));
    assert_int_equal(tr_dpdk_queue_waiting(&queue), 10);
    assert_int_equal(tr_dpdk_queue_flush(&queue, TR_S), 10);
    assert_int_equal(tr_dpdk_queue_waiting(&queue), 0);
    count = tr_dpdk_queue_receive(&queue, mbufs);
    assert_int_equal(count, 10);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(tr_dpdk_frame_of(&queue, mbufs[i], pieces));
        assert_int_equal(pieces[0].bytes, 60 + i);
        assert_int_equal(pieces[0].data[59], i);
        assert_int_equal(pieces[0].flags, 0); // nobody has verified anything
        assert_null(pieces[0].next);
    }
    tr_dpdk_queue_free(mbufs, count);
    assert_int_equal(queue.counters.rx_frames, 10);
    assert_int_equal(queue.counters.tx_frames, 10);
}

static void what_finds_no_room_is_refused_and_what_was_taken_is_sent(void **state)
{
    struct rte_mbuf *mbufs[TR_DPDK_BURST];
    uint32_t accepted = 0, received = 0, count;

    while (send_one(1, 64))
        accepted++;
    assert_int_equal(accepted, TR_DPDK_WAITING);
    assert_int_equal(queue.counters.tx_full, 1);
    assert_int_equal(tr_dpdk_queue_flush(&queue, TR_S), TR_DPDK_WAITING);
    assert_true(send_one(1, 64));
    tr_dpdk_queue_flush(&queue, TR_S);
    while ((count = tr_dpdk_queue_receive(&queue, mbufs))) {
        received += count;
        tr_dpdk_queue_free(mbufs, count);
    }
    assert_int_equal(received, accepted + 1);
}

static void a_device_that_takes_nothing_loses_frames_after_a_while_and_says_so(void **state)
{
    struct rte_mbuf *mbufs[TR_DPDK_BURST];
    uint64_t now = TR_S;
    uint32_t count;

    do { // the ring behind the device fills
        while (send_one(2, 64))
            ;
    } while (tr_dpdk_queue_flush(&queue, now) == TR_DPDK_WAITING);
    while (send_one(2, 64))
        ;
    tr_dpdk_queue_flush(&queue, now);
    assert_int_equal(tr_dpdk_queue_waiting(&queue), TR_DPDK_WAITING);
    assert_int_equal(tr_dpdk_queue_flush(&queue, now + TR_DPDK_STUCK_NS - 1), 0);
    assert_int_equal(queue.counters.tx_stuck, 0);
    assert_int_equal(tr_dpdk_queue_waiting(&queue), TR_DPDK_WAITING);
    assert_int_equal(tr_dpdk_queue_flush(&queue, now + TR_DPDK_STUCK_NS), 0);
    assert_int_equal(queue.counters.tx_stuck, TR_DPDK_WAITING);
    assert_int_equal(tr_dpdk_queue_waiting(&queue), 0);
    while ((count = tr_dpdk_queue_receive(&queue, mbufs)))
        tr_dpdk_queue_free(mbufs, count);
}

static void a_guard_that_is_held_keeps_bursts_off(void **state)
{
    struct rte_mbuf *mbufs[TR_DPDK_BURST];

    device->guard = tr_dpdk_guard_create(1);
    send_one(3, 64);
    tr_dpdk_guard_stop_all();
    assert_int_equal(tr_dpdk_queue_flush(&queue, TR_S), 0);
    assert_int_equal(tr_dpdk_queue_receive(&queue, mbufs), 0);
    assert_int_equal(queue.counters.held_off, 2);
    tr_dpdk_guard_resume_all();
    assert_int_equal(tr_dpdk_queue_flush(&queue, TR_S), 1);
    assert_int_equal(tr_dpdk_queue_receive(&queue, mbufs), 1);
    tr_dpdk_queue_free(mbufs, 1);
}

static void a_device_that_is_none_is_an_error_with_a_reason(void **state)
{
    static const struct {
        const char *device, *says;
        uint32_t queues;
    } bad[] = {{"net_nothing0", "device: net_nothing0: no such device", 0}, {"net_ring77", "queues: 60 is above 16", 60}};

    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        struct tr_dpdk_device_options one = options;
        struct tr_dpdk_device *none = NULL;
        struct tr_error error = {0};

        one.device = bad[i].device;
        one.queues = bad[i].queues;
        if (tr_dpdk_device_open(&none, &one, &error) == 0)
            fail_msg("%s: opened", bad[i].device);
        if (!strstr(error.text, bad[i].says))
            fail_msg("%s: %s", bad[i].device, error.text);
    }
}

static void a_pci_address_is_told_from_a_virtual_device(void **state)
{
    assert_true(tr_dpdk_is_pci("0000:03:00.0"));
    assert_true(tr_dpdk_is_pci("03:00.0"));
    assert_true(tr_dpdk_is_pci("0000:03:00.0,rxq_cqe_comp_en=0"));
    assert_false(tr_dpdk_is_pci("net_tap0"));
    assert_false(tr_dpdk_is_pci("0000:03:00"));
    assert_false(tr_dpdk_is_pci(""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, device_open, device_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_back_in_order),
        TEST(what_finds_no_room_is_refused_and_what_was_taken_is_sent),
        TEST(a_device_that_takes_nothing_loses_frames_after_a_while_and_says_so),
        TEST(a_guard_that_is_held_keeps_bursts_off),
        cmocka_unit_test(a_device_that_is_none_is_an_error_with_a_reason),
        cmocka_unit_test(a_pci_address_is_told_from_a_virtual_device),
    };

    return cmocka_run_group_tests(tests, eal_start, eal_stop);
}
