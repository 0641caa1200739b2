// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/apply.h"
#include "fake.h"

static struct fake fake;
static struct tr_apply apply;
static struct tr_error error;

static int setup(void **state)
{
    fake_init(&fake, "a: 1\nrestart: 1\n", "/nowhere");
    tr_apply_init(&apply, &fake.daemon);
    memset(&error, 0, sizeof(error));
    return 0;
}

static int teardown(void **state)
{
    tr_apply_fini(&apply);
    fake_fini(&fake);
    return 0;
}

static int begin(const char *text, uint64_t confirm_ns, uint64_t now)
{
    memset(&error, 0, sizeof(error));
    return tr_apply_begin(&apply, text, strlen(text), confirm_ns, now, NULL, NULL, &error);
}

static void test_apply_and_undo(void **state)
{
    assert_int_equal(begin("a: 2\n", 0, 0), 0);
    assert_string_equal(fake.text, "a: 2\n");
    assert_int_equal(tr_apply_poll(&apply, 1000 * TR_S, &error), 0);
    assert_int_equal(tr_apply_undo(&apply, &error), 0);
    assert_string_equal(fake.text, "a: 1\nrestart: 1\n");
    assert_int_equal(tr_apply_undo(&apply, &error), -ENOENT);
    assert_string_equal(error.text, "nothing to undo");
}

static void test_confirmed_stays(void **state)
{
    assert_int_equal(begin("a: 2\n", 60 * TR_S, 100), 0);
    assert_int_equal(tr_apply_poll(&apply, 100 + 60 * TR_S - 1, &error), 0);
    assert_int_equal(tr_apply_confirm(&apply, &error), 0);
    assert_int_equal(tr_apply_poll(&apply, 3600 * TR_S, &error), 0);
    assert_string_equal(fake.text, "a: 2\n");
    assert_int_equal(tr_apply_confirm(&apply, &error), -ENOENT);
}

static void test_unconfirmed_goes_back(void **state)
{
    assert_int_equal(begin("a: 2\n", 60 * TR_S, 100), 0);
    assert_int_equal(tr_apply_poll(&apply, 100 + 60 * TR_S, &error), 1);
    assert_string_equal(fake.text, "a: 1\nrestart: 1\n");
    assert_int_equal(tr_apply_poll(&apply, 3600 * TR_S, &error), 0);
    assert_int_equal(tr_apply_confirm(&apply, &error), -ENOENT);
}

static void test_undo_while_waiting(void **state)
{
    assert_int_equal(begin("a: 2\n", 60 * TR_S, 0), 0);
    assert_int_equal(tr_apply_undo(&apply, &error), 0);
    assert_string_equal(fake.text, "a: 1\nrestart: 1\n");
    assert_int_equal(tr_apply_poll(&apply, 61 * TR_S, &error), 0);
    assert_int_equal(fake.applies, 2);
}

static void test_one_wait_at_a_time(void **state)
{
    assert_int_equal(begin("a: 2\n", 60 * TR_S, 0), 0);
    assert_int_equal(begin("a: 3\n", 0, 1), -EBUSY);
    assert_string_equal(fake.text, "a: 2\n");
}

static void test_bad_text_changes_nothing(void **state)
{
    assert_int_equal(begin("a: 2\nbad: 1\n", 60 * TR_S, 0), -EINVAL);
    assert_string_equal(error.text, "line 2: bad: this is no option");
    assert_int_equal(fake.applies, 0);
    assert_int_equal(tr_apply_undo(&apply, &error), -ENOENT);
}

static void test_restart_is_refused_whole(void **state)
{
    assert_int_equal(begin("a: 2\nrestart: 2\nrestart2: 1\n", 0, 0), -ENOTSUP);
    assert_string_equal(error.text, "nothing was applied, a restart is needed for restart, restart2");
    assert_int_equal(fake.applies, 0);
}

static void test_daemon_refuses(void **state)
{
    fake.refuse_apply = true;
    assert_int_equal(begin("a: 2\n", 60 * TR_S, 0), -EINVAL);
    assert_string_equal(error.text, "the fake refuses");
    fake.refuse_apply = false;
    assert_int_equal(tr_apply_poll(&apply, 61 * TR_S, &error), 0);
    assert_int_equal(tr_apply_undo(&apply, &error), -ENOENT);
}

static void test_failed_rollback_is_tried_again(void **state)
{
    uint64_t now = 60 * TR_S;

    assert_int_equal(begin("a: 2\n", 60 * TR_S, 0), 0);
    fake.refuse_apply = true;
    assert_int_equal(tr_apply_poll(&apply, now, &error), -EINVAL);
    assert_string_equal(apply.rollback_error, "the fake refuses");
    assert_int_equal(tr_apply_poll(&apply, now + TR_APPLY_RETRY_NS - 1, &error), 0);
    fake.refuse_apply = false;
    assert_int_equal(tr_apply_poll(&apply, now + TR_APPLY_RETRY_NS, &error), 1);
    assert_string_equal(fake.text, "a: 1\nrestart: 1\n");
    assert_string_equal(apply.rollback_error, "");
}

static void test_rollback_gives_up(void **state)
{
    unsigned tries = 0;

    assert_int_equal(begin("a: 2\n", TR_S, 0), 0);
    fake.refuse_apply = true;
    for (uint64_t now = 0; now < 3600 * TR_S; now += TR_S)
        tries += tr_apply_poll(&apply, now, &error) < 0;
    assert_int_equal(tries, TR_APPLY_RETRIES_MAX);
    assert_string_equal(apply.rollback_error, "the fake refuses");
    fake.refuse_apply = false;
    assert_int_equal(begin("a: 3\n", 0, 3600 * TR_S), 0);
}

static void test_undo_depth_is_bounded(void **state)
{
    char text[32];

    for (int i = 2; i < 2 + TR_APPLY_UNDO_MAX + 3; i++) {
        snprintf(text, sizeof(text), "a: %d\n", i);
        assert_int_equal(begin(text, 0, 0), 0);
    }
    for (int i = 0; i < TR_APPLY_UNDO_MAX; i++)
        assert_int_equal(tr_apply_undo(&apply, &error), 0);
    assert_string_equal(fake.text, "a: 4\n");
    assert_int_equal(tr_apply_undo(&apply, &error), -ENOENT);
}

static void test_confirm_is_bounded(void **state)
{
    assert_int_equal(begin("a: 2\n", TR_APPLY_CONFIRM_MAX_NS + 1, 0), -EINVAL);
    assert_int_equal(fake.applies, 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_apply_and_undo),
        WITH(test_confirmed_stays),
        WITH(test_unconfirmed_goes_back),
        WITH(test_undo_while_waiting),
        WITH(test_one_wait_at_a_time),
        WITH(test_bad_text_changes_nothing),
        WITH(test_restart_is_refused_whole),
        WITH(test_daemon_refuses),
        WITH(test_failed_rollback_is_tried_again),
        WITH(test_rollback_gives_up),
        WITH(test_undo_depth_is_bounded),
        WITH(test_confirm_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
