"""Radial profiles of a tokamak: read from tables, interpolated with their gradients."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 4  # rows that a cubic spline needs
COLUMNS = ("r", "t_i", "t_e", "density", "major")


class Table(NamedTuple):
    """Measured profiles, arrays (row,) from the axis outwards.

    Attributes
    ----------
    r
        Half the width of a flux surface in m.
    t_i, t_e
        Temperatures in eV.
    density
        Electrons in 1/m3.
    major
        Major radius of the middle of a flux surface in m.
    b_axis
        Field times major radius, in T m.
    """

    r: Floats
    t_i: Floats
    t_e: Floats
    density: Floats
    major: Floats
    b_axis: float


class Machine(NamedTuple):
    """What tables often leave out: B_0 in T at the major radius R_0 in m, and a in m."""

    b_field: float
    major_radius: float
    minor_radius: float


class Local(NamedTuple):
    """Profiles at the radii asked for, arrays (radius,), and both radii of the plasma in m."""

    radius: Floats  # r/a
    t_i: Floats  # eV
    t_e: Floats  # eV
    density: Floats  # 1/m3
    b_field: Floats  # T
    a_over_ln: Floats
    a_over_lti: Floats
    a_over_lte: Floats
    minor_radius: float
    major_radius: float


ARRAYS = Local._fields[:8]


def at_radii(table: Table, radii: Floats) -> Local:
    """Return values and gradients -a/X dX/dr at r/a (radius,), by cubic splines of ln X.

    a is the last r. Third order in the spacing for the gradients.

    Raises `ValueError` for radii outside the table.
    """
    from scipy.interpolate import CubicSpline

    a = float(table.r[-1])
    r = radii * a
    if r.min() < table.r[0] or r.max() > a:
        raise ValueError(
            f"the profile goes from r/a = {table.r[0] / a:.4g} to 1, radii from"
            f" {radii.min():.4g} to {radii.max():.4g} are asked for; choose radii inside"
        )
    splines = [CubicSpline(table.r, np.log(one)) for one in (table.density, table.t_i, table.t_e)]
    density, t_i, t_e = (np.exp(spline(r)) for spline in splines)
    of_n, of_ti, of_te = (-a * spline(r, 1) for spline in splines)
    major = CubicSpline(table.r, table.major)(r)
    field = table.b_axis / major
    return Local(radii, t_i, t_e, density, field, of_n, of_ti, of_te, a, float(major.mean()))


def of_rows(rows: Sequence[Sequence[float]], machine: Machine) -> Table:
    """Return a table from rows of r [m], T_i [eV], T_e [eV], n_e [1/m3], and R [m] if known.

    Raises `ValueError` for rows that are no profile.
    """
    lengths = {len(row) for row in rows}
    if not lengths <= {4, 5} or len(lengths) != 1:
        raise ValueError(
            f"rows have {', '.join(map(str, sorted(lengths)))} numbers, expected 4 or 5 in each:"
            " r, t_i, t_e, density, and major if it is known"
        )
    values = np.array(rows, dtype=float)
    return _of_columns(dict(zip(COLUMNS, values.T, strict=False)), machine, "the table")


def read(path: str, machine: Machine) -> Table:
    """Return the table in a CSV file or in a JSON file of IMAS core_profiles.

    Raises `ValueError` for a file that is not there or is neither.
    """
    file = Path(path)
    if not file.is_absolute():
        raise ValueError(
            f"the file of profiles {path!r} is no full path: components run in folders of their own"
        )
    if not file.is_file():
        raise ValueError(f"the file of profiles {path} is not there")
    reader = _read_json if file.suffix.lower() == ".json" else _read_csv
    try:
        return reader(file, machine)
    except (KeyError, IndexError, TypeError, UnicodeDecodeError) as exc:
        raise ValueError(
            f"{path} is no table of profiles: {exc!r} is missing or unreadable"
        ) from exc


def _read_csv(file: Path, machine: Machine) -> Table:
    """Read columns named in the first line that is no comment."""
    lines = [line for line in file.read_text().splitlines() if line.strip() and line[0] != "#"]
    rows = list(csv.reader(lines, skipinitialspace=True))
    names = [name.strip() for name in rows[0]]
    try:
        values = np.array([[float(word) for word in row] for row in rows[1:]])
    except ValueError as exc:
        raise ValueError(f"{file} has something that is no number: {exc}") from None
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(f"{file} has rows of another length than its {len(names)} names")
    return _of_columns(dict(zip(names, values.T, strict=True)), machine, str(file))


def _read_json(file: Path, machine: Machine) -> Table:
    """Read the first time of core_profiles; lengths from equilibrium if it is there."""
    try:
        data = json.loads(file.read_text())
    except json.JSONDecodeError as exc:
        raise ValueError(f"{file} is no JSON: {exc}") from None
    core = data.get("core_profiles", data)
    profile = core["profiles_1d"][0]
    electrons, rho = profile["electrons"], np.array(profile["grid"]["rho_tor_norm"], dtype=float)
    density = electrons.get("density", electrons.get("density_thermal"))
    vacuum = core.get("vacuum_toroidal_field", {})
    if "b0" in vacuum:
        machine = machine._replace(b_field=abs(vacuum["b0"][0]), major_radius=vacuum["r0"])
    columns = {
        "t_i": np.array(profile["ion"][0]["temperature"], dtype=float),
        "t_e": np.array(electrons["temperature"], dtype=float),
        "density": np.array(density, dtype=float),
        **_lengths(data.get("equilibrium"), rho, machine),
    }
    return _of_columns(columns, machine, str(file))


def _lengths(equilibrium: Any, rho: Floats, machine: Machine) -> dict[str, Floats]:
    """Return r and R of the flux surfaces rho; without an equilibrium r = rho a."""
    if not equilibrium:
        return {"r": rho * machine.minor_radius}
    surfaces = equilibrium["time_slice"][0]["profiles_1d"]
    inner, outer = (
        np.interp(rho, surfaces["rho_tor_norm"], surfaces[name])
        for name in ("r_inboard", "r_outboard")
    )
    return {"r": 0.5 * (outer - inner), "major": 0.5 * (outer + inner)}


def _of_columns(columns: Mapping[str, Floats], machine: Machine, where: str) -> Table:
    """Check columns and return the table."""
    if "rho" in columns and "r" not in columns:
        columns = {**columns, "r": columns["rho"] * machine.minor_radius}
    for name in COLUMNS[:4]:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, 1, 0.4)
            hint = f"; is {near[0]!r} meant?" if near else ""
            raise ValueError(
                f"{where} has no column {name}, but {', '.join(columns) or 'none'}{hint}"
            )
    count = columns["r"].size
    if count < FEWEST:
        raise ValueError(f"{where} has {count} rows, expected {FEWEST} or more")
    ragged = [name for name in COLUMNS if name in columns and columns[name].size != count]
    if ragged:
        raise ValueError(f"{where} has {columns[ragged[0]].size} {ragged[0]} for {count} radii")
    for name in COLUMNS[1:]:
        bad = np.flatnonzero(~(columns[name] > 0.0)) if name in columns else np.zeros(0)
        if bad.size:
            raise ValueError(
                f"{where} has {name} = {columns[name][bad[0]]:g} in row {int(bad[0])}, expected"
                " positive numbers"
            )
    if not (np.diff(columns["r"]) > 0.0).all() or columns["r"][0] < 0.0:
        raise ValueError(f"{where} has radii r that do not rise from row to row, or below 0")
    major = columns.get("major", np.full(count, machine.major_radius))
    r, t_i, t_e, density = (columns[name] for name in COLUMNS[:4])
    return Table(r, t_i, t_e, density, major, machine.b_field * machine.major_radius)
