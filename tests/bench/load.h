/* SPDX-License-Identifier: MIT */
/* Clocks, connections and percentiles for the load generators here. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Microseconds of the clock that only goes forward. */
static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A connection to a port of this machine that sends without delay. */
static int dial(int port) {
    struct sockaddr_in a = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    a.sin_port = htons((uint16_t)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd == -1 || connect(fd, (struct sockaddr *)&a, sizeof a) == -1)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Sorts n > 0 waits; prints how many, the percentiles named, the longest. */
static void print_waits(float *wait, size_t n, const double *percent,
                        size_t percents) {
    qsort(wait, n, sizeof *wait, by_size);
    printf("%zu", n);
    for (size_t i = 0; i < percents; i++)
        printf(" %.1f", (double)wait[(size_t)((double)n * percent[i] / 100)]);
    printf(" %.1f\n", (double)wait[n - 1]);
}
