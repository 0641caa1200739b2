// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 600
#define FRAMES_MAX  1000000000ull

static void usage(void)
{
    fputs("usage: attack --interface NAME --mac AA:BB:CC:DD:EE:FF --to IP:PORT --mode MODE [--victims IP:PORT,...]\n"
          "              [--connections N] [--count FRAMES] [--rate FRAMES/S] [--seconds N] [--seed N]\n"
          "modes: syn ack rst data fragments (floods), sockstress hoard overlap (connections)\n"
          "Only 198.18.0.0/15 is attacked.\n",
          stderr);
    exit(2);
}

static bool address_parse(const char *text, struct victim *address)
{
    char host[32];
    const char *colon = strchr(text, ':');
    struct in_addr in;

    if (!colon || colon - text >= (long)sizeof(host))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    if (inet_pton(AF_INET, host, &in) != 1)
        return false;
    *address = (struct victim){ntohl(in.s_addr), (uint16_t)atoi(colon + 1)};
    return address->ip >> 17 == ATTACK_SOURCES >> 17;
}

static void victims_parse(struct attack *a, char *text)
{
    for (char *one = strtok(text, ","); one; one = strtok(NULL, ","))
        if (a->victims_count == ATTACK_VICTIMS_MAX || !address_parse(one, &a->victims[a->victims_count++]))
            usage();
}

static const char *parse(struct attack *a, int argc, char **argv)
{
    static const struct option longs[] = {{"interface", 1, NULL, 'i'}, {"mac", 1, NULL, 'm'},         {"to", 1, NULL, 't'},
                                          {"mode", 1, NULL, 'o'},      {"victims", 1, NULL, 'v'},     {"count", 1, NULL, 'n'},
                                          {"rate", 1, NULL, 'r'},      {"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 'd'},
                                          {"seed", 1, NULL, 's'},      {0}};
    const char *interface = NULL;
    struct victim server = {0};
    double seconds = 5;
    uint8_t *m = a->server_mac;
    int option;

    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == '?' || (option == 't' && !address_parse(optarg, &server)) ||
            (option == 'm' &&
             sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6))
            usage();
        if (option == 'i')
            interface = optarg;
        if (option == 'o')
            a->mode = optarg;
        if (option == 'v')
            victims_parse(a, optarg);
        if (option == 'n')
            a->count_max = strtoull(optarg, NULL, 10);
        if (option == 'r')
            a->rate = atof(optarg);
        if (option == 'c')
            a->connections = (uint32_t)atoi(optarg);
        if (option == 'd')
            seconds = atof(optarg);
        if (option == 's')
            a->seed = strtoull(optarg, NULL, 10);
    }
    if (!interface || !a->mode || !server.ip || !a->connections || a->connections > 50 * 16384 || optind != argc)
        usage();
    a->server_ip = server.ip;
    a->server_port = server.port;
    a->count_max = a->count_max && a->count_max < FRAMES_MAX ? a->count_max : FRAMES_MAX;
    a->begun_ns = attack_now_ns();
    a->end_ns = a->begun_ns + (uint64_t)((seconds < SECONDS_MAX ? seconds : SECONDS_MAX) * 1e9);
    return interface;
}

int main(int argc, char **argv)
{
    static struct attack a = {.connections = 1000, .seed = 1};
    const char *interface = parse(&a, argc, argv);
    bool holds = strcmp(a.mode, "sockstress") == 0 || strcmp(a.mode, "hoard") == 0 || strcmp(a.mode, "overlap") == 0;

    attack_open(&a, interface, holds);
    if (!(holds ? attack_hold(&a) : attack_flood(&a)))
        usage();
    printf("{\"mode\": \"%s\", \"seconds\": %.3f, \"sent\": %lu, \"refused\": %lu, \"received\": %lu, \"established\": %lu, "
           "\"resets\": %lu, \"answered\": %lu, \"answered_ok\": %lu}\n",
           a.mode, (double)(attack_now_ns() - a.begun_ns) / 1e9, a.sent, a.refused, a.received, a.established, a.resets,
           a.answered, a.answered_ok);
    return 0;
}
