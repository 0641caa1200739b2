// SPDX-License-Identifier: Apache-2.0
#include "corpus.h"

#include <zlib.h>

#include "base/pb.h"

#define BYTES_MAX (256 * TR_MIB)

uint8_t *corpus_file_read(const char *path, size_t *bytes)
{
    uint8_t *data = malloc(BYTES_MAX);
    gzFile file = gzopen(path, "rb");
    int got = file && data ? gzread(file, data, BYTES_MAX) : -1;

    if (got < 0) {
        fprintf(stderr, "%s: can't be read\n", path);
        exit(1);
    }
    gzclose(file);
    data = realloc(data, (size_t)got + 64);
    memset(data + got, 0, 64);
    *bytes = (size_t)got;
    return data;
}

// What is in a message under field `number`, one after the other.
static bool next(const uint8_t **p, const uint8_t *end, uint32_t number, struct tr_pb_field *field)
{
    while (*p && *p < end) {
        *p = tr_pb_field(*p, end, field);
        if (*p && field->number == number)
            return true;
    }
    tr_assert(*p);
    return false;
}

struct walk {
    const struct corpus *corpus;
    const struct tr_policy_set *set;
    struct tr_walk_notes *notes;
    bool (*take)(const struct tr_walk_span *span, uint32_t bytes, const struct tr_bits *bits);
};

static bool resource_spans_walk(const struct walk *walk, const uint8_t *p, const uint8_t *end)
{
    const struct tr_walk_plan *plan = &walk->set->plan;
    struct tr_context context = {0};
    struct tr_bits resource = {{0}};
    struct tr_pb_field field, span;
    const uint8_t *scopes = p;

    if (next(&p, end, 1, &field))
        context.resource[0] =
            (struct tr_range){.offset = (uint32_t)(field.bytes - walk->corpus->data), .bytes = (uint32_t)field.value};
    tr_walk_resource(plan, 0, &context, walk->corpus->data, walk->notes, &resource);
    while (next(&scopes, end, 2, &field))
        for (const uint8_t *spans = field.bytes; next(&spans, field.bytes + field.value, 2, &span);) {
            struct tr_bits bits = resource;
            struct tr_walk_span walked;

            tr_assert(tr_walk_span(plan, 0, span.bytes, (uint32_t)span.value, walk->notes, &walked, &bits) == TR_WALK_OK);
            if (!walk->take(&walked, (uint32_t)span.value, &bits))
                return false;
        }
    return true;
}

void corpus_walk(const struct corpus *corpus, const struct tr_policy_set *set, struct tr_walk_notes *notes,
                 bool (*take)(const struct tr_walk_span *span, uint32_t bytes, const struct tr_bits *bits))
{
    const struct walk walk = {.corpus = corpus, .set = set, .notes = notes, .take = take};

    for (size_t at = 0; at < corpus->bytes;) {
        const uint8_t *p = corpus->data + at + 4, *end;
        struct tr_pb_field field;
        uint32_t length;

        memcpy(&length, corpus->data + at, 4);
        end = p + length;
        while (next(&p, end, 1, &field))
            if (!resource_spans_walk(&walk, field.bytes, field.bytes + field.value))
                return;
        at += 4 + length;
    }
}

static struct tr_policy_set *compile(const char *name, const char *text, size_t bytes)
{
    struct tr_error error = {""};
    struct tr_policy_set *set;
    struct tr_options_doc *doc;

    if (tr_options_parse(&tr_tail_sampling_option_table, text, bytes, &doc, &error) < 0 ||
        tr_policy_set_compile(tr_options_struct(doc), NULL, 1, 1, &set, &error) < 0) {
        fprintf(stderr, "%s: %s\n", name, error.text);
        exit(1);
    }
    tr_options_free(doc);
    return set;
}

unsigned corpus_configs_each(const char *path, void (*each)(const char *name, const struct tr_policy_set *set))
{
    size_t bytes;
    char *configs = (char *)corpus_file_read(path, &bytes);
    unsigned count = 0;

    for (char *p = strstr(configs, "=== "), *end; p; p = end, count++) {
        char *name = p + 4, *text = strchr(name, '\n') + 1;
        struct tr_policy_set *set;

        text[-1] = 0;
        end = strstr(text, "=== ");
        set = compile(name, text, end ? (size_t)(end - text) : strlen(text));
        each(name, set);
        tr_policy_set_free(set);
    }
    free(configs);
    return count;
}
