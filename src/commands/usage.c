/* SPDX-License-Identifier: MIT */
/* ==== usage - a row's usage text as a tree of arguments ====================
 *
 *   key value [NX | XX] [EX seconds | PX milliseconds] [field [field ...]]
 *
 *   words      lower case: an argument; upper case: a token
 *   [ ]        may be left out
 *   < >        only groups
 *   |          one of these
 *   [x ...]    behind x: x may be repeated; so with several words
 *
 * A token takes what follows it up to the end of its group: nothing (it is a
 * flag), one argument (it is that one's token) or several (a block).
 *
 * The tree lives in one fixed array; a text too long for it ends early.
 *
 * floor 6 - uses: base
 */
enum { USAGE_NODES = 96 };

enum usage_kind { USAGE_VALUE, USAGE_FLAG, USAGE_BLOCK, USAGE_ONEOF };

struct usage_node {
    enum usage_kind kind;
    struct str name;            /* of a value; else p NULL */
    struct str token;           /* n 0: none */
    bool optional, multiple;
    int child, next;            /* indices; 0: none */
};

struct usage {
    const char *p;              /* what is still to be read */
    struct usage_node at[USAGE_NODES];  /* the first one is not used */
    int n;
};

static int usage__alternatives(struct usage *u, int depth);

static void usage__blanks(struct usage *u) {
    while (*u->p == ' ') u->p++;
}

static int usage__node(struct usage *u, enum usage_kind kind) {
    if (u->n == USAGE_NODES) {
        u->p = "";
        return 0;
    }
    u->at[u->n] = (struct usage_node){ .kind = kind };
    return u->n++;
}

/* How many nodes follow from i on. */
static int usage__count(const struct usage *u, int i) {
    int n = 0;

    for (; i != 0; i = u->at[i].next) n++;
    return n;
}

/* The list that begins at i as one node. */
static int usage__join(struct usage *u, int i) {
    int block;

    if (i == 0 || u->at[i].next == 0) return i;
    block = usage__node(u, USAGE_BLOCK);
    if (block != 0) u->at[block].child = i;
    return block;
}

static bool usage__is_token(struct str s) {
    bool upper = false;

    for (size_t i = 0; i < s.n; i++) {
        if (islower((unsigned char)s.p[i])) return false;
        upper = upper || isupper((unsigned char)s.p[i]);
    }
    return upper || (s.n == 1 && strchr("*=~$", s.p[0]) != NULL);
}

/* The last m nodes of a list are repeated: mark them, as a block if there are
 * several.  Returns the list. */
static int usage__repeat(struct usage *u, int first, int m) {
    int n = usage__count(u, first), at = first, before = 0, block;

    if (m > n) m = n;
    if (m == 0) return first;
    for (int i = 0; i < n - m; i++) {
        before = at;
        at = u->at[at].next;
    }
    block = usage__join(u, at);
    if (block == 0) return first;
    u->at[block].multiple = true;
    if (before == 0) return block;
    u->at[before].next = block;
    return first;
}

/* A bracketed group, after its '['.  It is either optional arguments, or the
 * repetition of what stands before it; *repeats is then of how many. */
static int usage__option(struct usage *u, int *repeats, int depth) {
    const char *begin = u->p;
    int words = 0, inner = 0, node;

    *repeats = 0;
    for (const char *p = begin; *p != '\0' && (inner > 0 || *p != ']'); p++) {
        inner += (*p == '[') - (*p == ']');
        if (inner == 0 && strncmp(p, "...]", 4) == 0) {
            for (const char *q = begin; q < p; q++)
                words += *q != ' ' && *q != '.' &&
                         (q == begin || q[-1] == ' ');
            u->p = p + 4;
            *repeats = words;
            return 0;
        }
    }
    node = usage__alternatives(u, depth + 1);
    if (*u->p == ']') u->p++;
    if (node != 0) u->at[node].optional = true;
    return node;
}

static struct str usage__word(struct usage *u) {
    const char *begin = u->p;

    while (*u->p != '\0' && strchr(" []<>|", *u->p) == NULL) u->p++;
    return str_of(begin, (size_t)(u->p - begin));
}

/* Items up to a '|' or the end of the group: a list. */
static int usage__sequence(struct usage *u, int depth) {
    int first = 0, last = 0, node, repeats;
    struct str word;

    for (;;) {
        usage__blanks(u);
        node = repeats = 0;
        if (*u->p == '\0' || *u->p == ']' || *u->p == '>' || *u->p == '|')
            break;
        if (*u->p == '[') {
            u->p++;
            if (depth < 8) node = usage__option(u, &repeats, depth);
        } else if (*u->p == '<') {
            u->p++;
            if (depth < 8) node = usage__alternatives(u, depth + 1);
            if (*u->p == '>') u->p++;
        } else {
            word = usage__word(u);
            if (usage__is_token(word)) {
                node = usage__sequence(u, depth);
                if (usage__count(u, node) == 1 && u->at[node].token.n == 0 &&
                    !u->at[node].optional) {
                    u->at[node].token = word;
                } else {
                    int rest = node;

                    node = usage__node(u, rest == 0 ? USAGE_FLAG :
                                                      USAGE_BLOCK);
                    u->at[node].child = rest;
                    u->at[node].token = word;
                }
            } else {
                node = usage__node(u, USAGE_VALUE);
                u->at[node].name = word;
            }
        }
        if (repeats > 0) {
            first = usage__repeat(u, first, repeats);
            for (last = first; last != 0 && u->at[last].next != 0;)
                last = u->at[last].next;
        } else if (node != 0) {
            if (last == 0) first = node;
            else u->at[last].next = node;
            last = node;
        }
    }
    return first;
}

/* Sequences with '|' between them, as one node. */
static int usage__alternatives(struct usage *u, int depth) {
    int first = usage__join(u, usage__sequence(u, depth)), last = first, one;

    if (*u->p != '|') return first;
    while (*u->p == '|') {
        u->p++;
        one = usage__join(u, usage__sequence(u, depth));
        if (one == 0 || last == 0) break;
        u->at[last].next = one;
        last = one;
    }
    one = usage__node(u, USAGE_ONEOF);
    if (one != 0) u->at[one].child = first;
    return one;
}

/* Take a usage text apart; returns the first of the list of arguments. */
static int usage_parse(struct usage *u, const char *text) {
    u->p = text;
    u->n = 1;
    u->at[0] = (struct usage_node){ .kind = USAGE_VALUE };
    if (strchr(text, '|') != NULL && strpbrk(text, "[<") == NULL)
        return usage__alternatives(u, 0);
    return usage__sequence(u, 0);
}
