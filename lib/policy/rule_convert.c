// SPDX-License-Identifier: Apache-2.0
// One value as another type, as Go's strconv and fmt make it: spans say 200, "200" and 200.0 for the same thing.
#include <float.h>
#include <math.h>

#include "policy/go_number.h"
#include "policy/rule_value.h"

bool tr_rule_to_int(const struct tr_value *value, int64_t *integer)
{
    switch (value->type) {
    case TR_VALUE_INT:
        *integer = value->integer;
        return true;
    case TR_VALUE_DOUBLE:
        *integer = tr_go_double_truncate(value->number);
        return true;
    case TR_VALUE_STRING:
        return tr_go_int_read(value->bytes, value->length, integer);
    default:
        return false;
    }
}

bool tr_rule_to_float(const struct tr_value *value, double *number)
{
    switch (value->type) {
    case TR_VALUE_INT:
        *number = (double)value->integer;
        return true;
    case TR_VALUE_DOUBLE:
        *number = value->number;
        return true;
    case TR_VALUE_STRING:
        return tr_go_double_read(value->bytes, value->length, number);
    default:
        return false;
    }
}

bool tr_rule_to_bool(const struct tr_value *value)
{
    static const char *const truths[] = {"1", "t", "T", "true", "TRUE", "True"};

    switch (value->type) {
    case TR_VALUE_BOOL:
        return value->integer != 0;
    case TR_VALUE_INT:
        return value->integer == 1;
    case TR_VALUE_DOUBLE:
        return value->number == 1;
    case TR_VALUE_STRING:
        for (size_t i = 0; i < TR_NELEMS(truths); i++)
            if (strlen(truths[i]) == value->length && memcmp(truths[i], value->bytes, value->length) == 0)
                return true;
        return false;
    default:
        return false;
    }
}

// The fewest digits that read back as the same number, as fmt's %v puts them: with an exponent below 1e-4 and from 1e21.
static uint32_t double_format(double number, char *to)
{
    char digits[40], *at;
    int precision = 0, exponent;

    if (isnan(number))
        return (uint32_t)snprintf(to, TR_RULE_TEXT_MAX, "NaN");
    if (isinf(number))
        return (uint32_t)snprintf(to, TR_RULE_TEXT_MAX, "%cInf", number < 0 ? '-' : '+');
    do
        snprintf(digits, sizeof(digits), "%.*e", precision, number);
    while (strtod(digits, NULL) != number && precision++ < DBL_DECIMAL_DIG - 1);
    at = strchr(digits, 'e');
    exponent = atoi(at + 1);
    if (number != 0 && (exponent < -4 || exponent >= 21))
        return (uint32_t)snprintf(to, TR_RULE_TEXT_MAX, "%.*se%c%02d", (int)(at - digits), digits,
                                  exponent < 0 ? '-' : '+', abs(exponent));
    if (precision <= exponent) {
        // Whole, and perhaps longer than its digits: those are followed by zeros, not by what a double has there.
        uint32_t bytes = 0;

        for (const char *p = digits; p < at; p++)
            if (*p != '.')
                to[bytes++] = *p;
        for (int zeros = exponent - precision; zeros > 0; zeros--)
            to[bytes++] = '0';
        return bytes;
    }
    return (uint32_t)snprintf(to, TR_RULE_TEXT_MAX, "%.*f", precision - exponent, number);
}

bool tr_rule_to_text(const struct tr_value *value, char *scratch, const uint8_t **text, uint32_t *bytes)
{
    *text = (const uint8_t *)scratch;
    switch (value->type) {
    case TR_VALUE_STRING:
        if (value->length)
            *text = value->bytes;
        *bytes = value->length;
        return true;
    case TR_VALUE_BOOL:
        *bytes = (uint32_t)snprintf(scratch, TR_RULE_TEXT_MAX, "%s", value->integer ? "true" : "false");
        return true;
    case TR_VALUE_INT:
        *bytes = (uint32_t)snprintf(scratch, TR_RULE_TEXT_MAX, "%lld", (long long)value->integer);
        return true;
    case TR_VALUE_DOUBLE:
        *bytes = double_format(value->number, scratch);
        return true;
    default:
        return false;
    }
}
