/* SPDX-License-Identifier: MIT */
/* paced - how long do GETs take that come at a fixed rate?
 *
 *     paced PORT RATE SECONDS CLIENTS
 *
 * Sends RATE GETs a second, each at its time, over the connections in turn,
 * whether or not earlier ones have been answered.  A wait counts from when
 * the GET was due, so a server that stalls is not spared the requests it kept
 * from being sent.  Prints how many, then microseconds: the median, the 99th
 * and the 99.9th percentile, the longest.
 */
#include "load.h"

enum { MOST = 1024, ASKED = 4096 };

/* A connection: when the GETs were due that it has not got answers to. */
struct peer {
    double due[ASKED];
    size_t first, n;
};

/* Every answer is "$-1": the keys are not there. */
static size_t take(int fd, struct peer *p, float *wait, size_t n) {
    char in[4096];
    ssize_t got = recv(fd, in, sizeof in, 0);
    double t = now();

    if (got == 0 || (got == -1 && errno != EAGAIN && errno != EINTR))
        die("recv");
    for (ssize_t i = 0; i < got; i++) {
        if (in[i] != '\n' || p->n == 0) continue;
        wait[n++] = (float)(t - p->due[p->first]);
        p->first = (p->first + 1) % ASKED;
        p->n--;
    }
    return n;
}

int main(int argc, char **argv) {
    static const char ask[] = "*2\r\n$3\r\nGET\r\n$6\r\nabsent\r\n";
    static struct peer peers[MOST];
    static struct pollfd fds[MOST];
    double begun, due, step;
    size_t all, sent = 0, n = 0, clients;
    float *wait;

    if (argc != 5) {
        fprintf(stderr, "usage: paced PORT RATE SECONDS CLIENTS\n");
        return 2;
    }
    clients = (size_t)atol(argv[4]);
    all = (size_t)(atof(argv[2]) * atof(argv[3]));
    if (clients < 1 || clients > MOST || all < 1) return 2;
    step = 1e6 / atof(argv[2]);
    wait = malloc(all * sizeof *wait);
    if (wait == NULL) die("malloc");
    for (size_t i = 0; i < clients; i++) {
        fds[i] = (struct pollfd){ dial(atoi(argv[1])), POLLIN, 0 };
        fcntl(fds[i].fd, F_SETFL, O_NONBLOCK);
    }
    begun = now();
    while (n < all) {
        struct peer *p = &peers[sent % clients];
        struct timespec rest = { 0, 0 };

        due = begun + (double)sent * step;
        if (sent < all && now() >= due && p->n < ASKED) {
            if (send(fds[sent % clients].fd, ask, sizeof ask - 1, 0) !=
                (ssize_t)sizeof ask - 1)
                die("send");
            p->due[(p->first + p->n++) % ASKED] = due;
            sent++;
            continue;
        }
        if (sent < all && due > now())
            rest.tv_nsec = (long)((due - now()) * 1e3 * 0.5);
        if (rest.tv_nsec > 500000) rest.tv_nsec = 500000;
        if (rest.tv_nsec > 100000) nanosleep(&rest, NULL);
        if (poll(fds, (nfds_t)clients, sent < all ? 0 : 100) <= 0) continue;
        for (size_t i = 0; i < clients; i++)
            if (fds[i].revents != 0) n = take(fds[i].fd, &peers[i], wait, n);
    }
    print_waits(wait, n, (const double[]){ 50, 99, 99.9 }, 3);
    return 0;
}
