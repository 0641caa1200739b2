// SPDX-License-Identifier: Apache-2.0
#include <microhttpd.h>

#include "base/clock.h"
#include "control/state.h"

// OpenMetrics for who asks for it: only that has exemplars.
static void metrics_write(struct tr_control *control, const struct tr_call *call, struct tr_response *answer, FILE *out)
{
    const struct tr_control_daemon *daemon = control->daemon;
    const char *accept = tr_call_header(call, MHD_HTTP_HEADER_ACCEPT);
    bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
    struct tr_samples samples = {0};
    struct tr_study_counters study;

    pthread_mutex_lock(&control->lock);
    tr_services_counters(control->services, &study);
    tr_metrics_collect(&samples, daemon, &control->counters, &study, tr_clock_ns());
    if (daemon->metrics)
        daemon->metrics(daemon->context, openmetrics, out);
    pthread_mutex_unlock(&control->lock);
    tr_samples_write(&samples, openmetrics, out);
    tr_samples_fini(&samples);
    if (!openmetrics)
        return;
    answer->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    fputs("# EOF\n", out);
}

static void page_write(struct tr_control *control, const struct tr_call *call, struct tr_response *answer, FILE *out)
{
    pthread_mutex_lock(&control->lock);
    tr_page_write(control, out);
    pthread_mutex_unlock(&control->lock);
}

static void healthz_write(struct tr_control *control, const struct tr_call *call, struct tr_response *answer, FILE *out)
{
    fputs("ok\n", out);
}

static const struct telemetry_page {
    const char *path;
    const char *content_type;
    void (*write)(struct tr_control *control, const struct tr_call *call, struct tr_response *answer, FILE *out);
} pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", metrics_write},
    {"/healthz", "text/plain; charset=utf-8", healthz_write},
    {"/", "text/html; charset=utf-8", page_write},
};

// No lock: an orchestrator's probe is answered while an audit or an apply runs.
static unsigned readyz_write(struct tr_control *control, FILE *out)
{
    char why[256] = "";

    if (control->daemon->ready(control->daemon->context, why, sizeof(why))) {
        fputs("ready\n", out);
        return MHD_HTTP_OK;
    }
    fprintf(out, "not ready: %s\n", why);
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned respond(struct tr_control *control, const struct tr_call *call, struct tr_response *answer,
                        FILE *out)
{
    answer->content_type = "text/plain; charset=utf-8";
    if (strcmp(call->method, MHD_HTTP_METHOD_GET) != 0 && strcmp(call->method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer->allow = "GET, HEAD";
        fputs("only GET and HEAD\n", out);
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    }
    if (strcmp(call->path, "/readyz") == 0)
        return readyz_write(control, out);
    for (size_t i = 0; i < TR_NELEMS(pages); i++) {
        if (strcmp(call->path, pages[i].path) == 0) {
            answer->content_type = pages[i].content_type;
            pages[i].write(control, call, answer, out);
            return MHD_HTTP_OK;
        }
    }
    fputs("there is /, /metrics, /healthz and /readyz\n", out);
    return MHD_HTTP_NOT_FOUND;
}

void tr_telemetry_handle(void *context, const struct tr_call *call, struct tr_response *answer)
{
    FILE *out = open_memstream(&answer->body, &answer->bytes);

    if (!out)
        return;
    answer->status = respond(context, call, answer, out);
    if (fclose(out)) {
        free(answer->body);
        answer->body = NULL;
        answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}
