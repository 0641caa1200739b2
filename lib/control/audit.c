// SPDX-License-Identifier: Apache-2.0
#include "control/audit.h"

#include <stdarg.h>

#include "control/format.h"

void tr_audit_init(struct tr_audit *audit)
{
    memset(audit, 0, sizeof(*audit));
    audit->in_rings_spans = TR_AUDIT_UNKNOWN;
    audit->emits_waiting_spans = TR_AUDIT_UNKNOWN;
    audit->emits_in_rings_spans = TR_AUDIT_UNKNOWN;
    audit->recounted_held_spans = TR_AUDIT_UNKNOWN;
}

static void list_fini(struct tr_audit_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].name);
    free(list->items);
}

void tr_audit_fini(struct tr_audit *audit)
{
    list_fini(&audit->dropped);
    list_fini(&audit->evicted);
    list_fini(&audit->decided_early);
    list_fini(&audit->late);
    list_fini(&audit->following);
    list_fini(&audit->rejected);
    for (size_t i = 0; i < audit->backends_count; i++) {
        free(audit->backends[i].name);
        list_fini(&audit->backends[i].dropped);
    }
    free(audit->backends);
    memset(audit, 0, sizeof(*audit));
}

void tr_audit_add(struct tr_audit_list *list, const char *name, uint64_t spans)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0) {
            list->items[i].spans += spans;
            return;
        }
    }
    list->items = realloc(list->items, (list->count + 1) * sizeof(*list->items));
    tr_assert(list->items);
    list->items[list->count].name = strdup(name);
    tr_assert(list->items[list->count].name);
    list->items[list->count++].spans = spans;
}

uint64_t tr_audit_sum(const struct tr_audit_list *list)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < list->count; i++)
        sum += list->items[i].spans;
    return sum;
}

void tr_audit_add_owner(struct tr_audit *audit, const struct tr_owner_counters *counters)
{
    audit->received_spans += counters->received;
    audit->held_spans += counters->held;
    audit->kept_spans += counters->kept;
    tr_audit_add(&audit->dropped, "no_policy", counters->dropped - counters->reopened);
    tr_audit_add(&audit->evicted, "shutdown", counters->evicted);
    tr_audit_add(&audit->decided_early, "journal", counters->early_journal);
    tr_audit_add(&audit->decided_early, "table", counters->early_table);
    tr_audit_add(&audit->decided_early, "size", counters->early_size);
    tr_audit_add(&audit->decided_early, "shutdown", counters->early_shutdown);
    tr_audit_add(&audit->late, "kept", counters->late_kept);
    tr_audit_add(&audit->late, "dropped", counters->late_dropped);
    tr_audit_add(&audit->late, "evicted", counters->late_evicted);
    tr_audit_add(&audit->following, "kept", counters->followed_kept);
    tr_audit_add(&audit->following, "dropped", counters->followed_dropped);
    audit->reopened_spans += counters->reopened;
    audit->reopened_gone_spans += counters->reopened_gone;
    audit->emits_sent_spans += counters->emits_sent;
    if (audit->emits_waiting_spans == TR_AUDIT_UNKNOWN)
        audit->emits_waiting_spans = 0;
    audit->emits_waiting_spans += counters->emits_waiting;
}

void tr_audit_add_backend(struct tr_audit *audit, const char *name, const struct tr_backend_status *status)
{
    const struct tr_backend_counters *counters = &status->counters;
    struct tr_audit_backend *backend;

    audit->backends = realloc(audit->backends, (audit->backends_count + 1) * sizeof(*audit->backends));
    tr_assert(audit->backends);
    backend = &audit->backends[audit->backends_count++];
    memset(backend, 0, sizeof(*backend));
    backend->name = strdup(name);
    tr_assert(backend->name);
    backend->routed_spans = status->committed_spans;
    backend->delivered_spans = counters->delivered;
    backend->rejected_spans = counters->rejected;
    backend->queued_spans = status->queued_spans;
    backend->routed_bodies = counters->opaque_routed;
    backend->delivered_bodies = counters->opaque_delivered;
    backend->dropped_bodies = counters->opaque_dropped;
    backend->queued_bodies = counters->opaque_waiting;
    tr_audit_add(&backend->dropped, "overrun", counters->dropped_overrun);
    tr_audit_add(&backend->dropped, "retries", counters->dropped_retries);
    tr_audit_add(&backend->dropped, "shutdown", counters->dropped_shutdown);
    tr_audit_add(&backend->dropped, "removed", counters->dropped_removed);
}

// One identity: the total on the left, up to 4 terms on the right.
struct term {
    const char *name;
    uint64_t value;
};

struct identity {
    const char *place;
    struct term left;
    struct term right[4];
};

static void report(const struct identity *identity, uint64_t sum, bool unknown, tr_audit_failure_fn each,
                   void *context)
{
    uint64_t left = identity->left.value;
    char text[512];
    size_t n;

    n = (size_t)snprintf(text, sizeof(text), "%.100s: %s %llu is not", identity->place, identity->left.name,
                         (unsigned long long)left);
    for (size_t i = 0; i < TR_NELEMS(identity->right) && identity->right[i].name; i++) {
        const struct term *term = &identity->right[i];

        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s", i ? " +" : "", term->name);
        if (term->value != TR_AUDIT_UNKNOWN)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %llu", (unsigned long long)term->value);
    }
    snprintf(text + n, sizeof(text) - n, ": %llu %s",
             (unsigned long long)(left > sum ? left - sum : sum - left),
             left > sum ? "missing"
             : unknown  ? "too many even without what was not counted"
                        : "too many");
    each(context, text);
}

static size_t check(const struct identity *identity, tr_audit_failure_fn each, void *context)
{
    bool unknown = false, good;
    uint64_t sum = 0;

    for (size_t i = 0; i < TR_NELEMS(identity->right) && identity->right[i].name; i++) {
        if (identity->right[i].value == TR_AUDIT_UNKNOWN)
            unknown = true;
        else
            sum += identity->right[i].value;
    }
    good = unknown ? sum <= identity->left.value : sum == identity->left.value;
    if (!good && each)
        report(identity, sum, unknown, each, context);
    return !good;
}

static size_t backend_check(const struct tr_audit_backend *backend, tr_audit_failure_fn each, void *context)
{
    char place[128];
    const struct identity identity = {place,
                                      {"routed", backend->routed_spans},
                                      {{"delivered", backend->delivered_spans},
                                       {"rejected", backend->rejected_spans},
                                       {"dropped", tr_audit_sum(&backend->dropped)},
                                       {"queued", backend->queued_spans}}};
    const struct identity bodies = {place,
                                    {"bodies routed", backend->routed_bodies},
                                    {{"delivered", backend->delivered_bodies},
                                     {"dropped", backend->dropped_bodies},
                                     {"queued", backend->queued_bodies}}};

    snprintf(place, sizeof(place), "backend %.100s", backend->name);
    return check(&identity, each, context) + check(&bodies, each, context);
}

bool tr_audit_backend_balanced(const struct tr_audit_backend *backend)
{
    return backend_check(backend, NULL, NULL) == 0;
}

size_t tr_audit_check(const struct tr_audit *audit, tr_audit_failure_fn each, void *context)
{
    const struct identity identities[] = {
        {"holder",
         {"accepted", audit->accepted_spans},
         {{"walked", audit->walked_spans}, {"not walked", audit->not_walked_spans}}},
        {"rings",
         {"walked", audit->walked_spans},
         {{"received", audit->received_spans}, {"in rings", audit->in_rings_spans}}},
        {"owner",
         {"received", audit->received_spans},
         {{"kept", audit->kept_spans},
          {"dropped", tr_audit_sum(&audit->dropped)},
          {"evicted", tr_audit_sum(&audit->evicted)},
          {"held", audit->held_spans}}},
        {"owner's table", {"held", audit->held_spans}, {{"recounted", audit->recounted_held_spans}}},
        {"decisions",
         {"kept", audit->kept_spans},
         {{"emits sent", audit->emits_sent_spans}, {"emits waiting", audit->emits_waiting_spans}}},
        {"emits",
         {"emits sent", audit->emits_sent_spans},
         {{"emitted", audit->emitted_spans},
          {"stale", audit->stale_spans},
          {"gone", audit->gone_spans},
          {"in emit rings", audit->emits_in_rings_spans}}},
        {"outbox",
         {"emitted", audit->emitted_spans},
         {{"committed", audit->outbox_spans}, {"refused by the outbox", audit->outbox_refused_spans}}},
    };
    size_t failures = 0;

    for (size_t i = 0; i < TR_NELEMS(identities); i++)
        failures += check(&identities[i], each, context);
    for (size_t i = 0; i < audit->backends_count; i++)
        failures += backend_check(&audit->backends[i], each, context);
    return failures;
}

bool tr_audit_settled(const struct tr_audit *audit)
{
    const uint64_t under_way[] = {audit->not_walked_spans, audit->in_rings_spans, audit->held_spans,
                                  audit->emits_waiting_spans, audit->emits_in_rings_spans};

    for (size_t i = 0; i < TR_NELEMS(under_way); i++)
        if (under_way[i] && under_way[i] != TR_AUDIT_UNKNOWN)
            return false;
    for (size_t i = 0; i < audit->backends_count; i++)
        if (audit->backends[i].queued_spans)
            return false;
    return true;
}

static json_t *list_json(const struct tr_audit_list *list)
{
    json_t *object = json_object();

    for (size_t i = 0; i < list->count; i++)
        json_object_set_new(object, list->items[i].name, json_integer((json_int_t)list->items[i].spans));
    return object;
}

static json_t *backends_json(const struct tr_audit *audit)
{
    json_t *array = json_array();

    for (size_t i = 0; i < audit->backends_count; i++) {
        const struct tr_audit_backend *backend = &audit->backends[i];

        json_array_append_new(array, json_pack("{s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:b}", "name", backend->name,
                                               "routed_spans", (json_int_t)backend->routed_spans,
                                               "delivered_spans", (json_int_t)backend->delivered_spans,
                                               "rejected_spans", (json_int_t)backend->rejected_spans,
                                               "dropped_spans", list_json(&backend->dropped), "queued_spans",
                                               (json_int_t)backend->queued_spans, "routed_bodies",
                                               (json_int_t)backend->routed_bodies, "delivered_bodies",
                                               (json_int_t)backend->delivered_bodies, "dropped_bodies",
                                               (json_int_t)backend->dropped_bodies, "queued_bodies",
                                               (json_int_t)backend->queued_bodies, "balanced",
                                               tr_audit_backend_balanced(backend)));
    }
    return array;
}

static void failure_append(void *context, const char *text)
{
    json_array_append_new(context, tr_json_text(text));
}

// What was not counted is what its neighbours leave, never below 0.
static json_t *rest(uint64_t counted, uint64_t total, uint64_t part)
{
    if (counted != TR_AUDIT_UNKNOWN)
        return json_integer((json_int_t)counted);
    return json_integer(total > part ? (json_int_t)(total - part) : 0);
}

json_t *tr_audit_json(const struct tr_audit *audit)
{
    json_t *json = json_object(), *failures = json_array();
    uint64_t handled = audit->emitted_spans + audit->stale_spans + audit->gone_spans;

#define PUT(key, value) json_object_set_new(json, key, value)
#define SPANS(field)    PUT(#field, json_integer((json_int_t)audit->field))
    SPANS(accepted_spans);
    SPANS(walked_spans);
    SPANS(not_walked_spans);
    PUT("in_rings_spans", rest(audit->in_rings_spans, audit->walked_spans, audit->received_spans));
    SPANS(received_spans);
    SPANS(held_spans);
    SPANS(kept_spans);
    PUT("dropped_spans", list_json(&audit->dropped));
    PUT("evicted_spans", list_json(&audit->evicted));
    PUT("decided_early_spans", list_json(&audit->decided_early));
    PUT("late_spans", list_json(&audit->late));
    PUT("following_spans", list_json(&audit->following));
    SPANS(reopened_spans);
    SPANS(reopened_gone_spans);
    PUT("rejected_spans", list_json(&audit->rejected));
    PUT("emits_waiting_spans", rest(audit->emits_waiting_spans, audit->kept_spans, audit->emits_sent_spans));
    SPANS(emits_sent_spans);
    PUT("emits_in_rings_spans", rest(audit->emits_in_rings_spans, audit->emits_sent_spans, handled));
    SPANS(emitted_spans);
    SPANS(stale_spans);
    SPANS(gone_spans);
    SPANS(outbox_spans);
    SPANS(outbox_refused_spans);
    PUT("backends", backends_json(audit));
    PUT("settled", json_boolean(tr_audit_settled(audit)));
    PUT("balanced", json_boolean(tr_audit_check(audit, failure_append, failures) == 0));
    PUT("failures", failures);
#undef SPANS
#undef PUT
    return json;
}
