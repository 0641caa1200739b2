// SPDX-License-Identifier: Apache-2.0
// What the study's counts allow to say, and how sure. Certain is what the spans themselves say; likely is what follows
// from two counts that agree, or from time.
//
//   spans_lost      certain  spans name a parent of their own process, and it never came
//   parent_missing  certain  spans name a parent of another process, and it never came; who that is may be a guess
//   lost_context    likely   calls to a place that no span continues, and entries at that place that begin traces;
//                            or such entries all lie in the time of such calls
//   no_entry_spans  likely   a service without spans of entry begins its traces within the time of such calls, or is
//                            called by its own name
//   scope_vanished  likely   a library's instrumentation has said nothing for so many spans of its service that chance
//                            is out of the question, and for longer than ever before
#include <ctype.h>
#include <math.h>

#include "control/study_internal.h"

#define LEAST        5u  // spans or traces, before anything is said
#define FINDINGS_MAX 256 // where everything is broken, more says nothing
#define EVIDENCE   15.0 // log likelihood ratio, of lying in calls for a reason against by chance
#define VANISHED   20.0 // spans that were to be expected of a scope since its last
#define SILENCE_NS (60 * TR_S)

const char *const tr_finding_names[TR_FINDINGS] = {
    [TR_FINDING_LOST_CONTEXT] = "lost_context",
    [TR_FINDING_PARENT_MISSING] = "parent_missing",
    [TR_FINDING_SPANS_LOST] = "spans_lost",
    [TR_FINDING_NO_ENTRY_SPANS] = "no_entry_spans",
    [TR_FINDING_SCOPE_VANISHED] = "scope_vanished",
};

bool tr_scope_is_library(const char *name)
{
    static const char *const prefixes[] = {
        "opentelemetry.instrumentation.",      // Python
        "@opentelemetry/instrumentation-",     // JavaScript
        "io.opentelemetry.",                   // Java
        "go.opentelemetry.io/",                // Go
        "OpenTelemetry.Instrumentation.",      // .NET, and its own sources
        "Microsoft.AspNetCore",
        "System.Net.Http",
        "Experimental.System.Net.Http",
        "OpenTelemetry::Instrumentation::",    // Ruby
        "io.opentelemetry.contrib.php",        // PHP
        "opentelemetry_",                      // Erlang, Elixir
    };

    for (size_t i = 0; i < TR_NELEMS(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

struct look {
    const struct tr_study *study;
    const struct tr_study_tables *tables;
    uint64_t now;
    tr_finding_fn each;
    void *to;
    uint32_t *count; // of findings told
};

static void tell(const struct look *look, const struct tr_finding *finding)
{
    if (*look->count < FINDINGS_MAX)
        look->each(look->to, finding);
    ++*look->count;
}

#define SERVICE(look, row) TR_STUDY_ROW(service, &(look)->tables->services, row)
#define CONTACT(look, row) TR_STUDY_ROW(contact, &(look)->tables->contacts, row)
#define END(look, row)     TR_STUDY_ROW(end, &(look)->tables->ends, row)

// A name to be read; an empty one says so.
static const char *name_of(const struct look *look, uint32_t service)
{
    const char *name = SERVICE(look, service)->name;

    return name[0] ? name : "(no service.name)";
}

static void finding_init(const struct look *look, struct tr_finding *finding, enum tr_finding_kind kind,
                         enum tr_sure sure, uint32_t service, uint64_t count, const uint8_t example_id[16])
{
    memset(finding, 0, sizeof(*finding));
    finding->kind = kind;
    finding->sure = sure;
    finding->count = count;
    snprintf(finding->service, sizeof(finding->service), "%s", name_of(look, service));
    if (example_id)
        memcpy(finding->example_id, example_id, 16);
}

static uint64_t least(const struct look *look)
{
    return LEAST * (uint64_t)tr_study_weight(look->study);
}

static void lost_spans(const struct look *look, uint32_t row)
{
    const struct tr_study_service *service = SERVICE(look, row);
    uint64_t lost = tr_study_counted(&service->orphans_local);
    struct tr_finding finding;

    if (lost < least(look))
        return;
    finding_init(look, &finding, TR_FINDING_SPANS_LOST, TR_SURE_CERTAIN, row, lost, service->example_id);
    snprintf(finding.text, sizeof(finding.text),
             "%llu spans of %s (of %llu) have a parent in their own process that never came: it loses spans before "
             "they get here (a full export queue, a process that ended without a flush, a span that was never ended).",
             (unsigned long long)lost, name_of(look, row), (unsigned long long)tr_study_counted(&service->spans));
    tell(look, &finding);
}

static void missing_parent(const struct look *look, const struct tr_study_pair *pair)
{
    uint64_t missing = tr_study_counted(&pair->orphans);
    struct tr_finding finding;

    if (missing < least(look))
        return;
    finding_init(look, &finding, TR_FINDING_PARENT_MISSING, TR_SURE_CERTAIN, pair->called, missing, pair->example_id);
    if (pair->caller != TR_STUDY_UNKNOWN) {
        snprintf(finding.caller, sizeof(finding.caller), "%s", name_of(look, pair->caller));
        snprintf(finding.text, sizeof(finding.text),
                 "%llu spans of %s name a parent that never came. In the same traces %s has calls that nothing "
                 "continues: something between the two begins spans and does not send them here (a proxy, a mesh).",
                 (unsigned long long)missing, name_of(look, pair->called), name_of(look, pair->caller));
    } else {
        snprintf(finding.text, sizeof(finding.text),
                 "%llu spans of %s name a parent that never came, and nothing of their caller is in these traces: it "
                 "passes the context on and sends its spans elsewhere, or not at all (its own sampling, its exporter).",
                 (unsigned long long)missing, name_of(look, pair->called));
    }
    tell(look, &finding);
}

// Of the traces that a service begins, so many lie in calls of this end, where chance alone would put so many.
static bool lies_inside(const struct look *look, const struct tr_study_link *link, double *share)
{
    double weight = tr_study_weight(look->study);
    double tested = (double)tr_study_counted(&SERVICE(look, link->service)->roots_tested) / weight;
    double inside = (double)tr_study_counted(&link->inside) / weight;
    double chance = (double)tr_study_counted(&link->chance) / weight;
    double p, q = (chance + 1) / (tested + 2), evidence;

    if (tested < LEAST || inside > tested)
        return false;
    p = (inside + 0.5) / (tested + 1);
    *share = inside / tested;
    evidence = inside * log(p / q) + (tested - inside) * log((1 - p) / (1 - q));
    // Of calls, too, only one in N is studied.
    return p > q && evidence >= EVIDENCE && *share * weight >= 0.5;
}

// How well do time and this caller's open calls explain the traces that `service` begins? NULL: no evidence.
static const struct tr_study_link *link_find(const struct look *look, uint32_t end, uint32_t service, double *share)
{
    const struct tr_study_rows *links = &look->tables->links;

    for (uint32_t i = 1; i < links->count; i++) {
        const struct tr_study_link *link = TR_STUDY_ROW(link, links, i);

        if (link->end == end && link->service == service && lies_inside(look, link, share))
            return link;
    }
    return NULL;
}

static const char *place_of(enum tr_contact kind)
{
    static const char *const places[] = {[TR_CONTACT_NONE] = "",
                                         [TR_CONTACT_HTTP] = "host",
                                         [TR_CONTACT_RPC] = "RPC service",
                                         [TR_CONTACT_MESSAGING] = "destination",
                                         [TR_CONTACT_DATABASE] = "database"};

    return places[kind];
}

// Is one service alone called by this name, and could its traces be the calls that nothing continues? A name that many
// answer to (an ingress), and one that means another place on each machine, says nothing of who was called.
static bool place_tells(const struct look *look, const struct tr_study_end *called)
{
    const struct tr_study_contact *contact = CONTACT(look, called->contact);
    static const char *const everywhere[] = {"127.", "localhost", "[::1]", "0.0.0.0"};
    uint64_t open = 0, others = 0;

    for (size_t i = 0; i < TR_NELEMS(everywhere); i++)
        if (strncmp(contact->name, everywhere[i], strlen(everywhere[i])) == 0)
            return false;
    for (uint32_t row = contact->first_end; row; row = END(look, row)->next) {
        const struct tr_study_end *end = END(look, row);

        open += end->called ? 0 : tr_study_counted(&end->open);
        others += end->called && end != called ? tr_study_counted(&end->spans) : 0;
    }
    return others * 20 < tr_study_counted(&called->spans) && open <= 2 * tr_study_counted(&called->open);
}

// Calls of `caller` that nothing continues, entries of `called` that begin traces: at one place.
static void lost_at_place(const struct look *look, uint32_t caller_row, const struct tr_study_end *caller,
                          const struct tr_study_end *called)
{
    uint64_t calls = tr_study_counted(&caller->spans), open = tr_study_counted(&caller->open);
    uint64_t entries = tr_study_counted(&called->spans), roots = tr_study_counted(&called->open);
    const struct tr_study_contact *contact = CONTACT(look, caller->contact);
    struct tr_finding finding;
    char timely[160] = "";
    double share;
    bool in_time;

    // A call or two without a span below are ones that failed to connect.
    if (open < least(look) || roots < least(look) || open * 4 < calls || caller->service == called->service)
        return;
    in_time = link_find(look, caller_row, called->service, &share) != NULL;
    if (!in_time && !place_tells(look, called))
        return;
    finding_init(look, &finding, TR_FINDING_LOST_CONTEXT, in_time ? TR_SURE_CERTAIN : TR_SURE_LIKELY, called->service,
                 TR_MIN(open, roots), called->example_id);
    snprintf(finding.caller, sizeof(finding.caller), "%s", name_of(look, caller->service));
    snprintf(finding.contact, sizeof(finding.contact), "%s", contact->name);
    if (in_time)
        snprintf(timely, sizeof(timely), " %.0f %% of these traces lie within such a call, more than chance allows.",
                 100 * TR_MIN(share * tr_study_weight(look->study), 1.0));
    snprintf(finding.text, sizeof(finding.text),
             "%llu of %llu calls of %s to %s %s are continued by no span, and %llu of %llu spans that %s has of being "
             "called there begin a trace of their own: the trace context is lost between the two (headers not "
             "injected, stripped, or not read).%s",
             (unsigned long long)open, (unsigned long long)calls, name_of(look, caller->service),
             place_of((enum tr_contact)contact->kind), contact->name, (unsigned long long)roots,
             (unsigned long long)entries, name_of(look, called->service), timely);
    tell(look, &finding);
}

static bool met_at_place(const struct look *look, const struct tr_study_end *caller, uint32_t service)
{
    for (uint32_t row = CONTACT(look, caller->contact)->first_end; row; row = END(look, row)->next)
        if (END(look, row)->called && END(look, row)->service == service)
            return true;
    return false;
}

// The scopes of a service, for a sentence. Returns whether any is a library's.
static bool scopes_list(const struct look *look, uint32_t service, char *text, size_t bytes)
{
    const struct tr_study_rows *scopes = &look->tables->scopes;
    size_t n = 0, listed = 0;
    bool library = false;

    text[0] = '\0';
    for (uint32_t row = SERVICE(look, service)->first_scope; row; row = TR_STUDY_ROW(scope, scopes, row)->next) {
        const struct tr_study_scope *scope = TR_STUDY_ROW(scope, scopes, row);

        library = library || tr_scope_is_library(scope->name);
        if (listed++ < 3 && n + strlen(scope->name) + 8 < bytes)
            n += (size_t)snprintf(text + n, bytes - n, "%s%s", n ? ", " : "", scope->name[0] ? scope->name : "(none)");
    }
    if (listed > 3)
        snprintf(text + n, bytes - n, ", ...");
    return library;
}

static void no_entries(const struct look *look, const struct tr_study_end *caller, uint32_t service, double share,
                       const uint8_t example_id[16], const char *why)
{
    const struct tr_study_contact *contact = CONTACT(look, caller->contact);
    char scopes[220];
    bool library = scopes_list(look, service, scopes, sizeof(scopes));
    uint64_t roots = tr_study_counted(&SERVICE(look, service)->roots_plain);
    struct tr_finding finding;

    finding_init(look, &finding, TR_FINDING_NO_ENTRY_SPANS, TR_SURE_LIKELY, service, roots, example_id);
    snprintf(finding.caller, sizeof(finding.caller), "%s", name_of(look, caller->service));
    snprintf(finding.contact, sizeof(finding.contact), "%s", contact->name);
    if (why[0])
        snprintf(finding.text, sizeof(finding.text), "%s", why);
    else
        snprintf(finding.text, sizeof(finding.text), "%.0f %% of the traces that %s begins lie within a call",
                 100 * TR_MIN(share * tr_study_weight(look->study), 1.0), name_of(look, service));
    snprintf(finding.text + strlen(finding.text), sizeof(finding.text) - strlen(finding.text),
             " of %s to %s that no span continues, but it has no server spans, only scopes %s: %s.",
             name_of(look, caller->service), contact->name, scopes,
             library ? "its server instrumentation is missing, or was set up after the server's modules were imported"
                     : "no library of it is instrumented; its SDK was probably set up after its imports");
    tell(look, &finding);
}

// Traces of a service that lie in calls, though nothing at the place called says that it is there.
static void found_by_time(const struct look *look, const struct tr_study_link *link)
{
    const struct tr_study_service *service = SERVICE(look, link->service);
    const struct tr_study_end *caller = END(look, link->end);
    struct tr_finding finding;
    double share;

    if (met_at_place(look, caller, link->service) || !lies_inside(look, link, &share))
        return;
    if (!tr_study_counted(&service->entries)) {
        no_entries(look, caller, link->service, share, link->example_id, "");
        return;
    }
    if (tr_study_counted(&service->roots_entry) < least(look))
        return;
    finding_init(look, &finding, TR_FINDING_LOST_CONTEXT, TR_SURE_LIKELY, link->service,
                 tr_study_counted(&link->inside), link->example_id);
    snprintf(finding.caller, sizeof(finding.caller), "%s", name_of(look, caller->service));
    snprintf(finding.contact, sizeof(finding.contact), "%s", CONTACT(look, caller->contact)->name);
    snprintf(finding.text, sizeof(finding.text),
             "%.0f %% of the traces that %s begins with a server span lie within a call of %s to %s that no span "
             "continues, more than chance allows: probably the trace context is lost on the way.",
             100 * TR_MIN(share * tr_study_weight(look->study), 1.0), name_of(look, link->service),
             name_of(look, caller->service), CONTACT(look, caller->contact)->name);
    tell(look, &finding);
}

// Is the host called by a service's name: "cart", "cart:8080", "cart.shop.svc.cluster.local"?
static bool host_is(const char *host, const char *service)
{
    size_t n = strlen(service);

    for (size_t i = 0; i < n; i++)
        if (tolower((uint8_t)service[i]) != host[i])
            return false;
    return n && (host[n] == '\0' || host[n] == ':' || host[n] == '.');
}

static void found_by_name(const struct look *look, const struct tr_study_end *caller)
{
    const struct tr_study_contact *contact = CONTACT(look, caller->contact);
    uint64_t calls = tr_study_counted(&caller->spans), open = tr_study_counted(&caller->open);

    if (open < least(look) || open * 2 < calls || contact->kind != TR_CONTACT_HTTP)
        return;
    for (uint32_t i = 1; i < look->tables->services.count; i++) {
        const struct tr_study_service *service = SERVICE(look, i);
        double share;
        char why[160];

        if (i == caller->service || tr_study_counted(&service->entries) || !host_is(contact->name, service->name) ||
            tr_study_counted(&service->roots_plain) < least(look) ||
            link_find(look, (uint32_t)(caller - (struct tr_study_end *)look->tables->ends.rows), i, &share))
            continue; // found by time
        snprintf(why, sizeof(why), "%s is the host of %llu calls", name_of(look, i), (unsigned long long)open);
        no_entries(look, caller, i, 0, caller->example_id, why);
    }
}

static void at_places(const struct look *look)
{
    const struct tr_study_rows *ends = &look->tables->ends;

    for (uint32_t i = 1; i < ends->count; i++) {
        const struct tr_study_end *caller = END(look, i);

        if (caller->called || tr_study_counted(&caller->open) < least(look))
            continue;
        for (uint32_t row = CONTACT(look, caller->contact)->first_end; row; row = END(look, row)->next)
            if (END(look, row)->called)
                lost_at_place(look, i, caller, END(look, row));
        found_by_name(look, caller);
    }
}

static void vanished(const struct look *look, const struct tr_study_scope *scope)
{
    const struct tr_study_service *service = SERVICE(look, scope->service);
    uint64_t silence_ns = look->now - scope->last_ns, quiet = TR_MIN(SILENCE_NS, 4 * look->study->options.wait_ns);
    double share = (double)scope->notes / (double)(scope->service_notes_last - scope->service_notes_first + 1);
    double expected = TR_MIN(share, 1.0) * (double)(service->notes - scope->service_notes_last);
    struct tr_finding finding;
    unsigned long long seconds = silence_ns / TR_S;

    if (!tr_scope_is_library(scope->name) || scope->notes < 20 || silence_ns < TR_MAX(quiet, 3 * scope->gap_ns) ||
        expected < VANISHED)
        return;
    finding_init(look, &finding, TR_FINDING_SCOPE_VANISHED, TR_SURE_LIKELY, scope->service, (uint64_t)expected, NULL);
    snprintf(finding.text, sizeof(finding.text),
             "%s of %s has sent nothing for %llu s, while the service has sent %llu spans that were studied, among "
             "which %.0f of it were to be expected; its longest pause before was %llu s. Was it started anew without "
             "this instrumentation?",
             scope->name, name_of(look, scope->service), seconds,
             (unsigned long long)(service->notes - scope->service_notes_last), expected,
             (unsigned long long)(scope->gap_ns / TR_S));
    tell(look, &finding);
}

void tr_study_findings(const struct tr_study *study, uint64_t now, tr_finding_fn each, void *to)
{
    uint32_t count = 0;
    const struct look look = {
        .study = study, .tables = &study->tables, .now = now, .each = each, .to = to, .count = &count};

    at_places(&look);
    for (uint32_t i = 1; i < study->tables.links.count; i++)
        found_by_time(&look, TR_STUDY_ROW(link, &study->tables.links, i));
    for (uint32_t i = 1; i < study->tables.pairs.count; i++)
        missing_parent(&look, TR_STUDY_ROW(pair, &study->tables.pairs, i));
    for (uint32_t i = 1; i < study->tables.services.count; i++)
        lost_spans(&look, i);
    for (uint32_t i = 1; i < study->tables.scopes.count; i++)
        vanished(&look, TR_STUDY_ROW(scope, &study->tables.scopes, i));
}
