// SPDX-License-Identifier: Apache-2.0
// The arguments of a net_af_xdp device, and where the program's file is.
#include "port/xdp.h"

#include <libgen.h>
#include <limits.h>
#include <unistd.h>

#define DRIVER "net_af_xdp"
#define FILE_NAME "xdp_filter.bpf.o"

// The value of a devarg: "iface=eth0" -> "eth0" and its length. NULL: it isn't there.
static const char *argument_find(const char *device, const char *key, size_t *bytes)
{
    size_t key_bytes = strlen(key);
    const char *at;

    for (at = strchr(device, ','); at; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, key, key_bytes) == 0 && at[key_bytes] == '=') {
            at += key_bytes + 1;
            *bytes = strcspn(at, ",");
            return at;
        }
    }
    return NULL;
}

// "net_af_xdp", "net_af_xdp0", "net_af_xdp_wan"; the name ends at the first comma.
static bool device_is_af_xdp(const char *device)
{
    return strncmp(device, DRIVER, strlen(DRIVER)) == 0;
}

int tr_xdp_device_complete(const char *device, char interface[IF_NAMESIZE], char *completed, size_t size,
                           struct tr_error *error)
{
    char path[PATH_MAX];
    const char *value;
    size_t bytes;
    int n, rc;

    interface[0] = '\0';
    n = snprintf(completed, size, "%s", device);
    if (n < 0 || (size_t)n >= size)
        return tr_error_set(error, EINVAL, "%.40s...: longer than %zu bytes", device, size - 1);
    if (!device_is_af_xdp(device) || argument_find(device, "xdp_prog", &bytes))
        return 0;
    value = argument_find(device, "iface", &bytes);
    if (!value || !bytes)
        return tr_error_set(error, EINVAL, "%s: no iface=INTERFACE", device);
    if (bytes >= IF_NAMESIZE)
        return tr_error_set(error, EINVAL, "%s: the interface's name is longer than %d bytes", device, IF_NAMESIZE - 1);
    rc = tr_xdp_program_find(path, sizeof(path), error);
    if (rc < 0)
        return rc;
    n = snprintf(completed, size, "%s,xdp_prog=%s", device, path);
    if (n < 0 || (size_t)n >= size)
        return tr_error_set(error, EINVAL, "%s: with %s longer than %zu bytes", device, path, size - 1);
    memcpy(interface, value, bytes);
    interface[bytes] = '\0';
    return 1;
}

int tr_xdp_program_find(char *path, size_t size, struct tr_error *error)
{
    static const char *const places[] = {"../lib/port/" FILE_NAME, "../libexec/tailrace/" FILE_NAME};
    const char *chosen = getenv("TAILRACE_XDP_PROGRAM");
    char executable[PATH_MAX], *folder;
    ssize_t n;

    if (chosen) {
        snprintf(path, size, "%s", chosen);
        if (access(path, R_OK) == 0)
            return 0;
        return tr_error_set(error, ENOENT, "TAILRACE_XDP_PROGRAM: %s: %s", chosen, strerror(errno));
    }
    n = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
    if (n < 0)
        return tr_error_set(error, ENOENT, "/proc/self/exe: %s", strerror(errno));
    executable[n] = '\0';
    folder = dirname(executable);
    for (size_t i = 0; i < TR_NELEMS(places); i++) {
        if ((size_t)snprintf(path, size, "%s/%s", folder, places[i]) < size && access(path, R_OK) == 0)
            return 0;
    }
    return tr_error_set(error, ENOENT, "no XDP program: no %s/%s, no %s/%s; TAILRACE_XDP_PROGRAM names another", folder,
                        places[0], folder, places[1]);
}
