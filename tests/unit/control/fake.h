// SPDX-License-Identifier: Apache-2.0
// A daemon that is none: a few numbers, and a config of `key: value` lines. A line that begins with "bad" is
// an error, a key that begins with "restart" is not live.
#ifndef TESTS_CONTROL_FAKE_H
#define TESTS_CONTROL_FAKE_H

#include "control/control.h"

struct fake {
    struct tr_control_daemon daemon;
    char *text;
    unsigned epoch;
    unsigned applies; // that were asked for
    bool refuse_apply;
    bool unbalanced;
    bool stuck; // the lcores do not stop
    bool hold;  // an audit takes as long as this is set
    bool holding;
    bool not_ready;
    const char *config_path;
    uint64_t started_ns;
};

void fake_init(struct fake *fake, const char *text, const char *config_path);
void fake_fini(struct fake *fake);

#endif
