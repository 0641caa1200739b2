// SPDX-License-Identifier: Apache-2.0
// Calls of converters: their arguments are checked as far as they are literals, and a call of literals alone is made
// when the condition is compiled.
#include "policy/ottl_compile.h"

static const struct tr_ottl_function *function_find(const struct tr_ottl_node *call)
{
    for (uint32_t i = 0; i < tr_ottl_functions_count; i++)
        if (strcmp(tr_ottl_functions[i].name, call->text) == 0)
            return &tr_ottl_functions[i];
    return NULL;
}

static bool id_good(const struct tr_ottl_value *value, const struct tr_ottl_function *function)
{
    uint32_t bytes = strcmp(function->name, "TraceID") == 0 ? 16 : 8;

    return (value->type == TR_OTTL_BYTES || value->type == TR_OTTL_STRING) &&
           (value->length == bytes || value->length == 2 * bytes);
}

static bool literal_good(char letter, const struct tr_ottl_value *value, const struct tr_ottl_function *function)
{
    struct tr_ottl_value out;

    switch (letter) {
    case 's':
    case 'S':
        return value->type == TR_OTTL_STRING;
    case 't':
        return value->type <= TR_OTTL_BYTES || value->type == TR_OTTL_LIST;
    case 'n':
        return value->type == TR_OTTL_INT;
    case 'T':
    case 'B':
        return value->type == TR_OTTL_BOOL;
    case 'D':
        return value->type == TR_OTTL_DOUBLE;
    case 'i':
        return tr_ottl_to_int(value, &out);
    case 'f':
        return tr_ottl_to_double(value, &out);
    case 'b':
        return tr_ottl_to_bool(value, &out);
    case 'l':
        return value->type == TR_OTTL_LIST;
    case 'c':
        return value->type == TR_OTTL_STRING && value->length == 5 &&
               (memcmp(value->bytes, "lower", 5) == 0 || memcmp(value->bytes, "upper", 5) == 0);
    case 'x':
        return id_good(value, function);
    case 'a':
        return true;
    default: // no literal is a duration, a time or a map
        return false;
    }
}

static int argument_emit(struct tr_ottl_compiler *compiler, char letter, const struct tr_ottl_node *node,
                         const struct tr_ottl_function *function)
{
    struct tr_ottl_value value;
    int literal = tr_ottl_literal(compiler, node, &value);
    char why[96];

    if (literal < 0)
        return literal;
    if (literal ? !literal_good(letter, &value, function) : strchr("STcx", letter) != NULL) {
        snprintf(why, sizeof(why), "is not what %s takes here", function->name);
        return tr_ottl_refuse(compiler, node, why);
    }
    return tr_ottl_value_emit(compiler, node);
}

// Concat's list: each item by itself.
static int items_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *list,
                      const struct tr_ottl_function *function, unsigned *count)
{
    int rc = 0;

    if (list->type != TR_OTTL_NODE_LIST)
        return tr_ottl_refuse(compiler, list, "must be a list in brackets");
    for (int item = list->first; rc == 0 && item >= 0; item = compiler->tree.nodes[item].next, ++*count)
        rc = argument_emit(compiler, 't', &compiler->tree.nodes[item], function);
    return rc;
}

// Make the call now if it can be, in place of the codes from `first` on.
static int fold(struct tr_ottl_compiler *compiler, uint32_t first, const struct tr_ottl_function *function,
                unsigned count)
{
    struct tr_ottl *program = compiler->program;
    struct tr_ottl_value arguments[4], out;
    struct tr_ottl_run run;

    if (count == 0 || count > TR_NELEMS(arguments) || program->codes_count - first != count + 1)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        if (program->codes[first + i].op != TR_OTTL_OP_CONSTANT)
            return 0;
        arguments[i] = program->constants[program->codes[first + i].a];
    }
    run.program = program;
    run.made_bytes = 0;
    if (!function->run(&run, arguments, count, &out))
        return 0; // an error of each run
    if (out.type == TR_OTTL_TRACE_ID || out.type == TR_OTTL_SPAN_ID) {
        // The literal's own bytes are no longer wanted.
        memmove((uint8_t *)(uintptr_t)arguments[0].bytes, out.bytes, out.length);
        out.bytes = arguments[0].bytes;
    } else if (out.type > TR_OTTL_DOUBLE && out.type != TR_OTTL_TIME && out.type != TR_OTTL_DURATION) {
        return 0;
    }
    program->codes_count = first;
    compiler->stack--;
    return tr_ottl_emit(compiler, TR_OTTL_OP_CONSTANT, 0, tr_ottl_constant_add(compiler, &out), 1);
}

static int result_index(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *call, int key)
{
    const struct tr_ottl_node *node = &compiler->tree.nodes[key];

    if (strcmp(call->text, "Split") != 0 || call->keys != 1 || node->type != TR_OTTL_NODE_CONSTANT ||
        node->value.type != TR_OTTL_INT)
        return tr_ottl_refuse(compiler, node, "only the result of Split has keys here, one integer");
    return tr_ottl_emit(compiler, TR_OTTL_OP_ITEM, 0, tr_ottl_constant_add(compiler, &node->value), 0);
}

// IsMatch(text, pattern): the patterns of a condition are compiled together, so they must be literals.
static int match_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *call)
{
    static const struct tr_ottl_function is_match = {.name = "IsMatch"};
    const struct tr_ottl_node *target = &compiler->tree.nodes[call->first], *pattern;
    struct tr_ottl *program = compiler->program;
    int rc;

    if (call->keys || call->first < 0 || target->next < 0 || compiler->tree.nodes[target->next].next >= 0)
        return tr_ottl_refuse(compiler, call, "takes two arguments, and its result has no keys");
    pattern = &compiler->tree.nodes[target->next];
    if (pattern->type != TR_OTTL_NODE_CONSTANT || pattern->value.type != TR_OTTL_STRING)
        return tr_ottl_refuse(compiler, pattern, "must be a string, and a literal: the pattern of IsMatch");
    if (strlen((const char *)pattern->value.bytes) != pattern->value.length)
        return tr_ottl_refuse(compiler, pattern, "has a zero byte, which no pattern may have here");
    rc = argument_emit(compiler, 't', target, &is_match);
    if (rc < 0)
        return rc;
    program->patterns[program->patterns_count] = (struct tr_match_pattern){
        .text = (const char *)pattern->value.bytes, .number = program->patterns_count};
    return tr_ottl_emit(compiler, TR_OTTL_OP_MATCH, 0, (int)program->patterns_count++, 0);
}

int tr_ottl_call_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *call)
{
    const struct tr_ottl_function *function = function_find(call);
    uint32_t first = compiler->program->codes_count;
    unsigned given = 0, count = 0;
    int node = call->first, rc = 0;
    char why[160];

    if (strcmp(call->text, "IsMatch") == 0)
        return match_emit(compiler, call);
    if (!function || (strcmp(function->name, "IsRootSpan") == 0 && compiler->program->context == TR_OTTL_SPAN_EVENT))
        return tr_ottl_refuse(compiler, call, "is no converter that is supported here");
    for (int child = call->first; child >= 0; child = compiler->tree.nodes[child].next)
        given++;
    given -= call->keys;
    if (given < function->required || given > strlen(function->arguments)) {
        snprintf(why, sizeof(why), "takes %u to %zu arguments, not %u", function->required, strlen(function->arguments),
                 given);
        return tr_ottl_refuse(compiler, call, why);
    }
    for (unsigned i = 0; rc == 0 && i < given; i++, node = compiler->tree.nodes[node].next) {
        if (function->arguments[i] == '*') {
            rc = items_emit(compiler, &compiler->tree.nodes[node], function, &count);
        } else {
            rc = argument_emit(compiler, function->arguments[i], &compiler->tree.nodes[node], function);
            count++;
        }
    }
    if (strcmp(function->name, "IsRootSpan") == 0)
        compiler->fields = compiler->span = true;
    if (rc == 0)
        rc = tr_ottl_emit(compiler, TR_OTTL_OP_CALL, count, (int)(function - tr_ottl_functions), 1 - (int)count);
    if (rc == 0)
        rc = fold(compiler, first, function, count);
    return rc == 0 && call->keys ? result_index(compiler, call, node) : rc;
}
