// SPDX-License-Identifier: Apache-2.0
// Each list as the Go SDK's ParseTraceState takes or refuses it.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "otlp/trace_state.h"

// The value of `key` in a copy of its own size, "": none.
static const char *find(const char *text, const char *key)
{
    static char found[512];
    size_t bytes = strlen(text);
    uint8_t *copy = malloc(bytes + !bytes);
    const uint8_t *value = NULL;
    uint32_t length;

    memcpy(copy, text, bytes);
    length = tr_trace_state_find(copy, (uint32_t)bytes, key, (uint32_t)strlen(key), &value);
    assert_true(length < sizeof(found));
    if (length)
        memcpy(found, value, length);
    found[length] = 0;
    free(copy);
    return found;
}

static void a_member_is_found(void **state)
{
    assert_string_equal(find("a=1", "a"), "1");
    assert_string_equal(find("a=1,b=2", "b"), "2");
    assert_string_equal(find("a=1, \tb=2 \t,c=3", "b"), "2");
    assert_string_equal(find("a=1,,b=2,", "b"), "2");
    assert_string_equal(find("1tenant@sys=x y", "1tenant@sys"), "x y");
    assert_string_equal(find("ot=th:8;rv:00112233445566", "ot"), "th:8;rv:00112233445566");
    assert_string_equal(find("", "a"), "");
    assert_string_equal(find("ab=1", "a"), "");
    assert_string_equal(find("b=a", "a"), "");
}

static void a_list_that_is_not_valid_has_no_members(void **state)
{
    static const char *const lists[] = {"a=1,b",       "a=1,=2",     "a=1,b=",    "a=1,B=2",      "a=1,a=2",   "a=1, ",
                                        "a=1,b=2=3",   "a=1,b\t=2",  "a=1,1b=2",  "a=1,@b=2",     "a=1,b@=2",  "a=1,b@1c=2",
                                        "a=1,b=\x7f", "a=1,b=\xc3\xa9", "a=1,b=2\n", "a=1,b\xc3\xa9=2", "a=1,b@abcdefghijklmno=2"};

    for (size_t i = 0; i < TR_NELEMS(lists); i++)
        if (find(lists[i], "a")[0])
            fail_msg("%s", lists[i]);
}

static void at_most_32_members(void **state)
{
    char text[512] = "a=1";

    for (int i = 1; i < 32; i++)
        sprintf(text + strlen(text), ",b%d=1", i);
    assert_string_equal(find(text, "a"), "1");
    assert_string_equal(find(text, "b31"), "1");
    strcat(text, ",c=1");
    assert_string_equal(find(text, "a"), "");
}

static void keys_and_values_have_their_lengths(void **state)
{
    char text[1024];

    snprintf(text, sizeof(text), "a=1,%c%0255d=%0256d", 'k', 0, 0);
    assert_string_equal(find(text, "a"), "1");
    snprintf(text, sizeof(text), "a=1,%c%0256d=1", 'k', 0);
    assert_string_equal(find(text, "a"), "");
    snprintf(text, sizeof(text), "a=1,k=%0257d", 0);
    assert_string_equal(find(text, "a"), "");
    snprintf(text, sizeof(text), "a=1,%0241d@k=1", 0);
    assert_string_equal(find(text, "a"), "1");
    snprintf(text, sizeof(text), "a=1,%0242d@k=1", 0);
    assert_string_equal(find(text, "a"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_found),
        cmocka_unit_test(a_list_that_is_not_valid_has_no_members),
        cmocka_unit_test(at_most_32_members),
        cmocka_unit_test(keys_and_values_have_their_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
