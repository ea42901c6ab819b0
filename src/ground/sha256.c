/* SPDX-License-Identifier: MIT */
/* ==== sha256 - passwords ===================================================
 *
 * SHA-256 (FIPS 180-4), HMAC (RFC 2104) and PBKDF2 (RFC 8018) over it, to
 * keep passwords as something else than themselves, and a comparison that
 * takes as long for a near miss as for a far one.
 *
 * Bytes may come in pieces: sha256_init, sha256_put..., sha256_end.  The work
 * of PBKDF2 may be done in pieces, too: sha256_stretch_begin, _step.
 *
 * floor 0 - uses: base
 */
enum { SHA256_SIZE = 32, SHA256_BLOCK = 64 };

struct sha256 {
    uint32_t h[8];
    uint64_t n;                 /* bytes put so far */
    unsigned char block[SHA256_BLOCK];  /* the n % 64 not yet mixed in */
};

/* Forget a secret, in a way no compiler leaves out. */
static void sha256_wipe(void *p, size_t n) {
    volatile unsigned char *b = p;

    while (n-- > 0) *b++ = 0;
}

static inline uint32_t sha256__turn(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

/* Mix one block into the state (FIPS 180-4, 6.2.2). */
static void sha256__mix(uint32_t h[8], const unsigned char *block) {
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
        0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
        0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
        0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
        0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
        0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
        0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
    };
    uint32_t w[64], a = h[0], b = h[1], c = h[2], d = h[3];
    uint32_t e = h[4], f = h[5], g = h[6], o = h[7], one, two;

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)load_be(block + 4 * i, 4);
    for (int i = 16; i < 64; i++) {
        one = w[i - 15];
        two = w[i - 2];
        one = sha256__turn(one, 7) ^ sha256__turn(one, 18) ^ one >> 3;
        two = sha256__turn(two, 17) ^ sha256__turn(two, 19) ^ two >> 10;
        w[i] = w[i - 16] + one + w[i - 7] + two;
    }
    for (int i = 0; i < 64; i++) {
        one = sha256__turn(e, 6) ^ sha256__turn(e, 11) ^ sha256__turn(e, 25);
        one += o + (g ^ (e & (f ^ g))) + k[i] + w[i];
        two = sha256__turn(a, 2) ^ sha256__turn(a, 13) ^ sha256__turn(a, 22);
        two += (a & b) | (c & (a | b));
        o = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += o;
}

/* Start a hash. */
static void sha256_init(struct sha256 *s) {
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
    };

    memcpy(s->h, start, sizeof start);
    s->n = 0;
}

/* Put n bytes more. */
static void sha256_put(struct sha256 *s, const void *p, size_t n) {
    const unsigned char *from = p;
    size_t used = (size_t)(s->n % SHA256_BLOCK);

    s->n += n;
    if (used > 0) {
        size_t some = size_min(n, SHA256_BLOCK - used);

        if (some > 0) memcpy(s->block + used, from, some);
        if (used + some < SHA256_BLOCK) return;
        sha256__mix(s->h, s->block);
        from += some;
        n -= some;
    }
    for (; n >= SHA256_BLOCK; n -= SHA256_BLOCK, from += SHA256_BLOCK)
        sha256__mix(s->h, from);
    if (n > 0) memcpy(s->block, from, n);
}

/* Pad and write the hash. */
static void sha256__sum(struct sha256 *s, unsigned char out[SHA256_SIZE]) {
    static const unsigned char pad[SHA256_BLOCK] = { 0x80 };
    unsigned char bits[8];

    store_be(bits, s->n * 8, 8);
    sha256_put(s, pad, 1 + (119 - s->n % SHA256_BLOCK) % SHA256_BLOCK);
    sha256_put(s, bits, sizeof bits);
    for (int i = 0; i < 8; i++) store_be(out + 4 * i, s->h[i], 4);
}

/* Write the hash of all that was put, and forget it. */
static void sha256_end(struct sha256 *s, unsigned char out[SHA256_SIZE]) {
    sha256__sum(s, out);
    sha256_wipe(s, sizeof *s);
}

/* SHA-256 of n bytes. */
static void sha256_of(const void *p, size_t n,
                      unsigned char out[SHA256_SIZE]) {
    struct sha256 s;

    sha256_init(&s);
    sha256_put(&s, p, n);
    sha256_end(&s, out);
}

/* The two hashes of HMAC, each with its padded key put. */
static void sha256__keyed(struct sha256 *inner, struct sha256 *outer,
                          const void *key, size_t n) {
    unsigned char block[SHA256_BLOCK] = { 0 };

    if (n > sizeof block) sha256_of(key, n, block);
    else if (n > 0) memcpy(block, key, n);
    for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36;
    sha256_init(inner);
    sha256_put(inner, block, sizeof block);
    for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36 ^ 0x5c;
    sha256_init(outer);
    sha256_put(outer, block, sizeof block);
    sha256_wipe(block, sizeof block);
}

/* End an HMAC whose message went into inner; both are used up. */
static void sha256__finish(struct sha256 *inner, struct sha256 *outer,
                           unsigned char out[SHA256_SIZE]) {
    sha256__sum(inner, out);
    sha256_put(outer, out, SHA256_SIZE);
    sha256__sum(outer, out);
}

/* HMAC-SHA-256 of a message of n bytes. */
TESTED_ONLY
static void sha256_hmac(const void *key, size_t key_n, const void *p, size_t n,
                        unsigned char out[SHA256_SIZE]) {
    struct sha256 inner, outer;

    sha256__keyed(&inner, &outer, key, key_n);
    sha256_put(&inner, p, n);
    sha256__finish(&inner, &outer, out);
    sha256_wipe(&inner, sizeof inner);
    sha256_wipe(&outer, sizeof outer);
}

/* One block of PBKDF2 that is being worked out. */
struct sha256_stretch {
    struct sha256 inner, outer; /* with the padded password put */
    unsigned char last[SHA256_SIZE], sum[SHA256_SIZE];
    uint32_t left;              /* rounds to be done */
};

/* Begin with block `part`, counted from 1, of a password and a salt stretched
 * in that many rounds, at least one. */
static void sha256_stretch_begin(struct sha256_stretch *t, struct str password,
                                 struct str salt, uint32_t rounds,
                                 uint32_t part) {
    struct sha256 in, ex;
    unsigned char index[4];

    sha256__keyed(&t->inner, &t->outer, password.p, password.n);
    in = t->inner;
    ex = t->outer;
    store_be(index, part, 4);
    sha256_put(&in, salt.p, salt.n);
    sha256_put(&in, index, sizeof index);
    sha256__finish(&in, &ex, t->last);
    memcpy(t->sum, t->last, sizeof t->sum);
    t->left = rounds - 1;
    sha256_wipe(&in, sizeof in);
    sha256_wipe(&ex, sizeof ex);
}

/* Do some rounds, `most` at most.  True when all are done: sum is the block;
 * the caller wipes it. */
static bool sha256_stretch_step(struct sha256_stretch *t, uint32_t most) {
    struct sha256 in, ex;

    for (; most > 0 && t->left > 0; most--, t->left--) {
        in = t->inner;
        ex = t->outer;
        sha256_put(&in, t->last, sizeof t->last);
        sha256__finish(&in, &ex, t->last);
        for (size_t j = 0; j < sizeof t->sum; j++) t->sum[j] ^= t->last[j];
    }
    sha256_wipe(&in, sizeof in);
    sha256_wipe(&ex, sizeof ex);
    return t->left == 0;
}

/* PBKDF2-HMAC-SHA-256: n bytes made from a password and a salt in that many
 * rounds, at least one. */
static void sha256_pbkdf2(struct str password, struct str salt,
                          uint32_t rounds, void *out, size_t n) {
    struct sha256_stretch t;
    unsigned char *to = out;

    for (uint32_t part = 1; n > 0; part++) {
        size_t some = size_min(n, SHA256_SIZE);

        sha256_stretch_begin(&t, password, salt, rounds, part);
        sha256_stretch_step(&t, rounds);
        memcpy(to, t.sum, some);
        to += some;
        n -= some;
    }
    sha256_wipe(&t, sizeof t);
}

/* Are n bytes the same?  The time taken does not tell where they differ. */
static bool sha256_same(const void *a, const void *b, size_t n) {
    const volatile unsigned char *x = a, *y = b;
    unsigned char differ = 0;

    for (size_t i = 0; i < n; i++)
        differ = (unsigned char)(differ | (x[i] ^ y[i]));
    return differ == 0;
}
