// SPDX-License-Identifier: Apache-2.0
// The study on notes made up here: what it finds in them, what it does not, and that its bounds hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "control/study.h"

#define WAIT (10 * TR_S)

struct bed {
    struct tr_study *study;
    uint64_t now;
    uint64_t traces; // made so far
    uint64_t offset; // of the spans' clock
    size_t findings;
    struct tr_finding finding[8];
};

static const struct tr_study_options usual = {
    .spans_max = 4096, .services_max = 20, .pairs_max = 20, .wait_ns = WAIT, .window_ns = 3600 * TR_S, .rate = 1000000};

static void bed_init(struct bed *bed, const struct tr_study_options *options)
{
    struct tr_error error;

    memset(bed, 0, sizeof(*bed));
    bed->now = TR_S;
    assert_int_equal(tr_study_create(&bed->study, options, bed->now, &error), 0);
    bed->now += options->wait_ns; // the blind time
    bed->offset = 1700000000 * TR_S;
}

static void pass(struct bed *bed, uint64_t ns)
{
    for (uint64_t end = bed->now + ns; bed->now < end;) {
        bed->now = TR_MIN(end, bed->now + 100 * TR_MS);
        tr_study_poll(bed->study, bed->now);
    }
}

static void judge(struct bed *bed)
{
    pass(bed, 2 * WAIT);
}

static void on_finding(void *to, const struct tr_finding *finding)
{
    struct bed *bed = to;

    if (bed->findings < TR_NELEMS(bed->finding))
        bed->finding[bed->findings] = *finding;
    bed->findings++;
}

static size_t find(struct bed *bed)
{
    bed->findings = 0;
    tr_study_findings(bed->study, bed->now, on_finding, bed);
    return bed->findings;
}

struct span {
    uint64_t trace, id, parent;
    const char *service, *scope, *place;
    enum tr_span_kind kind;
    enum tr_contact place_kind; // HTTP if there is a place
    uint8_t flags;
    uint64_t start_ms, end_ms; // of the bed's now
};

static struct tr_study_note note_of(const struct bed *bed, const struct span *span)
{
    struct tr_study_note note = {.span_id = span->id,
                                 .parent_id = span->parent,
                                 .start_ns = bed->offset + bed->now + span->start_ms * TR_MS,
                                 .end_ns = bed->offset + bed->now + span->end_ms * TR_MS,
                                 .kind = (uint8_t)span->kind,
                                 .flags = span->flags | (span->parent ? 0 : TR_STUDY_ROOT),
                                 .service_bytes = (uint8_t)strlen(span->service)};

    memcpy(note.trace_id, &span->trace, 8);
    memcpy(note.service, span->service, note.service_bytes);
    if (span->scope) {
        note.scope_bytes = (uint8_t)strlen(span->scope);
        memcpy(note.scope, span->scope, note.scope_bytes);
    }
    if (span->place) {
        note.contact_kind = span->place_kind ? (uint8_t)span->place_kind : TR_CONTACT_HTTP;
        note.contact_bytes = (uint8_t)strlen(span->place);
        memcpy(note.contact, span->place, note.contact_bytes);
    }
    return note;
}

static void put(struct bed *bed, struct span span)
{
    struct tr_study_note note = note_of(bed, &span);

    tr_study_input(bed->study, &note, bed->now);
}
#define PUT(bed, ...) put(bed, (struct span){__VA_ARGS__})

static const struct tr_study_service *service(const struct bed *bed, const char *name)
{
    const struct tr_study_rows *rows = &tr_study_tables(bed->study)->services;

    for (uint32_t i = 0; i < rows->count; i++)
        if (strcmp(TR_STUDY_ROW(service, rows, i)->name, name) == 0)
            return TR_STUDY_ROW(service, rows, i);
    fail_msg("no service %s", name);
    return NULL;
}

// front, as a server, calls `called` at `place`; ids 1 and 2 are taken.
static uint64_t call(struct bed *bed, const char *place, uint64_t start_ms, uint64_t end_ms)
{
    uint64_t trace = ++bed->traces;

    PUT(bed, .trace = trace, .id = 1, .service = "front", .kind = TR_SPAN_KIND_SERVER, .place = "front:80",
        .start_ms = start_ms, .end_ms = end_ms + 1);
    PUT(bed, .trace = trace, .id = 2, .parent = 1, .service = "front", .kind = TR_SPAN_KIND_CLIENT, .place = place,
        .start_ms = start_ms, .end_ms = end_ms);
    return trace;
}

static void a_healthy_pair_is_joined_and_nothing_is_found(void **state)
{
    const struct tr_study_tables *tables;
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 50; i++) {
        uint64_t trace = call(&bed, "back:8080", 0, 10);

        PUT(&bed, .trace = trace, .id = 3, .parent = 2, .service = "back", .kind = TR_SPAN_KIND_SERVER,
            .place = "back:8080", .start_ms = 2, .end_ms = 8);
        PUT(&bed, .trace = trace, .id = 4, .parent = 3, .service = "back", .kind = TR_SPAN_KIND_INTERNAL, .start_ms = 3,
            .end_ms = 7);
        pass(&bed, 20 * TR_MS);
    }
    judge(&bed);
    assert_int_equal(find(&bed), 0);
    tables = tr_study_tables(bed.study);
    assert_int_equal(tables->pairs.count, 2);
    assert_int_equal(tr_study_counted(&TR_STUDY_ROW(pair, &tables->pairs, 1)->joined), 50);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->entries), 50);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->spans), 100);
    assert_int_equal(tr_study_counted(&service(&bed, "front")->roots), 50);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->roots), 0);
    assert_int_equal(tr_study_counters(bed.study)->judged, 50);
    assert_int_equal(tr_study_counters(bed.study)->open, 0);
    tr_study_destroy(bed.study);
}

// `kind`: of the spans with which back begins its traces, `ms` after the call.
static void lose(struct bed *bed, const char *place, enum tr_span_kind kind, const char *scope, uint64_t ms)
{
    for (int i = 0; i < 60; i++) {
        call(bed, "back:8080", 0, 10);
        PUT(bed, .trace = ++bed->traces, .id = 9, .service = "back", .scope = scope, .kind = kind, .place = place,
            .start_ms = ms, .end_ms = ms + 6);
        pass(bed, 100 * TR_MS + tr_mix64((uint64_t)i) % 100 * TR_MS);
    }
    judge(bed);
}

static void stripped_headers_are_found_by_place_and_time(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    lose(&bed, "back:8080", TR_SPAN_KIND_SERVER, NULL, 2);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_LOST_CONTEXT);
    assert_int_equal(bed.finding[0].sure, TR_SURE_CERTAIN);
    assert_string_equal(bed.finding[0].caller, "front");
    assert_string_equal(bed.finding[0].service, "back");
    assert_string_equal(bed.finding[0].contact, "back:8080");
    assert_int_equal(bed.finding[0].count, 60);
    tr_study_destroy(bed.study);
}

static void by_place_alone_it_is_only_likely(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    lose(&bed, "back:8080", TR_SPAN_KIND_SERVER, NULL, 50); // clocks that differ
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_LOST_CONTEXT);
    assert_int_equal(bed.finding[0].sure, TR_SURE_LIKELY);
    tr_study_destroy(bed.study);
}

// An ingress: many services are called by its name, and get calls from outside, too.
static void a_place_of_many_names_nobody(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 60; i++)
        PUT(&bed, .trace = ++bed.traces, .id = 9, .service = "other", .kind = TR_SPAN_KIND_SERVER, .place = "back:8080",
            .end_ms = 6);
    lose(&bed, "back:8080", TR_SPAN_KIND_SERVER, NULL, 50);
    assert_int_equal(find(&bed), 0);
    tr_study_destroy(bed.study);
}

static void nor_does_one_that_every_machine_has(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 60; i++) {
        call(&bed, "127.0.0.1:8080", 0, 10);
        PUT(&bed, .trace = ++bed.traces, .id = 9, .service = "back", .kind = TR_SPAN_KIND_SERVER,
            .place = "127.0.0.1:8080", .start_ms = 50, .end_ms = 60);
        pass(&bed, 100 * TR_MS + tr_mix64((uint64_t)i) % 100 * TR_MS);
    }
    judge(&bed);
    assert_int_equal(find(&bed), 0);
    tr_study_destroy(bed.study);
}

// Calls out of the house, by a name that a service of ours has as well: it begins far fewer traces than that.
static void nor_do_counts_that_do_not_fit(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 200; i++)
        call(&bed, "back:8080", 0, 10);
    lose(&bed, "back:8080", TR_SPAN_KIND_SERVER, NULL, 50);
    assert_int_equal(find(&bed), 0);
    tr_study_destroy(bed.study);
}

static void by_time_alone_too(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    lose(&bed, "10.0.0.7:80", TR_SPAN_KIND_SERVER, NULL, 2); // another name for the place
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_LOST_CONTEXT);
    assert_int_equal(bed.finding[0].sure, TR_SURE_LIKELY);
    assert_string_equal(bed.finding[0].caller, "front");
    assert_string_equal(bed.finding[0].service, "back");
    tr_study_destroy(bed.study);
}

static void a_second_caller_that_passes_the_context_on_is_not_accused(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 60; i++) {
        PUT(&bed, .trace = ++bed.traces, .id = 1, .service = "good", .kind = TR_SPAN_KIND_CLIENT, .place = "back:8080",
            .end_ms = 9);
        PUT(&bed, .trace = bed.traces, .id = 2, .parent = 1, .service = "back", .kind = TR_SPAN_KIND_SERVER,
            .place = "back:8080", .start_ms = 1, .end_ms = 8);
    }
    lose(&bed, "back:8080", TR_SPAN_KIND_SERVER, NULL, 2);
    assert_int_equal(find(&bed), 1);
    assert_string_equal(bed.finding[0].caller, "front");
    tr_study_destroy(bed.study);
}

static void a_service_without_entry_spans_is_found_by_time(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    lose(&bed, NULL, TR_SPAN_KIND_INTERNAL, "back.orders", 2);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_NO_ENTRY_SPANS);
    assert_string_equal(bed.finding[0].caller, "front");
    assert_string_equal(bed.finding[0].service, "back");
    assert_non_null(strstr(bed.finding[0].text, "100 % of the traces"));
    assert_non_null(strstr(bed.finding[0].text, "no library of it is instrumented"));
    tr_study_destroy(bed.study);
}

static void or_by_its_name(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    lose(&bed, NULL, TR_SPAN_KIND_INTERNAL, "opentelemetry.instrumentation.redis", 50);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_NO_ENTRY_SPANS);
    assert_non_null(strstr(bed.finding[0].text, "back is the host of 60 calls"));
    assert_non_null(strstr(bed.finding[0].text, "its server instrumentation is missing"));
    tr_study_destroy(bed.study);
}

// A worker that begins its own traces beside calls out of the house that fill two thirds of the time.
static void chance_is_no_finding(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (uint64_t i = 0; i < 400; i++) {
        uint64_t at = tr_mix64(i) % 190;

        call(&bed, "api.example.com", 0, 140);
        PUT(&bed, .trace = ++bed.traces, .id = 9, .service = "worker", .scope = "worker.jobs",
            .kind = TR_SPAN_KIND_INTERNAL, .start_ms = at, .end_ms = at + 5);
        pass(&bed, 200 * TR_MS);
    }
    judge(&bed);
    assert_int_equal(find(&bed), 0);
    assert_true(tr_study_counted(&service(&bed, "worker")->roots_tested) > 300);
    tr_study_destroy(bed.study);
}

static void consumers_that_link_are_healthy(void **state)
{
    struct bed bed;

    for (unsigned links = 0; links < 2; links++) {
        bed_init(&bed, &usual);
        for (int i = 0; i < 20; i++) {
            PUT(&bed, .trace = ++bed.traces, .id = 1, .service = "front", .kind = TR_SPAN_KIND_PRODUCER,
                .place = "orders", .place_kind = TR_CONTACT_MESSAGING, .end_ms = 1);
            PUT(&bed, .trace = ++bed.traces, .id = 1, .service = "back", .kind = TR_SPAN_KIND_CONSUMER,
                .place = "orders", .place_kind = TR_CONTACT_MESSAGING, .flags = links ? TR_STUDY_LINKS : 0,
                .start_ms = 50, .end_ms = 60);
        }
        judge(&bed);
        assert_int_equal(find(&bed), !links);
        assert_true(links || bed.finding[0].kind == TR_FINDING_LOST_CONTEXT);
        tr_study_destroy(bed.study);
    }
}

static void a_parent_of_nobody(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 20; i++)
        PUT(&bed, .trace = ++bed.traces, .id = 3, .parent = 77, .service = "back", .kind = TR_SPAN_KIND_SERVER,
            .place = "back:8080", .flags = TR_STUDY_REMOTE, .end_ms = 5);
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_PARENT_MISSING);
    assert_int_equal(bed.finding[0].sure, TR_SURE_CERTAIN);
    assert_string_equal(bed.finding[0].caller, "");
    assert_int_equal(bed.finding[0].count, 20);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->rootless), 20);
    tr_study_destroy(bed.study);
}

static void a_span_in_between_that_never_came(void **state)
{
    const struct tr_study_tables *tables;
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 20; i++) {
        uint64_t trace = call(&bed, "back:8080", 0, 10);

        PUT(&bed, .trace = trace, .id = 3, .parent = 77, .service = "back", .kind = TR_SPAN_KIND_SERVER,
            .place = "mesh:15001", .start_ms = 2, .end_ms = 8);
    }
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_PARENT_MISSING);
    assert_string_equal(bed.finding[0].caller, "front");
    tables = tr_study_tables(bed.study);
    assert_int_equal(tables->pairs.count, 2);
    assert_int_equal(tr_study_counted(&TR_STUDY_ROW(pair, &tables->pairs, 1)->orphans), 20);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->rootless), 0);
    tr_study_destroy(bed.study);
}

static void spans_that_a_process_loses(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (int i = 0; i < 20; i++) {
        PUT(&bed, .trace = ++bed.traces, .id = 1, .service = "front", .kind = TR_SPAN_KIND_SERVER, .end_ms = 9);
        PUT(&bed, .trace = bed.traces, .id = 3, .parent = 2, .service = "front", .kind = TR_SPAN_KIND_CLIENT,
            .flags = TR_STUDY_LOCAL, .end_ms = 5);
    }
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_SPANS_LOST);
    assert_int_equal(tr_study_counted(&service(&bed, "front")->orphans_local), 20);
    tr_study_destroy(bed.study);
}

static void what_comes_after_all_is_taken_back(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (uint64_t i = 1; i <= 20; i++) {
        PUT(&bed, .trace = i, .id = 2, .parent = 1, .service = "back", .kind = TR_SPAN_KIND_SERVER, .end_ms = 9);
        PUT(&bed, .trace = i, .id = 3, .parent = 1, .service = "back", .kind = TR_SPAN_KIND_SERVER, .end_ms = 9);
    }
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->orphans), 40);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->rootless), 20);
    for (uint64_t i = 1; i <= 20; i++)
        PUT(&bed, .trace = i, .id = 1, .service = "front", .kind = TR_SPAN_KIND_CLIENT, .end_ms = 100);
    assert_int_equal(find(&bed), 0);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->orphans), 0);
    assert_int_equal(tr_study_counted(&service(&bed, "back")->rootless), 0);
    assert_int_equal(tr_study_counted(&service(&bed, "front")->late), 20);
    assert_int_equal(tr_study_counters(bed.study)->open, 0);
    tr_study_destroy(bed.study);
}

static void orphans_put(struct bed *bed, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        PUT(bed, .trace = ++bed->traces, .id = 2, .parent = 1, .service = "back", .kind = TR_SPAN_KIND_SERVER, .end_ms = 9);
}

static uint64_t outcomes(const struct bed *bed, enum tr_study_outcome outcome)
{
    return tr_study_counted(&tr_study_tables(bed->study)->outcomes[outcome]);
}

static void who_may_have_begun_before_is_not_judged(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    bed.now -= WAIT; // it has just begun
    orphans_put(&bed, 20);
    judge(&bed);
    assert_int_equal(find(&bed), 0);
    assert_int_equal(tr_study_counters(bed.study)->voided, 20);
    assert_int_equal(tr_study_counters(bed.study)->judged, 0);
    assert_int_equal(outcomes(&bed, TR_STUDY_STARTED), 20);
    tr_study_destroy(bed.study);
}

static void a_lost_note_voids_what_is_open(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    orphans_put(&bed, 20);
    tr_study_lost(bed.study, 1, bed.now);
    orphans_put(&bed, 20); // nor is judged what may have lost it
    judge(&bed);
    assert_int_equal(find(&bed), 0);
    assert_int_equal(tr_study_counters(bed.study)->voided, 40);
    assert_int_equal(outcomes(&bed, TR_STUDY_NO_ROOM) + outcomes(&bed, TR_STUDY_SHARE), 40);
    assert_true(outcomes(&bed, TR_STUDY_NO_ROOM) > 0);
    assert_int_equal(tr_study_counters(bed.study)->lost, 1);
    while (tr_study_one_in(bed.study) > 1)
        pass(&bed, TR_S); // loss has made the share smaller; calm makes it larger again
    pass(&bed, WAIT);
    orphans_put(&bed, 20);
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    tr_study_destroy(bed.study);
}

static void many_spans_are_studied_in_part_and_estimated(void **state)
{
    struct tr_study_options options = usual;
    uint64_t estimate, noted = 0;
    struct bed bed;

    options.rate = 200;
    bed_init(&bed, &options);
    for (int i = 0; i < 300; i++) { // 2000 spans a second, of which the lcores note what the mask says
        for (int k = 0; k < 200; k++) {
            uint64_t id[2] = {++bed.traces, 0};

            if (tr_hash_trace_id((const uint8_t *)id) & tr_study_mask(bed.study))
                continue;
            PUT(&bed, .trace = bed.traces, .id = 2, .parent = 1, .service = "back", .kind = TR_SPAN_KIND_SERVER, .end_ms = 9);
            noted++;
        }
        pass(&bed, 100 * TR_MS);
        if (i == 150) { // the share has settled
            assert_in_range(tr_study_one_in(bed.study), 8, 16);
            noted = 0;
            tr_study_destroy(bed.study);
            assert_int_equal(tr_study_create(&bed.study, &options, bed.now, &(struct tr_error){0}), 0);
        }
    }
    assert_in_range(tr_study_one_in(bed.study), 8, 16);
    judge(&bed);
    estimate = tr_study_counted(&service(&bed, "back")->orphans);
    // Those of the first second, too many, are void: 149 tenths less the blind ten seconds.
    assert_in_range(estimate, 8000, 11000);
    assert_true(noted < 30000);
    tr_study_destroy(bed.study);
}

static void a_giant_trace_costs_itself_only(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    for (uint64_t i = 0; i < 100000; i++)
        PUT(&bed, .trace = 1, .id = i + 2, .parent = 1, .service = "giant", .kind = TR_SPAN_KIND_INTERNAL);
    assert_int_equal(tr_study_counters(bed.study)->open, 0);
    assert_int_equal(tr_study_one_in(bed.study), 1);
    bed.traces = 10;
    orphans_put(&bed, 20);
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    assert_string_equal(bed.finding[0].service, "back");
    assert_int_equal(tr_study_counters(bed.study)->voided, 1);
    assert_int_equal(outcomes(&bed, TR_STUDY_TOO_LARGE), 1);
    assert_int_equal(outcomes(&bed, TR_STUDY_WHOLE), tr_study_counters(bed.study)->judged);
    pass(&bed, 2 * usual.window_ns);
    assert_int_equal(outcomes(&bed, TR_STUDY_TOO_LARGE) + outcomes(&bed, TR_STUDY_WHOLE), 0); // of lately only
    tr_study_destroy(bed.study);
}

static void more_open_spans_than_there_is_room_for(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    orphans_put(&bed, 20000);
    assert_true(tr_study_one_in(bed.study) >= 4);
    assert_true(tr_study_counters(bed.study)->open <= 4096);
    judge(&bed);
    assert_int_equal(tr_study_counters(bed.study)->open, 0);
    tr_study_destroy(bed.study);
}

static void rows_too_many_are_other(void **state)
{
    const struct tr_study_tables *tables;
    char name[16];
    struct bed bed;

    bed_init(&bed, &usual);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "service-%u", i);
        PUT(&bed, .trace = ++bed.traces, .id = 2, .parent = 1, .service = name, .kind = TR_SPAN_KIND_SERVER, .place = name);
    }
    judge(&bed);
    tables = tr_study_tables(bed.study);
    assert_int_equal(tables->services.count, 21);
    assert_int_equal(tables->pairs.count, 21);
    assert_int_equal(tr_study_counted(&service(&bed, "(other)")->orphans), 80);
    assert_true(tables->services.overflowed >= 80);
    find(&bed); // may say something of (other), and breaks on nothing
    tr_study_destroy(bed.study);
}

static void what_was_repaired_is_forgotten(void **state)
{
    struct tr_study_options options = usual;
    struct bed bed;

    options.window_ns = 60 * TR_S;
    bed_init(&bed, &options);
    orphans_put(&bed, 20);
    judge(&bed);
    assert_int_equal(find(&bed), 1);
    pass(&bed, 60 * TR_S);
    assert_int_equal(find(&bed), 1);
    pass(&bed, 60 * TR_S);
    assert_int_equal(find(&bed), 0);
    tr_study_destroy(bed.study);
}

static void work(struct bed *bed, unsigned n, bool redis)
{
    for (unsigned i = 0; i < n; i++) {
        PUT(bed, .trace = ++bed->traces, .id = 1, .service = "back", .scope = "opentelemetry.instrumentation.flask",
            .kind = TR_SPAN_KIND_SERVER, .end_ms = 9);
        if (redis && i % 4 == 0)
            PUT(bed, .trace = bed->traces, .id = 2, .parent = 1, .service = "back",
                .scope = "opentelemetry.instrumentation.redis", .kind = TR_SPAN_KIND_CLIENT, .end_ms = 5);
        pass(bed, 200 * TR_MS);
    }
}

static void a_scope_that_vanishes(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    work(&bed, 200, true);
    assert_int_equal(find(&bed), 0);
    work(&bed, 40, false); // 8 s: too short, and too few
    assert_int_equal(find(&bed), 0);
    work(&bed, 200, false);
    assert_int_equal(find(&bed), 1);
    assert_int_equal(bed.finding[0].kind, TR_FINDING_SCOPE_VANISHED);
    assert_string_equal(bed.finding[0].service, "back");
    assert_non_null(strstr(bed.finding[0].text, "opentelemetry.instrumentation.redis"));
    work(&bed, 4, true);
    assert_int_equal(find(&bed), 0);
    tr_study_destroy(bed.study);
}

static void a_scope_that_pauses_as_before(void **state)
{
    struct bed bed;

    bed_init(&bed, &usual);
    work(&bed, 200, true);
    work(&bed, 150, false); // half a minute
    work(&bed, 200, true);
    work(&bed, 400, false); // not yet three times as long
    assert_int_equal(find(&bed), 0);
    tr_study_destroy(bed.study);
}

static void libraries_are_known_by_their_names(void **state)
{
    assert_true(tr_scope_is_library("opentelemetry.instrumentation.flask"));
    assert_true(tr_scope_is_library("@opentelemetry/instrumentation-http"));
    assert_true(tr_scope_is_library("io.opentelemetry.tomcat-10.0"));
    assert_true(tr_scope_is_library("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"));
    assert_false(tr_scope_is_library("shop.orders"));
    assert_false(tr_scope_is_library(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_pair_is_joined_and_nothing_is_found),
        cmocka_unit_test(stripped_headers_are_found_by_place_and_time),
        cmocka_unit_test(by_place_alone_it_is_only_likely),
        cmocka_unit_test(a_place_of_many_names_nobody),
        cmocka_unit_test(nor_does_one_that_every_machine_has),
        cmocka_unit_test(nor_do_counts_that_do_not_fit),
        cmocka_unit_test(by_time_alone_too),
        cmocka_unit_test(a_second_caller_that_passes_the_context_on_is_not_accused),
        cmocka_unit_test(a_service_without_entry_spans_is_found_by_time),
        cmocka_unit_test(or_by_its_name),
        cmocka_unit_test(chance_is_no_finding),
        cmocka_unit_test(consumers_that_link_are_healthy),
        cmocka_unit_test(a_parent_of_nobody),
        cmocka_unit_test(a_span_in_between_that_never_came),
        cmocka_unit_test(spans_that_a_process_loses),
        cmocka_unit_test(what_comes_after_all_is_taken_back),
        cmocka_unit_test(who_may_have_begun_before_is_not_judged),
        cmocka_unit_test(a_lost_note_voids_what_is_open),
        cmocka_unit_test(many_spans_are_studied_in_part_and_estimated),
        cmocka_unit_test(a_giant_trace_costs_itself_only),
        cmocka_unit_test(more_open_spans_than_there_is_room_for),
        cmocka_unit_test(rows_too_many_are_other),
        cmocka_unit_test(what_was_repaired_is_forgotten),
        cmocka_unit_test(a_scope_that_vanishes),
        cmocka_unit_test(a_scope_that_pauses_as_before),
        cmocka_unit_test(libraries_are_known_by_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
