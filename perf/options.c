// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>

#include "config/units.h"

static const char help[] =
    "usage: tailgen --to HOST:PORT [OPTION]...\n"
    "  --protocol grpc|http|json     (grpc)\n"
    "  --compression none|gzip|zstd  (none)\n"
    "  --connections N --streams N   connections (4), requests in flight on each (8; HTTP/1.1: 1)\n"
    "  --batch N                     spans a request (100)\n"
    "  --rate N                      spans/s; 0: as fast as it goes (0)\n"
    "  --duration 10s  --spans N     when to stop, at the end of a pass (10s)\n"
    "  --seed N  --services N        what to send (1, 40)\n"
    "  --error-rate P --slow-rate P  shares of the traces, in percent (2, 1)\n"
    "  --unknown-fields P            share of spans with unknown fields, in percent (0)\n"
    "  --shuffle                     spans of a service in any order\n"
    "  --no-retry                    do not send again what was UNAVAILABLE\n"
    "  --truth FILE [--truth-hash]   a JSON line for each trace that was acknowledged whole\n"
    "  --progress                    a line of JSON a second: what is acknowledged so far\n"
    "  --json                        the report as JSON\n";

static int choose(const char *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    fprintf(stderr, "tailgen: %s: unknown\n%s", text, help);
    exit(2);
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
        {"json", 0, NULL, 'j'},       {"progress", 0, NULL, 'P'}, {"device", 1, NULL, 'D'},    {"help", 0, NULL, 'h'},
        {0}};
    static const char *const protocols[] = {"grpc", "http", "json"}, *const compressions[] = {"none", "gzip", "zstd"};
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
            fprintf(stderr, "tailgen: --device: DPDK devices are not in this version\n");
            exit(2);
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            fputs(help, stderr);
            exit(2);
        }
    }
    if (!o->to || !o->connections || !o->streams || !o->batch || !o->corpus.services) {
        fputs(help, stderr);
        exit(2);
    }
}
