// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include "journal/verdict.h"

static const struct tr_ringfile_options of_lcore_3 = {
    .lcore = 3, .lcores = 4, .numa_node = -1, .prefault = true};

static void the_oldest_goes_first(void **state)
{
    struct tr_verdict_ring ring;
    struct tr_error error = {0};

    assert_int_equal(tr_verdict_ring_create(&ring, scratch, &of_lcore_3, 64, &error), 0);
    for (uint32_t i = 0; i < 200; i++) {
        struct tr_verdict_record record = {.epoch = i, .spans = 2};
        const struct tr_verdict_record *oldest = tr_verdict_ring_oldest(&ring);

        if (i < 64)
            assert_null(oldest);
        else
            assert_int_equal(oldest->epoch, i - 64);
        assert_int_equal(tr_verdict_ring_append(&ring, &record), i);
        assert_int_equal(tr_verdict_ring_at(&ring, i)->epoch, i);
    }
    assert_int_equal(ring.file.header->committed_records, 200);
    assert_int_equal(ring.file.header->committed_spans, 400);
    assert_int_equal(ring.file.header->tail, (200 - 64) * sizeof(struct tr_verdict_record));
    assert_int_equal(ring.file.header->kind, TR_RINGFILE_VERDICTS);
    tr_verdict_ring_close(&ring);
}

static void odd_sizes_are_refused(void **state)
{
    struct tr_verdict_ring ring;
    struct tr_error error = {0};

    assert_int_equal(tr_verdict_ring_create(&ring, scratch, &of_lcore_3, 63, &error), -EINVAL);
    assert_int_equal(tr_verdict_ring_create(&ring, scratch, &of_lcore_3, 96, &error), -EINVAL);
    assert_int_equal(tr_verdict_ring_create(&ring, scratch, &of_lcore_3, 32, &error), -EINVAL);
    assert_string_equal(error.text, "verdicts: 63 is not a power of two of at least 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(odd_sizes_are_refused),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
