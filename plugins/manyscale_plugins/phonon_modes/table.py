"""Mode tables written by phono3py: lifetimes of a crystal from first principles.

Datasets and units are those of `kappa-m*.hdf5` of phono3py 2 to 4: frequency (q, band) THz,
group_velocity (q, band, 3) Angstrom THz, gamma (T, q, band) THz, the half width in ordinary
frequency, heat_capacity (T, q, band) eV/K, weight (q,), mesh (3,), boundary_mfp micrometre.
A. Togo, L. Chaput and I. Tanaka, Physical Review B 91 (2015) 094306.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manyscale_plugins.phonon_modes.kernel import BOLTZMANN, HBAR, Floats, Modes, einstein

if TYPE_CHECKING:
    import h5py

SHIPPED = {"silicon_pbesol": Path(__file__).with_name("silicon_pbesol") / "kappa-m111111.hdf5"}
"""Tables that come with this plugin, by name."""
EV = 1.602176634e-19  # J, exact
THZ, ANGSTROM = 1e12, 1e-10
_ACOUSTIC = 1e-2  # THz; below it a mode at Gamma is a translation of the crystal
_ASKED = (
    "temperature", "mesh", "weight", "frequency", "heat_capacity", "kappa_unit_conversion",
)  # fmt: skip


class Table(NamedTuple):
    """The modes of an irreducible wedge; what is skipped (translations) is left out."""

    temperatures: Floats  # (T,) K
    frequency: Floats  # (mode,) Hz
    velocity: Floats  # (mode,) m/s, |v|
    heat_capacity: Floats  # (T, mode) J/(m3 K), weights included
    linewidth: Floats  # (T, mode) 1/s: 2 (2 pi gamma), rates of phonon-phonon scattering
    other_rate: Floats  # (mode,) 1/s, of boundaries and isotopes
    kappa: Floats | None  # (T,) W/(m K), of the file, a third of its trace
    skipped: int


def path_of(name: str) -> Path:
    """Return the file of a table: the name of a shipped one, or a path."""
    return SHIPPED.get(name, Path(name))


def at(table: Table, temperature: float) -> Modes:
    """Return the modes at a temperature [K] within the table.

    At a temperature of the table its own numbers; between, linewidths by a monotone cubic in
    (ln T, ln gamma), heat capacities by Einstein's function.
    """
    T = table.temperatures
    if not T[0] <= temperature <= T[-1]:
        raise ValueError(
            f"temperature = {temperature:g} K is outside the mode table, which holds"
            f" {T[0]:g}..{T[-1]:g} K: choose one within, or let phono3py compute more (--tmin,"
            " --tmax, --ts)"
        )
    rate = _linewidth(table, temperature) + table.other_rate
    capacity = _heat_capacity(table, temperature)
    return Modes(capacity, table.velocity, 1.0 / rate)


def _linewidth(table: Table, temperature: float) -> Floats:
    own = np.flatnonzero(table.temperatures == temperature)
    if own.size:
        return np.asarray(table.linewidth[own[0]])
    from scipy.interpolate import PchipInterpolator

    curve = PchipInterpolator(np.log(table.temperatures), np.log(table.linewidth), axis=0)
    return np.asarray(np.exp(curve(math.log(temperature))))


def _heat_capacity(table: Table, temperature: float) -> Floats:
    """Scale Einstein's function as the table does: its constants may have other last digits."""
    i = int(np.argmin(np.abs(table.temperatures - temperature)))
    near = table.temperatures[i]
    if near == temperature:
        return np.asarray(table.heat_capacity[i])
    x = 2.0 * np.pi * HBAR * table.frequency / BOLTZMANN
    known = einstein(x / near)
    ratio = np.divide(table.heat_capacity[i], known, out=np.zeros_like(known), where=known > 0.0)
    return np.asarray(ratio * einstein(x / temperature))


@lru_cache(maxsize=4)
def _read_once(path: Path, stamp: tuple[int, int]) -> Table:
    del stamp  # another file of the same name is read again
    h5py = _h5py()
    try:
        file = h5py.File(path, "r")
    except OSError as exc:
        raise ValueError(
            f"{path} is not an HDF5 file ({str(exc).partition('(')[2].rstrip(')')}), expected the"
            " kappa-m*.hdf5 that phono3py --br writes"
        ) from None
    with file:
        return _table(_Datasets(path, file))


def read(path: Path) -> Table:
    """Read a table; a file that has not changed is read once.

    Raises ValueError, with one sentence, for a file that is not there, not phono3py's, or whose
    modes cannot be used: without lifetimes, with negative linewidths, with imaginary modes.
    """
    if not path.is_file():
        shipped = ", ".join(SHIPPED)
        raise ValueError(
            f"table_file = {str(path)!r} is not there, expected the full path of a file of phono3py"
            f" or the name of a shipped one: {shipped}"
        )
    found = path.stat()
    return _read_once(path, (found.st_mtime_ns, found.st_size))


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise ValueError(
            "table_file needs h5py, which is not installed: pip install 'manyscale[phonon]'"
        ) from None
    return h5py


class _Datasets:
    """The datasets of one file, each with a sentence when it is missing or odd."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file
        missing = [name for name in _ASKED if name not in file]
        if missing:
            raise ValueError(
                f"{path} has no dataset {missing[0]!r} ({len(missing)} of {len(_ASKED)} are"
                " missing), expected the kappa-m*.hdf5 that phono3py --br writes"
            )
        if "gamma" not in file:
            raise ValueError(
                f"{path} has no dataset 'gamma', so no lifetimes: run phono3py with --br and"
                " without --write-gamma-detail or --bi"
            )

    def __call__(self, name: str, axes: int) -> Floats:
        """Return a dataset of real numbers with so many axes."""
        values = np.asarray(self.file[name][()], np.float64)
        if values.ndim != axes:
            raise ValueError(
                f"{self.path}: {name} has the shape {list(values.shape)}, expected {axes} axes;"
                " a file holds one smearing width or the tetrahedron method"
            )
        if not np.isfinite(values).all():
            bad = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
            raise ValueError(f"{self.path}: {name} is not finite at {bad}, expected numbers")
        return values

    def __contains__(self, name: str) -> bool:
        return name in self.file

    def one(self, name: str, default: float) -> float:
        """Return a single number, or a default if the file has none."""
        return float(self(name, 0)) if name in self else default


def _table(data: _Datasets) -> Table:
    frequency, weight = data("frequency", 2), _weights(data)
    if len(weight) != len(frequency):
        raise ValueError(
            f"{data.path}: {len(weight)} weights for {len(frequency)} wave vectors, expected one"
            " for each: the file was cut or mixed"
        )
    _refuse_imaginary(data, frequency, weight)
    keep = ~_translations(data, frequency)
    gamma, capacity = data("gamma", 3), data("heat_capacity", 3)
    temperatures = _rising(data)
    _refuse_shapes(data, (len(temperatures), *frequency.shape), gamma, capacity)
    _refuse_linewidths(data, gamma, keep)
    speed = _speed(data, weight)
    points = weight.sum()
    share = weight[:, None] / points / _cell_volume(data)
    rate = _other_rate(data, speed)
    return Table(
        temperatures,
        frequency[keep] * THZ,
        speed[keep],
        (capacity * share)[:, keep] * EV,
        gamma[:, keep] * (4.0 * math.pi * THZ),
        rate[keep],
        _own_kappa(data, len(temperatures)),
        int((~keep).sum()),
    )


def _rising(data: _Datasets) -> Floats:
    temperatures = data("temperature", 1)
    if not (temperatures.size and (np.diff(temperatures) > 0.0).all() and temperatures[0] > 0.0):
        raise ValueError(
            f"{data.path}: temperature is {temperatures.tolist()}, expected rising values above 0 K"
        )
    return temperatures


def _weights(data: _Datasets) -> Floats:
    weight, mesh = data("weight", 1), data("mesh", 1)
    points = math.prod(int(n) for n in mesh)
    if "grid_matrix" in data:
        points = round(abs(np.linalg.det(data("grid_matrix", 2))))
    if int(weight.sum()) != points:
        raise ValueError(
            f"{data.path}: the weights sum to {int(weight.sum())}, but the mesh has {points} points"
            f" ({' x '.join(str(int(n)) for n in mesh)}), expected symmetry weights that fill it"
        )
    return weight


def _at_gamma(data: _Datasets, count: int) -> NDArray[np.bool_]:
    found = np.arange(count) == 0
    if "qpoint" in data:
        found = np.abs(data("qpoint", 2)).max(axis=1) < 1e-9
    return np.asarray(found, np.bool_)


def _translations(data: _Datasets, frequency: Floats) -> NDArray[np.bool_]:
    """Return which modes are the three translations of the crystal, (q, band)."""
    gamma_point = _at_gamma(data, len(frequency))
    return np.asarray(gamma_point[:, None] & (np.abs(frequency) < _ACOUSTIC))


def _refuse_imaginary(data: _Datasets, frequency: Floats, weight: Floats) -> None:
    bad = (frequency < 0.0) & ~_translations(data, frequency)
    if not bad.any():
        return
    share = (bad.sum(axis=1) * weight).sum() / (weight.sum() * frequency.shape[1])
    q, band = np.unravel_index(np.argmin(np.where(bad, frequency, 0.0)), bad.shape)
    where = ""
    if "qpoint" in data:
        where = " at q = (" + ", ".join(f"{x:.4g}" for x in data("qpoint", 2)[q]) + ")"
    raise ValueError(
        f"{data.path} has imaginary modes, {100.0 * share:.3g} % of all: the worst is band"
        f" {int(band) + 1}{where} with {frequency[q, band]:.4g} THz; this structure is not stable,"
        " relax it or take other force constants"
    )


def _refuse_shapes(data: _Datasets, shape: tuple[int, ...], *arrays: Floats) -> None:
    for array in arrays:
        if array.shape != shape:
            raise ValueError(
                f"{data.path}: gamma and heat_capacity have the shapes"
                f" {' and '.join(str(list(a.shape)) for a in arrays)}, expected {list(shape)}"
            )


def _refuse_linewidths(data: _Datasets, gamma: Floats, keep: NDArray[np.bool_]) -> None:
    for bad, what in ((gamma < 0.0, "negative"), ((gamma == 0.0) & keep, "zero")):
        if bad.any():
            t, q, band = (int(i) for i in np.argwhere(bad)[0])
            hint = "" if what == "negative" else " where the frequency is not"
            raise ValueError(
                f"{data.path}: {int(bad.sum())} linewidths are {what}{hint}, the first"
                f" {gamma[t, q, band]:.4g} THz at [temperature, wave vector, band] ="
                f" {[t, q, band]}, expected positive ones: a denser mesh or a smearing width helps"
            )


def _speed(data: _Datasets, weight: Floats) -> Floats:
    """Return |v| (q, band) m/s, averaged over the star of q where the file has that."""
    if "gv_by_gv" in data:
        square = data("gv_by_gv", 3)[..., :3].sum(axis=-1) / weight[:, None]
    else:
        square = (data("group_velocity", 3) ** 2).sum(axis=-1)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)) * (ANGSTROM * THZ))


def _cell_volume(data: _Datasets) -> float:
    """Return the volume of the primitive cell [m3] from the file's own conversion factor."""
    # kappa_unit_conversion = (Angstrom THz)2 eV/(2 pi THz V), in W/(m K) for V in Angstrom3
    unit = (ANGSTROM * THZ) ** 2 * EV / (2.0 * math.pi * THZ)
    return unit / data.one("kappa_unit_conversion", 0.0)


def _other_rate(data: _Datasets, speed: Floats) -> Floats:
    rate = np.zeros_like(speed)
    if "boundary_mfp" in data:
        rate += speed / (1e-6 * data.one("boundary_mfp", math.inf))
    if "gamma_isotope" in data:
        rate += data("gamma_isotope", 2) * (4.0 * math.pi * THZ)
    return rate


def _own_kappa(data: _Datasets, count: int) -> Floats | None:
    if "kappa" not in data:
        return None
    kappa = data("kappa", 2)[:, :3].mean(axis=1)
    return np.asarray(kappa) if len(kappa) == count else None
