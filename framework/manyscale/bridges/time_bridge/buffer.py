"""What is kept of a source: how far it reaches, what is still needed, what it says at a time.

Blocks are samples that came with one message, with the attributes `times` (sample,) in s, `end`
in s, up to which the last one is valid, `rows` (sample, number) and `rates`, rows or None.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from manyscale.bridges.time_bridge import kernel

Array = NDArray[Any]
MEANS = ("mean", "integral")
HELD = ("hold", "integral")
_BEHIND = {"spline": 3}  # samples before the window that a mode still uses


def slack(now: float, following: float | None, wanted: Array) -> float:
    """Return by how much two counted times may differ and still be the same time, in s."""
    latest = float(wanted[-1])
    span = max(latest - now, 0.0 if following is None else following - now)
    return max(1e-9 * span, 8.0 * 2.0**-52 * abs(latest))


def needed(
    mode: str, blocks: dict[int, Any], step: tuple[float, float | None], wanted: Array
) -> dict[int, Any]:
    """Return the blocks that this question or a later one can need; `step` from, and the next."""
    start, following = step
    floor = start
    if mode not in (*MEANS, "spline"):
        floor = wanted[0] if following is None else min(wanted[0], following)
    keys = list(blocks)
    first = 0
    while first + 1 < len(keys) and blocks[keys[first + 1]].times[0] <= floor:
        first += 1
    first = max(first - _BEHIND.get(mode, 0), 0)
    return {key: blocks[key] for key in keys[first:]} if first else blocks


def reach(mode: str, block: Any) -> float:
    """Return up to which time, in s, the samples speak if this block is the newest."""
    return float(block.end if mode in HELD else block.times[-1])


def enough(mode: str, blocks: dict[int, Any], wanted: Array, slack: float) -> bool:
    """Return whether the blocks reach as far as is wanted."""
    if not blocks:
        return False
    reached = reach(mode, blocks[next(reversed(blocks))])
    if mode == "hold":  # the end of a sample belongs to the next one
        return bool(reached > wanted[-1] + slack)
    return bool(reached >= wanted[-1] - slack)


def values(
    mode: str, blocks: list[Any], start: float, at: Array, slack: float = 0.0
) -> tuple[Array, Array | None]:
    """Return rows (moment, number) and rates at `at`; means go from the time before to each."""
    times = _joined([block.times for block in blocks])
    found = _joined([block.rows for block in blocks])
    if mode in MEANS:
        mean = kernel.mean if mode == "mean" else kernel.integral
        return mean(times, found, np.concatenate([[start], at])), None
    if mode == "hermite":
        return kernel.hermite(times, found, _joined([block.rates for block in blocks]), at)
    if mode == "spline":
        return kernel.spline(times, found, at), None
    if mode == "hold":
        return kernel.hold(times, found, at + slack), None
    return kernel.linear(times, found, at), None


def listed(times: Array) -> str:
    """Return the first times as text."""
    shown = ", ".join(f"{t:.6g}" for t in times[:4])
    return f"[{shown}{', ...' if len(times) > 4 else ''}]"


def ascending(times: Array, before: Any) -> None:
    """Raise `ValueError` unless the times ascend, from those of the block before on."""
    rising = len(times) == 1 or (len(times) > 1 and (np.diff(times) > 0.0).all())
    if not rising or (before is not None and not times[0] > before.times[-1]):
        raise ValueError(f"the times {listed(times)} s of the samples are not ascending")


def valid_until(times: Array, before: Any) -> float:
    """Return the end, in s, of samples after which none comes: as long as the step before."""
    if len(times) > 1:
        return float(times[-1] + (times[-1] - times[-2]))
    return np.inf if before is None else float(times[-1] + (times[-1] - before.times[-1]))


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
