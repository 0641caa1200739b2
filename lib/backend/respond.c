// SPDX-License-Identifier: Apache-2.0
// What an answer means: delivered, refused for good, or to be tried again. Source: OTLP specification 1.11, Failures,
// OTLP/gRPC response, OTLP/HTTP response.
#include "backend/backend_internal.h"

#include "base/pb.h"

// Export*ServiceResponse.partial_success: {rejected 1, error_message 2}; the same in all three signals.
static void partial_success(const uint8_t *answer, size_t bytes, uint64_t *rejected, char *said, size_t said_bytes)
{
    struct tr_pb_field field, part;

    for (const uint8_t *p = answer; p && p < answer + bytes;) {
        p = tr_pb_field(p, answer + bytes, &field);
        if (!p || field.number != 1 || field.wire != TR_PB_BYTES)
            continue;
        for (const uint8_t *q = field.bytes; q && q < field.bytes + field.value;) {
            q = tr_pb_field(q, field.bytes + field.value, &part);
            if (q && part.number == 1 && part.wire == TR_PB_VARINT)
                *rejected = part.value;
            else if (q && part.number == 2 && part.wire == TR_PB_BYTES)
                snprintf(said, said_bytes, "%.*s", (int)TR_MIN(part.value, said_bytes - 1), part.bytes);
        }
    }
}

// google.rpc.Status: {code 1, message 2, details 3}.
static void status_message(const uint8_t *answer, size_t bytes, char *said, size_t said_bytes)
{
    struct tr_pb_field field;

    for (const uint8_t *p = answer; p && p < answer + bytes;) {
        p = tr_pb_field(p, answer + bytes, &field);
        if (p && field.number == 2 && field.wire == TR_PB_BYTES)
            snprintf(said, said_bytes, "%.*s", (int)TR_MIN(field.value, said_bytes - 1), field.bytes);
    }
}

enum outcome answer_http(struct batch *batch, long status, uint64_t *rejected, char *said, size_t said_bytes)
{
    char message[200] = "";

    if (status >= 200 && status < 300) {
        partial_success(batch->answer, batch->answer_bytes, rejected, said, said_bytes);
        return OUTCOME_DELIVERED;
    }
    status_message(batch->answer, batch->answer_bytes, message, sizeof(message));
    snprintf(said, said_bytes, "HTTP %ld%s%s", status, message[0] ? ": " : "", message);
    return status == 429 || status == 502 || status == 503 || status == 504 ? OUTCOME_RETRY : OUTCOME_REJECTED;
}

enum outcome answer_grpc(struct batch *batch, long status, uint64_t *rejected, char *said, size_t said_bytes)
{
    if (status != 200 || batch->grpc_status < 0) {
        snprintf(said, said_bytes, "HTTP %ld without grpc-status", status);
        return status == 429 || status == 502 || status == 503 || status == 504 || status == 200 ? OUTCOME_RETRY
                                                                                                 : OUTCOME_REJECTED;
    }
    if (batch->grpc_status == 0) {
        if (batch->answer_bytes > 5 && !batch->answer[0])
            partial_success(batch->answer + 5, batch->answer_bytes - 5, rejected, said, said_bytes);
        return OUTCOME_DELIVERED;
    }
    snprintf(said, said_bytes, "gRPC %d: %s", batch->grpc_status, batch->grpc_message);
    switch (batch->grpc_status) {
    case 1:  // CANCELLED
    case 4:  // DEADLINE_EXCEEDED
    case 10: // ABORTED
    case 11: // OUT_OF_RANGE
    case 14: // UNAVAILABLE
    case 15: // DATA_LOSS
        return OUTCOME_RETRY;
    case 8: // RESOURCE_EXHAUSTED: only if it says when to come back
        return batch->retry_info ? OUTCOME_RETRY : OUTCOME_REJECTED;
    default:
        return OUTCOME_REJECTED;
    }
}
