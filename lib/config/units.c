// SPDX-License-Identifier: Apache-2.0
#include "config/units.h"

#include <ctype.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

// Largest first: the format functions take the first that fits.
static const struct unit duration_units[] = {
    {"h", 3600 * TR_S}, {"m", 60 * TR_S}, {"s", TR_S}, {"ms", TR_MS}, {"us", TR_US}, {"ns", 1}, {"µs", TR_US},
};
#define DURATION_UNITS_WRITTEN 6 // "µs" is only read

static const struct unit size_units[] = {
    {"TiB", TR_GIB * 1024}, {"GiB", TR_GIB},    {"MiB", TR_MIB}, {"KiB", TR_KIB}, {"TB", 1000000000000ull},
    {"GB", 1000000000ull},  {"MB", 1000000ull}, {"KB", 1000ull}, {"B", 1},
};

struct number {
    uint64_t whole;
    uint64_t fraction; // of
    uint64_t of;       // a power of ten
};

// Returns the first character after it, NULL: no number. Digits beyond the 18th of the fraction are dropped.
static const char *number_parse(const char *p, struct number *number, int *overflow)
{
    const char *begin = p;
    bool digits = false;

    *number = (struct number){.of = 1};
    for (; isdigit((unsigned char)*p); p++, digits = true) {
        *overflow |= __builtin_mul_overflow(number->whole, 10, &number->whole);
        *overflow |= __builtin_add_overflow(number->whole, (uint64_t)(*p - '0'), &number->whole);
    }
    if (*p == '.' && p > begin) {
        for (p++, digits = false; isdigit((unsigned char)*p); p++, digits = true) {
            if (number->of < 1000000000000000000ull) {
                number->fraction = number->fraction * 10 + (uint64_t)(*p - '0');
                number->of *= 10;
            }
        }
    }
    return digits ? p : NULL;
}

static uint64_t number_times(const struct number *number, uint64_t factor, int *overflow)
{
    uint64_t value;

    *overflow |= __builtin_mul_overflow(number->whole, factor, &value);
    *overflow |= __builtin_add_overflow(
        value, (uint64_t)((unsigned __int128)number->fraction * factor / number->of), &value);
    return value;
}

int tr_duration_parse(const char *text, uint64_t *ns)
{
    uint64_t sum = 0;
    int overflow = 0;

    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return 0;
    }
    do {
        const struct unit *unit = NULL;
        struct number number;
        size_t bytes;

        text = number_parse(text, &number, &overflow);
        if (!text)
            return -EINVAL;
        bytes = strcspn(text, "0123456789.");
        for (size_t i = 0; i < TR_NELEMS(duration_units) && !unit; i++)
            if (strlen(duration_units[i].name) == bytes && memcmp(duration_units[i].name, text, bytes) == 0)
                unit = &duration_units[i];
        if (!unit)
            return -EINVAL;
        text += bytes;
        overflow |= __builtin_add_overflow(sum, number_times(&number, unit->factor, &overflow), &sum);
    } while (*text);
    *ns = sum;
    return overflow ? -ERANGE : 0;
}

void tr_duration_format(char text[TR_UNITS_BYTES], uint64_t ns)
{
    size_t used = 0;

    for (size_t i = 0; i < DURATION_UNITS_WRITTEN; i++) {
        uint64_t n = ns / duration_units[i].factor;

        if (n > 0)
            used += (size_t)snprintf(text + used, TR_UNITS_BYTES - used, "%llu%s", (unsigned long long)n,
                                     duration_units[i].name);
        ns %= duration_units[i].factor;
    }
    if (used == 0)
        snprintf(text, TR_UNITS_BYTES, "0s");
}

int tr_size_parse(const char *text, uint64_t *bytes)
{
    struct number number;
    int overflow = 0;

    text = number_parse(text, &number, &overflow);
    if (!text || (!*text && number.of > 1))
        return -EINVAL;
    if (!*text) {
        *bytes = number.whole;
        return overflow ? -ERANGE : 0;
    }
    for (size_t i = 0; i < TR_NELEMS(size_units); i++) {
        if (strcasecmp(text, size_units[i].name) == 0) {
            *bytes = number_times(&number, size_units[i].factor, &overflow);
            return overflow ? -ERANGE : 0;
        }
    }
    return -EINVAL;
}

void tr_size_format(char text[TR_UNITS_BYTES], uint64_t bytes)
{
    for (size_t i = 0; bytes && i < TR_NELEMS(size_units) - 1; i++) {
        if (bytes % size_units[i].factor == 0) {
            snprintf(text, TR_UNITS_BYTES, "%llu%s", (unsigned long long)(bytes / size_units[i].factor),
                     size_units[i].name);
            return;
        }
    }
    snprintf(text, TR_UNITS_BYTES, "%llu", (unsigned long long)bytes);
}
