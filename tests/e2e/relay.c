// SPDX-License-Identifier: Apache-2.0
// relay: a wire with faults between two tap devices in two network namespaces.
//
// Frames go from one tap to the other through a line of a given speed, delay and queue. Each may be dropped, doubled,
// held back alone (reorder), held back with all behind it (delay), have one bit flipped, or be cut short. What happens
// to the n-th frame of a direction depends on the seed, the direction and n alone: two pairs of hosts that send the
// same frames meet the same faults. Bits are flipped from the IP header on: an Ethernet frame check would have caught
// the others, and ARP has no checksum of its own.
//
// Says "ready" when both taps are there, and what it did as JSON when its time is over, or at SIGTERM.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES_MAX    9216
#define FRAMES_MAX         8192 // in both directions
#define ETHERNET_BYTES     14
#define BURST_FRAMES       64
#define REORDER_NS_MAX     5000000
#define DELAY_NS_MIN       10000000
#define DELAY_NS_MAX       50000000
#define SECONDS_MAX        3600
#define NS_PER_SECOND      1000000000ull

enum fault { DROP, DUPLICATE, REORDER, DELAY, CORRUPT, TRUNCATE, FAULTS };
static const char *const fault_names[FAULTS] = {"drop", "duplicate", "reorder", "delay", "corrupt", "truncate"};

struct frame {
    struct frame *next, *previous; // next is also the list of free ones
    uint64_t due_ns;
    uint32_t bytes;
    uint8_t data[FRAME_BYTES_MAX];
};

struct direction {
    const char *name;
    int from, to;
    uint64_t index; // of the next frame
    struct frame *first, *last; // by due time
    uint64_t line_free_ns; // when the last frame in order leaves the line
    uint32_t waiting;
    uint64_t frames, bytes, faults[FAULTS], queue_full, refused, delivered;
};

static struct {
    uint64_t seed;
    double percent[FAULTS];
    uint64_t latency_ns;
    double ns_per_byte; // 0: any speed
    uint32_t queue_frames;
    uint64_t end_ns;
} options = {.queue_frames = 1000};

static struct frame *free_frames;
static volatile sig_atomic_t stopped;

static void on_signal(int signal)
{
    stopped = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

// A number for (seed, direction, frame, use), the same in every run. Source: splitmix64's finisher.
static uint64_t draw(const struct direction *d, unsigned use)
{
    uint64_t x = options.seed * 0x9e3779b97f4a7c15ull + d->index * 0xd1b54a32d192ed03ull + use * 2 + (d->name[0] == 'l');

    for (int round = 0; round < 2; round++) {
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9ull;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebull;
        x ^= x >> 31;
    }
    return x;
}

static uint64_t draw_below(const struct direction *d, unsigned use, uint64_t bound)
{
    return draw(d, FAULTS + use) % bound;
}

// Whether this fault strikes the frame at hand; counted.
static bool strikes(struct direction *d, enum fault fault)
{
    if ((double)(draw(d, fault) >> 11) * 0x1p-53 >= options.percent[fault] / 100)
        return false;
    d->faults[fault]++;
    return true;
}

static struct frame *frame_take(void)
{
    struct frame *f = free_frames;

    if (f)
        free_frames = f->next;
    return f;
}

static void frame_give(struct frame *f)
{
    f->next = free_frames;
    free_frames = f;
}

static void queue_insert(struct direction *d, struct frame *f, uint64_t due_ns)
{
    struct frame *after = d->last;

    f->due_ns = due_ns;
    while (after && after->due_ns > due_ns)
        after = after->previous;
    f->previous = after;
    f->next = after ? after->next : d->first;
    *(after ? &after->next : &d->first) = f;
    *(f->next ? &f->next->previous : &d->last) = f;
    d->waiting++;
}

static bool is_ip(const struct frame *f)
{
    uint16_t type = (uint16_t)(f->data[12] << 8 | f->data[13]);

    return type == 0x0800 || type == 0x86dd;
}

static void spoil(struct direction *d, struct frame *f)
{
    if (!is_ip(f) || f->bytes <= ETHERNET_BYTES + 1)
        return;
    if (options.percent[CORRUPT] > 0 && strikes(d, CORRUPT)) {
        uint64_t bit = draw_below(d, 0, (f->bytes - ETHERNET_BYTES) * 8ull);

        f->data[ETHERNET_BYTES + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    if (options.percent[TRUNCATE] > 0 && strikes(d, TRUNCATE))
        f->bytes = ETHERNET_BYTES + (uint32_t)draw_below(d, 1, f->bytes - ETHERNET_BYTES);
}

// Put the frame on the line, through what strikes it.
static void admit(struct direction *d, struct frame *f, uint64_t now)
{
    d->frames++;
    d->bytes += f->bytes;
    if (strikes(d, DROP)) {
        frame_give(f);
        return;
    }
    if (d->waiting >= options.queue_frames) {
        d->queue_full++;
        frame_give(f);
        return;
    }
    spoil(d, f);
    if (d->line_free_ns < now)
        d->line_free_ns = now;
    d->line_free_ns += (uint64_t)(f->bytes * options.ns_per_byte);
    if (strikes(d, DELAY))
        d->line_free_ns += DELAY_NS_MIN + draw_below(d, 2, DELAY_NS_MAX - DELAY_NS_MIN);
    uint64_t due_ns = d->line_free_ns + options.latency_ns;
    if (strikes(d, REORDER))
        due_ns += 1 + draw_below(d, 3, REORDER_NS_MAX);
    struct frame *second = strikes(d, DUPLICATE) ? frame_take() : NULL;
    if (second) {
        second->bytes = f->bytes;
        memcpy(second->data, f->data, f->bytes);
        queue_insert(d, second, due_ns + draw_below(d, 4, 1000000));
    }
    queue_insert(d, f, due_ns);
}

// Take frames from the tap while there are some, a burst at most.
static void receive(struct direction *d, uint64_t now)
{
    for (int i = 0; i < BURST_FRAMES; i++) {
        struct frame *f = frame_take();
        static uint8_t unwanted[FRAME_BYTES_MAX];
        ssize_t bytes = read(d->from, f ? f->data : unwanted, FRAME_BYTES_MAX);

        if (bytes < ETHERNET_BYTES) {
            if (f)
                frame_give(f);
            if (bytes < 0)
                return;
            continue;
        }
        if (f) {
            f->bytes = (uint32_t)bytes;
            admit(d, f, now);
        } else {
            d->queue_full++;
        }
        d->index++;
    }
}

static void deliver(struct direction *d, uint64_t now)
{
    while (d->first && d->first->due_ns <= now) {
        struct frame *f = d->first;

        d->first = f->next;
        *(d->first ? &d->first->previous : &d->last) = NULL;
        d->waiting--;
        if (write(d->to, f->data, f->bytes) == (ssize_t)f->bytes)
            d->delivered++;
        else
            d->refused++; // the interface is down, or its queue is full
        frame_give(f);
    }
}

// Make a tap in a namespace: PATH:NAME. The descriptor stays usable from ours.
static int tap_open(char *where)
{
    char *colon = strrchr(where, ':');
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, tap;
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    if (!colon || strlen(colon + 1) >= IFNAMSIZ) {
        errno = EINVAL;
        die(where);
    }
    *colon = 0;
    strcpy(request.ifr_name, colon + 1);
    there = open(where, O_RDONLY | O_CLOEXEC);
    if (own < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
        die(where);
    tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0)
        die("/dev/net/tun");
    if (setns(own, CLONE_NEWNET) < 0)
        die("setns");
    close(there);
    close(own);
    return tap;
}

static void run(struct direction both[2])
{
    uint64_t now = now_ns();

    while (!stopped && now < options.end_ns) {
        struct pollfd fds[2] = {{.fd = both[0].from, .events = POLLIN}, {.fd = both[1].from, .events = POLLIN}};
        uint64_t until = options.end_ns;

        for (int i = 0; i < 2; i++)
            if (both[i].first && both[i].first->due_ns < until)
                until = both[i].first->due_ns;
        uint64_t wait = until > now ? until - now : 0;
        struct timespec t = {(time_t)(wait / NS_PER_SECOND), (long)(wait % NS_PER_SECOND)};
        if (ppoll(fds, 2, &t, NULL) < 0 && errno != EINTR)
            die("ppoll");
        now = now_ns();
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents & POLLIN)
                receive(&both[i], now);
            deliver(&both[i], now);
        }
    }
}

static void report(const struct direction both[2])
{
    for (int i = 0; i < 2; i++) {
        const struct direction *d = &both[i];

        printf("%s\"%s\": {\"frames\": %lu, \"bytes\": %lu", i ? ", " : "{", d->name, d->frames, d->bytes);
        for (int fault = 0; fault < FAULTS; fault++)
            printf(", \"%s\": %lu", fault_names[fault], d->faults[fault]);
        printf(", \"queue_full\": %lu, \"refused\": %lu, \"delivered\": %lu, \"waiting\": %u}", d->queue_full, d->refused,
               d->delivered, d->waiting);
    }
    puts("}");
}

static void usage(void)
{
    fputs("usage: relay --left NAMESPACE:TAP --right NAMESPACE:TAP [--seed N] [--latency MS] [--rate MBIT]\n"
          "             [--queue FRAMES] [--seconds N] [--drop P] [--duplicate P] [--reorder P] [--delay P]\n"
          "             [--corrupt P] [--truncate P]     P in percent, of the frames of each direction\n",
          stderr);
    exit(2);
}

static void parse(int argc, char **argv, char *where[2])
{
    static const struct option longs[] = {
        {"drop", 1, NULL, DROP},       {"duplicate", 1, NULL, DUPLICATE}, {"reorder", 1, NULL, REORDER},
        {"delay", 1, NULL, DELAY},     {"corrupt", 1, NULL, CORRUPT},     {"truncate", 1, NULL, TRUNCATE},
        {"left", 1, NULL, 'l'},        {"right", 1, NULL, 'r'},           {"seed", 1, NULL, 's'},
        {"latency", 1, NULL, 'd'},     {"rate", 1, NULL, 'b'},            {"queue", 1, NULL, 'q'},
        {"seconds", 1, NULL, 't'},     {0}};
    double seconds = 60;
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        double value = optarg ? atof(optarg) : 0;

        switch (option) {
        case 'l':
        case 'r':
            where[option == 'r'] = optarg;
            break;
        case 's':
            options.seed = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            options.latency_ns = (uint64_t)(value * 1e6);
            break;
        case 'b':
            options.ns_per_byte = value > 0 ? 8000 / value : 0;
            break;
        case 'q':
            options.queue_frames = (uint32_t)value;
            break;
        case 't':
            seconds = value < SECONDS_MAX ? value : SECONDS_MAX;
            break;
        default:
            if (option >= FAULTS)
                usage();
            options.percent[option] = value;
        }
    }
    if (!where[0] || !where[1] || optind != argc)
        usage();
    options.end_ns = now_ns() + (uint64_t)(seconds * 1e9);
}

int main(int argc, char **argv)
{
    char *where[2] = {NULL, NULL};
    struct sigaction action = {.sa_handler = on_signal};

    parse(argc, argv, where);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    for (int i = 0; i < FRAMES_MAX; i++) {
        struct frame *f = malloc(sizeof(*f));

        if (!f)
            die("frames");
        frame_give(f);
    }
    int left = tap_open(where[0]), right = tap_open(where[1]);
    struct direction both[2] = {{.name = "left", .from = left, .to = right}, {.name = "right", .from = right, .to = left}};
    puts("ready");
    fflush(stdout);
    run(both);
    report(both);
    return 0;
}
