// SPDX-License-Identifier: Apache-2.0
// Converters of times and durations, for the table of all of them. Used within policy/.
#ifndef TR_POLICY_OTTL_FUNCTION_TIME_H
#define TR_POLICY_OTTL_FUNCTION_TIME_H

#include "policy/ottl_program.h"

// As struct tr_ottl_function has them.
#define TR_OTTL_CONVERTER(name_)                                                                             \
    bool name_(struct tr_ottl_run *run, const struct tr_ottl_value *a, unsigned count, struct tr_ottl_value *out)

TR_OTTL_CONVERTER(tr_ottl_call_duration);
TR_OTTL_CONVERTER(tr_ottl_call_hours);
TR_OTTL_CONVERTER(tr_ottl_call_minutes);
TR_OTTL_CONVERTER(tr_ottl_call_seconds);
TR_OTTL_CONVERTER(tr_ottl_call_milliseconds);
TR_OTTL_CONVERTER(tr_ottl_call_microseconds);
TR_OTTL_CONVERTER(tr_ottl_call_nanoseconds);
TR_OTTL_CONVERTER(tr_ottl_call_unix_nano);
TR_OTTL_CONVERTER(tr_ottl_call_unix_micro);
TR_OTTL_CONVERTER(tr_ottl_call_unix_milli);
TR_OTTL_CONVERTER(tr_ottl_call_unix_seconds);
TR_OTTL_CONVERTER(tr_ottl_call_unix_make);

#endif
