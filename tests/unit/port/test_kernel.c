// SPDX-License-Identifier: Apache-2.0
// The kernel port on real loopback sockets; both ends in one thread, on a clock that the test moves.
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/kernel.h"

#define LCORES 2

static struct tr_connection_options options;
static struct tr_kernel_port *port;
static struct tr_kernel *kernels[LCORES];
static uint64_t now;

// What the user of the streams saw.
static struct tr_stream *streams[16];
static unsigned opened_count, closed_count, aged_count, eof_count, writable_count;
static enum tr_close_reason reason;
static size_t input_bytes;
static bool echo;

static int opened(void *context, struct tr_stream *stream, uint64_t at)
{
    streams[opened_count++ % 16] = stream;
    return 0;
}

static void input(void *context, struct tr_stream *stream, const uint8_t *data, size_t bytes, uint64_t at)
{
    input_bytes += bytes;
    if (echo)
        stream->ops->send(stream, data, bytes);
}

static void eof(void *context, struct tr_stream *stream, uint64_t at)
{
    eof_count++;
    stream->ops->close(stream);
}

static void writable(void *context, struct tr_stream *stream, uint64_t at)
{
    writable_count++;
}

static void closed(void *context, struct tr_stream *stream, enum tr_close_reason why, uint64_t at)
{
    closed_count++;
    reason = why;
}

static void aged(void *context, struct tr_stream *stream, uint64_t at)
{
    aged_count++;
    stream->ops->close(stream);
}

static const struct tr_stream_user user = {.opened = opened, .input = input, .eof = eof, .writable = writable, .closed = closed,
                                           .aged = aged};

static void poll_all(void)
{
    for (int i = 0; i < LCORES; i++)
        tr_kernel_poll(kernels[i], now, 1 << 20);
}

#define UNTIL(condition)                                                                                     \
    do {                                                                                                     \
        for (int tries_ = 0; !(condition) && tries_ < 100000; tries_++)                                      \
            poll_all();                                                                                      \
        assert_true(condition);                                                                              \
    } while (0)

static void open_with(const char *listen)
{
    struct tr_error error = {0};

    opened_count = closed_count = aged_count = eof_count = writable_count = 0;
    input_bytes = 0;
    echo = false;
    now = TR_S;
    assert_int_equal(tr_kernel_port_open(&port, "p", &listen, 1, LCORES, &options, &error), 0);
    for (uint32_t i = 0; i < LCORES; i++)
        assert_int_equal(tr_kernel_create(&kernels[i], i, &port, 1, &options, &user, &error), 0);
}

static int open_two(void **state)
{
    options = (struct tr_connection_options){.connections_max = 4,
                                         .idle_timeout_ns = 60 * TR_S,
                                         .send_buffer_bytes = 8192,
                                         .receive_buffer_bytes = 65536};
    open_with("127.0.0.1:0");
    return 0;
}

static int close_two(void **state)
{
    for (int i = 0; i < LCORES; i++) {
        assert_int_equal(tr_kernel_counters(kernels[i])->open,
                         tr_kernel_counters(kernels[i])->opened - tr_kernel_counters(kernels[i])->closed);
        tr_kernel_destroy(kernels[i], now);
    }
    tr_kernel_port_close(port);
    return 0;
}

static int client_of(const struct tr_kernel_port *of)
{
    struct tr_address address;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(tr_kernel_port_listening(of, 0, &address), 1);
    to.sin_port = htons(address.port);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int client_open(void)
{
    return client_of(port);
}

static void bytes_go_both_ways(void **state)
{
    char answer[16] = "";
    int fd = client_open();
    ssize_t got = 0;

    echo = true;
    UNTIL(opened_count == 1);
    assert_int_equal(write(fd, "hello", 5), 5);
    UNTIL(got == 5 || (got = read(fd, answer, sizeof(answer))) == 5);
    assert_string_equal(answer, "hello");
    assert_int_equal(streams[0]->bytes_in, 5);
    assert_int_equal(streams[0]->bytes_out, 5);
    assert_memory_equal(streams[0]->peer.ip + 10, "\xff\xff\x7f\0\0\1", 6);
    close(fd);
    UNTIL(closed_count == 1);
    assert_int_equal(eof_count, 1);
}

static void connections_go_to_the_lcore_with_the_fewest(void **state)
{
    int fds[4];

    for (int i = 0; i < 4; i++) {
        fds[i] = client_open();
        UNTIL(opened_count == (unsigned)i + 1);
    }
    assert_int_equal(tr_kernel_counters(kernels[0])->open, 2);
    assert_int_equal(tr_kernel_counters(kernels[1])->open, 2);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    UNTIL(closed_count == 4);
}

// --- lcores that accept at the same time, each on a thread

#define CROWD_LCORES 4
#define CROWD_PORTS  2
#define CROWD        8

static struct tr_kernel_port *crowd_ports[CROWD_PORTS];
static struct tr_kernel *crowd[CROWD_LCORES];
static atomic_uint crowd_open;
static atomic_bool crowd_end;

static int crowd_opened(void *context, struct tr_stream *stream, uint64_t at)
{
    atomic_fetch_add(&crowd_open, 1);
    return 0;
}

static void crowd_closed(void *context, struct tr_stream *stream, enum tr_close_reason why, uint64_t at)
{
    atomic_fetch_sub(&crowd_open, 1);
}

static void close_too(void *context, struct tr_stream *stream, uint64_t at)
{
    stream->ops->close(stream);
}

static void no_input(void *context, struct tr_stream *stream, const uint8_t *data, size_t bytes, uint64_t at)
{
}

static const struct tr_stream_user crowd_user = {
    .opened = crowd_opened, .input = no_input, .eof = close_too, .writable = close_too, .closed = crowd_closed, .aged = close_too};

static void *crowd_run(void *kernel)
{
    while (!atomic_load(&crowd_end)) {
        tr_kernel_poll(kernel, TR_S, 1 << 20);
        tr_kernel_wait(kernel, TR_MS);
    }
    return NULL;
}

static void crowd_wait(unsigned wanted)
{
    for (int i = 0; i < 20000 && atomic_load(&crowd_open) != wanted; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&crowd_open), wanted);
}

// Whoever is first, each lcore gets its part of few connections: of all ports together, and without a look at the others'.
static void connections_that_come_at_once_spread_evenly(void **state)
{
    const char *listen[CROWD_PORTS] = {"127.0.0.1:0", "127.0.0.1:0"};
    struct tr_error error = {0};
    pthread_t threads[CROWD_LCORES];

    options.connections_max = 64;
    atomic_store(&crowd_end, false);
    for (int p = 0; p < CROWD_PORTS; p++)
        assert_int_equal(tr_kernel_port_open(&crowd_ports[p], "p", &listen[p], 1, CROWD_LCORES, &options, &error), 0);
    for (uint32_t i = 0; i < CROWD_LCORES; i++)
        assert_int_equal(tr_kernel_create(&crowd[i], i, crowd_ports, CROWD_PORTS, &options, &crowd_user, &error), 0);
    for (int i = 0; i < CROWD_LCORES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, crowd[i]), 0);
    for (int round = 0; round < 100; round++) {
        int fds[CROWD], count = round % 3 ? CROWD : CROWD_LCORES;

        for (int i = 0; i < count; i++)
            fds[i] = client_of(crowd_ports[round % 2 ? 0 : i % CROWD_PORTS]);
        crowd_wait((unsigned)count);
        for (int i = 0; i < CROWD_LCORES; i++)
            assert_int_equal(tr_load_relaxed(&tr_kernel_counters(crowd[i])->open), count / CROWD_LCORES);
        for (int i = 0; i < count; i++)
            close(fds[i]);
        crowd_wait(0);
        for (int p = 0; p < CROWD_PORTS; p++) // closed() is told just before the place is free
            for (int i = 0; i < 20000 && tr_kernel_port_connections(crowd_ports[p]); i++)
                usleep(1000);
    }
    atomic_store(&crowd_end, true);
    for (int i = 0; i < CROWD_LCORES; i++) {
        pthread_join(threads[i], NULL);
        tr_kernel_destroy(crowd[i], TR_S);
    }
    for (int p = 0; p < CROWD_PORTS; p++)
        tr_kernel_port_close(crowd_ports[p]);
}

static void one_too_many_is_closed_and_counted(void **state)
{
    int fds[9];
    char byte;

    for (int i = 0; i < 9; i++)
        fds[i] = client_open();
    UNTIL(tr_kernel_counters(kernels[0])->refused_limit + tr_kernel_counters(kernels[1])->refused_limit == 1);
    UNTIL(opened_count == 8);
    assert_true(read(fds[8], &byte, 1) <= 0);
    for (int i = 0; i < 9; i++)
        close(fds[i]);
    UNTIL(closed_count == 8);
}

static void a_paused_stream_reads_nothing(void **state)
{
    int fd = client_open();

    UNTIL(opened_count == 1);
    streams[0]->ops->pause(streams[0]);
    assert_int_equal(write(fd, "x", 1), 1);
    for (int i = 0; i < 1000; i++)
        poll_all();
    assert_int_equal(input_bytes, 0);
    streams[0]->ops->resume(streams[0]);
    UNTIL(input_bytes == 1);
    close(fd);
    UNTIL(closed_count == 1);
}

static void a_full_send_buffer_says_so_and_when_it_has_room(void **state)
{
    static uint8_t chunk[65536], sink[65536];
    size_t sent = 0, got = 0, part;
    int fd = client_open();

    UNTIL(opened_count == 1);
    for (size_t i = 0; i < sizeof(chunk); i++)
        chunk[i] = (uint8_t)(i % 251);
    while ((part = streams[0]->ops->send(streams[0], chunk + sent % 251, 60000)) == 60000)
        sent += part;
    sent += part;
    assert_true(tr_kernel_counters(kernels[0])->send_full + tr_kernel_counters(kernels[1])->send_full > 0);
    // close() still delivers what was taken
    streams[0]->ops->close(streams[0]);
    for (int tries = 0; got < sent && tries < 1000000; tries++) {
        ssize_t bytes = read(fd, sink, sizeof(sink));

        for (ssize_t i = 0; i < bytes; i++)
            assert_int_equal(sink[i], (uint8_t)((got + (size_t)i) % 251));
        got += bytes > 0 ? (size_t)bytes : 0;
        poll_all();
    }
    assert_int_equal(got, sent);
    close(fd);
    UNTIL(closed_count == 1);
    assert_int_equal(reason, TR_CLOSE_LOCAL);
}

static void what_comes_after_the_end_costs_the_peer_nothing(void **state)
{
    char answer[16] = "";
    int fd = client_open();
    ssize_t got = -1;

    UNTIL(opened_count == 1);
    assert_int_equal(write(fd, "request", 7), 7);
    UNTIL(input_bytes == 7);
    assert_int_equal(write(fd, "more of it", 10), 10);
    assert_int_equal(streams[0]->ops->send(streams[0], "no", 2), 2);
    streams[0]->ops->close(streams[0]);
    assert_int_equal(write(fd, "and more", 8), 8);
    for (int i = 0; i < 1000; i++)
        poll_all();
    assert_int_equal(read(fd, answer, sizeof(answer)), 2);
    assert_string_equal(answer, "no");
    UNTIL(got == 0 || (got = read(fd, answer, sizeof(answer))) == 0); // an end, not a reset
    assert_int_equal(input_bytes, 7);
    assert_int_equal(closed_count, 0);
    now += 6 * TR_S; // but it is not waited for for ever
    UNTIL(closed_count == 1);
    assert_int_equal(reason, TR_CLOSE_LOCAL);
    close(fd);
}

static void abort_tells_closed_from_the_poll_and_resets_the_peer(void **state)
{
    int fd = client_open();
    char byte;

    UNTIL(opened_count == 1);
    streams[0]->ops->abort(streams[0]);
    assert_int_equal(closed_count, 0);
    UNTIL(closed_count == 1);
    assert_int_equal(reason, TR_CLOSE_ABORTED);
    assert_true(read(fd, &byte, 1) < 0 && errno == ECONNRESET);
    close(fd);
}

static void a_reset_by_the_peer_is_told(void **state)
{
    struct linger hard = {.l_onoff = 1};
    int fd = client_open();

    UNTIL(opened_count == 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
    UNTIL(closed_count == 1);
    assert_int_equal(reason, TR_CLOSE_RESET);
}

static void idle_and_old_connections_go(void **state)
{
    int idle = client_open(), old;

    UNTIL(opened_count == 1);
    now += 61 * TR_S;
    UNTIL(closed_count == 1);
    assert_int_equal(reason, TR_CLOSE_TIMEOUT);
    close(idle);
    close_two(state);
    options.connection_age_max_ns = 10 * TR_S;
    open_with("127.0.0.1:0");
    old = client_open();
    UNTIL(opened_count == 1);
    now += 9 * TR_S;
    poll_all();
    assert_int_equal(aged_count, 0);
    now += 3 * TR_S; // a tenth more at most
    UNTIL(aged_count == 1);
    close(old);
    UNTIL(closed_count == 1);
}

static void addresses_are_what_people_write(void **state)
{
    static const char *const good[] = {"127.0.0.1:0", "[::1]:0", ":0", "0.0.0.0:0", "[::]:0"};
    static const char *const bad[] = {"127.0.0.1", "localhost:0", "127.0.0.1:70000", "127.0.0.1:x", "[::1:0", ""};
    struct tr_error error;

    for (size_t i = 0; i < TR_NELEMS(good); i++) {
        struct tr_kernel_port *one;

        memset(&error, 0, sizeof(error));
        if (tr_kernel_port_open(&one, "p", &good[i], 1, 1, &options, &error) < 0)
            fail_msg("%s: %s", good[i], error.text);
        tr_kernel_port_close(one);
    }
    for (size_t i = 0; i < TR_NELEMS(bad); i++) {
        struct tr_kernel_port *one;

        memset(&error, 0, sizeof(error));
        assert_int_equal(tr_kernel_port_open(&one, "p", &bad[i], 1, 1, &options, &error), -EINVAL);
        assert_true(error.text[0]);
    }
}

static void a_stopped_port_takes_no_more(void **state)
{
    struct tr_address address;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = client_open(), late = socket(AF_INET, SOCK_STREAM, 0);

    UNTIL(opened_count == 1);
    tr_kernel_port_listening(port, 0, &address);
    to.sin_port = htons(address.port);
    tr_kernel_port_stop(port);
    assert_true(connect(late, (struct sockaddr *)&to, sizeof(to)) < 0);
    echo = true;
    assert_int_equal(write(fd, "x", 1), 1); // what is open stays
    UNTIL(input_bytes == 1);
    close(fd);
    close(late);
    UNTIL(closed_count == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_two, close_two)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(connections_go_to_the_lcore_with_the_fewest),
        TEST(connections_that_come_at_once_spread_evenly),
        TEST(one_too_many_is_closed_and_counted),
        TEST(a_paused_stream_reads_nothing),
        TEST(a_full_send_buffer_says_so_and_when_it_has_room),
        TEST(what_comes_after_the_end_costs_the_peer_nothing),
        TEST(abort_tells_closed_from_the_poll_and_resets_the_peer),
        TEST(a_reset_by_the_peer_is_told),
        TEST(idle_and_old_connections_go),
        TEST(addresses_are_what_people_write),
        TEST(a_stopped_port_takes_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
