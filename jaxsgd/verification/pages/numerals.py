"""Numbers as a printed page shows them, in HTML."""

import math
from decimal import Decimal

_FIXED = range(-4, 6)  # decimal exponents of numbers that are written without a power of ten
_DECIMALS = 9
_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


def number(value: float, digits: int = 6) -> str:
    """A number with so many significant digits.

    >>> number(-0.25), number(2.5e-7, 2), number(float("inf"))
    ('−0.25', '2.5 × 10<sup>−7</sup>', '∞')
    """  # noqa: RUF002
    if not math.isfinite(value):
        return "none" if math.isnan(value) else "∞" if value > 0 else f"{_MINUS}∞"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if value == 0 or int(exponent) in _FIXED:
        return _minus(_trimmed(format(Decimal(f"{mantissa}e{exponent}"), "f")))
    return f"{_minus(_trimmed(mantissa))} {_power(int(exponent))}"


def with_error(estimate: float, error: float) -> str:
    """An estimate ± its standard error, which has two significant digits.

    >>> with_error(0.0590312, 0.0000263), with_error(-1234.5, 12.3)
    ('0.059031 ± 0.000026', '−1234 ± 12')
    >>> with_error(3.21e-8, 1.2e-10)
    '(3.210 ± 0.012) × 10<sup>−8</sup>'
    """  # noqa: RUF002
    if not math.isfinite(estimate) or not math.isfinite(error) or error == 0:
        return number(estimate)
    size = _exponent(max(abs(estimate), error))
    scale = 0 if size in _FIXED else size
    decimals = max(1 - _exponent(error) + scale, 0)
    if decimals > _DECIMALS:
        return f"{number(estimate)} ± {number(error, 2)}"
    both = " ± ".join(_minus(f"{value / 10.0**scale:.{decimals}f}") for value in (estimate, error))
    return f"({both}) {_power(scale)}" if scale else both


def signed(value: float) -> str:
    """A z-value, with its sign.

    >>> signed(0.534), signed(-12345.6), signed(float("-inf"))
    ('+0.53', '−12346', '−∞')
    """  # noqa: RUF002
    if not math.isfinite(value):
        return number(value)
    return _minus(f"{value:+.2f}" if abs(value) < 1000 else f"{value:+.0f}")


def _exponent(value: float) -> int:
    return int(f"{value:.1e}".partition("e")[2])


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _power(exponent: int) -> str:
    return f"{_TIMES} 10<sup>{_minus(str(exponent))}</sup>"


def _minus(text: str) -> str:
    return text.replace("-", _MINUS)
