// SPDX-License-Identifier: Apache-2.0
#include "tailctl.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/units.h"

#define SOCKET_DEFAULT "/run/tailrace/control.sock"
#define FILE_BYTES_MAX TR_MIB

enum tailctl_option { OPTION_CONFIRM = 1, OPTION_ONCE = 2, OPTION_LCORES = 4, OPTION_STRICT = 8 };
enum argument { NO_ARGUMENT, MAYBE_PREFIX, A_FILE, A_TRACE_ID, A_LEVEL };

// One row a command. `path` may hold one %s for the (escaped) argument; a row without run and show belongs to
// a later version.
static const struct command {
    const char *words;
    const char *usage;
    const char *help;
    const char *method;
    const char *path;
    enum argument argument;
    int options;
    void (*show)(const struct tailctl *tailctl, const json_t *answer);
    enum tr_exit (*run)(const struct tailctl *tailctl);
} commands[] = {
    {"status", "", "what runs, how far back it reaches, rates, backends", "GET", "/v1/status", NO_ARGUMENT, 0,
     tailctl_status, NULL},
    {"stats", "[PREFIX] [--lcores]", "counters, summed over lcores or each", "GET", "/v1/stats?prefix=%s",
     MAYBE_PREFIX, OPTION_LCORES, tailctl_stats, NULL},
    {"audit", "", "where every accepted span is; exit 1 when it does not add up", "GET", "/v1/audit",
     NO_ARGUMENT, 0, tailctl_audit, NULL},
    {"top", "[--once]", "what happens now, every second", NULL, NULL, NO_ARGUMENT, OPTION_ONCE, NULL,
     tailctl_top},
    {"config show", "", "the running config, with defaults, secrets covered", "GET", "/v1/config",
     NO_ARGUMENT, 0, tailctl_config_show, NULL},
    {"config check", "FILE", "would the daemon take this file?", "POST", "/v1/config/check", A_FILE, 0,
     tailctl_config_check, NULL},
    {"config diff", "FILE", "what would change, and what needs a restart", "POST", "/v1/config/diff", A_FILE,
     0, tailctl_config_diff, NULL},
    {"config apply", "FILE [--confirm 60s]", "take it up, all or nothing; unless confirmed in time, go back",
     "POST", "/v1/config/apply", A_FILE, OPTION_CONFIRM, tailctl_config_apply, NULL},
    {"config confirm", "", "keep what was applied with --confirm", "POST", "/v1/config/confirm", NO_ARGUMENT,
     0, tailctl_config_confirm, NULL},
    {"config undo", "", "back to the config before", "POST", "/v1/config/undo", NO_ARGUMENT, 0,
     tailctl_config_undo, NULL},
    {"config import", "COLLECTOR.yaml [--strict]",
     "a Collector's config as one of ours; stderr has what could not be carried over", NULL, NULL, A_FILE,
     OPTION_STRICT, NULL, tailctl_config_import},
    {"policies", "", "each policy: what it saw, kept and turned away, and what it costs", "GET", "/v1/policies", NO_ARGUMENT, 0,
     tailctl_policies, NULL},
    {"traces why", "ID", "what became of a trace, and why", "GET", "/v1/traces/%s/why", A_TRACE_ID, 0,
     tailctl_why, NULL},
    {"services", "", "each service: rate, kept share, lost parents; where the trace context is lost", "GET",
     "/v1/services", NO_ARGUMENT, 0, tailctl_services, NULL},
    {"backends", "", "each backend, its queue and its last error", "GET", "/v1/backends", NO_ARGUMENT, 0,
     tailctl_backends, NULL},
    {"ports", "", "where spans may come in", "GET", "/v1/ports", NO_ARGUMENT, 0, tailctl_ports, NULL},
    {"connections", "", "who is connected", "GET", "/v1/connections", NO_ARGUMENT, 0, tailctl_connections,
     NULL},
    {"log", "LEVEL", "set the log level: error, warn, info, debug", "PUT", "/v1/log", A_LEVEL, 0, tailctl_log,
     NULL},
    {"policies try", "FILE", "not in this version", NULL, NULL, A_FILE, 0, NULL, NULL},
    {"traces get", "ID", "not in this version", NULL, NULL, A_TRACE_ID, 0, NULL, NULL},
    {"attributes", "", "not in this version", NULL, NULL, NO_ARGUMENT, 0, NULL, NULL},
};

static void usage(FILE *out)
{
    char line[64];

    fputs("usage: tailctl [-s SOCKET] [--json] COMMAND\n\n", out);
    for (size_t i = 0; i < TR_NELEMS(commands); i++) {
        snprintf(line, sizeof(line), "%s %s", commands[i].words, commands[i].usage);
        fprintf(out, "  %-40s %s\n", line, commands[i].help);
    }
    fputs("\n  -s, --socket SOCKET   the daemon's control socket, or TAILRACE_SOCKET, or " SOCKET_DEFAULT "\n"
          "  --json                the answer as JSON, for scripts\n"
          "\nExit: 0; 1 the daemon said no, and why; 2 usage; 3 no daemon.\n",
          out);
}

// How many of the words on the command line are the command's; 0: it is another one.
static size_t words_match(const char *words, char *const *given, int count)
{
    size_t n = 0;

    while (*words) {
        size_t bytes = strcspn(words, " ");

        if ((int)n >= count || strlen(given[n]) != bytes || strncmp(given[n], words, bytes) != 0)
            return 0;
        n++;
        words += bytes + (words[bytes] == ' ');
    }
    return n;
}

// The longest match: `policies try` is not `policies`.
static const struct command *command_find(char *const *given, int count, size_t *words)
{
    const struct command *found = NULL;

    *words = 0;
    for (size_t i = 0; i < TR_NELEMS(commands); i++) {
        size_t n = words_match(commands[i].words, given, count);

        if (n > *words) {
            *words = n;
            found = &commands[i];
        }
    }
    return found;
}

int tr_file_text(const char *path, char **text)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n = 1;
    char *to;

    if (fd < 0)
        return -errno;
    to = malloc(FILE_BYTES_MAX + 2);
    tr_assert(to);
    while (n > 0 && used <= FILE_BYTES_MAX) {
        n = read(fd, to + used, FILE_BYTES_MAX + 1 - used);
        used += n > 0 ? (size_t)n : 0;
    }
    n = n < 0 ? -errno : used > FILE_BYTES_MAX ? -EFBIG : 0;
    close(fd);
    to[used] = '\0';
    if (n == 0 && strlen(to) != used)
        n = -EILSEQ;
    if (n) {
        free(to);
        return (int)n;
    }
    *text = to;
    return 0;
}

static enum tr_exit body_make(const struct command *command, const struct tailctl *tailctl, json_t **body)
{
    const char *argument = tailctl->arguments_count ? tailctl->arguments[0] : "";
    char *text = NULL;
    int rc;

    *body = NULL;
    if (command->argument == A_LEVEL)
        *body = json_pack("{s:s}", "level", argument);
    if (command->argument != A_FILE)
        return TR_EXIT_OK;
    rc = tr_file_text(argument, &text);
    if (rc) {
        fprintf(stderr, "tailctl: %s: %s\n", argument, strerror(-rc));
        return TR_EXIT_USAGE;
    }
    *body = json_pack("{s:s, s:f}", "text", text, "confirm_seconds", tailctl->confirm_s);
    free(text);
    if (*body)
        return TR_EXIT_OK;
    fprintf(stderr, "tailctl: %s: not UTF-8\n", argument);
    return TR_EXIT_USAGE;
}

static enum tr_exit ask(const struct command *command, const struct tailctl *tailctl)
{
    char *escaped = curl_easy_escape(NULL, tailctl->arguments_count ? tailctl->arguments[0] : "", 0),
         path[512];
    json_t *body, *answer = NULL;
    enum tr_exit rc;

    // The formats are the rows above; what has no %s takes no argument there.
    if (strstr(command->path, "%s"))
        snprintf(path, sizeof(path), "%.*s%s%s", (int)(strstr(command->path, "%s") - command->path),
                 command->path, escaped, strstr(command->path, "%s") + 2);
    else
        snprintf(path, sizeof(path), "%s", command->path);
    curl_free(escaped);
    rc = body_make(command, tailctl, &body);
    if (rc)
        return rc;
    rc = tailctl_request(tailctl, command->method, path, body, &answer);
    json_decref(body);
    if (rc == TR_EXIT_OK && tailctl->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
        fputc('\n', stdout);
    } else if (rc == TR_EXIT_OK) {
        command->show(tailctl, answer);
    } else if (!tailctl->json) {
        tailctl_differences_print(json_object_get(answer, "differences"));
    }
    // An audit that does not add up is an answer, and a no.
    if (rc == TR_EXIT_OK && json_is_false(json_object_get(answer, "balanced")))
        rc = TR_EXIT_REFUSED;
    json_decref(answer);
    return rc;
}

// A word that begins commands, but is none: say which.
static void no_command(const char *word)
{
    size_t bytes = strlen(word);
    bool begins = false;

    for (size_t i = 0; i < TR_NELEMS(commands); i++) {
        if (strncmp(commands[i].words, word, bytes) != 0 || commands[i].words[bytes] != ' ')
            continue;
        fprintf(stderr, "%s tailctl %s%s%s\n", begins ? "      " : "usage:", commands[i].words,
                commands[i].usage[0] ? " " : "", commands[i].usage);
        begins = true;
    }
    if (!begins)
        fprintf(stderr, "tailctl: no command \"%s\"; see tailctl --help\n", word);
}

static bool arguments_good(const struct command *command, size_t count, int options)
{
    if (options & ~command->options)
        return false;
    if (command->argument == MAYBE_PREFIX)
        return count <= 1;
    return count == (command->argument == NO_ARGUMENT ? 0u : 1u);
}

static enum tr_exit not_yet(const struct tailctl *tailctl, const struct command *command)
{
    if (tailctl->json)
        puts("{\"error\": \"not in this version\"}");
    fprintf(stderr, "tailctl: %s: not in this version\n", command->words);
    return TR_EXIT_REFUSED;
}

static int options_parse(struct tailctl *tailctl, int argc, char **argv, int *seen)
{
    static const struct option long_options[] = {
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"confirm", required_argument, NULL, 'c'},
        {"once", no_argument, NULL, 'o'},
        {"lcores", no_argument, NULL, 'l'},
        {"strict", no_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint64_t ns;
    int c;

    while ((c = getopt_long(argc, argv, "s:h", long_options, NULL)) >= 0) {
        switch (c) {
        case 's':
            tailctl->socket = optarg;
            break;
        case 'j':
            tailctl->json = true;
            break;
        case 'o':
            tailctl->once = true;
            *seen |= OPTION_ONCE;
            break;
        case 'l':
            tailctl->lcores = true;
            *seen |= OPTION_LCORES;
            break;
        case 't':
            tailctl->strict = true;
            *seen |= OPTION_STRICT;
            break;
        case 'c':
            if (tr_duration_parse(optarg, &ns) || !ns) {
                fprintf(stderr, "tailctl: --confirm %s: a duration like 60s\n", optarg);
                return -EINVAL;
            }
            tailctl->confirm_s = (double)ns / (double)TR_S;
            *seen |= OPTION_CONFIRM;
            break;
        case 'h':
            usage(stdout);
            exit(TR_EXIT_OK);
        default:
            return -EINVAL;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *socket_path = getenv("TAILRACE_SOCKET");
    struct tailctl tailctl = {.socket = socket_path && socket_path[0] ? socket_path : SOCKET_DEFAULT};
    const struct command *command;
    enum tr_exit rc;
    int seen = 0;
    size_t words;

    if (options_parse(&tailctl, argc, argv, &seen) || optind == argc) {
        usage(stderr);
        return TR_EXIT_USAGE;
    }
    command = command_find(argv + optind, argc - optind, &words);
    tailctl.arguments = (const char *const *)argv + optind + words;
    tailctl.arguments_count = (size_t)argc - (size_t)optind - words;
    if (!command) {
        no_command(argv[optind]);
        return TR_EXIT_USAGE;
    }
    if (!arguments_good(command, tailctl.arguments_count, seen)) {
        fprintf(stderr, "usage: tailctl %s%s%s\n", command->words, command->usage[0] ? " " : "", command->usage);
        return TR_EXIT_USAGE;
    }
    tr_terminal_look();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    rc = command->run    ? command->run(&tailctl)
         : command->show ? ask(command, &tailctl)
                         : not_yet(&tailctl, command);
    curl_global_cleanup();
    if (fflush(stdout) && rc == TR_EXIT_OK)
        rc = TR_EXIT_REFUSED;
    return rc;
}
