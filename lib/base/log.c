// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <time.h>

#include "base/hash.h"

// Rate limits by event name; two names that share a row share its budget.
#define LOG_ROWS 256

static const char *const names[] = {"error", "warn", "info", "debug"};
static enum tr_log_level max_level = TR_LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    time_t second;
    unsigned lines;
    unsigned suppressed;
} rows[LOG_ROWS];

void tr_log_level_set(enum tr_log_level level)
{
    tr_store_relaxed(&max_level, level);
}

enum tr_log_level tr_log_level_get(void)
{
    return tr_load_relaxed(&max_level);
}

int tr_log_level_parse(const char *name, enum tr_log_level *level)
{
    for (size_t i = 0; i < TR_NELEMS(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum tr_log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *tr_log_level_name(enum tr_log_level level)
{
    return names[level];
}

void tr_log(enum tr_log_level level, const char *event, const char *format, ...)
{
    uint64_t row = tr_hash_bytes(event, strlen(event), 0) % LOG_ROWS;
    char stamp[32], body[1024];
    unsigned suppressed = 0;
    struct timespec ts;
    struct tm tm;
    va_list args;

    if (level > tr_log_level_get())
        return;
    va_start(args, format);
    vsnprintf(body, sizeof(body), format, args);
    va_end(args);
    clock_gettime(CLOCK_REALTIME, &ts);
    pthread_mutex_lock(&lock);
    if (rows[row].second != ts.tv_sec) {
        suppressed = rows[row].suppressed;
        rows[row].second = ts.tv_sec;
        rows[row].lines = 0;
        rows[row].suppressed = 0;
    }
    if (rows[row].lines++ >= TR_LOG_BURST) {
        rows[row].suppressed++;
        pthread_mutex_unlock(&lock);
        return;
    }
    gmtime_r(&ts.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(stderr, "%s.%03ldZ level=%s event=%s %s", stamp, ts.tv_nsec / 1000000, names[level], event, body);
    if (suppressed)
        fprintf(stderr, " suppressed=%u", suppressed);
    fputc('\n', stderr);
    pthread_mutex_unlock(&lock);
}
