// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) by 64-bit words. A sum is not folded until its end, so that parts of a packet can be
// summed where they lie, in any order, as long as each part but the last has an even length.
#ifndef TR_NET_CHECKSUM_H
#define TR_NET_CHECKSUM_H

#include "base/tr.h"

// Add the bytes to a sum. Cost: about as much as reading them.
uint64_t tr_sum(uint64_t sum, const void *data, size_t bytes);
// The same, and copy them on the way.
uint64_t tr_sum_copy(uint64_t sum, void *to, const void *from, size_t bytes);
// A part that began at an odd offset.
uint64_t tr_sum_swap(uint64_t sum);

// The checksum field's value, in memory order (store it with memcpy).
uint16_t tr_sum_fold(uint64_t sum);

#endif
