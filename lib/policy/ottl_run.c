// SPDX-License-Identifier: Apache-2.0
#include "policy/ottl_program.h"

// What is not there ends the walk down its path: nil, whatever keys come behind.
static const struct tr_ottl_code *absent(const struct tr_ottl_code *code)
{
    while (code[1].op == TR_OTTL_OP_INDEX)
        code++;
    return code;
}

// A map's member by name, an array's item by number. Everything else is an error.
static bool path_index(struct tr_ottl_value *top, const struct tr_ottl_value *key, const struct tr_ottl_code **code)
{
    struct tr_ottl_value found = {.type = TR_OTTL_NIL};

    if (top->type == TR_OTTL_MAP && key->type == TR_OTTL_STRING) {
        if (!tr_ottl_member(top, key->bytes, key->length, &found))
            *code = absent(*code);
    } else if (top->type == TR_OTTL_SLICE && key->type == TR_OTTL_INT) {
        if (!tr_ottl_item(top, key->integer, &found))
            return false;
    } else {
        return false;
    }
    *top = found;
    return true;
}

static bool item_index(struct tr_ottl_value *top, const struct tr_ottl_value *key)
{
    struct tr_ottl_value found;

    if (top->type != TR_OTTL_SPLIT || key->type != TR_OTTL_INT || !tr_ottl_item(top, key->integer, &found))
        return false;
    *top = found;
    return true;
}

static bool key_read(const struct tr_ottl_run *run, uint32_t key, struct tr_ottl_value *value)
{
    uint16_t slot = run->slots[key];

    *value = (struct tr_ottl_value){.type = TR_OTTL_NIL};
    if (!(run->notes->have[slot / 64] >> slot % 64 & 1))
        return false;
    *value = tr_ottl_value_of(&run->notes->values[slot]);
    return true;
}

static bool integers_test(int64_t a, int64_t b, enum tr_ottl_comparison how)
{
    switch (how) {
    case TR_OTTL_EQ:
        return a == b;
    case TR_OTTL_NE:
        return a != b;
    case TR_OTTL_LT:
        return a < b;
    case TR_OTTL_LE:
        return a <= b;
    case TR_OTTL_GT:
        return a > b;
    default:
        return a >= b;
    }
}

// Strings and integers at once, the rest as values.
bool tr_ottl_noted_test(const struct tr_value *noted, const struct tr_ottl_value *constant, enum tr_ottl_comparison how)
{
    struct tr_ottl_value value;

    if (noted->type == TR_VALUE_STRING && constant->type == TR_OTTL_STRING && how <= TR_OTTL_NE)
        return (noted->length == constant->length &&
                (!noted->length || memcmp(noted->bytes, constant->bytes, noted->length) == 0)) == (how == TR_OTTL_EQ);
    if (noted->type == TR_VALUE_INT && constant->type == TR_OTTL_INT)
        return integers_test(noted->integer, constant->integer, how);
    value = tr_ottl_value_of(noted);
    return tr_ottl_compare(&value, constant, how);
}

static bool key_test(const struct tr_ottl_run *run, uint32_t key, const struct tr_ottl_value *constant,
                     enum tr_ottl_comparison how)
{
    const struct tr_ottl_value nil = {.type = TR_OTTL_NIL};
    uint16_t slot = run->slots[key];

    if (run->notes->have[slot / 64] >> slot % 64 & 1)
        return tr_ottl_noted_test(&run->notes->values[slot], constant, how);
    return tr_ottl_compare(&nil, constant, how);
}

static bool field_test(struct tr_ottl_run *run, enum tr_ottl_field field, const struct tr_ottl_value *constant,
                       enum tr_ottl_comparison how)
{
    struct tr_ottl_value value;

    if (constant->type == TR_OTTL_INT && field == TR_OTTL_KIND)
        return integers_test(run->span->kind, constant->integer, how);
    if (constant->type == TR_OTTL_INT && field == TR_OTTL_STATUS_CODE)
        return integers_test(run->span->status_code, constant->integer, how);
    if (field == TR_OTTL_ELAPSED_NS || field == TR_OTTL_ELAPSED) {
        value = tr_ottl_field_read(run, field);
        if (constant->type == value.type)
            return integers_test(value.integer, constant->integer, how);
        return tr_ottl_compare(&value, constant, how);
    }
    if (constant->type == TR_OTTL_STRING && field == TR_OTTL_NAME && how <= TR_OTTL_NE &&
        constant->length != run->span->name_bytes)
        return how == TR_OTTL_NE;
    value = tr_ottl_field_read(run, field);
    return tr_ottl_compare(&value, constant, how);
}

static void push_bool(struct tr_ottl_value *to, bool value)
{
    to->type = TR_OTTL_BOOL;
    to->integer = value;
}

static bool event_key_read(struct tr_ottl_run *run, const struct tr_ottl_value *name, struct tr_ottl_value *value)
{
    const struct tr_ottl_value attributes = tr_ottl_field_read(run, TR_OTTL_EVENT_ATTRIBUTES);

    *value = (struct tr_ottl_value){.type = TR_OTTL_NIL};
    return tr_ottl_member(&attributes, name->bytes, name->length, value);
}

// Does the pattern match the top, as text? Nil matches nothing. Returns false: it can't be made text.
static bool pattern_match(struct tr_ottl_run *run, uint32_t pattern, struct tr_ottl_value *top)
{
    const uint64_t *matched;
    struct tr_ottl_value text = *top;

    if (top->type != TR_OTTL_STRING && !tr_ottl_to_string(run, top, &text))
        return false;
    push_bool(top, false);
    if (text.type == TR_OTTL_NIL)
        return true;
    matched = tr_match_ask(run->program->match, run->notes->lcore, text.bytes, text.length);
    top->integer = matched[pattern / 64] >> pattern % 64 & 1;
    return true;
}

enum tr_ottl_answer tr_ottl_execute(struct tr_ottl_run *run, uint32_t first)
{
    const struct tr_ottl *program = run->program;
    const struct tr_ottl_value *constants = program->constants;
    struct tr_ottl_value stack[TR_OTTL_STACK_MAX + 1], *top = stack, made; // stack[0] stays empty

    for (const struct tr_ottl_code *code = program->codes + first;; code++) {
        switch (code->op) {
        case TR_OTTL_OP_CONSTANT:
            *++top = constants[code->a];
            break;
        case TR_OTTL_OP_FIELD:
            *++top = tr_ottl_field_read(run, code->a);
            break;
        case TR_OTTL_OP_KEY:
            if (!key_read(run, code->a, ++top))
                code = absent(code);
            break;
        case TR_OTTL_OP_EVENT_KEY:
            if (!event_key_read(run, &constants[code->a], ++top))
                code = absent(code);
            break;
        case TR_OTTL_OP_TRACE_STATE:
            *++top = tr_ottl_trace_state_read(run->span, &constants[code->a]);
            break;
        case TR_OTTL_OP_INDEX:
            if (!path_index(top, &constants[code->a], &code))
                return TR_OTTL_ERROR;
            break;
        case TR_OTTL_OP_ITEM:
            if (!item_index(top, &constants[code->a]))
                return TR_OTTL_ERROR;
            break;
        case TR_OTTL_OP_MATH:
            if (!tr_ottl_math((char)code->n, top - 1, top, &made))
                return TR_OTTL_ERROR;
            *--top = made;
            break;
        case TR_OTTL_OP_NEGATE:
            if (!tr_ottl_negate(top, &made))
                return TR_OTTL_ERROR;
            *top = made;
            break;
        case TR_OTTL_OP_CALL:
            top -= code->n;
            if (!tr_ottl_functions[code->a].run(run, top + 1, code->n, &made))
                return TR_OTTL_ERROR;
            *++top = made;
            break;
        case TR_OTTL_OP_MATCH:
            if (!program->match && top->type != TR_OTTL_NIL)
                return TR_OTTL_RUN; // the compiler asks, and the patterns are not compiled yet
            if (!pattern_match(run, code->a, top))
                return TR_OTTL_ERROR;
            break;
        case TR_OTTL_OP_COMPARE:
            top--;
            push_bool(top, tr_ottl_compare(top, top + 1, code->n));
            break;
        case TR_OTTL_OP_KEY_TEST:
            push_bool(++top, key_test(run, code->a, &constants[code[1].a], code->n));
            code++;
            break;
        case TR_OTTL_OP_FIELD_TEST:
            push_bool(++top, field_test(run, code->a, &constants[code[1].a], code->n));
            code++;
            break;
        case TR_OTTL_OP_BOOL:
            if (top->type != TR_OTTL_BOOL)
                return TR_OTTL_ERROR;
            break;
        case TR_OTTL_OP_NOT:
            top->integer = !top->integer;
            break;
        case TR_OTTL_OP_AND:
        case TR_OTTL_OP_OR:
            if ((top->integer != 0) == (code->op == TR_OTTL_OP_OR))
                code = program->codes + code->a - 1;
            else
                top--;
            break;
        default:
            return top->integer ? TR_OTTL_YES : TR_OTTL_NO;
        }
    }
}

enum tr_ottl_answer tr_ottl_run(const struct tr_ottl *program, const struct tr_walk_span *span,
                                const struct tr_walk_notes *notes, const uint16_t *slots, const uint8_t *event,
                                uint32_t event_bytes)
{
    struct tr_ottl_run run; // its `made` stays as it is: most runs make nothing

    run.program = program;
    run.span = span;
    run.notes = notes;
    run.slots = slots;
    run.event = event;
    run.event_end = event ? event + event_bytes : NULL;
    run.made_bytes = 0;
    return tr_ottl_execute(&run, 0);
}

enum tr_ottl_answer tr_ottl_run_guarded(const struct tr_ottl *program, const struct tr_walk_span *span,
                                        const struct tr_walk_notes *notes, const uint16_t *slots)
{
    struct tr_ottl_run run; // as above

    run.program = program;
    run.span = span;
    run.notes = notes;
    run.slots = slots;
    run.made_bytes = 0;
    return tr_ottl_execute(&run, program->first_unknown);
}
