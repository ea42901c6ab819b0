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
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024, ASKED = 4096 };

/* A connection: when the GETs were due that it has not got answers to. */
struct peer {
    double due[ASKED];
    size_t first, n;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int order(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static int dial(int port) {
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    a.sin_port = htons((uint16_t)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || connect(fd, (struct sockaddr *)&a, sizeof a) == -1)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

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
    for (size_t i = 0; i < clients; i++)
        fds[i] = (struct pollfd){ dial(atoi(argv[1])), POLLIN, 0 };
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
    qsort(wait, n, sizeof *wait, order);
    printf("%zu %.1f %.1f %.1f %.1f\n", n, (double)wait[n / 2],
           (double)wait[n * 99 / 100], (double)wait[n * 999 / 1000],
           (double)wait[n - 1]);
    return 0;
}
