/* SPDX-License-Identifier: MIT */
/* ==== importer - kvns check-rdb, kvns import ===============================
 *
 * Reads a snapshot of anybody's and says what is in it, or where it breaks; or
 * gives its keys to a running server, one after the other, by RESTORE.  What
 * is too large for one request goes in pieces, by the commands of its kind.
 *
 * Nothing a key consists of is looked at more than needed: its bytes are
 * copied while they are passed over, and become the payload.
 *
 * floor 8 - uses: base arena mem clock num buf stream crc rdb rdb_items
 *    rdb_file stream_rdb save load options probe
 */
enum {
    IMPORTER_BATCH = 256,       /* requests sent before replies are read */
    IMPORTER_BYTES = 256 << 10, /* or bytes */
    IMPORTER_WHOLE = 8 << 20,   /* larger values go in pieces */
    IMPORTER_PIECE = 1 << 20,   /* bytes of such a piece, about */
    IMPORTER_ITEMS = 400,       /* elements of such a piece */
    IMPORTER_TELL = 10          /* errors told one by one */
};

static const char *const importer_kinds[] = {
    [RDB_KIND_NONE] = "unknown", [RDB_KIND_STRING] = "strings",
    [RDB_KIND_LIST] = "lists", [RDB_KIND_SET] = "sets",
    [RDB_KIND_ZSET] = "sorted sets", [RDB_KIND_HASH] = "hashes",
    [RDB_KIND_STREAM] = "streams", [RDB_KIND_MODULE] = "modules"
};

struct importer {
    struct crc_tables crc;
    const char *file;
    struct rdb_in in;
    struct rdb_file f;
    int input;
    bool in_key;
    int64_t now;
    int64_t said_us;            /* monotonic: when progress was last told */
    uint64_t keys, expired, there, failed;
    /* import */
    int fd;
    bool replace, lost;
    bool refused;               /* the key at hand is not ours */
    uint64_t db;
    struct buf out;             /* requests not sent yet */
    struct buf names;           /* of the keys of requests under way */
    size_t under_way;
    struct buf value;           /* type and bytes of the value at hand */
};

/* Open the file, - standard input.  False: said why. */
static bool importer__open(struct importer *im, const char *file) {
    memset(im, 0, sizeof *im);
    im->file = strcmp(file, "-") == 0 ? "standard input" : file;
    im->fd = -1;
    im->now = clock_wall_us() / 1000;
    im->input = strcmp(file, "-") == 0 ? 0 : open(file, O_RDONLY | O_CLOEXEC);
    if (im->input == -1) {
        fprintf(stderr, "%s: %s\n", file, strerror(errno));
        return false;
    }
    crc_init(&im->crc);
    rdb_in_fd(&im->in, im->input, RDB_UNKNOWN);
    im->in.crc = &im->crc;
    return true;
}

static void importer__close(struct importer *im) {
    rdb_file_close(&im->f);
    rdb_in_free(&im->in);
    buf_free(&im->out);
    buf_free(&im->names);
    buf_free(&im->value);
    if (im->input > 0) close(im->input);
    if (im->fd != -1) close(im->fd);
}

/* Print a name so that it harms no terminal. */
static void importer__name(FILE *to, struct str s) {
    for (size_t i = 0; i < s.n && i < 128; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 32 || c >= 127 || c == '\\') fprintf(to, "\\x%02x", c);
        else fputc(c, to);
    }
    if (s.n > 128) fputs("...", to);
}

/* Say where the file breaks. */
static void importer__broken(const struct importer *im) {
    fprintf(stderr, "%s: byte %llu", im->file,
            (unsigned long long)im->in.why_at);
    if (im->in_key) {
        fprintf(stderr, ", key '");
        importer__name(stderr, im->f.key);
        fputc('\'', stderr);
    }
    fprintf(stderr, ": %s\n", im->in.why);
}

/* ---- check-rdb ----------------------------------------------------------- */

/* Build the stream at hand, to see whether it holds together. */
static bool importer__look_stream(struct importer *im, uint64_t *items) {
    size_t budget = SIZE_MAX;
    struct stream s;
    struct mem m;
    bool refused, ok;

    mem_init(&m);
    stream_init(&s);
    ok = stream_rdb_load(&s, &m, &im->in, im->f.type, &refused);
    if (refused) ok = rdb_fail(&im->in, "needs more memory than we get");
    *items += s.len;
    stream_free_step(&s, &m, &budget);
    mem_fini(&m);
    return ok;
}

/* Look at every element of the value at hand. */
static bool importer__look(struct importer *im, uint64_t *items) {
    enum rdb_kind kind = rdb_kind_of(&im->in, im->f.type);
    struct rdb_items it;
    struct rdb_item x;
    struct str s;

    if (kind == RDB_KIND_STRING) return rdb_get_str(&im->in, &s);
    if (kind == RDB_KIND_STREAM) return importer__look_stream(im, items);
    if (kind == RDB_KIND_NONE || kind == RDB_KIND_MODULE)
        return rdb_skip_value(&im->in, im->f.type);
    if (rdb_items_open(&it, &im->in, im->f.type))
        while (rdb_items_next(&it, &x)) ++*items;
    rdb_items_close(&it);
    return im->in.why == NULL;
}

/* Look at the deadlines of fields in an aux field of ours. */
static bool importer__look_dues(struct importer *im, uint64_t *n) {
    struct rdb_in in;
    struct str name;
    int64_t ms;

    rdb_in_mem(&in, im->f.value.p, im->f.value.n);
    if (!load_due(&in, &name, NULL)) return rdb_fail(&im->in, in.why);
    for (; rdb_rest(&in) > 0; ++*n)
        if (!load_due(&in, &name, &ms)) return rdb_fail(&im->in, in.why);
    return true;
}

/* Say what is in a snapshot, or where it breaks.  Returns the exit status. */
static int importer_check(const char *file) {
    uint64_t n[ROWS(importer_kinds)] = { 0 }, items = 0, deadlines = 0;
    uint64_t dues = 0;          /* deadlines of fields */
    struct importer im;
    enum rdb_at at = RDB_AT_ERROR;
    bool ok;

    if (!importer__open(&im, file)) return 1;
    ok = rdb_file_open(&im.f, &im.in);
    if (ok) printf("version %d%s\n", im.in.version,
                   im.in.valkey ? " of Valkey" : "");
    while (ok && (at = rdb_file_next(&im.f)) != RDB_AT_END) {
        im.in_key = at == RDB_AT_KEY;
        if (at == RDB_AT_ERROR) break;
        if (at == RDB_AT_AUX && str_eq(im.f.key, STR(SAVE_DUES))) {
            ok = importer__look_dues(&im, &dues);
            if (!ok) at = RDB_AT_ERROR;
        } else if (at == RDB_AT_AUX) {
            importer__name(stdout, im.f.key);
            fputs(": ", stdout);
            importer__name(stdout, im.f.value);
            fputc('\n', stdout);
        }
        if (at != RDB_AT_KEY) continue;
        im.keys++;
        deadlines += im.f.deadline != -1;
        im.expired += im.f.deadline != -1 && im.f.deadline <= im.now;
        n[rdb_kind_of(&im.in, im.f.type)]++;
        ok = importer__look(&im, &items);
        if (ok) im.in_key = false;
    }
    ok = at == RDB_AT_END;
    for (size_t i = 0; i < ROWS(n); i++)
        if (n[i] > 0) printf("%llu %s\n", (unsigned long long)n[i],
                             importer_kinds[i]);
    printf("%llu keys, %llu with a deadline, %llu of these expired; %llu "
           "elements\n", (unsigned long long)im.keys,
           (unsigned long long)deadlines, (unsigned long long)im.expired,
           (unsigned long long)items);
    if (dues > 0)
        printf("%llu fields of these with a deadline\n",
               (unsigned long long)dues);
    fflush(stdout);
    if (ok) printf("%s: fine, %llu bytes\n", im.file,
                   (unsigned long long)rdb_at(&im.in));
    else importer__broken(&im);
    importer__close(&im);
    return ok ? 0 : 1;
}

/* ---- import -------------------------------------------------------------- */

static void importer__bulk(struct importer *im, struct str s) {
    buf_printf(&im->out, "$%zu\r\n", s.n);
    buf_put(&im->out, s.p, s.n);
    buf_put(&im->out, "\r\n", 2);
}

/* One reply: what became of the key at *at of the names. */
static bool importer__reply(struct importer *im, size_t *at, bool *there) {
    char line[512];
    struct str key;
    size_t n;

    *there = false;
    do {
        if (!probe_line(im->fd, line, sizeof line)) return false;
    } while (line[0] == '*');           /* of one element */
    memcpy(&n, im->names.p + *at, sizeof n);
    key = str_of(im->names.p + *at + sizeof n, n);
    *at += sizeof n + n;
    if (line[0] == ':') *there = line[1] != '0';
    if (line[0] != '-') return true;
    im->refused = true;
    if (strncmp(line, "-BUSYKEY", 8) == 0) {
        im->there++;
        im->keys--;
        return true;
    }
    if (im->failed++ < IMPORTER_TELL) {
        fprintf(stderr, "key '");
        importer__name(stderr, key);
        fprintf(stderr, "': %s\n", line + 1);
    }
    if (im->keys > 0) im->keys--;
    return strncmp(line, "-LOADING", 8) != 0 &&
           strncmp(line, "-NOAUTH", 7) != 0;
}

/* Send what is ready and read what it is answered.  *there: the last answer
 * was a number other than 0.  False: the server is lost. */
static bool importer__flush(struct importer *im, bool *there) {
    size_t at = 0;

    *there = false;
    if (im->out.failed || im->names.failed) im->lost = true;
    if (!im->lost && im->out.n > 0 && !probe_send(im->fd, buf_str(&im->out)))
        im->lost = true;
    for (; !im->lost && im->under_way > 0; im->under_way--)
        if (!importer__reply(im, &at, there)) im->lost = true;
    buf_reset(&im->out);
    buf_reset(&im->names);
    return !im->lost;
}

/* Begin a request that says something of the key at hand. */
static bool importer__begin(struct importer *im, int argc, const char *name) {
    bool there;

    if ((im->under_way >= IMPORTER_BATCH || im->out.n >= IMPORTER_BYTES) &&
        !importer__flush(im, &there))
        return false;
    im->under_way++;
    buf_put(&im->names, &im->f.key.n, sizeof im->f.key.n);
    buf_put_str(&im->names, im->f.key);
    buf_printf(&im->out, "*%d\r\n", argc);
    importer__bulk(im, str_c(name));
    return true;
}

static void importer__number(struct importer *im, int64_t n) {
    char text[24];

    importer__bulk(im, str_of(text, num_put_int(text, n)));
}

static bool importer__select(struct importer *im) {
    if (im->db == im->f.db) return true;
    im->db = im->f.db;
    if (!importer__begin(im, 2, "SELECT")) return false;
    importer__number(im, (int64_t)im->db);
    return true;
}

/* The value at hand as it is. */
static bool importer__restore(struct importer *im) {
    bool ttl = im->f.deadline != -1;
    int argc = 4 + (im->replace ? 1 : 0) + (ttl ? 1 : 0);

    if (!importer__begin(im, argc, "RESTORE")) return false;
    importer__bulk(im, im->f.key);
    importer__number(im, ttl ? im->f.deadline : 0);
    rdb_put_footer(&im->value, 0, im->in.version, &im->crc);
    importer__bulk(im, buf_str(&im->value));
    if (im->replace) importer__bulk(im, STR("REPLACE"));
    if (ttl) importer__bulk(im, STR("ABSTTL"));
    return !im->value.failed;
}

/* A long string, piece by piece. */
static bool importer__string(struct importer *im, struct rdb_in *in) {
    struct str s, piece;

    if (!rdb_get_str(in, &s)) return false;
    for (size_t at = 0; at < s.n; at += piece.n) {
        piece = str_of(s.p + at, size_min(s.n - at, 4 * IMPORTER_PIECE));
        if (!importer__begin(im, 3, at == 0 ? "SET" : "APPEND")) return false;
        importer__bulk(im, im->f.key);
        importer__bulk(im, piece);
    }
    return true;
}

/* A piece of a collection: n arguments that stand in b. */
static bool importer__piece(struct importer *im, const char *name,
                            struct buf *b, int n) {
    if (n == 0) return true;
    if (!importer__begin(im, n + 2, name)) return false;
    importer__bulk(im, im->f.key);
    buf_put(&im->out, b->p, b->n);
    buf_reset(b);
    return true;
}

static void importer__arg(struct buf *b, struct str s) {
    buf_printf(b, "$%zu\r\n", s.n);
    buf_put(b, s.p, s.n);
    buf_put(b, "\r\n", 2);
}

/* A large collection, piece by piece. */
static bool importer__items(struct importer *im, struct rdb_in *in,
                            enum rdb_kind kind) {
    static const char *const names[] = {
        [RDB_KIND_LIST] = "RPUSH", [RDB_KIND_SET] = "SADD",
        [RDB_KIND_ZSET] = "ZADD", [RDB_KIND_HASH] = "HSET"
    };
    struct rdb_items it;
    struct rdb_item x;
    struct buf b = { 0 };
    bool ok = rdb_items_open(&it, in, im->f.type);
    int n = 0;

    while (ok && rdb_items_next(&it, &x)) {
        char text[NUM_DOUBLE_ROOM];

        if (x.deadline != -1 && x.deadline <= im->now) continue;
        if (kind == RDB_KIND_ZSET)
            importer__arg(&b, str_of(text, num_put_double(text, x.score)));
        importer__arg(&b, x.key);
        if (kind == RDB_KIND_HASH) importer__arg(&b, x.value);
        n += kind == RDB_KIND_ZSET || kind == RDB_KIND_HASH ? 2 : 1;
        if (n < IMPORTER_ITEMS * 2 && b.n < IMPORTER_PIECE) continue;
        ok = importer__piece(im, names[kind], &b, n);
        n = 0;
    }
    ok = ok && in->why == NULL && !b.failed &&
         importer__piece(im, names[kind], &b, n);
    rdb_items_close(&it);
    buf_free(&b);
    return ok;
}

/* A value too large for one request. */
static bool importer__large(struct importer *im, enum rdb_kind kind) {
    struct rdb_in in;
    bool there, ok;

    if (!importer__begin(im, 2, im->replace ? "DEL" : "EXISTS")) return false;
    importer__bulk(im, im->f.key);
    if (!importer__flush(im, &there)) return false;
    if (there && !im->replace) {
        im->there++;
        im->keys--;
        im->refused = true;
        return true;
    }
    rdb_in_mem(&in, im->value.p + 1, im->value.n - 1);
    in.version = im->in.version;
    in.valkey = im->in.valkey;
    ok = kind == RDB_KIND_STRING ? importer__string(im, &in) :
                                   importer__items(im, &in, kind);
    if (in.why != NULL) rdb_fail(&im->in, in.why);
    rdb_in_free(&in);
    if (!ok || im->f.deadline == -1) return ok;
    if (!importer__begin(im, 3, "PEXPIREAT")) return false;
    importer__bulk(im, im->f.key);
    importer__number(im, im->f.deadline);
    return true;
}

/* Give the key at hand to the server.  False: the file or the server is at
 * its end. */
static bool importer__key(struct importer *im) {
    enum rdb_kind kind = rdb_kind_of(&im->in, im->f.type);
    bool ok;

    im->refused = false;
    buf_reset(&im->value);
    rdb_put_byte(&im->value, im->f.type);
    rdb_copy_to(&im->in, &im->value);
    ok = rdb_skip_value(&im->in, im->f.type);
    rdb_copy_to(&im->in, NULL);
    if (!ok || im->value.failed) return false;
    im->in_key = false;
    if (im->f.deadline != -1 && im->f.deadline <= im->now) {
        im->expired++;
        im->refused = true;
        return true;
    }
    im->keys++;
    if (!importer__select(im)) return false;
    if (im->value.n <= IMPORTER_WHOLE || kind == RDB_KIND_STREAM ||
        kind == RDB_KIND_MODULE)
        return importer__restore(im);
    return importer__large(im, kind);
}

/* The deadlines of the fields of the hash before, one by one. */
static bool importer__dues(struct importer *im) {
    struct str key, name, value = im->f.value;
    struct rdb_in in;
    bool there;
    int64_t ms;

    if (!importer__flush(im, &there)) return false;
    if (im->refused) return true;
    rdb_in_mem(&in, value.p, value.n);
    if (!load_due(&in, &key, NULL)) return rdb_fail(&im->in, in.why);
    im->f.key = key;
    while (rdb_rest(&in) > 0) {
        if (!load_due(&in, &name, &ms)) return rdb_fail(&im->in, in.why);
        if (!importer__begin(im, 6, "HPEXPIREAT")) return false;
        importer__bulk(im, key);
        importer__number(im, ms);
        importer__bulk(im, STR("FIELDS"));
        importer__bulk(im, STR("1"));
        importer__bulk(im, name);
    }
    return true;
}

/* Say how far it is, once a second. */
static void importer__progress(struct importer *im) {
    int64_t now = clock_mono_ns() / 1000;
    uint64_t rest = rdb_rest(&im->in), at = rdb_at(&im->in);

    if (im->said_us == 0) im->said_us = now;
    if (now - im->said_us < 1000000) return;
    im->said_us = now;
    if (rest == RDB_UNKNOWN || at + rest == 0)
        fprintf(stderr, "importing: %llu keys, %llu bytes\n",
                (unsigned long long)im->keys, (unsigned long long)at);
    else
        fprintf(stderr, "importing: %d %%, %llu keys\n",
                (int)((double)at * 100 / (double)(at + rest)),
                (unsigned long long)im->keys);
}

/* Give a snapshot's keys to the running server of these options; those it has
 * already stay, or with `replace` go.  Returns the exit status. */
static int importer_run(const struct options *o, const char *file,
                        bool replace) {
    char where[300], line[512];
    struct importer im;
    struct timeval wait = { .tv_sec = 300 };
    enum rdb_at at = RDB_AT_ERROR;
    bool ok, there;

    if (!importer__open(&im, file)) return 1;
    im.replace = replace;
    im.fd = probe_open(o, where, sizeof where, line, sizeof line);
    if (im.fd == -1) {
        fprintf(stderr, "%s: %s\n", where, line + 1);
        importer__close(&im);
        return 1;
    }
    setsockopt(im.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(im.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    ok = rdb_file_open(&im.f, &im.in);
    while (ok && (at = rdb_file_next(&im.f)) > RDB_AT_END) {
        im.in_key = at == RDB_AT_KEY;
        if (at == RDB_AT_KEY) ok = importer__key(&im);
        if (im.keys % 256 == 0) importer__progress(&im);
        if (at == RDB_AT_AUX && str_eq(im.f.key, STR(SAVE_DUES)))
            ok = importer__dues(&im);
    }
    importer__flush(&im, &there);
    if (im.in.why != NULL) importer__broken(&im);
    if (im.lost) fprintf(stderr, "%s: the server answers no more\n", where);
    printf("%llu keys imported, %llu had expired, %llu were there already, "
           "%llu refused\n", (unsigned long long)im.keys,
           (unsigned long long)im.expired, (unsigned long long)im.there,
           (unsigned long long)im.failed);
    ok = at == RDB_AT_END && !im.lost && im.failed == 0 && im.there == 0;
    importer__close(&im);
    return ok ? 0 : 1;
}
