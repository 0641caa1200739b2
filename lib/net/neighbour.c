// SPDX-License-Identifier: Apache-2.0
// Next hops of the connections that we open. An entry is made only when we ask ourselves: what comes unasked may change
// an entry and never adds one, so nobody else can fill the cache.
//
//   FREE ──find──> ASKED ──answer──> KNOWN ──find after 30 s──> CHECKED ──answer──> KNOWN
//                    │ 3 requests, 1 s apart       (address in use) │ 3 requests to it alone
//                    └──> SILENT ──find after 5 s──> ASKED <────────┘
//
// Invariants: every entry is in `recent` (the last used first; free ones at the end); those that are not FREE are in
// their bucket; those that are ASKED or CHECKED are in `asking`, by due_ns, as all wait equally long.
// Sources: RFC 826, RFC 1122 2.3.2, RFC 4861 7.2 and 7.3.
#include <sys/queue.h>

#include "base/hash.h"
#include "net/stack_internal.h"

#define RETRY_NS     TR_S
#define REQUESTS_MAX 3
#define FRESH_NS     (30 * TR_S)
#define SILENT_NS    (5 * TR_S)
#define NO_BUFFER_NS TR_MS
#define POLL_MAX     32 // requests of one poll

enum state { FREE, ASKED, KNOWN, CHECKED, SILENT };

struct neighbour {
    TAILQ_ENTRY(neighbour) recent;
    TAILQ_ENTRY(neighbour) asking;
    LIST_ENTRY(neighbour) bucket;
    struct tr_ip ip, local_ip; // local_ip: who asks
    uint64_t due_ns;           // ASKED, CHECKED: the next request; KNOWN: to be checked; SILENT: may be asked again
    enum state state;
    uint8_t requests; // sent
    uint8_t mac[6];   // KNOWN, CHECKED
};
LIST_HEAD(bucket, neighbour);

struct tr_neighbours {
    TAILQ_HEAD(neighbours_recent, neighbour) recent;
    TAILQ_HEAD(, neighbour) asking;
    struct neighbour *entries;
    struct bucket *buckets;
    uint32_t mask;
    uint64_t seed;
};

int tr_neighbours_create(struct tr_stack *stack)
{
    uint32_t count = TR_MAX(stack->options.neighbours_max, 1u), buckets = 1;
    struct tr_neighbours *neighbours = calloc(1, sizeof(*neighbours));

    if (!neighbours)
        return -ENOMEM;
    while (buckets < count)
        buckets *= 2;
    stack->ip.neighbours = neighbours;
    neighbours->entries = calloc(count, sizeof(*neighbours->entries));
    neighbours->buckets = calloc(buckets, sizeof(*neighbours->buckets));
    if (!neighbours->entries || !neighbours->buckets) {
        tr_neighbours_destroy(stack);
        return -ENOMEM;
    }
    neighbours->mask = buckets - 1;
    memcpy(&neighbours->seed, stack->options.secret + 8, sizeof(neighbours->seed));
    TAILQ_INIT(&neighbours->recent);
    TAILQ_INIT(&neighbours->asking);
    for (uint32_t i = 0; i < count; i++)
        TAILQ_INSERT_TAIL(&neighbours->recent, &neighbours->entries[i], recent);
    return 0;
}

void tr_neighbours_destroy(struct tr_stack *stack)
{
    if (!stack->ip.neighbours)
        return;
    free(stack->ip.neighbours->entries);
    free(stack->ip.neighbours->buckets);
    free(stack->ip.neighbours);
    stack->ip.neighbours = NULL;
}

static bool is_asking(const struct neighbour *n)
{
    return n->state == ASKED || n->state == CHECKED;
}

static struct bucket *bucket_of(const struct tr_neighbours *neighbours, const struct tr_ip *ip)
{
    return &neighbours->buckets[tr_hash_bytes(ip, sizeof(*ip), neighbours->seed) & neighbours->mask];
}

static struct neighbour *lookup(const struct tr_neighbours *neighbours, const struct tr_ip *ip)
{
    struct neighbour *n;

    LIST_FOREACH(n, bucket_of(neighbours, ip), bucket)
        if (tr_ip_equal(&n->ip, ip))
            return n;
    return NULL;
}

static void state_set(struct tr_neighbours *neighbours, struct neighbour *n, enum state state, uint64_t due_ns)
{
    if (is_asking(n))
        TAILQ_REMOVE(&neighbours->asking, n, asking);
    n->state = state;
    n->due_ns = due_ns;
    if (is_asking(n))
        TAILQ_INSERT_TAIL(&neighbours->asking, n, asking);
}

// Send a request, if there is a buffer, and note when the next is due. Returns whether it was sent.
static bool ask(struct tr_stack *stack, struct neighbour *n)
{
    struct tr_neighbours *neighbours = stack->ip.neighbours;
    const uint8_t *mac = n->state == CHECKED ? n->mac : NULL;
    bool sent = tr_ip_is_v4(&n->ip) ? tr_arp_request(stack, &n->local_ip, &n->ip, mac)
                                    : tr_ndp_solicit(stack, &n->local_ip, &n->ip, mac);

    TAILQ_REMOVE(&neighbours->asking, n, asking);
    if (sent) {
        n->requests++;
        n->due_ns = stack->now + RETRY_NS;
        TAILQ_INSERT_TAIL(&neighbours->asking, n, asking);
        tr_count(&stack->net_counters.neighbour_requests, 1);
    } else {
        n->due_ns = stack->now + NO_BUFFER_NS;
        TAILQ_INSERT_HEAD(&neighbours->asking, n, asking); // sooner than any that was asked
    }
    return sent;
}

static void ask_begin(struct tr_stack *stack, struct neighbour *n, enum state state)
{
    n->requests = 0;
    state_set(stack->ip.neighbours, n, state, stack->now);
    ask(stack, n);
}

static struct neighbour *insert(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *ip)
{
    struct tr_neighbours *neighbours = stack->ip.neighbours;
    struct neighbour *n = TAILQ_LAST(&neighbours->recent, neighbours_recent);

    if (n->state != FREE) {
        tr_count(&stack->net_counters.neighbour_evicted, 1);
        state_set(neighbours, n, FREE, 0);
        LIST_REMOVE(n, bucket);
    }
    n->ip = *ip;
    n->local_ip = *local_ip;
    LIST_INSERT_HEAD(bucket_of(neighbours, ip), n, bucket);
    return n;
}

// On the link by the prefix of one of our addresses, or link-local: itself; else the gateway of its family.
static bool next_hop_find(const struct tr_stack *stack, const struct tr_ip *to, struct tr_ip *hop)
{
    const struct tr_stack_options *options = &stack->options;
    bool v4 = tr_ip_is_v4(to);

    *hop = *to;
    if (!v4 && to->bytes[0] == 0xfe && (to->bytes[1] & 0xc0) == 0x80)
        return true;
    for (uint32_t i = 0; i < options->addresses_count; i++) {
        const struct tr_net_address *address = &options->addresses[i];

        if (tr_ip_is_v4(&address->ip) == v4 && tr_ip_prefix_equal(&address->ip, to, address->prefix_bits))
            return true;
    }
    for (uint32_t i = 0; i < options->gateways_count; i++) {
        *hop = options->gateways[i];
        if (tr_ip_is_v4(hop) == v4)
            return true;
    }
    return false;
}

enum tr_neighbour_state tr_neighbour_find(struct tr_stack *stack, const struct tr_ip *local_ip, const struct tr_ip *to,
                                          uint8_t mac[6])
{
    struct tr_neighbours *neighbours = stack->ip.neighbours;
    struct neighbour *n;
    struct tr_ip hop;

    if (!next_hop_find(stack, to, &hop))
        return TR_NEIGHBOUR_UNREACHABLE;
    n = lookup(neighbours, &hop);
    if (!n)
        n = insert(stack, local_ip, &hop);
    TAILQ_REMOVE(&neighbours->recent, n, recent);
    TAILQ_INSERT_HEAD(&neighbours->recent, n, recent);
    if (n->state == FREE || (n->state == SILENT && n->due_ns <= stack->now))
        ask_begin(stack, n, ASKED);
    else if (n->state == KNOWN && n->due_ns <= stack->now)
        ask_begin(stack, n, CHECKED);
    if (n->state == ASKED)
        return TR_NEIGHBOUR_ASKED;
    if (n->state == SILENT)
        return TR_NEIGHBOUR_UNREACHABLE;
    memcpy(mac, n->mac, 6);
    return TR_NEIGHBOUR_KNOWN;
}

void tr_neighbour_learn(struct tr_stack *stack, const struct tr_ip *ip, const uint8_t mac[6], bool replaces, bool confirms)
{
    struct tr_neighbours *neighbours = stack->ip.neighbours;
    struct neighbour *n = lookup(neighbours, ip);
    bool was_known = n && (n->state == KNOWN || n->state == CHECKED);

    if (!n)
        return;
    if (was_known && memcmp(n->mac, mac, 6) != 0) {
        // Somebody else says that he has it: to be checked at its next use.
        if (!replaces)
            confirms = false;
        else
            memcpy(n->mac, mac, 6);
        if (!confirms && n->state == KNOWN)
            n->due_ns = stack->now;
    }
    if (was_known && !confirms)
        return;
    memcpy(n->mac, mac, 6);
    state_set(neighbours, n, KNOWN, stack->now + (confirms ? FRESH_NS : 0));
    if (!was_known)
        tr_tcp_neighbour(stack, ip);
}

size_t tr_neighbours_poll(struct tr_stack *stack)
{
    struct tr_neighbours *neighbours = stack->ip.neighbours;
    size_t done = 0;

    while (done < POLL_MAX) {
        struct neighbour *n = TAILQ_FIRST(&neighbours->asking);

        if (!n || n->due_ns > stack->now)
            break;
        done++;
        if (n->requests < REQUESTS_MAX) {
            if (!ask(stack, n))
                break;
        } else if (n->state == CHECKED) {
            ask_begin(stack, n, ASKED);
        } else {
            state_set(neighbours, n, SILENT, stack->now + SILENT_NS);
            tr_count(&stack->net_counters.neighbour_unreachable, 1);
        }
    }
    return done;
}

uint64_t tr_neighbours_deadline(const struct tr_stack *stack)
{
    const struct neighbour *n = TAILQ_FIRST(&stack->ip.neighbours->asking);

    return n ? n->due_ns : TR_NEVER;
}

void tr_neighbours_check(const struct tr_stack *stack)
{
    const struct tr_neighbours *neighbours = stack->ip.neighbours;
    uint32_t count = TR_MAX(stack->options.neighbours_max, 1u), recent = 0, asking = 0, asking_found = 0;
    const struct neighbour *n;

    TAILQ_FOREACH(n, &neighbours->recent, recent) {
        recent++;
        asking += is_asking(n);
        tr_assert(n->state == FREE || lookup(neighbours, &n->ip) == n);
    }
    TAILQ_FOREACH(n, &neighbours->asking, asking) {
        asking_found++;
        tr_assert(is_asking(n) && n->requests <= REQUESTS_MAX);
    }
    tr_assert(recent == count && asking == asking_found);
}
