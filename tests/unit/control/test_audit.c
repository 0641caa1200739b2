// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control/audit.h"

static char said[8][512];
static size_t said_count;

static void note(void *context, const char *text)
{
    assert_true(said_count < TR_NELEMS(said));
    snprintf(said[said_count++], sizeof(said[0]), "%s", text);
}

static size_t check(const struct tr_audit *audit)
{
    said_count = 0;
    return tr_audit_check(audit, note, NULL);
}

// Books that add up, with a number other than 0 in every place.
static void balanced(struct tr_audit *audit)
{
    struct tr_backend_status status = {.committed_spans = 285, .queued_spans = 5};

    tr_audit_init(audit);
    audit->accepted_spans = 1000;
    audit->walked_spans = 990;
    audit->not_walked_spans = 10;
    audit->in_rings_spans = 4;
    audit->received_spans = 986;
    audit->kept_spans = 300;
    audit->held_spans = 36;
    audit->recounted_held_spans = 36;
    tr_audit_add(&audit->dropped, "no policy", 600);
    tr_audit_add(&audit->dropped, "noise", 40);
    tr_audit_add(&audit->evicted, "table", 10);
    audit->emits_sent_spans = 297;
    audit->emits_waiting_spans = 3;
    audit->emitted_spans = 290;
    audit->stale_spans = 2;
    audit->emits_in_rings_spans = 5;
    audit->outbox_spans = 285;
    audit->outbox_refused_spans = 5;
    status.counters = (struct tr_backend_counters){.delivered = 260,
                                                   .rejected = 10,
                                                   .dropped_overrun = 1,
                                                   .dropped_retries = 2,
                                                   .dropped_shutdown = 3,
                                                   .dropped_removed = 4};
    tr_audit_add_backend(audit, "tempo", &status);
}

static void test_balanced(void **state)
{
    struct tr_audit audit;

    balanced(&audit);
    assert_int_equal(check(&audit), 0);
    assert_true(tr_audit_backend_balanced(&audit.backends[0]));
    tr_audit_fini(&audit);
}

static void test_empty_is_balanced(void **state)
{
    struct tr_audit audit;

    tr_audit_init(&audit);
    assert_int_equal(check(&audit), 0);
    tr_audit_fini(&audit);
}

// Each number is in an identity: one off, either way, and the audit says so.
static void test_each_number_counts(void **state)
{
    static const size_t offsets[] = {
        offsetof(struct tr_audit, accepted_spans),       offsetof(struct tr_audit, walked_spans),
        offsetof(struct tr_audit, not_walked_spans),     offsetof(struct tr_audit, in_rings_spans),
        offsetof(struct tr_audit, received_spans),       offsetof(struct tr_audit, kept_spans),
        offsetof(struct tr_audit, held_spans),           offsetof(struct tr_audit, recounted_held_spans),
        offsetof(struct tr_audit, emits_sent_spans),     offsetof(struct tr_audit, emits_waiting_spans),
        offsetof(struct tr_audit, emitted_spans),        offsetof(struct tr_audit, stale_spans),
        offsetof(struct tr_audit, emits_in_rings_spans), offsetof(struct tr_audit, outbox_spans),
        offsetof(struct tr_audit, outbox_refused_spans),
    };

    for (size_t i = 0; i < TR_NELEMS(offsets); i++) {
        for (int by = -1; by <= 1; by += 2) {
            struct tr_audit audit;

            balanced(&audit);
            *(uint64_t *)((char *)&audit + offsets[i]) += (uint64_t)by;
            assert_true(check(&audit) >= 1);
            tr_audit_fini(&audit);
        }
    }
}

// Wherever a span can be under way, one there is enough; what nobody counted is not waited for.
static void test_settled(void **state)
{
    static const size_t offsets[] = {
        offsetof(struct tr_audit, not_walked_spans),     offsetof(struct tr_audit, in_rings_spans),
        offsetof(struct tr_audit, held_spans),           offsetof(struct tr_audit, emits_waiting_spans),
        offsetof(struct tr_audit, emits_in_rings_spans),
    };
    struct tr_audit audit;

    balanced(&audit);
    for (size_t i = 0; i < TR_NELEMS(offsets); i++)
        *(uint64_t *)((char *)&audit + offsets[i]) = 0;
    assert_false(tr_audit_settled(&audit)); // its backend has spans queued
    audit.backends[0].queued_spans = 0;
    assert_true(tr_audit_settled(&audit));
    for (size_t i = 0; i < TR_NELEMS(offsets); i++) {
        uint64_t *field = (uint64_t *)((char *)&audit + offsets[i]);

        *field = 1;
        assert_false(tr_audit_settled(&audit));
        *field = 0;
    }
    audit.emits_in_rings_spans = TR_AUDIT_UNKNOWN;
    assert_true(tr_audit_settled(&audit));
    tr_audit_fini(&audit);
}

static void test_explanation(void **state)
{
    struct tr_audit audit;

    balanced(&audit);
    tr_audit_add(&audit.dropped, "noise", 2);
    assert_int_equal(check(&audit), 1);
    assert_string_equal(
        said[0], "owner: received 986 is not kept 300 + dropped 642 + evicted 10 + held 36: 2 too many");
    audit.dropped.items[1].spans -= 9;
    assert_int_equal(check(&audit), 1);
    assert_string_equal(
        said[0], "owner: received 986 is not kept 300 + dropped 633 + evicted 10 + held 36: 7 missing");
    tr_audit_fini(&audit);
}

static void test_backend(void **state)
{
    struct tr_audit audit;

    balanced(&audit);
    audit.backends[0].queued_spans--;
    assert_int_equal(check(&audit), 1);
    assert_string_equal(said[0],
                        "backend tempo: routed 285 is not delivered 260 + rejected 10 + dropped 10 + "
                        "queued 4: 1 missing");
    assert_false(tr_audit_backend_balanced(&audit.backends[0]));
    audit.backends[0].queued_spans++;
    audit.backends[0].routed_bodies = 9;
    audit.backends[0].delivered_bodies = audit.backends[0].dropped_bodies = audit.backends[0].queued_bodies = 3;
    assert_int_equal(check(&audit), 0);
    audit.backends[0].queued_bodies = 2;
    assert_int_equal(check(&audit), 1);
    assert_string_equal(said[0], "backend tempo: bodies routed 9 is not delivered 3 + dropped 3 + queued 2: 1 missing");
    tr_audit_fini(&audit);
}

// What nobody counted is what is left, but never less than nothing.
static void test_unknown(void **state)
{
    struct tr_audit audit;
    json_t *json;

    balanced(&audit);
    audit.in_rings_spans = TR_AUDIT_UNKNOWN;
    audit.emits_in_rings_spans = TR_AUDIT_UNKNOWN;
    audit.emits_waiting_spans = TR_AUDIT_UNKNOWN;
    audit.recounted_held_spans = TR_AUDIT_UNKNOWN;
    assert_int_equal(check(&audit), 0);
    json = tr_audit_json(&audit);
    assert_int_equal(json_integer_value(json_object_get(json, "in_rings_spans")), 4);
    assert_int_equal(json_integer_value(json_object_get(json, "emits_in_rings_spans")), 5);
    assert_int_equal(json_integer_value(json_object_get(json, "emits_waiting_spans")), 3);
    json_decref(json);
    audit.walked_spans = 985;
    audit.not_walked_spans = 15;
    assert_int_equal(check(&audit), 1);
    assert_string_equal(said[0],
                        "rings: walked 985 is not received 986 + in rings: 1 too many even without what "
                        "was not counted");
    tr_audit_fini(&audit);
}

static void test_json(void **state)
{
    static const char *const integers[] = {"accepted_spans", "not_walked_spans", "in_rings_spans",
                                           "held_spans", "kept_spans"};
    static const char *const objects[] = {"dropped_spans", "evicted_spans", "decided_early_spans",
                                          "rejected_spans"};
    struct tr_audit audit;
    json_t *json, *backend;

    balanced(&audit);
    tr_audit_add(&audit.rejected, "malformed", 9);
    json = tr_audit_json(&audit);
    for (size_t i = 0; i < TR_NELEMS(integers); i++)
        assert_true(json_is_integer(json_object_get(json, integers[i])));
    for (size_t i = 0; i < TR_NELEMS(objects); i++)
        assert_true(json_is_object(json_object_get(json, objects[i])));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "dropped_spans"), "noise")),
                     40);
    assert_true(json_is_true(json_object_get(json, "balanced")));
    assert_int_equal(json_array_size(json_object_get(json, "failures")), 0);
    backend = json_array_get(json_object_get(json, "backends"), 0);
    assert_string_equal(json_string_value(json_object_get(backend, "name")), "tempo");
    assert_int_equal(json_integer_value(json_object_get(backend, "routed_spans")), 285);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(backend, "dropped_spans"), "removed")), 4);
    assert_true(json_is_true(json_object_get(backend, "balanced")));
    json_decref(json);
    audit.kept_spans++;
    json = tr_audit_json(&audit);
    assert_true(json_is_false(json_object_get(json, "balanced")));
    assert_int_equal(json_array_size(json_object_get(json, "failures")), 2);
    json_decref(json);
    tr_audit_fini(&audit);
}

// Two owners' rows are the sum of both, and what they counted themselves is no longer unknown.
static void test_add_owner(void **state)
{
    const struct tr_owner_counters first = {
        .received = 10, .kept = 4, .dropped = 5, .held = 1, .early_table = 2};
    const struct tr_owner_counters second = {
        .received = 7, .kept = 3, .evicted = 4, .late_kept = 1, .emits_sent = 5, .emits_waiting = 2};
    struct tr_audit audit;

    tr_audit_init(&audit);
    tr_audit_add_owner(&audit, &first);
    tr_audit_add_owner(&audit, &second);
    assert_int_equal(audit.received_spans, 17);
    assert_int_equal(audit.kept_spans, 7);
    assert_int_equal(audit.held_spans, 1);
    assert_int_equal(tr_audit_sum(&audit.dropped), 5);
    assert_int_equal(tr_audit_sum(&audit.evicted), 4);
    assert_int_equal(tr_audit_sum(&audit.decided_early), 2);
    assert_int_equal(tr_audit_sum(&audit.late), 1);
    assert_int_equal(audit.emits_waiting_spans, 2);
    assert_int_equal(audit.emits_sent_spans, 5);
    tr_audit_fini(&audit);
}

static void test_add_sums_by_name(void **state)
{
    struct tr_audit audit;

    tr_audit_init(&audit);
    tr_audit_add(&audit.evicted, "a", 1);
    tr_audit_add(&audit.evicted, "b", 2);
    tr_audit_add(&audit.evicted, "a", 4);
    assert_int_equal(audit.evicted.count, 2);
    assert_int_equal(audit.evicted.items[0].spans, 5);
    assert_int_equal(tr_audit_sum(&audit.evicted), 7);
    tr_audit_fini(&audit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balanced),
        cmocka_unit_test(test_empty_is_balanced),
        cmocka_unit_test(test_each_number_counts),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_explanation),
        cmocka_unit_test(test_backend),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_add_sums_by_name),
        cmocka_unit_test(test_add_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
