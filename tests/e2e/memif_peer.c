// SPDX-License-Identifier: Apache-2.0
// The other end of a memif: asks for an address by ARP as fast as it can, and counts the answers. Says "answered" with
// the first, and once more when the link has come back. Made to be killed in the middle of it.
//
//   memif-peer SOCKET ADDRESS SECONDS
#include <arpa/inet.h>

#include "base/clock.h"
#include "port/dpdk_eal.h"
#include "port/dpdk_queue.h"

static void ask(struct tr_dpdk_queue *queue, const uint8_t address[4])
{
    static const uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                                   2,    0,    0,    0,    0,    9,    198, 18, 0, 1};
    struct tr_stack_device out = tr_dpdk_queue_stack_device(queue);
    struct tr_frame_out frame = {0};

    while (out.alloc(out.context, &frame)) {
        memset(frame.data, 0, 60);
        memcpy(frame.data, head, sizeof(head));
        memcpy(frame.data + 38, address, 4);
        frame.bytes = 60;
        out.send(out.context, &frame);
        frame = (struct tr_frame_out){0};
    }
}

static uint32_t answers(struct tr_dpdk_queue *queue)
{
    struct rte_mbuf *mbufs[TR_DPDK_BURST];
    struct tr_frame pieces[TR_DPDK_PIECES];
    uint32_t count = tr_dpdk_queue_receive(queue, mbufs), found = 0;

    for (uint32_t i = 0; i < count; i++)
        if (tr_dpdk_frame_of(queue, mbufs[i], pieces) && pieces[0].bytes >= 42 && pieces[0].data[12] == 8 &&
            pieces[0].data[13] == 6 && pieces[0].data[21] == 2)
            found++;
    tr_dpdk_queue_free(mbufs, count);
    return found;
}

int main(int argc, char **argv)
{
    struct tr_dpdk_device_options options = {.lcores = 1, .rx_descriptors = 1024, .tx_descriptors = 1024};
    struct tr_dpdk_options dpdk = {.hugepages = TR_HUGEPAGES_NEVER};
    struct tr_error error = {0};
    struct tr_dpdk_device *device;
    struct tr_dpdk_queue queue;
    uint64_t end, total = 0;
    uint32_t links = 0;
    uint8_t address[4];
    char text[256];

    if (argc != 4 || inet_pton(AF_INET, argv[2], address) != 1)
        return 2;
    snprintf(text, sizeof(text), "net_memif0,role=client,id=0,socket=%s", argv[1]);
    options.device = text;
    if (tr_dpdk_eal_start(&dpdk, NULL, 0, tr_dpdk_device_memory(&options), &error) < 0 ||
        tr_dpdk_device_open(&device, &options, &error) < 0 || tr_dpdk_device_watch(device, &error) < 0) {
        fprintf(stderr, "memif-peer: %s\n", error.text);
        return 1;
    }
    tr_dpdk_thread_register();
    tr_dpdk_queue_init(&queue, device, 0, NULL);
    end = tr_clock_ns() + strtoull(argv[3], NULL, 10) * TR_S;
    while (tr_clock_ns() < end) {
        uint32_t found;

        ask(&queue, address);
        tr_dpdk_queue_flush(&queue, tr_clock_ns());
        found = answers(&queue);
        total += found;
        if (found && links != tr_load_acquire(&device->links)) {
            links = tr_load_acquire(&device->links);
            printf("answered\n");
            fflush(stdout);
        }
    }
    printf("answers %llu\n", (unsigned long long)total);
    tr_dpdk_queue_fini(&queue);
    tr_dpdk_device_close(device);
    tr_dpdk_eal_stop();
    return 0;
}
