// SPDX-License-Identifier: Apache-2.0
#include "fake_stream.h"

const struct tr_http_options fake_options = {.body_bytes_max = 256 * 1024,
                                             .header_bytes_max = 4096,
                                             .streams_max = 100,
                                             .staged_stream_bytes_max = 256 * 1024,
                                             .staged_connection_bytes_max = 8 << 20,
                                             .staged_lcore_bytes_max = 1 << 20,
                                             .request_timeout_ns = 30 * TR_S,
                                             .header_timeout_ns = 10 * TR_S,
                                             .idle_timeout_ns = 600 * TR_S,
                                             .resets_max = 20,
                                             .control_frames_max = 50};

static struct fake *fake_of(struct tr_stream *stream)
{
    return stream->port_data;
}

static size_t fake_send(struct tr_stream *stream, const void *data, size_t bytes)
{
    struct fake *fake = fake_of(stream);
    size_t part = TR_MIN(bytes, TR_MIN(fake->room, sizeof(fake->out) - fake->out_bytes));

    memcpy(fake->out + fake->out_bytes, data, part);
    fake->out_bytes += part;
    fake->room -= part;
    return part;
}

static void fake_pause(struct tr_stream *stream)
{
    fake_of(stream)->paused = true;
}

static void fake_resume(struct tr_stream *stream)
{
    fake_of(stream)->paused = false;
}

static void stream_close(struct tr_stream *stream)
{
    fake_of(stream)->closed = true;
}

static void stream_abort(struct tr_stream *stream)
{
    fake_of(stream)->aborted = true;
}

static bool admit(void *context, const struct tr_request *request, struct tr_reply *reply, uint64_t now)
{
    struct fake *fake = context;

    if (fake->refuse)
        *reply = (struct tr_reply){.code = TR_UNAVAILABLE, .message = "later", .retry_delay_ns = 3 * TR_S};
    return !fake->refuse;
}

static void complete(void *context, struct tr_request *request, uint64_t now)
{
    struct fake *fake = context;

    fake->body_bytes = 0;
    for (const struct tr_piece *piece = request->pieces; piece; piece = piece->next) {
        memcpy(fake->body + fake->body_bytes, piece->data, piece->bytes);
        fake->body_bytes += piece->bytes;
    }
    assert_int_equal(fake->body_bytes, request->body_bytes);
    fake->waiting[fake->completed++ % TR_NELEMS(fake->waiting)] = request;
    if (fake->answer_now)
        tr_request_reply(request, &fake->reply, now);
}

void fake_open(struct fake *fake, const struct tr_http_options *options)
{
    struct tr_request_sink sink = {.context = fake, .admit = admit, .complete = complete};
    struct tr_error error = {0};

    memset(fake, 0, sizeof(*fake));
    fake->now = TR_S;
    fake->room = SIZE_MAX;
    fake->answer_now = true;
    fake->ops = (struct tr_stream_ops){
        .send = fake_send, .pause = fake_pause, .resume = fake_resume, .close = stream_close, .abort = stream_abort};
    assert_int_equal(tr_http_create(&fake->http, options, &sink, &error), 0);
    fake->user = tr_http_stream_user(fake->http);
    fake->stream = (struct tr_stream){.ops = &fake->ops, .user = fake->user, .port_data = fake, .id = 1};
    assert_int_equal(fake->user->opened(fake->user->context, &fake->stream, fake->now), 0);
}

void fake_close(struct fake *fake)
{
    fake->user->closed(fake->user->context, &fake->stream, TR_CLOSE_PEER, fake->now);
    assert_int_equal(fake->http->pool_used, 0);
    assert_int_equal(fake->http->slab.used, 0);
    assert_int_equal(fake->http->conns_count, 0);
    assert_null(fake->http->staged_oldest);
    assert_null(fake->http->staged_newest);
    tr_http_destroy(fake->http);
}

void fake_input(struct fake *fake, const void *data, size_t bytes)
{
    // From memory that is gone afterwards: who keeps a pointer into it is found out.
    uint8_t *copy = malloc(bytes + 1);

    memcpy(copy, data, bytes);
    fake->user->input(fake->user->context, &fake->stream, copy, bytes, fake->now);
    memset(copy, 0xdd, bytes);
    free(copy);
    fake_poll(fake, 0);
}

void fake_text(struct fake *fake, const char *text)
{
    fake_input(fake, text, strlen(text));
}

void fake_dribble(struct fake *fake, const char *text, size_t piece)
{
    size_t bytes = strlen(text);

    for (size_t at = 0; at < bytes; at += piece)
        fake_input(fake, text + at, TR_MIN(piece, bytes - at));
}

void fake_poll(struct fake *fake, uint64_t passed_ns)
{
    fake->now += passed_ns;
    tr_http_poll(fake->http, fake->now);
}

void fake_answer(struct fake *fake, unsigned number)
{
    tr_request_reply(fake->waiting[number], &fake->reply, fake->now);
    fake_poll(fake, 0);
}

bool fake_says(const struct fake *fake, const char *text)
{
    return memmem(fake->out, fake->out_bytes, text, strlen(text)) != NULL;
}
