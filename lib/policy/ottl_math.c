// SPDX-License-Identifier: Apache-2.0
// Arithmetic as Go does it: integers wrap around, division by zero is an error, times and durations add up.
#include "policy/ottl_program.h"

static int64_t saturate(tr_int128 ns)
{
    return ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

static bool integers(char op, int64_t a, int64_t b, struct tr_ottl_value *out)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (op) {
    case '+':
        *out = tr_ottl_int((int64_t)(x + y));
        return true;
    case '-':
        *out = tr_ottl_int((int64_t)(x - y));
        return true;
    case '*':
        *out = tr_ottl_int((int64_t)(x * y));
        return true;
    default:
        if (b == 0)
            return false;
        *out = tr_ottl_int(b == -1 ? (int64_t)(0 - x) : a / b);
        return true;
    }
}

static bool doubles(char op, double a, double b, struct tr_ottl_value *out)
{
    *out = (struct tr_ottl_value){.type = TR_OTTL_DOUBLE};
    switch (op) {
    case '+':
        out->number = a + b;
        return true;
    case '-':
        out->number = a - b;
        return true;
    case '*':
        out->number = a * b;
        return true;
    default:
        out->number = b == 0 ? 0 : a / b;
        return b != 0;
    }
}

static struct tr_ottl_value duration(int64_t ns)
{
    return (struct tr_ottl_value){.type = TR_OTTL_DURATION, .integer = ns};
}

static struct tr_ottl_value moment(tr_int128 ns)
{
    return (struct tr_ottl_value){.type = TR_OTTL_TIME, .time = ns};
}

static bool times(char op, const struct tr_ottl_value *a, const struct tr_ottl_value *b, struct tr_ottl_value *out)
{
    bool minus = op == '-';

    if (op != '+' && op != '-')
        return false;
    if (a->type == TR_OTTL_TIME && b->type == TR_OTTL_DURATION) {
        // Go subtracts by adding the negated duration, which the smallest one survives.
        *out = moment(a->time + (minus ? (int64_t)(0 - (uint64_t)b->integer) : b->integer));
        return true;
    }
    if (a->type == TR_OTTL_TIME && b->type == TR_OTTL_TIME && minus) {
        *out = duration(saturate(a->time - b->time));
        return true;
    }
    if (a->type == TR_OTTL_DURATION && b->type == TR_OTTL_TIME && !minus) {
        *out = moment(b->time + a->integer);
        return true;
    }
    if (a->type == TR_OTTL_DURATION && b->type == TR_OTTL_DURATION) {
        integers(op, a->integer, b->integer, out);
        *out = duration(out->integer);
        return true;
    }
    return false;
}

bool tr_ottl_math(char op, const struct tr_ottl_value *a, const struct tr_ottl_value *b, struct tr_ottl_value *out)
{
    if (a->type == TR_OTTL_INT && b->type == TR_OTTL_INT)
        return integers(op, a->integer, b->integer, out);
    if (a->type == TR_OTTL_INT && b->type == TR_OTTL_DOUBLE)
        return doubles(op, (double)a->integer, b->number, out);
    if (a->type == TR_OTTL_DOUBLE && b->type == TR_OTTL_INT)
        return doubles(op, a->number, (double)b->integer, out);
    if (a->type == TR_OTTL_DOUBLE && b->type == TR_OTTL_DOUBLE)
        return doubles(op, a->number, b->number, out);
    return times(op, a, b, out);
}

bool tr_ottl_negate(const struct tr_ottl_value *a, struct tr_ottl_value *out)
{
    *out = *a;
    if (a->type == TR_OTTL_INT)
        out->integer = (int64_t)(0 - (uint64_t)a->integer);
    else if (a->type == TR_OTTL_DOUBLE)
        out->number = -a->number;
    else
        return false;
    return true;
}

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {{"ns", 1},          {"us", 1000},        {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000},
             {"ms", 1000000},    {"s", 1000000000},   {"m", 60000000000},  {"h", 3600000000000}};

static const uint8_t *unit(const uint8_t *p, const uint8_t *end, uint64_t *ns)
{
    const uint8_t *q = p;

    while (q < end && *q != '.' && !(*q >= '0' && *q <= '9'))
        q++;
    for (size_t i = 0; i < TR_NELEMS(units); i++)
        if (strlen(units[i].name) == (size_t)(q - p) && memcmp(units[i].name, p, (size_t)(q - p)) == 0) {
            *ns = units[i].ns;
            return q;
        }
    return NULL;
}

// One number and its unit, added to *sum. Returns what follows, NULL: bad or too large.
static const uint8_t *part(const uint8_t *p, const uint8_t *end, uint64_t *sum)
{
    const uint8_t *begin = p;
    uint64_t whole = 0, fraction = 0, ns;
    double scale = 1;
    bool digits = false, point = false;

    for (; p < end && ((*p >= '0' && *p <= '9') || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        digits = true;
        if (point && fraction <= (INT64_MAX - 9) / 10) { // what more there is changes nothing
            fraction = fraction * 10 + (uint64_t)(*p - '0');
            scale *= 10;
        } else if (!point) {
            if (whole > (1ull << 63) / 10)
                return NULL;
            whole = whole * 10 + (uint64_t)(*p - '0');
            if (whole > 1ull << 63)
                return NULL;
        }
    }
    if (!digits || p == begin)
        return NULL;
    p = unit(p, end, &ns);
    if (!p || whole > (1ull << 63) / ns)
        return NULL;
    whole *= ns;
    if (fraction)
        whole += (uint64_t)((double)fraction * ((double)ns / scale));
    if (whole > 1ull << 63 || *sum + whole > 1ull << 63)
        return NULL;
    *sum += whole;
    return p;
}

bool tr_ottl_duration_read(const uint8_t *p, uint32_t bytes, int64_t *ns)
{
    const uint8_t *end = p + bytes;
    bool minus = bytes && *p == '-';
    uint64_t sum = 0;

    *ns = 0;
    if (bytes && (*p == '-' || *p == '+'))
        p++;
    if (end - p == 1 && *p == '0')
        return true;
    if (p == end)
        return false;
    while (p && p < end)
        p = part(p, end, &sum);
    if (!p || (!minus && sum > INT64_MAX))
        return false;
    *ns = minus ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}
