/* SPDX-License-Identifier: MIT */
/* ==== geohash - places on the earth as numbers of 52 bits ==================
 *
 * Longitude and latitude, 26 bits of each, interleaved: places close to each
 * other mostly have numbers close to each other, so that the places in a
 * square are a range of numbers.  A square of a step has the numbers that
 * begin with the same 2 * step bits.
 *
 *   bit    51 50 49 48 ... 1 0        of longitude the odd ones,
 *          x  y  x  y  ... x y        of latitude the even ones
 *
 * A search looks through the square around its centre, of a size that the
 * eight squares around that cover what is asked for, and through those of
 * them that can hold anything.  Earth is a sphere, latitudes end where those
 * of web maps do.  All figures are Redis', and so is the order of arithmetic:
 * the digits answered depend on it.
 *
 * floor 1 - uses: -
 */
#define GEOHASH_LON_MAX 180.0
#define GEOHASH_LAT_MAX 85.05112878
#define GEOHASH_EARTH 6372797.560856    /* radius in metres */
#define GEOHASH_MERCATOR 20037726.37    /* half a map's width, metres */
#define GEOHASH_DEGREE (3.14159265358979323846 / 180.0)

enum {
    GEOHASH_STEP = 26,          /* bits of each coordinate, at most */
    GEOHASH_CELLS = 9,
    GEOHASH_TEXT = 11           /* letters of a geohash */
};

/* A square: the first 2 * step bits of the numbers in it.  step 0: none. */
struct geohash_cell {
    uint64_t bits;
    unsigned step;
};

/* What to look for. */
struct geohash_shape {
    bool box;
    double lon, lat;            /* of the centre */
    double radius, width, height;
    double unit;                /* metres in what these are measured in */
};

struct geohash_point {
    double lon, lat;
    double distance;            /* metres from the centre */
};

/* ---- numbers ------------------------------------------------------------- */

/* Put the bits of v at the even places. */
static inline uint64_t geohash__spread(uint32_t v) {
    uint64_t x = v;

    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x << 2) & UINT64_C(0x3333333333333333);
    return (x | x << 1) & UINT64_C(0x5555555555555555);
}

/* And back. */
static inline uint32_t geohash__gather(uint64_t x) {
    x &= UINT64_C(0x5555555555555555);
    x = (x | x >> 1) & UINT64_C(0x3333333333333333);
    x = (x | x >> 2) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(x | x >> 16);
}

/* A sum or a product as a double, where the processor has longer ones (x87):
 * places are to be the same to the last digit everywhere. */
static inline double geohash__rounded(double v) {
#if FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1
    return v;
#else
    volatile double stored = v;

    return stored;
#endif
}

/* Which of 2^step parts of -max..max a coordinate lies in. */
static inline uint32_t geohash__part(double v, double max, unsigned step) {
    double at = geohash__rounded(geohash__rounded(v - -max) / (max - -max));

    return (uint32_t)(at * (double)(UINT64_C(1) << step));
}

static inline uint64_t geohash__encode(double lon, double lat, double lat_max,
                                       unsigned step) {
    return geohash__spread(geohash__part(lat, lat_max, step)) |
           geohash__spread(geohash__part(lon, GEOHASH_LON_MAX, step)) << 1;
}

/* The number of a place. */
static uint64_t geohash_encode(double lon, double lat) {
    return geohash__encode(lon, lat, GEOHASH_LAT_MAX, GEOHASH_STEP);
}

/* Where part i of 2^step parts of -max..max begins. */
static inline double geohash__edge(uint32_t i, double max, unsigned step) {
    double part = i * 1.0 / (double)(UINT64_C(1) << step);

    return geohash__rounded(-max + geohash__rounded(part * (max - -max)));
}

static inline double geohash__middle(uint32_t i, double max) {
    double v = geohash__rounded(geohash__edge(i, max, GEOHASH_STEP) +
                                geohash__edge(i + 1, max, GEOHASH_STEP)) / 2;

    return v > max ? max : v < -max ? -max : v;
}

/* The place of a number, which any score is taken for. */
static void geohash_decode(double score, double *lon, double *lat) {
    uint64_t bits = UINT64_C(1) << 63;

    if (score >= -9223372036854775808.0 && score < 9223372036854775808.0)
        bits = (uint64_t)(int64_t)score;
    else if (score > 0 && score < 18446744073709551616.0)
        bits = (uint64_t)score;
    else if (score > 0)
        bits = 0;
    *lon = geohash__middle(geohash__gather(bits >> 1), GEOHASH_LON_MAX);
    *lat = geohash__middle(geohash__gather(bits), GEOHASH_LAT_MAX);
}

/* The letters of a place as geohash.org has them: of latitudes up to 90, and
 * without a number for the last letter. */
static void geohash_text(double score, char text[GEOHASH_TEXT]) {
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    double lon, lat;
    uint64_t bits;

    geohash_decode(score, &lon, &lat);
    bits = geohash__encode(lon, lat, 90, GEOHASH_STEP);
    for (int i = 0; i < GEOHASH_TEXT - 1; i++)
        text[i] = letters[bits >> (47 - 5 * i) & 31];
    text[GEOHASH_TEXT - 1] = '0';
}

/* ---- distances ----------------------------------------------------------- */

static inline double geohash__rad(double degrees) {
    return degrees * GEOHASH_DEGREE;
}

/* Metres between two places, by the haversine formula. */
static double geohash_distance(double lon1, double lat1, double lon2,
                               double lat2) {
    double a = geohash__rad(lat1), b = geohash__rad(lat2);
    double u = sin((b - a) / 2);
    double v = sin((geohash__rad(lon2) - geohash__rad(lon1)) / 2);

    return 2.0 * GEOHASH_EARTH * asin(sqrt(u * u + cos(a) * cos(b) * v * v));
}

/* Does the place of a score lie in the shape?  *p says where it is. */
static bool geohash_within(const struct geohash_shape *s, double score,
                           struct geohash_point *p) {
    geohash_decode(score, &p->lon, &p->lat);
    if (s->box) {
        double high = GEOHASH_EARTH *
                      fabs(geohash__rad(s->lat) - geohash__rad(p->lat));

        if (high > s->height * s->unit / 2) return false;
        if (geohash_distance(p->lon, p->lat, s->lon, p->lat) >
            s->width * s->unit / 2)
            return false;
    }
    p->distance = geohash_distance(s->lon, s->lat, p->lon, p->lat);
    return s->box || !(p->distance > s->radius * s->unit);
}

/* ---- where to look ------------------------------------------------------- */

/* Degrees that a shape reaches from its centre. */
struct geohash__bounds {
    double west, south, east, north;
};

static struct geohash__bounds geohash__bounds(const struct geohash_shape *s) {
    double high = s->unit * (s->box ? s->height / 2 : s->radius);
    double wide = s->unit * (s->box ? s->width / 2 : s->radius);
    double lat = high / GEOHASH_EARTH / GEOHASH_DEGREE;
    double far = s->lat < 0 ? s->lat - lat : s->lat + lat;  /* to the pole */
    double lon = wide / GEOHASH_EARTH / cos(geohash__rad(far)) /
                 GEOHASH_DEGREE;

    return (struct geohash__bounds){ s->lon - lon, s->lat - lat,
                                     s->lon + lon, s->lat + lat };
}

/* Of which step are squares that a radius in metres has room in? */
static unsigned geohash__step(double radius, double lat) {
    int step = 1;

    if (radius == 0) return GEOHASH_STEP;
    for (; radius < GEOHASH_MERCATOR; radius *= 2) step++;
    step -= 2;
    if (fabs(lat) > 66) step--;     /* squares are narrow near the poles */
    if (fabs(lat) > 80) step--;
    return step < 1 ? 1 : step > GEOHASH_STEP ? GEOHASH_STEP : (unsigned)step;
}

/* The square x and y steps away, around the earth if need be.  That of the
 * last longitude and latitude of all lies beyond the last one, where Redis has
 * it, too; it stays there in the direction in which nothing moves. */
static struct geohash_cell geohash__beside(struct geohash_cell c, int x,
                                           int y) {
    uint32_t mask = (UINT32_C(1) << c.step) - 1;
    uint32_t lon = geohash__gather(c.bits >> 1);
    uint32_t lat = geohash__gather(c.bits);

    if (x != 0) lon = (lon + (uint32_t)x) & mask;
    if (y != 0) lat = (lat + (uint32_t)y) & mask;
    c.bits = geohash__spread(lat) | geohash__spread(lon) << 1;
    return c;
}

static inline double geohash__lon(struct geohash_cell c, unsigned end) {
    return geohash__edge(geohash__gather(c.bits >> 1) + end, GEOHASH_LON_MAX,
                         c.step);
}

static inline double geohash__lat(struct geohash_cell c, unsigned end) {
    return geohash__edge(geohash__gather(c.bits) + end, GEOHASH_LAT_MAX,
                         c.step);
}

/* Do the squares around c reach as far as the bounds? */
static bool geohash__reaches(struct geohash_cell c,
                             const struct geohash__bounds *b) {
    return !(geohash__lat(geohash__beside(c, 0, 1), 1) < b->north ||
             geohash__lat(geohash__beside(c, 0, -1), 0) > b->south ||
             geohash__lon(geohash__beside(c, 1, 0), 1) < b->east ||
             geohash__lon(geohash__beside(c, -1, 0), 0) > b->west);
}

/* The squares to look through, in order: the middle one, then north, south,
 * east, west, and the corners.  Those of step 0 are not needed. */
static void geohash_cells(const struct geohash_shape *s,
                          struct geohash_cell cells[GEOHASH_CELLS]) {
    static const int8_t way[GEOHASH_CELLS][2] = {
        { 0, 0 }, { 0, 1 }, { 0, -1 }, { 1, 0 }, { -1, 0 },
        { 1, 1 }, { -1, 1 }, { 1, -1 }, { -1, -1 }
    };
    struct geohash__bounds b = geohash__bounds(s);
    double radius = s->box ? sqrt((s->width / 2) * (s->width / 2) +
                                  (s->height / 2) * (s->height / 2)) :
                             s->radius;
    struct geohash_cell c;
    int last = 0;

    c.step = geohash__step(radius * s->unit, s->lat);
    c.bits = geohash__encode(s->lon, s->lat, GEOHASH_LAT_MAX, c.step);
    if (c.step > 1 && !geohash__reaches(c, &b)) {
        c.step--;
        c.bits = geohash__encode(s->lon, s->lat, GEOHASH_LAT_MAX, c.step);
    }
    for (int i = 0; i < GEOHASH_CELLS; i++) {
        int x = way[i][0], y = way[i][1];

        cells[i] = geohash__beside(c, x, y);
        if (c.step >= 2 && ((y < 0 && geohash__lat(c, 0) < b.south) ||
                            (y > 0 && geohash__lat(c, 1) > b.north) ||
                            (x < 0 && geohash__lon(c, 0) < b.west) ||
                            (x > 0 && geohash__lon(c, 1) > b.east)))
            cells[i].step = 0;
        /* around a small world two ways lead to the same square */
        else if (last > 0 && cells[i].bits == cells[last].bits)
            cells[i].step = 0;
        else
            last = i;
    }
}

/* The numbers of a square: from *min up to below *max. */
static void geohash_cell_range(struct geohash_cell c, double *min,
                               double *max) {
    unsigned shift = 52 - 2 * c.step;

    *min = (double)(c.bits << shift);
    *max = (double)((c.bits + 1) << shift);
}
