// SPDX-License-Identifier: Apache-2.0
// Rates from looks at counters: of the flow and of each lcore's busy time, over the last ten seconds.
//
// Thread: control (under its lock).
#ifndef TR_CONTROL_RATES_H
#define TR_CONTROL_RATES_H

#include "control/control.h"

#define TR_RATES_LOOKS 11

struct tr_rates {
    struct tr_rates_look {
        uint64_t now;
        uint64_t flow[TR_CONTROL_FLOWS];
        uint64_t busy_ns[TR_LCORES_MAX];
    } looks[TR_RATES_LOOKS];
    uint64_t count; // looks taken since start
};

struct tr_rates_view {
    uint64_t window_ns;                  // 0: fewer than two looks, everything else is 0
    double flow_per_s[TR_CONTROL_FLOWS]; // as in struct tr_control_flow
    double busy[TR_LCORES_MAX];          // 0 to 1
};

// Take a look: about once a second. `now` never goes back; a second look at the same time replaces the first.
void tr_rates_look(struct tr_rates *rates, const struct tr_control_status *status, uint64_t now);

void tr_rates_view(const struct tr_rates *rates, struct tr_rates_view *view);

#endif
