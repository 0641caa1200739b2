// SPDX-License-Identifier: Apache-2.0
// Lists of CPUs as people write them: "1-7,9".
#ifndef TR_CONFIG_CPUS_H
#define TR_CONFIG_CPUS_H

#include <sched.h>

#include "base/error.h"

#define TR_CPUS_TEXT_BYTES 512 // longer lists are cut by the format function

// Numbers and ranges, parted by commas; blanks around them are passed over.
//
// Returns 0, -EINVAL: the error quotes the list and says what is wrong in it, for the caller to put the path
// before.
int tr_cpus_parse(const char *text, cpu_set_t *cpus, struct tr_error *error);

// The shortest such list. "": none.
void tr_cpus_format(const cpu_set_t *cpus, char text[TR_CPUS_TEXT_BYTES]);

// The CPUs that this process may run on, which is what "auto" follows. Thread: start-up, before any is
// pinned.
int tr_cpus_affinity(cpu_set_t *cpus, struct tr_error *error);

// Returns 0, -EINVAL: the error names the CPUs that are not allowed, and those that are.
int tr_cpus_check(const cpu_set_t *cpus, const cpu_set_t *allowed, struct tr_error *error);

#endif
