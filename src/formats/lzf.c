/* SPDX-License-Identifier: MIT */
/* ==== lzf - the compression inside RDB strings =============================
 *
 * Marc Lehmann's LZF as it is on disk; the code is our own.  A packed string
 * is a row of runs, each begun by a control byte:
 *
 *   000LLLLL                      L+1 bytes follow as they are
 *   LLLooooo oooooooo             copy L+2 bytes (L 1 to 6) from o+1 back
 *   111ooooo NNNNNNNN oooooooo    copy N+9 bytes from o+1 back
 *
 * A copy may reach into what it produces itself.  Nothing says how long the
 * result is: whoever wrote the string keeps that beside it.  Three bytes give
 * at most 264, so n packed bytes never give more than 88 n.
 *
 * Both directions work on memory of the caller and keep nothing.
 *
 * floor 2 - uses: base
 */
enum {
    LZF_LITERALS = 32,          /* most bytes in one literal run */
    LZF_BACK = 1 << 13,         /* farthest distance of a copy */
    LZF_COPY = 264,             /* most bytes in one copy */
    LZF_RATIO = 88,             /* bytes that one packed byte can give */
    LZF_BITS = 14               /* of the largest table: 64 KiB */
};

/* Copy n bytes from back bytes before d, in order, so that what was just
 * written is read again where the two overlap. */
static void lzf__copy(unsigned char *d, size_t back, size_t n) {
    const unsigned char *s = d - back;

    if (back >= n) {
        memcpy(d, s, n);
    } else if (back == 1) {
        memset(d, *s, n);
    } else {
        for (size_t i = 0; i < n; i++) d[i] = s[i];
    }
}

/* Unpack in[0..n) into out[0..cap).  Returns how many bytes came out, or 0
 * if the input is malformed or gives more than cap. */
static size_t lzf_unpack(const void *in, size_t n, void *out, size_t cap) {
    const unsigned char *s = in;
    unsigned char *d = out;
    size_t i = 0, o = 0;

    while (i < n) {
        size_t ctrl = s[i++], len, back;

        if (ctrl < LZF_LITERALS) {
            len = ctrl + 1;
            if (len > n - i || len > cap - o) return 0;
            memcpy(d + o, s + i, len);
            i += len;
            o += len;
            continue;
        }
        len = ctrl >> 5;
        if (len == 7) {
            if (i == n) return 0;
            len += s[i++];
        }
        len += 2;
        if (i == n) return 0;
        back = ((ctrl & 31) << 8 | s[i++]) + 1;
        if (back > o || len > cap - o) return 0;
        lzf__copy(d + o, back, len);
        o += len;
    }
    return o;
}

static inline uint32_t lzf__hash(const unsigned char *p, int bits) {
    uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

    return v * UINT32_C(0x9e3779b1) >> (32 - bits);
}

/* Where the n bytes at s end up as literals, from d on; NULL if they do not
 * fit before end. */
static unsigned char *lzf__literals(unsigned char *d, unsigned char *end,
                                    const unsigned char *s, size_t n) {
    while (n > 0) {
        size_t run = size_min(n, LZF_LITERALS);

        if ((size_t)(end - d) < run + 1) return NULL;
        *d++ = (unsigned char)(run - 1);
        memcpy(d, s, run);
        d += run;
        s += run;
        n -= run;
    }
    return d;
}

/* Write a copy of len (3 to 264) bytes from back (1 to 8192) before. */
static unsigned char *lzf__back(unsigned char *d, unsigned char *end,
                                size_t len, size_t back) {
    len -= 2;
    back -= 1;
    if ((size_t)(end - d) < (len < 7 ? 2 : 3)) return NULL;
    if (len < 7) {
        *d++ = (unsigned char)(len << 5 | back >> 8);
    } else {
        *d++ = (unsigned char)(7 << 5 | back >> 8);
        *d++ = (unsigned char)(len - 7);
    }
    *d++ = (unsigned char)back;
    return d;
}

/* Pack in[0..n) into out[0..cap).  Returns how many bytes that took, or 0 if
 * it does not fit: give less room than n to be told what is not worth it. */
static size_t lzf_pack(const void *in, size_t n, void *out, size_t cap) {
    uint32_t last[1 << LZF_BITS]; /* where a hash was seen, plus one */
    const unsigned char *s = in;
    unsigned char *d = out, *end = d + cap;
    size_t i = 0, from = 0;     /* from: first byte not written yet */
    int bits = 8;

    if (n == 0 || n >= UINT32_MAX) return 0;
    while (bits < LZF_BITS && (size_t)1 << bits < n) bits++;
    memset(last, 0, sizeof last[0] << bits);
    while (i + 2 < n) {
        uint32_t h = lzf__hash(s + i, bits);
        size_t at = last[h], len, most;

        last[h] = (uint32_t)i + 1;
        if (at == 0 || i - --at > LZF_BACK || memcmp(s + at, s + i, 3) != 0) {
            i++;
            continue;
        }
        most = size_min(n - i, LZF_COPY);
        for (len = 3; len < most && s[at + len] == s[i + len];) len++;
        d = lzf__literals(d, end, s + from, i - from);
        if (d != NULL) d = lzf__back(d, end, len, i - at);
        if (d == NULL) return 0;
        from = i + len;
        for (i++; i < from; i++)
            if (i + 2 < n) last[lzf__hash(s + i, bits)] = (uint32_t)i + 1;
    }
    d = lzf__literals(d, end, s + from, n - from);
    return d == NULL ? 0 : (size_t)(d - (unsigned char *)out);
}
