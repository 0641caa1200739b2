// SPDX-License-Identifier: Apache-2.0
// What must hold for a condition to hold, as far as the walk can tell without running it.
//
// A condition that is a conjunction, A and B and C, holds only where each of them does. Those that compare the span's
// kind or status with a constant, or are IsRootSpan(), leave only some classes of spans (TR_WALK_CLASS_*); those that
// compare an attribute in a way that nil never fulfils need that attribute. An error in another one of them is no reason
// to run either: it is no match.
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

// A conjunct that begins at `code`: what it needs, if it is one of those. Returns how many codes it is, 0: another one.
static uint32_t conjunct(struct tr_ottl *program, const struct tr_ottl_code *code, uint32_t *classes)
{
    const struct tr_ottl_value nil = {.type = TR_OTTL_NIL};

    switch (code->op) {
    case TR_OTTL_OP_FIELD_TEST:
        *classes &= field_classes(program, code);
        return 2;
    case TR_OTTL_OP_KEY_TEST:
        if (!tr_ottl_compare(&nil, &program->constants[code[1].a], code->n))
            program->keys[code->a].required = true;
        return 2;
    case TR_OTTL_OP_CALL:
        if (code->n == 0 && strcmp(tr_ottl_functions[code->a].name, "IsRootSpan") == 0)
            *classes &= ~TR_WALK_CLASS_CHILD;
        return 1;
    default:
        return 0;
    }
}

uint32_t tr_ottl_guard(struct tr_ottl *program)
{
    uint32_t classes = TR_WALK_CLASSES, at = 0;
    bool begins = true; // a conjunct does at `at`

    while (at < program->codes_count) {
        const struct tr_ottl_code *code = &program->codes[at];
        uint32_t tried = classes, used = 0;
        bool required = code->op == TR_OTTL_OP_KEY_TEST && program->keys[code->a].required;

        if (begins) {
            used = conjunct(program, code, &tried);
            while (used && program->codes[at + used].op == TR_OTTL_OP_BOOL)
                used++;
            // It is one only if its being false is the end of it all.
            if (used && false_ends(program, at + used))
                classes = tried;
            else if (code->op == TR_OTTL_OP_KEY_TEST)
                program->keys[code->a].required = required;
            else
                used = 0;
        }
        begins = false;
        at += used ? used : code->op == TR_OTTL_OP_KEY_TEST || code->op == TR_OTTL_OP_FIELD_TEST ? 2 : 1;
        code = &program->codes[at];
        if (code->op == TR_OTTL_OP_OR || (code->op == TR_OTTL_OP_AND && !false_ends(program, code->a)) ||
            code->op == TR_OTTL_OP_END)
            break; // what comes behind may not be needed
        if (code->op == TR_OTTL_OP_AND) {
            begins = true;
            at++;
        }
    }
    return program->context == TR_OTTL_SPAN_EVENT ? classes & ~TR_WALK_CLASS_EVENTLESS : classes;
}
