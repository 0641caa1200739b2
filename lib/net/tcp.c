// SPDX-License-Identifier: Apache-2.0
// TCP's memory and its turn. What the parts are: tcp_internal.h.
#include "net/tcp_internal.h"

#include <sys/mman.h>

#include "base/pages.h"

TR_COUNTERS_DEFINE(tcp, TR_TCP_COUNTERS)

// A window of `window_bytes` fits 16 bits when shifted by it (RFC 7323 2.2).
static uint8_t scale_of(uint64_t window_bytes)
{
    uint8_t scale = 0;

    while (scale < 14 && window_bytes >> scale > UINT16_MAX)
        scale++;
    return scale;
}

static int options_check(const struct tr_stack_options *options, struct tr_error *error)
{
    uint64_t window = options->window_bytes, buffer = options->send_buffer_bytes;

    if (options->connections_max < 16 || options->connections_max > 1u << 24)
        return tr_error_set(error, EINVAL, "connections_max: %u is not in 16..16777216", options->connections_max);
    if (!options->half_open_max || options->half_open_max > 1u << 24)
        return tr_error_set(error, EINVAL, "half_open_max: %u is not in 1..16777216", options->half_open_max);
    if (!options->time_wait_max || options->time_wait_max > 1u << 24)
        return tr_error_set(error, EINVAL, "time_wait_max: %u is not in 1..16777216", options->time_wait_max);
    if (window < 64 * TR_KIB || window > TR_GIB || window & (window - 1))
        return tr_error_set(error, EINVAL, "window_bytes: %lu is not a power of two in 64KiB..1GiB", window);
    if (buffer < 4 * TR_KIB || buffer > TR_GIB || buffer & (buffer - 1))
        return tr_error_set(error, EINVAL, "send_buffer_bytes: %lu is not a power of two in 4KiB..1GiB", buffer);
    if (!options->output_frames)
        return tr_error_set(error, EINVAL, "output_frames: 0");
    return 0;
}

static void lists_init(struct tr_tcp *tcp)
{
    TAILQ_INIT(&tcp->due);
    TAILQ_INIT(&tcp->delayed);
    TAILQ_INIT(&tcp->ended);
    TAILQ_INIT(&tcp->resolving);
    TAILQ_INIT(&tcp->holding);
    TAILQ_INIT(&tcp->waiting);
    for (uint32_t i = tcp->conns_max; i; i--) {
        tcp->conns[i - 1].next_free = tcp->conns_free;
        tcp->conns_free = i;
    }
    for (uint32_t i = tcp->halves_max; i; i--) {
        tcp->halves[i - 1].next_free = tcp->halves_free;
        tcp->halves_free = i;
    }
    for (uint32_t i = tcp->waits_max; i; i--) {
        tcp->waits[i - 1].next_free = tcp->waits_free;
        tcp->waits_free = i;
    }
}

// Address space for every connection's send buffer. Few are ever full: a page is taken when it is touched, on the node of
// the lcore that does.
static uint8_t *rings_map(uint64_t bytes)
{
    void *rings = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return rings == MAP_FAILED ? NULL : rings;
}

static void memory_free(struct tr_tcp *tcp)
{
    if (tcp->table.slots)
        tr_tuple_table_fini(&tcp->table);
    if (tcp->chunks)
        tr_chunks_destroy(tcp->chunks);
    if (tcp->wheel)
        tr_wheel_destroy(tcp->wheel);
    tr_pages_unmap(tcp->conns, tcp->conns_max * sizeof(*tcp->conns));
    tr_pages_unmap(tcp->halves, tcp->halves_max * sizeof(*tcp->halves));
    tr_pages_unmap(tcp->waits, tcp->waits_max * sizeof(*tcp->waits));
    if (tcp->ring_memory)
        munmap(tcp->ring_memory, tcp->rings_bytes);
    free(tcp);
}

int tr_tcp_create(struct tr_stack *stack, struct tr_error *error)
{
    const struct tr_stack_options *options = &stack->options;
    struct tr_tcp *tcp;
    int rc = options_check(options, error);

    if (rc)
        return rc;
    tcp = calloc(1, sizeof(*tcp));
    if (!tcp)
        return -ENOMEM;
    tcp->stack = stack;
    tcp->cookies_left = UINT32_MAX;
    tcp->conns_max = options->connections_max;
    tcp->halves_max = options->half_open_max;
    tcp->waits_max = options->time_wait_max;
    tcp->rings_bytes = options->send_buffer_bytes * tcp->conns_max;
    tcp->ring_mask = (uint32_t)options->send_buffer_bytes - 1;
    tcp->rcv_scale = scale_of(options->window_bytes);
    tcp->port_offset = (uint32_t)tr_siphash(options->secret, "ports", 5);
    tcp->conns = tr_pages_map(tcp->conns_max * sizeof(*tcp->conns), options->numa_node, false);
    tcp->halves = tr_pages_map(tcp->halves_max * sizeof(*tcp->halves), options->numa_node, false);
    tcp->waits = tr_pages_map(tcp->waits_max * sizeof(*tcp->waits), options->numa_node, false);
    tcp->ring_memory = rings_map(tcp->rings_bytes);
    if (!tcp->conns || !tcp->halves || !tcp->waits || !tcp->ring_memory ||
        tr_tuple_table_init(&tcp->table, tcp->conns_max + tcp->halves_max + tcp->waits_max, options->secret,
                            options->numa_node) ||
        tr_chunks_create(&tcp->chunks, options->reassembly_bytes, options->numa_node) ||
        tr_wheel_create(&tcp->wheel, stack->now)) {
        memory_free(tcp);
        return tr_error_set(error, ENOMEM, "connections_max: no memory for %u connections", options->connections_max);
    }
    lists_init(tcp);
    stack->tcp = tcp;
    return 0;
}

void tr_tcp_destroy(struct tr_stack *stack)
{
    struct tr_tcp *tcp = stack->tcp;

    if (!tcp)
        return;
    tcp->frames_left = UINT32_MAX;
    for (uint32_t i = 0; i < tcp->conns_max; i++) {
        if (tcp->conns[i].state != TR_TCP_DEAD)
            tr_tcp_abort(tcp, &tcp->conns[i], TR_CONN_ABORTED);
    }
    tr_tcp_ended_poll(tcp);
    memory_free(tcp);
    stack->tcp = NULL;
}

void tr_tcp_want(struct tr_tcp_conn *conn, uint8_t due)
{
    if (!(conn->is & TR_IS_IN_DUE)) {
        TAILQ_INSERT_TAIL(&conn->tcp->due, conn, due_link);
        conn->is |= TR_IS_IN_DUE;
    }
    conn->due |= due;
}

void tr_tcp_acked(struct tr_tcp_conn *conn)
{
    conn->rcv_acked = conn->rcv_next;
    if (conn->is & TR_IS_DELAYED) {
        TAILQ_REMOVE(&conn->tcp->delayed, conn, delay_link);
        conn->is &= ~(uint32_t)TR_IS_DELAYED;
    }
}

void tr_tcp_delay(struct tr_tcp_conn *conn)
{
    if (conn->is & TR_IS_DELAYED)
        return;
    conn->is |= TR_IS_DELAYED;
    conn->delayed_ns = tr_tcp_now(conn->tcp) + TR_TCP_DELAY_NS;
    TAILQ_INSERT_TAIL(&conn->tcp->delayed, conn, delay_link);
}

static bool tuple_is(const struct tr_tuple *a, const struct tr_tuple *b)
{
    return a->local_port == b->local_port && a->peer_port == b->peer_port && tr_ip_equal(&a->peer_ip, &b->peer_ip) &&
           tr_ip_equal(&a->local_ip, &b->local_ip);
}

static bool number_is(const struct tr_tcp *tcp, uint32_t number, const struct tr_tuple *tuple)
{
    if (tr_likely(number < tcp->conns_max)) {
        const struct tr_conn *conn = &tcp->conns[number].public;

        return conn->peer_port == tuple->peer_port && conn->local_port == tuple->local_port &&
               tr_ip_equal(&conn->peer_ip, &tuple->peer_ip) && tr_ip_equal(&conn->local_ip, &tuple->local_ip);
    }
    number -= tcp->conns_max;
    if (number < tcp->halves_max)
        return tuple_is(&tcp->halves[number].tuple, tuple);
    return tuple_is(&tcp->waits[number - tcp->halves_max].tuple, tuple);
}

uint32_t tr_tcp_find(const struct tr_tcp *tcp, const struct tr_tuple *tuple, uint64_t hash)
{
    uint32_t probe = 0, number;

    do
        number = tr_tuple_table_next(&tcp->table, hash, &probe);
    while (number != UINT32_MAX && !number_is(tcp, number, tuple));
    return number;
}

// How many answers go out in a second differs from second to second, so that a stranger who counts them can't tell what
// others got (CVE-2016-5696).
static void budgets_refill(struct tr_tcp *tcp)
{
    uint64_t second = tr_tcp_now(tcp) / TR_S + 1;

    if (second == tcp->budget_second)
        return;
    tcp->budget_second = second;
    tcp->challenges_left = 500 + (uint32_t)(tr_siphash(tcp->stack->options.secret, &second, sizeof(second)) % 1000);
    tcp->resets_left = 1000;
}

bool tr_tcp_may_challenge(struct tr_tcp *tcp)
{
    budgets_refill(tcp);
    if (!tcp->challenges_left) {
        tr_tcp_counted(tcp, challenges_held);
        return false;
    }
    tcp->challenges_left--;
    tr_tcp_counted(tcp, challenges);
    return true;
}

bool tr_tcp_may_reset(struct tr_tcp *tcp)
{
    budgets_refill(tcp);
    if (!tcp->resets_left) {
        tr_tcp_counted(tcp, resets_held);
        return false;
    }
    tcp->resets_left--;
    return true;
}

// --- the turn

static size_t timers_poll(struct tr_tcp *tcp, uint64_t now)
{
    struct tr_timer *timer;
    size_t done = 0;

    for (; (timer = tr_wheel_advance(tcp->wheel, now)); done++) {
        uintptr_t at = (uintptr_t)timer - (uintptr_t)tcp->conns;

        if (at < tcp->conns_max * sizeof(*tcp->conns))
            tr_tcp_conn_timer(tcp, tr_container_of(timer, struct tr_tcp_conn, timer));
        else
            tr_tcp_half_timer(tcp, tr_container_of(timer, struct tr_tcp_half, timer));
    }
    return done;
}

static size_t delayed_poll(struct tr_tcp *tcp, uint64_t now)
{
    struct tr_tcp_conn *conn;
    size_t done = 0;

    for (; (conn = TAILQ_FIRST(&tcp->delayed)) && conn->delayed_ns <= now; done++) {
        TAILQ_REMOVE(&tcp->delayed, conn, delay_link);
        conn->is &= ~(uint32_t)TR_IS_DELAYED;
        tr_tcp_want(conn, TR_DUE_ACK);
    }
    return done;
}

static void visit(struct tr_tcp *tcp, struct tr_tcp_conn *conn)
{
    bool more = false;
    uint8_t due;

    if (conn->due & TR_DUE_INPUT) {
        conn->due &= (uint8_t)~TR_DUE_INPUT;
        more = !tr_tcp_hand_up(tcp, conn);
        if (conn->state == TR_TCP_DEAD)
            return;
    }
    // What the user has just sent, and the window that has opened, go now.
    due = conn->due;
    TAILQ_REMOVE(&tcp->due, conn, due_link);
    conn->due = 0;
    conn->is &= ~(uint32_t)TR_IS_IN_DUE;
    if (more)
        tr_tcp_want(conn, TR_DUE_INPUT);
    if (!tr_tcp_output(tcp, conn, due & TR_DUE_ACK))
        tr_tcp_want(conn, TR_DUE_OUTPUT | (due & TR_DUE_ACK));
}

// Each connection that is due now has one visit; what becomes due meanwhile has its own in the next turn.
static size_t due_poll(struct tr_tcp *tcp)
{
    struct tr_tcp_conn *last = TAILQ_LAST(&tcp->due, tr_tcp_conns), *conn;
    size_t done = 0;

    while (!tcp->starved && (conn = TAILQ_FIRST(&tcp->due))) {
        visit(tcp, conn);
        done++;
        if (conn == last || last->state == TR_TCP_DEAD)
            break;
    }
    return done;
}

// Not while frames wait, but not never.
static bool timers_are_due(struct tr_tcp *tcp, uint64_t now)
{
    if (tcp->frames_wait) {
        tcp->frames_wait = false;
        if (!tcp->held_ns)
            tcp->held_ns = now;
        if (now - tcp->held_ns < TR_TCP_TIMERS_HELD_NS)
            return false;
    }
    tcp->held_ns = 0;
    return true;
}

size_t tr_tcp_poll(struct tr_stack *stack, uint64_t now)
{
    struct tr_tcp *tcp = stack->tcp;
    size_t done = 0;

    tcp->frames_left = stack->options.output_frames;
    tcp->cookies_left = tcp->frames_wait ? TR_TCP_COOKIES_BEHIND : UINT32_MAX;
    tcp->starved = false;
    if (timers_are_due(tcp, now))
        done = timers_poll(tcp, now);
    done += delayed_poll(tcp, now);
    done += due_poll(tcp);
    done += tr_tcp_waits_poll(tcp);
    done += tr_tcp_ended_poll(tcp);
    tcp->starved_ns = tcp->starved && tcp->frames_left ? now + TR_MS : 0;
    tr_gauge(&stack->tcp_counters.connections, tcp->conns_count);
    tr_gauge(&stack->tcp_counters.half_open, tcp->halves_count);
    tr_gauge(&stack->tcp_counters.time_wait, tcp->waits_count);
    return done;
}

uint64_t tr_tcp_deadline(const struct tr_stack *stack)
{
    const struct tr_tcp *tcp = stack->tcp;
    const struct tr_tcp_conn *delayed = TAILQ_FIRST(&tcp->delayed);
    const struct tr_tcp_wait *wait = TAILQ_FIRST(&tcp->waiting);
    uint64_t deadline = tr_wheel_deadline(tcp->wheel);

    if (!TAILQ_EMPTY(&tcp->ended))
        return 0;
    if (!TAILQ_EMPTY(&tcp->due))
        deadline = TR_MIN(deadline, tcp->starved_ns);
    if (delayed)
        deadline = TR_MIN(deadline, delayed->delayed_ns);
    if (wait)
        deadline = TR_MIN(deadline, wait->ends_ns);
    return deadline;
}
