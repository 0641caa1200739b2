// SPDX-License-Identifier: Apache-2.0
#include "policy/predicate_types.h"
#include "otlp/trace_state.h"
#include "policy/values.h"

struct trace_state {
    struct tr_predicate head;
    char *member;
    uint32_t member_bytes;
    struct tr_values values;
};

static bool test(const void *predicate, const struct tr_walk_span *span, const struct tr_bits *bits)
{
    const struct trace_state *state = predicate;
    const uint8_t *value;
    uint32_t bytes;

    bytes = tr_trace_state_find(span->trace_state, span->trace_state_bytes, state->member, state->member_bytes, &value);
    return bytes && tr_values_have(&state->values, value, bytes);
}

static void clear(struct tr_predicate *predicate)
{
    struct trace_state *state = (struct trace_state *)predicate;

    tr_values_clear(&state->values);
    free(state->member);
}

static const struct tr_predicate_type type = {.name = "trace_state", .span = test, .trace_state = true, .clear = clear};

static char *detail_make(const char *member, const struct tr_values *values)
{
    char *set = tr_values_text(values);
    struct tr_predicate_text text;

    if (!set || !tr_predicate_text_open(&text)) {
        free(set);
        return NULL;
    }
    tr_predicate_text_quote(&text, member);
    fprintf(text.file, " %s", set);
    free(set);
    return tr_predicate_text_close(&text);
}

int tr_predicate_trace_state(struct tr_predicates *predicates, const char *key, const char *const *values,
                             size_t count)
{
    struct tr_values set = {0};
    char *detail = tr_values_make(&set, values, count) == 0 ? detail_make(key, &set) : NULL;
    struct trace_state *made = detail ? tr_predicate_create(&type, sizeof(*made), NULL, 0, detail) : NULL;

    free(detail);
    if (!made) {
        tr_values_clear(&set);
        return -ENOMEM;
    }
    made->values = set;
    made->member = strdup(key);
    made->member_bytes = (uint32_t)strlen(key);
    if (!made->member) {
        tr_predicate_destroy(&made->head);
        return -ENOMEM;
    }
    return tr_predicates_add(predicates, &made->head);
}
