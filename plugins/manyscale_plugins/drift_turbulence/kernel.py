"""Pseudo-spectral drift turbulence in a doubly periodic, possibly shearing, box.

Gyro-Bohm units throughout: lengths in rho, times in a/v, the potential in (T/e) (rho/a).

    dq/dt + {phi, q} + v_* dphi/dy = [growth - damping] q,    q = M(k) phi
    {a, b} = da/dx db/dy - da/dy db/dx

Fourier in x and y, 2/3 of the modes kept (Orszag 1971), products in flux form. Fourth-order
Runge-Kutta with the linear terms in an integrating factor (Lawson 1967; Canuto et al., Spectral
Methods in Fluid Dynamics, app. D). A constant shear tilts the wave numbers, kx - tilt ky, which
move on to their neighbours when the tilt reaches one half (Rogallo, NASA TM-81315, 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
Random = Callable[[int], np.random.Generator]
"""Gives the random numbers of a step."""

CFL = 2.8  # classical Runge-Kutta ends at 2 sqrt(2) on the imaginary axis


@dataclass(frozen=True)
class Grid:
    """n x n points on a square box of side `box` rho; modes (kx, ky >= 0) that are kept."""

    n: int
    box: float

    @property
    def kept(self) -> int:
        """Largest number of waves in the box that dealiasing keeps."""
        return (self.n - 1) // 3

    @cached_property
    def kx(self) -> Floats:
        """Wave numbers (n,) in x in the order of the transform."""
        return np.asarray(2.0 * np.pi / self.box * np.fft.fftfreq(self.n, 1.0 / self.n))

    @cached_property
    def ky(self) -> Floats:
        """Wave numbers (kept + 1,) in y."""
        return 2.0 * np.pi / self.box * np.arange(self.kept + 1.0)

    @cached_property
    def live(self) -> NDArray[np.bool_]:
        """Which rows (n,) are kept."""
        return np.asarray(np.abs(np.fft.fftfreq(self.n, 1.0 / self.n)) <= self.kept)

    @property
    def largest(self) -> float:
        """Largest wave number along an axis."""
        return float(self.ky[-1])


@dataclass(frozen=True)
class Plasma:
    """What the equation says of a mode.

    drive: growth rate (columns,) at kx = 0, times (ky/k)4 elsewhere. drift: v_*. hyper: of k8; nu:
    of k2; friction: of zonal modes. scattering: rate in turnovers of a mode's own size, `returned`
    of its energy comes back. shear: of the mean flow, d vy/dx. zonal: the other species does not
    respond to ky = 0. pade: M = 1 + b/(1 + b) + electrons b with b = k2, else 1 + b.
    """

    drive: Floats
    drift: float = 0.0
    hyper: float = 0.0
    nu: float = 0.0
    friction: float = 0.0
    scattering: float = 0.0
    returned: float = 0.0
    shear: float = 0.0
    zonal: bool = True
    pade: bool = False
    electrons: float = 0.0

    @property
    def shape(self) -> tuple[bool, float]:
        """What decides on M, as the passes take it."""
        return self.pade, self.electrons

    @property
    def decay(self) -> tuple[float, float, float]:
        """Hyperviscosity, eddy viscosity and zonal friction."""
        return self.hyper, self.nu, self.friction


class Flow(NamedTuple):
    """q (kx, ky >= 0), the tilt of its wave numbers, and the steps taken."""

    q: Complexes
    tilt: float
    step: int


class Sample(NamedTuple):
    """Moments at one time: see `passes.moments`."""

    sums: Floats  # (8,)
    columns: Floats  # (columns,), square of vx


class UnstableError(ValueError):
    """A step too long for the flow: `limit` is the longest that would do."""

    def __init__(self, dt: float, limit: float) -> None:
        super().__init__(f"a step of {dt:g} is longer than {limit:g}")
        self.limit = limit


def response(grid: Grid, plasma: Plasma, tilt: float = 0.0) -> Floats:
    """Return M (kx, columns); that of the mean, which has none, is 1."""
    b = (grid.kx[:, None] - tilt * grid.ky) ** 2 + grid.ky**2
    z = b / (1.0 + b)
    other = np.ones_like(b)
    if plasma.zonal:
        other[:, 0] = z[:, 0] ** 2 if plasma.pade else 0.0
    M = other + (z + plasma.electrons * b if plasma.pade else b)
    M[0, 0] = 1.0
    return np.asarray(M)


def noise(grid: Grid, plasma: Plasma, random: np.random.Generator, size: float) -> Complexes:
    """Return q of a potential with random phases and an rms of `size`, in modes with k < 2."""
    phi = np.exp(2j * np.pi * random.random((grid.n, grid.kept + 1)))
    b = grid.kx[:, None] ** 2 + grid.ky**2
    phi = hermitian(phi * ((b < 4.0) & (b > 0.0) & grid.live[:, None]))
    twice = np.where(grid.ky > 0.0, 2.0, 1.0)
    rms = np.sqrt((twice * np.abs(phi) ** 2).sum())
    return np.asarray(phi * (size / rms) * response(grid, plasma))


def hermitian(q: Complexes) -> Complexes:
    """Return q with the column ky = 0 that of a real field without mean."""
    q = q.copy()
    half = len(q) // 2
    q[half + 1 :, 0] = np.conj(q[1:half, 0][::-1])
    q[[0, half], 0] = 0.0
    return q


def potential(grid: Grid, plasma: Plasma, flow: Flow) -> Floats:
    """Return phi (x, y) on the points; with a tilt, along lines that lean with it."""
    from scipy import fft

    padded = np.zeros((grid.n, grid.n // 2 + 1), complex)
    padded[:, : grid.kept + 1] = flow.q / response(grid, plasma, flow.tilt)
    return np.asarray(fft.irfft2(padded, s=(grid.n, grid.n), norm="forward"))


class Transforms:
    """Transforms between modes and points, in place where scipy can; columns kept only."""

    def __init__(self, grid: Grid, threads: int) -> None:
        self.n, self.columns, self.threads = grid.n, grid.kept + 1, threads
        self._padded = np.zeros((3, grid.n, grid.n // 2 + 1), complex)

    @property
    def fields(self) -> Complexes:
        """Where the modes of vx, vy and q are laid out, (3, kx, columns)."""
        return self._padded[:, :, : self.columns]

    def to_points(self) -> Floats:
        """Return vx, vy and q (3, x, y)."""
        from scipy import fft

        options: dict[str, Any] = {"norm": "forward", "workers": self.threads}
        fft.ifft(self.fields, axis=1, overwrite_x=True, **options)
        return np.asarray(fft.irfft(self._padded, n=self.n, axis=2, **options))

    def to_modes(self, products: Floats) -> Complexes:
        """Return the transforms (2, kx, columns) of two fields (2, x, y), not divided by n2."""
        from scipy import fft

        spectra = fft.rfft(products, axis=2, workers=self.threads)[:, :, : self.columns]
        return np.asarray(fft.fft(spectra, axis=1, overwrite_x=True, workers=self.threads))


class Stepper:
    """Takes steps of one length with one plasma; without `random` nothing comes back."""

    def __init__(
        self,
        grid: Grid,
        plasma: Plasma,
        dt: float,
        random: Random | None = None,
        threads: int = 1,
    ) -> None:
        self.grid, self.plasma, self.dt, self.random = grid, plasma, dt, random
        self.transforms = Transforms(grid, threads)
        shape = (grid.n, grid.kept + 1)
        self.before, self.after, self.partial = (np.zeros(shape, complex) for _ in range(3))
        self.places, self.weights = np.zeros(shape, np.int32), np.zeros(grid.n)
        self.left = np.ones(2 * grid.n)
        self._known: float | None = None

    def advance(
        self, flow: Flow, steps: int, every: int = 0, cut: float = np.inf
    ) -> tuple[Flow, list[Sample]]:
        """Return the flow after so many steps, and samples after every so many of them.

        Raises
        ------
        UnstableError
            Where the flow crosses more than the step allows.
        """
        q, tilt = np.array(flow.q), flow.tilt
        samples = []
        for n in range(1, steps + 1):
            q, tilt = self._step(q, tilt, flow.step + n)
            if every and n % every == 0:
                samples.append(self.sample(Flow(q, tilt, 0), cut))
        return Flow(q, tilt, flow.step + steps), samples

    def sample(self, flow: Flow, cut: float = np.inf) -> Sample:
        """Return the moments of a flow, most of them of modes with k < cut."""
        from manyscale_plugins.drift_turbulence import passes

        grid, plasma = self.grid, self.plasma
        modes = flow.q, grid.kx, grid.ky, flow.tilt
        return Sample(*passes.moments(*modes, plasma.zonal, plasma.shape, cut))

    def _step(self, q: Complexes, tilt: float, number: int) -> tuple[Complexes, float]:
        from manyscale_plugins.drift_turbulence import passes

        to = tilt + self.plasma.shear * self.dt
        half = 0.5 * (tilt + to)
        self._linear(tilt, half, to)
        speeds = self._scatter(q, half)
        for stage, at in enumerate((tilt, half, half, to, to)):
            self._stage(stage, at, q)
        if speeds is not None and self.random is not None:
            self._return(q, to, speeds, self.random(number))
        turns = int(np.rint(to))
        if turns:
            q, to = passes.tilted_back(q, turns, self.grid.live), to - turns
        return q, to

    def _stage(self, number: int, tilt: float, q: Complexes) -> None:
        from manyscale_plugins.drift_turbulence import passes

        grid, plasma, fields = self.grid, self.plasma, self.transforms.fields
        spectra = fields[:2] if number == 0 else self._products()
        passes.stage(
            number, self.dt, spectra, q, self.partial, self.before, self.after, self.places,
            self.weights, self.left, grid.kx, grid.ky, grid.live, tilt, plasma.zonal, plasma.shape,
            fields,
        )  # fmt: skip

    def _products(self) -> Complexes:
        from manyscale_plugins.drift_turbulence import passes

        points = self.transforms.to_points()
        fastest = passes.products(points)
        limit = CFL / max(fastest * self.grid.largest, 1e-300)
        if not self.dt <= limit:
            raise UnstableError(self.dt, limit)
        return self.transforms.to_modes(points[:2])

    def _linear(self, tilt: float, half: float, to: float) -> None:
        """Fill the integrating factors of both halves of the step."""
        from manyscale_plugins.drift_turbulence import passes

        if to == tilt == self._known:
            return
        self._known = tilt if to == tilt else None
        grid, plasma = self.grid, self.plasma
        for out, tilts in ((self.before, (tilt, half)), (self.after, (half, to))):
            passes.factors(
                grid.kx, grid.ky, tilts, 0.5 * self.dt, plasma.drive, plasma.decay, plasma.drift,
                plasma.zonal, plasma.shape, out,
            )  # fmt: skip

    def _scatter(self, q: Complexes, tilt: float) -> Floats | None:
        """Fill what scattering leaves after half a step; return rms speeds that come back.

        The rate is that of the spectrum at the beginning of the step, c (k3 E(k))**(1/2).
        """
        from manyscale_plugins.drift_turbulence import passes

        grid, plasma = self.grid, self.plasma
        if plasma.scattering == 0.0:
            return None
        width = float(grid.ky[1])
        energy, count = passes.shells(
            q, grid.kx, grid.ky, grid.live, tilt, plasma.zonal, plasma.shape, width, self.places,
            self.weights,
        )  # fmt: skip
        k = width * np.arange(len(energy))
        rate = plasma.scattering * np.sqrt(k**3 * energy / width)
        self.left = np.exp(-0.5 * self.dt * rate)
        back = plasma.returned * energy * (1.0 - self.left**4)
        return np.asarray(np.sqrt(back / np.maximum(count, 1.0)))

    def _return(
        self, q: Complexes, tilt: float, speeds: Floats, random: np.random.Generator
    ) -> None:
        from manyscale_plugins.drift_turbulence import passes

        grid, plasma = self.grid, self.plasma
        normals = np.sqrt(0.5) * random.standard_normal((grid.n, 2 * (grid.kept + 1)))
        passes.returned(
            q, grid.kx, grid.ky, grid.live, tilt, plasma.zonal, plasma.shape, self.places,
            self.weights, speeds, normals.view(complex),
        )  # fmt: skip
