/* SPDX-License-Identifier: MIT */
/* ==== users - clients that live inside a namespace =========================
 *
 * A user has a name, a password and a namespace.  Who logs in as one sees
 * that namespace and nothing else.  Users come from the option users, from
 * users-file, from the snapshot and from NAMESPACE USER ADD.
 *
 * Of a password only PBKDF2-HMAC-SHA-256 (RFC 8018) is kept, with a salt of
 * its own.  Wherever a password is given, what we keep of one may stand in its
 * place, so that a file need not hold it in the clear:
 *
 *   pbkdf2-sha256$ROUNDS$SALT$HASH      salt and hash in hexadecimal digits
 *
 * To try a password takes a few milliseconds, since ROUNDS is what RFC 7677
 * asks for at least, and never more than USERS_ROUNDS_MOST: that is done in
 * pieces, see asking.  Names that nobody has cost the same, so that the time
 * tells nothing.
 *
 * The list is changed with the world at rest, and read by anybody.
 *
 * floor 5 - uses: base rand num buf sha256 shard options option config
 *    instance
 */
enum {
    USERS_ROUNDS = 4096,
    USERS_ROUNDS_MOST = 100000, /* of hashes that were made elsewhere */
    USERS_SALT = 16,
    USERS_NAME_MOST = 255,      /* bytes */
    USERS_FILE_MOST = 16 << 20
};

struct user {
    struct user *next;
    unsigned char salt[64];
    unsigned char hash[SHA256_SIZE];
    size_t salt_n;
    uint32_t rounds;
    bool by_option;             /* the options name it: no snapshot does */
    struct str name;            /* both behind the structure, '\0' after each */
    struct str space;
};

static const char users_scheme[] = "pbkdf2-sha256$";

/* Find a user by name, or NULL. */
static const struct user *user_find(const struct kvns *k, struct str name) {
    const struct user *u = k->users;

    while (u != NULL && !str_eq(u->name, name)) u = u->next;
    return u;
}

static int users__hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = base_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read hexadecimal digits; returns how many bytes, or 0 if that is wrong. */
static size_t users__hex(struct str s, unsigned char *to, size_t room) {
    if (s.n % 2 != 0 || s.n / 2 > room) return 0;
    for (size_t i = 0; i < s.n / 2; i++) {
        int a = users__hex_digit(s.p[2 * i]);
        int b = users__hex_digit(s.p[2 * i + 1]);

        if (a < 0 || b < 0) return 0;
        to[i] = (unsigned char)(a << 4 | b);
    }
    return s.n / 2;
}

/* Read a password that is given as its hash.  False: it is none. */
static bool users__decode(struct user *u, struct str s) {
    size_t n = sizeof users_scheme - 1;
    int64_t rounds;

    if (s.n <= n || memcmp(s.p, users_scheme, n) != 0) return false;
    s = str_of(s.p + n, s.n - n);
    if (!num_parse_int(str_take(&s, '$'), &rounds) || rounds < 1 ||
        rounds > USERS_ROUNDS_MOST)
        return false;
    u->rounds = (uint32_t)rounds;
    u->salt_n = users__hex(str_take(&s, '$'), u->salt, sizeof u->salt);
    return u->salt_n > 0 &&
           users__hex(s, u->hash, sizeof u->hash) == sizeof u->hash;
}

/* Append a user's password as it is kept. */
static void user_encode(const struct user *u, struct buf *b) {
    buf_printf(b, "%s%u$", users_scheme, (unsigned)u->rounds);
    for (size_t i = 0; i < u->salt_n; i++) buf_printf(b, "%02x", u->salt[i]);
    buf_put_char(b, '$');
    for (size_t i = 0; i < sizeof u->hash; i++)
        buf_printf(b, "%02x", u->hash[i]);
}

static void users__free(struct user *u) {
    sha256_wipe(u, sizeof *u);
    free(u);
}

/* Forget all users. */
static void users_free(struct kvns *k) {
    for (struct user *u = k->users, *next; u != NULL; u = next) {
        next = u->next;
        users__free(u);
    }
    k->users = NULL;
}

/* Remove a user.  False: there is none of that name. */
static bool user_drop(struct kvns *k, struct str name) {
    struct user **p = &k->users, *u;

    while (*p != NULL && !str_eq((*p)->name, name)) p = &(*p)->next;
    u = *p;
    if (u == NULL) return false;
    *p = u->next;
    users__free(u);
    return true;
}

/* What is wrong with what a user is to be, or NULL. */
static const char *user_fault(struct str name, struct str password,
                              struct str space) {
    if (name.n == 0 || name.n > USERS_NAME_MOST)
        return "a user's name has 1 to 255 bytes";
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == ':' ||
            name.p[i] == ',' || name.p[i] == 0x7f)
            return "a user's name has no blanks, commas or colons";
    if (str_eq(name, STR("default")))
        return "the user default belongs to no namespace";
    if (space.n == 0) return "a user's namespace has a name";
    if (memchr(space.p, '/', space.n) != NULL)
        return "a namespace's name has no '/'";
    if (password.n == 0) return "a user has a password";
    if (memchr(password.p, '\0', password.n) != NULL)
        return "a password has no zero byte";
    return NULL;
}

/* Make a user, or change the one of that name; name and space are as
 * user_fault wants them.  False: no memory, or a hash that is none. */
static bool user_put(struct kvns *k, struct str name, struct str password,
                     struct str space) {
    struct user *u = calloc(1, sizeof *u + name.n + space.n + 2);
    char *p;

    if (u == NULL || tenant_make(&k->ks, space) == NULL) goto refused;
    if (password.n >= sizeof users_scheme - 1 &&
        memcmp(password.p, users_scheme, sizeof users_scheme - 1) == 0) {
        if (!users__decode(u, password)) goto refused;
    } else {
        u->rounds = USERS_ROUNDS;
        u->salt_n = USERS_SALT;
        rand_entropy(u->salt, u->salt_n);
        sha256_pbkdf2(password, str_of((const char *)u->salt, u->salt_n),
                      u->rounds, u->hash, sizeof u->hash);
    }
    p = (char *)(u + 1);
    memcpy(p, name.p, name.n);
    memcpy(p + name.n + 1, space.p, space.n);
    u->name = str_of(p, name.n);
    u->space = str_of(p + name.n + 1, space.n);
    user_drop(k, name);
    u->next = k->users;
    k->users = u;
    return true;
refused:
    free(u);
    return false;
}

/* A password that is being tried, in pieces. */
struct user_try {
    struct sha256_stretch work;
    unsigned char salt[64];     /* the user's, when it began */
    size_t salt_n;
    uint32_t rounds;
    bool hollow;                /* the password has a zero byte */
};

/* The user of that name, or one for all names that nobody has. */
static const struct user *users__or_nobody(const struct kvns *k,
                                           struct str name) {
    static const struct user nobody = {
        .salt_n = USERS_SALT, .rounds = USERS_ROUNDS
    };
    const struct user *u = user_find(k, name);

    return u == NULL ? &nobody : u;
}

/* Begin to try a password: sha256_stretch_step(&t->work) until it is done. */
static void user_try_begin(struct user_try *t, const struct kvns *k,
                           struct str name, struct str password) {
    const struct user *u = users__or_nobody(k, name);

    memcpy(t->salt, u->salt, sizeof t->salt);
    t->salt_n = u->salt_n;
    t->rounds = u->rounds;
    /* HMAC fills keys up with zero bytes: such a password is like one without
     * them, so there is none */
    t->hollow = memchr(password.p, '\0', password.n) != NULL;
    sha256_stretch_begin(&t->work, password,
                         str_of((const char *)t->salt, t->salt_n), t->rounds,
                         1);
}

/* Is what was tried still what that user's password is kept as? */
static bool user_try_holds(const struct user_try *t, const struct kvns *k,
                           struct str name) {
    const struct user *u = users__or_nobody(k, name);

    return u->rounds == t->rounds && u->salt_n == t->salt_n &&
           memcmp(u->salt, t->salt, t->salt_n) == 0;
}

/* The user of that name if the password was right that was tried, or NULL;
 * what was tried is wiped. */
static const struct user *user_try_end(struct user_try *t,
                                       const struct kvns *k,
                                       struct str name) {
    const struct user *u = user_find(k, name);
    bool same = sha256_same(t->work.sum, users__or_nobody(k, name)->hash,
                            sizeof t->work.sum);

    if (t->hollow || !user_try_holds(t, k, name)) same = false;
    sha256_wipe(t, sizeof *t);
    return same ? u : NULL;
}

/* The same, for those who have nothing else to do meanwhile. */
static const struct user *user_check(const struct kvns *k, struct str name,
                                     struct str password) {
    struct user_try t;

    user_try_begin(&t, k, name, password);
    sha256_stretch_step(&t.work, t.rounds);
    return user_try_end(&t, k, name);
}

/* Take in one user.  False with *why. */
static bool users__take(struct kvns *k, struct str name, struct str password,
                        struct str space, const char **why) {
    *why = user_fault(name, password, space);
    if (*why != NULL) return false;
    *why = "no memory, or a hash that is none";
    if (!user_put(k, name, password, space)) return false;
    k->users->by_option = true;
    return true;
}

/* Take in a list name:password:namespace,...  False with *why. */
static bool users__list(struct kvns *k, struct str list, const char **why) {
    struct str name, password, space;

    while (option_user(&list, &name, &password, &space))
        if (!users__take(k, name, password, space, why)) return false;
    return true;
}

/* Take in a line of a file: the password is all between the first colon and
 * the last. */
static bool users__line(struct kvns *k, struct str s, const char **why) {
    size_t a = 0, b = s.n;

    while (a < s.n && s.p[a] != ':') a++;
    while (b > a && s.p[b - 1] != ':') b--;
    if (b <= a + 1) {
        *why = "expected name:password:namespace";
        return false;
    }
    return users__take(k, str_of(s.p, a), str_of(s.p + a + 1, b - a - 2),
                       str_of(s.p + b, s.n - b), why);
}

/* Take in a file: a user a line, what begins with # aside. */
static bool users__file(struct kvns *k, struct str text, int *line,
                        const char **why) {
    while (text.n > 0) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end == NULL ? text.n : (size_t)(end - text.p);
        struct str row = str_of(text.p, n);

        text = str_of(text.p + n + (end != NULL), text.n - n - (end != NULL));
        ++*line;
        while (row.n > 0 && option_is_blank(row.p[row.n - 1])) row.n--;
        if (row.n == 0 || row.p[0] == '#') continue;
        if (!users__line(k, row, why)) return false;
    }
    return true;
}

/* Take in the users that the options name, and forget the passwords they were
 * given.  False: err says what is wrong. */
static bool users_load(struct kvns *k, char *err, size_t room) {
    struct str *list = &k->opt.users;
    struct buf b = { 0 };
    const char *why = NULL;
    int line = 0;
    bool ok = users__list(k, *list, &why);

    if (!ok) snprintf(err, room, "users: %s", why);
    if (list->n > 0) sha256_wipe((char *)list->p, list->n);
    options_put_string(list, STR(""), STR(""));
    if (!ok || k->opt.users_file.n == 0) return ok;
    if (!config_slurp(k->opt.users_file.p, USERS_FILE_MOST, &b)) {
        snprintf(err, room, "users-file: cannot read '%.200s': %s",
                 k->opt.users_file.p, strerror(errno));
        ok = false;
    } else if (!users__file(k, buf_str(&b), &line, &why)) {
        snprintf(err, room, "%.200s:%d: %s", k->opt.users_file.p, line, why);
        ok = false;
    }
    if (b.n > 0) sha256_wipe(b.p, b.n);
    buf_free(&b);
    return ok;
}
