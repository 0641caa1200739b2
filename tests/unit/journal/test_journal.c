// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "journal/journal.h"

static struct tr_journal journal;

static int open_small(void **state)
{
    struct tr_ringfile_options options = {
        .kind = TR_RINGFILE_JOURNAL, .bytes = 4096, .lcores = 1, .numa_node = -1, .prefault = true};
    struct tr_error error = {0};

    return tr_journal_create(&journal, scratch, &options, 16, &error);
}

static int close_small(void **state)
{
    tr_journal_close(&journal);
    return 0;
}

static uint64_t put(uint32_t bytes, uint32_t contexts, uint8_t fill)
{
    uint8_t *at = tr_journal_head(&journal, bytes);

    assert_non_null(at);
    memset(at, fill, bytes);
    return tr_journal_commit(&journal,
                             &(struct tr_record){.body_bytes = bytes, .contexts = contexts, .spans = 2});
}

static void records_follow_each_other(void **state)
{
    uint64_t first = put(100, 1, 'a'), second = put(1, 2, 'b');
    const struct tr_record *record = tr_journal_record(&journal, first);

    assert_int_equal(first, 0);
    assert_int_equal(record->magic, TR_RECORD_MAGIC);
    assert_int_equal(tr_record_next(record), second);
    record = tr_journal_record(&journal, second);
    assert_int_equal(record->position, second);
    assert_int_equal(record->first_context, 1);
    assert_int_equal(tr_record_next(record), journal.ring.head);
}

static void a_full_ring_has_no_head_until_it_is_released(void **state)
{
    uint64_t second;

    put(1800, 1, 'a');
    second = put(1800, 1, 'b');
    assert_null(tr_journal_head(&journal, 1800));
    tr_journal_release(&journal, second);
    assert_int_equal(journal.contexts_tail, 1);
    assert_non_null(tr_journal_head(&journal, 1700));
    tr_journal_release(&journal, journal.ring.head);
    assert_int_equal(journal.contexts_tail, 2);
    assert_true(tr_journal_room(&journal) > 3800);
}

static void a_body_given_up_leaves_nothing(void **state)
{
    uint8_t *at = tr_journal_head(&journal, 1000);

    memset(at, 'x', 1000);
    assert_ptr_equal(tr_journal_head(&journal, 10), at);
    assert_int_equal(put(10, 0, 'y'), 0);
}

static void the_ring_wraps_for_ever(void **state)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t position = put(700 + i % 500, 3, (uint8_t)i);
        const struct tr_record *record = tr_journal_record(&journal, position);
        const uint8_t *body = (const uint8_t *)(record + 1);

        for (uint32_t k = 0; k < record->body_bytes; k++)
            assert_int_equal(body[k], (uint8_t)i);
        assert_int_equal(tr_journal_context_room(&journal), 13);
        tr_journal_release(&journal, tr_record_next(record));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_small, close_small)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_follow_each_other),
        TEST(a_full_ring_has_no_head_until_it_is_released),
        TEST(a_body_given_up_leaves_nothing),
        TEST(the_ring_wraps_for_ever),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
