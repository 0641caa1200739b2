// SPDX-License-Identifier: Apache-2.0
#include "http/decode.h"

#define ZLIB_CONST
#define ZSTD_STATIC_LINKING_ONLY
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

// zlib's state and its window, and zstd's context, come out of areas made at creation.
#define ZLIB_BYTES (64 * TR_KIB)
#define ZSTD_BYTES (9 * TR_MIB + 512 * TR_KIB) // a window of 8 MiB, the most that RFC 8878 asks for
#define WINDOW_LOG 23

struct tr_decoder {
    uint8_t *zlib_area, *zstd_area;
    size_t zlib_taken;
    z_stream z;
    bool z_open;
    ZSTD_DStream *zstd;

    enum tr_encoding encoding;
    const struct tr_piece *piece;
    size_t piece_at;
    uint8_t *out;
    size_t out_max, out_bytes;
    bool begun;    // the first bytes were seen: deflate is zlib or raw
    bool frame_open; // zstd: in a frame; zlib: in a member
};

static void *area_alloc(void *opaque, unsigned count, unsigned bytes)
{
    struct tr_decoder *decoder = opaque;
    size_t need = TR_ALIGN_UP((size_t)count * bytes, (size_t)16);
    void *block = decoder->zlib_area + decoder->zlib_taken;

    if (decoder->zlib_taken + need > ZLIB_BYTES)
        return NULL;
    decoder->zlib_taken += need;
    return block;
}

static void area_free(void *opaque, void *block)
{
}

static void *pages(size_t bytes)
{
    void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return area == MAP_FAILED ? NULL : area;
}

int tr_decoder_create(struct tr_decoder **out)
{
    struct tr_decoder *decoder = calloc(1, sizeof(*decoder));

    if (!decoder)
        return -ENOMEM;
    decoder->zlib_area = pages(ZLIB_BYTES);
    decoder->zstd_area = pages(ZSTD_BYTES);
    if (decoder->zstd_area)
        decoder->zstd = ZSTD_initStaticDStream(decoder->zstd_area, ZSTD_BYTES);
    if (!decoder->zlib_area || !decoder->zstd) {
        tr_decoder_destroy(decoder);
        return -ENOMEM;
    }
    *out = decoder;
    return 0;
}

void tr_decoder_destroy(struct tr_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->zlib_area)
        munmap(decoder->zlib_area, ZLIB_BYTES);
    if (decoder->zstd_area)
        munmap(decoder->zstd_area, ZSTD_BYTES);
    free(decoder);
}

void tr_decoder_begin(struct tr_decoder *decoder, enum tr_encoding encoding, const struct tr_piece *pieces,
                      uint8_t *out, size_t out_max)
{
    decoder->encoding = encoding;
    decoder->piece = pieces;
    decoder->piece_at = 0;
    decoder->out = out;
    decoder->out_max = out_max;
    decoder->out_bytes = 0;
    decoder->begun = decoder->frame_open = false;
    if (encoding == TR_ENCODING_ZSTD) {
        ZSTD_DCtx_reset(decoder->zstd, ZSTD_reset_session_and_parameters);
        ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
    }
}

// The input that lies contiguous at the cursor. Returns 0 at the end.
static size_t input_at(struct tr_decoder *decoder, const uint8_t **data)
{
    while (decoder->piece && decoder->piece_at == decoder->piece->bytes) {
        decoder->piece = decoder->piece->next;
        decoder->piece_at = 0;
    }
    if (!decoder->piece)
        return 0;
    *data = decoder->piece->data + decoder->piece_at;
    return decoder->piece->bytes - decoder->piece_at;
}

static enum tr_decode_result copy_run(struct tr_decoder *decoder, size_t budget)
{
    const uint8_t *data;
    size_t bytes;

    while ((bytes = input_at(decoder, &data))) {
        if (!budget)
            return TR_DECODE_MORE;
        bytes = TR_MIN(bytes, budget);
        if (bytes > decoder->out_max - decoder->out_bytes)
            return TR_DECODE_TOO_LARGE;
        memcpy(decoder->out + decoder->out_bytes, data, bytes);
        decoder->out_bytes += bytes;
        decoder->piece_at += bytes;
        budget -= bytes;
    }
    return TR_DECODE_DONE;
}

// gzip says so itself; deflate is zlib's format, or raw as some clients send: the first two bytes tell.
static bool inflate_begin(struct tr_decoder *decoder, const uint8_t *data, size_t bytes)
{
    int window = 15 + 16;

    if (decoder->encoding == TR_ENCODING_DEFLATE) {
        uint8_t second = bytes > 1 ? data[1] : decoder->piece->next ? decoder->piece->next->data[0] : 0;

        window = (data[0] & 15) == 8 && (data[0] * 256 + second) % 31 == 0 ? 15 : -15;
    }
    decoder->zlib_taken = 0;
    memset(&decoder->z, 0, sizeof(decoder->z));
    decoder->z.zalloc = area_alloc;
    decoder->z.zfree = area_free;
    decoder->z.opaque = decoder;
    decoder->begun = decoder->frame_open = true;
    return inflateInit2(&decoder->z, window) == Z_OK;
}

// Inflate what z has as input, to no more than `budget` bytes of output, which is reduced. Returns TR_DECODE_MORE: go on.
static enum tr_decode_result inflate_some(struct tr_decoder *decoder, size_t *budget)
{
    size_t room = TR_MIN(decoder->out_max - decoder->out_bytes, *budget), made;
    uint8_t overflow;
    int rc;

    decoder->z.next_out = room ? decoder->out + decoder->out_bytes : &overflow;
    decoder->z.avail_out = room ? (uInt)room : 1;
    rc = inflate(&decoder->z, Z_NO_FLUSH);
    if (!room && !decoder->z.avail_out)
        return TR_DECODE_TOO_LARGE;
    made = room ? room - decoder->z.avail_out : 0;
    decoder->out_bytes += made;
    *budget -= made;
    decoder->frame_open = rc != Z_STREAM_END;
    return rc == Z_STREAM_END || rc == Z_OK || rc == Z_BUF_ERROR ? TR_DECODE_MORE : TR_DECODE_MALFORMED;
}

static enum tr_decode_result inflate_run(struct tr_decoder *decoder, size_t budget)
{
    enum tr_decode_result result;
    const uint8_t *data;
    size_t bytes;

    while ((bytes = input_at(decoder, &data))) {
        if (!budget)
            return TR_DECODE_MORE;
        // A second gzip member may follow the first; nothing may follow deflate.
        if (!decoder->frame_open && decoder->begun && decoder->encoding != TR_ENCODING_GZIP)
            return TR_DECODE_MALFORMED;
        if (!decoder->frame_open && !inflate_begin(decoder, data, bytes))
            return TR_DECODE_MALFORMED;
        decoder->z.next_in = data;
        decoder->z.avail_in = (uInt)bytes;
        result = inflate_some(decoder, &budget);
        decoder->piece_at += bytes - decoder->z.avail_in;
        if (result != TR_DECODE_MORE)
            return result;
    }
    // The input may be used up while output waits inside.
    while (decoder->frame_open) {
        size_t before = decoder->out_bytes;

        if (!budget)
            return TR_DECODE_MORE;
        decoder->z.avail_in = 0;
        result = inflate_some(decoder, &budget);
        if (result != TR_DECODE_MORE)
            return result;
        if (decoder->frame_open && decoder->out_bytes == before)
            return TR_DECODE_MALFORMED; // cut short
    }
    return decoder->begun ? TR_DECODE_DONE : TR_DECODE_MALFORMED;
}

static enum tr_decode_result zstd_run(struct tr_decoder *decoder, size_t budget)
{
    const uint8_t *data = NULL;
    size_t bytes;

    for (;;) {
        size_t room = TR_MIN(decoder->out_max - decoder->out_bytes, budget), rc;
        uint8_t overflow;
        ZSTD_inBuffer in = {NULL, 0, 0};
        ZSTD_outBuffer out = {room ? decoder->out + decoder->out_bytes : &overflow, room ? room : 1, 0};

        bytes = input_at(decoder, &data);
        if (!bytes && !decoder->frame_open)
            return decoder->begun ? TR_DECODE_DONE : TR_DECODE_MALFORMED;
        if (!budget)
            return TR_DECODE_MORE;
        in.src = data;
        in.size = bytes;
        decoder->begun = true;
        rc = ZSTD_decompressStream(decoder->zstd, &out, &in);
        if (ZSTD_isError(rc))
            return ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge ? TR_DECODE_TOO_LARGE
                                                                                     : TR_DECODE_MALFORMED;
        if (!room && out.pos)
            return TR_DECODE_TOO_LARGE;
        if (!bytes && !out.pos && rc)
            return TR_DECODE_MALFORMED; // cut short
        decoder->piece_at += in.pos;
        if (room) {
            decoder->out_bytes += out.pos;
            budget -= out.pos;
        }
        decoder->frame_open = rc != 0;
    }
}

enum tr_decode_result tr_decoder_run(struct tr_decoder *decoder, size_t budget, size_t *bytes)
{
    enum tr_decode_result result;

    switch (decoder->encoding) {
    case TR_ENCODING_IDENTITY:
        result = copy_run(decoder, budget);
        break;
    case TR_ENCODING_ZSTD:
        result = zstd_run(decoder, budget);
        break;
    default:
        result = inflate_run(decoder, budget);
        break;
    }
    *bytes = decoder->out_bytes;
    return result;
}
