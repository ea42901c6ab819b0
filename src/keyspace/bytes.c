/* SPDX-License-Identifier: MIT */
/* ==== bytes - the value of a string ========================================
 *
 * Three shapes: an integer as eight bytes, bytes in the entry, a counted blob
 * from ENTRY_BLOB_MIN bytes on.  What is read as a whole looks the same.
 *
 * A blob that somebody else holds, a reply in flight or the snapshot's writer,
 * is not changed in place but copied first.
 *
 * floor 3 - uses: base arena mem num entry shard door
 */

/* Is this the canonical form of an integer, worth keeping as one? */
static inline bool bytes_is_int(struct str s, int64_t *n) {
    return s.n > 0 && s.n <= 20 && (s.p[0] <= '9') && num_parse_int(s, n);
}

/* Write the value where the old one stands, if it fits there. */
static INLINE bool bytes__in_place(struct edit *ed, struct str v,
                                   int64_t deadline) {
    struct entry *e = ed->e;
    struct str old = entry_value(e);
    bool ttl = entry_has(e, ENTRY_TTL);
    size_t head = (size_t)(old.p - (char *)e);

    if (entry_shape(e) > SHAPE_INT || ttl != (deadline != 0)) return false;
    if (LIKELY(old.n == v.n)) goto fits;
    if ((old.n < ENTRY_LONG) != (v.n < ENTRY_LONG)) return false;
#if defined(KVNS_MALLOC)
    if (v.n > old.n || mem_size(head + old.n) != mem_size(head + v.n))
        return false;
#else
    if (mem_size(head + old.n) != mem_size(head + v.n) ||
        (head + old.n > MEM_SMALL && old.n != v.n))
        return false;
#endif
    if (v.n < ENTRY_LONG) e->vlen = (uint8_t)v.n;
    else store32(entry__lengths(e) + (e->klen == ENTRY_LONG ? 4 : 0),
                 (uint32_t)v.n);
fits:
    bytes_copy_here((char *)e + head, v.p, v.n);
    return true;
}

/* Make b the string at an open key, of whatever kind it was, with this deadline
 * (0: none).  b is taken over, also when the answer is false: no memory,
 * nothing changed. */
static bool bytes_put_blob(struct edit *ed, struct blob *b,
                           int64_t deadline) {
    struct shard *s = ed->ref.shard;
    struct entry *e = entry_try(&s->mem, ed->ref.local, SHAPE_BLOB, ENTRY_PTR,
                                deadline);

    if (e == NULL) {
        blob_drop(b);
        return false;
    }
    entry_set_object(e, b);
    s->mem.used += blob_cost(b);
    if (edit_put(ed, e)) return true;
    s->mem.used -= blob_cost(b);
    blob_drop(b);
    return false;
}

/* The bytes at an open key, which are n then and all to be written at once, if
 * there is room for them already that nobody else reads and the key has no
 * deadline; else NULL, and nothing changed. */
static char *bytes_reuse(struct edit *ed, size_t n) {
    struct blob *b;

    if (ed->e == NULL || entry_shape(ed->e) != SHAPE_BLOB ||
        entry_has(ed->e, ENTRY_TTL))
        return NULL;
    b = entry_object(ed->e);
    if (n > b->cap || n < b->cap / 2 || n < ENTRY_BLOB_MIN ||
        blob_is_shared(b))
        return NULL;
    b->n = (uint32_t)n;
    ed->e->used = work_tick(ed->w);
    return b->bytes;
}

/* Make v the string at an open key, in this shape: SHAPE_INT if it is eight
 * bytes of an integer, SHAPE_BYTES, or SHAPE_BLOB, which is yet to be made. */
static inline bool bytes__put(struct edit *ed, struct str v, enum shape shape,
                              int64_t deadline) {
    struct entry *e;
    struct blob *b;

    if (UNLIKELY(shape == SHAPE_BLOB)) {
        b = ed->w->apart;
        if (b != NULL && b->bytes == v.p && b->n == v.n)
            return bytes_put_blob(ed, blob_hold(b), deadline);
        b = blob_try(v.n, v.n);
        if (b == NULL) return false;
        memcpy(b->bytes, v.p, v.n);
        return bytes_put_blob(ed, b, deadline);
    }
    if (ed->e != NULL && LIKELY(bytes__in_place(ed, v, deadline))) {
        entry_set_shape(ed->e, shape);
        ed->e->used = work_tick(ed->w);
        return deadline == 0 || edit_deadline(ed, deadline);
    }
    e = entry_try(&ed->ref.shard->mem, ed->ref.local, shape, v.n, deadline);
    if (e == NULL) return false;
    memcpy(entry_bytes(e), v.p, v.n);
    return edit_put(ed, e);
}

/* Make v the string at an open key if that is short text without a deadline
 * already and v is such text, for which there is room.  False: nothing
 * changed. */
static INLINE bool bytes_overwrite(struct edit *ed, struct str v) {
    struct entry *e = ed->e;

    if (e == NULL || v.n == 0 || v.p[0] <= '9' ||
        entry_shape(e) != SHAPE_BYTES || !bytes__in_place(ed, v, 0))
        return false;
    e->used = work_tick(ed->w);
    return true;
}

/* Make v the string at an open key, of whatever kind it was, with this
 * deadline (0: none).  False: no memory, nothing changed. */
static bool bytes_put(struct edit *ed, struct str v, int64_t deadline) {
    int64_t n;

    if (bytes_is_int(v, &n))
        return bytes__put(ed, str_of(&n, sizeof n), SHAPE_INT, deadline);
    return bytes__put(ed, v, LIKELY(v.n < ENTRY_BLOB_MIN) ? SHAPE_BYTES :
                                                            SHAPE_BLOB,
                      deadline);
}

/* The same for short text that stays text, even if it reads as an integer:
 * what INCRBYFLOAT leaves. */
static bool bytes_put_text(struct edit *ed, struct str v, int64_t deadline) {
    KVNS_ASSERT(v.n < ENTRY_BLOB_MIN);
    return bytes__put(ed, v, SHAPE_BYTES, deadline);
}

/* Make the string at an open key this integer.  False: no memory, nothing
 * changed. */
static inline bool bytes_put_int(struct edit *ed, int64_t n,
                                 int64_t deadline) {
    return bytes__put(ed, str_of(&n, sizeof n), SHAPE_INT, deadline);
}

/* Make the string at an open key, which is one, n bytes long: a longer one is
 * filled with zeros.  Returns its bytes, to be written at once; NULL: no
 * memory, nothing changed. */
static char *bytes_open(struct edit *ed, size_t n) {
    struct shard *s = ed->ref.shard;
    char tmp[24];
    struct str old = entry_string(ed->e, tmp);
    struct blob *b, *nb;
    size_t keep = size_min(old.n, n), cap;

    if (entry_shape(ed->e) == SHAPE_BLOB) {
        b = entry_object(ed->e);
        if (n <= b->cap && !blob_is_shared(b)) {
            if (n > b->n) memset(b->bytes + b->n, 0, n - b->n);
            b->n = (uint32_t)n;
            return b->bytes;
        }
        cap = n > b->n ? n + n / 4 : n;
        nb = blob_try(n, cap);
        if (nb == NULL) nb = blob_try(n, n);
        if (nb == NULL) return NULL;
        memcpy(nb->bytes, b->bytes, keep);
        memset(nb->bytes + keep, 0, n - keep);
        s->mem.used += blob_cost(nb) - blob_cost(b);
        entry_set_object(ed->e, nb);
        blob_drop(b);
        return nb->bytes;
    }
    if (n >= ENTRY_BLOB_MIN) {
        b = blob_try(n, n + n / 4);
        if (b == NULL) return NULL;
        memcpy(b->bytes, old.p, keep);
        memset(b->bytes + keep, 0, n - keep);
        if (!edit_resize(ed, ENTRY_PTR)) {
            blob_drop(b);
            return NULL;
        }
        s->mem.used += blob_cost(b);
        entry_set_shape(ed->e, SHAPE_BLOB);
        entry_set_object(ed->e, b);
        return b->bytes;
    }
    if (entry_shape(ed->e) == SHAPE_INT) {
        if (!edit_resize(ed, n)) return NULL;
        memcpy(entry_bytes(ed->e), tmp, keep);
        entry_set_shape(ed->e, SHAPE_BYTES);
    } else if (!edit_resize(ed, n)) {
        return NULL;
    }
    if (n > keep) memset(entry_bytes(ed->e) + keep, 0, n - keep);
    return (char *)entry_bytes(ed->e);
}
