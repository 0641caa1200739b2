// SPDX-License-Identifier: Apache-2.0
#include "policy/ottl_function_time.h"

TR_OTTL_CONVERTER(tr_ottl_call_duration)
{
    *out = (struct tr_ottl_value){.type = TR_OTTL_DURATION};
    return a->type == TR_OTTL_STRING && tr_ottl_duration_read(a->bytes, a->length, &out->integer);
}

// Whole units and the rest, as Go adds them up.
static bool duration_in(const struct tr_ottl_value *a, int64_t unit, struct tr_ottl_value *out)
{
    *out = (struct tr_ottl_value){.type = TR_OTTL_DOUBLE};
    if (a->type != TR_OTTL_DURATION)
        return false;
    out->number = (double)(a->integer / unit) + (double)(a->integer % unit) / (double)unit;
    return true;
}

static bool duration_whole(const struct tr_ottl_value *a, int64_t unit, struct tr_ottl_value *out)
{
    *out = tr_ottl_int(a->type == TR_OTTL_DURATION ? a->integer / unit : 0);
    return a->type == TR_OTTL_DURATION;
}

static bool unix_in(const struct tr_ottl_value *a, int64_t unit, struct tr_ottl_value *out)
{
    tr_int128 whole;

    if (a->type != TR_OTTL_TIME)
        return false;
    whole = a->time / unit - (a->time % unit < 0);
    *out = tr_ottl_int((int64_t)whole);
    return true;
}

// What differs is the unit, in nanoseconds.
#define IN_UNITS(name_, convert_, unit_)                                                                     \
    TR_OTTL_CONVERTER(tr_ottl_call_##name_)                                                                  \
    {                                                                                                        \
        return convert_(a, unit_, out);                                                                      \
    }

IN_UNITS(hours, duration_in, 3600000000000)
IN_UNITS(minutes, duration_in, 60000000000)
IN_UNITS(seconds, duration_in, 1000000000)
IN_UNITS(milliseconds, duration_whole, 1000000)
IN_UNITS(microseconds, duration_whole, 1000)
IN_UNITS(nanoseconds, duration_whole, 1)
IN_UNITS(unix_nano, unix_in, 1)
IN_UNITS(unix_micro, unix_in, 1000)
IN_UNITS(unix_milli, unix_in, 1000000)
IN_UNITS(unix_seconds, unix_in, 1000000000)

TR_OTTL_CONVERTER(tr_ottl_call_unix_make)
{
    *out = (struct tr_ottl_value){.type = TR_OTTL_TIME};
    if (a[0].type != TR_OTTL_INT || (count > 1 && a[1].type != TR_OTTL_INT))
        return false;
    out->time = (tr_int128)a[0].integer * 1000000000 + (count > 1 ? a[1].integer : 0);
    return true;
}
