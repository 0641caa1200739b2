// SPDX-License-Identifier: Apache-2.0
// OTTL conditions as a predicate: one of them holds for the span, or for one of its events.
#include "policy/predicate_ottl.h"

#include "base/pb.h"

struct ottl {
    struct tr_predicate head;
    struct tr_ottl **programs; // those of spans, then those of events
    uint32_t count, spans;
    uint32_t span_keys; // of those of spans
    bool stop;          // an error ends it
    bool errs;          // and sets it
    uint32_t classes;   // of spans for which it can hold
};

static void clear(struct tr_predicate *predicate)
{
    struct ottl *ottl = (struct ottl *)predicate;

    for (uint32_t i = 0; i < ottl->count; i++)
        tr_ottl_free(ottl->programs[i]);
    free(ottl->programs);
}

static bool is_set(const struct ottl *ottl, enum tr_ottl_answer answer)
{
    return answer == TR_OTTL_YES || (answer == TR_OTTL_ERROR && ottl->errs);
}

// Conditions begin..end-1, whose slots begin at `slots`. Returns TR_OTTL_YES, _NO, or _ERROR: no more is to be asked.
static enum tr_ottl_answer programs_run(const struct ottl *ottl, uint32_t begin, uint32_t end,
                                        const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                                        const uint16_t *slots, const uint8_t *event, uint32_t event_bytes)
{
    for (uint32_t i = begin; i < end; i++) {
        enum tr_ottl_answer answer = tr_ottl_run(ottl->programs[i], span, notes, slots, event, event_bytes);
        uint32_t keys;

        if (answer == TR_OTTL_YES || (answer == TR_OTTL_ERROR && ottl->stop))
            return answer;
        tr_ottl_keys(ottl->programs[i], &keys);
        slots += keys;
    }
    return TR_OTTL_NO;
}

// The conditions of events, event by event.
static enum tr_ottl_answer events_run(const struct ottl *ottl, const struct tr_walk_span *span,
                                      const struct tr_walk_notes *notes, const uint16_t *slots)
{
    enum tr_ottl_answer answer = TR_OTTL_NO;
    struct tr_pb_field field;
    uint32_t bytes;
    const uint8_t *event = tr_pb_length(span->event, span->end, &bytes), *p = event;

    while (event && answer == TR_OTTL_NO) {
        answer = programs_run(ottl, ottl->spans, ottl->count, span, notes, slots, event, bytes);
        p = event + bytes;
        event = NULL;
        while (!event && p && p < span->end) {
            p = tr_pb_field(p, span->end, &field);
            if (p && field.number == 11 && field.wire == TR_PB_BYTES) {
                event = field.bytes;
                bytes = (uint32_t)field.value;
            }
        }
    }
    return answer;
}

static bool run(const void *predicate, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                const uint16_t *slots)
{
    const struct ottl *ottl = predicate;
    enum tr_ottl_answer answer = programs_run(ottl, 0, ottl->spans, span, notes, slots, NULL, 0);

    if (answer != TR_OTTL_NO || ottl->spans == ottl->count || !span->event)
        return is_set(ottl, answer);
    return is_set(ottl, events_run(ottl, span, notes, slots + ottl->span_keys));
}

// One condition of spans, as most predicates are.
static bool run_one(const void *predicate, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                    const uint16_t *slots)
{
    const struct ottl *ottl = predicate;

    return is_set(ottl, tr_ottl_run(ottl->programs[0], span, notes, slots, NULL, 0));
}

// The same where an error is no match.
static bool run_guarded(const void *predicate, const struct tr_walk_span *span, const struct tr_walk_notes *notes,
                        const uint16_t *slots)
{
    return tr_ottl_run_guarded(((const struct ottl *)predicate)->programs[0], span, notes, slots) == TR_OTTL_YES;
}

static bool guard(const void *predicate, const struct tr_value *value)
{
    return tr_ottl_guard_holds(((const struct ottl *)predicate)->programs[0], value);
}

// Its answer where no key is there.
static enum tr_walk_absent absent(const struct ottl *ottl)
{
    for (uint32_t i = 0; i < ottl->count; i++) {
        enum tr_ottl_answer answer = tr_ottl_absent(ottl->programs[i]);

        // A condition of events is never asked where there are none.
        if (answer == TR_OTTL_RUN || (answer == TR_OTTL_YES && i >= ottl->spans))
            return TR_WALK_ABSENT_RUN;
        if (answer == TR_OTTL_YES)
            return TR_WALK_ABSENT_YES;
        // Nor an error of one of them: it is not known whether there is an event.
        if (answer == TR_OTTL_ERROR && ottl->stop)
            return !ottl->errs ? TR_WALK_ABSENT_NO : i < ottl->spans ? TR_WALK_ABSENT_YES : TR_WALK_ABSENT_RUN;
    }
    return TR_WALK_ABSENT_NO;
}

static bool context_only(const struct tr_predicate *predicate)
{
    const struct ottl *ottl = (const struct ottl *)predicate;

    for (uint32_t i = 0; i < ottl->count; i++)
        if (!tr_ottl_context_only(ottl->programs[i]))
            return false;
    return true;
}

static const struct tr_ottl_key *key_of(const struct tr_predicate *predicate, uint32_t index)
{
    const struct ottl *ottl = (const struct ottl *)predicate;

    for (uint32_t i = 0; i < ottl->count; i++) {
        uint32_t count;
        const struct tr_ottl_key *keys = tr_ottl_keys(ottl->programs[i], &count);

        if (index < count)
            return &keys[index];
        index -= count;
    }
    return NULL;
}

static void program_make(const struct tr_predicate *predicate, struct tr_walk_program *program)
{
    const struct ottl *ottl = (const struct ottl *)predicate;
    const struct tr_ottl_key *key;

    if (ottl->count == 1 && ottl->spans == 1)
        program->run = ottl->stop || context_only(predicate) ? run_one : run_guarded;
    else
        program->run = run;
    for (uint32_t k = 0; (key = key_of(predicate, k)) != NULL; k++)
        if (key->guard)
            program->guard = guard;
    program->argument = ottl;
    program->absent = (uint8_t)absent(ottl);
    program->classes = ottl->classes;
}

static const struct tr_predicate_program program = {program_make, context_only, key_of};
static const struct tr_predicate_type type = {.name = "ottl", .clear = clear, .program = &program};

static char *detail_make(const struct tr_ottl_text *texts, uint32_t count,
                         enum tr_ottl_errors errors)
{
    static const char *const modes[] = {"ignore", "propagate", "propagate, set by an error"};
    struct tr_predicate_text text;

    if (!tr_predicate_text_open(&text))
        return NULL;
    fputs(modes[errors], text.file);
    for (uint32_t i = 0; i < count; i++) {
        fputs(texts[i].context == TR_OTTL_SPAN ? " span " : " event ", text.file);
        tr_predicate_text_quote(&text, texts[i].text);
    }
    return tr_predicate_text_close(&text);
}

int tr_predicate_ottl(struct tr_predicates *predicates, const struct tr_ottl_text *texts, uint32_t count,
                      enum tr_ottl_errors errors, struct tr_error *error)
{
    char *detail = detail_make(texts, count, errors);
    struct ottl *made = detail ? tr_predicate_create(&type, sizeof(*made), NULL, 0, detail) : NULL;
    uint32_t keys;
    int rc = 0;

    free(detail);
    if (!made)
        return -ENOMEM;
    made->stop = errors != TR_OTTL_ERRORS_IGNORE;
    made->errs = errors == TR_OTTL_ERRORS_HOLD;
    made->programs = calloc(count, sizeof(*made->programs));
    if (!made->programs)
        rc = -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        rc = tr_ottl_compile(texts[i].text, texts[i].context, predicates->lcores, &made->programs[i], error);
        if (rc < 0) {
            tr_error_prefix(error, "%s", texts[i].path);
            break;
        }
        made->count++;
        if (texts[i].context != TR_OTTL_SPAN)
            continue;
        tr_ottl_keys(made->programs[i], &keys);
        made->span_keys += keys;
        made->spans++;
    }
    if (rc < 0) {
        tr_predicate_destroy(&made->head);
        return rc;
    }
    made->classes = count == 1 && !made->stop ? tr_ottl_guard(made->programs[0]) : TR_WALK_CLASSES;
    return tr_predicates_add(predicates, &made->head);
}
