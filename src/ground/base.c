/* SPDX-License-Identifier: MIT */
/* ==== base - what the language and the system give us ======================
 *
 * Feature macros, system headers, and a handful of words used everywhere.
 * The program needs C11 and POSIX.1-2008.  Whatever a system offers beyond
 * that hides here behind a name, with a plain fallback; KVNS_PLAIN selects
 * the fallbacks, so that they are built and tested like the rest.
 *
 * floor 0 - uses: -
 */
#if defined(KVNS_PLAIN)
#define _POSIX_C_SOURCE 200809L
#elif defined(__linux__)
#define _GNU_SOURCE 1
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#elif defined(__NetBSD__)
#define _NETBSD_SOURCE 1
#elif defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#define __BSD_VISIBLE 1
#else
#define _POSIX_C_SOURCE 200809L
#endif

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if !defined(KVNS_PLAIN) && !defined(__linux__) && \
    (defined(__APPLE__) || defined(__NetBSD__) || defined(__FreeBSD__) || \
     defined(__OpenBSD__) || defined(__DragonFly__))
#include <sys/sysctl.h>
#define BASE_SYSCTL 1
#endif
#if defined(__SSE2__) && defined(__GNUC__) && !defined(KVNS_PLAIN)
#include <emmintrin.h>              /* several compared at once: table, skip */
#endif

/* INLINE: a step of the way that every command goes, too short to be worth a
 * call; where size counts more than time, the compiler's choice. */
#if defined(__GNUC__) && !defined(KVNS_PLAIN)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* The empty asm keeps GCC from taking a function that only prefetches for one
 * without effect, and leaving out its calls. */
#define PREFETCH(p)                                                       \
    do {                                                                  \
        __builtin_prefetch(p);                                            \
        __asm__ volatile("");                                             \
    } while (0)
/* The same of a line that is to be written, and that another core may have
 * written last.  Compilers take it for a plain prefetch unless told of the
 * processor, though every x86-64 one takes the instruction, or ignores it. */
#if defined(__x86_64__)
#define PREFETCH_WRITE(p) \
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(p)))
#else
#define PREFETCH_WRITE(p) __builtin_prefetch((p), 1)
#endif
/* Somebody else is to get on meanwhile, in the processor's other half too. */
#if defined(__x86_64__) || defined(__i386__)
#define SPIN_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SPIN_PAUSE() __asm__ volatile("yield")
#else
#define SPIN_PAUSE() __asm__ volatile("")
#endif
#define COLD __attribute__((cold, noinline))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#define PREFETCH(p) ((void)(p))
#define PREFETCH_WRITE(p) ((void)(p))
#define SPIN_PAUSE() ((void)0)
#define COLD
#define PRINTF_LIKE(f, a)
#endif
#if defined(INLINE)         /* what counts branches wants one of each */
#elif defined(__GNUC__) && !defined(KVNS_PLAIN) && !defined(__OPTIMIZE_SIZE__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif

/* Part of a structure's interface that its tests use and the program does not,
 * or not yet. */
#if defined(__GNUC__)
#define TESTED_ONLY __attribute__((unused))
#else
#define TESTED_ONLY
#endif

/* Count the elements of an array. */
#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

/* Bytes that processors hand to each other, on nearly all of them. */
enum { CACHE_LINE = 64 };

/* Our own mistake: stop at once rather than go on with broken data.  Where
 * size counts the line of kvns.c has to say enough. */
#if defined(__OPTIMIZE_SIZE__)
#define KVNS_ASSERT(x) ((x) ? (void)0 : base_fail_at(__LINE__))
#else
#define KVNS_ASSERT(x) \
    ((x) ? (void)0 : base_fail(#x, __FILE__, __LINE__))
#endif

/* True where it cannot be; survived in release, stopped in development. */
#if defined(NDEBUG)
#define NEVER(x) (x)
#else
#define NEVER(x) ((x) ? (base_fail("never: " #x, __FILE__, __LINE__), 1) : 0)
#endif

/* Checked only where KVNS_VERIFY is set: for what costs time.  Analysers are
 * told of it as well. */
#if defined(KVNS_VERIFY) || defined(__clang_analyzer__)
#define VERIFY(x) KVNS_ASSERT(x)
#else
#define VERIFY(x) ((void)0)
#endif

/* Bytes borrowed from somebody: not terminated, may hold any byte. */
struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })

/* Say what is broken and where, and abort. */
static COLD _Noreturn void base_fail(const char *what, const char *file,
                                     int line) {
    fprintf(stderr, "kvns: broken at %s:%d: %s\n", file, line, what);
    abort();
}

/* The same with less to say. */
TESTED_ONLY static COLD _Noreturn void base_fail_at(int line) {
    base_fail("assertion", "kvns.c", line);
}

/* Somebody must have memory and there is none: say so, and abort. */
static COLD _Noreturn void base_no_memory(void) {
    fputs("kvns: out of memory\n", stderr);
    abort();
}

/* n bytes of zeros on cache lines of their own; free() takes them back.  NULL:
 * no memory. */
static void *base_lines(size_t n) {
    void *p;

    if (posix_memalign(&p, CACHE_LINE, n) != 0) return NULL;
    return memset(p, 0, n);
}

/* A descriptor at which nobody waits, and which no child inherits.  False with
 * errno set. */
static bool base_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);

    return flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) != -1;
}

/* Wake whoever polls the other end of a pipe, at which nobody waits to write.
 * A full one wakes as well; what else may fail is tried again, since who is
 * not woken may sleep for ever. */
static void base_wake(int fd) {
    for (int i = 0; i < 3 && write(fd, "", 1) != 1 && errno != EAGAIN; i++) {}
}

/* A string of n bytes at p, borrowed. */
static inline struct str str_of(const void *p, size_t n) {
    return (struct str){ p, n };
}

/* A terminated C string, borrowed. */
static inline struct str str_c(const char *s) {
    return (struct str){ s, strlen(s) };
}

/* Take what stands before the next `end`, or all; *rest is what is behind. */
static struct str str_take(struct str *rest, char end) {
    const char *at = rest->n == 0 ? NULL : memchr(rest->p, end, rest->n);
    size_t n = at == NULL ? rest->n : (size_t)(at - rest->p);
    struct str taken = str_of(rest->p, n);

    n += at != NULL;
    *rest = str_of(rest->p + n, rest->n - n);
    return taken;
}

static inline bool str_eq(struct str a, struct str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Whole words are quicker where the machine's order is known to be the right
 * one. */
#if defined(__BYTE_ORDER__) && defined(__ORDER_LITTLE_ENDIAN__)
#define BASE_LITTLE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#else
#define BASE_LITTLE 0
#endif

/* Unaligned loads and stores in this machine's byte order. */
static inline uint64_t load64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t load32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint16_t load16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }
static inline void store32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }

/* Are n bytes the same?  By words: quicker than a call where n is small. */
static INLINE bool bytes_same(const char *a, const char *b, size_t n) {
    size_t i = 0;

    if (n >= 8) {
        for (; i < n - 8; i += 8)
            if (load64(a + i) != load64(b + i)) return false;
        return load64(a + n - 8) == load64(b + n - 8);
    }
    if (n >= 4)
        return load32(a) == load32(b) && load32(a + n - 4) == load32(b + n - 4);
    for (; i < n; i++)
        if (a[i] != b[i]) return false;
    return true;
}

/* Copy n bytes, mostly few, and return where they end at p: two loads that
 * overlap spare the call, which is dear with some libcs. */
static INLINE char *bytes_copy_here(char *p, const char *s, size_t n) {
    char a[16], b[16];

    if (n > 32) {
        memcpy(p, s, n);
    } else if (n >= 16) {
        memcpy(a, s, 16);
        memcpy(b, s + n - 16, 16);
        memcpy(p, a, 16);
        memcpy(p + n - 16, b, 16);
    } else if (n >= 8) {
        memcpy(a, s, 8);
        memcpy(b, s + n - 8, 8);
        memcpy(p, a, 8);
        memcpy(p + n - 8, b, 8);
    } else if (n >= 4) {
        memcpy(a, s, 4);
        memcpy(b, s + n - 4, 4);
        memcpy(p, a, 4);
        memcpy(p + n - 4, b, 4);
    } else if (n > 0) {
        a[0] = s[0];
        a[1] = s[n / 2];
        p[n - 1] = s[n - 1];
        p[n / 2] = a[1];
        p[0] = a[0];
    }
    return p + n;
}

static inline char *bytes_copy(char *p, const char *s, size_t n) {
    return bytes_copy_here(p, s, n);
}

/* The same for some hundreds of bytes that may overlap with where they go:
 * memmove towards the end takes the slow way with some libcs. */
static inline void bytes_move(void *to, const void *from, size_t n) {
#if defined(__OPTIMIZE_SIZE__)
    memmove(to, from, n);
#else
    char *p = to, part[32];
    const char *s = from;

    if (p <= s) {
        for (; n >= sizeof part; n -= sizeof part) {
            memcpy(part, s, sizeof part);
            memcpy(p, part, sizeof part);
            p += sizeof part;
            s += sizeof part;
        }
        for (; n >= 8; n -= 8, p += 8, s += 8) {
            memcpy(part, s, 8);
            memcpy(p, part, 8);
        }
        for (; n > 0; n--) *p++ = *s++;
    } else {
        while (n >= sizeof part) {
            n -= sizeof part;
            memcpy(part, s + n, sizeof part);
            memcpy(p + n, part, sizeof part);
        }
        while (n >= 8) {
            n -= 8;
            memcpy(part, s + n, 8);
            memcpy(p + n, part, 8);
        }
        while (n > 0) n--, p[n] = s[n];
    }
#endif
}

/* Order by bytes, the shorter first where one begins the other. */
static inline int str_cmp(struct str a, struct str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int d = 0;

#if defined(__GNUC__) && BASE_LITTLE
    for (size_t i = 0; n >= 8;) {
        uint64_t x = load64(a.p + i), y = load64(b.p + i);

        if (x != y)
            return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
        if (i == n - 8) return (a.n > b.n) - (a.n < b.n);
        i = i + 16 <= n ? i + 8 : n - 8;        /* the last two may overlap */
    }
#endif
    if (n > 0) d = memcmp(a.p, b.p, n);
    return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

/* ASCII only: no locale decides what a command is called. */
static inline char base_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Does s spell the lower-case word, in any mixture of cases? */
static inline bool str_is(struct str s, const char *word) {
    size_t i;

    for (i = 0; i < s.n; i++)
        if (word[i] == '\0' || base_lower(s.p[i]) != word[i]) return false;
    return word[i] == '\0';
}

static inline size_t size_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t size_max(size_t a, size_t b) { return a > b ? a : b; }

/* Which is the lowest bit set of w, which is not 0. */
static inline unsigned bit_lowest(uint64_t w) {
#if defined(__GNUC__) && !defined(KVNS_PLAIN)
    return (unsigned)__builtin_ctzll(w);
#else
    unsigned i = 0;

    while ((w & 1) == 0) w >>= 1, i++;
    return i;
#endif
}

/* Little-endian whatever the machine: n bytes, 1 to 8.  Compilers see through
 * such loops only partly. */
static inline uint64_t load_le(const void *p, int n) {
    const unsigned char *b = p;
    uint64_t v = 0;

    if (BASE_LITTLE && n == 8) return load64(p);
    if (BASE_LITTLE && n == 4) return load32(p);
    while (n-- > 0) v = v << 8 | b[n];
    return v;
}

/* And back: the n low bytes of v. */
static inline void store_le(void *p, uint64_t v, int n) {
    unsigned char *b = p;

    if (BASE_LITTLE && n == 8) {
        store64(p, v);
        return;
    }
    for (int i = 0; i < n; i++, v >>= 8) b[i] = (unsigned char)v;
}

/* Big-endian, likewise. */
static inline uint64_t load_be(const void *p, int n) {
    const unsigned char *b = p;
    uint64_t v = 0;

    for (int i = 0; i < n; i++) v = v << 8 | b[i];
    return v;
}

static inline void store_be(void *p, uint64_t v, int n) {
    unsigned char *b = p;

    while (n-- > 0) {
        b[n] = (unsigned char)v;
        v >>= 8;
    }
}

/* Bytes of memory the machine has; 0 where it does not say. */
static uint64_t base_physical_memory(void) {
#if defined(BASE_SYSCTL) && defined(HW_MEMSIZE)
    int name[2] = { CTL_HW, HW_MEMSIZE };
#elif defined(BASE_SYSCTL) && defined(HW_PHYSMEM64)
    int name[2] = { CTL_HW, HW_PHYSMEM64 };
#elif defined(BASE_SYSCTL)
    int name[2] = { CTL_HW, HW_PHYSMEM };
#endif
#if defined(BASE_SYSCTL)
    unsigned char value[8];
    size_t n = sizeof value;

    /* a long or 64 bits, as the system has it */
    if (sysctl(name, 2, value, &n, NULL, 0) == -1) return 0;
    if (n == 8) return load64(value);
    return n == 4 ? load32(value) : 0;
#elif defined(_SC_PHYS_PAGES)
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages <= 0 || size <= 0 ? 0 : (uint64_t)pages * (uint64_t)size;
#else
    return 0;
#endif
}

/* Give up what a server that serves does not need, where the system lets us
 * (OpenBSD): of files it sees what lies in these directories and nothing else,
 * and it starts no programs.  False with errno set. */
static bool base_confine(const char *const *dirs, size_t n) {
#if defined(__OpenBSD__) && !defined(KVNS_PLAIN)
    for (size_t i = 0; i < n; i++)
        if (unveil(dirs[i], "rwc") == -1) return false;
    return pledge("stdio rpath wpath cpath fattr inet unix", NULL) == 0;
#else
    (void)dirs;
    (void)n;
    return true;
#endif
}
