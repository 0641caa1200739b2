// SPDX-License-Identifier: Apache-2.0
// The structural check against protobuf-c: what it accepts is a request, with these spans in these groups;
// what protobuf-c refuses, it refuses. It comes to the same result at any budget.
#include "oracle.h"

#include "otlp/check.h"

#define CONTEXTS 64

static struct tr_context contexts[CONTEXTS];
static struct tr_journal journal = {.contexts = contexts, .contexts_mask = CONTEXTS - 1};

static bool same(const uint8_t *body, struct tr_range range, ProtobufCBinaryData data)
{
    return range.bytes == data.len &&
           (data.len == 0 || memcmp(body + range.offset, data.data, data.len) == 0);
}

// The pieces are those that protobuf-c found, without the empty ones.
static void pieces_compare(const uint8_t *body, const struct tr_range pieces[2],
                           const ProtobufCBinaryData *found, size_t count)
{
    unsigned n = 0;

    for (size_t i = 0; i < count; i++) {
        if (found[i].len) {
            tr_assert(n < 2 && same(body, pieces[n], found[i]));
            n++;
        }
    }
    for (; n < 2; n++)
        tr_assert(pieces[n].bytes == 0);
}

static bool service_in(const Otlp__Resource *resource, ProtobufCBinaryData *name)
{
    for (size_t i = 0; i < resource->n_attributes; i++) {
        const Otlp__AnyValue *value = oracle_value(resource->attributes[i]);

        if (oracle_key_is(resource->attributes[i], "service.name") && value &&
            value->value_case == OTLP__ANY_VALUE__VALUE_STRING_VALUE && value->string_value.len) {
            *name = value->string_value;
            return true;
        }
    }
    return false;
}

static void resource_compare(const uint8_t *body, const struct tr_context *context,
                             const Otlp__FrameResourceSpans *resource_spans)
{
    bool found = false;

    pieces_compare(body, context->resource, resource_spans->resource, resource_spans->n_resource);
    for (size_t i = 0; i < resource_spans->n_resource && !found; i++) {
        Otlp__Resource *resource =
            otlp__resource__unpack(NULL, resource_spans->resource[i].len, resource_spans->resource[i].data);
        ProtobufCBinaryData name;

        found = service_in(resource, &name);
        if (found)
            tr_assert(same(body, context->service, name));
        otlp__resource__free_unpacked(resource, NULL);
    }
    if (!found)
        tr_assert(context->service.bytes == 0);
}

// All resources and scopes parse, those without spans too.
static void insides_parse(const Otlp__FrameResourceSpans *resource_spans)
{
    for (size_t i = 0; i < resource_spans->n_resource; i++) {
        Otlp__Resource *resource =
            otlp__resource__unpack(NULL, resource_spans->resource[i].len, resource_spans->resource[i].data);

        tr_assert(resource);
        otlp__resource__free_unpacked(resource, NULL);
    }
    for (size_t i = 0; i < resource_spans->n_scope_spans; i++) {
        const Otlp__FrameScopeSpans *scope_spans = resource_spans->scope_spans[i];

        for (size_t j = 0; j < scope_spans->n_scope; j++) {
            Otlp__InstrumentationScope *scope = otlp__instrumentation_scope__unpack(
                NULL, scope_spans->scope[j].len, scope_spans->scope[j].data);

            tr_assert(scope);
            otlp__instrumentation_scope__free_unpacked(scope, NULL);
        }
    }
}

static void spans_compare(const uint8_t *body, const struct tr_context *context,
                          const Otlp__FrameScopeSpans *scope_spans)
{
    const uint8_t *span;
    uint32_t cursor = 0, bytes;

    tr_assert(context->spans == scope_spans->n_spans);
    for (size_t i = 0; i < scope_spans->n_spans; i++) {
        tr_assert(tr_context_span(context, body, &cursor, &span, &bytes));
        tr_assert(same(body, (struct tr_range){(uint32_t)(span - body), bytes}, scope_spans->spans[i]));
    }
    tr_assert(!tr_context_span(context, body, &cursor, &span, &bytes));
}

static void contexts_compare(const struct tr_check *check, const Otlp__FrameRequest *request)
{
    uint32_t n = 0;

    for (size_t i = 0; i < request->n_resource_spans; i++) {
        const Otlp__FrameResourceSpans *resource_spans = request->resource_spans[i];

        insides_parse(resource_spans);
        for (size_t j = 0; j < resource_spans->n_scope_spans; j++) {
            const Otlp__FrameScopeSpans *scope_spans = resource_spans->scope_spans[j];
            const struct tr_context *context = &contexts[n];

            if (scope_spans->n_spans == 0)
                continue;
            tr_assert(n++ < check->contexts);
            resource_compare(check->body, context, resource_spans);
            pieces_compare(check->body, context->scope, scope_spans->scope, scope_spans->n_scope);
            tr_assert(same(check->body, context->resource_schema_url, resource_spans->schema_url));
            tr_assert(same(check->body, context->scope_schema_url, scope_spans->schema_url));
            spans_compare(check->body, context, scope_spans);
        }
    }
    tr_assert(n == check->contexts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Otlp__FrameRequest *request = otlp__frame_request__unpack(NULL, bytes, data);
    struct tr_check check, slow;
    enum tr_check_result result, slow_result;

    tr_check_init(&slow, data, (uint32_t)bytes, 0, &journal, CONTEXTS);
    do
        slow_result = tr_check_run(&slow, 1);
    while (slow_result == TR_CHECK_MORE);
    memset(contexts, 0xa5, sizeof(contexts));
    tr_check_init(&check, data, (uint32_t)bytes, 0, &journal, CONTEXTS);
    result = tr_check_run(&check, UINT32_MAX);
    tr_assert(result == slow_result && check.spans == slow.spans && check.contexts == slow.contexts);
    tr_assert((result == TR_CHECK_MALFORMED) == (check.why != NULL));
    if (result == TR_CHECK_MALFORMED)
        tr_assert(check.offset <= bytes);
    if (result == TR_CHECK_DONE) {
        tr_assert(request);
        contexts_compare(&check, request);
    }
    if (request)
        otlp__frame_request__free_unpacked(request, NULL);
    return 0;
}
