/* SPDX-License-Identifier: MIT */
/* Preloaded into a server: lets system calls on the snapshot's temporary file
 * fail when the file FAULT_ORDER says so, and notes them in FAULT_TRACE.
 *
 * An order is "TOKEN CALL N ERRNO": the N-th such call from now on fails.  The
 * token tells one order from the next.  CALL "short" lets writes of more than
 * a byte write half, "slow" lets the N-th write take ERRNO milliseconds;
 * "crawl" lets every 64 KiB that are written take ERRNO microseconds, "creep"
 * each read of a snapshot.
 *
 * With FAULT_RECORD all calls that change FAULT_DIR or the files in it go into
 * that file, one after the other, each a line and for "write" the bytes:
 *
 *     open INODE NAME   write INODE N  bytes   fsync INODE   close INODE
 *     rename FROM TO    unlink NAME    fsyncdir */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[256];
static int left;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static int concerns(const char *path) {
    size_t n = strlen(path);

    return n > 8 && strcmp(path + n - 8, ".rdb.tmp") == 0;
}

/* Is it the temporary file (1), or its directory (2)? */
static int concerns_fd(int fd) {
    char link[64], path[PATH_MAX];
    const char *dir = getenv("FAULT_DIR");
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = '\0';
    if (dir != NULL && strcmp(path, dir) == 0) return 2;
    return concerns(path);
}

static void put(const char *env, const char *what) {
    int (*real_open)(const char *, int, ...) = (int (*)(const char *, int,
                                                       ...))next("open");
    ssize_t (*real_write)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))next("write");
    int (*real_close)(int) = (int (*)(int))next("close");
    const char *path = getenv(env);
    int fd = path == NULL ? -1 :
                 real_open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);

    if (fd == -1) return;
    if (real_write(fd, what, strlen(what)) == -1) abort();
    real_close(fd);
}

/* Names in the directory that is looked after; NULL for others. */
static const char *in_dir(const char *path) {
    const char *dir = getenv("FAULT_DIR");
    size_t n = dir == NULL ? 0 : strlen(dir);

    return n > 0 && strncmp(path, dir, n) == 0 && path[n] == '/' ?
               path + n + 1 : NULL;
}

static void record(const char *line, const void *p, size_t n) {
    int (*real_open)(const char *, int, ...) = (int (*)(const char *, int,
                                                       ...))next("open");
    ssize_t (*real_write)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))next("write");
    int (*real_close)(int) = (int (*)(int))next("close");
    const char *path = getenv("FAULT_RECORD");
    int error = errno, fd;

    if (path == NULL) return;
    pthread_mutex_lock(&lock);
    fd = real_open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (fd == -1 || real_write(fd, line, strlen(line)) == -1 ||
        real_write(fd, p, n) != (ssize_t)n)
        abort();
    real_close(fd);
    pthread_mutex_unlock(&lock);
    errno = error;
}

static void record_fd(const char *call, int fd, const void *p, size_t n) {
    char line[128];
    struct stat st;

    if (getenv("FAULT_RECORD") == NULL || fstat(fd, &st) == -1) return;
    if (p != NULL)
        snprintf(line, sizeof line, "%s %lu %zu\n", call,
                 (unsigned long)st.st_ino, n);
    else snprintf(line, sizeof line, "%s %lu\n", call,
                  (unsigned long)st.st_ino);
    record(line, p, n);
}

static void record_names(const char *call, const char *a, const char *b) {
    char line[512];

    if (a == NULL) return;
    snprintf(line, sizeof line, b == NULL ? "%s %s\n" : "%s %s %s\n", call, a,
             b);
    record(line, "", 0);
}

/* How long 64 KiB, or a read, are to take by an order to "crawl" or "creep", in
 * microseconds; 0: as long as they do. */
static unsigned slowness(const char *how) {
    int (*real_open)(const char *, int, ...) = (int (*)(const char *, int,
                                                       ...))next("open");
    int (*real_close)(int) = (int (*)(int))next("close");
    const char *path = getenv("FAULT_ORDER");
    char now[256] = "", name[64] = "";
    int fd = path == NULL ? -1 : real_open(path, O_RDONLY), n, us = 0;
    ssize_t got;

    if (fd == -1) return 0;
    got = read(fd, now, sizeof now - 1);
    now[got > 0 ? got : 0] = '\0';
    real_close(fd);
    if (sscanf(now, "%*s %63s %d %d", name, &n, &us) != 3) return 0;
    return strcmp(name, how) == 0 ? (unsigned)us : 0;
}

/* Shall this call fail?  errno is set then. */
static int fails(const char *call) {
    const char *path = getenv("FAULT_ORDER");
    int (*real_open)(const char *, int, ...) = (int (*)(const char *, int,
                                                       ...))next("open");
    int (*real_close)(int) = (int (*)(int))next("close");
    char now[256] = "", name[64] = "", token[64], line[80];
    int fd, n, code, yes = 0;

    pthread_mutex_lock(&lock);
    fd = path == NULL ? -1 : real_open(path, O_RDONLY);
    if (fd != -1) {
        ssize_t got = read(fd, now, sizeof now - 1);

        now[got > 0 ? got : 0] = '\0';
        real_close(fd);
        if (sscanf(now, "%63s %63s %d %d", token, name, &n, &code) == 4) {
            if (strcmp(now, order) != 0) {
                strcpy(order, now);
                left = n;
            }
            if (strcmp(name, call) == 0 && left > 0 && --left == 0) {
                yes = 1;
                errno = code;
            }
        }
    }
    if (strcmp(call, "short") != 0 && strcmp(call, "slow") != 0) {
        int keep = errno;

        snprintf(line, sizeof line, "%s%s\n", call, yes ? " fails" : "");
        put("FAULT_TRACE", line);
        errno = keep;
    }
    pthread_mutex_unlock(&lock);
    return yes;
}

static int opens(const char *name, const char *path, int flags, int mode) {
    int (*real)(const char *, int, ...) =
        (int (*)(const char *, int, ...))next(name);

    int fd;

    if (concerns(path) && (flags & O_CREAT) != 0 && fails("open")) return -1;
    fd = real(path, flags, mode);
    if (fd != -1 && (flags & O_CREAT) != 0 && in_dir(path) != NULL) {
        char line[512];
        struct stat st;

        fstat(fd, &st);
        snprintf(line, sizeof line, "open %lu %s\n",
                 (unsigned long)st.st_ino, in_dir(path));
        record(line, "", 0);
    }
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list args;
    int mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    return opens("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list args;
    int mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    return opens("open64", path, flags, mode);
}

ssize_t write(int fd, const void *p, size_t n) {
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))next("write");

    ssize_t wrote;

    if (concerns_fd(fd) != 1) return real(fd, p, n);
    usleep((useconds_t)((unsigned long long)slowness("crawl") * n >> 16));
    if (fails("write")) return -1;
    if (fails("slow")) usleep((useconds_t)errno * 1000);
    if (n > 1 && fails("short")) n /= 2;
    wrote = real(fd, p, n);
    if (wrote > 0) record_fd("write", fd, p, (size_t)wrote);
    return wrote;
}

ssize_t read(int fd, void *p, size_t n) {
    ssize_t (*real)(int, void *, size_t) =
        (ssize_t (*)(int, void *, size_t))next("read");
    static __thread int within;
    char link[64], path[PATH_MAX];
    ssize_t len;

    if (within++ == 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        len = readlink(link, path, sizeof path);
        if (len > 4 && memcmp(path + len - 4, ".rdb", 4) == 0)
            usleep((useconds_t)slowness("creep"));
    }
    within--;
    return real(fd, p, n);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))next("fsync");
    int what = concerns_fd(fd);

    if (what != 0 && fails(what == 1 ? "fsync" : "fsyncdir")) return -1;
    if (real(fd) == -1) return -1;
    if (what == 1) record_fd("fsync", fd, NULL, 0);
    if (what == 2) record("fsyncdir\n", "", 0);
    return 0;
}

int close(int fd) {
    int (*real)(int) = (int (*)(int))next("close");

    if (concerns_fd(fd) == 1) {
        if (fails("close")) {
            int error = errno;

            real(fd);
            errno = error;
            return -1;
        }
        record_fd("close", fd, NULL, 0);
    }
    return real(fd);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))next("rename");

    if (concerns(from) && fails("rename")) return -1;
    if (real(from, to) == -1) return -1;
    record_names("rename", in_dir(from), in_dir(to));
    return 0;
}

int unlink(const char *path) {
    int (*real)(const char *) = (int (*)(const char *))next("unlink");

    if (real(path) == -1) return -1;
    record_names("unlink", in_dir(path), NULL);
    return 0;
}
