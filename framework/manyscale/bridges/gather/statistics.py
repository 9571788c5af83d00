"""All that a finished design says, by name, whatever the design.

What does not apply is left out; what applies and cannot be told is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.gather import indices, kernel, total_variance
from manyscale.bridges.sampler import chaos, designs
from manyscale.bridges.sampler.distributions import Distribution

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Found = dict[str, Any]

TRUSTED = 0.5  # part of the variance a regression must predict before its indices are told
_DRAWN = 2**14  # points at which a chaos is asked for its quantiles


class Table(NamedTuple):
    """The answered members of a design: all (n,), theta (n, p), y (n, q)."""

    member: Integers
    outer: Integers
    inner: Integers
    level: Integers
    theta: Floats
    y: Floats


def found(
    design: str,
    parameters: Sequence[Distribution],
    table: Table,
    *,
    order: int,
    probabilities: Sequence[float],
) -> Found:
    """Return the statistics of a design by name; `dropped` holds members that gave no number.

    A row of a Saltelli or nested design of which one member is missing is left out as a whole.
    Raises ValueError if too little is left, or if a design cannot do without the missing ones.
    """
    good = np.isfinite(table.y).all(axis=1)
    dropped = table.member[~good]
    if dropped.size and design in ("pce", "mlmc"):
        raise ValueError(
            f"{named(dropped)} gave no number, and the design {design} needs every member."
        )
    makers: Mapping[str, Any] = {
        "saltelli": _of_saltelli, "nested": _of_nested, "pce": _of_chaos, "mlmc": _of_levels
    }  # fmt: skip
    make = makers.get(design, _of_points)
    told: Found = make(parameters, table, good, order, probabilities)
    return {**told, "members": len(table.member), "dropped": dropped}


def named(members: Integers) -> str:
    """Return members in words, the first of many."""
    some = ", ".join(map(str, members[:8].tolist()))
    more = f" and {len(members) - 8} more" if len(members) > 8 else ""
    return f"member {some}" if len(members) == 1 else f"members {some}{more}"


def _told(y: Floats, probabilities: Sequence[float], design: str) -> Found:
    if len(y) < 2:
        raise ValueError(f"{len(y)} members are left of the design {design}, expected at least 2.")
    return kernel.moments(y, probabilities)._asdict()


def _of_points(
    parameters: Sequence[Distribution], table: Table, good: Any, order: int, p: Sequence[float]
) -> Found:
    theta, y = table.theta[good], table.y[good]
    told = _told(y, p, "of points")
    fit = chaos.fitted(parameters, theta, y) if parameters else None
    if fit is None:
        return told
    first, total = chaos.indices(fit.powers, fit.coefficients)
    first_se, total_se = chaos.index_errors(fit)
    hidden = (fit.q2 < TRUSTED)[:, None]
    indices_told = {"S1": first, "S1_se": first_se, "ST": total, "ST_se": total_se}
    told |= {name: np.where(hidden, np.nan, value) for name, value in indices_told.items()}
    return {**told, "explained": fit.q2}


def _of_saltelli(
    parameters: Sequence[Distribution], table: Table, good: Any, order: int, p: Sequence[float]
) -> Found:
    blocks = len(parameters) + 2
    y = _whole(table, good, blocks, "saltelli")
    told = _told(y[:, :2].reshape(-1, y.shape[-1]), p, "saltelli")
    found = indices.saltelli(y)
    return {
        **told, "S1": found.first, "S1_se": found.first_se, "ST": found.total,
        "ST_se": found.total_se,
    }  # fmt: skip


def _whole(table: Table, good: NDArray[np.bool_], width: int, design: str) -> Floats:
    """Return y (rows, width, q) of the rows of which every member is there."""
    if len(table.y) % width:
        raise ValueError(
            f"{len(table.y)} members came, which are no whole rows of {width}; the design"
            f" {design} needs all members of a row."
        )
    rows = good.reshape(-1, width).all(axis=1)
    if rows.sum() < 2:
        raise ValueError(f"{rows.sum()} rows are left of the design {design}, expected at least 2.")
    return table.y.reshape(-1, width, table.y.shape[1])[rows]


def _of_nested(
    parameters: Sequence[Distribution], table: Table, good: Any, order: int, p: Sequence[float]
) -> Found:
    inner = int(table.inner.max(initial=0)) + 1
    y = _whole(table, good, inner, "nested")
    outer = len(y)
    told = _told(y.reshape(-1, y.shape[-1]), p, "nested")
    split = total_variance.split(y)
    variance = split.epistemic + split.aleatory
    # members of one outer sample are alike: fewer independent ones than it seems
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.clip(np.nan_to_num(split.epistemic / variance), 0.0, 1.0)
    wider = np.sqrt(1.0 + (inner - 1) * alike)
    return {
        **told,
        "mean_se": y.mean(axis=1).std(axis=0, ddof=1) / np.sqrt(outer),
        "variance": variance,
        "variance_se": total_variance.total_error(y),
        "quantiles_se": told["quantiles_se"] * wider[:, None],
        "var_epistemic": split.epistemic,
        "var_epistemic_se": split.epistemic_se,
        "var_aleatory": split.aleatory,
        "var_aleatory_se": split.aleatory_se,
        "var_uncorrected": split.uncorrected,
        "var_pick_freeze": split.pick_freeze,
        "squares_total": split.total,
        "squares_between": split.between,
        "squares_within": split.within,
    }


def _of_chaos(
    parameters: Sequence[Distribution], table: Table, good: Any, order: int, p: Sequence[float]
) -> Found:
    tensor = chaos.projected(parameters, order, table.y)
    powers, coefficients = chaos.flat(tensor, order)
    below = chaos.flat(tensor, order - 1)
    mean, variance = chaos.moments(powers, coefficients)
    first, total = chaos.indices(powers, coefficients)
    nothing = np.full_like(mean, np.nan)
    drawn = _drawn(parameters, powers, coefficients)
    told = kernel.moments(drawn, p)
    with np.errstate(invalid="ignore", divide="ignore"):
        coarse = chaos.indices(*below)
    return {
        "mean": mean, "mean_se": nothing, "variance": variance,
        "variance_se": np.abs(variance - chaos.moments(*below)[1]),
        "quantiles": told.quantiles, "quantiles_se": told.quantiles_se,
        "S1": first, "S1_se": np.abs(first - coarse[0]), "ST": total,
        "ST_se": np.abs(total - coarse[1]),
    }  # fmt: skip


def _drawn(parameters: Sequence[Distribution], powers: Integers, coefficients: Floats) -> Floats:
    """Return values (n, q) of a chaos at points that are drawn for it."""
    points = designs.sobol_points(_DRAWN, len(parameters), 0)
    theta = designs.values(parameters, points)
    return chaos.design_matrix(parameters, theta, powers) @ coefficients


def _of_levels(
    parameters: Sequence[Distribution], table: Table, good: Any, order: int, p: Sequence[float]
) -> Found:
    found = kernel.multilevel(table.level, table.inner, table.y)
    return {
        "mean": found.mean,
        "mean_se": found.mean_se,
        "level_pairs": found.samples,
        "level_mean": found.means,
        "level_variance": found.variances,
    }
