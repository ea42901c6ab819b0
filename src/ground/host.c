/* SPDX-License-Identifier: MIT */
/* ==== host - how much memory this process may use ==========================
 *
 * The least of what the machine has, what the process was granted (RLIMIT_AS,
 * RLIMIT_DATA) and what its control group may use.  A group is bounded by all
 * groups above it, so the whole way up is looked at:
 *
 *   /proc/self/cgroup        0::/a/b               9:memory:/a/b
 *   version 2, /sys/fs/cgroup[/unified]/a/b/memory.max, /a/memory.max, ...
 *   version 1, /sys/fs/cgroup/memory/a/b/memory.limit_in_bytes, ...
 *
 * Inside a container the way may be told as the host sees it, while only the
 * container's own group is mounted, at the top: what is not there is left
 * out.  A limit that is near the largest number is none.
 *
 * All files lie below a root, which is "" but in tests.
 *
 * floor 0 - uses: base num
 */
enum { HOST_PATH = 1024 };

struct host_memory {
    uint64_t bytes;             /* 0: nobody says */
    char source[160];           /* who says so */
};

/* A number at the beginning of a file, or false: no file, no number, or none
 * that limits anything. */
static bool host__number(const char *path, uint64_t *n) {
    char text[32];
    ssize_t got;
    size_t len = 0;
    int64_t v;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) return false;
    got = read(fd, text, sizeof text);
    close(fd);
    while (got > 0 && len < (size_t)got && isdigit((unsigned char)text[len]))
        len++;
    if (!num_parse_int(str_of(text, len), &v)) return false;
    if (v >= INT64_MAX - (1 << 20)) return false;
    *n = (uint64_t)v;
    return true;
}

static void host__least(struct host_memory *m, uint64_t n,
                        const char *format, const char *what) {
    if (m->bytes != 0 && n >= m->bytes) return;
    m->bytes = n > 0 ? n : 1;
    snprintf(m->source, sizeof m->source, format, what);
}

/* Look at a group and all above it: file in root, dir and group. */
static void host__group(struct host_memory *m, const char *root,
                        const char *dir, const char *group, const char *file,
                        const char *format) {
    char way[HOST_PATH], path[2 * HOST_PATH];
    size_t n = (size_t)snprintf(way, sizeof way, "%s", group);
    uint64_t bytes;

    if (n >= sizeof way) return;
    for (;;) {
        while (n > 0 && way[n - 1] == '/') way[--n] = '\0';
        snprintf(path, sizeof path, "%s%s%s/%s", root, dir, way, file);
        if (host__number(path, &bytes))
            host__least(m, bytes, format, n == 0 ? "/" : way);
        if (n == 0) return;
        while (n > 0 && way[n - 1] != '/') way[--n] = '\0';
    }
}

/* A line of /proc/self/cgroup: number:controllers:/the/group. */
static void host__cgroup_line(struct host_memory *m, const char *root,
                              char *line) {
    char *names = strchr(line, ':'), *group, *name, *rest;

    if (names == NULL) return;
    *names++ = '\0';
    group = strchr(names, ':');
    if (group == NULL) return;
    *group++ = '\0';
    if (names[0] == '\0') {
        static const char format[] = "the limit of control group %.120s";

        host__group(m, root, "/sys/fs/cgroup", group, "memory.max", format);
        host__group(m, root, "/sys/fs/cgroup/unified", group, "memory.max",
                    format);
        return;
    }
    for (name = names; name != NULL; name = rest) {
        rest = strchr(name, ',');
        if (rest != NULL) *rest++ = '\0';
        if (strcmp(name, "memory") != 0) continue;
        host__group(m, root, "/sys/fs/cgroup/memory", group,
                    "memory.limit_in_bytes",
                    "the limit of control group %.120s (version 1)");
    }
}

static void host__cgroups(struct host_memory *m, const char *root) {
    char path[2 * HOST_PATH], line[HOST_PATH];
    FILE *f;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    f = fopen(path, "r");
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        host__cgroup_line(m, root, line);
    }
    fclose(f);
}

static void host__granted(struct host_memory *m, int which,
                          const char *name) {
    struct rlimit r;
    uint64_t n;

    if (getrlimit(which, &r) == -1 || r.rlim_cur == RLIM_INFINITY) return;
    n = (uint64_t)r.rlim_cur;
    if (n >= (uint64_t)INT64_MAX - (1 << 20)) return;
    host__least(m, n, "%s", name);
}

/* How much memory this process may use, and who says so. */
static struct host_memory host_memory(const char *root) {
    struct host_memory m = { 0, "" };
    uint64_t physical = base_physical_memory();

    if (physical != 0) host__least(&m, physical, "%s", "physical memory");
    host__cgroups(&m, root);
#if defined(RLIMIT_AS)
    host__granted(&m, RLIMIT_AS, "RLIMIT_AS, the address space granted");
#endif
    host__granted(&m, RLIMIT_DATA, "RLIMIT_DATA, the data granted");
    if (m.bytes > SIZE_MAX / 2)
        host__least(&m, SIZE_MAX / 2, "%s", "half of all addresses");
    return m;
}

/* How much memory the process has: bytes of addresses, and of these what is
 * resident.  False: nobody says here. */
static bool host_used(uint64_t *virtual, uint64_t *resident) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char text[128], *end;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd == -1) return false;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    *virtual = strtoull(text, &end, 10) * page;
    *resident = strtoull(end, NULL, 10) * page;
    return true;
}
