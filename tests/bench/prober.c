/* prober - how long does a GET wait, at worst?
 *
 *     prober PORT SECONDS
 *
 * Sends one GET after the other, until then or SIGINT, and prints: how many,
 * then microseconds: the median, the 99.9th percentile, the longest.  Between
 * them it rests a little, so that it takes little of the machine.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void end_now(int sig) {
    (void)sig;
    over = 1;
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

int main(int argc, char **argv) {
    static const char get[] = "*2\r\n$3\r\nGET\r\n$6\r\n(none)\r\n";
    struct sockaddr_in in = { .sin_family = AF_INET };
    size_t n = 0, room = 1 << 22;
    float *us = malloc(room * sizeof *us);
    struct timespec pause = { 0, 200000 };
    struct sigaction sa;
    double end;
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    char reply[64];

    if (argc != 3 || us == NULL) return 2;
    in.sin_port = htons((unsigned short)atoi(argv[1]));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&in, sizeof in) == -1) return 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    end = now() + atof(argv[2]) * 1e6;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = end_now;
    sa.sa_flags = SA_RESTART;       /* what is under way is finished */
    sigaction(SIGINT, &sa, NULL);
    while (n < room && !over) {
        double begun = now();

        if (begun > end) break;
        if (write(fd, get, sizeof get - 1) != sizeof get - 1) return 1;
        if (read(fd, reply, sizeof reply) <= 0) return 1;
        us[n++] = (float)(now() - begun);
        nanosleep(&pause, NULL);
    }
    qsort(us, n, sizeof *us, order);
    printf("%zu %.0f %.0f %.0f\n", n, us[n / 2], us[n - n / 1000 - 1],
           us[n - 1]);
    return 0;
}
