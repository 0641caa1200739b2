// SPDX-License-Identifier: Apache-2.0
// JSON in: apart or in the same memory, at once or in the smallest steps, the result is the same; what it
// converts protobuf-c parses. JSON out and in again: the text comes back as it was. The input is taken as
// JSON, and as protobuf too.
#include "oracle.h"

#include "otlp/json.h"
#include "otlp/schema.h"

// Convert in buffers of their own, exactly as large as they must be. Returns the protobuf, NULL: malformed.
static uint8_t *convert(const uint8_t *json, size_t json_bytes, size_t *bytes)
{
    static struct tr_json_in in;
    uint8_t *out = malloc(json_bytes + TR_JSON_GAP);
    enum tr_json_result result;

    tr_json_in_init(&in, json, json_bytes, out);
    do
        result = tr_json_in_run(&in, 1 << 20);
    while (result == TR_JSON_MORE);
    tr_assert((result == TR_JSON_MALFORMED) == (in.why != NULL));
    *bytes = in.out_bytes;
    if (result == TR_JSON_DONE)
        return out;
    tr_assert(in.offset <= json_bytes);
    tr_assert(strcmp(in.why, "what it says takes more bytes than it has") !=
              0); // the header explains why never
    free(out);
    return NULL;
}

// The same as before, with the JSON behind the output and a stop after every token.
static void convert_in_place(const uint8_t *json, size_t json_bytes, const uint8_t *expected,
                             size_t expected_bytes)
{
    static struct tr_json_in in;
    uint8_t *memory = malloc(TR_JSON_GAP + json_bytes);
    enum tr_json_result result;

    if (json_bytes)
        memcpy(memory + TR_JSON_GAP, json, json_bytes);
    tr_json_in_init(&in, memory + TR_JSON_GAP, json_bytes, memory);
    do
        result = tr_json_in_run(&in, 1);
    while (result == TR_JSON_MORE);
    tr_assert((result == TR_JSON_DONE) == (expected != NULL));
    if (expected)
        tr_assert(in.out_bytes == expected_bytes && memcmp(memory, expected, expected_bytes) == 0);
    free(memory);
}

// Write protobuf as JSON, which must come back.
static void there_and_back(const uint8_t *data, size_t bytes)
{
    size_t text_bytes, back_bytes, again_bytes;
    char *text = tr_json_out(data, bytes, &text_bytes), *again;
    uint8_t *back;

    tr_assert((text != NULL) == tr_otlp_valid(TR_OTLP_REQUEST, data, (uint32_t)bytes));
    if (!text)
        return;
    tr_assert(!memchr(text, '\n', text_bytes));
    back = convert((const uint8_t *)text, text_bytes, &back_bytes);
    tr_assert(back);
    again = tr_json_out(back, back_bytes, &again_bytes);
    tr_assert(again && again_bytes == text_bytes && memcmp(again, text, text_bytes) == 0);
    free(again);
    free(back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    size_t protobuf_bytes;
    uint8_t *protobuf = convert(data, bytes, &protobuf_bytes);
    Otlp__ExportTraceServiceRequest *request;

    convert_in_place(data, bytes, protobuf, protobuf_bytes);
    if (protobuf) {
        tr_assert(protobuf_bytes <= bytes);
        request = otlp__export_trace_service_request__unpack(NULL, protobuf_bytes, protobuf);
        tr_assert(request);
        tr_assert(!oracle_has_unknown(&request->base));
        otlp__export_trace_service_request__free_unpacked(request, NULL);
        there_and_back(protobuf, protobuf_bytes);
    }
    free(protobuf);
    there_and_back(data, bytes);
    return 0;
}
