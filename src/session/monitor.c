/* SPDX-License-Identifier: MIT */
/* ==== monitor - everybody's commands, for whoever asked ====================
 *
 *   1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"
 *
 * Each lane knows its clients that monitor; lines of one lane go to the
 * others by letter.  Arguments are quoted so that a line is a line; secrets
 * are not shown, nor are commands for administrators.
 *
 * floor 5 - uses: base clock buf reply instance client slow
 */

/* Add bytes between quotes, as redis-cli would have them typed. */
static void monitor__quote(struct buf *b, struct str s) {
    buf_put_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        static const char plain[] = "\\\"\n\r\t\a\b", names[] = "\\\"nrtab";
        const char *at = c == '\0' ? NULL : strchr(plain, c);

        if (at != NULL) {
            buf_put_char(b, '\\');
            buf_put_char(b, names[at - plain]);
        } else if (c >= ' ' && c <= '~') {
            buf_put_char(b, (char)c);
        } else {
            buf_printf(b, "\\x%02x", c);
        }
    }
    buf_put_char(b, '"');
}

/* Give a line to the clients of a lane that monitor. */
static void monitor_deliver(struct lane *l, const char *p, size_t n) {
    for (struct client *c = l->monitors; c != NULL; c = c->next_monitor)
        if (c == l->current) reply_raw(&l->reply, str_of(p, n));
        else client_write(c, p, n);
}

/* Show a call to all who monitor. */
static COLD void monitor_feed(const struct call *x) {
    int64_t us = clock_wall_us();
    struct buf b = { 0 };

    if ((x->row->flags & (ADMIN | NO_MONITOR)) != 0) return;
    buf_printf(&b, "+%lld.%06d [%d %s]", (long long)(us / 1000000),
               (int)(us % 1000000), x->c->db, x->c->addr);
    for (size_t i = 0; i < x->argc; i++) {
        buf_put_char(&b, ' ');
        monitor__quote(&b, call_shown(x->row, x->argc, x->argv, i));
    }
    buf_put(&b, "\r\n", 2);
    if (!b.failed) {
        monitor_deliver(x->lane, b.p, b.n);
        for (uint32_t i = 0; i < x->k->nloops; i++)
            if (x->k->lanes + i != x->lane)
                lane_tell(x->k->lanes + i, 0, LETTER_MONITOR, b.p, b.n);
    }
    buf_free(&b);
}

/* A client monitors from now on. */
static void monitor_join(struct client *c) {
    if ((c->flags & CLIENT_MONITOR) != 0) return;
    c->flags |= CLIENT_MONITOR;
    c->next_monitor = c->lane->monitors;
    c->lane->monitors = c;
    atomic_fetch_add(&c->lane->k->observed, OBSERVE_MONITOR);
}

/* It does not any more. */
static void monitor_leave(struct client *c) {
    struct client **p = &c->lane->monitors;

    if ((c->flags & CLIENT_MONITOR) == 0) return;
    c->flags &= ~(uint32_t)CLIENT_MONITOR;
    while (*p != c) p = &(*p)->next_monitor;
    *p = c->next_monitor;
    atomic_fetch_sub(&c->lane->k->observed, OBSERVE_MONITOR);
}
