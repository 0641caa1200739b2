// SPDX-License-Identifier: Apache-2.0
// file: a line of OTLP JSON for each batch, as the Collector's file exporter writes and its otlpjsonfile receiver
// reads. Whole lines only; a full disk is tried again.
#include "backend/backend_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/request.h"
#include "otlp/json.h"

static int reopen(struct tr_backend *backend, struct tr_error *error)
{
    struct stat stat;

    backend->fd = open(backend->options.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (backend->fd < 0)
        return tr_error_set(error, errno, "path: %s: %s", backend->options.path, strerror(errno));
    backend->file_bytes = fstat(backend->fd, &stat) == 0 ? (uint64_t)stat.st_size : 0;
    return 0;
}

static int file_open(struct tr_backend *backend, struct tr_error *error)
{
    return reopen(backend, error);
}

static void file_close(struct tr_backend *backend)
{
    if (backend->fd >= 0)
        close(backend->fd);
    backend->fd = -1;
}

static void rotate(struct tr_backend *backend)
{
    char old[PATH_MAX];

    if (!backend->options.rotate_bytes || backend->file_bytes < backend->options.rotate_bytes)
        return;
    snprintf(old, sizeof(old), "%s.1", backend->options.path);
    if (rename(backend->options.path, old) == 0) {
        file_close(backend);
        reopen(backend, NULL);
    }
}

static bool line_write(struct tr_backend *backend, const char *text, size_t bytes)
{
    off_t begin = lseek(backend->fd, 0, SEEK_END);
    size_t done = 0;

    while (done < bytes) {
        ssize_t wrote = write(backend->fd, text + done, bytes - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            int error = errno;

            if (ftruncate(backend->fd, begin) < 0) // half a line is worse than none
                error = errno;
            errno = error;
            return false;
        }
        done += (size_t)wrote;
    }
    backend->file_bytes += bytes;
    return true;
}

static void file_send(struct tr_backend *backend, struct batch *batch)
{
    size_t bytes;
    char *text;

    if (batch->signal != TR_SIGNAL_TRACES) {
        backend_finished(backend, batch, OUTCOME_REJECTED, 0, "a file takes traces only");
        return;
    }
    tr_count(&backend->counters.requests, 1);
    rotate(backend);
    text = tr_json_out(batch->plain, batch->plain_bytes, &bytes);
    if (!text) {
        backend_finished(backend, batch, OUTCOME_REJECTED, 0, "a span that cannot be read");
        return;
    }
    text[bytes] = '\n'; // where the NUL was
    if (backend->fd >= 0 && line_write(backend, text, bytes + 1))
        backend_finished(backend, batch, OUTCOME_DELIVERED, 0, "");
    else
        backend_finished(backend, batch, OUTCOME_RETRY, 0, strerror(errno));
    free(text);
}

const struct tr_backend_kind tr_backend_file = {"file", file_open, file_close, file_send};
