// SPDX-License-Identifier: Apache-2.0
// From the tree to codes. On the way it is found out what the condition says where none of the attributes that it looks
// at is there: the walk then need not run it.
#include "policy/ottl_compile.h"

// What is known of a condition when its keys are absent.
enum known {
    KNOWN_NO,
    KNOWN_YES,
    KNOWN_ERROR,
    KNOWN_EITHER,  // true or false
    KNOWN_NOTHING, // or an error
};

int tr_ottl_refuse(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, const char *why)
{
    const char *at = compiler->text + node->at;
    int bytes = 0;

    // As much of the text as is one word, or a path.
    while (at[bytes] && bytes < 60 && !strchr(" \t\n,()<>=!+*/", at[bytes]))
        bytes++;
    return tr_error_set(compiler->error, EINVAL, "at %u: %.*s %s", node->at + 1, bytes ? bytes : 1, at, why);
}

int tr_ottl_emit(struct tr_ottl_compiler *compiler, enum tr_ottl_op op, unsigned n, int a, int grows)
{
    struct tr_ottl *program = compiler->program;

    if (a < 0)
        return a;
    if (program->codes_count == compiler->codes_room || a > UINT16_MAX || n > UINT8_MAX)
        return tr_error_set(compiler->error, EINVAL, "the condition has too many parts");
    compiler->stack += (unsigned)grows;
    if (compiler->stack > TR_OTTL_STACK_MAX)
        return tr_error_set(compiler->error, EINVAL, "the condition needs more than %d values at a time",
                            TR_OTTL_STACK_MAX);
    program->codes[program->codes_count++] = (struct tr_ottl_code){(uint8_t)op, (uint8_t)n, (uint16_t)a};
    return 0;
}

int tr_ottl_constant_add(struct tr_ottl_compiler *compiler, const struct tr_ottl_value *value)
{
    struct tr_ottl *program = compiler->program;

    if (program->constants_count == compiler->constants_room)
        return tr_error_set(compiler->error, EINVAL, "the condition has too many parts");
    program->constants[program->constants_count] = *value;
    return (int)program->constants_count++;
}

static int enum_read(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, struct tr_ottl_value *value)
{
    static const struct {
        const char *name;
        int64_t value;
    } symbols[] = {
        {"SPAN_KIND_UNSPECIFIED", 0}, {"SPAN_KIND_INTERNAL", 1}, {"SPAN_KIND_SERVER", 2},
        {"SPAN_KIND_CLIENT", 3},      {"SPAN_KIND_PRODUCER", 4}, {"SPAN_KIND_CONSUMER", 5},
        {"STATUS_CODE_UNSET", 0},     {"STATUS_CODE_OK", 1},     {"STATUS_CODE_ERROR", 2},
    };

    for (size_t i = 0; i < TR_NELEMS(symbols); i++)
        if (strlen(symbols[i].name) == node->bytes && memcmp(symbols[i].name, node->text, node->bytes) == 0) {
            *value = tr_ottl_int(symbols[i].value);
            return 1;
        }
    return tr_ottl_refuse(compiler, node, "is no enum of spans");
}

// A list of literals becomes a row of constants.
static int list_read(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *list, struct tr_ottl_value *value)
{
    uint32_t count = 0, at = compiler->program->constants_count;

    for (int item = list->first; item >= 0; item = compiler->tree.nodes[item].next) {
        const struct tr_ottl_node *node = &compiler->tree.nodes[item];
        struct tr_ottl_value one;
        int rc = node->type == TR_OTTL_NODE_LIST ? 0 : tr_ottl_literal(compiler, node, &one);

        if (rc == 0)
            return tr_ottl_refuse(compiler, node, "is no literal, which the items of a list must be here");
        if (rc > 0)
            rc = tr_ottl_constant_add(compiler, &one);
        if (rc < 0)
            return rc;
        count++;
    }
    *value = (struct tr_ottl_value){
        .type = TR_OTTL_LIST, .items = compiler->program->constants + at, .length = count};
    return 1;
}

int tr_ottl_literal(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, struct tr_ottl_value *value)
{
    struct tr_ottl_node *known = &compiler->tree.nodes[node - compiler->tree.nodes];
    int rc = 1;

    if (node->type == TR_OTTL_NODE_ENUM)
        rc = enum_read(compiler, node, &known->value);
    else if (node->type == TR_OTTL_NODE_LIST)
        rc = list_read(compiler, node, &known->value);
    else if (node->type != TR_OTTL_NODE_CONSTANT)
        return 0;
    if (rc < 0)
        return rc;
    known->type = TR_OTTL_NODE_CONSTANT; // read once
    *value = known->value;
    return 1;
}

static int operands_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node)
{
    int rc = 0;

    for (int child = node->first; rc == 0 && child >= 0; child = compiler->tree.nodes[child].next)
        rc = tr_ottl_value_emit(compiler, &compiler->tree.nodes[child]);
    return rc;
}

// How long the span took is one step.
static void elapsed_fuse(struct tr_ottl *program)
{
    struct tr_ottl_code *codes = program->codes + program->codes_count - 3; // an operator has two operands

    if (codes[2].n != '-' || codes[0].op != TR_OTTL_OP_FIELD || codes[1].op != TR_OTTL_OP_FIELD)
        return;
    if (codes[0].a == TR_OTTL_END_NS && codes[1].a == TR_OTTL_START_NS)
        codes[0].a = TR_OTTL_ELAPSED_NS;
    else if (codes[0].a == TR_OTTL_END_TIME && codes[1].a == TR_OTTL_START)
        codes[0].a = TR_OTTL_ELAPSED;
    else
        return;
    program->codes_count -= 2;
}

static int value_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node)
{
    struct tr_ottl_value value;
    int rc;

    switch (node->type) {
    case TR_OTTL_NODE_PATH:
        return tr_ottl_path_emit(compiler, node);
    case TR_OTTL_NODE_CALL:
        return tr_ottl_call_emit(compiler, node);
    case TR_OTTL_NODE_MATH:
        rc = operands_emit(compiler, node);
        if (rc == 0)
            rc = tr_ottl_emit(compiler, TR_OTTL_OP_MATH, node->op, 0, -1);
        if (rc == 0)
            elapsed_fuse(compiler->program);
        return rc;
    case TR_OTTL_NODE_NEGATE:
        rc = operands_emit(compiler, node);
        return rc < 0 ? rc : tr_ottl_emit(compiler, TR_OTTL_OP_NEGATE, 0, 0, 0);
    default:
        rc = tr_ottl_literal(compiler, node, &value);
        return rc < 0 ? rc : tr_ottl_emit(compiler, TR_OTTL_OP_CONSTANT, 0, tr_ottl_constant_add(compiler, &value), 1);
    }
}

int tr_ottl_value_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node)
{
    int rc;

    if (compiler->depth == 2 * TR_OTTL_DEPTH_MAX)
        return tr_ottl_refuse(compiler, node, "is nested too deeply");
    compiler->depth++;
    rc = value_emit(compiler, node);
    compiler->depth--;
    return rc;
}

// The condition behind `first` alone, when none of its keys is there.
static enum known leaf_known(struct tr_ottl_compiler *compiler, uint32_t first)
{
    static const struct tr_walk_notes nothing;
    static const uint16_t slots[TR_OTTL_KEYS_MAX];
    struct tr_ottl *program = compiler->program;
    struct tr_ottl_run run;
    enum tr_ottl_answer answer;

    if (compiler->fields) {
        for (uint32_t i = first; i < program->codes_count; i++)
            if (program->codes[i].op == TR_OTTL_OP_CALL || program->codes[i].op == TR_OTTL_OP_MATH ||
                program->codes[i].op == TR_OTTL_OP_NEGATE || program->codes[i].op == TR_OTTL_OP_INDEX)
                return KNOWN_NOTHING;
        return KNOWN_EITHER;
    }
    program->codes[program->codes_count] = (struct tr_ottl_code){.op = TR_OTTL_OP_END};
    run.program = program;
    run.notes = &nothing;
    run.slots = slots;
    run.made_bytes = 0;
    answer = tr_ottl_execute(&run, first);
    switch (answer) {
    case TR_OTTL_YES:
        return KNOWN_YES;
    case TR_OTTL_NO:
        return KNOWN_NO;
    case TR_OTTL_ERROR:
        return KNOWN_ERROR;
    default:
        return KNOWN_NOTHING;
    }
}

// Does a comparison have a side that can't be compared here?
static int sides_check(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node)
{
    for (int child = node->first; child >= 0; child = compiler->tree.nodes[child].next) {
        const struct tr_ottl_node *side = &compiler->tree.nodes[child];

        if (side->type == TR_OTTL_NODE_CALL && strcmp(side->text, "Split") == 0 && !side->keys)
            return tr_ottl_refuse(compiler, side, "makes a list, which can't be compared here");
    }
    return 0;
}

// A key or a field against a constant is one step.
static void test_fuse(struct tr_ottl *program, uint32_t first)
{
    struct tr_ottl_code *codes = program->codes + first;

    if (program->codes_count - first != 3 || codes[1].op != TR_OTTL_OP_CONSTANT ||
        (codes[0].op != TR_OTTL_OP_KEY && codes[0].op != TR_OTTL_OP_FIELD))
        return;
    codes[0].op = codes[0].op == TR_OTTL_OP_KEY ? TR_OTTL_OP_KEY_TEST : TR_OTTL_OP_FIELD_TEST;
    codes[0].n = codes[2].n;
    program->codes_count--;
}

static int leaf_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, enum known *known)
{
    uint32_t first = compiler->program->codes_count;
    int rc;

    compiler->fields = false;
    if (node->type == TR_OTTL_NODE_COMPARE) {
        rc = sides_check(compiler, node);
        if (rc == 0)
            rc = operands_emit(compiler, node);
        if (rc == 0)
            rc = tr_ottl_emit(compiler, TR_OTTL_OP_COMPARE, node->op, 0, -1);
        if (rc == 0)
            test_fuse(compiler->program, first);
    } else {
        rc = tr_ottl_value_emit(compiler, node);
        if (rc == 0)
            rc = tr_ottl_emit(compiler, TR_OTTL_OP_BOOL, 0, 0, 0);
    }
    if (rc == 0)
        *known = leaf_known(compiler, first);
    return rc;
}

// What two conditions in a row say, of which the second is not asked where the first is `stop`.
static enum known known_join(enum known first, enum known second, enum known stop)
{
    if (first == stop || first == KNOWN_ERROR || first == KNOWN_NOTHING)
        return first;
    if (first != KNOWN_EITHER)
        return second;
    return second == stop ? stop : second == KNOWN_ERROR ? KNOWN_NOTHING : TR_MAX(second, KNOWN_EITHER);
}

// Is it true or false whatever the span is? Literals count before all else, as in the Collector: what is `or true` is
// true even where the rest is an error. Returns 1 or 0, -1: it depends; -EINVAL.
static int constant_answer(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node)
{
    const struct tr_ottl_node *nodes = compiler->tree.nodes;
    struct tr_ottl_value sides[2];
    int answer;

    switch (node->type) {
    case TR_OTTL_NODE_CONSTANT:
        return node->value.integer != 0;
    case TR_OTTL_NODE_NOT:
        answer = constant_answer(compiler, &nodes[node->first]);
        return answer < 0 ? answer : !answer;
    case TR_OTTL_NODE_COMPARE:
        for (int i = 0; i < 2; i++) {
            int rc = tr_ottl_literal(compiler, &nodes[i ? node->last : node->first], &sides[i]);

            if (rc <= 0)
                return rc < 0 ? -EINVAL : -1;
        }
        return tr_ottl_compare(&sides[0], &sides[1], node->op);
    case TR_OTTL_NODE_AND:
    case TR_OTTL_NODE_OR:
        answer = node->type == TR_OTTL_NODE_AND;
        for (int child = node->first; child >= 0; child = nodes[child].next) {
            int one = constant_answer(compiler, &nodes[child]);

            if (one == -EINVAL || one == (node->type == TR_OTTL_NODE_OR))
                return one;
            if (one < 0)
                answer = -1;
        }
        return answer;
    default:
        return -1;
    }
}

static int condition_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, enum known *known);

// Compile for its errors alone what makes no difference.
static int conditions_check(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node)
{
    uint32_t codes = compiler->program->codes_count;
    unsigned stack = compiler->stack;
    enum known known;
    int rc = 0;

    if (node->type == TR_OTTL_NODE_CONSTANT || node->type == TR_OTTL_NODE_COMPARE)
        return 0; // of literals, which were read
    for (int child = node->first; rc == 0 && child >= 0; child = compiler->tree.nodes[child].next) {
        rc = condition_emit(compiler, &compiler->tree.nodes[child], &known);
        compiler->program->codes_count = codes;
        compiler->stack = stack;
    }
    return rc;
}

static int joined_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, enum known *known)
{
    const bool both = node->type == TR_OTTL_NODE_AND;
    struct tr_ottl *program = compiler->program;
    uint32_t jump = 0;
    bool first = true;
    int rc = 0;

    *known = both ? KNOWN_YES : KNOWN_NO;
    for (int child = node->first; rc == 0 && child >= 0; child = compiler->tree.nodes[child].next) {
        enum known one;

        if (constant_answer(compiler, &compiler->tree.nodes[child]) >= 0) {
            // It makes no difference, else the whole would be constant.
            rc = conditions_check(compiler, &compiler->tree.nodes[child]);
            continue;
        }
        // Each jump goes to the next one, whose answer is the same.
        if (!first) {
            jump = program->codes_count;
            rc = tr_ottl_emit(compiler, both ? TR_OTTL_OP_AND : TR_OTTL_OP_OR, 0, 0, -1);
        }
        if (rc == 0)
            rc = condition_emit(compiler, &compiler->tree.nodes[child], &one);
        if (rc == 0 && !first)
            program->codes[jump].a = (uint16_t)program->codes_count;
        if (rc == 0)
            *known = known_join(*known, one, both ? KNOWN_NO : KNOWN_YES);
        first = false;
    }
    return rc;
}

static int condition_emit(struct tr_ottl_compiler *compiler, const struct tr_ottl_node *node, enum known *known)
{
    int answer = constant_answer(compiler, node), rc;
    struct tr_ottl_value value;

    if (answer == -EINVAL)
        return answer;
    if (answer >= 0) {
        rc = conditions_check(compiler, node);
        if (rc < 0)
            return rc;
        *known = answer ? KNOWN_YES : KNOWN_NO;
        value = tr_ottl_bool(answer);
        return tr_ottl_emit(compiler, TR_OTTL_OP_CONSTANT, 0, tr_ottl_constant_add(compiler, &value), 1);
    }
    if (node->type == TR_OTTL_NODE_AND || node->type == TR_OTTL_NODE_OR)
        return joined_emit(compiler, node, known);
    if (node->type != TR_OTTL_NODE_NOT)
        return leaf_emit(compiler, node, known);
    rc = condition_emit(compiler, &compiler->tree.nodes[node->first], known);
    if (*known <= KNOWN_YES)
        *known = *known == KNOWN_YES ? KNOWN_NO : KNOWN_YES;
    return rc < 0 ? rc : tr_ottl_emit(compiler, TR_OTTL_OP_NOT, 0, 0, 0);
}

static int program_emit(struct tr_ottl_compiler *compiler)
{
    static const enum tr_ottl_answer answers[] = {TR_OTTL_NO, TR_OTTL_YES, TR_OTTL_ERROR, TR_OTTL_RUN, TR_OTTL_RUN};
    struct tr_ottl *program = compiler->program;
    enum known known = KNOWN_NOTHING;
    int rc;

    // Each node makes two codes at most, and three constants: an item of a list, pushed, and folded.
    compiler->codes_room = 2 * compiler->tree.count + 2;
    compiler->constants_room = 3 * compiler->tree.count + 2;
    program->codes = calloc(compiler->codes_room + 1, sizeof(*program->codes));
    program->constants = calloc(compiler->constants_room, sizeof(*program->constants));
    program->patterns = calloc(compiler->tree.count, sizeof(*program->patterns));
    if (!program->codes || !program->constants || !program->patterns)
        return tr_error_set(compiler->error, ENOMEM, "no memory for a condition");
    rc = condition_emit(compiler, &compiler->tree.nodes[compiler->tree.root], &known);
    if (rc == 0)
        rc = tr_ottl_emit(compiler, TR_OTTL_OP_END, 0, 0, 0);
    program->absent = answers[known];
    program->context_only = !compiler->span && program->context == TR_OTTL_SPAN;
    return rc;
}

static int patterns_compile(struct tr_ottl *program, uint32_t lcores, struct tr_error *error)
{
    int rc;

    if (!program->patterns_count)
        return 0;
    rc = tr_match_create(&program->match, program->patterns, program->patterns_count, program->patterns_count, lcores,
                         TR_SPAN_BYTES_MAX, error);
    if (rc < 0)
        tr_error_prefix(error, "IsMatch");
    return rc;
}

int tr_ottl_compile(const char *text, enum tr_ottl_context context, uint32_t lcores, struct tr_ottl **program,
                    struct tr_error *error)
{
    struct tr_ottl_compiler compiler = {.text = text, .error = error};
    int rc = tr_ottl_parse(text, &compiler.tree, error);

    if (rc == 0) {
        compiler.program = calloc(1, sizeof(*compiler.program));
        rc = compiler.program ? 0 : tr_error_set(error, ENOMEM, "no memory for a condition");
    }
    if (rc == 0) {
        compiler.program->context = context;
        compiler.program->pool = compiler.tree.pool;
        compiler.tree.pool = NULL;
        rc = program_emit(&compiler);
    }
    if (rc == 0)
        rc = patterns_compile(compiler.program, lcores, error);
    tr_ottl_tree_clear(&compiler.tree);
    if (rc < 0) {
        tr_ottl_free(compiler.program);
        return rc;
    }
    *program = compiler.program;
    return 0;
}

void tr_ottl_free(struct tr_ottl *program)
{
    if (!program)
        return;
    if (program->match)
        tr_match_destroy(program->match);
    free(program->patterns);
    free(program->codes);
    free(program->constants);
    free(program->pool);
    free(program);
}

const struct tr_ottl_key *tr_ottl_keys(const struct tr_ottl *program, uint32_t *count)
{
    *count = program->keys_count;
    return program->keys;
}

enum tr_ottl_answer tr_ottl_absent(const struct tr_ottl *program)
{
    return program->absent;
}

bool tr_ottl_context_only(const struct tr_ottl *program)
{
    return program->context_only;
}
