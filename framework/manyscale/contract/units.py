"""Units at the edge: the straight line from one unit to another, found once per pair.

Inside a model every number is a bare float in the declared unit; only a receiving port
converts. pint is imported when two different unit texts meet for the first time.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from manyscale.contract.refusal import Refused

_POWER = re.compile(r"(?<=[A-Za-zµΩ])(-?[0-9]+)")


@cache
def _registry() -> Any:
    import pint

    return pint.get_application_registry()  # type: ignore[no-untyped-call]


@cache
def _parsed(unit: str) -> Any:
    """Return the pint unit of a text such as `W/(m K)` or `mol/m3`."""
    try:
        return _registry().Unit(_POWER.sub(r"**\1", unit) if unit != "1" else "")
    except Exception as exc:
        raise Refused(
            f"'{unit}' is not a unit pint knows ({exc}); write it like 'W/(m K)' or 'mol/m3'."
        ) from None


def dimension(unit: str) -> str:
    """Return the physical dimension of a unit as text, to compare or to show."""
    return str(_parsed(unit).dimensionality)


@cache
def affine(have: str, want: str, difference: bool = False) -> tuple[float, float]:
    """Return (a, b) so that `x [want] = a * x [have] + b`.

    `difference` converts differences of temperatures, which have no offset. Raises `Refused`
    if the dimensions differ or the relation is not a straight line (decibel, pH).
    """
    if have == want:
        return 1.0, 0.0
    source, target = _parsed(have), _parsed(want)
    if source.dimensionality != target.dimensionality:
        raise Refused(
            f"Unit '{have}' {source.dimensionality} cannot become '{want}' {target.dimensionality}."
        )
    quantity = _registry().Quantity
    try:
        at = [float(quantity(x, source).to(target).magnitude) for x in (0.0, 1.0, 2.0)]
    except Exception as exc:
        raise Refused(f"Unit '{have}' cannot become '{want}': {exc}.") from None
    slope = clean(_slope(source, target, at[1] - at[0]) if at[0] else at[1])
    if abs(at[2] - (2.0 * slope + at[0])) > 1e-9 * max(abs(at[2]), abs(slope)):
        raise Refused(
            f"Units '{have}' and '{want}' are not related by a straight line;"
            " send the quantity in a linear unit."
        )
    return slope, 0.0 if difference else clean(at[0])


def clean(x: float) -> float:
    """Return a number without the last bits that multiplying decimals left in it."""
    short = float(f"{x:.12g}")
    return short if abs(short - x) <= 8.0 * abs(x) * 2.0**-52 else x


def _slope(source: Any, target: Any, chord: float) -> float:
    """Return the slope between units with an offset; 274.15 - 273.15, the chord, is not 1."""
    quantity, unit = _registry().Quantity, _registry().Unit

    def delta(u: Any) -> Any:
        return u if quantity(1.0, u)._is_multiplicative else unit(f"delta_{u}")

    try:
        return float(quantity(1.0, delta(source)).to(delta(target)).magnitude)
    except Exception:
        return chord  # no difference of this unit is known: the check for a line decides
