/* SPDX-License-Identifier: MIT */
/* drive - as many requests as a server will take, at little cost of its own.
 *
 *     drive PORT SECONDS CLIENTS PIPELINE REPLY WORD...
 *
 * Each client sends PIPELINE requests at once and waits for their answers, of
 * which it is only known that they have REPLY bytes each.  "%N" in a word
 * becomes twelve digits of a number below N, another each time it is sent.
 * The kernel throws the answers away (Linux, MSG_TRUNC) but for a first byte.
 * Prints the requests answered and the seconds that took.  On a machine of two
 * cores a client that reads its replies would take the core that a second
 * loop is to have.
 */
#include "load.h"

enum { MOST = 256, REQUEST = 4096, NUMBERS = 64, IN = 1 << 24 };

/* A number within a request: where its digits are, and what it is below. */
struct number {
    size_t at;
    unsigned long below;
};

struct peer {
    char *batch, *out;          /* PIPELINE requests, and what is to be sent */
    size_t left;                /* bytes of them not sent yet */
    size_t in;                  /* bytes still to be answered */
};

static unsigned long long state = 1;
static struct number numbers[NUMBERS];
static size_t count;

static unsigned long pick(unsigned long below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned long)((state >> 32) * below >> 32);
}

/* Write one request, note its numbers, and return its length. */
static size_t request(char *to, char **words, int n) {
    size_t len = (size_t)sprintf(to, "*%d\r\n", n);

    for (int i = 0; i < n; i++) {
        const char *mark = strchr(words[i], '%');
        size_t before = mark == NULL ? strlen(words[i]) :
                                       (size_t)(mark - words[i]);
        size_t number = mark == NULL ? 0 : 12;

        if (len + before + number + 16 > REQUEST || count == NUMBERS) exit(2);
        len += (size_t)sprintf(to + len, "$%zu\r\n%.*s", before + number,
                               (int)before, words[i]);
        if (mark != NULL)
            numbers[count++] = (struct number){
                len, strtoul(mark + 1, NULL, 10) };
        len += (size_t)sprintf(to + len, mark == NULL ? "\r\n" :
                                                        "000000000000\r\n");
    }
    return len;
}

static char digits[10000][4];

static void prepare(void) {
    for (int i = 0; i < 10000; i++)
        for (int j = 3, v = i; j >= 0; j--, v /= 10)
            digits[i][j] = (char)('0' + v % 10);
}

/* Draw the numbers of a request anew. */
static void draw(char *to) {
    for (size_t i = 0; i < count; i++) {
        unsigned long v = pick(numbers[i].below);
        char *p = to + numbers[i].at;

        memcpy(p, digits[v / 100000000 % 10000], 4);
        memcpy(p + 4, digits[v / 10000 % 10000], 4);
        memcpy(p + 8, digits[v % 10000], 4);
    }
}

/* Carry on with a client's batch.  How many bytes of answers came. */
static size_t turn(int fd, struct peer *p) {
    char first;
    ssize_t n;

    if (p->left > 0) {
        n = send(fd, p->out, p->left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) p->out += n, p->left -= (size_t)n;
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
    char first[REQUEST];
    struct pollfd fds[MOST];
    struct peer peer[MOST];
    int clients = argc > 6 ? atoi(argv[3]) : 0;
    size_t pipeline, reply, length, came = 0;
    double began, end;

    if (clients < 1 || clients > MOST) return 2;
    pipeline = strtoul(argv[4], NULL, 10);
    reply = strtoul(argv[5], NULL, 10);
    if (pipeline < 1 || reply < 1) return 2;
    prepare();
    length = request(first, argv + 6, argc - 6);
    for (int i = 0; i < clients; i++) {
        char *batch = malloc(pipeline * length);

        if (batch == NULL) die("malloc");
        for (size_t j = 0; j < pipeline; j++)
            memcpy(batch + j * length, first, length);
        fds[i] = (struct pollfd){ dial(atoi(argv[1])), POLLOUT, 0 };
        peer[i] = (struct peer){ batch, batch, 0, 0 };
    }
    began = now();
    end = began + atof(argv[2]) * 1e6;
    while (now() < end) {
        for (int i = 0; i < clients; i++) {
            struct peer *p = peer + i;

            if (p->in == 0) {
                for (size_t j = 0; j < pipeline; j++)
                    draw(p->batch + j * length);
                p->out = p->batch;
                p->left = pipeline * length;
                p->in = pipeline * reply;
            } else if (fds[i].revents == 0) {
                continue;
            }
            came += turn(fds[i].fd, p);
            fds[i].events = p->left > 0 ? POLLIN | POLLOUT :
                            p->in > 0 ? POLLIN : POLLOUT;
        }
        poll(fds, (nfds_t)clients, 100);
    }
    printf("%zu %.6f\n", came / reply, (now() - began) / 1e6);
    return 0;
}
