// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pb.h"

static const uint8_t *field(struct tr_pb_field *f, const char *bytes, size_t n)
{
    return tr_pb_field((const uint8_t *)bytes, (const uint8_t *)bytes + n, f);
}

#define FIELD(f, text) field(f, text, sizeof(text) - 1)

static void a_varint_comes_back_as_it_was_put(void **state)
{
    static const uint64_t values[] = {
        0, 1, 127, 128, 16383, 16384, UINT32_MAX, 1ull << 35, (1ull << 63) - 1, 1ull << 63, UINT64_MAX};

    for (size_t i = 0; i < TR_NELEMS(values); i++) {
        uint8_t buffer[10], *end = tr_pb_put_varint(buffer, values[i]);
        uint64_t value = 7;

        assert_int_equal(end - buffer, tr_pb_varint_bytes(values[i]));
        assert_ptr_equal(tr_pb_varint(buffer, end, &value), end);
        assert_int_equal(value, values[i]);
        for (const uint8_t *cut = buffer; cut < end; cut++)
            assert_null(tr_pb_varint(buffer, cut, &value));
    }
}

static void a_varint_above_64_bits_is_refused(void **state)
{
    static const uint8_t top[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    uint64_t value;

    assert_ptr_equal(tr_pb_varint(top, top + sizeof(top), &value), top + sizeof(top));
    assert_int_equal(value, UINT64_MAX);
    assert_null(tr_pb_varint(over, over + sizeof(over), &value));
    assert_null(tr_pb_varint(eleven, eleven + sizeof(eleven), &value));
}

static void a_number_spelled_the_long_way_is_read(void **state)
{
    static const uint8_t one[] = {0x81, 0x80, 0x80, 0x00};
    uint64_t value;

    assert_ptr_equal(tr_pb_varint(one, one + 4, &value), one + 4);
    assert_int_equal(value, 1);
}

static void a_field_of_each_wire_type_is_read(void **state)
{
    struct tr_pb_field f;

    assert_non_null(FIELD(&f, "\x30\x96\x01"));
    assert_int_equal(f.number, 6);
    assert_int_equal(f.wire, TR_PB_VARINT);
    assert_int_equal(f.value, 150);
    assert_non_null(FIELD(&f, "\x39\x01\x02\x00\x00\x00\x00\x00\x80"));
    assert_int_equal(f.value, 0x8000000000000201ull);
    assert_non_null(FIELD(&f, "\x2a\x03xyz"));
    assert_int_equal(f.number, 5);
    assert_int_equal(f.value, 3);
    assert_memory_equal(f.bytes, "xyz", 3);
    assert_non_null(FIELD(&f, "\x85\x01\x01\x02\x00\x80"));
    assert_int_equal(f.number, 16);
    assert_int_equal(f.wire, TR_PB_FIXED32);
    assert_int_equal(f.value, 0x80000201u);
}

static void a_field_cut_short_is_refused(void **state)
{
    static const char *whole[] = {"\x30\x96\x01", "\x39\x01\x02\x03\x04\x05\x06\x07\x08", "\x2a\x03xyz",
                                  "\x85\x01\x01\x02\x03\x04"};
    static const size_t bytes[] = {3, 9, 5, 6};
    struct tr_pb_field f;

    for (size_t i = 0; i < TR_NELEMS(whole); i++) {
        assert_non_null(field(&f, whole[i], bytes[i]));
        for (size_t cut = 0; cut < bytes[i]; cut++)
            assert_null(field(&f, whole[i], cut));
    }
}

static void groups_field_0_and_long_tags_are_refused(void **state)
{
    struct tr_pb_field f;

    assert_null(FIELD(&f, "\x0b\x0c"));                     // group of field 1
    assert_null(FIELD(&f, "\x0c"));                         // its end
    assert_null(FIELD(&f, "\x0e\x00"));                     // wire type 6
    assert_null(FIELD(&f, "\x0f\x00"));                     // wire type 7
    assert_null(FIELD(&f, "\x00\x00"));                     // field 0
    assert_null(FIELD(&f, "\x80\x00\x00"));                 // field 0, the long way
    assert_null(FIELD(&f, "\x88\x80\x80\x80\x80\x00\x00")); // field 1 in six bytes
    assert_non_null(FIELD(&f, "\x88\x80\x80\x80\x00\x00")); // in five
    assert_null(FIELD(&f, "\x88\x80\x80\x80\x10\x00"));     // above 32 bits
    assert_non_null(FIELD(&f, "\xf8\xff\xff\xff\x0f\x00")); // the highest number
    assert_int_equal(f.number, (1u << 29) - 1);
}

static void a_length_beyond_the_end_is_refused(void **state)
{
    struct tr_pb_field f;

    assert_null(FIELD(&f, "\x0a\x04xyz"));
    assert_null(FIELD(&f, "\x0a\xff\xff\xff\xff\x0fxyz"));     // 2^32 - 1
    assert_null(FIELD(&f, "\x0a\x80\x80\x80\x80\x80\x00xyz")); // 0 in six bytes
    assert_null(FIELD(&f, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_non_null(FIELD(&f, "\x0a\x83\x80\x80\x80\x00xyz")); // 3 in five
    assert_int_equal(f.value, 3);
    assert_non_null(FIELD(&f, "\x0a\x83\x00xyz"));
    assert_int_equal(f.value, 3);
    assert_memory_equal(f.bytes, "xyz", 3);
}

static void a_length_is_known_from_behind(void **state)
{
    const uint32_t lengths[] = {0, 1, 127, 128, 300, 16383, 16384, 1 << 21, INT32_MAX};
    uint8_t bytes[16] = {0x12};

    for (size_t i = 0; i < TR_NELEMS(lengths); i++)
        for (uint32_t pad = 0; pad <= 5; pad++) {
            uint8_t *p = bytes + 1;
            uint32_t left = lengths[i];

            for (; left >= 0x80; left >>= 7)
                *p++ = (uint8_t)(left | 0x80);
            *p++ = (uint8_t)left;
            for (; p - bytes - 1 < pad; p++) { // longer than need be, as parsers take it
                p[-1] |= 0x80;
                *p = 0;
            }
            assert_int_equal(tr_pb_length_before(p), lengths[i]);
        }
}

static void skip_agrees_with_field(void **state)
{
    uint8_t bytes[8];

    for (uint32_t n = 0; n < 1u << 16; n++) {
        const uint8_t *p;
        struct tr_pb_field f;
        uint32_t tag;

        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)(n >> (i % 2 * 8));
        p = tr_pb_tag(bytes, bytes + sizeof(bytes), &tag);
        if (p && tag >> 3)
            p = tr_pb_skip(p, bytes + sizeof(bytes), tag & 7);
        else
            p = NULL;
        assert_ptr_equal(tr_pb_field(bytes, bytes + sizeof(bytes), &f), p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_varint_comes_back_as_it_was_put),
        cmocka_unit_test(a_varint_above_64_bits_is_refused),
        cmocka_unit_test(a_number_spelled_the_long_way_is_read),
        cmocka_unit_test(a_field_of_each_wire_type_is_read),
        cmocka_unit_test(a_field_cut_short_is_refused),
        cmocka_unit_test(groups_field_0_and_long_tags_are_refused),
        cmocka_unit_test(a_length_beyond_the_end_is_refused),
        cmocka_unit_test(a_length_is_known_from_behind),
        cmocka_unit_test(skip_agrees_with_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
