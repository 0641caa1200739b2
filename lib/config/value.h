// SPDX-License-Identifier: Apache-2.0
// One value of a row: from a node into the struct's field, and back to text. Used within config/.
#ifndef TR_CONFIG_VALUE_H
#define TR_CONFIG_VALUE_H

#include "config/option.h"
#include "config/yaml.h"

// BOOL, UINT, INT, NUMBER, DURATION, SIZE, STRING, ENUM.
static inline bool tr_value_is_scalar(enum tr_option_type type)
{
    return type <= TR_TYPE_ENUM;
}

static inline bool tr_value_is_number(enum tr_option_type type)
{
    return type == TR_TYPE_UINT || type == TR_TYPE_INT || type == TR_TYPE_NUMBER ||
           type == TR_TYPE_DURATION || type == TR_TYPE_SIZE;
}

// Whether the row has a lower, an upper bound. Both 0: neither; a maximum below the minimum: no upper one.
static inline bool tr_value_has_min(const struct tr_option *row)
{
    return row->min != 0 || row->max != 0;
}

static inline bool tr_value_has_max(const struct tr_option *row)
{
    return tr_value_has_min(row) && row->max >= row->min;
}

// Parse a scalar row's value into `field`; text stays the node's. Returns 0, -EINVAL with line and path.
int tr_value_parse(const struct tr_option *row, const struct tr_yaml_node *node, void *field,
                   struct tr_error *error);

// Check how many items a STRINGS, MAP or LIST has.
int tr_value_count_check(const struct tr_option *row, size_t count, const struct tr_yaml_node *node,
                         struct tr_error *error);

// The text of a secret may be shown only when it is the name of a place.
bool tr_value_is_reference(const char *text);
#define TR_VALUE_COVERED "***"

// A bound of the row in its own unit: "64MiB", "1m", "65535".
void tr_value_bound_format(const struct tr_option *row, double bound, char text[32]);

// The name nearest to what was written, for "did you mean". NULL: none is near.
struct tr_nearest {
    const char *written;
    const char *name;
    size_t distance;
};
void tr_nearest_offer(struct tr_nearest *nearest, const char *name);

#endif
