// SPDX-License-Identifier: Apache-2.0
// From a struct's fields back to YAML. Used within config/.
#ifndef TR_CONFIG_TEXT_H
#define TR_CONFIG_TEXT_H

#include "config/option.h"

// Text as a scalar that reads back as the same text, in quotes unless no reader could take it for anything
// else.
void tr_text_write(FILE *out, const char *text);

// The value of a scalar row, STRINGS or MAP in one line; secrets covered.
void tr_text_write_value(FILE *out, const struct tr_option *row, const void *field);

// Any row in one line, of blocks only what differs from the default: "{name: tempo, timeout: 5s}".
void tr_text_write_flow(FILE *out, const struct tr_option *row, const void *field);
// The struct of a table in the same way.
void tr_text_write_flow_struct(FILE *out, const struct tr_option_table *table, const void *options);

// Whether a row has a value that can be written: not a text or block that is absent, nor the 0 of a number
// that is absent and whose range has no 0.
bool tr_text_has_value(const struct tr_option *row, const void *field);

// Whether a row, or a block with all its rows, is as it would be if the file did not mention it.
bool tr_text_is_default(const struct tr_option *row, const void *field);

// Compare a scalar row of two structs.
bool tr_text_equal(const struct tr_option *row, const void *a, const void *b);

static inline const void *tr_text_field(const struct tr_option *row, const void *options)
{
    return (const char *)options + row->offset;
}

#endif
