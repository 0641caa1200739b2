// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "control/state.h"

int tr_control_file_read(const char *path, size_t bytes_max, char **text, size_t *bytes)
{
    // Not to wait for a writer, should it be a FIFO.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    size_t used = 0;
    ssize_t n = 1;
    char *to;

    if (fd < 0)
        return -errno;
    to = malloc(bytes_max + 2);
    if (!to)
        rc = -ENOMEM;
    while (!rc && n && used <= bytes_max) {
        n = read(fd, to + used, bytes_max + 1 - used);
        if (n < 0 && errno != EINTR)
            rc = -errno;
        used += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (!rc && used > bytes_max)
        rc = -EFBIG;
    if (rc) {
        free(to);
        return rc;
    }
    to[used] = '\0';
    *text = to;
    *bytes = used;
    return 0;
}

static void fingerprint(const char *text, size_t bytes, char to[40])
{
    XXH128_hash_t hash = XXH3_128bits(text, bytes);

    snprintf(to, 40, "xxh128:%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void tr_drift_find(const char *path, const char *running, struct tr_drift_view *view)
{
    size_t bytes;
    char *text;
    int rc;

    memset(view, 0, sizeof(*view));
    fingerprint(running, strlen(running), view->running);
    rc = tr_control_file_read(path, TR_CONTROL_BODY_BYTES_MAX, &text, &bytes);
    if (rc) {
        view->drift = rc == -ENOENT ? TR_DRIFT_MISSING : TR_DRIFT_UNREADABLE;
        return;
    }
    fingerprint(text, bytes, view->file);
    view->drift =
        bytes == strlen(running) && memcmp(text, running, bytes) == 0 ? TR_DRIFT_NONE : TR_DRIFT_CHANGED;
    free(text);
}
