/* SPDX-License-Identifier: MIT */
/* prober - how long does a GET wait, at worst?
 *
 *     prober PORT SECONDS
 *
 * Sends one GET after the other, until then or SIGINT, and prints: how many,
 * then microseconds: the median, the 99.9th percentile, the longest.  Between
 * them it rests a little, so that it takes little of the machine.
 */
#include "load.h"

static volatile sig_atomic_t over;

static void end_now(int sig) {
    (void)sig;
    over = 1;
}

int main(int argc, char **argv) {
    static const char get[] = "*2\r\n$3\r\nGET\r\n$6\r\n(none)\r\n";
    size_t n = 0, room = 1 << 22;
    float *us = malloc(room * sizeof *us);
    struct timespec pause = { 0, 200000 };
    struct sigaction sa;
    double end;
    char reply[64];
    int fd;

    if (argc != 3 || us == NULL) return 2;
    fd = dial(atoi(argv[1]));
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
    print_waits(us, n, (const double[]){ 50, 99.9 }, 2);
    return 0;
}
