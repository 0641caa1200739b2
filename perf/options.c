// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>

#include "config/units.h"

static const char help[] =
    "usage: tailgen --to HOST:PORT [OPTION]...\n"
    "  --protocol grpc|http|json     (grpc)\n"
    "  --compression none|gzip|zstd  (none)\n"
    "  --connections N --streams N   connections (4), requests in flight on each (8; HTTP/1.1: 1)\n"
    "  --connection-requests N       after so many a connection is closed and opened anew; 0: never (0)\n"
    "  --batch N                     spans a request (100)\n"
    "  --rate N                      spans/s; 0: as fast as it goes (0)\n"
    "  --duration 10s  --spans N     when to stop, at the end of a pass (10s); or by Ctrl-C\n"
    "  --seed N  --services N        what to send (1, 40)\n"
    "  --error-rate P --slow-rate P  shares of the traces, in percent (2, 1)\n"
    "  --unknown-fields P            share of spans with unknown fields, in percent (0)\n"
    "  --shuffle                     spans of a service in any order\n"
    "  --no-retry                    do not send again what was UNAVAILABLE\n"
    "  --truth FILE [--truth-hash]   a JSON line for each trace that was acknowledged whole\n"
    "  --progress                    a line of JSON a second: what is acknowledged so far\n"
    "  --json                        the report as JSON\n"
    "over DPDK, with a TCP of its own, instead of the kernel's sockets:\n"
    "  --device DEVARGS              \"net_memif0,role=client,socket=/run/m.sock\", a PCI address, ...\n"
    "  --address IP/BITS             where from (needed)\n"
    "  --addresses N                 a block of so many, a power of two, that begins there (1)\n"
    "  --gateway IP  --mtu N         next hop off the link; IP bytes of a frame (the device's)\n"
    "  --pcap FILE                   write the frames that are sent down\n";

static int choose(const char *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    fprintf(stderr, "tailgen: %s: unknown\n%s", text, help);
    exit(2);
}

static void fail(const char *option, const char *text, const char *why)
{
    fprintf(stderr, "tailgen: %s %s: %s\n", option, text, why);
    exit(2);
}

static void address_set(struct options *o, const char *text)
{
    struct tr_error error = {0};

    if (tr_net_address_parse(text, &o->from, &error) < 0)
        fail("--address", text, error.text);
}

// The block's bits; it begins where the bits behind them are 0.
static void addresses_set(struct options *o, uint32_t count)
{
    uint32_t last;

    memcpy(&last, o->from.ip.bytes + 12, 4);
    if (!count || count & (count - 1) || count > 1u << 20 || __builtin_bswap32(last) & (count - 1)) {
        fprintf(stderr, "tailgen: --addresses %u: is not a power of two that divides --address\n", count);
        exit(2);
    }
    o->from.own_bits = (uint8_t)(128 - __builtin_ctz(count));
}

// What only goes together.
static void check(const struct options *o, bool addressed)
{
    if (!o->to || !o->connections || !o->streams || !o->batch || !o->corpus.services) {
        fputs(help, stderr);
        exit(2);
    }
    if (o->device && !addressed)
        fail("--device", o->device, "needs --address");
    if (!o->device && (addressed || o->pcap || o->has_gateway || o->mtu_bytes))
        fail("--address, --gateway, --mtu, --pcap", "", "need --device");
}

void options_parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"to", 1, NULL, 't'},         {"protocol", 1, NULL, 'p'},  {"compression", 1, NULL, 'z'},
        {"connections", 1, NULL, 'c'}, {"streams", 1, NULL, 'm'},   {"batch", 1, NULL, 'b'},
        {"rate", 1, NULL, 'r'},       {"duration", 1, NULL, 'd'},  {"spans", 1, NULL, 'n'},
        {"seed", 1, NULL, 's'},       {"services", 1, NULL, 'S'},  {"error-rate", 1, NULL, 'e'},
        {"slow-rate", 1, NULL, 'l'},  {"unknown-fields", 1, NULL, 'u'}, {"shuffle", 0, NULL, 'x'},
        {"no-retry", 0, NULL, 'R'},   {"truth", 1, NULL, 'T'},     {"truth-hash", 0, NULL, 'H'},
        {"json", 0, NULL, 'j'},       {"progress", 0, NULL, 'P'}, {"device", 1, NULL, 'D'},
        {"address", 1, NULL, 'A'},    {"addresses", 1, NULL, 'N'}, {"gateway", 1, NULL, 'G'},
        {"mtu", 1, NULL, 'M'},        {"pcap", 1, NULL, 'C'},      {"connection-requests", 1, NULL, 'q'},
        {"help", 0, NULL, 'h'},       {0}};
    static const char *const protocols[] = {"grpc", "http", "json"}, *const compressions[] = {"none", "gzip", "zstd"};
    struct tr_error error = {0};
    bool addressed = false;
    uint32_t addresses = 1;
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 't':
            o->to = optarg;
            break;
        case 'p':
            o->protocol = (enum client_protocol)choose(optarg, protocols, 3);
            break;
        case 'z':
            o->compression = (enum client_compression)choose(optarg, compressions, 3);
            break;
        case 'c':
            o->connections = (uint32_t)TR_MIN(strtoul(optarg, NULL, 10), (unsigned long)CONNECTIONS_MAX);
            break;
        case 'm':
            o->streams = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            o->batch = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            o->rate = strtod(optarg, NULL);
            break;
        case 'd':
            if (tr_duration_parse(optarg, &o->duration_ns) < 0) {
                fprintf(stderr, "tailgen: --duration %s: is not a duration\n", optarg);
                exit(2);
            }
            break;
        case 'n':
            o->spans = strtoull(optarg, NULL, 10);
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'S':
            o->corpus.services = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'e':
            o->corpus.error_rate = strtod(optarg, NULL) / 100;
            break;
        case 'l':
            o->corpus.slow_rate = strtod(optarg, NULL) / 100;
            break;
        case 'u':
            o->corpus.unknown_rate = strtod(optarg, NULL) / 100;
            break;
        case 'x':
            o->corpus.shuffle = true;
            break;
        case 'R':
            o->retry = false;
            break;
        case 'T':
            o->truth = optarg;
            break;
        case 'H':
            o->truth_hash = true;
            break;
        case 'P':
            o->progress = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'D':
            o->device = optarg;
            break;
        case 'A':
            address_set(o, optarg);
            addressed = true;
            break;
        case 'N':
            addresses = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'G':
            if (tr_ip_parse(optarg, &o->gateway, &error) < 0)
                fail("--gateway", optarg, error.text);
            o->has_gateway = true;
            break;
        case 'M':
            o->mtu_bytes = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'C':
            o->pcap = optarg;
            break;
        case 'q':
            o->connection_requests = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            fputs(help, stderr);
            exit(2);
        }
    }
    check(o, addressed);
    if (addressed)
        addresses_set(o, addresses);
}
