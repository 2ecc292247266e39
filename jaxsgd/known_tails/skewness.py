"""How many trajectories a standard error takes, guessed from second moments."""

import numpy as np


def trajectories_needed(kappa: float) -> float:
    """25 skewness^2 of a variable q >= 0 with kappa = E q^2 / (E q)^2, guessed as 25 max(4 (kappa - 1), (kappa - 1)^3).

    The mean of N values is near normal for N >= 25 skewness^2 (Cochran, 1977, "Sampling Techniques", section 2.15), and
    the skewness is guessed from the coefficient of variation c = sqrt(kappa - 1) as

        max(2 c, c^3):    2 c for a gamma variable, such as the square of a normal one; c^3 + 3 c = (kappa + 2) c for
                          a lognormal one, E q^k = exp(k m + k^2 s / 2), kappa = exp(s), by expanding E (q - E q)^3.

    It is a rule of thumb: products of random factors are near lognormal, and tails like those of a power, which such
    recursions have in the long run, are more skewed still, even infinitely.
    """
    return 25.0 * max(4 * (kappa - 1), (kappa - 1) ** 3) if kappa < 1e100 else np.inf
