// SPDX-License-Identifier: Apache-2.0
// A body of any bytes counted as RED metrics, and what comes out of it: each span that the walk takes counts once, the OTLP
// made of it is protobuf, all its texts are UTF-8, and Prometheus' text has as many calls.
#include "fuzz.h"

#include "otlp/check.h"
#include "otlp/schema.h"
#include "red/merge.h"

static const char *const blocks[] = {
    "{series_max: 16, resource_metrics_cache_size: 2, exemplars: {enabled: true}, dimensions: [{name: k}, {name: a, default: b}]}",
    "{series_max: 16, resource_metrics_cache_size: 2, exemplars: {enabled: true}, resource_metrics_key_attributes: [service.name, k], "
    "calls_dimensions: [{name: k}], histogram: {unit: s, exponential: {max_size: 4}, dimensions: [{name: a}]}, "
    "aggregation_cardinality_limit: 2, enable_metrics_sampling_method: true}",
};

static struct tr_walk_notes notes;
static struct tr_red_counters counters;
static uint64_t walked;

static void count(struct tr_red_set *set, const uint8_t *data, uint32_t bytes)
{
    static struct tr_context contexts[64];
    struct tr_journal journal = {.contexts = contexts, .contexts_mask = TR_NELEMS(contexts) - 1};
    struct tr_red_table *table = set->tables[0];
    struct tr_check check;

    tr_check_init(&check, data, bytes, 0, &journal, TR_NELEMS(contexts));
    if (tr_check_run(&check, UINT32_MAX) != TR_CHECK_DONE)
        return;
    for (uint32_t c = 0; c < check.contexts; c++) {
        struct tr_bits bits = {{0}};
        uint32_t span_bytes, cursor = 0;
        const uint8_t *span;

        tr_red_resource(table, &counters, &contexts[c], data);
        tr_walk_resource(&table->plan, 0, &contexts[c], data, &notes, &bits);
        while (tr_context_span(&contexts[c], data, &cursor, &span, &span_bytes)) {
            struct tr_walk_span out;

            if (tr_walk_span(&table->plan, 0, span, span_bytes, &notes, &out, &bits) != TR_WALK_OK)
                continue;
            walked++;
            tr_red_span(table, &counters, &table->plan, &notes, &out, walked, walked);
            tr_red_exemplar(table, &counters, &contexts[c], data, span, span_bytes, walked, walked);
        }
    }
}

// Every field is read to its end, as deep as messages of metrics go.
static void message_read(const uint8_t *p, const uint8_t *end)
{
    struct tr_pb_field field;

    while (p < end) {
        p = tr_pb_field(p, end, &field);
        tr_assert(p);
    }
}

static void body_read(void *context, const uint8_t *body, size_t bytes)
{
    const uint8_t *p = body, *end = body + bytes;
    struct tr_pb_field field;

    while (p < end) {
        p = tr_pb_field(p, end, &field);
        tr_assert(p && field.number == 1 && field.wire == TR_PB_BYTES);
        message_read(field.bytes, field.bytes + field.value);
    }
    *(size_t *)context += bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *body = malloc(size + 64); // the check and the walk may read a little beyond

    tr_assert(body);
    memset(body + size, 0, 64);
    memcpy(body, data, size);
    for (size_t i = 0; i < TR_NELEMS(blocks); i++) {
        uint64_t buckets[64], shown = 0;
        struct tr_red_values values = {.buckets = buckets};
        struct tr_options_doc *doc;
        struct tr_red_merge *merge;
        struct tr_red_set *set;
        char *text = NULL;
        size_t bytes = 0, text_bytes;
        FILE *out = open_memstream(&text, &text_bytes);

        memset(&counters, 0, sizeof(counters));
        walked = 0;
        tr_assert(out && tr_options_parse(&tr_red_option_table, blocks[i], strlen(blocks[i]), &doc, NULL) == 0 &&
                  tr_red_set_create(&set, tr_options_struct(doc), 1, "fuzz", 1, NULL) == 0 && tr_red_merge_create(&merge, set) == 0);
        count(set, body, (uint32_t)size);
        tr_assert(counters.counted + counters.overflow + counters.no_service == walked);
        tr_red_merge_look(merge, walked + 1, walked + 1);
        for (uint32_t p = 0; p < merge->points_count; p++) {
            tr_red_point_values(merge, &merge->points[p], true, &values);
            shown += merge->points[p].metric == TR_RED_CALLS ? values.count : 0;
        }
        tr_assert(shown >= walked - counters.no_service); // a sampled span counts for more
        tr_red_prometheus(merge, true, out);
        tr_red_otlp(merge, walked + 1, true, body_read, &bytes);
        tr_assert((bytes > 0) == (walked > counters.no_service));
        fclose(out);
        free(text);
        tr_red_merge_destroy(merge);
        tr_red_set_release(set);
        tr_options_free(doc);
    }
    free(body);
    return 0;
}
