// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include "net/address.h"

int tr_ip_parse(const char *text, struct tr_ip *ip, struct tr_error *error)
{
    uint8_t v4[4];

    if (inet_pton(AF_INET, text, v4) == 1) {
        *ip = tr_ip_v4(v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, ip->bytes) != 1)
        return tr_error_set(error, EINVAL, "%s is no IPv4 or IPv6 address", text);
    if (tr_ip_is_v4(ip))
        return tr_error_set(error, EINVAL, "%s is an IPv4 address written as IPv6: write it as IPv4", text);
    return 0;
}

// Digits alone, up to `most`. Returns false: they are not that.
static bool bits_parse(const char *text, unsigned most, unsigned *bits)
{
    *bits = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *bits = *bits * 10 + (unsigned)(*text - '0');
        if (*bits > most)
            return false;
    }
    return true;
}

int tr_net_address_parse(const char *text, struct tr_net_address *address, struct tr_error *error)
{
    const char *slash = strchr(text, '/');
    char alone[TR_IP_TEXT_BYTES];
    unsigned bits, most;
    int rc;

    if (!slash || (size_t)(slash - text) >= sizeof(alone))
        return tr_error_set(error, EINVAL, "%s is no address with a prefix length, like 198.18.0.2/24", text);
    memcpy(alone, text, (size_t)(slash - text));
    alone[slash - text] = 0;
    rc = tr_ip_parse(alone, &address->ip, error);
    if (rc)
        return rc;
    most = tr_ip_is_v4(&address->ip) ? 32 : 128;
    if (!bits_parse(slash + 1, most, &bits))
        return tr_error_set(error, EINVAL, "%s: the prefix length is a number from 0 to %u", text, most);
    address->prefix_bits = (uint8_t)(128 - most + bits);
    address->own_bits = 128;
    return 0;
}

const char *tr_ip_format(const struct tr_ip *ip, char text[TR_IP_TEXT_BYTES])
{
    if (tr_ip_is_v4(ip))
        inet_ntop(AF_INET, ip->bytes + 12, text, TR_IP_TEXT_BYTES);
    else
        inet_ntop(AF_INET6, ip->bytes, text, TR_IP_TEXT_BYTES);
    return text;
}

bool tr_ip_prefix_equal(const struct tr_ip *a, const struct tr_ip *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) >> (8 - rest)) == 0;
}
