// SPDX-License-Identifier: Apache-2.0
#include "scratch.h"

#include <pthread.h>

#include "base/hash.h"
#include "journal/outbox.h"

static struct tr_outbox outbox;
static uint8_t buffer[4096];

static int open_small(void **state)
{
    struct tr_ringfile_options options = {
        .kind = TR_RINGFILE_OUTBOX, .bytes = 16384, .lcores = 1, .numa_node = -1, .prefault = true};
    struct tr_error error = {0};

    return tr_outbox_create(&outbox, scratch, &options, &error);
}

static int close_small(void **state)
{
    tr_outbox_close(&outbox);
    return 0;
}

static uint64_t group_of(const char *resource)
{
    struct tr_outbox_group_bytes group = {.resource = (const uint8_t *)resource,
                                          .scope = (const uint8_t *)"scope",
                                          .head = {.hash = tr_hash_bytes(resource, strlen(resource), 0),
                                                   .resource_bytes = (uint32_t)strlen(resource),
                                                   .scope_bytes = 5}};

    return tr_outbox_group(&outbox, &group);
}

// A span whose bytes are its number, over and over.
static void put(uint64_t number, uint64_t group)
{
    uint32_t bytes = 8 * (uint32_t)(4 + number % 20);
    uint8_t *at = tr_outbox_reserve(&outbox, bytes);

    assert_non_null(at);
    for (uint32_t i = 0; i < bytes; i += 8)
        memcpy(at + i, &number, 8);
    tr_outbox_append_span(&outbox, bytes, group, 0);
}

static void check_span(const struct tr_outbox_entry *entry, const uint8_t *bytes, uint64_t number)
{
    if (entry->payload_bytes != 8 * (4 + number % 20))
        fail_msg("span %lu has %u bytes", (unsigned long)number, entry->payload_bytes);
    for (uint32_t i = 0; i < entry->payload_bytes; i += 8)
        if (memcmp(bytes + i, &number, 8) != 0)
            fail_msg("span %lu has other bytes", (unsigned long)number);
}

static void spans_come_out_as_they_went_in(void **state)
{
    struct tr_outbox_cursor cursor;
    struct tr_outbox_entry entry;
    uint64_t lost, group, position;
    struct tr_outbox_group head;

    tr_outbox_cursor_init(&outbox, &cursor);
    group = group_of("resource-a");
    put(1, group);
    put(2, group_of("resource-b"));
    assert_int_equal(tr_outbox_queued(&outbox, &cursor), 2);
    assert_int_equal(tr_outbox_next(&outbox, &cursor, &entry, buffer, sizeof(buffer), &lost),
                     TR_OUTBOX_ENTRY);
    check_span(&entry, buffer, 1);
    assert_int_equal(entry.group, group);
    assert_int_equal(tr_outbox_group_read(&outbox, entry.group, buffer, sizeof(buffer)), sizeof(head) + 15);
    memcpy(&head, buffer, sizeof(head));
    assert_int_equal(head.resource_bytes, 10);
    assert_memory_equal(buffer + sizeof(head), "resource-ascope", 15);
    position = cursor.position;
    assert_int_equal(tr_outbox_next(&outbox, &cursor, &entry, buffer, 8, &lost), TR_OUTBOX_SHORT);
    assert_true(cursor.position >= position);
    assert_int_equal(tr_outbox_next(&outbox, &cursor, &entry, buffer, sizeof(buffer), &lost),
                     TR_OUTBOX_ENTRY);
    check_span(&entry, buffer, 2);
    assert_int_equal(tr_outbox_next(&outbox, &cursor, &entry, buffer, sizeof(buffer), &lost),
                     TR_OUTBOX_EMPTY);
    assert_int_equal(tr_outbox_queued(&outbox, &cursor), 0);
}

static void equal_groups_are_written_once(void **state)
{
    uint64_t group = group_of("same");

    put(0, group);
    assert_int_equal(group_of("same"), group);
    assert_int_not_equal(group_of("other"), group);
}

static void groups_with_equal_hashes_are_told_apart(void **state)
{
    struct tr_outbox_group_bytes group = {.resource = (const uint8_t *)"one",
                                          .head = {.hash = 7, .resource_bytes = 3}};
    uint64_t one = tr_outbox_group(&outbox, &group);

    group.resource = (const uint8_t *)"two";
    assert_int_not_equal(tr_outbox_group(&outbox, &group), one);
}

static void what_is_too_large_for_the_ring_is_refused(void **state)
{
    assert_null(tr_outbox_reserve(&outbox, 5000));
    assert_non_null(tr_outbox_reserve(&outbox, 4000));
}

static void a_cursor_left_behind_counts_exactly_what_it_lost(void **state)
{
    struct tr_outbox_cursor cursor;
    struct tr_outbox_entry entry;
    uint64_t lost = 0, number = 0, read = 0;

    tr_outbox_cursor_init(&outbox, &cursor);
    for (uint64_t i = 0; i < 1000; i++)
        put(i, group_of("g"));
    assert_int_equal(tr_outbox_next(&outbox, &cursor, &entry, buffer, sizeof(buffer), &lost), TR_OUTBOX_LOST);
    assert_true(lost > 800);
    number = lost;
    while (tr_outbox_next(&outbox, &cursor, &entry, buffer, sizeof(buffer), &lost) == TR_OUTBOX_ENTRY) {
        check_span(&entry, buffer, number++);
        read++;
        assert_true(tr_outbox_group_read(&outbox, entry.group, buffer, sizeof(buffer)) > 0);
    }
    assert_int_equal(number, 1000);
    assert_true(read > 20);
}

// One writer at full speed, one reader beside it: whatever the reader is handed is right, nothing is counted
// twice.
#define RACE_SPANS 200000

static void *write_race(void *unused)
{
    for (uint64_t i = 0; i < RACE_SPANS; i++)
        put(i, group_of(i % 3 ? "group-of-the-race" : "another-group"));
    return NULL;
}

static void a_reader_beside_the_writer_sees_only_what_was_committed(void **state)
{
    uint64_t lost, number = 0, groups_gone = 0;
    struct tr_outbox_cursor cursor;
    struct tr_outbox_entry entry;
    uint8_t group[256];
    pthread_t writer;

    tr_outbox_cursor_init(&outbox, &cursor);
    assert_int_equal(pthread_create(&writer, NULL, write_race, NULL), 0);
    while (number < RACE_SPANS) {
        switch (tr_outbox_next(&outbox, &cursor, &entry, buffer, sizeof(buffer), &lost)) {
        case TR_OUTBOX_ENTRY:
            check_span(&entry, buffer, number++);
            assert_int_equal(cursor.sequence, number);
            if (tr_outbox_group_read(&outbox, entry.group, group, sizeof(group)) < 0)
                groups_gone++;
            else
                assert_true(group[sizeof(struct tr_outbox_group)] == (entry.sequence % 3 ? 'g' : 'a'));
            break;
        case TR_OUTBOX_LOST:
            number += lost;
            break;
        case TR_OUTBOX_EMPTY:
            break;
        case TR_OUTBOX_SHORT:
            fail();
        }
    }
    assert_int_equal(number, RACE_SPANS);
    pthread_join(writer, NULL);
    (void)groups_gone;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_small, close_small)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spans_come_out_as_they_went_in),
        TEST(equal_groups_are_written_once),
        TEST(groups_with_equal_hashes_are_told_apart),
        TEST(what_is_too_large_for_the_ring_is_refused),
        TEST(a_cursor_left_behind_counts_exactly_what_it_lost),
        TEST(a_reader_beside_the_writer_sees_only_what_was_committed),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
