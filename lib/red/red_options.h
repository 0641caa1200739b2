// SPDX-License-Identifier: Apache-2.0
// The `span_metrics` block: the options of the Collector's span_metrics connector by its own names, so that one's block
// can be pasted; and one of ours, series_max.
#ifndef TR_RED_RED_OPTIONS_H
#define TR_RED_RED_OPTIONS_H

#include "config/option.h"

struct tr_red_dimension_options {
    const char *name;
    const char *initial; // NULL: none
    const char *glob;
};

struct tr_red_explicit_options {
    struct tr_strings buckets; // durations
};

struct tr_red_exponential_options {
    uint64_t max_size;
};

struct tr_red_histogram_options {
    bool disable;
    int unit; // enum tr_red_unit
    struct tr_red_explicit_options *explicit_buckets; // NULL: not given
    struct tr_red_exponential_options *exponential;   // same
    struct tr_list dimensions;                        // of struct tr_red_dimension_options
};

struct tr_red_exemplars_options {
    bool enabled;
    uint64_t max_per_data_point;
};

struct tr_red_events_options {
    bool enabled;
    struct tr_list dimensions;
};

struct tr_red_options {
    struct tr_red_histogram_options histogram;
    struct tr_list dimensions;
    struct tr_list calls_dimensions;
    struct tr_strings exclude_dimensions;
    uint64_t dimensions_cache_size;
    uint64_t resource_metrics_cache_size;
    struct tr_strings resource_metrics_key_attributes;
    int temporality; // enum tr_red_temporality
    const char *namespace;
    uint64_t flush_ns;
    uint64_t metrics_expiration_ns, series_expiration_ns; // 0: never
    uint64_t timestamp_cache_size;
    struct tr_red_exemplars_options exemplars;
    struct tr_red_events_options events;
    struct tr_strings include_instrumentation_scope;
    uint64_t cardinality_limit; // of a resource; 0: none but series_max
    bool add_resource_attributes;
    bool sampling_method;
    uint64_t series_max; // ours: of an lcore
};
extern const struct tr_option_table tr_red_option_table;

enum tr_red_unit { TR_RED_MS, TR_RED_S };
enum tr_red_temporality { TR_RED_CUMULATIVE, TR_RED_DELTA };

#define TR_RED_DIMENSIONS_MAX 32
#define TR_RED_BOUNDS_MAX     256
#define TR_RED_KEY_ATTRIBUTES_MAX 64

#endif
