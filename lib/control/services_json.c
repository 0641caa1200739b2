// SPDX-License-Identifier: Apache-2.0
// What `tailctl services` is told.
#include "control/format.h"
#include "control/services_internal.h"

#define PUT(object, key, value) json_object_set_new(object, key, value)
#define COUNT(value)            json_integer((json_int_t)(value))

static json_t *id_json(const uint8_t id[16])
{
    static const uint8_t none[16];
    char text[TR_FORMAT_BYTES];

    return memcmp(id, none, 16) ? json_string(tr_format_trace_id(id, text)) : json_null();
}

// Of a moment on the lcores' clock.
static json_t *moment_json(uint64_t at_ns, uint64_t now, uint64_t wall_ns)
{
    return tr_json_wall(at_ns ? wall_ns - (now - TR_MIN(at_ns, now)) : 0);
}

static double per_second(const struct tr_services *services, uint32_t row, size_t offset)
{
    const struct look *last = &services->looks[(services->looks_count - 1) % LOOKS];
    const struct look *first = &services->looks[services->looks_count > LOOKS ? services->looks_count % LOOKS : 0];
    uint64_t a, b;

    if (services->looks_count < 2 || last->now == first->now)
        return 0;
    memcpy(&a, (const char *)&first->counts[row] + offset, sizeof(a));
    memcpy(&b, (const char *)&last->counts[row] + offset, sizeof(b));
    return (double)(b - a) * (double)TR_S / (double)(last->now - first->now);
}

static const char *const kind_names[] = {"unspecified", "internal", "server", "client", "producer", "consumer"};

static json_t *scopes_json(const struct tr_services *services, uint32_t row, uint64_t now, uint64_t wall_ns)
{
    const struct tr_study_tables *tables = tr_study_tables(services->study);
    json_t *array = json_array();

    for (uint32_t i = TR_STUDY_ROW(service, &tables->services, row)->first_scope; i;) {
        const struct tr_study_scope *scope = TR_STUDY_ROW(scope, &tables->scopes, i);
        json_t *object = json_object(), *kinds = json_array();

        for (size_t k = 0; k < TR_NELEMS(kind_names); k++)
            if (scope->kinds & 1u << k)
                json_array_append_new(kinds, json_string(kind_names[k]));
        PUT(object, "name", tr_json_text(scope->name));
        PUT(object, "library", json_boolean(tr_scope_is_library(scope->name)));
        PUT(object, "kinds", kinds);
        PUT(object, "spans", COUNT(tr_study_counted(&scope->spans)));
        PUT(object, "last_seen", moment_json(scope->last_ns, now, wall_ns));
        json_array_append_new(array, object);
        i = scope->next;
    }
    return array;
}

static void service_append(const struct tr_services *services, json_t *array, uint32_t row, uint64_t now, uint64_t wall_ns)
{
    const struct tr_study_tables *tables = tr_study_tables(services->study);
    const struct tr_study_service *study = TR_STUDY_ROW(service, &tables->services, row);
    const struct exact *exact = &services->exact[row];
    uint64_t good = exact->spans - TR_MIN(exact->rejected, exact->spans);
    json_t *json = json_object();

    PUT(json, "name", tr_json_text(study->name));
    PUT(json, "sources", COUNT(exact->sources));
    PUT(json, "first_seen", moment_json(exact->first_ns, now, wall_ns));
    PUT(json, "last_seen", moment_json(exact->last_ns, now, wall_ns));
    PUT(json, "last_seen_seconds_ago",
        exact->last_ns ? tr_json_seconds(now - TR_MIN(exact->last_ns, now)) : json_null());
    PUT(json, "spans", COUNT(exact->spans));
    PUT(json, "spans_per_second", json_real(per_second(services, row, offsetof(struct counts, spans))));
    PUT(json, "rejected_spans", COUNT(exact->rejected));
    PUT(json, "kept_spans", COUNT(exact->kept));
    PUT(json, "kept_per_second", json_real(per_second(services, row, offsetof(struct counts, kept))));
    PUT(json, "kept_share", good ? json_real(TR_MIN((double)exact->kept / (double)good, 1.0)) : json_null());
    PUT(json, "traces_begun", COUNT(tr_study_counted(&study->roots)));
    PUT(json, "traces_without_root", COUNT(tr_study_counted(&study->rootless)));
    PUT(json, "entry_spans", COUNT(tr_study_counted(&study->entries)));
    PUT(json, "parent_missing_spans", COUNT(tr_study_counted(&study->orphans)));
    PUT(json, "parent_missing_own_spans", COUNT(tr_study_counted(&study->orphans_local)));
    PUT(json, "studied_spans", COUNT(tr_study_counted(&study->spans)));
    PUT(json, "late_spans", COUNT(tr_study_counted(&study->late)));
    PUT(json, "example_trace_id", id_json(study->example_id));
    PUT(json, "scopes", scopes_json(services, row, now, wall_ns));
    json_array_append_new(array, json);
}

static json_t *name_json(const struct tr_study_tables *tables, uint32_t service)
{
    return service == TR_STUDY_UNKNOWN ? json_null() : tr_json_text(TR_STUDY_ROW(service, &tables->services, service)->name);
}

static json_t *pairs_json(const struct tr_study_tables *tables)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < tables->pairs.count; i++) {
        const struct tr_study_pair *pair = TR_STUDY_ROW(pair, &tables->pairs, i);
        uint64_t joined = tr_study_counted(&pair->joined), orphans = tr_study_counted(&pair->orphans);
        json_t *json;

        if (!joined && !orphans)
            continue;
        json = json_object();
        PUT(json, "caller", name_json(tables, i ? pair->caller : TR_STUDY_OTHER));
        PUT(json, "called", name_json(tables, i ? pair->called : TR_STUDY_OTHER));
        PUT(json, "joined_spans", COUNT(joined));
        PUT(json, "parent_missing_spans", COUNT(orphans));
        PUT(json, "example_trace_id", id_json(pair->example_id));
        json_array_append_new(array, json);
    }
    return array;
}

static json_t *places_json(const struct tr_study_tables *tables)
{
    static const char *const kinds[] = {"", "http", "rpc", "messaging", "database"};
    json_t *array = json_array();

    for (uint32_t i = 1; i < tables->ends.count; i++) {
        const struct tr_study_end *end = TR_STUDY_ROW(end, &tables->ends, i);
        const struct tr_study_contact *contact = TR_STUDY_ROW(contact, &tables->contacts, end->contact);
        json_t *json;

        if (!tr_study_counted(&end->spans))
            continue;
        json = json_object();
        PUT(json, "place", tr_json_text(contact->name));
        PUT(json, "kind", json_string(kinds[contact->kind]));
        PUT(json, "service", name_json(tables, end->service));
        PUT(json, "side", json_string(end->called ? "called" : "caller"));
        PUT(json, "spans", COUNT(tr_study_counted(&end->spans)));
        PUT(json, end->called ? "begin_a_trace" : "not_continued", COUNT(tr_study_counted(&end->open)));
        PUT(json, "example_trace_id", id_json(end->example_id));
        json_array_append_new(array, json);
    }
    return array;
}

static void finding_append(void *array, const struct tr_finding *finding)
{
    json_t *json = json_object();

    PUT(json, "kind", json_string(tr_finding_names[finding->kind]));
    PUT(json, "sure", json_string(finding->sure == TR_SURE_CERTAIN ? "certain" : "likely"));
    PUT(json, "service", tr_json_text(finding->service));
    PUT(json, "caller", finding->caller[0] ? tr_json_text(finding->caller) : json_null());
    PUT(json, "place", finding->contact[0] ? tr_json_text(finding->contact) : json_null());
    PUT(json, "count", COUNT(finding->count));
    PUT(json, "example_trace_id", id_json(finding->example_id));
    PUT(json, "text", tr_json_text(finding->text));
    json_array_append_new(array, json);
}

// What became of the traces of the last windows: judged, or void and why.
static json_t *lately_json(const struct tr_study_tables *tables)
{
    static const char *const names[TR_STUDY_OUTCOMES] = {"judged", "started", "no_room", "share_changed", "too_large"};
    json_t *json = json_object();

    for (size_t i = 0; i < TR_STUDY_OUTCOMES; i++)
        PUT(json, names[i], COUNT(tr_study_counted(&tables->outcomes[i])));
    return json;
}

static json_t *study_json(struct tr_services *services)
{
    const struct tr_study_options *options = tr_study_options_of(services->study);
    const struct tr_study_counters *counters = tr_study_counters(services->study);
    const struct tr_study_tables *tables = tr_study_tables(services->study);
    json_t *json = json_object();

    PUT(json, "one_in", COUNT(services->rings_count ? tr_study_one_in(services->study) : 0));
    PUT(json, "wait_seconds", tr_json_seconds(options->wait_ns));
    PUT(json, "window_seconds", tr_json_seconds(options->window_ns));
    PUT(json, "spans", COUNT(counters->notes));
    PUT(json, "open_spans", COUNT(counters->open));
    PUT(json, "lost_spans", COUNT(counters->lost));
    PUT(json, "judged_traces", COUNT(counters->judged));
    PUT(json, "void_traces", COUNT(counters->voided));
    PUT(json, "traces_lately", lately_json(tables));
    PUT(json, "services_without_row", COUNT(tables->services.overflowed));
    PUT(json, "pairs_without_row", COUNT(tables->pairs.overflowed));
    PUT(json, "places_without_row", COUNT(tables->contacts.overflowed + tables->ends.overflowed));
    return json;
}

static int by_name(const void *a, const void *b, void *tables)
{
    const struct tr_study_rows *services = &((const struct tr_study_tables *)tables)->services;

    return strcmp(TR_STUDY_ROW(service, services, *(const uint32_t *)a)->name,
                  TR_STUDY_ROW(service, services, *(const uint32_t *)b)->name);
}

static json_t *services_json(struct tr_services *services, uint64_t now, uint64_t wall_ns)
{
    const struct tr_study_tables *tables = tr_study_tables(services->study);
    const struct tr_study_service *other = TR_STUDY_ROW(service, &tables->services, TR_STUDY_OTHER);
    uint32_t count = tables->services.count, *order = calloc(count, sizeof(*order));
    json_t *rows = json_array();

    tr_assert(order);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof(*order), by_name, (void *)tables);
    for (uint32_t i = 0; i < count; i++)
        if (order[i] != TR_STUDY_OTHER || services->exact[0].spans || tr_study_counted(&other->spans))
            service_append(services, rows, order[i], now, wall_ns);
    free(order);
    return rows;
}

json_t *tr_services_json(struct tr_services *services, uint64_t now, uint64_t wall_ns)
{
    json_t *json = json_object(), *findings = json_array();
    const struct tr_study_tables *tables;

    pthread_mutex_lock(&services->lock);
    tr_services_exact_read(services);
    tables = tr_study_tables(services->study);
    PUT(json, "study", study_json(services));
    PUT(json, "services", services_json(services, now, wall_ns));
    PUT(json, "pairs", pairs_json(tables));
    PUT(json, "places", places_json(tables));
    tr_study_findings(services->study, now, finding_append, findings);
    PUT(json, "findings", findings);
    pthread_mutex_unlock(&services->lock);
    return json;
}
