// SPDX-License-Identifier: Apache-2.0
// tailraced: the daemon's main.
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon.h"

static void usage(FILE *out)
{
    fputs("usage: tailraced -c FILE [--check]\n"
          "  -c, --config FILE   the config\n"
          "      --check         check it, say what it comes to, and end\n"
          "      --reference     every option of the config, as Markdown\n"
          "      --version\n",
          out);
}

static int check(const char *path)
{
    struct tr_daemon daemon = {0};
    struct tr_error error = {0};
    struct tr_red_set *red;
    struct tr_epoch *epoch;
    struct tr_sizes sizes;
    struct tr_needs needs;

    if (tr_options_parse_file(&tr_config_table, path, &daemon.doc, &error) < 0)
        goto fail;
    daemon.config = tr_options_struct(daemon.doc);
    if (tr_daemon_red_make(&daemon, daemon.config, 0, &red, &error) < 0)
        goto fail;
    epoch = tr_daemon_epoch_make(&daemon, daemon.config, red, &error);
    tr_red_set_release(red);
    if (!epoch)
        goto fail;
    needs = tr_sizes_needs(daemon.config, epoch->policies);
    tr_epoch_free(epoch);
    if (tr_sizes_derive(daemon.config, &sizes, &error) < 0)
        goto fail;
    sizes.needs = needs;
    printf("%s: good\n", path);
    tr_sizes_print(daemon.config, &sizes, stdout);
    tr_options_free(daemon.doc);
    return 0;
fail:
    if (daemon.doc)
        tr_options_locate(daemon.doc, &error);
    fprintf(stderr, "%s: %s\n", path, error.text);
    if (daemon.doc)
        tr_options_free(daemon.doc);
    return 1;
}

static int serve(const char *path)
{
    static struct tr_daemon daemon;
    struct tr_error error = {0};
    sigset_t signals;
    int signal = 0;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // inherited by every thread: only sigwait() takes them
    if (tr_daemon_start(&daemon, path, &error) < 0) {
        fprintf(stderr, "tailraced: %s: %s\n", path, error.text);
        return 1;
    }
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP)
        tr_control_reload(daemon.control, &(struct tr_error){0});
    tr_daemon_stop(&daemon);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"reference", no_argument, NULL, 'r'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL;
    bool only_check = false;
    int option;

    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            only_check = true;
            break;
        case 'r':
            tr_options_document(&tr_config_table, stdout);
            return 0;
        case 'v':
            puts("tailraced " TR_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (!path || optind != argc) {
        usage(stderr);
        return 2;
    }
    return only_check ? check(path) : serve(path);
}
