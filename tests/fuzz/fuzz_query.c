// SPDX-License-Identifier: Apache-2.0
// The fingerprint of queries: any text is reduced within its bounds, to no more than it was, and always to the same.
#include "fuzz.h"

#include "otlp/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *text = malloc(bytes ? bytes : 1), *out = malloc(TR_QUERY_TEXT_MAX), *again = malloc(TR_QUERY_TEXT_MAX);
    bool quotes = bytes && data[0] & 1;
    uint32_t length;

    memcpy(text, data, bytes); // at its exact size, for the sanitizer
    length = tr_query_reduce(text, (uint32_t)TR_MIN(bytes, (size_t)UINT32_MAX), quotes, out);
    tr_assert(length <= TR_QUERY_TEXT_MAX && length <= bytes);
    tr_assert(tr_query_reduce(text, (uint32_t)bytes, quotes, again) == length && memcmp(out, again, length) == 0);
    free(text);
    free(out);
    free(again);
    return 0;
}
