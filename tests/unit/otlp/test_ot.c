// SPDX-License-Identifier: Apache-2.0
// `ot` in a trace_state, against the Collector's pkg/sampling (golden/main.go asked it) and by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "otlp/ot.h"

static const char *golden_path;

static enum tr_ot_result read_text(const char *text, struct tr_ot *ot)
{
    return tr_ot_read((const uint8_t *)text, (uint32_t)strlen(text), ot);
}

// Write in a buffer of exactly the size that the header asks for.
static const char *written(const char *text, uint64_t th, int *rc)
{
    static char result[2048];
    size_t bytes = strlen(text);
    uint8_t *out = malloc(bytes + TR_OT_GROWTH);

    *rc = tr_ot_write((const uint8_t *)text, (uint32_t)bytes, th, out);
    if (*rc > 0)
        memcpy(result, out, (size_t)*rc);
    result[*rc > 0 ? *rc : 0] = '\0';
    free(out);
    return result;
}

static void threshold_compare(const char *line)
{
    uint64_t bits, want;
    unsigned digits;
    double share;

    assert_int_equal(sscanf(line, "T %" SCNx64 " %u %" SCNx64, &bits, &digits, &want), 3);
    memcpy(&share, &bits, 8);
    assert_int_equal(tr_ot_threshold(share, digits), want);
}

static void reading_compare(char *line)
{
    char *text = strchr(line, '"') + 1, *end = strchr(text, '"'), rv[32], th[32];
    enum tr_ot_result result;
    struct tr_ot ot;

    *end = '\0';
    assert_int_equal(sscanf(end + 1, "%31s %31s", rv, th), 2);
    result = read_text(text, &ot);
    if (strcmp(rv, "bad") == 0) {
        if (result != TR_OT_MALFORMED)
            fail_msg("taken here, refused by the Collector: %s", text);
        return;
    }
    if (result != TR_OT_READ)
        fail_msg("refused here: %s", text);
    assert_int_equal(ot.has_rv, rv[0] != '-');
    assert_int_equal(ot.has_th, th[0] != '-');
    assert_int_equal(ot.rv, ot.has_rv ? strtoull(rv, NULL, 16) : 0);
    assert_int_equal(ot.th, ot.has_th ? strtoull(th, NULL, 16) : 0);
}

static void writing_compare(char *line)
{
    char *text = strchr(line, '"') + 1, *end = strchr(text, '"'), *want = strchr(end + 1, '"') + 1;
    int rc;

    *end = '\0';
    *strchr(want, '"') = '\0';
    assert_string_equal(written(text, strtoull(end + 1, NULL, 16), &rc), want);
}

static void says_what_the_collector_says(void **state)
{
    FILE *file = fopen(golden_path, "r");
    char line[1024];
    int lines[3] = {0};

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (line[0] == 'T')
            threshold_compare(line);
        else if (line[0] == 'O')
            reading_compare(line);
        else
            writing_compare(line);
        lines[line[0] == 'T' ? 0 : line[0] == 'O' ? 1 : 2]++;
    }
    fclose(file);
    assert_true(lines[0] > 1000 && lines[1] == 1500 && lines[2] > 100);
}

static void finds_it_among_others(void **state)
{
    struct tr_ot ot;

    assert_int_equal(read_text("congo=t61rcWkgMzE, ot=th:8;rv:0123456789abcd,rojo=00f067", &ot), TR_OT_READ);
    assert_true(ot.has_th && ot.th == 0x80000000000000 && ot.rv == 0x0123456789abcd);
    assert_int_equal(read_text("", &ot), TR_OT_NONE);
    assert_int_equal(read_text("got=th:8,x=ot", &ot), TR_OT_NONE);
    assert_int_equal(read_text("ot=th:8,ot=th:8", &ot), TR_OT_MALFORMED);
    assert_int_equal(read_text("a b=1,ot=th:8", &ot), TR_OT_MALFORMED);
    assert_int_equal(read_text("ot=th:8;th:4", &ot), TR_OT_MALFORMED);
    assert_false(ot.has_th);
}

static void puts_it_at_the_front_and_leaves_the_others(void **state)
{
    int rc;

    assert_string_equal(written("", 0, &rc), "ot=th:0");
    assert_string_equal(written("a=1,b=2", 0xc0000000000000, &rc), "ot=th:c,a=1,b=2");
    assert_string_equal(written("a=1,ot=x:y;th:8;z:w,b=2", 0xc0000000000001, &rc), "ot=x:y;th:c0000000000001;z:w,a=1,b=2");
    assert_string_equal(written("a=1,ot=x:y", 0x80000000000000, &rc), "ot=x:y;th:8,a=1");
    assert_string_equal(written("a=1,ot=th:8,b=2", TR_OT_NEVER, &rc), "a=1,b=2");
    assert_string_equal(written("a=1,ot=rv:0123456789abcd;th:8", TR_OT_NEVER, &rc), "ot=rv:0123456789abcd,a=1");
    assert_string_equal(written("ot=th:8", TR_OT_NEVER, &rc), "");
    assert_int_equal(rc, 0);
    assert_string_equal(written("a=1", TR_OT_NEVER, &rc), "a=1");
}

static void leaves_what_it_can_not_write(void **state)
{
    char list[1024] = "", value[400];
    int rc;

    written("a=", 0, &rc);
    assert_int_equal(rc, -EINVAL);
    for (int i = 0; i < 32; i++)
        sprintf(list + strlen(list), "%sk%d=1", i ? "," : "", i);
    written(list, 0, &rc);
    assert_int_equal(rc, -E2BIG);
    sprintf(value, "ot=x:%0*d", 254, 0); // 256 characters: no room for one more pair
    written(value, 0, &rc);
    assert_int_equal(rc, -E2BIG);
    sprintf(value, "ot=x:%0*d;th:8", 249, 0); // 256 too, and the threshold keeps its place
    assert_string_equal(written(value, 0x40000000000000, &rc) + strlen("ot=x:") + 249, ";th:4");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_collector_says),
        cmocka_unit_test(finds_it_among_others),
        cmocka_unit_test(puts_it_at_the_front_and_leaves_the_others),
        cmocka_unit_test(leaves_what_it_can_not_write),
    };

    golden_path = argc > 1 ? argv[1] : "ot.golden";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
