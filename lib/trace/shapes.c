// SPDX-License-Identifier: Apache-2.0
#include "trace/shapes.h"

// Bytes of room for one span.
#define SPAN_BYTES (2 * sizeof(struct tr_shape_span) + 2 * sizeof(struct tr_shape_item) + 5 * sizeof(uint32_t))

uint64_t tr_shapes_bytes(uint32_t spans_max)
{
    return (uint64_t)spans_max * SPAN_BYTES;
}

int tr_shapes_create(struct tr_shapes *shapes, uint32_t spans_max, int numa_node, bool prefault)
{
    uint32_t *numbers;

    memset(shapes, 0, sizeof(*shapes));
    shapes->memory = tr_pages_map(tr_shapes_bytes(spans_max), numa_node, prefault);
    if (!shapes->memory)
        return -ENOMEM;
    shapes->spans_max = spans_max;
    shapes->items = shapes->memory;
    shapes->spare = shapes->items + spans_max;
    shapes->all = (struct tr_shape_span *)(shapes->spare + spans_max);
    shapes->raw = shapes->all + spans_max;
    numbers = (uint32_t *)(shapes->raw + spans_max);
    shapes->by_start = numbers;
    shapes->by_parent = numbers + spans_max;
    shapes->by_call = numbers + 2 * (size_t)spans_max;
    shapes->lengths = numbers + 3 * (size_t)spans_max;
    shapes->queue = numbers + 4 * (size_t)spans_max;
    return 0;
}

void tr_shapes_destroy(struct tr_shapes *shapes)
{
    tr_pages_unmap(shapes->memory, tr_shapes_bytes(shapes->spans_max));
    shapes->memory = NULL;
}

static void merge(const struct tr_shape_item *from, struct tr_shape_item *to, uint32_t begin, uint32_t middle, uint32_t end)
{
    uint32_t a = begin, b = middle;

    for (uint32_t i = begin; i < end; i++)
        to[i] = a < middle && (b == end || from[a].key <= from[b].key) ? from[a++] : from[b++];
}

void tr_shape_sort(struct tr_shape_item *items, struct tr_shape_item *spare, uint32_t count)
{
    struct tr_shape_item *from = items, *to = spare;

    for (uint64_t width = 1; width < count; width *= 2) {
        struct tr_shape_item *swap = from;

        for (uint64_t begin = 0; begin < count; begin += 2 * width)
            merge(from, to, (uint32_t)begin, (uint32_t)TR_MIN(begin + width, (uint64_t)count),
                  (uint32_t)TR_MIN(begin + 2 * width, (uint64_t)count));
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * sizeof(*items));
}

static void unpack(const struct tr_shapes *shapes, const struct tr_shape *shape, struct tr_shape_span *span)
{
    const struct tr_shape_record *record = &shape->record;
    uint32_t start = record->start - shapes->begin;
    uint64_t end = (uint64_t)start + tr_shape_duration(record);
    uint32_t zone = record->zone;

    if (zone && shapes->table)
        zone = tr_zones_known(&shapes->table->zones, zone, shapes->entry->first_ns);
    *span = (struct tr_shape_span){.span = record->span,
                                   .parent = record->parent,
                                   .start = start,
                                   .end = (uint32_t)TR_MIN(end, (uint64_t)UINT32_MAX),
                                   .print = record->print,
                                   .sampler_key = shape->sampler_key,
                                   .kind = record->kind,
                                   .zone = (uint8_t)zone,
                                   .marks = record->marks,
                                   .error = record->error,
                                   .query = record->query};
}

// Which of two spans with one id and one kind stays: the first to start, of those the longest; then any order that does
// not depend on who came first.
static bool stays_before(const struct tr_shape_span *a, const struct tr_shape_span *b)
{
    if (a->start != b->start)
        return a->start < b->start;
    if (a->end != b->end)
        return a->end > b->end;
    if (a->parent != b->parent)
        return a->parent < b->parent;
    if (a->print != b->print)
        return a->print < b->print;
    return a->error * 16 + a->marks > b->error * 16 + b->marks;
}

void tr_shapes_gather(struct tr_shapes *shapes)
{
    struct tr_shapes_cursor cursor = tr_shapes_begin(shapes);
    const struct tr_shape *shape;
    uint32_t count = 0;

    if (shapes->gathered)
        return;
    shapes->gathered = shapes->looked = true;
    shapes->cut = shapes->spans - TR_MIN(shapes->spans, shapes->spans_max);
    cursor.left -= shapes->cut;
    while ((shape = tr_shapes_next(shapes, &cursor)) != NULL) {
        if (!shape->record.span)
            continue;
        unpack(shapes, shape, &shapes->raw[count]);
        shapes->items[count] = (struct tr_shape_item){(uint64_t)shape->record.span << 8 | shape->record.kind, count};
        count++;
    }
    tr_shape_sort(shapes->items, shapes->spare, count);
    shapes->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct tr_shape_span *span = &shapes->raw[shapes->items[i].index];

        if (i == 0 || shapes->items[i].key != shapes->items[i - 1].key)
            shapes->all[shapes->count++] = *span;
        else if (stays_before(span, &shapes->all[shapes->count - 1]))
            shapes->all[shapes->count - 1] = *span;
    }
}

// Sort the spans, which stand in by_start, into an order by key.
static void order(struct tr_shapes *shapes, uint32_t *to)
{
    tr_shape_sort(shapes->items, shapes->spare, shapes->count);
    for (uint32_t i = 0; i < shapes->count; i++)
        to[i] = shapes->items[i].index;
}

void tr_shapes_order(struct tr_shapes *shapes)
{
    tr_shapes_gather(shapes);
    if (shapes->ordered)
        return;
    shapes->ordered = true;
    for (uint32_t i = 0; i < shapes->count; i++)
        shapes->items[i] = (struct tr_shape_item){(uint64_t)shapes->all[i].start << 32 | shapes->all[i].end, i};
    order(shapes, shapes->by_start);
    for (uint32_t i = 0; i < shapes->count; i++)
        shapes->items[i] = (struct tr_shape_item){shapes->all[shapes->by_start[i]].parent, shapes->by_start[i]};
    order(shapes, shapes->by_parent);
    for (uint32_t i = 0; i < shapes->count; i++) {
        const struct tr_shape_span *span = &shapes->all[shapes->by_start[i]];

        shapes->items[i] = (struct tr_shape_item){(uint64_t)span->parent << 32 | span->print, shapes->by_start[i]};
    }
    order(shapes, shapes->by_call);
}

uint32_t tr_shapes_find(const struct tr_shapes *shapes, uint32_t span, uint32_t kind)
{
    uint64_t key = (uint64_t)span << 8 | kind;
    uint32_t low = 0, high = shapes->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct tr_shape_span *at = &shapes->all[middle];

        if (((uint64_t)at->span << 8 | at->kind) < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == shapes->count || shapes->all[low].span != span || (kind && shapes->all[low].kind != kind))
        return TR_SHAPE_NONE;
    return low;
}

uint32_t tr_shapes_root(const struct tr_shapes *shapes)
{
    uint32_t root = TR_SHAPE_NONE;

    for (uint32_t i = 0; i < shapes->count; i++) {
        const struct tr_shape_span *span = &shapes->all[i], *best = &shapes->all[root == TR_SHAPE_NONE ? i : root];

        if (!span->parent && (root == TR_SHAPE_NONE || span->start < best->start ||
                              (span->start == best->start && span->end > best->end)))
            root = i;
    }
    return root;
}

void tr_shape_cover_begin(struct tr_shape_cover *cover, uint32_t from, uint32_t to)
{
    *cover = (struct tr_shape_cover){.from = from, .to = to, .reached = from};
}

void tr_shape_cover_add(struct tr_shape_cover *cover, const struct tr_shape_span *span)
{
    uint32_t start = TR_MAX(span->start, cover->reached), end = TR_MIN(span->end, cover->to);

    if (end <= start)
        return;
    cover->covered += end - start;
    cover->reached = end;
}
