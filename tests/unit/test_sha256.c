/* SPDX-License-Identifier: MIT */
#include "unit.h"

/* Compare with hexadecimal digits. */
static void test_sha256__is(const unsigned char *got, size_t n,
                            const char *want, int line) {
    char hex[200];

    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", got[i]);
    unit_check_str(str_c(hex), str_c(want), "hash", __FILE__, line);
}

#define IS(got, want) test_sha256__is((got), sizeof(got), (want), __LINE__)

/* The examples of FIPS 180-4. */
static void test_sha256_fips(void) {
    static unsigned char million[1000000];
    unsigned char out[SHA256_SIZE];

    sha256_of(NULL, 0, out);
    IS(out,
       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_of("abc", 3, out);
    IS(out,
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
              out);
    IS(out,
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof million);
    sha256_of(million, sizeof million, out);
    IS(out,
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The hash of the hashes of all lengths to 299, as Python's hashlib has it:
 * every way the padding can fall. */
static void test_sha256_lengths(void) {
    unsigned char text[300], out[SHA256_SIZE];
    struct sha256 all;

    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)(i * 11);
    sha256_init(&all);
    for (size_t n = 0; n < sizeof text; n++) {
        sha256_of(text, n, out);
        sha256_put(&all, out, sizeof out);
    }
    sha256_end(&all, out);
    IS(out,
       "317e5ec29b5a1cbd3e4a7a55cf78972d83ba1f0d229f721c88ad708a49edb955");
}

/* Pieces make no difference. */
static void test_sha256_pieces(void) {
    unsigned char text[300], whole[SHA256_SIZE], out[SHA256_SIZE];

    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)i;
    sha256_of(text, sizeof text, whole);
    for (int round = 0; round < 300; round++) {
        struct sha256 s;
        size_t at = 0;

        sha256_init(&s);
        while (at < sizeof text) {
            size_t n = size_min(unit_rand() % 150, sizeof text - at);

            sha256_put(&s, text + at, n);
            at += n;
        }
        sha256_end(&s, out);
        CHECK(memcmp(out, whole, sizeof out) == 0);
    }
}

/* RFC 4231, test cases 1 to 4, 6 and 7. */
static void test_sha256_hmac(void) {
    unsigned char key[131], text[50], out[SHA256_SIZE];

    memset(key, 0x0b, 20);
    sha256_hmac(key, 20, "Hi There", 8, out);
    IS(out,
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    sha256_hmac("Jefe", 4, "what do ya want for nothing?", 28, out);
    IS(out,
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(text, 0xdd, 50);
    sha256_hmac(key, 20, text, 50, out);
    IS(out,
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    for (int i = 0; i < 25; i++) key[i] = (unsigned char)(i + 1);
    memset(text, 0xcd, 50);
    sha256_hmac(key, 25, text, 50, out);
    IS(out,
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    memset(key, 0xaa, sizeof key);
    sha256_hmac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key "
                "First", 54, out);
    IS(out,
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    sha256_hmac(key, 131, "This is a test using a larger than block-size key "
                "and a larger than block-size data. The key needs to be "
                "hashed before being used by the HMAC algorithm.", 152, out);
    IS(out,
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* RFC 7914, section 11. */
static void test_sha256_pbkdf2(void) {
    unsigned char out[64], few[20];

    sha256_pbkdf2(STR("passwd"), STR("salt"), 1, out, sizeof out);
    IS(out,
       "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
       "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    sha256_pbkdf2(STR("Password"), STR("NaCl"), 80000, out, sizeof out);
    IS(out,
       "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
       "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
    sha256_pbkdf2(STR("passwd"), STR("salt"), 1, few, sizeof few);
    IS(few, "55ac046e56e3089fec1691c22544b605f9418521");
}

static void test_sha256_same(void) {
    CHECK(sha256_same("abc", "abc", 3));
    CHECK(sha256_same("abc", "abd", 2));
    CHECK(!sha256_same("abc", "abd", 3));
    CHECK(!sha256_same("abc", "bbc", 3));
    CHECK(!sha256_same("a\200", "a\0", 2));
    CHECK(sha256_same("", "x", 0));
}

#undef IS
#define TESTS_SHA256                                                         \
    T(test_sha256_fips)                                                      \
    T(test_sha256_lengths)                                                   \
    T(test_sha256_pieces)                                                    \
    T(test_sha256_hmac)                                                      \
    T(test_sha256_pbkdf2)                                                    \
    T(test_sha256_same)
