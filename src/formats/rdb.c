/* SPDX-License-Identifier: MIT */
/* ==== rdb - the words of Redis' snapshot format ============================
 *
 * What RDB files and DUMP payloads are spelt with: lengths, strings, numbers,
 * times, the header and the checksum.  A writer appends to a struct buf, a
 * reader takes from memory or from a descriptor.  What a value consists of is
 * known to rdb_items, the order of a whole file to rdb_file.
 *
 *   file      "REDIS" and 4 digits, or "VALKEY" and 3; records; FF; CRC-64
 *   record    one byte, an opcode or a type (the enums below), and what
 *             belongs to it; before a type may stand FC, FD, F8, F9
 *   payload   type; value; version, 2 bytes; CRC-64 of all before it
 *
 *   length    00nnnnnn                    0 to 63
 *             01nnnnnn n                  14 bits, high ones first
 *             80 n n n n                  32 bits, big-endian
 *             81 n n n n n n n n          64 bits, big-endian
 *             11eeeeee                    no length: a string encoded as e
 *   string    length; as many bytes
 *             C0 i, C1 i i, C2 i i i i    an integer as text, little-endian
 *             C3 length length ...        LZF: packed bytes, bytes, the bytes
 *   real      8 bytes, IEEE 754, little-endian; in sorted sets of type 3:
 *             one byte n and n bytes of text, or FD nan, FE inf, FF -inf
 *   time      8 bytes, milliseconds since 1970, little-endian
 *
 * The reader believes no length: before anything is allocated or skipped, a
 * length is held against what the input can still give, an unpacked one also
 * against LZF's best ratio.  Where the size of the input is not known (a
 * pipe), room grows only as bytes really arrive.  The first thing wrong ends
 * the reading: `why` says what, `why_at` where, and every call fails from
 * then on, so that a caller may ask once at the end.
 *
 * The memory is malloc's, and the reader's own.
 *
 * floor 2 - uses: base num buf pack crc lzf
 */
enum {
    RDB_VERSION = 10,           /* the one written: Redis 7.0 */
    RDB_VERSION_MAX = 12,       /* the newest read: Redis 7.4 and 8 */
    RDB_VERSION_VALKEY = 80,    /* and Valkey 9, which counts for itself */
    RDB_HEADER = 9,             /* bytes of the file's header */
    RDB_SUM = 8,                /* bytes of its checksum */
    RDB_FOOTER = 10,            /* of a payload: version and checksum */
    RDB_READ = 1 << 20,         /* bytes asked of a descriptor at once */
    RDB_LZF_MIN = 21,           /* shorter strings are not worth packing */
    RDB_PAYLOAD_STR = 512 << 20 /* str_max of a payload, if not set anew */
};

/* The first byte of a record that is no value. */
enum rdb_opcode {
    RDB_OP_SLOT_IMPORT = 0xf3,  /* Valkey: name, count, that many ranges */
    RDB_OP_SLOT_INFO = 0xf4,    /* slot, its keys, those with a deadline */
    RDB_OP_FUNCTION = 0xf5,     /* the source of a library of functions */
    RDB_OP_FUNCTION_RC = 0xf6,  /* the same in 7.0's release candidates */
    RDB_OP_MODULE_AUX = 0xf7,   /* data of a module that belong to no key */
    RDB_OP_IDLE = 0xf8,         /* seconds unused, of the next key */
    RDB_OP_FREQ = 0xf9,         /* one byte of use, of the next key */
    RDB_OP_AUX = 0xfa,          /* two strings that may be ignored */
    RDB_OP_RESIZE = 0xfb,       /* how many keys, how many with a deadline */
    RDB_OP_EXPIRE_MS = 0xfc,    /* the next key's deadline, 8 bytes */
    RDB_OP_EXPIRE = 0xfd,       /* the same in seconds, 4 bytes */
    RDB_OP_SELECT = 0xfe,       /* the database of what follows */
    RDB_OP_END = 0xff           /* and the checksum, from version 5 on */
};

/* The type byte of a value. */
enum rdb_type {
    RDB_STRING = 0,             /* one string */
    RDB_LIST = 1,               /* count, strings */
    RDB_SET = 2,                /* count, strings */
    RDB_ZSET_TEXT = 3,          /* count, strings with a real as text each */
    RDB_HASH = 4,               /* count, pairs of strings */
    RDB_ZSET = 5,               /* count, strings with a real each */
    RDB_MODULE_RC = 6,          /* a module's, of 4.0's release candidates */
    RDB_MODULE = 7,             /* a module's: who, opcodes with data, 0 */
    RDB_HASH_ZIPMAP = 9,        /* from here to 13 one string each */
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_ZIPLISTS = 14,     /* count, ziplists */
    RDB_STREAM_1 = 15,
    RDB_HASH_PACK = 16,         /* a listpack: field, value, field, ... */
    RDB_ZSET_PACK = 17,         /* a listpack: member, score, ... */
    RDB_LIST_PACKS = 18,        /* count, each 1 string or 2 listpack */
    RDB_STREAM_2 = 19,          /* Redis 7.0 */
    RDB_SET_PACK = 20,          /* a listpack (Redis 7.2) */
    RDB_STREAM_3 = 21,          /* Redis 7.2 */
    RDB_HASH_TTL_RC = 22,       /* count, (deadline, field, value); but
                                   Valkey: count, (field, value, time) */
    RDB_HASH_PACK_TTL_RC = 23,  /* a listpack: field, value, deadline, ... */
    RDB_HASH_TTL = 24,          /* earliest deadline, count, (deadline less
                                   the earliest plus 1 or 0, field, value) */
    RDB_HASH_PACK_TTL = 25,     /* earliest deadline, listpack as in 23 */
    RDB_TYPES                   /* how many there are */
};

/* How an encoded string goes on after its first byte. */
enum rdb_encoding {
    RDB_ENC_INT8 = 0xc0,
    RDB_ENC_INT16 = 0xc1,
    RDB_ENC_INT32 = 0xc2,
    RDB_ENC_LZF = 0xc3
};

/* What a container of RDB_LIST_PACKS holds. */
enum { RDB_NODE_PLAIN = 1, RDB_NODE_PACK = 2 };

/* The size of an input that nobody knows. */
#define RDB_UNKNOWN UINT64_MAX

struct rdb_in {
    const uint8_t *p;           /* the window: the memory, or room */
    size_t at, n;               /* in it: the next byte to read, its end */
    uint64_t before;            /* bytes of the input before the window */
    uint64_t left;              /* bytes behind it at most, or RDB_UNKNOWN */
    int fd;                     /* -1: the window is all there is */
    uint8_t *room;              /* what a descriptor is read into */
    size_t cap;
    char *spare;                /* where a string is unpacked to */
    size_t spare_cap;
    char num[24];               /* where an integer is printed to */
    size_t str_max;             /* longer strings are refused */
    const struct crc_tables *crc;   /* NULL: keep no sum */
    uint64_t sum;               /* of all before the window and ... */
    size_t summed;              /* ... this much of it */
    struct buf *copy;           /* gets what is read, too; or NULL */
    int version;                /* 1 to RDB_VERSION_MAX, or Valkey's */
    bool valkey;                /* type 22 is Valkey's */
    const char *why;            /* what went wrong first, or NULL */
    uint64_t why_at;            /* and at which byte of the input */
};

/* ---- writing ---- */

/* Append one byte: an opcode, a type. */
static inline void rdb_put_byte(struct buf *b, uint8_t byte) {
    buf_put(b, &byte, 1);
}

/* How many bytes a length takes. */
static inline size_t rdb_len_size(uint64_t n) {
    return n < 64 ? 1 : n < 16384 ? 2 : n <= UINT32_MAX ? 5 : 9;
}

/* Append a length, or any other count that is written like one. */
static void rdb_put_len(struct buf *b, uint64_t n) {
    uint8_t to[9];
    size_t k = rdb_len_size(n);

    if (k == 1) {
        to[0] = (uint8_t)n;
    } else if (k == 2) {
        store_be(to, n | 0x4000, 2);
    } else {
        to[0] = k == 5 ? 0x80 : 0x81;
        store_be(to + 1, n, (int)k - 1);
    }
    buf_put(b, to, k);
}

/* An integer that is short enough goes into to[5] as an encoded string;
 * returns its size, 0 if it must be written as text. */
static size_t rdb__encode_int(uint8_t to[5], int64_t i) {
    int n;

    if (i >= INT8_MIN && i <= INT8_MAX) n = 1;
    else if (i >= INT16_MIN && i <= INT16_MAX) n = 2;
    else if (i >= INT32_MIN && i <= INT32_MAX) n = 4;
    else return 0;
    to[0] = n == 1 ? RDB_ENC_INT8 : n == 2 ? RDB_ENC_INT16 : RDB_ENC_INT32;
    store_le(to + 1, (uint64_t)i, n);
    return (size_t)n + 1;
}

/* The same for a string, if an integer would print just like it. */
static size_t rdb__encode_str(uint8_t to[5], struct str s) {
    int64_t i;

    if (s.n == 0 || s.n > 11 || !num_parse_int(s, &i)) return 0;
    return rdb__encode_int(to, i);
}

/* How many bytes rdb_put_str will append for s. */
TESTED_ONLY static size_t rdb_str_size(struct str s) {
    uint8_t to[5];
    size_t n = rdb__encode_str(to, s);

    return n > 0 ? n : rdb_len_size(s.n) + s.n;
}

/* Append a string; one that reads as a small integer as that integer. */
static void rdb_put_str(struct buf *b, struct str s) {
    uint8_t to[5];
    size_t n = rdb__encode_str(to, s);

    if (n > 0) {
        buf_put(b, to, n);
    } else {
        rdb_put_len(b, s.n);
        buf_put(b, s.p, s.n);
    }
}

/* Append an integer as rdb_put_str would append its text. */
static void rdb_put_int(struct buf *b, int64_t i) {
    uint8_t to[5];
    char text[24];
    size_t n = rdb__encode_int(to, i);

    if (n > 0) buf_put(b, to, n);
    else rdb_put_str(b, str_of(text, num_put_int(text, i)));
}

/* How many bytes rdb_put_int will append. */
TESTED_ONLY static size_t rdb_int_size(int64_t i) {
    uint8_t to[5];
    char text[24];
    size_t n = rdb__encode_int(to, i);

    return n > 0 ? n : num_put_int(text, i) + 1;
}

/* Append a string packed by LZF where that makes it shorter, else as
 * rdb_put_str does.  This costs time and saves room. */
TESTED_ONLY static void rdb_put_str_lzf(struct buf *b, struct str s) {
    size_t head = 1 + 9 + rdb_len_size(s.n), packed, from;
    char *room;

    if (s.n < RDB_LZF_MIN || s.n > SIZE_MAX / 2) {
        rdb_put_str(b, s);
        return;
    }
    /* The packed length stands before the bytes but is known after them:
     * they are packed behind the longest head, and moved up to the real. */
    room = buf_room(b, head + s.n);
    if (room == NULL) return;
    packed = lzf_pack(s.p, s.n, room + head, s.n - 4);
    if (packed == 0) {
        rdb_put_str(b, s);
        return;
    }
    from = b->n;
    rdb_put_byte(b, RDB_ENC_LZF);
    rdb_put_len(b, packed);
    rdb_put_len(b, s.n);
    VERIFY(b->n <= from + head);
    memmove(b->p + b->n, b->p + from + head, packed);
    b->n += packed;
}

/* How many bytes rdb_put_pack will append for a pack of n bytes. */
TESTED_ONLY static inline size_t rdb_pack_size(size_t n) {
    return rdb_len_size(n + PACK_EXTRA) + n + PACK_EXTRA;
}

/* Append elements in the layout of a listpack (without its header and end,
 * as `pack` has them) as the string that a listpack is. */
static void rdb_put_pack(struct buf *b, struct str body, size_t count) {
    uint8_t head[PACK_HEADER];

    rdb_put_len(b, pack_to_listpack_header(head, body.n, count));
    buf_put(b, head, PACK_HEADER);
    buf_put(b, body.p, body.n);
    rdb_put_byte(b, PACK_END);
}

/* Append a real as its eight bytes. */
static void rdb_put_double_bin(struct buf *b, double d) {
    uint64_t bits;
    uint8_t to[8];

    memcpy(&bits, &d, sizeof bits);
    store_le(to, bits, 8);
    buf_put(b, to, 8);
}

/* Append a time in milliseconds, eight bytes. */
static void rdb_put_ms(struct buf *b, int64_t ms) {
    uint8_t to[8];

    store_le(to, (uint64_t)ms, 8);
    buf_put(b, to, 8);
}

/* Append a private field; readers ignore those they do not know. */
static void rdb_put_aux(struct buf *b, struct str key, struct str value) {
    rdb_put_byte(b, RDB_OP_AUX);
    rdb_put_str(b, key);
    rdb_put_str(b, value);
}

/* Append the header of a file. */
static void rdb_put_header(struct buf *b, int version) {
    char to[RDB_HEADER] = "REDIS000";

    to[7] = (char)('0' + version / 10);
    to[8] = (char)('0' + version % 10);
    buf_put(b, to, RDB_HEADER);
}

/* Append the checksum that stands behind RDB_OP_END: of all bytes from the
 * header to that opcode, both included. */
static void rdb_put_sum(struct buf *b, uint64_t crc) {
    uint8_t to[RDB_SUM];

    store_le(to, crc, RDB_SUM);
    buf_put(b, to, RDB_SUM);
}

/* Make a DUMP payload of the type and value that stand in b from byte `from`
 * on, by appending the version and the checksum. */
static void rdb_put_footer(struct buf *b, size_t from, int version,
                           const struct crc_tables *crc) {
    uint8_t to[2];

    store_le(to, (uint64_t)version, 2);
    buf_put(b, to, 2);
    if (b->failed) return;
    rdb_put_sum(b, crc64(crc, 0, b->p + from, b->n - from));
}

/* ---- where the reader reads from ---- */

/* Read from n bytes at p, which stay the caller's and must stay unchanged. */
static void rdb_in_mem(struct rdb_in *in, const void *p, size_t n) {
    *in = (struct rdb_in){ .p = p, .n = n, .fd = -1, .version = RDB_VERSION };
    in->str_max = PTRDIFF_MAX;
}

/* Read from a descriptor that is the caller's and that is not read past
 * `length` bytes; RDB_UNKNOWN reads a file to its end as it is now, and
 * something that has no size as long as it gives. */
static void rdb_in_fd(struct rdb_in *in, int fd, uint64_t length) {
    struct stat st;
    off_t at;

    *in = (struct rdb_in){ .fd = fd, .left = length, .version = RDB_VERSION };
    in->str_max = PTRDIFF_MAX;
    if (length != RDB_UNKNOWN || fstat(fd, &st) == -1) return;
    at = lseek(fd, 0, SEEK_CUR);
    if (S_ISREG(st.st_mode) && at != -1)
        in->left = st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
}

/* Free what the reader holds; strings lent by it are gone. */
static void rdb_in_free(struct rdb_in *in) {
    free(in->room);
    free(in->spare);
    in->room = NULL;
    in->spare = NULL;
    in->cap = in->spare_cap = 0;
    in->n = in->at;
}

/* The number of the next byte, the first of the input being 0. */
static inline uint64_t rdb_at(const struct rdb_in *in) {
    return in->before + in->at;
}

/* Stop: nothing can be read any more.  The first reason is kept; it must be
 * a constant.  Returns false, for the caller to return. */
static COLD bool rdb_fail(struct rdb_in *in, const char *why) {
    if (in->why == NULL) {
        in->why = why;
        in->why_at = rdb_at(in);
    }
    in->n = in->at;
    in->left = 0;
    return false;
}

/* Bring the sum up to what was read. */
static void rdb__add_up(struct rdb_in *in) {
    if (in->crc != NULL && in->at > in->summed)
        in->sum = crc64(in->crc, in->sum, in->p + in->summed,
                        in->at - in->summed);
    if (in->copy != NULL)
        buf_put(in->copy, in->p + in->summed, in->at - in->summed);
    in->summed = in->at;
}

/* From here on copy what is read to b, too, or to nobody for NULL: what was
 * read up to here has been copied then. */
static void rdb_copy_to(struct rdb_in *in, struct buf *b) {
    rdb__add_up(in);
    in->copy = b;
}

/* The checksum of everything read since `crc` was set, which is at the start
 * of the input at best. */
static uint64_t rdb_sum(struct rdb_in *in) {
    rdb__add_up(in);
    return in->sum;
}

/* Can n bytes more still come?  False and stopped if certainly not. */
static bool rdb_may_have(struct rdb_in *in, uint64_t n) {
    size_t here = in->n - in->at;

    if (n <= here) return true;
    if (in->left == RDB_UNKNOWN || n - here <= in->left) return true;
    return rdb_fail(in, "is longer than what is left");
}

/* Bytes that can still come at most, the window included. */
static uint64_t rdb_rest(const struct rdb_in *in) {
    if (in->left == RDB_UNKNOWN) return RDB_UNKNOWN;
    return in->left + (in->n - in->at);
}

/* How large to make the room so that n bytes fit: at once as large as needed
 * where the input is known to have them, else by doubling, because a length
 * alone must not cost memory. */
static size_t rdb__room_for(const struct rdb_in *in, size_t n) {
    size_t cap = size_max(in->cap, RDB_READ);

    if (n <= cap) return cap;
    if (in->left != RDB_UNKNOWN) return n;
    if (in->n - in->at < cap) return cap;
    return n / 2 < cap ? n : cap * 2;
}

/* Put what was not read yet at the start of a room that n bytes may fit in,
 * or of a smaller one that is full sooner. */
static bool rdb__make_room(struct rdb_in *in, size_t n) {
    size_t cap = rdb__room_for(in, n), have = in->n - in->at;
    uint8_t *room = in->room;

    /* After one huge string, the room shrinks again. */
    if (in->cap > 4 * (size_t)RDB_READ && n <= RDB_READ && have <= RDB_READ)
        cap = RDB_READ;
    rdb__add_up(in);
    if (cap != in->cap) {
        room = malloc(cap);
        if (room == NULL) return rdb_fail(in, "needs more memory than we get");
        if (have > 0) memcpy(room, in->p + in->at, have);
        free(in->room);
        in->room = room;
        in->cap = cap;
    } else if (have > 0) {
        memmove(room, room + in->at, have);
    }
    in->p = room;
    in->before += in->at;
    in->n = have;
    in->at = in->summed = 0;
    return true;
}

/* Read what one call gives into the room behind the window. */
static bool rdb__refill(struct rdb_in *in) {
    size_t most = in->cap - in->n;
    ssize_t got;

    if (in->left != RDB_UNKNOWN && in->left < most) most = (size_t)in->left;
    most = size_min(most, (size_t)1 << 30);
    do got = read(in->fd, in->room + in->n, most);
    while (got == -1 && errno == EINTR);
    if (got == -1) return rdb_fail(in, "cannot be read");
    if (got == 0) return rdb_fail(in, "ends too early");
    in->n += (size_t)got;
    if (in->left != RDB_UNKNOWN) in->left -= (uint64_t)got;
    return true;
}

/* Have n bytes in the window, which holds fewer. */
static COLD bool rdb__more(struct rdb_in *in, size_t n) {
    if (in->why != NULL) return false;
    if (in->fd == -1 || rdb_rest(in) < n)
        return rdb_fail(in, "ends too early");
    while (in->n - in->at < n) {
        bool full = in->n == in->cap;

        if (full || (in->at > 0 && in->cap - in->at < n))
            if (!rdb__make_room(in, n)) return false;
        if (!rdb__refill(in)) return false;
    }
    return true;
}

static inline bool rdb__have(struct rdb_in *in, size_t n) {
    return LIKELY(in->n - in->at >= n) || rdb__more(in, n);
}

/* ---- reading ---- */

/* Lend the next n bytes, valid until the next read; NULL if they are not to
 * be had. */
static inline const uint8_t *rdb_get_bytes(struct rdb_in *in, size_t n) {
    const uint8_t *p;

    if (!rdb__have(in, n)) return NULL;
    p = in->p + in->at;
    in->at += n;
    return p;
}

/* Read one byte. */
static inline bool rdb_get_byte(struct rdb_in *in, uint8_t *byte) {
    const uint8_t *p = rdb_get_bytes(in, 1);

    if (p == NULL) return false;
    *byte = *p;
    return true;
}

/* Read a length; *encoding is 0, or else what stands in its place. */
static bool rdb__get_len(struct rdb_in *in, uint64_t *n, uint8_t *encoding) {
    const uint8_t *p = rdb_get_bytes(in, 1);
    uint8_t first;

    *encoding = 0;
    if (p == NULL) return false;
    first = *p;
    if (first < 0x40) {
        *n = first;
        return true;
    }
    if (first < 0x80) {
        p = rdb_get_bytes(in, 1);
        if (p == NULL) return false;
        *n = (uint64_t)(first & 0x3f) << 8 | *p;
        return true;
    }
    if (first == 0x80 || first == 0x81) {
        int k = first == 0x80 ? 4 : 8;

        p = rdb_get_bytes(in, (size_t)k);
        if (p == NULL) return false;
        *n = load_be(p, k);
        return true;
    }
    if (first < 0xc0 || first > RDB_ENC_LZF)
        return rdb_fail(in, "has a length of no known form");
    *encoding = first;
    return true;
}

/* Read a length, or a count that is written like one. */
static bool rdb_get_len(struct rdb_in *in, uint64_t *n) {
    uint8_t encoding;

    if (!rdb__get_len(in, n, &encoding)) return false;
    if (encoding != 0)
        return rdb_fail(in, "has an encoded string in place of a length");
    return true;
}

/* Print an encoded integer. */
static bool rdb__get_int_str(struct rdb_in *in, uint8_t encoding,
                             struct str *s) {
    int n = encoding == RDB_ENC_INT8 ? 1 : encoding == RDB_ENC_INT16 ? 2 : 4;
    const uint8_t *p = rdb_get_bytes(in, (size_t)n);
    uint64_t sign = UINT64_C(1) << (n * 8 - 1);

    if (p == NULL) return false;
    *s = str_of(in->num, num_put_int(in->num,
                (int64_t)(load_le(p, n) ^ sign) - (int64_t)sign));
    return true;
}

/* A place for n unpacked bytes; after one huge string it shrinks again. */
static char *rdb__spare(struct rdb_in *in, size_t n) {
    bool fits = n <= in->spare_cap;

    if (fits && (in->spare_cap <= 4 * (size_t)RDB_READ || n > RDB_READ))
        return in->spare;
    free(in->spare);
    in->spare_cap = n < 4096 ? 4096 : n;
    in->spare = malloc(in->spare_cap);
    if (in->spare != NULL) return in->spare;
    in->spare_cap = 0;
    rdb_fail(in, "needs more memory than we get");
    return NULL;
}

/* Read the two lengths of a packed string.  What it promises to become is
 * refused unless so many packed bytes can give it. */
static bool rdb__get_lzf_head(struct rdb_in *in, uint64_t *packed,
                              uint64_t *n) {
    if (!rdb_get_len(in, packed) || !rdb_get_len(in, n)) return false;
    if (*packed == 0 || *n == 0 || (*n - 1) / LZF_RATIO >= *packed)
        return rdb_fail(in, "has lengths that LZF cannot have");
    return rdb_may_have(in, *packed);
}

static bool rdb__get_lzf_str(struct rdb_in *in, struct str *s) {
    uint64_t packed, n;
    const uint8_t *p;
    char *to;

    if (!rdb__get_lzf_head(in, &packed, &n)) return false;
    if (n > in->str_max || packed > in->str_max)
        return rdb_fail(in, "has a string longer than allowed");
    p = rdb_get_bytes(in, (size_t)packed);
    if (p == NULL) return false;
    to = rdb__spare(in, (size_t)n);
    if (to == NULL) return false;
    if (lzf_unpack(p, (size_t)packed, to, (size_t)n) != n)
        return rdb_fail(in, "has a string that does not unpack");
    *s = str_of(to, (size_t)n);
    return true;
}

/* Read a string of any form and lend it, valid until the next read; or, if it
 * is plain and longer than `most`, only its length: its bytes are to be read
 * next, then, and p is NULL. */
static bool rdb_get_str_or_len(struct rdb_in *in, size_t most,
                               struct str *s) {
    uint64_t n;
    uint8_t encoding;
    const uint8_t *p;

    if (!rdb__get_len(in, &n, &encoding)) return false;
    if (encoding == RDB_ENC_LZF) return rdb__get_lzf_str(in, s);
    if (encoding != 0) return rdb__get_int_str(in, encoding, s);
    if (!rdb_may_have(in, n)) return false;
    if (n > in->str_max)
        return rdb_fail(in, "has a string longer than allowed");
    *s = (struct str){ NULL, (size_t)n };
    if (n > most) return true;
    p = rdb_get_bytes(in, (size_t)n);
    if (p == NULL) return false;
    *s = str_of(p, (size_t)n);
    return true;
}

/* Read a string of any form and lend it, valid until the next read. */
static bool rdb_get_str(struct rdb_in *in, struct str *s) {
    return rdb_get_str_or_len(in, SIZE_MAX, s);
}

/* Pass over n bytes, however many, without holding them. */
static bool rdb_skip_bytes(struct rdb_in *in, uint64_t n) {
    if (!rdb_may_have(in, n)) return false;
    while (n > in->n - in->at) {
        n -= in->n - in->at;
        in->at = in->n;
        if (!rdb__have(in, 1)) return false;
    }
    in->at += (size_t)n;
    return true;
}

/* Pass over a string without unpacking or holding it. */
static bool rdb_skip_str(struct rdb_in *in) {
    uint64_t n, packed;
    uint8_t encoding;

    if (!rdb__get_len(in, &n, &encoding)) return false;
    if (encoding == RDB_ENC_LZF)
        return rdb__get_lzf_head(in, &packed, &n) &&
               rdb_skip_bytes(in, packed);
    if (encoding == RDB_ENC_INT8) n = 1;
    if (encoding == RDB_ENC_INT16) n = 2;
    if (encoding == RDB_ENC_INT32) n = 4;
    return rdb_skip_bytes(in, n);
}

/* Read a real of eight bytes, any real. */
static bool rdb_get_double(struct rdb_in *in, double *d) {
    const uint8_t *p = rdb_get_bytes(in, 8);
    uint64_t bits;

    if (p == NULL) return false;
    bits = load_le(p, 8);
    memcpy(d, &bits, sizeof *d);
    return true;
}

/* Read a real that is written as text, as sorted sets were once. */
static bool rdb_get_double_text(struct rdb_in *in, double *d) {
    const uint8_t *p;
    uint8_t n;

    if (!rdb_get_byte(in, &n)) return false;
    if (n == 0xfd) *d = NAN;
    if (n == 0xfe) *d = HUGE_VAL;
    if (n == 0xff) *d = -HUGE_VAL;
    if (n >= 0xfd) return true;
    p = rdb_get_bytes(in, n);
    if (p == NULL) return false;
    if (!num_parse_double(str_of(p, n), d))
        return rdb_fail(in, "has a score that is no number");
    return true;
}

/* Read a time in milliseconds. */
static bool rdb_get_ms(struct rdb_in *in, int64_t *ms) {
    const uint8_t *p = rdb_get_bytes(in, 8);
    uint64_t v;

    if (p == NULL) return false;
    v = load_le(p, 8);
    *ms = v <= INT64_MAX ? (int64_t)v : -(int64_t)~v - 1;
    return true;
}

/* Read a time in seconds, as files before version 3 have it; the answer is
 * in milliseconds. */
static bool rdb_get_seconds(struct rdb_in *in, int64_t *ms) {
    const uint8_t *p = rdb_get_bytes(in, 4);

    if (p == NULL) return false;
    *ms = ((int64_t)(load_le(p, 4) ^ 0x80000000) - 0x80000000) * 1000;
    return true;
}

/* Can values of this version be read?  80 and up are Valkey's; Redis never
 * had 13 to 79 when Valkey set them apart. */
static bool rdb__take_version(struct rdb_in *in, int version) {
    in->version = version;
    in->valkey = version == RDB_VERSION_VALKEY;
    return in->valkey || (version >= 1 && version <= RDB_VERSION_MAX);
}

/* Read the header of a file: sets `version` and `valkey`. */
static bool rdb_get_header(struct rdb_in *in) {
    const uint8_t *p = rdb_get_bytes(in, RDB_HEADER);
    bool valkey = p != NULL && memcmp(p, "VALKEY", 6) == 0;
    int version = 0;

    if (p == NULL) return false;
    if (!valkey && memcmp(p, "REDIS", 5) != 0)
        return rdb_fail(in, "is no RDB file");
    for (int i = valkey ? 6 : 5; i < RDB_HEADER; i++) {
        if (p[i] < '0' || p[i] > '9') return rdb_fail(in, "is no RDB file");
        version = version * 10 + (p[i] - '0');
    }
    if (!rdb__take_version(in, version) || in->valkey != valkey)
        return rdb_fail(in, "has an RDB version that we cannot read");
    return true;
}

/* Read the n bytes at p as a DUMP payload: afterwards the type byte comes
 * next, and the input ends with the value.  False and stopped if version or
 * checksum are not right; without crc any checksum is.  A client sends this:
 * strings stay within what Redis takes by default. */
static bool rdb_in_payload(struct rdb_in *in, const void *p, size_t n,
                           const struct crc_tables *crc) {
    const uint8_t *q = p;

    rdb_in_mem(in, p, n);
    if (n < RDB_FOOTER) return rdb_fail(in, "is too short for a payload");
    in->n = n - RDB_FOOTER;
    in->str_max = RDB_PAYLOAD_STR;
    if (!rdb__take_version(in, (int)load_le(q + n - RDB_FOOTER, 2)))
        return rdb_fail(in, "has an RDB version that we cannot read");
    if (crc != NULL &&
        crc64(crc, 0, p, n - RDB_SUM) != load_le(q + n - RDB_SUM, RDB_SUM))
        return rdb_fail(in, "has a wrong checksum");
    return true;
}
