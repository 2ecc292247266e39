"""What is known of a variable from a sample of independent trajectories."""

import dataclasses
import math

import numpy as np
import xarray as xr

from jaxsgd.inference.tails import largest_share


@dataclasses.dataclass(frozen=True)
class Sample:
    """Sums over the values of a variable, up to the third power of deviations; NaN if one is not finite.

    - `count`, `mean`, `m2`, `m3`: how many, their mean, the sums of squares and cubes of the deviations from it.
    - `least`, `greatest`: the extremes.
    - `lost`: how many trajectories had no finite value.
    - `unresolved`: why the precision does not resolve the mean, in words; empty if it does.
    """

    count: int
    mean: float
    m2: float
    m3: float
    least: float
    greatest: float
    lost: int
    unresolved: str = ""

    @classmethod
    def of(cls, values: np.ndarray) -> "Sample":
        """The sample of the values (n,)."""
        lost = values.size - int(np.isfinite(values).sum())
        if lost:
            return cls(values.size, math.nan, math.nan, math.nan, math.nan, math.nan, lost)
        centred = values - values[0]  # what does not vary has variance 0 exactly
        mean = centred.mean()
        deviations = centred - mean
        squares = deviations**2
        sums = float(squares.sum()), float((squares * deviations).sum())
        return cls(values.size, float(values[0] + mean), *sums, float(values.min()), float(values.max()), 0)

    @classmethod
    def recorded(cls, dataset: xr.Dataset, observable: str, step: int, count: int) -> "Sample":
        """That of an observable in a result with "extremes" and "shape"."""
        names = ("mean", "variance", "skewness", "min", "max", "count_finite")
        mean, variance, skewness, least, greatest, finite = (
            float(dataset[f"{observable}_{name}"].sel(step=step)) for name in names
        )
        m2 = variance * (count - 1)
        m3 = skewness * count * (m2 / count) ** 1.5 if m2 > 0 else m2
        return cls(count, mean, m2, m3, least, greatest, count - int(finite))

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.m2 / (self.count - 1))

    @property
    def skewness(self) -> float:
        """mu_3 / sigma^3; 0 where nothing varies."""
        return self.m3 / self.count / (self.m2 / self.count) ** 1.5 if self.m2 > 0 else 0.0

    @property
    def share(self) -> float:
        """The largest squared deviation as a part of M2; NaN where nothing varies."""
        return float(largest_share(self.mean, self.m2, self.least, self.greatest))

    def merge(self, other: "Sample") -> "Sample":
        """Of both samples together (Pébay, 2008)."""
        count = self.count + other.count
        delta, share = other.mean - self.mean, other.count / count
        shifts = delta * share, -delta * (1 - share)
        m3 = sum(
            part.m3 - 3 * shift * part.m2 - part.count * shift**3
            for part, shift in zip((self, other), shifts, strict=True)
        )
        return Sample(
            count,
            self.mean + share * delta,
            self.m2 + other.m2 + self.count * share * delta**2,
            m3,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
            self.lost + other.lost,
        )
