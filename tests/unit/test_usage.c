/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Usage texts as trees, written back with every group in brackets of its
 * kind: [optional], <one | of>, (block), TOKEN=argument, name* repeated. */

static void usage_print(struct buf *b, const struct usage *u, int i,
                        const char *between) {
    for (int first = i; i != 0; i = u->at[i].next) {
        const struct usage_node *a = u->at + i;

        if (i != first) buf_printf(b, "%s", between);
        if (a->optional) buf_put_char(b, '[');
        buf_put_str(b, a->token);
        if (a->token.n > 0 && a->kind != USAGE_FLAG) buf_put_char(b, '=');
        buf_put_str(b, a->name);
        if (a->kind == USAGE_BLOCK) {
            buf_put_char(b, '(');
            usage_print(b, u, a->child, " ");
            buf_put_char(b, ')');
        } else if (a->kind == USAGE_ONEOF) {
            buf_put_char(b, '<');
            usage_print(b, u, a->child, "|");
            buf_put_char(b, '>');
        }
        if (a->multiple) buf_put_char(b, '*');
        if (a->optional) buf_put_char(b, ']');
    }
}

static void test_usage_trees(void) {
    static const struct { const char *text, *want; } rows[] = {
        { "", "" },
        { "key", "key" },
        { "key [key ...]", "key*" },
        { "[section [section ...]]", "[section*]" },
        { "field value [field value ...]", "(field value)*" },
        { "key a b [a b ...] end", "key (a b)* end" },
        { "key [NX | XX] [GET] [EX seconds | PX ms | KEEPTTL]",
          "key [<NX|XX>] [GET] [<EX=seconds|PX=ms|KEEPTTL>]" },
        { "[LIMIT offset count]", "[LIMIT=(offset count)]" },
        { "[WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN>]",
          "[WEIGHTS=weight*] [AGGREGATE=<SUM|MIN>]" },
        { "<LEFT | RIGHT> <LEFT | RIGHT>", "<LEFT|RIGHT> <LEFT|RIGHT>" },
        { "[COUNT n] STREAMS key [key ...] id [id ...]",
          "[COUNT=n] STREAMS=(key* id*)" },
        { "[A [B c] d]", "[A=([B=c] d)]" },
        { "host port", "host port" },
        { "a|b", "<a|b>" },
        { "[[[[[[[[[[[[x]]]]]]]]]]]]", NULL },
        { "[ < |", NULL }, { "]>|", NULL }, { "[key ...", NULL },
        { "x [...]", NULL },
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf b = { 0 };
        struct usage u;
        int first = usage_parse(&u, rows[i].text);

        usage_print(&b, &u, first, " ");
        buf_put_char(&b, '\0');
        if (rows[i].want != NULL && strcmp(b.p, rows[i].want) != 0)
            printf("%s: %s\n", rows[i].text, b.p);
        CHECK(rows[i].want == NULL || strcmp(b.p, rows[i].want) == 0);
        buf_free(&b);
    }
}

static void test_usage_bounded(void) {
    struct buf b = { 0 };
    struct usage u;

    for (int i = 0; i < 500; i++) buf_printf(&b, "word [opt | x] ");
    buf_put_char(&b, '\0');
    usage_parse(&u, b.p);
    CHECK(u.n <= USAGE_NODES);
    buf_free(&b);
}

#define TESTS_USAGE T(test_usage_trees) T(test_usage_bounded)
