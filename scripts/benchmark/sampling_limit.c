/* The limit of the machine for SGD on sampled examples, written by hand for it: see sampling.py.
 *
 * Least squares with n = 256 examples in d = 16 coordinates, constant learning rate, one example an update, drawn with
 * replacement or from a fresh uniform permutation in each epoch. Mean and variance of R(x) - R* at every record.
 * threefry2x32-20 at counter (trajectory, step); index = word * n / 2^32, or Fisher-Yates by the same product.
 *
 *   ./limit DATA TRAJECTORIES STEPS EVERY RATE RESHUFFLED THREADS
 *
 * DATA holds float32 numbers: features (n, d), targets (n), x* (d), F (d, d) with R - R* = |F (x - x*)|^2 / 2.
 * Prints seconds, then mean and variance at the last record.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 256, D = 16, LANES = 128, WIDTH = 16 };

typedef struct { double count, mean, m2; } Moments;
typedef struct { long first, last, steps, every; int reshuffled; float rate; Moments *records; } Work;
typedef float Row __attribute__((vector_size(4 * D)));
typedef uint32_t Words __attribute__((vector_size(4 * WIDTH)));

static _Alignas(64) float features[N][D], targets[N], minimiser[D], factor[D][D];

#define ROUND(r) a += b; b = ((b << r) | (b >> (32 - r))) ^ a;
#define FOUR(p, q, r, s) ROUND(p) ROUND(q) ROUND(r) ROUND(s)
#define INJECT(p, q) a += p; b += q;

/* Two words for each of WIDTH trajectories: those of steps 2 pair and 2 pair + 1. */
static inline __attribute__((always_inline)) void threefry(uint32_t id, uint32_t pair, Words *even, Words *odd) {
    const uint32_t k0 = 12345u, k1 = 678u, k2 = k0 ^ k1 ^ 0x1BD11BDAu;
    Words a, b = (Words){0} + (pair + k1);
    for (int i = 0; i < WIDTH; i++) a[i] = (uint32_t)i;
    a += id + k0;
    FOUR(13, 15, 26, 6) INJECT(k1, k2 + 1)
    FOUR(17, 29, 16, 24) INJECT(k2, k0 + 2)
    FOUR(13, 15, 26, 6) INJECT(k0, k1 + 3)
    FOUR(17, 29, 16, 24) INJECT(k1, k2 + 4)
    FOUR(13, 15, 26, 6) INJECT(k2, k0 + 5)
    *even = a;
    *odd = b;
}

static inline __attribute__((always_inline)) float inner(const float *a, const float *x) {
    float sum = 0;
    for (int k = 0; k < D; k++) sum += a[k] * x[k];
    return sum;
}

#define EVEN 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define ODD 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define EVEN2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define ODD2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define EVEN4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define ODD4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define EVEN8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define ODD8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define HALVE(half, even, odd) \
    for (int k = 0; k < half; k++) v[k] = __builtin_shufflevector(v[k], v[k + half], even) + __builtin_shufflevector(v[k], v[k + half], odd);

/* One update of 16 trajectories. Their inner products come from one tree, in which lane l is that of trajectory l. */
static inline __attribute__((always_inline)) void update(float (*x)[D], const int *example, float rate) {
    static const int reversed[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};
    Row v[16], target, step;
    for (int i = 0; i < 16; i++) v[reversed[i]] = *(const Row *)features[example[i]] * *(const Row *)x[i];
    for (int i = 0; i < 16; i++) target[i] = targets[example[i]];
    HALVE(8, EVEN, ODD) HALVE(4, EVEN2, ODD2) HALVE(2, EVEN4, ODD4) HALVE(1, EVEN8, ODD8)
    step = rate * (v[0] - target);
    for (int i = 0; i < 16; i++) *(Row *)x[i] -= step[i] * *(const Row *)features[example[i]];
}

static void merge(Moments *into, double count, double mean, double m2) {
    double total = into->count + count, delta = mean - into->mean, share = count / total;
    into->m2 += m2 + into->count * share * delta * delta;
    into->mean += share * delta;
    into->count = total;
}

static void record(const float (*x)[D], Moments *out) {
    double mean = 0, m2 = 0, excess[LANES];
    for (int i = 0; i < LANES; i++) {
        float error[D], risk = 0;
        for (int k = 0; k < D; k++) error[k] = x[i][k] - minimiser[k];
        for (int k = 0; k < D; k++) { float image = inner(factor[k], error); risk += image * image; }
        excess[i] = risk / 2;
        mean += excess[i] / LANES;
    }
    for (int i = 0; i < LANES; i++) m2 += (excess[i] - mean) * (excess[i] - mean);
    merge(out, LANES, mean, m2);
}

static void *run(void *argument) {
    Work *work = argument;
    static __thread _Alignas(64) float x[LANES][D];
    static __thread uint8_t deck[LANES][N];
    static __thread _Alignas(64) uint32_t words[2][LANES];
    for (long first = work->first; first < work->last; first += LANES) {
        memset(x, 0, sizeof x);
        for (int i = 0; i < LANES; i++) for (int k = 0; k < N; k++) deck[i][k] = (uint8_t)k;
        for (long t = 0; t < work->steps; t++) {
            if (t % work->every == 0) record(x, work->records + t / work->every);
            if (t % 2 == 0)
                for (int i = 0; i < LANES; i += WIDTH)
                    threefry((uint32_t)(first + i), (uint32_t)(t / 2), (Words *)(words[0] + i), (Words *)(words[1] + i));
            const uint32_t *word = words[t % 2];
            uint32_t place = t % N, left = N - place;
            for (int first16 = 0; first16 < LANES; first16 += WIDTH) {
                int example[WIDTH];
                for (int i = 0; i < WIDTH; i++) {
                    uint32_t drawn = (uint32_t)((uint64_t)word[first16 + i] * (work->reshuffled ? left : N) >> 32);
                    example[i] = (int)drawn;
                    if (!work->reshuffled) continue;
                    uint8_t *cards = deck[first16 + i];
                    example[i] = cards[place + drawn];
                    cards[place + drawn] = cards[place];
                    cards[place] = (uint8_t)example[i];
                }
                update(x + first16, example, work->rate);
            }
        }
        record(x, work->records + (work->steps + work->every - 1) / work->every);
    }
    return NULL;
}

static int load(const char *path) {
    FILE *file = fopen(path, "rb");
    size_t done = 0;
    if (!file) return 0;
    done += fread(features, 4, N * D, file) + fread(targets, 4, N, file);
    done += fread(minimiser, 4, D, file) + fread(factor, 4, D * D, file);
    fclose(file);
    return done == N * D + N + D + D * D;
}

int main(int count, char **values) {
    if (count != 8 || !load(values[1]))
        return fprintf(stderr, "usage: limit DATA TRAJECTORIES STEPS EVERY RATE RESHUFFLED THREADS\n"), 2;
    long n = atol(values[2]), steps = atol(values[3]), every = atol(values[4]), threads = atol(values[7]);
    long records = (steps + every - 1) / every + 1, blocks = n / LANES;
    pthread_t *handles = calloc(threads, sizeof *handles);
    Work *work = calloc(threads, sizeof *work);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < threads; i++) {
        work[i] = (Work){blocks * i / threads * LANES, blocks * (i + 1) / threads * LANES, steps, every,
                         atoi(values[6]), strtof(values[5], NULL), calloc(records, sizeof(Moments))};
        pthread_create(&handles[i], NULL, run, &work[i]);
    }
    for (long i = 0; i < threads; i++) pthread_join(handles[i], NULL);
    for (long i = 1; i < threads; i++)
        for (long r = 0; r < records; r++) {
            Moments *part = &work[i].records[r];
            if (part->count) merge(&work[0].records[r], part->count, part->mean, part->m2);
        }
    clock_gettime(CLOCK_MONOTONIC, &end);
    Moments *last = &work[0].records[records - 1];
    printf("%.6f\n", (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec));
    printf("%.9g %.9g\n", last->mean, last->m2 / (last->count - 1));
    return 0;
}
