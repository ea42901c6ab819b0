/* SPDX-License-Identifier: MIT */
/* ==== hash - numbers for keys ==============================================
 *
 * hash_fast is for tables: blocks of 16 bytes are folded by 64 x 64 -> 128
 * bit multiplication, as Wang Yi's wyhash does.  Everything that enters a
 * multiplication has first been masked by a secret word made from the seed,
 * both factors by different ones, so that without the seed nobody can make a
 * factor zero or two blocks alike.  All 64 bits of the result are good.
 *
 * That holds off guesses, not proofs.  Where somebody seems to have found
 * colliding keys, hash_sip13 takes over: SipHash (Aumasson and Bernstein,
 * 2012) with 1 round a word and 3 at the end.
 *
 * Results of hash_fast differ between machines of different byte order and
 * never leave the process.  Those of hash_sip13 are the same everywhere.
 *
 * floor 0 - uses: base
 */

/* The first fraction bits of pi. */
#define HASH_K0 UINT64_C(0x243f6a8885a308d3)
#define HASH_K1 UINT64_C(0x13198a2e03707345)
#define HASH_K2 UINT64_C(0xa4093822299f31d0)
#define HASH_K3 UINT64_C(0x082efa98ec4e6c89)

/* The product of a and b: its low half, and the other half in *high. */
static INLINE uint64_t hash_mul(uint64_t a, uint64_t b, uint64_t *high) {
#if defined(__SIZEOF_INT128__) && !defined(KVNS_PLAIN)
    __extension__ unsigned __int128 product = a;

    product *= b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32;
    uint64_t b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0;
    uint64_t mid = a1 * b0 + (low >> 32);
    uint64_t mid2 = a0 * b1 + (uint32_t)mid;

    *high = a1 * b1 + (mid >> 32) + (mid2 >> 32);
    return mid2 << 32 | (uint32_t)low;
#endif
}

static INLINE uint64_t hash__fold(uint64_t a, uint64_t b) {
    uint64_t high, low = hash_mul(a, b, &high);

    return low ^ high;
}

/* A hash of n bytes for tables of this process; seed is to be secret. */
static INLINE uint64_t hash_fast(const void *p, size_t n, uint64_t seed) {
    const unsigned char *s = p;
    uint64_t one = seed ^ HASH_K0;
    uint64_t two = seed * HASH_K1 + HASH_K2;
    uint64_t a = 0, b = 0, high;
    size_t left = n;

    if (LIKELY(n <= 16)) {
        if (n >= 8) {
            a = load64(s);
            b = load64(s + n - 8);
        } else if (n >= 4) {
            a = load32(s);
            b = load32(s + n - 4);
        } else if (n > 0) {
            a = (uint64_t)s[0] << 16 | (uint64_t)s[n >> 1] << 8 | s[n - 1];
        }
    } else {
        for (; left > 16; left -= 16, s += 16)
            one = hash__fold(load64(s) ^ two, load64(s + 8) ^ one);
        a = load64(s + left - 16);
        b = load64(s + left - 8);
    }
    a = hash_mul(a ^ two, b ^ one, &high);
    return hash__fold(a ^ HASH_K3 ^ n, high ^ two);
}

static inline uint64_t hash__turn(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static inline void hash__sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = hash__turn(v[1], 13) ^ v[0];
    v[0] = hash__turn(v[0], 32);
    v[2] += v[3];
    v[3] = hash__turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = hash__turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = hash__turn(v[1], 17) ^ v[2];
    v[2] = hash__turn(v[2], 32);
}

/* SipHash-1-3 of n bytes under a 128-bit key: safe against chosen keys. */
static uint64_t hash_sip13(const void *p, size_t n, const uint64_t key[2]) {
    const unsigned char *s = p;
    size_t left = n;
    uint64_t last = (uint64_t)n << 56;
    uint64_t v[4] = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573)
    };

    for (; left >= 8; left -= 8, s += 8) {
        uint64_t word = load_le(s, 8);

        v[3] ^= word;
        hash__sip_round(v);
        v[0] ^= word;
    }
    last |= load_le(s, (int)left);
    v[3] ^= last;
    hash__sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) hash__sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
