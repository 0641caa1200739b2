// SPDX-License-Identifier: Apache-2.0
#include "control/format.h"

#include <arpa/inet.h>
#include <time.h>

char *tr_format_wall(uint64_t wall_ns, char text[TR_FORMAT_BYTES])
{
    time_t seconds = (time_t)(wall_ns / TR_S);
    struct tm tm;
    size_t n;

    text[0] = '\0';
    if (!wall_ns)
        return text;
    gmtime_r(&seconds, &tm);
    n = strftime(text, TR_FORMAT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, TR_FORMAT_BYTES - n, ".%03uZ", (unsigned)(wall_ns % TR_S / TR_MS));
    return text;
}

char *tr_format_ip(const uint8_t ip[16], char text[TR_FORMAT_BYTES])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (memcmp(ip, mapped, sizeof(mapped)) == 0)
        inet_ntop(AF_INET, ip + 12, text, TR_FORMAT_BYTES);
    else
        inet_ntop(AF_INET6, ip, text, TR_FORMAT_BYTES);
    return text;
}

char *tr_format_address(const struct tr_address *address, char text[TR_FORMAT_BYTES])
{
    char ip[TR_FORMAT_BYTES];

    tr_format_ip(address->ip, ip);
    // An address is at most 45 characters, so neither is ever cut.
    snprintf(text, TR_FORMAT_BYTES, strchr(ip, ':') ? "[%.45s]:%u" : "%.45s:%u", ip, address->port);
    return text;
}

char *tr_format_trace_id(const uint8_t id[16], char text[TR_FORMAT_BYTES])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    return text;
}

char *tr_format_duration(uint64_t ns, char text[TR_FORMAT_BYTES])
{
    uint64_t s = ns / TR_S;

    if (ns < TR_MS)
        snprintf(text, TR_FORMAT_BYTES, "%lluus", (unsigned long long)(ns / TR_US));
    else if (ns < TR_S)
        snprintf(text, TR_FORMAT_BYTES, "%llums", (unsigned long long)(ns / TR_MS));
    else if (s < 60 && ns % TR_S >= TR_S / 10)
        snprintf(text, TR_FORMAT_BYTES, "%llu.%llus", (unsigned long long)s,
                 (unsigned long long)(ns % TR_S / (TR_S / 10)));
    else if (s < 60)
        snprintf(text, TR_FORMAT_BYTES, "%llus", (unsigned long long)s);
    else if (s < 3600)
        snprintf(text, TR_FORMAT_BYTES, "%llum%02llus", (unsigned long long)(s / 60),
                 (unsigned long long)(s % 60));
    else if (s < 86400)
        snprintf(text, TR_FORMAT_BYTES, "%lluh%02llum", (unsigned long long)(s / 3600),
                 (unsigned long long)(s % 3600 / 60));
    else
        snprintf(text, TR_FORMAT_BYTES, "%llud%02lluh", (unsigned long long)(s / 86400),
                 (unsigned long long)(s % 86400 / 3600));
    return text;
}

static char *scaled(double value, double step, const char *const *units, size_t count, const char *space,
                    char text[TR_FORMAT_BYTES])
{
    size_t unit = 0;

    // 999.95 would be rounded to "1000.0": the next unit says it better.
    while (unit + 1 < count && value >= (unit ? step * 0.99995 : step)) {
        value /= step;
        unit++;
    }
    snprintf(text, TR_FORMAT_BYTES, unit || value != (double)(uint64_t)value ? "%.1f%s%s" : "%.0f%s%s", value,
             space, units[unit]);
    return text;
}

char *tr_format_size(uint64_t bytes, char text[TR_FORMAT_BYTES])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

    return scaled((double)bytes, 1024, units, TR_NELEMS(units), " ", text);
}

char *tr_format_count(double count, char text[TR_FORMAT_BYTES])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

    return scaled(count, 1000, units, TR_NELEMS(units), "", text);
}

json_t *tr_json_wall(uint64_t wall_ns)
{
    char text[TR_FORMAT_BYTES];

    return wall_ns ? json_string(tr_format_wall(wall_ns, text)) : json_null();
}

json_t *tr_json_seconds(uint64_t ns)
{
    return ns == TR_NEVER ? json_null() : json_real((double)ns / (double)TR_S);
}

json_t *tr_json_text(const char *text)
{
    json_t *json = json_string(text);
    char *ascii;

    if (json)
        return json;
    ascii = strdup(text);
    tr_assert(ascii);
    for (char *p = ascii; *p; p++) {
        if ((uint8_t)*p >= 0x80)
            *p = '?';
    }
    json = json_string(ascii);
    free(ascii);
    return json;
}
