// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_value.h"

#include "match/regex.h"

const char *const tr_rule_operator_names[TR_RULE_OPERATORS + 1] = {
    [TR_RULE_EQ] = "=",
    [TR_RULE_NE] = "!=",
    [TR_RULE_GT] = ">",
    [TR_RULE_GE] = ">=",
    [TR_RULE_LT] = "<",
    [TR_RULE_LE] = "<=",
    [TR_RULE_EXISTS] = "exists",
    [TR_RULE_NOT_EXISTS] = "not-exists",
    [TR_RULE_CONTAINS] = "contains",
    [TR_RULE_DOES_NOT_CONTAIN] = "does-not-contain",
    [TR_RULE_STARTS_WITH] = "starts-with",
    [TR_RULE_MATCHES] = "matches",
    [TR_RULE_IN] = "in",
    [TR_RULE_NOT_IN] = "not-in",
    [TR_RULE_HAS_ROOT_SPAN] = "has-root-span",
};

const char *const tr_rule_datatype_names[TR_RULE_DATATYPES + 1] = {
    [TR_RULE_ANY] = "any",     [TR_RULE_STRING] = "string", [TR_RULE_INT] = "int",
    [TR_RULE_FLOAT] = "float", [TR_RULE_BOOL] = "bool",
};

bool tr_rule_operator_negative(enum tr_rule_operator op)
{
    return op == TR_RULE_NOT_EXISTS || op == TR_RULE_DOES_NOT_CONTAIN || op == TR_RULE_NOT_IN;
}

// YAML's words for truth, too. Returns false: it is none.
static bool truth_read(const char *text, bool *truth)
{
    static const char *const words[] = {"true", "yes", "y", "on", "t", "1", "false", "no", "n", "off", "f", "0"};

    for (size_t i = 0; i < TR_NELEMS(words); i++)
        if (strcasecmp(words[i], text) == 0) {
            *truth = i < TR_NELEMS(words) / 2;
            return true;
        }
    return false;
}

static struct tr_value string_of(const char *text)
{
    return (struct tr_value){
        .type = TR_VALUE_STRING, .bytes = (const uint8_t *)text, .length = (uint32_t)strlen(text)};
}

static int value_refuse(const char *text, enum tr_rule_datatype datatype, struct tr_error *error)
{
    return tr_error_set(error, EINVAL, "value: %s is no %s", text, tr_rule_datatype_names[datatype]);
}

// A whole number may be written as 5.0, too.
static bool whole_read(const struct tr_value *text, int64_t *integer)
{
    double number;

    if (tr_rule_to_int(text, integer))
        return true;
    if (!tr_rule_to_float(text, &number) || !(number >= -0x1p63 && number < 0x1p63))
        return false;
    *integer = (int64_t)number;
    return true;
}

static int one_make(struct tr_rule_test *test, const char *text, struct tr_error *error)
{
    const struct tr_value value = string_of(text);
    bool as_text = test->datatype == TR_RULE_STRING || test->op >= TR_RULE_CONTAINS;

    test->text = strdup(text);
    if (!test->text)
        return tr_error_set(error, ENOMEM, "value: no memory");
    test->text_bytes = value.length;
    test->is_integer = tr_rule_to_int(&value, &test->integer);
    test->is_number = tr_rule_to_float(&value, &test->number);
    test->is_boolean = truth_read(text, &test->boolean);
    if (as_text || test->datatype == TR_RULE_ANY)
        return 0;
    if (test->datatype == TR_RULE_INT && !whole_read(&value, &test->integer))
        return value_refuse(text, TR_RULE_INT, error);
    if (test->datatype == TR_RULE_FLOAT && !test->is_number)
        return value_refuse(text, TR_RULE_FLOAT, error);
    if (test->datatype != TR_RULE_BOOL)
        return 0;
    return test->is_boolean ? 0 : value_refuse(text, TR_RULE_BOOL, error);
}

static int pattern_make(struct tr_rule_test *test, uint32_t lcores, struct tr_error *error)
{
    const struct tr_match_pattern pattern = {.text = test->text};
    int rc = tr_match_create(&test->match, &pattern, 1, 1, lcores, TR_SPAN_BYTES_MAX, error);

    if (rc < 0)
        tr_error_prefix(error, "value");
    return rc;
}

static int many_make(struct tr_rule_test *test, const char *const *values, size_t count, struct tr_error *error)
{
    if (test->datatype == TR_RULE_BOOL)
        return tr_error_set(error, EINVAL, "operator: %s can't be used with datatype bool",
                            tr_rule_operator_names[test->op]);
    test->integers = calloc(count, sizeof(*test->integers));
    test->numbers = calloc(count, sizeof(*test->numbers));
    if (!test->integers || !test->numbers || tr_values_make(&test->texts, values, count) < 0)
        return tr_error_set(error, ENOMEM, "value: no memory");
    for (size_t i = 0; i < count; i++) {
        const struct tr_value value = string_of(values[i]);

        test->empty_text = test->empty_text || !value.length;
        if (test->datatype == TR_RULE_INT && !whole_read(&value, &test->integers[i]))
            return value_refuse(values[i], TR_RULE_INT, error);
        if (test->datatype == TR_RULE_FLOAT && !tr_rule_to_float(&value, &test->numbers[i]))
            return value_refuse(values[i], TR_RULE_FLOAT, error);
    }
    test->count = (uint32_t)count;
    return 0;
}

int tr_rule_test_make(struct tr_rule_test *test, enum tr_rule_operator op, enum tr_rule_datatype datatype,
                      const char *const *values, size_t count, uint32_t lcores, struct tr_error *error)
{
    bool many = op == TR_RULE_IN || op == TR_RULE_NOT_IN;
    int rc;

    *test = (struct tr_rule_test){.op = op, .datatype = datatype};
    if (op == TR_RULE_EXISTS || op == TR_RULE_NOT_EXISTS) // exists: false is not not-exists
        return count ? tr_error_set(error, EINVAL, "value: operator %s takes none", tr_rule_operator_names[op]) : 0;
    if (!count)
        return tr_error_set(error, EINVAL, "value: is required by operator %s", tr_rule_operator_names[op]);
    if (count > 1 && !many)
        return tr_error_set(error, EINVAL, "value: operator %s takes one, not %zu", tr_rule_operator_names[op], count);
    if (datatype == TR_RULE_BOOL && op >= TR_RULE_GT && op <= TR_RULE_LE)
        return tr_error_set(error, EINVAL, "operator: %s can't be used with datatype bool",
                            tr_rule_operator_names[op]);
    if (many)
        return many_make(test, values, count, error);
    rc = one_make(test, values[0], error);
    return rc == 0 && op == TR_RULE_MATCHES ? pattern_make(test, lcores, error) : rc;
}

void tr_rule_test_clear(struct tr_rule_test *test)
{
    if (test->match)
        tr_match_destroy(test->match);
    tr_values_clear(&test->texts);
    free(test->text);
    free(test->integers);
    free(test->numbers);
}

// What -1, 0 and 1 say under an operator.
static bool ordered(enum tr_rule_operator op, int order)
{
    switch (op) {
    case TR_RULE_EQ:
        return order == 0;
    case TR_RULE_NE:
        return order != 0;
    case TR_RULE_GT:
        return order > 0;
    case TR_RULE_GE:
        return order >= 0;
    case TR_RULE_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

static bool integers_ask(enum tr_rule_operator op, int64_t a, int64_t b)
{
    return ordered(op, (a > b) - (a < b));
}

// NaN is not equal to anything, and in no order.
static bool numbers_ask(enum tr_rule_operator op, double a, double b)
{
    if (a != a || b != b)
        return op == TR_RULE_NE;
    return ordered(op, (a > b) - (a < b));
}

static bool texts_ask(const struct tr_rule_test *test, const uint8_t *text, uint32_t bytes)
{
    uint32_t least = TR_MIN(bytes, test->text_bytes);
    int order;

    if (test->op <= TR_RULE_NE && bytes != test->text_bytes)
        return test->op == TR_RULE_NE;
    order = least ? memcmp(text, test->text, least) : 0;
    return ordered(test->op, order ? order : (bytes > test->text_bytes) - (bytes < test->text_bytes));
}

// Without a datatype the value's own type counts.
static bool any_ask(const struct tr_rule_test *test, const struct tr_value *value)
{
    switch (value->type) {
    case TR_VALUE_STRING:
        return texts_ask(test, value->bytes, value->length);
    case TR_VALUE_BOOL:
        return test->is_boolean && integers_ask(test->op, value->integer != 0, test->boolean);
    case TR_VALUE_INT:
        if (test->is_integer)
            return integers_ask(test->op, value->integer, test->integer);
        return test->is_number && numbers_ask(test->op, (double)value->integer, test->number);
    case TR_VALUE_DOUBLE:
        return test->is_number && numbers_ask(test->op, value->number, test->number);
    default:
        return false;
    }
}

static bool compare_ask(const struct tr_rule_test *test, const struct tr_value *value)
{
    char scratch[TR_RULE_TEXT_MAX];
    const uint8_t *text;
    int64_t integer;
    double number;
    uint32_t bytes;

    switch (test->datatype) {
    case TR_RULE_STRING:
        return tr_rule_to_text(value, scratch, &text, &bytes) && texts_ask(test, text, bytes);
    case TR_RULE_INT:
        return tr_rule_to_int(value, &integer) && integers_ask(test->op, integer, test->integer);
    case TR_RULE_FLOAT:
        return tr_rule_to_float(value, &number) && numbers_ask(test->op, number, test->number);
    case TR_RULE_BOOL:
        return integers_ask(test->op, tr_rule_to_bool(value), test->boolean);
    default:
        return any_ask(test, value);
    }
}

static bool in_ask(const struct tr_rule_test *test, const struct tr_value *value)
{
    char scratch[TR_RULE_TEXT_MAX];
    const uint8_t *text;
    int64_t integer;
    double number;
    uint32_t bytes;

    if (test->datatype == TR_RULE_INT) {
        if (!tr_rule_to_int(value, &integer))
            return false;
        for (uint32_t i = 0; i < test->count; i++)
            if (test->integers[i] == integer)
                return true;
        return false;
    }
    if (test->datatype == TR_RULE_FLOAT) {
        if (!tr_rule_to_float(value, &number))
            return false;
        for (uint32_t i = 0; i < test->count; i++)
            if (test->numbers[i] == number)
                return true;
        return false;
    }
    if (!tr_rule_to_text(value, scratch, &text, &bytes))
        return false;
    return bytes ? tr_values_have(&test->texts, text, bytes) : test->empty_text;
}

// contains, starts-with, matches.
static bool text_ask(const struct tr_rule_test *test, const struct tr_value *value, uint32_t lcore)
{
    char scratch[TR_RULE_TEXT_MAX];
    const uint8_t *text;
    uint32_t bytes;

    if (!tr_rule_to_text(value, scratch, &text, &bytes))
        return false;
    if (test->op == TR_RULE_MATCHES)
        return *tr_match_ask(test->match, lcore, text, bytes) & 1;
    if (test->text_bytes > bytes || !test->text_bytes)
        return !test->text_bytes;
    if (test->op == TR_RULE_STARTS_WITH)
        return memcmp(text, test->text, test->text_bytes) == 0;
    return memmem(text, bytes, test->text, test->text_bytes) != NULL;
}

bool tr_rule_test_ask(const struct tr_rule_test *test, const struct tr_value *value, uint32_t lcore)
{
    switch (test->op) {
    case TR_RULE_EXISTS:
        return value != NULL;
    case TR_RULE_NOT_EXISTS:
        return !value;
    case TR_RULE_CONTAINS:
    case TR_RULE_STARTS_WITH:
    case TR_RULE_MATCHES:
        return value && text_ask(test, value, lcore);
    case TR_RULE_DOES_NOT_CONTAIN:
        return !value || !text_ask(test, value, lcore);
    case TR_RULE_IN:
        return value && in_ask(test, value);
    case TR_RULE_NOT_IN:
        return !value || !in_ask(test, value);
    default:
        return value && compare_ask(test, value);
    }
}
