// SPDX-License-Identifier: Apache-2.0
// From a JSON value to a protobuf field, for all but messages.
#include "otlp/json_in.h"
#include "otlp/json_number.h"
#include "otlp/json_text.h"

#define ID_BYTES_MAX 64 // longer ones are refused here, all others but the right ones by the walk

static const char *const span_kinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                         "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
static const char *const status_codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

bool tr_json_word(struct tr_json_in *in, struct tr_json_state *state, const char *word)
{
    size_t bytes = strlen(word);

    if (in->json_bytes - state->at < bytes || memcmp(in->json + state->at, word, bytes) != 0)
        return false;
    state->at += bytes;
    return true;
}

// Begin a field of type bytes whose content is to be written before its length is known: with one byte for
// it.
//
// Returns where the content goes, NULL: no room.
static uint8_t *bytes_begin(struct tr_json_in *in, struct tr_json_state *state, unsigned number)
{
    uint8_t *p = in->out + in->out_bytes;

    if (!tr_json_room(in, state->at, 2))
        return NULL;
    return tr_pb_put_tag(p, number, TR_PB_BYTES) + 1;
}

// End it: `content` has so many bytes, and the JSON was read up to `next`.
static bool bytes_end(struct tr_json_in *in, struct tr_json_state *state, uint8_t *content, size_t bytes,
                      const uint8_t *next)
{
    size_t length_bytes = tr_pb_varint_bytes(bytes);

    state->at = (uint64_t)(next - in->json);
    if (!tr_json_room(in, state->at, 1 + length_bytes + bytes))
        return false;
    if (length_bytes > 1)
        memmove(content + length_bytes - 1, content, bytes);
    tr_pb_put_varint(content - 1, bytes);
    in->out_bytes += 1 + length_bytes + bytes;
    return true;
}

static bool string_convert(struct tr_json_in *in, struct tr_json_state *state, unsigned number)
{
    uint8_t *content;
    const uint8_t *next;
    size_t bytes;

    state->at++;
    content = bytes_begin(in, state, number);
    if (!content)
        return false;
    next = tr_json_string_copy(in->json + state->at, in->json + in->json_bytes, content, TR_SPAN_BYTES_MAX,
                               &bytes);
    if (!next)
        return tr_json_fail(in, "a string is cut short, too long, not UTF-8, or has a bad escape");
    return bytes_end(in, state, content, bytes, next);
}

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool id_convert(struct tr_json_in *in, struct tr_json_state *state, unsigned number)
{
    const uint8_t *p = in->json + ++state->at, *end = in->json + in->json_bytes;
    uint8_t *content = bytes_begin(in, state, number);
    size_t bytes = 0;

    if (!content)
        return false;
    for (;;) {
        int high = tr_json_char_next(&p, end), low;

        if (high == TR_JSON_CHAR_END)
            return bytes_end(in, state, content, bytes, p);
        low = tr_json_char_next(&p, end);
        if (hex_value(high) < 0 || low < 0 || hex_value(low) < 0 || bytes == ID_BYTES_MAX)
            return tr_json_fail(in, "an id is not hex");
        content[bytes++] = (uint8_t)(hex_value(high) << 4 | hex_value(low));
    }
}

// Of both alphabets. -1: in neither.
static int base64_value(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static bool base64_convert(struct tr_json_in *in, struct tr_json_state *state, unsigned number)
{
    const uint8_t *p = in->json + ++state->at, *end = in->json + in->json_bytes;
    uint8_t *content = bytes_begin(in, state, number);
    unsigned chars = 0, pads = 0;
    uint32_t bits = 0;
    size_t bytes = 0;
    int c;

    if (!content)
        return false;
    while ((c = tr_json_char_next(&p, end)) != TR_JSON_CHAR_END) {
        if (c == '=') {
            pads++;
            continue;
        }
        if (pads || base64_value(c) < 0 || bytes >= TR_SPAN_BYTES_MAX)
            return tr_json_fail(in, "bytes are not base64, or too many");
        bits = bits << 6 | (uint32_t)base64_value(c);
        if (chars++ % 4)
            content[bytes++] = (uint8_t)(bits >> (4 - chars % 4) % 4 * 2);
    }
    if (chars % 4 == 1 || (pads && (chars + pads) % 4))
        return tr_json_fail(in, "bytes are not base64, or too many");
    return bytes_end(in, state, content, bytes, p);
}

// A number, or a string of one. *begin and *end are its text, *quoted says which.
static bool number_text(struct tr_json_in *in, struct tr_json_state *state, const uint8_t **begin,
                        const uint8_t **end)
{
    const uint8_t *p = in->json + state->at, *stop = in->json + in->json_bytes;
    bool quoted = *p == '"';

    *begin = p + quoted;
    *end = tr_json_number_end(*begin, stop);
    if (!*end || (quoted && (*end == stop || **end != '"')))
        return tr_json_fail(in, "not a number");
    state->at = (uint64_t)(*end + quoted - in->json);
    return true;
}

// An integer from -`below` to `above`, as 64 bits.
static bool integer_read(struct tr_json_in *in, struct tr_json_state *state, uint64_t below, uint64_t above,
                         uint64_t *value)
{
    const uint8_t *begin, *end;
    bool negative;

    if (!number_text(in, state, &begin, &end))
        return false;
    if (!tr_json_number_integer(begin, end, &negative, value) || *value > (negative ? below : above))
        return tr_json_fail(in, "not an integer, or out of range");
    if (negative)
        *value = 0 - *value;
    return true;
}

static bool enum_read(struct tr_json_in *in, struct tr_json_state *state, const char *const *names,
                      unsigned count, uint64_t *value)
{
    const uint8_t *p = in->json + state->at + 1;

    if (p[-1] != '"' || p == in->json + in->json_bytes || (*p >= '0' && *p <= '9'))
        return integer_read(in, state, 0, INT32_MAX, value);
    for (unsigned i = 0; i < count; i++) {
        size_t bytes = strlen(names[i]);

        if (in->json_bytes - state->at >= bytes + 2 && memcmp(p, names[i], bytes) == 0 && p[bytes] == '"') {
            state->at += bytes + 2;
            *value = i;
            return true;
        }
    }
    return tr_json_fail(in, "no such enum value");
}

static bool double_read(struct tr_json_in *in, struct tr_json_state *state, uint64_t *bits)
{
    const uint8_t *begin, *end;
    double value;

    if (tr_json_word(in, state, "\"NaN\"")) {
        value = __builtin_nan("");
    } else if (tr_json_word(in, state, "\"Infinity\"")) {
        value = __builtin_inf();
    } else if (tr_json_word(in, state, "\"-Infinity\"")) {
        value = -__builtin_inf();
    } else {
        if (!number_text(in, state, &begin, &end))
            return false;
        if (!tr_json_number_double(begin, end, &value))
            return tr_json_fail(in, "a number is out of range");
    }
    memcpy(bits, &value, sizeof(*bits));
    return true;
}

static bool bool_read(struct tr_json_in *in, struct tr_json_state *state, uint64_t *value)
{
    *value = tr_json_word(in, state, "true");
    return *value || tr_json_word(in, state, "false") || tr_json_fail(in, "neither true nor false");
}

// The number as it goes on the wire.
static bool number_read(struct tr_json_in *in, struct tr_json_state *state, unsigned kind, uint64_t *value)
{
    switch (kind) {
    case TR_OTLP_BOOL:
        return bool_read(in, state, value);
    case TR_OTLP_SPAN_KIND:
        return enum_read(in, state, span_kinds, TR_NELEMS(span_kinds), value);
    case TR_OTLP_STATUS_CODE:
        return enum_read(in, state, status_codes, TR_NELEMS(status_codes), value);
    case TR_OTLP_INT32:
        return integer_read(in, state, 1ull << 31, INT32_MAX, value);
    case TR_OTLP_INT64:
        return integer_read(in, state, 1ull << 63, INT64_MAX, value);
    case TR_OTLP_DOUBLE:
        return double_read(in, state, value);
    case TR_OTLP_FIXED64:
        return integer_read(in, state, 0, UINT64_MAX, value);
    default: // UINT32, FIXED32
        return integer_read(in, state, 0, UINT32_MAX, value);
    }
}

static bool number_convert(struct tr_json_in *in, struct tr_json_state *state, unsigned kind, unsigned number)
{
    uint8_t *p = in->out + in->out_bytes, field[16], *end;
    uint64_t value;

    if (!number_read(in, state, kind, &value))
        return false;
    if (kind == TR_OTLP_FIXED64 || kind == TR_OTLP_DOUBLE) {
        end = tr_pb_put_fixed64(field, number, value);
    } else if (kind == TR_OTLP_FIXED32) {
        end = tr_pb_put_tag(field, number, TR_PB_FIXED32);
        memcpy(end, &value, 4);
        end += 4;
    } else {
        end = tr_pb_put_varint(tr_pb_put_tag(field, number, TR_PB_VARINT), value);
    }
    if (!tr_json_room(in, state->at, (uint64_t)(end - field)))
        return false;
    memcpy(p, field, (size_t)(end - field));
    in->out_bytes += (size_t)(end - field);
    return true;
}

bool tr_json_scalar(struct tr_json_in *in, struct tr_json_state *state, const struct tr_otlp_field *field,
                    unsigned number)
{
    bool string = in->json[state->at] == '"';

    switch (field->kind) {
    case TR_OTLP_STRING:
        return string ? string_convert(in, state, number) : tr_json_fail(in, "not a string");
    case TR_OTLP_BYTES:
        return string ? base64_convert(in, state, number) : tr_json_fail(in, "not a string");
    case TR_OTLP_ID16:
    case TR_OTLP_ID8:
        return string ? id_convert(in, state, number) : tr_json_fail(in, "not a string");
    default:
        return number_convert(in, state, field->kind, number);
    }
}
