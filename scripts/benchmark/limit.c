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

/* Vectors of WIDTH numbers, GROUP of them at a time: the generator is one chain of dependent
 * instructions, and several chains side by side hide its latency. As many as the registers hold. */
#ifdef __AVX512F__
enum { WIDTH = 16, GROUP = 8 };
#else
enum { WIDTH = 8, GROUP = 4 };
#endif
typedef float Floats __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Ints __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t Words __attribute__((vector_size(4 * WIDTH)));

#define EACH for (int k = 0; k < GROUP; k++)
#define ROUND(r) EACH a[k] += b[k]; EACH b[k] = ((b[k] << r) | (b[k] >> (32 - r))) ^ a[k];
#define FOUR(p, q, r, s) ROUND(p) ROUND(q) ROUND(r) ROUND(s)
#define INJECT(p, q) EACH a[k] += p; EACH b[k] += q;

static inline __attribute__((always_inline)) void normals(uint32_t id, uint32_t step, Floats *z0, Floats *z1) {
    const uint32_t k0 = 12345u, k1 = 678u, k2 = k0 ^ k1 ^ 0x1BD11BDAu;
    Words lane, a[GROUP], b[GROUP];
    for (int i = 0; i < WIDTH; i++) lane[i] = (uint32_t)i;
    EACH a[k] = lane + (id + k0 + (uint32_t)(WIDTH * k));
    EACH b[k] = (Words){0} + (step + k1);
    FOUR(13, 15, 26, 6) INJECT(k1, k2 + 1)
    FOUR(17, 29, 16, 24) INJECT(k2, k0 + 2)
    FOUR(13, 15, 26, 6) INJECT(k0, k1 + 3)
    FOUR(17, 29, 16, 24) INJECT(k1, k2 + 4)
    FOUR(13, 15, 26, 6) INJECT(k2, k0 + 5)
    Floats z[GROUP], p[GROUP], radius[GROUP], angle[GROUP], q[GROUP], s[GROUP], c[GROUP];
    Ints bits[GROUP], e[GROUP];
    EACH bits[k] = (Ints)((__builtin_convertvector((Ints)(a[k] >> 8), Floats) + 0.5f) * 0x1p-24f);
    EACH e[k] = (bits[k] - 0x3F400000) >> 23;
    EACH z[k] = (Floats)(bits[k] - (e[k] << 23)) - 1.0f;
    EACH p[k] = z[k] * 0.08290264010429382f - 0.1680714190006256f;
    EACH p[k] = p[k] * z[k] + 0.20675209164619446f;
    EACH p[k] = p[k] * z[k] - 0.25062304735183716f;
    EACH p[k] = p[k] * z[k] + 0.3331446349620819f;
    EACH p[k] = p[k] * z[k] - 0.49998632073402405f;
    EACH p[k] = p[k] * z[k] + 1.0000008344650269f;
    EACH radius[k] = (__builtin_convertvector(e[k], Floats) * 0.6931471805599453f + p[k] * z[k]) * -2.0f;
    EACH for (int i = 0; i < WIDTH; i++) radius[k][i] = sqrtf(radius[k][i]);
    EACH angle[k] = __builtin_convertvector((Ints)b[k], Floats) * 0x1p-31f;
    EACH q[k] = angle[k] * angle[k];
    EACH s[k] = q[k] * -0.004362469073385f + 0.07948765158653259f;
    EACH c[k] = q[k] * -0.0008456012583337724f + 0.01993800885975361f;
    EACH s[k] = s[k] * q[k] - 0.645920991897583f;
    EACH c[k] = c[k] * q[k] - 0.2336941957473755f;
    EACH s[k] = s[k] * q[k] + 1.5707948207855225f;
    EACH c[k] = c[k] * q[k] + 0.9999998211860657f;
    EACH z0[k] = radius[k] * (angle[k] * s[k]);
    EACH z1[k] = (Floats)((Words)radius[k] | (a[k] << 31)) * ((1.0f - q[k]) * c[k]);
}

static inline __attribute__((always_inline)) void update(Floats *x, Floats *average, float eta, float share, float curvature, Floats noise) {
    *average += share * (*x - *average);
    *x -= eta * (curvature * *x + noise);
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
    static __thread _Alignas(64) float x[LANES], y[LANES], ax[LANES], ay[LANES];
    for (long first = work->first; first < work->last; first += LANES) {
        float weight = 0, shift[OBSERVABLES] = {33, 29, 33};
        for (int i = 0; i < LANES; i++) { x[i] = ax[i] = -5; y[i] = ay[i] = -2; }
        for (long t = 0; t < work->steps; t++) {
            if (t % work->every == 0) record(x, y, ax, ay, shift, work->records + t / work->every * OBSERVABLES);
            float eta = 0.1f / sqrtf(1 + 0.1f * (float)t);
            weight += eta;
            float share = eta / weight;
            for (int i = 0; i < LANES; i += WIDTH * GROUP) {
                Floats z0[GROUP], z1[GROUP];
                normals((uint32_t)(first + i), (uint32_t)t, z0, z1);
                EACH {
                    int j = i + WIDTH * k;
                    update((Floats *)(x + j), (Floats *)(ax + j), eta, share, 2, z0[k]);
                    update((Floats *)(y + j), (Floats *)(ay + j), eta, share, 4, z1[k]);
                }
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
