// SPDX-License-Identifier: Apache-2.0
#include "replay_lcore.h"

#include <sys/mman.h>

#include "base/clock.h"

#define FRAMES 65536 // 100 MB: more than the caches hold, as what a NIC wrote is
#define BURST  32

static bool device_alloc(void *context, struct tr_frame_out *frame)
{
    frame->data = ((struct replay_lcore *)context)->out;
    return true;
}

static void device_send(void *context, const struct tr_frame_out *frame)
{
    struct replay_lcore *replay = context;

    recorder_take(replay->links, REPLAY_LINKS, frame->data, frame->bytes);
}

static void frame_feed(struct replay_lcore *replay, struct recorder_frame *recorded, uint64_t now)
{
    struct tr_frame frame = {.data = recorded->data, .bytes = recorded->bytes, .flags = replay->flags};

    recorder_acknowledge(recorded, &replay->links[recorded->link]);
    tr_stack_input(replay->stack, &frame, now);
}

static size_t port_poll(void *context, uint64_t now, size_t budget)
{
    struct replay_lcore *replay = context;
    uint32_t count = TR_MIN(replay->recorder.count - replay->at, (uint32_t)BURST);

    // A client waits for answers: what is walked late because a ring is full is not to pile up.
    if (replay->lcore->journal.ring.head - replay->lcore->walker.position > TR_MIB)
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 2 < count)
            __builtin_prefetch(replay->recorder.frames[replay->at + i + 2].data);
        frame_feed(replay, &replay->recorder.frames[replay->at + i], now);
    }
    replay->at += count;
    return count + tr_stack_poll(replay->stack, now);
}

static uint64_t port_deadline(const void *context)
{
    return TR_NEVER;
}

static uint64_t power_of_two_above(uint64_t n)
{
    return 1ull << (64 - __builtin_clzll(n - 1));
}

// For 6 million spans a second and lcore, of about 450 bytes: more than it can do.
#define SPANS_A_SECOND 6000000ull

static int lcore_make(struct replay_lcore *replay, struct tr_mesh *mesh, const char *directory, uint64_t wait_ns,
                      struct tr_error *error)
{
    uint64_t spans = SPANS_A_SECOND * wait_ns / TR_S;
    struct tr_lcore_options options = {.lcore = replay->number,
                                       .numa_node = -1,
                                       .directory = directory,
                                       .journal_bytes = power_of_two_above(spans * 450 / 2),
                                       .outbox_bytes = 256 * TR_MIB,
                                       .body_bytes_max = 8 * TR_MIB,
                                       .contexts = 1 << 20,
                                       .sources_max = 65536,
                                       .prefault = true};

    options.owner = (struct tr_owner_options){.lcore = replay->number,
                                              .lcores = replay->lcores,
                                              .traces_max = (uint32_t)(spans / 4),
                                              .refs_max = (uint32_t)spans,
                                              .dropped_bytes = power_of_two_above(spans * 24),
                                              .verdicts_max = (uint32_t)power_of_two_above(spans / 4),
                                              .wait_ns = wait_ns,
                                              .wait_min_ns = wait_ns / 2,
                                              .trace_spans_max = 1 << 20,
                                              .directory = directory,
                                              .numa_node = -1,
                                              .prefault = true};
    return tr_lcore_create(&replay->lcore, &options, mesh, error);
}

static int http_make(struct replay_lcore *replay, struct tr_error *error)
{
    const struct tr_http_options options = {.body_bytes_max = 8 * TR_MIB,
                                            .header_bytes_max = 16 * TR_KIB,
                                            .streams_max = 100,
                                            .staged_stream_bytes_max = 8 * TR_MIB,
                                            .staged_connection_bytes_max = 16 * TR_MIB,
                                            .staged_lcore_bytes_max = 64 * TR_MIB,
                                            .request_timeout_ns = 60 * TR_S,
                                            .header_timeout_ns = 60 * TR_S,
                                            .idle_timeout_ns = 3600 * TR_S,
                                            .resets_max = 1000,
                                            .control_frames_max = 1000};
    struct tr_request_sink sink = tr_lcore_sink(replay->lcore);

    return tr_http_create(&replay->lcore->http, &options, &sink, error);
}

static int stack_make(struct replay_lcore *replay, bool software_checksums, struct tr_error *error)
{
    const struct tr_connection_options connections = {
        .connections_max = 64, .idle_timeout_ns = 3600 * TR_S, .send_buffer_bytes = 256 * TR_KIB};
    struct tr_stack_options options = {.mac = {2, 0, 0, 0, 0, 1},
                                       .mtu_bytes = 1500,
                                       .tx_ip_checksum = !software_checksums,
                                       .tx_tcp_checksum = !software_checksums,
                                       .addresses_count = 1,
                                       .listen = {4317},
                                       .listen_count = 1,
                                       .connections_max = 64,
                                       .half_open_max = 64,
                                       .time_wait_max = 64,
                                       .neighbours_max = 16,
                                       .window_bytes = 16 * TR_MIB,
                                       .reassembly_bytes = 16 * TR_MIB,
                                       .send_buffer_bytes = 256 * TR_KIB,
                                       .stall_timeout_ns = 120 * TR_S,
                                       .time_wait_ns = 10 * TR_S,
                                       .output_frames = 256,
                                       .numa_node = -1};
    const struct tr_stack_device device = {replay, device_alloc, device_send};
    struct tr_conn_user user;
    int rc = tr_net_address_parse("198.18.0.1/15", &options.addresses[0], error);

    if (rc == 0)
        rc = tr_net_streams_create(&replay->streams, &connections, tr_http_stream_user(replay->lcore->http), error);
    if (rc < 0)
        return rc;
    user = tr_net_streams_conn_user(replay->streams);
    return tr_stack_create(&replay->stack, &options, &device, &user, error);
}

static void links_open(struct replay_lcore *replay, bool software_checksums)
{
    uint64_t now = tr_clock_ns();

    for (uint32_t i = 0; i < REPLAY_LINKS; i++) {
        struct recorder_link *link = &replay->links[i];

        tr_ip_parse("198.18.0.1", &link->server_ip, NULL);
        tr_ip_parse("198.18.1.1", &link->client_ip, NULL);
        memcpy(link->server_mac, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
        link->server_port = 4317;
        link->client_port = (uint16_t)(20000 + replay->number * 100 + i);
        link->checksums = software_checksums;
        recorder_link_open(link, i);
        recorder_syn(&replay->recorder, link);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < replay->recorder.count; i++)
            frame_feed(replay, &replay->recorder.frames[i], now);
        tr_stack_poll(replay->stack, now);
        replay->recorder.count = 0;
        for (uint32_t i = 0; pass == 0 && i < REPLAY_LINKS; i++)
            recorder_begin(&replay->recorder, &replay->links[i]);
    }
    tr_assert(tr_net_streams_counters(replay->streams)->open == REPLAY_LINKS);
}

void replay_lcore_open(struct replay_lcore *replay, uint32_t number, uint32_t lcores, struct tr_mesh *mesh,
                       const struct corpus *corpus, const char *directory, uint64_t wait_ns, bool software_checksums)
{
    struct tr_error error = {0};

    memset(replay, 0, sizeof(*replay));
    replay->number = number;
    replay->lcores = lcores;
    replay->corpus = corpus;
    replay->request = number;
    replay->flags = software_checksums ? 0 : TR_FRAME_IP_GOOD | TR_FRAME_L4_GOOD;
    replay->recorder.max = FRAMES;
    replay->recorder.frames = mmap(NULL, FRAMES * sizeof(struct recorder_frame), PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    replay->body = malloc(64 * TR_KIB);
    tr_assert(replay->recorder.frames != MAP_FAILED && replay->body);
    if (lcore_make(replay, mesh, directory, wait_ns, &error) < 0 || http_make(replay, &error) < 0 ||
        stack_make(replay, software_checksums, &error) < 0) {
        fprintf(stderr, "replay: %s\n", error.text);
        exit(1);
    }
    links_open(replay, software_checksums);
    replay->lcore->ports[0] = (struct tr_lcore_port){replay, port_poll, port_deadline};
    replay->lcore->ports_count = 1;
}

void replay_lcore_close(struct replay_lcore *replay)
{
    tr_stack_destroy(replay->stack, tr_clock_ns());
    tr_net_streams_destroy(replay->streams);
    tr_http_destroy(replay->lcore->http);
    tr_lcore_destroy(replay->lcore);
    for (uint32_t i = 0; i < REPLAY_LINKS; i++)
        recorder_link_close(&replay->links[i]);
    munmap(replay->recorder.frames, FRAMES * sizeof(struct recorder_frame));
    free(replay->body);
}

// The lcores take the corpus's requests in turn; which connection one goes out on is as even.
void replay_record(struct replay_lcore *replay)
{
    uint32_t of_pass = replay->corpus->requests_count;

    replay->recorder.count = replay->at = 0;
    replay->recorded = 0;
    for (;; replay->request += replay->lcores) {
        uint32_t number = (uint32_t)(replay->request % of_pass);
        const struct corpus_request *request = &replay->corpus->requests[number];

        corpus_patch(replay->corpus, number, replay->request / of_pass, 0, replay->body);
        if (!recorder_request(&replay->recorder, &replay->links[replay->request / replay->lcores % REPLAY_LINKS],
                              replay->body, request->bytes))
            break;
        replay->recorded += request->spans_count;
    }
}

void replay_turn(struct replay_lcore *replay, bool counts)
{
    uint64_t begun = tr_clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    size_t work = tr_lcore_poll(replay->lcore, tr_clock_ns());

    if (!replay->recorded && !work)
        return;
    if (replay->recorded && replay->at == replay->recorder.count) {
        replay->spans_fed += replay->recorded;
        replay->spans_counted += counts ? replay->recorded : 0;
        replay->recorded = 0;
    }
    replay->busy_ns += counts && work ? tr_clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - begun : 0;
}

bool replay_done(const struct replay_lcore *replay)
{
    return replay->at == replay->recorder.count && replay->lcore->walker.position == replay->lcore->journal.ring.head &&
           !replay->lcore->ingest.first;
}
