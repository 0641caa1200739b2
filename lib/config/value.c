// SPDX-License-Identifier: Apache-2.0
#include "config/value.h"

#include <ctype.h>
#include <math.h>
#include <strings.h>

#include "config/units.h"

void tr_value_bound_format(const struct tr_option *row, double bound, char text[32])
{
    char unit[TR_UNITS_BYTES];

    if (row->type == TR_TYPE_DURATION || row->type == TR_TYPE_SIZE) {
        uint64_t value = bound >= 18446744073709549568.0 ? UINT64_MAX : (uint64_t)bound;

        if (row->type == TR_TYPE_DURATION)
            tr_duration_format(unit, value);
        else
            tr_size_format(unit, value);
        snprintf(text, 32, "%.31s", unit);
    } else if (row->type == TR_TYPE_NUMBER) {
        snprintf(text, 32, "%.15g", bound);
    } else {
        snprintf(text, 32, "%.0f", bound);
    }
}

static int range_check(const struct tr_option *row, double value, const struct tr_yaml_node *node,
                       struct tr_error *error)
{
    char excerpt[TR_YAML_EXCERPT_BYTES], bound[32];

    if (tr_value_has_min(row) && value < row->min) {
        tr_value_bound_format(row, row->min, bound);
        return tr_yaml_fail(node, error, "%s is below %s", tr_yaml_excerpt(excerpt, node->text), bound);
    }
    if (tr_value_has_max(row) && value > row->max) {
        tr_value_bound_format(row, row->max, bound);
        return tr_yaml_fail(node, error, "%s is above %s", tr_yaml_excerpt(excerpt, node->text), bound);
    }
    return 0;
}

int tr_value_count_check(const struct tr_option *row, size_t count, const struct tr_yaml_node *node,
                         struct tr_error *error)
{
    if (tr_value_has_min(row) && (double)count < row->min)
        return tr_yaml_fail(node, error, "has %zu items, needs at least %.0f", count, row->min);
    if (tr_value_has_max(row) && (double)count > row->max)
        return tr_yaml_fail(node, error, "has %zu items, at most %.0f are allowed", count, row->max);
    return 0;
}

static bool names_place(const char *text)
{
    return strncmp(text, "env:", 4) == 0 || strncmp(text, "file:", 5) == 0;
}

const char *tr_options_reference(const char *text)
{
    const char *space = strchr(text, ' ');

    return names_place(text) ? text : space && names_place(space + 1) ? space + 1 : NULL;
}

bool tr_value_is_reference(const char *text)
{
    return tr_options_reference(text) != NULL;
}

// Distance in edits (insert, delete, replace, swap neighbours), by rows of the usual table.
static size_t edits(const char *a, const char *b)
{
    size_t table[3][64], m = strlen(a), n = strlen(b);

    if (m >= 64 || n >= 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *now = table[i % 3], *up = table[(i - 1) % 3], *up2 = table[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= n; j++) {
            now[j] = TR_MIN(up[j - 1] + (a[i - 1] != b[j - 1]), TR_MIN(up[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = TR_MIN(now[j], up2[j - 2] + 1);
        }
    }
    return table[m % 3][n];
}

void tr_nearest_offer(struct tr_nearest *nearest, const char *name)
{
    size_t distance = edits(nearest->written, name);
    size_t enough = TR_MAX(strlen(name) / 3, (size_t)1); // more than a third changed is another word

    if (distance <= enough && (!nearest->name || distance < nearest->distance)) {
        nearest->name = name;
        nearest->distance = distance;
    }
}

static int bool_parse(const struct tr_yaml_node *node, bool *value, struct tr_error *error)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    char excerpt[TR_YAML_EXCERPT_BYTES];

    for (size_t i = 0; node->plain && i < TR_NELEMS(words); i++) {
        if (strcasecmp(node->text, words[i]) == 0) {
            *value = i & 1;
            return 0;
        }
    }
    return tr_yaml_fail(node, error, "\"%s\" is not true or false", tr_yaml_excerpt(excerpt, node->text));
}

static int whole_fail(const struct tr_yaml_node *node, struct tr_error *error)
{
    char excerpt[TR_YAML_EXCERPT_BYTES];

    return tr_yaml_fail(node, error, "\"%s\" is not a whole number", tr_yaml_excerpt(excerpt, node->text));
}

#define JOINED_BYTES 64

// A number's text without what may stand between two of its digits, as in the Collector's own examples: 100_000.
static const char *digits_join(const char *text, char joined[JOINED_BYTES])
{
    size_t used = 0;

    for (const char *p = text; *p; p++) {
        bool between = p > text && isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1]);

        if (used == JOINED_BYTES - 1)
            return text;
        if (*p != '_' || !between)
            joined[used++] = *p;
    }
    joined[used] = 0;
    return joined;
}

static int uint_parse(const struct tr_yaml_node *node, uint64_t *value, struct tr_error *error)
{
    char excerpt[TR_YAML_EXCERPT_BYTES], joined[JOINED_BYTES];
    const char *text = digits_join(node->text, joined);
    char *end;

    if (!node->plain || !*text || text[strspn(text, "0123456789")]) {
        if (node->plain && text[0] == '-' && text[1] && !text[1 + strspn(text + 1, "0123456789")])
            return tr_yaml_fail(node, error, "%s is below 0", tr_yaml_excerpt(excerpt, node->text));
        return whole_fail(node, error);
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (errno)
        return tr_yaml_fail(node, error, "%s is above %llu", tr_yaml_excerpt(excerpt, node->text),
                            (unsigned long long)UINT64_MAX);
    return 0;
}

static int int_parse(const struct tr_yaml_node *node, int64_t *value, struct tr_error *error)
{
    char excerpt[TR_YAML_EXCERPT_BYTES], joined[JOINED_BYTES];
    const char *text = digits_join(node->text, joined), *digits = text + (*text == '-' || *text == '+');
    char *end;

    if (!node->plain || !*digits || digits[strspn(digits, "0123456789")])
        return whole_fail(node, error);
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (errno)
        return tr_yaml_fail(node, error, "%s does not fit 64 bits", tr_yaml_excerpt(excerpt, node->text));
    return 0;
}

static int number_parse(const struct tr_yaml_node *node, double *value, struct tr_error *error)
{
    char excerpt[TR_YAML_EXCERPT_BYTES], joined[JOINED_BYTES];
    const char *text = digits_join(node->text, joined);
    char *end;

    *value = strtod(text, &end);
    // strtod() also takes hexadecimal, infinities and leading space.
    if (!node->plain || !*text || *end || text[strspn(text, "0123456789.eE+-")] ||
        !isfinite(*value))
        return tr_yaml_fail(node, error, "\"%s\" is not a number", tr_yaml_excerpt(excerpt, node->text));
    return 0;
}

static int united_parse(const struct tr_option *row, const struct tr_yaml_node *node, uint64_t *value,
                        struct tr_error *error)
{
    bool duration = row->type == TR_TYPE_DURATION;
    char excerpt[TR_YAML_EXCERPT_BYTES];
    int rc = duration ? tr_duration_parse(node->text, value) : tr_size_parse(node->text, value);

    tr_yaml_excerpt(excerpt, node->text);
    if (rc == -ERANGE)
        return tr_yaml_fail(node, error, "%s does not fit 64 bits", excerpt);
    if (rc == 0)
        return 0;
    if (duration && *node->text && !node->text[strspn(node->text, "0123456789.")])
        return tr_yaml_fail(node, error, "%s has no unit: write %ss, %sms, ...", excerpt, excerpt, excerpt);
    return tr_yaml_fail(node, error,
                        duration ? "\"%s\" is not a duration such as 10s, 250ms or 1h30m"
                                 : "\"%s\" is not a size such as 512KiB, 64MiB or 1GB",
                        excerpt);
}

static int string_parse(const struct tr_option *row, const struct tr_yaml_node *node, const char **value,
                        struct tr_error *error)
{
    if ((row->flags & TR_REQUIRED) && !*node->text)
        return tr_yaml_fail(node, error, "must not be empty");
    if ((row->flags & TR_SECRET) && strcmp(node->text, TR_VALUE_COVERED) == 0)
        return tr_yaml_fail(node, error, "%s stands for a secret: write it, or env:NAME, or file:PATH",
                            TR_VALUE_COVERED);
    *value = node->text;
    return 0;
}

static int enum_parse(const struct tr_option *row, const struct tr_yaml_node *node, int *value,
                      struct tr_error *error)
{
    char excerpt[TR_YAML_EXCERPT_BYTES], all[256] = "";
    struct tr_nearest nearest = {.written = node->text};
    size_t used = 0;

    for (int i = 0; row->names[i]; i++) {
        if (strcmp(row->names[i], node->text) == 0) {
            *value = i;
            return 0;
        }
        tr_nearest_offer(&nearest, row->names[i]);
        if (used < sizeof(all))
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", row->names[i]);
    }
    tr_yaml_excerpt(excerpt, node->text);
    if (nearest.name)
        return tr_yaml_fail(node, error, "\"%s\" is not one of %s (did you mean \"%s\"?)", excerpt, all,
                            nearest.name);
    return tr_yaml_fail(node, error, "\"%s\" is not one of %s", excerpt, all);
}

// Parse into the field and give the value as a number for the range check.
static int typed_parse(const struct tr_option *row, const struct tr_yaml_node *node, void *field,
                       double *number, struct tr_error *error)
{
    int rc;

    switch (row->type) {
    case TR_TYPE_UINT:
        rc = uint_parse(node, field, error);
        *number = (double)*(uint64_t *)field;
        return rc;
    case TR_TYPE_INT:
        rc = int_parse(node, field, error);
        *number = (double)*(int64_t *)field;
        return rc;
    case TR_TYPE_NUMBER:
        rc = number_parse(node, field, error);
        *number = *(double *)field;
        return rc;
    case TR_TYPE_DURATION:
    case TR_TYPE_SIZE:
        rc = united_parse(row, node, field, error);
        *number = (double)*(uint64_t *)field;
        return rc;
    case TR_TYPE_BOOL:
        return bool_parse(node, field, error);
    case TR_TYPE_STRING:
        return string_parse(row, node, field, error);
    default:
        tr_assert(row->type == TR_TYPE_ENUM);
        return enum_parse(row, node, field, error);
    }
}

int tr_value_parse(const struct tr_option *row, const struct tr_yaml_node *node, void *field,
                   struct tr_error *error)
{
    double number = 0;
    int rc;

    if (node->kind != TR_YAML_SCALAR)
        return tr_yaml_fail(node, error, "expected a single value, found a %s",
                            node->kind == TR_YAML_LIST ? "list" : "mapping");
    if (tr_yaml_null(node))
        return tr_yaml_fail(node, error, "has no value");
    if ((row->flags & TR_AUTO) && strcmp(node->text, "auto") == 0) {
        if (row->type == TR_TYPE_STRING)
            *(const char **)field = NULL;
        else if (row->type == TR_TYPE_NUMBER)
            *(double *)field = 0;
        else
            *(uint64_t *)field = 0;
        return 0;
    }
    rc = typed_parse(row, node, field, &number, error);
    if (rc == 0 && tr_value_is_number(row->type))
        rc = range_check(row, number, node, error);
    return rc;
}
