/* The limit of the machine for workload W1, written by hand for it: what jaxsgd is measured against.
 *
 * SGD on x1^2 + 2 x2^2 from (-5, -2) with N(0, I) gradient noise and eta_t = 0.1 (1 + 0.1 t)^-0.5.
 * Mean and variance of R(x), |x|^2 and R(xbar), xbar the eta-weighted average, at every record.
 * threefry2x32-20 at counter (trajectory, step), polynomial Box-Muller: the draws that jaxsgd makes.
 *
 *   cc -O3 -march=native -mprefer-vector-width=512 -ffast-math -mno-recip -pthread limit.c -lm -o limit
 *   ./limit TRAJECTORIES STEPS EVERY THREADS
 *
 * Prints seconds, then mean and variance of the three observables at the last record.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES = 1024, OBSERVABLES = 3 };

typedef struct { double count, mean, m2; } Moments;
typedef struct { long first, last, steps, every; Moments *records; } Work;

static inline uint32_t rotate(uint32_t x, int r) { return (x << r) | (x >> (32 - r)); }
static inline float as_float(uint32_t x) { float y; memcpy(&y, &x, 4); return y; }
static inline uint32_t as_bits(float x) { uint32_t y; memcpy(&y, &x, 4); return y; }

#define ROUND(r) a += b; b = rotate(b, r) ^ a;
#define FOUR(p, q, r, s) ROUND(p) ROUND(q) ROUND(r) ROUND(s)

static inline void normals(uint32_t id, uint32_t step, float *z0, float *z1) {
    const uint32_t k0 = 12345u, k1 = 678u, k2 = k0 ^ k1 ^ 0x1BD11BDAu;
    uint32_t a = id + k0, b = step + k1;
    FOUR(13, 15, 26, 6) a += k1; b += k2 + 1;
    FOUR(17, 29, 16, 24) a += k2; b += k0 + 2;
    FOUR(13, 15, 26, 6) a += k0; b += k1 + 3;
    FOUR(17, 29, 16, 24) a += k1; b += k2 + 4;
    FOUR(13, 15, 26, 6) a += k2; b += k0 + 5;
    float u = ((float)(int32_t)(a >> 8) + 0.5f) * 0x1p-24f;
    int32_t bits = (int32_t)as_bits(u), e = (bits - 0x3F400000) >> 23;
    float z = as_float((uint32_t)(bits - (e << 23))) - 1.0f;
    float p = 0.08290264010429382f;
    p = p * z - 0.1680714190006256f; p = p * z + 0.20675209164619446f; p = p * z - 0.25062304735183716f;
    p = p * z + 0.3331446349620819f; p = p * z - 0.49998632073402405f; p = p * z + 1.0000008344650269f;
    float radius = sqrtf(((float)e * 0.6931471805599453f + p * z) * -2.0f);
    float angle = (float)(int32_t)b * 0x1p-31f, q = angle * angle;
    float s = -0.004362469073385f, c = -0.0008456012583337724f;
    s = s * q + 0.07948765158653259f; s = s * q - 0.645920991897583f; s = s * q + 1.5707948207855225f;
    c = c * q + 0.01993800885975361f; c = c * q - 0.2336941957473755f; c = c * q + 0.9999998211860657f;
    *z0 = radius * (angle * s);
    *z1 = as_float(as_bits(radius) | (a << 31)) * ((1.0f - q) * c);
}

static void merge(Moments *into, double count, double mean, double m2) {
    double total = into->count + count, delta = mean - into->mean, share = count / total;
    into->m2 += m2 + into->count * share * delta * delta;
    into->mean += share * delta;
    into->count = total;
}

/* Sums of v - shift and its square over the lanes, in one pass; the shift is a value near the mean. */
static void record(const float *x, const float *y, const float *ax, const float *ay, float *shift, Moments *out) {
    float s0 = 0, s1 = 0, s2 = 0, q0 = 0, q1 = 0, q2 = 0, h0 = shift[0], h1 = shift[1], h2 = shift[2];
    for (int i = 0; i < LANES; i++) {
        float r = x[i] * x[i] + 2 * y[i] * y[i] - h0, d = x[i] * x[i] + y[i] * y[i] - h1;
        float m = ax[i] * ax[i] + 2 * ay[i] * ay[i] - h2;
        s0 += r; s1 += d; s2 += m; q0 += r * r; q1 += d * d; q2 += m * m;
    }
    float s[3] = {s0, s1, s2}, q[3] = {q0, q1, q2};
    for (int o = 0; o < OBSERVABLES; o++) {
        double mean = (double)s[o] / LANES;
        merge(&out[o], LANES, shift[o] + mean, q[o] - LANES * mean * mean);
        shift[o] += (float)mean;
    }
}

static void *run(void *argument) {
    Work *work = argument;
    static __thread float x[LANES], y[LANES], ax[LANES], ay[LANES];
    for (long first = work->first; first < work->last; first += LANES) {
        float weight = 0, shift[OBSERVABLES] = {33, 29, 33};
        for (int i = 0; i < LANES; i++) { x[i] = ax[i] = -5; y[i] = ay[i] = -2; }
        for (long t = 0; t < work->steps; t++) {
            if (t % work->every == 0) record(x, y, ax, ay, shift, work->records + t / work->every * OBSERVABLES);
            float eta = 0.1f / sqrtf(1 + 0.1f * (float)t);
            weight += eta;
            float share = eta / weight;
            for (int i = 0; i < LANES; i++) {
                float z0, z1;
                normals((uint32_t)(first + i), (uint32_t)t, &z0, &z1);
                ax[i] += share * (x[i] - ax[i]);
                ay[i] += share * (y[i] - ay[i]);
                x[i] -= eta * (2 * x[i] + z0);
                y[i] -= eta * (4 * y[i] + z1);
            }
        }
        record(x, y, ax, ay, shift, work->records + (work->steps + work->every - 1) / work->every * OBSERVABLES);
    }
    return NULL;
}

int main(int count, char **values) {
    if (count != 5) return fprintf(stderr, "usage: limit TRAJECTORIES STEPS EVERY THREADS\n"), 2;
    long n = atol(values[1]), steps = atol(values[2]), every = atol(values[3]), threads = atol(values[4]);
    long records = (steps + every - 1) / every + 1, blocks = n / LANES;
    pthread_t *handles = calloc(threads, sizeof *handles);
    Work *work = calloc(threads, sizeof *work);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < threads; i++) {
        work[i] = (Work){blocks * i / threads * LANES, blocks * (i + 1) / threads * LANES, steps, every,
                         calloc(records * OBSERVABLES, sizeof(Moments))};
        pthread_create(&handles[i], NULL, run, &work[i]);
    }
    for (long i = 0; i < threads; i++) pthread_join(handles[i], NULL);
    for (long i = 1; i < threads; i++)
        for (long r = 0; r < records * OBSERVABLES; r++) {
            Moments *part = &work[i].records[r];
            if (part->count) merge(&work[0].records[r], part->count, part->mean, part->m2);
        }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.6f\n", (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec));
    for (int o = 0; o < OBSERVABLES; o++) {
        Moments *m = &work[0].records[(records - 1) * OBSERVABLES + o];
        printf("%.9g %.9g\n", m->mean, m->m2 / (m->count - 1));
    }
    return 0;
}
