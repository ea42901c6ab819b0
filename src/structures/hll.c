/* SPDX-License-Identifier: MIT */
/* ==== hll - how many different ones, in 12 KiB =============================
 *
 * HyperLogLog after Flajolet and others (2007), estimated as Ertl does
 * (arXiv:1702.01284), in the bytes that Redis keeps: 16384 registers, each of
 * which holds the longest run of zeros, and one, seen in the hashes that chose
 * it.
 *
 *   0   4  "HYLL"
 *   4   1  0: dense, 1: sparse
 *   5   3  0
 *   8   8  the last estimate, little-endian; the top bit says: out of date
 *  16      dense: 6 bits a register, the lowest bits of a byte first
 *          sparse: runs of registers, in order
 *            00nnnnnn            n + 1 registers that are 0
 *            01nnnnnn nnnnnnnn   likewise, n with its high bits first
 *            1vvvvvnn            n + 1 registers that are v + 1
 *
 * A sparse one grows to a dense one when it would pass a size or a register
 * 32.  These functions work on bytes that anybody may have made: whatever is
 * not sixteen thousand registers, neither more nor less, is seen and refused.
 * Where a change is made follows Redis step by step, so that the bytes do.
 *
 * floor 1 - uses: base
 */
enum {
    HLL_BITS = 14,              /* of the hash, which choose the register */
    HLL_REGISTERS = 1 << HLL_BITS,
    HLL_MOST = 64 - HLL_BITS + 1,   /* that a register can be */
    HLL_HEAD = 16,
    HLL_DENSE_SIZE = HLL_HEAD + HLL_REGISTERS * 6 / 8,
    HLL_SPARSE_MOST = HLL_HEAD + 2 * HLL_REGISTERS,
    HLL_ROOM = HLL_SPARSE_MOST + 8, /* bytes for one that is worked on */
    HLL_DENSE = 0,
    HLL_SPARSE = 1,
    HLL_RUN_ZERO = 64,          /* longest runs: short, long, and of values */
    HLL_RUN_VALUE = 4,
    HLL_SPARSE_VALUE = 32       /* the highest one that a run can have */
};

/* One that is being worked on, in HLL_ROOM bytes, or if it is dense in
 * HLL_DENSE_SIZE. */
struct hll {
    uint8_t *p;
    size_t n;
    /* where to look for a register beyond `last`, which was raised last */
    size_t near;                /* offset of a run; 0: from the beginning */
    uint32_t near_reg, last;    /* the run's first register */
};

/* Are these bytes one, as far as the head can tell? */
static bool hll_is(struct str s) {
    return s.n >= HLL_HEAD && memcmp(s.p, "HYLL", 4) == 0 &&
           ((s.p[4] == HLL_DENSE && s.n == HLL_DENSE_SIZE) ||
            s.p[4] == HLL_SPARSE);
}

static inline bool hll_is_sparse(struct str s) {
    return s.p[4] == HLL_SPARSE;
}

/* Make h, in HLL_ROOM bytes, an empty one. */
static void hll_init(struct hll *h) {
    memset(h->p, 0, HLL_HEAD);
    memcpy(h->p, "HYLL", 4);
    h->p[4] = HLL_SPARSE;
    h->p[16] = 0x40 | (HLL_REGISTERS - 1) >> 8;
    h->p[17] = (HLL_REGISTERS - 1) & 0xff;
    h->n = HLL_HEAD + 2;
    h->near = 0;
}

/* The last estimate; false: it is out of date. */
static bool hll_cached(struct str s, uint64_t *count) {
    *count = load_le(s.p + 8, 8);
    return *count >> 63 == 0;
}

static inline void hll_set_cached(uint8_t *p, uint64_t count) {
    store_le(p + 8, count, 8);
}

static inline void hll_outdate(uint8_t *p) { p[15] |= 0x80; }

/* MurmurHash64A (Austin Appleby) under Redis' seed. */
static uint64_t hll__hash(struct str s) {
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
    uint64_t h = UINT64_C(0xadc83b19) ^ (uint64_t)s.n * m, k;
    const char *p = s.p;
    size_t n = s.n;

    for (; n >= 8; n -= 8, p += 8) {
        k = load_le(p, 8) * m;
        h = (h ^ (k ^ k >> 47) * m) * m;
    }
    if (n > 0) h = (h ^ load_le(p, (int)n)) * m;
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

/* Which register an element counts in, and what it makes of it. */
static uint32_t hll_register(struct str s, unsigned *value) {
    uint64_t h = hll__hash(s), rest = h >> HLL_BITS;
    unsigned v = 1;

    rest |= UINT64_C(1) << (HLL_MOST - 1);
    for (; (rest & 1) == 0; rest >>= 1) v++;
    *value = v;
    return (uint32_t)h & (HLL_REGISTERS - 1);
}

/* ---- dense --------------------------------------------------------------- */

static inline unsigned hll__dense_get(const uint8_t *p, uint32_t reg) {
    size_t at = HLL_HEAD + reg * 6 / 8;
    unsigned v = p[at] | (at + 1 < HLL_DENSE_SIZE ? p[at + 1] << 8 : 0);

    return v >> (reg * 6 & 7) & 63;
}

static inline void hll__dense_put(uint8_t *p, uint32_t reg, unsigned value) {
    size_t at = HLL_HEAD + reg * 6 / 8;
    unsigned shift = reg * 6 & 7;

    p[at] = (uint8_t)((p[at] & ~(63U << shift)) | value << shift);
    if (shift <= 2) return;
    p[at + 1] = (uint8_t)((p[at + 1] & ~(63U >> (8 - shift))) |
                          value >> (8 - shift));
}

/* ---- sparse -------------------------------------------------------------- */

/* A run of registers. */
struct hll_run {
    uint32_t len;
    unsigned value;
    unsigned bytes;             /* 1 or 2; 0: cut off */
};

/* Read the run at p. */
static inline struct hll_run hll_run(const uint8_t *p, const uint8_t *end) {
    if ((*p & 0x80) != 0)
        return (struct hll_run){ (*p & 3U) + 1, (*p >> 2 & 31U) + 1, 1 };
    if ((*p & 0x40) == 0) return (struct hll_run){ (*p & 63U) + 1, 0, 1 };
    if (end - p < 2) return (struct hll_run){ 0, 0, 0 };
    return (struct hll_run){ ((*p & 63U) << 8 | p[1]) + 1, 0, 2 };
}

static inline uint8_t *hll__put_value(uint8_t *p, unsigned value,
                                      uint32_t len) {
    *p = (uint8_t)(0x80 | (value - 1) << 2 | (len - 1));
    return p + 1;
}

/* Write a run of len > 0 registers of a value that a run can have. */
static uint8_t *hll__put_run(uint8_t *p, unsigned value, uint32_t len) {
    if (value > 0) return hll__put_value(p, value, len);
    if (len > HLL_RUN_ZERO) {
        *p++ = (uint8_t)(0x40 | (len - 1) >> 8);
        *p = (uint8_t)(len - 1);
        return p + 1;
    }
    *p = (uint8_t)(len - 1);
    return p + 1;
}

/* Where a register was found. */
struct hll__place {
    struct hll_run run;
    size_t at, prev;            /* offsets of the run and the one before it */
    uint32_t first;             /* the run's first register */
    size_t near;                /* of the one before those two, for hll */
    uint32_t near_reg;
};

/* Find the run that holds a register, from the offset `from` on, where the
 * register `first` is; false: there is none. */
static bool hll__seek(const uint8_t *p, size_t n, uint32_t reg, size_t from,
                      uint32_t first, struct hll__place *w) {
    size_t at = from, prev = from, near = from;
    uint32_t prev_reg = first, near_reg = first;

    while (at + 1 < n) {
        uint32_t b = p[at], len = 1, bytes = 1;

        if (b & 0x80) {
            len += b & 3;
        } else if (LIKELY(b & 0x40)) {
            len += (b & 63) << 8 | p[at + 1];
            bytes = 2;
        } else {
            len += b;
        }
        if (reg - first < len) break;
        near = prev;
        near_reg = prev_reg;
        prev = at;
        prev_reg = first;
        at += bytes;
        first += len;
    }
    *w = (struct hll__place){ { 0, 0, 0 }, at, prev, first, near, near_reg };
    if (at >= n) return false;
    w->run = hll_run(p + at, p + n);
    return w->run.bytes > 0 && reg - first < w->run.len;
}

/* Join neighbours of the same value among the five runs from offset at on. */
static void hll__join(struct hll *h, size_t at) {
    for (int i = 0; i < 5 && at < h->n; i++) {
        struct hll_run a = hll_run(h->p + at, h->p + h->n), b;

        if (a.bytes == 0) return;
        if (a.value > 0 && at + 1 < h->n) {
            b = hll_run(h->p + at + 1, h->p + h->n);
            if (b.value == a.value && a.len + b.len <= HLL_RUN_VALUE) {
                hll__put_value(h->p + at + 1, a.value, a.len + b.len);
                memmove(h->p + at, h->p + at + 1, h->n - at - 1);
                h->n--;
                continue;
            }
        }
        at += a.bytes;
    }
}

/* Take all runs apart into p, dense; false: they are not all the registers. */
static bool hll__spread(uint8_t *p, const uint8_t *sparse, size_t n) {
    uint32_t reg = 0;
    size_t at = HLL_HEAD;

    memcpy(p, sparse, HLL_HEAD);
    memset(p + HLL_HEAD, 0, HLL_DENSE_SIZE - HLL_HEAD);
    p[4] = HLL_DENSE;
    while (at < n) {
        struct hll_run run = hll_run(sparse + at, sparse + n);

        if (run.bytes == 0 || run.len > HLL_REGISTERS - reg) return false;
        for (uint32_t i = 0; run.value > 0 && i < run.len; i++)
            hll__dense_put(p, reg + i, run.value);
        reg += run.len;
        at += run.bytes;
    }
    return reg == HLL_REGISTERS;
}

/* Make a sparse one dense; a dense one is.  False: it is corrupt, and was not
 * changed. */
static bool hll_to_dense(struct hll *h) {
    uint8_t dense[HLL_DENSE_SIZE];

    if (!hll_is_sparse(str_of(h->p, h->n))) return true;
    if (!hll__spread(dense, h->p, h->n)) return false;
    memcpy(h->p, dense, HLL_DENSE_SIZE);
    h->n = HLL_DENSE_SIZE;
    return true;
}

/* ---- one register -------------------------------------------------------- */

/* What a register is, or -1: corrupt. */
static int hll_get(struct str s, uint32_t reg) {
    const uint8_t *p = (const uint8_t *)s.p;
    struct hll__place w;

    if (!hll_is_sparse(s)) return (int)hll__dense_get(p, reg);
    if (!hll__seek(p, s.n, reg, HLL_HEAD, 0, &w)) return -1;
    return (int)w.run.value;
}

/* Raise a register of a dense one to a value; 1: it was lower. */
static inline int hll__raise_dense(uint8_t *p, uint32_t reg, unsigned value) {
    if (hll__dense_get(p, reg) >= value) return 0;
    hll__dense_put(p, reg, value);
    return 1;
}

/* Raise a register to a value, which makes a sparse one dense where it would
 * pass `most` bytes.  1: it was lower, 0: it was not, -1: corrupt. */
static int hll_raise(struct hll *h, uint32_t reg, unsigned value,
                     size_t most) {
    uint8_t seq[5], *end = seq;
    struct hll__place w;
    size_t len, tail;
    bool near;

    if (!hll_is_sparse(str_of(h->p, h->n)))
        return hll__raise_dense(h->p, reg, value);
    if (value > HLL_SPARSE_VALUE) goto dense;
    near = h->near != 0 && reg > h->last;
    if (!hll__seek(h->p, h->n, reg, near ? h->near : HLL_HEAD,
                   near ? h->near_reg : 0, &w))
        return -1;
    h->near = w.near;           /* before all that may change now */
    h->near_reg = w.near_reg;
    h->last = reg;
    if (w.run.value >= value) return 0;
    if (reg > w.first)
        end = hll__put_run(end, w.run.value, reg - w.first);
    end = hll__put_value(end, value, 1);
    if (reg - w.first + 1 < w.run.len)
        end = hll__put_run(end, w.run.value,
                           w.run.len - (reg - w.first) - 1);
    len = (size_t)(end - seq);
    if (len > w.run.bytes) {
        size_t n = h->n + len - w.run.bytes;

        if (n > most || n > HLL_SPARSE_MOST) goto dense;
    }
    tail = w.at + w.run.bytes;
    memmove(h->p + w.at + len, h->p + tail, h->n - tail);
    memcpy(h->p + w.at, seq, len);
    h->n = h->n + len - w.run.bytes;
    hll__join(h, w.prev);
    return 1;
dense:
    if (!hll_to_dense(h)) return -1;
    return hll__raise_dense(h->p, reg, value);
}

/* ---- all of them --------------------------------------------------------- */

/* The eight registers of six bytes, at index i of 2048. */
static inline uint64_t hll__eight(const uint8_t *p, size_t i) {
    p += HLL_HEAD + 6 * i;
    return i + 1 < HLL_REGISTERS / 8 ? load_le(p, 8) : load_le(p, 6);
}

/* Raise each of the registers in max to those of s.  False: corrupt, and max
 * is of no use any more. */
static bool hll_merge(uint8_t max[HLL_REGISTERS], struct str s) {
    const uint8_t *p = (const uint8_t *)s.p;
    uint8_t top = 0;
    uint32_t reg = 0;
    size_t at = HLL_HEAD;

    if (!hll_is_sparse(s)) {
        for (size_t i = 0; i < HLL_REGISTERS / 8; i++) {
            uint64_t v = hll__eight(p, i);
            uint8_t *m = max + 8 * i;

            for (int k = 0; k < 8; k++, v >>= 6) {
                uint8_t one = v & 63;

                m[k] = m[k] < one ? one : m[k];
                top = top < one ? one : top;
            }
        }
        return top <= HLL_MOST;
    }
    while (at < s.n) {
        struct hll_run run = hll_run(p + at, p + s.n);

        if (run.bytes == 0 || run.len > HLL_REGISTERS - reg) return false;
        for (uint32_t i = 0; run.value > 0 && i < run.len; i++)
            if (max[reg + i] < run.value) max[reg + i] = (uint8_t)run.value;
        reg += run.len;
        at += run.bytes;
    }
    return reg == HLL_REGISTERS;
}

/* Make h, in HLL_ROOM bytes, a dense one of these registers; the head stays. */
static void hll_pack(struct hll *h, const uint8_t reg[HLL_REGISTERS]) {
    uint8_t *p = h->p + HLL_HEAD;

    h->p[4] = HLL_DENSE;
    h->n = HLL_DENSE_SIZE;
    for (size_t i = 0; i < HLL_REGISTERS; i += 8, p += 6) {
        uint64_t v = 0;

        for (size_t k = 8; k-- > 0;) v = v << 6 | reg[i + k];
        store_le(p, v & UINT32_MAX, 4);
        store_le(p + 4, v >> 32, 2);
    }
}

/* The sum over k > 0 of x^(2^k) 2^(k-1), and x. */
static double hll__sigma(double x) {
    double y = 1, z = x, was;

    if (x == 1) return INFINITY;
    do {
        x *= x;
        was = z;
        z += x * y;
        y += y;
    } while (z != was);
    return z;
}

/* A third of 1 - x less the sum over k > 0 of (1 - x^(2^-k))^2 2^-k. */
static double hll__tau(double x) {
    double y = 1, z = 1 - x, was;

    if (x == 0 || x == 1) return 0;
    do {
        x = sqrt(x);
        was = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != was);
    return z / 3;
}

/* The estimate when `of[v]` registers are v, for all v. */
static uint64_t hll__estimate(const uint32_t of[64]) {
    const double m = HLL_REGISTERS, alpha = 0.721347520444481703680;
    double z = m * hll__tau((m - of[HLL_MOST]) / m);

    for (int v = HLL_MOST - 1; v >= 1; v--) z = (z + of[v]) * 0.5;
    z += m * hll__sigma(of[0] / m);
    if (!(z > 0)) return INT64_MAX;     /* all registers as high as can be */
    return (uint64_t)llroundl(alpha * m * m / z);
}

/* Estimate how many different elements made these registers. */
static uint64_t hll_count_registers(const uint8_t max[HLL_REGISTERS]) {
    uint32_t of[4][64] = { { 0 } };

    for (size_t i = 0; i < HLL_REGISTERS; i += 8) {
        if (load64(max + i) == 0) of[0][0] += 8;
        else for (size_t k = 0; k < 8; k++) of[k & 3][max[i + k] & 63]++;
    }
    for (size_t v = 0; v < 64; v++)
        of[0][v] += of[1][v] + of[2][v] + of[3][v];
    return hll__estimate(of[0]);
}

/* Estimate how many different elements s has seen; false: corrupt. */
static bool hll_count(struct str s, uint64_t *count) {
    uint32_t of[4][64] = { { 0 } };
    const uint8_t *p = (const uint8_t *)s.p;
    uint32_t all = 0;
    size_t at = HLL_HEAD;

    if (hll_is_sparse(s)) {
        while (at < s.n && all <= HLL_REGISTERS) {
            struct hll_run run = hll_run(p + at, p + s.n);

            if (run.bytes == 0) return false;
            of[0][run.value] += run.len;
            all += run.len;
            at += run.bytes;
        }
        if (at < s.n || all != HLL_REGISTERS) return false;
    } else {
        for (size_t i = 0; i < HLL_REGISTERS / 8; i++) {
            uint64_t v = hll__eight(p, i);

            for (int k = 0; k < 8; k++, v >>= 6) of[k & 3][v & 63]++;
        }
        for (size_t v = 0; v < 64; v++)
            of[0][v] += of[1][v] + of[2][v] + of[3][v];
        for (size_t v = HLL_MOST + 1; v < 64; v++)
            if (of[0][v] != 0) return false;
    }
    *count = hll__estimate(of[0]);
    return true;
}
