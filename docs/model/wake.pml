// SPDX-License-Identifier: Apache-2.0
// Sleep and wake on a machine that delays stores: two writers, each with a ring to one sleeper.
//
// A store is seen by others only when it is flushed, which happens at any time later, or at a fence (x86 reorders no
// more than this, a store with a later load; on ARM a sequentially consistent fence or exchange does the same work).
// The sleeper exchanges its flag, then looks at the rings a second time; a writer writes a burst to its ring, fences,
// then looks at the flag. Whoever comes second sees the other.
//
// A run ends when nothing can move: then every message must have been read.
//
// -DMUTANT_... breaks one rule; spin must find it out.

#ifndef MESSAGES
#define MESSAGES 3 // each writer writes
#endif
#define WRITERS 2

byte written[WRITERS]; // as memory has it
byte pending[WRITERS]; // as its writer has it: >= written
byte read[WRITERS];    // the sleeper's own
bool flag;             // as memory has it
bool flag_own;         // as the sleeper has it
bool token;            // eventfd or futex: a system call, seen by all at once, and it flushes

#define INPUT (written[0] > read[0] || written[1] > read[1])

proctype writer(bit w)
{
    byte burst;

    do
    :: pending[w] < MESSAGES ->
        atomic { // a burst of one or two
            pending[w]++;
            if
            :: pending[w] < MESSAGES -> pending[w]++
            :: skip
            fi
        }
#ifndef MUTANT_NO_WRITER_FENCE
        written[w] = pending[w]; // the fence
#endif
        if
        :: flag ->
            atomic { token = true; written[w] = pending[w] }
        :: else
        fi
    :: else -> break
    od
}

// Stores reach memory some time.
proctype memory()
{
end:
    do
    :: written[0] != pending[0] -> written[0] = pending[0]
    :: written[1] != pending[1] -> written[1] = pending[1]
    :: flag != flag_own -> flag = flag_own
    od
}

proctype sleeper()
{
end_turn:
    do
    :: written[0] > read[0] -> read[0] = written[0]
    :: written[1] > read[1] -> read[1] = written[1]
    :: !INPUT ->
#ifdef MUTANT_PLAIN_FLAG // a store instead of an exchange
        flag_own = true;
#else
        atomic { flag_own = true; flag = true }
#endif
#ifndef MUTANT_NO_SECOND_LOOK
        if
        :: INPUT -> flag_own = false; goto end_turn
        :: else
        fi;
#endif
end_asleep:
        atomic { token -> token = false }
        flag_own = false
    od
}

init
{
    atomic { run writer(0); run writer(1); run memory(); run sleeper() }
    timeout ->
    assert(read[0] == MESSAGES && read[1] == MESSAGES)
}
