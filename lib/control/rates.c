// SPDX-License-Identifier: Apache-2.0
#include "control/rates.h"

void tr_rates_look(struct tr_rates *rates, const struct tr_control_status *status, uint64_t now)
{
    struct tr_rates_look *look;

    if (!rates->count || rates->looks[(rates->count - 1) % TR_RATES_LOOKS].now != now)
        rates->count++;
    look = &rates->looks[(rates->count - 1) % TR_RATES_LOOKS];
    memset(look, 0, sizeof(*look));
    look->now = now;
    memcpy(look->flow, &status->flow, sizeof(look->flow));
    for (uint32_t i = 0; i < status->lcores_count; i++)
        look->busy_ns[i] = status->lcores[i].busy_ns;
}

void tr_rates_view(const struct tr_rates *rates, struct tr_rates_view *view)
{
    const struct tr_rates_look *first, *last;
    double window_s;

    memset(view, 0, sizeof(*view));
    if (rates->count < 2)
        return;
    last = &rates->looks[(rates->count - 1) % TR_RATES_LOOKS];
    first = &rates->looks[rates->count > TR_RATES_LOOKS ? rates->count % TR_RATES_LOOKS : 0];
    view->window_ns = last->now - first->now;
    window_s = (double)view->window_ns / (double)TR_S;
    // A backend taken out of the config takes its count along: a sum may go back, a rate is never negative.
    for (size_t i = 0; i < TR_CONTROL_FLOWS; i++) {
        if (last->flow[i] > first->flow[i])
            view->flow_per_s[i] = (double)(last->flow[i] - first->flow[i]) / window_s;
    }
    for (size_t i = 0; i < TR_LCORES_MAX; i++) {
        if (last->busy_ns[i] > first->busy_ns[i])
            view->busy[i] =
                TR_MIN((double)(last->busy_ns[i] - first->busy_ns[i]) / (double)view->window_ns, 1.0);
    }
}
