/* SPDX-License-Identifier: MIT */
/* ==== utf8 - characters in bytes ===========================================
 *
 * Names and messages may hold any bytes; where text is wanted, what is no
 * UTF-8 (RFC 3629) has to be found and shown in some other way.
 *
 *   0xxxxxxx                               U+0000 to U+007F
 *   110xxxxx 10xxxxxx                      U+0080 to U+07FF
 *   1110xxxx 10xxxxxx 10xxxxxx             U+0800 to U+FFFF, no surrogates
 *   11110xxx 10xxxxxx 10xxxxxx 10xxxxxx    U+10000 to U+10FFFF
 *
 * floor 0 - uses: base
 */

/* How many bytes at p[0..n), n > 0, are one character of UTF-8; 0 if that is
 * none. */
static size_t utf8_size(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 :
                  p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (size > n) return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;      /* too long a form */
    if (p[0] == 0xed && p[1] > 0x9f) return 0;      /* surrogates */
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;      /* too long a form */
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;      /* beyond U+10FFFF */
    return size;
}

/* Is all of s UTF-8? */
static bool utf8_is_text(struct str s) {
    for (size_t i = 0, size; i < s.n; i += size) {
        size = utf8_size(s.p + i, s.n - i);
        if (size == 0) return false;
    }
    return true;
}
