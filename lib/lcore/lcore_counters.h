// SPDX-License-Identifier: Apache-2.0
#ifndef TR_LCORE_LCORE_COUNTERS_H
#define TR_LCORE_LCORE_COUNTERS_H

#include "base/counter.h"

#define TR_REJECTED "rejected_spans_total"
#define TR_REJECTED_HELP "Spans that the client was told are not accepted."
#define TR_REFUSED "refused_requests_total"
#define TR_REFUSED_HELP "Export requests refused, by reason."

#define TR_LCORE_COUNTERS(X)                                                                                 \
    X(turns, COUNTER, "lcore_turns_total", "", "Turns of the lcore's loop.")                                 \
    X(turns_busy, COUNTER, "lcore_turns_busy_total", "", "Turns that found something to do.")                \
    X(busy_ns, COUNTER, "lcore_busy_seconds_total", "", "Time spent in turns that found something to do.") \
    X(sleep_ns, COUNTER, "lcore_sleep_seconds_total", "", "Time spent asleep.")                          \
    X(wakeups, COUNTER, "lcore_wakeups_total", "", "Sleeps that ended because a peer or a socket woke it.")  \
    X(requests_taken, COUNTER, "requests_accepted_total", "", "Export requests whose spans were accepted.")  \
    X(requests_empty, COUNTER, "requests_empty_total", "", "Export requests without spans.")                 \
    X(committed, COUNTER, "journal_spans_committed_total", "",                                               \
      "Spans whose frame was checked and whose body is in the journal.")                                     \
    X(committed_bytes, COUNTER, "journal_bytes_committed_total", "", "Bytes of bodies in the journal.")      \
    X(not_walked, GAUGE, "not_walked_spans", "", "Spans in the journal that the walk has not reached.")      \
    X(walked, COUNTER, "walked_spans_total", "", "Spans walked and found good.")                             \
    X(rejected_malformed, COUNTER, TR_REJECTED, "reason=\"malformed_span\"", TR_REJECTED_HELP)               \
    X(rejected_trace_id, COUNTER, TR_REJECTED, "reason=\"invalid_trace_id\"", TR_REJECTED_HELP)              \
    X(rejected_span_id, COUNTER, TR_REJECTED, "reason=\"invalid_span_id\"", TR_REJECTED_HELP)                \
    X(rejected_too_large, COUNTER, TR_REJECTED, "reason=\"span_too_large\"", TR_REJECTED_HELP)               \
    X(refused_malformed, COUNTER, TR_REFUSED, "reason=\"malformed\"", TR_REFUSED_HELP)                       \
    X(refused_encoding, COUNTER, TR_REFUSED, "reason=\"bad_encoding\"", TR_REFUSED_HELP)                     \
    X(refused_too_large, COUNTER, TR_REFUSED, "reason=\"too_large\"", TR_REFUSED_HELP)                       \
    X(refused_contexts, COUNTER, TR_REFUSED, "reason=\"too_many_scopes\"", TR_REFUSED_HELP)                  \
    X(refused_pressure, COUNTER, TR_REFUSED, "reason=\"pressure\"", TR_REFUSED_HELP)                         \
    X(refused_draining, COUNTER, TR_REFUSED, "reason=\"draining\"", TR_REFUSED_HELP)                         \
    X(refused_signal, COUNTER, TR_REFUSED, "reason=\"signal\"", TR_REFUSED_HELP)                             \
    X(refused_late, COUNTER, TR_REFUSED, "reason=\"deadline\"", TR_REFUSED_HELP)                             \
    X(opaque_forwarded, COUNTER, "opaque_bodies_total", "fate=\"forwarded\"", "Bodies of metrics and logs.") \
    X(opaque_accepted, COUNTER, "opaque_bodies_total", "fate=\"accepted\"", "Bodies of metrics and logs.")   \
    X(sent, COUNTER, "summaries_sent_total", "", "Summaries that went on their way to an owner.")            \
    X(class1_full, COUNTER, "ring_full_total", "class=\"1\"", "Turns in which a full ring stopped the walk.") \
    X(class2_full, COUNTER, "ring_full_total", "class=\"2\"", "Turns in which a full ring stopped an owner.") \
    X(tail_requests, COUNTER, "tail_requests_total", "", "Times that owners were asked to let a part of the journal go.") \
    X(journal_bytes, GAUGE, "journal_bytes", "", "Size of the journal.")                                     \
    X(journal_free, GAUGE, "journal_free_bytes", "", "What of it holds nothing.")                            \
    X(horizon_ns, GAUGE, "lcore_horizon_seconds", "", "How far back the journal reaches.")                     \
    X(horizon_shortest_ns, GAUGE, "lcore_horizon_shortest_seconds", "",                                        \
      "How far back it reached where it was shortest, since the start; 0: no part of it was let go yet.")      \
    X(emitted, COUNTER, "emitted_spans_total", "", "Spans copied to the outbox.")                            \
    X(emit_stale, COUNTER, "emit_spans_lost_total", "reason=\"journal\"",                                    \
      "Spans of kept traces that were not in the journal any more.")                                         \
    X(emit_gone, COUNTER, "emit_spans_lost_total", "reason=\"reopened\"",                                    \
      "Spans of reopened traces that were not in the journal any more.")                                     \
    X(emit_too_large, COUNTER, "emit_spans_lost_total", "reason=\"too_large\"",                              \
      "Spans of kept traces that an outbox entry can't hold.")                                               \
    X(attributes_dropped, COUNTER, "attributes_total", "action=\"drop\"", "Attributes that a rule touched.") \
    X(attributes_demoted, COUNTER, "attributes_total", "action=\"demote\"", "Attributes that a rule touched.") \
    X(attributes_added, COUNTER, "attributes_total", "action=\"add\"", "Attributes that a rule touched.")       \
    X(trace_state_malformed, COUNTER, "trace_states_total", "what=\"malformed\"",                              \
      "Kept spans whose trace_state was left as it is, or says what can't be, while adjusted counts are on.")  \
    X(trace_state_inconsistent, COUNTER, "trace_states_total", "what=\"inconsistent\"",                        \
      "Kept spans whose trace_state was left as it is, or says what can't be, while adjusted counts are on.")  \
    X(epoch, GAUGE, "config_epoch", "", "Number of the config that the lcore walks under.")
TR_COUNTERS_DECLARE(lcore, TR_LCORE_COUNTERS)

#endif
