"""Where a result disagrees with the exact moments of its study, in standard errors that are exact, too.

One function, `disagreements`, for the tests of the engine and for their negative controls: what passes
on the engine must fail on engines that are wrong.
"""

import numpy as np
from scipy import special

AT_THE_END = 4.0  # standard errors, for each of the three statements about step T
AT_EVERY_RECORD = 5.0  # standard errors, for each observable at each record
TOGETHER = 6.3e-5  # the p-value of four standard errors, shared by all moments of x (Bonferroni)
OF_STANDARD_ERRORS = 0.01  # relative
ROUNDING = 1e-6  # relative, float32, where there is nothing random


def scores(estimate, exact, error):
    """(estimate - exact) / error; where the error is 0: 0 up to rounding, otherwise infinite."""
    estimate, exact, error = np.broadcast_arrays(estimate, exact, error)
    equal = np.isclose(estimate, exact, rtol=ROUNDING, atol=ROUNDING)
    z = np.where(equal, 0.0, np.inf)
    return np.divide(estimate - exact, error, out=z, where=error > 0)


def moments_of_norm(exact):
    """Mean and variance of |x|^2 for x ~ N(m, V): tr V + m'm and 2 tr V V + 4 m'V m."""
    m, V = exact.x_mean.values, exact.x_covariance.values
    mean = np.trace(V, axis1=-2, axis2=-1) + (m**2).sum(-1)
    return mean, 2 * (V**2).sum((-2, -1)) + 4 * np.einsum("si,sij,sj->s", m, V, m)


def disagreements(result, exact):
    """What is wrong with a result, by name, with the worst score; empty if nothing is."""
    dataset, n = result.dataset, result.trajectories
    law = {name[: -len("_variance")]: name for name in exact.data_vars if str(name).endswith("_variance")}
    moments = {o: (exact[f"{o}_mean"].values, exact[f"{o}_variance"].values) for o in law}
    if "norm_squared_mean" in dataset:
        moments["norm_squared"] = moments_of_norm(exact)
    found = {}

    def check(what, values, limit):
        worst = float(np.max(np.abs(values), initial=0.0))
        if not worst <= limit:  # NaN, too
            found[what] = worst

    at_the_end = {"risk", "distance_squared", "norm_squared", *(o for o in moments if o.startswith("risk_of_"))}
    for o, (mean, variance) in moments.items():
        defined = ~np.isnan(mean)
        estimate, sem = dataset[f"{o}_mean"].values, dataset[f"{o}_sem"].values
        if not np.array_equal(np.isnan(estimate), ~defined):
            found[f"{o} where it has no value"] = np.inf
            continue
        z = scores(estimate, mean, np.sqrt(variance / n))[defined]
        check(o, z, AT_EVERY_RECORD)
        if o in at_the_end:
            check(f"{o} at the end", z[-1], AT_THE_END)
        random = defined & (variance > 0)
        check(f"standard error of {o}", sem[random] / np.sqrt(variance[random] / n) - 1, OF_STANDARD_ERRORS)

    V = exact.x_covariance.values
    variances = np.diagonal(V, axis1=-2, axis2=-1)
    error = np.sqrt((variances[:, :, None] * variances[:, None] + V**2) / (n - 1))  # of a Gaussian sample
    of_mean = scores(dataset.x_mean.values, exact.x_mean.values, np.sqrt(variances / n))
    of_covariance = scores(dataset.x_covariance.values, V, error)
    limit = -special.ndtri(TOGETHER / 2 / (of_mean.size + of_covariance.size))
    check("x_mean", of_mean, limit)
    check("x_covariance", of_covariance, limit)
    if not np.allclose(dataset.learning_rate, exact.learning_rate, rtol=1e-12, atol=0, equal_nan=True):
        found["learning_rate"] = np.inf
    return found
