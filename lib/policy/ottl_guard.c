// SPDX-License-Identifier: Apache-2.0
// What must hold for a condition to hold, as far as the walk can tell without running it.
//
// A condition that is a conjunction, A and B and C, holds only where each of them does. Those that compare the span's
// kind or status with a constant, or are IsRootSpan(), leave only some classes of spans (TR_WALK_CLASS_*); those that
// compare an attribute in a way that nil never fulfils need that attribute, and one of them is asked when the walk comes by
// it. An error in another one of them is no reason to run either: it is no match. Those in front that are decided by all
// this are passed over by the run.
#include "policy/ottl_program.h"

// Is the condition's answer no when the code at `at` is reached with false on top?
static bool false_ends(const struct tr_ottl *program, uint32_t at)
{
    for (;;) {
        const struct tr_ottl_code *code = &program->codes[at];

        if (code->op == TR_OTTL_OP_AND)
            at = code->a;
        else if (code->op == TR_OTTL_OP_BOOL)
            at++;
        else
            return code->op == TR_OTTL_OP_END;
    }
}

static uint32_t one_of(int64_t constant, int64_t count, unsigned how, uint32_t first)
{
    uint32_t all = (uint32_t)(2u << count) - 1, one = constant >= 0 && constant < count ? 1u << constant : 1u << count;

    // The last class is of all other numbers: that one of them is not the constant can't be told.
    if (how == TR_OTTL_EQ)
        return one << first;
    return (one == 1u << count ? all : all & ~one) << first;
}

// The classes that a comparison of a field leaves.
static uint32_t field_classes(const struct tr_ottl *program, const struct tr_ottl_code *code)
{
    const struct tr_ottl_value *constant = &program->constants[code[1].a];

    if (constant->type != TR_OTTL_INT || code->n > TR_OTTL_NE)
        return TR_WALK_CLASSES;
    if (code->a == TR_OTTL_KIND)
        return (TR_WALK_CLASSES & ~TR_WALK_CLASS_KINDS) | one_of(constant->integer, TR_WALK_KINDS, code->n, 0);
    if (code->a == TR_OTTL_STATUS_CODE)
        return (TR_WALK_CLASSES & ~TR_WALK_CLASS_STATUSES) |
               one_of(constant->integer, TR_WALK_STATUSES, code->n, TR_WALK_STATUS_FIRST);
    return TR_WALK_CLASSES;
}

static bool is_root_span(const struct tr_ottl_code *code)
{
    return code->op == TR_OTTL_OP_CALL && code->n == 0 && strcmp(tr_ottl_functions[code->a].name, "IsRootSpan") == 0;
}

static bool nil_holds(const struct tr_ottl *program, const struct tr_ottl_code *code)
{
    const struct tr_ottl_value nil = {.type = TR_OTTL_NIL};

    return tr_ottl_compare(&nil, &program->constants[code[1].a], code->n);
}

static uint32_t codes_of(const struct tr_ottl_code *code)
{
    return code->op == TR_OTTL_OP_KEY_TEST || code->op == TR_OTTL_OP_FIELD_TEST ? 2 : 1;
}

// Is the code at `at` a conjunct of its own, whose being false is the end of it all? Returns how many codes it is, 0: it is
// none of those that tell the walk something.
static uint32_t conjunct(const struct tr_ottl *program, uint32_t at)
{
    const struct tr_ottl_code *code = &program->codes[at];
    uint32_t used = codes_of(code);

    if (used == 1 && !is_root_span(code))
        return 0;
    while (program->codes[at + used].op == TR_OTTL_OP_BOOL)
        used++;
    return false_ends(program, at + used) ? used : 0;
}

static struct tr_ottl_key *guard_of(struct tr_ottl *program)
{
    for (uint32_t k = 0; k < program->keys_count; k++)
        if (program->keys[k].guard)
            return &program->keys[k];
    return NULL;
}

// The test of a key at `at`. The guard is on the resource or the scope if it can be: those are asked once for many spans.
static void key_needs(struct tr_ottl *program, uint32_t at)
{
    struct tr_ottl_key *key = &program->keys[program->codes[at].a], *guard = guard_of(program);

    if (nil_holds(program, &program->codes[at]))
        return;
    key->required = true;
    if (guard && (guard->place != TR_OTTL_KEY_SPAN || key->place == TR_OTTL_KEY_SPAN))
        return;
    if (guard)
        guard->guard = false;
    key->guard = true;
    program->guard = at;
}

// What a conjunct needs.
static void conjunct_needs(struct tr_ottl *program, uint32_t at, uint32_t *classes)
{
    const struct tr_ottl_code *code = &program->codes[at];

    if (code->op == TR_OTTL_OP_FIELD_TEST)
        *classes &= field_classes(program, code);
    else if (code->op == TR_OTTL_OP_CALL)
        *classes &= ~TR_WALK_CLASS_CHILD;
    else
        key_needs(program, at);
}

// Do the class and the guard say all of the conjunct at `at`?
static bool decided(const struct tr_ottl *program, uint32_t at)
{
    const struct tr_ottl_code *code = &program->codes[at];
    int64_t constant;

    if (code->op == TR_OTTL_OP_KEY_TEST)
        return at == program->guard && program->keys[code->a].guard;
    if (code->op == TR_OTTL_OP_CALL)
        return true;
    if (field_classes(program, code) == TR_WALK_CLASSES)
        return false;
    constant = program->constants[code[1].a].integer; // a number that shares its class with others is not told from them
    return constant >= 0 && constant < (code->a == TR_OTTL_KIND ? TR_WALK_KINDS : TR_WALK_STATUSES);
}

uint32_t tr_ottl_guard(struct tr_ottl *program)
{
    uint32_t classes = TR_WALK_CLASSES, at = 0;
    bool begins = true; // a conjunct does at `at`

    while (at < program->codes_count) {
        const struct tr_ottl_code *code = &program->codes[at];
        uint32_t used = begins ? conjunct(program, at) : 0;

        if (used)
            conjunct_needs(program, at, &classes);
        begins = false;
        at += used ? used : codes_of(code);
        code = &program->codes[at];
        if (code->op == TR_OTTL_OP_OR || (code->op == TR_OTTL_OP_AND && !false_ends(program, code->a)) ||
            code->op == TR_OTTL_OP_END)
            break; // what comes behind may not be needed
        if (code->op == TR_OTTL_OP_AND) {
            begins = true;
            at++;
        }
    }
    for (at = 0;; at = program->first_unknown) {
        uint32_t used = conjunct(program, at);

        // The last one gives the answer.
        if (!used || !decided(program, at) || program->codes[at + used].op != TR_OTTL_OP_AND)
            break;
        program->first_unknown = at + used + 1;
    }
    return program->context == TR_OTTL_SPAN_EVENT ? classes & ~TR_WALK_CLASS_EVENTLESS : classes;
}

bool tr_ottl_guard_holds(const struct tr_ottl *program, const struct tr_value *value)
{
    const struct tr_ottl_code *code = &program->codes[program->guard];

    return tr_ottl_noted_test(value, &program->constants[code[1].a], code->n);
}
