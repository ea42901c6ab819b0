/* SPDX-License-Identifier: MIT */
/* ==== rand - chance ========================================================
 *
 * xoshiro256** by Blackman and Vigna (2018): 256 bits of state, a nanosecond
 * a number, seeded through splitmix64 so that any seed will do.  It serves
 * sampling, eviction and levels of skip lists, and it repeats for a given
 * seed.  It is no secret: keys of hashes and the like come from rand_entropy.
 *
 * A generator belongs to one thread.
 *
 * floor 0 - uses: base clock
 */
#if defined(KVNS_PLAIN)
#define RAND_GETENTROPY 0
#elif defined(__APPLE__)
#include <sys/random.h>
#define RAND_GETENTROPY 1
#elif defined(__GLIBC__)
#define RAND_GETENTROPY (__GLIBC__ * 100 + __GLIBC_MINOR__ >= 225)
#elif defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__)
#define RAND_GETENTROPY 1
#else
#define RAND_GETENTROPY 0
#endif

struct rand {
    uint64_t s[4];              /* never all zero */
};

/* The next of splitmix64, which turns a counter into noise. */
static inline uint64_t rand__split(uint64_t *counter) {
    uint64_t z = *counter += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* How many of n bytes /dev/urandom has filled. */
static size_t rand__device(unsigned char *p, size_t n) {
    size_t done = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

    if (fd == -1) return 0;
    while (done < n) {
        ssize_t got = read(fd, p + done, n - done);

        if (got <= 0) break;
        done += (size_t)got;
    }
    close(fd);
    return done;
}

/* Without any source of the system: what differs from run to run. */
static COLD void rand__meagre(unsigned char *p, size_t n) {
    uint64_t seed = (uint64_t)clock_wall_us() << 20;
    uint64_t word = 0;

    seed ^= (uint64_t)clock_mono_ns();
    seed ^= (uint64_t)getpid() << 48;
    seed ^= (uint64_t)(uintptr_t)&seed;
    for (size_t i = 0; i < n; i++, word >>= 8) {
        if (i % 8 == 0) word = rand__split(&seed);
        p[i] = (unsigned char)word;
    }
}

/* Fill p[0..n) with bytes that nobody can foretell, as far as the system
 * has any. */
static void rand_entropy(void *p, size_t n) {
    unsigned char *out = p;
    size_t done = 0;

#if RAND_GETENTROPY
    while (done < n) {
        size_t some = size_min(n - done, 256);

        if (getentropy(out + done, some) == -1) break;
        done += some;
    }
#endif
    if (done < n) done += rand__device(out + done, n - done);
    if (done < n) rand__meagre(out + done, n - done);
}

/* Start the sequence that belongs to a number. */
static void rand_seed_with(struct rand *r, uint64_t seed) {
    for (size_t i = 0; i < ROWS(r->s); i++) r->s[i] = rand__split(&seed);
}

/* Start a sequence that nobody has seen. */
static void rand_seed(struct rand *r) {
    uint64_t seed;

    rand_entropy(&seed, sizeof seed);
    rand_seed_with(r, seed);
}

static inline uint64_t rand__turn(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

/* 64 random bits. */
static inline uint64_t rand_next(struct rand *r) {
    uint64_t *s = r->s;
    uint64_t result = rand__turn(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rand__turn(s[3], 45);
    return result;
}

/* One of 0 to n - 1, each equally likely; 0 when n is 0.
 *
 * Up to 32 bits after Lemire ("Fast random integer generation in an
 * interval", 2019), one multiplication as a rule.  Beyond, numbers of n's
 * width are drawn until one is small enough: at most two on average. */
static inline uint64_t rand_below(struct rand *r, uint64_t n) {
    uint64_t product, mask, x;

    if (n <= UINT32_MAX) {
        uint32_t small = (uint32_t)n, least;

        product = (rand_next(r) >> 32) * n;
        if (LIKELY((uint32_t)product >= small)) return product >> 32;
        if (n == 0) return 0;
        least = (0 - small) % small;
        while ((uint32_t)product < least)
            product = (rand_next(r) >> 32) * n;
        return product >> 32;
    }
    mask = n - 1;
    for (int by = 1; by < 64; by *= 2) mask |= mask >> by;
    do x = rand_next(r) & mask;
    while (x >= n);
    return x;
}

/* A number of [0, 1), any multiple of 2^-53 equally likely. */
TESTED_ONLY static inline double rand_unit(struct rand *r) {
    return (double)(rand_next(r) >> 11) * 0x1p-53;
}
