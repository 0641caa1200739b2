// SPDX-License-Identifier: Apache-2.0
// The control layer over the fake, for tests in other languages.
//
// usage: fake-daemon SOCKET CONFIG. Prints the telemetry port once it answers; then takes commands on stdin:
// unbalanced, stuck, hold, holding, not_ready, refuse, reload, good. Answers each with a line; ends with
// stdin.
#include "base/clock.h"
#include "control/metrics.h"
#include "fake.h"

static void obey(struct fake *fake, struct tr_control *control, const char *command)
{
    struct tr_error error = {.text = ""};
    bool good = strcmp(command, "good") == 0;

    if (strcmp(command, "reload") == 0) {
        printf("%d %s\n", tr_control_reload(control, &error), error.text);
        return;
    }
    tr_store_relaxed(&fake->unbalanced, !good && strcmp(command, "unbalanced") == 0);
    if (strcmp(command, "holding") == 0) {
        puts(tr_load_relaxed(&fake->holding) ? "yes" : "no");
        return;
    }
    tr_store_relaxed(&fake->hold, !good && strcmp(command, "hold") == 0);
    tr_store_relaxed(&fake->stuck, !good && strcmp(command, "stuck") == 0);
    tr_store_relaxed(&fake->not_ready, !good && strcmp(command, "not_ready") == 0);
    tr_store_relaxed(&fake->refuse_apply, !good && strcmp(command, "refuse") == 0);
    puts("ok");
}

static char *file_text(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    if (file)
        fclose(file);
    text[n] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    const struct tr_telemetry_options telemetry = {.listen = "127.0.0.1:0"};
    const struct tr_services_options services = {
        .study_rate = 1, .wait_ns = TR_S, .window_ns = TR_S, .spans_max = 1024, .services_max = 10, .pairs_max = 10};
    struct tr_control_options options = {.socket = NULL};
    struct tr_error error = {.text = ""};
    struct tr_control *control;
    struct fake fake;
    char line[64];

    if (argc != 3)
        return 2;
    options.socket = argv[1];
    fake_init(&fake, file_text(argv[2]), argv[2]);
    fake.started_ns = tr_clock_ns();
    if (tr_control_start(&control, &options, &telemetry, &services, &fake.daemon, &error)) {
        fprintf(stderr, "%s\n", error.text);
        fake_fini(&fake);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%u\n", tr_control_telemetry_port(control));
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        obey(&fake, control, line);
    }
    tr_control_stop(control);
    fake_fini(&fake);
    return 0;
}
