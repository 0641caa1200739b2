// SPDX-License-Identifier: Apache-2.0
// A JSON value at a time, with a stack of what is open. The JSON is there whole, so a token is never cut;
// between two tokens the conversion can stop.
//
// A message's length comes before its content and is known only behind it. Inside a span one byte is kept for
// it, and when that is too short the content is moved up. The three messages around (ResourceSpans,
// ScopeSpans, Span) would have megabytes to move; they get four bytes, which a length of any size can fill.
// Their lengths don't leave the process.
#include "otlp/json_in.h"

#include "otlp/json_number.h"
#include "otlp/json_text.h"

enum expect {
    EXPECT_VALUE,
    EXPECT_FIRST_KEY, // or }
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_FIRST_ELEMENT, // or ]
    EXPECT_COMMA,         // or } or ]
    EXPECT_STRING_END,    // of one that is passed over
    EXPECT_END,
};

// What is done at once of white space, or of a string that is passed over.
#define PIECE_BYTES    16384
#define NAME_BYTES_MAX 22 // droppedAttributesCount

#define LENGTH_ROOM 4 // up to 256 MiB

static struct tr_json_state *state_of(struct tr_json_in *in)
{
    return (struct tr_json_state *)in->state;
}

void tr_json_in_init(struct tr_json_in *in, const uint8_t *json, size_t bytes, uint8_t *out)
{
    in->json = json;
    in->json_bytes = bytes;
    in->out = out;
    in->out_bytes = 0;
    in->why = NULL;
    in->offset = 0;
    *state_of(in) = (struct tr_json_state){.expect = EXPECT_VALUE};
}

static struct tr_json_frame *top(struct tr_json_state *state)
{
    return &state->frame[state->depth - 1];
}

static bool push(struct tr_json_in *in, struct tr_json_state *state, struct tr_json_frame frame)
{
    if (state->depth == TR_JSON_DEPTH_MAX)
        return tr_json_fail(in, "nested too deep");
    state->frame[state->depth++] = frame;
    state->expect = frame.object ? EXPECT_FIRST_KEY : EXPECT_FIRST_ELEMENT;
    return true;
}

// The body is an object, and a message without tag and length.
static bool root_open(struct tr_json_in *in, struct tr_json_state *state)
{
    if (in->json[state->at] != '{')
        return tr_json_fail(in, "not an object");
    state->at++;
    return push(in, state, (struct tr_json_frame){.object = 1, .known = 1, .type = TR_OTLP_REQUEST});
}

static bool message_open(struct tr_json_in *in, struct tr_json_state *state,
                         const struct tr_otlp_field *field, unsigned number)
{
    bool outer = field->type <= TR_OTLP_SPAN;
    struct tr_json_frame frame = {
        .object = 1, .known = 1, .type = field->type, .room = outer ? LENGTH_ROOM : 1};

    if (in->json[state->at] != '{')
        return tr_json_fail(in, "not an object");
    state->at++;
    if (!tr_json_room(in, state->at, 1u + frame.room))
        return false;
    tr_pb_put_tag(in->out + in->out_bytes, number, TR_PB_BYTES);
    in->out_bytes += 1u + frame.room;
    frame.content = in->out_bytes;
    return push(in, state, frame);
}

// Put the length in its place, and the content behind it.
static bool message_close(struct tr_json_in *in, struct tr_json_state *state,
                          const struct tr_json_frame *frame)
{
    uint64_t bytes = in->out_bytes - frame->content, length_bytes = tr_pb_varint_bytes(bytes);
    uint8_t *content = in->out + frame->content, *length = content - frame->room;

    if (frame->room == LENGTH_ROOM && length_bytes > 1) {
        if (length_bytes > LENGTH_ROOM)
            return tr_json_fail(in, "a message is too large");
        for (unsigned i = 0; i < LENGTH_ROOM; i++)
            length[i] = (uint8_t)((bytes >> 7 * i & 0x7f) | (i < LENGTH_ROOM - 1 ? 0x80 : 0));
        return true;
    }
    if (bytes > TR_SPAN_BYTES_MAX)
        return tr_json_fail(in, "a message is too large");
    if (length_bytes > frame->room && !tr_json_room(in, state->at, length_bytes - frame->room))
        return false;
    if (length_bytes != frame->room && bytes)
        memmove(length + length_bytes, content, bytes);
    tr_pb_put_varint(length, bytes);
    in->out_bytes = in->out_bytes - frame->room + length_bytes;
    return true;
}

// An object or array ends. *cost is what was moved.
static bool close_top(struct tr_json_in *in, struct tr_json_state *state, size_t *cost)
{
    const struct tr_json_frame *frame = top(state);

    if (in->json[state->at] != (frame->object ? '}' : ']'))
        return tr_json_fail(in, "a comma or an end was expected");
    state->at++;
    if (frame->object && frame->known && frame->room) {
        if (frame->room == 1)
            *cost += in->out_bytes - frame->content;
        if (!message_close(in, state, frame))
            return false;
    }
    state->depth--;
    state->expect = state->depth ? EXPECT_COMMA : EXPECT_END;
    return true;
}

static bool string_skip(struct tr_json_in *in, struct tr_json_state *state)
{
    const uint8_t *p = in->json + state->at;
    bool closed;

    p = tr_json_string_skip(p, in->json + in->json_bytes, PIECE_BYTES, &closed);
    if (!p)
        return tr_json_fail(in, "a string is cut short");
    state->at = (uint64_t)(p - in->json);
    state->expect = closed ? state->then : EXPECT_STRING_END;
    return true;
}

// Pass over a value that has no place in the schema.
static bool value_skip(struct tr_json_in *in, struct tr_json_state *state)
{
    const uint8_t *p = in->json + state->at;

    state->expect = EXPECT_COMMA;
    switch (*p) {
    case '{':
    case '[':
        state->at++;
        return push(in, state, (struct tr_json_frame){.object = *p == '{'});
    case '"':
        state->at++;
        state->then = EXPECT_COMMA;
        return string_skip(in, state);
    default:
        if (tr_json_word(in, state, "true") || tr_json_word(in, state, "false") ||
            tr_json_word(in, state, "null"))
            return true;
        p = tr_json_number_end(p, in->json + in->json_bytes);
        if (!p)
            return tr_json_fail(in, "not a value");
        state->at = (uint64_t)(p - in->json);
        return true;
    }
}

static bool value(struct tr_json_in *in, struct tr_json_state *state)
{
    const struct tr_json_frame *frame;
    const struct tr_otlp_field *field;
    unsigned number;

    if (state->depth == 0)
        return root_open(in, state);
    frame = top(state);
    number = frame->number;
    if (!frame->known || number == 0)
        return value_skip(in, state);
    field = &tr_otlp_messages[frame->type].field[number];
    state->expect = EXPECT_COMMA;
    if (tr_json_word(in, state, "null"))
        return true;
    if (field->many && frame->object) {
        if (in->json[state->at] != '[')
            return tr_json_fail(in, "not an array");
        state->at++;
        return push(in, state,
                    (struct tr_json_frame){.known = 1, .type = frame->type, .number = (uint8_t)number});
    }
    if (field->kind == TR_OTLP_MESSAGE)
        return message_open(in, state, field, number);
    return tr_json_scalar(in, state, field, number);
}

// The field of this name, 0: none.
static unsigned field_find(const struct tr_otlp_message *message, const char *name, size_t bytes)
{
    for (unsigned i = 1; i <= message->fields; i++)
        if (bytes && message->field[i].name_bytes == bytes &&
            memcmp(message->field[i].name, name, bytes) == 0)
            return i;
    return 0;
}

static bool key(struct tr_json_in *in, struct tr_json_state *state)
{
    struct tr_json_frame *frame = top(state);
    const uint8_t *p = in->json + state->at, *end = in->json + in->json_bytes;
    char name[NAME_BYTES_MAX];
    size_t bytes = 0;
    int c = 0;

    if (*p++ != '"')
        return tr_json_fail(in, "a name was expected");
    frame->number = 0;
    state->at++;
    while (frame->known && bytes < sizeof(name) && (c = tr_json_char_next(&p, end)) >= 0)
        name[bytes++] = (char)c;
    if (bytes == sizeof(name))
        c = tr_json_char_next(&p, end);
    if (frame->known && c == TR_JSON_CHAR_END) {
        frame->number = (uint8_t)field_find(&tr_otlp_messages[frame->type], name, bytes);
        state->at = (uint64_t)(p - in->json);
        state->expect = EXPECT_COLON;
        return true;
    }
    state->then = EXPECT_COLON; // longer than any name, or a character that is in none
    return string_skip(in, state);
}

static bool comma(struct tr_json_in *in, struct tr_json_state *state, size_t *cost)
{
    if (in->json[state->at] != ',')
        return close_top(in, state, cost);
    state->at++;
    state->expect = top(state)->object ? EXPECT_KEY : EXPECT_VALUE;
    return true;
}

// Take what comes next; `c` is its first character, and no white space. *cost is what it costs beside its
// length.
static bool step(struct tr_json_in *in, struct tr_json_state *state, uint8_t c, size_t *cost)
{
    switch ((enum expect)state->expect) {
    case EXPECT_VALUE:
        return value(in, state);
    case EXPECT_FIRST_KEY:
        return c == '}' ? close_top(in, state, cost) : key(in, state);
    case EXPECT_KEY:
        return key(in, state);
    case EXPECT_COLON:
        if (c != ':')
            return tr_json_fail(in, "a colon was expected");
        state->at++;
        state->expect = EXPECT_VALUE;
        return true;
    case EXPECT_FIRST_ELEMENT:
        return c == ']' ? close_top(in, state, cost) : value(in, state);
    case EXPECT_COMMA:
        return comma(in, state, cost);
    case EXPECT_STRING_END:
        return string_skip(in, state);
    default:
        return tr_json_fail(in, "something follows the end");
    }
}

static bool white(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void white_skip(struct tr_json_in *in, struct tr_json_state *state)
{
    uint64_t stop = TR_MIN(in->json_bytes, state->at + PIECE_BYTES);

    while (state->at < stop && white(in->json[state->at]))
        state->at++;
}

enum tr_json_result tr_json_in_run(struct tr_json_in *in, size_t budget)
{
    struct tr_json_state *state = state_of(in);
    uint64_t begin = state->at;
    size_t cost = 0;

    if (in->why)
        return TR_JSON_MALFORMED;
    while (state->at - begin + cost < budget) {
        bool good = true;

        if (state->expect != EXPECT_STRING_END)
            white_skip(in, state);
        if (state->at == in->json_bytes) {
            if (state->expect == EXPECT_END)
                return TR_JSON_DONE;
            good = tr_json_fail(in, "cut short");
        } else if (state->expect == EXPECT_STRING_END || !white(in->json[state->at])) {
            good = step(in, state, in->json[state->at], &cost);
        }
        if (tr_unlikely(!good)) {
            in->offset = state->at;
            return TR_JSON_MALFORMED;
        }
    }
    return TR_JSON_MORE;
}
