// SPDX-License-Identifier: Apache-2.0
// A hierarchical timer wheel: setting and cancelling cost a few instructions, whatever the number of timers. Its tick is
// 1 ms: a timer ends at the first tick at or after its deadline, never before.
#ifndef TR_NET_WHEEL_H
#define TR_NET_WHEEL_H

#include "base/tr.h"

#define TR_WHEEL_TICK_NS TR_MS

// A timer, part of what it is about. All zeros: not set.
struct tr_timer {
    struct tr_timer *next, **before; // in its slot's list
    uint64_t deadline_ns;            // 0 or TR_NEVER while not set: also when it has ended
};

struct tr_wheel; // fixed size, about 4 KiB; in wheel.c

int tr_wheel_create(struct tr_wheel **wheel, uint64_t now);
void tr_wheel_destroy(struct tr_wheel *wheel);

// Set or move a timer; TR_NEVER: cancel it. A deadline in the past ends at the next advance, also at the same `now`.
void tr_wheel_set(struct tr_wheel *wheel, struct tr_timer *timer, uint64_t deadline_ns);
void tr_wheel_cancel(struct tr_wheel *wheel, struct tr_timer *timer);

// Find the next timer whose deadline is at or before `now`, and take it off; those of one tick come in any order. The
// caller may set and cancel timers between calls.
//
// Returns NULL: none is left, or there was a lot to sort first; then tr_wheel_deadline() is not after `now` and the
// rest comes next turn.
//
// Cost: what has ended, a bit scan for all ticks that are empty, and at most 512 timers to sort.
struct tr_timer *tr_wheel_advance(struct tr_wheel *wheel, uint64_t now);

// No timer ends before this; TR_NEVER: none is set. At a coarse slot's begin rather than at the timer in it.
uint64_t tr_wheel_deadline(const struct tr_wheel *wheel);

#endif
