// SPDX-License-Identifier: Apache-2.0
// Against a made-up /proc and /sys in a folder of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "config/memory.h"

static char root[64];

static int setup(void **state)
{
    strcpy(root, "/tmp/tailrace-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path);
}

static int teardown(void **state)
{
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
    char at[512];
    FILE *file;

    snprintf(at, sizeof(at), "%s%s", root, path);
    for (char *p = at + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(at, 0700);
    }
    file = fopen(at, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

// 8 GiB, of which 4 GiB are available.
static void put_machine(void)
{
    put("/proc/meminfo",
        "MemTotal:        8388608 kB\nMemFree:          100000 kB\nMemAvailable:    4194304 kB\n");
}

static void assert_memory(uint64_t total, uint64_t available, const char *limit)
{
    struct tr_memory memory;
    struct tr_error error = {""};

    assert_int_equal(tr_memory_read(root, &memory, &error), 0);
    assert_int_equal(memory.total_bytes, total);
    assert_int_equal(memory.available_bytes, available);
    assert_string_equal(memory.limit, limit);
}

static void test_no_groups(void **state)
{
    put_machine();
    assert_memory(8 * TR_GIB, 4 * TR_GIB, "the machine");
}

static void test_v2(void **state)
{
    put_machine();
    put("/proc/self/cgroup", "0::/system.slice/tailraced.service\n");
    put("/sys/fs/cgroup/system.slice/tailraced.service/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/system.slice/tailraced.service/memory.high", "max\n");
    put("/sys/fs/cgroup/system.slice/tailraced.service/memory.current", "536870912\n");
    put("/sys/fs/cgroup/system.slice/tailraced.service/memory.stat",
        "anon 1\nfile 402653184\nshmem 134217728\ninactive_file 134217728\nactive_file 134217728\n");
    assert_memory(TR_GIB, 768 * TR_MIB, "cgroup /system.slice/tailraced.service");

    // memory.high throttles long before memory.max kills.
    put("/sys/fs/cgroup/system.slice/tailraced.service/memory.high", "805306368\n");
    assert_memory(768 * TR_MIB, 512 * TR_MIB, "cgroup /system.slice/tailraced.service");

    // A group above with less left.
    put("/sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
    put("/sys/fs/cgroup/system.slice/memory.current", "2013265920\n");
    assert_memory(768 * TR_MIB, 128 * TR_MIB, "cgroup /system.slice");

    // Over its limit already.
    put("/sys/fs/cgroup/system.slice/memory.current", "3000000000\n");
    assert_memory(768 * TR_MIB, 0, "cgroup /system.slice");
}

static void test_v2_without_limit(void **state)
{
    put_machine();
    put("/proc/self/cgroup", "0::/user.slice\n");
    put("/sys/fs/cgroup/user.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/user.slice/memory.current", "536870912\n");
    assert_memory(8 * TR_GIB, 4 * TR_GIB, "the machine");
}

static void test_v2_in_a_container(void **state)
{
    put_machine();
    put("/sys/fs/cgroup/memory.max", "268435456\n");
    put("/sys/fs/cgroup/memory.current", "67108864\n");
    put("/proc/self/cgroup", "0::/\n");
    assert_memory(256 * TR_MIB, 192 * TR_MIB, "cgroup /");
    put("/proc/self/cgroup", "0::/../../elsewhere\n");
    assert_memory(256 * TR_MIB, 192 * TR_MIB, "cgroup /");
}

static void test_v1(void **state)
{
    put_machine();
    put("/proc/self/cgroup",
        "12:cpu,cpuacct:/docker/x\n11:pids,memory:/docker/x\n1:name=systemd:/docker/x\n0::/\n");
    // The path is the host's: what is mounted here is the container's own group.
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "268435456\n");
    put("/sys/fs/cgroup/memory/memory.stat", "cache 1\ninactive_file 5\ntotal_inactive_file 67108864\n");
    assert_memory(512 * TR_MIB, 320 * TR_MIB, "cgroup /");

    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"); // no limit, as v1 says it
    assert_memory(8 * TR_GIB, 4 * TR_GIB, "the machine");
}

static void test_odd_files(void **state)
{
    struct tr_memory memory;
    struct tr_error error = {""};
    char message[128];

    assert_int_equal(tr_memory_read(root, &memory, &error), -ENOENT);
    snprintf(message, sizeof(message), "%s/proc/meminfo: No such file or directory", root);
    assert_string_equal(error.text, message);
    put("/proc/meminfo", "nothing\n");
    error.text[0] = 0;
    assert_int_equal(tr_memory_read(root, &memory, &error), -EINVAL);

    put_machine();
    put("/proc/self/cgroup", "no colon\n0:only one\n\n0::\n3:memory\n4:memoryless:/\n");
    put("/sys/fs/cgroup/memory.max", "");
    put("/sys/fs/cgroup/memory.stat", "inactive_file\n");
    assert_memory(8 * TR_GIB, 4 * TR_GIB, "the machine");
}

static void test_this_machine(void **state)
{
    struct tr_memory memory;
    struct tr_error error = {""};

    assert_int_equal(tr_memory_read("", &memory, &error), 0);
    assert_true(memory.total_bytes >= 16 * TR_MIB);
    assert_true(memory.available_bytes <= memory.total_bytes);
}

static void test_filesystems(void **state)
{
    struct tr_filesystem fs;
    struct tr_error error = {""};
    struct statvfs expected;
    char path[128];

    assert_int_equal(statvfs(root, &expected), 0);
    assert_int_equal(tr_filesystem_read(root, "/not/there/yet", &fs, &error), 0);
    assert_int_equal(fs.total_bytes, expected.f_blocks * expected.f_frsize);
    assert_true(fs.free_bytes <= fs.total_bytes);
    assert_int_equal(tr_filesystem_read("", "nowhere/at/all", &fs, &error), 0);
    assert_int_equal(tr_filesystem_read("", "/nowhere", &fs, &error), 0);
    assert_int_equal(statvfs("/", &expected), 0);
    assert_int_equal(fs.total_bytes, expected.f_blocks * expected.f_frsize);

    put("/file", "");
    assert_int_equal(tr_filesystem_read(root, "/file/below", &fs, &error), -ENOTDIR);
    snprintf(path, sizeof(path), "%s/file/below: Not a directory", root);
    assert_string_equal(error.text, path);
}

static void test_room(void **state)
{
    const struct tr_memory memory = {.available_bytes = 100};
    struct tr_filesystem fs = {.kind = TR_FILESYSTEM_TMPFS, .free_bytes = 50};

    assert_int_equal(tr_memory_room(&memory, &fs), 50);
    fs.free_bytes = UINT64_MAX;
    assert_int_equal(tr_memory_room(&memory, &fs), 100);
    fs.kind = TR_FILESYSTEM_HUGETLBFS;
    fs.free_bytes = 4096;
    assert_int_equal(tr_memory_room(&memory, &fs), 4096);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_folder(test_no_groups),
        in_folder(test_v2),
        in_folder(test_v2_without_limit),
        in_folder(test_v2_in_a_container),
        in_folder(test_v1),
        in_folder(test_odd_files),
        in_folder(test_filesystems),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
