/* SPDX-License-Identifier: MIT */
/* Preloaded into a server: lets one call of the C library fail once.
 *
 *     CALLS_FAIL   "NAME N ERRNO": the N-th call of NAME, from 1 on, fails
 *     CALLS_COUNT  a file: at the end, how often each was called; and, as
 *                  soon as it happens, "failed" alone on a line
 *
 * Each stand-in hands on six words, as many as any of these calls takes: on
 * the processors we know, words too many do no harm.  No header is included
 * that would declare what is defined here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

typedef long word;
typedef word (*call_fn)(word, word, word, word, word, word);

/* How a call tells that it failed. */
enum how { MINUS, NOTHING, CODE, AFTER };

/* AFTER: it is done, and said to have failed: so with close. */
#define CALLS(X)                                                             \
    X(accept, MINUS) X(bind, MINUS) X(chown, MINUS) X(close, AFTER)          \
    X(connect, MINUS) X(fchmod, MINUS) X(fchown, MINUS) X(fcntl, MINUS)      \
    X(fflush, MINUS) X(fopen, NOTHING) X(fstat, MINUS) X(fsync, MINUS)       \
    X(getaddrinfo, CODE) X(getcwd, NOTHING) X(getentropy, MINUS)             \
    X(getpeername, MINUS) X(getrlimit, MINUS) X(getrusage, MINUS)            \
    X(getsockname, MINUS) X(getsockopt, MINUS) X(listen, MINUS)              \
    X(lseek, MINUS) X(lstat, MINUS) X(madvise, MINUS) X(mkdir, MINUS)        \
    X(mmap, MINUS) X(munmap, MINUS) X(nanosleep, MINUS) X(open, MINUS)       \
    X(opendir, NOTHING) X(pipe, MINUS) X(poll, MINUS)                        \
    X(posix_memalign, CODE) X(pthread_attr_init, CODE)                       \
    X(pthread_attr_setstacksize, CODE) X(pthread_create, CODE)               \
    X(read, MINUS) X(readdir, NOTHING) X(readlink, MINUS) X(recv, MINUS)     \
    X(rename, MINUS) X(send, MINUS) X(sendmsg, MINUS) X(sendto, MINUS)       \
    X(setrlimit, MINUS) X(setsockopt, MINUS) X(shutdown, MINUS)              \
    X(sigaction, MINUS) X(socket, MINUS) X(stat, MINUS) X(sysconf, MINUS)    \
    X(uname, MINUS) X(unlink, MINUS) X(write, MINUS)

/* These are needed before anything can be looked up. */
#define BLOCKS(X)                                                            \
    X(malloc, NOTHING) X(calloc, NOTHING) X(realloc, NOTHING)

#define NUMBER(name, how) CALL_##name,
enum { CALLS(NUMBER) BLOCKS(NUMBER) CALL_COUNT };

#define NAME(name, how) #name,
static const char *const names[] = { CALLS(NAME) BLOCKS(NAME) };

static call_fn reals[CALL_COUNT];
static word counts[CALL_COUNT];
static word failing = -1, which, code;
static const char *to;

extern char *getenv(const char *);
extern int sscanf(const char *, const char *, ...);
extern int snprintf(char *, unsigned long, const char *, ...);
extern int strcmp(const char *, const char *);
extern unsigned long strlen(const char *);
extern word __libc_malloc(word, word, word, word, word, word);
extern word __libc_calloc(word, word, word, word, word, word);
extern word __libc_realloc(word, word, word, word, word, word);

static call_fn real(int call) {
    if (reals[call] == 0)
        reals[call] = call == CALL_malloc ? __libc_malloc :
                      call == CALL_calloc ? __libc_calloc :
                      call == CALL_realloc ? __libc_realloc :
                      (call_fn)dlsym(RTLD_NEXT, names[call]);
    return reals[call];
}

/* Append a line to what the test reads; O_WRONLY | O_CREAT | O_APPEND. */
static void say(const char *line) {
    int fd, error = errno;

    if (to == 0) return;
    fd = (int)real(CALL_open)((word)to, 02101, 0600, 0, 0, 0);
    real(CALL_write)(fd, (word)line, (word)strlen(line), 0, 0, 0);
    real(CALL_close)(fd, 0, 0, 0, 0, 0);
    errno = error;
}

static word call(int number, enum how how, word a, word b, word c, word d,
                 word e, word f) {
    word nth = __atomic_add_fetch(&counts[number], 1, __ATOMIC_RELAXED);

    if (number != failing || nth != which)
        return real(number)(a, b, c, d, e, f);
    if (how == AFTER) real(number)(a, b, c, d, e, f);
    say("failed\n");
    if (how == CODE) return code;
    errno = (int)code;
    return how == NOTHING ? 0 : -1;
}

#define STAND_IN(name, how)                                                  \
    word name(word a, word b, word c, word d, word e, word f) {              \
        return call(CALL_##name, how, a, b, c, d, e, f);                     \
    }
CALLS(STAND_IN)
BLOCKS(STAND_IN)

/* Counts begin here, before main. */
__attribute__((constructor)) static void begin(void) {
    const char *order = getenv("CALLS_FAIL");
    char name[64];

    to = getenv("CALLS_COUNT");
    for (int i = 0; i < CALL_COUNT; i++) {
        real(i);
        counts[i] = 0;
    }
    if (order == 0 || sscanf(order, "%63s %ld %ld", name, &which, &code) != 3)
        return;
    for (int i = 0; i < CALL_COUNT; i++)
        if (strcmp(name, names[i]) == 0) failing = i;
    for (int i = 0; i < CALL_COUNT; i++) counts[i] = 0;
}

__attribute__((destructor)) static void end(void) {
    char line[96];

    failing = -1;
    for (int i = 0; i < CALL_COUNT; i++) {
        snprintf(line, sizeof line, "%s %ld\n", names[i], counts[i]);
        say(line);
    }
}
