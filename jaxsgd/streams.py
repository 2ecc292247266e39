"""Counter-based random numbers: every draw is a function of (key, trajectory id, counter).

The generator is threefry2x32-20 (Salmon, Moraes, Dror and Shaw, 2011, "Parallel random numbers:
as easy as 1, 2, 3"), bit-equal to the one of ``jax.random``. It is written out, twenty rounds of
elementwise arithmetic, because XLA fuses that into the code that consumes it. One call gives two
32-bit words; a *pair* of variates is made of them and packed as one complex64 value. One array
leaves the generator, so compiled programs evaluate it once. The variates from which heavy tails are made take
both words for themselves, see `centred_uniform`, and are packed with 0 beside them.

Everything here is elementwise: the shapes are those of the ids and counters.
"""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.errors import InvalidInput, integer
from jaxsgd.structure import Structure

LIMIT = 2**32  # ids and counters are 32-bit words
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_u32, _i32, _f32 = np.uint32, np.int32, np.float32


def threefry2x32(key: tuple[Any, Any], first: Any, second: Any) -> tuple[Any, Any]:
    """Twenty rounds of threefry-2x32 on the counter (first, second); NumPy or JAX uint32."""
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _u32(0x1BD11BDA))
    x, y = first + schedule[0], second + schedule[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = ((y << _u32(rotation)) | (y >> _u32(32 - rotation))) ^ x
        x = x + schedule[(group + 1) % 3]
        y = y + (schedule[(group + 2) % 3] + _u32(group + 1))
    return x, y


def make_key(seed: int, purpose: str) -> np.ndarray:
    """The key of one purpose (such as "gradient") under a seed in [0, 2^64): two uint32 words."""
    seed = integer("seed", seed, at_least=0, below=2**64)
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)
    with np.errstate(over="ignore"):
        made = threefry2x32((words[0], words[1]), _u32(zlib.crc32(purpose.encode())), _u32(len(purpose)))
    return np.array(made, np.uint32)


def _bitcast(value: Any, dtype: Any) -> jax.Array:
    return lax.bitcast_convert_type(value, dtype)


def _horner(z: jax.Array, *coefficients: float) -> jax.Array:
    total = z * _f32(coefficients[0]) + _f32(coefficients[1])
    for coefficient in coefficients[2:]:
        total = total * z + _f32(coefficient)
    return total


def _centre(word: jax.Array, bits: int) -> jax.Array:
    """The centre of the one of 2^bits equal cells of (0, 1) that the leading bits of a word choose."""
    return ((word >> _u32(32 - bits)).astype(jnp.int32).astype(jnp.float32) + _f32(0.5)) * _f32(2.0**-bits)


def uniform(word: jax.Array) -> jax.Array:
    """float32 uniforms on the centres of 2^23 equal cells of (0, 1), the finest that float32 holds exactly."""
    return _centre(word, 23)


def centred_uniform(first: jax.Array, second: jax.Array) -> jax.Array:
    """float32 uniforms on (-1/2, 1/2), one of two words: with all digits of float32 down to 2^-64, and never 0.

    A sign, and the size (k + 1/2) 2^-63 with k of 62 bits, rounded, so that it may be 1/2.
    """
    high = (first & _u32(0x7FFFFFFF)).astype(jnp.int32).astype(jnp.float32)
    low = (second >> _u32(1)).astype(jnp.int32).astype(jnp.float32) + _f32(0.5)
    size = high * _f32(2.0**-32) + low * _f32(2.0**-63)
    return _bitcast(_bitcast(size, jnp.uint32) | (first & _u32(0x80000000)), jnp.float32)


def rademacher(word: jax.Array) -> jax.Array:
    """float32 signs: +1 or -1 with probability 1/2 each."""
    return _bitcast((word & _u32(0x80000000)) | _u32(0x3F800000), jnp.float32)


def integers(word: jax.Array, bound: Any) -> jax.Array:
    """uint32 in 0..bound-1, the high half of word * bound (Lemire, 2019), for a uint32 bound; bias below bound/2^32."""
    low, high = word & _u32(0xFFFF), word >> _u32(16)
    bound_low, bound_high = bound & _u32(0xFFFF), bound >> _u32(16)
    middle = high * bound_low + ((low * bound_low) >> _u32(16))
    other = low * bound_high + (middle & _u32(0xFFFF))
    return high * bound_high + (middle >> _u32(16)) + (other >> _u32(16))


def box_muller(first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two independent standard normals from two words (Box and Muller, 1958).

    radius = sqrt(-2 log u) with u a 24-bit uniform, angle from the second word; logarithm, sine and
    cosine are minimax polynomials: errors stay below 2e-6 of the radius. The largest radius is
    sqrt(-2 log 2^-25) = 5.89; the probability of a radius beyond it is 3e-8.
    """
    u = _centre(first, 24)  # one bit more than uniform() for the tail; above 1/2 it rounds to even, 1 included
    bits = _bitcast(u, jnp.int32)
    exponent = (bits - _i32(0x3F400000)) >> _i32(23)
    z = _bitcast(bits - (exponent << _i32(23)), jnp.float32) - _f32(1)  # u = 2^exponent (1 + z)
    log1p = z * _horner(
        z, 0.08290264010429382, -0.1680714190006256, 0.20675209164619446, -0.25062304735183716,
        0.3331446349620819, -0.49998632073402405, 1.0000008344650269,
    )  # fmt: skip
    radius = jnp.sqrt((exponent.astype(jnp.float32) * _f32(np.log(2)) + log1p) * _f32(-2))
    angle = _bitcast(second, jnp.int32).astype(jnp.float32) * _f32(2.0**-31)  # in units of pi/2
    q = angle * angle
    sine = angle * _horner(q, -0.004362469073385, 0.07948765158653259, -0.645920991897583, 1.5707948207855225)
    cosine = (_f32(1) - q) * _horner(
        q, -0.0008456012583337724, 0.01993800885975361, -0.2336941957473755, 0.9999998211860657
    )  # fmt: skip
    signed = _bitcast(_bitcast(radius, jnp.uint32) | (first << _u32(31)), jnp.float32)
    return radius * sine, signed * cosine


def _pairwise(transform: Callable[[jax.Array], jax.Array]) -> Callable:
    return lambda first, second: (transform(first), transform(second))


def _alone(transform: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable:
    """One variate of both words, with 0 in the place of a second one."""

    def packed(first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
        value = transform(first, second)
        return value, jnp.zeros_like(value)

    return packed


_words = _pairwise(lambda word: _bitcast(word, jnp.float32))


def _integer_bits(bound: int) -> Callable:
    return _pairwise(lambda word: _bitcast(integers(word, _u32(bound)), jnp.float32))


DTYPES = {"integers": jnp.int32, "bits": jnp.uint32, "key": jnp.uint32}
"""Of the kinds of variates that are not floats."""

OF_WORDS = ("bits", "key")
"""The kinds that are words: random numbers are made of these by whoever asked, otherwise in float64 than in float32."""

_OF_BOTH_WORDS = ("centred_uniform",)


class Request(NamedTuple):
    """One draw that a step asks for: the kind of variate and the structure that holds them."""

    kind: str
    structure: Structure
    bound: int = 0

    @property
    def size(self) -> int:
        return self.structure.size

    @property
    def words(self) -> int:
        """Counters that this request uses up: one for each two variates, or for each one that takes both words."""
        return self.size if self.kind in _OF_BOTH_WORDS else (self.size + 1) // 2

    def draw(self, key: Any, ids: Any, counters: Any) -> jax.Array:
        """Packed pairs, complex64: the real parts are the first half of the variates."""
        transforms = {
            "normal": box_muller,
            "uniform": _pairwise(uniform),
            "centred_uniform": _alone(centred_uniform),
            "rademacher": _pairwise(rademacher),
            "integers": _integer_bits(self.bound),
            "bits": _words,
            "key": _words,
        }
        return lax.complex(*transforms[self.kind](*threefry2x32(key, ids, counters)))

    def unpack(self, packed: jax.Array) -> jax.Array:
        """(words, ...) packed pairs as (size, ...) variates."""
        if self.kind in _OF_BOTH_WORDS:
            return lax.real(packed)
        values = jnp.concatenate([lax.real(packed), lax.imag(packed)], 0)[: self.size]
        dtype = DTYPES.get(self.kind)
        return values if dtype is None else _bitcast(values, dtype)

    def by_numpy(self, random: np.random.Generator, count: int, dtype: Any = np.float32) -> Any:
        """So many draws by NumPy, along the first axis: of the same law, for what is looked at before a run.

        Those that are no integers are of this `dtype`.
        """

        def leaf(shape: tuple[int, ...]) -> np.ndarray:
            size = (count, *shape)
            if self.kind == "integers":
                return random.integers(self.bound, size=size).astype(np.int32)
            if self.kind in OF_WORDS:
                return random.integers(2**32, size=size, dtype=np.uint32)
            if self.kind == "rademacher":
                return random.choice([-1.0, 1.0], size).astype(dtype)
            made = random.normal(size=size) if self.kind == "normal" else random.uniform(size=size)
            return (made - 0.5 if self.kind == "centred_uniform" else made).astype(dtype)

        return jax.tree.unflatten(self.structure.treedef, [leaf(shape) for shape in self.structure.shapes])


class Stream:
    """The random numbers of one step of one trajectory; each call takes fresh ones.

    Samplers are written against this class: ``stream.normal((3,))``, ``stream.uniform()``,
    ``stream.exponential((2,))``, ``stream.integers(10)``, ``stream.rademacher((2,))``; ``normal_like(x)`` draws a
    pytree. Which calls a sampler makes, and with which shapes, must not depend on the values drawn.

    What can be told from 0 and infinity: normals reach 5.9 standard deviations, uniforms come within 2^-24 of 0 and 1.
    Laws with heavier tails are made of ``centred_uniform`` and ``exponential``, which are resolved to probabilities of
    2^-63 and cost a draw of two others.
    """

    def _take(self, request: Request) -> Any:
        raise NotImplementedError

    def _array(self, kind: str, shape: Any, bound: int = 0) -> Any:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return self._take(Request(kind, Structure(jax.tree.structure(0), (shape,)), bound))

    def normal(self, shape: Any = ()) -> Any:
        """Standard normals."""
        return self._array("normal", shape)

    def normal_like(self, tree: Any) -> Any:
        """Standard normals in the structure of ``tree``, drawn in ``jax.flatten_util`` order."""
        return self._take(Request("normal", Structure.of(tree)))

    def uniform(self, shape: Any = ()) -> Any:
        """Uniforms in (0, 1): never 0, never 1."""
        return self._array("uniform", shape)

    def centred_uniform(self, shape: Any = ()) -> Any:
        """Uniforms t in (-1/2, 1/2), with all digits of float32 for |t| down to 2^-64 as well; never 0.

        So t mod 1 is uniform on (0, 1) and held by its distance to the nearer end: the inverse F^-1 of a distribution
        function gives draws of it with tails down to probabilities of 2^-64, if it is written in t < 0 and t > 0. They
        are rounded to floats: |t| is 1/2 with probability 2^-25.
        """
        return self._array("centred_uniform", shape)

    def exponential(self, shape: Any = ()) -> Any:
        """Standard exponentials E, of mean 1: from 2^-64 to 64 log 2 = 44.4, beyond which E has probability 2^-64."""
        t = self.centred_uniform(shape)
        return jnp.where(t > 0, -jnp.log(jnp.abs(t)), -jnp.log1p(-jnp.minimum(jnp.abs(t), 0.5)))

    def rademacher(self, shape: Any = ()) -> Any:
        """+1 or -1 with probability 1/2 each."""
        return self._array("rademacher", shape)

    def integers(self, bound: int, shape: Any = ()) -> Any:
        """int32 integers, uniform on 0..bound-1 up to a bias below bound/2^32."""
        return self._array("integers", shape, integer("bound", bound, at_least=1, below=2**31))

    def bits(self, shape: Any = ()) -> Any:
        """uint32 words, every value with the same probability."""
        return self._array("bits", shape)

    def key(self) -> jax.Array:
        """A key of ``jax.random``, two words, for what takes one, such as the initialisers of networks.

        ``lambda stream: eqx.nn.MLP(64, 10, 32, 1, key=stream.key())`` draws a network. What is drawn with a key costs
        more than what a stream draws itself, which matters in a draw at every update.
        """
        return jax.random.wrap_key_data(self._array("key", (2,)), impl="threefry2x32")


class Recorder(Stream):
    """Notes what a sampler asks for; used while tracing, hands out zeros."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def _take(self, request: Request) -> Any:
        self.requests.append(request)
        dtype = DTYPES.get(request.kind, float)
        structure = request.structure
        return jax.tree.unflatten(structure.treedef, [jnp.zeros(shape, dtype) for shape in structure.shapes])


class Replay(Stream):
    """Hands out variates that were drawn before, in the order of the requests, which it checks if they are given."""

    def __init__(self, drawn: tuple[Any, ...], requests: tuple[Request, ...] | None = None) -> None:
        self._drawn = iter(drawn)
        self._requests = None if requests is None else iter(requests)

    def _take(self, request: Request) -> Any:
        recorded = request if self._requests is None else next(self._requests, None)
        if request != recorded:
            raise InvalidInput(
                f"the sampler asks for {request}, and asked for {recorded or 'no more'} when its study was made: what "
                "it draws must not change; make the study again after a change of what its functions read"
            )
        return next(self._drawn)


def drawn_by(sampler: Callable[..., Any], stream: Stream, *arguments: Any) -> Any:
    """What a sampler of the user draws from a stream.

    Where it takes keys alone it draws float32 numbers in float64 programs, too, as streams do: ``jax.random`` makes
    others of the same key in float64, and a run in both precisions would not follow the same path.
    """
    recorder = Recorder()
    if jnp.result_type(float) == np.float64:

        def ask() -> None:  # what is drawn may hold what is no array
            sampler(recorder, *arguments)

        jax.eval_shape(ask)
        if recorder.requests and all(request.kind == "key" for request in recorder.requests):
            with jax.enable_x64(False):
                return sampler(stream, *arguments)
    return sampler(stream, *arguments)


def requests_of(sampler: Callable[[Stream], Any]) -> tuple[Request, ...]:
    """What one step of ``sampler`` draws."""
    recorder = Recorder()
    jax.eval_shape(lambda: sampler(recorder))
    return tuple(recorder.requests)


def check_counters(ids: int, steps: int, words: int) -> None:
    """An error when ids or counters would leave 32 bits and the streams would repeat."""
    if ids > LIMIT:
        raise InvalidInput(f"trajectory ids must stay below 2^32, got ids up to {ids - 1}; use another seed")
    if steps * words > LIMIT:
        raise InvalidInput(
            f"{steps} draws of {words} counters each need {steps * words} counters, more than 2^32: "
            "take fewer steps or coordinates"
        )
