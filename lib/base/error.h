// SPDX-License-Identifier: Apache-2.0
// What the control path tells a person: one line that names the path, the value and the bound.
#ifndef TR_BASE_ERROR_H
#define TR_BASE_ERROR_H

#include "base/tr.h"

struct tr_error {
    char text[512];
};

// Write the line, keeping an earlier one if there is one.
//
// Returns -code, so that a caller can `return tr_error_set(error, EINVAL, ...)`.
int tr_error_set(struct tr_error *error, int code, const char *format, ...) tr_printf(3, 4);

// Put "prefix: " before the line.
void tr_error_prefix(struct tr_error *error, const char *format, ...) tr_printf(2, 3);

#endif
