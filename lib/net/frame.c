// SPDX-License-Identifier: Apache-2.0
#include "net/checksum.h"
#include "net/stack_internal.h"

// Sum `bytes` from `at`, and copy them if `to` is given. A part that begins at an odd offset of the whole is swapped.
static inline uint64_t pieces_sum(uint8_t *to, const struct tr_frame *frame, uint32_t at, uint32_t bytes)
{
    uint64_t sum = 0, part;
    uint32_t done = 0;

    for (; frame && done < bytes; frame = frame->next) {
        uint32_t n;

        if (at >= frame->bytes) {
            at -= frame->bytes;
            continue;
        }
        n = TR_MIN(frame->bytes - at, bytes - done);
        part = to ? tr_sum_copy(0, to + done, frame->data + at, n) : tr_sum(0, frame->data + at, n);
        if (done & 1)
            part = tr_sum_swap(part);
        sum += part;
        sum += sum < part;
        done += n;
        at = 0;
    }
    return sum;
}

uint64_t tr_frame_sum(const struct tr_frame *frame, uint32_t at, uint32_t bytes)
{
    if (tr_likely(at + bytes <= frame->bytes))
        return tr_sum(0, frame->data + at, bytes);
    return pieces_sum(NULL, frame, at, bytes);
}

uint64_t tr_frame_sum_copy(uint8_t *to, const struct tr_frame *frame, uint32_t at, uint32_t bytes)
{
    return pieces_sum(to, frame, at, bytes);
}

bool tr_packet_lacks(struct tr_stack *stack, const struct tr_packet *packet, uint32_t bytes)
{
    struct tr_net_counters *counters = &stack->net_counters;

    tr_net_drop(packet->end - packet->at < bytes ? &counters->drop_short : &counters->drop_split);
    return false;
}
