/* kvns - a namespaced, Redis-compatible key-value server in one file
 *
 * SPDX-License-Identifier: MIT
 *
 * This is the spine: one line for each part, in order.  A part may call only
 * what stands above it, so the order is the architecture.  Read it downwards
 * for how things are built, upwards for what they are for.
 *
 *     cc -O2 -pthread kvns.c -o kvns -lm
 */
#include "ground/base.c"            /* the language and the system */
#include "../kvns.h"                /* what the world may call */

/* floor 0, ground: tools that know nothing of servers */
#include "ground/arena.c"           /* pages, from the system and back */
#include "ground/mem.c"             /* slabs, counted to the byte */
#include "ground/trim.c"            /* pages emptied by moving */
#include "ground/clock.c"           /* both clocks, dates */
#include "ground/rand.c"            /* random numbers, entropy */
#include "ground/hash.c"            /* for tables; against attackers */
#include "ground/num.c"             /* numbers from text and to text */
#include "ground/glob.c"            /* patterns */
#include "ground/buf.c"             /* bytes that grow */
#include "ground/files.c"           /* whole, or as they were */
#include "ground/utf8.c"            /* characters in bytes */
#include "ground/log.c"             /* one line an event */
#include "ground/sha256.c"          /* passwords */
#include "ground/host.c"            /* how much memory there is for us */

/* floor 1, structures: bytes and order, not Redis */
#include "structures/table.c"       /* the index of everything */
#include "structures/pack.c"        /* small collections in one run of bytes */
#include "structures/item.c"        /* one member of a large one */
#include "structures/intset.c"      /* small sets of integers */
#include "structures/quick.c"       /* a list of packs */
#include "structures/skip.c"        /* members in order of score */
#include "structures/order.c"       /* and put into that order */
#include "structures/sample.c"      /* elements drawn at random */
#include "structures/bits.c"        /* bytes as numbered bits */
#include "structures/hll.c"         /* how many different ones */
#include "structures/geohash.c"     /* places as numbers */
#include "structures/ids.c"         /* things in order of IDs */
#include "structures/readers.c"     /* groups that read a stream together */
#include "structures/stream.c"      /* entries in order of their IDs */

/* floor 2, formats: pure encoders and decoders */
#include "formats/crc.c"            /* checksums */
#include "formats/lzf.c"            /* compressed strings */
#include "formats/rdb.c"            /* lengths, strings, numbers of RDB */
#include "formats/ziplist.c"        /* what Redis wrote before listpacks */
#include "formats/rdb_items.c"      /* collections, however encoded */
#include "formats/rdb_file.c"       /* the run of a file's records */

/* floor 3, keyspace: keys, and the one door through which they change */
#include "keyspace/entry.c"         /* a key and its value in one block */
#include "keyspace/shard.c"         /* namespaces, databases, shards */
#include "keyspace/big.c"           /* large collections */
#include "keyspace/due.c"           /* fields that expire */
#include "keyspace/stream_rdb.c"    /* a stream as RDB bytes, and back */
#include "keyspace/save.c"          /* a value as RDB bytes */
#include "keyspace/walk.c"          /* a point in time, saved in slices */
#include "keyspace/wheel.c"         /* deadlines */
#include "keyspace/door.c"          /* the one way to change a key */
#include "keyspace/copy.c"          /* values under other keys */
#include "keyspace/bytes.c"         /* strings */
#include "keyspace/lists.c"         /* lists */
#include "keyspace/fields.c"        /* hashes */
#include "keyspace/members.c"       /* sets */
#include "keyspace/ranks.c"         /* sorted sets */
#include "keyspace/pairs.c"         /* of these, gathered aside */
#include "keyspace/load.c"          /* a value from RDB bytes */
#include "keyspace/compact.c"       /* blocks move together */
#include "keyspace/upkeep.c"        /* expiry, eviction, lazy freeing */

/* floor 4, wire: bytes to structures and back */
#include "wire/resp.c"              /* requests */
#include "wire/reply.c"             /* replies */
#include "wire/http.c"              /* for metrics */

/* floor 5, session: who is talking, and under which options */
#include "session/options.c"        /* the rows of all options */
#include "session/option.c"         /* reading and writing one */
#include "session/manual.c"         /* help and tables from the rows */
#include "session/config.c"         /* files, environment, flags */
#include "session/instance.c"       /* the server, its lanes, a call */
#include "session/users.c"          /* who lives inside a namespace */
#include "session/world.c"          /* every lane at rest */
#include "session/apply.c"          /* options take effect */
#include "session/saver.c"          /* snapshots to disk */
#include "session/loader.c"         /* and from there */
#include "session/client.c"         /* a connection */
#include "session/asking.c"         /* who wants to be let in */
#include "session/measure.c"        /* what commands took */
#include "session/labels.c"         /* namespaces measured apart */
#include "session/slow.c"           /* the slow log */
#include "session/monitor.c"        /* everybody's commands */
#include "session/pubsub.c"         /* channels */
#include "session/track.c"          /* what clients keep */
#include "session/watch.c"          /* WATCH */
#include "session/waiters.c"        /* clients that wait for data */

/* floor 6, commands: one part a family, its rows below its handlers */
#include "commands/arg.c"           /* errors, arguments */
#include "commands/help.c"          /* HELP of every container */
#include "commands/scanner.c"       /* HSCAN, SSCAN, ZSCAN */
#include "commands/lots.c"          /* counts of random elements */
#include "commands/string.c"
#include "commands/lcs.c"
#include "commands/bit.c"
#include "commands/pf.c"            /* HyperLogLogs */
#include "commands/key.c"
#include "commands/scan.c"
#include "commands/list.c"
#include "commands/listblock.c"
#include "commands/hashes.c"
#include "commands/fieldttl.c"
#include "commands/set.c"
#include "commands/zset.c"
#include "commands/zrange.c"
#include "commands/zpop.c"
#include "commands/zstore.c"
#include "commands/geo.c"
#include "commands/sort.c"
#include "commands/streams.c"
#include "commands/streamgroup.c"
#include "commands/streamread.c"    /* XREAD, XREADGROUP */
#include "commands/streaminfo.c"    /* XINFO */
#include "commands/channels.c"
#include "commands/snapshot.c"
#include "commands/sync.c"          /* redis-cli --rdb */
#include "commands/namespace.c"     /* tenants */
#include "commands/connection.c"    /* HELLO, AUTH, SELECT */
#include "commands/clientcmd.c"     /* CLIENT */
#include "commands/trackcmd.c"      /* CLIENT TRACKING */
#include "commands/configcmd.c"     /* CONFIG */
#include "commands/usage.c"         /* arguments as a tree */
#include "commands/facts.c"         /* what COMMAND says beyond the rows */
#include "commands/commandcmd.c"    /* COMMAND */
#include "commands/acl.c"           /* ACL, what there is of it */
#include "commands/info.c"          /* INFO */
#include "commands/observe.c"       /* SLOWLOG, LATENCY, MONITOR */
#include "commands/digest.c"        /* sums over values */
#include "commands/debug.c"         /* MEMORY, DEBUG */
#include "commands/server.c"        /* the rest */

/* floor 7, dispatch: from a request to its reply */
#include "dispatch/call.c"          /* a request's row, keys, shards */
#include "dispatch/settle.c"        /* tell of events, wake who waited */
#include "dispatch/admit.c"         /* is there memory, or can it be made */
#include "dispatch/exec.c"          /* check, admit, lock, run, settle */
#include "dispatch/tx.c"            /* MULTI and EXEC */
#include "dispatch/rows.c"          /* the table of all commands */
#include "dispatch/booklet.c"       /* the same for readers */

/* floor 8, program: sockets, files, main */
#include "program/park.c"           /* connections that say nothing */
#include "program/metric.c"         /* the rows of all metrics */
#include "program/names.c"          /* namespaces added up by name */
#include "program/metrics.c"        /* counters as Prometheus reads them */
#include "program/page.c"           /* the status page, from page.html */
#include "program/status.c"         /* what it asks for */
#include "program/webs.c"           /* HTTP, beside the turn */
#include "program/net.c"            /* sockets to requests to replies */
#include "program/loop.c"           /* the turn */
#include "program/listen.c"         /* the sockets it waits at */
#include "program/instances.c"      /* a server from its options */
#include "program/embed.c"          /* kvns.h */
#include "program/probe.c"          /* kvns ping, kvns health */
#include "program/importer.c"       /* kvns check-rdb, kvns import */
#include "program/main.c"
