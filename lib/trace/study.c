// SPDX-License-Identifier: Apache-2.0
// Sources: OpenTelemetry semantic conventions 1.44 and, for the older names, 1.20 (HTTP, RPC, messaging, database).
#include "trace/study.h"

#include "base/counter.h"
#include "base/pages.h"
#include "otlp/value.h"

int tr_study_ring_create(struct tr_study_ring *ring, uint32_t slots, int numa_node, bool prefault)
{
    memset(ring, 0, sizeof(*ring));
    ring->mask = TR_STUDY_OFF;
    if (!slots)
        return 0;
    tr_assert((slots & (slots - 1)) == 0);
    ring->notes = tr_pages_map(slots * sizeof(*ring->notes), numa_node, prefault);
    ring->slots_mask = slots - 1;
    return ring->notes ? 0 : -ENOMEM;
}

void tr_study_ring_destroy(struct tr_study_ring *ring)
{
    if (ring->notes)
        tr_pages_unmap(ring->notes, (ring->slots_mask + 1ull) * sizeof(*ring->notes));
    ring->notes = NULL;
}

// Attributes that say what a call goes to. Of two names for one thing both are watched.
enum word {
    PEER_SERVICE,
    SERVER_ADDRESS,
    SERVER_PORT,
    PEER_NAME,
    PEER_PORT,
    HOST_NAME,
    HOST_PORT,
    HTTP_HOST,
    URL_FULL,
    HTTP_URL,
    RPC_SERVICE,
    DESTINATION_NAME,
    DESTINATION,
    DB_SYSTEM,
    DB_SYSTEM_NAME,
    WORDS
};

static const struct {
    const char *key;
    uint32_t bytes;
} words[WORDS] = {
#define WORD(word, key) [word] = {key, sizeof(key) - 1}
    WORD(PEER_SERVICE, "peer.service"),
    WORD(SERVER_ADDRESS, "server.address"),
    WORD(SERVER_PORT, "server.port"),
    WORD(PEER_NAME, "net.peer.name"),
    WORD(PEER_PORT, "net.peer.port"),
    WORD(HOST_NAME, "net.host.name"),
    WORD(HOST_PORT, "net.host.port"),
    WORD(HTTP_HOST, "http.host"),
    WORD(URL_FULL, "url.full"),
    WORD(HTTP_URL, "http.url"),
    WORD(RPC_SERVICE, "rpc.service"),
    WORD(DESTINATION_NAME, "messaging.destination.name"),
    WORD(DESTINATION, "messaging.destination"),
    WORD(DB_SYSTEM, "db.system"),
    WORD(DB_SYSTEM_NAME, "db.system.name"),
#undef WORD
};

static void attribute_read(const uint8_t *kv, uint32_t bytes, struct tr_value values[WORDS])
{
    struct tr_key_value pair;

    if (!tr_key_value_read(kv, bytes, &pair))
        return;
    for (int i = 0; i < WORDS; i++)
        if (pair.key_bytes == words[i].bytes && memcmp(pair.key, words[i].key, pair.key_bytes) == 0)
            values[i] = pair.value;
}

static bool is_text(const struct tr_value *value)
{
    return value->type == TR_VALUE_STRING && value->length > 0;
}

static void contact_text(struct tr_study_note *note, const uint8_t *text, uint32_t bytes)
{
    bytes = TR_MIN(bytes, (uint32_t)TR_STUDY_NAME_BYTES);
    for (uint32_t i = 0; i < bytes; i++) // hosts are written in either case
        note->contact[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : (char)text[i];
    note->contact_bytes = (uint8_t)bytes;
}

// host, host:port, or the authority of a URL; the ports that go without saying are cut off.
static bool contact_host(struct tr_study_note *note, const struct tr_value *host, const struct tr_value *port)
{
    const char *text;
    uint32_t n;

    if (!is_text(host))
        return false;
    contact_text(note, host->bytes, host->length);
    n = note->contact_bytes;
    if (port && port->type == TR_VALUE_INT && port->integer > 0 && port->integer < 65536 && port->integer != 80 &&
        port->integer != 443 && n + 6 < TR_STUDY_NAME_BYTES) {
        char number[8];
        int digits = snprintf(number, sizeof(number), ":%u", (unsigned)port->integer);

        // Some say host:port and the port besides.
        if (n < (uint32_t)digits || memcmp(note->contact + n - digits, number, (size_t)digits) != 0) {
            memcpy(note->contact + n, number, (size_t)digits);
            n += (uint32_t)digits;
        }
    }
    text = note->contact;
    if (n > 3 && memcmp(text + n - 3, ":80", 3) == 0)
        n -= 3;
    else if (n > 4 && memcmp(text + n - 4, ":443", 4) == 0)
        n -= 4;
    note->contact_bytes = (uint8_t)n;
    note->contact_kind = TR_CONTACT_HTTP;
    return true;
}

static bool contact_url(struct tr_study_note *note, const struct tr_value *url)
{
    const uint8_t *p, *end, *at;
    struct tr_value host;

    if (!is_text(url))
        return false;
    end = url->bytes + url->length;
    p = memmem(url->bytes, url->length, "://", 3);
    if (!p)
        return false;
    p += 3;
    for (at = p; at < end && *at != '/' && *at != '?' && *at != '#'; at++)
        if (*at == '@')
            p = at + 1;
    host = (struct tr_value){.type = TR_VALUE_STRING, .bytes = p, .length = (uint32_t)(at - p)};
    return contact_host(note, &host, NULL);
}

static bool contact_name(struct tr_study_note *note, const struct tr_value *name, enum tr_contact kind)
{
    if (!is_text(name))
        return false;
    contact_text(note, name->bytes, name->length);
    note->contact_kind = (uint8_t)kind;
    return true;
}

static void contact_find(struct tr_study_note *note, const struct tr_value values[WORDS])
{
    bool messaging = note->kind == TR_SPAN_KIND_PRODUCER || note->kind == TR_SPAN_KIND_CONSUMER;

    if (is_text(&values[DB_SYSTEM]) || is_text(&values[DB_SYSTEM_NAME])) {
        note->contact_kind = TR_CONTACT_DATABASE;
        return;
    }
    if (contact_name(note, &values[DESTINATION_NAME], TR_CONTACT_MESSAGING) ||
        contact_name(note, &values[DESTINATION], TR_CONTACT_MESSAGING) || messaging)
        return;
    if (contact_name(note, &values[RPC_SERVICE], TR_CONTACT_RPC))
        return;
    if (note->kind == TR_SPAN_KIND_SERVER) {
        if (!contact_host(note, &values[HTTP_HOST], NULL) &&
            !contact_host(note, &values[SERVER_ADDRESS], &values[SERVER_PORT]))
            contact_host(note, &values[HOST_NAME], &values[HOST_PORT]);
        return;
    }
    if (!contact_url(note, &values[URL_FULL]) && !contact_url(note, &values[HTTP_URL]) &&
        !contact_host(note, &values[SERVER_ADDRESS], &values[SERVER_PORT]))
        contact_host(note, &values[PEER_NAME], &values[PEER_PORT]);
}

static void name_set(char name[TR_STUDY_NAME_BYTES], uint8_t *bytes, const uint8_t *text, uint64_t length)
{
    *bytes = (uint8_t)TR_MIN(length, (uint64_t)TR_STUDY_NAME_BYTES);
    memcpy(name, text, *bytes);
}

static void scope_find(struct tr_study_note *note, const struct tr_context *context, const uint8_t *body)
{
    for (unsigned i = 0; i < TR_NELEMS(context->scope); i++) {
        const uint8_t *p = body + context->scope[i].offset, *end = p + context->scope[i].bytes;
        struct tr_pb_field field;

        while (p && p < end) {
            p = tr_pb_field(p, end, &field);
            if (p && field.number == 1 && field.wire == TR_PB_BYTES)
                name_set(note->scope, &note->scope_bytes, field.bytes, field.value);
        }
    }
}

// Is the parent of another process? Bits 8 and 9 of the flags, where the SDK sets them.
static uint8_t parent_flags(uint64_t flags)
{
    return !(flags & 0x100) ? 0 : flags & 0x200 ? TR_STUDY_REMOTE : TR_STUDY_LOCAL;
}

void tr_study_note_make(struct tr_study_note *note, const struct tr_context *context, const uint8_t *body,
                        const uint8_t *span, uint32_t bytes, const struct tr_walk_span *walked)
{
    struct tr_value values[WORDS] = {0};
    struct tr_pb_field field;

    memset(note, 0, sizeof(*note));
    memcpy(note->trace_id, walked->trace_id, 16);
    note->start_ns = walked->start_ns;
    note->end_ns = walked->end_ns;
    for (const uint8_t *p = span; p && p < span + bytes;) {
        p = tr_pb_field(p, span + bytes, &field);
        if (!p)
            break;
        if (field.number == 2 && field.wire == TR_PB_BYTES && field.value == 8)
            memcpy(&note->span_id, field.bytes, 8);
        else if (field.number == 4 && field.wire == TR_PB_BYTES && field.value == 8)
            memcpy(&note->parent_id, field.bytes, 8);
        else if (field.number == 6 && field.wire == TR_PB_VARINT)
            note->kind = field.value <= TR_SPAN_KIND_CONSUMER ? (uint8_t)field.value : TR_SPAN_KIND_UNSPECIFIED;
        else if (field.number == 9 && field.wire == TR_PB_BYTES)
            attribute_read(field.bytes, (uint32_t)field.value, values);
        else if (field.number == 13)
            note->flags |= TR_STUDY_LINKS;
        else if (field.number == 16 && field.wire == TR_PB_FIXED32)
            note->flags |= parent_flags(field.value);
    }
    if (walked->root)
        note->flags |= TR_STUDY_ROOT;
    name_set(note->service, &note->service_bytes, body + context->service.offset, context->service.bytes);
    scope_find(note, context, body);
    if (note->kind >= TR_SPAN_KIND_SERVER)
        contact_find(note, values);
}

void tr_study_put(struct tr_study_ring *ring, const struct tr_context *context, const uint8_t *body,
                  const uint8_t *span, uint32_t bytes, const struct tr_walk_span *walked)
{
    if (!ring->notes)
        return;
    if (ring->head - tr_load_acquire(&ring->tail) > ring->slots_mask) {
        tr_count(&ring->lost, 1);
        return;
    }
    tr_study_note_make(&ring->notes[ring->head & ring->slots_mask], context, body, span, bytes, walked);
    tr_store_release(&ring->head, ring->head + 1);
}

const struct tr_study_note *tr_study_take(struct tr_study_ring *ring)
{
    return ring->tail == tr_load_acquire(&ring->head) ? NULL : &ring->notes[ring->tail & ring->slots_mask];
}

void tr_study_taken(struct tr_study_ring *ring)
{
    tr_store_release(&ring->tail, ring->tail + 1);
}
