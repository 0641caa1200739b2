// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "lcore/mesh.h"

#define SLOTS 8

static struct tr_mesh *mesh;

static int create(void **state)
{
    struct tr_error error = {0};

    return tr_mesh_create(&mesh, 2, SLOTS, &error);
}

static int destroy(void **state)
{
    tr_mesh_destroy(mesh);
    return 0;
}

static union tr_message summary(uint64_t number)
{
    union tr_message message = {.summary = {.kind = TR_MESSAGE_SUMMARY, .start_ns = number}};

    return message;
}

static void messages_come_out_in_order_and_a_full_ring_takes_no_more(void **state)
{
    union tr_message in[SLOTS + 2], out[SLOTS + 2];
    uint32_t room;

    for (uint64_t i = 0; i < TR_NELEMS(in); i++)
        in[i] = summary(i);
    room = tr_mesh_send(mesh, TR_CLASS_1, 0, 1, in, TR_NELEMS(in));
    assert_in_range(room, SLOTS - 1, SLOTS);
    assert_int_equal(tr_mesh_send(mesh, TR_CLASS_1, 0, 1, in, 1), 0);
    assert_int_equal(tr_mesh_count(mesh, TR_CLASS_1, 0, 1), room);
    assert_int_equal(tr_mesh_summaries(mesh, 0, 1), room);
    assert_int_equal(tr_mesh_count(mesh, TR_CLASS_1, 1, 0), 0);
    assert_int_equal(tr_mesh_count(mesh, TR_CLASS_2, 0, 1), 0);
    assert_int_equal(tr_mesh_receive(mesh, TR_CLASS_1, 0, 1, out, TR_NELEMS(out)), room);
    for (uint64_t i = 0; i < room; i++)
        assert_int_equal(out[i].summary.start_ns, i);
    assert_int_equal(tr_mesh_summaries(mesh, 0, 1), 0);
}

static unsigned wakes;

static void note_wake(void *context)
{
    wakes++;
}

static void only_a_sleeper_is_woken_and_once(void **state)
{
    mesh->peers[1].wake = note_wake;
    wakes = 0;
    tr_mesh_wake(mesh, 1);
    assert_int_equal(wakes, 0);
    mesh->peers[1].sleeping = 1;
    tr_mesh_wake(mesh, 1);
    tr_mesh_wake(mesh, 1);
    assert_int_equal(wakes, 1);
    assert_int_equal(mesh->peers[1].sleeping, 0);
}

static struct tr_epoch *epoch(uint32_t number)
{
    struct tr_epoch *made = calloc(1, sizeof(*made));

    made->number = number;
    return made;
}

static void walked(uint32_t number)
{
    for (uint32_t i = 0; i < mesh->lcores; i++)
        mesh->peers[i].epoch_walked = mesh->peers[i].epoch_oldest = number;
}

static void an_epoch_stays_until_nobody_needs_it(void **state)
{
    assert_int_equal(tr_mesh_epoch_publish(mesh, epoch(1)), 0);
    walked(1);
    assert_int_equal(tr_mesh_epoch_publish(mesh, epoch(2)), 0);
    tr_mesh_epochs_reap(mesh);
    assert_non_null(mesh->epochs[1]);
    walked(2);
    mesh->peers[1].epoch_oldest = 1; // a trace is held under it
    tr_mesh_epochs_reap(mesh);
    assert_non_null(mesh->epochs[1]);
    walked(2);
    tr_mesh_epochs_reap(mesh);
    assert_null(mesh->epochs[1]);
    assert_non_null(mesh->epochs[2]);
}

static void a_config_too_many_is_refused(void **state)
{
    struct tr_epoch *one_more = epoch(TR_EPOCHS_LIVE_MAX + 1);

    for (uint32_t i = 1; i <= TR_EPOCHS_LIVE_MAX; i++)
        assert_int_equal(tr_mesh_epoch_publish(mesh, epoch(i)), 0);
    walked(1);
    assert_int_equal(tr_mesh_epoch_publish(mesh, one_more), -EAGAIN);
    walked(2);
    assert_int_equal(tr_mesh_epoch_publish(mesh, one_more), 0);
}

// Two threads that turn until told to end, and count under each other's nose.
static uint32_t finish;
static uint64_t turns[2];

static void *turn(void *number)
{
    uint32_t lcore = (uint32_t)(uintptr_t)number;

    while (!tr_load_acquire(&finish)) {
        turns[lcore]++;
        tr_mesh_park(mesh, lcore);
    }
    return NULL;
}

static void while_lcores_are_stopped_nothing_moves(void **state)
{
    pthread_t threads[2];

    finish = 0;
    for (uintptr_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, turn, (void *)i), 0);
    for (int i = 0; i < 200; i++) {
        uint64_t before[2];

        tr_mesh_stop(mesh);
        memcpy(before, turns, sizeof(before));
        for (int k = 0; k < 100; k++)
            assert_memory_equal(before, turns, sizeof(before));
        tr_mesh_resume(mesh);
    }
    tr_store_release(&finish, 1);
    for (uintptr_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_come_out_in_order_and_a_full_ring_takes_no_more),
        TEST(only_a_sleeper_is_woken_and_once),
        TEST(an_epoch_stays_until_nobody_needs_it),
        TEST(a_config_too_many_is_refused),
        TEST(while_lcores_are_stopped_nothing_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
