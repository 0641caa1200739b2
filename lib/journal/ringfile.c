// SPDX-License-Identifier: Apache-2.0
#include "journal/ringfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <numaif.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"

#define HUGETLBFS_MAGIC 0x958458f6
#define HUGE_BYTES      (2 * TR_MIB)

// A header page on hugetlbfs is a huge page: data follows at the file's next page boundary.
static uint64_t header_bytes_of(int fd, uint64_t *page_bytes)
{
    struct statfs fs;

    *page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
        *page_bytes = (uint64_t)fs.f_bsize;
    return TR_ALIGN_UP((uint64_t)TR_RINGFILE_HEADER_BYTES, *page_bytes);
}

static void boot_id_read(uint64_t boot[2])
{
    char text[40] = "";
    unsigned n = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

    boot[0] = boot[1] = 0;
    if (!file)
        return;
    if (fgets(text, sizeof(text), file)) {
        for (const char *p = text; *p && n < 32; p++) {
            int digit = *p >= '0' && *p <= '9' ? *p - '0' : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10 : -1;

            if (digit >= 0) {
                boot[n / 16] = boot[n / 16] << 4 | (uint64_t)digit;
                n++;
            }
        }
    }
    fclose(file);
}

// Reserve twice the ring, then map the same file pages into both halves. A huge page of the file can be one of the
// mapping only where both are aligned alike.
static int map_twice(struct tr_ringfile *ring, uint64_t header_bytes, uint64_t page_bytes)
{
    uint64_t align = ring->bytes > HUGE_BYTES ? TR_MAX(page_bytes, (uint64_t)HUGE_BYTES) : page_bytes;
    uint64_t span = 2 * ring->bytes + 2 * align;
    uint8_t *area, *at;

    area = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return -errno;
    at = (uint8_t *)TR_ALIGN_UP((uintptr_t)area, (uintptr_t)align) + header_bytes % align;
    if (at > area)
        munmap(area, (size_t)(at - area));
    munmap(at + 2 * ring->bytes, (size_t)(area + span - (at + 2 * ring->bytes)));
    for (int half = 0; half < 2; half++) {
        if (mmap(at + half * ring->bytes, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ring->fd,
                 (off_t)header_bytes) == MAP_FAILED) {
            int error = errno;

            munmap(at, 2 * ring->bytes);
            return -error;
        }
    }
    ring->data = at;
    return 0;
}

static int numa_bind(const struct tr_ringfile *ring, int node)
{
    unsigned long mask;

    if (node < 0 || node >= (int)(sizeof(mask) * CHAR_BIT))
        return 0;
    mask = 1ul << node;
    // A preference: a full node is slower, not fatal.
    return (int)mbind(ring->data, ring->bytes, MPOL_PREFERRED, &mask, sizeof(mask) * CHAR_BIT, 0);
}

static int file_open(struct tr_ringfile *ring, const char *directory, const char *name,
                     uint64_t *header_bytes, uint64_t *page_bytes, struct tr_error *error)
{
    struct statvfs fs;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (mkdir(directory, 0750) < 0 && errno != EEXIST)
        return tr_error_set(error, errno, "%s: %s", directory, strerror(errno));
    unlink(path);
    ring->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (ring->fd < 0)
        return tr_error_set(error, errno, "%s: %s", path, strerror(errno));
    (void)flock(ring->fd, LOCK_EX | LOCK_NB); // until we end, see tr_ringfile_leftovers()
    *header_bytes = header_bytes_of(ring->fd, page_bytes);
    if (ring->bytes % *page_bytes)
        return tr_error_set(error, EINVAL, "%s: %llu bytes are not whole pages of %llu", path,
                            (unsigned long long)ring->bytes, (unsigned long long)*page_bytes);
    // A hugetlbfs without a bound of its own says 0 of 0; there mmap reserves, and tells.
    if (fstatvfs(ring->fd, &fs) == 0 && fs.f_blocks && fs.f_bavail * fs.f_frsize < *header_bytes + ring->bytes)
        return tr_error_set(
            error, ENOSPC,
            "%s: needs %llu MiB, the file system has %llu MiB left: make journal.size smaller or "
            "choose another journal.path",
            path, (unsigned long long)((*header_bytes + ring->bytes) / TR_MIB),
            (unsigned long long)(fs.f_bavail * fs.f_frsize / TR_MIB));
    if (ftruncate(ring->fd, (off_t)(*header_bytes + ring->bytes)) < 0)
        return tr_error_set(error, errno, "%s: %s", path, strerror(errno));
    return 0;
}

int tr_ringfile_create(struct tr_ringfile *ring, const char *directory, const char *name,
                       const struct tr_ringfile_options *options, struct tr_error *error)
{
    uint64_t header_bytes, page_bytes;
    int rc;

    memset(ring, 0, sizeof(*ring));
    ring->fd = -1;
    ring->bytes = options->bytes;
    ring->mask = options->bytes - 1;
    if (options->bytes < TR_RINGFILE_HEADER_BYTES || (options->bytes & ring->mask))
        return tr_error_set(error, EINVAL, "%s/%s: %llu bytes are not a power of two of at least a page",
                            directory, name, (unsigned long long)options->bytes);
    rc = file_open(ring, directory, name, &header_bytes, &page_bytes, error);
    if (rc < 0)
        goto fail;
    ring->header = mmap(NULL, header_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (ring->header == MAP_FAILED) {
        ring->header = NULL;
        rc = tr_error_set(error, errno, "%s/%s: mmap: %s", directory, name, strerror(errno));
        goto fail;
    }
    rc = map_twice(ring, header_bytes, page_bytes);
    if (rc < 0) {
        tr_error_set(error, -rc, "%s/%s: mmap: %s", directory, name, strerror(-rc));
        goto fail;
    }
    numa_bind(ring, options->numa_node);
    // After the policy is set, so that pages land on the right node. By faults, since only they bring tmpfs to give
    // huge pages (where shmem_enabled or the mount says so); what is still missing then by fallocate, so that a full
    // file system is an error now instead of a SIGBUS on the data path.
    madvise(ring->data, 2 * ring->bytes, MADV_HUGEPAGE);
    if (options->prefault)
        madvise(ring->data, 2 * ring->bytes, MADV_POPULATE_WRITE);
    rc = options->prefault ? posix_fallocate(ring->fd, 0, (off_t)(header_bytes + ring->bytes)) : 0;
    if (rc) {
        rc = tr_error_set(error, rc, "%s/%s: no room for %llu MiB: %s", directory, name,
                          (unsigned long long)(ring->bytes / TR_MIB), strerror(rc));
        goto fail;
    }
    ring->header->version = TR_RINGFILE_VERSION;
    ring->header->kind = options->kind;
    ring->header->data_bytes = ring->bytes;
    ring->header->lcore = options->lcore;
    ring->header->lcores = options->lcores;
    ring->header->created_wall_ns = tr_clock_wall_ns();
    boot_id_read(ring->header->boot);
    tr_store_release(&ring->header->magic, TR_RINGFILE_MAGIC);
    return 0;
fail:
    tr_ringfile_close(ring, NULL);
    return rc;
}

// By its first bytes: other files of the folder are none of ours. Who has it in use holds a lock on it.
static bool is_leftover(int folder, const char *name, struct stat *status)
{
    struct tr_ringfile_header header = {0};
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is = fd >= 0 && fstat(fd, status) == 0 && S_ISREG(status->st_mode) &&
              read(fd, &header, sizeof(header)) == sizeof(header) && header.magic == TR_RINGFILE_MAGIC &&
              flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (fd >= 0)
        close(fd);
    return is;
}

uint64_t tr_ringfile_leftovers(const char *directory, bool remove)
{
    DIR *folder = opendir(directory);
    struct dirent *entry;
    struct stat status;
    uint64_t bytes = 0;

    while (folder && (entry = readdir(folder))) {
        if (!is_leftover(dirfd(folder), entry->d_name, &status))
            continue;
        bytes += (uint64_t)status.st_blocks * 512;
        if (remove)
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder)
        closedir(folder);
    return bytes;
}

void tr_ringfile_close(struct tr_ringfile *ring, const char *unlink_path)
{
    uint64_t page_bytes;

    if (ring->data)
        munmap(ring->data, 2 * ring->bytes);
    if (ring->header)
        munmap(ring->header, header_bytes_of(ring->fd, &page_bytes));
    if (ring->fd >= 0)
        close(ring->fd);
    if (unlink_path)
        unlink(unlink_path);
    ring->data = NULL;
    ring->header = NULL;
    ring->fd = -1;
}

// The copy may read bytes that the writer is overwriting; the caller throws those away. The thread sanitizer
// can't know that, and intercepts memcpy: in its builds the copy is a loop that it does not watch.
#if defined(TR_TSAN)
__attribute__((no_sanitize("thread"), noinline)) static void copy_unwatched(void *to, const void *from,
                                                                            size_t bytes)
{
    volatile const uint8_t *source = from;
    volatile uint8_t *target = to;

    for (size_t i = 0; i < bytes; i++)
        target[i] = source[i];
}
#else
#define copy_unwatched memcpy
#endif

bool tr_ringfile_copy(const struct tr_ringfile *ring, uint64_t position, void *to, size_t bytes)
{
    copy_unwatched(to, tr_ringfile_at(ring, position), bytes);
    // Pairs with the fence in tr_ringfile_release(): had any of these bytes been overwritten, the new tail is
    // seen.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return tr_load_relaxed(&ring->header->tail) <= position;
}
