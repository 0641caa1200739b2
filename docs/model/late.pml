// SPDX-License-Identifier: Apache-2.0
// What comes after a decision: a holder and an owner of two traces. The owner emits one trace while it decides the other,
// late spans follow the verdict, or make a dropped trace be asked about again, and what is still known of it is emitted
// if it is wanted now.
//
// Whatever could happen next may happen next: a trace is kept or dropped, is wanted when it is asked about again or not,
// the record of a dropped one is overwritten, the holder asks for its tail. A run ends when nothing can move; then every
// span must have been emitted once or be dropped, and of a trace that was reopened only what was forgotten or let go before
// it was may be missing.
//
// -DMUTANT_... breaks one rule; spin must find it out.

#ifndef SPANS
#define SPANS 4
#endif
#ifndef JOURNAL
#define JOURNAL 3
#endif
#ifndef SLOTS
#define SLOTS 1 // of each ring
#endif

#define TRACES   2
#define BIT(p)   (1 << (p))
#define BELOW(p) (BIT(p) - 1)

mtype = { SUMMARY, TAIL, EMIT, ACK };
mtype = { NONE, HELD, KEPT, DROPPED };

chan class1 = [SLOTS] of { mtype, bit, byte }; // kind, trace, position
chan class2 = [SLOTS] of { mtype, bit, byte }; // kind, must it be there, position

// The holder's side. Positions count spans.
byte head;     // accepted
byte cursor;   // walked
byte tail;     // freed
bool asked;    // for its tail
byte journal;  // bit p: the trace of span p
byte emitted;  // bit p: span p was emitted
byte let_go;   // bit p: it was to be emitted, and lay below the tail

// The owner's side.
mtype verdict[TRACES] = NONE;
byte refs[TRACES];     // bit p: its span p is held, or still to be emitted
byte must[TRACES];     // of these, what nobody may have let go
bool emitting[TRACES];
byte record[TRACES];   // of a dropped trace: what could be emitted
bool again[TRACES];    // a late span has come, and it is to be asked about
byte fresh[TRACES];    // the spans that have come since it was asked
byte request;          // the TAIL to answer; 0: none
byte dropped;          // bit p: span p is counted as dropped
byte forgotten;        // bit p: its record was overwritten

#define FREE(ring) (len(ring) < SLOTS)

#ifdef MUTANT_ASK_LATE // than the acknowledgement
#define TO_ASK(t) false
#else
#define TO_ASK(t) again[t]
#endif
#ifdef MUTANT_ACK_EMITTING // what is in emission counts for emitted
#define WANTED(t, p) ((verdict[t] == HELD && (refs[t] & BELOW(p))) || TO_ASK(t))
#else
#define WANTED(t, p) (((verdict[t] == HELD || emitting[t]) && (refs[t] & BELOW(p))) || TO_ASK(t))
#endif

// A late span of a kept trace whose emit would find no room stays where it is, first in its ring.
#define CLASS1_READY \
    (class1?[TAIL, _, _] || (class1?[SUMMARY, 0, _] && (verdict[0] != KEPT || FREE(class2))) || \
     (class1?[SUMMARY, 1, _] && (verdict[1] != KEPT || FREE(class2))))

inline summary_take(t, p)
{
    if
    :: verdict[t] == NONE || verdict[t] == HELD ->
        verdict[t] = HELD;
        refs[t] = refs[t] | BIT(p)
    :: verdict[t] == DROPPED ->
        dropped = dropped | BIT(p);
        fresh[t] = fresh[t] | BIT(p);
        again[t] = true;
#ifdef MUTANT_BY_ITSELF // it leaves with its trace and alone
        if
        :: FREE(class2) -> class2!EMIT, 0, p
        :: else
        fi
#endif
    :: verdict[t] == KEPT -> class2!EMIT, 1, p
    fi
}

// One trace's steps: those of both may come in any order.
#ifdef MUTANT_VERDICT_LATE // it says kept when all is emitted
#define SAY_KEPT(t) skip
#else
#define SAY_KEPT(t) verdict[t] = KEPT
#endif
#ifdef MUTANT_ASKED_TWICE // it stays to be asked about
#define ASKED(t) skip
#else
#define ASKED(t) again[t] = false; fresh[t] = 0
#endif

#define TRACE_STEPS(t) \
    :: d_step { verdict[t] == HELD -> verdict[t] = KEPT; must[t] = refs[t]; emitting[t] = true } \
    :: d_step { verdict[t] == HELD -> \
                verdict[t] = DROPPED; dropped = dropped | refs[t]; record[t] = refs[t]; refs[t] = 0 } \
    :: d_step { again[t] && !emitting[t] -> /* it is wanted now: what is known of it, and what has come */ \
                SAY_KEPT(t); refs[t] = record[t] | fresh[t]; must[t] = fresh[t]; emitting[t] = true; \
                record[t] = 0; ASKED(t) } \
    :: d_step { again[t] && !emitting[t] -> record[t] = record[t] | fresh[t]; again[t] = false; fresh[t] = 0 } \
    :: d_step { record[t] && verdict[t] == DROPPED && !again[t] -> forgotten = forgotten | record[t]; record[t] = 0 } \
    :: emitting[t] && refs[t] && FREE(class2) -> emit(t) \
    :: d_step { emitting[t] && !refs[t] -> emitting[t] = false; must[t] = 0; verdict[t] = KEPT }

// What was dropped moves when it goes.
inline emit(t)
{
    d_step {
        do
        :: !(refs[t] & BIT(p)) -> p++
        :: else -> break
        od;
        class2!EMIT, ((must[t] >> p) & 1), p;
        refs[t] = refs[t] & ~BIT(p);
        dropped = dropped & ~BIT(p);
        p = 0
    }
}

proctype owner()
{
    bit t;
    byte p;

end_turn:
    do
    :: CLASS1_READY ->
        d_step {
            if
            :: class1?SUMMARY, t, p -> summary_take(t, p)
            :: class1?TAIL, t, p -> request = p
            fi;
            t = 0;
            p = 0
        }
    TRACE_STEPS(0)
    TRACE_STEPS(1)
    :: request && !WANTED(0, request) && !WANTED(1, request) && FREE(class2) ->
        d_step { class2!ACK, 0, request; request = 0 }
    od
}

proctype holder()
{
    byte p;
    bit there;

end_turn:
    do
    :: class2?EMIT, there, p ->
        d_step {
            assert(!(emitted & BIT(p)) && !(let_go & BIT(p))); // once
            assert(p >= tail || !there);
            if
            :: p >= tail -> emitted = emitted | BIT(p)
            :: else -> let_go = let_go | BIT(p)
            fi;
            p = 0;
            there = 0
        }
    :: class2?ACK, there, p -> d_step { tail = p; asked = false; p = 0 }
    :: head < SPANS && head - tail < JOURNAL ->
        atomic {
            if
            :: skip
            :: journal = journal | BIT(head)
            fi;
            head++
        }
    :: cursor < head && FREE(class1) -> d_step { class1!SUMMARY, ((journal >> cursor) & 1), cursor; cursor++ }
    :: !asked && cursor > tail && head < SPANS && FREE(class1) ->
        atomic {
            p = tail + 1;
            do
            :: p < cursor -> p++
            :: break
            od;
            class1!TAIL, 0, p;
            asked = true;
            p = 0
        }
    od
}

init
{
    atomic { run owner(); run holder() }
    timeout ->
    assert(head == SPANS && cursor == SPANS && !len(class1) && !len(class2) && !request);
    assert(!emitting[0] && !emitting[1] && !again[0] && !again[1]);
    // Each is one of the three.
    assert((emitted | let_go | dropped) == BELOW(SPANS) && !(emitted & dropped) && !(let_go & dropped));
    // Of a kept trace nothing stays dropped but what was forgotten before.
    assert(verdict[0] != KEPT || !(dropped & ~journal & BELOW(SPANS) & ~forgotten));
    assert(verdict[1] != KEPT || !(dropped & journal & ~forgotten))
}
