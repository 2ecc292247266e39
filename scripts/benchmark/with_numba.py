"""The peer that is written with Numba: the algorithm of limit.c, line by line, with the same draws."""

import numba
import numpy as np
from numpy import float32, int32, uint32
from workload import CORES, LANES, STEPS

_K0, _K1 = 12345, 678
_K2 = _K0 ^ _K1 ^ 0x1BD11BDA


def tiles(trajectories: int, every: int) -> np.ndarray:
    """Tiles of 1024 trajectories that stay in cache, in parallel."""
    parts = _run(trajectories // LANES, STEPS, every, 8 * CORES)[:, -1]
    parts = parts[parts[:, 0, 0] > 0]
    count, mean, m2 = np.moveaxis(parts, -1, 0)
    total = count.sum(0)
    pooled = (count * mean).sum(0) / total
    return np.stack([pooled, (m2 + count * (mean - pooled) ** 2).sum(0) / (total - 1)], -1)


# Numba makes 64-bit numbers of sums of 32-bit ones; the casts take them back.
@numba.njit(fastmath=True, forceinline=True)
def _round(a, b, rotation):
    a = uint32(a + b)
    return a, uint32(uint32(uint32(b << uint32(rotation)) | uint32(b >> uint32(32 - rotation))) ^ a)


@numba.njit(fastmath=True, forceinline=True)
def _four(a, b, p, q, r, s):
    a, b = _round(a, b, p)
    a, b = _round(a, b, q)
    a, b = _round(a, b, r)
    return _round(a, b, s)


@numba.njit(fastmath=True, forceinline=True)
def _normals(identity, step):
    a, b = uint32(identity + uint32(_K0)), uint32(step + uint32(_K1))
    a, b = _four(a, b, 13, 15, 26, 6)
    a, b = _four(uint32(a + uint32(_K1)), uint32(b + uint32(_K2 + 1)), 17, 29, 16, 24)
    a, b = _four(uint32(a + uint32(_K2)), uint32(b + uint32(_K0 + 2)), 13, 15, 26, 6)
    a, b = _four(uint32(a + uint32(_K0)), uint32(b + uint32(_K1 + 3)), 17, 29, 16, 24)
    a, b = _four(uint32(a + uint32(_K1)), uint32(b + uint32(_K2 + 4)), 13, 15, 26, 6)
    a, b = uint32(a + uint32(_K2)), uint32(b + uint32(_K0 + 5))
    u = (float32(int32(a >> uint32(8))) + float32(0.5)) * float32(2.0**-24)
    bits = float32(u).view(np.int32)
    e = int32(int32(bits - int32(0x3F400000)) >> int32(23))
    z = int32(bits - int32(e << int32(23))).view(np.float32) - float32(1)
    p = float32(0.08290264010429382)
    p = p * z - float32(0.1680714190006256)
    p = p * z + float32(0.20675209164619446)
    p = p * z - float32(0.25062304735183716)
    p = p * z + float32(0.3331446349620819)
    p = p * z - float32(0.49998632073402405)
    p = p * z + float32(1.0000008344650269)
    radius = np.sqrt((float32(e) * float32(0.6931471805599453) + p * z) * float32(-2))
    angle = float32(int32(b)) * float32(2.0**-31)
    q = angle * angle
    s = float32(-0.004362469073385)
    s = s * q + float32(0.07948765158653259)
    s = s * q - float32(0.645920991897583)
    s = s * q + float32(1.5707948207855225)
    c = float32(-0.0008456012583337724)
    c = c * q + float32(0.01993800885975361)
    c = c * q - float32(0.2336941957473755)
    c = c * q + float32(0.9999998211860657)
    signed = uint32(float32(radius).view(np.uint32) | uint32(a << uint32(31))).view(np.float32)
    return radius * (angle * s), signed * ((float32(1) - q) * c)


@numba.njit(fastmath=True)
def _record(x, y, ax, ay, shift, moments):
    h0, h1, h2 = shift[0], shift[1], shift[2]
    s0 = s1 = s2 = q0 = q1 = q2 = float32(0)
    for i in range(LANES):
        r = x[i] * x[i] + float32(2) * y[i] * y[i] - h0
        d = x[i] * x[i] + y[i] * y[i] - h1
        m = ax[i] * ax[i] + float32(2) * ay[i] * ay[i] - h2
        s0 += r
        s1 += d
        s2 += m
        q0 += r * r
        q1 += d * d
        q2 += m * m
    for o, (s, q) in enumerate(((s0, q0), (s1, q1), (s2, q2))):
        mean = float(s) / LANES
        count, total, delta = moments[o, 0], moments[o, 0] + LANES, shift[o] + mean - moments[o, 1]
        moments[o, 0] = total
        moments[o, 1] += LANES / total * delta
        moments[o, 2] += q - LANES * mean * mean + count * LANES / total * delta * delta
        shift[o] += float32(mean)


@numba.njit(fastmath=True)
def _update(x, y, ax, ay, first, t, eta, share):
    for i in range(LANES):
        z0, z1 = _normals(uint32(first + i), uint32(t))
        ax[i] += share * (x[i] - ax[i])
        ay[i] += share * (y[i] - ay[i])
        x[i] -= eta * (float32(2) * x[i] + z0)
        y[i] -= eta * (float32(4) * y[i] + z1)


@numba.njit(parallel=True, fastmath=True)
def _run(blocks, steps, every, parts):
    """Count, mean and sum of squared deviations: (parts, records, observables, 3)."""
    records = (steps + every - 1) // every + 1
    moments = np.zeros((parts, records, 3, 3))
    for part in numba.prange(parts):
        x, y = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        ax, ay = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
        shift = np.empty(3, np.float32)
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            x[:], ax[:], y[:], ay[:] = -5, -5, -2, -2
            shift[0], shift[1], shift[2] = 33, 29, 33
            weight = float32(0)
            for t in range(steps):
                if t % every == 0:
                    _record(x, y, ax, ay, shift, moments[part, t // every])
                eta = float32(0.1) / np.sqrt(float32(1) + float32(0.1) * float32(t))
                weight += eta
                _update(x, y, ax, ay, block * LANES, t, eta, eta / weight)
            _record(x, y, ax, ay, shift, moments[part, records - 1])
    return moments
