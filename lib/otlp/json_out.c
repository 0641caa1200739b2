// SPDX-License-Identifier: Apache-2.0
// Protobuf lets the fields of a message come in any order and a repeated one come in several runs; JSON wants
// each name once. So a message is read once to see which fields it has, and once more for each of them:
// headers only, and 16 fields at most. What is inside is written before its parent goes on, by a stack of
// open messages.
#include "otlp/json.h"
#include "otlp/json_put.h"
#include "otlp/schema.h"

struct level {
    const uint8_t *begin, *end; // of the message's fields
    const uint8_t *next;        // in_array: where to look for the next element
    uint8_t *owned;             // the message, if it had to be put together from pieces
    uint32_t present;           // bit n: field n is to be written
    uint8_t type;               // enum tr_otlp_type
    uint8_t number;             // of the field that is being written
    bool in_array;
    bool comma; // something stands before
};

// Depth is the check's: a message and what tr_otlp_valid() lets nest in it.
struct writer {
    struct tr_json_put put;
    unsigned depth;
    struct level level[TR_OTLP_REQUEST_DEPTH_MAX + 1];
};

// Which fields a message has; of a oneof, the one that came last.
static void fields_see(struct level *level)
{
    const struct tr_otlp_message *message = &tr_otlp_messages[level->type];

    for (const uint8_t *p = level->begin; p < level->end;) {
        struct tr_pb_field field;

        p = tr_pb_field(p, level->end, &field);
        if (field.number > TR_OTLP_FIELDS_MAX || message->field[field.number].kind == TR_OTLP_UNKNOWN)
            continue;
        if (message->field[field.number].oneof && level->present != 1u << field.number) {
            level->present = 0;
            level->begin = field.begin;
        }
        level->present |= 1u << field.number;
    }
}

static void message_open(struct writer *writer, enum tr_otlp_type type, const uint8_t *p, size_t bytes,
                         uint8_t *owned)
{
    struct level *level = &writer->level[writer->depth++];

    *level = (struct level){.begin = p, .end = p + bytes, .owned = owned, .type = (uint8_t)type};
    fields_see(level);
    tr_json_put_char(&writer->put, '{');
}

static void message_close(struct writer *writer)
{
    free(writer->level[--writer->depth].owned);
    tr_json_put_char(&writer->put, '}');
}

static void comma_put(struct writer *writer, bool *comma)
{
    if (*comma)
        tr_json_put_char(&writer->put, ',');
    *comma = true;
}

static void name_put(struct writer *writer, struct level *level, const struct tr_otlp_field *row)
{
    comma_put(writer, &level->comma);
    tr_json_put_char(&writer->put, '"');
    tr_json_put(&writer->put, row->name, row->name_bytes);
    tr_json_put(&writer->put, "\":", 2);
}

static void scalar_put(struct tr_json_put *put, unsigned kind, const struct tr_pb_field *field)
{
    double number;

    switch (kind) {
    case TR_OTLP_STRING:
        tr_json_put_string(put, field->bytes, field->value);
        break;
    case TR_OTLP_BYTES:
        tr_json_put_base64(put, field->bytes, field->value);
        break;
    case TR_OTLP_ID16:
    case TR_OTLP_ID8:
        tr_json_put_hex(put, field->bytes, field->value);
        break;
    case TR_OTLP_BOOL:
        tr_json_put(put, field->value ? "true" : "false", field->value ? 4 : 5);
        break;
    case TR_OTLP_INT64:
        tr_json_put_number64(put, (int64_t)field->value < 0 ? 0 - field->value : field->value,
                             (int64_t)field->value < 0);
        break;
    case TR_OTLP_FIXED64:
        tr_json_put_number64(put, field->value, false);
        break;
    case TR_OTLP_DOUBLE:
        memcpy(&number, &field->value, sizeof(number));
        tr_json_put_double(put, number);
        break;
    case TR_OTLP_UINT32:
    case TR_OTLP_FIXED32:
        tr_json_put_number(put, (uint32_t)field->value);
        break;
    default: // INT32 and enums
        tr_json_put_number(put, (int32_t)field->value);
        break;
    }
}

// The next occurrence of a field from `p` on. Returns the byte after it, NULL: none.
static const uint8_t *field_next(const uint8_t *p, const uint8_t *end, unsigned number,
                                 struct tr_pb_field *field)
{
    while (p < end) {
        p = tr_pb_field(p, end, field);
        if (field->number == number)
            return p;
    }
    return NULL;
}

// The next element of the array that is being written, or its end.
static void array_step(struct writer *writer, struct level *level)
{
    const struct tr_otlp_field *row = &tr_otlp_messages[level->type].field[level->number];
    struct tr_pb_field field;
    const uint8_t *next = field_next(level->next, level->end, level->number, &field);

    if (!next) {
        tr_json_put_char(&writer->put, ']');
        level->in_array = false;
        level->comma = true;
        return;
    }
    level->next = next;
    comma_put(writer, &level->comma);
    if (row->kind == TR_OTLP_MESSAGE)
        message_open(writer, row->type, field.bytes, field.value, NULL);
    else
        scalar_put(&writer->put, row->kind, &field);
}

// A message that comes in pieces is their concatenation.
static void pieces_open(struct writer *writer, struct level *level, const struct tr_otlp_field *row)
{
    struct tr_pb_field field;
    uint8_t *whole = malloc((size_t)(level->end - level->begin));
    size_t bytes = 0;

    if (!whole) {
        writer->put.failed = true;
        return;
    }
    for (const uint8_t *p = level->begin; (p = field_next(p, level->end, level->number, &field));) {
        if (field.value)
            memcpy(whole + bytes, field.bytes, field.value);
        bytes += field.value;
    }
    message_open(writer, row->type, whole, bytes, whole);
}

// Is there nothing to say of it? proto3 has no presence for such a field.
static bool says_nothing(const struct tr_otlp_field *row, const struct tr_pb_field *field)
{
    bool wide = row->type == TR_OTLP_BOOL || row->type == TR_OTLP_INT64 || row->type == TR_OTLP_FIXED64 ||
                row->type == TR_OTLP_DOUBLE;

    // A parser takes the low 32 bits of a number of 32, however long it was written.
    return !row->oneof && (wide ? field->value : (uint32_t)field->value) == 0;
}

// A field that comes once, or of which the last occurrence holds.
static void field_put(struct writer *writer, struct level *level)
{
    const struct tr_otlp_field *row = &tr_otlp_messages[level->type].field[level->number];
    struct tr_pb_field field = {0};
    unsigned occurrences = 0;

    if (row->many) {
        name_put(writer, level, row);
        tr_json_put_char(&writer->put, '[');
        level->in_array = true;
        level->next = level->begin;
        level->comma = false;
        return;
    }
    for (const uint8_t *p = level->begin; p;) {
        struct tr_pb_field found;

        p = field_next(p, level->end, level->number, &found);
        if (p) {
            field = found;
            occurrences++;
        }
    }
    if (row->kind != TR_OTLP_MESSAGE) {
        if (!says_nothing(row, &field)) {
            name_put(writer, level, row);
            scalar_put(&writer->put, row->kind, &field);
        }
        return;
    }
    name_put(writer, level, row);
    if (occurrences == 1)
        message_open(writer, row->type, field.bytes, field.value, NULL);
    else
        pieces_open(writer, level, row);
}

static void message_step(struct writer *writer, struct level *level)
{
    if (level->in_array) {
        array_step(writer, level);
        return;
    }
    level->number++;
    if (level->number > tr_otlp_messages[level->type].fields)
        message_close(writer);
    else if (level->present >> level->number & 1)
        field_put(writer, level);
}

char *tr_json_out(const uint8_t *data, size_t bytes, size_t *text_bytes)
{
    struct writer writer = {.depth = 0};

    if (bytes > INT32_MAX || !tr_otlp_valid(TR_OTLP_REQUEST, data, (uint32_t)bytes))
        return NULL;
    message_open(&writer, TR_OTLP_REQUEST, data, bytes, NULL);
    while (writer.depth && !writer.put.failed)
        message_step(&writer, &writer.level[writer.depth - 1]);
    *text_bytes = writer.put.bytes;
    tr_json_put_char(&writer.put, 0);
    while (writer.depth)
        free(writer.level[--writer.depth].owned);
    if (writer.put.failed) {
        free(writer.put.data);
        return NULL;
    }
    return writer.put.data;
}
