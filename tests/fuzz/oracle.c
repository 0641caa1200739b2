// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"

static const void *member(const ProtobufCMessage *message, size_t offset)
{
    return (const uint8_t *)message + offset;
}

bool oracle_has_unknown(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields)
        return true;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const void *at = member(message, field->offset);
        bool oneof = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;

        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (oneof && *(const uint32_t *)member(message, field->quantifier_offset) != field->id)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)member(message, field->quantifier_offset);

            for (size_t j = 0; j < count; j++)
                if (oracle_has_unknown((*(ProtobufCMessage *const *const *)at)[j]))
                    return true;
        } else if (*(const ProtobufCMessage *const *)at &&
                   oracle_has_unknown(*(const ProtobufCMessage *const *)at)) {
            return true;
        }
    }
    return false;
}
