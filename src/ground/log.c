/* SPDX-License-Identifier: MIT */
/* ==== log - one line for each thing worth telling ==========================
 *
 *   text    2026-01-31T23:59:59.999Z 4711 info: message
 *   logfmt  ts=2026-01-31T23:59:59.999Z level=info pid=4711 msg="message"
 *   json    {"ts":"2026-...Z","level":"info","pid":4711,"msg":"message"}
 *
 * A line is made in full and handed over by one write to a descriptor in
 * append mode, so that lines of threads and processes do not mix.  Messages
 * may carry a client's bytes, so nothing in them can end a line or steer a
 * terminal: in text, control characters become blanks and bytes that are not
 * UTF-8 become \xNN; in the other two both are escaped.  A message has at most
 * LOG_MESSAGE bytes.
 *
 * The log must not harm what it tells about: it needs no memory, leaves errno
 * alone, and a write that fails is forgotten.
 *
 * A struct log may be used by many threads; only log_init and log_fini are
 * for one.
 *
 * floor 0 - uses: base clock utf8
 */
enum log_level {
    KLOG_DEBUG,
    KLOG_VERBOSE,
    KLOG_NOTICE,                /* written "info" */
    KLOG_WARNING,
    KLOG_ERROR,
    KLOG_OFF                    /* only as a threshold: nothing is written */
};

enum log_format { KLOG_TEXT, KLOG_LOGFMT, KLOG_JSON };

enum { LOG_MESSAGE = 1024, LOG__LINE = LOG_MESSAGE * 6 + 128 };

struct log {
    atomic_int level;           /* enum log_level: the least that is written */
    atomic_int format;          /* enum log_format */
    pthread_mutex_t lock;       /* for what follows */
    int fd;
    char *path;                 /* NULL: standard error */
};

/* Start with standard error, text, from info on. */
static void log_init(struct log *l) {
    atomic_init(&l->level, KLOG_NOTICE);
    atomic_init(&l->format, KLOG_TEXT);
    pthread_mutex_init(&l->lock, NULL);
    l->fd = STDERR_FILENO;
    l->path = NULL;
}

/* Close the file, if it is one. */
static void log_fini(struct log *l) {
    if (l->path != NULL) close(l->fd);
    free(l->path);
    pthread_mutex_destroy(&l->lock);
}

static int log__open(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
                0644);
}

/* Write to the end of the file at path from now on, or to standard error if
 * that is NULL or empty.  False, with errno, leaves everything as it was. */
static bool log_open(struct log *l, const char *path) {
    char *copy = NULL;
    int fd = STDERR_FILENO;

    if (path != NULL && *path != '\0') {
        size_t n = strlen(path) + 1;

        copy = malloc(n);
        if (copy == NULL) return false;
        memcpy(copy, path, n);
        fd = log__open(copy);
        if (fd == -1) {
            int why = errno;

            free(copy);
            errno = why;
            return false;
        }
    }
    pthread_mutex_lock(&l->lock);
    if (l->path != NULL) close(l->fd);
    free(l->path);
    l->path = copy;
    l->fd = fd;
    pthread_mutex_unlock(&l->lock);
    return true;
}

/* Open the same path again, since somebody has moved the file away.  False,
 * with errno, goes on with the old one. */
static bool log_reopen(struct log *l) {
    int fd = STDERR_FILENO;

    pthread_mutex_lock(&l->lock);
    if (l->path != NULL) {
        fd = log__open(l->path);
        if (fd != -1) {
            close(l->fd);
            l->fd = fd;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return fd != -1;
}

/* Write a message so that it stays one line, and one string where it is
 * quoted.  At most 6 bytes come from each. */
static size_t log__escape(char *dst, const char *message, size_t n,
                          bool quoted) {
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)message;
    char *to = dst;

    while (n > 0) {
        size_t size = utf8_size(p, n);
        unsigned code = p[0];

        if (size == 2) code = (code & 0x1f) << 6 | (p[1] & 0x3f);
        if (size == 0) {
            if (quoted) *to++ = '\\';
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[p[0] >> 4];
            *to++ = hex[p[0] & 15];
            size = 1;
        } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            if (quoted) {
                memcpy(to, "\\u00", 4);
                to[4] = hex[code >> 4];
                to[5] = hex[code & 15];
                to += 6;
            } else {
                *to++ = ' ';
            }
        } else {
            if (quoted && (*p == '"' || *p == '\\')) *to++ = '\\';
            memcpy(to, p, size);
            to += size;
        }
        p += size;
        n -= size;
    }
    return (size_t)(to - dst);
}

/* Build a line in dst, which has LOG__LINE bytes; returns its length. */
static size_t log__build(char *dst, int format, int level, int64_t wall_ms,
                         struct str message) {
    static const char *const names[] = {
        "debug", "verbose", "info", "warning", "error", "off"
    };
    const char *name = names[level], *end = "\n";
    long pid = (long)getpid();
    char when[32], *start = dst;
    int n;

    clock_utc(wall_ms, when);
    if (format == KLOG_JSON) {
        n = snprintf(dst, 128,
                     "{\"ts\":\"%s\",\"level\":\"%s\",\"pid\":%ld,\"msg\":\"",
                     when, name, pid);
        end = "\"}\n";
    } else if (format == KLOG_LOGFMT) {
        n = snprintf(dst, 128, "ts=%s level=%s pid=%ld msg=\"",
                     when, name, pid);
        end = "\"\n";
    } else {
        n = snprintf(dst, 128, "%s %ld %s: ", when, pid, name);
    }
    dst += n;
    dst += log__escape(dst, message.p, message.n, *end == '"');
    memcpy(dst, end, strlen(end));
    return (size_t)(dst - start) + strlen(end);
}

/* Write one line, if level is at or above the log's threshold.  A write that
 * a signal interrupts is tried once more; any other failure is ignored. */
static PRINTF_LIKE(3, 4) void log_line(struct log *l, enum log_level level,
                                       const char *fmt, ...) {
    char message[LOG_MESSAGE + 1], line[LOG__LINE];
    int why = errno, n;
    va_list args;
    size_t size;

    if ((int)level < l->level) return;
    va_start(args, fmt);
    n = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (n < 0) n = 0;
    if (n > LOG_MESSAGE) {
        n = LOG_MESSAGE;
        memcpy(message + n - 3, "...", 3);
    }
    size = log__build(line, l->format, (int)level, clock_wall_us() / 1000,
                      str_of(message, (size_t)n));
    pthread_mutex_lock(&l->lock);
    for (int tries = 0; tries < 2; tries++)
        if (write(l->fd, line, size) != -1 || errno != EINTR) break;
    pthread_mutex_unlock(&l->lock);
    errno = why;
}

static bool log__word(struct str s, int *level) {
    static const struct { const char *word; int level; } words[] = {
        { "trace", KLOG_DEBUG }, { "debug", KLOG_DEBUG },
        { "verbose", KLOG_VERBOSE }, { "info", KLOG_NOTICE },
        { "notice", KLOG_NOTICE }, { "warn", KLOG_WARNING },
        { "warning", KLOG_WARNING }, { "error", KLOG_ERROR },
        { "off", KLOG_OFF }, { "none", KLOG_OFF }, { "nothing", KLOG_OFF }
    };

    for (size_t i = 0; i < ROWS(words); i++) {
        if (!str_is(s, words[i].word)) continue;
        *level = words[i].level;
        return true;
    }
    return false;
}

/* Read a threshold: a level's name, or a list like "info,kvns=debug" where
 * the entry for kvns wins over the general one and entries for other names
 * mean nothing to us.  False, and *level alone, if a level is unknown. */
static bool log_parse_level(struct str s, int *level) {
    int found = -1, own = -1, one;

    for (;;) {
        const char *comma = s.n > 0 ? memchr(s.p, ',', s.n) : NULL;
        struct str part = comma ? str_of(s.p, (size_t)(comma - s.p)) : s;
        const char *is = part.n > 0 ? memchr(part.p, '=', part.n) : NULL;

        if (is == NULL) {
            if (!log__word(part, &one)) return false;
            found = one;
        } else {
            size_t n = (size_t)(is - part.p);

            if (!log__word(str_of(is + 1, part.n - n - 1), &one)) return false;
            if (str_is(str_of(part.p, n), "kvns")) own = one;
        }
        if (comma == NULL) break;
        s = str_of(comma + 1, s.n - part.n - 1);
    }
    if (own >= 0) found = own;
    if (found >= 0) *level = found;
    return true;
}
