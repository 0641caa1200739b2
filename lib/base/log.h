// SPDX-License-Identifier: Apache-2.0
// Structured log lines on stderr: time, level, event, key=value fields.
//
//   tr_log(TR_LOG_WARN, "backend.unreachable", "backend=%s error=\"%s\"", name, text);
//
// Thread: any but a data lcore, which counts instead and lets the control thread speak.
#ifndef TR_BASE_LOG_H
#define TR_BASE_LOG_H

#include "base/tr.h"

enum tr_log_level { TR_LOG_ERROR, TR_LOG_WARN, TR_LOG_INFO, TR_LOG_DEBUG };

// At most TR_LOG_BURST lines an event name and second are written; the next second's first line says how
// many were left out (suppressed=N).
#define TR_LOG_BURST 10

void tr_log(enum tr_log_level level, const char *event, const char *format, ...) tr_printf(3, 4);
void tr_log_level_set(enum tr_log_level level);
enum tr_log_level tr_log_level_get(void);

// Returns 0, or -EINVAL: not one of error, warn, info, debug.
int tr_log_level_parse(const char *name, enum tr_log_level *level);
const char *tr_log_level_name(enum tr_log_level level);

#endif
