/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Write a file below dir, with the directories on its way. */
static void host_test_file(const char *dir, const char *name,
                           const char *text) {
    char path[1024];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void host_test_dir(char dir[256]) {
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, 256, "%.200s/kvns-host-XXXXXX", tmp ? tmp : "/tmp");
    CHECK(mkdtemp(dir) != NULL);
}

static void host_test_remove(const char *dir) {
    char command[300];

    snprintf(command, sizeof command, "rm -r '%s'", dir);
    CHECK(system(command) == 0);
}

/* The least of a group and those above it counts, and says where it is. */
static void test_host_version_2(void) {
    char dir[256];
    struct host_memory m;

    host_test_dir(dir);
    host_test_file(dir, "proc/self/cgroup", "0::/a/b/c\n");
    host_test_file(dir, "sys/fs/cgroup/a/b/c/memory.max", "max\n");
    CHECK_INT(host_memory(dir).bytes, host_memory("/nowhere").bytes);
    host_test_file(dir, "sys/fs/cgroup/a/b/memory.max", "50331648\n");
    m = host_memory(dir);
    CHECK_INT(m.bytes, 48 << 20);
    CHECK_STR(str_c(m.source),
              "the limit of control group /a/b");
    host_test_file(dir, "sys/fs/cgroup/a/memory.max", "67108864\n");
    CHECK_INT(host_memory(dir).bytes, 48 << 20);
    host_test_file(dir, "sys/fs/cgroup/memory.max", "33554432\n");
    m = host_memory(dir);
    CHECK_INT(m.bytes, 32 << 20);
    CHECK_STR(str_c(m.source),
              "the limit of control group /");
    host_test_file(dir, "sys/fs/cgroup/a/b/c/memory.max", "0\n");
    CHECK_INT(host_memory(dir).bytes, 1);       /* 0 would be: unknown */
    host_test_remove(dir);
}

/* In a container the way up is the host's, and only the top is mounted. */
static void test_host_container(void) {
    char dir[256], path[400];
    struct host_memory m;
    uint64_t n;

    host_test_dir(dir);
    host_test_file(dir, "proc/self/cgroup",
                   "12:cpu,cpuacct:/docker/x\n9:pids,memory:/docker/x\n"
                   "1:name=systemd:/docker/x\n0::/system.slice\n");
    host_test_file(dir, "sys/fs/cgroup/memory/memory.limit_in_bytes",
                   "104857600\n");
    m = host_memory(dir);
    CHECK_INT(m.bytes, 100 << 20);
    CHECK_STR(str_c(m.source),
              "the limit of control group / (version 1)");
    host_test_file(dir, "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
                   "9223372036854771712\n");    /* none */
    CHECK_INT(host_memory(dir).bytes, 100 << 20);
    snprintf(path, sizeof path, "%s/sys/fs/cgroup/memory/docker/x/"
             "memory.limit_in_bytes", dir);
    CHECK(!host__number(path, &n));
    host_test_file(dir, "sys/fs/cgroup/unified/system.slice/memory.max",
                   "83886080\n");
    m = host_memory(dir);
    CHECK_INT(m.bytes, 80 << 20);
    CHECK_STR(str_c(m.source),
              "the limit of control group /system.slice");
    host_test_remove(dir);
}

static void test_host_broken(void) {
    static const char *const lines[] = {
        "", "\n", ":\n", "0:\n", "0::\n", "0::////\n", "memory\n",
        "1:memory\n", "1:memory:\n", "0::no-slash\n", "0::/../../a\n"
    };
    uint64_t machine = host_memory("/nowhere").bytes;
    char dir[256], line[3000];

    host_test_dir(dir);
    host_test_file(dir, "sys/fs/cgroup/a/memory.max", "much\n");
    for (size_t i = 0; i < ROWS(lines); i++) {
        host_test_file(dir, "proc/self/cgroup", lines[i]);
        CHECK_INT(host_memory(dir).bytes, machine);
    }
    memset(line, 'a', sizeof line - 1);
    memcpy(line, "0::/", 4);
    line[sizeof line - 1] = '\0';
    host_test_file(dir, "proc/self/cgroup", line);
    CHECK_INT(host_memory(dir).bytes, machine);
    host_test_remove(dir);
}

/* What the process was granted counts.  The limit holds only while it is
 * looked at: a sanitizer may need more.  Emulators of processors grant what
 * they like. */
static void test_host_granted(void) {
    struct rlimit was, r, now;
    struct host_memory m = { 0, "" };

    CHECK(getrlimit(RLIMIT_DATA, &was) == 0);
    r = was;
    r.rlim_cur = 200 << 20;
    CHECK(setrlimit(RLIMIT_DATA, &r) == 0);
    CHECK(getrlimit(RLIMIT_DATA, &now) == 0);
    if (now.rlim_cur != r.rlim_cur) return;
    host__granted(&m, RLIMIT_DATA, "RLIMIT_DATA, the data granted");
    CHECK(setrlimit(RLIMIT_DATA, &was) == 0);
    CHECK_INT(m.bytes, 200 << 20);
    CHECK(strncmp(m.source, "RLIMIT_DATA", 11) == 0);
    /* the least of two counts */
    r.rlim_cur = 300 << 20;
    CHECK(setrlimit(RLIMIT_DATA, &r) == 0);
    host__granted(&m, RLIMIT_DATA, "more");
    CHECK(setrlimit(RLIMIT_DATA, &was) == 0);
    CHECK_INT(m.bytes, 200 << 20);
}

static void test_host_machine(void) {
    CHECK(base_physical_memory() == 0 ||
          base_physical_memory() > 16u << 20);
}

/* The limit in force, from what was asked for and what there is. */
static void test_host_limit(void) {
    static const struct {
        uint64_t want, host, limit;
        bool redis;
    } rows[] = {
        { UINT64_C(1) << 30, UINT64_C(8000000000), UINT64_C(1) << 30, false },
        { UINT64_C(1) << 30, 1000000000, 700000000, false },
        { 0, 1000000000, 700000000, false },
        { 0, 0, UINT64_C(1) << 30, false },
        { 12345, 0, 12345, false },
        { 12345, 1000000000, 12345, false },
        { 700000001, 1000000000, 700000000, false },
        { 1000, 100, 70, false },
        { 0, 1000000000, SIZE_MAX / 2, true },
        { 12345, 1000000000, 12345, true },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct host_memory m = { rows[i].host, "somebody" };
        char why[256];

        CHECK_INT(apply_limit(rows[i].want, rows[i].redis, &m, why),
                  rows[i].limit);
        CHECK(strncmp(why, rows[i].host == 0 ? "as given; nobody says" :
                           rows[i].limit == rows[i].want ? "as given" :
                           rows[i].redis ? "none" : "70 % of ",
                      rows[i].host == 0 ? 21 : rows[i].redis ? 4 : 8) == 0);
    }
}

#define TESTS_HOST                                                           \
    T(test_host_version_2) T(test_host_container) T(test_host_broken)        \
    T(test_host_granted) T(test_host_machine) T(test_host_limit)
