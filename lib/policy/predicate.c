// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate.h"

#include "policy/policy.h"

bool tr_predicate_text_open(struct tr_predicate_text *text)
{
    text->file = open_memstream(&text->text, &text->bytes);
    return text->file != NULL;
}

void tr_predicate_text_quote(struct tr_predicate_text *text, const char *string)
{
    fputc('"', text->file);
    for (; *string; string++) {
        if (*string == '"' || *string == '\\')
            fputc('\\', text->file);
        fputc(*string, text->file);
    }
    fputc('"', text->file);
}

char *tr_predicate_text_close(struct tr_predicate_text *text)
{
    bool failed = ferror(text->file);

    if (fclose(text->file) == 0 && !failed)
        return text->text;
    free(text->text);
    return NULL;
}

static char *text_make(const struct tr_predicate_type *type, const char *key, unsigned places, const char *detail)
{
    static const char *const names[] = {"", "span ", "resource ", "span or resource "};
    struct tr_predicate_text text;

    if (!tr_predicate_text_open(&text))
        return NULL;
    fprintf(text.file, "%s %s", type->name, key ? names[places & TR_PLACE_BOTH] : "");
    if (key)
        tr_predicate_text_quote(&text, key);
    fprintf(text.file, " %s", detail);
    return tr_predicate_text_close(&text);
}

void *tr_predicate_create(const struct tr_predicate_type *type, size_t bytes, const char *key, unsigned places,
                          const char *detail)
{
    struct tr_predicate *predicate = calloc(1, bytes);

    if (!predicate)
        return NULL;
    predicate->type = type;
    predicate->places = key ? places : 0;
    predicate->key = key ? strdup(key) : NULL;
    predicate->text = text_make(type, key, places, detail);
    if (predicate->text && (predicate->key || !key))
        return predicate;
    tr_predicate_destroy(predicate);
    return NULL;
}

void tr_predicate_destroy(struct tr_predicate *predicate)
{
    if (!predicate)
        return;
    if (predicate->type->clear)
        predicate->type->clear(predicate);
    free(predicate->text);
    free(predicate->key);
    free(predicate);
}

int tr_predicates_add(struct tr_predicates *predicates, struct tr_predicate *predicate)
{
    int unused = -1;

    if (!predicate)
        return -ENOMEM;
    for (int i = TR_PREDICATES_MAX - 1; i >= 0; i--) {
        struct tr_predicate_row *row = &predicates->rows[i];

        if (!row->predicate) {
            unused = i;
        } else if (strcmp(row->predicate->text, predicate->text) == 0) {
            row->used_by = predicates->epoch;
            tr_predicate_destroy(predicate);
            return i;
        }
    }
    if (unused < 0) {
        tr_predicate_destroy(predicate);
        return -ENOSPC;
    }
    predicate->sets = 1;
    predicates->rows[unused] = (struct tr_predicate_row){.predicate = predicate, .used_by = predicates->epoch};
    return unused;
}

void tr_predicates_carry(struct tr_predicates *predicates, const struct tr_predicates *before)
{
    for (int i = 0; i < TR_PREDICATES_MAX; i++) {
        const struct tr_predicate_row *row = &before->rows[i];

        // No more than TR_EPOCHS_LIVE_MAX epochs have live traces: what none of them used is free again.
        if (!row->predicate || predicates->epoch - row->used_by >= TR_EPOCHS_LIVE_MAX)
            continue;
        row->predicate->sets++;
        predicates->rows[i] = *row;
        if (predicates->epoch - row->marked_by >= TR_EPOCHS_LIVE_MAX)
            predicates->rows[i].mark = 0;
    }
    memcpy(predicates->shape_used_by, before->shape_used_by, sizeof(predicates->shape_used_by));
}

void tr_predicates_shape(struct tr_predicates *predicates, uint32_t needs, const char *path)
{
    for (uint32_t i = 0; i < TR_SHAPE_NEEDS; i++)
        if (needs >> i & 1)
            predicates->shape_used_by[i] = predicates->epoch;
    if (!predicates->shape_path[0] && needs != TR_SHAPE_OT)
        snprintf(predicates->shape_path, sizeof(predicates->shape_path), "%s", path);
}

uint32_t tr_predicates_shape_needs(const struct tr_predicates *predicates)
{
    uint32_t needs = 0;

    for (uint32_t i = 0; i < TR_SHAPE_NEEDS; i++)
        if (predicates->shape_used_by[i] && predicates->epoch - predicates->shape_used_by[i] < TR_EPOCHS_LIVE_MAX)
            needs |= 1u << i;
    return needs;
}

int tr_predicates_mark(struct tr_predicates *predicates, int number, const char *path)
{
    struct tr_predicate_row *row = &predicates->rows[number];
    uint32_t taken = 0;

    tr_predicates_shape(predicates, TR_SHAPE_LINKS | TR_SHAPE_MARKS, path);
    row->marked_by = predicates->epoch;
    for (int i = 0; i < TR_PREDICATES_MAX; i++)
        if (predicates->rows[i].predicate && predicates->rows[i].mark)
            taken |= 1u << (predicates->rows[i].mark - 1);
    for (uint32_t mark = 0; !row->mark && mark < TR_MARKS_MAX; mark++)
        if (!(taken >> mark & 1))
            row->mark = mark + 1;
    return row->mark ? (int)row->mark - 1 : -ENOSPC;
}

void tr_predicates_clear(struct tr_predicates *predicates)
{
    for (int i = 0; i < TR_PREDICATES_MAX; i++) {
        struct tr_predicate *predicate = predicates->rows[i].predicate;

        if (predicate && --predicate->sets == 0)
            tr_predicate_destroy(predicate);
        predicates->rows[i].predicate = NULL;
    }
}
