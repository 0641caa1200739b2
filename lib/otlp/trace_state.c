// SPDX-License-Identifier: Apache-2.0
#include "otlp/trace_state.h"

#define KEY_MAX    256
#define TENANT_MAX 241
#define SYSTEM_MAX 14
#define VALUE_MAX  256

struct slice {
    const uint8_t *p;
    uint32_t bytes;
};

static bool lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

// A key, or a part of one: one to `most` characters.
static bool key_part_good(struct slice part, uint32_t most, bool digit_first)
{
    if (part.bytes == 0 || part.bytes > most || !(lower(part.p[0]) || (digit_first && digit(part.p[0]))))
        return false;
    for (uint32_t i = 1; i < part.bytes; i++)
        if (!lower(part.p[i]) && !digit(part.p[i]) && !(part.p[i] && strchr("_-*/", part.p[i])))
            return false;
    return true;
}

static bool key_good(struct slice key)
{
    const uint8_t *at = key.bytes ? memchr(key.p, '@', key.bytes) : NULL;
    struct slice tenant, system;

    if (!at)
        return key_part_good(key, KEY_MAX, false);
    tenant = (struct slice){key.p, (uint32_t)(at - key.p)};
    system = (struct slice){at + 1, key.bytes - tenant.bytes - 1};
    return key_part_good(tenant, TENANT_MAX, true) && key_part_good(system, SYSTEM_MAX, false);
}

static bool value_good(struct slice value)
{
    if (value.bytes == 0 || value.bytes > VALUE_MAX || value.p[value.bytes - 1] == ' ')
        return false;
    for (uint32_t i = 0; i < value.bytes; i++)
        if (value.p[i] < 0x20 || value.p[i] > 0x7e || value.p[i] == ',' || value.p[i] == '=')
            return false;
    return true;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

// Returns false: not `key=value`.
static bool member_split(struct slice member, struct slice *key, struct slice *value)
{
    const uint8_t *equals = memchr(member.p, '=', member.bytes);

    if (!equals)
        return false;
    *key = (struct slice){member.p, (uint32_t)(equals - member.p)};
    *value = (struct slice){equals + 1, member.bytes - key->bytes - 1};
    while (key->bytes && blank(*key->p))
        *key = (struct slice){key->p + 1, key->bytes - 1};
    while (value->bytes && blank(value->p[value->bytes - 1]))
        value->bytes--;
    return key_good(*key) && value_good(*value);
}

static bool equal(struct slice a, struct slice b)
{
    return a.bytes == b.bytes && memcmp(a.p, b.p, a.bytes) == 0;
}

bool tr_trace_state_read(const uint8_t *text, uint32_t bytes, const char *key, uint32_t key_bytes,
                         struct tr_trace_state_found *out)
{
    struct slice keys[TR_TRACE_STATE_MEMBERS_MAX], wanted = {(const uint8_t *)key, key_bytes}, found = {0};
    const uint8_t *end = text + bytes;
    uint32_t count = 0;

    *out = (struct tr_trace_state_found){0};
    for (const uint8_t *next; text < end; text = next) {
        const uint8_t *comma = memchr(text, ',', (size_t)(end - text));
        struct slice member = {text, (uint32_t)((comma ? comma : end) - text)}, of;

        next = comma ? comma + 1 : end;
        if (!member.bytes)
            continue;
        if (count == TR_NELEMS(keys) || !member_split(member, &keys[count], &of))
            return false;
        for (uint32_t i = 0; i < count; i++)
            if (equal(keys[i], keys[count]))
                return false;
        if (equal(keys[count++], wanted)) {
            found = of;
            out->member = member.p;
            out->member_bytes = member.bytes;
        }
    }
    out->value = found.p;
    out->value_bytes = found.bytes;
    out->members = count;
    return true;
}

uint32_t tr_trace_state_find(const uint8_t *text, uint32_t bytes, const char *key, uint32_t key_bytes,
                             const uint8_t **value)
{
    struct tr_trace_state_found found;

    if (!bytes || !memmem(text, bytes, key, key_bytes) || !tr_trace_state_read(text, bytes, key, key_bytes, &found))
        return 0;
    *value = found.value;
    return found.value_bytes;
}
