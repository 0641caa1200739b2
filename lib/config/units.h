// SPDX-License-Identifier: Apache-2.0
// Durations and sizes as people write them: "1h30m", "250ms", "64MiB", "1GB". For options and command lines
// alike.
#ifndef TR_CONFIG_UNITS_H
#define TR_CONFIG_UNITS_H

#include "base/tr.h"

#define TR_UNITS_BYTES 48 // enough for whatever the format functions write

// "10s", "1.5h", "1h30m", "250ms", "100us", "5ns", "0": the notation of Go, without a sign.
//
// Returns 0, -EINVAL (not a duration, or a number without its unit), -ERANGE (over 584 years).
int tr_duration_parse(const char *text, uint64_t *ns);

// The shortest such text that parses back to the same number: "1h30m", "1s500ms", "0s".
void tr_duration_format(char text[TR_UNITS_BYTES], uint64_t ns);

// "512", "512B", "64KiB", "1.5GiB", "64MB": KiB, MiB, GiB and TiB count in 1024, KB, MB, GB and TB in 1000.
//
// Returns 0, -EINVAL (not a size), -ERANGE (16 EiB or more).
int tr_size_parse(const char *text, uint64_t *bytes);

// In the largest unit that divides it: "64MiB", "1500".
void tr_size_format(char text[TR_UNITS_BYTES], uint64_t bytes);

#endif
