/* SPDX-License-Identifier: MIT */
/* drive - as many requests as a server will take, at little cost of its own.
 *
 *     drive PORT SECONDS CLIENTS PIPELINE REPLY WORD...
 *
 * Each client sends PIPELINE requests at once and waits for their answers, of
 * which it is only known that they have REPLY bytes each.  The requests are
 * made ahead; "%N" in a word becomes twelve digits of a number below N.
 * The kernel throws the answers away (Linux, MSG_TRUNC) but for a first byte.
 * Prints the requests answered and the seconds that took.  On a machine of two
 * cores a client that reads its replies would take the core that a second
 * loop is to have.
 */
#include "load.h"

enum { MOST = 256, BATCHES = 256, REQUEST = 4096, IN = 1 << 24 };

struct batch {
    char *p;
    size_t n;
};

struct peer {
    struct batch out;           /* what is still to be sent */
    size_t in;                  /* bytes still to be answered */
};

static unsigned long long state = 1;

static unsigned long pick(unsigned long below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned long)(state >> 33) % below;
}

/* Write one request, and return its length. */
static size_t request(char *to, char **words, int n) {
    size_t len = (size_t)sprintf(to, "*%d\r\n", n);

    for (int i = 0; i < n; i++) {
        const char *at = strchr(words[i], '%');
        char word[256];

        if (at == NULL) {
            snprintf(word, sizeof word, "%s", words[i]);
        } else {
            unsigned long below = strtoul(at + 1, NULL, 10);

            snprintf(word, sizeof word, "%.*s%012lu", (int)(at - words[i]),
                     words[i], pick(below > 0 ? below : 1));
        }
        if (len + sizeof word + 16 > REQUEST) exit(2);
        len += (size_t)sprintf(to + len, "$%zu\r\n%s\r\n", strlen(word), word);
    }
    return len;
}

static struct batch batch(int pipeline, char **words, int n) {
    struct batch b = { malloc((size_t)pipeline * REQUEST), 0 };

    if (b.p == NULL) die("malloc");
    for (int i = 0; i < pipeline; i++) b.n += request(b.p + b.n, words, n);
    b.p = realloc(b.p, b.n);
    return b;
}

/* Carry on with a client's batch.  How many bytes of answers came. */
static size_t turn(int fd, struct peer *p) {
    char first;
    ssize_t n;

    if (p->out.n > 0) {
        n = send(fd, p->out.p, p->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) p->out.p += n, p->out.n -= (size_t)n;
        else if (n == -1 && errno != EAGAIN) die("send");
    }
    n = recv(fd, &first, 1, MSG_DONTWAIT | MSG_PEEK);
    if (n == 1) n = recv(fd, NULL, IN, MSG_DONTWAIT | MSG_TRUNC);
    if (n == 0 || (n == -1 && errno != EAGAIN)) die("recv");
    if (n > 0 && (first == '-' || (size_t)n > p->in)) {
        fprintf(stderr, "not the answers that were to come\n");
        exit(1);
    }
    if (n > 0) p->in -= (size_t)n;
    return n > 0 ? (size_t)n : 0;
}

int main(int argc, char **argv) {
    struct batch batches[BATCHES];
    struct pollfd fds[MOST];
    struct peer peer[MOST];
    int clients = argc > 6 ? atoi(argv[3]) : 0, pipeline;
    size_t reply, came = 0;
    double began, end;

    if (clients < 1 || clients > MOST) return 2;
    pipeline = atoi(argv[4]);
    reply = (size_t)atoi(argv[5]);
    if (pipeline < 1 || reply < 1) return 2;
    for (int i = 0; i < BATCHES; i++)
        batches[i] = batch(pipeline, argv + 6, argc - 6);
    for (int i = 0; i < clients; i++) {
        fds[i] = (struct pollfd){ dial(atoi(argv[1])), POLLOUT, 0 };
        peer[i] = (struct peer){ { NULL, 0 }, 0 };
    }
    began = now();
    end = began + atof(argv[2]) * 1e6;
    while (now() < end) {
        for (int i = 0; i < clients; i++) {
            struct peer *p = peer + i;

            if (p->in == 0) {
                p->out = batches[pick(BATCHES)];
                p->in = (size_t)pipeline * reply;
            } else if (fds[i].revents == 0) {
                continue;
            }
            came += turn(fds[i].fd, p);
            fds[i].events = p->out.n > 0 ? POLLIN | POLLOUT :
                            p->in > 0 ? POLLIN : POLLOUT;
        }
        poll(fds, (nfds_t)clients, 100);
    }
    printf("%zu %.6f\n", came / reply, (now() - began) / 1e6);
    return 0;
}
