"""Counts of random events against a stated probability, for tests with fixed seeds."""

from scipy.stats import binom


def assert_frequency(events, trials, *, at_least=0.0, at_most=1.0):
    """Fail if the count of events would have probability below 1e-6 for every rate in [at_least, at_most].

    Power: with N trials a rate that is off by 9.5 sqrt(p (1 - p) / N) fails in all but 1e-6 of the cases. So
    4000 trials tell a false-alarm rate of 0.05 from one of 0.084, and 10000 tell 0.01 from 0.021.
    """
    events = int(events)
    assert binom.cdf(events, trials, at_least) > 1e-6, f"{events} of {trials} is below {at_least}"
    assert binom.sf(events - 1, trials, at_most) > 1e-6, f"{events} of {trials} is above {at_most}"


def fails(check, *arguments, **options):
    """Whether a check raises AssertionError: for negative controls."""
    try:
        check(*arguments, **options)
    except AssertionError:
        return True
    return False
