/* SPDX-License-Identifier: MIT */
/* nullserver - what one thread, poll(), recv() and send() cost by themselves.
 *
 * A server for redis-benchmark that finds the end of each request, answers
 * something of the right form and keeps nothing.  A real server of the same
 * shape cannot be much cheaper; what it costs above this is its own work, and
 * figures given as a multiple of this one travel between machines.
 *
 *     nullserver PORT
 *
 * GET, HGET, LPOP and the like answer a bulk as long as the newest value that
 * SET, HSET or LPUSH brought (3 bytes before); LRANGE and ZRANGE k a b an array
 * of b-a+1 bulks of 3 bytes; MGET one bulk a key; what counts or adds :1; PING
 * +PONG; all others +OK.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IN = 65536,         /* bytes of one recv */
    IN_LARGE = 1 << 20, /* ... in the middle of a long value */
    OUT = 1 << 20,      /* bytes gathered for one send */
    LONG = 16384,       /* a reply from here on is sent from where it lies */
    TAIL = 512,         /* longest piece of a request that is kept */
    HOT = 256,          /* arguments up to this length are parsed whole */
    PEERS = 16384
};

/* What is answered. */
enum answer { OK, PONG, ONE, BULK, BULKS, RANGE };

struct peer {
    size_t skip;        /* bytes of a long argument still to come, with CRLF */
    long args;          /* arguments still to come after it */
    long n;             /* arguments of the request */
    long from, to;      /* the numbers of a range */
    enum answer answer;
    bool stores;        /* its last argument is a value */
    unsigned tail_n;
    char tail[TAIL];    /* the begin of an argument that is not whole yet */
    char *late;         /* output that the socket did not take */
    size_t late_n, late_at;
};

struct server {
    struct pollfd fds[PEERS];
    struct peer *peers[PEERS];
    int n;
    char *in;           /* TAIL bytes of room, then IN_LARGE */
    char *out;
    size_t out_n;
    char *bulk;         /* "$32\r\n....\r\n", the answer to GET */
    size_t bulk_n;      /* its length; of the value: */
    size_t value_n;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *need(void *p) {
    if (p == NULL) die("nullserver");
    return p;
}

static void set_value(struct server *s, size_t n) {
    int head;

    if (n == s->value_n) return;
    s->value_n = n;
    s->bulk = need(realloc(s->bulk, n + 32));
    head = sprintf(s->bulk, "$%zu\r\n", n);
    memset(s->bulk + head, 'v', n);
    memcpy(s->bulk + head + n, "\r\n", 2);
    s->bulk_n = (size_t)head + n + 2;
}

/* Send as much as the socket takes; false when the peer is gone. */
static bool push(int fd, const char *p, size_t n, size_t *sent) {
    *sent = 0;
    while (*sent < n) {
        ssize_t w = send(fd, p + *sent, n - *sent, MSG_NOSIGNAL);

        if (w >= 0) *sent += (size_t)w;
        else if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
        else if (errno != EINTR) return false;
    }
    return true;
}

/* Send behind what is late already, keep what the socket does not take. */
static bool emit(struct server *s, int i, const char *data, size_t n) {
    struct peer *p = s->peers[i];
    size_t sent = 0;

    if (p->late_n == 0 && !push(s->fds[i].fd, data, n, &sent)) return false;
    if (sent == n) return true;
    p->late = need(realloc(p->late, p->late_n + n - sent));
    memcpy(p->late + p->late_n, data + sent, n - sent);
    p->late_n += n - sent;
    s->fds[i].events = POLLIN | POLLOUT;
    return true;
}

static bool emit_late(struct server *s, int i) {
    struct peer *p = s->peers[i];
    size_t sent;

    if (!push(s->fds[i].fd, p->late + p->late_at, p->late_n - p->late_at,
              &sent))
        return false;
    p->late_at += sent;
    if (p->late_at < p->late_n) return true;
    free(p->late);
    p->late = NULL;
    p->late_n = p->late_at = 0;
    s->fds[i].events = POLLIN;
    return true;
}

static bool flush(struct server *s, int i) {
    size_t n = s->out_n;

    s->out_n = 0;
    return n == 0 || emit(s, i, s->out, n);
}

static inline bool put(struct server *s, int i, const char *data, size_t n) {
    if (n >= LONG) return flush(s, i) && emit(s, i, data, n);
    if (s->out_n + n > OUT && !flush(s, i)) return false;
    memcpy(s->out + s->out_n, data, n);
    s->out_n += n;
    return true;
}

static bool answer_range(struct server *s, int i, long n) {
    char head[32];
    int len;

    if (n < 0 || n > 1000000) n = 0;
    len = snprintf(head, sizeof head, "*%ld\r\n", n);
    if (!put(s, i, head, (size_t)len)) return false;
    while (n-- > 0)
        if (!put(s, i, "$3\r\nxxx\r\n", 9)) return false;
    return true;
}

static bool answer_bulks(struct server *s, int i, long n) {
    char head[32];
    int len = snprintf(head, sizeof head, "*%ld\r\n", n);

    if (!put(s, i, head, (size_t)len)) return false;
    while (n-- > 0)
        if (!put(s, i, s->bulk, s->bulk_n)) return false;
    return true;
}

static inline bool reply(struct server *s, int i, struct peer *p) {
    switch (p->answer) {
    case OK: return put(s, i, "+OK\r\n", 5);
    case PONG: return put(s, i, "+PONG\r\n", 7);
    case ONE: return put(s, i, ":1\r\n", 4);
    case BULK: return put(s, i, s->bulk, s->bulk_n);
    case BULKS: return answer_bulks(s, i, p->n - 1);
    case RANGE: return answer_range(s, i, p->to - p->from + 1);
    }
    return false;
}

static bool is(const char *a, size_t n, const char *word) {
    if (strlen(word) != n) return false;
    for (size_t i = 0; i < n; i++)
        if ((a[i] & ~0x20) != word[i]) return false;
    return true;
}

/* The command's name decides what is answered. */
static void name(struct peer *p, const char *a, size_t n) {
    static const struct {
        const char *word;
        enum answer answer;
        bool stores;
    } rows[] = {
        { "GET", BULK, false },    { "SET", OK, true },
        { "INCR", ONE, false },    { "LPUSH", ONE, true },
        { "RPUSH", ONE, true },    { "LPOP", BULK, false },
        { "RPOP", BULK, false },   { "SADD", ONE, false },
        { "HSET", ONE, true },     { "HGET", BULK, false },
        { "ZADD", ONE, false },    { "ZRANGE", RANGE, false },
        { "LRANGE", RANGE, false }, { "MGET", BULKS, false },
        { "SPOP", BULK, false },   { "ZPOPMIN", BULK, false },
        { "DEL", ONE, false },     { "EXISTS", ONE, false },
        { "PING", PONG, false },   { "ZRANK", ONE, false },
    };

    p->answer = OK;
    p->stores = false;
    p->from = p->to = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (is(a, n, rows[i].word)) {
            p->answer = rows[i].answer;
            p->stores = rows[i].stores;
            return;
        }
}

static long number(const char *a, size_t n) {
    long v = 0;
    bool minus = n > 0 && *a == '-';

    for (size_t i = minus; i < n; i++) v = v * 10 + (a[i] - '0');
    return minus ? -v : v;
}

/* "*12\r\n" at p: the number, and *p behind the line; -1 when it is not whole
 * yet, -2 when it is none. */
static inline long header(const char **p, const char *end, char mark) {
    const char *q = *p;
    long v = 0;

    if (q == end) return -1;
    if (*q++ != mark) return -2;
    while (q < end && *q >= '0' && *q <= '9') v = v * 10 + (*q++ - '0');
    if (end - q < 2) return end - *p > 24 ? -2 : -1;
    if (q[0] != '\r' || q[1] != '\n') return -2;
    *p = q + 2;
    return v;
}

/* Take an argument of n bytes; those up to HOT lie at a whole. */
static inline void argument(struct server *s, struct peer *p, const char *a,
                            size_t n) {
    long i = p->n - p->args;

    if (i == 0) name(p, a, n < HOT ? n : 0);
    else if (p->answer == RANGE && i == 2) p->from = number(a, n);
    else if (p->answer == RANGE && i == 3) p->to = number(a, n);
    else if (p->stores && p->args == 1) set_value(s, n);
    p->args--;
}

/* Serve what lies between at and end; the rest that must be seen again is
 * returned in *at.  False when the peer has to go. */
static bool serve_bytes(struct server *s, int i, const char **at,
                        const char *end) {
    struct peer *p = s->peers[i];

    for (;;) {
        const char *q = *at;
        long n;

        if (p->skip > 0) {
            size_t k = (size_t)(end - q) < p->skip ? (size_t)(end - q)
                                                   : p->skip;
            *at = q += k;
            p->skip -= k;
            if (p->skip > 0) return true;
            if (p->args == 0 && !reply(s, i, p)) return false;
            continue;
        }
        if (p->args == 0) {
            n = header(&q, end, '*');
            if (n < 0) return n == -1;
            p->args = p->n = n;
            *at = q;
            if (n == 0) continue;
        }
        n = header(&q, end, '$');
        if (n < 0) return n == -1;
        if (end - q < n + 2 && n <= HOT) return true;
        argument(s, p, q, (size_t)n);
        if (end - q < n + 2) {
            p->skip = (size_t)n + 2;
            *at = q;
            continue;
        }
        *at = q + n + 2;
        if (p->args == 0 && !reply(s, i, p)) return false;
    }
}

/* The socket can be read: one recv, all of its requests, one send. */
static bool serve(struct server *s, int i) {
    struct peer *p = s->peers[i];
    char *in = s->in + TAIL;
    const char *at;
    ssize_t got = recv(s->fds[i].fd, in, p->skip > IN ? IN_LARGE : IN, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) return false;
    at = in - p->tail_n;
    memcpy(in - p->tail_n, p->tail, p->tail_n);
    p->tail_n = 0;
    if (!serve_bytes(s, i, &at, in + got)) return false;
    if (in + got - at > TAIL) return false;
    p->tail_n = (unsigned)(in + got - at);
    memcpy(p->tail, at, p->tail_n);
    return flush(s, i);
}

static void drop(struct server *s, int i) {
    close(s->fds[i].fd);
    free(s->peers[i]->late);
    free(s->peers[i]);
    s->n--;
    s->fds[i] = s->fds[s->n];
    s->peers[i] = s->peers[s->n];
    s->out_n = 0;
}

static void welcome(struct server *s) {
    int fd, on = 1;

    while (s->n < PEERS && (fd = accept(s->fds[0].fd, NULL, NULL)) != -1) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        s->fds[s->n] = (struct pollfd){ .fd = fd, .events = POLLIN };
        s->peers[s->n++] = need(calloc(1, sizeof(struct peer)));
    }
}

static int listener(int port) {
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    a.sin_port = htons((uint16_t)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) == -1) die("bind");
    if (listen(fd, 1024) == -1) die("listen");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int main(int argc, char **argv) {
    struct server *s = need(calloc(1, sizeof *s));

    if (argc != 2) {
        fprintf(stderr, "usage: nullserver PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    s->in = need(malloc(TAIL + IN_LARGE));
    s->out = need(malloc(OUT));
    set_value(s, 3);
    s->fds[s->n++] = (struct pollfd){ .fd = listener(atoi(argv[1])),
                                      .events = POLLIN };
    for (;;) {
        int ready = poll(s->fds, (nfds_t)s->n, -1);
        bool knock = s->fds[0].revents != 0;

        ready -= knock;
        /* From the end: drop moves one into the hole that was served. */
        for (int i = s->n - 1; i > 0 && ready > 0; i--) {
            short r = s->fds[i].revents;

            if (r == 0) continue;
            ready--;
            if (((r & POLLOUT) && !emit_late(s, i)) ||
                ((r & ~POLLOUT) && !serve(s, i)))
                drop(s, i);
        }
        if (knock) welcome(s);
    }
}
