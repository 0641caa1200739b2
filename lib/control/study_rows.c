// SPDX-License-Identifier: Apache-2.0
// The study's tables: rows found by a key of 64 bits, which is a hash of names or made of other rows' numbers. They
// only grow; who finds no room is counted in row 0 (services, scopes, pairs), or not at all (what is called).
#include "control/study_internal.h"

#include "base/hash.h"

static uint32_t slots_for(uint32_t rows)
{
    uint32_t slots = 16;

    while (slots < 2 * rows)
        slots *= 2;
    return slots;
}

static int rows_create(struct tr_study_rows *rows, size_t row_bytes, uint32_t max)
{
    uint32_t slots = slots_for(max + 1);

    rows->rows = calloc(max + 1ull, row_bytes);
    rows->keys = calloc(max + 1ull, sizeof(*rows->keys));
    rows->slots = calloc(slots, sizeof(*rows->slots));
    rows->row_bytes = row_bytes;
    rows->slots_mask = slots - 1;
    rows->max = max + 1;
    rows->count = 1;
    return rows->rows && rows->keys && rows->slots ? 0 : -ENOMEM;
}

static void rows_destroy(struct tr_study_rows *rows)
{
    free(rows->rows);
    free(rows->keys);
    free(rows->slots);
}

// Returns the row, 0: there is no room. *made: it is new, and all zero.
static uint32_t rows_intern(struct tr_study_rows *rows, uint64_t key, bool *made)
{
    uint32_t slot = (uint32_t)tr_mix64(key), row;

    *made = false;
    for (; (row = rows->slots[slot & rows->slots_mask]) != 0; slot++)
        if (rows->keys[row] == key)
            return row;
    if (rows->count == rows->max) {
        rows->overflowed++;
        return TR_STUDY_OTHER;
    }
    row = rows->count++;
    rows->slots[slot & rows->slots_mask] = row;
    rows->keys[row] = key;
    *made = true;
    return row;
}

static const struct {
    size_t offset, row_bytes;
    uint32_t a_service, a_pair; // rows, by the two options
} tables_of[] = {
    {offsetof(struct tr_study_tables, services), sizeof(struct tr_study_service), 1, 0},
    {offsetof(struct tr_study_tables, scopes), sizeof(struct tr_study_scope), 4, 0},
    {offsetof(struct tr_study_tables, contacts), sizeof(struct tr_study_contact), 0, 1},
    {offsetof(struct tr_study_tables, ends), sizeof(struct tr_study_end), 0, 1},
    {offsetof(struct tr_study_tables, pairs), sizeof(struct tr_study_pair), 0, 1},
    {offsetof(struct tr_study_tables, links), sizeof(struct tr_study_link), 0, 1},
};

int tr_study_tables_create(struct tr_study_tables *tables, const struct tr_study_options *options)
{
    int rc = 0;

    for (size_t i = 0; i < TR_NELEMS(tables_of) && rc == 0; i++)
        rc = rows_create((struct tr_study_rows *)((char *)tables + tables_of[i].offset), tables_of[i].row_bytes,
                         tables_of[i].a_service * options->services_max + tables_of[i].a_pair * options->pairs_max);
    if (rc == 0)
        snprintf(TR_STUDY_ROW(service, &tables->services, 0)->name, TR_STUDY_NAME_BYTES, "(other)");
    return rc;
}

void tr_study_tables_destroy(struct tr_study_tables *tables)
{
    for (size_t i = 0; i < TR_NELEMS(tables_of); i++)
        rows_destroy((struct tr_study_rows *)((char *)tables + tables_of[i].offset));
}

uint64_t tr_study_tables_bytes(const struct tr_study_options *options)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < TR_NELEMS(tables_of); i++) {
        uint32_t rows = tables_of[i].a_service * options->services_max + tables_of[i].a_pair * options->pairs_max + 1;

        bytes += rows * (tables_of[i].row_bytes + sizeof(uint64_t)) + slots_for(rows) * sizeof(uint32_t);
    }
    return bytes;
}

static void count_turn(struct tr_study_count *count)
{
    count->before = count->now;
    count->now = 0;
}

void tr_study_tables_turn(struct tr_study_tables *tables)
{
    for (uint32_t i = 0; i < TR_STUDY_OUTCOMES; i++)
        count_turn(&tables->outcomes[i]);
    for (uint32_t i = 0; i < tables->services.count; i++) {
        struct tr_study_service *row = TR_STUDY_ROW(service, &tables->services, i);

#define X(name) count_turn(&row->name);
        TR_STUDY_SERVICE_COUNTS(X)
#undef X
    }
    for (uint32_t i = 0; i < tables->scopes.count; i++)
        count_turn(&TR_STUDY_ROW(scope, &tables->scopes, i)->spans);
    for (uint32_t i = 0; i < tables->ends.count; i++) {
        struct tr_study_end *row = TR_STUDY_ROW(end, &tables->ends, i);

        count_turn(&row->spans);
        count_turn(&row->open);
        count_turn(&row->orphans);
    }
    for (uint32_t i = 0; i < tables->pairs.count; i++) {
        count_turn(&TR_STUDY_ROW(pair, &tables->pairs, i)->joined);
        count_turn(&TR_STUDY_ROW(pair, &tables->pairs, i)->orphans);
    }
    for (uint32_t i = 0; i < tables->links.count; i++) {
        count_turn(&TR_STUDY_ROW(link, &tables->links, i)->inside);
        count_turn(&TR_STUDY_ROW(link, &tables->links, i)->chance);
    }
}

uint32_t tr_study_service_row(struct tr_study_tables *tables, const char *name, uint32_t bytes)
{
    bool made;
    uint32_t row = rows_intern(&tables->services, tr_hash_bytes(name, bytes, 1), &made);

    if (made)
        memcpy(TR_STUDY_ROW(service, &tables->services, row)->name, name, bytes);
    return row;
}

uint32_t tr_study_scope_row(struct tr_study_tables *tables, uint32_t service, const char *name, uint32_t bytes)
{
    struct tr_study_scope *scope;
    bool made;
    uint32_t row = rows_intern(&tables->scopes, tr_hash_bytes(name, bytes, 2 + (uint64_t)service), &made);

    if (made) {
        struct tr_study_service *of = TR_STUDY_ROW(service, &tables->services, service);

        scope = TR_STUDY_ROW(scope, &tables->scopes, row);
        memcpy(scope->name, name, bytes);
        scope->service = service;
        scope->next = of->first_scope;
        of->first_scope = row;
    }
    return row;
}

uint32_t tr_study_end_row(struct tr_study_tables *tables, const struct tr_study_note *note, uint32_t service)
{
    bool called = note->kind == TR_SPAN_KIND_SERVER || note->kind == TR_SPAN_KIND_CONSUMER, made;
    struct tr_study_contact *of;
    struct tr_study_end *end;
    uint32_t contact, row;

    if (!note->contact_bytes)
        return TR_STUDY_OTHER;
    contact = rows_intern(&tables->contacts,
                          tr_hash_bytes(note->contact, note->contact_bytes, note->contact_kind), &made);
    if (!contact)
        return TR_STUDY_OTHER;
    of = TR_STUDY_ROW(contact, &tables->contacts, contact);
    if (made) {
        memcpy(of->name, note->contact, note->contact_bytes);
        of->kind = note->contact_kind;
    }
    row = rows_intern(&tables->ends, (uint64_t)contact << 32 | service << 1 | called, &made);
    if (made) {
        end = TR_STUDY_ROW(end, &tables->ends, row);
        end->contact = contact;
        end->service = service;
        end->called = called;
        end->next = of->first_end;
        of->first_end = row;
    }
    return row;
}

uint32_t tr_study_pair_row(struct tr_study_tables *tables, uint32_t caller, uint32_t called)
{
    bool made;
    uint32_t row = rows_intern(&tables->pairs, (uint64_t)caller << 32 | called, &made);

    if (made) {
        TR_STUDY_ROW(pair, &tables->pairs, row)->caller = caller;
        TR_STUDY_ROW(pair, &tables->pairs, row)->called = called;
    }
    return row;
}

uint32_t tr_study_link_row(struct tr_study_tables *tables, uint32_t end, uint32_t service)
{
    bool made;
    uint32_t row = rows_intern(&tables->links, (uint64_t)end << 32 | service, &made);

    if (made) {
        TR_STUDY_ROW(link, &tables->links, row)->end = end;
        TR_STUDY_ROW(link, &tables->links, row)->service = service;
    }
    return row;
}
