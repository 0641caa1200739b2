// SPDX-License-Identifier: Apache-2.0
// The stack's own struct, and where its two halves meet: what is below TCP (stack.c, ethernet.c, ip*.c, icmp*.c, arp.c,
// ndp.c, neighbour.c) and TCP (tcp_*.c).
//
// stack.c has tr_stack_create(), _destroy(), _input(), _poll(), _deadline(), _announce(), _check() and the getters of
// the counters. TCP has tr_stack_connect(), _refuse(), _connections(), _reassembly_used() and everything of tr_conn.
#ifndef TR_NET_STACK_INTERNAL_H
#define TR_NET_STACK_INTERNAL_H

#include "net/ip_internal.h"
#include "net/segment.h"

struct tr_tcp; // tcp_internal.h

struct tr_stack {
    struct tr_stack_options options; // constant after creation
    struct tr_stack_device device;
    struct tr_conn_user user;
    uint64_t now; // of the input or poll that runs, or was last; 0 before the first
    struct tr_net_counters net_counters; // written below TCP
    struct tr_tcp_counters tcp_counters; // written by TCP
    struct tr_ip_part ip;                // below TCP only
    struct tr_tcp *tcp;                  // TCP only
};

// --- TCP's side, for stack.c

// Called last in tr_stack_create(): everything else of *stack is there. Sets stack->tcp.
//
// Returns 0, or -ENOMEM, -EINVAL with the option's name, having kept nothing.
int tr_tcp_create(struct tr_stack *stack, struct tr_error *error);
// Reset every connection and tell its user; called first in tr_stack_destroy(). stack->now is the time.
void tr_tcp_destroy(struct tr_stack *stack);
// Timers, ACKs, data, closed(). Returns frames sent and events handled.
size_t tr_tcp_poll(struct tr_stack *stack, uint64_t now);
// 0: at once; TR_NEVER: nothing is due.
uint64_t tr_tcp_deadline(const struct tr_stack *stack);
// TCP's part of tr_stack_check().
void tr_tcp_check(const struct tr_stack *stack);

#endif
