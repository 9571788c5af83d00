"""How long a step may be."""

from __future__ import annotations

from manyscale_plugins.drift_turbulence.kernel import CFL

GROWTH = 0.5  # in growth times, and in times of the imposed shear


def refuse(dt: float, run_length: float, fastest: float) -> None:
    """Refuse a step that growth or shear outruns, and a run of no whole number of steps.

    Parameters
    ----------
    dt, run_length
        s.
    fastest
        Growth rate of the fastest mode or the imposed shear, 1/s.

    Raises
    ------
    ValueError
        With the limit.
    """
    if dt * fastest > GROWTH:
        raise ValueError(
            f"drift_turbulence.dt is {dt:g} s, above the growth limit {GROWTH / fastest:.3g} s ="
            f" {GROWTH:g}/({fastest:.3g} 1/s) of the fastest mode or the imposed shear: shorten it"
        )
    steps = run_length / dt
    if steps < 0.5 or abs(steps - round(steps)) > 1e-6 * steps:
        raise ValueError(
            f"drift_turbulence.run_length is {run_length:g} s, {steps:.6g} steps of {dt:g} s; it"
            " must be a whole number of steps, the nearest is"
            f" {max(1, round(steps)) * dt:g} s"
        )


def advective(dt: float, limit: float) -> str:
    """Return what is wrong with a step (s) that the flow outruns, and what would do."""
    return (
        f"drift_turbulence.dt is {dt:g} s, above the advective limit {limit:.3g} s = {CFL:g}/"
        "(max(abs(vx) + abs(vy)) k_max) of this flow: shorten it, or take fewer points in the box"
    )
