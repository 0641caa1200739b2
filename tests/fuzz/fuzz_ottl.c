// SPDX-License-Identifier: Apache-2.0
// OTTL conditions over spans: a text up to the first zero byte, then a span. Any text is compiled or refused with a
// position; what compiles runs on any span that the walk takes, and says what was promised where none of its keys is
// there, and where its guards are asked.
#include "fuzz.h"

#include "base/pb.h"
#include "otlp/walk.h"
#include "policy/ottl.h"

static struct tr_walk_notes notes;
static struct tr_ottl *guarded; // the same condition, with its guards
static uint32_t classes;
static bool spans; // it is one of spans

// One key of each name: the walk's table has no two alike.
static uint32_t keys_watch(const struct tr_ottl *program, struct tr_walk_key *watched, uint16_t *slots)
{
    uint32_t count, span = 0;
    const struct tr_ottl_key *keys = tr_ottl_keys(program, &count);

    for (uint32_t i = 0; i < count; i++) {
        slots[i] = (uint16_t)i; // of a resource or a scope: never there
        if (keys[i].place == TR_OTTL_KEY_SPAN)
            watched[span++] =
                (struct tr_walk_key){.name = keys[i].name, .bytes = keys[i].bytes, .note = i + 1};
    }
    return span;
}

// Do the guards leave the span?
static bool guards_hold(const struct tr_walk_span *span, const struct tr_walk_notes *taken, const uint16_t *slots)
{
    uint32_t count, kind = TR_MIN((uint32_t)span->kind, TR_WALK_KINDS);
    uint32_t status = TR_MIN((uint32_t)span->status_code, TR_WALK_STATUSES);
    uint32_t class = 1u << kind | 1u << (TR_WALK_STATUS_FIRST + status) |
                     (span->root ? TR_WALK_CLASS_ROOT : TR_WALK_CLASS_CHILD) |
                     (span->event ? TR_WALK_CLASS_EVENTS : TR_WALK_CLASS_EVENTLESS);
    const struct tr_ottl_key *keys = tr_ottl_keys(guarded, &count);

    if (class & ~classes)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        bool there = taken->have[slots[i] / 64] >> slots[i] % 64 & 1;

        if ((keys[i].required || keys[i].guard) && !there)
            return false;
        if (keys[i].guard && !tr_ottl_guard_holds(guarded, &taken->values[slots[i]]))
            return false;
    }
    return true;
}

static bool run(const void *argument, const struct tr_walk_span *span, const struct tr_walk_notes *taken,
                const uint16_t *slots)
{
    const struct tr_ottl *program = argument;
    enum tr_ottl_answer answer;
    uint32_t bytes = 0;
    const uint8_t *event = span->event ? tr_pb_length(span->event, span->end, &bytes) : (const uint8_t *)"";
    uint64_t any = 0;

    answer = tr_ottl_run(program, span, taken, slots, event, bytes);
    tr_assert(answer <= TR_OTTL_ERROR);
    tr_assert(answer == tr_ottl_run(program, span, taken, slots, event, bytes));
    if (!guards_hold(span, taken, slots))
        tr_assert(answer != TR_OTTL_YES || (!spans && !span->event)); // without an event it would not be asked
    else if (spans)
        tr_assert((tr_ottl_run_guarded(guarded, span, taken, slots) == TR_OTTL_YES) == (answer == TR_OTTL_YES));
    for (uint32_t i = 0; i < TR_WALK_SLOT_WORDS; i++)
        any |= taken->have[i];
    tr_assert(any || tr_ottl_absent(program) == TR_OTTL_RUN || tr_ottl_absent(program) == answer);
    return answer == TR_OTTL_YES;
}

static void span_walk(const struct tr_ottl *program, const uint8_t *span, uint32_t bytes)
{
    static const struct tr_context context; // nothing in the resource and the scope
    struct tr_walk_key keys[TR_OTTL_KEYS_MAX];
    uint16_t slots[TR_OTTL_KEYS_MAX];
    struct tr_walk_program runs = {.run = run, .argument = program, .slots = slots, .absent = TR_WALK_ABSENT_RUN, .classes = TR_WALK_CLASSES};
    static const struct tr_walk_test no_tests[1];
    struct tr_walk_plan plan = {
        .words = 1, .looks = true, .ready = 1, .tests = no_tests, .programs = &runs, .programs_count = 1, .programs_span = 1,
        .slot_words = 1, .span_slot_words = 1};
    struct tr_walk_span walked;
    struct tr_bits bits = {{0}};

    tr_walk_programs_build(&plan);
    plan.span = (struct tr_walk_keys){.keys = keys, .count = keys_watch(program, keys, slots)};
    tr_assert(tr_walk_keys_build(&plan.span) == 0);
    tr_walk_resource(&plan, 0, &context, span, &notes, &bits);
    tr_walk_span(&plan, 0, span, bytes, &notes, &walked, &bits);
    tr_walk_keys_free(&plan.span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *zero = memchr(data, 0, bytes);
    size_t length = zero ? (size_t)(zero - data) : bytes;
    char *text = malloc(length + 1);

    memcpy(text, data, length);
    text[length] = 0;
    for (int context = TR_OTTL_SPAN; context <= TR_OTTL_SPAN_EVENT; context++) {
        struct tr_error error = {""};
        struct tr_ottl *program;

        if (tr_ottl_compile(text, context, 1, &program, &error) < 0) {
            tr_assert(error.text[0]);
            continue;
        }
        tr_assert(tr_ottl_compile(text, context, 1, &guarded, &error) == 0);
        classes = tr_ottl_guard(guarded);
        spans = context == TR_OTTL_SPAN;
        if (zero)
            span_walk(program, zero + 1, (uint32_t)(bytes - length - 1));
        tr_ottl_free(guarded);
        tr_ottl_free(program);
    }
    free(text);
    return 0;
}
