// SPDX-License-Identifier: Apache-2.0
// OTTL conditions: boolean expressions over a span, its resource, its scope, and one of its events, as the Collector's
// `ottl_condition` policy takes them. A text is parsed, checked and compiled to a small program for a stack of values;
// the walk runs it on the bytes of a span, without allocation.
//
// What comes out is what the Collector says of the same span. What is outside this subset is refused with its position
// in the text; docs/collector-compat.md lists it.
// Source: opentelemetry-collector-contrib pkg/ottl, LANGUAGE.md and the behaviour of version 0.161.
#ifndef TR_POLICY_OTTL_H
#define TR_POLICY_OTTL_H

#include "base/error.h"
#include "otlp/walk.h"

#define TR_OTTL_KEYS_MAX  64        // attributes that one condition looks at
#define TR_OTTL_MADE_MAX  (8 * 1024) // bytes of strings that one run may make; more is an error of that run

struct tr_ottl;

// What the paths without a context in front mean.
enum tr_ottl_context { TR_OTTL_SPAN, TR_OTTL_SPAN_EVENT };

// The Collector's error: it is no match, and under `error_mode: propagate` it ends the policy.
enum tr_ottl_answer { TR_OTTL_NO, TR_OTTL_YES, TR_OTTL_ERROR, TR_OTTL_RUN };

enum tr_ottl_place { TR_OTTL_KEY_SPAN, TR_OTTL_KEY_RESOURCE, TR_OTTL_KEY_SCOPE };

struct tr_ottl_key {
    enum tr_ottl_place place;
    const char *name; // of `bytes`, with a NUL behind
    uint32_t bytes;
    bool idle; // that it is there is alone no reason to run
    // Set by tr_ottl_guard().
    bool required; // the condition does not hold where it is absent
    bool guard;    // nor where tr_ottl_guard_holds() says false of its value; of one key at most
};

// Compile a condition.
//
// lcores  that will run it
//
// Returns 0 and *program, to be freed; -EINVAL: error says where in the text and why; -ENOMEM.
// Thread: control.
int tr_ottl_compile(const char *text, enum tr_ottl_context context, uint32_t lcores, struct tr_ottl **program,
                    struct tr_error *error);
void tr_ottl_free(struct tr_ottl *program);

// The attributes of spans, resources and scopes that it looks at. Those of an event are not among them.
const struct tr_ottl_key *tr_ottl_keys(const struct tr_ottl *program, uint32_t *count);

// Its answer where none of its keys is there, or TR_OTTL_RUN: other things matter too.
enum tr_ottl_answer tr_ottl_absent(const struct tr_ottl *program);

// The classes of spans (TR_WALK_CLASS_*) for which it can hold, which of its keys must be there, and the value of which one
// tells more. To be used only where an error of the condition is no match and nothing else.
uint32_t tr_ottl_guard(struct tr_ottl *program);
bool tr_ottl_guard_holds(const struct tr_ottl *program, const struct tr_value *value);

// Does it look at the resource and the scope alone?
bool tr_ottl_context_only(const struct tr_ottl *program);

// Run on a span, on the lcore of `notes`.
//
// span   NULL where tr_ottl_context_only()
// slots  of its keys in `notes`
// event  the Event message of event_bytes, for TR_OTTL_SPAN_EVENT
// Cost: some 10 ns a comparison.
enum tr_ottl_answer tr_ottl_run(const struct tr_ottl *program, const struct tr_walk_span *span,
                                const struct tr_walk_notes *notes, const uint16_t *slots, const uint8_t *event,
                                uint32_t event_bytes);

// The same for a condition of spans, on a span of its classes whose value of the key with a guard holds: what is known by
// that is not asked again.
enum tr_ottl_answer tr_ottl_run_guarded(const struct tr_ottl *program, const struct tr_walk_span *span,
                                        const struct tr_walk_notes *notes, const uint16_t *slots);

#endif
