// SPDX-License-Identifier: Apache-2.0
// churn: short connections in a row: open, one OTLP/HTTP request with an empty body, read the answer whole, close.
//
// --close server  asks the server to close (Connection: close) and reads to the end: TIME_WAIT is the server's
//         client  closes when the answer is there
//         abort   resets then
//         mix     each in turn
// Source addresses are taken in turn from --sources N addresses from --from on. Ends after --count connections or
// --seconds, whichever is first, and says what became of them as JSON. Exit code 0 if every one was answered.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONCURRENCY_MAX 1024
#define SECONDS_MAX     600
#define TIMEOUT_NS      20000000000ull // of a connection
#define EVENTS          64

enum ending { BY_SERVER, BY_CLIENT, BY_ABORT, ENDINGS };

struct connection {
    int fd; // -1: none
    enum ending ending;
    bool sent;
    uint64_t begun_ns;
    uint32_t bytes;
    char answer[1024];
};

static struct {
    struct sockaddr_storage to;
    socklen_t to_bytes;
    struct sockaddr_storage from; // the first source address
    uint32_t sources;             // 0: the kernel's choice
    uint64_t count, end_ns;
    uint32_t concurrency;
    int ending; // ENDINGS: each in turn
} options = {.count = 1000, .concurrency = 32, .ending = BY_SERVER};

static struct connection connections[CONCURRENCY_MAX];
static uint64_t opened, answered, failed_to_connect, cut_short, wrong_answer, timed_out;
static int epoll;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void bind_source(int fd)
{
    struct sockaddr_storage from = options.from;
    uint32_t step = (uint32_t)(opened % options.sources);
    int one = 1;

    if (from.ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&from;

        in->sin_addr.s_addr = htonl(ntohl(in->sin_addr.s_addr) + step);
    } else {
        ((struct sockaddr_in6 *)&from)->sin6_addr.s6_addr[15] += (uint8_t)step;
    }
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&from, options.to_bytes) < 0) {
        perror("churn: --from");
        exit(2);
    }
}

static void start(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};

    c->fd = socket(options.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        perror("churn: socket");
        exit(1);
    }
    if (options.sources)
        bind_source(c->fd);
    c->ending = options.ending == ENDINGS ? (enum ending)(opened % ENDINGS) : (enum ending)options.ending;
    c->sent = false;
    c->bytes = 0;
    c->begun_ns = now_ns();
    opened++;
    if (connect(c->fd, (struct sockaddr *)&options.to, options.to_bytes) < 0 && errno != EINPROGRESS) {
        failed_to_connect++;
        close(c->fd);
        c->fd = -1;
        return;
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void end(struct connection *c, uint64_t *why)
{
    struct linger reset = {1, 0};

    if (c->ending == BY_ABORT || why != &answered)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(c->fd);
    c->fd = -1;
    ++*why;
}

static void send_request(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    char request[200];
    int error = 0, bytes;
    socklen_t size = sizeof(error);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    bytes = snprintf(request, sizeof(request),
                     "POST /v1/traces HTTP/1.1\r\nHost: churn\r\nContent-Type: application/x-protobuf\r\n"
                     "Content-Length: 0\r\n%s\r\n",
                     c->ending == BY_SERVER ? "Connection: close\r\n" : "");
    if (error || send(c->fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes) {
        end(c, &failed_to_connect);
        return;
    }
    c->sent = true;
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

// An answer is whole with its head: an empty request gets an empty body.
static void read_answer(struct connection *c)
{
    ssize_t bytes = recv(c->fd, c->answer + c->bytes, sizeof(c->answer) - 1 - c->bytes, 0);
    bool whole;

    if (bytes < 0 && errno == EAGAIN)
        return;
    if (bytes > 0)
        c->bytes += (uint32_t)bytes;
    c->answer[c->bytes] = '\0';
    whole = strstr(c->answer, "\r\n\r\n") != NULL;
    if (bytes < 0 || (bytes == 0 && !whole))
        end(c, &cut_short);
    else if (whole && strncmp(c->answer, "HTTP/1.1 200", 12) != 0)
        end(c, &wrong_answer);
    else if (whole && (bytes == 0 || c->ending != BY_SERVER))
        end(c, &answered);
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    uint64_t now = now_ns();
    bool busy = true;

    while (busy && now < options.end_ns) {
        busy = false;
        for (uint32_t i = 0; i < options.concurrency; i++) {
            struct connection *c = &connections[i];

            if (c->fd >= 0 && now - c->begun_ns > TIMEOUT_NS)
                end(c, &timed_out);
            if (c->fd < 0 && opened < options.count)
                start(c);
            busy = busy || c->fd >= 0;
        }
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;

            if (!c->sent)
                send_request(c);
            else
                read_answer(c);
        }
        now = now_ns();
    }
}

static bool address_parse(const char *text, struct sockaddr_storage *address, socklen_t *bytes)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    uint16_t port = colon ? (uint16_t)atoi(colon + 1) : 0;

    if (text[0] == '[' && colon && colon[-1] == ']' && colon - text < (long)sizeof(host)) {
        snprintf(host, sizeof(host), "%.*s", (int)(colon - text - 2), text + 1);
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        *bytes = sizeof(*in6);
        return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon ? colon - text : 0), text);
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    *bytes = sizeof(*in);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

static void usage(void)
{
    fputs("usage: churn --to ADDRESS:PORT [--count N] [--concurrency N] [--close server|client|abort|mix]\n"
          "             [--from ADDRESS:0 --sources N] [--seconds N]\n",
          stderr);
    exit(2);
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = {{"to", 1, NULL, 't'},     {"count", 1, NULL, 'n'},   {"concurrency", 1, NULL, 'c'},
                                          {"close", 1, NULL, 'e'},  {"from", 1, NULL, 'f'},    {"sources", 1, NULL, 's'},
                                          {"seconds", 1, NULL, 'd'}, {0}};
    static const char *const endings[] = {"server", "client", "abort", "mix"};
    double seconds = 60;
    socklen_t bytes;
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == 't' && !address_parse(optarg, &options.to, &options.to_bytes))
            usage();
        if (option == 'f' && !address_parse(optarg, &options.from, &bytes))
            usage();
        if (option == 'n')
            options.count = strtoull(optarg, NULL, 10);
        if (option == 'c')
            options.concurrency = (uint32_t)atoi(optarg);
        if (option == 's')
            options.sources = (uint32_t)atoi(optarg);
        if (option == 'd')
            seconds = atof(optarg);
        if (option == 'e')
            for (options.ending = 0; options.ending < 4 && strcmp(endings[options.ending], optarg) != 0;)
                options.ending++;
        if (option == '?' || options.ending > ENDINGS)
            usage();
    }
    if (!options.to_bytes || !options.concurrency || options.concurrency > CONCURRENCY_MAX ||
        (options.sources && options.from.ss_family != options.to.ss_family))
        usage();
    options.end_ns = now_ns() + (uint64_t)((seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1e9);
}

int main(int argc, char **argv)
{
    uint64_t begun_ns;

    parse(argc, argv);
    for (uint32_t i = 0; i < CONCURRENCY_MAX; i++)
        connections[i].fd = -1;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    begun_ns = now_ns();
    run();
    printf("{\"opened\": %lu, \"answered\": %lu, \"failed_to_connect\": %lu, \"cut_short\": %lu, \"wrong_answer\": %lu, "
           "\"timed_out\": %lu, \"seconds\": %.3f}\n",
           opened, answered, failed_to_connect, cut_short, wrong_answer, timed_out, (double)(now_ns() - begun_ns) / 1e9);
    return answered == options.count ? 0 : 1;
}
