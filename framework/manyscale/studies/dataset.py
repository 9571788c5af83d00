"""What a study found, as one xarray dataset with units and provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manyscale.bridges.gather.kernel import CONFIDENT
from manyscale.contract.refusal import Refused
from manyscale.results.provenance import provenance
from manyscale.studies.carry_out import Done
from manyscale.studies.study import Study

if TYPE_CHECKING:
    import xarray as xr

FILE = "study.nc"
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
_AXES: Mapping[str, tuple[str, ...]] = {
    "quantiles": ("qoi", "probability"), "quantiles_se": ("qoi", "probability"),
    "S1": ("qoi", "parameter"), "S1_se": ("qoi", "parameter"),
    "ST": ("qoi", "parameter"), "ST_se": ("qoi", "parameter"),
    "level_pairs": ("level",), "level_mean": ("level", "qoi"), "level_variance": ("level", "qoi"),
}  # fmt: skip
_ELSEWHERE = ("members", "dropped")


def dataset(study: Study, done: Done, command: Sequence[str]) -> xr.Dataset:
    """Return samples, statistics and how they came about.

    Sobol indices have 95 % intervals `_low`, `_high` besides their standard errors `_se`.
    """
    import xarray as xr

    table = done.table
    told = study.statistics(table, PROBABILITIES)
    found: dict[str, Any] = {
        "theta": (("sample", "parameter"), table.theta),
        "y": (("sample", "qoi"), table.y),
        "outer": ("sample", table.outer),
        "inner": ("sample", table.inner),
        "sample_level": ("sample", table.level),
        "failed": ("sample", ~np.isfinite(table.y).all(axis=1)),
    }
    for name, value in told.items():
        if name not in _ELSEWHERE:
            found[name] = (_AXES.get(name, ("qoi",)), value)
    for name in {"S1", "ST"} & told.keys():
        spread = CONFIDENT * told[f"{name}_se"]
        found[f"{name}_low"] = (_AXES[name], told[name] - spread)
        found[f"{name}_high"] = (_AXES[name], told[name] + spread)
    return xr.Dataset(found, _coordinates(study, table), _attributes(study, done, command))


def _coordinates(study: Study, table: Any) -> dict[str, Any]:
    parameters, interests = study.parameters, study.interests
    return {
        "sample": table.member,
        "parameter": ("parameter", _words([one.name for one in parameters])),
        "parameter_unit": ("parameter", _words([one.unit for one in parameters])),
        "parameter_label": ("parameter", _words([one.label for one in parameters])),
        "qoi": ("qoi", _words([one.name for one in interests])),
        "qoi_unit": ("qoi", _words([one.unit for one in interests])),
        "probability": list(PROBABILITIES),
    }


def _words(words: list[str]) -> Any:
    return np.array(words, dtype=object)


def _attributes(study: Study, done: Done, command: Sequence[str]) -> dict[str, Any]:
    coupling = study.coupling
    contracts = [c for c in coupling.contracts.values() if c is not None]
    origin = provenance(coupling.name, coupling.hashes, coupling.settings, contracts, command)
    parameters = [asdict(one) for one in study.parameters]
    return {
        "title": f"{study.method} study of {coupling.name}",
        "method": study.method,
        "sizes": json.dumps(asdict(study.sizes)),
        "seed": study.seed,
        "identity": study.identity,
        "distributions": json.dumps(parameters),
        "failures": json.dumps({str(m): why for m, why in done.failures.items()}),
        "provenance": json.dumps(origin),
    }


def save(data: xr.Dataset, folder: Path) -> Path:
    """Write the dataset, whole or not at all; return the file."""
    path = folder / FILE
    new = path.with_name(f".{path.name}.new")
    try:
        data.to_netcdf(new)
        os.replace(new, path)
    except OSError as exc:
        raise Refused(f"{path} cannot be written: {exc.strerror or exc}.") from None
    return path
