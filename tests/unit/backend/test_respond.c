// SPDX-License-Identifier: Apache-2.0
// What an answer means, by the table of the OTLP specification.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backend/backend_internal.h"

static char said[256];
static uint64_t rejected;

static enum outcome http(long status)
{
    struct batch batch = {0};

    return answer_http(&batch, status, &rejected, said, sizeof(said));
}

static enum outcome grpc(int code, bool retry_info)
{
    struct batch batch = {.grpc_status = code, .retry_info = retry_info};

    return answer_grpc(&batch, 200, &rejected, said, sizeof(said));
}

static void http_codes(void **state)
{
    assert_int_equal(http(200), OUTCOME_DELIVERED);
    assert_int_equal(http(202), OUTCOME_DELIVERED);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(http((const long[]){429, 502, 503, 504}[i]), OUTCOME_RETRY);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(http((const long[]){400, 401, 404, 413, 500, 501}[i]), OUTCOME_REJECTED);
    assert_non_null(strstr(said, "HTTP 501"));
}

static void grpc_codes(void **state)
{
    static const int again[] = {1, 4, 10, 11, 14, 15}, never[] = {2, 3, 5, 6, 7, 9, 12, 13, 16};

    assert_int_equal(grpc(0, false), OUTCOME_DELIVERED);
    for (size_t i = 0; i < TR_NELEMS(again); i++)
        assert_int_equal(grpc(again[i], false), OUTCOME_RETRY);
    for (size_t i = 0; i < TR_NELEMS(never); i++)
        assert_int_equal(grpc(never[i], false), OUTCOME_REJECTED);
    assert_int_equal(grpc(8, false), OUTCOME_REJECTED); // RESOURCE_EXHAUSTED: only if it says when to come back
    assert_int_equal(grpc(8, true), OUTCOME_RETRY);
}

static void partial_success_says_how_many_and_why(void **state)
{
    static uint8_t answer[] = "\x0a\x09\x08\x03\x12\x05three", framed[] = "\0\0\0\0\x0b\x0a\x09\x08\x03\x12\x05three";
    struct batch batch = {.answer = answer, .answer_bytes = sizeof(answer) - 1};

    rejected = 0;
    assert_int_equal(answer_http(&batch, 200, &rejected, said, sizeof(said)), OUTCOME_DELIVERED);
    assert_int_equal(rejected, 3);
    assert_string_equal(said, "three");
    rejected = 0;
    batch.answer = framed;
    batch.answer_bytes = sizeof(framed) - 1;
    assert_int_equal(answer_grpc(&batch, 200, &rejected, said, sizeof(said)), OUTCOME_DELIVERED);
    assert_int_equal(rejected, 3);
}

static void answers_that_are_garbage_do_no_harm(void **state)
{
    static uint8_t garbage[] = "\x0a\x7f\xff\xff";
    struct batch batch = {.answer = garbage, .answer_bytes = sizeof(garbage) - 1, .grpc_status = -1};

    rejected = 0;
    assert_int_equal(answer_http(&batch, 200, &rejected, said, sizeof(said)), OUTCOME_DELIVERED);
    assert_int_equal(rejected, 0);
    assert_int_equal(answer_http(&batch, 400, &rejected, said, sizeof(said)), OUTCOME_REJECTED);
    assert_int_equal(answer_grpc(&batch, 200, &rejected, said, sizeof(said)), OUTCOME_RETRY); // no grpc-status
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_codes),
        cmocka_unit_test(grpc_codes),
        cmocka_unit_test(partial_success_says_how_many_and_why),
        cmocka_unit_test(answers_that_are_garbage_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
