// SPDX-License-Identifier: Apache-2.0
#include <microhttpd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/format.h"
#include "control/state.h"

unsigned tr_api_error(json_t **answer, int rc, const char *text)
{
    *answer = json_object();
    json_object_set_new(*answer, "error", tr_json_text(text));
    switch (-rc) {
    case EINVAL:
        return MHD_HTTP_BAD_REQUEST;
    case ENOENT:
        return MHD_HTTP_NOT_FOUND;
    case EBUSY:
    case ENOTSUP:
        return MHD_HTTP_CONFLICT;
    case ETIMEDOUT:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

static unsigned lcores_error(json_t **answer, int rc)
{
    return tr_api_error(answer, rc, rc == -ETIMEDOUT ? "the lcores did not stop in time" : strerror(-rc));
}

static unsigned under_name(json_t **answer, const char *name, json_t *array)
{
    *answer = json_object();
    json_object_set_new(*answer, name, array);
    return MHD_HTTP_OK;
}

static unsigned show_status(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer)
{
    *answer = tr_control_status_json(control);
    return MHD_HTTP_OK;
}

static unsigned show_stats(struct tr_control *control, const struct tr_call *call, const char *argument,
                           json_t **answer)
{
    const char *prefix = tr_call_query(call, "prefix");
    struct tr_samples samples = {0};
    struct tr_study_counters study;

    tr_services_counters(control->services, &study);
    tr_metrics_collect(&samples, control->daemon, &control->counters, &study, tr_clock_ns());
    under_name(answer, "stats", tr_samples_json(&samples, prefix ? prefix : ""));
    tr_samples_fini(&samples);
    return MHD_HTTP_OK;
}

static unsigned show_audit(struct tr_control *control, const struct tr_call *call, const char *argument,
                           json_t **answer)
{
    struct tr_audit audit;
    int rc;

    tr_audit_init(&audit);
    rc = control->daemon->audit(control->daemon->context, &audit);
    if (rc == 0)
        *answer = tr_audit_json(&audit);
    tr_audit_fini(&audit);
    return rc ? lcores_error(answer, rc) : MHD_HTTP_OK;
}

static unsigned show_policies(struct tr_control *control, const struct tr_call *call, const char *argument,
                              json_t **answer)
{
    control->daemon->policies_measure(control->daemon->context);
    return under_name(answer, "policies", tr_control_policies_json(control));
}

static unsigned show_backends(struct tr_control *control, const struct tr_call *call, const char *argument,
                              json_t **answer)
{
    return under_name(answer, "backends", tr_control_backends_json(control));
}

static unsigned show_services(struct tr_control *control, const struct tr_call *call, const char *argument,
                              json_t **answer)
{
    *answer = tr_services_json(control->services, tr_clock_ns(), tr_clock_wall_ns());
    return MHD_HTTP_OK;
}

static unsigned show_ports(struct tr_control *control, const struct tr_call *call, const char *argument,
                           json_t **answer)
{
    return under_name(answer, "ports", tr_control_ports_json(control));
}

struct connections {
    json_t *array;
    uint64_t now;
    uint64_t count;
};

static json_t *tcp_json(const struct tr_conn_row *tcp)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "state", tcp->state, "cwnd_bytes",
                     (json_int_t)tcp->cwnd_bytes, "in_flight_bytes", (json_int_t)tcp->flight_bytes, "unsent_bytes",
                     (json_int_t)tcp->unsent_bytes, "peer_window_bytes", (json_int_t)tcp->peer_window_bytes,
                     "window_bytes", (json_int_t)tcp->window_bytes, "waiting_bytes", (json_int_t)tcp->waiting_bytes,
                     "mss_bytes", (json_int_t)tcp->mss_bytes, "srtt_us", (json_int_t)tcp->srtt_us, "rto_ms",
                     (json_int_t)tcp->rto_ms, "retransmitted_segments", (json_int_t)tcp->retransmitted);
}

static void connection_append(void *to, const struct tr_control_connection *connection)
{
    const struct tr_connection_row *stream = connection->stream;
    const struct tr_http_row *http = connection->http;
    struct connections *connections = to;
    char text[TR_FORMAT_BYTES];
    json_t *row;

    if (connections->count++ >= TR_CONTROL_ROWS_MAX)
        return;
    row = json_object();
    json_object_set_new(row, "id", json_integer((json_int_t)stream->id));
    json_object_set_new(row, "lcore", json_integer(connection->lcore));
    json_object_set_new(row, "port", tr_json_text(connection->port));
    json_object_set_new(row, "peer", json_string(tr_format_address(&stream->peer, text)));
    json_object_set_new(row, "local", json_string(tr_format_address(&stream->local, text)));
    json_object_set_new(row, "age_seconds",
                        tr_json_seconds(connections->now - TR_MIN(stream->opened_ns, connections->now)));
    json_object_set_new(row, "idle_seconds",
                        tr_json_seconds(connections->now - TR_MIN(stream->last_ns, connections->now)));
    json_object_set_new(row, "bytes_in", json_integer((json_int_t)stream->bytes_in));
    json_object_set_new(row, "bytes_out", json_integer((json_int_t)stream->bytes_out));
    json_object_set_new(row, "paused", json_boolean(stream->paused));
    if (stream->has_tcp)
        json_object_set_new(row, "tcp", tcp_json(&stream->tcp));
    if (http) {
        json_object_set_new(row, "protocol", tr_json_text(http->protocol));
        json_object_set_new(row, "requests", json_integer((json_int_t)http->requests));
        json_object_set_new(row, "rejected_spans", json_integer((json_int_t)http->spans_rejected));
        json_object_set_new(row, "staged_bytes", json_integer((json_int_t)http->staged_bytes));
        json_object_set_new(row, "errors", json_integer((json_int_t)http->errors));
        json_object_set_new(row, "user_agent", tr_json_text(http->user_agent));
    }
    json_array_append_new(connections->array, row);
}

static unsigned show_connections(struct tr_control *control, const struct tr_call *call, const char *argument,
                                 json_t **answer)
{
    struct connections connections = {.array = json_array(), .now = tr_clock_ns()};
    int rc = control->daemon->connections(control->daemon->context, connection_append, &connections);

    if (rc) {
        json_decref(connections.array);
        return lcores_error(answer, rc);
    }
    under_name(answer, "connections", connections.array);
    json_object_set_new(*answer, "total", json_integer((json_int_t)connections.count));
    return MHD_HTTP_OK;
}

static unsigned show_why(struct tr_control *control, const struct tr_call *call, const char *argument,
                         json_t **answer)
{
    struct tr_why *why = calloc(1, sizeof(*why));
    unsigned status = MHD_HTTP_OK;
    int rc;

    if (!why)
        return tr_api_error(answer, -ENOMEM, "no memory");
    if (tr_trace_id_parse(argument, why->trace_id)) {
        status = tr_api_error(answer, -EINVAL, "a trace id is 32 hex digits, not all of them 0");
    } else {
        rc = control->daemon->why(control->daemon->context, why);
        if (rc)
            status = lcores_error(answer, rc);
        else
            *answer = tr_why_json(why, tr_clock_wall_ns());
    }
    free(why);
    return status;
}

static unsigned show_log(struct tr_control *control, const struct tr_call *call, const char *argument,
                         json_t **answer)
{
    *answer = json_pack("{s:s}", "level", tr_log_level_name(tr_log_level_get()));
    return MHD_HTTP_OK;
}

static unsigned set_log(struct tr_control *control, const struct tr_call *call, const char *argument,
                        json_t **answer)
{
    enum tr_log_level before = tr_log_level_get(), level;
    json_t *body = json_loadb(call->body, call->body_bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(body, "level"));
    unsigned status = MHD_HTTP_OK;

    if (!name || tr_log_level_parse(name, &level)) {
        status = tr_api_error(answer, -EINVAL, "level: one of error, warn, info, debug");
    } else {
        tr_log_level_set(level);
        *answer = json_pack("{s:s, s:s}", "level", name, "before", tr_log_level_name(before));
    }
    json_decref(body);
    return status;
}

static const struct route {
    const char *method;
    const char *path; // one '*' stands for a part without '/'
    tr_api_fn handle;
    bool changes; // who asked is logged
} routes[] = {
    {"GET", "/v1/status", show_status, false},
    {"GET", "/v1/stats", show_stats, false},
    {"GET", "/v1/audit", show_audit, false},
    {"GET", "/v1/policies", show_policies, false},
    {"GET", "/v1/backends", show_backends, false},
    {"GET", "/v1/ports", show_ports, false},
    {"GET", "/v1/connections", show_connections, false},
    {"GET", "/v1/services", show_services, false},
    {"GET", "/v1/traces/*/why", show_why, false},
    {"GET", "/v1/log", show_log, false},
    {"PUT", "/v1/log", set_log, true},
    {"GET", "/v1/config", tr_api_config_show, false},
    {"POST", "/v1/config/check", tr_api_config_check, false},
    {"POST", "/v1/config/diff", tr_api_config_diff, false},
    {"POST", "/v1/config/apply", tr_api_config_apply, true},
    {"POST", "/v1/config/confirm", tr_api_config_confirm, true},
    {"POST", "/v1/config/undo", tr_api_config_undo, true},
};

// Does the path fit, and what is the '*' in it?
static bool path_match(const char *pattern, const char *path, char *argument, size_t argument_bytes)
{
    const char *star = strchr(pattern, '*');
    size_t before, bytes;

    argument[0] = '\0';
    if (!star)
        return strcmp(pattern, path) == 0;
    before = (size_t)(star - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    bytes = strcspn(path + before, "/");
    if (bytes >= argument_bytes || strcmp(star + 1, path + before + bytes) != 0)
        return false;
    memcpy(argument, path + before, bytes);
    argument[bytes] = '\0';
    return true;
}

static void log_change(const struct tr_call *call, const struct route *route, unsigned status)
{
    struct ucred peer = {.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};

    tr_call_peer(call, &peer);
    tr_log(TR_LOG_INFO, "control.change", "method=%s path=%s uid=%u gid=%u pid=%d status=%u", route->method,
           route->path, peer.uid, peer.gid, peer.pid, status);
}

static unsigned dispatch(struct tr_control *control, const struct tr_call *call, struct tr_response *answer,
                         json_t **json)
{
    char argument[128];

    for (size_t i = 0; i < TR_NELEMS(routes); i++) {
        unsigned status;

        if (!path_match(routes[i].path, call->path, argument, sizeof(argument)))
            continue;
        answer->allow = routes[i].method;
        if (strcmp(routes[i].method, call->method) != 0)
            continue;
        answer->allow = NULL;
        pthread_mutex_lock(&control->lock);
        status = routes[i].handle(control, call, argument, json);
        tr_count(status == MHD_HTTP_OK ? &control->counters.requests_done
                                       : &control->counters.requests_refused,
                 1);
        pthread_mutex_unlock(&control->lock);
        if (routes[i].changes)
            log_change(call, &routes[i], status);
        return status;
    }
    if (!answer->allow)
        return tr_api_error(json, -ENOENT, "there is no such path");
    tr_api_error(json, -EINVAL, "not with this method");
    return MHD_HTTP_METHOD_NOT_ALLOWED;
}

json_t *tr_control_answer(struct tr_control *control, const char *path)
{
    char body[] = "";
    const struct tr_call call = {.method = "GET", .path = path, .body = body};
    struct tr_response unused = {0};
    json_t *json = NULL;

    if (dispatch(control, &call, &unused, &json) == MHD_HTTP_OK)
        return json;
    json_decref(json);
    return NULL;
}

void tr_api_handle(void *context, const struct tr_call *call, struct tr_response *answer)
{
    struct tr_control *control = context;
    json_t *json = NULL;
    char *text;
    int n;

    answer->status = dispatch(control, call, answer, &json);
    answer->content_type = "application/json";
    // ASCII: what peers called themselves must not reach a terminal as control characters.
    text = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
    json_decref(json);
    if (!text) {
        answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        return;
    }
    n = asprintf(&answer->body, "%s\n", text);
    free(text);
    if (n < 0) {
        answer->body = NULL;
        answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        return;
    }
    answer->bytes = (size_t)n;
}
