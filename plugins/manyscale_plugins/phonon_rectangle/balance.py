"""What cells and walls of a rectangle miss: the problem that the accelerated iteration solves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.phonon_bte import acceleration
from manyscale_plugins.phonon_bte.acceleration import Balance
from manyscale_plugins.phonon_bte.quadrature import quadrant
from manyscale_plugins.phonon_bte.share import Share
from manyscale_plugins.phonon_rectangle import walls as sides
from manyscale_plugins.phonon_rectangle.rectangle import Rectangle, beams, emitted_share
from manyscale_plugins.phonon_rectangle.rows import REMEMBERING, SILENT, TELLING
from manyscale_plugins.phonon_rectangle.sweep import EAST, WEST, Told, swept
from manyscale_plugins.phonon_rectangle.walls import Unknowns

Floats = NDArray[np.float64]
Parts = dict[int, Floats]

_FAINT = 1e-6  # of black-body radiation: an exchange below it is not resolved to `tol`

__all__ = ["Past", "Problem", "beams"]


class Past(NamedTuple):
    """Where a step in time begins."""

    dt: float  # s, length of the step
    distribution: Floats  # (own beam, 4, y, x, lane) K
    unknown: Floats  # (n,) K, first guess: what the step before found


class Problem:
    """A rectangle as the accelerated iteration sees it."""

    def __init__(self, rectangle: Rectangle, share: Share, past: Past | None) -> None:
        self.rectangle, self.share, self.past = rectangle, share, past
        dt = None if past is None else past.dt
        self.beams = beams(rectangle, dt, share.part)
        modes = rectangle.modes
        self.cells = rectangle.heating.shape
        self.unknowns = Unknowns(self.cells, modes.velocity.size, rectangle.walls)
        self.codes = sides.codes(rectangle.walls)
        self.per_kelvin = float(modes.exchange.sum())
        # of what cells emit, the part that stays: heat that a step in time stores
        self.kept = float((modes.exchange * (1.0 - emitted_share(modes, dt))).sum())
        self.corrected = self._correction(dt)
        self.emission = {wall: self._emission(wall) for wall in range(4)}
        self.faint = _FAINT * 0.25 * float(modes.current.sum()) * self._brightest()
        self.told = Told(*([np.zeros((1, 1, 1))] * 4))
        self.distribution = np.zeros((0, 4, 1, 1, 1))

    def first_guess(self) -> Floats:
        """Return the unknowns to begin with."""
        if self.past is None:
            return np.zeros(self.unknowns.size)
        return self.past.unknown

    def balance(self, x: Floats, driven: bool) -> Balance:
        """Return what cells and walls miss; keep what a driven sweep told."""
        theta, parts = self.unknowns.split(x)
        told, leaving = self._swept(theta, parts, driven)
        missing = self.share.total(told.gained)
        if driven:
            missing = missing + self.rectangle.heating
        if not driven or self.past is None:
            missing = missing - self.kept * theta
        wanted = self._wanted(leaving, driven)
        gaps = {wall: wanted[wall] - parts[wall] for wall in parts}
        residual = self.unknowns.joined(missing / self.per_kelvin, gaps)
        return Balance(residual, self._imbalance(missing, gaps) if driven else 0.0)

    def _swept(self, theta: Floats, parts: Parts, driven: bool) -> tuple[Told, Floats]:
        kind, old = SILENT, None
        if driven:
            kind = TELLING if self.past is None else REMEMBERING
            old = None if self.past is None else self.past.distribution
        jump = self.rectangle.jump if driven else 0.0
        walls = (self.codes, jump, self._entering(parts, driven))
        told, leaving, new = swept(kind, np.ascontiguousarray(theta), self.beams, walls, old)
        if driven:
            self.told, self.distribution = told, new
        return told, leaving

    def _entering(self, parts: Parts, driven: bool) -> Floats:
        """Return what the walls send to every beam: temperature and gradient behind them."""
        found = np.zeros((len(self.beams.mode), 4, 2, max(self.cells)))
        for wall, declared in enumerate(self.rectangle.walls):
            side = self.unknowns.side(wall)
            if declared.kind in ("isothermal", "interface") and driven:
                found[:, wall, 0, :side] = declared.temperature
            if declared.kind == "diffuse":
                found[:, wall, 0, :side] = parts[wall][self.beams.mode]
            elif declared.kind == "interface":
                bright = self.emission[wall][0].sum()
                found[:, wall, 1, :side] = parts[wall] * bright / self._conductivity(wall)
        return found

    def _wanted(self, leaving: Floats, driven: bool) -> Parts:
        """Return what the walls should send for what reached them."""
        found: Parts = {}
        if not any(wall.kind in ("diffuse", "interface") for wall in self.rectangle.walls):
            return found
        by_mode = self._by_mode(leaving)
        for wall, declared in enumerate(self.rectangle.walls):
            arrived = by_mode[:, wall, : self.unknowns.side(wall)]
            bright, steep = self.emission[wall]
            if declared.kind == "diffuse":
                found[wall] = arrived / bright[:, None]
            elif declared.kind == "interface":
                own = declared.temperature if driven else 0.0
                # the flux q leaves; q behind the interface takes the part `steep` of it back
                open_part = 1.0 - steep.sum() / self._conductivity(wall)
                found[wall] = (arrived.sum(axis=0) / bright.sum() - own) / open_part
        return found

    def _by_mode(self, leaving: Floats) -> Floats:
        """Return what reached the walls (mode, 4, side) [W/m2], of all processes."""
        every = self.share.joined(leaving)
        groups = len(every) // self.unknowns.modes
        return np.asarray(every.reshape(-1, groups, *every.shape[1:]).sum(axis=1))

    def _emission(self, wall: int) -> tuple[Floats, Floats]:
        """Return flux per kelvin and per gradient [W/(m K)] that enter at a wall, (mode,)."""
        modes = self.rectangle.modes
        mu_x, mu_y, weight = quadrant(*self.rectangle.directions)
        mu = mu_x if wall in (WEST, EAST) else mu_y
        bright = modes.current * (2.0 * (weight * mu).sum())
        return bright, modes.current * modes.free_path * (2.0 * (weight * mu**2).sum())

    def _conductivity(self, wall: int) -> float:
        """Return the conductivity across a wall in these directions [W/(m K)]."""
        return 2.0 * float(self.emission[wall][1].sum())

    def _brightest(self) -> float:
        heat = [abs(wall.temperature) for wall in self.rectangle.walls]
        past = 0.0 if self.past is None else float(np.abs(self.past.unknown).max())
        return max(*heat, abs(self.rectangle.jump), past)

    def _imbalance(self, missing: Floats, gaps: Parts) -> float:
        """Return the heat that is missed, summed, over the heat that is exchanged."""
        dx, dy = self.rectangle.cell
        lost = float(np.abs(missing).sum()) * dx * dy
        for wall, gap in gaps.items():
            bright = self.emission[wall][0]
            step = dy if wall in (WEST, EAST) else dx
            weight = bright[:, None] if gap.ndim == 2 else bright.sum()
            lost += float(np.abs(weight * gap).sum()) * step
        exchanged = self._exchanged() + self.faint * 2.0 * sum(self.rectangle.lengths)
        return lost / exchanged if exchanged else 0.0

    def _exchanged(self) -> float:
        """Return heat put in, or through the line it crosses most, whichever is more [W/m]."""
        dx, dy = self.rectangle.cell
        net_x, net_y = (np.abs(self.share.total(one)) for one in self.told[1:3])
        through = dy * float(net_x.sum(axis=0).max()), dx * float(net_y.sum(axis=1).max())
        return max(*through, float(np.abs(self.rectangle.heating).sum()) * dx * dy)

    def _correction(self, dt: float | None) -> Callable[[Floats], Floats]:
        ny, nx = self.cells
        west, east, south, north = self.rectangle.walls
        along_x = sides.basis(west, east, nx, self.rectangle.lengths[0])
        along_y = sides.basis(south, north, ny, self.rectangle.lengths[1])
        modes = self.rectangle.modes
        share = emitted_share(modes, dt)
        parts = modes.exchange / modes.exchange.sum()
        axes = (along_y[0], along_x[0])
        losses = acceleration.symbol(axes, modes.free_path * share, parts, 1.0 - share)
        turned = tuple(n for n, (_, backwards) in enumerate((along_y, along_x)) if backwards)
        cells = acceleration.correction(axes, losses, turned)

        def corrected(missing: Floats) -> Floats:
            whole = missing.copy()
            whole[: losses.size] = cells(missing[: losses.size])
            return whole

        return corrected
