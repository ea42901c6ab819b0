/* Preloaded into a server: lets system calls on the snapshot's temporary file
 * fail when the file FAULT_ORDER says so, and notes them in FAULT_TRACE.
 *
 * An order is "TOKEN CALL N ERRNO": the N-th such call from now on fails.  The
 * token tells one order from the next.  CALL "short" lets writes of more than
 * a byte write half, "slow" lets the N-th write take ERRNO milliseconds. */
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

    if (concerns(path) && (flags & O_CREAT) != 0 && fails("open")) return -1;
    return real(path, flags, mode);
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

    if (concerns_fd(fd) != 1) return real(fd, p, n);
    if (fails("write")) return -1;
    if (fails("slow")) usleep((useconds_t)errno * 1000);
    if (n > 1 && fails("short")) n /= 2;
    return real(fd, p, n);
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))next("fsync");
    int what = concerns_fd(fd);

    if (what != 0 && fails(what == 1 ? "fsync" : "fsyncdir")) return -1;
    return real(fd);
}

int close(int fd) {
    int (*real)(int) = (int (*)(int))next("close");

    if (concerns_fd(fd) == 1 && fails("close")) {
        int error = errno;

        real(fd);
        errno = error;
        return -1;
    }
    return real(fd);
}

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) =
        (int (*)(const char *, const char *))next("rename");

    if (concerns(from) && fails("rename")) return -1;
    return real(from, to);
}
