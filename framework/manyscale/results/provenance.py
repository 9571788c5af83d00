"""Provenance: what exactly was run, so that it can be run again and cited."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

from manyscale.contract.model import Citation, ScaleModel

_PACKAGES = ("manyscale", "muscle3", "ymmsl", "numpy", "scipy", "numba")
FRAMEWORK_CITATION = Citation(
    "veen2020",
    "L. E. Veen and A. G. Hoekstra, Easing multiscale model design and coupling with MUSCLE 3,"
    " Computational Science - ICCS 2020, Lecture Notes in Computer Science 12142, 425-438 (2020)",
    "10.1007/978-3-030-50433-5_33",
)


def provenance(
    name: str,
    hashes: Mapping[str, str],
    settings: Mapping[str, Any],
    models: Iterable[type[ScaleModel]],
    command: Iterable[str],
) -> dict[str, Any]:
    """Return the provenance of a run as plain data."""
    classes = sorted(set(models), key=lambda m: m.name)
    return {
        "model": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "spec_sha256": dict(hashes),
        "settings": dict(settings),
        "run_seed": settings.get("run_seed", 0),
        "versions": {package: _version(package) for package in _PACKAGES},
        "scale_models": {m.name: _origin(m) for m in classes},
        "machine": {
            "python": sys.version.split()[0],
            "system": platform.platform(),
            "cores": len(os.sched_getaffinity(0)),
        },
        "citations": [vars(c) for c in citations(classes)],
    }


def _origin(model: type[ScaleModel]) -> dict[str, str]:
    """Return the version of a model and the distribution it comes from."""
    top = model.__module__.partition(".")[0]
    names = sorted(set(packages_distributions().get(top, [])))
    return {
        "version": model.version,
        "module": model.__module__,
        "distribution": ", ".join(f"{name} {_version(name)}" for name in names) or "not installed",
    }


def citations(models: Iterable[type[ScaleModel]]) -> list[Citation]:
    """Return what to cite for a coupling of these models, each once."""
    found = {c.key: c for model in models for c in model.citations}
    return [FRAMEWORK_CITATION, *(found[key] for key in sorted(found))]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
