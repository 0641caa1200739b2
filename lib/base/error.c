// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdarg.h>

int tr_error_set(struct tr_error *error, int code, const char *format, ...)
{
    va_list args;

    if (error && !error->text[0]) {
        va_start(args, format);
        vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
    }
    return -code;
}

void tr_error_prefix(struct tr_error *error, const char *format, ...)
{
    char old[sizeof(error->text)];
    va_list args;
    int n;

    memcpy(old, error->text, sizeof(old));
    va_start(args, format);
    n = vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(error->text) - 3)
        snprintf(error->text + n, sizeof(error->text) - (size_t)n, ": %.*s",
                 (int)(sizeof(error->text) - (size_t)n - 3), old);
}

void tr_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "tailrace: panic at %s:%d: %s\n", file, line, what);
    abort();
}
