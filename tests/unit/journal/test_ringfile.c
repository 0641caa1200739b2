// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include <unistd.h>

#include <limits.h>
#include <sys/stat.h>

#include "journal/ringfile.h"

static const struct tr_ringfile_options small = {
    .kind = TR_RINGFILE_JOURNAL, .bytes = 4096, .lcore = 3, .lcores = 4, .numa_node = -1, .prefault = true};

static void a_ring_is_contiguous_across_its_end(void **state)
{
    struct tr_error error = {0};
    struct tr_ringfile ring;

    assert_int_equal(tr_ringfile_create(&ring, scratch, "r", &small, &error), 0);
    memset(tr_ringfile_at(&ring, 4090), 'x', 12);
    assert_memory_equal(ring.data, "xxxxxx", 6);
    assert_memory_equal(ring.data + 4096, "xxxxxx", 6);
    tr_ringfile_close(&ring, NULL);
}

static void a_header_says_what_the_file_is(void **state)
{
    struct tr_ringfile_header header;
    struct tr_error error = {0};
    struct tr_ringfile ring;
    char path[PATH_MAX];
    FILE *file;

    assert_int_equal(tr_ringfile_create(&ring, scratch, "h", &small, &error), 0);
    tr_ringfile_commit(&ring, 128, 7);
    tr_ringfile_close(&ring, NULL);
    snprintf(path, sizeof(path), "%s/h", scratch);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(&header, sizeof(header), 1, file), 1);
    fclose(file);
    assert_int_equal(header.magic, TR_RINGFILE_MAGIC);
    assert_int_equal(header.version, TR_RINGFILE_VERSION);
    assert_int_equal(header.kind, TR_RINGFILE_JOURNAL);
    assert_int_equal(header.data_bytes, 4096);
    assert_int_equal(header.lcore, 3);
    assert_int_equal(header.lcores, 4);
    assert_int_equal(header.head, 128);
    assert_int_equal(header.committed_spans, 7);
    assert_int_equal(header.turn & 1, 0);
    assert_true(header.boot[0] || header.boot[1]);
}

static void a_size_that_is_no_power_of_two_is_refused(void **state)
{
    struct tr_ringfile_options odd = small;
    struct tr_error error = {0};
    struct tr_ringfile ring;

    odd.bytes = 12288;
    assert_int_equal(tr_ringfile_create(&ring, scratch, "odd", &odd, &error), -EINVAL);
    assert_non_null(strstr(error.text, "power of two"));
}

static void a_file_system_that_is_too_small_says_how_much_it_has(void **state)
{
    struct tr_ringfile_options huge = small;
    struct tr_error error = {0};
    struct tr_ringfile ring;

    huge.bytes = 1ull << 55;
    assert_int_equal(tr_ringfile_create(&ring, scratch, "huge", &huge, &error), -ENOSPC);
    assert_non_null(strstr(error.text, "MiB left"));
}

static void a_copy_below_the_tail_is_refused(void **state)
{
    struct tr_error error = {0};
    struct tr_ringfile ring;
    char bytes[8];

    assert_int_equal(tr_ringfile_create(&ring, scratch, "c", &small, &error), 0);
    memcpy(tr_ringfile_at(&ring, 0), "fourteen", 8);
    tr_ringfile_commit(&ring, 64, 1);
    assert_true(tr_ringfile_copy(&ring, 0, bytes, 8));
    assert_memory_equal(bytes, "fourteen", 8);
    tr_ringfile_release(&ring, 64);
    assert_false(tr_ringfile_copy(&ring, 0, bytes, 8));
    tr_ringfile_close(&ring, NULL);
}

static void what_a_dead_process_left_is_found_and_removed(void **state)
{
    struct tr_error error = {0};
    struct tr_ringfile ring;
    char path[128];
    FILE *other;

    snprintf(path, sizeof(path), "%s/theirs", scratch);
    other = fopen(path, "w");
    assert_non_null(other);
    fputs("fourteen", other);
    fclose(other);
    tr_ringfile_leftovers(scratch, true);
    assert_int_equal(tr_ringfile_create(&ring, scratch, "dead.0", &small, &error), 0);
    assert_int_equal(tr_ringfile_leftovers(scratch, true), 0); // in use
    tr_ringfile_close(&ring, NULL);
    assert_true(tr_ringfile_leftovers(scratch, false) >= TR_RINGFILE_HEADER_BYTES);
    assert_true(tr_ringfile_leftovers(scratch, true) >= TR_RINGFILE_HEADER_BYTES);
    assert_int_equal(tr_ringfile_leftovers(scratch, false), 0);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/dead.0", scratch);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_is_contiguous_across_its_end),
        cmocka_unit_test(a_header_says_what_the_file_is),
        cmocka_unit_test(a_size_that_is_no_power_of_two_is_refused),
        cmocka_unit_test(a_file_system_that_is_too_small_says_how_much_it_has),
        cmocka_unit_test(a_copy_below_the_tail_is_refused),
        cmocka_unit_test(what_a_dead_process_left_is_found_and_removed),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
