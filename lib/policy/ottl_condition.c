// SPDX-License-Identifier: Apache-2.0
// One of some OTTL conditions holds for a span, or for an event of it.
//
// An error of a condition is no match. Under `propagate` it also ends the list for that span, as in the Collector; there
// the trace is then lost to this policy unless a span that came before has matched, while here one that matches is
// enough, whenever it comes.
#include "policy/predicate_ottl.h"
#include "policy/types.h"

#define PATH_MAX_BYTES 160

static const char *const lists[] = {"span", "spanevent"};

// The conditions of both lists. Returns how many.
static uint32_t texts_make(const struct tr_ottl_condition_options *o, const char *path, struct tr_ottl_text *texts,
                           char (*paths)[PATH_MAX_BYTES])
{
    const struct tr_strings *const of[] = {&o->span, &o->spanevent};
    uint32_t count = 0;

    for (int list = 0; list < 2; list++)
        for (size_t i = 0; i < of[list]->count; i++, count++) {
            snprintf(paths[count], PATH_MAX_BYTES, "%s.ottl_condition.%s[%zu]", path, lists[list], i);
            texts[count] = (struct tr_ottl_text){.text = of[list]->items[i],
                                                 .context = list ? TR_OTTL_SPAN_EVENT : TR_OTTL_SPAN,
                                                 .path = paths[count]};
        }
    return count;
}

// Under `propagate` they are one predicate, else each is one of its own, which policies share.
static int predicates_make(struct tr_policy *policy, const struct tr_policy_place *place,
                           const struct tr_ottl_text *texts, uint32_t count, bool propagate, struct tr_error *error)
{
    // A negation of an error is one too, and keeps nothing.
    enum tr_ottl_errors errors = !propagate                         ? TR_OTTL_ERRORS_IGNORE
                                 : place->place == TR_POLICY_IN_NOT ? TR_OTTL_ERRORS_HOLD
                                                                    : TR_OTTL_ERRORS_STOP;
    uint32_t each = propagate ? count : 1;
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < count; i += each) {
        int number = tr_predicate_ottl(place->predicates, texts + i, each, errors, error);

        rc = number == -EINVAL ? number : tr_policy_any_add(policy, place, number, error);
    }
    return rc;
}

static int compile(struct tr_policy *policy, const struct tr_policy_options *options,
                   const struct tr_policy_place *place, struct tr_error *error)
{
    const struct tr_ottl_condition_options *o = options->ottl_condition;
    const char *mode = o && o->error_mode ? o->error_mode : "silent";
    size_t room = o ? o->span.count + o->spanevent.count : 0;
    struct tr_ottl_text *texts;
    char(*paths)[PATH_MAX_BYTES];
    int rc = -ENOMEM;

    if (!room)
        return tr_error_set(error, EINVAL, "%s.ottl_condition: needs a condition in span or spanevent", place->path);
    if (strcasecmp(mode, "ignore") != 0 && strcasecmp(mode, "silent") != 0 && strcasecmp(mode, "propagate") != 0)
        return tr_error_set(error, EINVAL, "%s.ottl_condition.error_mode: %s is none of ignore, silent, propagate",
                            place->path, mode);
    texts = calloc(room, sizeof(*texts));
    paths = calloc(room, sizeof(*paths));
    if (texts && paths)
        rc = predicates_make(policy, place, texts, texts_make(o, place->path, texts, paths),
                             strcasecmp(mode, "propagate") == 0, error);
    else
        tr_error_set(error, ENOMEM, "%s: no memory", place->path);
    free(texts);
    free(paths);
    return rc;
}

const struct tr_policy_type tr_policy_ottl_condition = {"ottl_condition", TR_POLICY_ANYWHERE, compile,
                                                        tr_policy_any_decide, tr_policy_any_certain};
