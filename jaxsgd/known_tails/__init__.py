"""What the declared facts of a study say of the tails of its observables, cheap enough to be asked in every run."""

from jaxsgd.known_tails.infinite_moments import why_infinite
from jaxsgd.known_tails.known import KnownTails, known_tails, why_unseen
from jaxsgd.known_tails.moments_of_noise import why_no_moment
from jaxsgd.known_tails.multiplied_gradients import least_of_coordinates
from jaxsgd.known_tails.skewness import trajectories_needed

__all__ = [
    "KnownTails",
    "known_tails",
    "least_of_coordinates",
    "trajectories_needed",
    "why_infinite",
    "why_no_moment",
    "why_unseen",
]
