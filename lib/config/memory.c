// SPDX-License-Identifier: Apache-2.0
// Control groups nest, and each limit on the way up holds: what is available is the least of (limit - used +
// page cache) over all of them. /proc/self/cgroup says where this process is. Inside a container the path may
// be one of the host's that can't be seen here; then the walk finds the container's own group at the mount's
// root. Source: the kernel's admin-guide/cgroup-v2.rst (memory) and cgroup-v1/memory.rst.
#include "config/memory.h"

#include <limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>

// Names of one version's files.
struct group_files {
    const char *mounts[2]; // where it is, in the order of trying
    const char *limits[2]; // the lesser one holds
    const char *used;
    const char *cache[2]; // in memory.stat: page cache, which does not hold shared memory
};

static const struct group_files v2 = {
    .mounts = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"},
    .limits = {"memory.max", "memory.high"},
    .used = "memory.current",
    .cache = {"inactive_file", "active_file"},
};
static const struct group_files v1 = {
    .mounts = {"/sys/fs/cgroup/memory"},
    .limits = {"memory.limit_in_bytes"},
    .used = "memory.usage_in_bytes",
    .cache = {"total_inactive_file", "total_active_file"},
};

static FILE *file_open(const char *root, const char *folder, const char *group, const char *name)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s%s%s/%s", root, folder, group, name) >= (int)sizeof(path))
        return NULL;
    return fopen(path, "re");
}

// The number in a file of one line. Returns false: no such file, or no number ("max").
static bool number_read(const char *root, const char *folder, const char *group, const char *name,
                        uint64_t *value)
{
    FILE *file = name ? file_open(root, folder, group, name) : NULL;
    unsigned long long number;
    bool read;

    if (!file)
        return false;
    read = fscanf(file, "%llu", &number) == 1;
    fclose(file);
    if (read)
        *value = number;
    return read;
}

// The sum of two rows ("name value") of memory.stat.
static uint64_t cache_read(const char *root, const char *folder, const char *group,
                           const struct group_files *files)
{
    FILE *file = file_open(root, folder, group, "memory.stat");
    unsigned long long value;
    uint64_t sum = 0;
    char name[64];

    if (!file)
        return 0;
    while (fscanf(file, "%63s %llu", name, &value) == 2)
        if (strcmp(name, files->cache[0]) == 0 || strcmp(name, files->cache[1]) == 0)
            sum += value;
    fclose(file);
    return sum;
}

static void limit_apply(const char *root, const char *mount, const char *group,
                        const struct group_files *files, struct tr_memory *memory)
{
    uint64_t limit = UINT64_MAX, used = 0, cache, value, available;

    for (size_t i = 0; i < TR_NELEMS(files->limits); i++)
        if (number_read(root, mount, group, files->limits[i], &value))
            limit = TR_MIN(limit, value);
    if (limit == UINT64_MAX)
        return;
    number_read(root, mount, group, files->used, &used);
    cache = TR_MIN(cache_read(root, mount, group, files), used);
    used -= cache;
    available = limit > used ? limit - used : 0;
    memory->total_bytes = TR_MIN(memory->total_bytes, limit);
    if (available < memory->available_bytes) {
        memory->available_bytes = available;
        snprintf(memory->limit, sizeof(memory->limit), "cgroup %.100s", *group ? group : "/");
    }
}

// From the group itself up to the root of the hierarchy.
static void groups_apply(const char *root, char *group, const struct group_files *files,
                         struct tr_memory *memory)
{
    if (strstr(group, "..") || strcmp(group, "/") == 0) // ".." leads out of what is mounted here
        group[0] = 0;
    for (;;) {
        char *slash;

        for (size_t i = 0; i < TR_NELEMS(files->mounts) && files->mounts[i]; i++)
            limit_apply(root, files->mounts[i], group, files, memory);
        slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = 0;
    }
}

// Whether "memory" is in a list such as "cpu,memory".
static bool controls_memory(const char *controllers)
{
    for (const char *p = controllers; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, "memory", 6) == 0 && (p[6] == ',' || !p[6]))
            return true;
    }
    return false;
}

// Lines are "hierarchy:controllers:group"; v2 has no controllers there.
static void cgroups_read(const char *root, struct tr_memory *memory)
{
    FILE *file = file_open(root, "/proc", "/self", "cgroup");
    char line[PATH_MAX];

    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!group)
            continue;
        *controllers++ = 0;
        *group++ = 0;
        group[strcspn(group, "\n")] = 0;
        if (!*controllers)
            groups_apply(root, group, &v2, memory);
        else if (controls_memory(controllers))
            groups_apply(root, group, &v1, memory);
    }
    fclose(file);
}

int tr_memory_read(const char *root, struct tr_memory *memory, struct tr_error *error)
{
    FILE *file = file_open(root, "/proc", "", "meminfo");
    unsigned long long kib;
    char line[256];

    if (!file)
        return tr_error_set(error, errno, "%s/proc/meminfo: %s", root, strerror(errno));
    *memory = (struct tr_memory){.limit = "the machine"};
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
            memory->total_bytes = kib * TR_KIB;
        else if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            memory->available_bytes = kib * TR_KIB;
    }
    fclose(file);
    if (!memory->total_bytes)
        return tr_error_set(error, EINVAL, "%s/proc/meminfo: has no MemTotal", root);
    cgroups_read(root, memory);
    return 0;
}

// A hugetlbfs without a bound of its own has what the pool of its page size has: free pages that nobody has reserved.
static uint64_t huge_pages_free(const char *root, uint64_t page_bytes)
{
    uint64_t free_pages = 0, reserved = 0;
    char pool[64];

    snprintf(pool, sizeof(pool), "/hugepages-%llukB", (unsigned long long)(page_bytes / TR_KIB));
    number_read(root, "/sys/kernel/mm/hugepages", pool, "free_hugepages", &free_pages);
    number_read(root, "/sys/kernel/mm/hugepages", pool, "resv_hugepages", &reserved);
    return free_pages > reserved ? (free_pages - reserved) * page_bytes : 0;
}

int tr_filesystem_read(const char *root, const char *path, struct tr_filesystem *filesystem,
                       struct tr_error *error)
{
    char at[PATH_MAX];
    struct statfs fs;
    char *slash;

    if (snprintf(at, sizeof(at), "%s%s", root, path) >= (int)sizeof(at))
        return tr_error_set(error, ENAMETOOLONG, "%.64s...: %s", path, strerror(ENAMETOOLONG));
    while (statfs(at, &fs) != 0) {
        if (errno != ENOENT)
            return tr_error_set(error, errno, "%s: %s", at, strerror(errno));
        slash = strrchr(at, '/');
        if (!slash && strcmp(at, ".") == 0)
            return tr_error_set(error, ENOENT, "%s: %s", path, strerror(ENOENT));
        if (slash == at)
            strcpy(at, "/");
        else if (slash)
            *slash = 0;
        else
            strcpy(at, ".");
    }
    *filesystem = (struct tr_filesystem){
        .kind = fs.f_type == TMPFS_MAGIC       ? TR_FILESYSTEM_TMPFS
                : fs.f_type == HUGETLBFS_MAGIC ? TR_FILESYSTEM_HUGETLBFS
                                               : TR_FILESYSTEM_DISK,
        .total_bytes = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize,
        .free_bytes = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize,
        .page_bytes = (uint64_t)fs.f_bsize,
    };
    if (filesystem->kind == TR_FILESYSTEM_TMPFS && fs.f_blocks == 0)
        filesystem->free_bytes = UINT64_MAX;
    if (filesystem->kind == TR_FILESYSTEM_HUGETLBFS && fs.f_blocks == 0)
        filesystem->free_bytes = huge_pages_free(root, filesystem->page_bytes);
    return 0;
}

uint64_t tr_memory_room(const struct tr_memory *memory, const struct tr_filesystem *filesystem)
{
    if (filesystem->kind == TR_FILESYSTEM_TMPFS)
        return TR_MIN(memory->available_bytes, filesystem->free_bytes);
    return filesystem->free_bytes;
}
