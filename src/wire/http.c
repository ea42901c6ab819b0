/* SPDX-License-Identifier: MIT */
/* ==== http - requests for the metrics page ================================
 *
 * As much of HTTP/1.1 (RFC 9110, 9112) as a page that only shows things
 * needs: request heads in, response heads out.  Nobody's body is read; who
 * announces one gets an answer and a closed connection.
 *
 *   GET /metrics?name=x HTTP/1.1 \r\n      method, path ? query, version
 *   Host: localhost:9090 \r\n              field: value
 *   \r\n
 *
 * A head is at most HTTP_HEAD bytes.  It is read line by line from its
 * beginning each time more of it arrives: at that size nothing is gained by
 * remembering.  A line may end in LF alone, as the RFC lets us, but a CR
 * elsewhere, a blank before a colon or a folded line is refused: where
 * readers differ over such things, requests are smuggled.
 *
 * Nothing is owned: a request is made of slices of the input.
 *
 * floor 4 - uses: base num buf
 */
#if !defined(KVNS_NO_HTTP)
enum { HTTP_HEAD = 8192 };

enum http_method { HTTP_GET, HTTP_HEAD_ONLY, HTTP_OTHER };

struct http_request {
    enum http_method method;
    struct str path;            /* as sent, "/" at least; "*" for OPTIONS */
    struct str query;           /* after the question mark */
    struct str host;            /* with its port; empty: not given */
    int minor;                  /* of HTTP/1.minor */
    bool keep_alive;            /* another request may follow */
    bool has_host, has_length;
    uint64_t length;            /* Content-Length */
    bool chunked;               /* any Transfer-Encoding */
};

/* May c stand in a method or in a field's name? */
static bool http__is_token(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')) return true;
    if (c >= 'a' && c <= 'z') return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool http__is_word(struct str s) {
    for (size_t i = 0; i < s.n; i++)
        if (!http__is_token(s.p[i])) return false;
    return s.n > 0;
}

static struct str http__trim(struct str s) {
    const char *p = s.p, *end = s.p + s.n;

    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
    return str_of(p, (size_t)(end - p));
}

/* Cut s at the first c: what is before it goes to *head.  False, and all of s
 * in *head, where there is none. */
static bool http__cut(struct str *s, char c, struct str *head) {
    const char *at = s->n == 0 ? NULL : memchr(s->p, c, s->n);

    *head = *s;
    if (at == NULL) return false;
    head->n = (size_t)(at - s->p);
    *s = str_of(at + 1, s->n - head->n - 1);
    return true;
}

/* Take scheme and host off "http://host/path", which proxies' clients send. */
static struct str http__origin(struct str target) {
    size_t i;

    if (target.n >= 7 && str_is(str_of(target.p, 7), "http://")) i = 7;
    else if (target.n >= 8 && str_is(str_of(target.p, 8), "https://")) i = 8;
    else return target;
    while (i < target.n && target.p[i] != '/' && target.p[i] != '?') i++;
    if (i == target.n) return STR("/");
    return str_of(target.p + i, target.n - i);
}

/* The request line.  Returns a status, 0 if all is well. */
static int http__request_line(struct http_request *q, struct str line) {
    struct str method, target;

    if (!http__cut(&line, ' ', &method) || !http__is_word(method)) return 400;
    if (!http__cut(&line, ' ', &target) || target.n == 0) return 400;
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] > '~') return 400;
    if (line.n != 8 || memcmp(line.p, "HTTP/", 5) != 0) return 400;
    if (line.p[5] < '0' || line.p[5] > '9' || line.p[6] != '.') return 400;
    if (line.p[7] < '0' || line.p[7] > '9') return 400;
    if (line.p[5] != '1') return 505;
    q->minor = line.p[7] - '0';
    q->keep_alive = q->minor > 0;
    if (str_eq(method, STR("GET"))) q->method = HTTP_GET;
    else if (str_eq(method, STR("HEAD"))) q->method = HTTP_HEAD_ONLY;
    else q->method = HTTP_OTHER;
    q->query = http__origin(target);
    if (!http__cut(&q->query, '?', &q->path)) q->query.n = 0;
    if (q->path.n == 0) q->path = STR("/");
    return *q->path.p != '/' && q->method != HTTP_OTHER ? 400 : 0;
}

static void http__connection(struct http_request *q, struct str list) {
    struct str word;
    bool more;

    do {
        more = http__cut(&list, ',', &word);
        word = http__trim(word);
        if (str_is(word, "close")) q->keep_alive = false;
        if (str_is(word, "keep-alive") && q->minor == 0) q->keep_alive = true;
    } while (more);
}

/* One field.  Returns a status, 0 if all is well. */
static int http__field(struct http_request *q, struct str line) {
    struct str name;
    uint64_t length;

    if (!http__cut(&line, ':', &name) || !http__is_word(name)) return 400;
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) return 400;
    }
    line = http__trim(line);
    if (str_is(name, "host")) {
        if (q->has_host) return 400;
        q->has_host = true;
        q->host = line;
    } else if (str_is(name, "connection")) {
        http__connection(q, line);
    } else if (str_is(name, "content-length")) {
        if (!num_parse_uint(line, &length)) return 400;
        if (q->has_length && length != q->length) return 400;
        q->has_length = true;
        q->length = length;
    } else if (str_is(name, "transfer-encoding")) {
        q->chunked = true;
    }
    return 0;
}

/* The head is whole: what holds for all of it. */
static int http__finish(struct http_request *q) {
    if (q->minor > 0 && !q->has_host) return 400;
    if (q->chunked && q->has_length) return 400;
    if (q->chunked || q->length > 0) q->keep_alive = false;
    return 0;
}

/* Parse one request head from p[0..n).  Returns the bytes it took, 0 if it is
 * still incomplete, or -1 with *status set to what the answer must be (then
 * the connection ends).  Reads nothing outside p[0..n) and keeps nothing. */
static ptrdiff_t http_parse(const char *p, size_t n, struct http_request *q,
                            int *status) {
    size_t look = size_min(n, HTTP_HEAD), at = 0;
    bool first = true;
    struct str line;

    *q = (struct http_request){ .method = HTTP_OTHER };
    *status = 0;
    while (*status == 0) {
        const char *lf = look == at ? NULL : memchr(p + at, '\n', look - at);

        if (lf == NULL) {
            if (look < HTTP_HEAD) return 0;
            *status = 431;
            break;
        }
        line = str_of(p + at, (size_t)(lf - (p + at)));
        if (line.n > 0 && lf[-1] == '\r') line.n--;
        if (line.n == 0 && at == 0) {
            at = (size_t)(lf + 1 - p);  /* RFC 9112, 2.2: some send one */
            continue;
        }
        at = (size_t)(lf + 1 - p);
        if (line.n == 0 && !first) {
            *status = http__finish(q);
            if (*status == 0) return (ptrdiff_t)at;
        } else if (first) {
            *status = http__request_line(q, line);
            first = false;
        } else {
            *status = http__field(q, line);
        }
    }
    return -1;
}

/* What a status is called. */
static const char *http_reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

/* Write the head of a response whose body has length bytes.  type may be NULL
 * for none.  False if memory was refused. */
static bool http_head(struct buf *b, int status, const char *type,
                      uint64_t length, bool keep_alive) {
    buf_printf(b, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    if (type != NULL)
        buf_printf(b, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n"
                   "Cross-Origin-Resource-Policy: same-origin\r\n", type);
    if (type != NULL && strncmp(type, "text/html", 9) == 0)
        buf_put_str(b, STR("Content-Security-Policy: default-src 'none'; "
                           "script-src 'unsafe-inline'; style-src "
                           "'unsafe-inline'; img-src data:; connect-src "
                           "'self'; base-uri 'none'; form-action 'none'; "
                           "frame-ancestors 'none'\r\n"
                           "Referrer-Policy: no-referrer\r\n"));
    if (status == 405) buf_put_str(b, STR("Allow: GET, HEAD\r\n"));
    buf_printf(b, "Content-Length: %" PRIu64 "\r\nCache-Control: no-store\r\n"
               "Connection: %s\r\n\r\n", length,
               keep_alive ? "keep-alive" : "close");
    return !b->failed;
}

/* Write a whole response to q: its body is left out for HEAD.  False if
 * memory was refused. */
static bool http_answer(struct buf *b, const struct http_request *q, int status,
                        const char *type, struct str body) {
    if (!http_head(b, status, type, body.n, q->keep_alive)) return false;
    return q->method == HTTP_HEAD_ONLY || buf_put_str(b, body);
}

/* Write a response that only names its status.  False if memory was
 * refused. */
static bool http_refuse(struct buf *b, const struct http_request *q,
                        int status) {
    char body[64];
    int n = snprintf(body, sizeof body, "%d %s\n", status,
                     http_reason(status));

    return http_answer(b, q, status, "text/plain; charset=utf-8",
                       str_of(body, (size_t)n));
}
#endif
