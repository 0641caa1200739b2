// SPDX-License-Identifier: Apache-2.0
// The tick of the budgets: who has asked in the open tick wants it closed some time, every lcore closes, the last one
// sums up what all have asked for and publishes the grants, each passes them on to the traces that asked.
//
// LCORES lcores, each with ASKS traces that ask at any time; one slot, which its config frees when no lcore needs it any
// more. Time is open: a tick's end may come at once or late. An lcore without work sleeps until it is woken (that a
// wake-up is not lost between a flag and a ring is wake.pml's). Grants are of one tick: what the code keeps further ticks
// for, limits that wait for each other, is the same with a longer ring.
//
// A run ends when nothing can move: then every trace has its answer, and the slot is free.
//
// -DMUTANT_... breaks one rule; spin must find it out.

#ifndef LCORES
#define LCORES 2
#endif
#ifndef ASKS
#define ASKS 2
#endif
#ifndef OTHERS
#define OTHERS 1 // ticks in which only traces of another config have asked, for another slot
#endif
#define TICKS (LCORES * ASKS + OTHERS + 1)
#define HALF(tick) ((tick) % 2)

byte wanted, settled, arrived;
byte granted;      // tick of the grants that are there, plus 1; 0: they are being written
bool freed;        // the slot
bool awake[LCORES];
byte closed[LCORES], seen[LCORES];
byte asked[LCORES * 2]; // weight, by lcore and half
byte waiting[LCORES];   // traces that asked in the tick `tick_of` and have no answer
byte next_waiting[LCORES]; // those of the tick behind it
byte to_ask[LCORES];
byte others = OTHERS;
byte total[TICKS];      // ghost: asked in the tick, by whomever

#define OPEN(i)      (asked[2 * (i) + HALF(closed[i])] > 0)
#ifdef MUTANT_CLEAR_LATE // a half is cleared when the next but one begins, and nothing holds its slots until then
#define NEEDS(i)     (to_ask[i] > 0 || waiting[i] > 0 || next_waiting[i] > 0 || OPEN(i) || closed[i] != seen[i])
#else
#define NEEDS(i)     (to_ask[i] > 0 || waiting[i] > 0 || next_waiting[i] > 0 || asked[2 * (i)] > 0 || asked[2 * (i) + 1] > 0)
#endif

#ifdef MUTANT_WAKES_NOBODY
#define WOKEN(k) false
#else
#define WOKEN(k) (k != i)
#endif

inline wake_others(i)
{
    d_step {
        k = 0;
        do
        :: k < LCORES -> awake[k] = awake[k] || WOKEN(k); k++
        :: else -> break
        od;
        k = 0
    }
}

// The last one to close: reads one lcore's half after the other, while those ask on.
inline settle(i, tick)
{
    granted = 0;
    j = 0;
    sum = 0;
    do
    :: j < LCORES -> atomic { assert(asked[2 * j + HALF(tick)] == 0 || !freed); sum = sum + asked[2 * j + HALF(tick)]; j++ }
    :: else -> break
    od;
    atomic {
        assert(sum == total[tick]); // nothing was added to what was summed, nothing was left out
        sum = 0;
        j = 0;
        granted = tick + 1;
        settled = tick + 1
    }
    wake_others(i)
}

inline half_clear(i, half)
{
    d_step {
        assert(asked[2 * i + half] == 0 || !freed);
        asked[2 * i + half] = 0
    }
}

proctype lcore(byte i)
{
    byte j, k, sum;
    bool last;

end_turn:
    do
    :: to_ask[i] > 0 -> // a trace comes up
        atomic {
            assert(!freed);
            to_ask[i]--;
#ifdef MUTANT_ONE_HALF
            asked[2 * i]++;
#else
            asked[2 * i + HALF(closed[i])]++;
#endif
            total[closed[i]]++;
            if
            :: closed[i] == seen[i] -> waiting[i]++
            :: else -> next_waiting[i]++
            fi;
            awake[i] = true
        }
    :: OPEN(i) && closed[i] == seen[i] && wanted == closed[i] -> // its time has come
        wanted = closed[i] + 1;
        awake[i] = true;
        wake_others(i)
    :: atomic { others > 0 && closed[i] == seen[i] && wanted == closed[i] -> others--; wanted = closed[i] + 1; awake[i] = true }
        wake_others(i)
#ifdef MUTANT_CLOSES_EARLY // while it passes on the answers of the tick before
    :: awake[i] && wanted > closed[i] ->
#else
    :: awake[i] && wanted > closed[i] && closed[i] == seen[i] ->
#endif
#ifdef MUTANT_CLEAR_LATE
        half_clear(i, HALF(closed[i] + 1));
#endif
        atomic { closed[i]++; arrived++; last = arrived == LCORES }
#ifdef MUTANT_FIRST_SETTLES
        last = arrived == 1;
        if
        :: arrived == LCORES -> arrived = 0
        :: else
        fi;
#endif
        if
        :: last -> arrived = 0; settle(i, closed[i] - 1)
        :: else
        fi;
        last = false
    :: awake[i] && settled != seen[i] -> // answers have come
        do
        :: waiting[i] > 0 -> atomic { assert(!freed && granted == seen[i] + 1); waiting[i]-- }
        :: else -> break
        od;
#ifndef MUTANT_CLEAR_LATE
        half_clear(i, HALF(seen[i]));
#endif
        atomic { seen[i]++; waiting[i] = next_waiting[i]; next_waiting[i] = 0 }
    :: atomic { awake[i] && wanted <= closed[i] && settled == seen[i] -> awake[i] = false }
    od
}

// The config's traces are all decided, and no lcore holds it: its slot goes.
proctype reaper()
{
    (!NEEDS(0) && !NEEDS(1));
    freed = true
}

init
{
    byte k;

    atomic {
        do
        :: k < LCORES -> to_ask[k] = ASKS; run lcore(k); k++
        :: else -> break
        od;
        k = 0;
        run reaper()
    }
    timeout ->
    assert(freed && others == 0);
    assert(to_ask[0] == 0 && waiting[0] == 0 && next_waiting[0] == 0);
    assert(to_ask[1] == 0 && waiting[1] == 0 && next_waiting[1] == 0)
}
