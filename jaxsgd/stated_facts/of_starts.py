"""What users state of the law of x_0, against some thousand draws."""

import numpy as np

from jaxsgd.remembering import remember
from jaxsgd.stated_facts.draws import check_covariance
from jaxsgd.stated_facts.held import Held, dimension_of
from jaxsgd.stated_facts.laws import check_mean, sample_of_law


@remember(256)
def check_start(held: Held, point: Held) -> None:
    """An error if mean or covariance of x_0 are not the stated ones; ``point`` has the structure of x.

    Checked are 4096 draws, fewer in many coordinates, as of a noise.
    """
    law, d = held.item, dimension_of(point)
    mean, covariance = law.mean_vector(d), law.covariance_matrix(d)
    sample = None if mean is None and covariance is None else sample_of_law(held, point)
    if sample is None:
        return
    what = f"the law of x0, {type(law).__name__}"
    if mean is not None and np.shape(mean) == (d,):
        check_mean(what, "mean_vector", sample, np.asarray(mean, np.float64))
    if covariance is not None and np.shape(covariance) in ((d,), (d, d)):
        centred = sample._replace(values=sample.values - sample.values.mean(0))
        check_covariance(what, "covariance_matrix", centred, np.asarray(covariance, np.float64))
