// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/reassembly.h"
#include "random.h"

#define STREAM_BYTES (1u << 14)
#define POOL_CHUNKS  64

// A stream beside the one under test: which of its bytes are here, and what arrived last.
struct stream {
    struct tr_chunks *chunks;
    struct tr_reassembly r;
    uint32_t isn;          // sequence number of byte 0
    uint32_t done;         // consumed
    uint32_t bytes;        // here and not consumed
    bool here[STREAM_BYTES];
    uint32_t touched[100]; // a byte of each insert, newest first
    uint32_t touched_count;
    bool many; // there were more runs at a time than SACK tells
    uint64_t random;
};

static uint8_t content[STREAM_BYTES];

static struct stream *stream_new(uint64_t seed, struct tr_chunks *chunks)
{
    struct stream *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->chunks = chunks;
    s->random = seed;
    s->isn = seed % 2 ? (uint32_t)random64(&s->random) : 0u - random_below(&s->random, STREAM_BYTES);
    return s;
}

// A frame of the bytes from..to, cut into pieces anywhere, some of them empty, behind `offset` other bytes.
struct cut_frame {
    struct tr_frame pieces[8];
    uint8_t *data[8];
    uint32_t offset;
};

static void cut(struct stream *s, struct cut_frame *f, uint32_t from, uint32_t bytes)
{
    uint32_t count = 1 + random_below(&s->random, 8), at = 0, all;

    f->offset = random_below(&s->random, 60);
    all = f->offset + bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part = i == count - 1 ? all - at : random_below(&s->random, all - at + 1);

        f->data[i] = malloc(part + 1);
        for (uint32_t j = 0; j < part; j++)
            f->data[i][j] = at + j < f->offset ? 0xee : content[from + at + j - f->offset];
        f->pieces[i] = (struct tr_frame){f->data[i], part, 0, i + 1 < count ? &f->pieces[i + 1] : NULL};
        at += part;
    }
    for (uint32_t i = count; i < 8; i++)
        f->data[i] = NULL;
}

static uint32_t run_begin(const struct stream *s, uint32_t at)
{
    while (at > s->done && s->here[at - 1])
        at--;
    return at;
}

static uint32_t run_end(const struct stream *s, uint32_t at)
{
    while (at < STREAM_BYTES && s->here[at])
        at++;
    return at;
}

static uint32_t runs(const struct stream *s)
{
    uint32_t count = 0;

    for (uint32_t at = s->done; at < STREAM_BYTES; at = run_end(s, at) + 1)
        count += s->here[at];
    return count;
}

static void note_touch(struct stream *s, uint32_t at)
{
    s->touched_count = TR_MIN(s->touched_count, (uint32_t)TR_NELEMS(s->touched) - 1);
    memmove(s->touched + 1, s->touched, s->touched_count * sizeof(*s->touched));
    s->touched[0] = at;
    s->touched_count++;
    s->many |= runs(s) > TR_SACK_BLOCKS_MAX;
}

// Everything that is new is stored, from the front on, unless there is no room.
static uint32_t put(struct stream *s, uint32_t from, uint32_t bytes, uint32_t chunks_max)
{
    uint32_t fresh = 0, stored, left;
    struct cut_frame f;

    cut(s, &f, from, bytes);
    stored = tr_reassembly_insert(s->chunks, &s->r, s->isn + from, &f.pieces[0], f.offset, bytes, chunks_max);
    for (uint32_t i = 0; i < 8; i++)
        free(f.data[i]);
    for (uint32_t at = from; at < from + bytes; at++)
        fresh += !s->here[at];
    assert_true(stored <= fresh);
    assert_true(stored == fresh || s->r.chunks == chunks_max ||
                tr_chunks_used(s->chunks) == tr_chunks_total(s->chunks));
    left = stored;
    for (uint32_t at = from; at < from + bytes && left > 0; at++)
        if (!s->here[at]) {
            s->here[at] = true;
            left--;
        }
    s->bytes += stored;
    if (bytes > 0 && s->here[from])
        note_touch(s, from);
    return fresh - stored;
}

static void check_bytes(const struct stream *s)
{
    uint32_t at = s->done, end = run_end(s, at), bytes;
    const uint8_t *data;

    assert_int_equal(s->r.bytes, s->bytes);
    while ((data = tr_reassembly_peek(s->chunks, &s->r, s->isn + at, &bytes)) != NULL) {
        assert_true(bytes > 0 && at + bytes <= end);
        assert_memory_equal(data, content + at, bytes);
        at += bytes;
    }
    assert_int_equal(at, end);
}

// The run touched last comes first (RFC 2018 4), each is whole and told once; all of them if they were never too many.
static void check_sack(const struct stream *s)
{
    uint32_t next = run_end(s, s->done), want = 0, last = 0;
    struct tr_sack_block blocks[TR_SACK_BLOCKS_MAX], expected[TR_NELEMS(s->touched)];
    uint32_t count = tr_reassembly_sack(s->chunks, &s->r, s->isn + next, blocks);

    for (uint32_t i = 0; i < s->touched_count; i++) {
        uint32_t at = s->touched[i], begin, j = 0;

        if (at < next)
            continue;
        begin = run_begin(s, at);
        while (j < want && expected[j].begin != s->isn + begin)
            j++;
        if (j == want)
            expected[want++] = (struct tr_sack_block){s->isn + begin, s->isn + run_end(s, at)};
    }
    assert_true(count <= TR_MIN(want, TR_SACK_BLOCKS_MAX));
    if (!s->many)
        assert_int_equal(count, want);
    if (s->touched_count && s->touched[0] >= next)
        assert_true(count > 0 && blocks[0].begin == expected[0].begin);
    for (uint32_t i = 0; i < count; i++) { // in the same order, though some may be missing
        while (last < want && expected[last].begin != blocks[i].begin)
            last++;
        assert_true(last < want);
        assert_int_equal(blocks[i].end, expected[last].end);
    }
}

static void consume(struct stream *s, uint32_t to)
{
    tr_reassembly_consume(s->chunks, &s->r, s->isn + to);
    for (uint32_t at = s->done; at < to; at++)
        s->bytes -= s->here[at];
    s->done = to;
    if (s->bytes == 0)
        s->many = false;
}

// What lies behind the first hole goes.
static void cut_off(struct stream *s)
{
    uint32_t hole = run_end(s, s->done), had = s->bytes, kept = 0;

    for (uint32_t at = hole; at < STREAM_BYTES; at++) {
        s->bytes -= s->here[at];
        s->here[at] = false;
    }
    for (uint32_t i = 0; i < s->touched_count; i++)
        if (s->touched[i] < hole)
            s->touched[kept++] = s->touched[i];
    s->touched_count = kept;
    s->many = s->many && s->bytes;
    assert_int_equal(tr_reassembly_cut(s->chunks, &s->r, s->isn + hole), had - s->bytes);
}

static void step(struct stream *s, uint32_t window, uint32_t segment_most, uint32_t chunks_max)
{
    uint32_t most = TR_MIN(window, STREAM_BYTES - s->done), from, bytes;

    if (random_below(&s->random, 6) == 0) {
        consume(s, s->done + random_below(&s->random, run_end(s, s->done) - s->done + 1));
    } else if (random_below(&s->random, 50) == 0) {
        cut_off(s);
    } else if (random_below(&s->random, 60) == 0) { // as if bytes had come past the pool
        consume(s, s->done + random_below(&s->random, TR_MIN(most, 100u) + 1));
    } else {
        from = s->done + random_below(&s->random, most + 1);
        if (random_below(&s->random, 3) == 0)
            from = run_end(s, from);
        bytes = random_below(&s->random, TR_MIN(segment_most, s->done + most - TR_MIN(from, s->done + most)) + 1);
        put(s, from, bytes, chunks_max);
    }
    check_bytes(s);
    check_sack(s);
}

static void is_what_an_array_would_be(void **state)
{
    static const struct {
        uint32_t window, segment, chunks_max;
    } worlds[] = {{8000, 1460, 1000}, {300, 20, 1000}, {16000, 9000, 1000}, {5000, 1, 20}, {16000, 3000, 5}};
    struct tr_chunks *chunks;

    assert_int_equal(tr_chunks_create(&chunks, POOL_CHUNKS * TR_CHUNK_BYTES, -1), 0);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct stream *s = stream_new(seed, chunks);
        uint32_t w = (uint32_t)(seed % TR_NELEMS(worlds));

        for (int i = 0; i < 400 && s->done < STREAM_BYTES; i++)
            step(s, worlds[w].window, worlds[w].segment, worlds[w].chunks_max);
        tr_reassembly_clear(chunks, &s->r);
        assert_true(tr_chunks_used(chunks) == 0);
        free(s);
    }
    tr_chunks_destroy(chunks);
}

// Many connections at one pool: none gets another's bytes, and what one gives back another may have.
static void connections_share_a_pool(void **state)
{
    struct stream *streams[6];
    struct tr_chunks *chunks;
    uint64_t random = 5;

    assert_int_equal(tr_chunks_create(&chunks, 24 * TR_CHUNK_BYTES, -1), 0);
    assert_true(tr_chunks_total(chunks) == 24 * TR_CHUNK_BYTES);
    for (uint64_t i = 0; i < 6; i++)
        streams[i] = stream_new(100 + i, chunks);
    for (int i = 0; i < 5000; i++) {
        struct stream *s = streams[random_below(&random, 6)];
        uint32_t held = 0;

        if (s->done < STREAM_BYTES)
            step(s, 12000, 4000, 6);
        for (int j = 0; j < 6; j++)
            held += streams[j]->r.chunks;
        assert_true(tr_chunks_used(chunks) == held * (uint64_t)TR_CHUNK_BYTES);
    }
    for (int i = 0; i < 6; i++) {
        tr_reassembly_clear(chunks, &streams[i]->r);
        free(streams[i]);
    }
    assert_true(tr_chunks_used(chunks) == 0);
    tr_chunks_destroy(chunks);
}

// Segments of one byte in a row take no more room than one of all of them.
static void small_segments_share_chunks(void **state)
{
    struct tr_chunks *chunks;
    struct stream *s;

    assert_int_equal(tr_chunks_create(&chunks, POOL_CHUNKS * TR_CHUNK_BYTES, -1), 0);
    s = stream_new(7, chunks);
    for (uint32_t at = 10; at < 10 + 3 * TR_CHUNK_BYTES; at++)
        assert_int_equal(put(s, at, 1, 1000), 0);
    assert_int_equal(s->r.chunks, 3);
    check_bytes(s);
    check_sack(s);
    tr_reassembly_clear(chunks, &s->r);
    tr_chunks_destroy(chunks);
    free(s);
}

// A peer that sends every other byte holds chunks_max chunks and no more.
static void a_hoarder_is_bounded(void **state)
{
    struct tr_chunks *chunks;
    struct stream *s;

    assert_int_equal(tr_chunks_create(&chunks, POOL_CHUNKS * TR_CHUNK_BYTES, -1), 0);
    s = stream_new(8, chunks);
    for (uint32_t at = 1; at < 2000; at += 2)
        put(s, at, 1, 16);
    assert_int_equal(s->r.chunks, 16);
    assert_true(tr_chunks_used(chunks) == 16 * TR_CHUNK_BYTES);
    check_bytes(s);
    check_sack(s);
    tr_reassembly_clear(chunks, &s->r);
    tr_chunks_destroy(chunks);
    free(s);
}

static void what_is_here_wins(void **state)
{
    static const uint8_t first[] = "AAAA", again[] = "bbbbbbbb";
    struct tr_frame a = {first, 4, 0, NULL}, b = {again, 8, 0, NULL};
    struct tr_reassembly r = {0};
    struct tr_chunks *chunks;
    uint8_t got[8];
    uint32_t bytes, at = 0;

    assert_int_equal(tr_chunks_create(&chunks, TR_MIB, -1), 0);
    assert_int_equal(tr_reassembly_insert(chunks, &r, 2, &a, 0, 4, 9), 4);
    assert_int_equal(tr_reassembly_insert(chunks, &r, 0, &b, 0, 8, 9), 4);
    for (const uint8_t *data; (data = tr_reassembly_peek(chunks, &r, at, &bytes)) != NULL; at += bytes)
        memcpy(got + at, data, bytes);
    assert_int_equal(at, 8);
    assert_memory_equal(got, "bbAAAAbb", 8);
    tr_reassembly_clear(chunks, &r);
    tr_chunks_destroy(chunks);
    assert_int_equal(tr_chunks_create(&chunks, TR_CHUNK_BYTES - 1, -1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_what_an_array_would_be),
        cmocka_unit_test(connections_share_a_pool),
        cmocka_unit_test(small_segments_share_chunks),
        cmocka_unit_test(a_hoarder_is_bounded),
        cmocka_unit_test(what_is_here_wins),
    };

    for (uint32_t i = 0; i < STREAM_BYTES; i++)
        content[i] = (uint8_t)tr_mix64(i);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
