/* SPDX-License-Identifier: MIT */
/* ==== ziplist - small collections as Redis before 7 packed them ============
 *
 * Ziplists (up to Redis 6.2) and zipmaps (up to 2.4) stand in old snapshots
 * and DUMP payloads.  They are only read here: checked once as a whole, then
 * walked element by element, an offset naming each.  Nothing is allocated.
 *
 *   ziplist   [bytes 4][offset of last 4][count 2][element]...[FF]
 *   element   [prev][encoding][data]
 *   prev      length of the element before: 1 byte below FE, or FE and 4
 *   encoding  00nnnnnn             string of n bytes
 *             01nnnnnn n           of n bytes, 14 bits, high ones first
 *             10...... n n n n     of n bytes, big-endian
 *             C0 D0 E0 F0 FE       integer of 2, 4, 8, 3, 1 bytes
 *             F1 to FD             integer 0 to 12, no data
 *
 *   zipmap    [count 1][pair]...[FF]
 *   pair      [length][field][length][free 1][value][free bytes of nothing]
 *   length    1 byte below FE, or FE and 4
 *
 * Where not said otherwise numbers are little-endian, and integers signed.  A
 * count of FFFF, or FE in a zipmap, means that one has to walk.
 *
 * floor 2 - uses: base pack
 */
enum {
    ZIPLIST_FIRST = 10,         /* offset of a ziplist's first element */
    ZIPLIST_MAP_FIRST = 1       /* and of a zipmap's first pair */
};

/* Of the encoding at q: bytes of itself and of its data.  False if there are
 * not `left` bytes for both, or no such encoding exists. */
static bool ziplist__measure(const uint8_t *q, size_t left, size_t *head,
                             size_t *data) {
    uint64_t n;

    if (left == 0) return false;
    *head = q[0] < 0x40 ? 1 : q[0] < 0x80 ? 2 : q[0] < 0xc0 ? 5 : 1;
    if (left < *head) return false;
    if (q[0] < 0x40) n = q[0];
    else if (q[0] < 0x80) n = (uint64_t)(q[0] & 0x3f) << 8 | q[1];
    else if (q[0] < 0xc0) n = load_be(q + 1, 4);
    else if (q[0] == 0xc0) n = 2;
    else if (q[0] == 0xd0) n = 4;
    else if (q[0] == 0xe0) n = 8;
    else if (q[0] == 0xf0) n = 3;
    else if (q[0] == 0xfe) n = 1;
    else if (q[0] >= 0xf1 && q[0] <= 0xfd) n = 0;
    else return false;
    if (n > left - *head) return false;
    *data = (size_t)n;
    return true;
}

/* Are the n bytes at p a ziplist, and nothing else?  For bytes of any origin;
 * reads nothing outside.  *count is how many elements there are. */
static bool ziplist_valid(const uint8_t *p, size_t n, size_t *count) {
    size_t at = ZIPLIST_FIRST, last = at, before = 0, head, data;

    *count = 0;
    if (n <= ZIPLIST_FIRST || load_le(p, 4) != n) return false;
    n--;                        /* what is left to the elements */
    if (p[n] != 0xff) return false;
    while (at < n) {
        size_t prev = p[at] < 0xfe ? 1 : 5;

        if (p[at] == 0xff || prev > n - at) return false;
        if ((prev == 1 ? p[at] : load_le(p + at + 1, 4)) != before)
            return false;
        if (!ziplist__measure(p + at + prev, n - at - prev, &head, &data))
            return false;
        last = at;
        before = prev + head + data;
        at += before;
        ++*count;
    }
    if (load_le(p + 4, 4) != last) return false;
    return load_le(p + 8, 2) == 65535 || load_le(p + 8, 2) == *count;
}

/* Read the element at `at` of a valid ziplist; returns where the next one
 * starts, n - 1 behind the last.  A string is borrowed from the ziplist. */
static size_t ziplist_read(const uint8_t *p, size_t n, size_t at,
                           struct pack_item *it) {
    const uint8_t *q = p + at + (p[at] < 0xfe ? 1 : 5);
    size_t head, data;
    uint64_t sign;

    if (!ziplist__measure(q, (size_t)(p + n - q), &head, &data))
        KVNS_ASSERT(!"an element of a valid ziplist");
    it->is_int = q[0] >= 0xc0;
    if (!it->is_int) {
        it->s = str_of(q + head, data);
    } else if (data == 0) {
        it->i = q[0] - 0xf1;
    } else {
        sign = UINT64_C(1) << (data * 8 - 1);
        it->i = (int64_t)((load_le(q + head, (int)data) ^ sign) - sign);
    }
    return (size_t)(q - p) + head + data;
}

/* Read the length at p[*at] of a zipmap whose elements end at n. */
static bool ziplist__map_len(const uint8_t *p, size_t n, size_t *at,
                             size_t *len) {
    if (*at >= n || p[*at] == 0xff) return false;
    if (p[*at] < 0xfe) {
        *len = p[(*at)++];
    } else {
        if (n - *at < 5) return false;
        *len = (size_t)load_le(p + *at + 1, 4);
        *at += 5;
    }
    return *len <= n - *at;
}

/* Read the pair at *at, or say that there is no whole one. */
static bool ziplist__map_pair(const uint8_t *p, size_t n, size_t *at,
                              struct str *field, struct str *value) {
    size_t len, spare;

    if (!ziplist__map_len(p, n, at, &len)) return false;
    *field = str_of(p + *at, len);
    *at += len;
    if (!ziplist__map_len(p, n, at, &len) || *at == n) return false;
    spare = p[(*at)++];
    if (len > n - *at || spare > n - *at - len) return false;
    *value = str_of(p + *at, len);
    *at += len + spare;
    return true;
}

/* Are the n bytes at p a zipmap, and nothing else?  As ziplist_valid; *count
 * is the number of pairs. */
static bool ziplist_map_valid(const uint8_t *p, size_t n, size_t *count) {
    size_t at = ZIPLIST_MAP_FIRST;
    struct str field, value;

    *count = 0;
    if (n < 2 || p[n - 1] != 0xff) return false;
    while (at < n - 1) {
        if (!ziplist__map_pair(p, n - 1, &at, &field, &value)) return false;
        ++*count;
    }
    return p[0] >= 0xfe || p[0] == *count;
}

/* Read the pair at `at` of a valid zipmap; returns where the next starts,
 * n - 1 behind the last.  Both strings are borrowed from the zipmap. */
static size_t ziplist_map_read(const uint8_t *p, size_t n, size_t at,
                               struct str *field, struct str *value) {
    if (!ziplist__map_pair(p, n - 1, &at, field, value))
        KVNS_ASSERT(!"a pair of a valid zipmap");
    return at;
}
