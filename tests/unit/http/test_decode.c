// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <zlib.h>
#include <zstd.h>

#include "http/decode.h"

#define PLAIN_BYTES 50000

static uint8_t plain[PLAIN_BYTES], packed[2 * PLAIN_BYTES], out[4 * PLAIN_BYTES];
static struct tr_decoder *decoder;

static int create(void **state)
{
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * i >> 7);
    return tr_decoder_create(&decoder);
}

static int destroy(void **state)
{
    tr_decoder_destroy(decoder);
    return 0;
}

static size_t deflate_with(int window)
{
    z_stream z = {.next_in = plain, .avail_in = sizeof(plain), .next_out = packed, .avail_out = sizeof(packed)};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return sizeof(packed) - z.avail_out;
}

// Decode `bytes` of packed, cut into pieces of `cut`, `budget` at a time.
static enum tr_decode_result decode(enum tr_encoding encoding, size_t bytes, size_t cut, size_t budget, size_t most,
                                    size_t *got)
{
    static struct tr_piece pieces[2 * PLAIN_BYTES];
    enum tr_decode_result result;
    size_t count = 0;

    for (size_t at = 0; at < bytes; at += cut)
        pieces[count++] = (struct tr_piece){.data = packed + at, .bytes = (uint32_t)TR_MIN(cut, bytes - at)};
    for (size_t i = 0; i < count; i++)
        pieces[i].next = i + 1 < count ? &pieces[i + 1] : NULL;
    memset(out, 0, sizeof(out));
    tr_decoder_begin(decoder, encoding, count ? pieces : NULL, out, most);
    do
        result = tr_decoder_run(decoder, budget, got);
    while (result == TR_DECODE_MORE);
    return result;
}

static void decodes(enum tr_encoding encoding, size_t bytes)
{
    static const size_t cuts[] = {1, 7, 1000, 2 * PLAIN_BYTES}, budgets[] = {1, 333, 1 << 20};
    size_t got;

    for (size_t c = 0; c < TR_NELEMS(cuts); c++) {
        for (size_t b = 0; b < TR_NELEMS(budgets); b++) {
            assert_int_equal(decode(encoding, bytes, cuts[c], budgets[b], PLAIN_BYTES, &got), TR_DECODE_DONE);
            assert_int_equal(got, PLAIN_BYTES);
            assert_memory_equal(out, plain, PLAIN_BYTES);
        }
    }
    // A byte less of room, and each way of being cut short.
    assert_int_equal(decode(encoding, bytes, 1000, 1 << 20, PLAIN_BYTES - 1, &got), TR_DECODE_TOO_LARGE);
    for (size_t cut = 1; cut < 40; cut++)
        assert_int_equal(decode(encoding, bytes - cut, 1000, 1 << 20, PLAIN_BYTES, &got), TR_DECODE_MALFORMED);
    packed[bytes] = 'x';
    assert_int_equal(decode(encoding, bytes + 1, 1000, 1 << 20, PLAIN_BYTES, &got), TR_DECODE_MALFORMED);
}

static void gzip(void **state)
{
    decodes(TR_ENCODING_GZIP, deflate_with(15 + 16));
}

static void deflate_as_zlib_and_raw(void **state)
{
    decodes(TR_ENCODING_DEFLATE, deflate_with(15));
    size_t got, bytes = deflate_with(-15);

    assert_int_equal(decode(TR_ENCODING_DEFLATE, bytes, 3, 1 << 20, PLAIN_BYTES, &got), TR_DECODE_DONE);
    assert_memory_equal(out, plain, PLAIN_BYTES);
}

static void zstd(void **state)
{
    size_t bytes = ZSTD_compress(packed, sizeof(packed), plain, sizeof(plain), 3);

    assert_false(ZSTD_isError(bytes));
    decodes(TR_ENCODING_ZSTD, bytes);
}

static void identity(void **state)
{
    size_t got;

    memcpy(packed, plain, sizeof(plain));
    assert_int_equal(decode(TR_ENCODING_IDENTITY, PLAIN_BYTES, 777, 1000, PLAIN_BYTES, &got), TR_DECODE_DONE);
    assert_memory_equal(out, plain, PLAIN_BYTES);
    assert_int_equal(decode(TR_ENCODING_IDENTITY, PLAIN_BYTES, 777, 1 << 20, PLAIN_BYTES - 1, &got), TR_DECODE_TOO_LARGE);
}

static void several_members_are_one_body(void **state)
{
    size_t one = deflate_with(15 + 16), got;

    memcpy(packed + one, packed, one);
    assert_int_equal(decode(TR_ENCODING_GZIP, 2 * one, 100, 1 << 20, 2 * PLAIN_BYTES, &got), TR_DECODE_DONE);
    assert_int_equal(got, 2 * PLAIN_BYTES);
    assert_memory_equal(out + PLAIN_BYTES, plain, PLAIN_BYTES);
    one = ZSTD_compress(packed, sizeof(packed), plain, sizeof(plain), 3);
    memcpy(packed + one, packed, one);
    assert_int_equal(decode(TR_ENCODING_ZSTD, 2 * one, 100, 1 << 20, 2 * PLAIN_BYTES, &got), TR_DECODE_DONE);
    assert_int_equal(got, 2 * PLAIN_BYTES);
}

static void garbage_is_malformed(void **state)
{
    size_t got;

    memset(packed, 0x42, 100);
    assert_int_equal(decode(TR_ENCODING_GZIP, 100, 10, 1000, PLAIN_BYTES, &got), TR_DECODE_MALFORMED);
    assert_int_equal(decode(TR_ENCODING_ZSTD, 100, 10, 1000, PLAIN_BYTES, &got), TR_DECODE_MALFORMED);
    assert_int_equal(decode(TR_ENCODING_GZIP, 0, 10, 1000, PLAIN_BYTES, &got), TR_DECODE_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip),
        cmocka_unit_test(deflate_as_zlib_and_raw),
        cmocka_unit_test(zstd),
        cmocka_unit_test(identity),
        cmocka_unit_test(several_members_are_one_body),
        cmocka_unit_test(garbage_is_malformed),
    };

    return cmocka_run_group_tests(tests, create, destroy);
}
