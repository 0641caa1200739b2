// SPDX-License-Identifier: Apache-2.0
// Config text of any kind: refused with a line that says why, or accepted, and then what is shown of it is
// the same config again. (Unless it holds a secret, which is shown covered and so refused.)
#include "fuzz.h"

#include "../unit/config/sample.h"

static void again(struct tr_options_doc *doc)
{
    char *shown = tr_options_show(doc), *shown_again;
    struct tr_options_doc *same = NULL;
    struct tr_error error = {""};

    tr_assert(shown);
    if (tr_options_parse(&sample_table, shown, strlen(shown), &same, &error)) {
        tr_assert(strstr(error.text, "stands for a secret"));
    } else {
        tr_assert(tr_options_diff(doc, same, NULL, NULL) == 0);
        shown_again = tr_options_show(same);
        tr_assert(strcmp(shown, shown_again) == 0);
        free(shown_again);
        tr_options_free(same);
    }
    free(shown);
}

static void line_drop(void *context, const char *path, const char *before, const char *after, bool live)
{
    // A secret that changed is covered on both sides.
    tr_assert(*path && (strcmp(before, after) != 0 || strcmp(before, "\"***\"") == 0));
}

// Against a config that shares a little with it.
static void compare(struct tr_options_doc *doc)
{
    static const char other[] =
        "policies: [{name: a, type: latency, latency: {}}, {name: b, type: and}]\n"
        "backends: [{name: a, headers: {b: c}}]\nrules: [{keys: [a]}]\norigins: [a]\n";
    struct tr_options_doc *with = NULL;

    tr_assert(tr_options_parse(&sample_table, other, sizeof(other) - 1, &with, NULL) == 0);
    tr_options_diff(doc, with, line_drop, NULL);
    tr_options_diff(with, doc, line_drop, NULL);
    tr_options_free(with);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct tr_options_doc *doc = NULL;
    struct tr_error error = {""};
    int rc = tr_options_parse(&sample_table, (const char *)data, bytes, &doc, &error);

    tr_assert((rc == 0) == (doc != NULL));
    tr_assert((rc == 0) == (error.text[0] == 0));
    if (doc) {
        again(doc);
        compare(doc);
    }
    tr_options_free(doc);
    return 0;
}
