/* SPDX-License-Identifier: MIT */
/* What real servers wrote (test_rdb_real.c), whole, cut and damaged; and the
 * records that none of them writes. */
#include "unit.h"

static struct str test_rdb_file_unhex(const char *hex) {
    size_t n = strlen(hex) / 2;
    char *p = malloc(n > 0 ? n : 1);

    CHECK(p != NULL);
    for (size_t i = 0; i < n; i++) {
        unsigned byte;

        CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        p[i] = (char)byte;
    }
    return str_of(p, n);
}

/* Items counted and added up as make_rdb_corpus.py does, in any order. */
struct test_rdb_sum {
    const struct crc_tables *crc;
    unsigned count;
    uint64_t sum;
};

static void test_rdb_file_add(struct test_rdb_sum *t, enum rdb_kind kind,
                              const struct rdb_item *x) {
    char text[32] = "";
    uint64_t crc = 0, bits;
    int n = 0;

    if (kind == RDB_KIND_LIST) n = sprintf(text, "%u:", t->count);
    crc = crc64(t->crc, crc, text, (size_t)n);
    crc = crc64(t->crc, crc, x->key.p, x->key.n);
    if (kind == RDB_KIND_ZSET) {
        memcpy(&bits, &x->score, sizeof bits);
        store_le(text + 1, bits, 8);
        text[0] = '\0';
        crc = crc64(t->crc, crc, text, 9);
    }
    if (kind == RDB_KIND_HASH) {
        crc = crc64(t->crc, crc, "", 1);
        crc = crc64(t->crc, crc, x->value.p, x->value.n);
        n = sprintf(text, "%c%lld", '\0', (long long)x->deadline);
        crc = crc64(t->crc, crc, text, (size_t)n);
    }
    t->sum += crc;
    t->count++;
}

/* All elements of a lent pack. */
static void test_rdb_file_add_pack(struct test_rdb_sum *t,
                                   const struct rdb_items *it,
                                   struct str body, size_t elements) {
    const uint8_t *p = (const uint8_t *)body.p;
    size_t count, at = 0;
    struct pack_item e[3];
    char num[3][24];

    CHECK(pack_valid(p, body.n, &count) && count == elements);
    while (at < body.n) {
        struct rdb_item x = { .deadline = -1 };

        for (unsigned i = 0; i < it->width; i++)
            at = pack_read(p, body.n, at, &e[i]);
        x.key = pack_item_str(&e[0], num[0]);
        if (it->kind == RDB_KIND_ZSET)
            CHECK(rdb_items__score(&e[1], &x.score));
        else if (it->width > 1)
            x.value = pack_item_str(&e[1], num[1]);
        if (it->width == 3 && e[2].i != 0) x.deadline = e[2].i;
        test_rdb_file_add(t, it->kind, &x);
    }
}

/* Add up the value that comes next; `lend` takes what packs it can. */
static bool test_rdb_file_value(struct test_rdb_sum *t, struct rdb_in *in,
                                uint8_t type, bool lend) {
    struct rdb_items it;
    struct rdb_item x = { .deadline = -1 };
    enum rdb_kind kind = rdb_kind_of(in, type);
    struct str body;
    size_t n;

    t->count = 0;
    t->sum = 0;
    if (kind == RDB_KIND_STRING) {
        if (!rdb_get_str(in, &x.key)) return false;
        test_rdb_file_add(t, kind, &x);
        return true;
    }
    if (kind == RDB_KIND_STREAM) return rdb_skip_value(in, type);
    if (rdb_items_open(&it, in, type))
        for (;;) {
            if (lend && rdb_items_pack(&it, &body, &n))
                test_rdb_file_add_pack(t, &it, body, n);
            else if (rdb_items_next(&it, &x))
                test_rdb_file_add(t, kind, &x);
            else
                break;
        }
    rdb_items_close(&it);
    return in->why == NULL;
}

static void test_rdb_file_real_values(void) {
    struct crc_tables crc;
    struct test_rdb_sum t = { &crc, 0, 0 };

    crc_init(&crc);
    for (size_t i = 0; i < ROWS(test_rdb_real); i++) {
        const struct test_rdb_real *real = &test_rdb_real[i];
        struct str s = test_rdb_file_unhex(real->hex);
        struct rdb_in in;
        uint8_t type;

        for (int how = 0; how < 3; how++) {
            CHECK(rdb_in_payload(&in, s.p, s.n, &crc));
            CHECK(rdb_get_byte(&in, &type));
            if (how == 2) {
                CHECK(rdb_skip_value(&in, type));
            } else if (!test_rdb_file_value(&t, &in, type, how == 1) ||
                       t.count != real->count || t.sum != real->sum) {
                fprintf(stderr, "%s: %s\n", real->name, in.why);
                CHECK_INT(t.count, real->count);
                CHECK(t.sum == real->sum);
            }
            CHECK_INT(rdb_at(&in), s.n - RDB_FOOTER);
            rdb_in_free(&in);
        }
        free((char *)s.p);
    }
}

/* Each cut of each real value is an error, read or passed over; random damage
 * is anything but a step outside. */
static void test_rdb_file_cut_and_damaged(void) {
    struct crc_tables crc;
    struct test_rdb_sum t = { &crc, 0, 0 };

    crc_init(&crc);
    for (size_t i = 0; i < ROWS(test_rdb_real); i++) {
        struct str s = test_rdb_file_unhex(test_rdb_real[i].hex);
        bool valkey = load_le(s.p + s.n - RDB_FOOTER, 2) == 80;
        size_t whole = s.n - RDB_FOOTER;

        for (size_t round = 1; round < 2 * whole + 200; round++) {
            size_t n = round < whole ? round : whole;
            char *p = malloc(n);
            struct rdb_in in;
            uint8_t type;
            bool ok;

            CHECK(p != NULL);
            memcpy(p, s.p, n);
            if (round >= whole) p[1 + unit_rand() % (n - 1)] =
                (char)(unit_rand() % 2 == 0 ? unit_rand() : 0xff);
            rdb_in_mem(&in, p, n);
            in.valkey = valkey;
            CHECK(rdb_get_byte(&in, &type));
            ok = round % 2 == 0 ? test_rdb_file_value(&t, &in, type, true)
                                : rdb_skip_value(&in, type);
            CHECK(ok == (in.why == NULL));
            CHECK(!ok || round >= whole);
            rdb_in_free(&in);
            free(p);
        }
        free((char *)s.p);
    }
}

/* ---- files ---- */

/* Walk to the end; read the values or pass over them. */
static enum rdb_at test_rdb_file_walk(struct rdb_in *in, bool reads,
                                      struct test_rdb_sum *keys) {
    struct test_rdb_sum t = { keys->crc, 0, 0 };
    enum rdb_at at = RDB_AT_ERROR;
    struct rdb_file f;

    keys->count = 0;
    keys->sum = 0;
    if (rdb_file_open(&f, in))
        for (;;) {
            char text[40];
            uint64_t crc;
            int n;

            at = rdb_file_next(&f);
            if (at == RDB_AT_ERROR || at == RDB_AT_END) break;
            if (at != RDB_AT_KEY) continue;
            if (!(reads ? test_rdb_file_value(&t, in, f.type, true)
                        : rdb_skip_value(in, f.type)))
                continue;
            n = sprintf(text, "%d%c", (int)f.db, '\0');
            crc = crc64(keys->crc, 0, text, (size_t)n);
            crc = crc64(keys->crc, crc, f.key.p, f.key.n);
            n = sprintf(text, "%c%lld", '\0', (long long)f.deadline);
            keys->sum += crc64(keys->crc, crc, text, (size_t)n);
            keys->count++;
        }
    rdb_file_close(&f);
    CHECK((at == RDB_AT_ERROR) == (in->why != NULL));
    return at;
}

static void test_rdb_file_real_files(void) {
    struct crc_tables crc;
    struct test_rdb_sum t = { &crc, 0, 0 };

    crc_init(&crc);
    for (size_t i = 0; i < ROWS(test_rdb_real_files); i++) {
        const struct test_rdb_real *real = &test_rdb_real_files[i];
        struct str s = test_rdb_file_unhex(real->hex);
        int fd = test_rdb_file_of(s);

        for (int how = 0; how < 4; how++) {
            struct rdb_in in;

            if (how < 2) rdb_in_mem(&in, s.p, s.n);
            else rdb_in_fd(&in, fd, RDB_UNKNOWN);
            in.crc = &crc;
            if (test_rdb_file_walk(&in, how % 2, &t) != RDB_AT_END)
                fprintf(stderr, "%s: %s\n", real->name, in.why);
            CHECK(in.why == NULL && rdb_at(&in) == s.n);
            CHECK_INT(t.count, real->count);
            CHECK(t.sum == real->sum);
            rdb_in_free(&in);
            CHECK(lseek(fd, 0, SEEK_SET) == 0);
        }
        close(fd);
        free((char *)s.p);
    }
}

/* No cut and no flipped bit passes: the checksum sees to it. */
static void test_rdb_file_bad_files(void) {
    struct crc_tables crc;
    struct test_rdb_sum t = { &crc, 0, 0 };

    crc_init(&crc);
    for (size_t i = 0; i < ROWS(test_rdb_real_files); i++) {
        struct str s = test_rdb_file_unhex(test_rdb_real_files[i].hex);

        for (size_t k = 0; k < 2 * s.n; k++) {
            size_t n = k < s.n ? k : s.n, at = k - s.n;
            char *p = malloc(n > 0 ? n : 1);
            struct rdb_in in;

            CHECK(p != NULL);
            memcpy(p, s.p, n);
            /* Below version 5 there is no checksum: leave that alone. */
            if (k >= s.n && (at < 5 || at >= RDB_HEADER))
                p[at] = (char)(p[at] ^ (1 << unit_rand() % 8));
            else if (k >= s.n)
                p[at] = 'x';
            rdb_in_mem(&in, p, n);
            in.crc = &crc;
            CHECK(test_rdb_file_walk(&in, k % 2, &t) == RDB_AT_ERROR);
            rdb_in_free(&in);
            free(p);
        }
        free((char *)s.p);
    }
}

static void test_rdb_file_begin(struct rdb_file *f, struct rdb_in *in,
                                const struct buf *b) {
    CHECK(!b->failed);
    rdb_in_mem(in, b->p, b->n);
    CHECK(rdb_file_open(f, in));
}

/* What no server of ours writes, passed over on the way to a key. */
static void test_rdb_file_rare_records(void) {
    struct buf b = { 0 };
    struct rdb_file f;
    struct rdb_in in;
    struct str s;

    rdb_put_header(&b, 3);
    rdb_put_aux(&b, STR("redis-ver"), STR("12"));
    buf_put_str(&b, STR("\xf7\x81" "12345678\x02\x01" "\x01\x05\x02\x40\x80"
                        "\x03" "abcd\x04" "abcdefgh\x05\x03xyz\0"));
    buf_put_str(&b, STR("\xf6\x03lib\x03LUA\x01\x04" "desc\x03src"));
    buf_put_str(&b, STR("\xf6\x03lib\x03LUA\x00\x03src"));
    buf_put_str(&b, STR("\xf5\x06source\xfe\x09\xfb\x01\x00"));
    buf_put_str(&b, STR("\xf4\x01\x02\x03\xf3\x03job\x02\x01\x02\x03\x04"));
    buf_put_str(&b, STR("\xfd\x00\xe1\xf5\x05\xf8\x05\xf9\x07\x00\x01k\x01v"));
    buf_put_str(&b, STR("\x00\x01m\xc0\x05\xff"));
    test_rdb_file_begin(&f, &in, &b);
    CHECK(rdb_file_next(&f) == RDB_AT_AUX);
    CHECK_STR(f.key, "redis-ver");
    CHECK_STR(f.value, "12");
    CHECK(rdb_file_next(&f) == RDB_AT_FUNCTION);
    CHECK_STR(f.value, "source");
    CHECK(rdb_file_next(&f) == RDB_AT_SELECT && f.db == 9);
    CHECK(rdb_file_next(&f) == RDB_AT_RESIZE);
    CHECK(f.keys == 1 && f.deadlines == 0);
    CHECK(rdb_file_next(&f) == RDB_AT_KEY);
    CHECK(f.deadline == INT64_C(100000000000) && f.idle == 5 && f.freq == 7);
    CHECK(rdb_get_str(&in, &s));
    CHECK_STR(f.key, "k");
    CHECK_STR(s, "v");
    CHECK(rdb_file_next(&f) == RDB_AT_KEY);
    CHECK(f.deadline == -1 && f.idle == -1 && f.freq == -1 && f.db == 9);
    CHECK_STR(f.key, "m");
    CHECK(rdb_skip_value(&in, f.type));
    CHECK(rdb_file_next(&f) == RDB_AT_END);     /* version 3: no checksum */
    rdb_file_close(&f);
    rdb_in_free(&in);
    buf_free(&b);
}

static void test_rdb_file_modules(void) {
    static const struct {
        struct str value;
        uint8_t type;
        bool ok;
    } rows[] = {
        { { "\x81" "12345678\x05\x01x\x00", 13 }, RDB_MODULE, true },
        { { "\x81" "12345678\x00", 10 }, RDB_MODULE, true },
        { { "\x81" "12345678\x06\x00", 11 }, RDB_MODULE, false },
        { { "\x81" "12345678\x01", 10 }, RDB_MODULE, false },
        { { "\x81" "12345678\x00", 10 }, RDB_MODULE_RC, false },
        { { "\x01x", 2 }, 8, false },
        { { "\x01x", 2 }, RDB_TYPES, false },
        { { "\x01x", 2 }, 242, false },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rdb_in in;

        rdb_in_mem(&in, rows[i].value.p, rows[i].value.n);
        CHECK(rdb_skip_value(&in, rows[i].type) == rows[i].ok);
        CHECK((in.why == NULL) == rows[i].ok);
        CHECK(!rows[i].ok || rdb_at(&in) == rows[i].value.n);
        rdb_in_free(&in);
    }
}

/* Our own writer's file, with its checksum right, absent and wrong. */
static void test_rdb_file_checksums(void) {
    struct crc_tables crc;

    crc_init(&crc);
    for (int how = 0; how < 3; how++) {
        struct buf b = { 0 };
        struct rdb_file f;
        struct rdb_in in;
        uint64_t sum;

        rdb_put_header(&b, RDB_VERSION);
        rdb_put_byte(&b, RDB_OP_END);
        sum = crc64(&crc, 0, b.p, b.n);
        rdb_put_sum(&b, how == 0 ? sum : how == 1 ? 0 : sum + 1);
        rdb_in_mem(&in, b.p, b.n);
        in.crc = &crc;
        CHECK(rdb_file_open(&f, &in));
        CHECK(rdb_file_next(&f) == (how < 2 ? RDB_AT_END : RDB_AT_ERROR));
        if (how == 2) CHECK_STR(str_c(in.why), "has a wrong checksum");
        rdb_file_close(&f);
        rdb_in_free(&in);
        buf_free(&b);
    }
}

#define TESTS_RDB_FILE \
    T(test_rdb_file_real_values) T(test_rdb_file_cut_and_damaged) \
    T(test_rdb_file_real_files) T(test_rdb_file_bad_files) \
    T(test_rdb_file_rare_records) T(test_rdb_file_modules) \
    T(test_rdb_file_checksums)
