/* SPDX-License-Identifier: MIT */
/* ==== num - numbers from text, and text from numbers =======================
 *
 * Integers are read as strictly as Redis reads them: one spelling for each
 * number.  Floating point is read as C's strtod reads it, and written with 17
 * digits as Redis 7.0 writes scores.
 *
 * Both ways are exact, and no locale has a say in them.  Text is reduced to
 * digits and one exponent before libc sees it, so that no radix point is
 * left; of more digits than can matter, the rest becomes one.  What is short
 * (up to 2^53 and ten to the 22nd) needs one multiplication or division after
 * Clinger ("How to read floating point numbers accurately", 1990).
 *
 * Writing 17 digits of v = m 2^e multiplies m by a power of five and shifts:
 * for 1e-11 <= v < 2^53 the product fits 128 bits and nothing is lost before
 * the one rounding, half to even.  Beyond that range snprintf does it.
 *
 * floor 0 - uses: base hash
 */
enum {
    NUM_INT_ROOM = 20,          /* most bytes num_put_int writes */
    NUM_UINT_ROOM = 20,         /* most bytes num_put_uint writes */
    NUM_DOUBLE_ROOM = 32,       /* bytes num_put_double may touch */
    NUM_LD_ROOM = 5120,         /* bytes num_put_ld may touch; Redis' limit */
    NUM__DIGITS = 800,          /* digits that can matter to a double */
    NUM__LIMIT = 100000         /* exponents beyond are endless or nothing */
};

static const char num__pairs[] =
    "00010203040506070809101112131415161718192021222324"
    "25262728293031323334353637383940414243444546474849"
    "50515253545556575859606162636465666768697071727374"
    "75767778798081828384858687888990919293949596979899";

/* Powers of ten that a double holds exactly. */
static const double num__tens[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

/* Read an unsigned integer that is all of s: digits only, no zero in front
 * of others.  False leaves *out alone. */
static inline bool num_parse_uint(struct str s, uint64_t *out) {
    size_t i, safe = size_min(s.n, 19);
    uint64_t v = 0;
    unsigned d;

    if (s.n == 0 || s.n > 20) return false;
    if (s.p[0] == '0' && s.n > 1) return false;
    for (i = 0; i < safe; i++) {
        d = (unsigned)(unsigned char)s.p[i] - '0';
        if (d > 9) return false;
        v = v * 10 + d;
    }
    if (UNLIKELY(s.n == 20)) {
        d = (unsigned)(unsigned char)s.p[19] - '0';
        if (d > 9 || v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}

/* Read an integer that is all of s, with a minus at most: no plus, no blanks,
 * no zero in front, no "-0".  False leaves *out alone. */
static inline bool num_parse_int(struct str s, int64_t *out) {
    bool minus;
    uint64_t v;

    if (s.n == 0) return false;
    minus = s.p[0] == '-';
    if (!num_parse_uint(str_of(s.p + minus, s.n - minus), &v)) return false;
    if (minus) {
        if (v == 0 || v > (uint64_t)INT64_MAX + 1) return false;
        *out = -(int64_t)(v - 1) - 1;
        return true;
    }
    if (v > INT64_MAX) return false;
    *out = (int64_t)v;
    return true;
}

/* a + b, or false and *out left alone where that is no int64_t. */
static inline bool num_add(int64_t a, int64_t b, int64_t *out) {
    if (b >= 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return false;
    *out = a + b;
    return true;
}

/* How many decimal digits v has: 1 to 20. */
static inline size_t num_digits(uint64_t v) {
    for (size_t n = 0;; n += 4, v /= 10000) {
        if (v < 10) return n + 1;
        if (v < 100) return n + 2;
        if (v < 1000) return n + 3;
        if (v < 10000) return n + 4;
    }
}

/* Write the last n digits of v, with zeros in front. */
static inline void num__put(char *dst, uint64_t v, size_t n) {
    for (; n >= 2; v /= 100)
        memcpy(dst + (n -= 2), num__pairs + v % 100 * 2, 2);
    if (n > 0) dst[0] = (char)('0' + v % 10);
}

/* Write v in decimal and return its length, at most NUM_UINT_ROOM. */
static inline size_t num_put_uint(char *dst, uint64_t v) {
    size_t n = num_digits(v);

    num__put(dst, v, n);
    return n;
}

/* Write v in decimal and return its length, at most NUM_INT_ROOM. */
static inline size_t num_put_int(char *dst, int64_t v) {
    if (v >= 0) return num_put_uint(dst, (uint64_t)v);
    dst[0] = '-';
    return 1 + num_put_uint(dst + 1, 0 - (uint64_t)v);
}

/* ---- floating point, read ------------------------------------------------ */

/* Pieces of a number: its digits times base^scale, ten or two. */
struct num__text {
    char *digits;               /* the caller's room */
    size_t most;                /* how many fit */
    size_t n;                   /* how many there are; none means zero */
    int64_t scale;
    bool minus, hex;
};

static inline int num__digit(char c, bool hex) {
    if (c >= '0' && c <= '9') return c - '0';
    c = base_lower(c);
    return hex && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read a sign and a word for infinity, all of s. */
static bool num__is_inf(struct str s, bool *minus) {
    if (s.n == 0) return false;
    *minus = s.p[0] == '-';
    if (*minus || s.p[0] == '+') s = str_of(s.p + 1, s.n - 1);
    return str_is(s, "inf") || str_is(s, "infinity");
}

/* Read the exponent that ends s at s.p[i]; far ones become NUM__LIMIT^2. */
static bool num__exponent(struct str s, size_t i, int64_t *out) {
    const int64_t far = (int64_t)NUM__LIMIT * NUM__LIMIT;
    int64_t v = 0;
    bool minus = false;

    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+')) minus = s.p[i++] == '-';
    if (i == s.n) return false;
    for (; i < s.n; i++) {
        int d = num__digit(s.p[i], false);

        if (d < 0) return false;
        v = v * 10 + d;
        if (v > far) v = far;
    }
    *out = minus ? -v : v;
    return true;
}

/* Take a number to pieces as strtod would: decimal or hexadecimal, all of s.
 * Zeros in front are left out; digits that no longer fit become one. */
static bool num__take(struct str s, struct num__text *t) {
    bool any = false, point = false, more = false;
    int64_t exponent = 0;
    size_t i = 0;

    t->n = 0;
    t->scale = 0;
    t->minus = s.n > 0 && s.p[0] == '-';
    if (t->minus || (s.n > 0 && s.p[0] == '+')) i++;
    t->hex = s.n - i > 2 && s.p[i] == '0' && base_lower(s.p[i + 1]) == 'x';
    if (t->hex) i += 2;
    for (; i < s.n; i++) {
        if (s.p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (num__digit(s.p[i], t->hex) < 0) break;
        any = true;
        if (t->n < t->most && (t->n > 0 || s.p[i] != '0'))
            t->digits[t->n++] = s.p[i];
        else if (t->n > 0) {
            more = more || s.p[i] != '0';
            t->scale++;
        }
        if (point) t->scale--;
    }
    if (!any) return false;
    if (i < s.n && base_lower(s.p[i]) != (t->hex ? 'p' : 'e')) return false;
    if (i < s.n && !num__exponent(s, i + 1, &exponent)) return false;
    if (more) t->digits[t->n - 1] = '1';
    if (t->hex) t->scale *= 4;
    t->scale += exponent;
    return true;
}

/* Write the pieces so that libc reads them alike under any locale.  The
 * digits lie at out + 3; returns where the text begins. */
static char *num__join(struct num__text *t, char *out) {
    int64_t scale = t->scale;
    char *end = t->digits + t->n, *p = out + 3;

    if (scale > NUM__LIMIT) scale = NUM__LIMIT;
    if (scale < -NUM__LIMIT) scale = -NUM__LIMIT;
    if (t->hex) {
        *--p = 'x';
        *--p = '0';
    }
    if (t->minus) *--p = '-';
    *end++ = t->hex ? 'p' : 'e';
    end += num_put_int(end, scale);
    *end = '\0';
    return p;
}

/* Read a short decimal number: v = m 10^scale with a small m and scale. */
static inline bool num__short(struct str s, uint64_t *m, int *scale,
                              bool *minus) {
    size_t i = 0, digits = 0, point = 0;
    uint64_t v = 0;

    *minus = s.n > 0 && s.p[0] == '-';
    if (s.n > 20 || s.n == 0) return false;
    for (i = *minus; i < s.n; i++) {
        unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

        if (d <= 9) {
            v = v * 10 + d;
            digits++;
        } else if (s.p[i] == '.' && point == 0) {
            point = i + 1;
        } else {
            return false;
        }
    }
    *m = v;
    *scale = point == 0 ? 0 : -(int)(s.n - point);
    return digits > 0 && digits <= 18;
}

/* Read a double that is all of s, as Redis reads scores: what strtod takes,
 * without blanks and NaN.  What is too large, or too small to differ from
 * zero, is refused.  False leaves *out alone. */
static bool num_parse_double(struct str s, double *out) {
    char room[3 + NUM__DIGITS + 32];
    struct num__text t;
    bool minus;
    uint64_t m;
    double v;
    int scale;

    if (FLT_EVAL_METHOD == 0 && num__short(s, &m, &scale, &minus) &&
        m <= UINT64_C(1) << 53) {
        v = (double)m / num__tens[-scale];
        *out = minus ? -v : v;
        return true;
    }
    if (num__is_inf(s, &minus)) {
        *out = minus ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    t.digits = room + 3;
    t.most = NUM__DIGITS;
    if (!num__take(s, &t)) return false;
    if (t.n == 0) {
        *out = t.minus ? -0.0 : 0.0;
        return true;
    }
    v = strtod(num__join(&t, room), NULL);
    if (v == 0 || isinf(v)) return false;
    *out = v;
    return true;
}

/* Read a long double that is all of s, as INCRBYFLOAT does: like
 * num_parse_double, and refused from NUM_LD_ROOM bytes on. */
static bool num_parse_ld(struct str s, long double *out) {
    char room[3 + NUM_LD_ROOM + 32];
    struct num__text t;
    bool minus;
    uint64_t m;
    long double v;
    int scale;

    if (s.n >= NUM_LD_ROOM) return false;
    if (LDBL_MANT_DIG >= 64 && num__short(s, &m, &scale, &minus)) {
        v = (long double)m / (long double)num__tens[-scale];
        *out = minus ? -v : v;
        return true;
    }
    if (num__is_inf(s, &minus)) {
        *out = minus ? -(long double)HUGE_VAL : (long double)HUGE_VAL;
        return true;
    }
    t.digits = room + 3;
    t.most = NUM_LD_ROOM;
    if (!num__take(s, &t)) return false;
    if (t.n == 0) {
        *out = t.minus ? -0.0L : 0.0L;
        return true;
    }
    v = strtold(num__join(&t, room), NULL);
    if (v == 0 || isinf(v)) return false;
    *out = v;
    return true;
}

/* ---- floating point, written --------------------------------------------- */

/* The 17 digits of a positive v and the power of ten of the first, exactly,
 * if 1e-11 <= v < 2^53 and v is no integer. */
static bool num__exact(double v, uint64_t *digits, int *power) {
    static const uint64_t limit = UINT64_C(100000000000000000);
    uint64_t bits, m, low, high, d, rest, half, five;
    int e, shift, k;

    if (v < 1e-11 || v >= 9007199254740992.0) return false;
    memcpy(&bits, &v, sizeof bits);
    e = (int)(bits >> 52) - 1023;
    m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;

    /* The power is floor(e log10(2)) or one more; the digits tell. */
    *power = (e * 1233 + 409600) / 4096 - 100;
    do {
        k = 16 - *power;
        if (k < 1 || k > 27) return false;
        for (five = 1, d = 5, low = (uint64_t)k; low != 0; low >>= 1, d *= d)
            if (low & 1) five *= d;
        shift = 52 - e - k;
        if (shift < 0 || shift > 63) return false;
        low = hash_mul(m, five, &high);
        d = shift == 0 ? low : high << (64 - shift) | low >> shift;
    } while (d >= limit && ++*power < 17);

    if (shift > 0) {
        rest = low & ((UINT64_C(1) << shift) - 1);
        half = UINT64_C(1) << (shift - 1);
        if (rest > half || (rest == half && (d & 1) != 0)) d++;
    }
    if (d == limit) {
        d /= 10;
        ++*power;
    }
    *digits = d;
    return true;
}

/* The same for any positive finite v, by way of libc. */
static void num__printed(double v, uint64_t *digits, int *power) {
    char text[64];
    const char *p = text;
    uint64_t d = 0;

    snprintf(text, sizeof text, "%.16e", v);
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') d = d * 10 + (uint64_t)(*p - '0');
    *digits = d;
    *power = (int)strtol(p + 1, NULL, 10);
}

/* Write n digits d as C's %g does when the first stands for 10^power. */
static size_t num__layout(char *dst, const char *d, size_t n, int power) {
    char *p = dst;
    size_t whole;

    if (power >= 17 || power < -4) {
        *p++ = d[0];
        if (n > 1) *p++ = '.';
        memcpy(p, d + 1, n - 1);
        p += n - 1;
        *p++ = 'e';
        *p++ = power < 0 ? '-' : '+';
        if (power < 0) power = -power;
        if (power < 10) *p++ = '0';
        return (size_t)(p - dst) + num_put_uint(p, (uint64_t)power);
    }
    if (power < 0) {
        memcpy(p, "0.0000", 6);
        memcpy(p + 1 - power, d, n);
        return (size_t)(1 - power) + n;
    }
    whole = (size_t)power + 1;
    if (n <= whole) {
        memset(p, '0', whole);
        memcpy(p, d, n);
        return whole;
    }
    memcpy(p, d, whole);
    p[whole] = '.';
    memcpy(p + whole + 1, d + whole, n - whole);
    return n + 1;
}

/* Write v as Redis 7.0 writes scores, C's %.17g: "3", "0.10000000000000001",
 * "1e+21", "-0", "inf", "nan".  Returns the length; dst has NUM_DOUBLE_ROOM
 * bytes. */
static size_t num_put_double(char *dst, double v) {
    char text[18];
    size_t n = 17, minus = 0;
    uint64_t digits;
    int power;

    if (isnan(v)) {
        memcpy(dst, "nan", 3);
        return 3;
    }
    if (signbit(v)) {
        dst[0] = '-';
        minus = 1;
        v = -v;
    }
    if (v < 1e17 && v == (double)(int64_t)v)
        return minus + num_put_uint(dst + minus, (uint64_t)v);
    if (isinf(v)) {
        memcpy(dst + minus, "inf", 3);
        return minus + 3;
    }
    if (!num__exact(v, &digits, &power)) num__printed(v, &digits, &power);
    num__put(text, digits, n);
    while (text[n - 1] == '0') n--;
    return minus + num__layout(dst + minus, text, n, power);
}

/* Write v as INCRBYFLOAT and HINCRBYFLOAT do: no exponent, up to 17 digits
 * after the point, no zeros at the end.  Returns the length; dst has
 * NUM_LD_ROOM bytes. */
static size_t num_put_ld(char *dst, long double v) {
    size_t n, whole;

    if (isnan(v)) {
        memcpy(dst, "nan", 3);
        return 3;
    }
    if (isinf(v)) {
        memcpy(dst, v > 0 ? "inf" : "-inf", v > 0 ? 3 : 4);
        return v > 0 ? 3 : 4;
    }
    n = (size_t)snprintf(dst, NUM_LD_ROOM, "%.17Lf", v);
    if (NEVER(n >= NUM_LD_ROOM)) return 0;

    /* The locale's radix point, of any length, stands between. */
    whole = dst[0] == '-';
    while (dst[whole] >= '0' && dst[whole] <= '9') whole++;
    memmove(dst + whole + 1, dst + n - 17, 17);
    dst[whole] = '.';
    n = whole + 18;
    while (dst[n - 1] == '0') n--;
    if (dst[n - 1] == '.') n--;
    if (n == 2 && dst[0] == '-' && dst[1] == '0') {
        dst[0] = '0';
        n = 1;
    }
    return n;
}

/* Read a number of bytes as redis.conf has them: a plain number, or one with
 * b, k (1000), kb (1024), m, mb, g or gb in any case.  What does not fit 64
 * bits is refused. */
static bool num_parse_size(struct str s, uint64_t *bytes) {
    static const struct { char unit[3]; uint32_t factor; } units[] = {
        { "", 1 }, { "b", 1 }, { "k", 1000 }, { "kb", 1024 },
        { "m", 1000000 }, { "mb", 1 << 20 },
        { "g", 1000000000 }, { "gb", 1 << 30 }
    };
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        uint64_t d = (uint64_t)(s.p[i] - '0');

        if (v > (UINT64_MAX - d) / 10) return false;
        v = v * 10 + d;
    }
    if (i == 0) return false;
    s = str_of(s.p + i, s.n - i);
    for (i = 0; i < ROWS(units); i++) {
        if (!str_is(s, units[i].unit)) continue;
        if (v > UINT64_MAX / units[i].factor) return false;
        *bytes = v * units[i].factor;
        return true;
    }
    return false;
}
