// SPDX-License-Identifier: Apache-2.0
// JSON and protobuf of the same messages, as Google's Python library writes them (json/generate.py): ours
// says the same in both directions.
#include "build.h"

#include <glob.h>

#include "otlp/json.h"

#include "../../fuzz/oracle.h"

static const char *folder;

struct file {
    uint8_t *data;
    size_t bytes;
};

static struct file read_file(const char *path)
{
    FILE *stream = fopen(path, "rb");
    struct file file = {0};

    assert_non_null(stream);
    fseek(stream, 0, SEEK_END);
    file.bytes = (size_t)ftell(stream);
    rewind(stream);
    file.data = malloc(file.bytes + 1);
    assert_int_equal(fread(file.data, 1, file.bytes, stream), file.bytes);
    fclose(stream);
    return file;
}

static void same_message(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    Otlp__ExportTraceServiceRequest *first = otlp__export_trace_service_request__unpack(NULL, a_bytes, a);
    Otlp__ExportTraceServiceRequest *second = otlp__export_trace_service_request__unpack(NULL, b_bytes, b);

    assert_non_null(first);
    assert_non_null(second);
    assert_true(oracle_same(&first->base, &second->base));
    otlp__export_trace_service_request__free_unpacked(first, NULL);
    otlp__export_trace_service_request__free_unpacked(second, NULL);
}

static void json_says(const uint8_t *json, size_t json_bytes, const struct file *protobuf)
{
    static struct tr_json_in in;
    uint8_t *memory = malloc(TR_JSON_GAP + json_bytes);
    enum tr_json_result result;

    memcpy(memory + TR_JSON_GAP, json, json_bytes);
    tr_json_in_init(&in, memory + TR_JSON_GAP, json_bytes, memory);
    while ((result = tr_json_in_run(&in, 1000)) == TR_JSON_MORE)
        ;
    assert_int_equal(result, TR_JSON_DONE);
    same_message(memory, in.out_bytes, protobuf->data, protobuf->bytes);
    free(memory);
}

static void every_vector_says_the_same(void **state)
{
    char pattern[4096];
    glob_t found;

    snprintf(pattern, sizeof(pattern), "%s/*.json", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 9);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *path = found.gl_pathv[i];
        struct file json = read_file(path), protobuf;
        size_t text_bytes;
        char *text;

        strcpy(path + strlen(path) - 4, "pb");
        protobuf = read_file(path);
        json_says(json.data, json.bytes, &protobuf);
        text = tr_json_out(protobuf.data, protobuf.bytes, &text_bytes);
        assert_non_null(text);
        json_says((const uint8_t *)text, text_bytes, &protobuf);
        free(text);
        free(json.data);
        free(protobuf.data);
    }
    globfree(&found);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_says_the_same),
    };

    folder = argc > 1 ? argv[1] : "json";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
