// SPDX-License-Identifier: Apache-2.0
#ifndef TR_POLICY_TYPES_H
#define TR_POLICY_TYPES_H

#include "policy/policy_type.h"
#include "policy/predicate_types.h"

extern const struct tr_policy_type tr_policy_always_sample, tr_policy_and, tr_policy_boolean_attribute, tr_policy_drop,
    tr_policy_latency, tr_policy_not, tr_policy_numeric_attribute, tr_policy_probabilistic, tr_policy_span_count,
    tr_policy_status_code, tr_policy_string_attribute, tr_policy_trace_flags, tr_policy_trace_state,
    tr_policy_ottl_condition, tr_policy_rules, tr_policy_rate_limiting, tr_policy_bytes_limiting, tr_policy_composite,
    tr_policy_ema_dynamic, tr_policy_ema_throughput;

// On the shape of the trace.
extern const struct tr_policy_type tr_policy_n_plus_one, tr_policy_retry_storm, tr_policy_pool_wait, tr_policy_cross_zone,
    tr_policy_dominant_span, tr_policy_gap;

#endif
