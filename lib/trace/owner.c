// SPDX-License-Identifier: Apache-2.0
//
// The owner: essay.
//
// A trace lives in four places. The *index* finds it by id: lines of 10 slots of tag and entry number, at
// half load one line a probe. Its *entry* is two cache lines: the first is all that most further spans touch
// (id to compare, times, bits, bytes, origins, the block that takes the next reference), the second its
// beginning and its end (first arrival, epoch, list links, the numbers of its first 9 blocks). Predicates
// beyond the first 64 lie in an array beside. Its *references* are blocks, half a line for 2 spans of 81 bits: how long a
// span is stands before it in the journal. Where shapes are held, each has 24 bytes more, 4 of them in what is left of
// the block. And for each origin that has spans of it, a *node* of 10 bytes stands in that origin's FIFO, in the order of
// the origin's ring. docs/memory.md has the bytes.
//
//                         bytes a trace of 10 spans in 4 origins     reserved for a million, however they are spread
//     index               13                                         13 MB
//     entry, age          132                                        132 MB
//     references          5 blocks: 160                              176 MB
//     shapes              10 x 20: 200                               220 MB
//     nodes               4 x 10: 41                                 46 MB
//                         546, or 55 a span; 35 without shape        587 MB
//
// What was weighed against it:
//   - blocks of 4 references in a line: each trace may waste 3, which with shapes was 170 MB of 756 for the million
//     above. Blocks of 2 waste one. A trace touches two lines more then, called for ahead; nodes of 10
//     bytes and a stack that is in cache make up for it: 65 ns a span to receive, decide and emit, against 69.
//   - the length of a span in its reference: 4 bytes that only a kept span needs, whose bytes are read anyway.
//   - free blocks linked through themselves: each take waits for the link of a cold block. The numbers on top of the
//     stack lie in one place and are read ahead; those below it in free blocks, 7 in each, so that the stack takes nothing.
//   - a stack of the numbers of all blocks: 22 bytes a trace.
//   - nodes on a doubly linked list, so that a decision unlinks its own: no stale ones, but 24 bytes each and two
//     misses an unlink, 6 a trace. Left in place and popped when stale they are read in order.
//   - no FIFO but (time, position) samples an origin, deciding all older traces: would decide traces that have no
//     span in the journal that is short, early.
//   - a heap of deadlines: equal waits make a FIFO, so a list for each wait is sorted by itself.
//   - rte_hash: a key of 16 bytes beside each slot and two lines a probe; and it is not to be linked without EAL.
//
// Cost. A summary touches the index line, the entry's first line and the last block; a trace's beginning adds
// the entry's second line and a line of the cache's index; its decision the index line, both entry lines, and
// the verdict (written in order). Nearly all of these are misses at a million traces, so all are called for
// ahead: for a burst of 64 summaries in rounds, for decisions by a scout that walks the wait's list some
// entries in front. Measured by bench-owner (2 vCPU of an EPYC, 154 ns a dependent miss, 11 ns an independent
// one), a million traces of 10 spans, a tenth kept: 33 ns a span to receive and 14 to decide and emit; with
// 10,000 traces 21 and 7. Without the rounds and the scout it was 76 and 43.
//
// Invariants
//   received = kept + dropped - reopened + evicted + held, after every call.
//   An id is held or remembered as a verdict or neither, never both.
//   A decision happens only in poll and settle; receive only takes, and emits late spans.
//   An acknowledgement to a holder waits until no trace that is being emitted has a span of that holder left
//   below it: so all emits that it covers are in the ring ahead of it. Late spans are emitted when they are
//   taken, hence before any TAIL behind them is seen. A node is live while its entry's trace is not younger than
//   it; an entry that goes into emission for more than a call, or is given back, is younger than all nodes there are.
//
// Limits. Entries, references, chunks of nodes and verdicts are counted at creation. When entries, references
// or chunks run low, poll decides the oldest traces early, down to decision_wait_min; when they have run out,
// receive takes no more, and the rings and then the holders' walks stand still.
#include "trace/owner_internal.h"

#include <sys/random.h>

#include "base/hash.h"

TR_COUNTERS_DEFINE(owner, TR_OWNER_COUNTERS)

static void table_options_of(const struct tr_owner_options *options, struct tr_table_options *table)
{
    *table = (struct tr_table_options){
        .traces_max = options->traces_max,
        .refs_max = options->refs_max,
        .aside = options->aside,
        .shape = options->shape,
        .numa_node = options->numa_node,
        .prefault = options->prefault,
    };
}

// A node for each trace in each origin, and half as many as traces for the stale ones among them: with equal waits a
// FIFO reaches back one wait, as the table does. For each origin a first and a last chunk that are not full, a last one
// to begin, one to spare, and those begun for age.
static uint32_t chunks_for(const struct tr_owner_options *options)
{
    uint64_t nodes = TR_MIN((uint64_t)options->refs_max, (uint64_t)options->traces_max * options->lcores);

    return (uint32_t)((nodes + options->traces_max / 2) / TR_FIFO_CHUNK_NODES) +
           (4 + (options->traces_max >> 16)) * options->lcores;
}

static uint64_t asked_bytes(uint32_t traces_max)
{
    return ((uint64_t)traces_max + 1) * sizeof(struct tr_asked);
}

static uint32_t shape_spans(const struct tr_owner_options *options)
{
    return options->shape_spans_max ? options->shape_spans_max : TR_SHAPE_SPANS_DEFAULT;
}

uint64_t tr_owner_past_bytes(const struct tr_owner_options *options)
{
    return tr_index_bytes(options->verdicts_max) + tr_memo_bytes(options->memo_max) +
           (uint64_t)options->verdicts_max * sizeof(struct tr_verdict_record) + options->dropped_bytes;
}

uint64_t tr_owner_bytes(const struct tr_owner_options *options)
{
    struct tr_table_options table;

    table_options_of(options, &table);
    return tr_table_bytes(&table) + tr_pool_bytes(chunks_for(options), sizeof(struct tr_fifo_chunk)) +
           tr_owner_past_bytes(options) + sizeof(struct tr_owner) +
           (options->aside & TR_ASIDE_ASKED ? asked_bytes(options->traces_max) : 0) +
           (options->shape ? tr_shapes_bytes(shape_spans(options)) : 0);
}

static int options_check(const struct tr_owner_options *options, struct tr_error *error)
{
    if (options->lcores < 1 || options->lcores > TR_LCORES_MAX || options->lcore >= options->lcores)
        return tr_error_set(error, EINVAL, "owner: lcore %u of %u, at most %u are possible", options->lcore,
                            options->lcores, TR_LCORES_MAX);
    if (options->traces_max < 1 || options->traces_max > (1u << 29))
        return tr_error_set(error, EINVAL, "owner: %u traces are not between 1 and %u", options->traces_max,
                            1u << 29);
    if (options->refs_max < options->traces_max || options->refs_max > (1u << 30))
        return tr_error_set(error, EINVAL, "owner: %u spans are not between the %u traces and %u",
                            options->refs_max, options->traces_max, 1u << 30);
    if (options->dropped_bytes & (options->dropped_bytes - 1) || options->dropped_bytes > 4 * TR_GIB ||
        (options->dropped_bytes && options->dropped_bytes < TR_DROPPED_BYTES_MIN))
        return tr_error_set(error, EINVAL, "owner: %llu bytes for dropped traces are not a power of two from %u to 4 GiB",
                            (unsigned long long)options->dropped_bytes, TR_DROPPED_BYTES_MIN);
    return 0;
}

static void seed_draw(uint64_t from, uint64_t seed[2])
{
    if (!from && getrandom(&from, sizeof(from), GRND_NONBLOCK) != sizeof(from))
        from = (uintptr_t)seed; // at boot, before the kernel has any: the address is random at least
    seed[0] = tr_mix64(from + 1);
    seed[1] = tr_mix64(seed[0] + 1);
}

// Room kept free by deciding early: enough for a turn's new traces, but never most of a small table.
static uint32_t low_mark(uint32_t max)
{
    return TR_MAX(1u, TR_MIN(max / 16, 1024u));
}

int tr_owner_create(struct tr_owner **created, const struct tr_owner_options *options,
                    const struct tr_decider *decider, const struct tr_owner_output *output,
                    struct tr_error *error)
{
    struct tr_ringfile_options file = {.lcore = options->lcore,
                                       .lcores = options->lcores,
                                       .numa_node = options->numa_node,
                                       .prefault = true};
    struct tr_table_options table;
    struct tr_owner *owner;
    int rc = options_check(options, error);

    if (rc < 0)
        return rc;
    owner = tr_pages_map(sizeof(*owner), options->numa_node, true);
    if (!owner)
        return tr_error_set(error, ENOMEM, "owner: no memory");
    owner->decider = *decider;
    owner->output = *output;
    owner->lcore = options->lcore;
    owner->lcores = options->lcores;
    owner->trace_spans_max = options->trace_spans_max ? options->trace_spans_max : UINT32_MAX;
    owner->trace_bytes_max = options->trace_bytes_max ? options->trace_bytes_max : UINT64_MAX;
    owner->waits[0].wait_ns = options->wait_ns;
    owner->wait_min_ns = options->wait_min_ns;
    owner->traces_low = low_mark(options->traces_max);
    owner->refs_low = low_mark(options->refs_max);
    owner->chunks_low = options->lcores;
    table_options_of(options, &table);
    seed_draw(options->hash_seed, table.seed);
    if (tr_table_create(&owner->table, &table) < 0 ||
        (options->shape &&
         tr_shapes_create(&owner->shapes, shape_spans(options), options->numa_node, options->prefault) < 0) ||
        tr_dropped_create(&owner->dropped, options->dropped_bytes, options->numa_node, options->prefault) < 0 ||
        tr_pool_create(&owner->chunks, chunks_for(options), sizeof(struct tr_fifo_chunk),
                       offsetof(struct tr_fifo_chunk, next), options->numa_node, options->prefault) < 0) {
        tr_owner_destroy(owner);
        return tr_error_set(error, ENOMEM, "owner: no memory for %u traces and %u spans (%llu MiB)",
                            options->traces_max, options->refs_max,
                            (unsigned long long)(tr_owner_bytes(options) / TR_MIB));
    }
    owner->numa_node = options->numa_node;
    owner->prefault = options->prefault;
    rc = tr_owner_reserve(owner, options->aside, error);
    if (rc < 0) {
        tr_owner_destroy(owner);
        return rc;
    }
    rc = tr_verdicts_create(&owner->verdicts, options->directory, &file, options->verdicts_max, options->memo_max,
                            error);
    if (rc < 0) {
        tr_owner_destroy(owner);
        return rc;
    }
    *created = owner;
    return 0;
}

int tr_owner_reserve(struct tr_owner *owner, uint32_t aside, struct tr_error *error)
{
    const uint32_t traces = owner->table.entries.items_max;

    if (aside & TR_ASIDE_ASKED && !owner->asked)
        tr_store_release(&owner->asked, tr_pages_map(asked_bytes(traces), owner->numa_node, owner->prefault));
    if ((aside & TR_ASIDE_ASKED && !owner->asked) ||
        tr_table_reserve(&owner->table, aside, owner->numa_node, owner->prefault) < 0)
        return tr_error_set(error, ENOMEM, "owner: no memory for what limits, consistent sampling or more than 64 predicates "
                            "need of %u traces", traces);
    return 0;
}

void tr_owner_destroy(struct tr_owner *owner)
{
    if (!owner)
        return;
    tr_verdicts_destroy(&owner->verdicts);
    tr_pages_unmap(owner->asked, asked_bytes(owner->table.entries.items_max));
    tr_shapes_destroy(&owner->shapes);
    tr_dropped_destroy(&owner->dropped);
    tr_pool_destroy(&owner->chunks);
    tr_table_destroy(&owner->table);
    tr_pages_unmap(owner, sizeof(*owner));
}

struct tr_owner_counters *tr_owner_counters(struct tr_owner *owner)
{
    return &owner->counters;
}

void tr_owner_wait_set(struct tr_owner *owner, uint64_t wait_ns, uint64_t wait_min_ns)
{
    uint32_t nearest = owner->wait;
    uint64_t distance = UINT64_MAX;

    owner->wait_min_ns = wait_min_ns;
    for (uint32_t i = 0; i < TR_WAITS_MAX; i++) {
        struct tr_wait *wait = &owner->waits[i];
        uint64_t d = wait->wait_ns > wait_ns ? wait->wait_ns - wait_ns : wait_ns - wait->wait_ns;

        // A free one is as good as an equal one, but for being free: prefer the equal.
        if (d && !wait->traces)
            d = 1;
        if (d < distance) {
            distance = d;
            nearest = i;
        }
    }
    // With every one in use by another wait (control allows fewer live configs than that), the nearest
    // serves.
    if (!owner->waits[nearest].traces)
        owner->waits[nearest].wait_ns = wait_ns;
    owner->wait = nearest;
}

void tr_owner_wait_root_set(struct tr_owner *owner, uint64_t wait_ns)
{
    owner->wait_root_ns = wait_ns;
}

void tr_owner_counting_set(struct tr_owner *owner)
{
    owner->counting = owner->decider.chance != NULL;
}

void tr_owner_late_set(struct tr_owner *owner, bool reopen, bool at_once)
{
    owner->reopen = reopen;
    owner->at_once = at_once && owner->decider.certain;
}

void tr_owner_epoch_set(struct tr_owner *owner, uint32_t epoch)
{
    owner->epoch = epoch;
    while (owner->epoch_oldest != epoch && !owner->epoch_traces[owner->epoch_oldest % 256])
        owner->epoch_oldest++;
    tr_assert(epoch - owner->epoch_oldest < 256);
}

uint32_t tr_owner_epoch_oldest(const struct tr_owner *owner)
{
    return owner->epoch_oldest;
}

void tr_owner_drain(struct tr_owner *owner, bool discard)
{
    owner->draining = true;
    owner->discarding = discard;
}

bool tr_owner_find_held(const struct tr_owner *owner, const uint8_t id[16], struct tr_trace *trace)
{
    uint32_t number = tr_table_find(&owner->table, tr_table_hash(&owner->table, id), id);

    if (!number || tr_table_entry(&owner->table, number)->flags & TR_ENTRY_DROPPED)
        return false;
    tr_owner_trace_view(owner, number, trace);
    return true;
}

bool tr_owner_find_waiting(const struct tr_owner *owner, const uint8_t id[16],
                           struct tr_owner_waiting *waiting)
{
    uint32_t number = tr_table_find(&owner->table, tr_table_hash(&owner->table, id), id);
    const struct tr_entry *entry = tr_table_entry(&owner->table, number);

    if (!number || entry->flags & TR_ENTRY_DROPPED)
        return false;
    waiting->due_ns = entry->on == TR_ENTRY_ON_ROOTED ? owner->rooted[entry->reason].due_ns
                                                      : entry->first_ns + owner->waits[entry->wait].wait_ns;
    waiting->holders = entry->origins;
    waiting->pending = entry->on == TR_ENTRY_ON_PARKED;
    return true;
}

const struct tr_verdict_record *tr_owner_find_verdict(const struct tr_owner *owner, const uint8_t id[16])
{
    return tr_verdicts_find(&owner->verdicts, tr_table_hash(&owner->table, id), id);
}

bool tr_owner_find_past(const struct tr_owner *owner, const uint8_t id[16], struct tr_past *past)
{
    return tr_owner_past_find(owner, tr_table_hash(&owner->table, id), id, past);
}

uint64_t tr_owner_verdicts_since(const struct tr_owner *owner)
{
    const struct tr_verdict_ring *ring = &owner->verdicts.ring;

    if (ring->file.head == ring->file.tail)
        return 0;
    return tr_verdict_ring_at(ring, ring->file.tail / sizeof(struct tr_verdict_record))->decided_wall_ns;
}

void tr_owner_recount(const struct tr_owner *owner, uint64_t *spans, uint64_t *traces)
{
    *spans = 0;
    *traces = 0;
    for (uint32_t number = 1; number <= owner->table.entries.touched; number++) {
        const struct tr_entry *entry = tr_table_entry(&owner->table, number);
        uint64_t refs = 0;

        if (!entry->spans || entry->on == TR_ENTRY_ON_EMIT || entry->flags & TR_ENTRY_DROPPED)
            continue;
        for (struct tr_ref_cursor at = tr_table_refs_begin(entry); refs < entry->spans; refs++) {
            struct tr_ref ref = tr_block_ref(tr_table_block(&owner->table, at.block), at.ref % TR_BLOCK_REFS);

            tr_assert(entry->origins & 1ull << ref.holder);
            tr_table_refs_next(&owner->table, entry, &at);
        }
        *spans += refs;
        *traces += 1;
    }
}
