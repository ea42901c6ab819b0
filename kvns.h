/* kvns.h - a key-value server inside your program
 *
 * SPDX-License-Identifier: MIT
 *
 * Compile kvns.c with -DKVNS_NO_MAIN and link it:
 *
 *     #include <stdio.h>
 *     #include "kvns.h"
 *
 *     int main(void) {
 *         struct kvns_options options = { 0 };
 *         struct kvns *k = kvns_new(&options);
 *         const char *set[] = { "SET", "db1/x", "42" };
 *         const char *get[] = { "GET", "db1/x" };
 *         struct kvns_reply reply = { 0 };
 *
 *         if (k == NULL) return 1;
 *         kvns_exec(k, 3, set, NULL, &reply);
 *         kvns_exec(k, 2, get, NULL, &reply);
 *         fwrite(reply.bytes, 1, reply.length, stdout);
 *         kvns_reply_free(&reply);
 *         kvns_free(k);
 *         return 0;
 *     }
 *
 * It prints $2, 42: replies are in RESP, the protocol of Redis.
 *
 * Nothing here is global: two servers can live in one process.  Calls on the
 * same server must not overlap in time, but for those of kvns_client_run on
 * different clients, see there.  No thread is created and no signal touched.
 */
#ifndef KVNS_H
#define KVNS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvns;
struct kvns_client;

/* All zero is good: nothing listens, 1 GiB of memory at most. */
struct kvns_options {
    const char *host;           /* address to listen on; NULL: 127.0.0.1 */
    int port;                   /* TCP port; 0: none */
    const char *unixsocket;     /* path of a unix socket; NULL: none */
    size_t memory_limit;        /* bytes of data; 0: 1 GiB */
    const char *persist_path;   /* snapshot file, loaded by kvns_new if it is
                                   there; NULL: none */
    int shards;                 /* 0 or 1: one */
    int protocol;               /* of kvns_exec's replies: 2 (also 0) or 3 */
    int clients;                /* of kvns_client_new there may be at a time;
                                   0: none, and no lock is ever taken */
};

/* The reply to a command, as RESP bytes.  Zero it before its first use; it
 * can be used again and again. */
struct kvns_reply {
    char *bytes;
    size_t length;
    size_t capacity;
};

/* Start a server.  NULL: an option is wrong, the snapshot is damaged, or there
 * is no memory. */
struct kvns *kvns_new(const struct kvns_options *options);

/* Wait up to timeout_ms for sockets (-1: for ever, 0: not at all), serve what
 * is ready, and do a slice of background work.  Call it often: expiry, and
 * saving in the background, happen here, on your thread.  0, or -1 once the
 * server was told to shut down. */
int kvns_turn(struct kvns *k, int timeout_ms);

/* Carry out one command; arguments as C strings, or with lengths not NULL as
 * so many bytes each.  A command that would wait for data answers null, one
 * that subscribes or has messages come an error: there is nobody to send to.
 * 0, or -1 when there is no memory for the reply. */
int kvns_exec(struct kvns *k, int argc, const char *const *argv,
              const size_t *lengths, struct kvns_reply *reply);

/* One of several commands: arguments as for kvns_exec. */
struct kvns_request {
    int argc;
    const char *const *argv;
    const size_t *lengths;
};

/* A client for a thread of yours: it has a database, a transaction and a
 * protocol of its own.  NULL: there are as many as the options allow, or there
 * is no memory. */
struct kvns_client *kvns_client_new(struct kvns *k);

/* Carry out n commands in order; their replies follow each other in *reply.
 * Calls on different clients may overlap, with each other and with one call of
 * kvns_turn or kvns_exec; every command is atomic.  How well they get along
 * depends on the shards: give it some 64 for each thread.  A batch of some 32
 * commands costs much less than each of them alone.
 * 0, or -1 when there is no memory for the replies. */
int kvns_client_run(struct kvns_client *c, const struct kvns_request *request,
                    size_t n, struct kvns_reply *reply);

/* Forget a client: not while it runs something.  NULL is fine. */
void kvns_client_free(struct kvns_client *c);

/* Free what a reply holds; it can be used again. */
void kvns_reply_free(struct kvns_reply *reply);

/* Close all connections and free everything, clients too.  Nothing is saved
 * that was not asked for.  NULL is fine. */
void kvns_free(struct kvns *k);

#ifdef __cplusplus
}
#endif

#endif
