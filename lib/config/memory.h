// SPDX-License-Identifier: Apache-2.0
// How much memory there is to take, for sizes that say "auto": of the machine, of the control groups around
// this process (v1 and v2), of the file system that the rings lie in.
//
// root  put before every path that is read: "" in production, a folder in tests
// Thread: control path.
#ifndef TR_CONFIG_MEMORY_H
#define TR_CONFIG_MEMORY_H

#include "base/error.h"

struct tr_memory {
    uint64_t total_bytes;     // of the machine, or the lowest limit around this process
    uint64_t available_bytes; // of that, what can be taken without swapping; page cache counts as free
    char limit[128]; // what sets available_bytes: "the machine", "cgroup /system.slice/tailraced.service"
};

// Returns 0, -errno: there is no /proc/meminfo.
int tr_memory_read(const char *root, struct tr_memory *memory, struct tr_error *error);

enum tr_filesystem_kind { TR_FILESYSTEM_DISK, TR_FILESYSTEM_TMPFS, TR_FILESYSTEM_HUGETLBFS };

struct tr_filesystem {
    enum tr_filesystem_kind kind;
    uint64_t total_bytes;
    uint64_t free_bytes; // for us; UINT64_MAX: a tmpfs without a size
    uint64_t page_bytes; // HUGETLBFS: files are multiples of it
};

// Of the file system of a path, or of the nearest folder above it that exists.
//
// Returns 0, -errno: the error names the path.
int tr_filesystem_read(const char *root, const char *path, struct tr_filesystem *filesystem,
                       struct tr_error *error);

// How much may be put into files there: on a tmpfs it is both memory and room; huge pages are set aside
// already.
uint64_t tr_memory_room(const struct tr_memory *memory, const struct tr_filesystem *filesystem);

#endif
