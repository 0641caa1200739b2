// SPDX-License-Identifier: Apache-2.0
// The Internet checksum of any bytes, in two parts cut anywhere and at any alignment, against the naive one.
// The input: a byte for the alignment, two for the cut, then the bytes.
#include "fuzz.h"

#include "net/checksum.h"
#include "../unit/net/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t align, cut, n;
    uint64_t sum, part;
    uint8_t *memory, *copy, stored[2];
    uint16_t field;

    if (bytes < 3)
        return 0;
    align = data[0] % 64;
    n = bytes - 3;
    cut = n ? ((size_t)data[1] << 8 | data[2]) % (n + 1) : 0;
    memory = calloc(1, align + n);
    copy = calloc(1, n - cut);
    memcpy(memory + align, data + 3, n);
    sum = tr_sum(0, memory + align, cut);
    part = tr_sum_copy(0, copy, memory + align + cut, n - cut);
    tr_assert(memcmp(copy, data + 3 + cut, n - cut) == 0);
    tr_assert(tr_sum_fold(tr_sum(0, copy, n - cut)) == tr_sum_fold(part));
    if (cut & 1)
        part = tr_sum_swap(part);
    sum += part;
    sum += sum < part;
    field = tr_sum_fold(sum);
    memcpy(stored, &field, 2);
    tr_assert((stored[0] << 8 | stored[1]) == build_naive_sum(0, data + 3, n));
    free(memory);
    free(copy);
    return 0;
}
