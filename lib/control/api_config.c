// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <microhttpd.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/format.h"
#include "control/state.h"

// A config as it was sent: as JSON {"text": ..., "confirm_seconds": ...}, or the file itself as the body with
// ?confirm_seconds=N (curl --data-binary @FILE).
struct sent {
    json_t *body; // NULL: the body is the file
    const char *text;
    size_t bytes;
    double confirm_s;
};

static int sent_parse_json(struct sent *sent, const struct tr_call *call, struct tr_error *error)
{
    json_error_t fault;
    json_t *text, *confirm;

    sent->body = json_loadb(call->body, call->body_bytes, 0, &fault);
    if (!sent->body)
        return tr_error_set(error, EINVAL, "the body is no JSON: line %d: %s", fault.line, fault.text);
    text = json_object_get(sent->body, "text");
    if (!json_is_string(text))
        return tr_error_set(error, EINVAL, "the body has no \"text\", the whole config as a string");
    sent->text = json_string_value(text);
    sent->bytes = json_string_length(text);
    confirm = json_object_get(sent->body, "confirm_seconds");
    if (confirm && !json_is_null(confirm) && !json_is_number(confirm))
        return tr_error_set(error, EINVAL, "confirm_seconds is no number");
    sent->confirm_s = json_number_value(confirm);
    return 0;
}

static int sent_parse_raw(struct sent *sent, const struct tr_call *call, struct tr_error *error)
{
    const char *confirm = tr_call_query(call, "confirm_seconds");
    char *end;

    sent->text = call->body;
    sent->bytes = call->body_bytes;
    if (confirm) {
        sent->confirm_s = strtod(confirm, &end);
        if (*end || end == confirm)
            return tr_error_set(error, EINVAL, "confirm_seconds is no number");
    }
    return 0;
}

static int sent_parse(struct sent *sent, const struct tr_call *call, struct tr_error *error)
{
    const char *type = tr_call_header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
    bool json = type && strncasecmp(type, "application/json", strlen("application/json")) == 0;
    int rc;

    memset(sent, 0, sizeof(*sent));
    rc = json ? sent_parse_json(sent, call, error) : sent_parse_raw(sent, call, error);
    if (rc == 0 && !(sent->confirm_s >= 0 && sent->confirm_s <= (double)(TR_APPLY_CONFIRM_MAX_NS / TR_S)))
        rc = tr_error_set(error, EINVAL, "confirm_seconds: not between 0 and %llu",
                          TR_APPLY_CONFIRM_MAX_NS / TR_S);
    if (rc == 0 && strlen(sent->text) != sent->bytes)
        rc = tr_error_set(error, EINVAL, "the config holds a NUL byte");
    if (rc) {
        json_decref(sent->body);
        sent->body = NULL;
    }
    return rc;
}

static void difference_append(void *array, const char *path, const char *before, const char *after, bool live)
{
    json_t *row = json_object();

    if (json_array_size(array) >= TR_CONTROL_ROWS_MAX) {
        json_decref(row);
        return;
    }
    json_object_set_new(row, "path", tr_json_text(path));
    json_object_set_new(row, "before", before ? tr_json_text(before) : json_null());
    json_object_set_new(row, "after", after ? tr_json_text(after) : json_null());
    json_object_set_new(row, "live", json_boolean(live));
    json_array_append_new(array, row);
}

static void remark_append(void *array, const char *text)
{
    if (json_array_size(array) < TR_CONTROL_ROWS_MAX)
        json_array_append_new(array, tr_json_text(text));
}

static json_int_t epoch(struct tr_control *control)
{
    struct tr_control_status status;

    memset(&status, 0, sizeof(status));
    control->daemon->status(control->daemon->context, &status);
    return status.epoch;
}

unsigned tr_api_config_show(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer)
{
    char *text = control->daemon->config_show(control->daemon->context);

    if (!text)
        return tr_api_error(answer, -ENOMEM, "no memory for the config");
    *answer = json_object();
    json_object_set_new(*answer, "config", tr_json_text(text));
    free(text);
    return MHD_HTTP_OK;
}

unsigned tr_api_config_check(struct tr_control *control, const struct tr_call *call, const char *argument,
                             json_t **answer)
{
    struct tr_error error = {.text = ""};
    json_t *remarks = json_array();
    struct sent sent;
    int rc = sent_parse(&sent, call, &error);

    if (rc == 0)
        rc = control->daemon->config_check(control->daemon->context, sent.text, sent.bytes, remark_append,
                                           remarks, &error);
    json_decref(sent.body);
    if (rc) {
        json_decref(remarks);
        return tr_api_error(answer, rc, error.text);
    }
    *answer = json_pack("{s:b, s:o}", "valid", 1, "remarks", remarks);
    return MHD_HTTP_OK;
}

unsigned tr_api_config_diff(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer)
{
    struct tr_error error = {.text = ""};
    json_t *differences = json_array();
    struct sent sent;
    int rc = sent_parse(&sent, call, &error);

    if (rc == 0)
        rc = control->daemon->config_diff(control->daemon->context, sent.text, sent.bytes, difference_append,
                                          differences, &error);
    json_decref(sent.body);
    if (rc) {
        json_decref(differences);
        return tr_api_error(answer, rc, error.text);
    }
    *answer = json_pack("{s:o}", "differences", differences);
    return MHD_HTTP_OK;
}

unsigned tr_api_config_apply(struct tr_control *control, const struct tr_call *call, const char *argument,
                             json_t **answer)
{
    struct tr_error error = {.text = ""};
    json_t *differences = json_array();
    unsigned status = MHD_HTTP_OK;
    struct sent sent;
    int rc = sent_parse(&sent, call, &error);

    if (rc == 0)
        rc = tr_apply_begin(&control->apply, sent.text, sent.bytes, (uint64_t)(sent.confirm_s * (double)TR_S),
                            tr_clock_ns(), difference_append, differences, &error);
    json_decref(sent.body);
    tr_count(rc ? &control->counters.refused : &control->counters.applied, 1);
    if (rc)
        status = tr_api_error(answer, rc, error.text);
    else
        *answer = json_pack("{s:b, s:I, s:f}", "applied", 1, "epoch", epoch(control), "confirm_seconds",
                            sent.confirm_s);
    json_object_set_new(*answer, "differences", differences);
    pthread_cond_signal(&control->wake);
    return status;
}

unsigned tr_api_config_confirm(struct tr_control *control, const struct tr_call *call, const char *argument,
                               json_t **answer)
{
    struct tr_error error = {.text = ""};
    int rc = tr_apply_confirm(&control->apply, &error);

    if (rc)
        return tr_api_error(answer, rc, error.text);
    *answer = json_pack("{s:b, s:I}", "confirmed", 1, "epoch", epoch(control));
    return MHD_HTTP_OK;
}

unsigned tr_api_config_undo(struct tr_control *control, const struct tr_call *call, const char *argument,
                            json_t **answer)
{
    struct tr_error error = {.text = ""};
    int rc = tr_apply_undo(&control->apply, &error);

    if (rc)
        return tr_api_error(answer, rc, error.text);
    tr_count(&control->counters.undone, 1);
    *answer = json_pack("{s:b, s:I, s:I}", "undone", 1, "epoch", epoch(control), "undo_steps",
                        (json_int_t)control->apply.undo_count);
    return MHD_HTTP_OK;
}
