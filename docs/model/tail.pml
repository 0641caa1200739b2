// SPDX-License-Identifier: Apache-2.0
// Two lcores that accept, walk, own and emit at once: the two classes of rings, the tail request by position, sleep
// and wake.
//
// Each lcore is a holder (it accepts SPANS_0 or SPANS_1 spans to a journal of JOURNAL, walks them, frees them) and an
// owner (lcore i of trace i). Whatever it could do next it may do next: any order of the steps of a turn, any number of them. What
// time would decide (that decision_wait has passed, whether a trace is kept, when the journal is low) is chosen
// freely. A run ends when nothing can move; then every span must have been accepted, and emitted once or dropped
// once, and nothing be left anywhere.
//
// -DMUTANT_... breaks one rule; spin must find it out.

#ifndef SPANS_0
#define SPANS_0 3
#endif
#ifndef SPANS_1
#define SPANS_1 1
#endif
#ifndef JOURNAL
#define JOURNAL 2
#endif
#ifndef SLOTS
#define SLOTS 1 // of each ring
#endif

#define LCORES 2
#define TRACES 2 // trace t belongs to lcore t
#define CLASS1(h, o) class1[(h) * LCORES + (o)]
#define CLASS2(o, h) class2[(o) * LCORES + (h)]
#define BIT(p)       (1 << (p))
#define BELOW(p)     (BIT(p) - 1)
#define SPANS(i)     (i == 0 -> SPANS_0 : SPANS_1)

mtype = { SUMMARY, TAIL, EMIT, ACK };
mtype = { NONE, HELD, KEPT, DROPPED };

chan class1[LCORES * LCORES] = [SLOTS] of { mtype, bit, byte }; // kind, trace, position
chan class2[LCORES * LCORES] = [SLOTS] of { mtype, byte };      // kind, position

// The holder's side. Positions count spans.
byte head[LCORES];            // accepted
byte cursor[LCORES];          // walked
byte tail[LCORES];            // freed
byte asked[LCORES];           // the tail that was requested; 0: none
byte told[LCORES];            // owners that were sent the request, from 0 up
byte acked[LCORES * LCORES];  // by holder and owner
byte journal[LCORES];         // bit p: the trace of span p
byte emitted[LCORES];         // bit p: span p was emitted
byte dropped[LCORES];         // bit p: its owner dropped it

// The owner's side.
mtype state[TRACES] = NONE;
byte refs[TRACES * LCORES];   // by trace and holder: bit p: its span p is held, or still to be emitted
bool emitting[LCORES];        // lcore i is emitting its trace
byte request[LCORES * LCORES]; // by owner and holder: the TAIL to answer; 0: none

// Sleep and wake.
bool asleep[LCORES]; // published before the rings are looked at again
bool woken[LCORES];  // what the sleeper waits for

#define SOME(ring) (len(ring) > 0)
#define FREE(ring) (len(ring) < SLOTS)

#define INPUT(i) (SOME(CLASS1(0, i)) || SOME(CLASS1(1, i)) || SOME(CLASS2(0, i)) || SOME(CLASS2(1, i)))
#define ROOM(i)  (head[i] < SPANS(i) && head[i] - tail[i] < JOURNAL)
#define TRACE_AT(i) ((journal[i] >> cursor[i]) & 1)

// Work that is left, though a full ring or somebody's answer may stop it: an lcore that has any polls. An lcore that
// slept with a summary stopped at its cursor would not be woken by the room that comes.
#define WALKING(i) (cursor[i] < head[i])
#define ASKING(i)  (asked[i] && told[i] < LCORES)
#define TO_ASK(i)  (!asked[i] && head[i] < SPANS(i) && !ROOM(i) && cursor[i] > tail[i])
#define TO_FREE(i) (asked[i] && told[i] == LCORES && ACKED(i))
#ifdef MUTANT_SLEEP_STALLED // only what could go on counts
#define WALK_WORK(i) (WALKING(i) && FREE(CLASS1(i, TRACE_AT(i))))
#else
#define WALK_WORK(i) WALKING(i)
#endif
#define WORK(i) \
    (WALK_WORK(i) || ASKING(i) || TO_ASK(i) || TO_FREE(i) || emitting[i] || request[i * LCORES] || \
     request[i * LCORES + 1])

#ifdef MUTANT_ONE_ACK
#define ACKED(i) (acked[i * LCORES] >= asked[i] || acked[i * LCORES + 1] >= asked[i])
#else
#define ACKED(i) (acked[i * LCORES] >= asked[i] && acked[i * LCORES + 1] >= asked[i])
#endif

#ifdef MUTANT_TAIL_OVERTAKES // it covers summaries that are not sent yet
#define ASKABLE(i) head[i]
#else
#define ASKABLE(i) cursor[i]
#endif

#ifdef MUTANT_EMIT_NEEDS_ROOM // to take an emit needs room in class 1
#define CLASS2_READY(o, i) (SOME(CLASS2(o, i)) && FREE(CLASS1(i, o)))
#else
#define CLASS2_READY(o, i) SOME(CLASS2(o, i))
#endif

// A late span of a kept trace whose emit would find no room stays where it is, first in its ring.
#define CLASS1_READY(h, i) \
    (CLASS1(h, i)?[TAIL, _, _] || (CLASS1(h, i)?[SUMMARY, _, _] && (state[i] != KEPT || FREE(CLASS2(i, h)))))

// Does a trace that lcore i holds begin below p in h's journal? While it is being emitted it still counts.
#ifdef MUTANT_ACK_FIRST
#define WANTED(i, h, p) (state[i] == HELD && (refs[i * LCORES + h] & BELOW(p)))
#else
#define WANTED(i, h, p) ((state[i] == HELD || emitting[i]) && (refs[i * LCORES + h] & BELOW(p)))
#endif

// Who has written to a ring looks at the reader's flag, afterwards.
inline wake(j)
{
#ifndef NO_SLEEP
    d_step {
        if
        :: asleep[j] -> asleep[j] = false; woken[j] = true
        :: else
        fi
    }
#else
    skip
#endif
}

inline class2_take(i, o)
{
    d_step {
        if
        :: CLASS2(o, i)?EMIT, p ->
            assert(p >= tail[i]);            // its bytes are still there
            assert(!(emitted[i] & BIT(p)));  // once
            emitted[i] = emitted[i] | BIT(p)
        :: CLASS2(o, i)?ACK, p ->
            if
            :: p > acked[i * LCORES + o] -> acked[i * LCORES + o] = p
            :: else
            fi
        fi;
        p = 0
    }
}

inline class1_take(i, h)
{
    d_step {
        if
        :: CLASS1(h, i)?SUMMARY, t, p ->
            if
            :: state[i] == NONE || state[i] == HELD ->
                state[i] = HELD;
                refs[i * LCORES + h] = refs[i * LCORES + h] | BIT(p)
            :: state[i] == DROPPED -> dropped[h] = dropped[h] | BIT(p)
            :: state[i] == KEPT -> CLASS2(i, h)!EMIT, p; late = true
            fi
        :: CLASS1(h, i)?TAIL, t, p -> request[i * LCORES + h] = p
        fi;
        p = 0;
        t = 0
    }
    if
    :: late -> wake(h); late = false
    :: else
    fi
}

inline emit(i, h)
{
    d_step {
        p = 0;
        do
        :: !(refs[i * LCORES + h] & BIT(p)) -> p++
        :: else -> break
        od;
        refs[i * LCORES + h] = refs[i * LCORES + h] & ~BIT(p);
        CLASS2(i, h)!EMIT, p;
        p = 0
    }
    wake(h)
}

inline acknowledge(i, h)
{
    d_step { CLASS2(i, h)!ACK, request[i * LCORES + h]; request[i * LCORES + h] = 0 }
    wake(h)
}

proctype lcore(bit i)
{
    byte p;
    bit t;
    bool late;

end_turn:
    do
    // Class 2: nothing stops it.
    :: CLASS2_READY(0, i) -> class2_take(i, 0)
    :: CLASS2_READY(1, i) -> class2_take(i, 1)

    // The holder accepts, walks, asks for its tail, frees.
    :: ROOM(i) ->
        atomic {
            if
            :: skip
            :: journal[i] = journal[i] | BIT(head[i])
            fi;
            head[i]++
        }
    :: WALKING(i) && FREE(CLASS1(i, TRACE_AT(i))) ->
        d_step { t = TRACE_AT(i); CLASS1(i, t)!SUMMARY, t, cursor[i]; cursor[i]++ }
        wake(t);
        t = 0
    :: !asked[i] && ASKABLE(i) > tail[i] && head[i] < SPANS(i) ->
        atomic {
            p = tail[i] + 1;
            do
            :: p < ASKABLE(i) -> p++
            :: break
            od;
            asked[i] = p;
            told[i] = 0;
            p = 0
        }
    :: ASKING(i) && FREE(CLASS1(i, told[i])) ->
        d_step { CLASS1(i, told[i])!TAIL, 0, asked[i]; t = told[i]; told[i]++ }
        wake(t);
        t = 0
    :: TO_FREE(i) -> d_step { tail[i] = asked[i]; asked[i] = 0; told[i] = 0 }

    // The owner takes, decides, emits, acknowledges, forgets.
    :: CLASS1_READY(0, i) -> class1_take(i, 0)
    :: CLASS1_READY(1, i) -> class1_take(i, 1)
    :: state[i] == HELD && !emitting[i] ->
        if
        :: d_step { state[i] = KEPT; emitting[i] = true }
        :: d_step {
               state[i] = DROPPED;
               dropped[0] = dropped[0] | refs[i * LCORES];
               dropped[1] = dropped[1] | refs[i * LCORES + 1];
               refs[i * LCORES] = 0;
               refs[i * LCORES + 1] = 0
           }
        fi
    :: emitting[i] && refs[i * LCORES] && FREE(CLASS2(i, 0)) -> emit(i, 0)
    :: emitting[i] && refs[i * LCORES + 1] && FREE(CLASS2(i, 1)) -> emit(i, 1)
    :: emitting[i] && !refs[i * LCORES] && !refs[i * LCORES + 1] -> emitting[i] = false
    :: request[i * LCORES] && !WANTED(i, 0, request[i * LCORES]) && FREE(CLASS2(i, 0)) -> acknowledge(i, 0)
    :: request[i * LCORES + 1] && !WANTED(i, 1, request[i * LCORES + 1]) && FREE(CLASS2(i, 1)) -> acknowledge(i, 1)
#ifdef FORGET
    :: !emitting[i] && (state[i] == KEPT || state[i] == DROPPED) -> state[i] = NONE
#endif

#ifndef NO_SLEEP
    // Nothing to do: say so, look again, wait for a wake-up, a deadline or a client.
    :: !INPUT(i) && !WORK(i) ->
        asleep[i] = true;
#ifndef MUTANT_NO_SECOND_LOOK
        if
        :: INPUT(i) -> asleep[i] = false; goto end_turn
        :: else
        fi;
#endif
end_asleep:
        d_step { (woken[i] || state[i] == HELD || ROOM(i)) -> asleep[i] = false; woken[i] = false }
#endif
    od
}

init
{
    atomic { run lcore(0); run lcore(1) }
    timeout ->
    assert(head[0] == SPANS_0 && head[1] == SPANS_1);
    assert((emitted[0] | dropped[0]) == BELOW(SPANS_0) && !(emitted[0] & dropped[0]));
    assert((emitted[1] | dropped[1]) == BELOW(SPANS_1) && !(emitted[1] & dropped[1]));
    assert(!INPUT(0) && !INPUT(1) && !emitting[0] && !emitting[1]);
    assert(!request[0] && !request[1] && !request[2] && !request[3])
}
