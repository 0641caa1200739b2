// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 request line and its header lines, strictly: what two parsers could read in two ways is refused.
// Source: RFC 9112, sections 2.2, 3, 5, 6.3, 11.2.
#include "http/http_internal.h"

#include <ctype.h>

static bool is_token(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
            return false;
    return bytes > 0;
}

static bool request_line(struct req *req, const char *line, size_t bytes)
{
    const char *space = memchr(line, ' ', bytes), *second;
    size_t left;

    if (!space || !is_token(line, (size_t)(space - line)))
        return false;
    left = bytes - (size_t)(space + 1 - line);
    second = memchr(space + 1, ' ', left);
    if (!second || second == space + 1)
        return false;
    for (const char *p = space + 1; p < second; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return false;
    left -= (size_t)(second + 1 - (space + 1));
    if (left != 8 || memcmp(second + 1, "HTTP/1.", 7) != 0 || (second[8] != '1' && second[8] != '0'))
        return false;
    req->close = second[8] == '0';
    req_header(req, ":method", 7, line, (size_t)(space - line));
    req_header(req, ":path", 5, space + 1, (size_t)(second - space - 1));
    return true;
}

static bool length_parse(struct req *req, const char *value, size_t bytes)
{
    int64_t length = 0;

    if (!bytes || bytes > 15)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        if (!isdigit((unsigned char)value[i]))
            return false;
        length = length * 10 + (value[i] - '0');
    }
    if (req->content_length >= 0 && req->content_length != length)
        return false;
    req->content_length = length;
    return true;
}

static bool has_word(const char *value, size_t bytes, const char *word)
{
    size_t length = strlen(word);

    for (size_t i = 0; i + length <= bytes; i++)
        if (strncasecmp(value + i, word, length) == 0 && (i == 0 || value[i - 1] == ' ' || value[i - 1] == ',') &&
            (i + length == bytes || value[i + length] == ' ' || value[i + length] == ','))
            return true;
    return false;
}

static bool header_line(struct req *req, char *line, size_t bytes, bool *chunked)
{
    char *colon = memchr(line, ':', bytes);
    const char *value;
    size_t name_bytes, value_bytes;

    // No blank before the colon, no continuation lines, no control characters in the value.
    if (!colon || !is_token(line, (size_t)(colon - line)))
        return false;
    name_bytes = (size_t)(colon - line);
    for (size_t i = 0; i < name_bytes; i++)
        line[i] = (char)tolower((unsigned char)line[i]);
    value = colon + 1;
    value_bytes = bytes - name_bytes - 1;
    while (value_bytes && (*value == ' ' || *value == '\t'))
        value++, value_bytes--;
    while (value_bytes && (value[value_bytes - 1] == ' ' || value[value_bytes - 1] == '\t'))
        value_bytes--;
    for (size_t i = 0; i < value_bytes; i++)
        if ((unsigned char)value[i] < 0x20 && value[i] != '\t')
            return false;
    if (name_bytes == 14 && memcmp(line, "content-length", 14) == 0)
        return length_parse(req, value, value_bytes);
    if (name_bytes == 17 && memcmp(line, "transfer-encoding", 17) == 0) {
        if (*chunked || value_bytes != 7 || strncasecmp(value, "chunked", 7) != 0)
            return false;
        *chunked = true;
        return true;
    }
    if (name_bytes == 10 && memcmp(line, "connection", 10) == 0) {
        if (has_word(value, value_bytes, "close"))
            req->close = true;
        else if (has_word(value, value_bytes, "keep-alive"))
            req->close = false;
        return true;
    }
    if (name_bytes == 6 && memcmp(line, "expect", 6) == 0)
        req->expect = value_bytes == 12 && strncasecmp(value, "100-continue", 12) == 0;
    req_header(req, line, name_bytes, value, value_bytes);
    return true;
}

// The block without its empty last line. A chunked body has content_length -2.
enum h1_head h1_head_parse(struct req *req, char *head, size_t bytes)
{
    bool first = true, chunked = false;

    while (bytes) {
        char *end = memmem(head, bytes, "\r\n", 2);
        size_t line;

        if (!end)
            return H1_HEAD_MALFORMED;
        line = (size_t)(end - head);
        if (memchr(head, '\n', line) || memchr(head, '\0', line))
            return H1_HEAD_MALFORMED;
        if (first && !request_line(req, head, line))
            return H1_HEAD_NOT_HTTP;
        if (!first && !header_line(req, head, line, &chunked))
            return H1_HEAD_MALFORMED;
        first = false;
        head += line + 2;
        bytes -= line + 2;
    }
    if (chunked && req->content_length >= 0)
        return H1_HEAD_MALFORMED; // both: the classic way to smuggle a request
    if (chunked)
        req->content_length = -2;
    return first ? H1_HEAD_NOT_HTTP : H1_HEAD_GOOD;
}
