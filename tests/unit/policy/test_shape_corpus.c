// SPDX-License-Identifier: Apache-2.0
// The policies on the shape of a trace against docs/shape-policies.md written down a second time, the slow way, over
// random traces: parents that never came, children before parents, ids that come twice, several roots, calls side by
// side. Recall and precision are counted, and are 1.
#include "shape_bed.h"

#define TRACES    6000
#define SPANS_MAX 60

static struct bed bed;
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    return tr_hash_range(tr_mix64(++seed), below);
}

static const char policies[] = "- {name: n, type: n_plus_one, n_plus_one: {min_siblings: 4, min_total_ms: 10}}\n"
                               "- {name: r, type: retry_storm, retry_storm: {min_attempts: 3, max_gap_ms: 5}}\n"
                               "- {name: p, type: pool_wait, pool_wait: {threshold_ms: 60, share_percent: 40}}\n"
                               "- {name: z, type: cross_zone, cross_zone: {threshold_ms: 30}}\n"
                               "- {name: d, type: dominant_span, dominant_span: {share_percent: 50, min_ms: 20}}\n"
                               "- {name: g, type: gap, gap: {threshold_ms: 80, share_percent: 60}}\n";
#define POLICIES 6

static const char *const queries[] = {"select a from t where b = 1", "SELECT a FROM t WHERE b = 'x' -- y",
                                      "select c from t where b in (1, 2)", "select c from t where b in (?)"};
static const int query_of[] = {1, 1, 2, 2};
static const char *const urls[] = {"http://x/1", "http://x/2"};

// What a random span asks for: its place in the oracle, and its attributes.
struct drawn {
    struct bed_span span;
    int asks; // 0: nothing; 1, 2: a query; 3, 4: a call
};

static struct drawn spans[SPANS_MAX]; // the trace
static uint32_t spans_count;

static void asks_draw(struct drawn *d, uint32_t what)
{
    uint32_t q = draw(4), u = draw(2);

    d->asks = 0;
    if (what < 4) {
        d->span.key[0] = draw(2) ? "db.query.text" : "db.statement";
        d->span.value[0] = queries[q];
        d->span.kind = CLIENT;
        d->asks = query_of[q];
    } else if (what < 7) {
        d->span.key[0] = draw(2) ? "url.full" : "http.url";
        d->span.value[0] = urls[u];
        d->span.key[1] = draw(2) ? "http.response.status_code" : "http.status_code";
        d->span.value[1] = draw(4) ? "#503" : "#200";
        d->span.kind = CLIENT;
        d->span.name = "GET";
        d->asks = 3 + (int)u;
    }
}

static bool failed(const struct drawn *d)
{
    return d->span.status == 2 || (d->span.value[1] && strcmp(d->span.value[1], "#503") == 0);
}

static uint32_t trace_draw(void)
{
    static const char *const names[] = {"work", "work", "connect", "step", "HikariDataSource.getConnection"};
    static const char *const zones[] = {NULL, "a", "b", "b"};
    uint32_t count = 1 + draw(SPANS_MAX), length = 20 + draw(200), parents = 1 + draw(4);
    bool busy = draw(2), chained = draw(2);

    for (uint32_t i = 0; i < count; i++) {
        struct drawn *d = &spans[i];
        uint32_t from = draw(length), parent = i ? draw(TR_MIN(i, parents)) : 0;

        *d = (struct drawn){.span = {.id = i + 1, .parent = i ? parent + 1 : 0, .from = from}};
        if (chained && i > 1) // begins about where the one before ends
            d->span.from = spans[i - 1].span.to + draw(8);
        d->span.to = d->span.from + (busy ? draw(60) : draw(12));
        d->span.kind = INTERNAL + (int)draw(3);
        d->span.name = names[draw(5)];
        d->span.status = draw(3) ? 0 : 2;
        d->span.zone = zones[draw(4)];
        asks_draw(d, draw(10));
        if (i == 0)
            d->span.to = d->span.from + length;
        else if (draw(12) == 0)
            d->span.parent = draw(2) ? 0 : 900 + draw(3);
        else if (draw(12) == 0) // once more, as it was or at another time
            d->span.id = 1 + draw(i);
        if (i && draw(20) == 0)
            *d = spans[draw(i)];
    }
    return count;
}

// --- the definitions, the slow way; times in units

static uint64_t start_of(const struct drawn *d)
{
    return (BED_BEGIN_NS + d->span.from * TR_MS) >> TR_SHAPE_UNIT_SHIFT;
}

static uint64_t end_of(const struct drawn *d)
{
    return (BED_BEGIN_NS + d->span.to * TR_MS) >> TR_SHAPE_UNIT_SHIFT;
}

static uint64_t units(uint64_t ms)
{
    return (ms * TR_MS) >> TR_SHAPE_UNIT_SHIFT;
}

// Of spans with one id and one kind the first to start stays, of those the longest. Returns false: two are equal in that
// and differ in the rest, of which the documents say nothing.
static bool once_each(uint32_t count, const struct drawn **once, uint32_t *left)
{
    *left = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct drawn *a = &spans[i];
        bool stays = true;

        for (uint32_t k = 0; k < count; k++) {
            const struct drawn *b = &spans[k];

            if (k == i || a->span.id != b->span.id || a->span.kind != b->span.kind)
                continue;
            if (memcmp(a, b, sizeof(*a)) == 0)
                stays = stays && i < k;
            else if (a->span.from == b->span.from && a->span.to == b->span.to)
                return false;
            else if (b->span.from < a->span.from || (b->span.from == a->span.from && b->span.to > a->span.to))
                stays = false;
        }
        if (stays)
            once[(*left)++] = a;
    }
    return true;
}

static bool slow_n_plus_one(const struct drawn **s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t total = 0;
        uint32_t siblings = 0;

        if (!s[i]->span.parent || s[i]->asks < 1 || s[i]->asks > 2)
            continue;
        for (uint32_t k = 0; k < n; k++) {
            if (s[k]->span.parent != s[i]->span.parent || s[k]->asks != s[i]->asks)
                continue;
            siblings++;
            total += end_of(s[k]) - start_of(s[k]);
        }
        if (siblings >= 4 && total >= units(10))
            return true;
    }
    return false;
}

// Two calls of one kind, one parent and one thing asked. A call span's name and URL are what it asks.
static bool slow_retry_storm(const struct drawn **s, uint32_t n)
{
    uint32_t length[SPANS_MAX];
    bool changed = true;

    for (uint32_t i = 0; i < n; i++)
        length[i] = 1;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t k = 0; k < n; k++) {
                uint64_t end = TR_MAX(end_of(s[k]), start_of(s[k]) + 1), start = start_of(s[i]);

                if (k == i || !s[i]->asks || !s[i]->span.parent || s[i]->asks != s[k]->asks ||
                    s[i]->span.parent != s[k]->span.parent || !failed(s[k]) || end > start || start - end > units(5) ||
                    length[k] + 1 <= length[i])
                    continue;
                length[i] = length[k] + 1;
                changed = true;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (length[i] >= 3)
            return true;
    return false;
}

// The time in [from, to] in which one of the spans that `counts` runs: piece by piece between their ends.
static uint64_t slow_cover(const struct drawn **s, uint32_t n, uint64_t from, uint64_t to,
                           bool (*counts)(const struct drawn *span, const void *of), const void *of)
{
    uint64_t edges[2 * SPANS_MAX + 2], covered = 0;
    uint32_t count = 0;

    edges[count++] = from;
    edges[count++] = to;
    for (uint32_t i = 0; i < n; i++) {
        edges[count++] = TR_MIN(TR_MAX(start_of(s[i]), from), to);
        edges[count++] = TR_MIN(TR_MAX(end_of(s[i]), from), to);
    }
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k && edges[k] < edges[k - 1]; k--) {
            uint64_t swap = edges[k];

            edges[k] = edges[k - 1];
            edges[k - 1] = swap;
        }
    for (uint32_t e = 1; e < count; e++) {
        bool any = false;

        for (uint32_t i = 0; i < n; i++)
            any |= counts(s[i], of) && start_of(s[i]) <= edges[e - 1] && end_of(s[i]) >= edges[e];
        covered += any ? edges[e] - edges[e - 1] : 0;
    }
    return covered;
}

static bool waits(const struct drawn *span, const void *of)
{
    return strcmp(span->span.name, "connect") == 0 || strcmp(span->span.name, "HikariDataSource.getConnection") == 0;
}

static bool is_child(const struct drawn *span, const void *of)
{
    return span != of && span->span.parent == ((const struct drawn *)of)->span.id;
}

static bool is_another(const struct drawn *span, const void *of)
{
    return span != of;
}

static bool much(uint64_t part, uint64_t whole, uint64_t threshold_ms, double percent)
{
    return part >= units(threshold_ms) || (part && (double)part * 100 >= percent * (double)whole);
}

// The trace itself is all that came, twice or not.
static bool slow_pool_wait(const struct drawn **s, uint32_t n)
{
    uint64_t from = UINT64_MAX, to = 0;

    for (uint32_t i = 0; i < spans_count; i++) {
        from = TR_MIN(from, start_of(&spans[i]));
        to = TR_MAX(to, end_of(&spans[i]));
    }
    return much(slow_cover(s, n, from, to, waits, NULL), to - from, 60, 40);
}

static bool slow_cross_zone(const struct drawn **s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct drawn *client = NULL;

        if (s[i]->span.kind != SERVER || !s[i]->span.zone)
            continue;
        for (uint32_t k = 0; k < n && !client; k++)
            if (s[k]->span.kind == CLIENT && s[i]->span.parent && s[k]->span.id == s[i]->span.parent)
                client = s[k];
        for (uint32_t k = 0; k < n && !client; k++)
            if (s[k]->span.kind == CLIENT && s[k]->span.id == s[i]->span.id)
                client = s[k];
        if (client && client->span.zone && strcmp(client->span.zone, s[i]->span.zone) != 0 &&
            end_of(client) - start_of(client) >= units(30))
            return true;
    }
    return false;
}

static const struct drawn *slow_root(const struct drawn **s, uint32_t n)
{
    const struct drawn *root = NULL;

    for (uint32_t i = 0; i < n; i++)
        if (!s[i]->span.parent && (!root || s[i]->span.from < root->span.from ||
                                   (s[i]->span.from == root->span.from && s[i]->span.to > root->span.to)))
            root = s[i];
    return root;
}

// Of spans that share an id the children are the server's; without one, nobody's in particular: such traces are left out.
static bool slow_dominant_span(const struct drawn **s, uint32_t n)
{
    const struct drawn *root = slow_root(s, n);

    for (uint32_t i = 0; root && i < n; i++) {
        uint64_t from = TR_MAX(start_of(s[i]), start_of(root)), to = TR_MIN(end_of(s[i]), end_of(root)), own;

        if (s[i]->span.id == root->span.id || to <= from)
            continue;
        own = to - from - slow_cover(s, n, from, to, is_child, s[i]);
        if (own >= units(20) && (double)own * 100 >= 50 * (double)(end_of(root) - start_of(root)))
            return true;
    }
    return false;
}

static bool slow_gap(const struct drawn **s, uint32_t n)
{
    const struct drawn *root = slow_root(s, n);
    uint64_t whole = root ? end_of(root) - start_of(root) : 0;

    return root && much(whole - slow_cover(s, n, start_of(root), end_of(root), is_another, root), whole, 80, 60);
}

static bool ids_are_shared(const struct drawn **s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (s[i]->span.id == s[k]->span.id)
                return true;
    return false;
}

static bool (*const slow[POLICIES])(const struct drawn **, uint32_t) = {slow_n_plus_one, slow_retry_storm,  slow_pool_wait,
                                                                        slow_cross_zone, slow_dominant_span, slow_gap};

static void recall_and_precision_are_1(void **state)
{
    uint32_t caught[POLICIES] = {0}, passed[POLICIES] = {0}, shared = 0;
    struct bed_span sent[SPANS_MAX];

    assert_int_equal(bed_compile(&bed, policies), 0);
    for (uint32_t trace = 0; trace < TRACES; trace++) {
        const struct drawn *once[SPANS_MAX];
        uint32_t count, left, kept;

        seed = (uint64_t)trace << 32;
        count = spans_count = trace_draw();
        if (!once_each(count, once, &left))
            continue;
        for (uint32_t i = 0; i < count; i++)
            sent[i] = spans[i].span;
        bed_shuffle(sent, count, trace);
        kept = bed_kept_by(&bed, sent, count);
        for (uint32_t p = 0; p < POLICIES; p++) {
            bool truth;

            if (slow[p] == slow_dominant_span && ids_are_shared(once, left)) {
                shared++;
                continue;
            }
            truth = slow[p](once, left);
            if (truth != (kept >> p & 1))
                fail_msg("trace %u, policy %u: %s, and is %s", trace, p, truth ? "wanted" : "not wanted",
                         truth ? "not kept" : "kept");
            ++*(truth ? &caught[p] : &passed[p]);
        }
    }
    for (uint32_t p = 0; p < POLICIES; p++) {
        print_message("policy %u: %u caught, %u let through, none wrong\n", p, caught[p], passed[p]);
        assert_true(caught[p] >= 100 && passed[p] >= 100);
    }
    assert_true(shared < TRACES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recall_and_precision_are_1)};
    int rc;

    if (tr_shapes_create(&bed.shapes, 1000, -1, false) < 0)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    tr_policy_set_free(bed.set);
    tr_shapes_destroy(&bed.shapes);
    return rc;
}
