/* SPDX-License-Identifier: MIT */
/* ==== files - a file that is whole, or the old one =========================
 *
 * What replacing a file needs of the system, each call complete: short writes
 * go on, EINTR is tried again.  The order that makes a file safe is
 *
 *   file_create (a new file beside the old) -> file_write ... -> file_sync ->
 *   file_close -> file_rename -> file_sync_dir
 *
 * after "All File Systems Are Not Created Equal" (Pillai and others, OSDI
 * 2014).  A failed file_sync is final: the next could succeed without the
 * bytes being anywhere ("Can Applications Recover from fsync Failures?",
 * Rebello and others, ATC 2020).
 *
 * Test builds (KVNS_FAULTS) count file_countdown down at each call, and let
 * the call at 0 fail with file_fault.
 *
 * floor 0 - uses: base
 */
#if defined(KVNS_FAULTS)
static long file_countdown = -1;
static int file_fault = EIO;
#endif

static inline bool file__fails(void) {
#if defined(KVNS_FAULTS)
    if (file_countdown < 0 || file_countdown-- > 0) return false;
    errno = file_fault;
    return true;
#else
    return false;
#endif
}

/* Create a file of this name, for us alone.  What is there already goes: a
 * leftover, or a link that somebody planted, which is not followed.  -1 with
 * errno set. */
static int file_create(const char *path) {
    if (file__fails()) return -1;
    if (unlink(path) == -1 && errno != ENOENT) return -1;
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0600);
}

/* Write all n bytes.  False with errno set. */
static bool file_write(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t w;

        if (file__fails()) return false;
        w = write(fd, p, size_min(n, (size_t)1 << 30));
        if (w == -1 && errno == EINTR) continue;
        if (w == 0) errno = ENOSPC;
        if (w <= 0) return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

/* Bring the file to the disk.  False with errno set: never try again. */
static bool file_sync(int fd) {
    return !file__fails() && fsync(fd) == 0;
}

/* Close; the descriptor is gone in any case. */
static bool file_close(int fd) {
    bool fails = file__fails();
    int error = errno;

    if (close(fd) == -1) return false;
    errno = error;
    return !fails;
}

/* Put a file in another's place. */
static bool file_rename(const char *from, const char *to) {
    return !file__fails() && rename(from, to) == 0;
}

/* Bring a directory's names to the disk. */
static bool file_sync_dir(const char *path) {
    int fd = file__fails() ? -1 : open(path, O_RDONLY | O_CLOEXEC), error;
    bool ok;

    if (fd == -1) return false;
    ok = fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    /* some file systems cannot, and need not */
    return ok || error == EINVAL;
}

/* Make the directories above a path that are not there; what goes wrong shows
 * when the file is created.  path is written to and put right again. */
static void file_make_parents(char *path) {
    for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
}

/* A text of two parts, to be freed, or NULL. */
static char *file_name(struct str a, const char *b) {
    size_t n = strlen(b);
    char *p = malloc(a.n + n + 1);

    if (p == NULL) return NULL;
    if (a.n > 0) memcpy(p, a.p, a.n);
    memcpy(p + a.n, b, n + 1);
    return p;
}

/* The directory of a path: "." or what ends with the last slash. */
static struct str file_dir(struct str path) {
    size_t n = path.n;

    while (n > 0 && path.p[n - 1] != '/') n--;
    return n == 0 ? STR(".") : str_of(path.p, n);
}
