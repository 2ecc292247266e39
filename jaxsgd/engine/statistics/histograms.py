"""Histograms with logarithmic bins, from which quantiles are read."""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.extremes import Extremes
from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.statistic import OfObservables, Seen, Variable
from jaxsgd.engine.statistics.summation import Arrays, Sums
from jaxsgd.errors import InvalidInput, InvalidType, finite_array
from jaxsgd.study import Study

_SIGN, _TOP = 0x8000, 0xFFFF
_INFINITY = 0xFF80  # the code of +inf


@dataclasses.dataclass(frozen=True)
class Histograms(OfObservables):
    """Integer counts in 128 bins an octave of either sign.

    A bin is the upper half of a float32: sign, exponent and 7 bits of mantissa, recoded so that the
    codes 0..65535 increase with the value. A value that is not finite counts as +inf. Kept as one
    dense array over the range of codes that occur, [low, low + width).

    - `quantiles`: the probabilities of those that are read from it.
    """

    observables: tuple[str, ...]
    quantiles: tuple[float, ...] = dataclasses.field(compare=False)

    name = "histogram"
    argument = "quantiles"
    dimensions = ("quantile",)
    keeps_lanes = True

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        wanted = finite_array("quantiles", given)
        if wanted.ndim != 1:
            raise InvalidType(f"quantiles must be a list of probabilities, got {given!r}")
        for probability in wanted:
            if not 0 < probability < 1:
                raise InvalidInput(f"quantiles must lie in (0, 1), got {probability:g}")
        return cls(study.observed, tuple(wanted.tolist())) if study.observed and len(wanted) else None

    def observe(self, seen: Seen) -> Arrays:
        """`code` (observables, blocks, BLOCK), uint16."""
        return {"code": jnp.stack([_code(seen.values[name], seen.valid) for name in self.observables])}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """`code` (records, observables, blocks, BLOCK) to `low` () and `count` (records, observables, width)."""
        total = None
        for tile in tiles:
            codes, valid = np.asarray(tile["code"]), np.ravel(tile["valid"])
            codes = codes.reshape(*codes.shape[:2], -1)[..., valid].astype(np.int64)
            low, rows = codes.min(), codes.shape[0] * codes.shape[1]
            width = codes.max() - low + 1
            flat = (np.arange(rows)[:, None] * width + (codes.reshape(rows, -1) - low)).ravel()
            count = np.bincount(flat, minlength=rows * width).reshape(*codes.shape[:2], width)
            part = {"low": np.asarray(low), "count": count}
            total = part if total is None else self.merge(total, part)
        assert total is not None
        return total

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`low` () and `count` (records, observables, width)."""
        low = min(int(left["low"]), int(right["low"]))
        high = max(int(part["low"]) + part["count"].shape[-1] for part in (left, right))
        count = np.zeros((*left["count"].shape[:2], high - low), np.int64)
        for part in (left, right):
            start = int(part["low"]) - low
            count[..., start : start + part["count"].shape[-1]] += part["count"]
        return {"low": np.asarray(low), "count": count}

    def of_each(self, sums: Sums, trajectories: int) -> dict[str, Variable]:
        """Quantiles and the widths of their bins; none lies outside the extremes, where these are known."""
        values, widths = quantiles(sums[self.name], np.array(self.quantiles))
        extremes = sums.get(Extremes.name)
        if extremes is not None:
            values = np.clip(values, extremes["min"], extremes["max"])
        dimensions = ("quantile", "step")
        return {"quantile": Variable(dimensions, values), "quantile_width": Variable(dimensions, widths)}

    def labels(self, records: Records) -> dict[str, Any]:
        return {"quantile": np.array(self.quantiles)}


def _code(value: jax.Array, valid: jax.Array) -> jax.Array:
    value = jnp.where(valid & jnp.isfinite(value), value, jnp.inf).astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(value, jnp.uint32)
    top = bits >> np.uint32(16)
    return jnp.where(top >= _SIGN, np.uint32(_TOP) - top, top + np.uint32(_SIGN)).astype(jnp.uint16)


def bin_edges(codes: np.ndarray) -> np.ndarray:
    """The lower edge of each code in float64; +inf from the code of +inf on."""
    codes = np.asarray(codes, np.int64)
    positive = codes >= _SIGN
    # A negative code c covers magnitudes from that of 0xFFFF - c up to the next one, its lower edge.
    top = np.where(positive, codes - _SIGN, _TOP - codes - _SIGN + 1)
    magnitude = (np.minimum(top, _INFINITY - _SIGN).astype(np.uint32) << 16).view(np.float32).astype(float)
    return np.where(positive, magnitude, -magnitude)


def quantiles(sums: Arrays, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles and the widths of their bins, (probabilities, records, observables).

    The value is interpolated inside its bin: the error is below the width, 1/128 of the value.
    """
    count = sums["count"]
    cumulative = np.cumsum(count, -1)
    rank = np.asarray(probabilities)[:, None, None] * cumulative[..., -1]
    position = (cumulative < np.maximum(rank, 0.5)[..., None]).sum(-1)  # of the bin that holds the rank
    records, observables = np.indices(count.shape[:2])
    inside = count[records, observables, position]
    before = cumulative[records, observables, position] - inside
    lower, upper = (bin_edges(int(sums["low"]) + position + side) for side in (0, 1))
    finite = np.isfinite(lower) & np.isfinite(upper)
    width = np.subtract(upper, lower, out=np.full_like(upper, np.inf), where=finite)
    share = (rank - before) / inside
    return np.where(finite, lower + share * np.where(finite, width, 0.0), np.inf), width
