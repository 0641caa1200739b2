// SPDX-License-Identifier: Apache-2.0
#include "config/text.h"

#include <ctype.h>
#include <strings.h>

#include "config/units.h"
#include "config/value.h"

// Plain only what begins with a letter or a slash and holds nothing that YAML gives a meaning to. Words that
// other readers of YAML know as something else are quoted too.
static bool is_plain(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};

    if (!isalpha((unsigned char)*text) && *text != '/' && *text != '_')
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._/-+@", *p))
            return false;
    for (size_t i = 0; i < TR_NELEMS(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    return true;
}

void tr_text_write(FILE *out, const char *text)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        bool mark = p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf; // a byte order mark

        if (*p == '"' || *p == '\\') {
            fprintf(out, "\\%c", *p);
        } else if (*p < 0x20 || *p == 0x7f) {
            fprintf(out, "\\x%02x", *p);
        } else if (c1) {
            fprintf(out, "\\x%02x", *++p);
        } else if (mark) {
            fputs("\\ufeff", out);
            p += 2;
        } else if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) { // line separators
            fprintf(out, "\\u20%02x", p[2] - 0x80);
            p += 2;
        } else if (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe) { // U+FFFE and U+FFFF
            fprintf(out, "\\uff%02x", p[2] + 0x40);
            p += 2;
        } else {
            fputc(*p, out);
        }
    }
    fputc('"', out);
}

static void secret_write(FILE *out, const struct tr_option *row, const char *text)
{
    bool covered = (row->flags & TR_SECRET) && *text && !tr_value_is_reference(text);

    tr_text_write(out, covered ? TR_VALUE_COVERED : text);
}

// The shortest decimal that reads back as the same number.
static void number_write(FILE *out, double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, out);
}

static void strings_write(FILE *out, const struct tr_option *row, const struct tr_strings *strings)
{
    fputc('[', out);
    for (size_t i = 0; i < strings->count; i++) {
        fputs(i ? ", " : "", out);
        secret_write(out, row, strings->items[i]);
    }
    fputc(']', out);
}

static void map_write(FILE *out, const struct tr_option *row, const struct tr_map *map)
{
    fputc('{', out);
    for (size_t i = 0; i < map->count; i++) {
        fputs(i ? ", " : "", out);
        tr_text_write(out, map->keys[i]);
        fputs(": ", out);
        secret_write(out, row, map->values[i]);
    }
    fputc('}', out);
}

static bool is_zero(const struct tr_option *row, const void *field)
{
    return row->type == TR_TYPE_NUMBER ? *(const double *)field == 0 : *(const uint64_t *)field == 0;
}

void tr_text_write_value(FILE *out, const struct tr_option *row, const void *field)
{
    const char *text = row->type == TR_TYPE_STRING ? *(const char *const *)field : NULL;
    char united[TR_UNITS_BYTES];

    if ((row->flags & TR_AUTO) && (row->type == TR_TYPE_STRING ? !text : is_zero(row, field))) {
        fputs("auto", out);
        return;
    }
    switch (row->type) {
    case TR_TYPE_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case TR_TYPE_UINT:
        fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case TR_TYPE_INT:
        fprintf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case TR_TYPE_NUMBER:
        number_write(out, *(const double *)field);
        break;
    case TR_TYPE_DURATION:
        tr_duration_format(united, *(const uint64_t *)field);
        fputs(united, out);
        break;
    case TR_TYPE_SIZE:
        tr_size_format(united, *(const uint64_t *)field);
        fputs(united, out);
        break;
    case TR_TYPE_STRING:
        secret_write(out, row, text ? text : "");
        break;
    case TR_TYPE_ENUM:
        tr_text_write(out, row->names[*(const int *)field]);
        break;
    case TR_TYPE_STRINGS:
        strings_write(out, row, field);
        break;
    default:
        tr_assert(row->type == TR_TYPE_MAP);
        map_write(out, row, field);
    }
}

void tr_text_write_flow_struct(FILE *out, const struct tr_option_table *table, const void *options)
{
    bool any = false;

    fputc('{', out);
    for (size_t i = 0; i < table->count; i++) {
        const struct tr_option *row = &table->rows[i];
        const void *field = tr_text_field(row, options);

        if (!tr_text_has_value(row, field) || tr_text_is_default(row, field))
            continue;
        fprintf(out, "%s%s: ", any ? ", " : "", row->name);
        tr_text_write_flow(out, row, field);
        any = true;
    }
    fputc('}', out);
}

void tr_text_write_flow(FILE *out, const struct tr_option *row, const void *field)
{
    const struct tr_list *list = field;

    switch (row->type) {
    case TR_TYPE_STRUCT:
        tr_text_write_flow_struct(out, row->table, field);
        break;
    case TR_TYPE_POINTER:
        tr_text_write_flow_struct(out, row->table, *(void *const *)field);
        break;
    case TR_TYPE_LIST:
        fputc('[', out);
        for (size_t i = 0; i < list->count; i++) {
            fputs(i ? ", " : "", out);
            tr_text_write_flow_struct(out, row->table, (char *)list->items + i * row->table->struct_bytes);
        }
        fputc(']', out);
        break;
    default:
        tr_text_write_value(out, row, field);
    }
}

bool tr_text_has_value(const struct tr_option *row, const void *field)
{
    if (row->type == TR_TYPE_POINTER)
        return *(void *const *)field != NULL;
    if (row->flags & TR_AUTO)
        return true;
    if (row->type == TR_TYPE_STRING)
        return *(const char *const *)field != NULL;
    if (tr_value_is_number(row->type) && !row->initial && is_zero(row, field) && tr_value_has_min(row))
        return row->min <= 0 && (!tr_value_has_max(row) || row->max >= 0);
    return true;
}

bool tr_text_equal(const struct tr_option *row, const void *a, const void *b)
{
    const char *x, *y;

    switch (row->type) {
    case TR_TYPE_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case TR_TYPE_NUMBER:
        return *(const double *)a == *(const double *)b;
    case TR_TYPE_ENUM:
        return *(const int *)a == *(const int *)b;
    case TR_TYPE_STRING:
        x = *(const char *const *)a;
        y = *(const char *const *)b;
        return x && y ? strcmp(x, y) == 0 : x == y;
    default:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    }
}

bool tr_text_is_default(const struct tr_option *row, const void *field)
{
    const struct tr_yaml_node node = {.kind = TR_YAML_SCALAR, .plain = true, .text = row->initial};
    uint64_t initial = 0; // as large as any scalar field

    switch (row->type) {
    case TR_TYPE_STRUCT:
        for (size_t i = 0; i < row->table->count; i++)
            if (!tr_text_is_default(&row->table->rows[i], tr_text_field(&row->table->rows[i], field)))
                return false;
        return true;
    case TR_TYPE_POINTER:
        return *(void *const *)field == NULL;
    case TR_TYPE_STRINGS:
        return !row->initial && ((const struct tr_strings *)field)->count == 0;
    case TR_TYPE_MAP:
        return !row->initial && ((const struct tr_map *)field)->count == 0;
    case TR_TYPE_LIST:
        return !row->initial && ((const struct tr_list *)field)->count == 0;
    default:
        if (row->flags & TR_REQUIRED)
            return false;
        return (!row->initial || tr_value_parse(row, &node, &initial, NULL) == 0) &&
               tr_text_equal(row, field, &initial);
    }
}
