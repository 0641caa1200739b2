// SPDX-License-Identifier: Apache-2.0
// Config text of any kind: refused with a line that says why, or accepted.
#include "fuzz.h"

#include "../unit/config/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_options_doc *doc = NULL;
    struct tr_error error = {""};
    int rc = tr_options_parse(&sample_table, (const char *)data, bytes, &doc, &error);

    tr_assert((rc == 0) == (doc != NULL));
    tr_assert((rc == 0) == (error.text[0] == 0));
    tr_options_free(doc);
    return 0;
}
