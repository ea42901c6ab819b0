/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share.
 *
 * A target is LLVMFuzzerTestOneInput, which libFuzzer calls with inputs of its
 * own invention.  Built with KVNS_FUZZ_REPLAY it has a main instead that runs
 * the files named as arguments, so that any compiler can replay a corpus:
 *
 *     clang -fsanitize=fuzzer,address,undefined fuzz_resp.c -o fuzz_resp -lm
 *     cc -DKVNS_FUZZ_REPLAY -fsanitize=address,undefined fuzz_resp.c -lm
 */
#ifndef REPLAY_H
#define REPLAY_H

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Only what lies in [p, p + n) may be read: a sanitizer watches over a block
 * of just that size. */
static inline char *replay_copy(const char *p, size_t n) {
    char *copy = malloc(n == 0 ? 1 : n);

    KVNS_ASSERT(copy != NULL);
    if (n > 0) memcpy(copy, p, n);
    return copy;
}

#if defined(KVNS_FUZZ_REPLAY)
static void replay_file(const char *path) {
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (f == NULL) {
        perror(path);
        exit(1);
    }
    n = fread(data, 1, sizeof data, f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, n);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) replay_file(argv[i]);
    printf("%d passed, 0 failed\n", argc - 1);
    return 0;
}
#endif

#endif
