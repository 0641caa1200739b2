// SPDX-License-Identifier: Apache-2.0
// Compressed bodies of any kind, in pieces, within a bound: what comes out is the same however it is cut and budgeted.
// (Which error it is may differ, and a zstd frame that lies in one piece may have a larger window than one in several.)
// The input: a byte for the encoding, a byte for the size of pieces, then the body.
#include "fuzz.h"

#include "http/decode.h"

#define MOST 65536

static struct tr_decoder *decoder;

static enum tr_decode_result decode(enum tr_encoding encoding, const uint8_t *data, size_t bytes, size_t cut, size_t budget,
                                    uint8_t *out, size_t *got)
{
    struct tr_piece *pieces = calloc(bytes / cut + 1, sizeof(*pieces));
    enum tr_decode_result result;
    size_t count = 0, turns = 0;

    for (size_t at = 0; at < bytes; at += cut)
        pieces[count++] = (struct tr_piece){.data = data + at, .bytes = (uint32_t)TR_MIN(cut, bytes - at)};
    for (size_t i = 0; i + 1 < count; i++)
        pieces[i].next = &pieces[i + 1];
    tr_decoder_begin(decoder, encoding, count ? pieces : NULL, out, MOST);
    do {
        result = tr_decoder_run(decoder, budget, got);
        tr_assert(++turns < 10 * MOST);
    } while (result == TR_DECODE_MORE);
    tr_assert(*got <= MOST);
    free(pieces);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t once[MOST], cut[MOST];
    enum tr_decode_result whole, pieces;
    size_t got_once = 0, got_cut = 0;

    if (bytes < 2)
        return 0;
    if (!decoder)
        tr_assert(tr_decoder_create(&decoder) == 0);
    whole = decode((enum tr_encoding)(data[0] & 3), data + 2, bytes - 2, bytes, 1 << 20, once, &got_once);
    pieces = decode((enum tr_encoding)(data[0] & 3), data + 2, bytes - 2, 1 + data[1], 97, cut, &got_cut);
    if ((data[0] & 3) != TR_ENCODING_ZSTD)
        tr_assert((whole == TR_DECODE_DONE) == (pieces == TR_DECODE_DONE));
    if (whole == TR_DECODE_DONE && pieces == TR_DECODE_DONE)
        tr_assert(got_once == got_cut && memcmp(once, cut, got_once) == 0);
    return 0;
}
