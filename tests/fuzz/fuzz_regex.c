// SPDX-License-Identifier: Apache-2.0
// The translator of patterns, and W3C's trace_state beside it: any text is taken or refused with a position. What is
// taken is taken again when it is put in a group, and says the same of the empty text.
#include "fuzz.h"

#include "base/tr.h"
#include "match/regex.h"
#include "otlp/trace_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *pattern = malloc(bytes + 1), *group = malloc(bytes + 5);
    struct tr_regex regex, again;
    struct tr_error error = {""};
    const uint8_t *value = NULL;
    uint32_t length;

    if (bytes > 2000)
        goto done;
    memcpy(pattern, data, bytes);
    pattern[bytes] = 0;
    length = tr_trace_state_find(data, (uint32_t)bytes, "ot", 2, &value);
    tr_assert(length == 0 || (value >= data && value + length <= data + bytes && length <= 256));
    if (tr_regex_translate(pattern, &regex, &error) < 0) {
        tr_assert(strstr(error.text, "position ") == error.text);
        goto done;
    }
    sprintf(group, "(?:%s)", pattern);
    // \Q has no end, perhaps: then the bracket is quoted too. And it may be a group too deep.
    if (!strstr(pattern, "\\Q") && tr_regex_translate(group, &again, &error) == 0) {
        tr_assert(again.empty == regex.empty && again.always == regex.always);
        free(again.text);
    }
    free(regex.text);
done:
    free(pattern);
    free(group);
    return 0;
}
