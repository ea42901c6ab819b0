/* SPDX-License-Identifier: MIT */
/* ==== glob - patterns for keys and channels ================================
 *
 *   *       any bytes, also none        [abc]   one of these
 *   ?       any one byte                [^abc]  any other; [!abc] likewise
 *   \x      x itself                    [a-z]   one of a range
 *
 * as Redis 7.0 reads them, oddities included: a class that is never closed
 * ends with the pattern, a range is turned round if its ends are, its ends
 * compare as signed bytes, and nothing but the empty pattern matches the
 * empty text.  Only [! is ours.
 *
 * Each piece of a pattern but `*` stands for one byte, so a piece that failed
 * can only be helped by the last `*` before it: that one takes a byte more
 * and matching goes on behind it.  One place to come back to is enough, there
 * is no recursion, and the work is at most pattern times text.
 *
 * floor 0 - uses: base
 */

/* Does the class whose inside begins at p.p[*at] hold c?  Moves *at behind
 * the class. */
static bool glob__class(struct str p, size_t *at, char c, bool nocase) {
    const char *s = p.p;
    size_t i = *at;
    bool except = i < p.n && (s[i] == '^' || s[i] == '!');
    bool hit = false;

    for (i += except; i < p.n && s[i] != ']'; i++) {
        if (s[i] == '\\' && p.n - i >= 2) {
            i++;
            hit = hit || s[i] == c;
        } else if (p.n - i >= 3 && s[i + 1] == '-') {
            char a = s[i], z = s[i + 2], b = c;

            i += 2;
            if ((signed char)a > (signed char)z) {
                a = s[i];
                z = s[i - 2];
            }
            if (nocase) {
                a = base_lower(a);
                z = base_lower(z);
                b = base_lower(b);
            }
            hit = hit || ((signed char)a <= (signed char)b &&
                          (signed char)b <= (signed char)z);
        } else if (nocase) {
            hit = hit || base_lower(s[i]) == base_lower(c);
        } else {
            hit = hit || s[i] == c;
        }
    }
    *at = i < p.n ? i + 1 : i;
    return hit != except;
}

/* Does the piece of the pattern at *at, not a star, stand for c?  Moves *at
 * behind the piece if it does. */
static inline bool glob__piece(struct str p, size_t *at, char c, bool nocase) {
    size_t i = *at;
    char want;

    if (i == p.n) return false;
    want = p.p[i++];
    if (want == '?') {
        *at = i;
        return true;
    }
    if (want == '[') {
        if (!glob__class(p, &i, c, nocase)) return false;
        *at = i;
        return true;
    }
    if (want == '\\' && i < p.n) want = p.p[i++];
    if (want != c && (!nocase || base_lower(want) != base_lower(c)))
        return false;
    *at = i;
    return true;
}

static inline bool glob__is_special(char c) {
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

/* Does the pattern match the whole text?  nocase folds ASCII letters. */
static bool glob_match(struct str pattern, struct str text, bool nocase) {
    size_t p = 0, t = 0;
    size_t star = 0, from = 0;  /* behind the last star, and what it matched */

    if (text.n == 0) return pattern.n == 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            while (p < pattern.n && pattern.p[p] == '*') p++;
            if (p == pattern.n) return true;
            star = p;
            from = t;
        } else if (glob__piece(pattern, &p, text.p[t], nocase)) {
            t++;
            continue;
        } else if (star == 0) {
            return false;
        } else {
            from++;
        }
        /* Go on behind the star where its first byte can be found. */
        if (!nocase && !glob__is_special(pattern.p[star])) {
            const char *next = memchr(text.p + from, pattern.p[star],
                                      text.n - from);

            if (next == NULL) return false;
            from = (size_t)(next - text.p);
        }
        p = star;
        t = from;
    }
    while (p < pattern.n && pattern.p[p] == '*') p++;
    return p == pattern.n;
}

/* Lend the bytes that every match begins with: those before the first
 * special character.  True if that is all of the pattern, so that it stands
 * for itself only. */
static bool glob_literal_prefix(struct str pattern, struct str *prefix) {
    size_t i = 0;

    while (i < pattern.n && !glob__is_special(pattern.p[i])) i++;
    *prefix = str_of(pattern.p, i);
    return i == pattern.n;
}
