// SPDX-License-Identifier: Apache-2.0
#include "recorder.h"

#include "net/checksum.h"

#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define TCP_AT (14 + 20)
#define ACK_AT (TCP_AT + 8)
#define SUM_AT (TCP_AT + 16)
#define DATA_MOST 16384 // of an HTTP/2 frame

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void recorder_link_open(struct recorder_link *link, uint32_t number)
{
    link->number = number;
    link->seq = 1000 + number;
    link->stream_id = 1;
    tr_assert(nghttp2_hd_deflate_new(&link->deflater, 4096) == 0);
}

void recorder_link_close(struct recorder_link *link)
{
    nghttp2_hd_deflate_del(link->deflater);
}

static void tcp_sum(uint8_t *frame, uint32_t tcp_bytes)
{
    uint8_t pseudo[12] = {[9] = 6};
    uint16_t sum;

    memcpy(pseudo, frame + 14 + 12, 8);
    put16(pseudo + 10, tcp_bytes);
    put16(frame + SUM_AT, 0);
    sum = tr_sum_fold(tr_sum(tr_sum(0, pseudo, sizeof(pseudo)), frame + TCP_AT, tcp_bytes));
    memcpy(frame + SUM_AT, &sum, 2);
}

// A frame with its headers. Returns where `bytes` of payload go.
static uint8_t *frame_begin(struct recorder *recorder, struct recorder_link *link, uint8_t flags, uint32_t bytes)
{
    struct recorder_frame *frame = &recorder->frames[recorder->count++];
    uint8_t *p = frame->data;
    uint16_t sum;

    tr_assert(recorder->count <= recorder->max && RECORDER_HEAD_BYTES + bytes <= RECORDER_FRAME_BYTES);
    frame->bytes = RECORDER_HEAD_BYTES + bytes;
    frame->link = link->number;
    memset(p, 0, RECORDER_HEAD_BYTES);
    memcpy(p, link->server_mac, 6);
    p[6] = 2; // a locally administered address
    put16(p + 12, 0x0800);
    p += 14;
    p[0] = 0x45;
    put16(p + 2, 20 + 20 + bytes);
    p[6] = 0x40; // DF
    p[8] = 64;
    p[9] = 6;
    memcpy(p + 12, link->client_ip.bytes + 12, 4);
    memcpy(p + 16, link->server_ip.bytes + 12, 4);
    sum = tr_sum_fold(tr_sum(0, p, 20));
    memcpy(p + 10, &sum, 2);
    p += 20;
    put16(p, link->client_port);
    put16(p + 2, link->server_port);
    put32(p + 4, link->seq);
    put32(p + 8, link->received);
    p[12] = 5 << 4;
    p[13] = flags;
    put16(p + 14, 65535);
    link->seq += bytes + !!(flags & SYN);
    return p + 20;
}

static void frame_end(struct recorder *recorder, const struct recorder_link *link)
{
    struct recorder_frame *frame = &recorder->frames[recorder->count - 1];

    if (link->checksums)
        tcp_sum(frame->data, frame->bytes - TCP_AT);
}

void recorder_syn(struct recorder *recorder, struct recorder_link *link)
{
    frame_begin(recorder, link, SYN, 0);
    frame_end(recorder, link);
}

void recorder_begin(struct recorder *recorder, struct recorder_link *link)
{
    // Preface, empty SETTINGS, and room for answers without end (WINDOW_UPDATE of the connection).
    static const uint8_t begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                   "\0\0\0\4\0\0\0\0\0"
                                   "\0\0\4\x08\0\0\0\0\0\x7f\xff\0\0";

    memcpy(frame_begin(recorder, link, ACK | PSH, sizeof(begin) - 1), begin, sizeof(begin) - 1);
    frame_end(recorder, link);
}

#define NV(name, value)                                                                                      \
    {                                                                                                        \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1, 0  \
    }

static uint8_t *h2_frame(uint8_t *p, size_t bytes, uint8_t type, uint8_t flags, int32_t stream)
{
    p[0] = (uint8_t)(bytes >> 16);
    put16(p + 1, (uint32_t)bytes);
    p[3] = type;
    p[4] = flags;
    put32(p + 5, (uint32_t)stream);
    return p + 9;
}

bool recorder_request(struct recorder *recorder, struct recorder_link *link, const uint8_t *body, size_t bytes)
{
    static _Thread_local uint8_t text[80 * 1024];
    const nghttp2_nv headers[] = {NV(":method", "POST"),
                                  NV(":scheme", "http"),
                                  NV(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
                                  NV(":authority", "tailrace"),
                                  NV("content-type", "application/grpc"),
                                  NV("te", "trailers"),
                                  NV("user-agent", "replay")};
    uint8_t block[512], message[5] = {0}, *p = text;
    size_t whole = bytes + sizeof(message), at = 0;
    ssize_t header_bytes;

    if (recorder->count + (whole + 1024) / RECORDER_MSS + 2 > recorder->max)
        return false;
    tr_assert(bytes < 65000);
    header_bytes = nghttp2_hd_deflate_hd(link->deflater, block, sizeof(block), headers, TR_NELEMS(headers));
    tr_assert(header_bytes > 0);
    if (link->stream_id == 1)
        p = h2_frame(p, 0, 4, 1, 0); // SETTINGS of the server's are acknowledged
    p = h2_frame(p, (size_t)header_bytes, 1, 4, link->stream_id);
    memcpy(p, block, (size_t)header_bytes);
    p += header_bytes;
    put32(message + 1, (uint32_t)bytes);
    while (at < whole) {
        size_t part = TR_MIN(whole - at, (size_t)DATA_MOST), prefix = at ? 0 : sizeof(message);

        p = h2_frame(p, part, 0, at + part == whole, link->stream_id);
        memcpy(p, message, prefix);
        memcpy(p + prefix, body + at - (at ? sizeof(message) : 0), part - prefix);
        p += part;
        at += part;
    }
    link->stream_id += 2;
    for (const uint8_t *from = text; from < p;) {
        uint32_t part = (uint32_t)TR_MIN(p - from, RECORDER_MSS);

        memcpy(frame_begin(recorder, link, ACK | (from + part == p ? PSH : 0), part), from, part);
        frame_end(recorder, link);
        from += part;
    }
    return true;
}

void recorder_acknowledge(struct recorder_frame *frame, const struct recorder_link *link)
{
    uint32_t before = get32(frame->data + ACK_AT), sum;

    if (before == link->received)
        return;
    put32(frame->data + ACK_AT, link->received);
    if (!link->checksums)
        return;
    // RFC 1624: the sum with the old halves taken out and the new ones put in.
    sum = ((uint32_t)frame->data[SUM_AT] << 8 | frame->data[SUM_AT + 1]) ^ 0xffff;
    sum += (~before >> 16 & 0xffff) + (~before & 0xffff) + (link->received >> 16) + (link->received & 0xffff);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(frame->data + SUM_AT, ~sum & 0xffff);
}

void recorder_take(struct recorder_link *links, uint32_t count, const uint8_t *frame, uint32_t bytes)
{
    const uint8_t *tcp = frame + TCP_AT;
    uint32_t ip_bytes, port, end;

    if (bytes < RECORDER_HEAD_BYTES || frame[12] != 8 || frame[13] != 0 || frame[14 + 9] != 6)
        return;
    ip_bytes = (uint32_t)frame[14 + 2] << 8 | frame[14 + 3];
    port = (uint32_t)tcp[2] << 8 | tcp[3];
    end = get32(tcp + 4) + ip_bytes - 20 - (uint32_t)(tcp[12] >> 4) * 4 + !!(tcp[13] & SYN);
    for (uint32_t i = 0; i < count; i++)
        if (links[i].client_port == port && ((tcp[13] & SYN) || (int32_t)(end - links[i].received) > 0))
            links[i].received = end;
}
