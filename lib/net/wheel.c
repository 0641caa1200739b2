// SPDX-License-Identifier: Apache-2.0
// Levels of 64 slots, a slot of level n being 64^n ticks wide; eight levels hold every deadline that 64 bits can name.
//
// `tick` is the tick of the last advance. A timer that ends at tick t lies at the level of the highest digit (base 64)
// in which t and `tick` differ, in the slot of that digit of t; so at every level the slots before `tick`'s digit are
// empty, and at levels above 0 the slot of that digit too. When `tick` enters a slot of a level above 0 its timers move
// down; each moves at most LEVELS times in its life.
//
// A slot may hold the timers of every connection. So that no turn stands still for that, an advance moves at most
// MOVES_MAX of them down; until the rest has moved `moving` is the slot's level, and nothing ends.
//
// Source: Varghese and Lauck, Hashed and Hierarchical Timing Wheels (1987).
#include "net/wheel.h"

#define LEVELS    8
#define SLOT_BITS 6
#define SLOTS     (1u << SLOT_BITS)
#define MOVES_MAX 512

struct tr_wheel {
    uint64_t tick;
    unsigned moving; // level, 0: none
    uint64_t in_use[LEVELS]; // a bit a slot
    struct tr_timer *slots[LEVELS][SLOTS];
};

int tr_wheel_create(struct tr_wheel **wheel, uint64_t now)
{
    *wheel = calloc(1, sizeof(**wheel));
    if (!*wheel)
        return -ENOMEM;
    (*wheel)->tick = now / TR_WHEEL_TICK_NS;
    return 0;
}

void tr_wheel_destroy(struct tr_wheel *wheel)
{
    free(wheel);
}

static unsigned digit(uint64_t tick, unsigned level)
{
    return (tick >> (level * SLOT_BITS)) & (SLOTS - 1);
}

static void link_timer(struct tr_wheel *wheel, struct tr_timer *timer)
{
    uint64_t tick = timer->deadline_ns / TR_WHEEL_TICK_NS + (timer->deadline_ns % TR_WHEEL_TICK_NS != 0);
    struct tr_timer **slot;
    unsigned level;

    tick = TR_MAX(tick, wheel->tick);
    level = tick == wheel->tick ? 0 : (63u - (unsigned)__builtin_clzll(tick ^ wheel->tick)) / SLOT_BITS;
    slot = &wheel->slots[level][digit(tick, level)];
    timer->next = *slot;
    timer->before = slot;
    if (*slot)
        (*slot)->before = &timer->next;
    *slot = timer;
    wheel->in_use[level] |= 1ull << digit(tick, level);
}

static void unlink_timer(struct tr_wheel *wheel, struct tr_timer *timer)
{
    struct tr_timer **first = &wheel->slots[0][0];

    *timer->before = timer->next;
    if (timer->next) {
        timer->next->before = timer->before;
    } else if (timer->before >= first && timer->before < first + LEVELS * SLOTS) {
        size_t slot = (size_t)(timer->before - first); // it was the only one there

        wheel->in_use[slot / SLOTS] &= ~(1ull << slot % SLOTS);
    }
    timer->before = NULL;
}

void tr_wheel_set(struct tr_wheel *wheel, struct tr_timer *timer, uint64_t deadline_ns)
{
    if (timer->before)
        unlink_timer(wheel, timer);
    timer->deadline_ns = deadline_ns;
    if (deadline_ns != TR_NEVER)
        link_timer(wheel, timer);
}

void tr_wheel_cancel(struct tr_wheel *wheel, struct tr_timer *timer)
{
    if (timer->before)
        unlink_timer(wheel, timer);
    timer->deadline_ns = 0;
}

// The first tick after `tick` at which a slot in use begins, and its level. UINT64_MAX: none.
static uint64_t next_slot(const struct tr_wheel *wheel, unsigned *level)
{
    for (*level = 0; *level < LEVELS; ++*level) {
        uint64_t later = wheel->in_use[*level] & (~1ull << digit(wheel->tick, *level));
        unsigned shift = *level * SLOT_BITS;

        if (later)
            return ((wheel->tick >> shift & ~(uint64_t)(SLOTS - 1)) | (unsigned)__builtin_ctzll(later)) << shift;
    }
    return UINT64_MAX;
}

// Returns false: there is more to move, in the next turn.
static bool move_down(struct tr_wheel *wheel, unsigned *moves)
{
    struct tr_timer **slot = &wheel->slots[wheel->moving][digit(wheel->tick, wheel->moving)];

    while (*slot) {
        struct tr_timer *timer = *slot;

        if (++*moves > MOVES_MAX)
            return false;
        unlink_timer(wheel, timer);
        link_timer(wheel, timer);
    }
    wheel->moving = 0;
    return true;
}

struct tr_timer *tr_wheel_advance(struct tr_wheel *wheel, uint64_t now)
{
    uint64_t until = now / TR_WHEEL_TICK_NS;
    unsigned moves = 0;

    for (;;) {
        struct tr_timer *timer;
        uint64_t next;
        unsigned level;

        if (wheel->moving && !move_down(wheel, &moves))
            return NULL;
        timer = wheel->slots[0][digit(wheel->tick, 0)];
        if (timer) {
            tr_wheel_cancel(wheel, timer);
            return timer;
        }
        if (until <= wheel->tick)
            return NULL;
        next = next_slot(wheel, &level);
        wheel->tick = TR_MIN(next, until);
        if (next <= until)
            wheel->moving = level;
    }
}

uint64_t tr_wheel_deadline(const struct tr_wheel *wheel)
{
    uint64_t next = wheel->tick;
    unsigned level;

    if (!wheel->moving && !wheel->slots[0][digit(wheel->tick, 0)])
        next = next_slot(wheel, &level);
    return next > TR_NEVER / TR_WHEEL_TICK_NS ? TR_NEVER : next * TR_WHEEL_TICK_NS;
}
