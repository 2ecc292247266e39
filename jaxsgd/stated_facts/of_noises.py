"""What users state of the law of a noise, against some thousand draws."""

import numpy as np

from jaxsgd.remembering import remember
from jaxsgd.stated_facts.draws import check_covariance
from jaxsgd.stated_facts.held import Held, dimension_of
from jaxsgd.stated_facts.laws import check_mean, sample_of_law


@remember(256)
def check_noise(held: Held, start: Held) -> None:
    """An error if the mean is not 0, or the covariance is not the stated one.

    Checked are 4096 draws, fewer in many coordinates; wrong by chance with probability 2e-10 at most. A variance is
    found wrong if it is off by some 15% (normal noise). Whether a law is normal, symmetric or bounded is not checked.
    """
    noise, d, sample = held.item, dimension_of(start), sample_of_law(held, start)
    if sample is None:
        return
    what = f"the noise {type(noise).__name__}"
    check_mean(what, "mean 0, as every noise", sample, np.zeros(d))
    covariance = noise.covariance_matrix(d)
    if covariance is None or np.shape(covariance) not in ((d,), (d, d)):
        return
    check_covariance(what, "covariance_matrix", sample, np.asarray(covariance, np.float64))
