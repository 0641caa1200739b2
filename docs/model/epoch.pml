// SPDX-License-Identifier: Apache-2.0
// The pass of a new set of policies: control publishes it, each lcore picks it up at the start of a turn and marks its
// rings, owners begin traces under it when all marks are in, and the old set is freed when nobody can use it.
//
// Two lcores walk, SPANS_0 and SPANS_1 spans; lcore 0 owns (owners do not know of each other, so one is enough) a
// trace that begins, gathers and is decided any number of times; EPOCHS further sets are published at any time, and
// picked up at any time later: a sleeping lcore is one that does it late. A summary says under which epoch it was
// walked: it has the predicates of that epoch and of those before it that are live. A run ends when nothing can move:
// then the owner has arrived at the last epoch and the sets before are freed.
//
// -DMUTANT_... breaks one rule; spin must find it out.

#ifndef SPANS_0
#define SPANS_0 2
#endif
#ifndef SPANS_1
#define SPANS_1 2
#endif
#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef SLOTS
#define SLOTS 1
#endif

#define LCORES 2
#define SPANS(i)   (i == 0 -> SPANS_0 : SPANS_1)
#define ROOM(ring) (len(ring) < SLOTS)
#define MIN(a, b)  ((a) < (b) -> (a) : (b))
#define MAX(a, b)  ((a) > (b) -> (a) : (b))

mtype = { SUMMARY, MARK };
chan class1[LCORES] = [SLOTS] of { mtype, byte }; // from each holder: kind, epoch

byte published; // the newest set
bool freed[EPOCHS + 1];

// The walkers.
byte set[LCORES];    // walked with
byte marked[LCORES]; // the last mark sent

// The owner.
byte mark[LCORES]; // the last that came from each holder
byte begin;        // new traces begin under it
bool held;
byte began;        // the held trace's epoch

#ifdef MUTANT_FREE_WITHOUT_BEGIN // looks at the traces that are, not at those to come
#define OLDEST (held -> began : EPOCHS)
#else
#define OLDEST (held -> MIN(began, begin) : begin)
#endif

#ifdef MUTANT_MARK_EARLY // what is published is marked, though it is not walked with yet
#define TO_MARK(i) published
#else
#define TO_MARK(i) set[i]
#endif

inline class1_take(h)
{
    d_step {
        if
        :: class1[h]?SUMMARY, e ->
            if
            :: !held -> held = true; began = begin
            :: else
            fi;
            assert(e >= began); // it was walked with the predicates that decide its trace
#ifdef MUTANT_PLAN_OF_TWO       // a set tests its own predicates and those of the one before it, no more
            assert(e - began <= 1)
#endif
        :: class1[h]?MARK, e ->
            mark[h] = e;
#if defined(MUTANT_FIRST_MARK)
            begin = MAX(mark[0], mark[1])
#elif !defined(MUTANT_OWN_SWAP)
            begin = MIN(mark[0], mark[1])
#endif
        fi;
        e = 0
    }
}

inline walk(i)
{
    atomic { assert(!freed[set[i]]); class1[i]!SUMMARY, set[i]; walked++ }
}

proctype lcore(bit i)
{
    byte walked, e;

end_turn:
    do
    :: set[i] != published -> // the start of a turn
        atomic {
            set[i] = published;
#ifdef MUTANT_OWN_SWAP // the owner's own pick-up is taken for everybody's
            begin = set[0]
#endif
        }
    :: marked[i] != TO_MARK(i) && ROOM(class1[i]) -> atomic { class1[i]!MARK, TO_MARK(i); marked[i] = TO_MARK(i) }
    :: walked < SPANS(i) && ROOM(class1[i]) -> walk(i)
    :: i == 0 && len(class1[0]) > 0 -> class1_take(0)
    :: i == 0 && len(class1[1]) > 0 -> class1_take(1)
    :: i == 0 && held -> d_step { assert(!freed[began]); held = false; began = 0 }
    od
}

proctype control()
{
    do
    :: published < EPOCHS -> published++
    :: else -> break
    od
}

// Frees the oldest set when no trace is, or will be, decided under it. That no lcore walks with it follows: the owner
// begins traces under a later one only when each walker has said, behind its last summary, that it has left this one.
proctype reaper()
{
    byte oldest;

    do
    :: oldest < EPOCHS && published > oldest -> OLDEST > oldest; freed[oldest] = true; oldest++
    :: oldest == EPOCHS -> break
    od
}

init
{
    atomic {
        run lcore(0);
        run lcore(1);
        run control();
        run reaper()
    }
    timeout ->
    assert(begin == EPOCHS);
    assert(freed[EPOCHS - 1] && !freed[EPOCHS])
}
